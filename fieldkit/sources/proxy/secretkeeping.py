"""Passwords in what is recorded, overwritten by as many other characters, so that nothing else changes its place.

Basic credentials keep their user and get a password of the same length and look, so that a recording says the same of
them as the connection did. In OCPP messages each secret becomes asterisks, whether the message is masked or in several
frames. Compressed messages cannot be edited: they stay, and the user is told.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

from fieldkit.ocpp.secrets import HIDDEN, conceal_document
from fieldkit.sources.proxy.frames import unmasked

MAX_SEARCHED: Final = 256 << 10
"""Bytes of a message that are searched, and that wait until the message is whole. Those that carry keys are short."""

_FIELD: Final = re.compile(
    rb"(?im)^((?:proxy-)?authorization|(?:set-)?cookie2?|[\w-]*(?:token|api-?key|secret|password)[\w-]*)"
    rb"([ \t]*:[ \t]*)([^\r\n]*?)([ \t]*\r?)$"
)
_SCHEME: Final = re.compile(rb"(?i)(?:basic|bearer|digest) +")
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")
_USERINFO: Final = re.compile(rb"(//[^/?#@\s:]*:)([^/?#\s]*)(@)")


def without_credentials(head: bytes) -> bytes:
    """An HTTP head whose credentials are overwritten; its length stays."""
    end = re.search(rb"\n\r?\n", head)
    size = end.end() if end is not None else len(head)
    safe = _FIELD.sub(_field, head[:size])
    safe = _USERINFO.sub(lambda found: found[1] + b"*" * len(found[2]) + found[3], safe)
    return safe + head[size:]


def _field(found: re.Match[bytes]) -> bytes:
    value = found[3]
    scheme = _SCHEME.match(value)
    kept = scheme.end() if scheme else 0
    return found[1] + found[2] + value[:kept] + _overwritten(value[kept:], scheme) + found[4]


def _overwritten(value: bytes, scheme: re.Match[bytes] | None) -> bytes:
    if scheme is not None and scheme[0][:5].lower() == b"basic":
        try:
            user, colon, password = base64.b64decode(value, validate=True).partition(b":")
        except binascii.Error:
            colon = b""
        if colon:
            filler = b"0" if _HEX.fullmatch(password) else b"x"
            if not _HEX.fullmatch(password):
                try:
                    filler = b"x" if password.decode("utf-8").isprintable() else b"\xff"
                except UnicodeDecodeError:
                    filler = b"\xff"
            return base64.b64encode(user + colon + filler * len(password))
    return b"*" * len(value)


class _Frame(NamedTuple):
    begin: int
    """Of its payload."""
    end: int
    key: bytes
    first: int
    """First byte: FIN, reserved bits, opcode."""


def without_secrets(block: bytes) -> tuple[bytes, bool]:
    """Whole WebSocket messages of one side without the secrets in them, and whether some may be left.

    Some may be left where a message is compressed. ``block`` begins at a frame.
    """
    edited: bytearray | None = None
    unsure = False
    frames: list[_Frame] = []
    for frame in _frames(block):
        if frame.first & 0x0F >= 8:
            continue
        frames.append(frame)
        if not frame.first & 0x80:
            continue
        compressed = bool(frames[0].first & 0x40)
        if compressed:
            unsure = True
        else:
            text = b"".join(unmasked(block[one.begin : one.end], one.key) for one in frames)
            safe = _starred(text)
            if safe is not text:
                edited = edited if edited is not None else bytearray(block)
                at = 0
                for one in frames:
                    size = one.end - one.begin
                    edited[one.begin : one.end] = unmasked(safe[at : at + size], one.key)
                    at += size
        frames = []
    return (bytes(edited) if edited is not None else block), unsure


def _frames(block: bytes) -> list[_Frame]:
    found = []
    at = 0
    while at + 2 <= len(block):
        first, second = block[at], block[at + 1]
        length = second & 0x7F
        begin = at + 2
        if length > 125:
            wide = 2 if length == 126 else 8
            length = int.from_bytes(block[begin : begin + wide], "big")
            begin += wide
        key = b""
        if second & 0x80:
            key = block[begin : begin + 4]
            begin += 4
        if begin + length > len(block):
            break
        found.append(_Frame(begin, begin + length, key, first))
        at = begin + length
    return found


def _starred(data: bytes) -> bytes:
    """The very same object when there is no secret in it."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    safe = conceal_document(text)
    if safe is text or safe == text:
        return data
    # What stands between the pieces that stayed is what was hidden.
    kept = safe.split(HIDDEN)
    out: list[str] = [kept[0]]
    at = len(kept[0])
    for piece in kept[1:]:
        end = text.find(piece, at) if piece else len(text)
        if end < 0 or not text.startswith(kept[0]):
            return b"*" * len(data)
        out.append("*" * len(text[at:end].encode()))
        out.append(piece)
        at = end + len(piece)
    starred = "".join(out).encode()
    return starred if len(starred) == len(data) else b"*" * len(data)
