"""A detector with all that this machine has for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fieldkit.detect.detector import Detector
from fieldkit.detect.incident import Incident
from fieldkit.detect.symptom import LAYERS, Layer


def build_detector(
    *, layers: Iterable[Layer] = LAYERS, state: str | None = None, raised: Callable[[Incident], None] | None = None
) -> Detector:
    """Rules, statistics and model as far as wanted."""
    return Detector(layers=layers, raised=raised)
