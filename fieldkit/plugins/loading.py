"""Brings a plugin in: imports its module, by path or as pip installed it, and lets it register."""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Final

from fieldkit.links.guard import TimeIsUp, timed
from fieldkit.plugins.discover import Found
from fieldkit.plugins.registrar import Registrar, RegistrationError
from fieldkit.safetext import shorten

PATIENCE: Final = 20.0
"""Seconds a plugin has to be imported and to register: a router's flash is slow."""


class LoadError(Exception):
    """A plugin cannot be used; says why in one line."""


def load(found: Found) -> Registrar:
    """What it brings."""
    if found.manifest is None or found.problem:
        raise LoadError(found.problem or "it has no manifest")
    registrar = Registrar(found.manifest, found.root)
    try:
        timed(lambda: _bring_in(found, registrar), PATIENCE, f"plugin {found.name}")
        registrar.finish()
    except (TimeIsUp, RegistrationError, LoadError) as error:
        raise LoadError(str(error)) from error
    except (Exception, SystemExit) as error:
        raise LoadError(shorten(f"{type(error).__name__}: {error}", 300)) from error
    return registrar


def _bring_in(found: Found, registrar: Registrar) -> None:
    told = registrar.manifest
    for name in told.profiles:
        place = found.root / name
        try:
            registrar.device_profile(place.read_text("utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise LoadError(f"{place}: {error}") from None
    if not told.module:
        return
    module = import_module(told.module) if found.entry else _by_path(told.module, found.root)
    register = getattr(module, told.register, None)
    if not callable(register):
        raise LoadError(f"its module {told.module} has no function {told.register}")
    register(registrar)


def _by_path(name: str, root: Path) -> ModuleType:
    """A module or package in the plugin's directory, which itself does not become a place to import from."""
    for place, inside in (
        (root / f"{name}.py", None),
        (root / name / "__init__.py", [str(root / name)]),
        (root / "src" / name / "__init__.py", [str(root / "src" / name)]),
        # An installed package that is loaded by the path of its manifest.
        (root / "__init__.py", [str(root)] if root.name == name else None),
    ):
        if not place.is_file() or (place.name == "__init__.py" and inside is None):
            continue
        before = sys.modules.get(name)
        if before is not None:
            if Path(before.__file__ or "").resolve() == place.resolve():
                return before
            raise LoadError(f"a module {name} is loaded already, from {before.__file__}")
        spec = util.spec_from_file_location(name, place, submodule_search_locations=inside)
        if spec is None or spec.loader is None:
            break
        module = util.module_from_spec(spec)
        sys.modules[name] = module  # its own imports, of its parts, look there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    raise LoadError(f"there is no module {name} in {root}")
