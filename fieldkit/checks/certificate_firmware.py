"""Signed firmware: whether certificate and signature of an order can be what they are to be (L01 of both editions).

The file itself is not in the capture; what can be judged is the certificate, its dates at the time of the update, and
whether the signature has the shape of one that its key makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.certificatecheck import CLOCKS, CertificateCheck, earliest_and_latest, named
from fieldkit.checks.certificatemessagekinds import SIGNATURE_SHAPE, SIGNER_UNFIT
from fieldkit.checks.finding import Finding
from fieldkit.events import OcppMessage
from fieldkit.site.certificateread import from_base64
from fieldkit.site.certificates import Certificate
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, moment, text
from fieldkit.site.station import Station
from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError
from fieldkit.trust.words import date

MAX_SIGNATURE: Final = 2000
"""Characters of a signature that are looked at: OCPP has room for 800."""


class SignedFirmwareCheck(CertificateCheck):
    """Orders of signed firmware."""

    kinds = (SIGNER_UNFIT, SIGNATURE_SHAPE)
    actions = frozenset({"SignedUpdateFirmware", "UpdateFirmware"})

    def asked(self, message: OcppMessage, station: Station, picture: Picture) -> Iterable[Finding]:
        """The CSMS orders an update."""
        seen = station.certificates.latest
        if seen is None or not seen.chain:
            return
        signer, name = seen.chain[0], message.channel.station
        reasons = list(_unfit(signer, message, station))
        if reasons:
            values: dict[str, object] = {"subject": named(signer), "action": message.action}
            values["reasons"] = "; ".join(reasons)
            yield Finding(SIGNER_UNFIT, message.time, name, (message,), values, group=signer.fingerprint)
        said = member(message.payload, "firmware", "signature")
        why = misshapen(said, signer) if isinstance(said, str) and said else ""
        if why:
            values = {"action": message.action, "key": str(signer.key), "why": why}
            yield Finding(SIGNATURE_SHAPE, message.time, name, (message,), values, group=signer.fingerprint)


def _unfit(signer: Certificate, message: OcppMessage, station: Station) -> Iterator[str]:
    earliest, latest = earliest_and_latest(message, station)
    due = [moment(message.payload, "firmware", part) for part in ("retrieveDateTime", "installDateTime")]
    last = max([latest, *(one for one in due if one is not None)])
    if signer.not_after < earliest:
        yield f"it ended on {date(signer.not_after)}"
    elif signer.not_after < last:
        yield f"it ends on {date(signer.not_after)}, before the firmware is to be installed ({date(last)})"
    if signer.not_before > last + CLOCKS:
        yield f"it begins on {date(signer.not_before)}"
    if signer.key.too_short:
        yield f"its key is too short ({signer.key})"
    if not signer.may("digitalSignature"):
        yield "its keyUsage does not allow signatures"
    purposes = signer.extensions.purposes
    if purposes is not None and not signer.serves(oids.CODE_SIGNING) and set(purposes) <= _TLS_ONLY:
        yield "its extended key usage is for TLS only"
    if text(message.payload, "firmware", "signature") is None:
        yield "there is no signature beside it"


_TLS_ONLY: Final = frozenset({oids.SERVER_AUTH, oids.CLIENT_AUTH})


def misshapen(signature: str, signer: Certificate) -> str:
    """Why these characters cannot be a signature of its key; empty where they can."""
    if len(signature) > MAX_SIGNATURE:
        return f"it has {len(signature):,} characters"
    data = from_base64(signature)
    if not data:
        return "it is no base64"
    key = signer.key
    if key.is_rsa and key.bits:
        wanted = (key.bits + 7) // 8
        if len(data) != wanted:
            return f"it has {len(data)} bytes, and one of this key has {wanted}{_guess(signature, data, wanted)}"
    elif key.kind == "EC" and key.bits:
        return _ecdsa(data, key.bits)
    return ""


def _guess(signature: str, data: bytes, wanted: int) -> str:
    plain = "".join(signature.split())
    if len(plain) == 2 * wanted and all(one in "0123456789abcdefABCDEF" for one in plain):
        return " (it is written in hexadecimal)"
    again = from_base64(data.decode("ascii", "replace")) if data.isascii() else b""
    return " (it is in base64 twice)" if len(again) == wanted else ""


def _ecdsa(data: bytes, bits: int) -> str:
    """ECDSA-Sig-Value is a SEQUENCE of two numbers below the order of the curve (RFC 3279 §2.2.3)."""
    size = (bits + 7) // 8
    if len(data) == 2 * size and data[:1] != b"\x30":
        return ""  # the two numbers one behind the other, as IEEE P1363 and Java's "inP1363Format" have it
    try:
        numbers = [der.integer(one) for one in der.read(data).expect(der.SEQUENCE, "an ECDSA signature").children()]
    except (DerError, ValueError, IndexError):
        return "it is no ECDSA signature in DER"
    if len(numbers) != 2 or any(not 0 < one < 1 << bits for one in numbers):
        return f"its numbers do not belong to a curve of {bits} bits"
    return ""
