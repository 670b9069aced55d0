"""HTTP/1.x heads as strangers send them: start line and header fields (RFC 9110, RFC 9112).

Pure functions over bytes. Passwords end here: what an ``Authorization`` or ``Cookie`` field carries is replaced before
anybody else sees the fields; of Basic credentials the user and the look of the password remain.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from fieldkit.events import BasicCredentials

MAX_FIELDS: Final = 256
"""Header fields kept of one head. Browsers send 20, proxies add a few; a server answers 431 long before this."""

_HIDDEN: Final = "(hidden)"
_SECRET_FIELDS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SCHEMES: Final = {
    # The common ones of IANA's registry, and two that are common without being there. Any other word in this place may
    # be a bare token that somebody sent without a scheme: a secret.
    name.lower(): name
    for name in ("Basic", "Bearer", "Digest", "DPoP", "Mutual", "Negotiate", "OAuth", "NTLM", "AWS4-HMAC-SHA256")
}
_FRAMING_FIELDS: Final = frozenset({"content-length", "transfer-encoding"})

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_USERINFO: Final = re.compile(r"//([^/?#@\s:]*):[^/?#\s]*@")
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_MIN_HEX_KEY: Final = 16
"""Characters from which on nothing but hex digits is taken for a key written in hex and not for a password."""

_Shape: TypeAlias = Literal["empty", "hex", "text", "binary"]


class RequestLine(NamedTuple):
    """``GET /ocpp/CP1 HTTP/1.1`` (RFC 9112 §3)."""

    method: str
    target: str


class StatusLine(NamedTuple):
    """``HTTP/1.1 101 Switching Protocols`` (RFC 9112 §4)."""

    status: int
    reason: str


class Fields(NamedTuple):
    """The header fields of one head, without secrets."""

    headers: dict[str, str]
    credentials: BasicCredentials | None
    complaints: tuple[str, ...]
    """What could not be read, a sentence each, fit to be shown (no secrets)."""
    complete: bool = True
    """False when fields may be missing because the capture cuts the head."""


def parse_request_line(line: bytes) -> RequestLine | None:
    """Read a request line, or None when it is none. Blanks inside the target are kept: stations do send them."""
    rest, _, version = line.rstrip().rpartition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        return None
    method, _, target = rest.partition(b" ")
    target = target.strip()
    if not target or _TOKEN.fullmatch(method) is None:
        return None
    return RequestLine(method.decode("ascii"), _without_password(target.decode("utf-8", "replace")))


def parse_status_line(line: bytes) -> StatusLine | None:
    """Read a status line, or None when it is none."""
    if line[:9] not in (b"HTTP/1.1 ", b"HTTP/1.0 "):
        return None
    code, _, reason = line[9:].strip().partition(b" ")
    if len(code) != 3 or not code.isdigit() or not b"1" <= code[:1] <= b"5":
        return None
    return StatusLine(int(code), reason.strip().decode("utf-8", "replace"))


def parse_fields(block: bytes) -> Fields:
    """Read the lines between the start line and the empty line."""
    lists: dict[str, list[str]] = {}
    complaints = []
    count = bad = 0
    # RFC 9112 §5.2, obs-fold: a line that begins with a blank continues the one before it.
    for line in _FOLD.sub(" ", block.decode("latin-1")).split("\n"):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not name or not colon:
            bad += 1 if line.strip() else 0
            continue
        count += 1
        if count <= MAX_FIELDS or name in _FRAMING_FIELDS:
            lists.setdefault(name, []).append(value.strip())
    if bad:
        complaints.append(f"{bad} line{'s' if bad > 1 else ''} of an HTTP head without field name and colon")
    if count > MAX_FIELDS:
        complaints.append(f"an HTTP head with {count} fields, of which {MAX_FIELDS} were kept")
    credentials = None
    for value in lists.get("authorization", ()):
        scheme, _, encoded = value.partition(" ")
        if scheme.lower() == "basic":
            credentials, complaint = _basic(encoded)
            if complaint:
                complaints.append(complaint)
            break
    headers = {
        name: ", ".join(map(_hidden if name in _SECRET_FIELDS else _without_password, values))
        for name, values in lists.items()
    }
    return Fields(headers, credentials, tuple(complaints))


def _hidden(value: str) -> str:
    scheme, blank, _ = value.partition(" ")
    known = _SCHEMES.get(scheme.lower()) if blank else None
    return f"{known} {_HIDDEN}" if known else _HIDDEN


def _without_password(text: str) -> str:
    """``ws://user:secret@host/`` in a target, Location or Referer carries the password too (RFC 3986 §3.2.1)."""
    return _USERINFO.sub(rf"//\1:{_HIDDEN}@", text) if "@" in text else text


def _basic(encoded: str) -> tuple[BasicCredentials | None, str]:
    """Credentials of RFC 7617 §2 without the password; or what is wrong with them."""
    try:
        plain = b64decode(encoded.strip().encode("latin-1"), validate=True)
    except binascii.Error:
        return None, "the Basic credentials of a request are not valid base64"
    user, colon, password = plain.partition(b":")
    if not colon:
        return None, "the Basic credentials of a request have no colon between user and password"
    from fieldkit.events import BasicCredentials  # here, as who reads heads only does without events otherwise

    return BasicCredentials(user.decode("utf-8", "replace"), len(password), _shape(password)), ""


def _shape(password: bytes) -> _Shape:
    if not password:
        return "empty"
    if len(password) >= _MIN_HEX_KEY and _HEX.fullmatch(password):
        return "hex"
    try:
        return "text" if password.decode("utf-8").isprintable() else "binary"
    except UnicodeDecodeError:
        return "binary"
