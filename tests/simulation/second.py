"""The second generator: depots and workplaces, by timetable. It shares the wire with the first and nothing of its habits.

A day is planned beforehand: shifts come back, vehicles stay long, need so many kWh, and are served in blocks of power
rather than along a battery's curve. Values are sampled at the full interval of the clock, for all connectors at once; a
load manager hands out the depot's budget anew every few minutes; cards are known beforehand, so hardly anybody asks; every
night the CSMS looks after its stations.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from tests.simulation.cars import EFFICIENCY, Car
from tests.simulation.dialect import Dialect2, Dialect16
from tests.simulation.engine import SECOND, Process
from tests.simulation.life import Life
from tests.simulation.station import Connector, Station

if TYPE_CHECKING:
    from tests.simulation.site import Site

HOUR = 3600.0


@dataclass(slots=True)
class Vehicle(Car):
    """A vehicle that takes power in blocks: a plateau, a lower one, then ever less."""

    need: float = 0.0
    """Wh that it is still short of."""
    plateaus: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """(share of the need that is met, share of the peak that it takes until then)."""
    whole: float = 1.0

    def wants(self) -> float:
        if self.need <= 0:
            return 0.0
        met = 1.0 - self.need / self.whole
        for until, share in self.plateaus:
            if met < until:
                return self.peak * share
        return self.peak * self.plateaus[-1][1] * max(exp(-8 * (met - self.plateaus[-1][0])), 0.06)

    def take(self, power: float, seconds: float) -> float:
        energy = power * seconds / HOUR
        self.need = max(self.need - energy, 0.0)
        self.soc = min(self.soc + 100.0 * energy * EFFICIENCY / self.capacity, 100.0)
        self.elapsed += seconds
        return energy


class Depot(Life):
    """A station whose vehicles come by timetable."""

    def __init__(self, site: Site, station: Station) -> None:
        super().__init__(site, station)
        self.managed = self.random.random() < 0.6
        """A load manager hands out limits here."""
        self.shifts = self.random.choice(((17.5, 12.0), (14.0, 6.0), (6.0, 8.0), (21.0, 7.5)))
        """Local hour at which vehicles come back, and how many hours they stay."""
        self.every = self.random.choice((300.0, 600.0, 900.0))

    def begin(self, after: float) -> None:
        super().begin(after)
        engine = self.site.engine
        for connector in self.station.connectors:
            engine.spawn(self._timetable(connector), after + 20)
            engine.spawn(self._bay(connector), after + 30)
        engine.spawn(self._sampling(), after + 40)
        if self.managed:
            engine.spawn(self._manager(), after + self.random.uniform(60, 900))
        engine.spawn(self._night(), after + 60)

    # ------------------------------------------------------------------------------------------------------ timetable

    def _timetable(self, connector: Connector) -> Process:
        site, random = self.site, self.random
        while True:
            hour, weekday = site.local(site.engine.now)
            chance = 0.0
            if abs((hour - self.shifts[0]) % 24) < 1:
                chance = 0.85 if weekday < 5 else 0.3
            elif 10 <= hour <= 15:
                chance = 0.08 * site.sessions_a_day / 5
            if random.random() < chance * site.crowd / 2 and connector.wanted == 0 and connector.transaction is None:
                connector.wanted = 1
            yield 1800 + random.uniform(-300, 300)

    def _bay(self, connector: Connector) -> Process:
        station = self.station
        while True:
            if connector.wanted and station.powered and station.booted and not connector.blocked:
                connector.wanted -= 1
                yield from self._visit(connector)
                yield self.random.uniform(30, 300)
            else:
                yield 20.0

    def _vehicle(self, connector: Connector) -> Vehicle:
        random, station = self.random, self.station
        other = self.site.new_car(random) if station.vendor.is_dc else None
        need = min(random.lognormvariate(3.0, 0.6), 140.0) * 1000 * (1.0 if station.vendor.is_dc else 0.7)
        capacity = other.capacity if other else max(need * 1.25, 40_000.0)
        phases = 3 if station.vendor.is_dc else min(random.choice((1, 3, 3)), station.phases)
        peak = connector.power * random.uniform(0.6, 0.98) if station.vendor.is_dc else 230.0 * 16 * phases
        peak = min(peak, connector.power if phases == station.phases else connector.power / 3 * phases)
        first, second = random.uniform(0.5, 0.8), random.uniform(0.85, 0.97)
        plateaus = ((first, 1.0), (second, random.uniform(0.6, 0.95))) if station.vendor.is_dc else ((0.95, 1.0),)
        soc = max(100.0 - 100.0 * need * EFFICIENCY / capacity, 3.0)
        return Vehicle(capacity, soc, peak, 100.0, 90.0, 0.2, 0.0, phases, (0.0, 1.0), 0.0, need, plateaus, need)

    def _visit(self, connector: Connector) -> Process:
        station, random, faults = self.station, self.random, self.station.faults
        tag = station.fresh_tag()
        sixteen = isinstance(station.dialect, Dialect16)
        now = station.engine.now
        if faults.lock_failures and random.random() < faults.lock_failures:
            faults.show("lock_failures", now)
            yield station.tell(connector, "Preparing") + 1
            yield station.tell(connector, "Faulted", "ConnectorLockFailure", "plug not locked")
            yield random.uniform(40, 200)
            yield station.tell(connector, "Available")
            return
        if station.vendor.authorizes or random.random() < 0.1:
            yield station.authorize(tag) + 0.4
        yield station.tell(connector, "Preparing")
        yield random.uniform(1, 9)
        if faults.start_failures and random.random() < faults.start_failures:
            if sixteen:
                faults.show("start_failures", station.engine.now)
                yield station.tell(connector, "Faulted", "EVCommunicationError")
            yield random.uniform(20, 100)
            if not sixteen:  # only now is it seen that nothing came of it
                faults.show("start_failures", station.engine.now)
            yield station.tell(connector, "Available")
            return
        if not (station.powered and station.booted):
            return
        connector.car = self._vehicle(connector)
        if faults.stuck_open and random.random() < faults.stuck_open:
            connector.car.peak = 0.0
        yield station.start(connector, tag) + 0.3
        if sixteen:
            yield station.tell(connector, "Charging")
        else:
            connector.status = "Charging"
        truncated = bool(faults.truncate) and random.random() < faults.truncate
        stay = random.uniform(0.3, 1.0) * self.shifts[1] * HOUR
        spent = 0.0
        while station.charges(connector) and spent < stay:
            yield 30.0
            spent += 30.0
            if station.leaves(spent) and not truncated:
                break
            if truncated and spent > 240:
                faults.show("truncate", station.engine.now)
                yield station.stop(connector, "Local")
                yield station.tell(connector, "Available")
                yield random.uniform(900, 3600)
                break
            if faults.stuck_open and connector.car.peak == 0.0 and spent > 2.2 * station.meter_interval:
                faults.show("stuck_open", station.engine.now)
        yield from self._leave(connector)

    def _leave(self, connector: Connector) -> Process:
        station, random = self.station, self.random
        if connector.transaction is not None and station.powered:
            connector.car = None  # it takes nothing more, however long it stands there
            if self.random.random() < 0.5:
                yield station.stop(connector, "EVDisconnected")
            else:
                yield station.stop(connector, "Local", with_tag=True)
                if isinstance(station.dialect, Dialect16) and station.vendor.finishing:
                    yield station.tell(connector, "Finishing")
                yield random.uniform(10, 600)
        connector.car = None
        connector.limit = None
        connector.now = 0.0
        connector.status = "Available"
        if station.powered:
            yield station.tell(connector, "Available")

    # ------------------------------------------------------------------------------------------------------- sampling

    def _sampling(self) -> Process:
        """At full intervals of the clock, connector after connector; and in between the current flows."""
        station, faults, engine, random = self.station, self.station.faults, self.site.engine, self.random
        last = engine.now
        idle_every = station.vendor.aligned
        next_idle = 0
        while True:
            interval = station.interval()
            step = station.meter_interval * SECOND
            wait = (step - engine.now % step) / 1e9
            if wait < 0.4 * station.meter_interval:
                wait += station.meter_interval
            if faults.cadence_jitter or faults.cadence_scale != 1.0:
                wait = interval  # it has lost its beat
            yield wait + random.uniform(0.0, 0.05)
            seconds, last = (engine.now - last) / 1e9, engine.now
            for connector in station.connectors:
                car = connector.car
                if car is not None and car.elapsed == 0.0:
                    car.elapsed = 0.001
                    if connector.transaction is None or seconds > 5:
                        # It came somewhere in between: what flowed before its first full interval is little.
                        station.flow(connector, min(seconds, 3.0))
                        continue
                station.flow(connector, seconds)
            if not (station.powered and station.booted):
                continue
            for connector in station.connectors:
                if connector.transaction is not None:
                    yield station.sample(connector, "Sample.Clock" if idle_every else "Sample.Periodic")
                elif faults.leak:
                    yield station.sample(connector, "Sample.Clock")
                    faults.show("leak", engine.now)
                elif idle_every and engine.now >= next_idle:
                    yield station.sample(connector, "Sample.Clock")
            if engine.now >= next_idle:
                next_idle = engine.now + idle_every * SECOND

    # ----------------------------------------------------------------------------------------------- load management

    def _manager(self) -> Process:
        """Share the depot's budget among those who charge; a new limit only where it has changed enough."""
        station, site, random = self.station, self.site, self.random
        budget = 0.6 * sum(connector.power for connector in station.connectors)
        while True:
            active = [one for one in station.connectors if one.transaction is not None and one.status == "Charging"]
            for connector in active:
                share = budget / len(active) * random.choice((0.8, 0.9, 1.0))
                limit = min(share, connector.power)
                known = connector.limit if connector.limit is not None else connector.power
                if self.line.up and abs(limit - known) > 0.1 * connector.power and not station.faults.episodes:
                    yield station.set_limit(connector, limit) + 0.5
            yield self.every
            if site.engine.now >= site.end:
                return

    def _night(self) -> Process:
        """Around three o'clock the CSMS looks after the station."""
        station, site, random = self.station, self.site, self.random
        sixteen = isinstance(station.dialect, Dialect16)
        while True:
            hour, _ = site.local(site.engine.now)
            if hour != 3 or not self.line.up:
                yield 1200.0
                continue
            if sixteen:
                listed = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in station.tags[:10]]
                ask: dict[str, object] = {
                    "listVersion": site.engine.now // SECOND // 86_400,
                    "updateType": "Full",
                    "localAuthorizationList": listed,
                }
            else:
                assert isinstance(station.dialect, Dialect2)
                ask = {
                    "versionNumber": site.engine.now // SECOND // 86_400,
                    "updateType": "Full",
                    "localAuthorizationList": [
                        {"idToken": station.dialect.token(tag), "idTokenInfo": {"status": "Accepted"}}
                        for tag in station.tags[:10]
                    ],
                }
            yield station.asked("SendLocalList", ask, {"status": "Accepted"}) + random.uniform(1, 20)
            if station.vendor.data_transfer:
                payload = {"vendorId": station.vendor.data_transfer, "messageId": "night", "data": "0;0;0"}
                yield station.say("DataTransfer", payload, {"status": "Accepted"})
            yield 4000.0
