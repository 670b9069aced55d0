"""What both generators' stations have in common: power, connection, heartbeats, keep-alives, a site's uplink breaking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.engine import Process, nanoseconds
from tests.simulation.station import Station

if TYPE_CHECKING:
    from tests.simulation.site import Site


PATIENT: Final = 22.0
"""Seconds that a connection stands without a sign of the other side; no break that is usual lasts much longer."""


class Life:
    """Keeps one station connected and its small talk going."""

    def __init__(self, site: Site, station: Station) -> None:
        self.site = site
        self.station = station
        self.line = station.line
        self.random = site.engine.random("life", station.name)
        self.reason = "PowerUp"
        """Why it boots next."""
        self.line.on_up = self._up
        self.line.on_down = self._down

    def begin(self, after: float) -> None:
        engine = self.site.engine
        engine.spawn(self._connect(0.0), after)
        engine.spawn(self._beats(), after + self.random.uniform(0, self.station.heartbeat))
        if self.station.vendor.pings:
            engine.spawn(self._pings(), after + 5)

    def _connect(self, wait: float) -> Process:
        """Try until it works, further and further apart."""
        yield wait
        first, factor, longest = self.station.vendor.backoff
        pause = first
        while self.station.powered and not self.has_line():
            yield self.line.dial()
            if self.has_line():
                return
            yield pause * self.random.uniform(0.8, 1.3)
            pause = min(pause * factor, longest)

    def has_line(self) -> bool:
        """There is a connection, be it dead or not ready yet."""
        return self.line.open is not None

    def _up(self) -> None:
        self.site.engine.spawn(self._greet())

    def _greet(self) -> Process:
        station = self.station
        vendor = station.vendor
        if not station.booted or vendor.boots_on_connect:
            reason, self.reason = self.reason, "PowerUp"
            yield station.boot(reason) + self.random.uniform(0.05, 0.6)
            yield from station.tell_all()
        elif vendor.status_on_connect:
            yield from station.tell_all()
        yield self.line.flush()

    def _down(self) -> None:
        station = self.station
        if station.powered:
            wait = station.vendor.backoff[0] * self.random.uniform(0.3, 1.5)
            self.site.engine.spawn(self._connect(wait))

    def power_off(self) -> None:
        """At once, without a word."""
        station = self.station
        station.powered = False
        station.booted = False
        self.line.drop("end-of-capture", seen=False)

    def power_on(self, after: float, reason: str = "PowerUp") -> None:
        def again() -> Process:
            self.station.powered = True
            self.reason = reason
            yield from self._connect(0.0)

        self.site.engine.spawn(again(), after)

    def restart(self, reason: str, takes: float) -> Process:
        """An orderly one: says good-bye, and is back after a while."""
        self.station.powered = False
        self.station.booted = False
        self.line.drop("fin", by_client=True, code=1001)
        yield takes
        self.station.powered = True
        self.reason = reason
        yield from self._connect(0.0)

    def _beats(self) -> Process:
        station, engine = self.station, self.site.engine
        while True:
            quiet = (engine.now - station.last_said) / 1e9
            if station.vendor.heartbeat_when_idle and quiet < station.heartbeat - 1:
                yield station.heartbeat - quiet
                continue
            if station.powered and station.booted:
                if station.faults.clock_drift:
                    station.faults.clear("clock_drift")
                yield station.beat()
            yield max(station.heartbeat + self.random.gauss(0, 0.05), 5.0)

    def _pings(self) -> Process:
        while True:
            self.line.ping("station")
            yield float(self.station.vendor.pings)

    def hangs_up(self, takes: float) -> Process:
        """The station finds out that its connection is dead, and makes another one."""
        yield takes
        if self.line.open is not None and self.line.open.useless:
            self.line.drop("end-of-capture", seen=False)


def breaks(site: Site) -> Process:
    """The uplink is away for a while now and then, as every uplink is."""
    random = site.engine.random("breaks")
    habit = site.uplink.gap
    while True:
        yield random.expovariate(site.breaks_a_day / 86_400)
        if site.calm:
            yield from interruption(site, random.uniform(*habit))


def interruption(site: Site, seconds: float) -> Process:
    """Nothing passes for so long; what was open survives if it is short, as TCP repeats what got lost."""
    uplink = site.uplink
    if uplink.down:
        return
    uplink.down = "silent"
    site.ordinary.append((site.engine.now, site.engine.now + nanoseconds(seconds)))
    for life in site.lives:
        if life.line.open is not None:
            life.line.lose_answers()
    yield seconds
    uplink.down = ""
    for life in site.lives:
        line = life.line.open
        if line is None or not line.useless:
            continue
        if seconds < PATIENT:
            life.line.resume()
            continue
        # Its silence was noticed, by the station or, with the first thing it says again, by a reset of the CSMS.
        life.line.drop("rst", by_client=False)
