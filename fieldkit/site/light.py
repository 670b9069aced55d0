"""Messages that are kept for long, without their weight.

A finding needs its message whole, at once; a history of 500 status changes needs of each only when it came, in which
frames, and its id. A site of hundreds of connectors would otherwise keep every frame it ever sent.
"""

from __future__ import annotations

from typing import Final

from fieldkit.events import OcppMessage

MAX_RAW: Final = 8192
"""Characters of a frame that is kept whole: the longest TransactionEvents with meter values have about half of it."""


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
        error=message.error,
        raw="",
        problems=(),
        validated=False,
        call=None,
    )


def bounded(message: OcppMessage) -> OcppMessage:
    """The message itself, unless it is so long that it must not be kept."""
    return message if len(message.raw) <= MAX_RAW else light(message)
