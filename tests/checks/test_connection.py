"""Ends of connections: codes, breaks, broken frames, storms, and stations that are cut off while they charge."""

from __future__ import annotations

import pytest

from fieldkit.session import Session as Diagnosis
from fieldkit.wire.websocket import MAX_MESSAGE_BYTES
from tests.traffic.conversation import MONDAY, Session
from tests.traffic.diagnosed import diagnose, found, the
from tests.traffic.scripts import boot_16, charge_16, usual_hour
from tests.traffic.segments import SECOND

FAMILY = {
    "connection.close-code",
    "connection.no-close-frame",
    "connection.mask-rule",
    "connection.compression-not-agreed",
    "connection.compression-damaged",
    "connection.reconnect-storm",
    "connection.offline-in-transaction",
}


def talk(start: float = 0, port: int = 49_152, deflate: str = "") -> Session:
    session = Session(
        "CP_7",
        "1.6",
        start=MONDAY + round(start * SECOND),
        client=("192.168.7.20", port),
        deflate=deflate,  # type: ignore[arg-type]
    )
    session.connect()
    session.upgrade()
    boot_16(session)
    return session


def ids(diagnosis: Diagnosis, *severities: str) -> list[str]:
    return [id_ for id_ in found(diagnosis, *severities) if id_ in FAMILY]


# ---------------------------------------------------------------------------------------------------------------- codes


@pytest.mark.parametrize("code", [1000, 1001])
def test_an_orderly_end_is_no_finding(code: int) -> None:
    session = talk()
    session.close(code=code, by_client=False)
    assert ids(diagnose(session)) == []


@pytest.mark.parametrize(
    ("code", "by_client", "severity", "owner", "words"),
    [
        (1002, False, "warning", "station", "protocol error"),
        (1002, True, "warning", "csms", "protocol error"),
        (1006, True, "warning", "station", "never be sent"),
        (1009, False, "warning", "csms", "too big"),
        (1011, False, "warning", "csms", "internal error"),
        (1012, False, "info", "csms", "service restart"),
        (1013, False, "warning", "csms", "try again later"),
        (4001, False, "info", "csms", "software's own"),
        (1099, True, "warning", "station", "reserved"),
    ],
)
def test_what_close_codes_mean(code: int, by_client: bool, severity: str, owner: str, words: str) -> None:
    session = talk()
    session.close(code=code, by_client=by_client, reason="because")
    finding = the(diagnose(session), "connection.close-code")
    assert (finding.severity, finding.owner) == (severity, owner)
    assert words in finding.explanation()
    assert f"code {code}" in finding.explanation()
    assert '"because"' in finding.explanation()
    assert ("The station" if by_client else "The CSMS") in finding.explanation()


def test_a_refused_handshake_explains_the_code_itself() -> None:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade(agreed="")
    session.close(code=1002)
    assert ids(diagnose(session)) == []


# --------------------------------------------------------------------------------------------------------------- breaks


def test_one_break_is_information_three_in_an_hour_are_a_warning() -> None:
    sessions = [talk(at * 600, 49_000 + at) for at in range(3)]
    for session in sessions:
        session.close("rst", by_client=False, code=None)
    once = the(diagnose(sessions[0]), "connection.no-close-frame")
    assert once.severity == "info"
    assert "reset from the CSMS's side" in once.explanation()
    often = the(diagnose(*sessions), "connection.no-close-frame")
    assert (often.severity, often.count) == ("warning", 3)


def test_breaks_that_are_hours_apart_stay_information() -> None:
    sessions = [talk(at * 3000, 49_000 + at) for at in range(3)]
    for session in sessions:
        session.close("fin", code=None)
    assert the(diagnose(*sessions), "connection.no-close-frame").severity == "info"


def test_a_close_frame_that_the_capture_may_lack_is_not_missed() -> None:
    session = talk()
    session.close("fin", code=1000)
    segments = [one for one in session.segments if not (one.payload[:1] == b"\x88" and len(one.payload) < 9)]
    assert len(segments) == len(session.segments) - 2
    session.tcp.segments[:] = segments
    assert ids(diagnose(session)) == []


def test_a_connection_that_is_open_at_the_end_is_no_finding() -> None:
    assert ids(diagnose(talk())) == []


# --------------------------------------------------------------------------------------------------------------- frames


def test_a_server_that_masks_its_frames() -> None:
    session = talk()
    session._frames["csms"] = session._frames["station"]
    session.call("csms", "GetLocalListVersion", {})
    diagnosis = diagnose(session)
    assert "connection.mask-rule" in ids(diagnosis)


def test_compression_without_agreement() -> None:
    session = talk()
    other = Session("CP_7", "1.6", deflate="takeover")
    session._frames["station"] = other._frames["station"]
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    assert "connection.compression-not-agreed" in ids(diagnose(session))


def test_agreed_compression_is_no_finding() -> None:
    session = talk(deflate="takeover")
    usual_hour(session)
    session.close()
    assert ids(diagnose(session)) == []


def test_damaged_compression() -> None:
    session = talk(deflate="takeover")
    session.tcp.send(True, b"\xc1\x86\0\0\0\0" + b"\xff" * 6)
    assert "connection.compression-damaged" in ids(diagnose(session))


# --------------------------------------------------------------------------------------------------------------- storms


def tries(number: int, every: float) -> list[Session]:
    sessions = []
    for at in range(number):
        session = Session(
            "CP_7", "1.6", start=MONDAY + round(at * every * SECOND), client=("192.168.7.20", 49_000 + at), seed=at
        )
        session.connect()
        session.refuse(503, "Service Unavailable")
        sessions.append(session)
    return sessions


def test_six_attempts_a_minute_are_a_storm() -> None:
    finding = the(diagnose(*tries(6, 10)), "connection.reconnect-storm")
    assert "6 times within 50 s" in finding.explanation()


def test_stations_that_share_the_end_of_their_path_are_not_one_that_storms() -> None:
    sessions = []
    for at in range(6):
        start, client = MONDAY + at * SECOND, (f"192.168.7.{20 + at}", 49_000)
        session = Session(f"CP_{at}", "1.6", start=start, client=client, seed=at)
        session.connect()
        session.upgrade(path="/steve/websocket")
        sessions.append(session)
    assert "connection.reconnect-storm" not in ids(diagnose(*sessions))


@pytest.mark.parametrize(("number", "every"), [(5, 5), (12, 13)])
def test_fewer_or_slower_attempts_are_none(number: int, every: float) -> None:
    assert ids(diagnose(*tries(number, every))) == []


# -------------------------------------------------------------------------------------------------------------- offline


def charging(start: float = 0, port: int = 49_152) -> Session:
    session = talk(start, port)
    begin = {"connectorId": 1, "idTag": "04A2B7C1", "meterStart": 1200, "timestamp": session.timestamp()}
    session.call("station", "StartTransaction", begin, {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}})
    return session


def test_a_station_that_is_cut_off_while_charging_and_back_soon() -> None:
    first = charging()
    first.close("rst", by_client=False, code=None)
    again = talk(120, 49_153)
    finding = the(diagnose(first, again), "connection.offline-in-transaction")
    assert finding.severity == "info"
    assert (finding.first_seen.connector, finding.first_seen.transaction) == ("1", "4711")
    assert "the station was back after" in finding.explanation()


def test_a_station_that_is_gone_for_long() -> None:
    first = charging()
    first.close("fin", code=1001, by_client=False)
    finding = the(diagnose(first, talk(900, 49_153)), "connection.offline-in-transaction")
    assert finding.severity == "warning"


def test_a_station_that_never_comes_back() -> None:
    first = charging()
    first.close("rst", code=None)
    other = Session("CP_8", "1.6", start=MONDAY + 300 * SECOND, client=("192.168.7.21", 49_000))
    other.connect()
    other.upgrade()
    finding = the(diagnose(first, other), "connection.offline-in-transaction")
    assert finding.severity == "warning"
    assert "had not come back when the capture ended" in finding.explanation()


def test_a_capture_that_ends_with_the_connection_accuses_nobody() -> None:
    first = charging()
    first.close("rst", code=None)
    assert "connection.offline-in-transaction" not in found(diagnose(first))


def test_an_end_behind_the_transaction_is_none() -> None:
    first = talk()
    charge_16(first)
    first.close("rst", code=None)
    assert "connection.offline-in-transaction" not in found(diagnose(first, talk(900, 49_153)))


def test_a_message_that_is_too_long_for_us_is_nobodys_fault() -> None:
    session = talk(deflate="takeover")
    session.say("csms", "[2," + " " * MAX_MESSAGE_BYTES)
    assert "connection.compression-damaged" not in ids(diagnose(session))
