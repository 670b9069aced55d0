"""Pings that stay unanswered, connections that die of silence, data that never arrives."""

from __future__ import annotations

import pytest

from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, found, the
from tests.traffic.frames import PING
from tests.traffic.scripts import boot_16, heartbeat
from tests.traffic.segments import SECOND

FAMILY = {
    "connection.ping-unanswered",
    "connection.ping-ignored",
    "connection.dies-on-ping",
    "connection.idle-timeout",
    "connection.no-acknowledgement",
}


def talk(start: float = 0, port: int = 49_152) -> Session:
    session = Session("CP_7", "1.6", start=MONDAY + round(start * SECOND), client=("192.168.7.20", port), seed=port)
    session.connect()
    session.upgrade()
    boot_16(session)
    return session


def ping(session: Session, sender: str = "csms") -> None:
    """Without a pong."""
    session._put(sender, session._frames[sender].control(PING, b"?"))  # type: ignore[arg-type,index]


def ids(diagnosis: Diagnosis) -> list[str]:
    return [id_ for id_ in found(diagnosis) if id_ in FAMILY]


# ---------------------------------------------------------------------------------------------------------------- pings


def test_answered_pings_are_no_finding() -> None:
    session = talk()
    session.idle(600, ping_every=30)
    session.close("rst", by_client=False, code=None)
    assert ids(diagnose(session)) == []


def test_a_ping_into_the_void() -> None:
    session = talk()
    ping(session)
    session.clock.wait(20)
    session.close("rst", by_client=False, code=None)
    finding = the(diagnose(session), "connection.ping-unanswered")
    assert finding.owner == "uplink"
    assert "The CSMS sent a ping" in finding.explanation()
    assert "after 20 s" in finding.explanation()


def test_a_ping_of_the_station_into_the_void() -> None:
    session = talk()
    ping(session, "station")
    session.clock.wait(20)
    session.close("rst", by_client=True, code=None)
    assert "The station sent a ping" in the(diagnose(session), "connection.ping-unanswered").explanation()


def test_a_connection_that_ends_just_behind_a_ping_had_no_time_to_answer() -> None:
    session = talk()
    ping(session)
    session.clock.wait(3)
    session.close("fin", by_client=False, code=1001)
    assert ids(diagnose(session)) == []


def test_a_capture_that_ends_behind_a_ping_accuses_nobody() -> None:
    session = talk()
    ping(session)
    other = talk(900, 49_153)
    assert ids(diagnose(session, other)) == []


def test_a_station_that_talks_and_never_answers_pings() -> None:
    session = talk()
    ping(session)
    heartbeat(session)
    session.close()
    finding = the(diagnose(session), "connection.ping-ignored")
    assert finding.owner == "station"


def test_the_last_of_several_pings_is_enough_to_answer() -> None:
    session = talk()
    ping(session)
    session.clock.wait(1)
    session.ping("csms")
    heartbeat(session)
    session.close()
    assert ids(diagnose(session)) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_station_that_dies_of_pings(times: int) -> None:
    sessions = [talk(at * 60, 49_000 + at) for at in range(times)]
    for session in sessions:
        ping(session)
        session.close("rst", by_client=True, code=None)
    expected = ["connection.dies-on-ping"] if times == 2 else []
    assert ids(diagnose(*sessions)) == expected


# ----------------------------------------------------------------------------------------------------------------- idle


def silences(*seconds: float, by_client: bool = False, code: int | None = None) -> list[Session]:
    sessions = []
    for at, silence in enumerate(seconds):
        session = talk(at * 1000, 49_000 + at)
        session.clock.wait(silence)
        session.close("fin", by_client=by_client, code=code)
        sessions.append(session)
    return sessions


@pytest.mark.parametrize("code", [None, 1001])
def test_three_ends_after_the_same_silence(code: int | None) -> None:
    diagnosis = diagnose(*silences(110, 110.4, 109.8, code=code))
    finding = the(diagnosis, "connection.idle-timeout")
    assert finding.owner == "csms"
    assert "1 min 50 s of silence" in finding.explanation()
    assert len(finding.evidence) == 3


def test_the_station_may_be_the_one() -> None:
    assert the(diagnose(*silences(60, 60, 60, by_client=True)), "connection.idle-timeout").owner == "station"


@pytest.mark.parametrize("seconds", [(110, 110), (110, 117, 110), (8, 8, 8), (60, 300, 60)])
def test_two_of_them_others_and_short_ones_are_none(seconds: tuple[float, ...]) -> None:
    assert ids(diagnose(*silences(*seconds))) == []


def test_pings_of_the_csms_do_not_hide_its_impatience_with_the_station() -> None:
    sessions = []
    for at in range(3):
        session = talk(at * 1000, 49_000 + at)
        for _ in range(3 + at):
            session.clock.wait(120 / (3 + at) - 0.1)
            session.call("csms", "ClearCache", {}, after=0)
        session.clock.wait(0.1)
        session.close("fin", by_client=False, code=None)
        sessions.append(session)
    finding = the(diagnose(*sessions), "connection.idle-timeout")
    assert "of silence of the station" in finding.explanation()


# ----------------------------------------------------------------------------------------------------------------- path


def repeats(*seconds: float) -> Session:
    session = talk()
    session.say("station", '[2,"x","Heartbeat",{}]')
    (last,) = [one for one in session.segments if one.payload][-1:]
    acknowledgement = session.segments.pop()
    assert not acknowledgement.payload
    for at in seconds:
        session.segments.append(last._replace(time=last.time + round(at * SECOND)))
    return session


def test_data_that_nobody_acknowledges() -> None:
    finding = the(diagnose(repeats(0.3, 1, 2.5, 6, 13)), "connection.no-acknowledgement")
    assert finding.owner == "uplink"
    assert "again at least 5 times over 13 s" in finding.explanation()


def test_a_bad_moment_is_none() -> None:
    assert ids(diagnose(repeats(0.3, 1, 2.5, 6))) == []
