"""DER is read or refused in words; nothing else happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.trust import der
from fieldkit.trust.der import DerError


@given(st.integers(min_value=-(1 << 200), max_value=1 << 200))
def test_a_number_comes_back(number: int) -> None:
    assert der.integer(der.read(der.write_integer(number))) == number


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=5), st.integers(0, 39))
def test_an_object_identifier_comes_back(arcs: list[int], second: int) -> None:
    dotted = ".".join(map(str, (1, second, *arcs)))
    assert der.oid(der.read(der.write_oid(dotted))) == dotted


def test_large_first_arcs() -> None:
    assert der.oid(der.read(der.write_oid("2.999.3"))) == "2.999.3"
    assert der.write_oid("2.999.3") == bytes.fromhex("06 03 88 37 03".replace(" ", ""))  # X.690 §8.19.5


@given(st.integers(0, 300_000))
def test_a_length_comes_back(size: int) -> None:
    node = der.read(der.write(der.OCTET_STRING, bytes(size)))
    assert len(node) == size


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "ends in the middle"),
        (b"\x30", "ends in the middle"),
        (b"\x30\x05\x02\x01\x01", "claims 5 bytes where 3 are left"),
        (b"\x30\x80\x00\x00", "left open"),
        (b"\x30\x81\x01\x00", "more bytes than needed"),
        (b"\x30\x82\x00\x80" + bytes(128), "more bytes than needed"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "longer than there are bytes"),
        (b"\x1f\x81\x00", "several bytes"),
        (b"\x05\x00\x00", "1 bytes too many"),
    ],
)
def test_what_is_no_der_is_said_to_be_none(data: bytes, why: str) -> None:
    with pytest.raises(DerError, match=why):
        der.read(data)


@pytest.mark.parametrize(
    "content, short, seconds",
    [
        (b"700101000000Z", True, 0),
        (b"491231235959Z", True, 2524607999),
        (b"500101000000Z", True, -631152000),
        (b"7001010000Z", True, 0),
        (b"20380119031408Z", False, 2147483648),
        (b"99991231235959Z", False, 253402300799),
        (b"19700101000000.5Z", False, 0),
        (b"20161231235960Z", False, 1483228799),
    ],
)
def test_times(content: bytes, short: bool, seconds: int) -> None:
    assert der.stamp(content, short=short) == seconds * 1_000_000_000


@pytest.mark.parametrize(
    "content", [b"", b"Z", b"20261301000000Z", b"20260101000000", b"20260101000000+0100", b"0" * 15]
)
def test_what_is_no_time(content: bytes) -> None:
    with pytest.raises(DerError, match="no time"):
        der.stamp(content)


def test_texts_of_all_kinds() -> None:
    assert der.text(der.read(der.write(0x0C, "Zürich".encode()))) == "Zürich"
    assert der.text(der.read(der.write(0x1E, "Zürich".encode("utf-16-be")))) == "Zürich"
    assert der.text(der.read(der.write(0x13, "Zürich".encode("latin-1")))) == "Zürich"  # wrong, and common
    assert der.text(der.read(der.write(0x0C, b"\xff"))) == "\ufffd"
    assert der.text(der.read(der.write(0x05))) == "#0500"
    assert len(der.text(der.read(der.write(0x0C, b"a" * 5000)))) == der.MAX_TEXT


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        node = der.read(data)
    except DerError:
        return
    assert node.raw == data
