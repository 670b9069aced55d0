"""Records sealed here by hand are opened by the module, and only those."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.wire.tlscipher import record_cipher
from fieldkit.wire.tlskeys import RecordKeys, Suite, keys_tls13
from tests.wire.test_tlskeys import tls_suite

Seal = Callable[[int, int, bytes], tuple[bytes, bytes]]
"""(sequence number, content type, content) → header and fragment."""


def header_of(kind: int, fragment_length: int) -> bytes:
    return bytes((kind, 3, 3)) + fragment_length.to_bytes(2, "big")


def aead_of(suite: Suite, key: bytes) -> aead.AESGCM | aead.AESCCM | aead.ChaCha20Poly1305:
    if suite.kind == "gcm":
        return aead.AESGCM(key)
    if suite.kind == "chacha":
        return aead.ChaCha20Poly1305(key)
    return aead.AESCCM(key, 8 if suite.kind == "ccm8" else 16)


def tag_of(suite: Suite) -> int:
    return 8 if suite.kind == "ccm8" else 16


def nonce_of(iv: bytes, sequence: int) -> bytes:
    return bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big"), strict=True))


def sealer_tls13(suite: Suite, secret: bytes, padding: int = 0) -> Seal:
    keys = keys_tls13(suite, secret)

    def seal(sequence: int, kind: int, content: bytes) -> tuple[bytes, bytes]:
        inner = content + bytes((kind,)) + bytes(padding)
        header = header_of(23, len(inner) + tag_of(suite))
        return header, aead_of(suite, keys.key).encrypt(nonce_of(keys.iv, sequence), inner, header)

    return seal


def sealer_tls12(suite: Suite, keys: RecordKeys, encrypt_then_mac: bool = False) -> Seal:
    def mac(sequence: int, kind: int, content: bytes) -> bytes:
        message = sequence.to_bytes(8, "big") + header_of(kind, len(content)) + content
        return hmac.digest(keys.mac_key, message, suite.mac)

    def cbc(plain: bytes) -> bytes:
        iv = os.urandom(16)
        padding = 15 - len(plain) % 16
        encryptor = Cipher(algorithms.AES(keys.key), modes.CBC(iv)).encryptor()
        return iv + encryptor.update(plain + bytes((padding,)) * (padding + 1))

    def seal(sequence: int, kind: int, content: bytes) -> tuple[bytes, bytes]:
        known = sequence.to_bytes(8, "big") + header_of(kind, len(content))
        if suite.kind == "null":
            fragment = content + mac(sequence, kind, content)
        elif suite.kind == "cbc" and encrypt_then_mac:
            fragment = cbc(content)
            fragment += mac(sequence, kind, fragment)
        elif suite.kind == "cbc":
            fragment = cbc(content + mac(sequence, kind, content))
        elif suite.kind == "chacha":
            fragment = aead_of(suite, keys.key).encrypt(nonce_of(keys.iv, sequence), content, known)
        else:
            explicit = os.urandom(8)
            fragment = explicit + aead_of(suite, keys.key).encrypt(keys.iv + explicit, content, known)
        return header_of(kind, len(fragment)), fragment

    return seal


def keys_for(suite: Suite) -> RecordKeys:
    return RecordKeys(b"k" * suite.key_length, b"i" * suite.fixed_iv, b"m" * suite.mac_length)


TLS12 = [
    (0xC02B, False),
    (0xC02C, False),
    (0xCCA9, False),
    (0xC0AC, False),
    (0xC0AE, False),
    (0x002F, False),
    (0x002F, True),
    (0xC023, False),
    (0xC024, False),
    (0xC024, True),
    (0x0035, True),
]
TLS13 = [0x1301, 0x1302, 0x1303, 0x1304, 0x1305]


@pytest.mark.parametrize(("number", "encrypt_then_mac"), TLS12)
def test_tls12_records_open_with_key_number_and_header_only(number: int, encrypt_then_mac: bool) -> None:
    suite = tls_suite(number)
    cipher = record_cipher(suite, keys_for(suite), tls13=False, encrypt_then_mac=encrypt_then_mac)
    header, fragment = sealer_tls12(suite, keys_for(suite), encrypt_then_mac)(7, 23, b"content")

    assert cipher.open(7, header, fragment) == (23, b"content")
    assert cipher.open(8, header, fragment) is None
    assert cipher.open(7, b"\x16" + header[1:], fragment) is None
    assert cipher.open(7, header, fragment[:-1] + bytes((fragment[-1] ^ 1,))) is None
    assert len(header) + len(fragment) >= len(b"content") + cipher.overhead


@pytest.mark.parametrize(("number", "encrypt_then_mac"), TLS12)
def test_tls12_records_may_be_empty(number: int, encrypt_then_mac: bool) -> None:
    suite = tls_suite(number)
    cipher = record_cipher(suite, keys_for(suite), tls13=False, encrypt_then_mac=encrypt_then_mac)

    assert cipher.open(0, *sealer_tls12(suite, keys_for(suite), encrypt_then_mac)(0, 23, b"")) == (23, b"")


@pytest.mark.parametrize("number", TLS13)
def test_tls13_records_open_and_lose_their_padding(number: int) -> None:
    suite = tls_suite(number)
    secret = b"s" * (48 if suite.digest == "sha384" else 32)
    cipher = record_cipher(suite, keys_tls13(suite, secret), tls13=True)

    for padding in (0, 1, 200):
        header, fragment = sealer_tls13(suite, secret, padding)(3, 22, b"content\0\0")
        assert cipher.open(3, header, fragment) == (22, b"content\0\0")
        assert cipher.open(2, header, fragment) is None
        assert len(header) + len(fragment) == len(b"content\0\0") + cipher.overhead + padding


def test_a_tls13_record_of_nothing_but_padding_has_no_type() -> None:
    suite = tls_suite(0x1301)
    cipher = record_cipher(suite, keys_tls13(suite, b"s" * 32), tls13=True)

    assert cipher.open(0, *sealer_tls13(suite, b"s" * 32, 20)(0, 0, b"")) == (0, b"")


def test_wrong_cbc_padding_is_refused_whatever_the_mac_says() -> None:
    suite = tls_suite(0x002F)
    keys = keys_for(suite)
    content = b"content"
    mac = hmac.digest(keys.mac_key, bytes(8) + header_of(23, len(content)) + content, "sha1")
    plain = content + mac + b"\x00" * 4 + b"\x04"
    encryptor = Cipher(algorithms.AES(keys.key), modes.CBC(bytes(16))).encryptor()
    fragment = bytes(16) + encryptor.update(plain)

    assert record_cipher(suite, keys, tls13=False).open(0, header_of(23, len(fragment)), fragment) is None


def test_null_suites_need_no_secret() -> None:
    suite = tls_suite(0x003B)
    cipher = record_cipher(suite, RecordKeys(b"", b""), tls13=False)

    assert cipher.open(99, *sealer_tls12(suite, keys_for(suite))(0, 23, b"content")) == (23, b"content")
    assert cipher.open(0, header_of(23, 31), bytes(31)) is None
    assert not cipher.authenticates


@given(
    st.sampled_from([*TLS12, *((number, False) for number in TLS13)]),
    st.binary(max_size=100) | st.integers(0, 12).map(lambda blocks: bytes(16 * blocks)),
    st.integers(0, 2**63),
)
@settings(max_examples=200)
def test_no_fragment_makes_a_cipher_raise(what: tuple[int, bool], fragment: bytes, sequence: int) -> None:
    suite = tls_suite(what[0])
    tls13 = what[0] in TLS13
    keys = keys_tls13(suite, b"s" * 32) if tls13 else keys_for(suite)
    cipher = record_cipher(suite, keys, tls13=tls13, encrypt_then_mac=what[1])

    assert cipher.open(sequence, header_of(23, len(fragment)), fragment) is None
