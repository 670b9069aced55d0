"""Energy, power and current of OCPP payloads in the words of a technician: "12.4 kWh, 11.0 kW, 16.0 A×3".

Phrases as in ``phrases``: any type and size may come, "" is returned where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from math import isfinite
from typing import Any, Final

from fieldkit.ocpp.phrases import View, entries, number, plain, transaction, word
from fieldkit.safetext import ELLIPSIS

_MOST_SAMPLES: Final = 200
"""Sampled values and periods looked at: a real message has 5 to 40."""
_MOST_STEPS: Final = 3
_LONGEST_NUMBER: Final = 40
"""Digits of a number in quotes, more than any meter has."""


# ------------------------------------------------------------------------------------------------------------- energy


def energy(value: Any, view: View) -> str:
    """A meter register in Wh, as meterStart and meterStop have it, in kWh to the last digit."""
    amount = _amount(value)
    return plain(value, view) if amount is None else f"{_thousandths(amount)} kWh"


def meter(value: Any, view: View) -> str:
    """The meter values that a technician looks for: register, power, current, state of charge, of the last reading.

    What a sample leaves out has a default: measurand Energy.Active.Import.Register, unit Wh, location Outlet (1.6
    §7.45, 2.x Part 2 SampledValueType).
    """
    readings = [entry for entry in islice(entries(value), _MOST_SAMPLES) if isinstance(entry, dict)]
    if not readings:
        return "no readings"
    last = readings[-1]
    measured, unread = _measured(entries(next((last[name] for name in _SAMPLES if name in last), None)))
    if "Power.Active.Import" in measured:
        measured.pop("Voltage", None)  # only wanted where the power is not told
    shown = []
    for measurand, (label, words) in _MEASURANDS.items():
        if (quantity := measured.get(measurand)) is not None:
            shown.append(label + words(quantity))
    others = len(measured) - len(shown) + unread
    if others:
        shown.append(f"+{others} more")
    if len(readings) > 1:
        shown.append(f"last of {len(readings)} readings")
    return ", ".join(shown) or "nothing measured"


class _Quantity:
    """What one measurand amounts to, by phase ("" for the whole)."""

    __slots__ = ("phases", "unit")

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.phases: dict[str, float] = {}


_SAMPLES: Final = ("sampledValue", "values", "value")
"""OCPP 1.5 has elements named value, with the details as attributes; its JSON forms say values."""

_UNITS: Final = {
    "": ("", 1.0),
    "Wh": ("Wh", 1.0),
    "kWh": ("Wh", 1e3),
    "MWh": ("Wh", 1e6),
    "W": ("W", 1.0),
    "kW": ("W", 1e3),
    "MW": ("W", 1e6),
    "Percent": ("%", 1.0),
}


def _measured(samples: Sequence[Any]) -> tuple[dict[str, _Quantity], int]:
    """By measurand, at the outlet if that is among the places; and how many samples hold no number."""
    found: dict[str, _Quantity] = {}
    elsewhere: dict[str, _Quantity] = {}
    unread = 0
    for sample in samples[:_MOST_SAMPLES]:
        details = sample if isinstance(sample, dict) else {"value": sample}
        look = details.get
        amount = _amount(look("value"))
        if amount is None:
            unread += 1  # signed meter data, as a rule
            continue
        measurand = word(look("measurand")) or "Energy.Active.Import.Register"
        unit = word(look("unit"))
        of_measure = look("unitOfMeasure")  # 2.x
        if isinstance(of_measure, dict):
            unit = word(of_measure.get("unit"))
            multiplier = of_measure.get("multiplier")
            if isinstance(multiplier, int) and -12 <= multiplier <= 12:
                amount *= 10.0**multiplier
        unit, factor = _UNITS.get(unit) or (unit, 1.0)
        place = found if look("location") in (None, "", "Outlet") else elsewhere
        quantity = place.get(measurand)
        if quantity is None:
            quantity = place[measurand] = _Quantity(unit or ("Wh" if measurand.startswith("Energy") else ""))
        quantity.phases[word(look("phase"))] = amount * factor
    return ({**elsewhere, **found} if elsewhere else found), unread


def _total(quantity: _Quantity) -> float:
    phases = quantity.phases
    return phases[""] if "" in phases else sum(phases.values())


def _energy(quantity: _Quantity) -> str:
    amount, unit = _total(quantity), quantity.unit
    return f"{_thousandths(amount)} kWh" if unit == "Wh" else f"{number(amount)} {unit}"


def _power(quantity: _Quantity) -> str:
    return power(_total(quantity), quantity.unit or "W")


def _current(quantity: _Quantity) -> str:
    return _per_phase(quantity, "A", 1)


def _voltage(quantity: _Quantity) -> str:
    return _per_phase(quantity, "V", 0)


def _charge(quantity: _Quantity) -> str:
    return f"{number(_total(quantity))} %"


_MEASURANDS: Final[dict[str, tuple[str, Callable[[_Quantity], str]]]] = {
    "Energy.Active.Import.Register": ("", _energy),
    "Energy.Active.Export.Register": ("export ", _energy),
    "Energy.Active.Import.Interval": ("+", _energy),
    "Power.Active.Import": ("", _power),
    "Power.Active.Export": ("export ", _power),
    "Current.Import": ("", _current),
    "Current.Export": ("export ", _current),
    "Current.Offered": ("offered ", _current),
    "Power.Offered": ("offered ", _power),
    "Voltage": ("", _voltage),
    "SoC": ("SoC ", _charge),
}
"""What is shown, in this order; the rest is counted."""


def power(amount: float, unit: str) -> str:
    """Watts as kilowatts from 1 kW on; other units as they are."""
    if unit != "W":
        return f"{number(amount)} {unit}".rstrip()
    return f"{amount / 1000:.1f} kW" if abs(amount) >= 1000 else f"{amount:.0f} W"


def _per_phase(quantity: _Quantity, unit: str, digits: int) -> str:
    phases = quantity.phases
    if len(phases) == 1:
        texts = [f"{amount:.{digits}f}" for amount in phases.values()]
    else:
        lines = [phase for phase in sorted(phases) if phase and phase != "N"] or list(phases)
        texts = [f"{phases[phase]:.{digits}f}" for phase in lines[:3]]
    unit = quantity.unit or unit
    if len(texts) == 1:
        return f"{texts[0]} {unit}"
    return f"{texts[0]} {unit}×{len(texts)}" if len(set(texts)) == 1 else f"{'/'.join(texts)} {unit}"


def _thousandths(watt_hours: float) -> str:
    text = f"{watt_hours / 1000:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _amount(value: Any) -> float | None:
    kind = value.__class__
    if kind is not str and kind is not float and kind is not int:
        return None
    try:
        amount = float(value[:_LONGEST_NUMBER] if kind is str else value)
    except (ValueError, OverflowError):
        return None
    return amount if isfinite(amount) else None


# ------------------------------------------------------------------------------------------------- smart charging


def profile(value: Any, view: View) -> str:
    """A charging profile: "TxDefaultProfile, stack 0, 16 A"."""
    if not isinstance(value, dict):
        return plain(value, view)
    kind = plain(value.get("chargingProfileKind"), view)
    parts = [
        plain(value.get("chargingProfilePurpose"), view),
        f"stack {stack}" if (stack := plain(value.get("stackLevel"), view)) else "",
        f"tx {transaction(tx, view)}" if (tx := value.get("transactionId")) not in (None, "") else "",
        "" if kind == "Absolute" else " ".join(filter(None, (kind, plain(value.get("recurrencyKind"), view)))),
        schedule(value.get("chargingSchedule"), view),
    ]
    return ", ".join(filter(None, parts))


def schedule(value: Any, view: View) -> str:
    """The limits of a charging schedule in their order: "16 A", "11.0 kW→4.1 kW". Of several, the first."""
    first = next(iter(entries(value)), None)
    if not isinstance(first, dict):
        return ""
    unit = word(first.get("chargingRateUnit"))
    steps: list[str] = []
    for period in islice(entries(first.get("chargingSchedulePeriod")), _MOST_SAMPLES):
        if not isinstance(period, dict):
            continue
        amount = _amount(period.get("limit", period.get("setpoint")))
        if amount is None:
            continue
        text = power(amount, unit)
        phases = plain(period.get("numberPhases"), view)
        if phases in ("1", "2"):  # three is the default (1.6 §7.14)
            text += f" on {phases} phase" + "s" * (phases == "2")
        if not steps or steps[-1] != text:
            steps.append(text)
    return "→".join(steps[:_MOST_STEPS]) + (f"→{ELLIPSIS}" if len(steps) > _MOST_STEPS else "")
