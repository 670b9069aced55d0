"""Trust anchors from files: a PEM that the user gives, or the bundle of this machine.

A bundle of the web's authorities has 140 certificates, of which one or two can matter for a chain. Only those are read
whose bytes contain the name of an issuer that is asked for; the others are not worth the time.
"""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.trust.anchors import Anchors
from fieldkit.trust.certificate import Certificate, read_certificate
from fieldkit.trust.der import DerError

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, OpenWrt
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, FreeBSD, Alpine
)
MAX_BUNDLE: Final = 8 << 20
"""Bytes; the web's authorities take 220 kB."""
_BLOCK: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END", re.DOTALL)


class RootsError(Exception):
    """The file cannot be used; the text says why."""


class Roots:
    """Certificates of a file, each read when it is asked for."""

    def __init__(self, name: str, ders: Iterable[bytes], *, whole: bool) -> None:
        self.name = name
        self._ders = tuple(ders)
        self._whole = whole
        self._read: dict[bytes, Certificate | None] = {}

    def __len__(self) -> int:
        return len(self._ders)

    def anchors(self, chain: Iterable[Certificate]) -> Anchors:
        """Those that may matter for a chain: they bear the name of one of its issuers, or are in it."""
        names = {certificate.issuer.der for certificate in chain}
        chosen = self._ders if self._whole else [der for der in self._ders if any(name in der for name in names)]
        return Anchors(self.name, tuple(filter(None, map(self._certificate, chosen))))

    def _certificate(self, der: bytes) -> Certificate | None:
        if der not in self._read:
            try:
                self._read[der] = read_certificate(der)
            except DerError:
                self._read[der] = None  # a bundle with one damaged certificate still has the others
        return self._read[der]


def from_file(path: str) -> Roots:
    """What the user trusts, in PEM or DER."""
    data = _bytes(path)
    ders = _pem(data) or ([data] if data[:1] == b"\x30" else [])
    if not ders:
        raise RootsError(f"--ca {path}: there is no certificate in it (PEM or DER)")
    # Few, and the names in them may be spelt differently from those in the chain: read them all.
    return Roots(f"the roots in {Path(path).name}", ders, whole=len(ders) <= 50)


def of_system() -> Roots | None:
    """The bundle of this machine; None when it has none."""
    path = system_bundle()
    return Roots("the roots of this machine", _pem(_bytes(path)), whole=False) if path else None


def system_bundle() -> str:
    """Where this machine keeps the roots that it trusts; empty when it has none at a place that is known."""
    named = os.environ.get("SSL_CERT_FILE", "")
    return next((path for path in (named, *BUNDLES) if path and Path(path).is_file()), "")


def _bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BUNDLE + 1)
    except OSError as error:
        raise RootsError(f"--ca {path}: {error.strerror or error}") from error
    if len(data) > MAX_BUNDLE:
        raise RootsError(f"--ca {path}: more than {MAX_BUNDLE >> 20} MB are no list of certificates")
    return data


def _pem(data: bytes) -> list[bytes]:
    found = []
    for match in _BLOCK.finditer(data):
        try:
            found.append(binascii.a2b_base64(match[1]))
        except binascii.Error:
            continue
    return found
