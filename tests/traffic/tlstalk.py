"""Real TLS conversations without a network, and what an onlooker who has the key log hears of them.

OpenSSL plays both ends through memory buffers: no socket, no thread, no time.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from fieldkit.events import Connection, Endpoint, Event
from fieldkit.wire.tls import TlsLayer
from fieldkit.wire.tlskeys import KeyLog

E = TypeVar("E")

CALL = (True, b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
RESULT = (False, b'[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]')
CHAT = (CALL, RESULT, (True, b'[2,"2","Heartbeat",{}]'), (False, b'[3,"2",{"currentTime":"2026-01-01T00:00:05Z"}]'))

NO_ENCRYPT_THEN_MAC = 1 << 19
"""SSL_OP_NO_ENCRYPT_THEN_MAC, which the ssl module has no name for."""


# ------------------------------------------------------------------------------------------------------ certificates


@cache
def identity(kind: str = "ecdsa") -> tuple[bytes, bytes]:
    """(certificate, private key) of a CSMS in PEM, self-signed."""
    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "csms.example")])
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - datetime.timedelta(days=3650))
        .not_valid_after(moment + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def certificate(kind: str = "ecdsa") -> bytes:
    """The certificate in DER."""
    return x509.load_pem_x509_certificate(identity(kind)[0]).public_bytes(serialization.Encoding.DER)


def identity_files(folder: Path, kind: str = "ecdsa") -> tuple[Path, Path]:
    files = folder / f"{kind}.crt", folder / f"{kind}.key"
    for file, pem in zip(files, identity(kind), strict=True):
        file.write_bytes(pem)
    return files


# ----------------------------------------------------------------------------------------------------- conversations


@dataclass
class Talk:
    """What went over the wire, what was meant, and the secrets."""

    flights: list[tuple[bool, bytes]] = field(default_factory=list)
    """(from the client, bytes) in the order sent."""
    said: list[tuple[bool, bytes]] = field(default_factory=list)
    keylog: str = ""
    failure: str = ""
    suite: str = ""
    session: ssl.SSLSession | None = None
    reused: bool = False

    def bytes_of(self, from_client: bool) -> bytes:
        return b"".join(data for side, data in self.flights if side is from_client)

    @property
    def records(self) -> list[tuple[bool, bytes]]:
        """The flights, record by record."""
        found = []
        for side, data in self.flights:
            at = 0
            while at < len(data):
                stop = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
                found.append((side, data[at:stop]))
                at = stop
        return found


def contexts(
    version: str = "1.3",
    ciphers: str = "",
    kind: str = "ecdsa",
    *,
    mutual: bool = False,
    options: int = 0,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's and a server's settings."""
    exact = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        files = identity_files(Path(folder), kind)
        server.load_cert_chain(*files)
        if mutual:
            client.load_cert_chain(*files)
            server.load_verify_locations(files[0])
            server.verify_mode = ssl.CERT_REQUIRED
    for context in (client, server):
        context.minimum_version = context.maximum_version = exact
        context.options |= options
        if ciphers:
            context.set_ciphers(ciphers)
    return client, server


def talk(
    settings: tuple[ssl.SSLContext, ssl.SSLContext],
    said: Iterable[tuple[bool, bytes]] = CHAT,
    *,
    session: ssl.SSLSession | None = None,
    close: bool = True,
) -> Talk:
    """Shake hands, say something, close. A failing handshake is no error here, it is a conversation too."""
    result = Talk(said=list(said))
    with tempfile.TemporaryDirectory() as folder:
        keylog = Path(folder) / "keylog"
        settings[0].keylog_filename = str(keylog)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = settings[0].wrap_bio(to_client, to_server, server_hostname="csms.example", session=session)
        server = settings[1].wrap_bio(
            to_server_copy := ssl.MemoryBIO(), to_client_copy := ssl.MemoryBIO(), server_side=True
        )

        def carry() -> None:
            for side, source, target in ((True, to_server, to_server_copy), (False, to_client_copy, to_client)):
                data = source.read()
                if data:
                    result.flights.append((side, data))
                    target.write(data)

        try:
            waiting = [client, server]
            while waiting:
                for end in list(waiting):
                    try:
                        end.do_handshake()
                        waiting.remove(end)
                    except ssl.SSLWantReadError:
                        pass
                    finally:
                        carry()
            for from_client, data in result.said:
                (client if from_client else server).write(data)
                carry()
                (server if from_client else client).read(65536)
            result.session, result.reused = client.session, bool(client.session_reused)
            result.suite = (client.cipher() or ("",))[0]
        except ssl.SSLError as error:
            carry()
            result.failure = error.reason or str(error)
        if close and not result.failure:
            for end in (client, server, client):
                try:
                    end.unwrap()
                except ssl.SSLError:
                    pass
                carry()
        result.keylog = keylog.read_text() if keylog.exists() else ""
    return result


# --------------------------------------------------------------------------------------------------------- listening


def connection(*, joined_midstream: bool = False) -> Connection:
    return Connection(1, Endpoint("192.0.2.1", 40000), Endpoint("192.0.2.2", 443), 0, joined_midstream, "test")


@dataclass
class Heard:
    """What came out of a ``TlsLayer``."""

    layer: TlsLayer
    events: list[Event] = field(default_factory=list)
    plain: list[tuple[bool, bytes]] = field(default_factory=list)
    evidence: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    """Time and frames of each piece of ``plain``."""
    gaps: list[tuple[bool, int, int]] = field(default_factory=list)
    """(from the client, bytes missing, how many pieces of ``plain`` came before)."""

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def plain_of(self, from_client: bool) -> bytes:
        return b"".join(data for side, data in self.plain if side is from_client)

    def feed(self, flights: Iterable[tuple[bool, bytes]], first_frame: int = 1) -> int:
        frame = first_frame
        for from_client, data in flights:
            self.layer.feed(from_client, data, frame * 1000, (frame,))
            frame += 1
        return frame


def listener(keylog: str | KeyLog = "", *, joined_midstream: bool = False) -> Heard:
    """A layer with everything that comes out of it."""
    secrets = keylog if isinstance(keylog, KeyLog) else KeyLog(expecting=False)
    if isinstance(keylog, str):
        secrets.add(keylog)
    heard: Heard

    def plain(from_client: bool, data: bytes, time: int, frames: tuple[int, ...]) -> None:
        heard.plain.append((from_client, data))
        heard.evidence.append((time, frames))

    def plain_gap(from_client: bool, missing: int, time: int, frames: tuple[int, ...]) -> None:
        heard.gaps.append((from_client, missing, len(heard.plain)))

    events: list[Event] = []
    layer = TlsLayer(connection(joined_midstream=joined_midstream), events.append, secrets, plain, plain_gap=plain_gap)
    heard = Heard(layer, events)
    return heard


def listen(flights: Sequence[tuple[bool, bytes]], keylog: str | KeyLog = "", **options: bool) -> Heard:
    """Hear a whole conversation."""
    heard = listener(keylog, **options)
    frame = heard.feed(flights)
    heard.layer.finish(frame * 1000, (frame,))
    return heard
