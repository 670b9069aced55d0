"""Servers with known defects: Python's ssl, OpenSSL's s_server, and flights made by hand for what neither speaks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fieldkit.sources.tlsprobe import suites
from fieldkit.wire.tlshello import ClientHello, parse_client_hello
from tests.sources.tlsprobe import pki

OCPP = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-GCM-SHA384"
"""In OpenSSL's names."""


@contextlib.contextmanager
def serving(
    handle: Callable[[socket.socket], None], *, backlog: int = 64, at: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[int]:
    """A TCP server that hands each connection to ``handle`` in a thread of its own; yields the port."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    address = socket.getaddrinfo(*at, family)[0][4]  # with the zone as a number
    listener = socket.create_server(address, family=family, backlog=backlog)
    stopping = threading.Event()

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError, ValueError, EOFError, struct.error), connection:
            handle(connection)

    def accept() -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# ------------------------------------------------------------------------------------------------------------ real TLS


@dataclass
class Web:
    """How an upgrade is answered."""

    status: int = 101
    choose: str | None = "offered"
    """"offered": what was offered; None: none; anything else: that."""
    headers: tuple[str, ...] = ()
    body: str = ""
    seen: list[str] = field(default_factory=list)
    """Heads of the requests that came."""
    password: str = ""
    """"user:password", without which 401."""

    def __call__(self, connection: Any) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(4096)
            if not piece:
                return
            data += piece
        head = data.decode()
        self.seen.append(head)
        fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head.split("\r\n")[1:]}
        if (
            self.password
            and fields.get("authorization") != "Basic " + base64.b64encode(self.password.encode()).decode()
        ):
            connection.sendall(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
            )
            return
        if self.status != 101:
            text = f"HTTP/1.1 {self.status} Said\r\nContent-Length: {len(self.body)}\r\n"
            connection.sendall((text + "".join(f"{one}\r\n" for one in self.headers) + "\r\n" + self.body).encode())
            return
        key = fields["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Accept: {accept}"]  # fmt: skip
        chosen = fields.get("sec-websocket-protocol", "") if self.choose == "offered" else self.choose
        lines += [f"Sec-WebSocket-Protocol: {chosen}"] if chosen else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.recv(64)


@contextlib.contextmanager
def python_server(
    folder: Path,
    *pairs: tuple[str, str],
    ciphers: str = f"{OCPP}:ECDHE-RSA-AES128-GCM-SHA256",
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    client: ssl.VerifyMode = ssl.CERT_NONE,
    client_ca: str = "",
    web: Callable[[Any], None] | None = None,
    sni: Callable[..., Any] | None = None,
    delay: float = 0.0,
    at: tuple[str, int] = ("127.0.0.1", 0),
) -> Iterator[int]:
    """Python's ssl, with one or two certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for pair in pairs:
        context.load_cert_chain(*pair)
    context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = oldest, newest
    context.verify_mode = client
    if client_ca:
        context.load_verify_locations(client_ca)
    if sni is not None:
        context.sni_callback = sni
    answer = web if web is not None else Web()

    def handle(connection: socket.socket) -> None:
        connection.settimeout(8)
        if delay:
            time.sleep(delay)
        with context.wrap_socket(connection, server_side=True) as secured:
            answer(secured)

    with serving(handle, at=at) as port:
        yield port


def good_pairs(folder: Path) -> list[tuple[str, str]]:
    """An RSA and an ECDSA certificate, each with its intermediate: what OCPP asks of a CSMS."""
    sub = pki.intermediate()
    return [
        pki.make(issuer=sub, kind="rsa2048").files(folder, "rsa", sub),
        pki.make(issuer=sub, kind="ec").files(folder, "ec", sub),
    ]


def trusted(folder: Path) -> str:
    """The root, as a file."""
    path = folder / "root.pem"
    path.write_bytes(pki.root().pem)
    return str(path)


@contextlib.contextmanager
def s_server(*arguments: str) -> Iterator[int]:
    """OpenSSL's own."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(port), "-quiet", "-naccept", "500", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            pytest.skip("this openssl cannot serve that")
        yield port
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


# --------------------------------------------------------------------------------------------------- flights by hand


@dataclass
class Canned:
    """A server that negotiates as TLS has it and never goes beyond its first flight (SSL 3.0 to TLS 1.2)."""

    chain: Sequence[bytes]
    versions: tuple[int, ...] = (0x0303,)
    suites: tuple[int, ...] = (0x009C, 0x009D)
    compression: bool = False
    dh_bits: int = 2048
    staple: bytes = b""
    request: bool = False
    longest: int = 1 << 16
    """Bytes of a hello that get an answer."""
    delay: float = 0.0
    curves: tuple[int, ...] = (23,)

    def __call__(self, connection: socket.socket) -> None:
        connection.settimeout(8)
        header = _exactly(connection, 5)
        message = _exactly(connection, int.from_bytes(header[3:], "big"))
        if len(message) > self.longest:
            time.sleep(3)  # longer than the first hello waits
            return
        if self.delay:
            time.sleep(self.delay)
        hello = parse_client_hello(message[4:])
        connection.sendall(self.flight(hello))
        with contextlib.suppress(OSError):
            connection.recv(100)

    def flight(self, hello: ClientHello) -> bytes:
        """What is answered."""
        highest = min(hello.legacy_version, 0x0303)
        if 0x0304 in hello.versions and 0x0303 not in hello.versions:
            return alert(70)
        version = max((one for one in self.versions if one <= highest), default=0)
        if not version:
            return alert(70)
        suite = next((one for one in hello.suites if one in self.suites), None)
        if suite is None:
            return alert(40)
        compression = 1 if self.compression and 1 in hello.compressions else 0
        extensions = b"\xff\x01\x00\x01\x00"
        if self.staple and any(kind == 5 for kind, _ in hello.extensions):
            extensions += b"\x00\x05\x00\x00"
        body = struct.pack(">H", version) + os.urandom(32) + b"\x00" + struct.pack(">HB", suite, compression)
        messages = [message(2, body + (struct.pack(">H", len(extensions)) + extensions if version > 0x0300 else b""))]
        classes = suites.classes_of(suite)
        if "anon" not in classes:
            entries = b"".join(len(one).to_bytes(3, "big") + one for one in self.chain)
            messages.append(message(11, len(entries).to_bytes(3, "big") + entries))
        if self.staple and any(kind == 5 for kind, _ in hello.extensions):
            messages.append(message(22, b"\x01" + len(self.staple).to_bytes(3, "big") + self.staple))
        if suites.uses_dh(suite):
            prime = (1 << (self.dh_bits - 1) | 1).to_bytes(self.dh_bits // 8, "big")
            parts = b"".join(struct.pack(">H", len(part)) + part for part in (prime, b"\x02", prime))
            messages.append(message(12, parts + bytes(70)))
        elif suites.uses_ecdhe(suite):
            curve = next((one for one in self.curves if one in hello.groups), self.curves[0])
            messages.append(message(12, b"\x03" + struct.pack(">H", curve) + b"\x41" + bytes(65) + bytes(72)))
        if self.request:
            signatures = b"\x00\x02\x04\x03" if version == 0x0303 else b""
            messages.append(message(13, b"\x01\x40" + signatures + b"\x00\x00"))
        messages.append(message(14, b""))
        return b"".join(record(22, one, version) for one in messages)


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def record(kind: int, content: bytes, version: int = 0x0303) -> bytes:
    pieces = [content[at : at + 16000] for at in range(0, len(content), 16000)] or [b""]
    return b"".join(struct.pack(">BHH", kind, version, len(piece)) + piece for piece in pieces)


def alert(number: int, level: int = 2) -> bytes:
    return record(21, bytes((level, number)), 0x0301)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
