"""Messages that are kept for long are told apart by what is left of them."""

from __future__ import annotations

from fieldkit.events import OcppMessage


def same(kept: OcppMessage | None, message: OcppMessage | None) -> bool:
    """Whether ``kept`` is this message, or what ``light`` has left of it."""
    if kept is None or message is None:
        return False
    return kept is message or (kept.time == message.time and kept.id == message.id and kept.frames == message.frames)
