"""Decoders of plugins, between the engine and whoever wants its events: what they read is added where they read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fieldkit.events import Event, PluginFailed
from fieldkit.plugins.kinds import Decoder
from fieldkit.safetext import shorten

MAX_READ: Final = 1000
"""Events that a decoder may make of one; what comes beyond is a fault of its own."""
MAX_OFF: Final = 10_000
"""Streams for which a decoder that failed is switched off before it is switched off altogether."""


class Decoding:
    """Events go in, the same and what was read out of them come out."""

    def __init__(self, decoders: Iterable[tuple[str, Decoder]]) -> None:
        """By the name of their plugin."""
        self._by_event: dict[type[Any], list[tuple[str, Decoder]]] = {}
        self._off: set[tuple[str, object]] = set()
        for name, decoder in decoders:
            for kind in decoder.wants:
                self._by_event.setdefault(kind, []).append((name, decoder))

    def __bool__(self) -> bool:
        return bool(self._by_event)

    def through(self, events: Iterable[Event]) -> list[Event]:
        """A few events, in their order."""
        result: list[Event] = []
        for event in events:
            result.append(event)
            for name, decoder in self._by_event.get(event.__class__, ()):
                stream = _stream(event)
                if (name, stream) not in self._off:
                    result += self._read(name, decoder, event, stream)
        return result

    def _read(self, name: str, decoder: Decoder, event: Event, stream: object) -> list[Event]:
        found: list[Event] = []
        try:
            if not decoder.claims(event):
                return found
            for one in decoder.feed(event):
                if not hasattr(one, "time") or not hasattr(one, "frames"):
                    raise TypeError(f"feed() gave {type(one).__name__}, which is no event")
                found.append(one)
                if len(found) > MAX_READ:
                    raise ValueError(f"feed() gave more than {MAX_READ} events")
        except Exception as error:
            # Switched off for this stream: another one may be what it knows.
            self._off.add((name, stream))
            if len(self._off) > MAX_OFF:
                self._by_event.clear()
            why = shorten(f"{type(error).__name__}: {error}", 300)
            found.append(PluginFailed(event.time, event.frames, name, "decoder", why))
        return found


def _stream(event: Event) -> object:
    """What an event belongs to."""
    channel = getattr(event, "channel", None)
    connection = getattr(event, "connection", None) or getattr(channel, "connection", None)
    if connection is not None:
        return connection.number
    return getattr(channel, "station", None) or getattr(event, "port", None)
