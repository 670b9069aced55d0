"""An anonymised capture: new packets that say the same of somebody else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fieldkit.events import BasicCredentials, ConnectionClosed, ConnectionOpened, HttpRequest, OcppMessage, WsControl
from fieldkit.reports.rebuilt import RebuiltCapture, checksum
from fieldkit.site.picture import Picture
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session
from tests.traffic.decoded import Decoded, decode, decode_files
from tests.traffic.diagnosed import diagnose_events, found
from tests.traffic.expectations import CAPTURES
from tests.traffic.packets import checksum as by_the_book
from tests.traffic.scripts import boot_16, usual_hour
from tests.traffic.segments import Clock, TcpTalk
from tests.traffic.taps import Tap
from tests.traffic.tshark import TSHARK

KEY = bytes(32)
OPEN_TRACE = Path(__file__).parents[1] / "data/open-ocpp-trace/fixtures/normal-session/trace.jsonl"


def rebuilt(decoded: Decoded) -> bytes:
    blocks: list[bytes] = []
    capture = RebuiltCapture(blocks.append, KEY)
    for event in decoded.events:
        if event.__class__ in capture.wants:
            capture.see(event, Picture())
    capture.finish()
    return b"".join(blocks)


def told(decoded: Decoded) -> list[tuple[str, str, str, int]]:
    return [(m.sender, str(m.type), m.action, len(m.raw.encode())) for m in decoded.messages]


@pytest.mark.parametrize(
    "name",
    [
        "ocpp16j_vcp_ocpprpc_plain.pcap",
        "ocpp16j_vcp_ocpprpc_deflate.pcap",
        "ocpp201_vcp_pyocpp_plain.pcap",
        "ocpp21_vcp_ocpprpc_plain.pcap",
        "fault_boot_pending.pcap",
        "fault_basic_auth_401.pcap",
        "fault_wrong_subprotocol.pcap",
        "fault_connection_refused.pcap",
        "made/malformed_json.pcap",
        "made/several_versions.pcap",
        "made/reconnects.pcap",
        "made/http_refusals.pcap",
        "made/midstream_plain.pcap",
        "made/ipv6_fragments.pcap",
    ],
)
def test_the_same_is_said_and_the_same_is_found(name: str) -> None:
    original = decode_files(CAPTURES / name)
    again = decode(rebuilt(original))
    assert told(again) == told(original)
    assert [m.time for m in again.messages] == [m.time for m in original.messages]
    assert sorted(found(diagnose_events(again.events), "critical")) == sorted(
        found(diagnose_events(original.events), "critical")
    )


def test_no_name_and_no_address_is_left() -> None:
    session = Session("DE-ABC-0042", client=("10.7.7.20", 49_152), server=("52.29.123.45", 8080))
    session.connect()
    session.upgrade(path="/tenants/acme/DE-ABC-0042")
    usual_hour(session)
    session.close(reason="bye DE-ABC-0042")
    data = rebuilt(decode(write_pcap(Tap().packets(session.segments))))
    for name in (b"DE-ABC-0042", b"52.29.123.45", b"04A2B7C1", bytes((52, 29, 123, 45)), bytes((10, 7, 7, 20))):
        assert name not in data


def test_the_password_is_not_in_it_but_that_it_was_wrong_is() -> None:
    session = Session("CP_7")
    session.connect()
    session.request(user="CP_8", password="hunter2hunter2!!")
    data = rebuilt(decode(write_pcap(Tap().packets(session.segments))))
    assert b"hunter2" not in data
    (request,) = decode(data).of(HttpRequest)
    assert isinstance(request.credentials, BasicCredentials)
    assert request.credentials.password_length == 16
    assert request.credentials.user != request.target.rsplit("/", 1)[-1]


def test_a_gap_stays_a_gap() -> None:
    original = decode_files(CAPTURES / "made" / "missing_segments.pcap")
    again = decode(rebuilt(original))
    assert told(again) == told(original)


def test_what_is_not_ocpp_is_left_out() -> None:
    talk = TcpTalk(Clock(1_788_163_200_000_000_000), ("10.0.0.1", 50_000), ("10.0.0.2", 80))
    talk.open()
    talk.send(True, b"GET /private HTTP/1.1\r\nHost: secret.example.com\r\nCookie: a=b\r\n\r\n")
    talk.send(False, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    talk.close(by_client=True)
    data = rebuilt(decode(write_pcap(Tap().packets(talk.segments))))
    assert decode(data).of(ConnectionOpened) == []
    assert b"private" not in data


def test_pings_closes_and_ends_stay() -> None:
    session = Session()
    session.connect()
    session.upgrade()
    boot_16(session)
    session.ping("csms", b"DE-ABC-0042")
    session.close("rst", by_client=False, code=1011)
    data = rebuilt(decode(write_pcap(Tap().packets(session.segments))))
    assert b"DE-ABC" not in data
    decoded = decode(data)
    assert [(c.kind, c.code) for c in decoded.of(WsControl)] == [
        ("ping", None),
        ("pong", None),
        ("close", 1011),
        ("close", 1011),
    ]
    (closed,) = decoded.of(ConnectionClosed)
    assert (closed.how, closed.by_client) == ("rst", False)


def test_a_log_has_no_packets_to_rebuild() -> None:
    capture = RebuiltCapture(lambda data: None, KEY)
    decoded = decode_files(OPEN_TRACE)
    for event in decoded.of(OcppMessage):
        capture.see(event, Picture())
    assert capture.left_out == len(decoded.messages) > 5


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_tshark_finds_every_checksum_right(tmp_path: Path) -> None:
    path = tmp_path / "anonymous.pcapng"
    path.write_bytes(rebuilt(decode_files(CAPTURES / "made" / "several_versions.pcap")))
    assert TSHARK is not None
    command = [TSHARK, "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    done = subprocess.run(
        [*command, "-Y", "_ws.expert.severity >= 6291456 or _ws.malformed"], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\1", b"\xff\xff", b"\x12\x34\x56", bytes(range(255))])
def test_the_quick_checksum_is_that_of_the_book(data: bytes) -> None:
    assert checksum(data) == by_the_book(data)
