"""What all sinks share: their settings' frame, and the ways in which they fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

Message: TypeAlias = Mapping[str, Any]
"""A record as it was made: a finding as documents have it, with ``message``, ``uid``, ``revision``, ``site``, ``agent``
and ``category``."""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """[sinks.NAME]; two that are equal are the same sink."""

    name: str
    type: str
    severity: str
    """The least that it gets."""
    counted: bool
    """What it sends counts for the uplink's budget."""
    options: Any
    """Of its own module: a frozen dataclass."""


class SinkError(Exception):
    """It was not sent; the text says why, in one line."""

    def __init__(self, text: str, *, pause: float = 0.0, taken: frozenset[str] = frozenset()) -> None:
        super().__init__(text)
        self.pause = pause
        """Seconds for which the other side wants to be left alone."""
        self.taken = taken
        """``message`` of those that have arrived all the same."""


class Refused(SinkError):  # noqa: N818
    """These messages will never be taken, whatever we do: they are told as undeliverable and not sent again."""


@runtime_checkable
class Attentive(Protocol):
    """A sink that has something to do while nothing is to be sent: keep a connection alive, answer."""

    def idle(self, seconds: float) -> None:
        """Take up to so long; may raise SinkError, which says that the way is closed at the moment."""


@runtime_checkable
class Weighing(Protocol):
    """A sink that knows what a message costs on the wire."""

    def cost(self, message: Message) -> int:
        """Bytes, about."""
