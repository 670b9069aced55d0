"""Records sealed here by hand are opened by the module, and only those; and a side finds its count again."""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Callable

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.wire import tlscipher
from fieldkit.wire.tlscipher import MAX_FAILURES, MAX_SEQUENCE_TRIES, Early, Protection, Unopened, record_cipher
from fieldkit.wire.tlskeys import KeyLog, RecordKeys, Session, Stage, Suite, keys_tls13, next_secret
from tests.wire.test_tlskeys import ONE, TWO, tls_suite

Seal = Callable[[int, int, bytes], tuple[bytes, bytes]]
"""(sequence number, content type, content) → header and fragment."""

SECRETS = {
    "CLIENT_EARLY_TRAFFIC_SECRET": b"\x10" * 32,
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": b"\x11" * 32,
    "CLIENT_TRAFFIC_SECRET_0": b"\x12" * 32,
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": b"\x13" * 32,
    "SERVER_TRAFFIC_SECRET_0": b"\x14" * 32,
    "CLIENT_RANDOM": b"\x15" * 48,
}


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


# ----------------------------------------------------------------------------------------------------------- ciphers


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


# -------------------------------------------------------------------------------------------------------- protection


def key_log(*without: str, expecting: bool = False) -> KeyLog:
    log = KeyLog(expecting=expecting)
    for label, secret in SECRETS.items():
        if label not in without:
            log.add(f"{label} {ONE.hex()} {secret.hex()}")
    return log


def session(number: int = 0x1301) -> Session:
    return Session(0x0304 if number in TLS13 else 0x0303, number, TWO, ONE, encrypt_then_mac=False)


def seal_client(label: str) -> Seal:
    return sealer_tls13(tls_suite(0x1301), SECRETS[label])


def protection(stage: Stage = Stage.APPLICATION, log: KeyLog | None = None) -> Protection:
    found = Protection(True, key_log() if log is None else log)
    found.seal(session(), stage)
    return found


def test_records_open_one_after_the_other() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")

    for number in range(5):
        assert side.open(*seal(number, 23, b"%d" % number)) == (23, b"%d" % number)
    assert side.missing == 0


def test_behind_a_hole_the_count_is_found_and_the_missing_bytes_reckoned() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    records = [seal(number, 23, b"x" * (10 + number)) for number in range(40)]
    side.open(*records[0])

    side.lose(sum(len(header) + len(fragment) for header, fragment in records[1:30]))

    assert side.open(*records[30]) == (23, b"x" * 40)
    assert side.missing == sum(10 + number for number in range(1, 30))
    assert side.open(*records[31]) == (23, b"x" * 41)


def test_a_hole_without_lost_records_is_no_loss() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))

    side.lose(1000)

    assert side.open(*seal(1, 23, b"b")) == (23, b"b")
    assert side.missing == 0


def test_the_hole_may_have_swallowed_the_end_of_the_handshake() -> None:
    side = protection(Stage.HANDSHAKE)
    side.lose(500)

    assert side.open(*seal_client("CLIENT_TRAFFIC_SECRET_0")(0, 23, b"a")) == (23, b"a")
    assert side.stage is Stage.APPLICATION
    assert side.missing == 0


def test_the_hole_may_have_swallowed_a_key_update() -> None:
    suite, secret = tls_suite(0x1301), SECRETS["CLIENT_TRAFFIC_SECRET_0"]
    later = sealer_tls13(suite, next_secret(suite, secret))
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))

    side.lose(len(b"".join(seal(1, 22, b"\x18\0\0\1\0"))) + len(b"".join(later(0, 23, b"lost"))))

    assert side.open(*later(1, 23, b"b")) == (23, b"b")
    assert side.missing == 4
    side.update()
    latest = sealer_tls13(suite, next_secret(suite, next_secret(suite, secret)))
    assert side.open(*latest(0, 23, b"c")) == (23, b"c")


def test_a_damaged_record_costs_just_itself() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))
    header, fragment = seal(1, 23, b"damaged")

    assert side.open(header, fragment[:-1] + b"?") is Unopened.DAMAGED
    assert side.open(*seal(2, 23, b"c")) == (23, b"c")
    assert side.missing == len(b"damaged")


def test_too_many_damaged_records_are_hopeless() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))

    outcomes = [side.open(header_of(23, 40), bytes(40)) for _ in range(MAX_FAILURES)]

    assert outcomes == [Unopened.DAMAGED] * (MAX_FAILURES - 1) + [Unopened.HOPELESS]
    assert side.reason == tlscipher.DAMAGED


def test_a_hole_beyond_all_bounds_is_hopeless() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))
    side.lose(10_000_000)
    far = MAX_SEQUENCE_TRIES + 100

    outcomes = [side.open(*seal(far + number, 23, b"b")) for number in range(MAX_FAILURES)]

    assert outcomes[-1] is Unopened.HOPELESS
    assert side.reason == tlscipher.COUNT_LOST


def test_a_secret_that_never_opened_anything_is_wrong() -> None:
    side = protection()

    assert side.open(*sealer_tls13(tls_suite(0x1301), b"\x99" * 32)(0, 23, b"a")) is Unopened.HOPELESS
    assert side.reason == tlscipher.WRONG_SECRET


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (KeyLog(), tlscipher.NO_KEY_LOG),
        (
            key_log("CLIENT_TRAFFIC_SECRET_0", expecting=True),
            "the key log has no CLIENT_TRAFFIC_SECRET_0 for this connection",
        ),
    ],
)
def test_a_secret_that_may_still_come_is_waited_for(log: KeyLog, expected: str) -> None:
    side, seal = protection(log=log), seal_client("CLIENT_TRAFFIC_SECRET_0")
    record = seal(0, 23, b"a")

    assert side.open(*record) is Unopened.WAIT
    assert side.reason == expected
    log.add(f"CLIENT_TRAFFIC_SECRET_0 {ONE.hex()} {SECRETS['CLIENT_TRAFFIC_SECRET_0'].hex()}")
    assert side.open(*record) == (23, b"a")


def test_a_secret_that_cannot_come_is_not_waited_for() -> None:
    side = protection(log=KeyLog(expecting=False))

    assert side.open(*seal_client("CLIENT_TRAFFIC_SECRET_0")(0, 23, b"a")) is Unopened.HOPELESS
    assert side.reason == tlscipher.NO_KEY_LOG


def test_a_handshake_without_secret_is_passed_over() -> None:
    side = protection(Stage.HANDSHAKE, key_log("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
    unreadable = seal_client("CLIENT_HANDSHAKE_TRAFFIC_SECRET")

    assert side.open(*unreadable(0, 22, b"certificate")) is Unopened.PASSED
    assert side.open(*unreadable(1, 22, b"finished")) is Unopened.PASSED
    assert side.open(*seal_client("CLIENT_TRAFFIC_SECRET_0")(0, 23, b"a")) == (23, b"a")
    assert side.missing == 0


def test_early_data_waits_for_the_answer_of_the_server() -> None:
    side, seal = protection(Stage.EARLY), seal_client("CLIENT_EARLY_TRAFFIC_SECRET")
    side.early = Early.OFFERED

    assert side.open(*seal(0, 23, b"early")) is Unopened.WAIT
    side.early = Early.ACCEPTED
    assert side.open(*seal(0, 23, b"early")) == (23, b"early")


def test_refused_early_data_is_passed_over_even_if_it_could_be_read() -> None:
    side = protection(Stage.EARLY)
    side.early = Early.REFUSED

    assert side.open(*seal_client("CLIENT_EARLY_TRAFFIC_SECRET")(0, 23, b"early")) is Unopened.PASSED
    assert side.open(*seal_client("CLIENT_HANDSHAKE_TRAFFIC_SECRET")(0, 22, b"finished")) == (22, b"finished")
    assert side.stage is Stage.HANDSHAKE


def test_what_is_passed_over_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlscipher, "MAX_PASSED_BYTES", 100)
    side = protection(Stage.HANDSHAKE, key_log("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))

    outcomes = [side.open(header_of(23, 40), bytes(40)) for _ in range(3)]

    assert outcomes == [Unopened.PASSED, Unopened.PASSED, Unopened.HOPELESS]


@pytest.mark.parametrize("module", ["cryptography.exceptions", "cryptography.hazmat.primitives.ciphers"])
def test_without_cryptography_it_says_so(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    side = protection(log=key_log(expecting=True))

    assert side.open(*seal_client("CLIENT_TRAFFIC_SECRET_0")(0, 23, b"a")) is Unopened.HOPELESS
    assert side.reason == tlscipher.NO_CRYPTOGRAPHY


def test_a_cipher_that_openssl_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(key: bytes, tag_length: int = 16) -> None:
        raise UnsupportedAlgorithm("no CCM here")

    monkeypatch.setattr(aead, "AESCCM", without)
    side = Protection(True, key_log())
    side.seal(session(0x1304))

    assert side.open(header_of(23, 40), bytes(40)) is Unopened.HOPELESS
    assert side.reason == "suite not supported: this OpenSSL has no TLS_AES_128_CCM_SHA256"


def test_a_suite_that_is_not_supported_is_named() -> None:
    side = Protection(True, key_log(expecting=True))
    side.seal(session(0x000A))

    assert side.open(header_of(23, 40), bytes(40)) is Unopened.HOPELESS
    assert side.reason == "suite not supported: TLS_RSA_WITH_3DES_EDE_CBC_SHA in TLS 1.2"
