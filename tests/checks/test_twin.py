"""One identity on two connections."""

from __future__ import annotations

from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, found, the
from tests.traffic.scripts import boot_16, heartbeat
from tests.traffic.segments import SECOND

FAMILY = {
    "connection.left-open",
    "connection.identity-used-twice",
    "connection.reconnect-refused",
    "connection.reconnect-ignored",
}


def talk(start: float = 0, port: int = 49_152, address: str = "192.168.7.20", station: str = "CP_7") -> Session:
    session = Session(station, "1.6", start=MONDAY + round(start * SECOND), client=(address, port), seed=port)
    session.connect()
    session.upgrade()
    boot_16(session)
    return session


def ids(diagnosis: Diagnosis) -> list[str]:
    return [id_ for id_ in found(diagnosis) if id_ in FAMILY]


def test_one_connection_after_the_other_is_no_finding() -> None:
    first = talk()
    first.close()
    assert ids(diagnose(first, talk(60, 49_153))) == []


def test_a_connection_that_was_left_behind() -> None:
    diagnosis = diagnose(talk(), talk(60, 49_153))
    assert ids(diagnosis) == ["connection.left-open"]
    assert the(diagnosis, "connection.left-open").severity == "info"


def test_two_stations_with_one_identity() -> None:
    first, second = talk(), talk(20, 49_153, "192.168.7.21")
    heartbeat(first)
    heartbeat(second)
    diagnosis = diagnose(first, second)
    assert ids(diagnosis) == ["connection.identity-used-twice"]
    explanation = the(diagnosis, "connection.identity-used-twice").explanation()
    assert "192.168.7.20" in explanation
    assert "192.168.7.21" in explanation


def test_two_stations_with_two_identities() -> None:
    first, second = talk(), talk(20, 49_153, "192.168.7.21", "CP_8")
    heartbeat(first)
    heartbeat(second)
    assert ids(diagnose(first, second)) == []


def test_two_stations_of_one_name_on_different_paths() -> None:
    first, second = talk(), Session("CP_7", "1.6", start=MONDAY + 20 * SECOND, client=("192.168.7.21", 49_153), seed=2)
    second.connect()
    second.upgrade(path="/tenant-b/CP_7")
    heartbeat(first)
    heartbeat(second)
    assert ids(diagnose(first, second)) == []


def test_what_was_under_way_when_the_station_came_back_is_no_second_life() -> None:
    first = talk()
    first.clock.wait(20)
    second = talk(first.clock.now / SECOND - MONDAY / SECOND - 1, 49_153)
    first.say("station", '[2,"x","Heartbeat",{}]')
    heartbeat(second)
    assert ids(diagnose(first, second)) == ["connection.left-open"]


def test_a_station_that_is_turned_away_while_its_old_connection_is_open() -> None:
    again = Session("CP_7", "1.6", start=MONDAY + 60 * SECOND, client=("192.168.7.20", 49_153), seed=2)
    again.connect()
    again.refuse(409, "Conflict")
    assert "connection.reconnect-refused" in ids(diagnose(talk(), again))
    closed = talk()
    closed.close()
    assert ids(diagnose(closed, again)) == []


def silent(start: float = 60) -> Session:
    """Let in, and then ignored."""
    session = Session("CP_7", "1.6", start=MONDAY + round(start * SECOND), client=("192.168.7.20", 49_153), seed=2)
    session.connect()
    session.upgrade()
    session.call("station", "BootNotification", {"chargePointVendor": "T", "chargePointModel": "M"})
    session.clock.wait(30)
    session.close("rst", code=None)
    return session


def test_a_new_connection_on_which_the_csms_says_nothing() -> None:
    diagnosis = diagnose(talk(), silent())
    assert ids(diagnosis) == ["connection.reconnect-ignored", "connection.left-open"]
    closed = talk()
    closed.close()
    assert ids(diagnose(closed, silent())) == []


def test_one_handshake_captured_in_two_places_is_one() -> None:
    session = talk()
    behind = [
        one._replace(client=("198.51.100.7", 61_000), seq=one.seq + 5, ack=one.ack + 5) for one in session.segments
    ]
    copy = Session("CP_7", "1.6")
    copy.tcp.segments[:] = behind
    assert ids(diagnose(session, copy)) == []
