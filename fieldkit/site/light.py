"""Messages that are kept for long, without their weight.

A finding needs its message whole, at once; a history of 500 status changes needs of each only when it came, in which
frames, and its id. A site of hundreds of connectors would otherwise keep every frame it ever sent.
"""

from __future__ import annotations

from typing import Final

from fieldkit.events import Event, OcppError, OcppMessage, Orphan, Unanswered

MAX_RAW: Final = 8192
"""Characters of a frame that is kept whole: the longest TransactionEvents with meter values have about half of it."""
MAX_WORDS: Final = 500
"""Characters kept of what an error says in words."""


def light(message: OcppMessage) -> OcppMessage:
    """The same message without its content: enough to point to it."""
    return OcppMessage(
        time=message.time,
        frames=message.frames,
        source=message.source,
        channel=message.channel,
        sender=message.sender,
        type=message.type,
        id=message.id,
        action=message.action,
        payload=None,
        error=_light_error(message.error),
        raw="",
        problems=(),
        validated=False,
        call=None,
    )


def bounded(message: OcppMessage, most: int = MAX_RAW) -> OcppMessage:
    """The message itself, unless it, or the CALL that it answers and holds on to, is so long that it must not be
    kept."""
    call = message.call
    return message if len(message.raw) <= most and (call is None or len(call.raw) <= most) else light(message)


def weight_of(event: Event) -> int:
    """Characters of the messages that an event holds on to."""
    if isinstance(event, Unanswered):
        event = event.call
    elif isinstance(event, Orphan):
        event = event.answer
    if not isinstance(event, OcppMessage):
        return 0
    return len(event.raw) + (len(event.call.raw) if event.call is not None else 0)


def bounded_event(event: Event, most: int = MAX_RAW) -> Event:
    """The same of an event that may hold messages."""
    if isinstance(event, OcppMessage):
        return bounded(event, most)
    if isinstance(event, Unanswered):
        call = bounded(event.call, most)
        return event if call is event.call else Unanswered(event.time, event.frames, call, event.why)
    if isinstance(event, Orphan):
        answer = bounded(event.answer, most)
        return event if answer is event.answer else Orphan(event.time, event.frames, answer)
    return event


def _light_error(error: OcppError | None) -> OcppError | None:
    return None if error is None else OcppError(error.code[:MAX_WORDS], error.description[:MAX_WORDS], None)
