"""What is kept of a site from one run to the next: each station's usual, the highest scores, the order of messages.

It knows whose it is (firmware and network of each station), so that a change of either can be told: what was usual may
be no more. ``forget`` begins anew for one station; the fleet's prior is in force until it is known again.
"""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite, log
from typing import Any, Final

from fieldkit.detect.features import FEATURES, SIZE
from fieldkit.detect.prior import GROUPS, UnfitError, schema
from fieldkit.detect.sequence import Trigrams
from fieldkit.detect.tails import MAX_KEPT
from fieldkit.detect.windows import Windows

VERSION: Final = 1
MAX_STATIONS: Final = 500
DRIFTED: Final = 0.25
"""Population stability index that is usually called a shift worth looking at."""
_BINS: Final = 8


class Calibration:
    """Of the windows of one detector."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._before: dict[str, list[list[float]]] = {}
        """By station: values of each feature when the calibration was loaded."""

    def dump(self) -> dict[str, Any]:
        """For a file."""
        windows = self._windows
        stations = {}
        for name, known in list(windows.known.items())[:MAX_STATIONS]:
            watched = windows.watched.get(name)
            station = windows.context.picture.stations.get(name)
            stations[name] = {
                "since": known.first,
                "firmware": station.about.firmware if station is not None else "",
                "usual": [{"count": usual.count, "values": usual.dump()} for usual in known.usual],
                "tails": {group: tail.dump() for group, tail in sorted(known.tails.items())},
                "trigrams": watched.trigrams.dump() if watched is not None else {},
            }
        return {"version": VERSION, "schema": schema(), "stations": stations}

    def load(self, document: Any) -> None:
        """What ``dump`` gave; ``UnfitError`` for anything else, and then nothing is changed."""
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise UnfitError("it is no calibration of this version")
        if document.get("schema") != schema():
            raise UnfitError("it was made for other features")
        stations = document.get("stations")
        if not isinstance(stations, dict) or len(stations) > MAX_STATIONS:
            raise UnfitError("its stations cannot be read")
        read = {name: _station(entry) for name, entry in stations.items()}
        for name, (since, usual, tails, trigrams) in read.items():
            known, watched = self._windows.begin(name)
            known.first = since
            for one, (count, values) in zip(known.usual, usual, strict=True):
                one.load(values, count)
            known.settle()
            for group, (blocks, highest) in tails.items():
                known.tails[group].load(blocks, highest)
            if watched is not None:
                watched.trigrams = Trigrams.load(trigrams, self._windows.prior.trigrams)
            self._before[name] = [values for _, values in usual]

    def forget(self, name: str) -> None:
        """Re-learn a station: after new firmware, another SIM, another meter."""
        self._windows.known.pop(name, None)
        self._before.pop(name, None)

    def stations(self) -> list[tuple[str, float, int]]:
        """Each station that something is known of: hours since it was first seen, and windows learnt from."""
        now = self._windows.context.now
        return [
            (name, max(now - known.first, 0) / 3.6e12, max((usual.count for usual in known.usual), default=0))
            for name, known in sorted(self._windows.known.items())
        ]

    def drift(self) -> dict[str, list[tuple[str, float]]]:
        """By station: features whose distribution has moved since the calibration was loaded, and how far."""
        found: dict[str, list[tuple[str, float]]] = {}
        for name, before in self._before.items():
            known = self._windows.known.get(name)
            if known is None:
                continue
            moved = [
                (FEATURES[at].words, round(index, 2))
                for at in range(SIZE)
                if (index := stability(before[at], known.usual[at].recent())) >= DRIFTED
            ]
            if moved:
                found[name] = sorted(moved, key=lambda one: -one[1])
        return found


def stability(before: list[float], now: list[float]) -> float:
    """Population stability index of two samples; 0 where there are too few."""
    if len(before) < 2 * _BINS or len(now) < 2 * _BINS:
        return 0.0
    ordered = sorted(before)
    edges = sorted({ordered[len(ordered) * cut // _BINS] for cut in range(1, _BINS)})

    def shares(values: list[float]) -> list[float]:
        counts = [0] * (len(edges) + 1)
        for value in values:
            counts[bisect_right(edges, value)] += 1
        return [max(count / len(values), 0.01) for count in counts]

    return sum((new - old) * log(new / old) for old, new in zip(shares(before), shares(now), strict=True))


def _station(entry: Any) -> tuple[int, list[tuple[int, list[float]]], dict[str, tuple[int, list[float]]], Any]:
    if not isinstance(entry, dict):
        raise UnfitError("a station cannot be read")
    since, usual, tails = entry.get("since"), entry.get("usual"), entry.get("tails")
    if not isinstance(since, int) or not isinstance(usual, list) or len(usual) != SIZE or not isinstance(tails, dict):
        raise UnfitError("a station is incomplete")
    read = []
    for one in usual:
        if not isinstance(one, dict):
            raise UnfitError("a feature cannot be read")
        read.append((_count(one.get("count")), _values(one.get("values"), 64)))
    found = {}
    for group in (*GROUPS, "model"):
        tail = tails.get(group)
        if not isinstance(tail, dict):
            raise UnfitError("its thresholds are incomplete")
        found[group] = (_count(tail.get("blocks")), _values(tail.get("highest"), MAX_KEPT))
    return since, read, found, entry.get("trigrams")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise UnfitError("a count is no number")
    return value


def _values(values: object, most: int) -> list[float]:
    if not isinstance(values, list) or len(values) > most:
        raise UnfitError("its values cannot be read")
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
            raise UnfitError("a value is no number")
    return [float(value) for value in values]
