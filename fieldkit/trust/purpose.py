"""What a certificate is to be used for, and whether it is fit for that: ``fieldkit cert --for``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from fieldkit.trust import oids
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.certrules import Context, judge_certificate
from fieldkit.trust.chain import Chain
from fieldkit.trust.iso15118 import ROLES, judge_v2g
from fieldkit.trust.names import by_clients
from fieldkit.trust.posture import MAX_PEM, MAX_PEM_21
from fieldkit.trust.verdict import Answer, Edition, Level, Verdict, check, failed, passed, unknown
from fieldkit.trust.words import date, listed, quoted

OCPP_PURPOSES: Final = {
    "csms": "the TLS certificate of a CSMS",
    "station": "the TLS certificate of a charging station (security profile 3)",
    "csms-root": "a root that stations are to trust for the CSMS (InstallCertificate)",
    "manufacturer-root": "a root that stations are to trust for firmware (InstallCertificate)",
    "firmware": "the certificate that firmware is signed with (SignedUpdateFirmware)",
}
PURPOSES: Final[dict[str, str]] = {
    **OCPP_PURPOSES,
    **{name: f"the {role.name} certificate of {role.edition}" for name, role in ROLES.items()},
}
"""Names for the command line, and what they mean."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a certificate is fit for a purpose."""

    purpose: str
    verdicts: tuple[Verdict, ...]

    @property
    def fits(self) -> bool | None:
        """None where no requirement fails, but one that binds could not be judged."""
        binding = [one.result for one in self.verdicts if one.level == "shall"]
        return False if "fail" in binding else None if "cannot tell" in binding else True

    @property
    def failed(self) -> list[Verdict]:
        """What binds and is not met."""
        return [one for one in self.verdicts if one.result == "fail" and one.level == "shall"]

    @property
    def advised(self) -> list[Verdict]:
        """What is only recommended and is not met."""
        return [one for one in self.verdicts if one.result == "fail" and one.level == "should"]


GENERAL: Final = frozenset({"RFC 5280 §4.1.2.5", "RFC 5280 §6"})
"""Requirements on everything: dates and trust."""


def is_for_authorities(purpose: str) -> bool:
    """Whether a certificate for it issues others."""
    return is_for_roots(purpose) or (purpose in ROLES and ROLES[purpose].ca)


def is_for_roots(purpose: str) -> bool:
    """Whether a certificate for it is signed by itself."""
    return purpose in ("csms-root", "manufacturer-root") or (purpose in ROLES and ROLES[purpose].root)


def extended_usage(purpose: str) -> str | None:
    """The extended key usage that a leaf for this purpose has to allow, if it has any."""
    if purpose == "firmware":
        return oids.CODE_SIGNING
    if purpose == "station":
        return oids.CLIENT_AUTH
    return oids.SERVER_AUTH if purpose == "csms" or purpose.endswith("-secc") else None


def judge_fit(
    certificate: Certificate,
    purpose: str,
    *,
    at: int,
    edition: Edition = "2.0.1",
    chain: Chain | None = None,
    host: str = "",
    serial: str = "",
    operator: str = "",
) -> Fit:
    """Judge a certificate for one of ``PURPOSES``."""
    verdicts = [_valid(certificate, at)]
    if chain is not None and chain.judged:
        verdicts.append(_trusted(chain))
    role = ROLES.get(purpose)
    if role is not None:
        complete = chain is not None and chain.path[-1].self_signed
        depth = len(chain.path) - 1 if chain is not None and complete else None
        verdicts += judge_v2g(certificate, role, depth=depth)
    elif purpose in ("csms", "station"):
        context = Context(edition, "csms" if purpose == "csms" else "station", host=host, serial=serial,
                          operator=operator)  # fmt: skip
        verdicts += judge_certificate(certificate, context)
        verdicts += _tls_leaf(certificate, purpose, host)
    elif purpose == "firmware":
        verdicts += _firmware(certificate, edition)
    else:
        verdicts += _root(certificate, edition)
    return Fit(purpose, tuple(verdicts))


def _verdict(id_: str, edition: str, title: str, answer: Answer) -> Verdict:
    return Verdict(id_, edition, title, "shall", *answer)


def _valid(certificate: Certificate, at: int) -> Verdict:
    if at > certificate.not_after:
        answer = failed(f"it ended on {date(certificate.not_after)}")
    elif at < certificate.not_before:
        answer = failed(f"it begins on {date(certificate.not_before)}")
    else:
        answer = passed(f"until {date(certificate.not_after)}")
    return _verdict("RFC 5280 §4.1.2.5", "TLS", "it is valid now", answer)


def _trusted(chain: Chain) -> Verdict:
    title = "a chain leads to a trust anchor"
    if chain.trusted:
        assert chain.anchor is not None
        return _verdict("RFC 5280 §6", "TLS", title, passed(quoted(chain.anchor.label)))
    if chain.trusted is None:
        why = chain.notes[0].rstrip(".") if chain.notes else "it ends where no issuer is at hand"
        return _verdict("RFC 5280 §6", "TLS", title, unknown(why))
    return _verdict("RFC 5280 §6", "TLS", title, failed(listed([fault.id for fault in chain.breaking])))


def _tls_leaf(certificate: Certificate, purpose: str, host: str) -> list[Verdict]:
    wanted = oids.CLIENT_AUTH if purpose == "station" else oids.SERVER_AUTH
    shown = "no extended key usage" if certificate.extensions.purposes is None else listed(_purposes(certificate))
    found = [
        _verdict("RFC 5280 §4.2.1.12", "TLS", f"its extended key usage allows {oids.PURPOSES[wanted]}",
                 check(certificate.serves(wanted), shown)),
        _verdict("RFC 5280 §4.2.1.9", "TLS", "it is no certificate of an authority",
                 check(not certificate.extensions.is_ca, "it says that it is one" if certificate.extensions.is_ca
                       else "it is none")),
    ]  # fmt: skip
    if purpose == "csms":
        if host:
            verdict = by_clients(certificate, host)
            answer = check(verdict.fits, verdict.why)
        else:
            answer = failed("there are none") if _ocpp_alone(certificate) else passed("there are some")
        title = f"its alternative names hold {host}" if host else "it has alternative names, which clients look at"
        # OCPP advises against them: where only they are missing the certificate is right by OCPP's text.
        level: Level = "shall" if host and not _ocpp_alone(certificate) else "should"
        found.append(Verdict("RFC 9525 §6.3", "TLS", title, level, *answer))
    return found


def _purposes(certificate: Certificate) -> list[str]:
    return [oids.PURPOSES.get(one, one) for one in certificate.extensions.purposes or ()]


def _ocpp_alone(certificate: Certificate) -> bool:
    """No alternative names: it is right by OCPP's text at most."""
    names = certificate.extensions.alt_names
    return names is None or not (names.dns or names.addresses)


def _firmware(certificate: Certificate, edition: Edition) -> list[Verdict]:
    context = Context(edition, "station")
    keep = {"A00.FR.502", "A00.FR.504", "A00.FR.505", "A00.FR.506", "A00.FR.508", "A00.FR.509"}
    found = [one for one in judge_certificate(certificate, context) if one.id in keep]
    usage = certificate.extensions.key_usage
    signs = usage is None or "digitalSignature" in usage
    found.append(
        _verdict(
            "RFC 5280 §4.2.1.3",
            "TLS",
            "its key may sign",
            check(signs, "no keyUsage" if usage is None else listed(sorted(usage), 9) or "nothing"),
        )
    )
    serves = certificate.serves(oids.CODE_SIGNING)
    why = "it does, or there is none" if serves else listed(_purposes(certificate)) or "it allows nothing"
    title = "its extended key usage, if any, allows code signing"
    found.append(Verdict("RFC 5280 §4.2.1.12", "TLS", title, "should", *check(serves, why)))
    return found


def _root(certificate: Certificate, edition: Edition) -> list[Verdict]:
    context = Context(edition, "csms")
    keep = {"A00.FR.502", "A00.FR.504", "A00.FR.505", "A00.FR.506"}
    found = [one for one in judge_certificate(certificate, context) if one.id in keep]
    limit, size = MAX_PEM_21 if edition == "2.1" else MAX_PEM, len(certificate.pem)
    signed = certificate.self_signed
    found += [
        _verdict("M05", edition, "it is a root: signed by itself",
                 check(signed, "it is" if signed else f"issued by {quoted(certificate.issuer.label)}")),
        _verdict("RFC 5280 §4.2.1.9", "TLS", "it says that it is an authority",
                 check(certificate.is_ca, "it does" if certificate.is_ca else "it does not")),
        _verdict("RFC 5280 §4.2.1.3", "TLS", "its key may sign certificates",
                 check(certificate.may("keyCertSign"), "it may" if certificate.may("keyCertSign") else "it may not")),
        _verdict("InstallCertificate", edition, f"at most {limit:,} characters in PEM",
                 check(size <= limit, f"{size:,} characters")),
    ]  # fmt: skip
    # Roots of the time before SHA-2 are signed with SHA-1, which nobody looks at.
    return [
        replace(one, result="not applicable", why=f"{one.why}: nobody looks at the signature of a root")
        if one.id in ("A00.FR.504", "A00.FR.505", "A00.FR.506") and one.result == "fail" and signed
        else one
        for one in found
    ]
