"""Cipher suites in classes: which are weak, and which are asked for together.

The registry's names tell all of it: key exchange and authentication before "_WITH_", cipher and hash behind.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from fieldkit.wire.tlsnames import suite_name

OCPP_ECDSA: Final = (0xC02B, 0xC02C)
OCPP_RSA: Final = (0x009C, 0x009D)
"""The two pairs of A00.FR.317/318 (1.6 white paper; 318/319 of 2.0.1): a CSMS offers all four."""
OCPP: Final = OCPP_ECDSA + OCPP_RSA
TLS13: Final = (0x1302, 0x1303, 0x1301, 0x1304, 0x1305)
"""RFC 8446 §B.4."""
RENEGOTIATION_SCSV: Final = 0x00FF
FALLBACK_SCSV: Final = 0x5600

WEAK: Final = ("null", "anon", "export", "rc4", "des", "3des")
"""Classes that nothing may accept, by the part of the name that tells them."""

_RANGES: Final = (
    range(0x0001, 0x001C), range(0x002F, 0x0047), range(0x0060, 0x006E), range(0x0084, 0x008A),
    range(0x0096, 0x00A8), range(0x00BA, 0x00C6), range(0xC001, 0xC01A), range(0xC023, 0xC033),
    range(0xC03C, 0xC064), range(0xC072, 0xC08E), range(0xC09C, 0xC0B0), range(0xCCA8, 0xCCAB),
)  # fmt: skip
"""Suites that authenticate with certificates, or not at all. Those with a pre-shared key, Kerberos or a password need
that secret: a server without it cannot accept them."""

_USUAL: Final = (
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009C, 0x009D, 0x009E, 0x009F, 0xCCAA,
    0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028, 0x002F, 0x0035, 0x003C, 0x003D,
    0x0033, 0x0039, 0x0067, 0x006B,
)  # fmt: skip
"""What clients of the last fifteen years offer: a hello with these alarms nobody."""


def usual() -> tuple[int, ...]:
    """What ordinary clients offer for TLS 1.2 and older, the better ones first."""
    return _USUAL


@cache
def classes_of(number: int) -> frozenset[str]:
    """The classes a suite belongs to, as findings name them: "null", "anon", "export", "rc4", "des", "3des", "cbc",
    "forward-secret", "ecdsa", "rsa"."""
    name = suite_name(number)
    found = set()
    exchange, _, cipher = name.partition("_WITH_")
    if not cipher:
        return frozenset({"forward-secret"}) if number >> 8 == 0x13 else frozenset()
    if "anon" in exchange:
        found.add("anon")
    # Of an export suite it is enough to know that it is one: what its forty bits are for does not matter.
    if "EXPORT" in exchange:
        found.add("export")
    elif cipher.startswith("NULL"):
        found.add("null")
    elif cipher.startswith("RC4"):
        found.add("rc4")
    elif cipher.startswith("3DES"):
        found.add("3des")
    elif cipher.startswith(("DES", "RC2", "IDEA")):
        found.add("des")
    if "CBC" in cipher and found.isdisjoint(("anon", "export")):
        found.add("cbc")
    if "DHE_" in exchange + "_" and "anon" not in found and "export" not in found and "null" not in found:
        found.add("forward-secret")
    if exchange.endswith("ECDSA"):
        found.add("ecdsa")
    elif "RSA" in exchange:
        found.add("rsa")
    return frozenset(found)


def is_weak(number: int) -> bool:
    """It is of a class that nothing may accept."""
    return not classes_of(number).isdisjoint(WEAK)


def weak_classes(number: int) -> set[str]:
    """The weak ones among its classes."""
    return {name for name in classes_of(number) if name in WEAK}


def uses_dh(number: int) -> bool:
    """Its ServerKeyExchange carries a Diffie-Hellman prime (RFC 5246 §7.4.3)."""
    name = suite_name(number)
    return name.startswith(("TLS_DHE_", "TLS_DH_anon"))


def uses_ecdhe(number: int) -> bool:
    """Its ServerKeyExchange names a curve (RFC 8422 §5.4)."""
    return suite_name(number).startswith(("TLS_ECDHE_", "TLS_ECDH_anon"))


@cache
def everything() -> tuple[int, ...]:
    """All suites that a server may accept from a stranger in TLS 1.2 and older; the usual ones first."""
    known = (number for run in _RANGES for number in run if not suite_name(number).startswith("0x"))
    return (*_USUAL, *(number for number in known if number not in _USUAL and _possible(suite_name(number))))


def _possible(name: str) -> bool:
    return not any(part in name for part in ("PSK", "KRB5", "SRP"))


@cache
def pre_tls12() -> tuple[int, ...]:
    """Those that exist in TLS 1.1 and older: no AEAD, and no hash but MD5 and SHA-1 (RFC 5246 §A.5)."""
    new = ("SHA256", "SHA384", "GCM", "CCM", "POLY1305")
    return tuple(number for number in everything() if not any(part in suite_name(number) for part in new))


@cache
def pre_tls10() -> tuple[int, ...]:
    """Those of SSL 3.0: without elliptic curves, which it has no extension for."""
    return tuple(number for number in pre_tls12() if "EC" not in suite_name(number).partition("_WITH_")[0])


@cache
def weak() -> tuple[int, ...]:
    """All that nothing may accept."""
    return tuple(number for number in everything() if is_weak(number))


@cache
def remaining() -> dict[str, tuple[int, ...]]:
    """All but the weak ones and those that OCPP asks for, in groups that are swept separately.

    Each group is a row of connections one behind the other, and groups go side by side: the more groups, the sooner
    all is done; the fewer, the less is refused for nothing.
    """
    found: dict[str, list[int]] = {"aead": [], "dhe": [], "cbc": [], "cbc-rsa": [], "rest": []}
    for number in everything():
        if number not in OCPP and not is_weak(number):
            found[_group(suite_name(number))].append(number)
    return {name: tuple(numbers) for name, numbers in found.items()}


def _group(name: str) -> str:
    if any(part in name for part in ("ARIA", "CAMELLIA", "SEED", "CCM", "TLS_DH_", "TLS_ECDH_", "_DSS_")):
        return "rest"
    if name.startswith("TLS_DHE_"):
        return "dhe"
    if "CBC" not in name:
        return "aead"
    return "cbc-rsa" if name.startswith("TLS_RSA_") else "cbc"


def key_kind(number: int | None) -> str:
    """The kind of certificate that a suite needs: "rsa", "ecdsa", or "" for none of them."""
    return next(iter({"rsa", "ecdsa"} & classes_of(number or 0)), "")
