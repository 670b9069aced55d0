"""The screens there are, and the keys that lead to them. One that is not built is absent; its digit does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fieldkit.tui.frame import FieldScreen


@dataclass(frozen=True, slots=True)
class Place:
    """A screen that a digit and an F-key lead to."""

    id: str
    key: str
    title: str
    help: str
    module: str
    """In ``fieldkit.tui.screens``."""
    screen: str
    """Its class."""
    needs_engine: bool = True
    """There is nothing to see on it before a source is open."""

    @property
    def keys(self) -> str:
        """The digit, and the F-key of the same number."""
        return f"{self.key},f{self.key if self.key != '0' else '10'}"

    def make(self) -> FieldScreen:
        """A new one."""
        screen: FieldScreen = getattr(import_module(f"fieldkit.tui.screens.{self.module}"), self.screen)()
        return screen


_ALL: Final = (
    Place("home", "0", "Home", "Choose what to look at.", "home", "HomeScreen", needs_engine=False),
    Place("live", "1", "Live", "The traffic, message by message.", "live", "LiveScreen"),
    Place("chargers", "2", "Chargers", "Each charger and how it fares.", "chargers", "ChargersScreen"),
    Place("findings", "3", "Findings", "What is wrong, and who has to act.", "findings", "FindingsScreen"),
    Place("tls", "4", "TLS", "Encryption and certificates.", "tls", "TlsScreen"),
    Place("serial", "5", "Serial", "Devices on serial ports.", "serial", "SerialScreen", needs_engine=False),
    Place("links", "6", "Links", "Uplinks and their quality.", "links", "LinksScreen"),
    Place("detector", "7", "Detector", "What is unusual.", "detector", "DetectorScreen"),
)


@cache
def places() -> tuple[Place, ...]:
    """Those that are built."""
    return tuple(place for place in _ALL if find_spec(f"fieldkit.tui.screens.{place.module}") is not None)


def place(id_: str) -> Place | None:
    """The one of this id, if it is built."""
    return next((place for place in places() if place.id == id_), None)
