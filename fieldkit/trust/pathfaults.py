"""What is wrong with the certificates of a path, each for itself and towards its neighbours (RFC 5280 §6.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fieldkit.trust import oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.constraints import violation
from fieldkit.trust.fault import Fault
from fieldkit.trust.words import date, listed, quoted, span


def described(certificate: Certificate) -> dict[str, str]:
    """Values that the texts of all findings on a certificate may use."""
    return {
        "subject": quoted(certificate.label),
        "issuer": quoted(certificate.issuer.label),
        "begin": date(certificate.not_before),
        "end": date(certificate.not_after),
    }


def path_faults(path: Sequence[Certificate], *, purpose: str | None, at: int, anchored: bool) -> tuple[Fault, ...]:
    """Of a path from the leaf upwards; ``anchored``: the last one is a trust anchor."""
    found: list[Fault] = []
    for depth, certificate in enumerate(path):
        root = depth == len(path) - 1 and (anchored or certificate.self_issued) and depth > 0
        found += _dates(certificate, depth, root, at)
        found += _form(certificate)
        found += weaknesses(certificate, root=root or (depth == 0 and certificate.self_issued))
        if depth:
            found += _authority(path, depth)
        if purpose is not None and not root and not certificate.serves(purpose):
            found.append(_wrong_purpose(certificate, purpose))
        if depth + 1 < len(path):
            found += _key_ids(certificate, path[depth + 1])
    return tuple(found)


def _dates(certificate: Certificate, depth: int, root: bool, at: int) -> Iterator[Fault]:
    place = "root" if root else "intermediate" if depth else "cert"
    values = {**described(certificate), "seen": date(at)}
    if at > certificate.not_after:
        ago = span(at - certificate.not_after)
        yield Fault(f"tls.{place}-expired", {**values, "ago": ago}, certificate.fingerprint)
    elif at < certificate.not_before:
        ahead = span(certificate.not_before - at)
        yield Fault(f"tls.{place}-not-yet-valid", {**values, "ahead": ahead}, certificate.fingerprint)


def _form(certificate: Certificate) -> Iterator[Fault]:
    if certificate.oddities:
        # What only a strict parser minds does not break a chain everywhere.
        broken = bool(certificate.extensions.broken or certificate.extensions.twice)
        values = {**described(certificate), "why": "; ".join(certificate.oddities[:5])}
        yield Fault("tls.cert-malformed", values, certificate.fingerprint, None if broken else "warning")
    unknown = certificate.extensions.unknown_critical
    if unknown:
        names = listed([oids.EXTENSIONS.get(number, number) for number in unknown])
        yield Fault("tls.critical-extension", {**described(certificate), "extensions": names}, certificate.fingerprint)


def weaknesses(certificate: Certificate, *, root: bool = False) -> Iterator[Fault]:
    """Keys that are too short, signatures that prove nothing. That of a root counts for nothing anyway."""
    values = described(certificate)
    if certificate.key.too_short:
        kind = "ec" if certificate.key.elliptic else "rsa"
        size = {**values, "key": f"a key of {certificate.key.bits} bits ({certificate.key})"}
        yield Fault(f"tls.{kind}-key-too-short", size, certificate.fingerprint)
    if certificate.algorithm.outdated and not root:
        yield Fault("tls.sha1-signature", {**values, "hash": certificate.algorithm.outdated}, certificate.fingerprint)


def _authority(path: Sequence[Certificate], depth: int) -> Iterator[Fault]:
    """Whether this one may have issued the one below."""
    certificate, below = path[depth], path[depth - 1]
    values = {**described(certificate), "below": quoted(below.label)}
    if not certificate.is_ca:
        why = (
            "its basicConstraints say that it is none"
            if certificate.extensions.is_ca is False
            else "it has no basicConstraints that say so"
        )
        yield Fault("tls.intermediate-not-ca", {**values, "why": why}, certificate.fingerprint)
    elif not certificate.may("keyCertSign"):
        usages = listed(sorted(certificate.extensions.key_usage or ()), 9) or "nothing"
        yield Fault("tls.ca-may-not-sign", {**values, "usages": usages}, certificate.fingerprint)
    limit = certificate.extensions.path_length
    # Self-issued ones do not count (RFC 5280 §6.1.4 (l)), neither does the leaf.
    between = sum(not one.self_issued for one in path[1:depth])
    if limit is not None and between > limit:
        counted = {**values, "limit": str(limit), "count": str(between)}
        yield Fault("tls.path-too-long", counted, certificate.fingerprint)
    for lower, one in enumerate(path[:depth]):
        if lower and one.self_issued:
            continue  # §6.1.4 (b), (c): constraints do not apply to them unless they are the last
        why = violation(certificate, one, leaf=not lower)
        if why:
            yield Fault("tls.name-constraints", {**values, "why": why, "below": quoted(one.label)}, one.fingerprint)
            break


def _wrong_purpose(certificate: Certificate, purpose: str) -> Fault:
    allowed = [oids.PURPOSES.get(one, one) for one in certificate.extensions.purposes or ()]
    values = {
        **described(certificate),
        "wanted": oids.PURPOSES.get(purpose, purpose),
        "purposes": listed(allowed) or "nothing",
    }
    return Fault("tls.eku-wrong", values, certificate.fingerprint)


def _key_ids(certificate: Certificate, issuer: Certificate) -> Iterator[Fault]:
    ids = certificate.extensions
    wrong_key = (
        ids.authority_key_id
        and issuer.extensions.subject_key_id
        and ids.authority_key_id != issuer.extensions.subject_key_id
    )
    wrong_serial = ids.authority_serial is not None and ids.authority_serial != issuer.serial
    if wrong_key or wrong_serial:
        what = "the key identifier" if wrong_key else "the serial number"
        yield Fault("tls.key-id-mismatch", {**described(certificate), "what": what}, certificate.fingerprint)
