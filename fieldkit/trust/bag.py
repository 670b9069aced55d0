"""Everything that a user lays on the table, judged together: certificates, their keys, requests, lists, responses.

What belongs together is found out from names, keys and signatures, whatever file it came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.trust import oids
from fieldkit.trust.anchors import Anchors
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.chain import Chain, build, leaves
from fieldkit.trust.containers import Contents, Item
from fieldkit.trust.crl import Crl, judge_crl
from fieldkit.trust.fault import Fault
from fieldkit.trust.iso15118 import ROLES
from fieldkit.trust.keys import PublicKey
from fieldkit.trust.ocsp import OcspResponse, Revocation, judge_response
from fieldkit.trust.pathfaults import described
from fieldkit.trust.posture import MAX_PEM, MAX_PEM_21, Role, leaf_faults
from fieldkit.trust.purpose import (
    GENERAL,
    PURPOSES,
    Fit,
    extended_usage,
    is_for_authorities,
    is_for_roots,
    judge_fit,
)
from fieldkit.trust.request import Request
from fieldkit.trust.verdict import Edition, Verdict
from fieldkit.trust.words import listed, quoted

MAX_CHAINS: Final = 500
"""Chains that are judged: a store of roots has 150 of one certificate each."""
MOST_SENT: Final = 10
"""Certificates of a file that a server could be started with. What has more is a collection in no order."""


@dataclass(frozen=True, slots=True)
class Laid:
    """One file."""

    name: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants to know."""

    at: int
    anchors: Anchors | None = None
    purpose: str = ""
    """One of ``purpose.PURPOSES``; empty: none in particular."""
    edition: Edition = "2.0.1"
    host: str = ""
    serial: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A fault, and the file in which what it is about stands."""

    fault: Fault
    file: str
    role: str = ""


@dataclass(slots=True)
class Judged:
    """What came of it."""

    chains: list[Chain] = field(default_factory=list)
    fits: list[tuple[Certificate, Fit]] = field(default_factory=list)
    statuses: list[tuple[Certificate, str, Revocation]] = field(default_factory=list)
    """Certificate, what says so ("the OCSP response in a.der"), and what it says."""
    keys: list[tuple[str, Item, tuple[Certificate, ...]]] = field(default_factory=list)
    """File, key, and the certificates that it belongs to."""
    faults: list[Told] = field(default_factory=list)
    left_out: int = 0
    """Chains beyond ``MAX_CHAINS``."""


def judge_bag(files: Sequence[Laid], wishes: Wishes) -> Judged:
    """All there is to say."""
    judged = Judged()
    where: dict[Certificate, str] = {}
    for laid in files:
        for certificate in laid.contents.certificates:
            where.setdefault(certificate, laid.name)
    everything = list(where)
    starts = _starts(everything)
    judged.left_out = max(len(starts) - MAX_CHAINS, 0)
    for leaf in starts[:MAX_CHAINS]:
        # Beside a leaf, an authority that issued none of the others is only that.
        role = _role(leaf, wishes) if not leaf.is_ca or all(one.is_ca for one in starts) else ""
        chain, faults = _chain(leaf, files, everything, wishes, role)
        judged.chains.append(chain)
        _tell(judged, faults, where, leaf, role)
    for certificate in _meant(starts, everything, wishes.purpose):
        fit = _fit(certificate, _chain_of(certificate, judged, everything, wishes), wishes)
        judged.fits.append((certificate, fit))
        _tell(judged, _unfit(certificate, fit), where, certificate, _role(certificate, wishes))
    judged.faults += _keys(files, everything, judged)
    judged.faults += _requests(files, everything)
    judged.faults += _statuses(files, judged, wishes.at)
    judged.faults += _unread(files)
    return judged


def _tell(
    judged: Judged, faults: Iterable[Fault], where: dict[Certificate, str], leaf: Certificate, role: Role
) -> None:
    """What is wrong with an intermediate is wrong in all chains that it is part of, and told once."""
    told = {(one.fault.id, one.fault.about) for one in judged.faults if one.fault.about}
    for fault in faults:
        if (fault.id, fault.about) not in told:
            judged.faults.append(Told(fault, _file_of(fault, where, leaf), role))


def _meant(starts: list[Certificate], everything: list[Certificate], purpose: str) -> list[Certificate]:
    """Which certificates are to be judged for the purpose: of a chain for a SECC its leaf, for a root its root."""
    if not purpose:
        return []
    if not is_for_authorities(purpose):
        return [one for one in starts if not one.is_ca][:MAX_CHAINS] or starts[:MAX_CHAINS]
    found = [one for one in everything if one.is_ca and one.self_issued is is_for_roots(purpose)]
    role = ROLES.get(purpose)
    if role is not None and role.path_length is not None and len(found) > 1:
        # Of two sub-CAs in a chain the one that the name says.
        found = [one for one in found if one.extensions.path_length == role.path_length] or found
    return (found or starts)[:MAX_CHAINS]


def _chain_of(certificate: Certificate, judged: Judged, everything: list[Certificate], wishes: Wishes) -> Chain:
    for chain in judged.chains:
        if chain.leaf == certificate:
            return chain
    return build(everything, wishes.anchors, at=wishes.at, purpose=None, as_sent=False, leaf=certificate)


def anchors_from(name: str, contents: Iterable[Contents]) -> Anchors:
    """All certificates of some files as trust anchors."""
    return Anchors(name, tuple(dict.fromkeys(one for each in contents for one in each.certificates)))


def _starts(everything: list[Certificate]) -> list[Certificate]:
    """Where chains begin: in small bags by who issued whom; of a store, each certificate for itself."""
    if len(everything) <= MOST_SENT * 4:
        return leaves(everything) if everything else []
    return everything


def _file_of(fault: Fault, where: dict[Certificate, str], leaf: Certificate) -> str:
    return next((name for one, name in where.items() if one.fingerprint == fault.about), where[leaf])


def _role(leaf: Certificate, wishes: Wishes) -> Role:
    if wishes.purpose in ("csms", "station"):
        return "csms" if wishes.purpose == "csms" else "station"
    if wishes.purpose or leaf.is_ca:
        return ""
    purposes = leaf.extensions.purposes or ()
    only_server = oids.SERVER_AUTH in purposes and oids.CLIENT_AUTH not in purposes
    return "csms" if wishes.host or only_server else ""


def _chain(
    leaf: Certificate, files: Sequence[Laid], everything: list[Certificate], wishes: Wishes, role: Role
) -> tuple[Chain, list[Fault]]:
    purpose = None if leaf.is_ca else extended_usage(wishes.purpose)
    sent = _chain_file(leaf, files)
    at, anchors = wishes.at, wishes.anchors
    if sent is not None:
        others = [one for one in everything if one not in sent]
        chain = build(sent, anchors, at=at, known=others, purpose=purpose)
    else:
        chain = build(everything, anchors, at=at, purpose=purpose, as_sent=False, leaf=leaf)
    limit = MAX_PEM_21 if wishes.edition == "2.1" else MAX_PEM
    faults = [*chain.faults, *leaf_faults(chain.leaf, at=at, role=role, host=wishes.host, pem_limit=limit)]
    return chain, _for_authorities(leaf, faults) if leaf.is_ca else faults


def _chain_file(leaf: Certificate, files: Sequence[Laid]) -> list[Certificate] | None:
    """The file that a server could be started with: one leaf and its issuers, in an order that counts."""
    for laid in files:
        found = laid.contents.certificates
        if laid.contents.form == "PEM" and leaf in found and 1 < len(found) <= MOST_SENT:
            own = {one for one in found if not one.is_ca}
            if own == {leaf}:
                return found
    return None


_ABOUT_LEAVES: Final = frozenset({"tls.key-usage-missing", "tls.no-ocsp-no-crl", "tls.validity-too-long"})
_DATES: Final = frozenset({"tls.cert-expired", "tls.cert-not-yet-valid"})


def _for_authorities(leaf: Certificate, faults: Iterable[Fault]) -> list[Fault]:
    """Of a certificate that is no leaf: without what is asked of leaves only, and called what it is."""
    place = "tls.root-" if leaf.self_signed else "tls.intermediate-"
    return [
        replace(fault, id=fault.id.replace("tls.cert-", place)) if fault.id in _DATES else fault
        for fault in faults
        if fault.id not in _ABOUT_LEAVES
    ]


def _fit(leaf: Certificate, chain: Chain, wishes: Wishes) -> Fit:
    return judge_fit(
        leaf,
        wishes.purpose,
        at=wishes.at,
        edition=wishes.edition,
        chain=chain,
        host=wishes.host,
        serial=wishes.serial,
        operator=wishes.operator,
    )


def _unfit(leaf: Certificate, fit: Fit) -> Iterator[Fault]:
    values = {**described(leaf), "purpose": PURPOSES[fit.purpose]}
    # Dates and trust are findings of their own.
    failed = [one for one in fit.failed if one.id not in GENERAL]
    if failed:
        yield Fault("cert.unfit", {**values, "reasons": _reasons(failed)}, leaf.fingerprint)
    elif fit.advised and not fit.failed:
        yield Fault("cert.against-advice", {**values, "reasons": _reasons(fit.advised)}, leaf.fingerprint)


def _reasons(verdicts: Sequence[Verdict]) -> str:
    return "; ".join(f"{one.title} ({one.why}; {one.id})" for one in verdicts[:6])


def _keys(files: Sequence[Laid], everything: list[Certificate], judged: Judged) -> Iterator[Told]:
    requested = [item.value.key for laid in files for item in laid.contents.items if isinstance(item.value, Request)]
    for laid in files:
        for item in laid.contents.items:
            if item.kind not in ("private key", "public key") or not isinstance(item.value, PublicKey):
                continue
            own = tuple(one for one in everything if one.key.spki == item.value.spki)
            judged.keys.append((laid.name, item, own))
            known = own or any(key.spki == item.value.spki for key in requested)
            if item.kind == "private key" and item.note == "not encrypted":
                yield Told(Fault("cert.private-key-in-clear", {"key": str(item.value)}), laid.name)
            if everything and not known:
                yield Told(
                    Fault("cert.key-mismatch", {"key": str(item.value), "subjects": _labels(everything)}), laid.name
                )


def _labels(certificates: Sequence[Certificate]) -> str:
    return listed([quoted(one.label) for one in certificates], 3)


def _requests(files: Sequence[Laid], everything: list[Certificate]) -> Iterator[Told]:
    own = [one for one in everything if not one.is_ca]
    for laid in files:
        for item in laid.contents.items:
            if not isinstance(item.value, Request):
                continue
            request = item.value
            values = {"subject": quoted(request.label)}
            checked = request.verified()
            if checked.outcome == "wrong":
                yield Told(Fault("cert.request-signature-wrong", {**values, "why": checked.why}), laid.name)
            if request.key.too_short:
                key = f"a key of {request.key.bits} bits ({request.key})"
                yield Told(Fault("cert.request-key-too-short", {**values, "key": key}), laid.name)
            if own and not any(request.answered_by(one) for one in own):
                yield Told(Fault("cert.request-mismatch", {**values, "subjects": _labels(own)}), laid.name)


def _statuses(files: Sequence[Laid], judged: Judged, at: int) -> Iterator[Told]:
    pairs: dict[Certificate, Certificate] = {}
    for chain in judged.chains:
        for number, one in enumerate(chain.path):
            issuer = chain.path[number + 1] if number + 1 < len(chain.path) else one if one.self_signed else None
            if issuer is not None:
                pairs.setdefault(one, issuer)
    for laid in files:
        for item in laid.contents.items:
            if isinstance(item.value, (OcspResponse, Crl)):
                yield from _status(laid.name, item.value, pairs, judged, at)


def _status(
    file: str, found: OcspResponse | Crl, pairs: dict[Certificate, Certificate], judged: Judged, at: int
) -> Iterator[Told]:
    what = "OCSP response" if isinstance(found, OcspResponse) else "revocation list"
    for certificate, issuer in pairs.items():
        if isinstance(found, OcspResponse):
            if not found.failure and all(single.hashed.serial != certificate.serial_hex for single in found.singles):
                continue
            outcome = judge_response(found, certificate, issuer, at=at)
        elif not found.issuer.same(certificate.issuer) or certificate.self_issued:
            continue
        else:
            outcome = judge_crl(found, certificate, issuer, at=at)
        judged.statuses.append((certificate, f"the {what} in {file}", outcome))
        values = {**described(certificate), "why": outcome.why, "what": what}
        if outcome.status == "revoked":
            observation = f"The certificate for {values['subject']}: {outcome.why} The {what} in {file} says so."
            yield Told(Fault("tls.cert-revoked", {**values, "observation": observation}, certificate.fingerprint), file)
        elif outcome.status == "unusable":
            yield Told(Fault("cert.status-unusable", values, certificate.fingerprint), file)


def _unread(files: Sequence[Laid]) -> Iterator[Told]:
    for laid in files:
        for item in laid.contents.items:
            if item.kind == "unreadable":
                where = f"number {item.position}"
                yield Told(Fault("cert.unreadable", {"where": where, "why": item.note}), laid.name)
