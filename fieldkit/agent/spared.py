"""A module that a library imports at once and hardly ever uses: something stands in for it until it is asked for.

paho-mqtt imports ``urllib.request`` for proxies in front of WebSockets, which are not used here; with it come an HTTP
client and all of ``email``, two megabytes that a small router has better uses for. Python's own ``importlib.util``
LazyLoader does not help: in 3.11 the next import statement loads what it has put off.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import all_suffixes
from types import ModuleType
from typing import Any


def spare(name: str, **had: object) -> None:
    """Put off the import of a module, say ``urllib.request``, until somebody wants something of it that is not in
    ``had``."""
    if name in sys.modules:
        return
    package, _, own = name.rpartition(".")
    standing_in = ModuleType(name)

    def wanted(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # the import machinery has questions about every module
        if sys.modules.get(name) is standing_in:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    standing_in.__dict__.update(had, __getattr__=wanted)  # PEP 562
    sys.modules[name] = standing_in
    if package:
        setattr(import_module(package), own, standing_in)


def spare_inspect() -> None:
    """With ``inspect`` come a parser and a disassembler. To be called before anything imports ``dataclasses``.

    Those want its ``signature`` for classes without a docstring only, from 3.12 on its ``get_annotations`` for each;
    pkgutil wants ``getmodulename``, once for each check.
    """
    spare("inspect", getmodulename=_module_name, get_annotations=_annotations)


def _module_name(path: str) -> str | None:
    """As inspect has it."""
    file = path.rpartition("/")[2]
    suffix = max((one for one in all_suffixes() if file.endswith(one)), key=len, default="")
    return file.removesuffix(suffix) if suffix else None


def _annotations(of: type) -> dict[str, Any]:
    """Of a class, as they are written there."""
    return dict(vars(of).get("__annotations__") or {})
