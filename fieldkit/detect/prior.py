"""What is usual in the fleet: the shipped beginning of every calibration, read with suspicion."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from fieldkit.detect.features import FEATURES, NAMES, Group
from fieldkit.detect.sequence import Trigrams

GROUPS: Final[tuple[Group, ...]] = ("protocol", "sequence", "timing", "energy", "transport", "condition")
VERSION: Final = 1


def schema() -> str:
    """A digest of the features: model, prior and calibration of another one do not fit."""
    text = ";".join(f"{one.name},{one.group},{one.how},{one.hours}" for one in FEATURES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class UnfitError(ValueError):
    """A prior or calibration that cannot be used, and why."""


@dataclass(slots=True)
class Prior:
    """Median, spread and limit of each (squeezed) feature, the model's limit, and trigrams."""

    medians: list[float] = field(default_factory=lambda: [0.0] * len(NAMES))
    spreads: list[float] = field(default_factory=lambda: [0.5] * len(NAMES))
    limits: list[float] = field(default_factory=lambda: [8.0] * len(NAMES))
    """Spreads from the median that a feature of an ordinary station does not reach: some are calm, some are not."""
    model: float = 8.0
    """The same of the model's score."""
    trigrams: Trigrams = field(default_factory=Trigrams)
    shipped: bool = False
    """False: nothing is known of any fleet; only very odd things are."""

    def dump(self) -> dict[str, Any]:
        """For a file."""
        return {
            "version": VERSION,
            "schema": schema(),
            "features": {
                name: [round(median, 5), round(spread, 5), round(limit, 4)]
                for name, median, spread, limit in zip(NAMES, self.medians, self.spreads, self.limits, strict=True)
            },
            "model": round(self.model, 4),
            "trigrams": self.trigrams.dump(),
        }

    @classmethod
    def load(cls, document: Any) -> Prior:
        """What ``dump`` gave; ``UnfitError`` for anything else."""
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise UnfitError("it is no prior of this version")
        if document.get("schema") != schema():
            raise UnfitError("it was made for other features")
        features, model = document.get("features"), document.get("model")
        if not isinstance(features, dict) or model is None or not _is_number(model) or model <= 0:
            raise UnfitError("it is incomplete")
        made = cls(shipped=True)
        for at, name in enumerate(NAMES):
            pair = features.get(name)
            if not isinstance(pair, list) or len(pair) != 3 or not all(map(_is_number, pair)) or min(pair[1:]) <= 0:
                raise UnfitError(f"{name} is missing or no number")
            made.medians[at], made.spreads[at], made.limits[at] = map(float, pair)
        made.model = float(model)
        made.trigrams = Trigrams.load(document.get("trigrams"))
        return made


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
