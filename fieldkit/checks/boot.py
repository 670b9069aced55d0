"""Boots: answered how, repeated how often, and what is said before the CSMS has accepted the station.

1.6 §4.2 and 2.x Part 2 B01 to B03: a station introduces itself with BootNotification and may say nothing else until it
is accepted. *Pending* holds it back: it speaks only where the CSMS asks it to. *Rejected* sends it away for at least
``interval`` seconds.

That no boot is seen proves nothing: the station booted before the capture began. And where bytes are missing, the
answer that changed everything may be among them: from there on nobody is accused until the next boot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal

from fieldkit.checks.bootkinds import (
    CALLS_BEFORE_ANSWER,
    CALLS_WHILE_PENDING,
    CALLS_WHILE_REJECTED,
    CSMS_CALL_BEFORE_ANSWER,
    CSMS_CALLS_WHILE_REJECTED,
    ERROR,
    LOOP,
    NEVER_ACCEPTED,
    PENDING,
    REJECTED,
    REMOTE_START_WHILE_PENDING,
    REPEATED,
    RETRY_TOO_EARLY,
    UNANSWERED,
)
from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.holes import Holes
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.events import DecodeError, Event, MessageType, OcppMessage, Unanswered
from fieldkit.site.about import Boot
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text
from fieldkit.site.station import Station

LOOP_BOOTS: Final = 3
LOOP_WINDOW: Final = 300 * SECOND
"""So many boots in so little time are a loop: the fastest stations take half a minute to start."""
TOO_EARLY: Final = 0.9
"""Share of the interval that must have passed before the next attempt; stations round it, and timers wander."""
MAX_EARLY_CALLS: Final = 4
"""CALLs before the answer to a boot that are remembered as evidence."""
MAX_ALLOWED: Final = 64
"""Actions that a station was asked for while it waits: OCPP has fewer that can be asked for."""
PATIENCE: Final = 30 * SECOND
"""A boot without an answer counts when the station has waited for so long; the usual timeouts are 30 to 60 s."""
MAX_RECENT: Final = 50
"""Ended transactions that are looked at."""
LONG_PENDING: Final = 600 * SECOND
"""Pending for longer than this is no provisioning any more."""

_CALL: Final = MessageType.CALL
_STATION_STATES = Literal["", "booting", "Accepted", "Pending", "Rejected"]

_ORDERED: Final = {
    "GetBaseReport": "NotifyReport",
    "GetReport": "NotifyReport",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "GetCustomerInformation": "NotifyCustomerInformation",
    "CustomerInformation": "NotifyCustomerInformation",
    "GetDisplayMessages": "NotifyDisplayMessages",
    "GetChargingProfiles": "ReportChargingProfiles",
    "GetDiagnostics": "DiagnosticsStatusNotification",
    "GetLog": "LogStatusNotification",
    "UpdateFirmware": "FirmwareStatusNotification",
    "SignedUpdateFirmware": "SignedFirmwareStatusNotification",
}
"""What the station then sends because the CSMS asked (2.x B02.FR.02 names the reports; the others are meant too)."""
_TRIGGERS: Final = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
_TRIGGERED: Final = {"SignChargePointCertificate": "SignCertificate", "TransactionEvent": "TransactionEvent"}
"""Requested messages whose action has another name (the other names are those of their action)."""
_SESSION: Final = frozenset(
    {"Authorize", "MeterValues", "StartTransaction", "StatusNotification", "StopTransaction", "TransactionEvent"}
)
"""What a remote start brings about; that the CSMS must not order one now is its own fault."""
_REMOTE_STARTS: Final = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)
_EXPLAINED: Final = frozenset({"Triggered", "RemoteReset", "ScheduledReset", "FirmwareUpdate"})
"""2.x BootReasons that say: somebody wanted this boot."""


@dataclass(slots=True)
class _Conversation:
    """Where a station stands, on its present connection."""

    place: object = None
    """Connection number; None in a log."""
    state: _STATION_STATES = ""
    """Empty: nothing is known, nobody is accused."""
    boot: OcppMessage | None = None
    """The last one."""
    answered: OcppMessage | None = None
    since: int = 0
    """Time of the answer that made the state."""
    interval: int = 0
    gaps: int = 0
    """Holes in the capture of this connection when the state began."""
    asked: set[str] = field(default_factory=set)
    """Actions that the CSMS has asked for since the last boot was answered."""
    excused: bool = False
    """The CSMS has caused the next boot: Reset, TriggerMessage."""
    early: list[OcppMessage] = field(default_factory=list)
    """The station's CALLs since a boot that waits for its answer."""
    early_csms: list[OcppMessage] = field(default_factory=list)
    accepted: bool = False
    """At least once."""
    restarts: deque[OcppMessage] = field(default_factory=lambda: deque(maxlen=LOOP_BOOTS))
    """The last boots that nobody had asked for and no waiting explains."""
    lost: bool = False
    """It was heard elsewhere, or behind a hole, since its last boot: it may have been accepted unseen."""


class BootCheck(Check):
    """Field failures 3 and 4."""

    kinds = (
        REJECTED,
        PENDING,
        NEVER_ACCEPTED,
        ERROR,
        UNANSWERED,
        RETRY_TOO_EARLY,
        CALLS_WHILE_PENDING,
        CALLS_WHILE_REJECTED,
        CSMS_CALLS_WHILE_REJECTED,
        REMOTE_START_WHILE_PENDING,
        CSMS_CALL_BEFORE_ANSWER,
        CALLS_BEFORE_ANSWER,
        LOOP,
        REPEATED,
    )
    wants = frozenset({OcppMessage, Unanswered, DecodeError})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._holes = Holes()
        self._stations: dict[str, _Conversation] = {}
        """Only those that have booted; as many as the picture has, which is bounded."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Most messages end at the first lines: the station never booted in sight, or is long accepted."""
        if not isinstance(event, OcppMessage):
            if isinstance(event, DecodeError):
                self._holes.note(event)
            return _never_answered(event) if isinstance(event, Unanswered) else ()
        known = self._stations.get(event.channel.station)
        if event.action == "BootNotification":
            station = picture.stations.get(event.channel.station)
            if station is None:
                return ()
            if known is None:
                if event.type is not _CALL:
                    return ()
                known = self._stations[event.channel.station] = _Conversation()
            if event.type is _CALL:
                return self._boots(event, known, station, picture)
            return self._answered(event, known, station, picture)
        if known is None or event.type is not _CALL:
            return ()
        if event.sender == "csms" and (event.action == "Reset" or event.action in _TRIGGERS):
            _note_order(event, known)
        if known.state in ("", "Accepted"):
            return ()
        return self._judge_call(event, known, picture)

    def finish(self, picture: Picture) -> Iterator[Finding]:
        """Stations that were never accepted."""
        for identity, known in self._stations.items():
            station = picture.stations.get(identity)
            if station is not None and station.about.boots and not (known.accepted or known.lost):
                yield from _never_accepted(station, picture)

    # ------------------------------------------------------------------------------------------------------- boots

    def _boots(self, call: OcppMessage, known: _Conversation, station: Station, picture: Picture) -> Iterator[Finding]:
        place = _place(call)
        here = known.boot is not None and place == known.place
        whole = here and known.gaps == self._holes.count(call, picture)
        reason = station.about.boots[-1].reason
        cut_off = isinstance(known.place, int) and place != known.place and picture.outages.cut_off(known.place)
        wanted = known.excused or reason in _EXPLAINED or cut_off
        if whole and not wanted:
            waited = call.time - known.since
            if known.state in ("Pending", "Rejected") and waited < known.interval * SECOND * TOO_EARLY:
                if waited < known.interval * SECOND - SECOND:
                    yield _early(call, known, waited)
            elif known.state == "Accepted" and place is not None:
                # In a log, one connection cannot be told from the next.
                values = {"after": duration(waited)}
                shown = tuple(event for event in (known.boot, known.answered, call) if event is not None)
                yield Finding(REPEATED, call.time, station.identity, shown, values)
            elif known.state == "booting" and known.early_csms:
                yield _csms_came_first(known, ", and the station sent its BootNotification again", call)
        if not wanted and known.state in ("", "Accepted", "booting"):
            # What follows Pending or Rejected is no restart but the attempt that the CSMS told it to make.
            known.restarts.append(bounded(call))
            yield from _loop(known.restarts, station, picture)
        elif known.state in ("Pending", "Rejected"):
            known.restarts.clear()
        known.place, known.state, known.boot, known.answered = place, "booting", bounded(call), None
        known.gaps = self._holes.count(call, picture)
        known.excused = known.lost = False
        known.early.clear()
        known.early_csms.clear()

    def _answered(
        self, answer: OcppMessage, known: _Conversation, station: Station, picture: Picture
    ) -> Iterator[Finding]:
        boot = station.about.boots[-1] if station.about.boots else None
        if boot is None or not same(boot.answer, answer) or not same(known.boot, boot.call):
            return
        if known.early:
            actions = listed(list(dict.fromkeys(call.action[:50] for call in known.early)))
            evidence = (boot.call, known.early[0], answer)
            yield Finding(CALLS_BEFORE_ANSWER, known.early[0].time, station.identity, evidence, {"actions": actions})
        if known.early_csms:
            yield _csms_came_first(known, "", answer)
        known.early.clear()
        known.early_csms.clear()
        known.answered = bounded(answer)
        known.since = answer.time
        known.gaps = self._holes.count(answer, picture)
        known.asked.clear()
        known.interval = max(boot.interval or 0, 0)
        if answer.error is not None:
            known.state = ""
            yield _error(answer, answer.call or boot.call)
            return
        known.state = ""
        values = {"who": _who(station), "interval": _interval(boot.interval)}
        shown = (boot.call, answer)
        if boot.status == "Accepted":
            known.state = "Accepted"
            known.accepted = True
        elif boot.status == "Pending":
            known.state = "Pending"
            yield Finding(PENDING, answer.time, station.identity, shown, values)
        elif boot.status == "Rejected":
            known.state = "Rejected"
            yield Finding(REJECTED, answer.time, station.identity, shown, values)

    # ----------------------------------------------------------------------------------------------- other CALLs

    def _judge_call(self, call: OcppMessage, known: _Conversation, picture: Picture) -> Iterator[Finding]:
        if _place(call) != known.place or known.gaps != self._holes.count(call, picture):
            # Another connection, or bytes are missing: the answer that we did not see may have been Accepted.
            known.state = ""
            known.lost = True
            known.early.clear()
            known.early_csms.clear()
            return
        if known.state == "booting":
            calls = known.early if call.sender == "station" else known.early_csms
            if len(calls) < MAX_EARLY_CALLS:
                calls.append(bounded(call))
            return
        kind = _breach(call, known)
        if kind is None or known.answered is None or known.boot is None:
            return
        values = {"action": call.action[:50] or "a message", "after": duration(call.time - known.since)}
        evidence = (call, known.answered, known.boot)
        yield Finding(kind, call.time, call.channel.station, evidence, values)


def _breach(call: OcppMessage, known: _Conversation) -> Kind | None:
    """Which rule a CALL breaks while the station is Pending or Rejected."""
    action = call.action
    if call.sender == "csms":
        if known.state == "Rejected":
            return CSMS_CALLS_WHILE_REJECTED
        if len(known.asked) < MAX_ALLOWED and action in _ORDERED:
            known.asked.add(_ORDERED[action])
        if action in _REMOTE_STARTS:
            known.asked |= _SESSION
        return REMOTE_START_WHILE_PENDING if action in _REMOTE_STARTS else None
    if known.state == "Rejected":
        return CALLS_WHILE_REJECTED
    return None if action in known.asked else CALLS_WHILE_PENDING


def _note_order(call: OcppMessage, known: _Conversation) -> None:
    """The CSMS resets the station, or asks it for a message."""
    if call.action == "Reset":
        known.excused = True
        return
    requested = (text(call.payload, "requestedMessage") or "")[:50]
    if requested == "BootNotification":
        known.excused = True
    if len(known.asked) < MAX_ALLOWED:
        known.asked.add(_TRIGGERED.get(requested, requested))


def _early(call: OcppMessage, known: _Conversation, waited: int) -> Finding:
    values = {
        "status": known.state,
        "interval": duration(known.interval * SECOND),
        "after": duration(waited),
    }
    evidence = tuple(event for event in (known.boot, known.answered, call) if event is not None)
    return Finding(RETRY_TOO_EARLY, call.time, call.channel.station, evidence, values)


def _csms_came_first(known: _Conversation, outcome: str, end: OcppMessage) -> Finding:
    first = known.early_csms[0]
    actions = listed(list(dict.fromkeys(call.action[:50] for call in known.early_csms)))
    evidence = tuple(event for event in (known.boot, first, end) if event is not None)
    values = {"actions": actions, "outcome": outcome}
    severity: Literal["warning"] | None = "warning" if outcome else None
    return Finding(
        CSMS_CALL_BEFORE_ANSWER, first.time, first.channel.station, evidence, values, severity=severity, group=outcome
    )


def _loop(restarts: deque[OcppMessage], station: Station, picture: Picture) -> Iterator[Finding]:
    span = restarts[-1].time - restarts[0].time
    # A log may have no times at all: then nothing is known of how fast they came.
    if len(restarts) < LOOP_BOOTS or not 0 < span <= LOOP_WINDOW:
        return
    boots = list(station.about.boots)[-LOOP_BOOTS:]
    said = list(dict.fromkeys(boot.reason for boot in boots if boot.reason))
    unanswered = sum(boot.answer is None and _csms_heard_since(boot, picture) for boot in boots[:-1])
    values = {
        "boots": counted(len(restarts), "boot"),
        "span": duration(span),
        "reasons": f" (reason given: {listed(said)})" if said else "",
        "unanswered": f", {unanswered} of them without an answer from the CSMS" if unanswered else "",
    }
    owner: Literal["csms"] | None = "csms" if unanswered else None
    yield Finding(LOOP, restarts[-1].time, station.identity, tuple(restarts), values, owner=owner)


def _csms_heard_since(boot: Boot, picture: Picture) -> bool:
    """Whether the CSMS is in the capture and alive, so that its silence means something."""
    link = picture.links.get(boot.call.channel.connection)
    return link is not None and link.heard[1] > boot.time


def _error(answer: OcppMessage, boot: OcppMessage) -> Finding:
    faulty = [problem for problem in boot.problems if problem.rule.startswith("schema.")]
    error = answer.error
    values = {
        "code": (error.code[:50] if error is not None else "") or "without a code",
        "faulty": f". The BootNotification is indeed faulty: {faulty[0].text[:200]}" if faulty else "",
        "whom": "Station manufacturer" if faulty else "CSMS",
    }
    owner: Literal["station", "csms"] = "station" if faulty else "csms"
    return Finding(ERROR, answer.time, answer.channel.station, (boot, answer), values, owner=owner)


def _never_answered(event: Unanswered) -> Iterator[Finding]:
    call = event.call
    waited = event.time - call.time
    if call.action == "BootNotification" and event.why == "connection-closed" and waited >= PATIENCE:
        yield Finding(UNANSWERED, call.time, call.channel.station, (call, event), {"waited": duration(waited)})


def _never_accepted(station: Station, picture: Picture) -> Iterator[Finding]:
    about = station.about
    boots = about.boots
    last = boots[-1]
    if last.answer is None or _charges(station, last.answer.time):
        return
    # To the last that was heard of it, be it a ping: what came of it later is not in the capture.
    link = picture.links.get(last.call.channel.connection)
    span = max(station.last, link.heard[0] if link is not None else 0) - about.first_boot
    if last.status == "Pending" and span < LONG_PENDING:
        return
    if not (last.status in ("Pending", "Rejected") or last.answer.error is not None):
        return
    values = {
        "boots": counted(about.boot_count, "BootNotification"),
        "span": f" in {duration(span)}" if about.boot_count > 1 and span > 0 else "",
        "last": last.status or "an error",
    }
    yield Finding(NEVER_ACCEPTED, last.answer.time, station.identity, _first_and_last(boots[0], last), values)


def _charges(station: Station, since: int) -> bool:
    """Whether the CSMS takes its transactions all the same, or has accepted it unseen."""
    ledger = station.transactions
    recent = (*islice(reversed(ledger.closed), MAX_RECENT), *ledger.open.values())
    return any(made.answered and made.begin is not None and made.begin.time > since for made in recent)


def _first_and_last(first: Boot, last: Boot) -> tuple[Event, ...]:
    events = (last.call, last.answer) if first is last else (last.call, last.answer, first.call)
    return tuple(event for event in events if event is not None)


def _who(station: Station) -> str:
    about = station.about
    known = " ".join(part for part in (about.vendor, about.model) if part)
    return known or "the station"


def _interval(seconds: int | None) -> str:
    if seconds is None:
        return ""
    if seconds <= 0:
        return "; when to try again is left to the station"
    return f"; the next attempt is due after {duration(seconds * SECOND)}"


def _place(message: OcppMessage) -> object:
    connection = message.channel.connection
    if connection is None or message.channel.transport == "soap":
        return None  # over SOAP every CALL may have a connection of its own
    return connection.number
