"""Key logs, good and bad; the suites behind the names; and the key schedules against published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.wire import tlskeys
from fieldkit.wire.tlskeys import KeyLog, Session, expand_label, keys_tls12, keys_tls13, next_secret, prf, suite

ONE, TWO = b"\x01" * 32, b"\x02" * 32
MASTER = "CLIENT_RANDOM " + "01" * 32 + " " + "aa" * 48
HANDSHAKE = "SERVER_HANDSHAKE_TRAFFIC_SECRET " + "02" * 32 + " " + "bb" * 32


# ----------------------------------------------------------------------------------------------------------- key log


def test_secrets_are_found_by_label_and_client_random() -> None:
    log = KeyLog()

    assert log.add(f"# made by OpenSSL\n{MASTER}\r\n\n{HANDSHAKE}") == 2

    assert log.get(tlskeys.MASTER, ONE) == b"\xaa" * 48
    assert log.get(tlskeys.SERVER_HANDSHAKE, TWO) == b"\xbb" * 32
    assert log.get(tlskeys.SERVER_HANDSHAKE, ONE) is None
    assert log.knows(ONE)
    assert not log.knows(b"\x03" * 32)
    assert (log.lines, log.garbage) == (2, 0)


def test_every_label_of_the_format_is_right() -> None:
    log = KeyLog()
    stages = ("CLIENT_EARLY", "CLIENT_HANDSHAKE", "SERVER_HANDSHAKE")
    labels = [f"{stage}_TRAFFIC_SECRET" for stage in stages]
    labels += [f"{side}_TRAFFIC_SECRET_{number}" for side in ("CLIENT", "SERVER") for number in (0, 1, 12)]
    labels += ["EARLY_EXPORTER_SECRET", "EXPORTER_SECRET", "ECH_SECRET", "ECH_CONFIG"]
    lines = [f"{label} {'01' * 32} {'cc' * 48}" for label in labels]

    assert log.add("\n".join([*lines, "RSA 0011223344556677 " + "dd" * 48])) == 5
    assert log.lines == len(labels) + 1
    assert log.garbage == 0


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "CLIENT_RANDOM",
        MASTER[:-1],
        MASTER[:-2],
        MASTER + "00",
        MASTER + " more",
        MASTER.lower(),
        MASTER.replace("01 ", "0 "),
        HANDSHAKE + "00",
        HANDSHAKE.replace("bb", "xy"),
        "SOME_OTHER_LABEL " + "01" * 32 + " " + "aa" * 32,
        "CLIENT_TRAFFIC_SECRET_ " + "01" * 32 + " " + "aa" * 32,
    ],
)
def test_what_is_no_key_log_line_is_counted_and_ignored(line: str) -> None:
    log = KeyLog()

    assert log.add(line) == 0
    assert (log.lines, log.garbage) == (0, 1)
    assert not log
    assert log.version == 0


def test_it_can_be_extended_and_says_when_that_brought_something() -> None:
    log = KeyLog()
    log.add(MASTER)
    before = log.version

    assert log.add(MASTER) == 0
    assert log.version == before
    assert log.add(HANDSHAKE) == 1
    assert log.version > before


def test_no_secret_is_ever_shown() -> None:
    log = KeyLog()
    log.add(MASTER)
    keys = keys_tls13(tls_suite(0x1301), b"\xaa" * 32)

    for text in (repr(log), str(log), f"{log}", repr(keys), str(keys)):
        assert "aaaa" not in text  # two of them may stand in an address in memory
    assert repr(log) == "<KeyLog: 1 secrets of 1 connections>"


def test_the_oldest_secrets_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlskeys, "MAX_SECRETS", 100)
    log = KeyLog()

    for number in range(1000):
        log.add(f"CLIENT_TRAFFIC_SECRET_0 {number:064x} {'aa' * 32}")
        log.add(f"SERVER_TRAFFIC_SECRET_0 {number:064x} {'aa' * 32}")

    assert not log.knows((0).to_bytes(32, "big"))
    assert log.knows((999).to_bytes(32, "big"))
    kept = sum(log.knows(number.to_bytes(32, "big")) for number in range(1000))
    assert 45 <= kept <= 50
    assert repr(log) == f"<KeyLog: {2 * kept} secrets of {kept} connections>"


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text: str) -> None:
    log = KeyLog()

    log.add(text)

    assert log.garbage <= len(text.splitlines())


# ------------------------------------------------------------------------------------------------------------ suites


def tls_suite(number: int) -> tlskeys.Suite:
    found = suite(number)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("number", "kind", "key_length", "digest", "mac_length", "fixed_iv"),
    [
        (0xC02B, "gcm", 16, "sha256", 0, 4),
        (0x009D, "gcm", 32, "sha384", 0, 4),
        (0xCCA9, "chacha", 32, "sha256", 0, 12),
        (0xC0AE, "ccm8", 16, "sha256", 0, 4),
        (0xC0AD, "ccm", 32, "sha256", 0, 4),
        (0x002F, "cbc", 16, "sha256", 20, 0),
        (0xC024, "cbc", 32, "sha384", 48, 0),
        (0x003D, "cbc", 32, "sha256", 32, 0),
        (0x003B, "null", 0, "sha256", 32, 0),
        (0x1302, "gcm", 32, "sha384", 0, 4),
        (0x1305, "ccm8", 16, "sha256", 0, 4),
    ],
)
def test_a_suite_follows_from_its_name(
    number: int, kind: str, key_length: int, digest: str, mac_length: int, fixed_iv: int
) -> None:
    found = tls_suite(number)

    assert (found.kind, found.key_length, found.digest) == (kind, key_length, digest)
    assert (found.mac_length, found.fixed_iv) == (mac_length, fixed_iv)


@pytest.mark.parametrize("number", [0x0000, 0x0005, 0x000A, 0x0041, 0xC03C, 0x00C6, 0xC0B4, 0x00FF, 0x0A0A, 0xFFFF])
def test_what_cannot_be_decrypted_is_no_suite(number: int) -> None:
    assert suite(number) is None


def test_a_session_names_what_is_not_supported() -> None:
    def unsupported(version: int, number: int) -> str:
        return Session(version, number, b"", b"", False).unsupported

    assert unsupported(0x0303, 0xC02B) == ""
    assert unsupported(0x0304, 0x1301) == ""
    assert unsupported(0x0301, 0x003B) == ""
    assert unsupported(0x0301, 0x002F) == "TLS_RSA_WITH_AES_128_CBC_SHA in TLS 1.0"
    assert unsupported(0x0303, 0x1301) == "TLS_AES_128_GCM_SHA256 in TLS 1.2"
    assert unsupported(0x0304, 0xC02B) == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 in TLS 1.3"
    assert unsupported(0x7F1C, 0x1301) == "TLS_AES_128_GCM_SHA256 in TLS 1.3 draft 28"


# ------------------------------------------------------------------------------------------------------ key schedule


def test_the_prf_gives_the_values_that_the_working_group_published() -> None:
    secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
    seed = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
    expected = (
        "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af"
        "0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
        "87347b66"
    )

    assert prf(secret, b"test label", seed, 100, "sha256").hex() == expected


def test_traffic_keys_are_those_of_rfc_8448() -> None:
    client = bytes.fromhex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
    server = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")

    keys = keys_tls13(tls_suite(0x1301), client)
    assert keys.key.hex() == "dbfaa693d1762c5b666af5d950258d01"
    assert keys.iv.hex() == "5bd3c71b836e0b76bb73265f"
    keys = keys_tls13(tls_suite(0x1301), server)
    assert keys.key.hex() == "3fce516009c21727d0f2e4e86ee403bc"
    assert keys.iv.hex() == "5d313eb2671276ee13000b30"


def test_labels_longer_than_a_block_are_expanded_on() -> None:
    assert len(expand_label(b"s" * 32, b"label", 100, "sha256")) == 100
    assert expand_label(b"s" * 32, b"label", 100, "sha256")[:32] != expand_label(b"s" * 32, b"label", 32, "sha256")
    assert len(next_secret(tls_suite(0x1302), b"s" * 48)) == 48


def test_both_sides_share_the_key_block_without_overlap() -> None:
    for number in (0xC02B, 0xC024, 0xCCA9):
        found = tls_suite(number)
        block = prf(
            b"m" * 48,
            b"key expansion",
            TWO + ONE,
            2 * (found.mac_length + found.key_length + found.fixed_iv),
            found.digest,
        )
        client = keys_tls12(found, b"m" * 48, (ONE, TWO), from_client=True)
        server = keys_tls12(found, b"m" * 48, (ONE, TWO), from_client=False)

        assert (client.mac_key + server.mac_key + client.key + server.key + client.iv + server.iv) == block
