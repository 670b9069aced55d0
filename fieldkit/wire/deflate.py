"""permessage-deflate (RFC 7692) as an onlooker has to read it: perhaps without the beginning.

With context takeover every message may refer to the last 32 KiB of what was sent before it. Who joins a connection
midway does not have those. But raw DEFLATE only ever copies from that window, so the window can be filled with a
placeholder: what the messages spell out becomes readable at once, what they copy from before our time stays NUL, a
byte that JSON text cannot contain. The holes are countable. They stay as long as messages repeat what was said before
our time: the copy of a hole is a hole. Guessing is never needed.
"""

from __future__ import annotations

import zlib

WINDOW = 32768
_TAIL = b"\x00\x00\xff\xff"
"""RFC 7692 §7.2.2: the sender strips this from the end of each message."""

_UNKNOWN_WINDOW = bytes(WINDOW)


class Inflater:
    """One direction's decompressor."""

    __slots__ = ("_known", "_takeover", "_z", "exceeded")

    def __init__(self, *, takeover: bool = True, known: bool = True) -> None:
        """``takeover``: messages share one context. ``known``: we have seen it from its beginning."""
        self._takeover = takeover
        self._known = known
        self._z = self._fresh()
        self.exceeded = False
        """The message that was fed last is longer than it may be here; nothing is wrong with it."""

    def _fresh(self) -> zlib._Decompress:
        if self._known:
            return zlib.decompressobj(-15)
        return zlib.decompressobj(-15, zdict=_UNKNOWN_WINDOW)

    @property
    def known(self) -> bool:
        """True while every byte of the window is certain."""
        return self._known

    def lose_context(self) -> None:
        """A message was missed or broken: nothing in the window can be trusted any more."""
        if self._takeover:
            self._known = False
        self._z = self._fresh()

    def inflate(self, data: bytes, limit: int) -> tuple[bytes, int] | None:
        """The message, and how many of its bytes are unknown; None when it is not DEFLATE or exceeds ``limit``."""
        self.exceeded = False
        try:
            message = self._z.decompress(data + _TAIL, limit)
        except zlib.error:
            self.lose_context()
            return None
        if self._z.unconsumed_tail:
            # At the limit. The rest of the message would have to be inflated to keep the window right: let it go.
            self.lose_context()
            self.exceeded = True
            return None
        if self._z.eof:
            # RFC 7692 §7.2.3.4: a block with BFINAL ends the DEFLATE stream, and the next message starts a new one
            # that may still refer to this text.
            window = message[-WINDOW:]
            self._z = zlib.decompressobj(-15, zdict=bytes(WINDOW - len(window)) + window)
        elif not self._takeover:
            self._z = zlib.decompressobj(-15) if self._known else self._fresh()
        return message, (0 if self._known else message.count(0))
