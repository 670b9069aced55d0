"""Certificate revocation lists (RFC 5280 §5): read without making an object of each entry, as they may have 100,000."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.trust import der
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.distinguished import Name, read_name
from fieldkit.trust.ocsp import CLOCKS, REASONS, Revocation
from fieldkit.trust.signatures import Algorithm, read_algorithm, verify
from fieldkit.trust.words import date, quoted

MAX_SIZE: Final = 16 << 20
"""Bytes: those of public authorities have up to some megabytes."""
_REASON: Final = "2.5.29.21"
_NUMBER: Final = "2.5.29.20"
_DELTA: Final = "2.5.29.27"
_SCOPE: Final = "2.5.29.28"


@dataclass(frozen=True, slots=True)
class Crl:
    """A list of certificates that are revoked."""

    der: bytes
    issuer: Name
    this_update: int
    next_update: int | None
    algorithm: Algorithm
    signed: bytes
    signature: bytes
    number: int | None
    partial: str
    """Why it is not the whole list of its issuer; empty if it is."""
    entries: Node | None

    def each(self) -> Iterator[tuple[int, Node]]:
        """(serial number, entry)."""
        for entry in self.entries.each() if self.entries is not None else ():
            yield der.integer(next(entry.each())), entry

    def __len__(self) -> int:
        return sum(1 for _ in self.each())

    def find(self, serial: int) -> tuple[int, str] | None:
        """When a certificate was revoked, and why; None if it is not on the list."""
        for number, entry in self.each():
            if number == serial:
                return self._told(entry)
        return None

    def _told(self, entry: Node) -> tuple[int, str]:
        try:
            parts = entry.children()
            content = _extension(parts[2], _REASON) if len(parts) > 2 else None
            reason = der.integer(der.read(content)) if content else 0
            return der.moment(parts[1]), REASONS.get(reason, f"reason {reason}")
        except (DerError, IndexError):
            return self.this_update, ""  # it stands on the list, whatever the rest of the entry is


def read_crl(data: bytes) -> Crl:
    """CertificateList in DER."""
    if len(data) > MAX_SIZE:
        raise DerError(f"it has {len(data):,} bytes, more than is read of a revocation list")
    try:
        crl = _read(data)
        if crl.entries is not None:
            len(crl)  # a broken entry is found now
        return crl
    except (IndexError, OverflowError, StopIteration, RuntimeError) as error:
        raise DerError("something is missing in it") from error


def _read(data: bytes) -> Crl:
    whole = der.read(data).expect(der.SEQUENCE, "a revocation list").children()
    if len(whole) != 3:
        raise DerError(f"a revocation list has three parts, this has {len(whole)}")
    body = whole[0].expect(der.SEQUENCE, "the body of a revocation list").children()
    if body[0].tag == der.INTEGER:
        body.pop(0)
    issuer, this_update = read_name(body[1]), der.moment(body[2])
    rest = body[3:]
    next_update = None
    if rest and rest[0].tag in (der.UTC_TIME, der.GENERALIZED_TIME):
        next_update = der.moment(rest.pop(0))
    entries = rest.pop(0) if rest and rest[0].tag == der.SEQUENCE else None
    number, partial = None, ""
    if rest and rest[0].context == 0:
        extensions = rest[0].children()[0]
        told = _extension(extensions, _NUMBER)
        number = der.integer(der.read(told)) if told else None
        if _extension(extensions, _DELTA) is not None:
            partial = "it holds only what changed since an earlier one"
        elif _extension(extensions, _SCOPE) is not None:
            partial = "its scope is limited"
    return Crl(
        data, issuer, this_update, next_update, read_algorithm(whole[1]), whole[0].raw, der.bits(whole[2]), number,
        partial, entries,
    )  # fmt: skip


def _extension(extensions: Node, number: str) -> bytes | None:
    for extension in extensions.children():
        parts = extension.children()
        if der.oid(parts[0]) == number:
            return parts[-1].content
    return None


def judge_crl(crl: Crl, certificate: Certificate, issuer: Certificate, *, at: int) -> Revocation:
    """What it is worth for ``certificate`` at a time."""
    if not crl.issuer.same(certificate.issuer):
        return Revocation("unusable", f"The list is of {quoted(crl.issuer.label)}, who did not issue the certificate.")
    checked = verify(issuer.key, crl.algorithm, crl.signature, crl.signed)
    if checked.outcome != "right":
        return Revocation("unusable", f"The signature of the list is not good: {checked.why}.")
    if not issuer.may("cRLSign"):
        return Revocation("unusable", f"{quoted(issuer.label)} may not sign revocation lists (keyUsage).")
    found = crl.find(certificate.serial)
    if found is not None:
        why = f"It was revoked on {date(found[0])}" + (f": {found[1]}." if found[1] else ".")
        return Revocation("revoked", why, revoked_at=found[0], reason=found[1])
    if crl.this_update > at + CLOCKS:
        return Revocation("unusable", f"The list is from {date(crl.this_update)}, which is still to come.")
    if crl.next_update is not None and at > crl.next_update + CLOCKS:
        return Revocation("unusable", f"The list was good until {date(crl.next_update)} only.", expired=True)
    if crl.partial:
        return Revocation("unknown", f"It is not on the list, but {crl.partial}.")
    return Revocation("good", f"It is not on the list of {date(crl.this_update)}.")


def in_crl(data: bytes) -> bool:
    """Whether DER looks like a revocation list rather than a certificate."""
    try:
        body = next(der.first(data).each()).children()[:4]
    except (DerError, StopIteration):
        return False
    times = (der.UTC_TIME, der.GENERALIZED_TIME)
    return len(body) == 4 and (body[2].tag in times or body[3].tag in times) and body[0].tag != 0xA0
