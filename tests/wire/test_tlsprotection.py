"""One side's records open one after the other; behind a hole it finds its count again, and says when it cannot."""

from __future__ import annotations

import sys

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import aead

from fieldkit.wire import tlsprotection
from fieldkit.wire.tlskeys import KeyLog, Session, Stage, next_secret
from fieldkit.wire.tlsprotection import MAX_FAILURES, MAX_SEQUENCE_TRIES, Early, Protection, Unopened
from tests.wire.test_tlscipher import TLS13, Seal, header_of, sealer_tls13
from tests.wire.test_tlskeys import ONE, TWO, tls_suite

SECRETS = {
    "CLIENT_EARLY_TRAFFIC_SECRET": b"\x10" * 32,
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": b"\x11" * 32,
    "CLIENT_TRAFFIC_SECRET_0": b"\x12" * 32,
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": b"\x13" * 32,
    "SERVER_TRAFFIC_SECRET_0": b"\x14" * 32,
    "CLIENT_RANDOM": b"\x15" * 48,
}


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
    assert side.reason == tlsprotection.DAMAGED


def test_a_hole_beyond_all_bounds_is_hopeless() -> None:
    side, seal = protection(), seal_client("CLIENT_TRAFFIC_SECRET_0")
    side.open(*seal(0, 23, b"a"))
    side.lose(10_000_000)
    far = MAX_SEQUENCE_TRIES + 100

    outcomes = [side.open(*seal(far + number, 23, b"b")) for number in range(MAX_FAILURES)]

    assert outcomes[-1] is Unopened.HOPELESS
    assert side.reason == tlsprotection.COUNT_LOST


def test_a_secret_that_never_opened_anything_is_wrong() -> None:
    side = protection()

    assert side.open(*sealer_tls13(tls_suite(0x1301), b"\x99" * 32)(0, 23, b"a")) is Unopened.HOPELESS
    assert side.reason == tlsprotection.WRONG_SECRET


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (KeyLog(), tlsprotection.NO_KEY_LOG),
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
    assert side.reason == tlsprotection.NO_KEY_LOG


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
    monkeypatch.setattr(tlsprotection, "MAX_PASSED_BYTES", 100)
    side = protection(Stage.HANDSHAKE, key_log("CLIENT_HANDSHAKE_TRAFFIC_SECRET"))

    outcomes = [side.open(header_of(23, 40), bytes(40)) for _ in range(3)]

    assert outcomes == [Unopened.PASSED, Unopened.PASSED, Unopened.HOPELESS]


@pytest.mark.parametrize("module", ["cryptography.exceptions", "cryptography.hazmat.primitives.ciphers"])
def test_without_cryptography_it_says_so(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    side = protection(log=key_log(expecting=True))

    assert side.open(*seal_client("CLIENT_TRAFFIC_SECRET_0")(0, 23, b"a")) is Unopened.HOPELESS
    assert side.reason == tlsprotection.NO_CRYPTOGRAPHY


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
