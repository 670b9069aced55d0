"""DER: tag, length, value. A reader that gives out values or ``DerError``, whatever it is fed (X.690 §8, §10).

Certificates are read by hand because a diagnosis needs what libraries refuse: a curve that nobody supports any more,
a serial number of zero, an extension that is broken while the rest is well. All bytes of the original are kept, so that
hashes and signatures are those of the sender's encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MAX_CHILDREN: Final = 200_000
"""Elements of one sequence: a revocation list may have that many entries."""
MAX_TEXT: Final = 1000
"""Characters of a text that are kept: an attribute has 64 (X.520), an address some hundreds."""
MAX_OID: Final = 40
"""Bytes of an object identifier: those in use have up to a dozen."""

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
ENUMERATED: Final = 0x0A
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS: Final = {
    0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1B: "latin-1",
    0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip
"""UTF8String, NumericString, PrintableString, TeletexString, IA5String, VisibleString, GeneralString, UniversalString,
BMPString."""


class DerError(ValueError):
    """These bytes are not what they should be; the text says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """One element: where it stands in the bytes, and what kind it is."""

    data: bytes
    """The whole that it is part of."""
    tag: int
    start: int
    body: int
    end: int

    @property
    def raw(self) -> bytes:
        """Tag, length and content, as they were sent."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        return self.data[self.body : self.end]

    @property
    def context(self) -> int:
        """Number of a context-specific tag, with or without elements in it; -1 for others."""
        return self.tag & 0x1F if self.tag & 0xC0 == 0x80 else -1

    def __len__(self) -> int:
        return self.end - self.body

    def children(self) -> list[Node]:
        """The elements that it is made of."""
        return list(self.each())

    def each(self) -> Iterator[Node]:
        """One element after the other."""
        if not self.tag & 0x20:
            raise DerError("an element that should hold others does not")
        position, count = self.body, 0
        while position < self.end:
            node = _node(self.data, position, self.end)
            yield node
            position = node.end
            count += 1
            if count > MAX_CHILDREN:
                raise DerError(f"a sequence has more than {MAX_CHILDREN:,} elements")

    def expect(self, tag: int, what: str) -> Node:
        """Itself, if it is of this kind."""
        if self.tag != tag:
            raise DerError(f"{what} has the tag 0x{self.tag:02x}, not 0x{tag:02x}")
        return self


def read(data: bytes) -> Node:
    """The one element that ``data`` is; what is left over behind it is an error."""
    node = _node(data, 0, len(data))
    if node.end != len(data):
        raise DerError(f"{len(data) - node.end} bytes too many at the end")
    return node


def first(data: bytes) -> Node:
    """The element that ``data`` begins with."""
    return _node(data, 0, len(data))


def _node(data: bytes, position: int, limit: int) -> Node:
    if position + 2 > limit:
        raise DerError("it ends in the middle of an element")
    tag, length = data[position], data[position + 1]
    if tag & 0x1F == 0x1F:
        raise DerError("a tag of several bytes, which certificates do not have")
    body = position + 2
    if length == 0x80:
        raise DerError("lengths are left open (BER, not DER)")
    if length > 0x80:
        count = length & 0x7F
        if count > 4 or body + count > limit:
            raise DerError("an element claims to be longer than there are bytes")
        length = int.from_bytes(data[body : body + count], "big")
        if length < 0x80 or (count > 1 and not data[body]):
            raise DerError("a length is written in more bytes than needed (BER, not DER)")
        body += count
    if body + length > limit:
        raise DerError(f"an element claims {length:,} bytes where {limit - body:,} are left")
    return Node(data, tag, position, body, body + length)


def integer(node: Node) -> int:
    """INTEGER or ENUMERATED, also with an implicit tag."""
    if not len(node):
        raise DerError("a number without digits")
    return int.from_bytes(node.content, "big", signed=True)


def boolean(node: Node) -> bool:
    """BOOLEAN; DER has 0xFF for true, and others mean it as well."""
    if len(node) != 1:
        raise DerError("a yes or no of several bytes")
    return node.content != b"\0"


def oid(node: Node) -> str:
    """OBJECT IDENTIFIER in dots."""
    content = node.expect(OID, "an object identifier").content
    if not 0 < len(content) <= MAX_OID or content[-1] & 0x80:
        raise DerError("an object identifier is broken")
    arcs: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    head = min(arcs[0] // 40, 2)
    return ".".join(map(str, (head, arcs[0] - 40 * head, *arcs[1:])))


def bits(node: Node) -> bytes:
    """Content of a BIT STRING of whole bytes."""
    content = node.expect(BIT_STRING, "a bit string").content
    if not content or content[0] > 7:
        raise DerError("a bit string is broken")
    return content[1:]


def flags(node: Node) -> frozenset[int]:
    """Numbers of the bits that are set in a BIT STRING, the first being 0."""
    content = bits(node)[:4]
    return frozenset(8 * at + bit for at, byte in enumerate(content) for bit in range(8) if byte & (0x80 >> bit))


def text(node: Node) -> str:
    """Any kind of string; what does not fit its alphabet is replaced."""
    encoding = _TEXTS.get(node.tag)
    if encoding is None:
        return f"#{node.raw[: MAX_TEXT // 2].hex()}"  # RFC 4514 §2.4
    content = node.content[: 4 * MAX_TEXT]
    if encoding == "ascii":
        # Umlauts in a PrintableString are wrong, and common.
        encoding = "utf-8" if _is_utf8(content) else "latin-1"
    return content.decode(encoding, "replace")[:MAX_TEXT]


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def moment(node: Node) -> int:
    """UTCTime or GeneralizedTime in ns since the epoch (RFC 5280 §4.1.2.5)."""
    if node.tag not in (UTC_TIME, GENERALIZED_TIME):
        raise DerError(f"a time has the tag 0x{node.tag:02x}")
    return stamp(node.content, short=node.tag == UTC_TIME)


def stamp(content: bytes, *, short: bool = False) -> int:
    """Digits and "Z"; ``short`` with a year of two digits."""
    shown = content[:24].decode("ascii", "replace")
    digits = shown.removesuffix("Z").partition(".")[0]
    if short:
        # RFC 5280 §4.1.2.5.1: 50 to 99 are of the last century.
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    if len(digits) == 12:
        digits += "00"  # without seconds, as old certificates have it
    if not (shown.endswith("Z") and digits.isascii() and digits.isdigit() and len(digits) == 14):
        raise DerError(f"{shown!r} is no time of a certificate")
    parts = [int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))]
    try:
        passed = datetime(parts[0], parts[1], parts[2], parts[3], parts[4], min(parts[5], 59), tzinfo=UTC) - _EPOCH
    except ValueError as error:
        raise DerError(f"{shown!r} is no time of a certificate") from error
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000


# ------------------------------------------------------------------------------------------------------------- writing


def write(tag: int, *parts: bytes) -> bytes:
    """An element of these contents."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def write_integer(value: int) -> bytes:
    """INTEGER in as few bytes as it takes."""
    return write(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def write_oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dots."""
    arcs = [int(arc) for arc in dotted.split(".")]
    content = b""
    for arc in (40 * arcs[0] + arcs[1], *arcs[2:]):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return write(OID, content)
