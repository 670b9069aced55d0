"""Power that used to be reached and is not any more, by each connector's own measure.

Cars hold what they can take, and chargers what they can give: which of the two it is shows when it is the same with
several cars, or when it falls at once in the middle of a session; a battery that fills takes less little by little.
A limit that the CSMS has set explains it, and so does another car with which the power is shared.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from fieldkit.checks.energy import POWER
from fieldkit.checks.measured import power_words, total
from fieldkit.checks.words import SECOND
from fieldkit.detect.context import MAX_PLACES, Context, MeterTracker, kept
from fieldkit.events import OcppMessage
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

FLAT: Final = 0.02
"""A power that stays within 2 % …"""
FLAT_FOR: Final = 3
"""… for so many readings …"""
FLAT_TIME: Final = 20 * SECOND
"""… and so long is held there by something: the charger's limit, or the car's own."""
SAME: Final = 0.01
"""A charger's own limit is the same to the last percent with every car."""
LOST: Final = 0.92
"""Share of the usual power below which it is lost power."""
SESSIONS: Final = 3
"""Sessions in which it must show …"""
BOTH: Final = 900 * SECOND
"""… or two at a time, at two connectors: two cars do not want the same."""
AT_ONCE: Final = 0.95
"""Share of the power before that was still reached right before a step."""
DEEP: Final = 0.6
"""On direct current, a step to this share of the power before, …"""
COLLAPSED: Final = 0.55
"""… and this share of the session's highest: cars' curves have steps, but none so deep …"""
STEPS_UNTIL: Final = 75.0
"""… before the state of charge, percent, at which many let go of most of it."""
ALTERNATING: Final = 22_500.0
"""W: more than 32 A on three phases is direct current, where the car's curve has steps of its own."""
CARS: Final = (1_400.0, 2_300.0, 3_680.0, 4_600.0, 6_900.0, 7_360.0, 11_040.0, 22_080.0)
"""W that cars' own chargers hold: 6, 10, 16, 20, 32 A on one phase and three. No charger's limit can be told from
these."""
FRESH: Final = 960 * SECOND
"""A power that was told so long ago is not counted any more."""


@dataclass(slots=True)
class _Giving:
    """What one connector gives."""

    station: str = ""
    peaks: deque[float] = field(default_factory=lambda: deque(maxlen=40))
    """Of each session: the highest power that was held."""
    levels: deque[float] = field(default_factory=lambda: deque(maxlen=60))
    """Powers that were held for a while, some of each session."""
    transaction: str = ""
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=FLAT_FOR + 2))
    held: list[float] = field(default_factory=list)
    """Levels of this session, in order."""
    limited: bool = False
    suspect: bool = False
    """A level of this session may be a fault: it is not learnt."""
    power: float = 0.0
    time: int = 0


@dataclass(slots=True)
class _Low:
    """A new level below the usual."""

    level: float
    time: int
    transaction: str
    message: OcppMessage


class Derating(MeterTracker):
    """The power that each connector holds."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._places: dict[str, _Giving] = {}
        self._lows: dict[str, deque[_Low]] = {}
        """By station, as what fails may serve all its connectors."""
        self._most: dict[str, float] = {}
        """By station: the most that it has given, at all connectors together."""

    def measured(self, message: OcppMessage, station: Station) -> None:
        """What a connector gives."""
        found = given(station)
        if found is None:
            return
        sample, power = found
        giving = kept(self._places, f"{station.identity}\n{sample.connector}", _Giving, MAX_PLACES)
        giving.station = station.identity
        if giving.transaction != sample.transaction:
            self._session_over(giving)
            giving.transaction = sample.transaction
        giving.power, giving.time = power, message.time
        self._reading(message, station, sample, giving, power)

    @staticmethod
    def _session_over(giving: _Giving) -> None:
        if giving.held and not giving.limited:
            giving.peaks.append(max(giving.held))
            if not giving.suspect:
                giving.levels.extend(giving.held[:4])
        giving.recent.clear()
        giving.held = []
        giving.limited = giving.suspect = False

    def _reading(self, message: OcppMessage, station: Station, sample: Sample, giving: _Giving, power: float) -> None:
        made = station.transactions.open.get(sample.transaction)
        started = made.started if made is not None else None
        if station.charging.profiles and station.charging.limit(sample.connector, sample.time, started):
            giving.limited = True
            giving.recent.clear()
            return
        recent = giving.recent
        recent.append((message.time, power))
        latest = list(recent)[-FLAT_FOR:]
        powers = [one[1] for one in latest]
        if len(latest) < FLAT_FOR or power < 1000 or max(powers) - min(powers) > FLAT * max(powers):
            return
        if message.time - latest[0][0] < FLAT_TIME:
            return
        level = sorted(powers)[FLAT_FOR // 2]
        if (giving.held and abs(giving.held[-1] - level) <= 1.5 * FLAT * level) or len(giving.held) >= 32:
            return
        before = giving.held[-1] if giving.held else 0.0
        # At once: of the two readings before these at least one is of the level before.
        if all(one[1] < AT_ONCE * before for one in list(recent)[:-FLAT_FOR]):
            before = 0.0
        giving.held.append(level)
        if not self._shared(giving, level, message.time):
            self._new_level(message, station, sample, giving, level, before)

    def _shared(self, giving: _Giving, level: float, now: int) -> bool:
        """Does the station as a whole give about as much as it ever has? Then two cars share it."""
        others = sum(
            one.power for one in self._places.values()
            if one.station == giving.station and one is not giving and now - one.time <= FRESH
        )  # fmt: skip
        most = self._most.get(giving.station, 0.0)
        if most or len(self._most) < MAX_PLACES:
            self._most[giving.station] = max(most, level + others)
        return others > 0 and level + others >= LOST * most

    def _new_level(
        self, message: OcppMessage, station: Station, sample: Sample, giving: _Giving, level: float, before: float
    ) -> None:
        if len(giving.peaks) >= 4:
            usual = sorted(giving.peaks)[-max(len(giving.peaks) // 4, 1)]
        elif len(giving.held) > 1:
            usual = max(giving.held)
        else:
            return
        lows = kept(self._lows, station.identity, lambda: deque[_Low](maxlen=8))
        if level >= LOST * usual:
            lows.clear()
            return
        alternating = usual <= ALTERNATING and _alternating(station)
        if any(_alike(level, one, 2 * FLAT) for one in (*giving.levels, *(CARS if alternating else ()))):
            return
        giving.suspect = True
        if alternating:
            stepped = bool(before) and level < LOST * before and before >= LOST * usual
        else:
            stepped = bool(before) and level < DEEP * before and self._collapsed(station, giving, level)
            if level < max(giving.held[:-1], default=0.0) and not stepped:
                return  # a step of the car's own curve, as its battery fills
        # What the car itself holds differs from car to car; what the charger holds is the same with all of them.
        lows.append(_Low(level, message.time, sample.transaction, message))
        same = {one.transaction: one for one in lows if _alike(one.level, level, 2 * FLAT if alternating else SAME)}
        at_once = [one for one in same.values() if one.transaction in station.transactions.open
                   and message.time - one.time <= BOTH]  # fmt: skip
        if not stepped and len(at_once) < 2 and len(same) < (SESSIONS - 1 if alternating else SESSIONS):
            return
        self.context.tell(
            "derating",
            station.identity,
            0.66,
            f"Connector {sample.connector or '?'} of {station.identity} "
            + (
                f"gave {power_words(max(giving.held))} at first and now holds {power_words(level)} in the same charge"
                if stepped
                else f"stays at {power_words(level)} in {len(same)} charges"
            )
            + f"; usually it keeps {power_words(usual)}, and nothing limits it.",
            tuple(one.message for one in same.values())[-4:],
            connector=sample.connector,
            first=min(one.time for one in same.values()),
            layer="statistics",
            sign="held",
        )

    @staticmethod
    def _collapsed(station: Station, giving: _Giving, level: float) -> bool:
        """Has it fallen at once, and by more than any car's curve does at this state of charge?"""
        charge = station.meters.measured.get("SoC")
        if not charge or charge[-1].transaction != giving.transaction:
            return False
        return charge[-1].value < STEPS_UNTIL and level < COLLAPSED * max(giving.held)


def _alternating(station: Station) -> bool:
    """Alternating current: what tells of phases, and what tells nothing of the battery, which only a charger for
    direct current hears of (ISO 15118-2, DIN SPEC 70121)."""
    measured = station.meters.measured
    phases = any(one.phase for name in ("Current.Import", "Voltage", POWER) for one in measured.get(name, ()))
    return phases or "SoC" not in measured


def _alike(one: float, other: float, share: float) -> bool:
    return abs(one - other) <= share * max(one, other)


def given(station: Station) -> tuple[Sample, float] | None:
    """Power within a transaction, by the power readings or by current (and 230 V, where no voltage is told)."""
    measured = station.meters.measured
    powers = measured.get(POWER)
    if powers and powers[-1].transaction and powers[-1].unit == "W":
        value = total(powers, powers[-1].time)
        return None if value is None else (powers[-1], value)
    currents = measured.get("Current.Import")
    if not currents or not currents[-1].transaction or currents[-1].unit != "A":
        return None
    here = [one for one in currents if one.time == currents[-1].time and one.phase != "N"]
    return currents[-1], 230.0 * sum(one.value for one in here)
