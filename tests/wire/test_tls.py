"""Conversations between two OpenSSL ends, as an onlooker with and without their key log hears them."""

from __future__ import annotations

import ssl
import subprocess
import sys

import pytest

from fieldkit.events import DecodeError, TlsAlert, TlsCertificates, TlsHello, TlsOpaque
from fieldkit.wire import tls
from fieldkit.wire.budget import Budget
from fieldkit.wire.tls import MAX_HELD_BYTES, MAX_SEEK_BYTES, TlsLayer
from fieldkit.wire.tlskeys import KeyLog, next_secret, suite
from fieldkit.wire.tlsprotection import (
    COUNT_LOST,
    NO_CLIENT_HELLO,
    NO_CRYPTOGRAPHY,
    NO_KEY_LOG,
    NOT_IN_KEY_LOG,
    WRONG_SECRET,
)
from tests.traffic.tlstalk import (
    CHAT,
    NO_ENCRYPT_THEN_MAC,
    Talk,
    certificate,
    connection,
    contexts,
    listen,
    listener,
    talk,
)
from tests.wire.test_tlscipher import Seal, sealer_tls13
from tests.wire.test_tlshello import client_hello, server_hello, vector
from tests.wire.test_tlskeys import tls_suite


def record(kind: int, fragment: bytes, minor: int = 3) -> bytes:
    return bytes((kind, 3, minor)) + vector(2, fragment)


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + vector(3, body)


def secret_of(spoken: Talk, label: str) -> bytes:
    line = next(line for line in spoken.keylog.splitlines() if line.startswith(label + " "))
    return bytes.fromhex(line.split()[2])


def without(keylog: str, *labels: str) -> str:
    return "\n".join(line for line in keylog.splitlines() if not line.startswith(labels))


# -------------------------------------------------------------------------------------------------------- decrypting


SUITES_TLS12 = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "ecdsa"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "rsa"),
    ("AES128-GCM-SHA256", "rsa"),
    ("AES256-GCM-SHA384", "rsa"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "ecdsa"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "rsa"),
    ("ECDHE-ECDSA-AES128-SHA", "ecdsa"),
    ("ECDHE-ECDSA-AES128-SHA256", "ecdsa"),
    ("ECDHE-RSA-AES256-SHA384", "rsa"),
    ("AES128-SHA", "rsa"),
    ("AES256-SHA256", "rsa"),
    ("ECDHE-ECDSA-AES128-CCM", "ecdsa"),
    ("ECDHE-ECDSA-AES256-CCM", "ecdsa"),
    ("ECDHE-ECDSA-AES128-CCM8", "ecdsa"),
    ("AES256-CCM8", "rsa"),
]


@pytest.mark.parametrize(("cipher", "kind"), SUITES_TLS12)
def test_tls12_is_decrypted(cipher: str, kind: str) -> None:
    spoken = talk(contexts("1.2", cipher, kind))

    heard = listen(spoken.flights, spoken.keylog)

    assert spoken.suite == cipher
    assert heard.plain == list(CHAT)
    assert [hello.from_client for hello in heard.of(TlsHello)] == [True, False]
    assert heard.of(TlsHello)[1].version == 0x0303
    assert [chain.chain for chain in heard.of(TlsCertificates)] == [(certificate(kind),)]
    assert [alert.name for alert in heard.of(TlsAlert)] == ["close_notify", "close_notify"]
    assert heard.of(DecodeError) == []
    assert heard.of(TlsOpaque) == []


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384"])
def test_cbc_is_decrypted_also_when_the_mac_is_inside(cipher: str) -> None:
    spoken = talk(contexts("1.2", cipher, options=NO_ENCRYPT_THEN_MAC))

    heard = listen(spoken.flights, spoken.keylog)

    assert 22 not in heard.of(TlsHello)[1].extensions
    assert heard.plain == list(CHAT)


@pytest.mark.parametrize("cipher", ["NULL-SHA256:@SECLEVEL=0", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0"])
def test_what_is_not_encrypted_needs_no_key_log(cipher: str) -> None:
    spoken = talk(contexts("1.2", cipher, "rsa"))

    heard = listen(spoken.flights)

    assert heard.plain == list(CHAT)
    assert heard.of(TlsOpaque) == []


def test_tls13_is_decrypted_with_certificates_and_alerts() -> None:
    spoken = talk(contexts("1.3"))

    heard = listen(spoken.flights, spoken.keylog)

    assert heard.plain == list(CHAT)
    client, server = heard.of(TlsHello)
    assert (client.version, client.server_name) == (0x0304, "csms.example")
    assert (server.version, server.versions) == (0x0304, (0x0304,))
    assert suite(server.suites[0]) is not None
    assert server.groups == (29,)
    assert [(chain.from_client, chain.chain) for chain in heard.of(TlsCertificates)] == [(False, (certificate(),))]
    assert [(alert.name, alert.fatal) for alert in heard.of(TlsAlert)] == [("close_notify", False)] * 2
    assert heard.of(DecodeError) == []


def test_large_messages_take_several_records() -> None:
    large = [(True, b"x" * 50_000), (False, b"y" * 16_384)]
    spoken = talk(contexts("1.3"), large)

    heard = listen(spoken.flights, spoken.keylog)

    assert heard.plain_of(True) == large[0][1]
    assert heard.plain_of(False) == large[1][1]
    assert len(heard.plain) == 5


# --------------------------------------------------------------------------------------------------------- handshakes


def test_mutual_tls_shows_both_chains_in_tls12_without_any_secret() -> None:
    spoken = talk(contexts("1.2", mutual=True))

    heard = listen(spoken.flights)

    assert [(chain.from_client, chain.chain) for chain in heard.of(TlsCertificates)] == [
        (False, (certificate(),)),
        (True, (certificate(),)),
    ]


def test_mutual_tls_shows_both_chains_in_tls13_with_the_key_log() -> None:
    spoken = talk(contexts("1.3", mutual=True))

    heard = listen(spoken.flights, spoken.keylog)

    assert [chain.from_client for chain in heard.of(TlsCertificates)] == [False, True]
    assert heard.plain == list(CHAT)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_station_without_certificate_is_seen_to_have_none(version: str) -> None:
    settings = contexts(version)
    settings[1].verify_mode = ssl.CERT_REQUIRED
    spoken = talk(settings)

    heard = listen(spoken.flights, spoken.keylog)

    assert [(chain.from_client, chain.chain) for chain in heard.of(TlsCertificates)][1] == (True, ())
    refusal = heard.of(TlsAlert)[0]
    assert (refusal.from_client, refusal.fatal) == (False, True)
    assert refusal.name == ("certificate_required" if version == "1.3" else "handshake_failure")


@pytest.mark.parametrize(("version", "options"), [("1.2", 0), ("1.2", ssl.OP_NO_TICKET), ("1.3", 0)])
def test_a_resumed_session_is_decrypted_and_called_resumed(version: str, options: int) -> None:
    settings = contexts(version, options=options)
    first = talk(settings)
    second = talk(settings, session=first.session)

    heard = listen(second.flights, second.keylog)

    assert second.reused
    assert [hello.resumed for hello in heard.of(TlsHello)] == [False, True]
    assert [hello.resumed for hello in listen(first.flights, first.keylog).of(TlsHello)] == [False, False]
    assert heard.of(TlsCertificates) == []
    assert heard.plain == list(CHAT)


def test_a_hello_retry_request_is_a_hello_and_the_handshake_goes_on() -> None:
    settings = contexts("1.3")
    settings[1].set_ecdh_curve("secp384r1")
    spoken = talk(settings)

    heard = listen(spoken.flights, spoken.keylog)

    assert [hello.from_client for hello in heard.of(TlsHello)] == [True, False, True, False]
    assert [hello.retry for hello in heard.of(TlsHello)] == [False, True, False, False]
    assert [hello.groups for hello in heard.of(TlsHello)][1] == (24,)
    assert heard.plain == list(CHAT)


def test_a_failing_handshake_shows_its_alert_in_clear() -> None:
    client, _ = contexts("1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    _, server = contexts("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    spoken = talk((client, server))

    heard = listen(spoken.flights)

    [alert] = heard.of(TlsAlert)
    assert (alert.from_client, alert.fatal, alert.description, alert.name) == (False, True, 40, "handshake_failure")


def test_a_version_mismatch_shows_its_alert_in_clear() -> None:
    spoken = talk((contexts("1.2")[0], contexts("1.3")[1]))

    [alert] = listen(spoken.flights).of(TlsAlert)

    assert alert.name == "protocol_version"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_station_that_lacks_the_root_says_unknown_ca(version: str) -> None:
    settings = contexts(version)
    settings[0].verify_mode = ssl.CERT_REQUIRED
    spoken = talk(settings)

    heard = listen(spoken.flights, spoken.keylog)

    [alert] = [alert for alert in heard.of(TlsAlert) if alert.from_client]
    assert (alert.fatal, alert.name) == (True, "unknown_ca")


# ------------------------------------------------------------------------------------------------------------ opaque


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_key_log_what_is_in_clear_is_told_and_then_why_not_more(version: str) -> None:
    spoken = talk(contexts(version))

    heard = listen(spoken.flights)

    [opaque] = heard.of(TlsOpaque)
    assert opaque.reason == NO_KEY_LOG
    assert len(heard.of(TlsHello)) == 2
    assert len(heard.of(TlsCertificates)) == (version == "1.2")
    assert heard.plain == []
    assert heard.layer.boring


def test_a_key_log_of_other_connections_is_told_apart_from_none() -> None:
    spoken, other = talk(contexts("1.3")), talk(contexts("1.3"))

    [opaque] = listen(spoken.flights, other.keylog).of(TlsOpaque)

    assert opaque.reason == NOT_IN_KEY_LOG


@pytest.mark.parametrize(("version", "cipher"), [("1.2", "ECDHE-ECDSA-AES128-SHA"), ("1.2", ""), ("1.3", "")])
def test_a_wrong_secret_is_noticed(version: str, cipher: str) -> None:
    spoken = talk(contexts(version, cipher))
    lines = [line[:-4] + ("0000" if line[-4:] != "0000" else "1111") for line in spoken.keylog.splitlines()]

    heard = listen(spoken.flights, "\n".join(lines))

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [WRONG_SECRET]
    assert heard.plain == []
    assert heard.layer.boring


@pytest.mark.parametrize("cipher", ["ECDHE-RSA-CAMELLIA128-SHA256", "ECDHE-ARIA128-GCM-SHA256"])
def test_a_suite_that_is_not_supported_is_named(cipher: str) -> None:
    spoken = talk(contexts("1.2", cipher, "rsa"))
    if spoken.failure:
        pytest.skip(f"this OpenSSL does not speak {cipher}")

    [opaque] = listen(spoken.flights, spoken.keylog).of(TlsOpaque)

    assert opaque.reason.startswith("suite not supported: TLS_ECDHE_RSA_WITH_")


def test_without_cryptography_the_handshake_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = talk(contexts("1.2"))
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

    heard = listen(spoken.flights, spoken.keylog)

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [NO_CRYPTOGRAPHY]
    assert len(heard.of(TlsCertificates)) == 1


def test_the_module_can_be_imported_without_cryptography() -> None:
    code = "import sys, fieldkit.wire.tls; print([name for name in sys.modules if name.startswith('cryptography')])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("first", ["application data", "middle of a record", "finished"])
def test_a_connection_joined_midway_is_opaque_and_boring(version: str, first: str) -> None:
    spoken = talk(contexts(version))
    records = spoken.records
    start = next(at for at, (_, data) in enumerate(records) if data[0] == 23)
    if first == "finished":
        start = max(at for at, (_, data) in enumerate(records) if data[0] in (20, 22)) + (version == "1.3")
    flights = records[start:]
    if first == "middle of a record":
        flights = [(flights[0][0], flights[0][1][7:]), *flights[1:]]

    heard = listen(flights, spoken.keylog, joined_midstream=True)

    assert [type(event) for event in heard.events] == [TlsOpaque]
    assert heard.of(TlsOpaque)[0].reason == tls.MIDSTREAM
    assert heard.layer.boring


def test_missing_syn_but_complete_hello_is_not_midstream() -> None:
    spoken = talk(contexts("1.3"))

    heard = listen(spoken.flights, spoken.keylog, joined_midstream=True)

    assert heard.plain == list(CHAT)


# ---------------------------------------------------------------------------------------------------------- evidence


def test_a_record_over_several_segments_names_them_all_and_the_time_of_the_last() -> None:
    spoken = talk(contexts("1.3"), [(True, b"x" * 300)], close=False)
    heard = listener(spoken.keylog)
    after = heard.feed(spoken.flights[:-1])
    data = spoken.flights[-1][1]

    for number in range(3):
        heard.layer.feed(True, data[number * 120 : (number + 1) * 120], 5000 + number, (after + number,))

    assert heard.plain == [(True, b"x" * 300)]
    assert heard.evidence == [(5002, (after, after + 1, after + 2))]


def test_several_records_in_a_segment_share_its_evidence() -> None:
    spoken = talk(contexts("1.3"), [(True, b"one"), (True, b"two"), (True, b"three")], close=False)
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-3])
    one, two, three = (data for _, data in spoken.flights[-3:])

    heard.layer.feed(True, one + two[:5], 7, (70,))
    heard.layer.feed(True, two[5:] + three, 8, (80,))

    assert [data for _, data in heard.plain] == [b"one", b"two", b"three"]
    assert heard.evidence == [(7, (70,)), (8, (70, 80)), (8, (80,))]


def test_a_hello_over_several_records_and_segments_names_them_all() -> None:
    hello = message(1, client_hello())
    data = record(22, hello[:10], 1) + record(22, hello[10:30], 1) + record(22, hello[30:], 1)
    heard = listener()

    heard.layer.feed(True, data[:12], 1, (1,))
    heard.layer.feed(True, data[12:40], 2, (2,))
    heard.layer.feed(True, data[40:], 3, (3, 4))

    [event] = heard.of(TlsHello)
    assert (event.time, event.frames) == (3, (1, 2, 3, 4))
    assert event.suites == (0x1301, 0xC02B)


# ------------------------------------------------------------------------------------------------- secrets come late


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_records_wait_for_their_secrets_and_keep_their_order_and_evidence(version: str) -> None:
    spoken = talk(contexts(version), close=False)
    at_once = listen(spoken.flights, spoken.keylog)
    secrets = KeyLog()
    heard = listener(secrets)
    heard.feed(spoken.flights[:-1])
    assert heard.plain == []
    assert heard.of(TlsOpaque) == []

    secrets.add(spoken.keylog)
    heard.feed(spoken.flights[-1:], len(spoken.flights))

    assert heard.plain == list(CHAT)
    assert heard.evidence == at_once.evidence
    assert heard.events == at_once.events


def test_secrets_may_come_one_by_one() -> None:
    spoken = talk(contexts("1.3", mutual=True))
    at_once = listen(spoken.flights, spoken.keylog)
    lines = spoken.keylog.splitlines()
    secrets = KeyLog()
    heard = listener(secrets)

    frame = 1
    for number, flight in enumerate(spoken.flights):
        frame = heard.feed([flight], frame)
        secrets.add("\n".join(lines[: number + 1]))
    heard.layer.finish(0, ())

    assert heard.plain == list(CHAT)
    assert len(heard.events) == len(at_once.events)
    assert heard.of(TlsOpaque) == []


def test_secrets_of_others_make_no_difference() -> None:
    spoken, other = talk(contexts("1.3"), close=False), talk(contexts("1.3"))
    secrets = KeyLog()
    heard = listener(secrets)
    heard.feed(spoken.flights[:-2])

    secrets.add(other.keylog)
    heard.feed(spoken.flights[-2:-1])
    assert heard.plain == []
    secrets.add(spoken.keylog)
    heard.feed(spoken.flights[-1:])

    assert heard.plain == list(CHAT)


def test_secrets_that_come_with_the_end_are_in_time() -> None:
    spoken = talk(contexts("1.3"))
    secrets = KeyLog()
    heard = listener(secrets)
    heard.feed(spoken.flights)

    secrets.add(spoken.keylog)
    heard.layer.finish(0, ())

    assert heard.plain == list(CHAT)


def test_a_hole_among_waiting_records_keeps_its_place() -> None:
    spoken = talk(contexts("1.3"), [(True, b"%d" % number * 10) for number in range(6)], close=False)
    secrets = KeyLog()
    heard = listener(secrets)
    heard.feed(spoken.flights[:-4])

    heard.layer.gap(True, len(spoken.flights[-4][1]), 0, ())
    heard.feed(spoken.flights[-3:])
    secrets.add(spoken.keylog)
    heard.layer.finish(0, ())

    assert [data[:1] for _, data in heard.plain] == [b"0", b"1", b"3", b"4", b"5"]
    assert heard.gaps == [(True, 10, 2)]


def test_secrets_that_never_come_are_given_up_at_the_end() -> None:
    spoken = talk(contexts("1.3"))
    budget = Budget()
    heard = listener(KeyLog())
    layer = TlsLayer(connection(), heard.events.append, KeyLog(), lambda *_: None, budget=budget)
    for number, (from_client, data) in enumerate(spoken.flights):
        layer.feed(from_client, data, number, (number,))
    assert budget.used > 0

    layer.finish(99, ())

    [opaque] = heard.of(TlsOpaque)
    assert (opaque.reason, opaque.frames) == (NO_KEY_LOG, (1,))
    assert budget.used == 0
    assert layer.boring


def test_no_more_is_held_back_than_allowed() -> None:
    chunk = (False, b"x" * 10_000)
    spoken = talk(contexts("1.3"), [chunk] * (MAX_HELD_BYTES // 10_000 + 2), close=False)
    heard = listener(KeyLog())

    heard.feed(spoken.flights)

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [NO_KEY_LOG]
    assert heard.layer.boring


@pytest.mark.parametrize("missing", [("SERVER_TRAFFIC",), ("SERVER_TRAFFIC", "CLIENT_TRAFFIC")])
def test_a_side_that_is_queued_behind_the_other_does_not_wait_forever(missing: tuple[str, ...]) -> None:
    chunk = (True, b"x" * 10_000)
    spoken = talk(contexts("1.3"), [chunk] * (MAX_HELD_BYTES // 10_000 + 2), close=False)
    secrets = KeyLog()
    secrets.add(without(spoken.keylog, *missing))
    heard = listener(secrets)

    heard.feed(spoken.flights)
    heard.layer.finish(0, ())

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [
        "the key log has no SERVER_TRAFFIC_SECRET_0 for this connection"
    ]
    assert heard.plain == ([] if "CLIENT_TRAFFIC" in missing else spoken.said)
    assert heard.layer.boring == ("CLIENT_TRAFFIC" in missing)


def test_a_connection_that_nobody_wants_gives_back_what_it_held() -> None:
    budget = Budget()
    layer = TlsLayer(connection(), lambda _: None, KeyLog(), lambda *_: None, budget=budget)
    for from_client, data in talk(contexts("1.3")).flights:
        layer.feed(from_client, data, 0, ())
    assert budget.used > 0

    layer.let_go()

    assert budget.used == 0


def test_all_connections_share_one_budget() -> None:
    spoken = talk(contexts("1.3"))
    budget = Budget(limit=3000)
    events: list[object] = []
    layers = [TlsLayer(connection(), events.append, KeyLog(), lambda *_: None, budget=budget) for _ in range(10)]

    for layer in layers:
        for from_client, data in spoken.flights:
            layer.feed(from_client, data, 0, ())

    assert budget.used <= 3000
    assert sum(isinstance(event, TlsOpaque) for event in events) >= 8


def test_the_sides_may_reach_the_capture_out_of_order() -> None:
    spoken = talk(contexts("1.2"))
    client = [flight for flight in spoken.flights if flight[0]]
    server = [flight for flight in spoken.flights if not flight[0]]

    for order in (client + server, server + client):
        heard = listen(order, spoken.keylog)
        assert sorted(heard.plain) == sorted(CHAT)
        assert heard.of(TlsOpaque) == []


def test_tls13_sides_may_reach_the_capture_out_of_order() -> None:
    spoken = talk(contexts("1.3"))
    client = [flight for flight in spoken.flights if flight[0]]
    server = [flight for flight in spoken.flights if not flight[0]]

    for order in (client + server, server + client):
        heard = listen(order, spoken.keylog)
        assert sorted(heard.plain) == sorted(CHAT)
        assert heard.of(TlsOpaque) == []


# ----------------------------------------------------------------------------------------------- details of TLS 1.3


def spoken_and_sealer() -> tuple[Talk, Seal, bytes]:
    """A handshake after which nothing was said, and the means to say more in the client's name."""
    spoken = talk(contexts("1.3"), [], close=False)
    secret = secret_of(spoken, "CLIENT_TRAFFIC_SECRET_0")
    return spoken, sealer_tls13(tls_suite(0x1302), secret), secret


def test_padding_and_empty_records_leave_no_trace() -> None:
    spoken, _, secret = spoken_and_sealer()
    padded = sealer_tls13(tls_suite(0x1302), secret, padding=77)
    sent = [b"".join(padded(0, 23, b"one")), b"".join(padded(1, 23, b"")), b"".join(padded(2, 23, b"two"))]

    heard = listen([*spoken.flights, *((True, data) for data in sent)], spoken.keylog)

    assert heard.plain == [(True, b"one"), (True, b"two")]
    assert heard.of(DecodeError) == []


def test_key_updates_change_the_key_of_their_side() -> None:
    spoken, seal, secret = spoken_and_sealer()
    later = sealer_tls13(tls_suite(0x1302), next_secret(tls_suite(0x1302), secret))
    sent = [seal(0, 23, b"one"), seal(1, 22, message(24, b"\1")), later(0, 23, b"two"), later(1, 23, b"three")]

    heard = listen([*spoken.flights, *((True, b"".join(data)) for data in sent)], spoken.keylog)

    assert [data for _, data in heard.plain] == [b"one", b"two", b"three"]


def test_change_cipher_spec_and_clear_alerts_do_not_count() -> None:
    spoken, seal, _ = spoken_and_sealer()
    sent = [b"".join(seal(0, 23, b"one")), record(20, b"\1"), record(21, b"\2\x2f"), b"".join(seal(1, 23, b"two"))]

    heard = listen([*spoken.flights, *((True, data) for data in sent)], spoken.keylog)

    assert [data for _, data in heard.plain] == [b"one", b"two"]
    assert [alert.name for alert in heard.of(TlsAlert)] == ["illegal_parameter"]


def test_what_tls13_does_not_have_is_an_error_and_passed_over() -> None:
    spoken, seal, _ = spoken_and_sealer()
    sent = [
        b"".join(seal(0, 0, b"")),
        b"".join(seal(1, 99, b"?")),
        record(22, b"\1\0\0\0"),
        b"".join(seal(2, 22, b"\xee\0\0\0")),
        b"".join(seal(3, 22, message(24, b"\1") + b"more")),
    ]

    heard = listen([*spoken.flights, *((True, data) for data in sent)], spoken.keylog)

    assert [error.reason for error in heard.of(DecodeError)] == [
        "an encrypted TLS record of type 0, which there is not",
        "an encrypted TLS record of type 99, which there is not",
        "a record of type 22, which TLS 1.3 encrypts, in clear",
        "a TLS handshake message of type 238, which there is not",
        "handshake data in front of a change of keys",
    ]


def test_a_key_log_without_handshake_secrets_still_shows_what_is_said() -> None:
    spoken = talk(contexts("1.3"))

    heard = listen(spoken.flights, without(spoken.keylog, "CLIENT_HANDSHAKE", "SERVER_HANDSHAKE"))

    assert heard.plain == list(CHAT)
    assert heard.of(TlsCertificates) == []
    assert {error.reason.split()[-4] for error in heard.of(DecodeError)} == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    }


def test_a_key_log_of_one_side_shows_that_side() -> None:
    spoken = talk(contexts("1.3"))

    heard = listen(spoken.flights, without(spoken.keylog, "CLIENT_TRAFFIC_SECRET_0"))

    assert heard.plain == [said for said in CHAT if not said[0]]
    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [
        "the key log has no CLIENT_TRAFFIC_SECRET_0 for this connection"
    ]
    assert not heard.layer.boring


# ------------------------------------------------------------------------------------------------------------- holes


LINES = [(number % 3 > 0, b"message number %d." % number * (number % 5 + 1)) for number in range(24)]


@pytest.mark.parametrize(
    ("version", "cipher"),
    [("1.3", ""), ("1.2", ""), ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"), ("1.2", "ECDHE-ECDSA-AES128-CCM8")],
)
@pytest.mark.parametrize("first", [0, 1, 7])
def test_behind_lost_records_decryption_goes_on(version: str, cipher: str, first: int) -> None:
    spoken = talk(contexts(version, cipher), LINES, close=False)
    handshake = len(spoken.flights) - len(LINES)
    lost = [said for said in LINES[first : first + 9] if said[0]]
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[: handshake + first])

    heard.layer.gap(True, sum(len(data) for side, data in spoken.flights[handshake + first :][:9] if side), 0, ())
    heard.feed([flight for flight in spoken.flights[handshake + first :][:9] if not flight[0]])
    heard.feed(spoken.flights[handshake + first + 9 :])

    assert heard.plain == [*LINES[:first], *(said for said in LINES[first:][:9] if not said[0]), *LINES[first + 9 :]]
    assert [missing for _, missing, _ in heard.gaps] == [sum(len(data) for _, data in lost)]
    assert heard.of(DecodeError) == []


@pytest.mark.parametrize("options", [0, NO_ENCRYPT_THEN_MAC])
def test_cbc_goes_on_too_but_its_padding_blurs_how_much_is_missing(options: int) -> None:
    spoken = talk(contexts("1.2", "ECDHE-ECDSA-AES128-SHA256", options=options), LINES, close=False)
    handshake = len(spoken.flights) - len(LINES)
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[: handshake + 1])

    heard.layer.gap(True, len(spoken.flights[handshake + 1][1]), 0, ())
    heard.feed(spoken.flights[handshake + 2 :])

    assert heard.plain == [LINES[0], *LINES[2:]]
    [(_, missing, _)] = heard.gaps
    assert len(LINES[1][1]) <= missing <= len(LINES[1][1]) + 16


def test_a_hole_inside_a_record_leaves_the_next_one_in_its_place() -> None:
    spoken = talk(contexts("1.3"), [(True, b"x" * 1000), (True, b"next")], close=False)
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-2])
    torn = spoken.flights[-2][1]

    heard.layer.feed(True, torn[:100], 0, (90,))
    heard.layer.gap(True, 300, 0, (91,))
    heard.layer.feed(True, torn[400:450], 0, (92,))
    heard.layer.gap(True, 50, 0, (93,))
    heard.layer.feed(True, torn[500:] + spoken.flights[-1][1], 0, (94,))

    assert heard.plain == [(True, b"next")]
    assert heard.gaps == [(True, 1000, 0)]
    [error] = heard.of(DecodeError)
    assert error.reason == "bytes of this TLS record are missing in the capture"
    assert (error.data, error.lost) == (torn[:64], len(torn) - 300)


def test_the_rest_of_a_torn_record_is_passed_over() -> None:
    spoken = talk(contexts("1.3"), [(True, b"x" * 1000), (True, b"next")], close=False)
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-2])
    torn = spoken.flights[-2][1]

    heard.layer.gap(True, 300, 0, (91,))
    heard.layer.feed(True, torn[300:] + spoken.flights[-1][1], 0, (94,))

    assert heard.plain == [(True, b"next")]
    assert heard.gaps == [(True, 1000, 0)]
    [error] = heard.of(DecodeError)
    assert error.reason == "the rest of a TLS record whose beginning is missing in the capture"
    assert (error.data, error.lost) == (torn[300:364], len(torn) - 300)


def test_a_hole_that_swallows_the_end_of_a_tls13_handshake() -> None:
    spoken = talk(contexts("1.3"), close=False)
    records = spoken.records
    first = next(at for at, (side, data) in enumerate(records) if not side and data[0] == 23)
    heard = listener(spoken.keylog)
    heard.feed(records[:first])

    flight = [data for side, data in records[first:] if not side]
    heard.layer.gap(False, len(b"".join(flight[:-1])), 0, ())
    heard.feed([flight for flight in records[first:] if flight[0]])
    heard.feed([(False, flight[-1])])

    assert sorted(heard.plain) == sorted([CHAT[0], CHAT[2], CHAT[3]])
    assert heard.of(TlsOpaque) == []


@pytest.mark.parametrize("cipher", ["", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
@pytest.mark.parametrize("side", [True, False])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_hole_that_swallows_the_change_to_encryption_in_tls12(cipher: str, side: bool, kept: int) -> None:
    """With its ChangeCipherSpec a side loses the sign that it encrypts; the Finished message may be lost as well."""
    spoken = talk(contexts("1.2", cipher), close=False)
    records = spoken.records
    change = next(at for at, (who, data) in enumerate(records) if who is side and data[0] == 20)
    finished = change + 1
    stop = finished if kept else finished + 1
    heard = listener(spoken.keylog)
    heard.feed(records[:change])

    heard.layer.gap(side, sum(len(data) for who, data in records[change:stop] if who is side), 0, ())
    heard.feed([flight for at, flight in enumerate(records) if at >= change and (flight[0] is not side or at >= stop)])

    assert heard.plain == list(CHAT)
    assert heard.gaps == []
    assert heard.of(DecodeError) == []


def test_a_hole_in_the_clear_part_of_a_handshake_costs_just_what_was_in_it() -> None:
    spoken = talk(contexts("1.2"), close=False)
    heard = listener(spoken.keylog)
    lost = next(at for at, (side, data) in enumerate(spoken.records) if not side and data[5] == 11)

    for at, (side, data) in enumerate(spoken.records):
        if at == lost:
            heard.layer.gap(side, len(data), 0, ())
        else:
            heard.layer.feed(side, data, 0, ())

    assert heard.of(TlsCertificates) == []
    assert heard.plain == list(CHAT)


def test_a_change_to_encryption_that_was_missed_altogether_is_given_up() -> None:
    heard = listener()
    heard.layer.feed(True, record(22, message(1, client_hello()), 1), 0, (1,))
    heard.layer.feed(False, record(22, message(2, server_hello())), 0, (2,))
    heard.layer.gap(True, 100, 0, (3,))
    heard.layer.feed(True, record(22, message(16, b"in clear again")), 0, (4,))

    heard.layer.feed(True, record(23, bytes(40)), 0, (5,))

    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [COUNT_LOST]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_a_hello_nothing_can_be_decrypted(version: str) -> None:
    spoken = talk(contexts(version))
    records = spoken.records
    hellos = [next(at for at, (side, _) in enumerate(records) if side is who) for who in (True, False)]

    reasons = []
    for lost in hellos:
        heard = listener(spoken.keylog)
        for at, (side, data) in enumerate(records):
            if at == lost:
                heard.layer.gap(side, len(data), 0, ())
            else:
                heard.layer.feed(side, data, 0, ())
        heard.layer.finish(0, ())
        reasons += [opaque.reason for opaque in heard.of(TlsOpaque)]
        assert heard.plain == []
        assert heard.layer.boring

    assert reasons == [NO_CLIENT_HELLO, tls.NO_SERVER_HELLO]


def test_a_damaged_record_is_an_error_and_the_next_one_opens() -> None:
    spoken = talk(contexts("1.3"), [(True, b"one"), (True, b"damaged"), (True, b"three")], close=False)
    flights = list(spoken.flights)
    damaged = bytearray(flights[-2][1])
    damaged[20] ^= 1
    flights[-2] = (True, bytes(damaged))

    heard = listen(flights, spoken.keylog)

    assert [data for _, data in heard.plain] == [b"one", b"three"]
    assert heard.gaps == [(True, len(b"damaged"), 1)]
    [error] = heard.of(DecodeError)
    assert error.lost == len(damaged)


# --------------------------------------------------------------------------------------------------------- malformed


def test_bytes_that_are_no_record_are_an_error_and_the_next_record_is_found() -> None:
    spoken = talk(contexts("1.3"), [(True, b"one"), (True, b"two")], close=False)
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-1])

    heard.layer.feed(True, b"GARBAGE\x17\x03\x04" + spoken.flights[-1][1], 5, (55,))

    assert [data for _, data in heard.plain] == [b"one", b"two"]
    [error] = heard.of(DecodeError)
    assert error.reason == "no TLS record begins with 47 41 52 42 41"
    assert (error.layer, error.time, error.frames) == ("tls", 5, (55,))
    assert (error.data, error.lost) == (b"GARBAGE\x17\x03\x04", 10)


def test_headers_that_cannot_be_are_not_believed_while_searching() -> None:
    spoken = talk(contexts("1.3"), [(True, b"one")], close=False)
    false = b"\x17\x03\x03\0\0" + b"\x17\x03\x03\x48\x01" + b"\x15\x03\x03\0\x02" + b"\x17\x03\x01\0\x80"
    heard = listener(spoken.keylog)
    heard.feed(spoken.flights[:-1])

    heard.layer.feed(True, b"GARBAGE" + false + spoken.flights[-1][1], 5, (55,))

    assert heard.plain == [(True, b"one")]
    assert [error.lost for error in heard.of(DecodeError)] == [len(b"GARBAGE" + false)]


def test_the_search_for_a_record_has_an_end() -> None:
    heard = listener()
    heard.layer.feed(True, record(22, message(1, client_hello()), 1), 0, (1,))

    for number in range(MAX_SEEK_BYTES // 1000 + 2):
        heard.layer.feed(True, bytes(1000), number, (number,))

    [error] = heard.of(DecodeError)
    assert (error.lost, error.data) == (MAX_SEEK_BYTES, bytes(64))
    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [tls.NO_RECORDS]


def test_a_record_that_never_ends_is_told_at_the_end() -> None:
    heard = listener()
    heard.layer.feed(True, b"\x16\x03\x01\x01\x00abc", 3, (3,))

    heard.layer.finish(9, ())

    [error] = heard.of(DecodeError)
    assert error.reason == "the connection ended in the middle of a TLS record"
    assert (error.frames, error.lost) == ((3,), 8)


def test_a_message_that_never_ends_is_told_at_the_end() -> None:
    heard = listener()
    heard.layer.feed(True, record(22, b"\x01\x00\x10\x00abc", 1), 3, (3,))

    heard.layer.finish(9, ())

    [error] = heard.of(DecodeError)
    assert error.reason == "the connection ended in the middle of a TLS handshake message"
    assert (error.frames, error.lost) == ((3,), 7)


def test_plain_http_behind_a_tls_hello_is_named() -> None:
    heard = listener()
    heard.layer.feed(True, record(22, message(1, client_hello()), 1), 0, (1,))

    heard.layer.feed(False, b"HTTP/1.1 400 Bad Request\r\n\r\n", 1, (2,))

    [error] = heard.of(DecodeError)
    assert error.reason == "the server answers the TLS hello in plain HTTP: it speaks no TLS"
    assert heard.layer.boring


def test_an_ssl2_hello_is_named_and_the_server_is_still_heard() -> None:
    body = b"\x01\x03\x01\x00\x03\x00\x00\x00\x10\x00\x00\x2f" + bytes(16)
    spoken = talk(contexts("1.2"))
    heard = listener(spoken.keylog)

    heard.layer.feed(True, bytes((0x80, len(body))) + body, 0, (1,))
    heard.feed([flight for flight in spoken.flights if not flight[0]])

    [error] = heard.of(DecodeError)
    assert error.reason == "an SSL 2.0 client hello that offers TLS 1.0"
    assert error.lost == len(body) + 2
    assert len(heard.of(TlsCertificates)) == 1
    assert [opaque.reason for opaque in heard.of(TlsOpaque)] == [tls.SSL2_HELLO]


def test_a_handshake_message_beyond_all_bounds_is_skipped() -> None:
    size = (128 << 10) + 1
    huge = message(11, bytes(size)) + message(1, client_hello())
    records = b"".join(record(22, huge[at : at + 16000]) for at in range(0, len(huge), 16000))
    heard = listener()

    heard.layer.feed(True, records, 0, (1,))

    [error] = heard.of(DecodeError)
    assert error.reason == f"a TLS handshake message of {size} bytes"
    assert len(heard.of(TlsHello)) == 1


@pytest.mark.parametrize(
    ("from_client", "sent", "reason"),
    [
        (
            True,
            message(1, b"\3\3short"),
            "something is wrong with the client hello: its version and random cannot be read",
        ),
        (True, message(1, client_hello(b"\0\x0a\0\0")), "something is wrong with the client hello: its extension 10"),
        (False, message(2, b"\3\3"), "something is wrong with the server hello: its version and random cannot be read"),
        (False, message(1, client_hello()), "a TLS hello from the wrong side, the server"),
        (False, message(11, b"\0\0\5\0\0\4ab"), "something is wrong with the server's certificate chain"),
        (False, message(25, b"\0\1zzz"), "a compressed certificate chain, which is not unpacked"),
        (False, b"\xee\0\0\1x", "a TLS handshake message of type 238, which there is not"),
    ],
)
def test_malformed_messages_are_errors(from_client: bool, sent: bytes, reason: str) -> None:
    heard = listener()
    heard.layer.feed(True, record(22, message(1, client_hello()), 1), 0, (1,))

    heard.layer.feed(from_client, record(22, sent), 0, (2,))

    [error] = heard.of(DecodeError)
    assert error.reason.startswith(reason)


def test_encryption_without_any_keys_is_an_error() -> None:
    heard = listener()
    heard.layer.feed(True, record(22, message(1, client_hello()), 1), 0, (1,))
    heard.layer.feed(False, record(22, message(2, server_hello())), 0, (2,))

    heard.layer.feed(True, record(23, bytes(40)), 0, (3,))

    assert [error.reason for error in heard.of(DecodeError)] == ["encrypted before any keys were agreed on"]
