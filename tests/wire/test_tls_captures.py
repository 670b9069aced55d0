"""A captured charging station over TLS 1.3: what tshark decrypts, we decrypt, record by record."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest

from fieldkit.events import DecodeError, TlsAlert, TlsCertificates, TlsHello, TlsOpaque
from tests.traffic.tlstalk import Heard, listener

CAPTURES = Path(__file__).parents[2] / "captures"
PCAP = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap"
KEYLOG = PCAP.with_suffix(".keylog")
PCAPNG = CAPTURES / "ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng"
CSMS_PORT = "21610"

pytestmark = [
    pytest.mark.skipif(shutil.which("tshark") is None, reason="there is no tshark to compare with"),
    pytest.mark.skipif(not (PCAP.exists() and KEYLOG.exists() and PCAPNG.exists()), reason="the captures are not here"),
]

Segment = tuple[bool, int, bytes]
"""(from the client, frame number, payload)."""


def tshark(*arguments: str | Path) -> list[str]:
    return subprocess.run(["tshark", *arguments], capture_output=True, text=True, check=True).stdout.splitlines()


@cache
def segments(capture: Path) -> tuple[tuple[Segment, ...], ...]:
    """The TCP payload of each connection."""
    fields = [part for name in ("tcp.stream", "frame.number", "tcp.dstport", "tcp.payload") for part in ("-e", name)]
    found: dict[str, list[Segment]] = {}
    for line in tshark("-r", capture, "-T", "fields", *fields, "-Y", "tcp.payload"):
        stream, frame, port, payload = line.split("\t")
        found.setdefault(stream, []).append((port == CSMS_PORT, int(frame), bytes.fromhex(payload)))
    return tuple(tuple(segments) for segments in found.values())


@cache
def decrypted_by_tshark(stream: int) -> list[tuple[bool, bytes]]:
    lines = tshark("-r", PCAP, "-o", f"tls.keylog_file:{KEYLOG}", "-q", "-z", f"follow,tls,raw,{stream}")
    # Node 0 is the CSMS, its lines stand at the margin; those of node 1, the station, are indented.
    start = next(at for at, line in enumerate(lines) if line.startswith("Node 1")) + 1
    return [(line.startswith("\t"), bytes.fromhex(line.strip())) for line in lines[start:] if not line.startswith("=")]


def secrets_in(capture: Path) -> str:
    """The decryption secrets blocks of a little-endian pcapng file."""
    data, at, found = capture.read_bytes(), 0, ""
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 10:
            (length,) = struct.unpack_from("<I", data, at + 12)
            found += data[at + 16 : at + 16 + length].decode()
        at += size
    return found


def hear(capture: Path, stream: int, keylog: str) -> Heard:
    heard = listener(keylog)
    for from_client, frame, payload in segments(capture)[stream]:
        heard.layer.feed(from_client, payload, frame, (frame,))
    heard.layer.finish(0, ())
    return heard


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("capture", [PCAP, PCAPNG], ids=["pcap and key log", "pcapng with secrets"])
def test_every_record_is_what_tshark_makes_of_it(capture: Path, stream: int) -> None:
    keylog = KEYLOG.read_text() if capture == PCAP else secrets_in(capture)

    heard = hear(capture, stream, keylog)

    assert len(heard.plain) > 10
    assert heard.plain == decrypted_by_tshark(stream)
    assert heard.plain[0][1].startswith(b"GET /ocpp/")
    assert len(heard.of(TlsHello)) == 2
    assert len(heard.of(TlsCertificates)) == 1
    assert heard.of(DecodeError) == []
    assert heard.of(TlsOpaque) == []


def test_evidence_names_the_frames_that_tshark_names() -> None:
    heard = hear(PCAP, 0, KEYLOG.read_text())
    options = ("-o", f"tls.keylog_file:{KEYLOG}", "-Y", "http or websocket", "-T", "fields", "-e", "frame.number")

    frames = [int(number) for number in tshark("-r", PCAP, *options)]

    known = {frame for _, evidence in heard.evidence for frame in evidence}
    assert known == {frame for frame in frames if frame in {number for _, number, _ in segments(PCAP)[0]}}


def test_without_the_key_log_the_handshake_is_all_there_is() -> None:
    heard = hear(PCAP, 0, "")

    assert [type(event) for event in heard.events] == [TlsHello, TlsHello, TlsOpaque]
    assert heard.of(TlsAlert) == []
