"""What outages say of those who have to do better: router, carrier, station, CSMS.

An outage is what ``site.outages`` made of it; here it becomes a finding where its cause is sure enough, each with the
setting that would have made it shorter. An outage that nobody could have made shorter is no finding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner
from fieldkit.checks.onwire import MAX_PENDING, bounded
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import ConnectionClosed, ConnectionOpened, Event, HttpResponse, Retransmission
from fieldkit.site.outage import Cause, Outage
from fieldkit.site.outagelegs import lost_by
from fieldkit.site.picture import Picture

SURE: Final = 0.6
"""Confidence from which a cause is worth a finding …"""
VERY_SURE: Final = 0.75
"""… and where it would be wrong to accuse somebody else's network."""
SLOW_NS: Final = 15 * SECOND
"""From the loss to the next attempt: a station that pings every 10 s and a router that probes as often need less."""
ZOMBIE_NS: Final = 60 * SECOND
"""A station that holds on to a dead connection for longer is offline for its CSMS and does not know it."""
CSMS_NS: Final = 30 * SECOND
"""A CSMS that is back sooner has restarted as it may."""
HERD: Final = 8
HERD_NS: Final = 2 * SECOND
"""So many stations dial within so long after they have lost their connections."""
CLOCK_NS: Final = 30 * SECOND
"""A step of a station's clock that is no rounding, no queue and no correction of a second or two."""
SLOW_PATH_NS: Final = 450_000_000
"""A round trip that is felt: TCP and TLS take four of them, before OCPP has said a word."""

STRANDED = Kind(
    "failover.flows-stranded",
    "warning",
    "site-network",
    "The router changed its uplink and left the station's connection on the old one",
    "At {when} the router moved to another uplink and kept its tracked connections: what the station sent was lost or"
    " arrived from an address that the CSMS did not know. The connection was reset; the station was away for {away}."
    " {why}",
    "Have the router drop its tracked connections when it switches: mwan3 flush_conntrack on ifup, ifdown, connected"
    " and disconnected; elsewhere `conntrack -F` in the failover script. The station then learns at once.",
    "github.com/openwrt/packages/issues/3050",
    inferred=True,
)
LOST = Kind(
    "failover.path-lost",
    "warning",
    "uplink",
    "The uplink carried nothing any more",
    "From {when} on nothing that the station sent was answered, for {away}. {why} Seen on the path before: {path}.",
    "Ask the carrier of the uplink that was in use about this time. If the site has another uplink, have the router"
    " probe the one in use more often (mwan3 interval and down, a ping every few seconds).",
    "RFC 9293 §3.8.1",
    inferred=True,
)
SLOW = Kind(
    "failover.slow-detection",
    "warning",
    "station",
    "An outage lasted long because nobody noticed it",
    "After the path was lost at {when} it took {detected} until the station dialled again: {whose}.",
    "Shorten the timer that is named. Station: WebSocketPingInterval (1.6; 2.x OCPPCommCtrlr.WebSocketPingInterval) 10"
    " to 30 s, and a pong time-out of a few seconds. Router: probe the uplink every few seconds.",
    "github.com/evcc-io/evcc/issues/15853",
    inferred=True,
)
ZOMBIE = Kind(
    "failover.zombie-connection",
    "warning",
    "station",
    "The station believed itself connected when it no longer was",
    "From {when} on nothing was answered, and the station held on to this connection for {held}: it shows itself as"
    " online while the CSMS has it offline, and can be started by nobody.",
    "Switch the station's WebSocket ping on (WebSocketPingInterval 10 to 60 s) and have it close a connection whose"
    " ping is not answered; where it has no such setting, ask its manufacturer.",
    "github.com/dingo35/SmartEVSE-3.5/issues/202",
)
FLAPPING = Kind(
    "failover.flapping",
    "warning",
    "site-network",
    "The router changes back and forth between its uplinks",
    "{why} Each change cuts every station off; this one at {when}, for {away}.",
    "Make the router slower to go back: mwan3 up (so many good probes in a row) and recovery_interval, a hold time"
    " elsewhere. Then find out why the first uplink comes and goes.",
    "openwrt.org/docs/guide-user/network/wan/multiwan/mwan3",
    inferred=True,
)
BACKUP = Kind(
    "failover.backup-cannot-reach-csms",
    "warning",
    "uplink",
    "The backup uplink does not carry the CSMS",
    "After the switch at {when} the station could not connect, for {away}. {why}",
    "Probe the CSMS over each uplink from the router (docs/link.md). Usual reasons: an APN with a list of allowed"
    " addresses, a CSMS that lets in the site's fixed address only, DNS of the other carrier, a portal.",
    "docs/link.md",
    inferred=True,
)
NAT = Kind(
    "failover.nat-timeout",
    "warning",
    "uplink",
    "A NAT on the way forgets the station's connection",
    "{why} Everything the station or the CSMS says after such a silence is lost; this time at {when}, for {away}.",
    "Set the station's ping or heartbeat below {idle} (WebSocketPingInterval; mobile carriers forget after 1 to 5 min),"
    " or raise the time-out of the router (nf_conntrack_tcp_timeout_established) if the NAT is the site's own.",
    "RFC 5382 §5",
    inferred=True,
)
SIM = Kind(
    "failover.sim-change",
    "info",
    "uplink",
    "The uplink went away and came back with another address",
    "At {when} the uplink was gone for some seconds and came back as another one: a change of the SIM profile or of the"
    " network. The station was away for {away}. {why}",
    "One such change is what a SIM with several profiles is for. If there are many, look at the modem's rules for"
    " changing (signal, failed probes) and at the signal at this time.",
    "RFC 792",
    inferred=True,
)
SATELLITE = Kind(
    "failover.slow-path",
    "info",
    "uplink",
    "The path has become much slower without breaking",
    "At {when} round trips to the CSMS rose from {before} to {after}; the path is now probably {path}. Connecting takes"
    " four to six of them, each OCPP call one.",
    "Nothing to do if that is the backup. See that time-outs of the station and of the CSMS are well above {call}, and"
    " that the station goes back to the first uplink when it works again.",
    "RFC 6298; RFC 2488",
    inferred=True,
)
CSMS = Kind(
    "failover.csms-away",
    "info",
    "csms",
    "The CSMS went away, not the network",
    "At {when} the connection was ended from the CSMS's side, for {away}. {why}",
    "Ask the operator of the CSMS what happened at this time; the site's network is not the reason.",
    "RFC 6455 §7.4.1",
    inferred=True,
)
HERD_KIND = Kind(
    "failover.stations-return-at-once",
    "info",
    "station",
    "After an outage all stations dial at the same moment",
    "{number} stations dialled within {span} after they had lost their connections. A CSMS or a small router that has"
    " just come back may fail under that.",
    "Spread them: 2.x RetryBackOffRandomRange, 1.6 a random delay where the manufacturer has one.",
    "OCPP 2.0.1 Part 4 §5.3",
)
CLOCK = Kind(
    "failover.clock-jump",
    "warning",
    "station",
    "The station's clock has jumped with the outage",
    "Before the outage at {when} the station's timestamps fitted; since then its clock is {step} {way}. Meter values"
    " and transactions that it was late to deliver have times that cannot be trusted.",
    "Have the station take its time from the CSMS (BootNotification, Heartbeat) or from NTP over an uplink that works;"
    " a modem's network time may be local time.",
    "OCPP 1.6 §4.6, OCPP 2.x Part 2 B01",
    inferred=True,
)

_KINDS: Final[dict[Cause, tuple[Kind, float]]] = {
    "switch-flows-stranded": (STRANDED, VERY_SURE),
    "blackhole": (LOST, SURE),
    "flapping": (FLAPPING, SURE),
    "backup-cannot-reach-csms": (BACKUP, SURE),
    "nat-idle-kill": (NAT, VERY_SURE),
    "sim-change": (SIM, SURE),
    "satellite-step": (SATELLITE, SURE),
    "csms-restart": (CSMS, VERY_SURE),
}


class OutageCheck(Check):
    """Each outage, once it is judged."""

    kinds = (STRANDED, LOST, SLOW, ZOMBIE, FLAPPING, BACKUP, NAT, SIM, SATELLITE, CSMS, HERD_KIND, CLOCK)
    wants = frozenset({ConnectionOpened, ConnectionClosed, HttpResponse, Retransmission})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._seen = 0
        self._opened: dict[int, Event] = {}
        self._ended: dict[int, Event] = {}
        self._back: dict[int, Event] = {}
        self._herds: dict[str, deque[Outage]] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember what may be evidence; judge what has been judged."""
        if isinstance(event, ConnectionOpened):
            bounded(self._opened, MAX_PENDING)[event.connection.number] = event
        elif isinstance(event, HttpResponse):
            if event.status == 101:
                bounded(self._back, MAX_PENDING)[event.connection.number] = event
        elif isinstance(event, Retransmission | ConnectionClosed):
            # The first repeat says when it began; where there was none the end has to do.
            number = event.connection.number
            kept = self._ended.get(number)
            if not isinstance(kept, Retransmission) or event.time - kept.time > ZOMBIE_NS:
                bounded(self._ended, MAX_PENDING)[number] = event
        return self._new(picture) if picture.outages.judged > self._seen else ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Those that were judged at the end."""
        return self._new(picture)

    def _new(self, picture: Picture) -> list[Finding]:
        outages = picture.outages
        number, self._seen = outages.judged - self._seen, outages.judged
        found: list[Finding] = []
        for outage in list(outages.all)[-number:] if number else ():
            evidence = self._evidence(outage)
            if evidence:
                found += self._of(outage, evidence, picture)
        return found

    def _evidence(self, outage: Outage) -> tuple[Event, ...]:
        """The end of what was lost, and what led back."""
        events: list[Event] = []
        for place, number in enumerate(outage.connections):
            tables = (self._ended, self._opened) if place == 0 else (self._opened, self._back)
            kept = [table[number] for table in tables if number in table]
            events += kept[:1] if place == 0 else kept
        return tuple(events[:6])

    def _of(self, outage: Outage, evidence: tuple[Event, ...], picture: Picture) -> Iterator[Finding]:
        kind, least = _KINDS.get(outage.cause, (None, 1.0))
        lasted = outage.broken or outage.cause == "satellite-step"
        if kind is CSMS and outage.attempts < 2 and outage.end - outage.start < CSMS_NS:
            lasted = False  # a restart that nobody felt
        if kind is not None and outage.confidence >= least and lasted:
            yield _finding(kind, outage, evidence, picture)
        yield from _slow(outage, evidence)
        step = outage.clock_step
        if step is not None and abs(step) >= CLOCK_NS and outage.broken:
            values = {
                "when": clock(outage.start),
                "step": duration(abs(step)),
                "way": "ahead of what it was" if step > 0 else "behind what it was",
            }
            yield Finding(CLOCK, outage.start, outage.station, evidence, values)
        yield from self._herd(outage, evidence, picture)

    def _herd(self, outage: Outage, evidence: tuple[Event, ...], picture: Picture) -> Iterator[Finding]:
        if outage.first_syn is None:
            return
        link = picture.links.all.get(outage.connections[-1])
        server = link.connection.server.address if link is not None else ""
        herd = self._herds.get(server)
        if herd is None:
            herd = bounded(self._herds)[server] = deque(maxlen=HERD)
        herd.append(outage)
        times = [one.first_syn for one in herd if one.first_syn is not None]
        stations = {one.station for one in herd}
        if len(stations) < HERD or max(times) - min(times) > HERD_NS:
            return
        herd.clear()
        values = {"number": len(stations), "span": duration(max(times) - min(times))}
        yield Finding(HERD_KIND, min(times), "", evidence, values)


def _finding(kind: Kind, outage: Outage, evidence: tuple[Event, ...], picture: Picture) -> Finding:
    away = outage.end - outage.start
    idle = picture.outages.idle_of(outage)
    values: dict[str, object] = {
        "when": clock(outage.start),
        "away": duration(away) if outage.over else f"at least {duration(picture.time - outage.start)}",
        "why": " ".join(outage.reasons),
        "path": outage.after.kind if kind is SATELLITE else outage.before.kind,
        "before": duration(outage.rtt_before or 0),
        "after": duration(outage.rtt_after or 0),
        "call": duration(4 * (outage.rtt_after or 0)),
        "idle": duration(idle) if idle else "a minute",
    }
    return Finding(kind, outage.start, outage.station, evidence, values)


def _slow(outage: Outage, evidence: tuple[Event, ...]) -> Iterator[Finding]:
    """Somebody's timer, not the link, made it long."""
    lost, dialled = outage.path_lost, outage.detected or outage.first_syn
    if lost is None or dialled is None or not outage.broken or outage.cause in ("station-restart", "power-cut"):
        return
    if outage.confidence < SURE or outage.cause in ("csms-restart", "unknown", "nat-idle-kill"):
        return
    held = dialled - lost
    leg = outage.attributed.get("detected") or outage.attributed.get("first_syn")
    if held < SLOW_NS or leg is None or not outage.repeats:
        return
    if leg.owner == "station" and held >= ZOMBIE_NS:
        values = {"when": clock(lost), "held": duration(held)}
        yield Finding(ZOMBIE, lost, outage.station, evidence, values)
        return
    owner: Owner = leg.owner if leg.owner != "unknown" else lost_by(outage.cause)
    values = {"when": clock(lost), "detected": duration(held), "whose": leg.cause}
    yield Finding(SLOW, lost, outage.station, evidence, values, owner=owner)
