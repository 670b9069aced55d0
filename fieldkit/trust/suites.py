"""Cipher suites by what OCPP says of them (A00.FR.317 to 319, 421 to 423)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

ECDSA_PAIR: Final = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
RSA_PAIR: Final = ("TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384")
CSMS_FOUR: Final = (*ECDSA_PAIR, *RSA_PAIR)
LEGACY: Final = "TLS_RSA_WITH_AES_128_CBC_SHA"
"""For stations of 1.6 that cannot do TLS 1.2, and for nothing else (A00.FR.318, 324)."""

CLASSES: Final = (
    ("tls.null-suite", "NULL", "without encryption"),
    ("tls.anon-suite", "_anon_", "without authentication"),
    ("tls.export-suite", "EXPORT", "with keys that are short on purpose"),
    ("tls.rc4-suite", "RC4", "with RC4"),
    ("tls.3des-suite", "3DES", "with 3DES"),
)
"""Finding, part of the name, in words. The first that fits counts."""
_MORE_UNSUITABLE: Final = ("_DES_", "_RC2_", "_IDEA_", "_MD5")
"""ENISA's report of 2014 counts these among what is unsuitable for legacy use too."""


def unsuitable(suites: Iterable[str]) -> list[str]:
    """Those that neither side may use."""
    parts = [*(part for _, part, _ in CLASSES), *_MORE_UNSUITABLE]
    return sorted(name for name in suites if any(part in name for part in parts) and not name.startswith("TLS_AES"))


def forward_secret(suite: str) -> bool:
    """(EC)DHE, and all suites of TLS 1.3."""
    return "DHE_" in suite or suite.startswith(("TLS_AES_", "TLS_CHACHA20_"))


def missing(wanted: Iterable[str], suites: Iterable[str]) -> list[str]:
    """In the order that the standard names them."""
    there = set(suites)
    return [name for name in wanted if name not in there]


def short(name: str) -> str:
    """As people say it: without what all of them have."""
    return name.removeprefix("TLS_").replace("_WITH_", " ").replace("_", "-")
