"""What are these bytes? Recognising a protocol by its look, never by a port.

Used where a connection begins, where fieldkit joins one midway, and where a stream must be taken up again behind a
hole. Text of an OCPP message is a strong sign; a compressed or control frame is only a weak one, because any byte
can look like it: the caller asks for several.
"""

from __future__ import annotations

import re
from enum import Enum

OCPP_TEXT = re.compile(rb'\s*\[\s*[2-6]\s*,\s*(?:\d{1,12}\s*,\s*)?"')
"""How every OCPP-J message begins (OCPP-J 1.6 §4.2, 2.1 Part 4 §4.2)."""

_HTTP = re.compile(rb"(?:(GET|POST|HEAD|PUT|OPTIONS|CONNECT|DELETE|PATCH) [!-~]|HTTP/1\.[01] [1-5]\d\d)")
_CANDIDATE = re.compile(rb"[\x01\x81\x82\x88-\x8a\xc1]")

_HEAD = 32
"""Bytes of a message that are unmasked to look at its beginning."""

_SEARCH_LIMIT = 65536
"""Bytes of one chunk in which the beginning of a frame is searched."""

_MAX_PLAUSIBLE = 1 << 20
"""A frame longer than this is not believed while guessing."""


class Look(Enum):
    """What a run of bytes looks like, and from which side it then comes."""

    HTTP_REQUEST = "http-request"
    HTTP_RESPONSE = "http-response"
    TLS_CLIENT_HELLO = "tls-client-hello"
    TLS_SERVER_HELLO = "tls-server-hello"
    TLS_OTHER = "tls"
    WEBSOCKET_CLIENT = "websocket-client"
    WEBSOCKET_SERVER = "websocket-server"
    PERHAPS_WEBSOCKET_CLIENT = "websocket-client?"
    PERHAPS_WEBSOCKET_SERVER = "websocket-server?"
    TOO_SHORT = "too short"
    UNKNOWN = "unknown"


_WEAK = {True: Look.PERHAPS_WEBSOCKET_CLIENT, False: Look.PERHAPS_WEBSOCKET_SERVER}
_STRONG = {True: Look.WEBSOCKET_CLIENT, False: Look.WEBSOCKET_SERVER}


def look(data: bytes) -> Look:
    """Judge a segment by its first bytes."""
    if len(data) < 2:
        return Look.TOO_SHORT
    first = data[0]
    if 0x14 <= first <= 0x17 and data[1] == 3:
        # TLS record header: type, version 3.x, length (RFC 8446 §5.1)
        if len(data) < 6:
            return Look.TOO_SHORT
        if data[2] > 4 or (data[3] << 8 | data[4]) > 0x4900:
            return Look.UNKNOWN
        if first == 0x16 and data[5] == 1:
            return Look.TLS_CLIENT_HELLO
        if first == 0x16 and data[5] == 2:
            return Look.TLS_SERVER_HELLO
        return Look.TLS_OTHER
    if 0x41 <= first <= 0x5A:
        match = _HTTP.match(data)
        if match is not None:
            return Look.HTTP_REQUEST if match[1] else Look.HTTP_RESPONSE
        if len(data) < 12 and data.isascii():
            return Look.TOO_SHORT
        if first != 0x41:  # "A" may also begin a message that is compressed and in several frames
            return Look.UNKNOWN
    verdict = _frame(data, 0)
    if verdict is None:
        return Look.UNKNOWN
    masked, strong = verdict
    return _STRONG[masked] if strong else _WEAK[masked]


def find_frame(data: bytes, masked: bool) -> int:
    """Where the first frame begins in ``data``, or -1. At the start weak signs will do (senders put a frame at the
    start of a segment); anywhere else only OCPP text is believed."""
    verdict = _frame(data, 0)
    if verdict is not None and verdict[0] is masked:
        return 0
    for match in _CANDIDATE.finditer(data, 1, _SEARCH_LIMIT):
        verdict = _frame(data, match.start())
        if verdict == (masked, True):
            return match.start()
    return -1


def _frame(data: bytes, at: int) -> tuple[bool, bool] | None:
    """(masked, strong) if a WebSocket frame can begin at ``at``, else None."""
    size = len(data)
    if size - at < 2:
        return None
    first, second = data[at], data[at + 1]
    length = second & 0x7F
    body = at + 2
    if length > 125:
        wide = 2 if length == 126 else 8
        if size < body + wide:
            return None
        length = int.from_bytes(data[body : body + wide], "big")
        # RFC 6455 §5.2: the minimal number of bytes must be used
        if length > _MAX_PLAUSIBLE or length < (126 if wide == 2 else 65536):
            return None
        body += wide
    masked = second > 127
    key = b""
    if masked:
        key = data[body : body + 4]
        body += 4
    if first in (0x81, 0x01):
        head = data[body : body + min(length, _HEAD)]
        if masked:
            head = bytes(byte ^ key[i & 3] for i, byte in enumerate(head) if len(key) == 4)
        return (masked, True) if OCPP_TEXT.match(head) else None
    end = body + length
    ends_well = end == size or (end + 2 <= size and data[end] in (0x81, 0x88, 0x89, 0x8A, 0xC1))
    if first in (0x89, 0x8A) and length <= 125 and ends_well:
        return masked, False
    if first == 0x88 and ends_well and (length == 0 or 2 <= length <= 125):
        return masked, False
    if first == 0xC1 and length >= 6 and ends_well:
        return masked, False
    if first == 0x41 and length >= 6 and (ends_well or (end + 2 <= size and data[end] in (0x00, 0x80))):
        return masked, False  # compressed and in several frames
    return None
