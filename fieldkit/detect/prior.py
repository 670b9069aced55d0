"""What is usual in the fleet: the shipped beginning of every calibration, read with suspicion."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from fieldkit.detect.features import FEATURES, NAMES, Group
from fieldkit.detect.sequence import Trigrams

GROUPS: Final[tuple[Group, ...]] = ("protocol", "sequence", "timing", "energy", "transport")
VERSION: Final = 1


def schema() -> str:
    """A digest of the features: model, prior and calibration of another one do not fit."""
    text = ";".join(f"{one.name},{one.group},{one.how}" for one in FEATURES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class UnfitError(ValueError):
    """A prior or calibration that cannot be used, and why."""


@dataclass(slots=True)
class Prior:
    """Median and spread of each (squeezed) feature, thresholds of each group and of the model, and trigrams."""

    medians: list[float] = field(default_factory=lambda: [0.0] * len(NAMES))
    spreads: list[float] = field(default_factory=lambda: [0.5] * len(NAMES))
    thresholds: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*GROUPS, "model"), 8.0))
    trigrams: Trigrams = field(default_factory=Trigrams)
    shipped: bool = False
    """False: nothing is known of any fleet; only very odd things are."""

    def dump(self) -> dict[str, Any]:
        """For a file."""
        return {
            "version": VERSION,
            "schema": schema(),
            "features": {
                name: [round(median, 5), round(spread, 5)]
                for name, median, spread in zip(NAMES, self.medians, self.spreads, strict=True)
            },
            "thresholds": {name: round(value, 4) for name, value in sorted(self.thresholds.items())},
            "trigrams": self.trigrams.dump(),
        }

    @classmethod
    def load(cls, document: Any) -> Prior:
        """What ``dump`` gave; ``UnfitError`` for anything else."""
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise UnfitError("it is no prior of this version")
        if document.get("schema") != schema():
            raise UnfitError("it was made for other features")
        features, thresholds = document.get("features"), document.get("thresholds")
        if not isinstance(features, dict) or not isinstance(thresholds, dict):
            raise UnfitError("it is incomplete")
        made = cls(shipped=True)
        for at, name in enumerate(NAMES):
            pair = features.get(name)
            if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_number, pair)) or pair[1] <= 0:
                raise UnfitError(f"{name} is missing or no number")
            made.medians[at], made.spreads[at] = float(pair[0]), float(pair[1])
        for name in (*GROUPS, "model"):
            value = thresholds.get(name)
            if value is None or not _is_number(value):
                raise UnfitError(f"the threshold of {name} is missing")
            made.thresholds[name] = float(value)
        made.trigrams = Trigrams.load(document.get("trigrams"))
        return made


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
