"""What changes slowly or only a little, by each station's own measure: answers that take longer, readings that come
less regularly, heat, power that is not reached any more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import exp, log
from typing import ClassVar, Final

from fieldkit.checks.energy import POWER
from fieldkit.checks.measured import power_words, total
from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.detect.usual import MAD_TO_SIGMA, Cusum, Usual, smooth
from fieldkit.events import Event, MessageType, OcppMessage, WsControl
from fieldkit.ocpp.exchange import latency
from fieldkit.site.reading import text
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

LATENCY_FLOOR: Final = 0.18
"""Spread of the logarithm of a latency that is never thought smaller: 20 %."""
LATENCY_KNOWN: Final = 24
"""Answers before it is known how long they take."""
STEP: Final = 0.06
"""Seconds that answers must take longer for anybody to care."""
STEP_FACTOR: Final = 1.5
AFTER_BREAK: Final = 240 * SECOND
"""So long after a break the answers' times are compared with those before."""
CADENCE_FLOOR: Final = 0.02
CADENCE_ODD: Final = 0.10
"""Deviation of an interval from the usual one (logarithm: 10 %) that is odd, or ``CADENCE_SPREADS`` of its own."""
CADENCE_SPREADS: Final = 6.0
CADENCE_OF: Final = (5, 8)
"""So many odd ones of the latest."""
HOT: Final = 12.0
"""Degrees above what is usual at this load, or ``HOT_SPREADS``."""
HOT_SPREADS: Final = 4.5
SETTLED: Final = 1500 * SECOND
"""How warm a thing is in the first minutes of a session is up to the session before: nobody knows how fast it cools."""
HEAT_KNOWN: Final = 40
"""Readings before that is known."""
TOO_HOT: Final = 90.0
"""Degrees Celsius at which nothing inside a charger should be."""
FLAT: Final = 0.02
"""A power that stays within 2 % …"""
FLAT_FOR: Final = 4
"""… for so many readings is held there by something: the charger's limit, or the car's own charger."""
LOST: Final = 0.92
"""Share of the usual power below which it is lost power."""
SESSIONS: Final = 3
"""Sessions in which it must show."""
ALTERNATING: Final = 44_000.0
"""W: more is direct current, where the car's curve has steps of its own."""
CARS: Final = (1_400.0, 2_300.0, 3_680.0, 4_600.0, 6_900.0, 7_360.0, 11_040.0, 22_080.0)
"""W that cars' own chargers hold: 6, 10, 16, 20, 32 A on one phase and three. No charger's limit can be told from
these."""
MAX_PLACES: Final = 8000


@dataclass(slots=True)
class _Line:
    """One station's latencies."""

    usual: Usual = field(default_factory=lambda: Usual(LATENCY_FLOOR))
    longer: Cusum = field(default_factory=lambda: Cusum(1.0, 13.0))
    mean: float = 0.0
    last: int = 0
    told: bool = False


class Latency(Tracker):
    """How long the CSMS takes to answer, the way there and back included."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage, WsControl})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.lines: dict[str, _Line] = {}
        self._site = Cusum(1.0, 14.0)
        self._faster = Cusum(1.0, 14.0)
        self._since: list[float] = []
        """Scores since the stations lost their connections together, as long as that is to be judged."""
        self._judged = 0
        self._evidence: deque[OcppMessage] = deque(maxlen=4)
        self._pings: dict[int, int] = {}
        self._told = False

    def see(self, event: Event) -> None:
        if isinstance(event, OcppMessage):
            if event.sender == "csms" and event.call is not None and event.type is MessageType.CALLRESULT:
                took = latency(event)
                if took is not None and 0 < took < 60 * SECOND:
                    self._took(event.channel.station, took / SECOND, event)
        elif isinstance(event, WsControl):
            self._control(event)

    def _control(self, event: WsControl) -> None:
        number = event.connection.number
        if event.kind == "ping" and event.from_client:
            if len(self._pings) >= 5000:
                del self._pings[next(iter(self._pings))]
            self._pings[number] = event.time
        elif event.kind == "pong" and not event.from_client:
            sent = self._pings.pop(number, 0)
            link = self.context.picture.links.get(event.connection)
            if sent and link is not None and link.station and 0 < event.time - sent < 60 * SECOND:
                self._took(f"{link.station}\nping", (event.time - sent) / SECOND, None)

    def _took(self, name: str, seconds: float, message: OcppMessage | None) -> None:
        line = kept(self.lines, name, _Line)
        value = log(max(seconds, 1e-4))
        score = line.usual.score(value)
        line.mean = smooth(line.mean if line.last else value, value, 0.3)
        line.last = self.context.now
        if message is not None:
            self._evidence.append(message)
        if line.usual.count < LATENCY_KNOWN:
            line.usual.add(value)
            return
        usual, now = exp(line.usual.median), exp(line.mean)
        much = now - usual > STEP and now > STEP_FACTOR * usual
        reached = line.longer.add(score, self.context.now)
        self._other_way(score, value, line, message)
        pooled = self._site.add(score, self.context.now, most=3.0)
        if pooled and much and not self._told and self._others_slow():
            self._told = True
            self.context.tell(
                "satellite-step",
                SITE,
                0.72,
                f"Answers of the CSMS take {_milliseconds(now)} at all stations; usually {_milliseconds(usual)}.",
                tuple(self._evidence),
                first=self._site.began,
                layer="statistics",
                sign="latency-site",
            )
        elif reached and much and not line.told and not self._told:
            line.told = True
            alone = not self._others_slow() and len(self._active()) >= 3
            self.context.tell(
                "man-in-the-middle" if alone else "satellite-step",
                name.partition("\n")[0],
                0.45 if alone or now < 2.5 * usual else 0.62,
                f"Answers take {_milliseconds(now)} at {name.partition(chr(10))[0]}; usually {_milliseconds(usual)}"
                + (", and those of the other stations take no longer than before." if alone else "."),
                tuple(self._evidence)[-1:],
                first=line.longer.began,
                layer="statistics",
                sign="latency",
            )
        if not line.longer.sum:
            line.told = False
        if not self._site.sum and not self._faster.sum:
            self._told = False
        # What is being told of is not learnt as usual, unless it stays for hours: then it is the new usual.
        if not (line.told or self._told) or self.context.now - line.longer.began > 6 * 3600 * SECOND:
            if self.context.frozen(name.partition("\n")[0]):
                return
            if line.longer.sum < 4 or self.context.now - line.longer.began > 3600 * SECOND:
                line.usual.add(value)

    def _other_way(self, score: float, value: float, line: _Line, message: OcppMessage | None) -> None:
        """Are the answers' times others since the connections broke (or much shorter all at once)?"""
        broken = self.context.broken_off
        if broken and broken != self._judged and self.context.now - broken < AFTER_BREAK:
            self._since.append(max(-6.0, min(score, 6.0)))
            number = len(self._since)
            middle = sorted(self._since)[number // 2]
            if number >= 8 and abs(middle) > 1.6:
                self._judged = broken
                self._switched(
                    line, value, broken, f"since the connections of the site broke together ({number} answers)"
                )
        elif self._since:
            self._since = []
            self._judged = broken
        if self._faster.add(-score, self.context.now) and not self._told:
            self._faster.clear()
            if exp(line.usual.median) - exp(line.mean) > STEP and exp(line.usual.median) > STEP_FACTOR * exp(line.mean):
                self._told = True
                self._switched(line, value, self._faster.began, "all at once")

    def _switched(self, line: _Line, value: float, since: int, when: str) -> None:
        self.context.tell(
            "uplink-switch",
            SITE,
            0.72,
            f"Answers take {_milliseconds(exp(value))} {when}; usually {_milliseconds(exp(line.usual.median))}. The "
            "way to the CSMS is probably another one.",
            tuple(self._evidence),
            first=since,
            layer="statistics",
            sign="other-way",
        )

    def _active(self) -> list[_Line]:
        return [line for line in self.lines.values() if self.context.now - line.last < 600 * SECOND]

    def _others_slow(self) -> bool:
        active = [line for line in self._active() if line.usual.known]
        return sum(line.longer.sum > 2 for line in active) >= max(len(active) * 0.6, 1)


@dataclass(slots=True)
class _Rhythm:
    usual: Usual = field(default_factory=lambda: Usual(CADENCE_FLOOR, size=96))
    transaction: str = ""
    last: int = 0
    odd: deque[tuple[bool, float, OcppMessage]] = field(default_factory=lambda: deque(maxlen=CADENCE_OF[1]))
    settings: int = 0


class Cadence(Tracker):
    """How regularly meter values come while a car charges."""

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
        if not sample.transaction or not sample.context.endswith("Periodic"):
            return
        if event.action == "TransactionEvent" and "Periodic" not in (text(event.payload, "triggerReason") or ""):
            return
        late = event.time + (station.clock.offset or 0) - sample.time
        if late > 30 * SECOND:
            return  # from a queue
        self._came(name, sample, event)

    def _came(self, name: str, sample: Sample, message: OcppMessage) -> None:
        rhythm = kept(self._rhythms, f"{name}\n{sample.connector}", _Rhythm, MAX_PLACES)
        before, rhythm.last = rhythm.last, message.time
        if rhythm.transaction != sample.transaction:
            rhythm.transaction = sample.transaction
            return
        gap = (message.time - before) / SECOND
        if gap <= 0.5 or not before:
            return
        value = log(gap)
        changed = self._changed.get(name, 0)
        if changed > rhythm.settings:
            rhythm.settings = changed
            rhythm.usual.forget()
            rhythm.odd.clear()
        usual = rhythm.usual
        if not usual.known:
            usual.add(value)
            return
        off = abs(value - usual.median)
        if off > 1.1:
            return  # left out, not late: that is told elsewhere
        odd = off > max(CADENCE_ODD, CADENCE_SPREADS * usual.spread)
        rhythm.odd.append((odd, gap, message))
        if sum(one[0] for one in rhythm.odd) < CADENCE_OF[0]:
            if not odd and not self.context.frozen(name):
                usual.add(value)
            return
        gaps = [one[1] for one in rhythm.odd]
        self.context.tell(
            "cadence-drift",
            name,
            0.66,
            f"Meter values of connector {sample.connector or '?'} come every {min(gaps):.0f} to {max(gaps):.0f} s; "
            f"usually every {exp(usual.median):.0f} s, to {max(100 * usual.spread, 1):.0f} %.",
            tuple(one[2] for one in rhythm.odd if one[0])[-4:],
            connector=sample.connector,
            first=next(one[2].time for one in rhythm.odd if one[0]),
            layer="statistics",
            sign="meter-values",
        )


@dataclass(slots=True)
class _Heat:
    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=192))
    """(load, temperature), while nothing was wrong."""
    base: float = 0.0
    slope: float = 0.0
    """°C a W."""
    spread: float = 3.0
    stale: int = 0
    most: float = 0.0
    load: float = 0.0
    """W over the last quarter of an hour, roughly."""
    time: int = 0
    first: int = 0
    since: int = 0
    """When this session began."""
    sessions: int = 0
    transaction: str = ""
    excess: float = 0.0
    count: int = 0


class Heat(Tracker):
    """Temperature against what it usually is at the same load."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._heats: dict[str, _Heat] = {}

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        station = self.context.picture.stations.get(event.channel.station)
        if station is None or event.action not in ("MeterValues", "TransactionEvent"):
            return
        temperatures = station.meters.measured.get("Temperature")
        if not temperatures or temperatures[-1].unit != "Celsius" or temperatures[-1].location == "EV":
            return
        sample = temperatures[-1]
        heat = kept(self._heats, f"{station.identity}\n{sample.connector}\n{sample.location}", _Heat, MAX_PLACES)
        given = _given(station)
        self._measured(event, station, sample, heat, max(given[1], 0.0) if given is not None else 0.0)

    def _measured(self, message: OcppMessage, station: Station, sample: Sample, heat: _Heat, power: float) -> None:
        # Things warm up in a quarter of an hour or so: the load of that time matters, not that of the moment.
        passed = (message.time - heat.time) / SECOND if heat.time else 0.0
        heat.load = smooth(heat.load, power, 1 - exp(-max(passed, 0.0) / 900.0))
        heat.time = message.time
        heat.first = heat.first or message.time
        if heat.transaction != sample.transaction:
            heat.transaction = sample.transaction
            heat.since = message.time
            heat.sessions += 1
        # Only as far as loads have been seen: a line leads anywhere beyond its points.
        beyond = heat.load > 1.15 * heat.most
        heat.most = max(heat.most, heat.load)
        settled = message.time - heat.since >= SETTLED
        known = len(heat.points) >= HEAT_KNOWN and heat.sessions >= 2 * SESSIONS and settled and not beyond
        expected = heat.base + heat.slope * heat.load
        weather = self._weather(heat)
        off = sample.value - expected - weather
        heat.excess = smooth(heat.excess, off, 0.25) if known else 0.0
        limit = max(HOT, HOT_SPREADS * heat.spread)
        hot = known and heat.excess > limit
        heat.count = heat.count + 1 if hot or sample.value > TOO_HOT else 0
        ordinary = heat.excess < 0.6 * limit and not self.context.frozen(station.identity)
        if settled and (ordinary or not known):
            self._learn(heat, sample.value)
        if heat.count < 3:
            return
        others_too = f", when the others are {weather:+.0f} °C off" if abs(weather) > 2 else ""
        usual = f"at this load it is usually at {expected:.0f} °C{others_too}" if known else "that is too hot for any"
        self.context.tell(
            "temperature-creep",
            station.identity,
            0.68,
            f"{sample.location} of connector {sample.connector or '?'} is at {sample.value:.0f} °C; {usual}.",
            (message,),
            connector=sample.connector,
            layer="statistics",
            sign="heat",
        )

    @staticmethod
    def _learn(heat: _Heat, value: float) -> None:
        """A straight line through temperature over load; what lies far off counts little."""
        heat.points.append((heat.load, value))
        heat.stale += 1
        if heat.stale * 16 < len(heat.points) or len(heat.points) < 8:
            return
        heat.stale = 0
        weights = [1.0] * len(heat.points)
        for _ in range(3):
            total_weight = sum(weights)
            mean_x = sum(w * x for w, (x, _) in zip(weights, heat.points, strict=True)) / total_weight
            mean_y = sum(w * y for w, (_, y) in zip(weights, heat.points, strict=True)) / total_weight
            across = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, heat.points, strict=True))
            along = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, heat.points, strict=True))
            heat.slope = max(along / across, 0.0) if across > 1 else 0.0
            heat.base = mean_y - heat.slope * mean_x
            off = [abs(y - heat.base - heat.slope * x) for x, y in heat.points]
            heat.spread = max(MAD_TO_SIGMA * sorted(off)[len(off) // 2], 1.0)
            weights = [1.0 if one <= 2 * heat.spread else 2 * heat.spread / one for one in off]

    def _weather(self, own: _Heat) -> float:
        """How much hotter than usual the others of the site are: that is the weather, and no fault."""
        now = self.context.now
        excesses = sorted(
            other.excess for other in self._heats.values() if other is not own and now - other.time < 1800 * SECOND
        )
        return max(excesses[len(excesses) // 2], 0.0) if len(excesses) >= 2 else 0.0


@dataclass(slots=True)
class _Giving:
    """What one connector gives."""

    peaks: deque[float] = field(default_factory=lambda: deque(maxlen=40))
    """Of each session: the highest power that was held."""
    levels: deque[float] = field(default_factory=lambda: deque(maxlen=60))
    """Powers that were held for a while, one entry a session."""
    transaction: str = ""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=FLAT_FOR))
    peak: float = 0.0
    held: list[float] = field(default_factory=list)
    """Levels of this session, in order."""
    low: deque[tuple[float, OcppMessage]] = field(default_factory=lambda: deque(maxlen=8))
    """New levels below the usual, one a session."""
    limited: bool = False


class Derating(Tracker):
    """Power that used to be reached and is not any more."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._places: dict[str, _Giving] = {}

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL:
            return
        if event.action not in ("MeterValues", "TransactionEvent"):
            return
        station = self.context.picture.stations.get(event.channel.station)
        if station is None:
            return
        found = _given(station)
        if found is None:
            return
        sample, power = found
        giving = kept(self._places, f"{station.identity}\n{sample.connector}", _Giving, MAX_PLACES)
        if giving.transaction != sample.transaction:
            self._session_over(giving)
            giving.transaction = sample.transaction
        self._reading(event, station, sample, giving, power)

    def _session_over(self, giving: _Giving) -> None:
        if giving.held and not giving.limited:
            giving.peaks.append(max(giving.held))
            if not (giving.low and giving.low[-1][0] in giving.held):
                giving.levels.extend(giving.held[:4])
        giving.recent.clear()
        giving.held = []
        giving.limited = False

    def _reading(self, message: OcppMessage, station: Station, sample: Sample, giving: _Giving, power: float) -> None:
        made = station.transactions.open.get(sample.transaction)
        started = made.started if made is not None else None
        if station.charging.profiles and station.charging.limit(sample.connector, sample.time, started):
            giving.limited = True
            giving.recent.clear()
            return
        recent = giving.recent
        recent.append(power)
        if len(recent) < FLAT_FOR or power < 1000 or max(recent) - min(recent) > FLAT * max(recent):
            return
        level = sorted(recent)[FLAT_FOR // 2]
        known = giving.held and abs(giving.held[-1] - level) <= 1.5 * FLAT * level
        if known or len(giving.held) >= 32:
            return
        before = giving.held[-1] if giving.held else 0.0
        giving.held.append(level)
        self._new_level(message, station, sample, giving, level, before)

    def _new_level(
        self, message: OcppMessage, station: Station, sample: Sample, giving: _Giving, level: float, before: float
    ) -> None:
        if len(giving.peaks) >= 4:
            usual = sorted(giving.peaks)[-max(len(giving.peaks) // 4, 1)]
        elif before:
            usual = before
        else:
            return
        if level >= LOST * usual:
            giving.low.clear()
            return
        phases = any(one.phase for one in station.meters.measured.get("Current.Import", ()))
        alternating = phases and usual < ALTERNATING
        if any(_alike(level, one) for one in (*giving.levels, *(CARS if alternating else ()))):
            return
        # What the car itself holds differs from car to car; what the charger holds is the same with all of them.
        giving.low.append((level, message))
        same = [one for one in giving.low if _alike(one[0], level)]
        stepped = alternating and bool(before) and level < LOST * before and before >= LOST * usual
        if len(same) < (SESSIONS - 1 if alternating else SESSIONS) and not stepped:
            return
        self.context.tell(
            "derating",
            station.identity,
            0.66,
            f"Connector {sample.connector or '?'} holds {power_words(level)}"
            + (f" after {power_words(before)} in the same session" if stepped else f" in {len(same)} sessions")
            + f"; usually it reaches {power_words(usual)}, and no limit is set.",
            tuple(one[1] for one in same)[-4:],
            connector=sample.connector,
            first=same[0][1].time,
            layer="statistics",
            sign="held",
        )


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= 2 * FLAT * max(one, other)


def _given(station: Station) -> tuple[Sample, float] | None:
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


def _milliseconds(seconds: float) -> str:
    return duration(seconds * SECOND)


TRACKERS: Final = (Latency, Cadence, Heat, Derating)
