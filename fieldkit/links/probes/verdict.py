"""What the probes of a site's uplinks mean, each by itself and all of them compared."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fieldkit.links.probes.probe import Probe, Verdict

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.targets import Target

_SWITCHED, _UNAUTHORIZED = 101, 401
_AS_A_CSMS: Final = frozenset({_SWITCHED, _UNAUTHORIZED})
"""The upgrade, or the password that goes before it: nobody else answers so."""
_PORTAL: Final = 511
"""Network Authentication Required (RFC 6585 §6)."""
_PROXY: Final = 407
_INSIDE: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7")
)
"""Addresses within somebody's network (RFC 1918, RFC 6598, RFC 4193): no answer for a name that others find outside."""


def judge(probes: Sequence[Probe], target: Target) -> None:
    """Fills in verdicts."""
    for probe in probes:
        if probe.verdict != "skipped":
            probe.verdict, probe.why = _alone(probe, target)
    tried = [probe for probe in probes if probe.verdict != "skipped"]
    _compare_reach(tried)
    _compare_certificates(tried)
    _compare_names(tried)
    _compare_answers(tried)


def _alone(probe: Probe, target: Target) -> tuple[Verdict, str]:
    if not probe.address:
        said = "; ".join(f"{named.server}: {named.error}" for named in probe.names if named.error)
        return "no-dns", f"the name {target.host} is not found" + (f" ({said})" if said else "")
    if not probe.tried:
        return "unknown", "a connection could not be tried"
    if probe.connect_ms is None:
        return "blocked", _blocked(probe, target)
    if target.tls and probe.not_tls:
        return "captive-portal", "something answers in place of the CSMS that speaks no TLS: a portal or a proxy"
    if target.tls and not probe.tls:
        return "tls-fails", f"TCP gets through, TLS does not: {probe.error}"
    if probe.status is None:
        return "no-upgrade", f"the WebSocket upgrade gets no answer: {probe.error}"
    return _answered(probe, target)


def _blocked(probe: Probe, target: Target) -> str:
    """What is seen; whose fault it is, the other uplinks tell."""
    why = f"no TCP connection to {probe.address} port {target.port}: {probe.error}"
    if probe.echo_ms is not None:
        return f"{why}; its pings are answered"
    if probe.answering:
        return f"{why}; the uplink itself works, as the name server {probe.answering} answers over it"
    return why


def _compare_reach(probes: list[Probe]) -> None:
    """A CSMS that nobody reaches is down; one that the others reach is kept from this uplink."""
    blocked = [probe for probe in probes if probe.verdict == "blocked"]
    reached = next((probe.uplink for probe in probes if probe.connect_ms is not None), "")
    for probe in blocked:
        if not reached:
            probe.why += (
                "; nor over any other uplink: the CSMS may be down, or the port wrong" if len(probes) > 1 else ""
            )
        elif probe.echo_ms is not None or probe.answering:
            probe.why += (
                f". Over {reached} there is one: here the APN's list of destinations or a firewall is in the way"
            )


def _answered(probe: Probe, target: Target) -> tuple[Verdict, str]:
    status = probe.status
    assert status is not None
    if status == _SWITCHED and probe.accept_wrong:
        return "intercepted", "the upgrade is answered by somebody who has not read it: a proxy between"
    if status == _SWITCHED:
        return "carries", "the WebSocket upgrade succeeds"
    if status == _UNAUTHORIZED:
        return "carries", "the CSMS answers and asks for the station's password"
    if status == _PROXY:
        return "intercepted", "a proxy asks for a password (status 407)"
    if status == _PORTAL:
        return "captive-portal", "the network asks for a login first (status 511)"
    elsewhere = bool(probe.location) and (urlsplit(probe.location).hostname or target.host) != target.host
    # What a verified certificate says comes from the CSMS itself, whatever it is.
    if not probe.trusted and (elsewhere or 200 <= status < 300):
        pointed = f" that points to {probe.location}" if probe.location else ""
        return "captive-portal", f"a web page answers in place of the CSMS (status {status}){pointed}: a login page, or the money is used up"  # fmt: skip  # noqa: E501
    return "carries", f"the CSMS's web server answers with status {status}: the path is there, the URL may not be"


def _compare_certificates(probes: list[Probe]) -> None:
    shown = [probe for probe in probes if probe.certificate]
    good = next((probe for probe in shown if probe.trusted), None)
    if good is None:
        issuers = {probe.issuer for probe in shown}
        reference = next((probe for probe in shown if probe.active), None)
        for probe in shown:
            if len(issuers) > 1 and reference is not None and probe.issuer != reference.issuer:
                _intercepted(probe, reference, sure=False)
            else:
                probe.notes.append(
                    "nobody known here has issued its certificate: --probe-ca FILE names the site's own CA"
                )
        return
    for probe in shown:
        if probe.trusted is False and probe.certificate != good.certificate:
            _intercepted(probe, good, sure=probe.issuer != good.issuer)


def _intercepted(probe: Probe, other: Probe, *, sure: bool) -> None:
    probe.verdict, probe.sure = "intercepted", sure
    probe.why = (
        f"the certificate here is issued by {probe.issuer or 'nobody'}, over {other.uplink} by {other.issuer}: "
        "somebody reads along, and a station that verifies stays out"
    )


def _compare_names(probes: list[Probe]) -> None:
    """Other addresses may be right (geographical DNS); private ones are not, where others get public ones."""
    found = {probe.uplink: {address for named in probe.names for address in named.addresses} for probe in probes}
    for probe in probes:
        mine = found[probe.uplink]
        others = {address for uplink, some in found.items() if uplink != probe.uplink for address in some}
        if not mine or not others or mine & others:
            continue
        told = f"DNS answers {', '.join(sorted(mine))} here, and {', '.join(sorted(others))} elsewhere"
        invented = all(map(_inside, mine)) and not any(map(_inside, others))
        probe.notes.append(f"{told}: a name server that invents answers" if invented else told)


def _inside(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(found in network for network in _INSIDE)


def _compare_answers(probes: list[Probe]) -> None:
    good = next((probe for probe in probes if probe.verdict == "carries" and probe.status in _AS_A_CSMS), None)
    for probe in probes if good is not None else ():
        assert good is not None
        if probe.verdict == "carries" and probe.status not in _AS_A_CSMS:
            probe.verdict, probe.sure = "answers-otherwise", False
            probe.why = f"status {probe.status} here, {good.status} over {good.uplink}: not the same server answers, or it lets this address not in"  # fmt: skip  # noqa: E501
