"""``fieldkit cert --json``: one document of what was read and judged. Times are ISO 8601, as in reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fieldkit import __version__
from fieldkit.checks import posture
from fieldkit.checks.finding import SEVERITIES, Finding
from fieldkit.reports.moments import iso
from fieldkit.trust import oids
from fieldkit.trust.bag import Judged, Laid, Told, Wishes
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.chain import Chain
from fieldkit.trust.containers import Item
from fieldkit.trust.crl import Crl
from fieldkit.trust.extensions import Extensions
from fieldkit.trust.hashdata import hash_data
from fieldkit.trust.keys import PublicKey
from fieldkit.trust.names import host_names
from fieldkit.trust.ocsp import OcspResponse
from fieldkit.trust.posture import chain_size
from fieldkit.trust.purpose import Fit
from fieldkit.trust.request import Request
from fieldkit.trust.verdict import Verdict

SCHEMA: Final = 1
"""Raised when a reader of the document would have to change."""
MAX_LISTED: Final = 100
"""Names and addresses of one certificate, entries of one list."""


def all_findings(judged: Judged, time: int) -> list[tuple[Finding, str]]:
    """(finding, file), the worst first."""
    found = [(finding, told.file) for told in judged.faults for finding in _findings(told, time)]
    return sorted(found, key=lambda one: SEVERITIES.index(one[0].severity or one[0].kind.severity))


def _findings(told: Told, time: int) -> list[Finding]:
    return posture.findings([told.fault], time=time, at=f" in {told.file}", role=told.role, group=told.file)


def document(files: Sequence[Laid], judged: Judged, wishes: Wishes) -> dict[str, Any]:
    """Everything."""
    when = iso(wishes.at)
    found = all_findings(judged, wishes.at)
    counts = {name: sum((one.severity or one.kind.severity) == name for one, _ in found) for name in SEVERITIES}
    return {
        "schema": SCHEMA,
        "tool": {"name": "fieldkit", "version": __version__},
        "at": when,
        "for": wishes.purpose,
        "edition": wishes.edition,
        "host": wishes.host,
        "anchors": wishes.anchors.name if wishes.anchors is not None else None,
        "summary": {"findings": counts},
        "files": [_file(laid) for laid in files],
        "chains": [chain_entry(chain) for chain in judged.chains],
        "fits": [fit_entry(certificate, fit) for certificate, fit in judged.fits],
        "statuses": [
            {"subject": str(one.subject), "fingerprint": one.fingerprint, "source": source, "status": outcome.status,
             "why": outcome.why, "revoked_at": iso(outcome.revoked_at) or None}
            for one, source, outcome in judged.statuses
        ],
        "findings": [posture.entry(finding, when, file) for finding, file in found],
    }  # fmt: skip


def _file(laid: Laid) -> dict[str, Any]:
    contents = laid.contents
    return {"name": laid.name, "form": contents.form, "items": [_item(item) for item in contents.items]}


def _item(item: Item) -> dict[str, Any]:
    base: dict[str, Any] = {"kind": item.kind, "position": item.position, "note": item.note}
    match item.value:
        case Certificate() as certificate:
            return base | certificate_entry(certificate)
        case Request() as request:
            return base | {"subject": str(request.subject), **_key(request.key), **_extensions(request.extensions)}
        case PublicKey() as key:
            return base | _key(key)
        case OcspResponse() as response:
            return base | _ocsp(response)
        case Crl() as crl:
            return base | _crl(crl)
    return base


def certificate_entry(certificate: Certificate) -> dict[str, Any]:
    """One certificate; the keys that a report's CertificateEntry has are named as there."""
    hashed = hash_data(certificate, certificate) if certificate.self_issued else None
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial_hex,
        "version": certificate.version,
        "not_before": iso(certificate.not_before),
        "not_after": iso(certificate.not_after),
        **_key(certificate.key),
        "signature": certificate.algorithm.label,
        "names": host_names(certificate)[:MAX_LISTED],
        "fingerprint": certificate.fingerprint,
        "self_signed": certificate.self_signed,
        "der_bytes": len(certificate.der),
        "pem_characters": len(certificate.pem),
        "oddities": list(certificate.oddities),
        **_extensions(certificate.extensions),
        "hash_data": None
        if hashed is None
        else {
            "hashAlgorithm": hashed.algorithm.upper(),
            "issuerNameHash": hashed.issuer_name,
            "issuerKeyHash": hashed.issuer_key,
            "serialNumber": hashed.serial,
        },
    }


def _key(key: PublicKey) -> dict[str, Any]:
    return {"key": str(key), "key_bits": key.bits, "key_fingerprint": key.fingerprint}


def _extensions(extensions: Extensions) -> dict[str, Any]:
    names = extensions.alt_names
    return {
        "ca": extensions.is_ca,
        "path_length": extensions.path_length,
        "key_usage": None if extensions.key_usage is None else sorted(extensions.key_usage),
        "extended_key_usage": None
        if extensions.purposes is None
        else [oids.PURPOSES.get(one, one) for one in extensions.purposes],
        "alternative_names": None
        if names is None
        else [*names.dns, *names.shown_addresses, *names.uris, *names.emails][:MAX_LISTED],
        "ocsp": list(extensions.ocsp)[:MAX_LISTED],
        "issuer_urls": list(extensions.issuers)[:MAX_LISTED],
        "crl": list(extensions.crls)[:MAX_LISTED],
        "policies": list(extensions.policies)[:MAX_LISTED],
        "critical": [oids.EXTENSIONS.get(one, one) for one, critical in extensions.present.items() if critical],
    }


def _ocsp(response: OcspResponse) -> dict[str, Any]:
    return {
        "failure": response.failure,
        "produced": iso(response.produced),
        "answers": [
            {"serial": one.hashed.serial, "status": one.status, "this_update": iso(one.this_update),
             "next_update": iso(one.next_update) or None, "revoked_at": iso(one.revoked_at) or None}
            for one in response.singles[:MAX_LISTED]
        ],
    }  # fmt: skip


def _crl(crl: Crl) -> dict[str, Any]:
    return {
        "issuer": str(crl.issuer),
        "this_update": iso(crl.this_update),
        "next_update": iso(crl.next_update) or None,
        "revoked": len(crl),
        "number": crl.number,
        "signature": crl.algorithm.label,
    }


def chain_entry(chain: Chain) -> dict[str, Any]:
    """A chain as it was found."""
    return {
        "path": [{"subject": str(one.subject), "fingerprint": one.fingerprint} for one in chain.path],
        "anchor": chain.anchor.fingerprint if chain.anchor is not None else None,
        "judged": chain.judged,
        "trusted": chain.trusted,
        "pem_characters": chain_size(chain.path),
        "notes": list(chain.notes),
        "findings": [fault.id for fault in chain.faults],
    }


def fit_entry(certificate: Certificate, fit: Fit) -> dict[str, Any]:
    """Whether a certificate is fit for its purpose."""
    return {
        "subject": str(certificate.subject),
        "fingerprint": certificate.fingerprint,
        "purpose": fit.purpose,
        "fits": fit.fits,
        "requirements": [requirement_entry(one) for one in fit.verdicts],
    }


def requirement_entry(verdict: Verdict) -> dict[str, Any]:
    """One requirement."""
    return {
        "id": verdict.id,
        "edition": verdict.edition,
        "title": verdict.title,
        "level": verdict.level,
        "result": verdict.result,
        "why": verdict.why,
    }
