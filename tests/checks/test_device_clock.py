"""The modem's clock beside the station's."""

from __future__ import annotations

from datetime import UTC, datetime

from fieldkit.events import DeviceReading, OcppMessage
from tests.checks.devices import SECOND, joined, modem, told
from tests.traffic.charging import online_16
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import the


def stamped(time: int, off: float = 0, zone: int = 0, *, local: bool = True) -> DeviceReading:
    """+CCLK; ``zone`` in quarters of an hour."""
    seconds = time / SECOND + off + (zone * 900 if local else 0)
    text = f"{datetime.fromtimestamp(seconds, UTC):%y/%m/%d,%H:%M:%S}{zone:+03d}"
    return modem(time, "clock", text, f'+CCLK: "{text}"')


def talk(behind: float = 0) -> Session:
    """A station whose timestamps are off by so many seconds."""
    session = online_16()
    for _ in range(8):
        session.clock.wait(30)
        status = {
            "connectorId": 1,
            "errorCode": "NoError",
            "status": "Available",
            "timestamp": session.timestamp(behind),
        }
        session.call("station", "StatusNotification", status, {})
    return session


def clocks(session: Session, off: float = 0, zone: int = 0, *, apart: int = 40, local: bool = True) -> list[str]:
    now = session.clock.now
    events = [stamped(now + at * SECOND, off, zone, local=local) for at in (1, 1 + apart)]
    return told(joined(events, session))


def test_the_station_is_wrong_and_its_modem_knows() -> None:
    session = talk(-600)
    now = session.clock.now
    finding = the(joined([stamped(now + at * SECOND) for at in (1, 41)], session), "device.clock-station")
    assert "The station's timestamps are 10 min 1 s behind that" in finding.explanation()
    assert "The modem on ttyUSB2 says " in finding.explanation()
    assert [event.__class__ for event in finding.evidence] == [DeviceReading, OcppMessage]


def test_the_modem_is_wrong() -> None:
    assert clocks(talk(), 400) == ["device.clock-wrong"]
    assert clocks(talk(), -400) == ["device.clock-wrong"]


def test_all_agree() -> None:
    assert clocks(talk()) == []
    assert clocks(talk(), 9) == []


def test_a_minute_is_the_limit() -> None:
    assert clocks(talk(), 55) == []
    assert clocks(talk(-50)) == []


def test_zones_are_quarters_of_an_hour_and_some_firmwares_do_not_apply_them() -> None:
    assert clocks(talk(), zone=8) == []
    assert clocks(talk(), zone=8, local=False) == []
    assert clocks(talk(-600), zone=-20) == ["device.clock-station"]


def test_one_look_at_a_clock_is_not_enough() -> None:
    assert clocks(talk(), 400, apart=20) == []


def test_a_clock_that_was_never_set_says_nothing() -> None:
    assert clocks(talk(), -20 * 365 * 86_400) == []


def test_three_clocks_that_all_differ_tell_nothing() -> None:
    assert clocks(talk(-600), 400) == []


def test_what_is_no_time() -> None:
    session = talk(-600)
    now = session.clock.now
    events = [
        modem(now + at * SECOND, "clock", text) for at in (1, 41) for text in ("26/13/45,99:00:00+00", "", "x" * 90)
    ]
    assert told(joined(events, session)) == []
