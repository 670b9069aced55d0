"""What is read from a certificate, and which names it stands for."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.checks.certificates import matches, read_chain
from fieldkit.checks.words import clock
from tests.traffic.tlstalk import certificate


def test_a_certificate_is_read() -> None:
    (read,) = read_chain((certificate("ecdsa"),))
    assert (read.subject, read.issuer, read.names) == ("csms.example", "csms.example", ("csms.example",))
    assert (read.key_kind, read.key_bits, read.hash_name) == ("EC", 256, "sha256")
    assert clock(read.begin).startswith("2016-01-04")
    assert read.self_issued
    assert not read.names_issuer_url


def test_without_cryptography_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    read_chain.cache_clear()
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    assert read_chain((certificate("rsa"),)) == ()
    read_chain.cache_clear()


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_nonsense_is_no_certificate(chain: list[bytes]) -> None:
    assert read_chain(tuple(chain)) == ()


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_damaged_one_is_read_or_not(at: int, value: int) -> None:
    der = bytearray(certificate("ecdsa"))
    der[at % len(der)] = value
    assert len(read_chain((bytes(der),))) <= 1


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("csms.example", "CSMS.example.", True),
        ("*.example", "csms.example", True),
        ("*.example", "a.csms.example", False),
        ("*.example", "example", False),
        ("other.example", "csms.example", False),
    ],
)
def test_names(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
