"""Numbers of which only the latest are remembered, in as little room as they need: a long watch has thousands of
connections, and a tuple of two integers takes seven times what they do in an array."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

WIDEST: Final = (1 << 63) - 1
"""What an array has room for. The times of a capture may be anything; beyond it they are nobody's."""
MAX_TRIPS: Final = 60
"""Round trips that are remembered of a connection, the latest."""


def keep(numbers: array[int], number: int, most: int) -> None:
    """One more of the latest."""
    try:
        numbers.append(number)
    except OverflowError:
        return
    if len(numbers) > most:
        del numbers[:-most]


class Trips(Sequence[tuple[int, int]]):
    """(time, round trip) in ns, the latest ``MAX_TRIPS``."""

    __slots__ = ("_numbers",)

    def __init__(self, trips: Iterable[tuple[int, int]] = ()) -> None:
        self._numbers = array("q")
        for time, rtt in trips:
            self.append(time, rtt)

    def append(self, time: int, rtt: int) -> None:
        """One more."""
        if max(abs(time), abs(rtt)) > WIDEST:
            return
        self._numbers.extend((time, rtt))
        if len(self._numbers) > 2 * MAX_TRIPS:
            del self._numbers[:2]

    def __len__(self) -> int:
        return len(self._numbers) // 2

    @overload
    def __getitem__(self, place: int) -> tuple[int, int]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[tuple[int, int]]: ...

    def __getitem__(self, place: int | slice) -> tuple[int, int] | Sequence[tuple[int, int]]:
        return list(self)[place]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._numbers[::2], self._numbers[1::2], strict=True)
