"""Signs of life: is a connected station heard of as often as it was told to?

1.6 §4.6: a heartbeat may be left out when anything else was sent in the meantime, and over WebSocket, whose pings show
the same, it is not mandatory at all; one in 24 hours is advised to keep the clocks together. So silence counts where
nothing was heard of the station, not even a ping. A log says nothing of silence: heartbeats are the first thing that
is filtered out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.holes import Holes
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.events import ConnectionClosed, DecodeError, Event, MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import MAX_RAW, bounded
from fieldkit.site.link import Link
from fieldkit.site.picture import Picture
from fieldkit.site.reading import text
from fieldkit.site.station import Station

MIN_SLACK: Final = 60 * SECOND
"""A heartbeat is missed when twice the interval has passed, at least this much more than the interval."""
TOO_OFTEN: Final = 0.5
"""Share of the interval below which a heartbeat comes too soon …"""
MIN_STREAK: Final = 5
"""… when so many do in a row: after a reconnect or a new interval a few may be out of step."""
SHORTEST_JUDGED: Final = 10
"""Seconds: of intervals shorter than this nobody can say that they are not kept."""

_CALL: Final = MessageType.CALL

SILENCE = Kind(
    "heartbeat.silence",
    "warning",
    "station",
    "A connected station falls silent",
    "Nothing was heard of the station for {silence}{until}, neither a message nor a ping, although {expected}. A "
    "CSMS takes such a station for offline, and routers forget the connection.",
    "See what the station did in this time (its own log, its display). If it was idle: set a heartbeat or WebSocket "
    "ping interval below the idle timeout of router and CSMS, and see that the station keeps it.",
    "OCPP 1.6 §4.6; OCPP 2.0.1 Part 2 G02",
)
LEFT_TO_PINGS = Kind(
    "heartbeat.left-to-pings",
    "info",
    "station",
    "The station sends no heartbeats, only WebSocket pings or pongs",
    "For {silence} the station sent no OCPP message, although {expected}; WebSocket pings show that it was alive. "
    "That is allowed over WebSocket, but without Heartbeat its clock is not set.",
    "Nothing, if the CSMS shows the station as online. At least one heartbeat in 24 hours is advised for the clock.",
    "OCPP 1.6 §4.6",
)
TOO_MANY = Kind(
    "heartbeat.too-often",
    "warning",
    "station",
    "The station sends heartbeats more often than it was told to",
    "The interval is {interval}, and {streak} in a row came earlier than half of it, the last one after {after}. It "
    "costs data volume and load, and shows that the station does not take over its configuration.",
    "Station: compare HeartbeatInterval as the station reports it (GetConfiguration or GetVariables) with what the "
    "CSMS gave in its answer to BootNotification. Station manufacturer, if they agree.",
    "OCPP 1.6 §4.2, §9.1.8",
)
INTERVAL_ZERO = Kind(
    "heartbeat.interval-zero",
    "warning",
    "csms",
    "The CSMS accepts the station without a heartbeat interval",
    "The CSMS accepted the station with interval {interval}. When the station is accepted this is the heartbeat "
    "interval, and what a station makes of such a value is its own choice: no heartbeats at all, or one after the "
    "other.",
    "CSMS: give an interval above zero, below the idle timeout of the networks in between (300 s or less with mobile "
    "networks).",
    "OCPP 1.6 §4.2, §6.6",
)


@dataclass(slots=True)
class _Pulse:
    """When a station was last heard, and on what connection."""

    place: int
    """Connection number; 0 over SOAP, -1 when there is nothing to judge."""
    last: OcppMessage
    holes: int = 0
    signs: int = 0
    """Pings and pongs of the station on this connection up to ``last``."""
    heartbeat: OcppMessage | None = None
    interval: int = 0
    streak: int = 0
    triggered: bool = False


class HeartbeatCheck(Check):
    """Interval kept, silence, interval zero."""

    kinds = (SILENCE, LEFT_TO_PINGS, TOO_MANY, INTERVAL_ZERO)
    wants = frozenset({OcppMessage, ConnectionClosed, DecodeError})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._holes = Holes()
        self._pulses: dict[str, _Pulse] = {}
        """As many as the picture has stations, which is bounded."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Take the time of every message of the station; judge it against the one before."""
        if not isinstance(event, OcppMessage):
            if isinstance(event, ConnectionClosed):
                return self._closed(event, picture)
            if isinstance(event, DecodeError):
                self._holes.note(event)
            return ()
        if event.sender != "station":
            return self._from_csms(event, picture)
        channel = event.channel
        pulse = self._pulses.get(channel.station)
        connection = channel.connection
        place = -1 if connection is None else 0 if channel.transport == "soap" else connection.number
        if pulse is None or pulse.place != place:
            if channel.station not in picture.stations:
                return ()
            if pulse is None:
                pulse = self._pulses[channel.station] = _Pulse(place, bounded(event))
            pulse.place = place
            pulse.heartbeat, pulse.streak = None, 0
            self._beat(pulse, event, picture)
            return ()
        found: list[Finding] = []
        # No interval is below a second and no patience below a minute: nearly every message ends here.
        if place >= 0 and event.time - pulse.last.time > MIN_SLACK:
            found += self._silent(pulse, event.time, picture, event)
        if event.action == "Heartbeat" and event.type is _CALL:
            found += _too_often(pulse, event, picture)
        self._beat(pulse, event, picture)
        return found

    def finish(self, picture: Picture) -> Iterator[Finding]:
        """Silence that lasts to the end."""
        for pulse in self._pulses.values():
            if pulse.place >= 0:
                yield from self._silent(pulse, picture.end_of(pulse.last.source), picture, None)

    def _beat(self, pulse: _Pulse, message: OcppMessage, picture: Picture) -> None:
        # Every message of the station passes here.
        pulse.last = message if len(message.raw) <= MAX_RAW and message.call is None else bounded(message)
        link = picture.links.get(message.channel.connection)
        if link is not None:
            pulse.holes = self._holes.of(link)
            pulse.signs = _signs(link)

    def _from_csms(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        if message.action == "BootNotification" and message.call is not None:
            return _interval_zero(message, picture)
        if message.action == "TriggerMessage" and message.type is _CALL:
            pulse = self._pulses.get(message.channel.station)
            if pulse is not None and text(message.payload, "requestedMessage") == "Heartbeat":
                pulse.triggered = True
        return ()

    def _closed(self, event: ConnectionClosed, picture: Picture) -> Iterator[Finding]:
        link = picture.links.get(event.connection)
        pulse = self._pulses.get(link.station) if link is not None else None
        if pulse is None or pulse.place != event.connection.number:
            return
        # "timeout" and "replaced" are seen from outside: nobody was there any more, which is the connection's trouble.
        if event.how in ("fin", "rst", "end-of-capture"):
            yield from self._silent(pulse, event.time, picture, event)
        pulse.place = -1

    def _silent(self, pulse: _Pulse, now: int, picture: Picture, end: Event | None) -> Iterator[Finding]:
        last = pulse.last
        station = picture.stations.get(last.channel.station)
        link = picture.links.get(last.channel.connection)
        if station is None or link is None or self._holes.count(last, picture) != pulse.holes:
            return
        silence = now - last.time
        limit, expected = self._expected(station)
        if limit is None or silence <= limit or (pulse.place == 0 and station.about.heartbeat_interval is None):
            return
        until = "" if isinstance(end, OcppMessage) else ", up to the end of the connection"
        if end is None or (isinstance(end, ConnectionClosed) and end.how == "end-of-capture"):
            until = ", up to the end of the capture"
        values = {"silence": duration(silence), "expected": expected, "until": until}
        evidence = (last,) if end is None else (last, end)
        kind = LEFT_TO_PINGS if pulse.place and _signs(link) > pulse.signs else SILENCE
        yield Finding(kind, last.time, station.identity, evidence, values)

    def _expected(self, station: Station) -> tuple[float | None, str]:
        """How long a silence may last, and why."""
        about = station.about
        interval = about.heartbeat_interval
        if interval is None:
            silence = self.policy.silence * SECOND
            return silence, f"a sign of life is expected every {duration(silence)} where no heartbeat interval is known"
        if interval <= 0:
            return None, ""
        # Of two intervals that are told, the longer one is the excuse.
        interval = max(interval, about.heartbeat_reported or 0)
        limit = max(2 * interval * SECOND, interval * SECOND + MIN_SLACK)
        return limit, f"the heartbeat interval is {duration(interval * SECOND)}"


def _signs(link: Link) -> int:
    return link.pings[0] + link.pongs[0]


def _too_often(pulse: _Pulse, beat: OcppMessage, picture: Picture) -> Iterator[Finding]:
    before, pulse.heartbeat = pulse.heartbeat, bounded(beat)
    station = picture.stations.get(beat.channel.station)
    # What the CSMS has set counts; a station that reports a shorter one may keep to that.
    interval = station.about.heartbeat_told if station is not None else None
    reported = station.about.heartbeat_reported if station is not None else None
    if interval is not None and reported is not None and 0 < reported < interval:
        interval = reported
    if (
        before is None
        or interval is None
        or interval < SHORTEST_JUDGED
        or interval != pulse.interval
        or pulse.triggered
    ):
        pulse.interval = interval or 0
        pulse.streak = 0
        pulse.triggered = False
        return
    after = beat.time - before.time
    # A log without times, or with coarse ones, gives several the same.
    if not 0 < after < interval * SECOND * TOO_OFTEN:
        pulse.streak = 0
        return
    pulse.streak += 1
    if pulse.streak >= MIN_STREAK:
        values = {
            "interval": duration(interval * SECOND),
            "streak": counted(pulse.streak, "heartbeat"),
            "after": duration(after),
        }
        yield Finding(TOO_MANY, beat.time, beat.channel.station, (before, beat), values)


def _interval_zero(answer: OcppMessage, picture: Picture) -> Iterator[Finding]:
    station = picture.stations.get(answer.channel.station)
    boot = station.about.boots[-1] if station is not None and station.about.boots else None
    if boot is None or not same(boot.answer, answer) or boot.status != "Accepted" or boot.interval is None:
        return
    if boot.interval <= 0:
        evidence = (answer, boot.call)
        yield Finding(INTERVAL_ZERO, answer.time, answer.channel.station, evidence, {"interval": str(boot.interval)})
