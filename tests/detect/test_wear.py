"""What wears out: rhythm, power, heat, conductors; what looks like it and is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.detect.talk import SECOND, Site, iso

HOUR = 3600.0
NAMES = ("CP_A", "CP_B", "CP_C")


def families(site: Site) -> set[str]:
    return {name for _, name in site.found()}


class Charging:
    """Sessions at one connector of CP_A."""

    def __init__(self) -> None:
        self.site = Site(*NAMES).pass_time(HOUR)
        self.number = 0
        self.register = 10_000.0

    def begin(self, tag: str = "") -> None:
        self.number += 1
        self.site.start("CP_A", tag or f"TAG{self.number}", round(self.register), self.number)
        self.site.status("CP_A", "Charging")

    def read(self, power: float, gap: float = 60.0, **more: float) -> None:
        self.register += power * gap / 3600
        self.site.wait(gap).meter("CP_A", self.register, power, self.number, **more)

    def end(self) -> None:
        self.site.stop("CP_A", round(self.register), self.number, "EVDisconnected")
        self.site.status("CP_A", "Available")
        self.site.wait(900)

    def session(self, powers: Iterable[float], gap: float = 60.0, **more: float) -> None:
        self.begin()
        for power in powers:
            self.read(power, gap, **more)
        self.end()


# ------------------------------------------------------------------------------------------------------------- rhythm


def test_three_irregular_readings_are_enough_where_the_rhythm_is_known() -> None:
    made = Charging()
    made.begin()
    for _ in range(40):
        made.read(11_000)
    began = made.site.now
    for gap in (71, 52, 66):
        made.read(11_000, gap)
    (incident,) = made.site.incidents()
    assert incident.family_name == "cadence-drift"
    assert incident.raised - began <= 190 * SECOND
    assert "usually one comes every 60 s" in incident.explanation.lower()


def test_another_interval_that_is_kept_is_no_irregularity() -> None:
    made = Charging()
    made.begin()
    for _ in range(40):
        made.read(11_000)
    for _ in range(60):
        made.read(11_000, 90)
    assert made.site.found() == []


def test_readings_that_wait_for_the_network_are_no_irregularity() -> None:
    made = Charging()
    made.begin()
    for number in range(80):
        late = (0, 9, 2, 15, 0, 7)[number % 6] if number > 40 else 0
        made.register += 11_000 * 60 / 3600
        taken = made.site.wait(60).now
        values = [{"value": f"{made.register:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        made.site.now += late * SECOND

        payload = {"connectorId": 1, "transactionId": made.number,
                   "meterValue": [{"timestamp": iso(taken), "sampledValue": values}]}  # fmt: skip
        made.site.say("CP_A", "MeterValues", payload, {})
        made.site.now = taken
    assert "cadence-drift" not in families(made.site)


# -------------------------------------------------------------------------------------------------------------- power


def ordinary_days(made: Charging, power: float = 11_000.0, sessions: int = 6, **more: float) -> None:
    for _ in range(sessions):
        made.session([power] * 12, **more)


def test_power_that_falls_at_once_in_the_middle_of_a_session() -> None:
    made = Charging()
    ordinary_days(made)
    made.begin()
    for _ in range(6):
        made.read(11_000)
    began = made.site.now
    for _ in range(4):
        made.read(8_100)
    (incident,) = made.site.incidents()
    assert incident.family_name == "derating"
    assert incident.raised - began <= 185 * SECOND
    assert "gave 11.0 kW at first and now holds 8.1 kW" in incident.explanation


@pytest.mark.parametrize(
    "powers",
    [
        [11_000] * 6 + [11_000 * 0.96**step for step in range(40)],
        [7_360] * 20,
        [11_000] * 6 + [11_000 * 0.94**step for step in range(6)] + [7_900] * 20,
        [11_000] * 6 + [3_680] * 20,
    ],
    ids=[
        "a battery that fills",
        "one that is kept warm when it is nearly full",
        "a car with a smaller charger",
        "a car that goes over to one phase",
    ],
)
def test_cars_that_want_less(powers: list[float]) -> None:
    made = Charging()
    ordinary_days(made)
    made.session(powers)
    assert "derating" not in families(made.site)


def test_steps_of_a_fast_charging_curve_are_the_cars_own() -> None:
    made = Charging()
    peaks = (140, 96, 118, 131, 88, 104, 125, 99, 133, 111)
    for peak in peaks:
        made.session([1000.0 * peak] * 8 + [700.0 * peak] * 8 + [520.0 * peak] * 8, gap=30.0, SoC=60)
    assert "derating" not in families(made.site)


def test_the_same_ceiling_with_three_cars_is_the_chargers() -> None:
    made = Charging()
    for peak in (140, 96, 148, 131, 88, 144):
        made.session([1000.0 * peak] * 12, gap=30.0, SoC=40)
    for _ in range(3):
        made.session([75_000.0] * 12, gap=30.0, SoC=40)
    assert families(made.site) == {"derating"}


def test_a_power_that_collapses_far_from_full() -> None:
    made = Charging()
    for peak in (140, 96, 148, 131, 88, 144):
        made.session([1000.0 * peak] * 12, gap=30.0, SoC=40)
    made.session([120_000.0] * 8 + [41_000.0] * 8, gap=30.0, SoC=45)
    assert families(made.site) == {"derating"}


# --------------------------------------------------------------------------------------------------------------- heat


def days_of_heat(made: Charging, extra: Callable[[int], float], sessions: int) -> None:
    for number in range(sessions):
        made.begin()
        for minute in range(60):
            warm = 20 + 20 * (1 - 2.718 ** (-minute / 15)) + extra(number)
            made.read(11_000, 120, Temperature=round(warm))
        made.end()
        made.site.wait(3 * HOUR)


def test_hotter_from_session_to_session() -> None:
    made = Charging()
    days_of_heat(made, lambda number: 0.0 if number < 8 else 9.0 * (number - 7), 12)
    assert "temperature-creep" in families(made.site)


def test_warm_days_are_no_fault() -> None:
    made = Charging()
    days_of_heat(made, lambda number: (0.0, 4.0, 8.0, 3.0)[number % 4], 14)
    assert "temperature-creep" not in families(made.site)


# --------------------------------------------------------------------------------------------------------- conductors


def phases(made: Charging, amperes: tuple[float, float, float], readings: int = 6) -> None:
    """A session with currents by phase."""
    made.begin()
    for _ in range(readings):
        made.register += 230 * sum(amperes) * 60 / 3600
        values = [{"value": f"{made.register:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        values += [
            {"value": f"{value}", "measurand": "Current.Import", "unit": "A", "phase": f"L{number}"}
            for number, value in enumerate(amperes, 1)
        ]
        made.site.wait(60)
        payload = {"connectorId": 1, "transactionId": made.number,
                   "meterValue": [{"timestamp": iso(made.site.now), "sampledValue": values}]}  # fmt: skip
        made.site.say("CP_A", "MeterValues", payload, {})
    made.end()


def test_a_phase_that_was_lost_between_two_sessions() -> None:
    made = Charging()
    for _ in range(3):
        phases(made, (16, 16, 16))
        phases(made, (16, 0, 0))
    phases(made, (16, 0, 16))
    (incident,) = made.site.incidents()
    assert incident.family_name == "phase-loss"
    assert "runs without L2" in incident.explanation


def test_a_car_for_two_phases_has_lost_none() -> None:
    made = Charging()
    for _ in range(3):
        phases(made, (16, 16, 16))
        phases(made, (16, 0, 0))
    phases(made, (16, 16, 0))
    assert made.site.found() == []


def test_without_the_same_phase_twice_it_is_not_the_car() -> None:
    made = Charging()
    for _ in range(3):
        phases(made, (16, 16, 16))
    phases(made, (16, 16, 0))
    phases(made, (16, 16, 0))
    assert ("CP_A", "phase-loss") in made.site.found()


# ------------------------------------------------------------------------------------------------------------- starts


def test_a_fault_ends_an_attempt_however_soon() -> None:
    site = Site(*NAMES).pass_time(HOUR)
    for _ in range(3):
        site.status("CP_A", "Preparing")
        site.wait(4).status("CP_A", "Faulted", "EVCommunicationError")
        site.wait(60).status("CP_A", "Available")
        site.wait(300)
    assert ("CP_A", "start-failures") in site.found()
