"""What the list of chargers says of each: the picture's stations, and those that never got as far as a message.

A charger that the CSMS turns away says no OCPP at all, so the picture does not have it; its connections do. Nothing
is kept here: the facts are read from the session each time, under the engine's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.collector import Collected
from fieldkit.checks.words import duration
from fieldkit.events import Event
from fieldkit.safetext import terminal
from fieldkit.session import Session
from fieldkit.site.link import Link
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction
from fieldkit.tui.glyphs import Level

AWAY: Final = 60 * 1_000_000_000
"""A connection that ended less than this before the end may be about to come back."""
MAX_NAMELESS: Final = 200
"""Clients without a name that are told one by one."""
NAMELESS: Final = "@"
"""Before an address that stands for a charger whose name was not seen; no identity in a URL begins with it."""
_OUT_OF_ORDER: Final = ("Faulted", "Inoperative")
_MIDDLE: Final = ("Preparing", "Occupied", "Finishing", "Reserved", "SuspendedEV", "SuspendedEVSE")
RANKS: Final[dict[Level, int]] = {"fail": 0, "warn": 1, "info": 2, "none": 3, "ok": 4}


@dataclass(slots=True)
class Facts:
    """One charger."""

    key: str
    """Its identity, or "@" and an address."""
    station: Station | None
    """None when it never said a message that could be read."""
    links: list[Link] = field(default_factory=list)
    level: Level = "none"
    word: str = ""
    """How it stands, in a word …"""
    why: str = ""
    """… and in a sentence."""
    until: int = 0
    """How far it was seen: now, or the end of its last connection."""
    critical: int = 0
    warning: int = 0
    info: int = 0
    incident: str = ""
    """What an incident that is open says of it; those that are harmless do not count."""

    @property
    def name(self) -> str:
        """As it is shown."""
        return terminal(self.key.removeprefix(NAMELESS), 60)

    @property
    def running(self) -> list[Transaction]:
        """Transactions that go on, the latest first."""
        if self.station is None:
            return []
        return sorted(self.station.transactions.open.values(), key=lambda one: -one.first_time)

    @property
    def trouble(self) -> tuple[int, int, int, int, str]:
        """The worst first."""
        first = 0 if self.word in ("REFUSED", "REJECTED") else 1
        worst = 0 if self.level == "fail" or self.critical else 1 if self.level == "warn" or self.warning else 2
        return (worst, first, -self.critical, -self.warning, self.key)


def gather(session: Session, findings: Sequence[Collected], *, running: bool, now: int = 0) -> list[Facts]:
    """Every charger there is. ``running``: more may come. ``now``: of something live, the time of day, as silence is
    told by nothing else. Call it while the engine holds still."""
    picture = session.picture
    now = max(now, picture.time)
    known = {identity: Facts(identity, station) for identity, station in picture.stations.items()}
    nameless = _nameless(findings)
    for link in picture.links.all.values():
        key = link.station
        if not key:
            key = nameless.get(link.connection.number, "")
        if not key:
            continue
        facts = known.get(key)
        if facts is None:
            facts = known[key] = Facts(key, None)
        facts.links.append(link)
    for finding in findings:
        keys = [finding.first_seen.station] if finding.first_seen.station else _clients(finding)
        for key in dict.fromkeys(keys):
            facts = known.get(key)
            if facts is None:
                continue
            if finding.severity == "critical":
                facts.critical += 1
            elif finding.severity == "warning":
                facts.warning += 1
            else:
                facts.info += 1
    lasting = _incidents(session)
    for facts in known.values():
        facts.incident = lasting.get(facts.key, "")
        _judge(facts, now, running)
    return list(known.values())


def one(session: Session, findings: Sequence[Collected], key: str, *, running: bool, now: int = 0) -> Facts:
    """A single charger; without connections and messages when it is not known (any more)."""
    picture = session.picture
    facts = Facts(key, picture.stations.get(key))
    nameless = _nameless(findings) if key.startswith(NAMELESS) else {}
    facts.links = [
        link
        for link in picture.links.all.values()
        if (link.station == key if link.station else nameless.get(link.connection.number) == key)
    ]
    for finding in findings:
        if concerns(finding, key):
            facts.critical += finding.severity == "critical"
            facts.warning += finding.severity == "warning"
            facts.info += finding.severity == "info"
    facts.incident = _incidents(session).get(key, "")
    _judge(facts, max(now, picture.time), running)
    return facts


def _incidents(session: Session) -> dict[str, str]:
    """By station: the title of the latest incident that goes on. One of the site concerns no charger above others."""
    detector = session.detector
    if detector is None:
        return {}
    lasting = (incident for incident in detector.fusion.open if incident.category != "benign")
    return {incident.station: incident.family.title for incident in lasting}


def concerns(finding: Collected, key: str) -> bool:
    """Whether a finding is about this charger."""
    station = finding.first_seen.station
    return station == key if station else key in _clients(finding)


def _nameless(findings: Iterable[Collected]) -> dict[int, str]:
    """Connections on which no name was said and which some check found wanting, by number. Everybody's refused
    connections to anywhere would be no chargers."""
    found: dict[int, str] = {}
    for finding in findings:
        if finding.first_seen.station:
            continue
        for event in (*finding.evidence, *finding.latest):
            connection = getattr(event, "connection", None)
            if connection is not None and len(found) < MAX_NAMELESS:
                found[connection.number] = NAMELESS + connection.client.address
    return found


def _clients(finding: Collected) -> list[str]:
    return [client for client in map(_client, (*finding.evidence, *finding.latest)) if client]


def _client(event: Event) -> str:
    connection = getattr(event, "connection", None)
    return NAMELESS + connection.client.address if connection is not None else ""


# -------------------------------------------------------------------------------------------------------------- state


def _judge(facts: Facts, now: int, running: bool) -> None:
    facts.level, facts.word, facts.why = _state(facts, now, running)
    if facts.incident:
        facts.why += f"; incident (7): {facts.incident}"
        if facts.level == "ok":  # what is worse than that is what has to be seen first
            facts.level, facts.word = "warn", "INCIDENT"
    closed = [link.closed for link in facts.links if link.closed is not None]
    facts.until = max(closed) if len(closed) == len(facts.links) and closed else now


def _state(facts: Facts, now: int, running: bool) -> tuple[Level, str, str]:
    """Connected at all, then accepted, then in order, then what it does."""
    gone = _gone(facts, now, running)
    if gone is not None:
        return gone
    station = facts.station
    if station is None:
        return "info", "SILENT", "connected; no OCPP message has been seen"
    boots = station.about.boots
    if boots and boots[-1].status == "Rejected":
        return "fail", "REJECTED", "the CSMS has rejected its BootNotification"
    if boots and boots[-1].status == "Pending":
        return "warn", "PENDING", "the CSMS has not accepted it yet (BootNotification: Pending)"
    statuses = {connector.status for connector in station.connectors.all.values() if connector.status}
    bad = next((status for status in _OUT_OF_ORDER if status in statuses), "")
    if bad:
        where = [c.name or "the station" for c in station.connectors.all.values() if c.status == bad]
        return "fail", "FAULTED", f"{bad}: connector {', '.join(where[:6])}"
    if station.transactions.open or statuses & {"Charging", "Discharging"}:
        return "ok", "CHARGING", "a transaction is going on"
    if "Unavailable" in statuses:
        return "warn", "UNAVAIL", "it, or one of its connectors, is set out of service (Unavailable)"
    if statuses & set(_MIDDLE):
        return "ok", "IN USE", "connected, and a connector is in use"
    return "ok", "ONLINE", "connected" if facts.links else "it is talking"


def _gone(facts: Facts, now: int, running: bool) -> tuple[Level, str, str] | None:
    """Why it is not there; None when it is, or when nobody can tell."""
    links = facts.links
    if not links or any(link.closed is None for link in links):
        return None
    if any(link.how in ("end-of-capture", "timeout") and _spoke(link) for link in links):
        return None  # as far as anybody saw
    last = max(links, key=lambda link: link.closed or 0)
    closed = last.closed or 0
    if not any(_spoke(link) for link in links):
        return "fail", "REFUSED", refused(last)
    if not _spoke(last):
        return "fail", "REFUSED", f"{refused(last)}; it was connected before"
    ago = max(now - closed, 0)
    how = ended(last)
    if running:
        return "warn" if ago < AWAY else "fail", "AWAY" if ago < AWAY else "OFFLINE", f"{how} {duration(ago)} ago"
    if ago < AWAY:
        return "info", "CLOSED", f"{how} at the end of the capture"
    return "warn", "OFFLINE", f"gone for the last {duration(ago)}: {how}"


def _spoke(link: Link) -> bool:
    """It got as far as OCPP."""
    return link.messages > 0 or (link.status == 101 and "ocpp" in link.agreed.lower())


def refused(link: Link) -> str:
    """What became of a connection that never carried a message."""
    if link.how == "refused":
        return f"nobody listens at {link.connection.server.address} port {link.connection.server.port}"
    if link.how == "no-answer":
        return f"{link.connection.server.address} port {link.connection.server.port} never answers"
    if link.status == 101:
        return "the CSMS agreed on no OCPP version"
    if link.status is not None:
        return f"the CSMS answers the connection with HTTP {link.status}"
    tls = link.tls
    if tls is not None and tls.alerts:
        _, by_client, name = tls.alerts[-1]
        return f"TLS fails: {'the charger' if by_client else 'the server'} says {terminal(name, 40)}"
    return "its connection ended before anything was said"


def ended(link: Link) -> str:
    """How a connection ended, in two or three words."""
    by_client = link.ended_by_client
    who = "" if by_client is None else " by the charger" if by_client else " by the CSMS"
    if link.how == "rst":
        return f"cut off (RST){who}"
    if link.close_code is not None:
        return f"closed{who} ({link.close_code})"
    return f"ended{who} without a goodbye" if link.is_websocket else f"ended{who}"


# ------------------------------------------------------------------------------------------------------------- in words


def connectors(station: Station | None, room: int) -> str:
    """As in "1 Charging  2 Available", or how many of each where there is no room for that."""
    if station is None:
        return ""
    named = [(connector.name, connector.status) for _, connector in sorted(station.connectors.all.items())]
    named = [(name, status) for name, status in named if name] or named
    text = "  ".join(f"{terminal(name, 8)} {terminal(status, 20)}".strip() for name, status in named)
    if len(text) <= room:
        return text
    counts: dict[str, int] = {}
    for _, status in named:
        counts[status] = counts.get(status, 0) + 1
    worst = sorted(counts, key=lambda status: (status not in _OUT_OF_ORDER, status == "Available", -counts[status]))
    if len(named) == 1:
        return terminal(named[0][1], 20)
    return "  ".join(f"{counts[status]}× {terminal(status, 20)}" for status in worst)


def energy(wh: float | None) -> str:
    """As in "12.3 kWh", "150 Wh"; empty where it is not known, or where the register went backwards."""
    if wh is None or wh < 0:
        return ""
    return f"{wh / 1000:,.1f} kWh".replace(",", " ") if wh >= 1000 else f"{wh:.0f} Wh"


def span(transaction: Transaction, now: int) -> int | None:
    """Nanoseconds that a transaction has lasted, by the capture's clock; None where its beginning was not seen."""
    if transaction.begin is None:
        return None
    end = transaction.end.time if transaction.end is not None else now
    return max(end - transaction.begin.time, 0)


def lasted(transaction: Transaction, now: int) -> str:
    """The same in words."""
    found = span(transaction, now)
    return duration(found) if found is not None else ""


def shift(ns: int | None) -> str:
    """A clock's offset: "+0.3 s", "-2 h"; empty where it is not known."""
    if ns is None:
        return ""
    return f"{'-' if ns < 0 else '+'}{duration(ns)}"
