"""From the texts of messages to certificates: PEM with or without its frame, chains, requests, EXI.

A certificate is parsed once, however often it is shown: a station sends its chain at each connection, and a CSMS the
same root to all of its stations. Reading needs no package; bytes that are no certificate give None and never raise.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.der import DerError
from fieldkit.trust.request import Request, read_request

MAX_PEM: Final = 40_000
"""Characters of a chain that are read: 2.x allows 10,000 (CertificateSignedRequest), vendors more."""
MAX_CHAIN: Final = 10
"""Certificates of one chain that are read: V2G chains have four."""
MAX_DER: Final = 16 << 10
"""Bytes of a certificate that is read: real ones have up to three thousand."""
REMEMBERED: Final = 256
"""Certificates that are not parsed again."""
MAX_EXI: Final = 24_000
"""Characters of an EXI stream that are looked through: 2.1 allows 17,000."""
CUT_OFF: Final = "it is cut off"
_MAX_CANDIDATES: Final = 64
"""Places in an EXI stream that may be the beginning of a certificate."""

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,20000})-----END CERTIFICATE-----")
_REQUEST: Final = re.compile(
    r"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]{1,20000})-----END (?:NEW )?CERTIFICATE REQUEST-----"
)
_BARE: Final = re.compile(r"\s*(M[A-Za-z0-9+/=\s]{60,20000})")
"""Base64 without its PEM frame, as some stations and CSMSs send it: DER begins with 0x30, hence with "M"."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]*")
PRIVATE: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")


@lru_cache(maxsize=REMEMBERED)
def parsed(der: bytes) -> Certificate | None:
    """A certificate in DER; None for what is none."""
    if len(der) > MAX_DER:
        return None
    try:
        return read_certificate(der)
    except DerError:
        return None


def parsed_chain(ders: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """All certificates of a chain; nothing when one of them cannot be read: what it says could not be judged."""
    chain = tuple(one for der in ders[:MAX_CHAIN] if (one := parsed(der)) is not None)
    return chain if len(chain) == min(len(ders), MAX_CHAIN) else ()


def read_chain(text: str) -> tuple[tuple[Certificate, ...], str]:
    """The certificates of a text as OCPP carries it, the first first; and why no more could be read."""
    if len(text) > MAX_PEM:
        return (), f"it has {len(text):,} characters"
    text = unescaped(text)
    bodies = [match[1] for match in _CERTIFICATE.finditer(text)]
    if not bodies and (bare := _BARE.fullmatch(text)) is not None:
        bodies = [bare[1]]
    chain: list[Certificate] = []
    for body in bodies[:MAX_CHAIN]:
        der = from_base64(body)
        certificate = parsed(der) if der else None
        if certificate is None:
            return tuple(chain), cut_off(der) or "it cannot be parsed"
        chain.append(certificate)
    if not chain:
        return (), "it is no PEM"
    begun = text.count("-----BEGIN CERTIFICATE-----")
    return tuple(chain), CUT_OFF if begun > len(bodies) > 0 else ""


def cut_off(der: bytes) -> str:
    """Says so where a certificate begins that is longer than what is there; other bytes may never have been one."""
    if der[:2] != b"\x30\x82" or der[4:6] != b"\x30\x82":
        return ""
    whole = 4 + int.from_bytes(der[2:4], "big")
    return f"{CUT_OFF}: {len(der):,} of its {whole:,} bytes are there" if len(der) < whole else ""


def read_csr(text: str) -> tuple[Request | None, str]:
    """A request for a certificate, and why it could not be read."""
    if len(text) > MAX_PEM:
        return None, f"it has {len(text):,} characters"
    text = unescaped(text)
    match = _REQUEST.search(text) or _BARE.fullmatch(text)
    der = from_base64(match[1]) if match is not None else b""
    if not der:
        return None, "it is no PEM"
    try:
        return read_request(der), ""
    except DerError as error:
        return None, f"it cannot be parsed ({error})"


def unescaped(text: str) -> str:
    """Some CSMSs escape line ends twice: then a backslash and an "n" stand in the text."""
    return text.replace("\\r", "").replace("\\n", "\n") if "-----\\" in text else text


def from_base64(text: str) -> bytes:
    """Empty for what is no base64."""
    plain = "".join(text.split())
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def from_exi(text: str) -> tuple[bytes, str]:
    """An EXI stream in base64, and what is wrong with it (EXI 1.0 §5: it begins with the bits 10, or with "$EXI")."""
    if not text:
        return b"", "it is empty"
    if len(text) > MAX_EXI:
        return b"", f"it has {len(text):,} characters"
    data = from_base64(text) if _BASE64.fullmatch(text) else b""
    if not data:
        return b"", "it is no base64"
    if not (data[0] & 0xC0 == 0x80 or data.startswith(b"$EXI")):
        return data, f"it begins with 0x{data[0]:02x}, and EXI begins with the bits 10"
    return data, ""


def certificates_in(data: bytes) -> tuple[Certificate, ...]:
    """Certificates inside of an EXI stream, in their order.

    EXI packs bits: a certificate may begin at any of them. It is moved to a byte for each of the eight cases, and what
    parses as a certificate from one end to the other is one: no other bytes do.
    """
    found: dict[int, Certificate] = {}
    tried = 0
    number = int.from_bytes(data, "big")
    for shift in range(8):
        moved = data if not shift else (number << shift).to_bytes(len(data) + 1, "big")[1:]
        for at in _beginnings(moved):
            tried += 1
            if tried > _MAX_CANDIDATES:
                break
            length = 4 + int.from_bytes(moved[at + 2 : at + 4], "big")
            certificate = parsed(moved[at : at + length]) if at + length <= len(moved) else None
            if certificate is not None:
                found[at * 8 + shift] = certificate
    return tuple(found[at] for at in sorted(found))


def _beginnings(data: bytes) -> Iterator[int]:
    """Where a SEQUENCE of 256 bytes or more begins that holds another one."""
    at = data.find(b"\x30\x82")
    while at >= 0:
        if data[at + 4 : at + 6] == b"\x30\x82":
            yield at
        at = data.find(b"\x30\x82", at + 1)
