"""OCPP's requirements on certificates (A00.FR.501 to 514, 701, 702), judged on one certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from fieldkit.trust import oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.names import by_clients, by_ocpp, is_host_name, packed_address
from fieldkit.trust.posture import MAX_PEM, MAX_PEM_21
from fieldkit.trust.requirements import CERTIFICATE_REQUIREMENTS
from fieldkit.trust.verdict import Answer, Edition, Verdict, check, failed, inapplicable, passed, unknown
from fieldkit.trust.words import DAY, listed, quoted, span

Role: TypeAlias = Literal["csms", "station"]

_GOOD_HASHES: Final = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
"""BSI TR-02102-1 table 4.1; SHA-224 is not among them."""
_GOOD_CURVES: Final = (
    "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
)  # fmt: skip
"""BSI TR-02102-2 tables 6 and 7."""


class Context:
    """What the rules need to know beside the certificate."""

    def __init__(self, edition: Edition, role: Role, *, host: str = "", serial: str = "", operator: str = "") -> None:
        self.edition = edition
        self.role = role
        self.host = host
        self.serial = serial
        self.operator = operator


def judge_certificate(certificate: Certificate, context: Context, *, profile: int = 3) -> list[Verdict]:
    """All requirements on a certificate of this role."""
    verdicts = []
    for requirement in CERTIFICATE_REQUIREMENTS:
        number = requirement.id(context.edition, profile)
        if number and requirement.side in ("both", context.role):
            result, why = _RULES[requirement.key](certificate, context)
            verdicts.append(Verdict(number, context.edition, requirement.title, requirement.level, result, why))
    return verdicts


def _key_size(certificate: Certificate, context: Context) -> Answer:
    if not certificate.key.bits:
        return unknown(f"the size of a key of the kind {certificate.key} is not known")
    return check(not certificate.key.too_short, str(certificate.key))


def _algorithms(certificate: Certificate, context: Context) -> Answer:
    algorithm, key = certificate.algorithm, certificate.key
    if not algorithm.kind:
        return unknown(f"{algorithm.label} is not known here")
    if algorithm.hash and algorithm.hash not in _GOOD_HASHES:
        return failed(f"signed by {algorithm.label}")
    if key.kind == "EC" and key.curve not in _GOOD_CURVES:
        return failed(f"the key is on {key.curve}")
    if key.kind == "DSA" or algorithm.kind == "dsa":
        return failed("DSA")
    if algorithm.kind == "rsa":
        return passed(f"{key}, signed by {algorithm.label} (PKCS #1 v1.5, which the BSI tolerates)")
    return passed(f"{key}, signed by {algorithm.label}")


def _signed_with(certificate: Certificate, context: Context) -> Answer:
    return check(certificate.algorithm.kind in ("pss", "ecdsa"), certificate.algorithm.label)


def _hash(certificate: Certificate, context: Context) -> Answer:
    if not certificate.algorithm.hash:
        return inapplicable(f"{certificate.algorithm.label} has a hash of its own")
    return check(certificate.algorithm.hash in _GOOD_HASHES, certificate.algorithm.label)


def _serial_number(certificate: Certificate, context: Context) -> Answer:
    return check(certificate.serial > 0, certificate.serial_hex)


def _organization(certificate: Certificate, context: Context) -> Answer:
    values = [value for value in certificate.subject.all(oids.ORGANIZATION) if value.strip()]
    if not values:
        return failed("there is no O in the subject")
    shown = listed([quoted(value) for value in values])
    if context.operator and context.role == "station" and not any(context.operator in value for value in values):
        return failed(f"O is {shown}, without {quoted(context.operator)}")
    return passed(f"O is {shown}")


def _csms_cn(certificate: Certificate, context: Context) -> Answer:
    common = certificate.common_name
    if not common:
        return failed("there is no CN in the subject")
    if not context.host:
        named = is_host_name(common.removeprefix("*.")) or bool(packed_address(common))
        return check(named, f"CN is {quoted(common)}" + ("" if named else ", which is no full host name"))
    verdict = by_ocpp(certificate, context.host)
    if verdict.fits and not any(_is(name, context.host) for name in certificate.subject.all(oids.COMMON_NAME)):
        return failed(f"CN is {quoted(common)}; only an alternative name is {quoted(context.host)}")
    return check(verdict.fits, verdict.why)


def _is(common: str, host: str) -> bool:
    from fieldkit.trust.names import matches

    return matches(common, host)


def _station_cn(certificate: Certificate, context: Context) -> Answer:
    common = certificate.common_name
    if not common:
        return failed("there is no CN in the subject")
    if "://" in common or packed_address(common):
        return failed(f"CN is {quoted(common)}")
    if context.serial and context.serial not in common:
        return failed(f"CN is {quoted(common)}, and the station's serial number is {quoted(context.serial)}")
    if is_host_name(common):
        return unknown(f"CN is {quoted(common)}, which could be a host name")
    return passed(f"CN is {quoted(common)}")


def _no_dns_names(certificate: Certificate, context: Context) -> Answer:
    names = certificate.extensions.alt_names
    if names is None or not names.dns:
        if context.role == "csms":
            return passed("there is none, and today's TLS clients will refuse the certificate for that")
        return passed("there is none")
    shown = listed([quoted(name) for name in names.dns])
    if context.role == "csms":
        fits = "" if not context.host or by_clients(certificate, context.host).fits else ", none of which fits"
        return failed(f"it has {shown}{fits}; today's TLS clients need them")
    return failed(f"it has {shown}")


def _key_usage(certificate: Certificate, context: Context) -> Answer:
    usage = certificate.extensions.key_usage
    if usage is None:
        return failed("there is no keyUsage")
    if context.role == "csms" and not usage & {"digitalSignature", "keyEncipherment", "keyAgreement"}:
        return failed(f"keyUsage is {listed(sorted(usage)) or 'empty'}, which serves no TLS server")
    if context.role == "station" and "digitalSignature" not in usage:
        return failed(f"keyUsage is {listed(sorted(usage)) or 'empty'}, and a TLS client must sign")
    return passed(listed(sorted(usage), 9))


def _no_extended_usage(certificate: Certificate, context: Context) -> Answer:
    purposes = certificate.extensions.purposes
    if purposes is None:
        return passed("there is none")
    return failed(listed([oids.PURPOSES.get(one, one) for one in purposes]))


def _fast_expiry(certificate: Certificate, context: Context) -> Answer:
    life = certificate.not_after - certificate.not_before
    return check(life <= DAY, f"it is valid for {span(life)}")


def _online_check(certificate: Certificate, context: Context) -> Answer:
    extensions = certificate.extensions
    if extensions.ocsp or extensions.crls:
        return passed("it names " + listed([*extensions.ocsp, *extensions.crls], 2))
    return unknown("it names neither an OCSP responder nor a revocation list; the CSMS may know one")


def _size(certificate: Certificate, context: Context) -> Answer:
    limit = MAX_PEM_21 if context.edition == "2.1" else MAX_PEM
    size = len(certificate.pem)
    return check(size <= limit, f"{size:,} of {limit:,} characters")


_RULES: Final[dict[str, Callable[[Certificate, Context], Answer]]] = {
    "key-size": _key_size,
    "algorithms": _algorithms,
    "signed-with": _signed_with,
    "hash": _hash,
    "serial-number": _serial_number,
    "organization": _organization,
    "csms-cn": _csms_cn,
    "station-cn": _station_cn,
    "no-dns-names": _no_dns_names,
    "key-usage": _key_usage,
    "no-extended-usage": _no_extended_usage,
    "fast-expiry": _fast_expiry,
    "online-check": _online_check,
    "size": _size,
}
