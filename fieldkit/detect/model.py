"""The autoencoder's verdict on a window: how far what it makes of it lies from what was seen, group by group.

It was trained to give back ordinary windows through eight numbers. What it cannot give back is not ordinary. The error
of each group is held against how large it usually is and how the groups' errors go together (Mahalanobis), as one
feature that is hard to give back would drown all others in a plain sum.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite, log, sqrt
from typing import Any, Final

from fieldkit.detect.features import FEATURES, MINUTE
from fieldkit.detect.flatbuffer import DamagedError
from fieldkit.detect.prior import GROUPS, schema
from fieldkit.detect.tflite import Network

Run = Callable[[list[float]], "list[float] | None"]

METADATA: Final = "fieldkit.json"
"""Name of our entry in the model's metadata."""
SCALE: Final = 3.0
"""Scores are given to the model divided by this and cut at one and a half: it learns from what is ordinary."""
CUT: Final = 1.5
SMALLEST: Final = 0.02
NOTICED: Final = 0.2
"""An error below this is none worth a word."""
MAX_METADATA: Final = 64 << 10
PROBE_TOLERANCE: Final = 1e-3
"""How far a runtime's output may lie from that stored with the model: they differ by 2e-6."""

_MEMBERS: Final = tuple(
    members
    for group in GROUPS
    if (members := tuple(at for at, one in enumerate(FEATURES[:MINUTE]) if one.group == group))
)
JUDGED: Final = len(_MEMBERS)
"""So many of the groups, the first ones, have numbers of the minute."""


def prepared(scores: list[float], mask: list[bool]) -> list[float]:
    """What goes into the model: what was not seen is as usual as can be."""
    return [max(-CUT, min(scores[at] / SCALE, CUT)) if mask[at] else 0.0 for at in range(MINUTE)]


def residuals(given: list[float], made: list[float], mask: list[bool]) -> list[float]:
    """The logarithm of each group's mean error."""
    found = []
    for members in _MEMBERS:
        total, seen = 0.0, 0
        for at in members:
            if mask[at]:
                total += (given[at] - made[at]) ** 2
                seen += 1
        found.append(log(sqrt(total / seen) + SMALLEST) if seen else 0.0)
    return found


class Model:
    """A network that was read, and somebody who runs it."""

    def __init__(self, card: dict[str, Any], run: Run) -> None:
        self.card = card
        self._run = run
        self._means: list[float] = card["residual_means"]
        self._inverse: list[list[float]] = card["residual_inverse"]

    def judge(self, scores: list[float], mask: list[bool]) -> tuple[float, list[float]] | None:
        """As ``windows.Judge`` wants it; None when it cannot be run any more."""
        given = prepared(scores, mask)
        made = self._run(given)
        if made is None or len(made) != MINUTE:
            return None
        errors = residuals(given, made, mask)
        off = [
            max(error - mean, 0.0) if any(mask[at] for at in members) else 0.0
            for error, mean, members in zip(errors, self._means, _MEMBERS, strict=True)
        ]
        # Only errors that are larger than usual count: what is given back better than usual is nothing to tell.
        shares = [
            one * sum(weight * other for weight, other in zip(row, off, strict=True))
            for one, row in zip(off, self._inverse, strict=True)
        ]
        return sqrt(max(sum(shares), 0.0)), shares

    def misfits(self, scores: list[float], mask: list[bool]) -> list[tuple[int, float]]:
        """As ``windows.Judge`` wants it."""
        given = prepared(scores, mask)
        made = self._run(given)
        if made is None or len(made) != MINUTE:
            return []
        errors = [(abs(given[at] - made[at]), at) for at in range(MINUTE) if mask[at]]
        return [(at, made[at] * SCALE) for error, at in sorted(errors, reverse=True) if error >= NOTICED]


def card_of(network: Network) -> dict[str, Any]:
    """What the model says of itself; ``DamagedError`` where it does not fit this program."""
    raw = network.metadata.get(METADATA, b"")
    if not raw or len(raw) > MAX_METADATA:
        raise DamagedError("it does not say what it was made for")
    try:
        card = json.loads(raw)
    except ValueError as error:
        raise DamagedError("its own description cannot be read") from error
    if not isinstance(card, dict) or card.get("schema") != schema():
        raise DamagedError("it was made for other features")
    if network.inputs != MINUTE or network.outputs != MINUTE:
        raise DamagedError(f"it takes {network.inputs} numbers and gives {network.outputs}, not {MINUTE}")
    means, inverse = card.get("residual_means"), card.get("residual_inverse")
    if not _numbers(means, JUDGED) or not isinstance(inverse, list) or len(inverse) != JUDGED:
        raise DamagedError("it does not say how large its errors usually are")
    if not all(_numbers(row, JUDGED) for row in inverse):
        raise DamagedError("it does not say how its errors go together")
    for probe in _probes(card):
        if not _numbers(probe.get("given"), MINUTE) or not _numbers(probe.get("made"), MINUTE):
            raise DamagedError("its probes are damaged")
    return card


def check(card: dict[str, Any], run: Run) -> str:
    """What is wrong with a runtime: it must give what was stored with the model. Empty when nothing is."""
    for probe in _probes(card):
        made = run(probe["given"])
        if made is None:
            return "it does not answer"
        off = max(abs(one - other) for one, other in zip(made, probe["made"], strict=True))
        if not off <= PROBE_TOLERANCE:
            return f"its output is {off:.3g} off"
    return ""


def _probes(card: dict[str, Any]) -> list[dict[str, Any]]:
    probes = card.get("probes")
    if not isinstance(probes, list) or not probes or not all(isinstance(probe, dict) for probe in probes):
        raise DamagedError("it has no probes")
    return probes[:8]


def _numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(value, int | float) and isfinite(value) for value in values)
    )
