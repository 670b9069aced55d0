"""How many bytes all connections together may hold back while they wait for more."""

from __future__ import annotations

DEFAULT_BUDGET = 32 << 20
"""Bytes. A quarter of the smallest router we run on (128 MB); a thousand half-received messages of 32 KiB."""


class Budget:
    """A shared counter: buffers ``take`` before they grow and ``give`` back what they let go."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = DEFAULT_BUDGET) -> None:
        self.limit = limit
        self.used = 0

    def take(self, count: int) -> bool:
        """Reserve ``count`` bytes; False (and nothing reserved) when they are not to be had."""
        if self.used + count > self.limit:
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        self.used -= count
