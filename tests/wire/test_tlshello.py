"""Hellos, chains and alerts, whole and broken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.wire.tlshello import (
    MAX_CERTIFICATES,
    RETRY_RANDOM,
    parse_alert,
    parse_certificates,
    parse_client_hello,
    parse_encrypted_extensions,
    parse_server_hello,
)
from fieldkit.wire.tlsnames import is_grease
from tests.traffic.tlstalk import certificate, contexts, talk


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">H", kind) + vector(2, content)


def client_hello(*extensions: bytes, suites: tuple[int, ...] = (0x1301, 0xC02B), behind: bytes = b"") -> bytes:
    body = b"\x03\x03" + bytes(range(32)) + vector(1, b"session")
    body += vector(2, struct.pack(f">{len(suites)}H", *suites)) + vector(1, b"\0")
    return body + (vector(2, b"".join(extensions)) if extensions else b"") + behind


def server_hello(*extensions: bytes, random: bytes = bytes(32), suite: int = 0xC02B) -> bytes:
    body = b"\x03\x03" + random + vector(1, b"session") + struct.pack(">HB", suite, 0)
    return body + (vector(2, b"".join(extensions)) if extensions else b"")


SERVER_NAME = extension(0, vector(2, b"\0" + vector(2, b"csms.example")))
GROUPS = extension(10, vector(2, bytes.fromhex("3a3a001d0017")))
POINT_FORMATS = extension(11, vector(1, b"\0\1"))
SIGNATURES = extension(13, vector(2, bytes.fromhex("04030804")))
ALPN = extension(16, vector(2, vector(1, b"http/1.1") + vector(1, b"\x0a\x0a")))
VERSIONS = extension(43, vector(1, bytes.fromhex("1a1a03040303")))
KEY_SHARES = extension(51, vector(2, b"\0\x1d" + vector(2, bytes(32)) + b"\0\x17" + vector(2, b"x")))
COMPLETE = client_hello(
    extension(0x2A2A, b""), SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURES, ALPN, VERSIONS, KEY_SHARES
)


# ------------------------------------------------------------------------------------------------------ client hello


def test_a_client_hello_is_read_completely_and_in_order() -> None:
    hello = parse_client_hello(COMPLETE)

    assert hello.defect == ""
    assert hello.random == bytes(range(32))
    assert hello.session_id == b"session"
    assert hello.suites == (0x1301, 0xC02B)
    assert hello.compressions == (0,)
    assert [kind for kind, _ in hello.extensions] == [0x2A2A, 0, 10, 11, 13, 16, 43, 51]
    assert hello.server_name == "csms.example"
    assert hello.groups == (0x3A3A, 29, 23)
    assert hello.point_formats == (0, 1)
    assert hello.signature_algorithms == (0x0403, 0x0804)
    assert hello.alpn == ("http/1.1", "\n\n")
    assert hello.key_shares == (29, 23)


def test_grease_is_kept_but_is_no_version() -> None:
    hello = parse_client_hello(COMPLETE)

    assert hello.versions == (0x1A1A, 0x0304, 0x0303)
    assert hello.version == 0x0304
    assert [number for number in hello.versions if is_grease(number)] == [0x1A1A]


def test_a_client_hello_without_extensions_offers_its_legacy_version() -> None:
    hello = parse_client_hello(client_hello())

    assert hello.defect == ""
    assert hello.versions == (0x0303,)
    assert hello.version == 0x0303


def test_what_openssl_says_is_understood() -> None:
    spoken = talk(contexts("1.3"))
    record = spoken.records[0][1]

    hello = parse_client_hello(record[9:])

    assert hello.defect == ""
    assert hello.server_name == "csms.example"
    assert hello.version == 0x0304
    assert set(hello.suites) >= {0x1301, 0x1302, 0x1303}
    assert 29 in hello.groups


def test_a_name_that_is_no_ascii_is_still_shown() -> None:
    hello = parse_client_hello(client_hello(extension(0, vector(2, b"\0" + vector(2, b"cs\xffms\0")))))

    assert hello.server_name == "cs\\xffms\0"


def test_a_name_that_is_no_host_name_is_not_taken_for_one() -> None:
    hello = parse_client_hello(client_hello(extension(0, vector(2, b"\7" + vector(2, b"other")))))

    assert (hello.server_name, hello.defect) == ("", "")


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        (b"", "its version and random cannot be read"),
        (b"\x03\x03" + bytes(31), "its version and random cannot be read"),
        (b"\x03\x03" + bytes(32), "its session id cannot be read"),
        (b"\x03\x03" + bytes(32) + b"\x20abc", "its session id cannot be read"),
        (b"\x03\x03" + bytes(32) + b"\0\0\3\x13\x01\x13", "its cipher suites cannot be read"),
        (b"\x03\x03" + bytes(32) + b"\0\0\2\x13\x01\2\0", "its compression methods cannot be read"),
        (client_hello() + b"\0\x05\0\0", "its extensions cannot be read"),
        (client_hello(SERVER_NAME + b"\0\0\0"), "it breaks off behind extension 1"),
        (client_hello(SERVER_NAME, behind=b"xy"), "2 bytes follow its extensions"),
        (client_hello(SERVER_NAME, SERVER_NAME), "it has extension 0 twice"),
        (client_hello(extension(10, b"\0\3\0\x1d\0")), "its extension 10 (groups) cannot be read"),
        (client_hello(extension(16, b"\0\4\3abcd")), "its extension 16 (alpn) cannot be read"),
        (client_hello(extension(0, b"\0\x10\0\0\x20abc")), "its extension 0 (server_name) cannot be read"),
    ],
)
def test_what_is_wrong_with_a_client_hello_is_said(body: bytes, defect: str) -> None:
    assert parse_client_hello(body).defect == defect


def test_a_broken_extension_does_not_hide_the_others() -> None:
    hello = parse_client_hello(client_hello(extension(10, b"\0"), SERVER_NAME, VERSIONS))

    assert hello.defect == "its extension 10 (groups) cannot be read"
    assert hello.server_name == "csms.example"
    assert hello.version == 0x0304
    assert hello.extensions[0] == (10, b"\0")


# ------------------------------------------------------------------------------------------------------ server hello


def test_a_tls12_server_hello() -> None:
    hello = parse_server_hello(server_hello(extension(22, b""), extension(16, vector(2, vector(1, b"http/1.1")))))

    assert hello.defect == ""
    assert (hello.version, hello.suite, hello.session_id) == (0x0303, 0xC02B, b"session")
    assert hello.encrypt_then_mac
    assert hello.alpn == ("http/1.1",)
    assert not hello.psk
    assert not hello.retry


def test_a_tls13_server_hello() -> None:
    share = extension(51, b"\0\x1d" + vector(2, bytes(32)))
    hello = parse_server_hello(server_hello(extension(43, b"\x03\x04"), share, extension(41, b"\0\0"), suite=0x1301))

    assert hello.defect == ""
    assert hello.version == 0x0304
    assert hello.group == 29
    assert hello.psk


def test_a_hello_retry_request_names_the_group_it_wants() -> None:
    hello = parse_server_hello(server_hello(extension(43, b"\x03\x04"), extension(51, b"\0\x18"), random=RETRY_RANDOM))

    assert hello.retry
    assert hello.group == 24
    assert hello.defect == ""


def test_encrypted_extensions_are_read_and_broken_ones_as_far_as_possible() -> None:
    content = vector(2, extension(42, b"") + extension(16, b"abc"))

    assert parse_encrypted_extensions(content) == ((42, b""), (16, b"abc"))
    assert parse_encrypted_extensions(content[:-1]) == ()
    assert parse_encrypted_extensions(vector(2, extension(42, b"") + b"\0")) == ((42, b""),)


# ---------------------------------------------------------------------------------------------------------- the rest


def test_a_chain_is_read_in_both_forms() -> None:
    der = certificate()

    assert parse_certificates(vector(3, vector(3, der) + vector(3, b"root")), tls13=False) == ((der, b"root"), "")
    assert parse_certificates(b"\0" + vector(3, vector(3, der) + vector(2, b"ext")), tls13=True) == ((der,), "")


def test_a_station_without_certificate_sends_an_empty_chain() -> None:
    assert parse_certificates(b"\0\0\0", tls13=False) == ((), "")


def test_a_torn_chain_gives_what_is_whole() -> None:
    torn = vector(3, vector(3, b"leaf") + b"\0\0\x40root")

    assert parse_certificates(torn, tls13=False) == ((b"leaf",), "it cannot be read behind certificate 1")


def test_a_chain_of_thousands_is_cut() -> None:
    chain, defect = parse_certificates(vector(3, b"\0\0\0" * 10_000), tls13=False)

    assert len(chain) == MAX_CERTIFICATES
    assert defect == "it has more than 32 certificates"


def test_alerts_have_names_and_in_tls13_only_two_are_harmless() -> None:
    assert parse_alert(2, 48, 0x0303) == (True, "unknown_ca")
    assert parse_alert(1, 48, 0x0303) == (False, "unknown_ca")
    assert parse_alert(1, 48, 0x0304) == (True, "unknown_ca")
    assert parse_alert(2, 0, 0x0304) == (False, "close_notify")


# ------------------------------------------------------------------------------------------------------------ hostile


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parsers_raise(data: bytes) -> None:
    parse_client_hello(data)
    parse_server_hello(data)
    parse_encrypted_extensions(data)
    parse_certificates(data, tls13=False)
    parse_certificates(data, tls13=True)


@given(st.integers(0, len(COMPLETE) - 1), st.sampled_from((0, 1, 0x7F, 0x80, 0xFE, 0xFF)))
@settings(max_examples=300)
def test_no_length_leads_a_parser_astray(at: int, value: int) -> None:
    hostile = bytearray(COMPLETE)
    hostile[at] = value

    hello = parse_client_hello(bytes(hostile))

    assert hello.defect or len(hello.extensions) <= 8
    assert sum(len(content) + 4 for _, content in hello.extensions) <= len(COMPLETE)


@given(st.integers(0, len(COMPLETE) - 1))
def test_a_truncated_hello_says_nothing_that_the_whole_one_does_not(length: int) -> None:
    whole, part = parse_client_hello(COMPLETE), parse_client_hello(COMPLETE[:length])

    assert part.defect or length == len(client_hello())  # a hello may do without extensions
    assert part.random in (b"", whole.random)
    assert part.suites in ((), whole.suites)
    assert part.extensions == ()  # their block is announced with one length


@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=12)), max_size=12))
def test_whatever_is_in_the_extensions_the_order_is_kept(extensions: list[tuple[int, bytes]]) -> None:
    hello = parse_client_hello(client_hello(*(extension(kind, content) for kind, content in extensions)))

    assert hello.extensions == tuple(extensions)
