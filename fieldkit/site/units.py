"""Units and measurands of meter values: what they are in base units, and which belong together.

OCPP 1.6 §7.43-7.45 and 2.x Part 2 (SampledValueType, the appendix of standardised units) name units and measurands.
Stations spell them in their own ways ("kwh", "Celcius", "%"), which does no harm as long as it is clear what is meant.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

Dimension: TypeAlias = Literal[
    "energy", "power", "current", "voltage", "temperature", "percent", "frequency", "rotation", ""
]
"""What kind of quantity; apparent, active and reactive power are one (and energy likewise); "" is unknown."""

DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"
"""Of a sample that names none (1.6 §7.45)."""


class Unit(NamedTuple):
    """A unit as ``base = value * factor + offset``."""

    base: str
    factor: float
    offset: float
    dimension: Dimension


_UNITS: Final[dict[str, Unit]] = {
    "wh": Unit("Wh", 1.0, 0.0, "energy"),
    "kwh": Unit("Wh", 1e3, 0.0, "energy"),
    "mwh": Unit("Wh", 1e6, 0.0, "energy"),
    "varh": Unit("varh", 1.0, 0.0, "energy"),
    "kvarh": Unit("varh", 1e3, 0.0, "energy"),
    "vah": Unit("VAh", 1.0, 0.0, "energy"),
    "kvah": Unit("VAh", 1e3, 0.0, "energy"),
    "w": Unit("W", 1.0, 0.0, "power"),
    "kw": Unit("W", 1e3, 0.0, "power"),
    "mw": Unit("W", 1e6, 0.0, "power"),
    "va": Unit("VA", 1.0, 0.0, "power"),
    "kva": Unit("VA", 1e3, 0.0, "power"),
    "var": Unit("var", 1.0, 0.0, "power"),
    "kvar": Unit("var", 1e3, 0.0, "power"),
    "a": Unit("A", 1.0, 0.0, "current"),
    "ma": Unit("A", 1e-3, 0.0, "current"),
    "v": Unit("V", 1.0, 0.0, "voltage"),
    "kv": Unit("V", 1e3, 0.0, "voltage"),
    "mv": Unit("V", 1e-3, 0.0, "voltage"),
    "celsius": Unit("Celsius", 1.0, 0.0, "temperature"),
    "celcius": Unit("Celsius", 1.0, 0.0, "temperature"),  # as the first edition of 1.6 spells it (§7.43)
    "c": Unit("Celsius", 1.0, 0.0, "temperature"),
    "fahrenheit": Unit("Celsius", 5 / 9, -160 / 9, "temperature"),
    "k": Unit("Celsius", 1.0, -273.15, "temperature"),
    "percent": Unit("Percent", 1.0, 0.0, "percent"),
    "%": Unit("Percent", 1.0, 0.0, "percent"),
    "hertz": Unit("Hz", 1.0, 0.0, "frequency"),
    "hz": Unit("Hz", 1.0, 0.0, "frequency"),
    "rpm": Unit("RPM", 1.0, 0.0, "rotation"),
}
"""By name in lower case. "MW" and "mW" differ in case alone: nobody sends the power of a charger in milliwatts."""

_NATURAL: Final[tuple[tuple[str, str, Dimension], ...]] = (
    ("Energy.Reactive", "varh", "energy"),
    ("Energy.Apparent", "VAh", "energy"),
    ("Energy.", "Wh", "energy"),
    ("EnergyRequest.", "Wh", "energy"),
    ("Power.Factor", "", ""),
    ("Power.Reactive", "var", "power"),
    ("Power.", "W", "power"),
    ("Current.", "A", "current"),
    ("Voltage", "V", "voltage"),
    ("Temperature", "Celsius", "temperature"),
    ("SoC", "Percent", "percent"),
    ("Frequency", "Hz", "frequency"),
    ("RPM", "RPM", "rotation"),
)
"""By the beginning of the measurand: its base unit and dimension; the first that fits."""


def unit(name: str) -> Unit | None:
    """The unit that is meant; None for one that we do not know."""
    return _UNITS.get(name.strip().lower())


@lru_cache(256)
def natural_unit(measurand: str) -> str:
    """The unit of a sample that names none: Wh for energies (1.6 §7.45), for the others the only sensible one."""
    return next((base for beginning, base, _ in _NATURAL if measurand.startswith(beginning)), "")


@lru_cache(256)
def dimension(measurand: str) -> Dimension:
    """What a measurand measures; "" where its name does not tell."""
    return next((found for beginning, _, found in _NATURAL if measurand.startswith(beginning)), "")
