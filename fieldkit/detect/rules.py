"""The exact rules of ``checks`` as signs: which finding speaks for which family, and how surely.

The rules are not written again here. A finding that says what is wrong with one message or setting speaks for nothing
by itself; one that shows harm being done does. ``confidence`` is what a single occurrence is worth: below
``fusion.SURE`` it takes others beside it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.checks.finding import Finding, Identity
from fieldkit.checks.words import SECOND
from fieldkit.detect.context import Context
from fieldkit.detect.families import FAMILIES
from fieldkit.detect.symptom import SITE
from fieldkit.safetext import mask, shorten


class Meaning(NamedTuple):
    """What a finding speaks for."""

    family: str
    confidence: float


STALE: Final = 900 * SECOND
"""What a check says of connections only when all is read was told while it happened, if it was worth it."""

EPISODE: Final = 3600 * SECOND
"""Evidence that is older than the newest by more than this shows how it was before."""

MEANINGS: Final[dict[str, Meaning]] = {
    # Intrusion
    "security.message-flood": Meaning("message-flood", 0.9),
    "connection.identity-used-twice": Meaning("cloned-station", 0.9),
    "tls.client-fingerprint-changed": Meaning("man-in-the-middle", 0.3),
    "authorization.started-although-refused": Meaning("unauthorised-remote-start", 0.7),
    "remote.start-without-transaction": Meaning("unauthorised-remote-start", 0.35),
    "authorization.not-stopped": Meaning("unauthorised-remote-start", 0.5),
    "security.profile-downgrade": Meaning("profile-downgrade", 0.9),
    "security.network-profile-contradiction": Meaning("profile-downgrade", 0.5),
    "firmware.verification-failed": Meaning("firmware-url-swap", 0.7),
    "firmware.url-unusable": Meaning("firmware-url-swap", 0.4),
    "certificate.private-key-sent": Meaning("config-tampering", 0.6),
    "json.broken": Meaning("malformed-frames", 0.4),
    "framing.malformed": Meaning("malformed-frames", 0.4),
    "framing.unknown-action": Meaning("malformed-frames", 0.35),
    "framing.direction": Meaning("malformed-frames", 0.35),
    "framing.binary": Meaning("malformed-frames", 0.3),
    "connection.mask-rule": Meaning("malformed-frames", 0.3),
    "authorization.all-refused": Meaning("tag-enumeration", 0.35),
    # Fraud
    "meter.register-rollback": Meaning("register-rollback", 0.9),
    "meter.register-lower-than-before": Meaning("register-rollback", 0.85),
    "device.meter-rollback": Meaning("register-rollback", 0.9),
    "meter.record-contradicts-samples": Meaning("under-reporting-meter", 0.65),
    "energy.power-mismatch": Meaning("under-reporting-meter", 0.7),
    "device.meter-scale": Meaning("under-reporting-meter", 0.7),
    "energy.without-transaction": Meaning("energy-outside-transaction", 0.9),
    "energy.while-suspended": Meaning("energy-outside-transaction", 0.3),
    # Maintenance
    "boot.loop": Meaning("reboot-loop", 0.9),
    "energy.phase-lost": Meaning("phase-loss", 0.9),
    "energy.supply-phase-lost": Meaning("phase-loss", 0.9),
    # Connectivity
    "connection.refused": Meaning("csms-unreachable", 0.5),
    "handshake.unavailable": Meaning("csms-unreachable", 0.5),
    "handshake.not-websocket": Meaning("captive-portal", 0.8),
    "handshake.redirected": Meaning("captive-portal", 0.7),
    "connection.no-acknowledgement": Meaning("blackhole", 0.45),
    "connection.unanswered": Meaning("blackhole", 0.5),
    "connection.ping-unanswered": Meaning("blackhole", 0.3),
    "answer.csms-unresponsive": Meaning("blackhole", 0.6),
    "connection.idle-timeout": Meaning("nat-idle-kill", 0.8),
    "connection.reconnect-storm": Meaning("flapping", 0.8),
    "tls.cert-expired-alert": Meaning("tls-clock-failure", 0.8),
    "tls.cert-rejected": Meaning("tls-clock-failure", 0.7),
    "tls.cert-expired": Meaning("tls-clock-failure", 0.6),
    "tls.cert-not-yet-valid": Meaning("tls-clock-failure", 0.7),
    "tls.untrusted": Meaning("tls-clock-failure", 0.5),
    # Energy
    "energy.limit-exceeded": Meaning("limit-ignored", 0.9),
    "smart-charging.no-effect": Meaning("limit-ignored", 0.85),
}
"""By id of the finding."""

_WORDS: Final[dict[str, str]] = {
    "handshake.redirected": "{station} asked {server} for its CSMS and was sent on ({status}{location}), as sign-in "
    "pages do; a CSMS does not.",
    "meter.register-rollback": "The energy meter of {station} went back from {before} to {after} during one charge; it "
    "can only count up, so this charge cannot be billed from it{hint}.",
    "energy.limit-exceeded": "{station} may take {limit} (charging profile {profile}) and has taken {measured} for "
    "{time}; usually a charger keeps to its limit.",
    "smart-charging.no-effect": "{station} accepted a limit of {limit} (charging profile {profile}) and has gone on "
    "with {measured} for {time}: it says yes without doing it.",
}
"""Findings that an incident tells otherwise: it looks on for longer than a list of findings, to which the words of the
check belong."""


def told(finding: Finding, context: Context) -> None:
    """A finding that has just been made."""
    meaning = MEANINGS.get(finding.kind.id)
    if meaning is None:
        return
    station = finding.station or _only_station(finding, context)
    if meaning.family == "reboot-loop" and (context.expects_restart(station) or station in context.greeters):
        return
    newest = max((event.time for event in finding.evidence), default=0)
    if newest and context.now - newest > STALE and FAMILIES[meaning.family].category == "connectivity":
        return
    values = {name: mask(value) if isinstance(value, Identity) else value for name, value in finding.values.items()}
    named = "The station" if station == SITE else shorten(station, 60)
    text = _WORDS.get(finding.kind.id, finding.kind.explanation).format(**{**values, "station": named})
    context.tell(
        meaning.family,
        station,
        meaning.confidence,
        text,
        finding.evidence,
        connector=finding.connector,
        sign=finding.kind.id,
        first=min((event.time for event in finding.evidence if event.time > max(newest - EPISODE, 0)), default=0),
        time=max(finding.time, context.now),
    )


def _only_station(finding: Finding, context: Context) -> str:
    """Whom a finding without a name concerns: where TLS hides who speaks, the address says which device it is."""
    clients = {
        connection.client.address
        for event in finding.evidence
        if (connection := getattr(event, "connection", None)) is not None
    }
    return context.names.get(address := clients.pop(), address) if len(clients) == 1 else SITE
