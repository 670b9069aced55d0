"""How regularly meter values come while a car charges, by each connector's own measure.

They come at a steady interval, counted from the start of the transaction (1.6 MeterValueSampleInterval, 2.x
SampledDataCtrlr.TxUpdatedInterval) or at full ones of the clock (ClockAlignedDataInterval, AlignedDataCtrlr.Interval).
A station that loses its beat has too much to do, or a meter that does not always answer. Both the times at which they
come and those that are written in them are looked at, and the steadier ones count: the first suffer from the network,
the second from a clock that is set.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp, log
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND
from fieldkit.detect.context import MAX_PLACES, Context, Tracker, kept
from fieldkit.detect.usual import Usual
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.site.reading import text
from fieldkit.site.series import Sample

CADENCE_FLOOR: Final = 0.008
"""Spread of the logarithm of an interval that is never thought smaller."""
CADENCE_ODD: Final = 0.05
"""Deviation from the usual interval (logarithm: 5 %) that is odd, or ``CADENCE_SPREADS`` of its own …"""
CADENCE_SPREADS: Final = 6.0
ROUNDED: Final = 1.6
"""… and at least so many seconds: many stations write whole seconds, and a reading may wait for another message."""
IN_A_ROW: Final = 3
"""Odd ones in a row of which no two are alike; one is chance, and alike they would be another interval …"""
CADENCE_OF: Final = (5, 8)
"""… or so many of the latest."""
ESTABLISHED: Final = 24
"""Intervals that it has kept before three tell anything."""
LEFT_OUT: Final = 1.1
"""Logarithm: what comes three times as late was left out, or the station was away. That is told elsewhere."""
QUEUED: Final = 30 * SECOND
"""What is older when it comes has waited in the station."""


@dataclass(slots=True)
class _Rhythm:
    usual: Usual = field(default_factory=lambda: Usual(CADENCE_FLOOR, size=96))
    transaction: str = ""
    came: int = 0
    """When the latest came …"""
    taken: int = 0
    """… and when it says that it was taken."""
    latest: deque[tuple[bool, float, OcppMessage]] = field(default_factory=lambda: deque(maxlen=CADENCE_OF[1]))
    """Odd or not, interval, message."""
    settings: int = 0


class Cadence(Tracker):
    """The rhythm of each connector's readings."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rhythms: dict[str, _Rhythm] = {}
        self._changed: dict[str, int] = {}

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage):
            return
        name = event.channel.station
        if event.action in ("ChangeConfiguration", "SetVariables"):
            if len(self._changed) < 4000 or name in self._changed:
                self._changed[name] = event.time
            return
        if event.type is not MessageType.CALL or event.action not in ("MeterValues", "TransactionEvent"):
            return
        station = self.context.picture.stations.get(name)
        if station is None or not station.meters.fresh:
            return
        sample = station.meters.fresh[-1]
        kind = sample.context.rpartition(".")[2]
        if not sample.transaction or kind not in ("Periodic", "Clock"):
            return
        if event.action == "TransactionEvent" and kind not in (text(event.payload, "triggerReason") or ""):
            return  # it was sent for another reason, at another time
        late = event.time + (station.clock.offset or 0) - sample.time > QUEUED
        self._came(name, sample, kind, event, late=late)

    def _came(self, name: str, sample: Sample, kind: str, message: OcppMessage, *, late: bool) -> None:
        rhythm = kept(self._rhythms, f"{name}\n{sample.connector}\n{kind}", _Rhythm, MAX_PLACES)
        came, rhythm.came = rhythm.came, message.time
        taken, rhythm.taken = rhythm.taken, sample.time
        if rhythm.transaction != sample.transaction or not came or late:
            rhythm.transaction = sample.transaction
            return
        gaps = [gap for gap in ((message.time - came) / SECOND, (sample.time - taken) / SECOND) if gap > 0.5]
        if not gaps:
            return
        changed = self._changed.get(name, 0)
        if changed > rhythm.settings:
            rhythm.settings = changed
            rhythm.usual.forget()
            rhythm.latest.clear()
        if rhythm.usual.known:
            self._judge(name, sample, rhythm, min(gaps, key=lambda gap: abs(log(gap) - rhythm.usual.median)), message)
        else:
            rhythm.usual.add(log(gaps[0]))

    def _judge(self, name: str, sample: Sample, rhythm: _Rhythm, gap: float, message: OcppMessage) -> None:
        usual = rhythm.usual
        value, interval = log(gap), exp(usual.median)
        off = abs(value - usual.median)
        if off > LEFT_OUT:
            return
        odd = off > max(CADENCE_ODD, CADENCE_SPREADS * usual.spread) and abs(gap - interval) > ROUNDED
        rhythm.latest.append((odd, gap, message))
        odds = [one for one in rhythm.latest if one[0]]
        if len(odds) >= CADENCE_OF[0] and all(_alike(one[1], odds[-1][1]) for one in odds):
            # Another interval that it keeps as well: somebody has set it, by another way than OCPP.
            usual.forget()
            rhythm.latest.clear()
            return
        row = [one[1] for one in list(rhythm.latest)[-IN_A_ROW:] if one[0]]
        irregular = (
            len(row) == IN_A_ROW and usual.count >= ESTABLISHED
            and not any(_alike(one, other) for number, one in enumerate(row) for other in row[:number])
        )  # fmt: skip
        if not irregular and len(odds) < CADENCE_OF[0]:
            if not odd and not self.context.frozen(name):
                usual.add(value)
            return
        gaps = [one[1] for one in odds]
        self.context.tell(
            "cadence-drift",
            name,
            0.66,
            f"Meter values of connector {sample.connector or '?'} of {name} come irregularly, {min(gaps):.0f} to "
            f"{max(gaps):.0f} s after the one before; usually one comes every {interval:.0f} s, "
            f"{max(interval * usual.spread, 1):.0f} s more or less.",
            tuple(one[2] for one in odds)[-4:],
            connector=sample.connector,
            first=odds[0][2].time,
            layer="statistics",
            sign="meter-values",
        )


def _alike(one: float, other: float) -> bool:
    """Is it the same interval, as far as whole seconds tell?"""
    return abs(one - other) <= max(1.1, 0.01 * one)
