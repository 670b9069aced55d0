"""The chain that a CSMS shows in TLS, held against the roots that the station says it has (2.x Part 2 M03 to M05).

Only where both are in one session: TLS 1.2 shows certificates, or a key log makes them readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.certificatecheck import CertificateCheck
from fieldkit.checks.certificatemessagekinds import ROOT_DELETED, ROOT_MISSING, ROOT_SIGNATURE
from fieldkit.checks.finding import Finding
from fieldkit.checks.onwire import server_of
from fieldkit.checks.patience import shown
from fieldkit.checks.words import counted
from fieldkit.events import OcppMessage
from fieldkit.site.certificateread import parsed_chain
from fieldkit.site.certificates import Certificate, Certificates, HashData, read_hash
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.site.reading import member, text
from fieldkit.site.station import Station
from fieldkit.trust.chain import MAX_DEPTH
from fieldkit.trust.hashdata import issued_by_one_of

_USES: Final = ("CSMSRootCertificate", "CentralSystemRootCertificate")
"""2.x, 1.6."""


class CertificateRootsCheck(CertificateCheck):
    """Installed roots and the live chain."""

    kinds = (ROOT_DELETED, ROOT_MISSING, ROOT_SIGNATURE)
    actions = frozenset({"GetInstalledCertificateIds", "DeleteCertificate", "InstallCertificate"})

    def answered(
        self, message: OcppMessage, call: OcppMessage, station: Station, picture: Picture
    ) -> Iterable[Finding]:
        """The station has listed, deleted or installed one."""
        link = picture.links.get(message.channel.connection)
        top = _top(link)
        if link is None or top is None:
            return ()
        status = text(message.payload, "status")
        if call.action == "GetInstalledCertificateIds" and status in ("Accepted", "NotFound"):
            return _listed(message, link, top, station.certificates)
        if call.action == "DeleteCertificate" and status == "Accepted":
            return _deleted(message, call, link, top, station.certificates)
        if call.action == "InstallCertificate" and status == "Accepted":
            return _installed(message, call, link, top, station.certificates)
        return ()


def _top(link: Link | None) -> Certificate | None:
    """The uppermost certificate of what the server showed: its issuer is the root, or it is the root itself."""
    if link is None or link.tls is None or not link.tls.server_chain:
        return None
    chain = parsed_chain(link.tls.server_chain)
    if not chain:
        return None
    top = chain[0]
    for _ in range(MAX_DEPTH):
        above = next((one for one in chain if one != top and one.subject.same(top.issuer)), None)
        if above is None or top.self_issued:
            break
        top = above
    return top


def _for_csms(certificates: Certificates) -> list[HashData]:
    return [hashed for hashed, use in certificates.installed.items() if use in _USES]


def _known_root(top: Certificate, certificates: Certificates) -> bool:
    """Whether a root that the station accepted in sight vouches for it."""
    roots = (root for root, _, _ in certificates.roots.values() if root.subject.same(top.issuer))
    return any(top.issued_by(root).outcome != "wrong" for root in roots)


def _values(link: Link, top: Certificate) -> dict[str, object]:
    return {"server": server_of(link.connection), "issuer": shown(str(top.issuer))}


def _listed(message: OcppMessage, link: Link, top: Certificate, certificates: Certificates) -> Iterator[Finding]:
    if certificates.told_of(*_USES) != message.time:
        return  # it was asked for other roots
    roots = _for_csms(certificates)
    # All that the station has of any use may vouch for the CSMS: some stations have one store.
    if not roots or issued_by_one_of(top, certificates.installed) is not None or _known_root(top, certificates):
        return
    values = {**_values(link, top), "count": counted(len(roots), "root")}
    yield Finding(ROOT_MISSING, message.time, message.channel.station, (message,), values)


def _deleted(
    message: OcppMessage, call: OcppMessage, link: Link, top: Certificate, certificates: Certificates
) -> Iterator[Finding]:
    hashed = read_hash(member(call.payload, "certificateHashData"))
    if hashed is None or issued_by_one_of(top, [hashed]) is None or certificates.told_of(*_USES) is None:
        return  # without a list nobody knows what is left
    if issued_by_one_of(top, certificates.installed) is not None or _known_root(top, certificates):
        return  # another one of that name is left
    if top.self_issued and top.serial_hex != hashed.serial:
        return
    values = {**_values(link, top), "serial": shown(hashed.serial, 40)}
    yield Finding(ROOT_DELETED, message.time, message.channel.station, (call, message), values, group=hashed.serial)


def _installed(
    message: OcppMessage, call: OcppMessage, link: Link, top: Certificate, certificates: Certificates
) -> Iterator[Finding]:
    use = text(call.payload, "certificateType") or ""
    roots = [root for root, its, _ in certificates.roots.values() if its == use and root.subject.same(top.issuer)]
    if use not in _USES or not roots or top in roots:
        return
    if all(top.issued_by(root).outcome == "wrong" for root in roots):
        yield Finding(ROOT_SIGNATURE, message.time, message.channel.station, (call, message), _values(link, top))
