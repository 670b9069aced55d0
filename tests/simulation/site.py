"""A simulated site: charging stations behind one router, and what happens to them in some days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final, Literal

from fieldkit.events import ConnectionClosed, Endpoint, Event, Unanswered
from tests.simulation.cars import Car
from tests.simulation.engine import SECOND, Engine, Process, nanoseconds
from tests.simulation.episodes import Episode
from tests.simulation.families import FAMILIES
from tests.simulation.first import Public
from tests.simulation.life import Life, breaks
from tests.simulation.line import Line
from tests.simulation.second import Depot
from tests.simulation.station import Station
from tests.simulation.tap import UNSEEN, Wire
from tests.simulation.vendors import FIRST, TEMPERATURE, Vendor, identity
from tests.simulation.vendors import SECOND as SECOND_VENDORS
from tests.simulation.wan import HABITS, KINDS, Kind, Uplink

DAY: Final = 86_400
ATTEMPTS: Final = 40
_SUNDAY: Final = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())

Generator = Literal["first", "second"]
GENERATORS: Final[dict[Generator, type[Life]]] = {"first": Public, "second": Depot}
VENDORS: Final[dict[Generator, tuple[Vendor, ...]]] = {"first": FIRST, "second": SECOND_VENDORS}


class Site:
    """``events()`` yields everything once, in the order of time; ``episodes`` is complete when it has ended."""

    def __init__(
        self,
        seed: int,
        days: float = 1.0,
        *,
        chargers: int = 0,
        generator: Generator = "first",
        families: Sequence[str] = (),
        quiet: float = 0.0,
        encrypted: bool = False,
        uplink: Kind | None = None,
        vendors: Sequence[str] = (),
        magnitude: float | None = None,
        whole: bool = False,
        source: str = "simulated",
    ) -> None:
        """``families``: episodes to play, spread over the time after ``quiet`` days; "name@0.2" with a magnitude. ``encrypted``: TLS that nobody has
        the keys of. ``vendors``: only these. ``whole``: the uplink never breaks by itself. Everything not given follows from the seed."""
        random = Random(f"site/{generator}/{seed}")
        start = _SUNDAY + DAY * random.randrange(0, 280) + 60 * random.randrange(0, 1440)
        self.begin = start * SECOND
        self.end = self.begin + nanoseconds(days * DAY)
        self.engine = Engine(self.begin, self.end, f"{generator}/{seed}")
        self.generator: Generator = generator
        self.encrypted = encrypted
        self.zone = random.choice((0, 60, 120, -300, 480))
        """Minutes that local time is ahead of UTC."""
        kind: Kind = random.choice(KINDS) if uplink is None else uplink
        self.uplink = Uplink(kind, self.engine.random("uplink"), "198.51.100.7")
        self.breaks_a_day = random.uniform(*HABITS[kind].breaks)
        if whole:
            self.breaks_a_day = 0.0
        self.sessions_a_day = random.uniform(2.0, 9.0)
        """Of one connector."""
        self.crowd = 1.0
        self.ordinary: list[tuple[int, int]] = []
        """Breaks of the uplink that are no episode: begin and end, ns."""
        self.calm = True
        """No episode needs the uplink to be whole."""
        self.remote_share = random.choice((0.0, 0.1, 0.4, 0.8))
        self.reveals = random.random() < 0.5
        """Stations send meter values without a transaction when energy flows."""
        self.new_car: Callable[[Random], Car | None] = lambda random: None
        self.wire = Wire(self.engine, source)
        self.server = Endpoint("203.0.113.10", 443 if encrypted else random.choice((80, 8080, 9000)))
        self.chain = (self.engine.random("chain").randbytes(64),)
        self.tags = tuple(_tag(random) for _ in range(random.randrange(20, 120)))
        self.in_use: set[str] = set()
        self.lives: list[Life] = []
        self._style = random.randrange(5)
        kinds = [vendor for vendor in VENDORS[generator] if not vendors or vendor.name in vendors]
        chosen = random.sample(kinds, min(len(kinds), random.randrange(1, 4)))
        for number in range(chargers or random.randrange(3, 9)):
            self.lives.append(self._life(random, random.choice(chosen), number))
        self._suit(families, kinds)
        self.planned: list[Episode] = []
        self._magnitude = magnitude
        self._plan(list(families), quiet * DAY)

    @property
    def stations(self) -> list[Station]:
        return [life.station for life in self.lives]

    @property
    def charger_days(self) -> float:
        return len(self.lives) * (self.end - self.begin) / SECOND / DAY

    @property
    def episodes(self) -> list[Episode]:
        """Those of which something can be seen, in the order of time."""
        return sorted(
            (episode for episode in self.planned if episode.first_evidence is not None), key=lambda one: one.start
        )

    def events(self) -> Iterator[tuple[int, Event]]:
        """Everything that fieldkit would see at the router."""
        if self.wire.captured:
            return ((time, one) for time, one in self.happenings() if one.__class__ not in UNSEEN)
        return self.happenings()

    def happenings(self) -> Iterator[tuple[int, Event]]:
        """The same, and with ``wire.captured`` what only a capture shows."""
        engine = self.engine
        for number, life in enumerate(self.lives):
            life.begin(engine.random("begin", number).uniform(0.0, 240.0))
        if self.breaks_a_day:
            engine.spawn(breaks(self))
        yield from engine.run()
        yield from self._end()

    def _end(self) -> Iterator[tuple[int, Event]]:
        """The capture ends: what is open is closed, as the pipeline does."""
        now, stop = self.engine.seen, self.engine.now
        open_ = [life.line.open for life in self.lives if life.line.open is not None]
        for line in sorted([*open_, *self.wire.abandoned], key=lambda one: one.connection.number):
            yield now, ConnectionClosed(now, (), line.connection, "end-of-capture", None)
            if self.encrypted:
                continue
            waiting = [call for due, call, _ in line.answers if due >= stop and call.type is not None]
            for call in sorted([*waiting, *line.unanswered], key=lambda call: call.time):
                if call.time < stop:
                    yield now, Unanswered(now, call.frames, call, "capture-ended")

    def local(self, time: int) -> tuple[int, int]:
        """Hour of the day and weekday (Monday is 0) at the site."""
        minutes = time // SECOND // 60 + self.zone
        return minutes // 60 % 24, (minutes // 1440 + 3) % 7

    # --------------------------------------------------------------------------------------------------------- making

    def _life(self, random: Random, vendor: Vendor, number: int) -> Life:
        name = identity(vendor, random, number, self._style)
        own = self.engine.random("station", number)
        version = random.choice(vendor.versions)
        line = Line(
            self.engine,
            self.wire,
            self.uplink,
            station=name,
            version=version,
            address=f"192.168.{10 + self._style}.{20 + number}",
            server=self.server,
            path=vendor.path.format(station=name.replace("*", "%2A")),
            id_style=vendor.id_style,
            random=own,
            encrypted=self.encrypted,
            user_agent=vendor.user_agent,
        )
        line.chain = self.chain
        station = Station(
            self.engine,
            line,
            vendor,
            own,
            connectors=random.randint(*vendor.connectors),
            power=random.choice(vendor.powers),
            phases=3 if vendor.is_dc or random.random() < 0.8 else 1,
            measurands=tuple(
                # 2.x has no measurand for temperatures: they are variables of the device model there.
                name
                for name in random.choice(vendor.measurands)
                if name != TEMPERATURE or version == "1.6"
            ),
            meter_interval=random.choice(vendor.meter_intervals),
            heartbeat=random.choice(vendor.heartbeats),
            zone=self.zone,
            ambient=random.uniform(2, 30),
            tags=self.tags,
            in_use=self.in_use,
            iccid=f"89{random.randrange(10**17, 10**18)}" if self.uplink.kind == "lte" else "",
        )
        if station.phases == 1:
            for connector in station.connectors:
                connector.power = min(connector.power, 7_400.0)
        return GENERATORS[self.generator](self, station)

    def _suit(self, families: Sequence[str], kinds: Sequence[Vendor]) -> None:
        """Where a family suits none of the stations, add one that it suits, if there is such a make."""
        random = self.engine.random("suit")
        for name in families:
            family = FAMILIES[name.partition("@")[0]]
            if any(family.suits(station) for station in self.stations):
                continue
            for _ in range(ATTEMPTS):
                life = self._life(random, random.choice(kinds), len(self.lives))
                if family.suits(life.station):
                    self.lives.append(life)
                    break

    def _plan(self, names: list[str], quiet: float) -> None:
        """Episodes one after the other, with room between them, each on a station that it suits."""
        random = self.engine.random("plan")
        if not names:
            return
        total = (self.end - self.begin) / SECOND
        slot = (total - quiet) / len(names)
        for number, wanted in enumerate(names):
            name, _, given = wanted.partition("@")
            family = FAMILIES[name]
            fitting = [life for life in self.lives if family.suits(life.station)]
            if not fitting or (self.encrypted and not family.encrypted):
                continue
            life = random.choice(fitting)
            length = min(random.uniform(*family.hours) * 3600, 0.75 * slot)
            begin = quiet + number * slot + random.uniform(0.05, 0.2) * slot
            start = self.begin + nanoseconds(begin)
            magnitude = random.random() if self._magnitude is None else self._magnitude
            if given:
                magnitude = float(given)
            episode = Episode(
                name, family.category, "*" if family.wide else life.station.name, start,
                start + nanoseconds(length), magnitude,
            )  # fmt: skip
            self.planned.append(episode)
            play = family.play(self, life.station, episode, self.engine.random("episode", number))
            self.engine.spawn(self._played(play, episode), begin)

    def _played(self, play: Process, episode: Episode) -> Process:
        yield from play
        episode.end = max(episode.end, self.engine.now)

    def life_of(self, station: Station) -> Life:
        return next(life for life in self.lives if life.station is station)


def _tag(random: Random) -> str:
    return random.choice((f"{random.getrandbits(32):08X}", f"{random.getrandbits(56):014X}"))
