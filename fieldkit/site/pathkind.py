"""What a path probably is, from its round trips: a guess with a confidence, and said to be one.

Distances set floors that no network can go below: a geostationary satellite takes 480 ms there and back, a low one
some 25. Above the floor anything can be slow, so that nothing here is ever certain, and only an adapter knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from fieldkit.site.middle import median
from fieldkit.site.outage import PathGuess
from fieldkit.site.pathseen import LOCAL_NS

MS: Final = 1_000_000
GEO_NS: Final = 480 * MS
"""Four times 35,786 km at the speed of light (ITU-R S.1503): ground, satellite, ground and back."""
GEO_MOST_NS: Final = 900 * MS
LEO_NS: Final = (20 * MS, 90 * MS)
"""Starlink as measured by many: 25 to 60 ms, and what is behind it."""
SLOT_NS: Final = 15_000_000_000
"""Starlink hands its terminals to other satellites at seconds 12, 27, 42 and 57 of each minute …"""
SLOT_AT_NS: Final = 12_000_000_000
SLOTS: Final = 8
"""… and so many of these slots must be told apart by their round trips."""


def guess(trips: Sequence[tuple[int, int]]) -> PathGuess:
    """``trips``: (time, ns)."""
    if not trips:
        return PathGuess()
    rtts = sorted(rtt for _, rtt in trips)
    middle, lowest = round(median(rtts)), rtts[0]
    spread = rtts[(len(rtts) * 9) // 10] - lowest
    words = f"round trips of {middle / MS:.0f} ms, {spread / MS:.0f} ms apart, {len(rtts)} of them"
    few = 0.15 if len(rtts) < 4 else 0.0
    if middle < LOCAL_NS:
        return PathGuess("local", 0.8 - few, words)
    if lowest >= GEO_NS:
        sure = 0.9 if middle <= GEO_MOST_NS else 0.7
        return PathGuess("geo-satellite", sure - few, f"{words}: no shorter one, and light takes that long")
    if middle >= 120 * MS:
        return PathGuess("cellular", 0.5 - few, f"{words}: too short for a satellite, long for a cable")
    if LEO_NS[0] <= middle <= LEO_NS[1] and _slotted(trips):
        return PathGuess("leo-satellite", 0.6, f"{words}, in steps of 15 s")
    if spread > max(12 * MS, middle // 4) or middle > 60 * MS:
        return PathGuess("cellular", 0.55 - few, f"{words}: they vary as a radio's do")
    return PathGuess("broadband", 0.55 - few, f"{words}: short and steady")


def _slotted(trips: Sequence[tuple[int, int]]) -> bool:
    """Whether they are alike within the satellite's slots and differ from one slot to the next."""
    slots: dict[int, list[int]] = {}
    for time, rtt in trips:
        slots.setdefault((time - SLOT_AT_NS) // SLOT_NS, []).append(rtt)
    full = [slot for slot in slots.values() if len(slot) >= 3]
    if len(full) < SLOTS:
        return False
    within = median(max(slot) - min(slot) for slot in full)
    middles = [median(slot) for slot in full]
    steps = median(abs(later - earlier) for earlier, later in pairwise(middles))
    return steps >= 3 * MS and steps > 2 * within
