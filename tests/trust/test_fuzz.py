"""Whatever the bytes are: an answer or ``DerError``, and nothing else, out of any reader and any judge."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldkit.trust import der
from fieldkit.trust.containers import read_file
from fieldkit.trust.keys import read_key
from fieldkit.trust.signatures import read_algorithm, verify
from tests.trust.judging import LEAF, MIDDLE, everything, samples
from tests.trust.pki import root
from tests.trust.test_containers import private

SEEDS: dict[str, bytes] = {
    **samples(),
    "pss": root("PSS", kind="rsa2048", pss=True).der,
    "ed25519": root("Ed", kind="ed25519").der,
    "dsa": root("Dsa", kind="dsa").der,
    "pkcs12": pkcs12.serialize_key_and_certificates(b"x", LEAF.key, LEAF.x509, [], BestAvailableEncryption(b"x")),
    "pem": LEAF.pem + MIDDLE.pem + private(),
    "key": private(encoding=Encoding.DER),
}

# (where, what): overwritten, put in, or taken out
CHANGES = st.lists(
    st.tuples(st.integers(0, 1 << 14), st.sampled_from(["set", "flip", "insert", "cut", "copy"]), st.integers(0, 255)),
    min_size=1, max_size=6,
)  # fmt: skip


def mutated(data: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    made = bytearray(data)
    for where, how, value in changes:
        if not made:
            break
        at = where % len(made)
        match how:
            case "set":
                made[at] = value
            case "flip":
                made[at] ^= 1 << value % 8
            case "insert":
                made[at:at] = bytes([value]) * (1 + value % 5)
            case "cut":
                del made[at : at + 1 + value % 9]
            case _:
                made[at:at] = made[at : at + value]
    return bytes(made)


@pytest.mark.parametrize("seed", SEEDS)
@given(changes=CHANGES)
@settings(max_examples=60)
@example(changes=[(0, "cut", 255)])
@example(changes=[(3, "set", 0)])
def test_changed_bytes(seed: str, changes: list[tuple[int, str, int]]) -> None:
    everything(mutated(SEEDS[seed], changes))


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes(data: bytes) -> None:
    everything(data)
    everything(b"\x30" + data)
    read_file(b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_place_where_it_may_be_cut(seed: str) -> None:
    data = SEEDS[seed]
    for end in range(0, len(data), max(len(data) // 60, 1)):
        everything(data[:end])


def test_deep_nesting_is_no_danger() -> None:
    deep = b""
    for _ in range(5000):
        size = len(deep)
        deep = (bytes((0x30, 0x83)) + size.to_bytes(3, "big") if size > 0xFFFF else bytes((0x30, 0x82))
                + size.to_bytes(2, "big") if size > 0xFF else bytes((0x30, 0x81, size)) if size > 0x7F
                else bytes((0x30, size))) + deep  # fmt: skip
    everything(deep)


def test_an_rsa_key_of_a_million_bits_takes_no_time() -> None:
    rsa_key = der.write(der.SEQUENCE, der.write_integer((1 << 100_000) + 1), der.write_integer(65_537))
    kind = der.write(der.SEQUENCE, der.write_oid("1.2.840.113549.1.1.1"), der.write(der.NULL))
    key = read_key(der.read(der.write(der.SEQUENCE, kind, der.write(der.BIT_STRING, b"\0" + rsa_key))))
    algorithm = read_algorithm(der.read(der.write(der.SEQUENCE, der.write_oid("1.2.840.113549.1.1.11"))))
    assert verify(key, algorithm, bytes(12_501), b"x").outcome == "unknown"
