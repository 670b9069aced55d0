"""How long things last on a serial line: a character, a frame, the silence between frames.

Modbus over Serial Line V1.02 §2.5.1.1: frames are set apart by 3.5 characters of silence, and the characters of one
frame by no more than 1.5. Above 19,200 baud both are fixed, at 1.75 ms and 0.75 ms.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000

_FIXED_ABOVE: Final = 19_200
_FIXED_FRAME_GAP: Final = 1_750_000
_FIXED_CHARACTER_GAP: Final = 750_000

SPEEDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400)
"""What serial ports are run at; others need a port that can do them."""

SLOWEST, FASTEST = 50, 4_000_000


class LineSettings(NamedTuple):
    """Speed and character format of a line."""

    speed: int
    data_bits: int = 8
    parity: str = "N"
    """"N", "E" or "O"."""
    stop_bits: int = 1

    @property
    def format(self) -> str:
        return f"{self.data_bits}{self.parity}{self.stop_bits}"

    @property
    def bits(self) -> int:
        """On the line for each character, the start bit included."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits

    def wire_time(self, size: int) -> int:
        """Nanoseconds that so many characters take."""
        return size * self.bits * SECOND // self.speed

    @property
    def frame_gap(self) -> int:
        """Nanoseconds of silence that end a frame (t3.5)."""
        return _FIXED_FRAME_GAP if self.speed > _FIXED_ABOVE else 7 * self.bits * SECOND // (2 * self.speed)

    @property
    def character_gap(self) -> int:
        """Nanoseconds of silence that a frame may have inside (t1.5)."""
        return _FIXED_CHARACTER_GAP if self.speed > _FIXED_ABOVE else 3 * self.bits * SECOND // (2 * self.speed)


def line_settings(speed: int, character: str = "8N1") -> LineSettings:
    """``9600, "8E1"`` → settings; ValueError says what is wrong."""
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"a speed of {speed} baud is not between {SLOWEST} and {FASTEST}")
    if len(character) != 3 or character[0] not in "78" or character[1] not in "NEO" or character[2] not in "12":
        raise ValueError(f"{character!r} is no character format like 8N1, 8E1 or 7E1")
    return LineSettings(speed, int(character[0]), character[1], int(character[2]))
