"""A router's web interface, asked politely: one request at a time, bounded, no redirects, no proxies.

TLS on routers is self-signed. It is verified against a certificate that the user names, or not at all where they say
so; a password is taken from the environment or from ~/.netrc, never from a URL or the command line.
"""

from __future__ import annotations

import json
import netrc
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from fieldkit.links.guard import TimeIsUp, timed
from fieldkit.links.runner import MAX_ANSWER, NotHere, RunnerError, Unreachable
from fieldkit.safetext import terminal
from fieldkit.sources.file import SourceError

PATIENCE: Final = 6.0
"""Seconds for one question, however slowly the answer drips: less than an adapter has for all of its questions, as a
router that does not answer must not look like an adapter that hangs."""
_BLOCK: Final = 1 << 16
PASSWORD_VARIABLE: Final = "FIELDKIT_ROUTER_PASSWORD"
"""Environment variable with the password of the router's web interface."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the web interface is, and who asks."""

    base: str
    """"https://192.168.1.1:8443", no path."""
    host: str
    user: str
    verify: bool = True
    authority: str = ""
    """File with the certificate that the router's is verified against."""

    @property
    def encrypted(self) -> bool:
        """Nobody in between reads the password."""
        return self.base.startswith("https:")

    def password(self) -> str:
        """From the environment, else from ~/.netrc; empty where neither has one."""
        given = os.environ.get(PASSWORD_VARIABLE)
        if given:
            return given
        try:
            entry = netrc.netrc().authenticators(self.host)
        except (OSError, netrc.NetrcParseError):
            return ""
        return entry[2] or "" if entry is not None and (not entry[0] or entry[0] == self.user) else ""


def place(url: str, user: str, *, verify: bool = True, authority: str = "") -> Place:
    """``http[s]://[USER@]HOST[:PORT]``; SourceError says what is wrong."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SourceError(f"{terminal(url, 80)}: {error}") from None
    if parts.password is not None:
        raise SourceError(
            f"a password has no place in a URL, every user of this machine can read it there: put it into the "
            f"environment variable {PASSWORD_VARIABLE} or into ~/.netrc"
        )
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise SourceError(f"{terminal(url, 80)}: give {parts.scheme or 'http'}://[USER@]HOST[:PORT], without a path")
    host = parts.hostname
    shown = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{shown}{f':{port}' if port else ''}"
    return Place(base, host, parts.username or user, verify, authority)


class Web:
    """Requests to one place."""

    def __init__(self, place: Place, *, login: bool = False) -> None:
        """``login``: with every request, as HTTP does it (Basic or Digest, as the router asks for)."""
        self.place = place
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
        if place.encrypted:
            handlers.append(urllib.request.HTTPSHandler(context=self._context()))
        if login:
            passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            passwords.add_password(None, place.base, place.user, place.password())
            handlers += [
                urllib.request.HTTPDigestAuthHandler(passwords),
                urllib.request.HTTPBasicAuthHandler(passwords),
            ]
        self._opener = urllib.request.build_opener(*handlers)

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON behind a path."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Accept": "application/json", "User-Agent": "fieldkit"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.place.base}/{path.lstrip('/')}", data, headers)
        try:
            # The time limit of a socket is one of each read, and names are looked up without any.
            text = timed(lambda: self._answer(request), PATIENCE, path)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, path) from None
        except TimeIsUp:
            raise Unreachable(f"{self.place.base}: it does not answer within {PATIENCE:g} s") from None
        except (OSError, HTTPException) as error:
            raise Unreachable(self._why(error)) from None
        if len(text) > MAX_ANSWER:
            raise RunnerError(f"{path}: the answer is longer than {MAX_ANSWER >> 20} MB")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            shown = terminal(text[:60].decode("utf-8", "replace"), 60)
            raise RunnerError(f"{path}: the answer is not JSON: {shown!r}") from None

    def _answer(self, request: urllib.request.Request) -> bytes:
        ends = time.monotonic() + PATIENCE
        found = bytearray()
        with self._opener.open(request, timeout=PATIENCE) as answer:
            while len(found) <= MAX_ANSWER and time.monotonic() < ends:
                block = answer.read1(_BLOCK)
                if not block:
                    return bytes(found)
                found += block
        if len(found) <= MAX_ANSWER:
            raise TimeoutError
        return bytes(found)

    def _context(self) -> ssl.SSLContext:
        if self.place.verify:
            try:
                context = ssl.create_default_context(cafile=self.place.authority or None)
            except (OSError, ssl.SSLError) as error:
                raise SourceError(f"--ca {self.place.authority}: {error}") from None
            if self.place.authority:
                # The certificate itself is named, which says more than a name in it: routers' bear the factory's.
                context.check_hostname = False
            return context
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def _refused(self, error: urllib.error.HTTPError, path: str) -> RunnerError:
        if error.code in (401, 403):
            how = f"put the password of {self.place.user!r} into {PASSWORD_VARIABLE} or into ~/.netrc"
            return Unreachable(f"{self.place.base}: it refused the login; {how}")
        if 300 <= error.code < 400:
            target = terminal(error.headers.get("Location") or "elsewhere", 80)
            return Unreachable(f"{self.place.base}: it sends us to {target}; name that place if it is right")
        kind = NotHere if error.code in (404, 405, 501) else RunnerError
        return kind(f"{path}: HTTP {error.code} {terminal(error.reason or '', 60)}")

    def _why(self, error: BaseException) -> str:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return (
                f"{self.place.base}: its certificate cannot be verified ({reason.verify_message}): name it with --ca "
                "FILE, or --insecure if you know that nobody is in between"
            )
        if isinstance(reason, TimeoutError):
            return f"{self.place.base}: it does not answer"
        return f"{self.place.base}: {terminal(str(getattr(reason, 'strerror', None) or reason), 120)}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A router that sends the asker elsewhere would get the password sent there too."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def certificate_of(path: str) -> str:
    """A file that is there; SourceError else."""
    if not Path(path).is_file():
        raise SourceError(f"--ca {path}: there is no such file")
    return path
