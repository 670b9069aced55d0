"""Clocks: drift, never set, local time sold as UTC, and whose clock it is.

Three clocks can be compared: the station's (its timestamps), the CSMS's (``currentTime``) and that of the capture. Two
of them agreeing against the third tell who is wrong; two alone only tell that they differ. The clock of a log is local
and without a zone more often than not, so there only station and CSMS are compared.

Old timestamps prove nothing (see ``site.clock``): messages that were queued while a station was offline carry them
rightly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind, Severity
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.events import Event, OcppMessage
from fieldkit.site.clock import MIN_AGREEING, MIN_SPAN, UNSET_BEFORE, Estimate, Reading, StationClock
from fieldkit.site.light import bounded
from fieldkit.site.picture import Picture
from fieldkit.site.station import Station

CLOSE: Final = 10 * SECOND
"""Clocks within this agree: transport and whole seconds account for it."""
DRIFT: Final = 60 * SECOND
"""Clocks further apart than this are wrong: sessions are billed and certificates judged by them."""
ZONE_TOLERANCE: Final = 20 * SECOND
"""An offset this near to that of a time zone is one: a clock set by the CSMS is off by a few seconds besides."""
JUDGED_EVERY: Final = 16
"""Timestamps between two judgements: clocks are set right on the way, and what was wrong before is forgotten."""
MIN_AHEAD: Final = 2
"""Timestamps that must agree on a clock that is ahead: no queue makes a timestamp newer."""
MAX_FUTURE: Final = 4
"""Messages with a timestamp of the future that are kept as evidence."""

_MINUTE: Final = 60 * SECOND
_ZONES: Final = frozenset(
    minutes * _MINUTE
    for minutes in (
        *(60 * hour for hour in range(-12, 15) if hour),
        *(-570, -210, 210, 270, 330, 390, 570, 630),
        *(345, 525, 765),
    )
)
"""The offsets that time zones have: whole hours, some half hours, three quarters (IANA time zone database)."""

_SET_CLOCK: Final = (
    "Station: have it take its time from the CSMS (the answers to BootNotification and Heartbeat) or from NTP, and "
    "check that the NTP server is reachable from the site. Charging records of this time carry the wrong date."
)

UNSET = Kind(
    "clock.unset",
    "warning",
    "station",
    "A clock was never set",
    "The {side} wrote {text} into {action} at {at}: its clock has not been set since it started. Meter values and "
    "charging records cannot be placed in time, and TLS certificates look as if they were not valid yet.",
    "{side_up}: have it set its clock before it reports anything (from the answer to BootNotification, from NTP), and "
    "replace the battery of its real-time clock if it loses the time with each restart.",
    "OCPP 1.6 §4.2; https://github.com/matth-x/MicroOcpp/issues/311",
)
LOCAL_TIME = Kind(
    "clock.local-time",
    "warning",
    "station",
    "The station writes local time as if it were UTC",
    "The station's timestamps are {off} the time {witness}, which is the offset of a time zone: it writes local time "
    "{how}. The last one says {text}, seen at {at}.",
    "Station: set its time zone so that it reports UTC (or the right offset). Until then sessions are billed at the "
    "wrong hour, and times of tariffs and charging profiles do not fit.",
    "OCPP 1.6 §3.15; https://github.com/steve-community/steve/issues/136",
    inferred=True,
)
DRIFTED = Kind(
    "clock.drift",
    "warning",
    "station",
    "The station's clock is wrong",
    "The station's clock is {off} the time {witness}: the last timestamp says {text}, seen at {at}.",
    _SET_CLOCK,
    "OCPP 1.6 §4.2; https://github.com/matth-x/MicroOcpp/issues/311",
)
CSMS_WRONG = Kind(
    "clock.csms",
    "warning",
    "csms",
    "The CSMS tells a wrong time",
    "The currentTime of the CSMS is {off} both the capture's clock and the station's own timestamps{zone}: the last "
    "one says {text}, seen at {at}. Stations that set their clock by it will be wrong too.",
    "CSMS: correct its clock or the time zone it writes into currentTime, which must be UTC or carry its offset.",
    "OCPP 1.6 §4.6; https://github.com/steve-community/steve/issues/136",
    inferred=True,
)
DISAGREE = Kind(
    "clock.capture",
    "info",
    "unknown",
    "The clocks of CSMS and capture differ",
    "The currentTime of the CSMS is {off} the clock of the machine that captured{zone}. One of the two is wrong; "
    "which one cannot be told from this capture.",
    "Compare the clock of the machine that captured with a radio clock or NTP. If it is right: CSMS, correct "
    "currentTime.",
    "OCPP 1.6 §4.6",
)
FUTURE = Kind(
    "clock.future",
    "warning",
    "station",
    "A timestamp lies in the future",
    "{action} of the station says {text}, {off} the time {witness}, while its other timestamps do not show a clock "
    "that is ahead.",
    "Station manufacturer: see how this timestamp is made (a clock set back in between, a time zone applied once too "
    "often).",
    "OCPP 1.6 §3.15; OCPP 2.0.1 Part 2 §2.1",
)


@dataclass(slots=True)
class _Told:
    """What was found of a station already."""

    kinds: set[str] = field(default_factory=set)
    future: list[Reading] = field(default_factory=list)
    seen: int = 0


class ClockCheck(Check):
    """Field failure 10."""

    kinds = (UNSET, LOCAL_TIME, DRIFTED, CSMS_WRONG, DISAGREE, FUTURE)
    actions = StationClock.ACTIONS

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._told: dict[str, _Told] = {}
        """As many as the picture has stations, which is bounded."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Look at the timestamp that the picture has just read out of a message."""
        if not isinstance(event, OcppMessage):
            return ()
        station = picture.stations.get(event.channel.station)
        if station is None:
            return ()
        reading = station.clock.fresh
        if reading is None or reading.message is not event:
            return ()
        told = self._told.get(station.identity)
        if told is None:
            told = self._told[station.identity] = _Told()
        told.seen += 1
        if reading.told < UNSET_BEFORE:
            return () if event.time < UNSET_BEFORE else (_unset(reading, station),)
        if reading.offset > DRIFT and event.sender == "station" and len(told.future) < MAX_FUTURE:
            told.future.append(reading._replace(message=bounded(event)))
        return self._judge(station, told) if told.seen % JUDGED_EVERY == 0 else ()

    def finish(self, picture: Picture) -> Iterator[Finding]:
        """The last timestamps, and those of the future that no clock explains."""
        for identity, told in self._told.items():
            station = picture.stations.get(identity)
            if station is not None:
                yield from self._judge(station, told)
                yield from _future(station, told)

    def _judge(self, station: Station, told: _Told) -> Iterator[Finding]:
        for finding in _verdict(station):
            # One wrong clock is one finding, however often it is looked at.
            if finding.kind.id not in told.kinds:
                told.kinds.add(finding.kind.id)
                yield finding


def _verdict(station: Station) -> Iterator[Finding]:
    clocks = station.clock
    own, csms = clocks.estimate, clocks.csms_estimate
    if csms is not None and not csms.steady:
        csms = None
    last = clocks.last
    trusted = _capture_tells_time(clocks)
    if own is not None and last is not None and own.steady:
        if csms is not None:
            off = own.offset - csms.offset
            csms_off = abs(csms.offset)
            if _proven(own, off, trusted) and abs(off) > DRIFT:
                if trusted and abs(own.offset) <= CLOSE and csms_off > DRIFT and csms.agreeing >= MIN_AHEAD:
                    yield from _csms_off(CSMS_WRONG, station, csms)
                else:
                    yield _station_off(station, off, "of the CSMS", None, last)
        elif trusted and _proven(own, own.offset, trusted) and abs(own.offset) > DRIFT:
            # The capture's clock is the only witness, and may be the one that is wrong.
            yield _station_off(station, own.offset, "of the capture (the CSMS has not told its own)", "info", last)
    if csms is None or not trusted or csms.agreeing < MIN_AHEAD or abs(csms.offset) <= DRIFT:
        return
    if own is None or not own.steady or abs(own.offset - csms.offset) <= DRIFT:
        yield from _csms_off(DISAGREE, station, csms)


def _proven(own: Estimate, off: int, trusted: bool) -> bool:
    """A clock that is ahead shows soon, one that is behind must be told from a queue that is being emptied."""
    if off > 0 and trusted:
        return own.agreeing >= MIN_AHEAD
    return own.agreeing >= MIN_AGREEING and own.span >= MIN_SPAN


def _capture_tells_time(clocks: StationClock) -> bool:
    """Whether times of capture are those of a clock: not of a log, and not counted from 1970."""
    last = clocks.last or clocks.csms_last
    return last is not None and last.message.channel.connection is not None and last.message.time >= UNSET_BEFORE


def _station_off(station: Station, off: int, witness: str, severity: Severity | None, last: Reading) -> Finding:
    evidence: tuple[Event, ...] = (last.message,)
    if station.clock.csms_last is not None:
        evidence += (station.clock.csms_last.message,)
    values = {**_values(last, off), "witness": witness}
    kind = DRIFTED
    if _zone(off) is not None:
        kind = LOCAL_TIME
        values["how"] = {"Z": "marked as UTC (Z)", "": "without saying so"}.get(last.zone, f"marked as {last.zone}")
    return Finding(kind, last.message.time, station.identity, evidence, values, severity=severity)


def _csms_off(kind: Kind, station: Station, csms: Estimate) -> Iterator[Finding]:
    last = station.clock.csms_last
    if last is not None:
        evidence: tuple[Event, ...] = (last.message,)
        if station.clock.last is not None:
            evidence += (station.clock.last.message,)
        values = {
            **_values(last, csms.offset),
            "zone": ", which is the offset of a time zone" if _zone(csms.offset) is not None else "",
        }
        yield Finding(kind, last.message.time, station.identity, evidence, values)


def _zone(off: int) -> int | None:
    """The offset of a time zone that this is, if it is one."""
    nearest = round(off / (15 * _MINUTE)) * 15 * _MINUTE
    return nearest if nearest in _ZONES and abs(off - nearest) <= ZONE_TOLERANCE else None


def _values(reading: Reading, off: int) -> dict[str, str]:
    return {
        "off": f"{duration(off)} {'ahead of' if off > 0 else 'behind'}",
        "text": reading.text[:40],
        "at": clock(reading.message.time),
        "action": reading.message.action[:50],
    }


def _unset(reading: Reading, station: Station) -> Finding:
    sender = reading.message.sender
    side = "station" if sender == "station" else "CSMS"
    values = {**_values(reading, reading.offset), "side": side, "side_up": side[0].upper() + side[1:]}
    evidence = (reading.message,)
    time = reading.message.time
    return Finding(UNSET, time, station.identity, evidence, values, group=sender, owner=sender)


def _future(station: Station, told: _Told) -> Iterator[Finding]:
    clocks = station.clock
    if told.kinds or not _capture_tells_time(clocks):
        return
    csms = clocks.csms_estimate
    witness, reference = "of the capture (the CSMS has not told its own)", 0
    severity: Severity | None = "info"
    if csms is not None and csms.steady:
        witness, reference, severity = "of the CSMS", csms.offset, None
    for reading in told.future:
        off = reading.offset - reference
        if off > DRIFT:
            values = {**_values(reading, off), "witness": witness}
            yield Finding(
                FUTURE, reading.message.time, station.identity, (reading.message,), values,
                group=reading.message.action[:50], severity=severity,
            )  # fmt: skip
