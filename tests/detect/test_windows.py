"""What a station's minutes and hours say by the measure of the fleet, without any rule."""

from __future__ import annotations

from typing import Any

import pytest

from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.detector import Detector
from fieldkit.detect.features import INDEX, STEP, Steps
from fieldkit.detect.prior import Prior
from fieldkit.detect.tails import BLOCK
from fieldkit.detect.windows import BEYOND, SETTLED, Windows
from fieldkit.models.manifest import load_prior
from fieldkit.session import Session
from tests.detect import talk
from tests.detect.talk import iso


class Site(talk.Site):
    """Stations of which only windows are looked at."""

    def __init__(self, *names: str) -> None:
        super().__init__(layers=())
        self.windows: list[Windows] = []
        self.detector = Detector(layers=(), more=[self._windows])
        self.detector.layers = frozenset({"statistics"})  # it takes the windows' signs and has nobody else to give any
        self.session = Session(watchers=(self.detector,))
        for number, name in enumerate(names):
            self.connect(name, f"192.168.7.{10 + number}")
        self.pass_time(180)
        for name in names:
            self.charge(name)

    def _windows(self, context: Context) -> Tracker:
        self.windows.append(Windows(context, load_prior(), layers=frozenset({"statistics"})))
        return self.windows[0]

    def after(self, seconds: float) -> Site:
        """``wait``, and go on."""
        self.wait(seconds)
        return self

    def charge(self, name: str) -> None:
        """An ordinary one."""
        self.status(name, "Preparing")
        self.start(name, "CARD", 0, 99)
        self.status(name, "Charging")
        for minute in range(1, 31):
            self.after(60).sample(name, power(11_000), {"value": f"{minute * 183}"}, number=99)
        self.stop(name, 5_500, 99)
        self.status(name, "Available")
        self.pass_time(600)

    def sample(self, name: str, *values: dict[str, Any], connector: int = 1, number: int = 1) -> None:
        """Meter values as they are given."""
        value = {"timestamp": iso(self.now), "sampledValue": list(values)}
        self.say(name, "MeterValues", {"connectorId": connector, "transactionId": number, "meterValue": [value]}, {})


def power(watts: float) -> dict[str, Any]:
    return {"value": f"{watts:.0f}", "measurand": "Power.Active.Import", "unit": "W", "context": "Sample.Periodic"}


def amperes(*values: float) -> list[dict[str, Any]]:
    return [
        {"value": f"{value}", "measurand": "Current.Import", "unit": "A", "phase": f"L{at}"}
        for at, value in enumerate(values, 1)
    ]


def limit(site: Site, watts: float) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "transactionId": 1,
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}],
        },
    }
    site.ask("CP_A", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})


@pytest.mark.parametrize(("watts", "told"), [(4_000, True), (10_500, False)])
def test_power_over_a_limit_that_has_held_for_a_while(watts: float, *, told: bool) -> None:
    site = Site("CP_A")
    site.start("CP_A", "TAG", 0)
    site.status("CP_A", "Charging")
    limit(site, watts)
    for _ in range(8):
        site.after(60).sample("CP_A", power(11_000))
    found = site.incidents()
    assert [(one.family_name, one.connector) for one in found] == ([("unusual-energy", "")] if told else [])
    assert not told or "takes more than its limit allows" in found[0].explanation


def test_a_phase_that_is_gone_in_the_middle_of_a_charge() -> None:
    site = Site("CP_A", "CP_B")
    for name in ("CP_A", "CP_B"):
        site.start(name, "TAG", 0)
    for turn in range(10):
        site.after(60).sample("CP_A", *(amperes(16.0, 0.0, 16.1) if turn > 4 else amperes(16.0, 16.2, 16.1)))
        site.sample("CP_B", *amperes(15.9, 16.0, 0.0))  # a car with two phases
    (found,) = site.incidents()
    assert found.station == "CP_A"
    assert "phases at CP_A differ by 100 %" in found.explanation


@pytest.mark.parametrize(("flows", "told"), [(0.0, True), (9_000.0, False)])
def test_a_charge_in_which_nothing_ever_flows(flows: float, *, told: bool) -> None:
    """A car that is full takes nothing either, but it has taken something before."""
    site = Site("CP_A")
    site.start("CP_A", "TAG", 0)
    site.status("CP_A", "Charging")
    site.after(30).sample("CP_A", power(flows))
    for _ in range(10):
        site.after(60).sample("CP_A", power(0.0))
    found = site.incidents()
    assert [one.family_name for one in found] == (["unusual-energy"] if told else [])
    assert not told or "that it charges, and no current flows" in found[0].explanation


@pytest.mark.parametrize(("warmest", "told"), [(40.0, False), (95.0, True)])
def test_heat_that_is_none(warmest: float, *, told: bool) -> None:
    """Where winter was all that is known, a warm day is nothing; what is hot by any measure is told."""
    site = Site("CP_A")
    site.start("CP_A", "TAG", 0)
    for turn in range(400):
        degrees = 2.0 if turn < 390 else warmest
        site.after(60).sample(
            "CP_A", power(9_000), {"value": f"{degrees}", "measurand": "Temperature", "unit": "Celsius"}
        )
    found = site.incidents()
    assert [one.family_name for one in found] == (["unusual-energy"] if told else [])


def test_a_register_that_went_back() -> None:
    site = Site("CP_A")
    site.start("CP_A", "TAG", 100_000)
    for register in (100_200, 100_400, 90_000, 90_200, 90_400):
        site.wait(60).meter("CP_A", register, 12_000)
    (found,) = site.incidents()
    assert (found.category, found.family_name) == ("fraud", "unusual-metering")


def test_restarts_within_an_hour_and_over_a_day() -> None:
    often, seldom = Site("CP_A"), Site("CP_A")
    for site, gap in ((often, 600), (seldom, 6 * 3600)):
        for _ in range(4):
            site.boot("CP_A")
            site.pass_time(gap, every=300)
    assert [one.family_name for one in often.incidents()] == ["unusual-condition"]
    assert seldom.incidents() == []


def test_cars_that_come_in_vain_until_one_gets_something() -> None:
    site = Site("CP_A", "CP_B")
    for turn in range(4):
        for name in ("CP_A", "CP_B"):
            site.wait(30).status(name, "Available")
            site.wait(60).status(name, "Preparing")
        if turn == 1:
            site.start("CP_B", "TAG", 0)
            site.status("CP_B", "Charging")
            site.wait(600).stop("CP_B", 2_000)
        site.pass_time(120)
        for name in ("CP_A", "CP_B"):
            site.status(name, "Available")
    assert [(one.station, one.family_name) for one in site.incidents()] == [("CP_A", "unusual-condition")]


def test_logins_that_are_refused_say_nothing_of_the_way() -> None:
    site = Site("CP_A")
    for number in range(8):
        site.wait(20).connect("CP_A", f"192.168.7.{100 + number}", status=401)
    site.pass_time(60)
    assert [(one.category, one.family_name) for one in site.incidents()] == [("intrusion", "unusual-protocol")]


def test_settings_of_a_station_that_has_just_started() -> None:
    boots, runs = Site("CP_A"), Site("CP_A")
    boots.boot("CP_A")
    for site in (boots, runs):
        for number in range(4):
            site.wait(15).ask("CP_A", "ChangeConfiguration", {"key": f"Key{number}", "value": "1"})
        site.pass_time(180)
    assert boots.incidents() == []
    assert "Settings of CP_A were changed" in runs.incidents()[0].explanation


def test_many_connectors_that_tell_often() -> None:
    site = Site("CP_A")
    for connector in range(1, 5):
        site.say("CP_A", "StartTransaction",
                 {"connectorId": connector, "idTag": "TAG", "meterStart": 0, "timestamp": iso(site.now)},
                 {"transactionId": connector, "idTagInfo": {"status": "Accepted"}})  # fmt: skip
        site.wait(400)
    for _ in range(60):
        for connector in range(1, 5):
            site.after(2.5).sample("CP_A", power(50_000), connector=connector, number=connector)
    assert site.incidents() == []


def test_the_threshold_of_a_calm_station_is_that_of_the_fleet() -> None:
    made = Windows(Context(lambda symptom: None), Prior(shipped=True))
    known, _ = made.begin("CP_1")
    tail = known.tails["condition"]
    for number in range(1000):
        tail.add(0.6 if number % 40 == 0 else 0.0, number * BLOCK)
    assert tail.threshold(0.02) > 1  # type: ignore[operator]  # what the fit alone would make of three restarts
    assert made.threshold(known, "condition", known.first + SETTLED) == 1.0
    for number in range(1000, 2000):
        tail.add(1.2 if number % 5 == 0 else 1.0, number * BLOCK)
    assert made.threshold(known, "condition", known.first + SETTLED) <= BEYOND * 1.2


def test_what_is_forgotten_begins_from_nothing() -> None:
    steps = Steps()
    steps.clear = True
    for minute in range(5):
        steps.note(minute * 60_000_000_000, "vain")
    assert steps.window(40).values[INDEX["vain"]] == 5
    assert steps.window(6 * 360 + 12).values[INDEX["vain"]] < 5, "six hours are over"
    steps.forget("vain")
    assert steps.window(2_000_000_000_000 // STEP).values[INDEX["vain"]] == 0


class Asked:
    """In the model's place: says what it is told to, and remembers that it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def judge(self, scores: list[float], mask: list[bool]) -> tuple[float, list[float]]:
        self.times += 1
        return 100.0, [0.0, 0.0, 0.0, 9.0, 0.0]

    def misfits(self, scores: list[float], mask: list[bool]) -> list[tuple[int, float]]:
        return [(INDEX["heartbeats"], 0.0)]


@pytest.mark.parametrize(("beats", "family"), [(1, ""), (3, "unusual-energy"), (40, "unusual-protocol")])
def test_the_model_is_asked_of_minutes_in_which_something_stands_out(beats: int, family: str) -> None:
    told: list[str] = []
    model = Asked()
    made = Windows(
        Context(lambda symptom: told.append(symptom.family)), load_prior(), judge=model, layers=frozenset({"model"})
    )
    _, watched = made.begin("CP_1")
    assert watched is not None
    watched.steps.clear = True
    for minute in range(4):
        for beat in range(beats):
            watched.steps.count((60 * minute + beat) * talk.SECOND, "heartbeats")
        for step in range(1, 7):
            made._evaluate("CP_1", watched, (60 * minute + 10 * step) * talk.SECOND)
    assert bool(model.times) == bool(family)
    assert set(told) == ({family} if family else set())
