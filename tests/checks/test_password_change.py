"""New passwords: used at once, not used, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.events import Event
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, diagnose_events, found, the
from tests.traffic.hostile import messages
from tests.traffic.scripts import boot_2, boot_16, charge_16, heartbeat
from tests.traffic.segments import SECOND

NEW = "30313233343536373839303132333435"
UNUSED = "security.new-password-not-used"
REFUSED = "security.new-password-refused"


def talk(start: float = 0, port: int = 49_152, version: str = "1.6") -> Session:
    session = Session("CP_7", version, start=MONDAY + round(start * SECOND), client=("192.168.7.20", port))
    session.connect()
    session.upgrade()
    (boot_16 if version == "1.6" else boot_2)(session)
    return session


def change(session: Session, status: str = "Accepted", key: str = "AuthorizationKey") -> None:
    if session.version == "1.6":
        session.call("csms", "ChangeConfiguration", {"key": key, "value": NEW}, {"status": status})
        return
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    answer: dict[str, Any] = {"setVariableResult": [{**place, "attributeStatus": status}]}
    session.call("csms", "SetVariables", {"setVariableData": [{**place, "attributeValue": NEW}]}, answer)


def goes_on(session: Session, minutes: int) -> None:
    for _ in range(2 * minutes):
        heartbeat(session)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_station_that_stays_where_it_is(version: str) -> None:
    session = talk(version=version)
    change(session)
    goes_on(session, 6)
    finding = the(diagnose(session), UNUSED)
    assert "5 min" in finding.explanation()
    assert NEW not in repr(finding)


@pytest.mark.parametrize(
    ("status", "key", "minutes"),
    [("Accepted", "AuthorizationKey", 4), ("RebootRequired", "AuthorizationKey", 9), ("Accepted", "Other", 9),
     ("Rejected", "AuthorizationKey", 9)],
)  # fmt: skip
def test_too_soon_to_tell_or_nothing_to_tell(status: str, key: str, minutes: int) -> None:
    session = talk()
    change(session, status, key)
    goes_on(session, minutes)
    assert UNUSED not in found(diagnose(session))


def test_a_station_that_reconnects_has_done_what_it_must() -> None:
    first = talk()
    change(first)
    first.close()
    second = talk(60, 49_153)
    goes_on(second, 9)
    assert not {UNUSED, REFUSED} & set(found(diagnose(first, second)))


def test_a_session_need_not_be_broken_off() -> None:
    session = talk()
    change(session)
    start = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 1200, "timestamp": session.timestamp()}
    session.call("station", "StartTransaction", start, {"transactionId": 1, "idTagInfo": {"status": "Accepted"}})
    goes_on(session, 9)
    assert UNUSED not in found(diagnose(session))
    charge_16(session)


def turned_away(start: float, status: int, password: str = "x" * 16) -> Session:
    session = Session("CP_7", "1.6", start=MONDAY + round(start * SECOND), client=("192.168.7.20", 49_153), seed=2)
    session.connect()
    session.request(user="CP_7", password=password)
    session.tcp.send(False, b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    return session


def test_turned_away_after_the_change() -> None:
    first = talk()
    change(first)
    first.close()
    finding = the(diagnose(first, turned_away(60, 401)), REFUSED)
    assert finding.severity == "critical"


@pytest.mark.parametrize(("start", "status"), [(60, 503), (7200, 401)])
def test_turned_away_for_something_else(start: float, status: int) -> None:
    first = talk()
    change(first)
    first.close()
    assert REFUSED not in found(diagnose(first, turned_away(start, status)))


@settings(max_examples=30, deadline=None)
@given(messages("ChangeConfiguration", "SetVariables", "Heartbeat"))
def test_whatever_is_in_a_payload(events: list[Event]) -> None:
    diagnose_events(events)
