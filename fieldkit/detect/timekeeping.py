"""Clocks that are moved: by whom, and whether that does harm.

A station takes the time from the answers to its boots and heartbeats. A clock that is wrong and is right after the next
of these was merely off; one that stays wrong was moved on purpose, or the station is deaf to the time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.station import Station

MOVED: Final = 30 * SECOND
"""A clock drifts by seconds a day; half a minute at once it is moved."""
AGREE: Final = 6 * SECOND
"""Timestamps that say the same of the clock: whole seconds, and the way of a message."""
READINGS: Final = 3
LEARN: Final = 8
"""Timestamps before a station's own offset is known."""
HOUR: Final = 3600 * SECOND
HOUR_SLACK: Final = 20 * SECOND
CHEAP: Final = 120 * SECOND
"""Less makes no tariff cheaper."""


@dataclass(slots=True)
class _Clock:
    known: deque[int] = field(default_factory=lambda: deque(maxlen=33))
    """Offsets while nothing was odd."""
    odd: deque[tuple[int, int, OcppMessage]] = field(default_factory=lambda: deque(maxlen=12))
    """Time, offset and message of those that were."""
    told: int = 0
    """Offset that was told of; 0: none."""
    answers: int = 0
    """Times that the CSMS has told it since the oldest odd one …"""
    answered: int = 0
    """… and when it did so last."""
    sure: bool = False


class Timekeeping(Tracker):
    """The clock of each station."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._clocks: dict[str, _Clock] = {}

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage):
            return
        name = event.channel.station
        if event.sender == "csms":
            if event.type is MessageType.CALLRESULT and event.action in ("Heartbeat", "BootNotification"):
                clock = self._clocks.get(name)
                if clock is not None and clock.odd:
                    clock.answers += 1
                    clock.answered = event.time
            return
        station = self.context.picture.stations.get(name)
        if station is None or event.type is not MessageType.CALL:
            return
        reading = station.clock.fresh
        if reading is None or reading.message is not event or (event.channel.connection is None and not event.time):
            return
        self._read(name, station, kept(self._clocks, name, _Clock), event, reading.offset)

    def _read(self, name: str, station: Station, clock: _Clock, message: OcppMessage, offset: int) -> None:
        if len(clock.known) < LEARN:
            if not clock.known and abs(offset) > MOVED and len(clock.odd) < READINGS:
                clock.odd.append((message.time, offset, message))  # it may come from a queue
                return
            clock.known.append(offset)
            clock.odd.clear()
            return
        usual = sorted(clock.known)[len(clock.known) // 2]
        if abs(offset - usual) <= MOVED:
            if clock.told:
                self._right_again(name, clock, message, usual)
            clock.answered = 0
            clock.odd.clear()
            clock.answers = 0
            clock.known.append(offset)
            return
        clock.odd.append((message.time, offset, message))
        alike = [one for one in clock.odd if abs(one[1] - offset) <= AGREE]
        span = alike[-1][0] - alike[0][0]
        if len(alike) < READINGS or (offset < usual and span < 15 * SECOND):
            return  # from a queue, as long as they do not agree
        if clock.told and abs(clock.told - offset) <= AGREE and (clock.sure or not clock.answers):
            return
        clock.told = offset
        self._moved(name, station, clock, alike, offset - usual, offset, usual)

    def _moved(
        self,
        name: str,
        station: Station,
        clock: _Clock,
        alike: list[tuple[int, int, OcppMessage]],
        shift: int,
        offset: int,
        usual: int,
    ) -> None:
        evidence = tuple(one[2] for one in alike[-4:])
        first = alike[0][0]
        way = "ahead" if shift > 0 else "back"
        if abs(offset) < MOVED and abs(usual) > MOVED:
            self._accept(clock, offset)
            self.context.tell(
                "clock-sync", name, 0.75,
                f"The clock of {name} was {duration(usual)} {'fast' if usual > 0 else 'slow'} and is right now.",
                evidence, first=first, layer="statistics", sign="sync",
            )  # fmt: skip
            return
        if abs(abs(shift) - HOUR) <= HOUR_SLACK and (_near_change(self.context.now) or self._together(offset)):
            self._accept(clock, offset)
            self.context.tell(
                "dst", SITE if self._together(offset) else name, 0.8,
                f"The clock of {name} went {way} by exactly one hour"
                + (", as clocks do this weekend." if _near_change(self.context.now) else ", and those of others too."),
                evidence, first=first, layer="statistics", sign="hour",
            )  # fmt: skip
            return
        told_since = clock.answers > 0
        clock.sure = told_since
        confidence = 0.85 if told_since else 0.62
        if abs(shift) < CHEAP:
            confidence = 0.5 if told_since else 0.3
        why = (
            "and has stayed so although the CSMS has told it the time since" if told_since
            else "and no restart explains it"
        )  # fmt: skip
        self.context.tell(
            "clock-shift", name, confidence,
            f"The clock of {name} went {way} by {duration(shift)} {why}; it used to be right to "
            f"{duration(max(abs(usual), SECOND))}. Bills by time of day follow this clock.",
            evidence, first=first, layer="statistics", sign="moved-on" if told_since else "moved",
        )  # fmt: skip

    def _right_again(self, name: str, clock: _Clock, message: OcppMessage, usual: int) -> None:
        off, lasting = clock.told - usual, clock.sure
        clock.told, clock.sure = 0, False
        if lasting or clock.answered < clock.odd[-1][0]:
            # It was not the time that the CSMS told which set it right. What goes wrong and comes back by itself is no
            # station that was corrected: that it was moved stays what there is to say.
            return
        self.context.tell(
            "clock-sync", name, 0.7,
            f"The clock of {name} was {duration(off)} {'fast' if off > 0 else 'slow'} for a while and was set right.",
            (message,), layer="statistics", sign="right",
        )  # fmt: skip

    @staticmethod
    def _accept(clock: _Clock, offset: int) -> None:
        clock.known.clear()
        clock.known.extend([offset] * LEARN)
        clock.odd.clear()
        clock.answers, clock.told, clock.sure = 0, 0, False

    def _together(self, offset: int) -> bool:
        """Do other clocks of the site say the same?"""
        return sum(abs(clock.told - offset) <= AGREE and clock.told != 0 for clock in self._clocks.values()) >= 2


def _near_change(time: int) -> bool:
    """Is it a day on which clocks change in Europe or North America? OCPP knows no zones, so all of them count."""
    try:
        day = datetime.fromtimestamp(time // SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        return False
    sundays = (_last_sunday(day.year, 3), _last_sunday(day.year, 10), _sunday(day.year, 3, 2), _sunday(day.year, 11, 1))
    return any(abs(day - sunday) <= timedelta(hours=36) for sunday in sundays)


def _sunday(year: int, month: int, number: int) -> datetime:
    first = datetime(year, month, 1, 12, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 12, tzinfo=UTC)  # March and October have 31 days
    return last - timedelta(days=(last.weekday() + 1) % 7)
