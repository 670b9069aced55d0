"""Certificate profiles of ISO 15118-2 (Annex F) and ISO 15118-20 (Annex B), role by role.

The texts of both standards are not free. What stands here is what public implementations, the operators of V2G roots
and pre-certification tests agree on; requirement numbers where they are known. What they disagree on (keyAgreement in
SECC leaves) or call optional is "should" here, or not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.trust import oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.verdict import Answer, Level, Verdict, check, failed, inapplicable, passed, unknown
from fieldkit.trust.words import DAY, listed, quoted, span

MAX_DER: Final = 800
"""Bytes of a certificate of ISO 15118-2 (V2G2-010): control units have small buffers."""
MAX_PATH: Final = 3
"""Certificates below the root (V2G2-009)."""
YEAR: Final = 366 * DAY

_EMAID: Final = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?C?[A-Z0-9]{8,9}(-?[A-Z0-9])?", re.IGNORECASE)
"""Country, provider, instance (8 or 9 places with the leading C) and an optional check digit (ISO 15118-2 H.1)."""
_SECCID: Final = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?S-?[A-Z0-9]{32,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Role:
    """What a certificate of one role has to be like."""

    name: str
    twenty: bool
    """Of ISO 15118-20 rather than -2."""
    components: tuple[str, ...]
    """Values of which the subject's DC must have one; empty: not judged."""
    component_level: Level = "shall"
    ca: bool = False
    path_length: int | None = None
    root: bool = False
    common: str = ""
    """"emaid", "seccid" or empty."""
    usages: tuple[str, ...] = ("digitalSignature",)
    ocsp: bool = False
    """The address of an OCSP responder is asked for."""
    life: int | None = None
    """ns that it usually lasts at most: a "should"."""

    @property
    def edition(self) -> str:
        return "ISO 15118-20" if self.twenty else "ISO 15118-2"


def _both(
    key: str, name: str, components: tuple[str, ...], components_20: tuple[str, ...] | None = None, **more: object
) -> dict[str, Role]:
    twenty = components if components_20 is None else components_20
    return {
        f"15118-{key}": Role(name, False, components, **more),  # type: ignore[arg-type]
        f"15118-20-{key}": Role(name, True, twenty, **more),  # type: ignore[arg-type]
    }


_SIGNS: Final = ("keyCertSign",)
ROLES: Final[dict[str, Role]] = {
    **_both("secc", "SECC leaf", ("CPO",), ("CPO", "CSO"), common="seccid", ocsp=True, life=YEAR),
    **_both("cpo-sub1", "CPO sub-CA 1", ("CPO",), ("CPO", "CSO"), ca=True, path_length=1, usages=_SIGNS, ocsp=True,
            life=5 * YEAR),
    **_both("cpo-sub2", "CPO sub-CA 2", ("CPO",), ("CPO", "CSO"), ca=True, path_length=0, usages=_SIGNS, ocsp=True,
            life=4 * YEAR),
    **_both("v2g-root", "V2G root", ("V2G",), ca=True, root=True, usages=_SIGNS, life=41 * YEAR),
    **_both("contract", "contract", ("MO",), component_level="should", common="emaid",
            usages=("digitalSignature", "nonRepudiation"), life=2 * YEAR),
    **_both("mo-sub1", "MO sub-CA 1", ("MO",), component_level="should", ca=True, path_length=1, usages=_SIGNS),
    **_both("mo-sub2", "MO sub-CA 2", ("MO",), component_level="should", ca=True, path_length=0, usages=_SIGNS),
    **_both("provisioning", "certificate provisioning service", ("CPS",), life=YEAR),
    **_both("oem", "OEM provisioning", ("OEM",), component_level="should"),
}  # fmt: skip
"""By the name that ``fieldkit cert --for`` knows."""

_CURVES_2: Final = ("secp256r1",)
_KEYS_20: Final = ("secp521r1", "Ed448")


def judge_v2g(certificate: Certificate, role: Role, *, depth: int | None = None) -> list[Verdict]:
    """All there is to check. ``depth``: certificates between the leaf and the root, the leaf included, if known."""
    found = []
    for number, number_20, title, level, rule in _RULES:
        shown = number_20 if role.twenty else number
        if shown:
            result, why = rule(certificate, role)
            if title.startswith("DC"):
                level = role.component_level
            if result != "not applicable":
                found.append(Verdict(shown, role.edition, title, level, result, why))
    if depth is not None and not role.twenty and not role.ca:
        answer = check(depth <= MAX_PATH, f"{depth} below the root")
        found.append(
            Verdict("V2G2-009", role.edition, f"at most {MAX_PATH} certificates below the root", "shall", *answer)
        )
    return found


def _key(certificate: Certificate, role: Role) -> Answer:
    wanted = _KEYS_20 if role.twenty else _CURVES_2
    shown = certificate.key.curve if certificate.key.kind == "EC" else certificate.key.kind
    return check(shown in wanted, f"{certificate.key}; {' or '.join(wanted)} is right")


def _signature(certificate: Certificate, role: Role) -> Answer:
    algorithm = certificate.algorithm
    if role.twenty:
        return check(algorithm.kind == "ed448" or (algorithm.kind, algorithm.hash) == ("ecdsa", "sha512"),
                     f"{algorithm.label}; ECDSA with SHA-512 or Ed448 is right")  # fmt: skip
    good = (algorithm.kind, algorithm.hash) == ("ecdsa", "sha256")
    return check(good, f"{algorithm.label}; ECDSA with SHA-256 is right")


def _size(certificate: Certificate, role: Role) -> Answer:
    size = len(certificate.der)
    return check(size <= MAX_DER, f"{size} bytes")


def _component(certificate: Certificate, role: Role) -> Answer:
    if not role.components:
        return inapplicable("")
    values = certificate.subject.all(oids.DOMAIN_COMPONENT)
    wanted = " or ".join(role.components)
    if not values:
        return failed(f"the subject has no DC; {wanted} is right")
    good = any(value.upper() in role.components for value in values)
    return check(good, f"DC is {listed([quoted(value) for value in values])}" + ("" if good else f", not {wanted}"))


def _common(certificate: Certificate, role: Role) -> Answer:
    common = certificate.common_name
    if not common:
        return failed("there is no CN in the subject")
    shown = f"CN is {quoted(common)}"
    if role.common == "emaid":
        return check(_EMAID.fullmatch(common) is not None, shown)
    if role.common == "seccid" and role.twenty:
        return passed(shown) if _SECCID.fullmatch(common) else unknown(f"{shown}, which does not look like a SECCID")
    return passed(shown)


def _organization(certificate: Certificate, role: Role) -> Answer:
    values = certificate.subject.all(oids.ORGANIZATION)
    return passed(f"O is {quoted(values[0])}") if values else failed("there is no O in the subject")


def _basic(certificate: Certificate, role: Role) -> Answer:
    is_ca, extensions = certificate.extensions.is_ca, certificate.extensions
    if is_ca is None:
        return failed("there are no basicConstraints")
    if is_ca is not role.ca:
        return failed("it says that it is an authority" if is_ca else "it says that it is no authority")
    if not extensions.critical(oids.BASIC_CONSTRAINTS):
        return failed("basicConstraints are not marked critical")
    return passed("it says that it is an authority" if is_ca else "it says that it is no authority")


def _path_length(certificate: Certificate, role: Role) -> Answer:
    if not role.ca:
        return inapplicable("")
    length = certificate.extensions.path_length
    if role.root:
        return check(length is None or length >= 2, "no limit" if length is None else f"it is {length}")
    shown = "there is none" if length is None else f"it is {length}"
    return check(length == role.path_length, f"{shown}; {role.path_length} is right")


def _usage(certificate: Certificate, role: Role) -> Answer:
    usage = certificate.extensions.key_usage
    if usage is None:
        return failed("there is no keyUsage")
    lacking = [name for name in role.usages if name not in usage]
    shown = listed(sorted(usage), 9) or "nothing"
    if lacking:
        return failed(f"keyUsage is {shown}, without {listed(lacking)}")
    if not role.ca and "keyCertSign" in usage:
        return failed(f"keyUsage is {shown}: a leaf must not sign certificates")
    return passed(shown)


def _usage_critical(certificate: Certificate, role: Role) -> Answer:
    if certificate.extensions.key_usage is None:
        return inapplicable("")
    critical = certificate.extensions.critical(oids.KEY_USAGE)
    return check(critical, "it is" if critical else "it is not")


def _life(certificate: Certificate, role: Role) -> Answer:
    if role.life is None:
        return inapplicable("")
    life = certificate.not_after - certificate.not_before
    return check(life <= role.life, f"{span(life)}; up to {span(role.life)} is usual")


def _ocsp(certificate: Certificate, role: Role) -> Answer:
    if not role.ocsp:
        return inapplicable("")
    urls = certificate.extensions.ocsp
    return passed(urls[0]) if urls else failed("it names no OCSP responder")


def _self_signed(certificate: Certificate, role: Role) -> Answer:
    if not role.root:
        issued = not certificate.self_issued
        return check(issued, f"issued by {quoted(certificate.issuer.label)}" if issued else "it is self-signed")
    return check(certificate.self_signed, "it is" if certificate.self_signed else "it is not")


def _key_ids(certificate: Certificate, role: Role) -> Answer:
    ids = certificate.extensions
    lacking = [] if ids.subject_key_id else ["subjectKeyIdentifier"]
    if not role.root and not ids.authority_key_id:
        lacking.append("authorityKeyIdentifier")
    return failed(f"without {listed(lacking)}") if lacking else passed("there")


_Rule = Callable[[Certificate, Role], Answer]
_RULES: Final[tuple[tuple[str, str, str, Level, _Rule], ...]] = (
    ("V2G2-006/007", "V2G20-2674/2319", "the key is on the curve of the standard", "shall", _key),
    ("V2G2-006", "V2G20-2674", "signed with the algorithm of the standard", "shall", _signature),
    ("V2G2-010", "", f"at most {MAX_DER} bytes", "shall", _size),
    ("V2G2-925", "V2G20 Annex B", "DC in the subject names the role", "shall", _component),
    ("Annex F", "Annex B", "CN in the subject is the identity", "shall", _common),
    ("Annex F", "Annex B", "O in the subject names the owner", "shall", _organization),
    ("Annex F", "Annex B", "basicConstraints fit the role and are critical", "shall", _basic),
    ("Annex F", "Annex B", "the path length fits the role", "shall", _path_length),
    ("Annex F", "Annex B", "keyUsage fits the role", "shall", _usage),
    ("Annex F", "Annex B", "keyUsage is critical", "shall", _usage_critical),
    ("Annex F", "Annex B", "a root is signed by itself, all others by somebody else", "shall", _self_signed),
    ("", "Annex B", "key identifiers are there", "should", _key_ids),
    ("V2G2-875", "V2G20-2388", "an OCSP responder is named", "should", _ocsp),
    ("Annex F", "Annex B", "the validity is as long as usual", "should", _life),
)


def editions(certificate: Certificate) -> Iterator[str]:
    """For which edition its key could be meant."""
    shown = certificate.key.curve or certificate.key.kind
    if shown in _CURVES_2:
        yield "ISO 15118-2"
    if shown in _KEYS_20:
        yield "ISO 15118-20"
