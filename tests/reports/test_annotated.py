"""The annotated capture: what shows a finding is in it and says so, and what is secret is not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from fieldkit.cli.diagnosis import Sources, run
from fieldkit.cli.outcome import Outcome
from fieldkit.events import CaptureComment, Event, TlsSecrets
from fieldkit.reports.annotated import Beginnings, annotate
from fieldkit.session import Session as Diagnosis
from fieldkit.wire.container import CaptureReader
from tests.reports.identities import NAMES, site_2, site_16
from tests.traffic.capture import Packet, Seen, read, write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.decoded import decode
from tests.traffic.expectations import CAPTURES
from tests.traffic.scripts import boot_16
from tests.traffic.taps import Tap
from tests.traffic.tshark import TSHARK


def annotated(*paths: Path, include_secrets: bool = False) -> bytes:
    outcome = Outcome(quiet=True)
    sources = Sources(tuple(map(str, paths)), utc_offset=None, outcome=outcome)
    beginnings = Beginnings()
    session = Diagnosis(None, [beginnings])
    run(sources, session, outcome, keylog=(), quiet=True)
    blocks: list[bytes] = []
    annotate(
        blocks.append,
        session.findings,
        beginnings,
        sources.again,
        verdict="it works",
        locate=sources.locate,
        include_secrets=include_secrets,
    )
    sources.close()
    return b"".join(blocks)


def saved(path: Path, *sessions: Session) -> Path:
    packets: list[Packet] = Tap().packets(merged(*(session.segments for session in sessions)))
    path.write_bytes(write_pcap(packets))
    return path


def comments(data: bytes) -> list[str]:
    return [item.text for item in read(CaptureReader(), data) if isinstance(item, CaptureComment) and item.frames]


def packets(data: bytes) -> list[bytes]:
    return [item.data for item in read(CaptureReader(), data) if isinstance(item, Seen)]


def original(path: Path) -> list[bytes]:
    return packets(path.read_bytes())


def refused(station: str = "CP_7") -> Session:
    """A boot that is rejected: a finding with evidence."""
    session = Session(station)
    session.connect()
    session.upgrade()
    boot = {"chargePointVendor": "Testwerk", "chargePointModel": "S22"}
    for _ in range(3):
        answer = {"status": "Rejected", "interval": 60, "currentTime": session.timestamp()}
        session.call("station", "BootNotification", boot, answer, after=61)
    return session


def test_evidence_is_copied_unchanged_with_its_finding_as_a_comment(tmp_path: Path) -> None:
    path = saved(tmp_path / "site.pcap", refused())
    data = annotated(path)
    assert set(packets(data)) <= set(original(path))
    assert any(text.startswith("fieldkit[boot.rejected ") and "CP_7" in text for text in comments(data))
    assert any(b"GET /ocpp/CP_7" in packet for packet in packets(data)), "how the connection began is there too"


def test_times_stay(tmp_path: Path) -> None:
    path = saved(tmp_path / "site.pcap", refused())
    times = {item.data: item.time for item in read(CaptureReader(), path.read_bytes()) if isinstance(item, Seen)}
    for item in read(CaptureReader(), annotated(path)):
        if isinstance(item, Seen):
            assert times[item.data] == item.time


def test_the_section_says_who_made_it_and_the_verdict(tmp_path: Path) -> None:
    data = annotated(saved(tmp_path / "site.pcap", refused()))
    section = [
        item.text for item in read(CaptureReader(), data) if isinstance(item, CaptureComment) and not item.frames
    ]
    assert section[0].startswith("fieldkit ")
    assert "it works" in section[0]


def test_a_station_cannot_write_to_a_terminal_by_way_of_a_comment(tmp_path: Path) -> None:
    path = saved(tmp_path / "site.pcap", refused("CP\x1b]0;owned\x07\u202e7"))
    said = [item.text for item in read(CaptureReader(), annotated(path)) if isinstance(item, CaptureComment)]
    assert said
    assert all(text.isprintable() for text in said)


def test_a_password_in_the_upgrade_is_overwritten(tmp_path: Path) -> None:
    session = Session("CP_7")
    session.connect()
    session.request(user="CP_7", password="hunter2hunter2!!")
    session.tcp.send(False, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    session.tcp.close(by_client=False)
    path = saved(tmp_path / "site.pcap", session)
    safe, all_ = annotated(path), annotated(path, include_secrets=True)
    value = b"Q1BfNzpodW50ZXIyaHVudGVyMiEh"
    assert value in all_
    assert value not in safe
    assert b"Authorization: Basic " + b"*" * len(value) in safe
    assert [len(packet) for packet in packets(safe)] == [len(packet) for packet in packets(all_)]


def password_change(session: Session) -> None:
    key = {"key": "AuthorizationKey", "value": "00112233445566778899aabbccddeeff"}
    session.call("csms", "ChangeConfiguration", key, {"status": "Accepted"})


def test_a_packet_with_a_new_password_keeps_its_headers_only(tmp_path: Path) -> None:
    """The call is evidence of "password changed in clear", or of whatever else is found in it."""
    session = refused()
    with_secret = session.new_id()
    texts = [
        json.dumps([2, with_secret, "ChangeConfiguration", {"key": "AuthorizationKey", "value": "0011223344556677"}]),
        json.dumps([2, session.new_id(), "Reset", {"type": "Hard"}]),
    ]
    session.together("csms", [(text, None, "", "") for text in texts])
    for _ in range(3):
        password_change(session)
    path = saved(tmp_path / "site.pcap", session)
    safe = annotated(path)
    assert b"0011223344556677" not in safe
    assert any("left out" in text for text in comments(safe)) or b"AuthorizationKey" not in safe


def everything(path: Path, session: Session) -> bytes:
    """All packets taken for evidence, whatever the checks say."""
    from fieldkit.checks.collector import Collected
    from fieldkit.checks.finding import Finding, Kind
    from fieldkit.events import ConnectionOpened
    from tests.traffic.decoded import decode_files

    outcome = Outcome(quiet=True)
    sources = Sources((str(path),), utc_offset=None, outcome=outcome)
    beginnings = Beginnings()
    run(sources, Diagnosis(None, [beginnings]), outcome, keylog=(), quiet=True)
    opened = decode_files(path).of(ConnectionOpened)[0]
    frames = range(1, len(session.segments) + 1)
    shown: list[Event] = [replace(opened, frames=tuple(frames[at : at + 50])) for at in range(0, len(frames), 50)]
    kind = Kind("test.all", "info", "unknown", "All", "all", "none", "")
    finding = Collected(Finding(kind, 0, "", tuple(shown)), "info", "unknown", 0, 0, evidence=shown)
    blocks: list[bytes] = []
    annotate(blocks.append, [finding], beginnings, sources.again, verdict="", locate=lambda event: str(path))
    sources.close()
    return b"".join(blocks)


def test_whatever_is_copied_holds_no_password(tmp_path: Path) -> None:
    session = refused()
    password_change(session)
    boot_16(session)
    session.close()
    data = everything(saved(tmp_path / "site.pcap", session), session)
    assert b"001122334455" not in data
    assert sum("left out" in text for text in comments(data)) == 1
    assert len(packets(data)) > 20


def test_what_lay_beside_a_gap_is_not_trusted(tmp_path: Path) -> None:
    """A message that was never seen to its end may hold anything, and may begin behind a harmless one."""
    session = refused()
    harmless = json.dumps([2, session.new_id(), "Reset", {"type": "Hard"}])
    secret = json.dumps([2, "x", "ChangeConfiguration", {"key": "AuthorizationKey", "value": "5ecre7" * 400}])
    session.together("csms", [(harmless, None, "", ""), (secret, None, "", "")])
    boot_16(session)
    large = [at for at, one in enumerate(session.segments) if len(one.payload) == 1448 and not one.from_client]
    del session.segments[large[-1] if len(large) > 1 else large[0] + 1]
    data = everything(saved(tmp_path / "site.pcap", session), session)
    assert b"5ecre7" not in data


def test_a_ring_of_files_is_found_in_its_pieces(tmp_path: Path) -> None:
    whole: list[Packet] = Tap().packets(refused().segments)
    half = len(whole) // 2
    pieces: Iterable[tuple[str, list[Packet]]] = (("a.pcap", whole[:half]), ("b.pcap", whole[half:]))
    for name, part in pieces:
        (tmp_path / name).write_bytes(write_pcap(part))
    data = annotated(tmp_path / "a.pcap", tmp_path / "b.pcap")
    in_one = tmp_path / "one.pcap"
    in_one.write_bytes(write_pcap(whole))
    assert packets(data) == packets(annotated(in_one))


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_wireshark_shows_the_comments(tmp_path: Path) -> None:
    path = tmp_path / "evidence.pcapng"
    path.write_bytes(annotated(CAPTURES / "fault_boot_pending.pcap"))
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-r", str(path), "-Y", 'frame.comment contains "fieldkit["', "-T", "fields", "-e", "frame.comment"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "boot." in done.stdout
    assert len(done.stdout.splitlines()) == len(
        {item.frames for item in read(CaptureReader(), path.read_bytes()) if isinstance(item, CaptureComment)} - {()}
    )


@pytest.mark.parametrize(
    "make", [lambda: site_16(), lambda: site_2("2.0.1"), lambda: site_2("2.1")], ids=["1.6", "2.0.1", "2.1"]
)
def test_no_password_of_a_site_is_in_its_evidence(tmp_path: Path, make: Callable[[], Session]) -> None:
    """ChangeConfiguration, SetVariables, SetNetworkProfile, URLs with credentials: in a packet that is evidence or not."""
    session = make()
    path = saved(tmp_path / "site.pcap", session)
    data = unmasked(everything(path, session))
    assert b"BootNotification" in data, "what is no secret is there, and can be found"
    assert b"geheim99" not in data
    assert NAMES["security"].encode() not in data
    assert b"geheim99" in unmasked(path.read_bytes())


def unmasked(data: bytes) -> bytes:
    """What stations said in a capture: their frames are masked, and not compressed."""
    said = [message.raw.encode() for message in decode(data).messages]
    return b"\n".join([data, *said])


def test_tls_secrets_are_copied_only_when_asked_for() -> None:
    path = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng"
    assert any(isinstance(item, TlsSecrets) for item in read(CaptureReader(), path.read_bytes()))
    assert not any(isinstance(item, TlsSecrets) for item in read(CaptureReader(), annotated(path)))
    assert b"_SECRET" not in annotated(path)
    with_secrets = annotated(path, include_secrets=True)
    assert any(isinstance(item, TlsSecrets) for item in read(CaptureReader(), with_secrets))
