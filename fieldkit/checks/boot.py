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
from typing import Final, Literal

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.holes import Holes
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.events import DecodeError, Event, MessageType, OcppMessage, Unanswered
from fieldkit.site.about import Boot
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
_REMOTE_STARTS: Final = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)
_EXPLAINED: Final = frozenset({"Triggered", "RemoteReset", "ScheduledReset", "FirmwareUpdate"})
"""2.x BootReasons that say: somebody wanted this boot."""

REJECTED = Kind(
    "boot.rejected",
    "warning",
    "operator",
    "The CSMS rejects the station",
    "The CSMS answered BootNotification of {who} with Rejected. A rejected station may not "
    "charge{interval}.",
    "Operator: see whether this identity, serial number, vendor and model are registered and enabled in the CSMS, and "
    "whether this is the CSMS that the station should talk to.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03",
)
PENDING = Kind(
    "boot.pending",
    "info",
    "operator",
    "The CSMS keeps the station waiting",
    "The CSMS answered BootNotification of {who} with Pending: it wants to configure the station before it accepts "
    "it{interval}.",
    "Nothing, if it is accepted soon. If it stays so: operator, complete the provisioning of this station in the CSMS.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02",
)
NEVER_ACCEPTED = Kind(
    "boot.never-accepted",
    "critical",
    "operator",
    "The station was never accepted",
    "{boots} in {span}, and none was answered with Accepted; the last one: {last}. Until it is accepted, the station "
    "does not charge under this CSMS.",
    "Operator: find out from the CSMS why it does not accept this station: unknown identity, wrong tenant, missing "
    "provisioning, or an error while it handled the boot.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B01-B03",
)
ERROR = Kind(
    "boot.error",
    "warning",
    "csms",
    "BootNotification is answered with an error",
    "Instead of accepting or rejecting the station, the CSMS answered its BootNotification with the error "
    "{code}{faulty}.",
    "{whom}: correct what the error names. The station will try again, but will hardly be accepted before.",
    "OCPP 1.6 §4.2",
)
UNANSWERED = Kind(
    "boot.unanswered",
    "warning",
    "csms",
    "BootNotification is not answered",
    "The station waited {waited} for the answer to its BootNotification, until the connection was closed. None came.",
    "CSMS: look in its log for this BootNotification and what happened to it. Other CALLs that were answered in this "
    "time show that it is not the network.",
    "OCPP 1.6 §4.2; https://github.com/lbbrhzn/ocpp/issues/1503",
)
RETRY_TOO_EARLY = Kind(
    "boot.retry-too-early",
    "warning",
    "station",
    "The station repeats its boot before the time given",
    "The CSMS answered {status} with an interval of {interval}; the station sent the next BootNotification after "
    "{after} already.",
    "Station manufacturer: wait for the interval before the next BootNotification. Until then: give a short "
    "interval, as some CSMSs block stations that come back too early.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02, B03",
)
CALLS_WHILE_PENDING = Kind(
    "boot.calls-while-pending",
    "warning",
    "station",
    "The station carries on although it is Pending",
    "The CSMS had answered Pending; {after} later the station began to send what nobody had asked for, first "
    "{action}. While it is Pending, a station may only send what the CSMS triggers.",
    "Station manufacturer: hold back everything that was not triggered until a boot is Accepted. Operator: complete "
    "the provisioning, then this does no harm.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02.FR.02; https://github.com/matth-x/MicroOcpp/issues/258",
)
CALLS_WHILE_REJECTED = Kind(
    "boot.calls-while-rejected",
    "warning",
    "station",
    "The station carries on although it was rejected",
    "The CSMS had answered Rejected; {after} later the station went on sending, first {action}. A rejected station "
    "may send nothing but the next BootNotification.",
    "Operator: have the station accepted. Station manufacturer: send nothing while rejected.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03.FR.02",
)
CSMS_CALLS_WHILE_REJECTED = Kind(
    "boot.csms-calls-while-rejected",
    "warning",
    "csms",
    "The CSMS calls a station that it has rejected",
    "The CSMS had answered Rejected, and {after} later it sent CALLs to the station, first {action}. A rejected "
    "station does not answer them.",
    "CSMS: accept the station (or answer Pending, if it is to be configured first), or leave it alone.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B03",
)
REMOTE_START_WHILE_PENDING = Kind(
    "boot.remote-start-while-pending",
    "warning",
    "csms",
    "The CSMS starts or stops transactions of a station that it keeps Pending",
    "The CSMS had answered Pending, and {after} later it sent {action}, which is not allowed before the station is "
    "accepted.",
    "CSMS: accept the station first.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B02.FR.05",
)
CSMS_CALL_BEFORE_ANSWER = Kind(
    "boot.csms-call-before-answer",
    "info",
    "csms",
    "The CSMS calls the station before it has answered its boot",
    "The CSMS sent {actions} while BootNotification was still waiting for its answer{outcome}. Stations that handle "
    "one thing at a time do not answer such a CALL, and some then start over with another BootNotification.",
    "CSMS: answer BootNotification first, then configure the station. If the station boots again and again, this is "
    "the first thing to change.",
    "https://github.com/lbbrhzn/ocpp/issues/1503",
)
CALLS_BEFORE_ANSWER = Kind(
    "boot.calls-before-answer",
    "info",
    "station",
    "The station goes on before its boot is answered",
    "The station sent {actions} before it had the answer to its BootNotification. It must wait for that; most CSMSs "
    "put up with it, strict ones answer with an error or drop the message.",
    "Nothing, as long as the CSMS answers. Station manufacturer: wait until the boot is accepted.",
    "OCPP 1.6 §4.2; OCPP 2.0.1 Part 2 B01",
)
LOOP = Kind(
    "boot.loop",
    "critical",
    "station",
    "The station boots again and again",
    "{boots} within {span} that nobody had asked for{reasons}{unanswered}. Either the station restarts all the time, "
    "or it begins anew with every connection; charging is interrupted each time.",
    "Station: read its own log for the reason of the restarts (watchdog, power supply, crash while handling a "
    "message of the CSMS). See what comes right before each boot here: the same CALL or a broken connection points "
    "to the cause.",
    "https://github.com/lbbrhzn/ocpp/issues/1503",
    inferred=True,
)
REPEATED = Kind(
    "boot.repeated",
    "info",
    "station",
    "The station boots again although it was accepted and stayed connected",
    "{after} after it was accepted the station sent another BootNotification on the same connection, which no Reset "
    "or trigger of the CSMS explains. A station that had restarted would have had to connect anew.",
    "Nothing, if it happens once. A CSMS may end running transactions at a boot: see whether that happens here.",
    "OCPP 1.6 §4.2",
)


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
            if station is not None and station.about.boots and not known.accepted:
                yield from _never_accepted(station, picture)

    # ------------------------------------------------------------------------------------------------------- boots

    def _boots(self, call: OcppMessage, known: _Conversation, station: Station, picture: Picture) -> Iterator[Finding]:
        place = _place(call)
        same = known.boot is not None and place == known.place
        whole = same and known.gaps == self._holes.count(call, picture)
        reason = station.about.boots[-1].reason
        wanted = known.excused or reason in _EXPLAINED
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
            known.restarts.append(call)
            yield from _loop(known.restarts, station, picture)
        elif known.state in ("Pending", "Rejected"):
            known.restarts.clear()
        known.place, known.state, known.boot, known.answered = place, "booting", call, None
        known.gaps = self._holes.count(call, picture)
        known.excused = False
        known.early.clear()
        known.early_csms.clear()

    def _answered(
        self, answer: OcppMessage, known: _Conversation, station: Station, picture: Picture
    ) -> Iterator[Finding]:
        boot = station.about.boots[-1] if station.about.boots else None
        if boot is None or boot.answer is not answer or known.boot is not boot.call:
            return
        if known.early:
            actions = listed(list(dict.fromkeys(call.action for call in known.early)))
            evidence = (boot.call, known.early[0], answer)
            yield Finding(CALLS_BEFORE_ANSWER, known.early[0].time, station.identity, evidence, {"actions": actions})
        if known.early_csms:
            yield _csms_came_first(known, "", answer)
        known.early.clear()
        known.early_csms.clear()
        known.answered = answer
        known.since = answer.time
        known.gaps = self._holes.count(answer, picture)
        known.asked.clear()
        known.interval = max(boot.interval or 0, 0)
        if answer.error is not None:
            known.state = ""
            yield _error(answer, boot.call)
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
            known.early.clear()
            known.early_csms.clear()
            return
        if known.state == "booting":
            calls = known.early if call.sender == "station" else known.early_csms
            if len(calls) < MAX_EARLY_CALLS:
                calls.append(call)
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
    if len(restarts) < LOOP_BOOTS or not 0 <= span <= LOOP_WINDOW:
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
    if last.answer is None:
        return
    span = picture.time - boots[0].time
    if last.status == "Pending" and span < LONG_PENDING:
        return
    if not (last.status in ("Pending", "Rejected") or last.answer.error is not None):
        return
    values = {
        "boots": counted(about.boot_count, "BootNotification"),
        "span": duration(span),
        "last": last.status or "an error",
    }
    yield Finding(NEVER_ACCEPTED, last.answer.time, station.identity, _first_and_last(boots[0], last), values)


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
