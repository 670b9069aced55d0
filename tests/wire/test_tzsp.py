"""TZSP, as Wireshark reads it, and as nobody should write it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, strategies

from fieldkit.wire.tzsp import LINKTYPES, Mirrored, unwrap
from tests.traffic.capture import write_pcap
from tests.traffic.packets import ethernet, ipv4, packet

FRAME = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))
MIKROTIK = b"\x01\x00\x00\x01\x01" + FRAME
"""As RouterOS sends it: a received packet, Ethernet, and no field but the end."""


def tzsp(inner: bytes = FRAME, *fields: tuple[int, bytes], kind: int = 0, inside: int = 1, version: int = 1) -> bytes:
    tags = b"".join(pack("BB", tag, len(value)) + value for tag, value in fields)
    return pack("!BBH", version, kind, inside) + tags + b"\x01" + inner


def udp(data: bytes, port: int = 37008) -> bytes:
    return ethernet(ipv4("10.1.0.1", "10.1.0.2", pack("!4H", 5000, port, 8 + len(data), 0) + data, 17))


def test_as_a_mikrotik_sends_it() -> None:
    assert unwrap(MIKROTIK) == Mirrored(1, 5, None, b"", False)


def test_what_is_said_of_the_packet() -> None:
    fields = (
        (0x0A, b"\xc4"),
        (0x12, b"\x00\x24"),
        (0x28, pack("!I", 7)),
        (0x3C, b"\x02\0\0\0\0\x09"),
        (0x99, b"?" * 200),
    )
    said = unwrap(tzsp(FRAME, *fields))
    assert isinstance(said, Mirrored)
    assert (said.sequence, said.sensor, said.damaged) == (7, b"\x02\0\0\0\0\x09", False)
    assert tzsp(FRAME, *fields)[said.start :] == FRAME


def test_padding_has_no_length() -> None:
    said = unwrap(b"\x01\x00\x00\x01" + b"\0\0\0" + b"\x28\x04\0\0\0\x09" + b"\0\x01" + FRAME)
    assert isinstance(said, Mirrored)
    assert said.sequence == 9
    assert said.start == 15


def test_frames_with_a_wrong_checksum_are_marked() -> None:
    for value, damaged in ((b"\x00", False), (b"\x01", True), (b"", False)):
        said = unwrap(tzsp(FRAME, (0x11, value)))
        assert isinstance(said, Mirrored)
        assert said.damaged is damaged


@pytest.mark.parametrize("kind", [3, 4, 5])
def test_what_carries_no_packet(kind: int) -> None:
    said = unwrap(pack("!BBH", 1, kind, 0))
    assert isinstance(said, Mirrored)
    assert said.linktype == 0


@pytest.mark.parametrize(
    "datagram, words",
    [
        (b"", "shorter than"),
        (b"\x01\x00\x00", "shorter than"),
        (b"GET / HTTP/1.1\r\n\r\n", "no TZSP of version 1"),
        (tzsp(kind=2), "of a type that is not known"),
        (tzsp(inside=2), "of a kind that cannot be read"),
        (b"\x01\x00\x00\x01", "fields do not end"),
        (b"\x01\x00\x00\x01" + bytes(2000), "fields do not end"),
        (b"\x01\x00\x00\x01\x28", "longer than what was sent"),
        (b"\x01\x00\x00\x01\x28\x05\0\0\0\0", "longer than what was sent"),
        (tzsp(b"\x44\0\0\0\xff\xff\xff\x7f" + bytes(200), inside=119), "damaged radio header"),
        (tzsp(b"\x80\x21\x20\x01" + pack("!I", 64) + bytes(100), inside=127), "damaged radio header"),
        (tzsp(b"\x80", inside=127), "damaged radio header"),
    ],
)
def test_what_is_wrong_is_said_in_words(datagram: bytes, words: str) -> None:
    said = unwrap(datagram)
    assert isinstance(said, str)
    assert words in said


def test_radio_headers_are_taken_off() -> None:
    beacon = b"\x80\x00" + bytes(34)
    avs = b"\x80\x21\x10\x01" + pack("!I", 64) + bytes(56)
    for order in "<>":
        prism = pack(f"{order}II", 0x44, 144) + bytes(136)
        said = unwrap(tzsp(prism + beacon, inside=119))
        assert isinstance(said, Mirrored)
        assert (said.linktype, said.start) == (105, 5 + 144)
    said = unwrap(tzsp(avs + beacon, inside=127))
    assert isinstance(said, Mirrored)
    assert (said.linktype, said.start) == (105, 5 + 64)


@given(strategies.binary(max_size=200), strategies.sampled_from(sorted(LINKTYPES)))
def test_nothing_raises_and_nothing_lies_outside(data: bytes, inside: int) -> None:
    for datagram in (data, pack("!BBH", 1, 0, inside) + data):
        said = unwrap(datagram)
        if isinstance(said, Mirrored):
            assert 4 <= said.start <= len(datagram)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_finds_the_same_packets(tmp_path: Path) -> None:
    frames = [ethernet(packet("10.1.0.7", "203.0.113.5", 40_000 + n, 9000, 1, 1, "PA", b"x" * n)) for n in range(5)]
    sent = [
        tzsp(frames[0]),
        tzsp(frames[1], (0x28, pack("!I", 41)), (0x3C, b"\x02\0\0\0\0\x09")),
        b"\x01\x00\x00\x01\0\0" + b"\x0a\x01\xc4" + b"\0\x01" + frames[2],
        tzsp(frames[3], (0x29, pack("!H", 1400)), kind=1),
        tzsp(b"", kind=4, inside=0),
        tzsp(ipv4("10.1.0.7", "203.0.113.5", frames[4][34:]), inside=7),
    ]
    file = tmp_path / "mirror.pcap"
    file.write_bytes(write_pcap([(10**18 + n, udp(data)) for n, data in enumerate(sent)]))
    fields = ("tzsp.type", "tzsp.packet_id", "tcp.srcport", "tcp.len")
    run = subprocess.run(
        ["tshark", "-r", str(file), "-T", "fields", *(word for name in fields for word in ("-e", name))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = [line.split("\t") for line in run.stdout.splitlines()]
    ours = []
    for datagram in sent:
        said = unwrap(datagram)
        assert isinstance(said, Mirrored)
        inner = datagram[said.start :][14 if said.linktype == 1 else 0 :] if said.linktype else b""
        port = str(int.from_bytes(inner[20:22], "big")) if inner else ""
        number = "" if said.sequence is None else str(said.sequence)
        ours.append([str(datagram[1]), number, port, str(int.from_bytes(inner[2:4], "big") - 40) if inner else ""])
    assert ours == theirs
