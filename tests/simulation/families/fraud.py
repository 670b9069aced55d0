"""Somebody wants to pay less."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, busy, charging, seconds_left, with_fault
from tests.simulation.station import Station
from tests.simulation.vendors import CURRENT, ENERGY, POWER

if TYPE_CHECKING:
    from tests.simulation.site import Site


def _measures_power(station: Station) -> bool:
    return ENERGY in station.measurands and (POWER in station.measurands or CURRENT in station.measurands)


@family("register-rollback", "fraud", (1, 3), suits=lambda station: ENERGY in station.measurands)
def rollback(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """In the middle of a session the register is set back."""
    yield from charging(site, station, episode)
    yield 2.5 * station.meter_interval
    station.faults.set(episode, register_jump=between(150, 20_000, episode.magnitude**2))
    site.engine.spawn(busy(site, station, episode))
    yield seconds_left(site, episode)
    station.faults.clear("register_jump")


@family("under-reporting-meter", "fraud", (3, 8), suits=_measures_power)
def under_reporting(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The register counts part of what the station's own power readings show."""
    yield from with_fault(site, station, episode, register_scale=between(0.85, 0.25, episode.magnitude))


@family("energy-outside-transaction", "fraud", (2, 5), suits=lambda station: POWER in station.measurands)
def outside(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Something draws power while no transaction is on; its meter values say so."""
    draw = between(900, 0.8 * station.connectors[0].power, episode.magnitude)
    for connector in station.connectors:
        connector.wanted = 0
    station.faults.set(episode, leak=draw)
    yield seconds_left(site, episode)
    station.faults.clear("leak")


@family("cloned-tag", "fraud", (0.7, 2), suits=lambda station: True)
def cloned_tag(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """One card charges at two stations at the same time."""
    tag = station.fresh_tag()
    others = [other for other in site.stations if other is not station]
    episode.note = f"with {others[0].name if others else station.name}"
    partner = random.choice(others) if others else station
    real = station.tags
    station.tags = partner.tags = (tag,)
    episode.station = "*" if others else station.name
    while seconds_left(site, episode) > 0:
        using = [
            any(connector.transaction is not None and connector.transaction.tag == tag for connector in one.connectors)
            for one in (station, partner)
        ]
        if all(using):  # at one station a card may serve both connectors
            episode.shows(site.engine.now)
            break
        for one in (station, partner):
            for connector in one.connectors:
                if connector.transaction is None and connector.wanted == 0:
                    connector.wanted = 1
        yield 0.5
    station.tags = partner.tags = real
    yield seconds_left(site, episode)


@family("truncated-sessions", "fraud", (3, 6))
def truncated(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Transactions end after minutes again and again; the cars go on charging."""
    yield from with_fault(site, station, episode, starts=True, truncate=between(0.6, 1.0, episode.magnitude))


@family("clock-shift", "fraud", (2, 6))
def clock_shift(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The clock stands in the hours of the cheap tariff."""
    shift = between(2400, 9 * 3600, episode.magnitude) * random.choice((1, -1))
    yield from with_fault(site, station, episode, clock_shift=shift)
