"""A proxy in this process, with raw sockets on both sides, and what it tells at its tap."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fieldkit.sources.proxy.faults import parse_fault
from fieldkit.sources.proxy.listener import Proxy
from fieldkit.sources.proxy.settings import Settings, parse_listen, parse_upstream
from fieldkit.sources.proxy.tap import Record, Tap, TapReader, What

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

UPGRADE = (
    b"GET /CP_7?token=1 HTTP/1.1\r\nHost: proxy.local:9000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\nX-Vendor: A  b\t\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


class Lab:
    """A running proxy."""

    def __init__(self, proxy: Proxy, port: int, records: list[Record], said: list[str]) -> None:
        self.proxy = proxy
        self.port = port
        self.records = records
        self.said = said
        self.writers: list[asyncio.StreamWriter] = []

    def told(self, *what: What) -> bytes:
        """The bytes of all records of a kind."""
        return b"".join(record.data for record in self.records if record.what in what)

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        self.writers.append(writer)
        return reader, writer

    async def until(self, true: Callable[[], object], seconds: float = 5) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def proxying(upstream: str, *faults: str, read_tap: bool = True, **options: Any) -> AsyncIterator[Lab]:
    """A proxy in front of ``upstream``."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    _, tap = await loop.create_connection(Tap, sock=ours)
    settings = Settings(
        parse_listen("127.0.0.1:0"), parse_upstream(upstream), faults=tuple(map(parse_fault, faults)), **options
    )
    said: list[str] = []
    records: list[Record] = []

    async def listen() -> None:
        reader = TapReader()
        while data := await loop.sock_recv(theirs, 1 << 18):
            records.extend(reader.feed(data))

    task = loop.create_task(listen()) if read_tap else None
    proxy = Proxy(settings, tap, said.append)
    (address,) = await proxy.start()
    await proxy.serve()
    lab = Lab(proxy, int(address.rpartition(":")[2]), records, said)
    try:
        yield lab
    finally:
        for writer in lab.writers:
            writer.transport.abort()
        await proxy.stop()
        tap.close()
        await asyncio.sleep(0)
        if task is not None:
            await task
        theirs.close()


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """A CSMS; yields its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def upgraded(lab: Lab, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A station behind its upgrade."""
    reader, writer = await lab.connect(**options)
    writer.write(UPGRADE)
    assert await head(reader) == ANSWER
    return reader, writer


def break_off(writer: asyncio.StreamWriter) -> None:
    """RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def frame(payload: bytes, opcode: int = 1, *, masked: bool = False, fin: bool = True) -> bytes:
    """A WebSocket frame; the mask of a client's is "mask"."""
    size = len(payload)
    mask = 0x80 if masked else 0
    first = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        start = first + bytes([mask | size])
    elif size < 65_536:
        start = first + bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        start = first + bytes([mask | 127]) + size.to_bytes(8, "big")
    if not masked:
        return start + payload
    return start + b"mask" + bytes(byte ^ b"mask"[at & 3] for at, byte in enumerate(payload))


# ------------------------------------------------------------------------------------------------------- certificates


class Certificates:
    """An authority, a server of the name csms.test, a proxy, a station, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.pem"
        self.authority.write_bytes(_pem("Test CA"))
        for name in ("csms.test", "proxy.test", "station"):
            (folder / f"{name}.pem").write_bytes(_pem(name))
            (folder / f"{name}.key").write_bytes(_key_pem(name))
        self._folder = folder

    def pem(self, name: str) -> str:
        return str(self._folder / f"{name}.pem")

    def key(self, name: str) -> str:
        return str(self._folder / f"{name}.key")

    def server(self, name: str = "csms.test", *, ask: bool = False, version: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pem(name), self.key(name))
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        return _only(context, version)

    def client(self, *, version: str = "") -> ssl.SSLContext:
        return _only(ssl.create_default_context(cafile=str(self.authority)), version)


def _only(context: ssl.SSLContext, version: str) -> ssl.SSLContext:
    if version:
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    return context


@cache
def _made() -> dict[str, tuple[bytes, bytes]]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    authority = ec.generate_private_key(ec.SECP256R1())
    made: dict[str, tuple[bytes, bytes]] = {}
    now = datetime.now(UTC)
    for name in ("Test CA", "csms.test", "proxy.test", "station"):
        key = authority if name == "Test CA" else ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("Test CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=name == "Test CA", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )
        if name != "Test CA":
            names: list[x509.GeneralName] = [x509.DNSName(name)]
            if name == "proxy.test":
                names.append(x509.IPAddress(ip_address("127.0.0.1")))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(authority, hashes.SHA256())
        made[name] = (
            certificate.public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
    return made


def _pem(name: str) -> bytes:
    return _made()[name][0]


def _key_pem(name: str) -> bytes:
    return _made()[name][1]
