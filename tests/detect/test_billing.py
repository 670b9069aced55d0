"""What is billed, allowed and dated: registers that are set back, limits of whole stations, clocks that come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detect.talk import BEGIN, SECOND, Site, iso

HOUR = 3600.0
NAMES = ("CP_A", "CP_B", "CP_C")


def families(site: Site) -> set[str]:
    return {name for _, name in site.found()}


def reading(site: Site, connector: int, register: float, power: float, number: int | None = None) -> None:
    """Meter values of any connector."""
    values = [
        {"value": f"{register:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": f"{power:.0f}", "measurand": "Power.Active.Import", "unit": "W"},
    ]
    payload: dict[str, Any] = {
        "connectorId": connector,
        "meterValue": [{"timestamp": iso(site.now), "sampledValue": values}],
    }
    if number is not None:
        payload["transactionId"] = number
    site.say("CP_A", "MeterValues", payload, {})


def start(site: Site, connector: int, number: int, register: int, tag: str = "TAG1") -> None:
    site.say("CP_A", "StartTransaction",
             {"connectorId": connector, "idTag": tag, "meterStart": register, "timestamp": iso(site.now)},
             {"transactionId": number, "idTagInfo": {"status": "Accepted"}})  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- registers


def charge_with_a_gap(kept: float, made_up: float) -> Site:
    """100 kW for half an hour; of one minute the register counts ``kept``, and ``made_up`` more in the next."""
    site = Site(*NAMES).pass_time(HOUR)
    site.start("CP_A", "TAG1", 100_000)
    register = 100_000.0
    for minute in range(30):
        share = {20: kept, 21: 1.0 + made_up}.get(minute, 1.0)
        register += share * 100_000 / 60
        site.wait(60).meter("CP_A", register, 100_000)
    return site


def test_a_register_that_is_set_back_by_less_than_flows() -> None:
    site = charge_with_a_gap(0.1, 0.0)
    (incident,) = site.incidents()
    assert incident.family_name == "register-rollback"
    assert incident.raised - BEGIN == (HOUR + 22 * 60) * SECOND
    assert "lacks about 1.50 kWh" in incident.explanation


def test_a_reading_that_was_merely_old_is_made_up_for() -> None:
    assert charge_with_a_gap(0.0, 1.0).found() == []


def test_a_car_that_pauses_for_half_a_minute_sets_nothing_back() -> None:
    assert charge_with_a_gap(0.5, 0.0).found() == []


def charge_by_currents(site: Site, number: int, share: float, volts: float = 236.0) -> None:
    """Half an hour of 16 A on three phases, with no power told."""
    register = 100_000 + 6_000.0 * number
    for minute in range(31):
        if not minute:
            site.start("CP_A", f"TAG{number}", round(register), number)
            continue
        register += share * 3 * 16 * volts / 60
        values = [{"value": f"{register:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        values += [
            {"value": "16.0", "measurand": "Current.Import", "unit": "A", "phase": phase}
            for phase in ("L1", "L2", "L3")
        ]
        site.wait(60)
        payload = {"connectorId": 1, "transactionId": number,
                   "meterValue": [{"timestamp": iso(site.now), "sampledValue": values}]}  # fmt: skip
        site.say("CP_A", "MeterValues", payload, {})
    site.stop("CP_A", 106_000 + 6_000 * number, number)


@pytest.mark.parametrize(
    ("first", "second", "volts", "found"),
    [(1.0, 0.7, 236.0, ["under-reporting-meter"]), (1.0, 1.0, 218.0, []), (0.52, 0.52, 236.0, [])],
    ids=["it counts less than before", "the voltage is lower", "two phases of 120 V each"],
)
def test_currents_tell_what_flows_once_the_connectors_habit_is_known(
    first: float, second: float, volts: float, found: list[str]
) -> None:
    site = Site(*NAMES).pass_time(HOUR)
    charge_by_currents(site, 1, first)
    charge_by_currents(site, 2, second, volts)
    told = site.detector.incidents
    assert [incident.family_name for incident in told] == found
    assert all("currents at 230 V" in incident.explanation for incident in told)


# ------------------------------------------------------------------------------------------- without a transaction


def drawing_beside(other: float) -> Site:
    """Connector 2 takes 20 kW without a transaction while connector 1 has one that takes ``other``."""
    site = Site(*NAMES).pass_time(HOUR)
    start(site, 1, 7, 100_000)
    one, two = 100_000.0, 900_000.0
    for _ in range(8):
        site.wait(60)
        one, two = one + other / 60, two + 20_000 / 60
        reading(site, 1, one, other, 7)
        reading(site, 2, two, 20_000)
    return site


def test_a_full_car_beside_it_explains_nothing() -> None:
    assert ("CP_A", "energy-outside-transaction") in drawing_beside(0.0).found()


def test_one_meter_for_both_connectors_shows_what_the_other_takes() -> None:
    assert "energy-outside-transaction" not in families(drawing_beside(20_000.0))


def test_what_was_told_is_not_told_again_by_the_next_start() -> None:
    site = Site(*NAMES).pass_time(HOUR)
    site.start("CP_A", "TAG1", 100_000)
    site.wait(60).stop("CP_A", 100_000)
    for minute in range(120):
        site.wait(60).meter("CP_A", 100_000 + 333 * minute, 20_000, None)
    site.pass_time(4 * HOUR)
    site.start("CP_A", "TAG2", 100_000 + 333 * 119, 2)
    assert [family for _, family in site.found()] == ["energy-outside-transaction"]


# -------------------------------------------------------------------------------------------------------------- limits


def station_limit(site: Site, watts: float) -> None:
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "ChargePointMaxProfile",
               "chargingProfileKind": "Absolute",
               "chargingSchedule": {"chargingRateUnit": "W", "startSchedule": iso(site.now),
                                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}]}}  # fmt: skip
    site.ask("CP_A", "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": profile})


def both_take(each: float, limit: float) -> Site:
    site = Site(*NAMES).pass_time(HOUR)
    for connector in (1, 2):
        start(site, connector, connector, 100_000 * connector, f"TAG{connector}")
    station_limit(site, limit)
    for minute in range(1, 8):
        site.wait(60)
        for connector in (1, 2):
            reading(site, connector, 100_000 * connector + minute * each / 60, each, connector)
    return site


def test_two_connectors_together_above_the_limit_of_their_station() -> None:
    (incident,) = both_take(11_000, 16_000).incidents()
    assert (incident.station, incident.family_name) == ("CP_A", "limit-ignored")
    assert "2 connectors of CP_A have taken 22.0 kW together" in incident.explanation
    assert incident.raised - BEGIN <= (HOUR + 5 * 60) * SECOND


def test_two_connectors_within_the_limit_of_their_station() -> None:
    assert both_take(8_000, 16_000).found() == []


# -------------------------------------------------------------------------------------------------------------- clocks


def wrong_for_a_while(told_the_time: bool) -> Site:
    site = Site(*NAMES)
    for _ in range(12):
        site.wait(60).status("CP_A", "Available")
    for _ in range(30):
        site.wait(60).status("CP_A", "Available", off=-4 * HOUR - 600)
    if told_the_time:
        site.beat("CP_A")
    for _ in range(4):
        site.wait(60).status("CP_A", "Available")
    return site


def test_a_clock_that_comes_back_by_itself_was_moved() -> None:
    assert [incident.category for incident in wrong_for_a_while(False).incidents()] == ["fraud"]


def test_a_clock_that_the_csms_sets_right_was_merely_wrong() -> None:
    assert "clock-sync" in families(wrong_for_a_while(True))
