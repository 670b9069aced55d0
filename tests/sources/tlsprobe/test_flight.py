"""The reader of a first flight: whole, byte by byte, damaged in any way, and TLS 1.3 up to its certificates."""

from __future__ import annotations

import random
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.sources.tlsprobe import suites
from fieldkit.sources.tlsprobe.flight import FlightReader
from fieldkit.sources.tlsprobe.hello import GROUPS, P256, P384, P521, X448, X25519, Hello
from fieldkit.sources.tlsprobe.keyshare import KeyShare
from fieldkit.wire.tlshello import parse_client_hello
from fieldkit.wire.tlsnames import TLS12, TLS13
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.servers import Canned, alert, message, python_server, record


def _reader(want: str = "flight") -> FlightReader:
    reader = FlightReader(Hello(TLS12, suites.usual(), server_name="csms.example", staple=True), want=want)  # type: ignore[arg-type]
    reader.begin()
    return reader


def _flight(**settings_: object) -> bytes:
    leaf = pki.make(issuer=pki.root())
    canned = Canned([leaf.der, pki.root().der], staple=b"stapled", request=True, **settings_)  # type: ignore[arg-type]
    hello = Hello(TLS12, suites.usual(), staple=True).message()
    return canned.flight(parse_client_hello(hello[4:]))


@pytest.mark.parametrize("step", [1, 2, 7, 100, 1 << 20])
def test_a_flight_reads_the_same_in_any_pieces(step: int) -> None:
    data = _flight(suites=(0x009E,), dh_bits=1024)
    reader = _reader()
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
    flight = reader.flight
    assert reader.done
    assert flight.whole
    assert (flight.outcome, flight.version, flight.suite, flight.dh_bits) == ("hello", TLS12, 0x009E, 1024)
    assert len(flight.chain) == 2
    assert flight.staple == b"stapled"
    assert flight.request is not None
    assert flight.request.signatures == (0x0403,)


def test_messages_in_one_record_and_one_message_in_many() -> None:
    data = _flight()
    contents = b""
    while data:
        size = int.from_bytes(data[3:5], "big")
        contents, data = contents + data[5 : 5 + size], data[5 + size :]
    for size in (50, 16000):
        reader = _reader()
        for at in range(0, len(contents), size):
            reader.feed(record(22, contents[at : at + size]))
        assert reader.flight.whole
        assert len(reader.flight.chain) == 2


def test_only_the_hello_is_read_where_no_more_is_wanted() -> None:
    reader = _reader("hello")
    reader.feed(_flight())
    assert reader.done
    assert reader.flight.suite is not None
    assert reader.flight.chain == ()


def test_alerts_and_warnings() -> None:
    reader = _reader()
    reader.feed(alert(112, level=1))
    assert not reader.done
    reader.feed(alert(40))
    assert (reader.flight.outcome, reader.flight.alert, reader.flight.warnings) == ("alert", 40, [112])


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad", b"SSH-2.0-x\r\n", b"\x16\x05", b"\x00", b"\x80\x2e\x01"])
def test_what_is_no_tls(data: bytes) -> None:
    reader = _reader()
    reader.feed(data)
    assert reader.flight.outcome == "not-tls"
    assert reader.flight.head == data


@pytest.mark.parametrize(
    "data",
    [
        record(22, message(2, b"\x03\x03")),
        record(22, message(11, b"")),
        record(22, b"\x02\xff\xff\xff" + bytes(100)),
        record(23, bytes(40)),
        record(21, b"\x02"),
        record(22, message(2, b"\x03\x03" + bytes(33) + b"\x00\x9c\x00"))
        + record(22, message(11, b"\x00\x00\x09\x00")),
        record(22, message(2, b"\x03\x03" + bytes(33) + b"\x00\x9c\x00")) + record(22, message(13, b"\x09")),
        record(22, message(2, b"\x03\x03" + bytes(33) + b"\x00\x33\x00")) + record(22, message(12, b"\xff\xff")),
    ],
)
def test_lengths_that_lie(data: bytes) -> None:
    reader = _reader()
    for at in range(0, len(data), 3):
        reader.feed(data[at : at + 3])
    assert len(reader.flight.chain) == 0
    assert reader.flight.request is None or reader.flight.request.authorities == ()


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(1, 50))
def test_nothing_raises_on_damaged_flights(noise: bytes, at: int, step: int) -> None:
    data = bytearray(_DATA)
    data[at : at + len(noise)] = noise
    reader = _reader()
    for begin in range(0, len(data), step):
        reader.feed(bytes(data[begin : begin + step]))
    reader.finish()


_DATA = _flight(suites=(0x009E,))


def _talk(port: int, reader: FlightReader) -> None:
    """A conversation over a blocking socket."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(reader.begin())
        while not reader.done:
            data = connection.recv(random.choice((1, 50, 4096)))
            if not data:
                break
            answer = reader.feed(data)
            if answer:
                connection.sendall(answer)


@pytest.mark.parametrize("group", [X25519, P256, P384, P521, X448])
@pytest.mark.parametrize("retry", [False, True], ids=["share", "HelloRetryRequest"])
def test_tls13_is_read_up_to_its_certificates(tmp_path: Path, group: int, retry: bool) -> None:
    pair = pki.make(issuer=pki.intermediate()).files(tmp_path, "ec", pki.intermediate())
    root = tmp_path / "root.pem"
    root.write_bytes(pki.root().pem)
    share = KeyShare(group)
    hello = Hello(
        TLS13,
        suites.TLS13,
        server_name="localhost",
        groups=(group,),
        key_shares=() if retry else ((group, share.public),),
    )
    reader = FlightReader(hello, want="flight", share=None if retry else share)
    with python_server(tmp_path, pair, client=ssl.CERT_OPTIONAL, client_ca=str(root)) as port:
        _talk(port, reader)
    assert reader.flight.whole, reader.flight
    assert reader.flight.retried == (group if retry else None)
    assert len(reader.flight.chain) == 2
    assert reader.flight.request is not None
    assert len(reader.flight.request.authorities) in (0, 1)
    assert 0x0403 in reader.flight.request.signatures


def test_damage_under_encryption_is_no_crash(tmp_path: Path) -> None:
    pair = pki.make(issuer=pki.root()).files(tmp_path, "ec")
    with python_server(tmp_path, pair) as port:
        for at in (5, 60, 130, 200, 700):
            share = KeyShare(X25519)
            hello = Hello(TLS13, suites.TLS13, groups=GROUPS, key_shares=((X25519, share.public),))
            reader = FlightReader(hello, want="flight", share=share)
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(reader.begin())
                data = bytearray(connection.recv(8192))
            if len(data) > at:
                data[at] ^= 0x55
            reader.feed(bytes(data))
            reader.finish()


def test_hellos_are_what_they_claim() -> None:
    share = KeyShare(X25519)
    full = Hello(TLS13, suites.TLS13, server_name="csms.example", groups=GROUPS, staple=True,
                 key_shares=((X25519, share.public),)).message()  # fmt: skip
    hello = parse_client_hello(full[4:])
    assert not hello.defect
    assert hello.server_name == "csms.example"
    assert hello.versions == (TLS13,)
    assert hello.groups == GROUPS
    assert hello.key_shares == (X25519,)
    old = parse_client_hello(Hello(0x0300, suites.pre_tls10()).message()[4:])
    assert not old.defect
    assert old.extensions == ()
    short = Hello(TLS12, suites.usual()[:6], server_name="a-rather-long-name.csms.example", bare=True, groups=GROUPS[:3],
                  signatures=(0x0403, 0x0804)).message()  # fmt: skip
    assert len(short) < 200


def test_classes_of_suites() -> None:
    assert suites.classes_of(0xC02B) == {"forward-secret", "ecdsa"}
    assert suites.classes_of(0x009C) == {"rsa"}
    assert suites.classes_of(0x0014) == {"export", "rsa"}
    assert suites.classes_of(0x0018) == {"anon", "rc4"}
    assert suites.classes_of(0x000A) == {"3des", "cbc", "rsa"}
    assert suites.classes_of(0x1301) == {"forward-secret"}
    everything = suites.everything()
    assert len(everything) == len(set(everything)) > 200
    groups = [number for group in suites.remaining().values() for number in group]
    assert sorted([*groups, *suites.weak(), *suites.OCPP]) == sorted(everything)
