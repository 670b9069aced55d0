"""RAPI messages among bytes: ``$CC p1 p2 :SS^XX`` and CR, both ways.

A ``$`` begins a message anew at any time, CR ends it, LF means nothing: so does the firmware
(OpenEVSE/open_evse, firmware/open_evse/rapi_proc.cpp). With echo on, a terminal's worth of text comes in between.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from fieldkit.devices.checksums import sum8, xor8

LONGEST: Final = 96
"""Characters of a message: the firmware's buffer has 32, a reply of `$GT` or a WiFi module's notification more."""
MOST_TOKENS: Final = 24

Check: TypeAlias = Literal["xor", "sum", "none", "wrong"]

_CHECK: Final = re.compile(rb"(?:\^|\*)([0-9A-Fa-f]{2})$")
_SEQUENCE: Final = re.compile(r":[0-9A-Fa-f]{2}")


class Message(NamedTuple):
    """One message."""

    time: int
    """Of its last byte."""
    word: str
    """"OK", "NK", "AT", "GS" …"""
    parameters: tuple[str, ...]
    sequence: int
    """0: none."""
    check: Check
    raw: bytes

    @property
    def intact(self) -> bool:
        """It had a check, and it is right."""
        return self.check in ("xor", "sum")


class Framer:
    """Feed it bytes, get messages; what is no message is counted."""

    def __init__(self) -> None:
        self.garbage = 0
        """Bytes outside of messages, and of messages that were cut off or too long."""
        self._buffer: bytearray | None = None

    @property
    def pending(self) -> int:
        """Bytes of a message that has not ended yet."""
        return len(self._buffer or b"")

    def feed(self, data: bytes, time: int) -> list[Message]:
        found: list[Message] = []
        for byte in data:
            if byte == 0x24:
                if self._buffer is not None:
                    self.garbage += len(self._buffer)
                self._buffer = bytearray(b"$")
            elif self._buffer is None:
                self.garbage += byte not in (0x0D, 0x0A)
            elif byte == 0x0D:
                message = parse(bytes(self._buffer), time)
                if message is None:
                    self.garbage += len(self._buffer)
                else:
                    found.append(message)
                self._buffer = None
            elif byte == 0x0A:
                continue
            elif len(self._buffer) >= LONGEST or not 0x20 <= byte <= 0x7E:
                # Neither the firmware nor its partners send anything but printable ASCII: this message is damaged.
                self.garbage += len(self._buffer) + 1
                self._buffer = None
            else:
                self._buffer.append(byte)
        return found


def parse(raw: bytes, time: int = 0) -> Message | None:
    """A message without its CR; None where it has no word."""
    found = _CHECK.search(raw)
    body, check = raw, "none"
    if found:
        body = raw[: found.start()]
        stated = int(found[1], 16)
        if raw[found.start()] == 0x5E:
            check = "xor" if xor8(body) == stated else "wrong"
        else:
            check = "sum" if sum8(body) == stated else "wrong"
    elif b"^" in raw or b"*" in raw:
        check = "wrong"
    # `$GI` is answered with two blanks behind OK.
    tokens = body[1:].decode("ascii", "replace").split()
    if not tokens or len(tokens) > MOST_TOKENS:
        return None
    sequence = 0
    if len(tokens) > 1 and _SEQUENCE.fullmatch(tokens[-1]):
        sequence = int(tokens.pop()[1:], 16)
    kind: Check = "xor" if check == "xor" else "sum" if check == "sum" else "wrong" if check == "wrong" else "none"
    return Message(time, tokens[0], tuple(tokens[1:]), sequence, kind, raw)


def encode(body: str, sequence: int = 0) -> bytes:
    """``GS`` → ``$GS^30`` and CR; with a sequence number from 1 to 255 the answer can be told from all others."""
    text = f"${body} :{sequence:02X}" if sequence else f"${body}"
    data = text.encode("ascii")
    return data + b"^%02X\r" % xor8(data)
