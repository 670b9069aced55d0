"""TLS from outside: failing handshakes, certificates that get refused, old versions; and whose TLS it is."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    Endpoint,
    Event,
    HttpRequest,
    TlsAlert,
    TlsCertificates,
    TlsHello,
)
from fieldkit.pipeline import Pipeline
from fieldkit.session import Session as Diagnosis
from fieldkit.wire.pcap import PcapReader
from fieldkit.wire.tlskeys import KeyLog
from fieldkit.wire.tlsnames import alert_name
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events, found, the
from tests.traffic.scripts import boot_16
from tests.traffic.segments import SECOND, Clock, TcpTalk
from tests.traffic.taps import Tap
from tests.traffic.tlstalk import certificate, contexts, talk

DAY = 86_400 * SECOND
CSMS = ("203.0.113.5", 443)


def ids(diagnosis: Diagnosis, *severities: str) -> list[str]:
    return [id_ for id_ in found(diagnosis, *severities) if id_.startswith("tls.")]


# ------------------------------------------------------------------------------------------------------ real handshakes


def wire(flights: Iterable[tuple[bool, bytes]], *, start: int = MONDAY, server: tuple[str, int] = CSMS) -> TcpTalk:
    tcp = TcpTalk(Clock(start), ("192.168.7.20", 50_000), server)
    tcp.open()
    for from_client, data in flights:
        tcp.send(from_client, data)
    tcp.close(by_client=True)
    return tcp


def judged(*talks: TcpTalk | Session) -> Diagnosis:
    segments = merged(*(talk.segments for talk in talks))
    return diagnose_events(decode(write_pcap(Tap().packets(segments))).events)


def station(
    start: int = MONDAY, server: tuple[str, int] = ("203.0.113.77", 8080), client: str = "192.168.7.21"
) -> Session:
    session = Session("CP_7", "1.6", start=start, server=server, client=(client, 49_152))
    session.connect()
    session.upgrade()
    boot_16(session)
    session.close()
    return session


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_handshake_that_succeeds_is_no_finding(version: str) -> None:
    assert ids(judged(wire(talk(contexts(version)).flights))) == []


def distrusting() -> list[tuple[bool, bytes]]:
    client, server = contexts("1.2")
    client.verify_mode = 2  # type: ignore[assignment] # CERT_REQUIRED, with nothing to trust
    made = talk((client, server))
    assert made.failure
    return made.flights


def test_a_client_that_does_not_trust_the_server() -> None:
    finding = the(judged(wire(distrusting())), "tls.untrusted")
    assert finding.severity == "critical"
    assert '"unknown_ca" (48)' in finding.explanation()
    assert '"csms.example"' in finding.explanation()
    assert isinstance(finding.evidence[0], TlsAlert)


def test_no_common_version() -> None:
    flights = talk((contexts("1.2")[0], contexts("1.3")[1])).flights
    finding = the(judged(wire(flights)), "tls.version-mismatch")
    assert "The client offered TLS 1.2" in finding.explanation()


def test_a_station_without_the_certificate_that_the_csms_demands() -> None:
    flights = talk((contexts("1.2")[0], contexts("1.2", mutual=True)[1])).flights
    assert ids(judged(wire(flights))) == ["tls.client-cert-missing"]
    assert ids(judged(wire(talk(contexts("1.2", mutual=True)).flights))) == []


@pytest.mark.parametrize(("suites", "severity"), [(3, "critical"), (12, "info")])
def test_who_tries_out_what_a_server_accepts_fails_on_purpose(suites: int, severity: str) -> None:
    """``fieldkit tls`` beside a running capture; a station says the same hello each time, or a few."""
    events: list[Event] = []
    for number in range(12):
        line = Connection(number, Endpoint("192.168.7.20", 50_000 + number), Endpoint(*CSMS), MONDAY, False, "memory")
        said = dataclasses.replace(hello(from_client=True, suite=0xC023 + number % suites), connection=line)
        events += [
            ConnectionOpened(MONDAY, (1,), line),
            ConnectionRecognised(MONDAY, (2,), line, "tls"),
            said,
            TlsAlert(MONDAY, (3,), line, False, True, 40, alert_name(40)),
            ConnectionClosed(MONDAY, (4,), line, "fin", False),
        ]
    finding = the(diagnose_events(events), "tls.handshake-failure")
    assert finding.severity == severity
    assert "192.168.7.20:500" in finding.explanation()


def test_a_port_that_speaks_plain_http() -> None:
    hello = next(data for from_client, data in talk(contexts("1.2")).flights if from_client)
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    assert "tls.no-tls" in ids(judged(wire([(True, hello), (False, refusal)])))


def test_a_server_that_hangs_up_on_the_hello() -> None:
    hello = next(data for from_client, data in talk(contexts("1.2")).flights if from_client)
    tcp = TcpTalk(Clock(MONDAY), ("192.168.7.20", 50_000), CSMS)
    tcp.open()
    tcp.send(True, hello)
    tcp.reset(by_client=False)
    assert ids(judged(tcp)) == ["tls.handshake-reset"]


@pytest.mark.parametrize(("wait", "expected"), [(30, ["tls.handshake-timeout"]), (2, [])])
def test_a_server_that_never_answers_the_hello(wait: float, expected: list[str]) -> None:
    hello = next(data for from_client, data in talk(contexts("1.2")).flights if from_client)
    tcp = TcpTalk(Clock(MONDAY), ("192.168.7.20", 50_000), CSMS)
    tcp.open()
    tcp.send(True, hello)
    tcp.clock.wait(wait)
    tcp.close(by_client=True)
    assert ids(judged(tcp)) == expected


# ---------------------------------------------------------------------------------------------------------- whose it is


def test_a_failure_at_the_csms_is_critical() -> None:
    diagnosis = judged(wire(distrusting(), server=("203.0.113.77", 443)), station())
    assert the(diagnosis, "tls.untrusted").severity == "critical"


def test_a_failure_of_the_stations_host_elsewhere_is_information() -> None:
    diagnosis = judged(wire(distrusting()), station(client="192.168.7.20"))
    assert the(diagnosis, "tls.untrusted").severity == "info"


def test_somebody_elses_failure_beside_a_healthy_station_is_no_finding() -> None:
    assert ids(judged(wire(distrusting()), station())) == []


# ------------------------------------------------------------------------------------------------------- made of events

LINE = Connection(1, Endpoint("192.168.7.20", 50_000), Endpoint(*CSMS), MONDAY, False, "memory")


def hello(*, from_client: bool, version: int = 0x0303, suite: int = 0xC02B, name: str = "csms.example") -> TlsHello:
    return TlsHello(
        MONDAY, (2,), LINE, from_client, version, (version,), (suite,), (), (), (), (), name if from_client else "", (),
        False, False,
    )  # fmt: skip


def shaken(*more: Event, ocpp: bool = True, lasting: int = 50, **server: Any) -> Diagnosis:
    events: list[Event] = [
        ConnectionOpened(MONDAY, (1,), LINE),
        ConnectionRecognised(MONDAY, (2,), LINE, "tls"),
        hello(from_client=True, name=server.pop("name", "csms.example")),
        hello(from_client=False, **server),
        *more,
    ]
    if ocpp:
        headers = {"upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-protocol": "ocpp1.6"}
        events.append(HttpRequest(MONDAY, (8,), LINE, True, "GET", "/ocpp/CP_7", headers, None, b""))
    events.append(ConnectionClosed(MONDAY + lasting * SECOND, (9,), LINE, "fin", True))
    return diagnose_events(events)


@pytest.mark.parametrize(
    ("number", "from_client", "id_", "severity"),
    [
        (40, False, "tls.handshake-failure", "critical"),
        (42, True, "tls.cert-rejected", "critical"),
        (44, True, "tls.cert-revoked", "critical"),
        (45, True, "tls.cert-expired-alert", "critical"),
        (48, True, "tls.untrusted", "critical"),
        (70, False, "tls.version-mismatch", "critical"),
        (112, False, "tls.name-unknown", "critical"),
        (116, False, "tls.client-cert-missing", "critical"),
        (80, False, "tls.alert", "warning"),
    ],
)
def test_what_alerts_mean(number: int, from_client: bool, id_: str, severity: str) -> None:
    alert = TlsAlert(MONDAY, (5,), LINE, from_client, True, number, alert_name(number))
    diagnosis = shaken(alert)
    assert ids(diagnosis) == [id_]
    finding = the(diagnosis, id_)
    assert finding.severity == severity
    assert finding.first_seen.station == "CP_7"
    assert f"({number})" in finding.explanation()


@pytest.mark.parametrize("number", [0, 90, 100])
def test_alerts_of_good_order_are_no_finding(number: int) -> None:
    assert ids(shaken(TlsAlert(MONDAY, (5,), LINE, True, False, number, alert_name(number)))) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (0x0300, ["tls.sslv3-accepted"]),
        (0x0301, ["tls.tls1.0-accepted"]),
        (0x0302, ["tls.tls1.1-accepted"]),
        (0x0303, []),
    ],
)
def test_versions(version: int, expected: list[str]) -> None:
    assert ids(shaken(version=version)) == expected


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        (0x0005, ["tls.rc4-suite"]),
        (0x0003, ["tls.export-suite"]),
        (0x000A, ["tls.3des-suite"]),
        (0x003B, ["tls.null-suite"]),
        (0x0034, ["tls.anon-suite"]),
        (0x009C, []),
        (0xC02F, []),
    ],
)
def test_suites(suite: int, expected: list[str]) -> None:
    assert ids(shaken(suite=suite)) == expected


# --------------------------------------------------------------------------------------------------------- certificates


@cache
def key_of(kind: str) -> Any:
    sizes = {"rsa": 2048, "rsa1024": 1024}
    if kind in sizes:
        return rsa.generate_private_key(65537, sizes[kind])
    return ec.generate_private_key({"ec": ec.SECP256R1, "ec192": ec.SECP192R1}[kind]())


def issued(
    subject: str = "csms.example",
    issuer: str = "Test CA",
    *,
    begin: int = MONDAY - 300 * DAY,
    end: int = MONDAY + 300 * DAY,
    names: tuple[str, ...] = (),
    key: str = "ec",
    issuer_url: bool = False,
) -> bytes:
    def name(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    authority = subject.startswith("Test ")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key_of("rsa" if authority else key).public_key())
        .serial_number(7)
        .not_valid_before(epoch + datetime.timedelta(seconds=begin // SECOND))
        .not_valid_after(epoch + datetime.timedelta(seconds=end // SECOND))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    if issuer_url:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/ca.crt")
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), False)
    signed = builder.sign(key_of("rsa"), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def shown(*chain: bytes, **server: Any) -> list[str]:
    return ids(shaken(TlsCertificates(MONDAY, (3,), LINE, False, chain), **server))


def test_a_good_chain_is_no_finding() -> None:
    assert shown(issued(), issued("Test CA", "Test Root")) == []
    assert shown(certificate()) == [], "self-signed: private authorities are the rule"


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"end": MONDAY - SECOND}, ["tls.cert-expired"]),
        ({"end": MONDAY + SECOND}, ["tls.cert-expires-soon"]),
        ({"end": MONDAY + 31 * DAY}, []),
        ({"begin": MONDAY + SECOND}, ["tls.cert-not-yet-valid"]),
        ({"begin": MONDAY}, []),
        ({"begin": MONDAY - DAY // 2, "end": MONDAY + DAY // 2}, []),
    ],
)
def test_dates(dates: dict[str, int], expected: list[str]) -> None:
    assert shown(issued(**dates)) == expected  # type: ignore[arg-type]


def test_an_expired_certificate_says_when() -> None:
    diagnosis = shaken(TlsCertificates(MONDAY, (3,), LINE, False, (issued(end=MONDAY - 10 * DAY),)))
    finding = the(diagnosis, "tls.cert-expired")
    assert finding.severity == "critical"
    assert "2026-08-21" in finding.explanation()
    assert "2026-08-31" in finding.explanation()


def test_a_certificate_that_the_other_side_puts_up_with_is_a_warning() -> None:
    diagnosis = shaken(TlsCertificates(MONDAY, (3,), LINE, False, (issued(end=MONDAY - 10 * DAY),)), lasting=70)
    assert the(diagnosis, "tls.cert-expired").severity == "warning"


def test_soon_is_a_warning_in_the_last_week() -> None:
    for days, severity in ((20, "info"), (5, "warning")):
        diagnosis = shaken(TlsCertificates(MONDAY, (3,), LINE, False, (issued(end=MONDAY + days * DAY),)))
        assert the(diagnosis, "tls.cert-expires-soon").severity == severity


@pytest.mark.parametrize(
    ("names", "asked", "expected"),
    [
        (("csms.example",), "csms.example", []),
        (("*.csms.example",), "a.csms.example", []),
        (("*.example",), "csms.example", ["tls.hostname-mismatch"]),
        (("other.example",), "csms.example", ["tls.hostname-mismatch"]),
        (("other.example",), "", []),
        ((), "csms.example", []),
        ((), "ocpp.example", ["tls.hostname-mismatch"]),
    ],
)
def test_names(names: tuple[str, ...], asked: str, expected: list[str]) -> None:
    assert shown(issued(names=names), name=asked) == expected


def test_the_order_of_a_chain() -> None:
    leaf, middle, root = issued(), issued("Test CA", "Test Root"), issued("Test Root", "Test Root")
    assert shown(leaf, middle, root) == []
    assert shown(leaf, root, middle) == ["tls.chain-order"]


def test_an_expired_intermediate() -> None:
    old = MONDAY - DAY
    assert shown(issued(), issued("Test CA", "Test Root", end=old)) == ["tls.intermediate-expired"]
    assert shown(issued(), issued("Test CA", "Test CA", end=old)) == [], "a root that is sent along does not matter"


def test_keys_and_hashes() -> None:
    assert shown(issued(key="rsa1024")) == ["tls.rsa-key-too-short"]
    assert shown(issued(key="rsa")) == []
    assert shown(issued(key="ec192")) == ["tls.ec-key-too-short"]


def test_signatures() -> None:
    rsa_with = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # today's OpenSSL does not sign with SHA-1: say that it did
    der = issued()
    assert der.count(rsa_with + b"\x0b") == 2
    assert shown(der.replace(rsa_with + b"\x0b", rsa_with + b"\x05")) == ["tls.sha1-signature"]
    assert shown(der.replace(rsa_with + b"\x0b", rsa_with + b"\x0c")) == [], "SHA-384"


def test_a_chain_that_lacks_its_intermediate() -> None:
    alert = TlsAlert(MONDAY, (5,), LINE, True, True, 48, "unknown_ca")
    lone = TlsCertificates(MONDAY, (3,), LINE, False, (issued(issuer_url=True),))
    assert ids(shaken(lone, alert)) == ["tls.chain-incomplete"]
    whole = TlsCertificates(MONDAY, (3,), LINE, False, (issued(issuer_url=True), issued("Test CA", "Test Root")))
    assert ids(shaken(whole, alert)) == ["tls.untrusted"]


def test_nonsense_certificates_are_not_judged() -> None:
    assert shown(b"", b"\x30\x82") == []


# ------------------------------------------------------------------------------------------ what nobody says in so many


def recorded(flights: Iterable[tuple[bool, bytes]], **how: Any) -> TcpTalk:
    """A conversation whose end is not the client's FIN: ``reset``, ``by_client``, seconds to ``wait``."""
    tcp = TcpTalk(Clock(how.get("start", MONDAY)), how.get("client", ("192.168.7.20", 50_000)), CSMS)
    tcp.open()
    for from_client, data in flights:
        tcp.send(from_client, data)
    tcp.clock.wait(how.get("wait", 0))
    if how.get("reset"):
        tcp.reset(by_client=how.get("by_client", True))
    else:
        tcp.close(by_client=how.get("by_client", True))
    return tcp


def keyless(segments: TcpTalk) -> Diagnosis:
    """As ``fieldkit report`` reads a .pcap without a key log: no keys will come."""
    capture = write_pcap(Tap().packets(segments.segments))
    return diagnose_events(feed(Pipeline("memory", keys=KeyLog(expecting=False)), capture))


@pytest.mark.parametrize("judge", [judged, keyless])
def test_tls_13_a_station_without_the_certificate_that_the_csms_demands(judge: Callable[[TcpTalk], Diagnosis]) -> None:
    flights = talk((contexts("1.3")[0], contexts("1.3", mutual=True)[1])).flights
    finding = the(judge(wire(flights)), "tls.server-refuses")
    assert finding.kind.inferred
    assert "the client had none to send" in finding.explanation()
    assert "SignCertificate" in finding.advice()
    assert ids(judge(wire(talk(contexts("1.3", mutual=True)).flights))) == []


def refused_by_client() -> list[tuple[bool, bytes]]:
    """As a client does that takes its keys before it looks at the certificate: the alert is encrypted."""
    made = talk(contexts("1.3"))
    flights: list[tuple[bool, bytes]] = []
    for from_client, record in made.records:
        if from_client and record[0] == 23:
            return [*flights, (True, b"\x17\x03\x03\x00\x13" + bytes(19))]
        flights.append((from_client, record))
    raise AssertionError


@pytest.mark.parametrize("expecting", [True, False])
def test_tls_13_a_client_that_refuses_the_certificate(expecting: bool) -> None:
    capture = write_pcap(Tap().packets(wire(refused_by_client()).segments))
    events = decode(capture).events if expecting else feed(Pipeline("memory", keys=KeyLog(expecting=False)), capture)
    finding = the(diagnose_events(events), "tls.client-refuses")
    assert finding.kind.inferred
    assert "Which alert it is cannot be read" in finding.explanation()


def feed(pipeline: Pipeline, capture: bytes) -> list[Event]:
    events: list[Event] = []
    reader = PcapReader()
    for item in [*reader.feed(capture), *reader.finish()]:
        if hasattr(item, "starts"):
            events += pipeline.feed_packets(item)
    return [*events, *pipeline.finish()]


def unfinished() -> list[tuple[bool, bytes]]:
    """As far as the server's certificate, TLS 1.2."""
    flights = talk(contexts("1.2")).flights
    return [flights[0], flights[1]]


@pytest.mark.parametrize("reset", [True, False])
def test_tls_12_a_client_that_goes_away_with_the_certificate(reset: bool) -> None:
    finding = the(judged(recorded(unfinished(), reset=reset)), "tls.client-gave-up")
    assert finding.kind.inferred
    assert '"csms.example"' in finding.explanation()


def test_tls_12_clients_that_did_not_give_up() -> None:
    whole = talk(contexts("1.2"), [], close=False).flights
    assert ids(judged(recorded(whole))) == [], "it finished, and then had nothing to say"
    assert ids(judged(recorded(unfinished(), wait=60))) == [], "somebody waited for something"


@pytest.mark.parametrize("wait", [0, 60])
def test_tls_12_a_server_that_waits_no_longer(wait: float) -> None:
    finding = the(judged(recorded(unfinished(), by_client=False, wait=wait)), "tls.server-gave-up")
    assert "MTU" in finding.advice()


def short(number: int, *, wait: float = 0.2, by_client: bool = False, client: str = "192.168.7.20") -> TcpTalk:
    flights = talk(contexts("1.3"), close=False).flights
    start = MONDAY + number * 60 * SECOND
    return recorded(flights, start=start, wait=wait, by_client=by_client, client=(client, 50_000 + number))


def test_connections_that_end_right_behind_the_handshake() -> None:
    finding = the(judged(*(short(number) for number in range(3))), "tls.ended-early")
    assert (finding.severity, finding.kind.inferred) == ("info", True)
    assert "by the server" in finding.explanation()


def test_connections_that_end_early_by_chance() -> None:
    assert ids(judged(*(short(number) for number in range(2)))) == []
    assert ids(judged(*(short(number, wait=20 if number == 1 else 0) for number in range(4)))) == []
    assert ids(judged(*(short(number, by_client=number == 1) for number in range(4)))) == []
    assert ids(judged(*(short(number, client=f"192.168.7.{20 + number}") for number in range(4)))) == []


def test_the_certificate_of_a_station_is_judged_too() -> None:
    own = TlsCertificates(MONDAY, (4,), LINE, True, (issued("SN-1234", end=MONDAY - DAY),))
    finding = the(shaken(own, lasting=70), "tls.cert-expired")
    assert finding.severity == "warning", "the CSMS puts up with it"
    assert "the client 192.168.7.20:50000" in finding.explanation()
    assert "Operator of the station" in finding.advice()
