"""Whom to trust: roots of a bundle, of a machine's store, or of what a station says it has installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fieldkit.trust.certificate import Certificate
from fieldkit.trust.distinguished import Name
from fieldkit.trust.hashdata import HashData, issued_by_one_of, means


@dataclass(frozen=True)
class Anchors:
    """Trust anchors."""

    name: str
    """Where they are from, for texts: "the roots in ca.pem", "the roots that CP_7 has installed"."""
    certificates: tuple[Certificate, ...] = ()
    hashes: tuple[HashData, ...] = ()
    """Roots that are only pointed at: GetInstalledCertificateIds tells no more."""
    _by_name: dict[tuple[tuple[str, str], ...], list[Certificate]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[tuple[tuple[str, str], ...], list[Certificate]] = {}
        for certificate in self.certificates:
            index.setdefault(certificate.subject.key, []).append(certificate)
        object.__setattr__(self, "_by_name", index)

    def named(self, name: Name) -> list[Certificate]:
        """Those with this subject."""
        return self._by_name.get(name.key, []) if name.attributes else []

    def knows(self, certificate: Certificate) -> bool:
        """Whether it is one of them."""
        if any(one == certificate for one in self.named(certificate.subject)):
            return True
        return any(means(hashed, certificate) for hashed in self.hashes)

    def points_at_issuer_of(self, certificate: Certificate) -> HashData | None:
        """A root that is only pointed at and has the name of the issuer."""
        return issued_by_one_of(certificate, self.hashes)

    def __len__(self) -> int:
        return len(self.certificates) + len(self.hashes)


@dataclass(frozen=True, slots=True)
class Matched:
    """What a station has installed, as far as the certificates are at hand."""

    found: tuple[tuple[HashData, Certificate], ...]
    missing: tuple[HashData, ...]
    """No certificate at hand has these hashes."""
    twice: tuple[HashData, ...]
    """Told more than once."""


def match_installed(told: Iterable[HashData], known: Iterable[Certificate]) -> Matched:
    """Recompute the hashes of all known certificates and compare them with what a station tells."""
    at_hand = list(known)
    found: list[tuple[HashData, Certificate]] = []
    missing: list[HashData] = []
    twice: list[HashData] = []
    seen: set[HashData] = set()
    for hashed in told:
        if hashed in seen:
            twice.append(hashed)
            continue
        seen.add(hashed)
        certificate = next((one for one in at_hand if _is(hashed, one, at_hand)), None)
        if certificate is None:
            missing.append(hashed)
        else:
            found.append((hashed, certificate))
    return Matched(tuple(found), tuple(missing), tuple(twice))


def _is(hashed: HashData, certificate: Certificate, at_hand: list[Certificate]) -> bool:
    if certificate.serial_hex != hashed.serial:
        return False
    if certificate.self_issued:
        return means(hashed, certificate) is True
    issuers = (one for one in at_hand if one.subject.same(certificate.issuer))
    return any(means(hashed, certificate, issuer) for issuer in issuers)
