"""The way up: refusals in every form, subprotocols that are not agreed on, passwords, probes."""

from __future__ import annotations

import pytest

from fieldkit.session import Session as Diagnosis
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, found, the
from tests.traffic.scripts import boot_16, usual_hour
from tests.traffic.segments import SECOND


def station(start: float = 0, port: int = 49_152, version: str = "1.6") -> Session:
    session = Session("CP_7", version, start=MONDAY + round(start * SECOND), client=("192.168.7.20", port), seed=port)
    session.connect()
    return session


def handshake(diagnosis: Diagnosis, *severities: str) -> list[str]:
    return [id_ for id_ in found(diagnosis, *severities) if id_.startswith("handshake.")]


def answered(session: Session, *lines: str, user: str = "", password: str = "", path: str = "") -> Session:
    """The station asks, and the server answers with this head."""
    session.request(user=user, password=password, path=path)
    session.tcp.send(False, "\r\n".join([*lines, "Content-Length: 0", "Connection: close", "", ""]).encode())
    session.tcp.close(by_client=False)
    return session


UNAUTHORIZED = "HTTP/1.1 401 Unauthorized"


def test_a_usual_connection_is_no_finding() -> None:
    session = station()
    session.upgrade()
    usual_hour(session)
    session.close()
    assert handshake(diagnose(session)) == []


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("status", "reason", "id_", "severity"),
    [
        (403, "Forbidden", "handshake.forbidden", "critical"),
        (404, "Not Found", "handshake.not-found", "critical"),
        (400, "Bad Request", "handshake.bad-request", "critical"),
        (426, "Upgrade Required", "handshake.bad-request", "critical"),
        (301, "Moved Permanently", "handshake.redirected", "critical"),
        (200, "OK", "handshake.not-websocket", "critical"),
        (418, "I'm a teapot", "handshake.refused", "critical"),
        (502, "Bad Gateway", "handshake.unavailable", "warning"),
    ],
)
def test_each_refusal_has_its_finding(status: int, reason: str, id_: str, severity: str) -> None:
    session = station()
    session.refuse(status, reason)
    diagnosis = diagnose(session)
    assert handshake(diagnosis) == [id_]
    assert the(diagnosis, id_).severity == severity
    if status != 200:
        assert f"{status} {reason}" in the(diagnosis, id_).explanation()


def test_another_servers_refusal_is_not_ocpps() -> None:
    session = Session("CP_7", "1.6")
    session.connect()
    session.request(path="/socket.io/", subprotocol="chat")
    session.tcp.send(False, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    session.tcp.close(by_client=False)
    assert handshake(diagnose(session)) == []


def test_a_server_that_is_unavailable_time_and_again_is_critical() -> None:
    sessions = [station(at * 30, 49_000 + at) for at in range(3)]
    for session in sessions:
        session.refuse(503, "Service Unavailable", "Retry-After: 30")
    once = diagnose(*sessions[:2])
    assert the(once, "handshake.unavailable").severity == "warning"
    often = diagnose(*sessions)
    assert the(often, "handshake.unavailable").severity == "critical"
    assert the(often, "handshake.unavailable").count == 3
    assert '"30"' in the(often, "handshake.unavailable").explanation()


def test_a_redirect_names_where_to() -> None:
    session = answered(station(), "HTTP/1.1 307 Temporary Redirect", "Location: wss://new.example/ocpp")
    assert "wss://new.example/ocpp" in the(diagnose(session), "handshake.redirected").explanation()


def test_the_wrong_websocket_version_is_named() -> None:
    session = answered(station(), "HTTP/1.1 426 Upgrade Required", "Sec-WebSocket-Version: 8")
    assert "version 8" in the(diagnose(session), "handshake.bad-request").explanation()


def test_an_upgrade_without_any_answer() -> None:
    session = station()
    session.request()
    session.clock.wait(20)
    session.tcp.close(by_client=True)
    found_ = the(diagnose(session), "handshake.upgrade-unanswered")
    assert "closed by the station" in found_.explanation()


def test_a_capture_that_ends_before_the_answer_accuses_nobody() -> None:
    session = station()
    session.request()
    assert handshake(diagnose(session)) == []


# ------------------------------------------------------------------------------------------------------------ passwords


def test_a_rejected_password_is_critical_and_never_shown() -> None:
    session = answered(station(), UNAUTHORIZED, user="CP_7", password="correct horse battery")
    found_ = the(diagnose(session), "handshake.unauthorized")
    assert found_.severity == "critical"
    assert '"CP_7" and a password of 21 bytes' in found_.explanation()
    assert "horse" not in repr(found_)


def test_a_login_that_begins_with_401_is_no_finding() -> None:
    """A client may wait to be asked for a password (RFC 9110 §11.6.1)."""
    first = answered(station(), UNAUTHORIZED, 'WWW-Authenticate: Basic realm="csms"')
    second = station(2, 49_153)
    key = second.request(user="CP_7", password="0123456789abcdef+")
    assert key
    second.tcp.send(
        False,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n",
    )
    boot_16(second)
    assert handshake(diagnose(first, second)) == []


def test_a_login_that_is_never_completed_is_one() -> None:
    first = answered(station(), UNAUTHORIZED)
    assert "no password" in the(diagnose(first), "handshake.unauthorized").explanation()


def test_a_station_that_never_sends_a_password_is_told_each_time() -> None:
    sessions = [answered(station(at * 5, 49_000 + at), UNAUTHORIZED) for at in range(3)]
    assert the(diagnose(*sessions), "handshake.unauthorized").count == 3


def test_a_user_that_is_not_the_identity() -> None:
    refused = answered(station(), UNAUTHORIZED, user="CP_8", password="0123456789abcdef+")
    found_ = the(diagnose(refused), "handshake.user-mismatch")
    assert found_.severity == "warning"
    assert '"CP_8"' in found_.explanation()
    assert '"CP_7"' in found_.explanation()
    right = answered(station(), UNAUTHORIZED, user="CP_7", password="0123456789abcdef+")
    assert "handshake.user-mismatch" not in handshake(diagnose(right))


@pytest.mark.parametrize(
    ("password", "ids"),
    [
        ("0123456789abcdef0123456789abcdef", {"handshake.password-hex"}),
        ("0123456789abcdef0123456789abcdeg", set()),
        ("0123456789abcde", {"handshake.password-short"}),
        ("0123456789abcdef", set()),
    ],
)
def test_what_a_rejected_password_looks_like(password: str, ids: set[str]) -> None:
    session = answered(station(), UNAUTHORIZED, user="CP_7", password=password)
    assert set(handshake(diagnose(session))) - {"handshake.unauthorized"} == ids


# ---------------------------------------------------------------------------------------------------------- subprotocol


@pytest.mark.parametrize(
    ("offered", "agreed", "id_"),
    [
        ("", "", "handshake.subprotocol-missing"),
        ("OCPP-16", "", "handshake.subprotocol-unknown"),
        ("ocpp2.0.1", "", "handshake.subprotocol-not-selected"),
        ("ocpp2.0.1", "ocpp1.6", "handshake.subprotocol-not-offered"),
    ],
)
def test_no_version_is_agreed_on(offered: str, agreed: str, id_: str) -> None:
    session = station()
    session.upgrade(subprotocol=offered, agreed=agreed)
    session.close("fin", code=None)
    silent = the(diagnose(session), id_)
    assert silent.severity == "critical"
    assert "Not one message followed; the connection was ended by the station" in silent.explanation()

    talking = station()
    talking.upgrade(subprotocol=offered, agreed=agreed)
    boot_16(talking)
    talking.close()
    assert the(diagnose(talking), id_).severity == "warning"


def test_one_of_several_offered_is_fine() -> None:
    session = station()
    session.upgrade(subprotocol="ocpp2.0.1, ocpp1.6", agreed="ocpp1.6")
    boot_16(session)
    session.close()
    assert handshake(diagnose(session)) == []


def test_a_400_to_a_request_without_subprotocol_says_why() -> None:
    session = station()
    session.request(subprotocol="")
    session.tcp.send(False, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    session.tcp.close(by_client=False)
    assert handshake(diagnose(session)) == ["handshake.subprotocol-missing"]


def test_compression_that_was_not_offered() -> None:
    def upgraded(*, offers: bool) -> Session:
        session = Session("CP_7", "1.6", deflate="takeover" if offers else "")
        session.connect()
        session.request()
        session.tcp.send(
            False,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        )
        session.close("fin", code=None)
        return session

    assert handshake(diagnose(upgraded(offers=False))) == ["handshake.extension-not-offered"]
    assert handshake(diagnose(upgraded(offers=True))) == []


# --------------------------------------------------------------------------------------------------- probes and changes


def tried(start: float, port: int, version: str, *, lasts: float = 3, boots: bool = False) -> Session:
    session = station(start, port, version)
    session.upgrade()
    if boots:
        boot_16(session)
    session.clock.wait(lasts)
    session.close("fin", code=1000)
    return session


def test_a_probe_connection_is_told_as_such() -> None:
    both = tried(0, 49_000, "2.0.1"), tried(5, 49_001, "1.6", boots=True)
    diagnosis = diagnose(*both)
    assert handshake(diagnosis) == ["handshake.version-probe"]
    assert '"ocpp2.0.1", said nothing' in the(diagnosis, "handshake.version-probe").explanation()


def test_the_same_version_twice_is_no_probe() -> None:
    assert handshake(diagnose(tried(0, 49_000, "1.6"), tried(5, 49_001, "1.6", boots=True))) == []


def test_a_version_that_comes_much_later_is_a_change_and_no_probe() -> None:
    diagnosis = diagnose(tried(0, 49_000, "2.0.1"), tried(300, 49_001, "1.6", boots=True))
    assert handshake(diagnosis) == ["handshake.version-changed"]
    assert the(diagnosis, "handshake.version-changed").severity == "info"


def test_a_challenge_right_before_the_end_of_the_capture_may_be_the_first_half_of_a_login() -> None:
    session = Session("CP_7", "1.6")
    session.connect()
    session.refuse(401, "Unauthorized")
    assert the(diagnose(session), "handshake.unauthorized").severity == "warning"
    later = Session("CP_8", "1.6", start=MONDAY + 60 * SECOND, client=("192.168.7.21", 49_152))
    later.connect()
    later.upgrade()
    assert the(diagnose(session, later), "handshake.unauthorized").severity == "critical"


def test_who_does_not_wait_for_the_answer_gets_none() -> None:
    for wait, expected in ((2, False), (8, True)):
        session = Session("CP_7", "1.6")
        session.connect()
        session.request()
        session.clock.wait(wait)
        session.close("fin", code=None)
        assert ("handshake.upgrade-unanswered" in found(diagnose(session))) is expected
