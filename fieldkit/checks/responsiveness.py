"""Answers that take long, that never come, and CALLs that do not wait for them.

``Unanswered`` alone accuses nobody: the capture may have ended first, or the network. A side is held responsible only
when it was heard later on the same connection (a ping, a message), so that it was alive and reachable while it owed the
answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Owner, Severity
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.events import Event, MessageType, OcppMessage, Sender, Unanswered
from fieldkit.ocpp.exchange import OTHER, latency
from fieldkit.site.kept import same
from fieldkit.site.light import MAX_RAW, bounded
from fieldkit.site.picture import Picture

ALIVE: Final = 30 * SECOND
"""Heard so long after a CALL that it left unanswered: a side had its time. Usual timeouts are 30 to 60 s …"""
ALIVE_AT_END: Final = 60 * SECOND
"""… and where the capture ended, not the connection, the answer may still have come: more patience."""
MIN_WAIT: Final = 10 * SECOND
"""A CALL in flight when a connection ends is nobody's fault; after so long it was not in flight any more."""
MANY: Final = 3
"""So many CALLs without an answer, and none answered after the first: this side does not answer at all."""
TIMED_OUT: Final = 10 * SECOND
"""After so long a CALL may have timed out for its sender, which may send the next one then."""
MAX_HELD: Final = 512
"""Unanswered CALLs that are put together; their events come in a row when a connection ends."""
MAX_SIDES: Final = 20_000
"""Two for each station that the picture knows."""

_CALL: Final = MessageType.CALL
_NAMES: Final[dict[Sender, str]] = {"station": "station", "csms": "CSMS"}
_SIDES: Final[tuple[Sender, Sender]] = ("station", "csms")

SLOW = Kind(
    "answer.slow",
    "warning",
    "unknown",
    "Answers take long",
    "The {side} took {latency} to answer {action} (more than {limit}). Whoever asked may have given up by then and "
    "asked again.",
    "Compare with other actions of the same side in the latency table: if all are slow it is the network in between, "
    "if only this one is, the {side} is busy with it. {side_up}: see its log for this message.",
    "OCPP-J 1.6 §4.1.1; OCPP 2.0.1 Part 4 §4.1.1",
    inferred=True,
)
MISSING = Kind(
    "answer.missing",
    "warning",
    "unknown",
    "A CALL is never answered",
    "The {side} did not answer {action}, but was heard {later} later on the same connection. Every CALL must be "
    "answered, if only with an error; whoever asked has waited in vain.",
    "{side_up}: find this message id in its log and see where its handling ended. A side that drops messages it does "
    "not know must answer them with NotImplemented instead.",
    "OCPP-J 1.6 §4.1.1; https://github.com/mobilityhouse/ocpp/issues/626",
)
OVERDUE = Kind(
    "answer.overdue",
    "warning",
    "unknown",
    "A CALL had no answer by the end of what was recorded",
    "When the {record} ended, the {side} had not answered {action} for {waited}, although it was heard {later} after "
    "that CALL. Probably no answer came any more; whoever asks gives up after 30 to 60 s as a rule.",
    "{side_up}: find this message id in its log and see what became of it. Capture for longer to see whether it "
    "answers at all.",
    "OCPP-J 1.6 §4.1.1; https://github.com/mobilityhouse/ocpp/issues/626",
    inferred=True,
)
STATION_SILENT = Kind(
    "answer.station-unresponsive",
    "critical",
    "station",
    "The station is connected but answers nothing",
    "{calls} of the CSMS ({actions}) got no answer from the station, and none was answered after the first of them, "
    "while the station was heard on the same connection for another {later}. To the driver it looks online, but it "
    "obeys nothing.",
    "Restart the station's controller, save its log before. If it comes back: station manufacturer, as its message "
    "handling hangs while its WebSocket lives.",
    "https://github.com/mobilityhouse/ocpp/issues/626; https://github.com/evcc-io/evcc/issues/30943",
)
CSMS_SILENT = Kind(
    "answer.csms-unresponsive",
    "critical",
    "csms",
    "The CSMS is connected but answers nothing",
    "{calls} of the station ({actions}) got no answer from the CSMS, and none was answered after the first of them, "
    "while the CSMS was heard on the same connection for another {later}. The station cannot authorise or report "
    "anything.",
    "CSMS: its WebSocket endpoint lives, what stands behind it does not; see its log and its queue for this "
    "identity. Until then let the station reconnect.",
    "https://github.com/mobilityhouse/ocpp/issues/626; https://github.com/lorenzodonini/ocpp-go/issues/314",
)
LOST = Kind(
    "answer.lost-with-connection",
    "info",
    "unknown",
    "A connection ends with CALLs unanswered",
    "{action} was sent to the {side} {waited} before the connection ended; nothing was heard of the {side} after it. "
    "The connection was probably dead by then, or the {side} was.",
    "Look at what ended the connection. If it happens again and again, follow the path between the two (router, mobile "
    "network, firewall).",
    "OCPP-J 1.6 §4.1.1",
    inferred=True,
)
OVERLAPPING = Kind(
    "answer.not-awaited",
    "info",
    "unknown",
    "CALLs are sent before the last one is answered",
    "The {side} sent {action} {early} before it had the answer to {first}. A side must wait for the answer (or its "
    "timeout) before the next CALL; some peers drop or mix up CALLs that come too soon.",
    "Nothing, as long as all are answered. Otherwise {side}: send one CALL at a time.",
    "OCPP-J 1.6 §4.1.1; OCPP 2.0.1 Part 4 §4.1.1",
)


@dataclass(slots=True)
class _Side:
    """What one side of one station's conversation did last."""

    called: OcppMessage | None = None
    """Its latest CALL, over WebSocket."""
    answered: int = 0
    """Time of its latest answer."""


class ResponsivenessCheck(Check):
    """Field failure 8."""

    kinds = (SLOW, MISSING, OVERDUE, STATION_SILENT, CSMS_SILENT, LOST, OVERLAPPING)
    wants = frozenset({OcppMessage, Unanswered})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._slow = policy.slow_answer * SECOND
        self._sides: dict[tuple[str, Sender], _Side] = {}
        self._held: list[Unanswered] = []

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """A CALL is remembered, an answer is judged, what stays unanswered is gathered."""
        if not isinstance(event, OcppMessage):
            if isinstance(event, Unanswered):
                self._held.append(event)
                if len(self._held) >= MAX_HELD:
                    return self._judge_held(picture)
            return ()
        found = self._judge_held(picture) if self._held else ()
        if event.type is _CALL:
            if event.channel.transport == "json" and event.channel.connection is not None:
                side = self._side(event.channel.station, event.sender)
                if side is not None:
                    side.called = event if len(event.raw) <= MAX_RAW else bounded(event)
        elif event.call is not None and event.type is not MessageType.CALLRESULTERROR:
            return [*found, *self._answer(event, event.call)]
        return found

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """What was still open when the source ended."""
        return self._judge_held(picture)

    def _side(self, station: str, sender: Sender) -> _Side | None:
        key = (station, sender)
        side = self._sides.get(key)
        if side is None and len(self._sides) < MAX_SIDES:
            side = self._sides[key] = _Side()
        return side

    def _answer(self, answer: OcppMessage, call: OcppMessage) -> Iterable[Finding]:
        station = answer.channel.station
        side = self._side(station, answer.sender)
        if side is not None:
            side.answered = answer.time
        found: list[Finding] = []
        took = latency(answer)
        if took is not None and took > self._slow:
            found.append(self._too_slow(answer, call, took))
        caller = self._sides.get((station, call.sender))
        last = caller.called if caller is not None else None
        # Seen anywhere between the two: what passed before the answer was sent without having it.
        if (
            last is not None
            and last is not call
            and not same(last, call)
            and last.channel.connection is call.channel.connection
            and 0 <= last.time - call.time < TIMED_OUT
        ):
            found.append(_not_awaited(call, last, answer))
        return found

    def _too_slow(self, answer: OcppMessage, call: OcppMessage, took: int) -> Finding:
        side = _NAMES[answer.sender]
        values = {
            "side": side,
            "side_up": side[0].upper() + side[1:],
            "latency": duration(took),
            "limit": duration(self._slow),
            "action": answer.action[:50],
        }
        return Finding(
            SLOW, answer.time, answer.channel.station, (answer, call), values,
            group=f"{answer.sender} {answer.action[:50]}", owner=answer.sender,
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------- never answered

    def _judge_held(self, picture: Picture) -> list[Finding]:
        held, self._held = self._held, []
        together: dict[tuple[str, int, Sender], list[tuple[Unanswered, int]]] = {}
        found: list[Finding] = []
        for event in held:
            call = event.call
            side = OTHER[call.sender]
            later = _heard_after(event, side, picture)
            if later is None:
                continue
            if later == 0:
                if event.time - call.time >= MIN_WAIT:
                    found.append(_lost(event, side))
                continue
            connection = call.channel.connection
            number = connection.number if connection is not None else 0
            together.setdefault((call.channel.station, number, side), []).append((event, later))
        for (station, _, side), events in together.items():
            first = min(event.call.time for event, _ in events)
            known = self._sides.get((station, side))
            none_later = len(events) >= MANY and (known is None or known.answered <= first)
            if events[0][0].call.channel.connection is None:
                # A log may lack lines: one missing answer says little, many in a row say more.
                found += [_missing(event, side, later, None if none_later else "info") for event, later in events]
            elif none_later:
                found.append(_unresponsive(station, side, events))
            else:
                found += [_missing(event, side, later) for event, later in events]
        return found


def _heard_after(event: Unanswered, side: Sender, picture: Picture) -> int | None:
    """Nanoseconds from the CALL to the last sign of life of the side that owes the answer; 0 when it gave none that
    counts, None when nothing can be said."""
    call = event.call
    connection = call.channel.connection
    if connection is None and event.why == "capture-ended" and call.time > 0:
        # A log: that this side was heard later shows at least that its messages are logged.
        station = picture.stations.get(call.channel.station)
        heard = station.heard.get(side, 0) - call.time if station is not None else 0
        return heard if heard >= ALIVE_AT_END else None
    link = picture.links.get(connection)
    if link is None or event.why not in ("connection-closed", "capture-ended"):
        return None
    closed = event.why == "connection-closed"
    if call.channel.transport == "soap":
        # The caller is the HTTP client. A server that closes instead of responding was alive to do so.
        if not closed:
            return None
        return max(event.time - call.time, 1) if link.by_client is False else 0
    heard = link.heard[side == "csms"] - call.time
    if heard >= (ALIVE if closed else ALIVE_AT_END):
        return heard
    return 0 if closed and heard <= 0 else None


def _missing(event: Unanswered, side: Sender, later: int, severity: Severity | None = None) -> Finding:
    call = event.call
    values = {
        **_named(side),
        "action": call.action[:50] or "a CALL",
        "later": duration(later),
        "waited": duration(event.time - call.time),
        "record": "log" if call.channel.connection is None else "capture",
    }
    group = f"{side} {call.action[:50]}"
    kind = MISSING if event.why == "connection-closed" else OVERDUE
    return Finding(
        kind, call.time, call.channel.station, (call, event), values, group=group, severity=severity, owner=side
    )


def _unresponsive(station: str, side: Sender, events: list[tuple[Unanswered, int]]) -> Finding:
    calls = sorted((event.call for event, _ in events), key=lambda call: call.time)
    values = {
        "calls": counted(len(calls), "CALL"),
        "actions": listed(list(dict.fromkeys(call.action[:50] or "unnamed" for call in calls))),
        "later": duration(max(later for _, later in events)),
    }
    kind = STATION_SILENT if side == "station" else CSMS_SILENT
    return Finding(kind, calls[0].time, station, tuple(calls), values)


def _lost(event: Unanswered, side: Sender) -> Finding:
    call = event.call
    waited = duration(event.time - call.time)
    values = {**_named(side), "action": call.action[:50] or "A CALL", "waited": waited}
    return Finding(LOST, call.time, call.channel.station, (call, event), values, group=side)


def _not_awaited(first: OcppMessage, second: OcppMessage, answer: OcppMessage) -> Finding:
    values = {
        "side": _NAMES[second.sender],
        "action": second.action[:50] or "a CALL",
        "first": first.action[:50] or "the one before",
        "early": duration(answer.time - second.time),
    }
    owner: Owner = second.sender
    evidence = (second, first, answer)
    return Finding(OVERLAPPING, second.time, second.channel.station, evidence, values, group=second.sender, owner=owner)


def _named(side: Sender) -> dict[str, str]:
    name = _NAMES[side]
    return {"side": name, "side_up": name[0].upper() + name[1:]}
