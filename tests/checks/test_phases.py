"""Phases that vanish."""

from __future__ import annotations

from tests.checks.test_meter import mine
from tests.traffic.charging import charging_16, measure
from tests.traffic.diagnosed import diagnose, the


def currents(*phases: float | None) -> dict[str, float]:
    return {f"Current.Import L{at}": amps for at, amps in enumerate(phases, 1) if amps is not None}


def voltages(*phases: float) -> dict[str, float]:
    return {f"Voltage L{at}-N": volts for at, volts in enumerate(phases, 1)}


def seen(*readings: dict[str, float]) -> list[str]:
    session = charging_16()
    for reading in readings:
        measure(session, reading)
    return mine(session)


def test_one_of_three_phases_stops() -> None:
    session = charging_16()
    for reading in [currents(16, 16, 16)] * 3 + [currents(16, 0.02, 16)] * 4:
        measure(session, reading)
    finding = the(diagnose(session), "energy.phase-lost")
    assert finding.severity == "warning"
    assert (
        "L2 delivered 16.0 A and then nothing for 2 min, while L1 and L3 went on with 16.0 A" in finding.explanation()
    )


def test_a_phase_that_is_left_out_of_the_readings_is_gone_too() -> None:
    assert seen(*[currents(16, 16, 16)] * 3, *[currents(16, None, 16)] * 4) == ["energy.phase-lost"]


def test_a_short_dip_and_a_meter_that_misses_one() -> None:
    assert seen(currents(16, 16, 16), currents(16, 0, 16), currents(16, 0, 16), *[currents(16, 16, 16)] * 4) == []


def test_switching_to_one_phase_may_be_meant() -> None:
    assert seen(*[currents(16, 16, 16)] * 3, *[currents(16, 0, 0)] * 4) == ["energy.fewer-phases"]


def test_vehicles_with_fewer_phases_and_charges_that_end() -> None:
    assert seen(*[currents(32, 0, 0)] * 6) == []
    assert seen(*[currents(16, 16, 0.1)] * 6) == []
    assert seen(*[currents(16, 16, 16)] * 3, *[currents(0, 0, 0)] * 6) == []
    assert seen(currents(16, 16, 16), currents(12, 9, 10), *[currents(6, 0, 6)] * 4) == []
    ending = seen(currents(16, 16, 16), currents(12, 9, 10), currents(7, 0, 6), *[currents(6, 0, 0)] * 4)
    assert ending == ["energy.fewer-phases"]


def test_phases_that_come_one_by_one() -> None:
    assert seen(currents(6, 0, 0), currents(16, 6, 0), *[currents(16, 16, 16)] * 4) == []


def test_a_supply_that_loses_a_phase() -> None:
    session = charging_16()
    for reading in [voltages(231, 229, 233)] * 3 + [voltages(231, 3, 233)] * 4:
        measure(session, reading)
    text = the(diagnose(session), "energy.supply-phase-lost").explanation()
    assert "L2 had 229.0 V and then 3.0 V for 2 min, while L1 and L3 kept 231.0 V" in text


def test_an_installation_with_one_phase_and_a_contactor_that_opens() -> None:
    assert seen(*[voltages(231, 0, 0)] * 6) == []
    assert seen(*[voltages(231, 229, 233)] * 3, *[voltages(0, 0, 0)] * 4) == []
    assert seen(*[voltages(231, 229, 233)] * 3, *[voltages(231, 180, 233)] * 4) == []
