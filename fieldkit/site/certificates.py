"""Certificates inside OCPP messages: requested, signed, installed, deleted, shown ("Improved security for OCPP 1.6-J"
§2, §5; 2.x Part 2 A02, L01, M, C07).

Reading them needs no package (``certificateread``), so that small routers see the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.certificateread import PRIVATE, certificates_in, from_exi, read_chain, read_csr
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.plugandcharge import ACTION as DATA_TRANSFER
from fieldkit.site.plugandcharge import is_plug_and_charge, unwrapped
from fieldkit.site.reading import items, member, objects, text
from fieldkit.trust.certificate import Certificate
from fieldkit.trust.hashdata import HashData, means
from fieldkit.trust.request import Request

__all__ = ["Certificate", "Certificates", "HashData", "Seen", "pointed_at", "read_hash"]

MAX_SEEN: Final = 100
"""Messages with certificates of one station that are kept (the last ones)."""
MAX_KEPT: Final = 64 << 10
"""Bytes of certificates of one station that are kept; of older ones only the message is."""
MAX_INSTALLED: Final = 500
"""Entries of GetInstalledCertificateIds: a station with every V2G root has some dozens."""
MAX_NAME: Final = 200
MAX_OWN: Final = 8
"""Uses of a station's own certificates: 2.1 knows three."""

CONTRACT: Final = "contract certificate"
FIRMWARE: Final = "firmware signing certificate"
STATION: Final = "ChargingStationCertificate"


def read_hash(payload: Any) -> HashData | None:
    """CertificateHashData; None where there is no such thing."""
    serial = text(payload, "serialNumber")
    if serial is None:
        return None
    algorithm, name, key = (text(payload, one) or "" for one in ("hashAlgorithm", "issuerNameHash", "issuerKeyHash"))
    return HashData.of(algorithm, name, key, serial)


def pointed_at(hashed: HashData, certificate: Certificate) -> bool:
    """Whether it is meant, as far as can be told: the key of an issuer that is not at hand is not compared."""
    if certificate.serial_hex != hashed.serial:
        return False
    return certificate.self_issued or means(hashed, certificate) is not False


@dataclass(slots=True)
class Seen:
    """A certificate (or a request for one) in a message."""

    time: int
    action: str
    use: str
    """certificateType: CSMSRootCertificate, ChargingStationCertificate …; as far as the message tells."""
    chain: tuple[Certificate, ...]
    """The leaf first; empty where none could be read."""
    message: OcppMessage
    private_key: bool = False
    """A private key stands in the message; nothing is kept of it."""
    unread: str = ""
    """Why its content was not read."""
    request: Request | None = None
    """SignCertificate: what is asked for."""
    size: int = 0
    """Characters, as it was sent."""
    status: str = ""
    """What the other side answered."""

    @property
    def csr_subject(self) -> str:
        """Who asks for a certificate; empty where that could not be read."""
        return str(self.request.subject)[:MAX_NAME] if self.request is not None else ""


class Certificates:
    """What one station and its CSMS said of certificates."""

    ACTIONS: Final = frozenset(
        {
            "InstallCertificate", "CertificateSigned", "SignCertificate", "GetInstalledCertificateIds",
            "DeleteCertificate", "Get15118EVCertificate", "GetCertificateStatus", "Authorize", "UpdateFirmware",
            "SignedUpdateFirmware", DATA_TRANSFER,
        }
    )  # fmt: skip

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=MAX_SEEN)
        self.latest: Seen | None = None
        """Of the message fed last: the one that it carries or answers."""
        self.installed: dict[HashData, str] = {}
        """What the station said it has, and for which use; a use that was asked for is in it whole."""
        self.installed_told: int | None = None
        """When it said so last …"""
        self.told: dict[str, int] = {}
        """… and when of each use; "" where it was asked for all of them."""
        self.roots: dict[str, tuple[Certificate, str, int]] = {}
        """By fingerprint: roots that the station accepted in sight and that were not deleted since, their use, and
        when."""
        self.deleted: dict[HashData, int] = {}
        """What the station said it has deleted, and when."""
        self.own: dict[str, Certificate] = {}
        """By use, the station's own certificates as far as it accepted them in sight."""
        self.counts: dict[str, int] = {}
        """CALLs by action."""

    def known(self) -> list[Certificate]:
        """All certificates at hand, those seen last first."""
        found = dict.fromkeys(one for seen in reversed(self.seen) for one in seen.chain)
        return list(found)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        if message.action == DATA_TRANSFER:
            if not is_plug_and_charge(message):
                return
            message = unwrapped(message)
        if message.type is MessageType.CALL:
            self.counts[message.action] = self.counts.get(message.action, 0) + 1
            carried = _CARRIERS.get(message.action)
            seen = carried(message) if carried is not None else None
            if seen is not None:
                self._keep(seen)
        elif message.call is not None and message.type is MessageType.CALLRESULT:
            self._answered(message, message.call)

    def _keep(self, seen: Seen) -> None:
        self.seen.append(seen)
        self.latest = seen
        if seen.chain:
            room = MAX_KEPT
            for one in reversed(self.seen):
                room -= sum(len(certificate.der) for certificate in one.chain)
                if room < 0 and one is not seen:
                    one.chain, one.unread = (), "it is no longer kept"

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        status = (text(message.payload, "status") or "")[:50]
        if call.action == "GetInstalledCertificateIds":
            self._lists(message, call, status)
        elif call.action == "DeleteCertificate" and status == "Accepted":
            self._deleted(message.time, read_hash(member(call.payload, "certificateHashData")))
        elif call.action == "Get15118EVCertificate":
            answered = _contract(message)
            if answered is not None:
                self._keep(answered)
            return
        seen = next((seen for seen in reversed(self.seen) if same(seen.message, call)), None)
        if seen is None:
            return
        self.latest = seen
        seen.status = status
        if status != "Accepted" or not seen.chain:
            return
        if call.action == "CertificateSigned" and (len(self.own) < MAX_OWN or seen.use in self.own):
            self.own[seen.use] = seen.chain[0]
        elif call.action == "InstallCertificate":
            root = seen.chain[0]
            self.roots.pop(root.fingerprint, None)
            if len(self.roots) >= MAX_INSTALLED:
                del self.roots[next(iter(self.roots))]
            self.roots[root.fingerprint] = (root, seen.use, message.time)

    def _deleted(self, time: int, hashed: HashData | None) -> None:
        if hashed is None:
            return
        self.installed.pop(hashed, None)
        if len(self.deleted) < MAX_INSTALLED:
            self.deleted[hashed] = time
        for fingerprint in [name for name, (root, _, _) in self.roots.items() if pointed_at(hashed, root)]:
            del self.roots[fingerprint]

    def _lists(self, message: OcppMessage, call: OcppMessage, status: str) -> None:
        if status not in ("Accepted", "NotFound"):
            return
        self.installed_told = message.time
        asked = member(call.payload, "certificateType")  # 1.6: one; 2.x: several, or none for all
        uses = [asked] if isinstance(asked, str) else [one for one in items(asked) if isinstance(one, str)]
        uses = [use[:50] for use in uses[:20]]
        for hashed in [hashed for hashed, use in self.installed.items() if not uses or use in uses]:
            del self.installed[hashed]
        for use in uses or [""]:
            self.told[use] = message.time
        for entry in items(message.payload, "certificateHashData"):
            self._lists_one(entry, uses[0] if uses else "")
        for entry in objects(message.payload, "certificateHashDataChain"):
            use = (text(entry, "certificateType") or "")[:50]
            self._lists_one(member(entry, "certificateHashData"), use)

    def _lists_one(self, entry: Any, use: str) -> None:
        hashed = read_hash(entry)
        if hashed is not None and len(self.installed) < MAX_INSTALLED:
            self.installed[hashed] = use

    def told_of(self, *uses: str) -> int | None:
        """When the station last listed all of one of these uses; None: it did not, as far as was seen."""
        return max((self.told[use] for use in (*uses, "") if use in self.told), default=None)


def _sent(message: OcppMessage) -> Seen:
    payload = message.payload
    pem = member(payload, "certificateChain")
    pem = member(payload, "certificate") if pem is None else pem
    if pem.__class__ is list and all(isinstance(one, str) for one in pem[:10]):
        pem = "\n".join(pem[:10])  # the very first implementations of CertificateSigned had a list
    use = (text(payload, "certificateType") or "")[:50]
    if not use and message.action == "CertificateSigned":
        use = STATION  # 1.6 knows no other, 2.x means it when the member is missing (A02)
    seen = Seen(message.time, message.action, use, (), bounded(message))
    if not isinstance(pem, str):
        seen.unread = "the message holds no certificate"
        return seen
    seen.size = len(pem)
    seen.private_key = PRIVATE.search(pem) is not None
    seen.chain, seen.unread = read_chain(pem)
    return seen


def _request(message: OcppMessage) -> Seen:
    use = (text(message.payload, "certificateType") or STATION)[:50]
    seen = Seen(message.time, message.action, use, (), bounded(message))
    pem = member(message.payload, "csr")
    if not isinstance(pem, str):
        seen.unread = "the message holds no request"
        return seen
    seen.size = len(pem)
    seen.private_key = PRIVATE.search(pem[:100_000]) is not None
    seen.request, seen.unread = read_csr(pem)
    return seen


def _shown(message: OcppMessage) -> Seen | None:
    """Authorize with the contract certificate of a vehicle (2.x C07)."""
    pem = member(message.payload, "certificate")
    if not isinstance(pem, str):
        return None
    seen = Seen(message.time, message.action, CONTRACT, (), bounded(message), size=len(pem))
    seen.chain, seen.unread = read_chain(pem)
    return seen


def _firmware(message: OcppMessage) -> Seen | None:
    """SignedUpdateFirmware (1.6) and UpdateFirmware (2.x L01) with what the firmware was signed with."""
    pem = member(message.payload, "firmware", "signingCertificate")
    if not isinstance(pem, str):
        return None
    seen = Seen(message.time, message.action, FIRMWARE, (), bounded(message), size=len(pem))
    seen.private_key = PRIVATE.search(pem[:100_000]) is not None
    seen.chain, seen.unread = read_chain(pem)
    return seen


def _contract(message: OcppMessage) -> Seen | None:
    """The answer to Get15118EVCertificate: certificates inside of EXI."""
    exi = member(message.payload, "exiResponse")
    if not isinstance(exi, str) or not exi:
        return None
    data, why = from_exi(exi)
    seen = Seen(message.time, message.action, CONTRACT, (), bounded(message), unread=why, size=len(exi))
    seen.status = (text(message.payload, "status") or "")[:50]
    seen.chain = certificates_in(data) if data else ()
    return seen


_CARRIERS: Final = {
    "SignCertificate": _request,
    "InstallCertificate": _sent,
    "CertificateSigned": _sent,
    "Authorize": _shown,
    "UpdateFirmware": _firmware,
    "SignedUpdateFirmware": _firmware,
}
