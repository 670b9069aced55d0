"""JA3 and JA4: published examples, tshark's opinion, and what makes two hellos kin."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fieldkit.events import Connection, Endpoint, TlsHello
from fieldkit.trust.fingerprints import ja3, ja3_text, ja4, kinship
from tests.traffic.capture import write_pcap
from tests.traffic.decoded import decode
from tests.traffic.segments import Clock, TcpTalk
from tests.traffic.taps import Tap
from tests.traffic.tlstalk import contexts, talk
from tests.traffic.tshark import TSHARK

LINE = Connection(1, Endpoint("192.168.7.20", 50_000), Endpoint("203.0.113.5", 443), 0, False, "memory")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one, 16) for one in text.split(","))


PUBLISHED = TlsHello(
    0, (1,), LINE, True, 0x0304, (0x2A2A, 0x0304, 0x0303),
    (0x0A0A, *numbers("1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035")),
    (0x1A1A, *numbers("001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"), 0x3A3A),
    (0x0A0A, 29, 23, 24), (0,), numbers("0403,0804,0401,0503,0805,0501,0806,0601"), "example.com", ("h2", "http/1.1"),
    False, False,
)  # fmt: skip
"""The example of FoxIO's JA4.md, with GREASE where browsers put it."""


def test_the_published_example() -> None:
    assert ja4(PUBLISHED) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_order_in_which_a_client_shuffles_does_not_matter() -> None:
    shuffled = replace(PUBLISHED, suites=PUBLISHED.suites[::-1], extensions=PUBLISHED.extensions[::-1])
    assert ja4(shuffled) == ja4(PUBLISHED)
    assert ja3(shuffled) != ja3(PUBLISHED)


def test_parts_of_the_published_text() -> None:
    """No signature algorithms, nothing at all, and what counts as a version and as a name."""
    assert ja4(replace(PUBLISHED, signature_algorithms=())).endswith("_6d807ffa2a79")
    bare = replace(PUBLISHED, version=0x0301, versions=(0x0301,), suites=(), extensions=(), alpn=())
    assert ja4(bare) == "t10i000000_000000000000_000000000000"
    odd = replace(PUBLISHED, version=0x7F1C, versions=(0x7F1C,), suites=tuple(range(0x1000, 0x1100)))
    assert ja4(odd).startswith("t00d9916h2_")


@pytest.mark.parametrize(
    ("alpn", "expected"),
    [
        ("http/1.1", "h1"),
        ("h2", "h2"),
        ("x", "xx"),
        ("", "00"),
        ("\\xab", "ab"),
        ("\\xab\\xcd", "ad"),
        ("0\\xab", "3b"),
        ("01\\xab\\xcd", "3d"),
        ("0\\xab\\xcd1", "01"),
    ],
)
def test_protocols_with_odd_ends(alpn: str, expected: str) -> None:
    assert ja4(replace(PUBLISHED, alpn=(alpn,)))[8:10] == expected


def test_a_published_ja3() -> None:
    """Of the announcement of JA3: the text, and the hash of a hello without extensions."""
    old = replace(
        PUBLISHED, version=769, versions=(769,), suites=(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4),
        extensions=(0, 10, 11), groups=(23, 24, 25), point_formats=(0,),
    )  # fmt: skip
    assert ja3_text(old) == "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
    assert ja3(old) == "ada70206e40642a3e4461f35503241d5"
    bare = replace(old, suites=(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), extensions=(), groups=(), point_formats=())
    assert ja3_text(bare) == "769,4-5-10-9-100-98-3-6-19-18-99,,,"
    assert ja3(bare) == "de350869b8c85de67a350c8d186f11e6"


def hellos(flights: list[tuple[bool, bytes]], folder: Path) -> tuple[TlsHello, Path]:
    tcp = TcpTalk(Clock(1_788_163_200 * 10**9), ("192.168.7.20", 50_000), ("203.0.113.5", 443))
    tcp.open()
    for from_client, data in flights:
        tcp.send(from_client, data)
    tcp.close(by_client=True)
    capture = write_pcap(Tap().packets(tcp.segments))
    path = folder / "hello.pcap"
    path.write_bytes(capture)
    found = [event for event in decode(capture).events if isinstance(event, TlsHello) and event.from_client]
    return found[0], path


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
@pytest.mark.parametrize(
    ("version", "ciphers"), [("1.2", ""), ("1.3", ""), ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256:AES128-GCM-SHA256")]
)
def test_tshark_computes_the_same_ja3(version: str, ciphers: str, tmp_path: Path) -> None:
    hello, path = hellos(talk(contexts(version, ciphers)).flights, tmp_path)
    fields = ["-T", "fields", "-e", "tls.handshake.ja3", "-e", "tls.handshake.ja3_full"]
    command = [str(TSHARK), "-r", str(path), "-Y", "tls.handshake.type==1", *fields]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert told == [ja3(hello), ja3_text(hello)]


def test_a_client_that_resumes_a_session_is_the_same_client(tmp_path: Path) -> None:
    settings = contexts("1.3")
    first = talk(settings)
    again = talk(settings, session=first.session)
    assert again.reused
    one, two = hellos(first.flights, tmp_path)[0], hellos(again.flights, tmp_path)[0]
    assert ja4(one) != ja4(two)  # the pre-shared key is an extension
    assert kinship(one) == kinship(two)


def test_another_name_is_the_same_client_and_another_setting_is_not(tmp_path: Path) -> None:
    assert kinship(replace(PUBLISHED, extensions=PUBLISHED.extensions[:2] + PUBLISHED.extensions[3:])) == kinship(
        PUBLISHED
    )
    settings = contexts("1.2")
    settings[0].options |= ssl.OP_NO_TICKET
    plain, without = hellos(talk(contexts("1.2")).flights, tmp_path)[0], hellos(talk(settings).flights, tmp_path)[0]
    assert ja4(plain) != ja4(without)
    assert kinship(plain) == kinship(without)
    fewer = hellos(talk(contexts("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")).flights, tmp_path)[0]
    assert kinship(fewer) != kinship(plain)
