"""Who vouches for whom: a way from a leaf to a trust anchor through an unordered bag, and what is wrong on it.

RFC 5280 §6.1 is followed as far as charging stations and CSMSs are concerned, with a cause for each certificate instead
of one error for all. Policies are not processed: no station does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from fieldkit.trust import oids
from fieldkit.trust.anchors import Anchors
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.fault import BREAKING, Fault
from fieldkit.trust.pathfaults import described, path_faults
from fieldkit.trust.signatures import Verified
from fieldkit.trust.words import listed, quoted

MAX_BAG: Final = 100
"""Certificates among which a way is looked for; servers send up to six."""
MAX_DEPTH: Final = 10
"""Certificates of one way; V2G has four, public authorities up to five."""
MAX_CHECKS: Final = 300
"""Signatures verified for one chain: each takes 0.1 ms, and a hostile bag has many that may fit."""
MAX_PATHS: Final = 50


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of the search."""

    path: tuple[Certificate, ...]
    """The leaf first, as far as issuers were found; with an anchor at the end if there is one."""
    anchor: Certificate | None
    faults: tuple[Fault, ...]
    judged: bool
    """False when there were no anchors to hold it against."""
    notes: tuple[str, ...] = ()
    """What could not be told, in sentences."""

    @property
    def leaf(self) -> Certificate:
        return self.path[0]

    @property
    def issuer(self) -> Certificate | None:
        """Who issued the leaf; None if not found. A self-signed leaf is its own."""
        if len(self.path) > 1:
            return self.path[1]
        return self.leaf if self.leaf.self_signed else None

    @property
    def breaking(self) -> tuple[Fault, ...]:
        """The faults with which it must be refused."""
        return tuple(fault for fault in self.faults if fault.id in BREAKING and fault.severity is None)

    @property
    def trusted(self) -> bool | None:
        """None where it cannot be told: no anchors were given, or a signature could not be verified."""
        if self.breaking:
            return False
        return None if self.anchor is None or self.notes else True


@dataclass(slots=True)
class _Search:
    """One search, with what it has found so far."""

    anchors: Anchors | None
    bag: list[Certificate]
    at: int
    checks: int = 0
    verified: dict[tuple[bytes, bytes], Verified] = field(default_factory=dict)
    paths: list[tuple[Certificate, ...]] = field(default_factory=list)
    """Those that end at an anchor …"""
    partial: list[tuple[Certificate, ...]] = field(default_factory=list)
    """… and those that end where no issuer is found."""
    impostors: dict[bytes, Certificate] = field(default_factory=dict)
    """By certificate: one that bears the name of its issuer, and did not sign it."""

    def issued(self, certificate: Certificate, issuer: Certificate) -> Verified:
        key = (certificate.der, issuer.key.spki)
        known = self.verified.get(key)
        if known is None:
            self.checks += 1
            known = self.verified[key] = certificate.issued_by(issuer)
        return known

    def walk(self, path: tuple[Certificate, ...]) -> None:
        """Follow all ways up from the last one."""
        last = path[-1]
        if self.anchors is not None and self.anchors.knows(last):
            self.paths.append(path)
            return
        if len(path) >= MAX_DEPTH or len(self.paths) + len(self.partial) >= MAX_PATHS:
            self.partial.append(path)
            return
        found = False
        for issuer in self.issuers(last):
            if any(issuer.subject.same(one.subject) and issuer.key == one.key for one in path):
                continue  # a circle of cross-certificates, or a root that issued itself
            found = True
            self.walk((*path, issuer))
        if not found:
            self.partial.append(path)

    def issuers(self, certificate: Certificate) -> list[Certificate]:
        """Who may have issued it, the likeliest first."""
        named = [*(self.anchors.named(certificate.issuer) if self.anchors is not None else [])]
        named += [one for one in self.bag if one.subject.same(certificate.issuer) and one not in named]
        fitting: list[tuple[tuple[bool, bool, bool], Certificate]] = []
        for number, issuer in enumerate(named):
            if self.checks >= MAX_CHECKS:
                break
            if self.issued(certificate, issuer).outcome == "wrong":
                if issuer != certificate:
                    self.impostors.setdefault(certificate.der, issuer)
                continue
            key_id = certificate.extensions.authority_key_id
            other_key = bool(key_id and issuer.extensions.subject_key_id and key_id != issuer.extensions.subject_key_id)
            trusted = self.anchors is not None and self.anchors.knows(issuer)
            fitting.append(((other_key, not issuer.valid_at(self.at), not trusted), named[number]))
        return [issuer for _, issuer in sorted(fitting, key=lambda one: one[0])]


def leaves(bag: Sequence[Certificate]) -> list[Certificate]:
    """Those of a bag that issued no other of it: where chains begin. Of equal ones the first."""
    unique = list(dict.fromkeys(bag))[:MAX_BAG]
    parents = {one.issuer.key for one in unique if not one.self_issued}
    found = [
        one
        for one in unique
        if one.subject.key not in parents
        or not any(other != one and other.issuer.same(one.subject) and other.issued_by(one) for other in unique)
    ]
    return found or unique[:1]


def build(
    sent: Sequence[Certificate],
    anchors: Anchors | None,
    *,
    at: int,
    known: Iterable[Certificate] = (),
    purpose: str | None = oids.SERVER_AUTH,
    as_sent: bool = True,
    leaf: Certificate | None = None,
) -> Chain:
    """Find the best way from the leaf of ``sent`` to one of ``anchors`` and say what is wrong.

    ``known`` are certificates from elsewhere (fetched from the address that a certificate names for its issuer, or
    given by the user): a chain that needs one of them is incomplete as sent. ``as_sent``: the order is that of a
    handshake and is judged. ``purpose`` is the extended key usage that the leaf must allow. Without ``anchors`` it is
    not judged whom the chain ends at. ``sent`` must not be empty.
    """
    bag = list(dict.fromkeys(sent))[:MAX_BAG]
    start = leaf or _leaf_of(bag)
    search = _Search(anchors, [*bag, *(one for one in known if one not in bag)][: 2 * MAX_BAG], at)
    search.walk((start,))
    best, faults = _best(search, start, purpose, at)
    complete = anchors is not None and anchors.knows(best[-1])
    found = list(faults)
    if not complete:
        found = [*_end_faults(best, search, anchors, as_sent), *found]
    found += _missing_faults(best, bag, anchors, complete)
    if as_sent:
        found += _sent_faults(list(sent), best, search)
    notes = _notes(best, search, anchors, complete)
    return Chain(best, best[-1] if complete else None, tuple(found), anchors is not None, notes)


def _leaf_of(bag: list[Certificate]) -> Certificate:
    """Of a handshake it is the first, unless that one issued another of them."""
    first = bag[0]
    if not any(one != first and one.issuer.same(first.subject) and one.issued_by(first) for one in bag[1:]):
        return first
    return next((one for one in leaves(bag) if not one.is_ca), first)


def _best(
    search: _Search, start: Certificate, purpose: str | None, at: int
) -> tuple[tuple[Certificate, ...], tuple[Fault, ...]]:
    """The way with the fewest faults; one to an anchor before one that leads nowhere, a longer one of the latter."""

    def judged(path: tuple[Certificate, ...], ends: bool) -> tuple[Fault, ...]:
        return path_faults(path, purpose=purpose, at=at, anchored=ends)

    ways = [(path, judged(path, True)) for path in search.paths]
    if ways:
        return min(ways, key=lambda way: (_weight(way[1]), len(way[0])))
    ways = [(path, judged(path, False)) for path in search.partial] or [((start,), judged((start,), False))]
    return min(ways, key=lambda way: (-len(way[0]), _weight(way[1])))


def _weight(faults: Iterable[Fault]) -> int:
    return sum(fault.id in BREAKING for fault in faults)


def _end_faults(path: tuple[Certificate, ...], search: _Search, anchors: Anchors | None, as_sent: bool) -> list[Fault]:
    """Why it does not end at an anchor."""
    last = path[-1]
    impostor = search.impostors.get(last.der)
    if impostor is not None and not last.self_signed:
        trusted = anchors is not None and anchors.knows(impostor)
        whose = "a trusted root" if trusted else "a certificate"
        why = f"the key of {whose} of that name did not sign it: the authority has another key, or it was changed"
        return [Fault("tls.signature-invalid", {**described(last), "why": why}, last.fingerprint)]
    if anchors is None or (not last.self_issued and anchors.points_at_issuer_of(last)):
        return []
    values = {**described(last), "anchors": anchors.name}
    if last.self_signed:
        if len(path) == 1 and (as_sent or not last.is_ca):  # many tools mark what they sign by itself as an authority
            return [Fault("tls.self-signed", values, last.fingerprint)]
        same = anchors.named(last.subject)
        note = " A root of the same name with another key is among them: it was replaced." if same else ""
        meaning = f"The chain ends at the root {quoted(last.subject.label)}, which is not among {anchors.name}.{note}"
        return [Fault("tls.untrusted", {**values, "observation": meaning}, last.fingerprint)]
    if len(path) == 1 and not last.is_ca and last.extensions.issuers:
        # An authority that tells where its own certificate is to be had is an intermediate one, as a rule.
        meaning = (
            f"The certificate of its issuer, {quoted(last.issuer.label)}, is not sent and not among {anchors.name};"
            f" it is to be had at {last.extensions.issuers[0]}."
        )
        return [Fault("tls.chain-incomplete", {**values, "observation": meaning}, last.fingerprint)]
    meaning = (
        f"The chain ends at {quoted(last.label)}; its issuer, {quoted(last.issuer.label)}, is neither sent nor among"
        f" {anchors.name}."
    )
    if as_sent and not last.is_ca:
        # Nothing in the leaf tells a root from an intermediate authority.
        meaning += " If that is an intermediate authority, it is missing from what is sent."
    return [Fault("tls.untrusted", {**values, "observation": meaning}, last.fingerprint)]


def _missing_faults(
    path: tuple[Certificate, ...], bag: list[Certificate], anchors: Anchors | None, complete: bool
) -> list[Fault]:
    """What the way needs and was not sent. A root need not be."""
    missing = [one for one in path[1:] if one not in bag and not (anchors is not None and anchors.knows(one))]
    missing = [one for one in missing if not one.self_signed]
    if not missing:
        return []
    names = listed([quoted(one.label) for one in missing])
    where = "and leads to a trusted root" if complete else "and was found elsewhere"
    values = {**described(path[0]), "observation": f"{names} belongs into the chain {where}, but is not sent."}
    return [Fault("tls.chain-incomplete", values, missing[0].fingerprint)]


def _sent_faults(sent: list[Certificate], path: tuple[Certificate, ...], search: _Search) -> list[Fault]:
    """Order and superfluous ones (RFC 5246 §7.4.2; RFC 8446 §4.4.2 forgives what does not belong)."""
    faults = []
    linked = {path[0]}
    while True:  # everything that vouches for something that is linked already: cross-certificates belong to it
        more = [
            one
            for one in sent
            if one not in linked
            and any(child.issuer.same(one.subject) and search.issued(child, one).outcome != "wrong" for child in linked)
        ]
        if not more or search.checks >= MAX_CHECKS:
            break
        linked.update(more)
    shown = listed([quoted(one.label) for one in sent])
    placed: list[Certificate] = []
    for number, one in enumerate(sent):
        if one in placed:
            faults.append(_extra(one, "it is sent twice"))
        elif one in search.impostors.values():
            pass  # it bears the issuer's name, and that it did not sign is told already
        elif one not in linked:
            faults.append(_extra(one, "it vouches for none of the others"))
        elif not number:
            if one != path[0]:
                faults.append(Fault("tls.chain-order", {"count": str(len(sent)), "subjects": shown}))
        elif faults and faults[-1].id == "tls.chain-order":
            pass  # told once
        elif one != path[0] and not any(child.issuer.same(one.subject) for child in placed):
            faults.append(Fault("tls.chain-order", {"count": str(len(sent)), "subjects": shown}))
        placed.append(one)
    order = [fault for fault in faults if fault.id == "tls.chain-order"]
    faults = [*order[:1], *(fault for fault in faults if fault.id != "tls.chain-order")]
    root = next((one for one in sent[1:] if one in linked and one.self_signed), None)
    if root is not None:
        faults.append(Fault("tls.root-sent", described(root), root.fingerprint))
    return faults


def _extra(certificate: Certificate, why: str) -> Fault:
    return Fault("tls.chain-extra-cert", {**described(certificate), "why": why}, certificate.fingerprint)


def _notes(path: tuple[Certificate, ...], search: _Search, anchors: Anchors | None, complete: bool) -> tuple[str, ...]:
    notes = []
    for lower, upper in pairwise(path):
        checked = search.issued(lower, upper)
        if checked.outcome == "unknown":
            notes.append(f"The signature of {quoted(lower.label)} could not be verified: {checked.why}.")
    last = path[-1]
    if not complete and anchors is not None and not last.self_issued and anchors.points_at_issuer_of(last):
        notes.append(
            f"A root named {quoted(last.issuer.label)} is among {anchors.name}; its certificate is not at hand, so that"
            " the signature could not be verified."
        )
    if search.checks >= MAX_CHECKS:
        notes.append(f"The search was given up after {MAX_CHECKS} signatures: too many certificates may fit.")
    return tuple(notes)
