"""Python packages that fieldkit does without where it must, and what is missed then."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "packages"
OPTIONAL: Final = {
    "cryptography": ("cryptography", "TLS is not decrypted, also with a key log"),
    "ocpp": ("ocpp", "payloads are not held against the OCPP schemas"),
    "orjson": ("orjson", "JSON is parsed by Python's own parser, more slowly"),
    "pyserial": ("serial", "nothing is read from serial ports"),
    "scapy": ("scapy", "a few rare link types cannot be read"),
    "textual": ("textual", "there is no full-screen view"),
    "websockets": ("websockets", "WebSocket payloads are unmasked more slowly"),
}
"""By the name under which each is installed: its module, and what is missed."""


def python() -> Iterable[Result]:
    """The interpreter itself."""
    from fieldkit import __version__

    running = ".".join(map(str, sys.version_info[:3]))
    return (Result(_AREA, "fieldkit", State.WORKS, f"{__version__} on Python {running} ({sys.executable})"),)


def optional() -> Iterable[Result]:
    """Each of them."""
    return [package(name, module, missed) for name, (module, missed) in OPTIONAL.items()]


def package(name: str, module: str, missed: str) -> Result:
    """Whether it can be imported; it is not."""
    if find_spec(module) is None:
        return Result(_AREA, name, State.NOTE, f"it is not installed: {missed}", machine.install_python(name))
    try:
        return Result(_AREA, name, State.WORKS, version(name))
    except PackageNotFoundError:
        return Result(_AREA, name, State.WORKS, "its version is not known")


PROBES: Final = (python, optional)
