"""Why a port cannot be used, in one line that says what to do."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Kinds of trouble."""

    MISSING = "missing"
    """There is no such port, or it was pulled out."""
    PERMISSION = "permission"
    BUSY = "busy"
    """Somebody else has it."""
    SETTINGS = "settings"
    """The port cannot do this speed or format."""
    UNREACHABLE = "unreachable"
    """The host behind an address does not answer."""
    GONE = "gone"
    """It was there and failed."""
    LIBRARY = "library"
    """pyserial is not installed."""


class PortError(Exception):
    """A port that cannot be opened, or was lost."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RefusedError(Exception):
    """Something that is not sent, and why. Not a fault of the port: a decision of the guard."""
