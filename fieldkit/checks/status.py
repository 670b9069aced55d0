"""What connectors say of themselves: faults, steps that the standard does not allow, states that come and go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.check import Check
from fieldkit.checks.continuity import Continuity, View
from fieldkit.checks.faultwords import UNKNOWN, WORDS
from fieldkit.checks.finding import Finding, Kind, Owner, Severity
from fieldkit.checks.policy import Policy
from fieldkit.checks.transitions import OF_STATION, is_illegal
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, OcppMessage
from fieldkit.site.connector import Connector, StatusChange
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station

MAX_WATCHED: Final = 20_000
"""Connectors watched at once in all."""
FLAPS: Final = 8
"""Changes between the same two states …"""
FLAP_WINDOW: Final = 300 * SECOND
"""… within five minutes that count as flapping: an hour of charging has six changes in all."""
NO_CODE: Final = frozenset(
    {"", "0", "none", "noerror", "no error", "ok", "00", "0000", "0x0", "0x00", "0x0000", "null"}
)
"""Vendor codes that say that nothing is wrong; some stations send one every time."""

_FAULTED = Kind(
    "status.faulted",
    "critical",
    "station",
    "A connector is out of order",
    "{where} went to Faulted at {time} with the code {code}: {meaning}. {info}It does not charge until this is "
    "cleared.",
    "{advice}",
    "OCPP 1.6 §7.6",
)
_FAULTED_2 = Kind(
    "status.faulted-unexplained",
    "critical",
    "station",
    "A connector is out of order, and its status does not say why",
    "{where} went to Faulted at {time}. In OCPP 2.x a StatusNotification has no room for the reason; a NotifyEvent may "
    "tell it. The connector does not charge until this is cleared.",
    "Look at the station's display or service tool for the reason, and have it report NotifyEvent with a techCode.",
    "OCPP 2.0.1 Part 2 N07",
)
_VENDOR_ONLY = Kind(
    "status.faulted-vendor-code",
    "critical",
    "station",
    "A connector is out of order, and only the manufacturer's code says why",
    "{where} went to Faulted at {time} with errorCode {code}, which explains nothing, and the vendor code "
    '"{vendor_code}"{vendor}. {info}It does not charge until this is cleared.',
    "Look up the vendor code in the manufacturer's service manual, or ask the manufacturer with this report in hand.",
    "https://github.com/lbbrhzn/ocpp/issues/1987",
)
_NO_REASON = Kind(
    "status.faulted-without-code",
    "critical",
    "station",
    "A connector is out of order and does not say why",
    "{where} went to Faulted at {time} with errorCode {code} and no vendor code, so nobody can tell the cause from "
    "afar. {info}It does not charge until this is cleared.",
    "Read the cause at the station itself (display, service tool, diagnostics); ask the manufacturer to send codes.",
    "OCPP 1.6 §6.47",
)
_ERROR = Kind(
    "status.error",
    "warning",
    "station",
    "A connector tells of an error but goes on working",
    "{where} is {status} and tells the error {code} at {time}: {meaning}. {info}",
    "{advice}",
    "OCPP 1.6 §7.6",
)
_ILLEGAL = Kind(
    "status.illegal-transition",
    "warning",
    "station",
    "A connector changed its status in a way that OCPP does not know",
    "{where} went from {before} to {after} at {time}. Between these two there is no direct step in OCPP 1.6, and no "
    "message in between was seen{hidden}. A CSMS that keeps to the standard may show the wrong state or lose the "
    "session.",
    "{advice}",
    "OCPP 1.6 §4.9",
)
_STATION_STATE = Kind(
    "status.station-state",
    "info",
    "station",
    "The station as a whole reported a state that only connectors have",
    "Connector 0, which stands for the station as a whole, was reported as {after} at {time}; it can only be "
    "Available, Unavailable or Faulted.",
    "Tell the manufacturer; a CSMS should ignore it.",
    "OCPP 1.6 §4.9",
)
_FLAPPING = Kind(
    "status.flapping",
    "warning",
    "station",
    "A connector keeps changing between two states",
    "{where} changed {changes} times between {before} and {after} within {window} (first seen at {time}).",
    "{advice}",
    "OCPP 1.6 §4.9",
)
_UNAVAILABLE = Kind(
    "status.unavailable",
    "info",
    "operator",
    "A connector is switched off for charging",
    "{where} is Unavailable since {time} and was until the end of the capture. Nobody can charge there.",
    "If that is not intended, set it to Operative in the CSMS (ChangeAvailability) or at the station.",
    "OCPP 1.6 §5.2",
)

_MAY_BE_HIDDEN: Final = ". Unless its MinimumStatusDuration, which was not seen, hides it, the station left a step out"
_MAY_BE_LEFT_OUT: Final = ". Unless this log lacks lines, the station left a step out"
_ASK_FOR_IT: Final = (
    "Ask the station for MinimumStatusDuration (GetConfiguration): above 0 it hides states that are short, and this is "
    "in order. If it is 0 or missing, tell the manufacturer."
)

_FLAP_ADVICE: Final[tuple[tuple[frozenset[str], str, Owner], ...]] = (
    (
        frozenset({"Charging", "SuspendedEV"}),
        "The vehicle stops and starts: try another vehicle, and raise the current limit above 6 A with some margin.",
        "vehicle",
    ),
    (
        frozenset({"Charging", "SuspendedEVSE"}),
        "The station or its load management stops and starts: look at the charging profiles and the site's power.",
        "operator",
    ),
    (
        frozenset({"Available", "Preparing"}),
        "Check plug, cable and control pilot contact; on some stations the same happens at every card refused.",
        "station",
    ),
)
_FLAP_ADVICE_ELSE: Final = "Have the connector's contacts, its control pilot and what reports the state checked."


@dataclass(slots=True)
class _Watched:
    """What is remembered of one connector."""

    view: View | None = None
    boots: int = 0
    told: int | None = None
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=FLAPS + 1))
    flapping: bool = False


class ConnectorStatus(Check):
    """Faults, illegal steps, flapping."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        _FAULTED,
        _FAULTED_2,
        _VENDOR_ONLY,
        _NO_REASON,
        _ERROR,
        _ILLEGAL,
        _STATION_STATE,
        _FLAPPING,
        _UNAVAILABLE,
    )
    wants = Continuity.WANTS
    actions = frozenset({"StatusNotification", "NotifyEvent", ""})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._continuity = Continuity()
        self._watched: dict[tuple[str, int, int], _Watched] = {}

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge what the picture found in a StatusNotification or NotifyEvent."""
        self._continuity.note(event)
        if not isinstance(event, OcppMessage) or event.call is not None or not event.action:
            return ()
        station = picture.stations.get(event.channel.station)
        if station is None or not station.connectors.fresh:
            return ()
        return self._judged(event, station)

    def finish(self, picture: Picture) -> Iterator[Finding]:
        """What was switched off to the end."""
        for station in picture.stations.values():
            for connector in station.connectors.all.values():
                if connector.status == "Unavailable" and connector.history:
                    change = connector.history[-1]
                    values = {"where": _where(connector), "time": clock(connector.since)}
                    yield Finding(
                        _UNAVAILABLE, change.time, station.identity, (change.message,), values, connector.name
                    )

    def _judged(self, message: OcppMessage, station: Station) -> Iterator[Finding]:
        old = not message.channel.version.startswith("2")
        view, boots = self._continuity.view(message), station.about.boot_count
        for connector, change in station.connectors.fresh:
            key = (station.identity, connector.evse, connector.number)
            watched = self._watched.get(key)
            if watched is None:
                if len(self._watched) >= MAX_WATCHED:
                    continue
                watched = self._watched[key] = _Watched()
            changed = change.status != change.previous
            if old:
                yield from _faults(station, connector, change)
                if changed and _unbroken(watched, view, boots, change):
                    yield from _steps(station, connector, change)
            elif changed and change.status == "Faulted":
                yield _fault_2(station, connector, change)
            if changed:
                yield from _flaps(watched, station, connector, change)
            watched.view, watched.boots, watched.told = view, boots, change.told


def _unbroken(watched: _Watched, view: View, boots: int, change: StatusChange) -> bool:
    """Was the status before this one really the one before? Not after a boot, a new connection, a hole, and not where
    the station sends them in another order than they came about."""
    if watched.view != view or watched.boots != boots:
        return False
    return watched.told is None or change.told is None or change.told >= watched.told


def _steps(station: Station, connector: Connector, change: StatusChange) -> Iterator[Finding]:
    values = {
        "where": _where(connector),
        "before": change.previous,
        "after": change.status,
        "time": clock(change.time),
    }
    if not connector.number:
        if change.status not in OF_STATION:
            yield Finding(_STATION_STATE, change.time, station.identity, (change.message,), values)
        return
    if change.message.channel.version != "1.6" or not is_illegal(change.previous, change.status):
        return
    setting = station.about.setting("MinimumStatusDuration")
    shortest = (setting.value or "").strip() if setting is not None else None
    if shortest and shortest.strip("0"):
        # 1.6 §9.1: states that do not last so long are not told at all.
        return
    severity: Severity | None = None
    if change.message.channel.connection is None:
        severity = "info"
        values |= {"hidden": _MAY_BE_LEFT_OUT, "advice": _ASK_FOR_IT}
    elif shortest is None:
        # It may have such a setting, and nobody has asked it here: nothing is proven.
        severity = "info"
        values |= {"hidden": _MAY_BE_HIDDEN, "advice": _ASK_FOR_IT}
    else:
        values |= {"hidden": "", "advice": "Tell the manufacturer of the station: the step in between must be told."}
    before = connector.history[-2].message if len(connector.history) > 1 else change.message
    group = f"{change.previous}>{change.status}"
    evidence = (change.message, before) if before is not change.message else (change.message,)
    yield Finding(
        _ILLEGAL, change.time, station.identity, evidence, values, connector.name, group=group, severity=severity
    )


def _faults(station: Station, connector: Connector, change: StatusChange) -> Iterator[Finding]:
    """1.x errorCode and vendorErrorCode; what only repeats the message before says nothing new."""
    if change is not connector.history[-1]:
        return
    code = change.error or "NoError"
    vendor_code = change.vendor_error if change.vendor_error.strip().casefold() not in NO_CODE else ""
    words = WORDS.get(code, UNKNOWN)
    values: dict[str, object] = {
        "where": _where(connector),
        "status": change.status,
        "time": clock(change.time),
        "code": code,
        "meaning": words.meaning,
        "advice": words.advice,
        "vendor_code": vendor_code,
        "vendor": f" of {change.vendor_id}" if change.vendor_id else "",
        "info": f'It adds: "{change.info}". ' if change.info.strip() else "",
    }
    owner: Owner | None = None
    if change.status == "Faulted":
        explains = code not in ("NoError", "OtherError", "InternalError")
        if explains or (code != "NoError" and not vendor_code):
            kind, owner = _FAULTED, words.owner
            if vendor_code:
                values["info"] = f'The vendor code is "{vendor_code}"{values["vendor"]}. {values["info"]}'
        else:
            kind = _VENDOR_ONLY if vendor_code else _NO_REASON
    elif code != "NoError":
        kind, owner = _ERROR, words.owner
        if vendor_code:
            values["info"] = f'The vendor code is "{vendor_code}"{values["vendor"]}. {values["info"]}'
    else:
        return
    yield Finding(
        kind,
        change.time,
        station.identity,
        (change.message,),
        values,
        connector.name,
        group=f"{code} {vendor_code}",
        owner=owner,
    )


def _fault_2(station: Station, connector: Connector, change: StatusChange) -> Finding:
    """2.x: the code comes with NotifyEvent, if at all."""
    values: dict[str, object] = {"where": _where(connector), "time": clock(change.time)}
    kind = _FAULTED_2
    if change.error.strip().casefold() not in NO_CODE:
        kind = _FAULTED
        words = WORDS.get(change.error, UNKNOWN._replace(meaning="a code of the manufacturer"))
        info = f'It adds: "{change.info}". ' if change.info.strip() else ""
        values |= {"code": change.error, "meaning": words.meaning, "advice": words.advice, "info": info}
    return Finding(kind, change.time, station.identity, (change.message,), values, connector.name, group=change.error)


def _flaps(watched: _Watched, station: Station, connector: Connector, change: StatusChange) -> Iterator[Finding]:
    recent = watched.recent
    recent.append((change.time, change.status))
    if len(recent) <= FLAPS or len({status for _, status in recent}) != 2:
        watched.flapping = watched.flapping and len({status for _, status in recent}) == 2
        return
    took = recent[-1][0] - recent[0][0]
    if not 0 < took <= FLAP_WINDOW:
        watched.flapping = False
        return
    if watched.flapping:
        return
    watched.flapping = True
    pair = frozenset({change.status, change.previous})
    advice, owner = next(
        ((advice, owner) for states, advice, owner in _FLAP_ADVICE if states == pair), (_FLAP_ADVICE_ELSE, None)
    )
    values = {
        "where": _where(connector),
        "changes": FLAPS,
        "before": change.previous,
        "after": change.status,
        "window": duration(took),
        "time": clock(recent[0][0]),
        "advice": advice,
    }
    evidence = tuple(entry.message for entry in reversed([*connector.history][-3:]))
    yield Finding(_FLAPPING, change.time, station.identity, evidence, values, connector.name, owner=owner)


def _where(connector: Connector) -> str:
    if not connector.evse:
        return f"Connector {connector.number}" if connector.number else "The station"
    return f"EVSE {connector.evse}" + (f" connector {connector.number}" if connector.number else "")
