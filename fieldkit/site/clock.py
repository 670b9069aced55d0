"""How far a station's clock is off: its own timestamps against the time at which they were captured.

A message may carry an old timestamp with a clock that is right: it was queued while the station was offline, or a
status is told again. Nothing makes a timestamp newer than the clock it was taken from, so the honest ones are the
latest: the estimate is the median of those that agree with the upper quartile, and it is *steady* only when at least
half of all do. A queue that is worked off shows ever smaller delays and is never steady.

The capture's own clock may be wrong too (and a log's is local, without a zone): ``currentTime`` of the CSMS, which it
tells in the answers to BootNotification and Heartbeat, is the second witness.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from fieldkit.events import MessageType, OcppMessage
from fieldkit.ocpp.timestamps import read_datetime
from fieldkit.site.legible import is_legible
from fieldkit.site.light import bounded
from fieldkit.site.reading import flag, member

WINDOW: Final = 64
"""Timestamps of each side that an estimate is made of: the latest ones, as clocks are set right in between."""
AGREEMENT: Final = 5_000_000_000
"""Nanoseconds within which timestamps tell the same offset: whole seconds, a slow uplink, one retransmission."""
MIN_AGREEING: Final = 3
"""Timestamps that must agree before an offset into the past is believed …"""
MIN_SPAN: Final = 60_000_000_000
"""… and the nanoseconds over which they must lie: a queue of old messages is emptied in a burst."""
UNSET_BEFORE: Final = 1_262_304_000_000_000_000
"""2010-01-01: no OCPP station is older than this, one that says so has not been told the time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CALL: Final = MessageType.CALL
_CALLRESULT: Final = MessageType.CALLRESULT

_STAMPS: Final = {
    "FirmwareStatusNotification": "timestamp",  # 2.1
    "MeterValues": "meterValue",
    "NotifyEvent": "generatedAt",
    "NotifyMonitoringReport": "generatedAt",
    "NotifyReport": "generatedAt",
    "StartTransaction": "timestamp",
    "StatusNotification": "timestamp",
    "StopTransaction": "timestamp",
    "TransactionEvent": "timestamp",
}
"""The member that says what time it is now, by action of the station."""
_CSMS_TELLS: Final = frozenset({"BootNotification", "Heartbeat"})
"""Actions that the CSMS answers with its time."""


class Reading(NamedTuple):
    """A timestamp that says what time its sender believes it is."""

    message: OcppMessage
    text: str
    told: int
    """ns"""
    offset: int
    """``told`` minus the time of capture."""
    zone: str
    """"Z", "+02:00", or "" where none is written."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the timestamps of one side say together."""

    offset: int
    agreeing: int
    """Timestamps that say so …"""
    of: int
    """… of how many."""
    span: int
    """Nanoseconds between the first and the last of those that agree."""

    @property
    def steady(self) -> bool:
        """Half of the timestamps agree."""
        return self.agreeing * 2 >= self.of


class _Offsets:
    """The latest offsets of one side."""

    __slots__ = ("_estimate", "last", "window")

    def __init__(self) -> None:
        self.window: deque[tuple[int, int]] = deque(maxlen=WINDOW)
        self.last: Reading | None = None
        self._estimate: Estimate | None = None

    def add(self, reading: Reading) -> None:
        self.window.append((reading.message.time, reading.offset))
        self.last = reading
        self._estimate = None

    def estimate(self) -> Estimate | None:
        if self._estimate is None and self.window:
            ordered = sorted(offset for _, offset in self.window)
            upper = ordered[len(ordered) * 3 // 4]
            near = [offset for offset in ordered if abs(offset - upper) <= AGREEMENT]
            times = [time for time, offset in self.window if abs(offset - upper) <= AGREEMENT]
            span = max(times) - min(times)
            self._estimate = Estimate(near[len(near) // 2], len(near), len(ordered), span)
        return self._estimate


class StationClock:
    """Estimates from the timestamps that station and CSMS write into their messages."""

    ACTIONS: Final = frozenset(_STAMPS) | _CSMS_TELLS

    def __init__(self) -> None:
        self.samples = 0
        """Timestamps of the station that were looked at."""
        self.csms_samples = 0
        self.fresh: Reading | None = None
        """That of the message which was fed last; None when it has none that counts."""
        self._station = _Offsets()
        self._csms = _Offsets()

    @property
    def offset(self) -> int | None:
        """Station's clock minus capture's clock, nanoseconds: the median of fresh timestamps (those of messages that
        can hardly have been queued); None while unknown."""
        found = self._station.estimate()
        if found is None or not found.steady:
            return None
        # Near zero or ahead nothing else explains it, behind it could be a queue.
        if found.offset > -MIN_SPAN or (found.agreeing >= MIN_AGREEING and found.span >= MIN_SPAN):
            return found.offset
        return None

    @property
    def csms_offset(self) -> int | None:
        """The same of the CSMS, by ``currentTime``."""
        found = self._csms.estimate()
        return found.offset if found is not None and found.steady else None

    @property
    def estimate(self) -> Estimate | None:
        """What the station's timestamps say, and how surely."""
        return self._station.estimate()

    @property
    def csms_estimate(self) -> Estimate | None:
        """The same of the CSMS."""
        return self._csms.estimate()

    @property
    def last(self) -> Reading | None:
        """The station's latest timestamp."""
        return self._station.last

    @property
    def csms_last(self) -> Reading | None:
        """The latest of the CSMS."""
        return self._csms.last

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.fresh = None
        if message.type is _CALL:
            if message.sender == "station":
                text = _station_says(message)
                if text is not None:
                    self._take(message, text, self._station)
        elif message.type is _CALLRESULT and message.action in _CSMS_TELLS and message.sender == "csms":
            self._take(message, member(message.payload, "currentTime"), self._csms)

    def _take(self, message: OcppMessage, text: Any, offsets: _Offsets) -> None:
        if text.__class__ is not str or (message.problems and not is_legible(message)):
            return
        told = _instant(text)
        if told is None:
            return
        reading = self.fresh = Reading(bounded(message), text, told, told - message.time, _zone(text))
        if offsets is self._station:
            self.samples += 1
        else:
            self.csms_samples += 1
        if told >= UNSET_BEFORE:
            offsets.add(reading)


def _station_says(message: OcppMessage) -> Any:
    name = _STAMPS.get(message.action)
    if name is None:
        return None
    value = member(message.payload, name)
    if name == "meterValue":
        # The last of the samples is the newest one.
        return member(value[-1], "timestamp") if value.__class__ is list and value else None
    # 2.x Part 2 §1.60: offline says that it was queued.
    return None if flag(message.payload, "offline") else value


def _instant(text: str) -> int | None:
    """A date-time in nanoseconds. The standard library reads the usual spelling eight times as fast as we read any."""
    if len(text) < 40 and text[10:11] == "T":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None  # it may be one of the spellings that only we know
        if moment is not None and moment.tzinfo is not None:
            return (moment - _EPOCH) // _MICROSECOND * 1000
    found = read_datetime(text)
    return None if found is None else found.time


def _zone(text: str) -> str:
    """How the time zone is written."""
    if text[-1:] in ("Z", "z"):
        return "Z"
    tail = text[-6:]
    if tail[:1] in ("+", "-") and tail[3:4] == ":":
        return tail
    return tail[1:] if tail[1:2] in ("+", "-") and tail[2:].isdigit() and len(text) > 20 else ""
