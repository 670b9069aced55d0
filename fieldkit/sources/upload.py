"""A file to a server by HTTPS, so that a connection that breaks costs as little as the server lets it.

A plain PUT of the whole file is what every server that takes files understands: nginx and Apache with WebDAV, object
stores by signed address, a few lines of any language. Going on where it broke takes more:

- A server that speaks tus 1.0 (tus.io) says so when asked with OPTIONS. It tells how much it has, and takes the rest.
- A server that keeps what came before the break shows it: HEAD tells a length that was not there before. It is asked to
  take the rest with Content-Range (RFC 9110 §14.5), which Apache does; HEAD afterwards tells whether it did. nginx
  writes to a file of its own until all is there, so that HEAD shows nothing and the whole file is sent again.

Certificates are always verified. Credentials come from the environment or from netrc and go to the server that was
named, to no other; addresses are shown without what stands behind "?", which may be a signature.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from fieldkit import __version__

TOKEN: Final = "FIELDKIT_UPLOAD_TOKEN"
"""Environment variable with a bearer token."""
_TIMEOUT: Final = 60.0
"""Seconds without a byte."""
_PIECE: Final = 1 << 16
_TUS: Final = "1.0.0"
_TUS_PIECE: Final = 8 << 20
"""Bytes of one request: a tus server may keep only what came with whole requests."""
_LATER: Final = (408, 423, 425, 429, 500, 502, 503, 504, 507)
"""Answers that may be others in a while."""
_LONGEST_PAUSE: Final = 300.0
"""Seconds that a server may ask us to wait."""
_WORDS: Final = {
    401: f"it wants other credentials: set {TOKEN}, or put an entry for it into ~/.netrc",
    403: f"it does not allow this: check the address, {TOKEN} and ~/.netrc",
    404: "there is no such place: check the address",
    405: "it takes no files at this address (PUT is not allowed)",
    409: "the folder does not exist there",
    413: "the file is too large for it",
    429: "it is asked too often",
    507: "it has no room left",
}


class UploadError(Exception):
    """It was not sent; the text says why."""

    def __init__(self, text: str, *, final: bool, pause: float = 0.0) -> None:
        super().__init__(text)
        self.final = final
        """Trying again would lead to the same, until somebody changes something."""
        self.pause = pause
        """Seconds that the server wants to be left alone."""


@dataclass(slots=True)
class Progress:
    """What is known of one file's way, so that a later process can go on."""

    location: str = ""
    """Where a tus server takes the rest."""
    before: tuple[int, int, str] | None = None
    """What HEAD said of the address before anything was sent: status, length, and what tells versions apart."""
    begun: bool = False
    kept: int = 0
    """What it had kept when it was asked after a break: from then on it becomes more."""
    whole_only: bool = False
    """The server does not go on where it broke."""
    plain: bool = False
    """It does not speak tus."""
    sent: int = field(default=0)
    """Bytes of content that went out in all, those sent twice included."""


def parse_url(text: str) -> SplitResult:
    """ValueError with what is wrong."""
    url = urlsplit(text)
    try:
        _ = url.port
    except ValueError as error:
        raise ValueError("the port is no number") from error
    if url.scheme != "https" or not url.hostname:
        raise ValueError("give an address that begins with https://")
    if url.username is not None or url.password is not None:
        raise ValueError(
            f"no credentials in the address, where they can be seen by others: set {TOKEN}, or use ~/.netrc"
        )
    return url._replace(fragment="", path=url.path or "/")


def place(url: SplitResult, name: str) -> str:
    """The address of a file: an address that ends with "/" is a folder."""
    if url.path.endswith("/"):
        url = url._replace(path=url.path + quote(name))
    return url.geturl()


def shown(address: str) -> str:
    """Without what may be secret in it."""
    url = urlsplit(address)
    return f"{url.scheme}://{url.netloc}{url.path}"


class Uploader:
    """Sends files; one connection each time."""

    def __init__(self, *, ca: str | None = None, timeout: float = _TIMEOUT) -> None:
        """``ca``: certificates to trust in place of the system's. OSError when they cannot be read."""
        self._context = ssl.create_default_context(cafile=ca)
        self._timeout = timeout

    def send(self, address: str, path: Path, progress: Progress) -> None:
        """Send a file, or what is left of it; UploadError when it did not arrive whole."""
        url = urlsplit(address)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                with closing(self._connect(url)) as connection:
                    server = _Server(connection, url, self._credentials(url))
                    self._send(server, file, size, progress)
        except ssl.SSLCertVerificationError as error:
            raise UploadError(
                f"{url.hostname}: its certificate is not trusted ({error.verify_message}); --ca names others to trust",
                final=True,
            ) from error
        except http.client.HTTPException as error:
            why = str(error) or error.__class__.__name__
            raise UploadError(f"{url.hostname}: no proper answer: {why}", final=False) from error
        except OSError as error:
            if error.filename is not None:
                raise UploadError(f"{path}: {error.strerror or error}", final=True) from error
            raise UploadError(f"{url.hostname}: {_broken(error)}", final=False) from error

    def _connect(self, url: SplitResult) -> http.client.HTTPSConnection:
        assert url.hostname is not None
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=self._timeout, context=self._context)

    @staticmethod
    def _credentials(url: SplitResult) -> str:
        token = os.environ.get(TOKEN, "").strip()
        if token:
            return f"Bearer {token}"
        import netrc

        try:
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(url.hostname or "")
        except FileNotFoundError:
            return ""
        except (OSError, netrc.NetrcParseError) as error:
            # Its message may quote the file.
            where = getattr(error, "lineno", None)
            raise UploadError(f"netrc cannot be read{f' (line {where})' if where else ''}", final=True) from None
        if found is None:
            return ""
        return "Basic " + base64.b64encode(f"{found[0]}:{found[2]}".encode()).decode()

    def _send(self, server: _Server, file: BinaryIO, size: int, progress: Progress) -> None:
        if not progress.plain and (progress.location or server.speaks_tus()):
            self._send_by_tus(server, file, size, progress)
            return
        progress.plain = True
        if progress.begun and not progress.whole_only and self._sent_the_rest(server, file, size, progress):
            return
        if progress.before is None:
            progress.before = server.state()
        progress.begun = True
        server.put(file, 0, size, progress)

    def _sent_the_rest(self, server: _Server, file: BinaryIO, size: int, progress: Progress) -> bool:
        """After a break: whether it could be gone on with, and is whole now."""
        now = server.state()
        if now[0] != 200 or now == progress.before:
            return False
        if now[1] == size:
            return True  # only its answer was lost
        if not progress.kept <= now[1] < size or now[1] <= 0:
            return False
        progress.kept = now[1]
        try:
            server.put(file, now[1], size, progress)
        except UploadError as error:
            if not error.final:
                raise
            progress.whole_only = True
            return False
        if server.state()[1] == size:
            return True
        progress.whole_only = True  # it took the end for the whole
        return False

    # ------------------------------------------------------------------------------------------------------------ tus

    def _send_by_tus(self, server: _Server, file: BinaryIO, size: int, progress: Progress) -> None:
        at = server.tus_offset(progress.location) if progress.location else -1
        if at < 0 or at > size:
            progress.location, at = server.tus_create(size), 0
        while at < size:
            until = min(at + _TUS_PIECE, size)
            reached = server.tus_append(progress.location, file, at, until, progress)
            if reached <= at:
                raise UploadError(f"{server.host}: it takes the file, and keeps nothing of it", final=True)
            at = reached


class _Server:
    """One connection, and the requests that are made on it."""

    def __init__(self, connection: http.client.HTTPSConnection, url: SplitResult, credentials: str) -> None:
        self.host = url.hostname or ""
        self._connection = connection
        self._url = url
        self._target = url.path + (f"?{url.query}" if url.query else "")
        self._headers = {"User-Agent": f"fieldkit/{__version__}"}
        if credentials:
            self._headers["Authorization"] = credentials

    def state(self) -> tuple[int, int, str]:
        """What HEAD says of the address: status, length, and what tells versions apart."""
        answer = self._ask("HEAD", self._target)
        length = answer.headers.get("Content-Length", "")
        version = answer.headers.get("ETag", "") + answer.headers.get("Last-Modified", "")
        return answer.status, int(length) if length.isdigit() and answer.status == 200 else -1, version

    def put(self, file: BinaryIO, begin: int, size: int, progress: Progress) -> None:
        """The file from ``begin`` on."""
        headers = {"Content-Type": _content_type(self._url.path), "Content-Length": str(size - begin)}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{size - 1}/{size}"
        self._judge(self._ask("PUT", self._target, headers, _pieces(file, begin, size, progress)))

    def speaks_tus(self) -> bool:
        """Whether the folder that the file goes into is one of tus."""
        folder = self._url.path.rpartition("/")[0] + "/"
        answer = self._ask("OPTIONS", folder)
        offered = answer.headers.get("Tus-Extension", "").replace(" ", "").split(",")
        versions = answer.headers.get("Tus-Version", answer.headers.get("Tus-Resumable", ""))
        return _TUS in versions.replace(" ", "").split(",") and "creation" in offered

    def tus_create(self, size: int) -> str:
        """Announce a file; returns where it goes."""
        folder = self._url.path.rpartition("/")[0] + "/"
        told = base64.b64encode(unquote(self._url.path.rpartition("/")[2]).encode()).decode()
        headers = {"Upload-Length": str(size), "Upload-Metadata": f"filename {told}", "Content-Length": "0"}
        answer = self._ask("POST", folder, {"Tus-Resumable": _TUS, **headers})
        self._judge(answer)
        location = urlsplit(urljoin(self._url._replace(path=folder).geturl(), answer.headers.get("Location", "")))
        if location.hostname != self._url.hostname:
            raise UploadError(f"{self.host}: it sends us to another server ({location.hostname})", final=True)
        # Behind a proxy that takes off TLS a server names itself http://, or with its inner port: we know better.
        return self._url._replace(path=location.path, query=location.query).geturl()

    def tus_offset(self, location: str) -> int:
        """How much it has; -1 when it does not know of the file any more."""
        answer = self._ask("HEAD", _target(location), {"Tus-Resumable": _TUS})
        if answer.status in (403, 404, 410):
            return -1
        self._judge(answer)
        offset = answer.headers.get("Upload-Offset", "")
        return int(offset) if offset.isdigit() else -1

    def tus_append(self, location: str, file: BinaryIO, begin: int, end: int, progress: Progress) -> int:
        """Send a piece; returns how much it has now."""
        headers = {
            "Tus-Resumable": _TUS,
            "Upload-Offset": str(begin),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(end - begin),
        }
        answer = self._ask("PATCH", _target(location), headers, _pieces(file, begin, end, progress))
        self._judge(answer)
        offset = answer.headers.get("Upload-Offset", "")
        return int(offset) if offset.isdigit() else -1

    def _ask(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: Iterator[bytes] | None = None
    ) -> http.client.HTTPResponse:
        connection = self._connection
        try:
            connection.request(method, target, body=body, headers={**self._headers, **(headers or {})})
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses need not read it all: it may have said why.
            with suppress(OSError, http.client.HTTPException):
                answer = connection.getresponse()
                if answer.status >= 400:
                    self._judge(answer)
            raise
        answer = connection.getresponse()
        answer.read(1 << 20)  # the connection is used again
        if not answer.isclosed():
            connection.close()
        return answer

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            target = urljoin(self._url.geturl(), answer.headers.get("Location", ""))
            raise UploadError(f"{self.host}: it points to {shown(target)}: give that address", final=True)
        pause = answer.headers.get("Retry-After", "")
        text = _WORDS.get(status, "") or f"it answers {status} {''.join(filter(str.isprintable, answer.reason))[:80]}"
        raise UploadError(
            f"{self.host}: {text}",
            final=status not in _LATER,
            pause=min(float(pause), _LONGEST_PAUSE) if pause.isdigit() else 0.0,
        )


def _broken(error: OSError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError | BrokenPipeError):
        return "the connection broke off"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error)


def _pieces(file: BinaryIO, begin: int, end: int, progress: Progress) -> Iterator[bytes]:
    file.seek(begin)
    left = end - begin
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise http.client.HTTPException("the file became shorter while it was sent")
        left -= len(piece)
        progress.sent += len(piece)
        yield piece


def _target(location: str) -> str:
    url = urlsplit(location)
    return url.path + (f"?{url.query}" if url.query else "")


def _content_type(name: str) -> str:
    kinds = {".html": "text/html", ".json": "application/json", ".txt": "text/plain", ".csv": "text/csv"}
    return kinds.get(Path(name).suffix.lower(), "application/octet-stream")
