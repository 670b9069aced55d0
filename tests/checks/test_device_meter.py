"""The meter's own register beside the station's meter values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fieldkit.events import DeviceReading, Event, OcppMessage
from fieldkit.reports.model import build
from fieldkit.session import Session as Diagnosis
from tests.checks.devices import SECOND, currents, joined, power, reading, register, told
from tests.traffic.charging import POWER, REGISTER, charging_16, event_2, measure, online_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import the
from tests.traffic.scripts import boot_16

Read = Callable[[int, int], Sequence[Event]]
"""What the meter says at a time, in a minute."""


def charging(values: Callable[[int], dict[str, float]], meter: Read, minutes: int = 6, apart: float = 5) -> Diagnosis:
    """Meter values once a minute; the meter is read shortly before and after each."""
    session = charging_16(meter=50_000)
    events: list[Event] = []
    for minute in range(minutes):
        measure(session, values(minute))
        now = session.clock.now
        events += meter(now - round(apart * SECOND), minute)
        events += meter(now + round(apart * SECOND), minute)
    return joined(events, session)


# -------------------------------------------------------------------------------------------------------------- scale


def test_power_that_is_reported_a_thousand_times_too_small() -> None:
    diagnosis = charging(lambda _: {POWER: 11}, lambda time, _: [power(time, 11_020)])
    finding = the(diagnosis, "device.meter-scale")
    assert (finding.severity, finding.kind.inferred, finding.first_seen.connector) == ("warning", True, "1")
    assert "sdm630/1 on ttyUSB0 itself reads 11.0 kW for Power.Active.Import" in finding.explanation()
    assert "reports 11 W at that time: 0.001 times as much" in finding.explanation()
    assert {event.__class__ for event in finding.evidence} == {DeviceReading, OcppMessage}


def test_power_that_agrees() -> None:
    assert told(charging(lambda _: {POWER: 11_000}, lambda time, _: [power(time, 11_020)])) == []


def test_a_ratio_that_is_nearly_ten() -> None:
    assert told(charging(lambda _: {POWER: 11_000}, lambda time, _: [power(time, 1_160)])) == []


def test_a_scale_that_is_seen_twice_only() -> None:
    assert told(charging(lambda _: {POWER: 11}, lambda time, _: [power(time, 11_020)], minutes=2)) == []


def test_readings_too_far_from_the_sample_say_nothing() -> None:
    assert told(charging(lambda _: {POWER: 11}, lambda time, _: [power(time, 11_020)], apart=25)) == []


def test_a_meter_that_changes_meanwhile_says_nothing() -> None:
    changing = iter(range(8_000, 20_000, 1_000))
    assert told(charging(lambda _: {POWER: 11}, lambda time, _: [power(time, next(changing))])) == []


def test_a_row_of_one_source_is_not_believed() -> None:
    assert told(charging(lambda _: {POWER: 11}, lambda time, _: [power(time, 11_020, verified=False)])) == []


def test_a_register_in_which_every_watt_hour_is_ten() -> None:
    diagnosis = charging(
        lambda minute: {REGISTER: 52_000 + 1_830 * minute},
        lambda time, minute: [register(time, 777.0 + 0.183 * minute)],
    )
    text = the(diagnosis, "device.meter-scale").explanation()
    assert "549 Wh more than at first for Energy.Active.Import.Register" in text
    assert "reports 5.49 kWh more at that time: 10 times as much" in text


def test_registers_with_an_offset_count_alike() -> None:
    diagnosis = charging(
        lambda minute: {REGISTER: 52_000 + 183 * minute}, lambda time, minute: [register(time, 5.2 + 0.183 * minute)]
    )
    assert told(diagnosis) == []


def test_the_register_of_the_building_is_another_one() -> None:
    diagnosis = charging(
        lambda minute: {REGISTER: 52_000 + 183 * minute}, lambda time, minute: [register(time, 9_000 + 0.9 * minute)]
    )
    assert told(diagnosis) == []


def test_of_two_stations_nobody_knows_whose_meter_it_is() -> None:
    one = charging_16(meter=50_000)
    other = Session("CP_8", client=("192.168.7.21", 50_000))
    other.connect()
    other.upgrade()
    boot_16(other)
    events: list[Event] = []
    for _ in range(5):
        measure(one, {POWER: 11})
        events += [power(one.clock.now + at * SECOND, 11_000) for at in (-5, 5)]
    assert told(joined(events, one)) == ["device.meter-scale"]
    assert told(joined(events, one, other)) == []


# --------------------------------------------------------------------------------------------------------------- sign


def test_power_with_the_other_sign() -> None:
    diagnosis = charging(lambda _: {POWER: 11_000}, lambda time, _: [power(time, -11_050)])
    assert told(diagnosis) == ["device.meter-sign"]
    finding = the(diagnosis, "device.meter-sign")
    assert "itself reads -11.1 kW" in finding.explanation() or "itself reads -11.0 kW" in finding.explanation()
    assert "reports 11.0 kW at that time" in finding.explanation()


def test_standby_with_the_other_sign_is_noise() -> None:
    assert told(charging(lambda _: {POWER: 150}, lambda time, _: [power(time, -150)])) == []


def test_the_other_sign_now_and_then() -> None:
    diagnosis = charging(
        lambda minute: {POWER: 11_000}, lambda time, minute: [power(time, -11_050 if minute % 3 else 11_050)]
    )
    assert told(diagnosis) == []


# -------------------------------------------------------------------------------------------------------------- phase


def by_phase(*amperes: float) -> Callable[[int], dict[str, float]]:
    return lambda _: {f"Current.Import L{at}": one for at, one in enumerate(amperes, 1)}


def test_phases_that_are_rotated() -> None:
    diagnosis = charging(by_phase(10, 16, 6), lambda time, _: currents(time, 16.1, 6.0, 10.1))
    finding = the(diagnosis, "device.meter-phase")
    assert finding.severity == "info"
    assert "reads 16.1 A / 6.0 A / 10.1 A, and the station reports 10.0 A / 16.0 A / 6.0 A" in finding.explanation()
    assert "its L1 is the meter's L3, its L2 is the meter's L1, its L3 is the meter's L2" in finding.explanation()


def test_a_vehicle_on_one_phase_shows_which_one() -> None:
    diagnosis = charging(by_phase(16, 0, 0), lambda time, _: currents(time, 0.0, 16.1, 0.0))
    assert "(its L1 is the meter's L2)" in the(diagnosis, "device.meter-phase").explanation()


def test_phases_in_their_places() -> None:
    assert told(charging(by_phase(16, 6, 10), lambda time, _: currents(time, 16.1, 6.0, 10.1))) == []


def test_phases_that_are_too_much_alike_to_tell() -> None:
    assert told(charging(by_phase(15.0, 16, 15.5), lambda time, _: currents(time, 16.0, 15.5, 15.0))) == []


# ----------------------------------------------------------------------------------------------------------- rollback


def falling(own: Callable[[int], float], *, fall: int = 3_000) -> Diagnosis:
    return charging(
        lambda minute: {REGISTER: 52_000 + 183 * minute - (fall if minute > 4 else 0)},
        lambda time, minute: [register(time, own(minute))],
        minutes=7,
    )


def test_a_station_that_loses_its_count() -> None:
    finding = the(falling(lambda minute: 52.0 + 0.183 * minute), "device.meter-rollback")
    assert "fell from 52.73 kWh to 49.91 kWh" in finding.explanation()
    assert (
        "went from 52.73 kWh to 52.91 kWh meanwhile: the station lost its count, not the meter" in finding.explanation()
    )
    assert [event.__class__ for event in finding.evidence] == [OcppMessage, DeviceReading, OcppMessage, DeviceReading]


def test_a_meter_that_loses_its_count() -> None:
    finding = the(falling(lambda minute: 52.0 + 0.183 * minute - (3 if minute > 4 else 0)), "device.meter-rollback")
    assert "the meter itself lost its count" in finding.explanation()


def test_registers_that_never_agreed_say_nothing_of_a_fall() -> None:
    assert told(falling(lambda minute: 52.0 + 0.02 * minute)) == []


def test_a_fall_that_is_rounding() -> None:
    assert told(falling(lambda minute: 52.0 + 0.183 * minute, fall=190)) == []


# ----------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("value", [None, "text", float("1e308"), -0.0])
def test_nothing_that_a_device_says_breaks_it(value: float | str | None) -> None:
    def strange(time: int, minute: int) -> list[Event]:
        return [
            reading(time, "power_total", value, "kW", POWER),
            reading(time, "energy", value, "parsecs", REGISTER),
            reading(time, "x" * minute, value, "", "y" * 9, "L9"),
        ]

    assert told(charging(lambda _: {POWER: 11_000, REGISTER: 5}, strange)) == []


def test_the_report_names_the_port_and_what_was_on_the_wire() -> None:
    diagnosis = charging(lambda _: {POWER: 11}, lambda time, _: [power(time, 11_020)])
    (finding,) = (one for one in build(diagnosis, sources=[])["findings"] if one["id"] == "device.meter-scale")
    first = finding["evidence"][0]
    assert (first["source"], first["frame"]) == ("/dev/ttyUSB0", None)
    assert first["text"] == "sdm630/1 tells power_total: 11020 W; on the wire 4366 199a"


def test_2x_too() -> None:
    session = online_16(version="2.0.1")
    events: list[Event] = []
    event_2(session, "Started", 0, {POWER: 11})
    for number in range(1, 6):
        event_2(session, "Updated", number, {POWER: 11})
        now = session.clock.now
        events += [power(now - 5 * SECOND, 11_020), power(now + 5 * SECOND, 11_020)]
    assert told(joined(events, session)) == ["device.meter-scale"]
