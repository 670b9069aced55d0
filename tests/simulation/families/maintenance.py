"""Something wears out."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, busy, seconds_left, with_fault
from tests.simulation.station import Station
from tests.simulation.vendors import CURRENT, ENERGY, POWER, TEMPERATURE, VOLTAGE

if TYPE_CHECKING:
    from tests.simulation.site import Site


@family("contactor-not-closing", "maintenance", (2, 5))
def contactor(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Transactions run, the station says that it charges, and no current flows."""
    yield from with_fault(site, station, episode, starts=True, stuck_open=between(0.6, 1.0, episode.magnitude))


def _has_power(station: Station) -> bool:
    return POWER in station.measurands or CURRENT in station.measurands


@family("derating", "maintenance", (6, 14), suits=_has_power)
def derating(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """It gives ever less power."""
    least = between(0.6, 0.15, episode.magnitude)
    steps = 8
    site.engine.spawn(busy(site, station, episode))
    for step in range(1, steps + 1):
        station.faults.set(episode, derate=1.0 - (1.0 - least) * min(1.0, step / 3))
        yield seconds_left(site, episode) / (steps - step + 1)
    station.faults.clear("derate")


@family("temperature-creep", "maintenance", (5, 12), suits=lambda station: TEMPERATURE in station.measurands)
def creep(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Hotter from hour to hour at the same power."""
    most = between(15, 55, episode.magnitude)
    steps = 20
    site.engine.spawn(busy(site, station, episode))
    for step in range(1, steps + 1):
        station.faults.set(episode, heat=most * step / steps)
        yield seconds_left(site, episode) / (steps - step + 1)
    station.faults.clear("heat")


@family("cadence-drift", "maintenance", (4, 10))
def cadence(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Meter values come ever less regularly."""
    worst = between(0.25, 1.0, episode.magnitude)
    steps = 10
    site.engine.spawn(busy(site, station, episode))
    for step in range(1, steps + 1):
        share = min(1.0, step / 4)
        station.faults.set(
            episode, cadence_jitter=worst * share, cadence_scale=1 + worst * share * random.uniform(0.2, 0.8)
        )
        yield seconds_left(site, episode) / (steps - step + 1)
    station.faults.clear("cadence_jitter", "cadence_scale")


@family("start-failures", "maintenance", (3, 8))
def start_failures(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Sessions fail to start, more and more of them."""
    yield from with_fault(site, station, episode, starts=True, start_failures=between(0.5, 1.0, episode.magnitude))


@family("reboot-loop", "maintenance", (0.5, 3))
def reboot_loop(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """It restarts again and again."""
    life = site.life_of(station)
    mean = between(900, 90, episode.magnitude)
    while seconds_left(site, episode) > 0:
        for connector in station.connectors:
            connector.transaction = None
            connector.car = None
            connector.status = "Available"
        life.power_off()
        life.power_on(random.uniform(15, 60), random.choice(("Watchdog", "PowerUp")))
        site.engine.spawn(_back(site, station, episode))
        yield max(mean * random.uniform(0.5, 1.5), 75.0)  # the same defect, after about as long each time


def _back(site: Site, station: Station, episode: Episode) -> Process:
    """Without a word it was gone; that it was a restart shows when it says so."""
    while not station.booted and seconds_left(site, episode) > 0:
        yield 0.5
    if station.booted:
        episode.shows(site.engine.now)


@family("connector-lock", "maintenance", (3, 7))
def connector_lock(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The plug is not locked; sessions do not begin."""
    yield from with_fault(site, station, episode, starts=True, lock_failures=between(0.5, 1.0, episode.magnitude))


def _shows_phases(station: Station) -> bool:
    if station.vendor.is_dc or station.phases != 3 or not station.vendor.phase_values:
        return False
    return ENERGY in station.measurands and (CURRENT in station.measurands or VOLTAGE in station.measurands)


@family("phase-loss", "maintenance", (2, 6), suits=_shows_phases)
def phase_loss(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """One phase is gone."""
    yield from with_fault(site, station, episode, phase_lost=random.choice((1, 2, 3)))
