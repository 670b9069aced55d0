"""A server that takes files by TLS, as real ones do it: whole only, piece by piece, or by tus; and that can be made to
break the connection in the middle of a file."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Manner = Literal["whole", "pieces", "tail", "tus"]
"""Files appear when they are whole (nginx); what came before a break stays, and Content-Range goes on (Apache);
it stays, and Content-Range is not understood, so that the tail replaces it; tus 1.0."""


@dataclass
class Server:
    """What it has, and what it was asked."""

    manner: Manner = "whole"
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    """Bodies are cut after so many bytes, one after the other."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answered in place of doing anything, one after the other."""
    received: int = 0
    """Bytes of bodies."""
    port: int = 0
    uploads: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Of tus: name and length by location."""

    def url(self, path: str = "/") -> str:
        return f"https://localhost:{self.port}{path}"

    def asked(self, method: str) -> list[Mapping[str, str]]:
        return [headers for name, _, headers in self.requests if name == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, *arguments: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._note()
        if self.state.answers:
            self._scripted()
        elif self.path in self.state.uploads:
            self._tell(200, {"Upload-Offset": str(len(self.state.files[self.path])), "Tus-Resumable": "1.0.0"})
        elif self.path in self.state.files and self.state.manner != "tus":
            data = self.state.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hash(data):x}"')
            self.end_headers()
        else:
            self._tell(404)

    def do_OPTIONS(self) -> None:
        self._note()
        speaks = {"Tus-Version": "1.0.0,0.2.2", "Tus-Resumable": "1.0.0", "Tus-Extension": "creation,expiration"}
        self._tell(204, speaks if self.state.manner == "tus" else {"Allow": "GET, PUT"})

    def do_POST(self) -> None:
        self._note()
        name = base64.b64decode(self.headers["Upload-Metadata"].split()[1]).decode()
        location = f"/uploads/{len(self.state.uploads)}"
        self.state.uploads[location] = (name, int(self.headers["Upload-Length"]))
        self.state.files[location] = b""
        # As @tus/server names itself: it does not know of the TLS in front of it.
        self._tell(201, {"Location": f"http://localhost{location}", "Tus-Resumable": "1.0.0"})

    def do_PATCH(self) -> None:
        self._note()
        if self.state.answers:
            self._scripted()
            return
        at = int(self.headers["Upload-Offset"])
        if self.path not in self.state.uploads or at != len(self.state.files[self.path]):
            self._tell(409)
            return
        body, whole = self._body()
        self.state.files[self.path] += body
        if whole:
            self._tell(204, {"Upload-Offset": str(len(self.state.files[self.path])), "Tus-Resumable": "1.0.0"})

    def do_PUT(self) -> None:
        self._note()
        if self.state.answers:
            self._body()
            self._scripted()
            return
        body, whole = self._body()
        ranged = self.headers.get("Content-Range", "")
        if ranged and self.state.manner == "whole":
            self._tell(501)
            return
        before = self.state.files.get(self.path, b"")
        if ranged and self.state.manner == "pieces":
            at = int(ranged.removeprefix("bytes ").split("-")[0])
            body = before[:at] + body
        if whole or self.state.manner != "whole":
            self.state.files[self.path] = body
        if whole:
            self._tell(201)

    def _note(self) -> None:
        self.state.requests.append((self.command, self.path, dict(self.headers.items())))

    def _body(self) -> tuple[bytes, bool]:
        length = int(self.headers.get("Content-Length", 0))
        limit = self.state.breaks.pop(0) if self.state.breaks and length else length
        body = self.rfile.read(min(limit, length))
        self.state.received += len(body)
        if limit < length:
            self.close_connection = True
            self.connection.close()
            return body, False
        return body, True

    def _scripted(self) -> None:
        status, headers = self.state.answers.pop(0)
        self._tell(status, headers)

    def _tell(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        return  # connections are meant to break


@contextmanager
def serving(folder: Path, manner: Manner = "whole") -> Iterator[Server]:
    """A server on localhost; ``folder/ca.pem`` is the authority that its certificate is of."""
    chain, key = _certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    state = Server(manner)
    made = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    made.daemon_threads = True
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    state.port = made.server_address[1]
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def _certificates(folder: Path) -> tuple[Path, Path]:
    now = datetime.now(UTC)

    def made(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        authority = key is by
        builder = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(by, hashes.SHA256())

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = made("Upload Test Root", root_key, "Upload Test Root", root_key)
    leaf = made("localhost", key, "Upload Test Root", root_key)
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    chain, private = folder / "server.pem", folder / "server.key"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private
