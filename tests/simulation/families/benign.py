"""What looks odd and is in order."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.cars import Car, dc_car
from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, lines, seconds_left
from tests.simulation.families.connectivity import _elsewhere, _keep, _other, _renew, _some_hops
from tests.simulation.families.intrusion import ask_update, tell_update
from tests.simulation.station import Station

if TYPE_CHECKING:
    from tests.simulation.site import Site


@family("planned-firmware-update", "benign", (0.4, 1.5))
def update(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """From the operator's own address, with a restart and a new version."""
    waited = 0.0
    while (not station.line.up or any(one.transaction for one in station.connectors)) and waited < 7200:
        yield 30.0
        waited += 30
    for connector in station.connectors:
        connector.blocked = True
    episode.shows(site.engine.now)
    yield from ask_update(station, f"https://firmware.csms.example/{station.vendor.name.lower()[:4]}.bin", random)
    yield random.uniform(1, 5)
    yield from tell_update(station, ("Downloading", "Downloaded", "Installing"), random)
    major, minor, patch = station.firmware.split(".")
    station.firmware = f"{major}.{int(minor) + 1}.{patch}"
    life = site.life_of(station)
    yield from life.restart("FirmwareUpdate", random.uniform(40, 240))
    yield 20.0
    yield from tell_update(station, ("Installed",), random)
    for connector in station.connectors:
        connector.blocked = False


@family("power-cut", "benign", (0.05, 0.6), wide=True)
def power_cut(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """All stations go at once, and come back at once, with their transactions ended by power loss."""
    episode.shows(site.engine.now)
    interrupted = []
    for life in site.lives:
        for connector in life.station.connectors:
            if connector.transaction is not None:
                interrupted.append((life.station, connector, connector.transaction))
            connector.transaction = None
            connector.status = "Available"
        life.power_off()
    yield seconds_left(site, episode)
    for life in site.lives:
        life.power_on(random.uniform(8, 45))
    yield 90.0
    for other, connector, transaction in interrupted:
        if connector.transaction is None:
            connector.transaction = transaction
            yield other.stop(connector, "PowerLoss")


@family("clock-sync", "benign", (0.3, 1))
def clock_sync(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A clock that has drifted is put right by the next heartbeat."""
    station.faults.set(episode, clock_drift=random.choice((-1, 1)) * between(31, 110, episode.magnitude))
    yield from _some_status(station)
    yield seconds_left(site, episode)
    station.faults.clear("clock_drift")


def _some_status(station: Station) -> Process:
    if station.line.up:
        yield station.tell(station.connectors[0], station.connectors[0].status)


@family("dst", "benign", (1, 4), suits=lambda station: True)
def dst(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A station that writes local time with its offset, on the night of the change: the instants stay the same."""
    before = station.time_style, station.zone
    station.time_style, station.zone = "local", 120
    yield from _some_status(station)
    yield seconds_left(site, episode) / 2
    station.zone = 60
    episode.shows(site.engine.now)
    yield from _some_status(station)
    yield seconds_left(site, episode)
    station.time_style, station.zone = before


@family("planned-sim-switch", "benign", (0.5, 3), wide=True, encrypted=True)
def planned_switch(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The operator changes the SIM: stations say good-bye and come back by another network, no worse than the first."""
    back = _keep(site)
    episode.shows(site.engine.now)
    for line in lines(site):
        line.drop("fin", by_client=True, code=1001)
    fresh = _other(site, back.kind, random)
    fresh.rtt_median = back.rtt_median * random.uniform(0.8, 1.3)
    site.uplink.become(fresh)
    hops = _some_hops(Random(fresh.address))
    _elsewhere(site, hops)
    yield seconds_left(site, episode)
    site.uplink.become(back)
    _elsewhere(site, -hops)
    yield from _renew(site, random)


@family("csms-restart", "benign", (0.01, 0.1), wide=True, encrypted=True)
def csms_restart(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The CSMS says that it goes away, refuses for a minute, and is back."""
    episode.shows(site.engine.now)
    site.uplink.down = "refused"
    for line in lines(site):
        line.drop("fin", by_client=False, code=1012, reason="service restart")
    yield random.uniform(5, 90)
    site.uplink.down = ""
    yield 60.0


@family("busy-holiday", "benign", (6, 12), wide=True)
def holiday(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Everybody travels: car after car."""
    episode.shows(site.engine.now)
    before, site.crowd = site.crowd, between(2.5, 7, episode.magnitude)
    yield seconds_left(site, episode)
    site.crowd = before


@family("new-car-type", "benign", (4, 10), wide=True, suits=lambda station: station.vendor.is_dc)
def new_car(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A car that charges otherwise than those before: a bigger battery, a flat curve, or a slow one."""
    capacities = random.choice(((110_000, 160_000), (18_000, 26_000)))

    def made(chance: Random) -> Car | None:
        if chance.random() > 0.6:
            return None
        car = dc_car(chance, 350_000, capacities)
        car.knee, car.floor = 78.0, 0.4
        return car

    episode.shows(site.engine.now)
    before, site.new_car = site.new_car, made
    yield seconds_left(site, episode)
    site.new_car = before
