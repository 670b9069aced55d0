"""How many bytes all connections together may hold back while they wait for more, and what they may be inflated to."""

from __future__ import annotations

DEFAULT_BUDGET = 32 << 20
"""Bytes. A quarter of the smallest router we run on (128 MB); a thousand half-received messages of 32 KiB."""

MAX_INFLATED = 8 << 20
"""Bytes that what is compressed in one block of a capture may become: what came of a block is in memory all at once, as
bytes, as text, taken apart and as output. It is sixteen times the block. OCPP deflates to a fifth, and the same long
message again and again, with its packets' headers and acknowledgements, to a tenth."""


class Budget:
    """A shared counter: buffers ``take`` before they grow and ``give`` back what they let go."""

    __slots__ = ("inflatable", "limit", "used")

    def __init__(self, limit: int = DEFAULT_BUDGET) -> None:
        self.limit = limit
        self.used = 0
        self.inflatable = MAX_INFLATED
        """What is left of ``MAX_INFLATED``: whoever inflates takes it off, whoever feeds a block sets it anew."""

    def take(self, count: int) -> bool:
        """Reserve ``count`` bytes; False (and nothing reserved) when they are not to be had."""
        if self.used + count > self.limit:
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        self.used -= count
