"""The energy register in a message: what a session is billed by."""

from __future__ import annotations

from typing import Any, Final

from fieldkit.site.reading import member, number, objects, text, whole

_MOST_SAMPLES: Final = 200
"""Sampled values looked at: a real message has 5 to 40."""
_UNITS: Final = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6}


def register_of(payload: Any) -> tuple[float | None, dict[str, float]]:
    """The last reading in Wh, and those at begin and end by their context (defaults as in 1.6 §7.45)."""
    last: float | None = None
    by_context: dict[str, float] = {}
    left = _MOST_SAMPLES
    name = "meterValue" if member(payload, "meterValue") is not None else "values"  # 1.5
    for reading in objects(payload, name):
        for sample in objects(reading, "sampledValue" if "sampledValue" in reading else "value"):
            left -= 1
            if left < 0:
                return last, by_context
            if sample.get("measurand", "Energy.Active.Import.Register") != "Energy.Active.Import.Register":
                continue
            if sample.get("phase") is not None or sample.get("location", "Outlet") != "Outlet":
                continue
            value = number(sample, "value")
            if value is None:
                continue
            unit = text(sample, "unitOfMeasure", "unit") or text(sample, "unit") or "Wh"
            multiplier = whole(sample, "unitOfMeasure", "multiplier") or 0
            factor = _UNITS.get(unit)
            if factor is None or abs(multiplier) > 12:
                continue
            last = value * factor * 10.0**multiplier if multiplier else value * factor
            context = text(sample, "context")
            if context in ("Transaction.Begin", "Transaction.End"):
                by_context[context] = last
    return last, by_context
