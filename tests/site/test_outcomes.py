"""Attempts, visits and uptime, from conversations to numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import Connection, ConnectionClosed, Endpoint, MessageType, OcppChannel, OcppMessage
from fieldkit.site.attempt import Attempts
from fieldkit.site.outcomes import Numbers, Outcomes, Share
from fieldkit.site.picture import Picture
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, diagnose_file
from tests.traffic.expectations import CAPTURES
from tests.traffic.scripts import boot_2, boot_16, charge_2, heartbeat, usual_hour

MINUTE = 60.0
CARD = "04A2B7C1"


class Talk(Session):
    """A session that is up and has booted, with the sentences that an attempt consists of."""

    def __init__(self, station: str = "CP_7", port: int = 49_152) -> None:
        super().__init__(station, client=("192.168.7.20", port), seed=port)
        self.connect()
        self.upgrade()
        boot_16(self)

    def status(self, status: str, connector: int = 1, *, after: float = 2, error: str = "NoError") -> None:
        payload = {"connectorId": connector, "errorCode": error, "status": status}
        self.call("station", "StatusNotification", payload, {}, after=after)

    def authorize(self, token: str = CARD, status: str = "Accepted", *, after: float = 3) -> None:
        self.call("station", "Authorize", {"idTag": token}, {"idTagInfo": {"status": status}}, after=after)

    def start(self, id_: int = 1, token: str = CARD, connector: int = 1, meter: int = 1000) -> None:
        start = {"connectorId": connector, "idTag": token, "meterStart": meter, "timestamp": self.timestamp()}
        self.call("station", "StartTransaction", start, {"transactionId": id_, "idTagInfo": {"status": "Accepted"}})

    def stop(self, id_: int = 1, meter: int = 8000, reason: str = "EVDisconnected", *, after: float = 600) -> None:
        stop = {"transactionId": id_, "meterStop": meter, "timestamp": self.timestamp(), "reason": reason}
        self.call("station", "StopTransaction", stop, {}, after=after)

    def charge(self, id_: int = 1, token: str = CARD, **stop: Any) -> None:
        """Plug in, show the card, charge, leave."""
        self.status("Preparing", after=20)
        self.authorize(token, after=10)
        self.start(id_, token)
        self.status("Charging", after=4)
        self.stop(id_, **stop)
        self.status("Finishing")
        self.status("Available")


def numbers(*sessions: Session) -> Numbers:
    picture = diagnose(*sessions).picture
    return picture.outcomes.numbers(picture.time)


def shares(counted: Numbers) -> tuple[str, str, str]:
    return tuple(f"{share.good}/{share.of}" for share in (counted.charge_start, counted.charge_end, counted.session))  # type: ignore[return-value]


def test_a_session_as_it_should_be() -> None:
    talk = Talk()
    talk.charge()
    counted = numbers(talk)
    assert counted.attempts == 1
    assert shares(counted) == ("1/1", "1/1", "1/1")
    assert (counted.visits, counted.first_attempt) == (1, Share(1, 1))
    # From the card, which came after the plug, to Charging: 0.5 s to StartTransaction, 4 s to the status.
    assert [int(time / 1e9) for time in counted.start_times] == [4]


def test_card_first_then_plug_is_one_attempt() -> None:
    talk = Talk()
    talk.authorize()
    talk.status("Preparing", after=40)
    talk.start()
    talk.status("Charging", after=5)
    talk.stop()
    talk.status("Available")
    counted = numbers(talk)
    assert (counted.attempts, counted.visits) == (1, 1)
    assert [int(time / 1e9) for time in counted.start_times] == [5]


def test_a_refused_card_and_another_try_are_one_attempt_that_succeeded() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.authorize(status="Invalid")
    talk.authorize(after=30)
    talk.start()
    talk.status("Charging")
    talk.stop()
    talk.status("Available")
    assert (numbers(talk).attempts, shares(numbers(talk))) == (1, ("1/1", "1/1", "1/1"))


def test_a_refused_card_and_no_other_is_a_failed_start() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.authorize(status="Blocked")
    talk.status("Available", after=60)
    counted = numbers(talk)
    assert shares(counted) == ("0/1", "0/0", "0/1")
    assert counted.first_attempt == Share(0, 1)


def test_a_card_that_nothing_follows_fails_only_after_a_while() -> None:
    talk = Talk()
    talk.authorize()
    talk.call("station", "Heartbeat", {}, {"currentTime": talk.timestamp()}, after=100)
    assert shares(numbers(talk)) == ("0/0", "0/0", "0/0")
    talk.call("station", "Heartbeat", {}, {"currentTime": talk.timestamp()}, after=300)
    assert shares(numbers(talk)) == ("0/1", "0/0", "0/1")


@pytest.mark.parametrize(
    "reason, meter, fault, expected",
    [
        ("EVDisconnected", 1101, False, ("1/1", "1/1", "1/1")),
        ("EVDisconnected", 1100, False, ("1/1", "1/1", "0/1")),  # 0.1 kWh is not more than 0.1 kWh
        ("EVDisconnected", 1000, False, ("0/1", "0/0", "0/1")),
        ("PowerLoss", 8000, False, ("1/1", "0/1", "0/1")),
        ("Local", 8000, True, ("1/1", "0/1", "0/1")),
        ("Remote", 900, False, ("1/1", "0/1", "0/1")),
    ],
)
def test_the_end_decides(reason: str, meter: int, fault: bool, expected: tuple[str, ...]) -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.start()
    talk.status("Charging")
    talk.stop(reason=reason, meter=meter)
    talk.status("Faulted" if fault else "Finishing")
    assert shares(numbers(talk)) == expected


def test_a_session_that_goes_on_counts_as_started_and_no_more() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.start()
    assert shares(numbers(talk)) == ("0/0", "0/0", "0/0")
    talk.status("Charging")
    counted = numbers(talk)
    assert shares(counted) == ("1/1", "0/0", "0/0")
    assert (counted.visits, counted.first_attempt.of) == (1, 0)


def test_a_capture_that_begins_in_a_session_says_nothing_of_its_start() -> None:
    talk = Talk()
    talk.status("Charging")
    sampled = [{"value": "5000", "measurand": "Energy.Active.Import.Register"}]
    values = {
        "connectorId": 1,
        "transactionId": 9,
        "meterValue": [{"timestamp": talk.timestamp(), "sampledValue": sampled}],
    }
    talk.call("station", "MeterValues", values, {}, after=60)
    talk.stop(9)
    talk.status("Available")
    counted = numbers(talk)
    assert counted.charge_start.of == 0
    assert counted.visits == 0


def test_the_card_that_stops_is_no_attempt() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.start()
    talk.status("Charging")
    talk.authorize("family-card", after=600)
    talk.stop(reason="Local", after=1)
    talk.status("Available")
    talk.call("station", "Heartbeat", {}, {"currentTime": talk.timestamp()}, after=900)
    assert numbers(talk).attempts == 1


def test_a_plug_that_nobody_authorises_is_a_failed_attempt() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.status("Available", after=90)
    assert shares(numbers(talk)) == ("0/1", "0/0", "0/1")


def test_a_car_that_stood_there_when_the_capture_began_is_none() -> None:
    talk = Talk()
    talk.status("Preparing", connector=2)
    talk.status("Available", connector=2)
    assert numbers(talk).attempts == 0


@pytest.mark.parametrize("pause, visits", [(29 * MINUTE, 1), (32 * MINUTE, 2)])
def test_a_driver_who_comes_back_soon_is_on_the_same_visit(pause: float, visits: int) -> None:
    talk = Talk()
    talk.charge(1, reason="Other")
    talk.clock.wait(pause)
    talk.charge(2)
    counted = numbers(talk)
    assert counted.visits == visits
    assert counted.first_attempt == Share(0, 1) if visits == 1 else Share(1, 2)


def test_somebody_without_a_card_just_before_is_the_same_driver() -> None:
    talk = Talk()
    talk.status("Preparing")
    talk.status("Available", after=30)
    talk.charge()
    counted = numbers(talk)
    assert (counted.attempts, counted.visits) == (2, 1)
    assert counted.first_attempt == Share(0, 1)


def test_remote_start_at_a_connector() -> None:
    talk = Talk()
    talk.call("csms", "RemoteStartTransaction", {"idTag": CARD, "connectorId": 1}, {"status": "Accepted"})
    talk.status("Preparing", after=20)
    talk.start()
    talk.status("Charging", after=2)
    talk.stop(reason="Remote")
    talk.status("Available")
    counted = numbers(talk)
    assert (counted.attempts, shares(counted)) == (1, ("1/1", "1/1", "1/1"))


def test_stations_do_not_mix() -> None:
    one, other = Talk("CP_1", 50_001), Talk("CP_2", 50_002)
    one.charge(token="AAAA1111")
    other.charge(token="BBBB2222", reason="EmergencyStop")
    assert shares(numbers(one, other)) == ("2/2", "1/2", "1/2")


def test_version_2_counts_charging_state_and_leaves_open_what_no_register_tells() -> None:
    session = Session("CP_9", "2.0.1")
    session.connect()
    session.upgrade()
    boot_2(session)
    charge_2(session)
    counted = numbers(session)
    assert counted.attempts == 1
    assert counted.charge_start == Share(1, 1)
    assert counted.charge_end == Share(1, 1)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_the_usual_hour_is_one_good_attempt(version: str) -> None:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close()
    counted = numbers(session)
    assert (counted.attempts, counted.visits) == (1, 1)
    assert shares(counted)[:2] == ("1/1", "1/1")


def test_ocpp_15_has_no_reason_that_could_be_good_or_bad() -> None:
    picture = diagnose_file(CAPTURES / "ocpp15s_ocppjs_soap.pcap").picture
    assert shares(picture.outcomes.numbers(picture.time)) == ("1/1", "0/0", "0/0")


# --------------------------------------------------------------------------------------------------------------- uptime


def uptime(*sessions: Session, connector: str = "1") -> tuple[int, int]:
    picture = diagnose(*sessions).picture
    up, observed = picture.outcomes.uptime.of("CP_7", connector, picture.time)
    return round(up / 1e9), round(observed / 1e9)


def test_up_all_the_time() -> None:
    talk = Talk()
    talk.status("Available", after=1000)
    up, observed = uptime(talk)
    assert up == observed
    assert 1000 <= up <= 1002


def test_a_fault_is_no_uptime() -> None:
    talk = Talk()
    talk.status("Faulted", after=600)
    talk.status("Available", after=200)
    talk.status("Available", after=200)
    up, observed = uptime(talk)
    assert observed - up in (200, 201)


def test_a_fault_of_the_whole_station_takes_its_connectors_along() -> None:
    talk = Talk()
    talk.status("Unavailable", connector=0, after=100)
    talk.status("Available", connector=0, after=50)
    up, observed = uptime(talk)
    assert observed - up in (50, 51)


def test_offline_until_the_next_message() -> None:
    talk = Talk()
    talk.clock.wait(100)
    talk.close("rst", code=None)
    again = Session("CP_7", client=("192.168.7.20", 49_200), start=talk.clock.now + 300 * 10**9, seed=9)
    again.connect()
    again.upgrade()
    boot_16(again)
    up, observed = uptime(talk, again)
    assert 299 <= observed - up <= 302


def test_gone_for_good_is_not_counted_but_told() -> None:
    talk, other = Talk(), Session("CP_8", client=("192.168.7.21", 49_100), seed=3)
    talk.clock.wait(100)
    talk.close()
    other.connect()
    other.upgrade()
    boot_16(other)
    other.clock.wait(1000)
    heartbeat(other)
    picture = diagnose(talk, other).picture
    up, observed = (round(value / 1e9) for value in picture.outcomes.uptime.of("CP_7", "1", picture.time))
    assert up == observed
    assert 100 <= up <= 103
    assert picture.outcomes.uptime.gone(picture.time) == 1
    assert picture.outcomes.uptime.gone(picture.time - 950 * 10**9) == 0, "it may be about to come back"


def test_a_capture_that_ends_first_says_nothing_of_later() -> None:
    talk = Talk()
    talk.clock.wait(100)
    talk.close()
    up, observed = uptime(talk)
    assert up == observed


@pytest.mark.parametrize("second, expected", [("morning.pcap", (40, 140)), ("evening.pcap", (40, 60))])
def test_between_two_captures_nothing_is_known(second: str, expected: tuple[int, int]) -> None:
    """Gone from 20 s to 120 s; the capture goes on to 40 s, or to the end."""
    picture = Picture()
    available = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}

    def say(seconds: int, number: int, source: str, station: str = "CP_7") -> Connection:
        connection = Connection(number, Endpoint("10.0.0.1", number), Endpoint("10.0.0.2", 80), 1, False, source)
        channel = OcppChannel(station, "1.6", "json", connection, False, False, False)
        message = OcppMessage(
            seconds * 10**9, (), source, channel, "station", MessageType.CALL, "1", "StatusNotification", available,
            None, "{}", (), False, None,
        )  # fmt: skip
        picture.feed(message)
        return connection

    gone = say(1, 1, "morning.pcap")
    picture.feed(ConnectionClosed(21 * 10**9, (), gone, "rst", False))
    say(41, 2, "morning.pcap", "CP_8")
    say(121, 3, second)
    say(141, 3, second)
    up, observed = picture.outcomes.uptime.of("CP_7", "1", picture.time)
    assert (up // 10**9, observed // 10**9) == expected


def test_a_connector_that_told_no_status_has_no_uptime() -> None:
    assert uptime(Talk(), connector="7") == (0, 0)


def test_the_method_names_every_threshold() -> None:
    method = " ".join(Outcomes().method())
    for word in ("0.1 kWh", "30 minutes", "2 minutes", "5 minutes", "EVDisconnected", "Unavailable"):
        assert word in method


# -------------------------------------------------------------------------------------------------------------- hostile

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Preparing", "Charging", "Ended", "", float("nan")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["connectorId", "status", "idTag", "idToken", "transactionId", "eventType", "evse", "id", "eventData",
                 "transactionInfo", "chargingState", "component", "variable", "name", "actualValue", "evseId",
                 "errorCode",
                 "connectorStatus", "vendorErrorCode", "techCode", "cleared", "vendorId", "info", "reason", "meterStop"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(Attempts.ACTIONS)), _JSON, st.booleans()), max_size=8))
def test_nothing_that_is_sent_breaks_it(said: list[tuple[str, Any, bool]]) -> None:
    picture = Picture()
    channel = OcppChannel("CP_1", "1.6", "json", None, False, False, False)
    call = None
    for time, (action, payload, answer) in enumerate(said, 1):
        type_ = MessageType.CALLRESULT if answer and call is not None else MessageType.CALL
        message = OcppMessage(
            time * 10**9, (time,), "x", channel, "station", type_, str(time), action, payload, None, "{}", (), False,
            call if type_ is MessageType.CALLRESULT else None,
        )  # fmt: skip
        picture.feed(message)
        call = message
    counted = picture.outcomes.numbers(picture.time)
    assert counted.charge_start.good <= counted.charge_start.of <= counted.attempts + len(said)
