"""Limits that are not kept, or make no sense."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.simulation.dialect import Dialect16
from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, busy, charging, seconds_left
from tests.simulation.station import Connector, Station
from tests.simulation.vendors import CURRENT, POWER

if TYPE_CHECKING:
    from tests.simulation.site import Site


def _has_power(station: Station) -> bool:
    return POWER in station.measurands or (CURRENT in station.measurands and not station.vendor.is_dc)


def _charging(station: Station) -> list[Connector]:
    return [one for one in station.connectors if one.transaction is not None and one.now > 1500 and one.car]


@family("limit-ignored", "energy", (1, 3), suits=_has_power)
def ignored(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The station accepts a limit and takes more."""
    yield from charging(site, station, episode)
    site.engine.spawn(busy(site, station, episode))
    station.faults.set(episode, ignore_limit=True)
    while seconds_left(site, episode) > 0:
        for connector in _charging(station):
            if connector.limit is None:
                yield station.set_limit(connector, connector.now * between(0.8, 0.2, episode.magnitude))
        yield 20.0
    station.faults.clear("ignore_limit")


@family("profile-thrash", "energy", (0.2, 1))
def thrash(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The limit goes up and down every few seconds."""
    yield from charging(site, station, episode)
    every = between(30, 3, episode.magnitude)
    connector = next((one for one in station.connectors if one.transaction is not None), None)
    high = True
    while connector is not None and connector.transaction is not None and seconds_left(site, episode) > 0:
        if station.line.up:
            episode.shows(site.engine.now)
            share = random.uniform(0.7, 1.0) if high else random.uniform(0.15, 0.4)
            yield station.set_limit(connector, connector.power * share)
            high = not high
        yield every * random.uniform(0.7, 1.3)


@family("stuck-at-zero", "energy", (1, 3))
def stuck(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A limit of nothing is set while a car wants more, and never lifted."""
    yield from charging(site, station, episode)
    for connector in _charging(station):
        yield station.set_limit(connector, 0.0)
        station.faults.set(episode, stuck_zero=True, paused_at=site.engine.now)
        if not isinstance(station.dialect, Dialect16):
            yield station.change(connector, "ChargingStateChanged", "SuspendedEVSE")
        else:
            yield station.tell(connector, "SuspendedEVSE")
        connector.status = "SuspendedEVSE"
    yield seconds_left(site, episode)
    station.faults.clear("stuck_zero", "paused_at")
    for connector in station.connectors:
        if connector.limit is not None:
            yield station.set_limit(connector, None)
        if connector.status == "SuspendedEVSE":
            yield _resumes(station, connector)


def _resumes(station: Station, connector: Connector) -> float:
    if isinstance(station.dialect, Dialect16):
        return station.tell(connector, "Charging")
    connector.status = "Charging"
    return station.change(connector, "ChargingStateChanged", "Charging")


@family("site-over-limit", "energy", (1, 3), wide=True, suits=_has_power)
def over(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """All together take more than the site's limit, which every station was told."""
    for other in site.stations:
        site.engine.spawn(busy(site, other, episode))
    yield from charging(site, station, episode)
    total = sum(connector.power for other in site.stations for connector in other.connectors)
    limit = total * between(0.3, 0.08, episode.magnitude)
    purpose = "ChargePointMaxProfile"
    for other in site.stations:
        if other.line.up:
            yield _site_limit(other, limit, purpose)
    while seconds_left(site, episode) > 0:
        drawn = sum(connector.now for other in site.stations for connector in other.connectors)
        if drawn > limit * 1.05:
            episode.shows(site.engine.now)
        yield 30.0
    for other in site.stations:
        yield _lift(other)


def _lift(station: Station) -> float:
    if isinstance(station.dialect, Dialect16):
        return station.asked("ClearChargingProfile", {"id": 1}, {"status": "Accepted"})
    return station.asked("ClearChargingProfile", {"chargingProfileId": 1}, {"status": "Accepted"})


def _site_limit(station: Station, watts: float, purpose: str) -> float:
    """What every station of the site is told; none of them takes it alone."""
    unit = "W"
    value = round(watts, 1)
    profile = station.dialect.profile(1, value, unit, purpose, None)
    if isinstance(station.dialect, Dialect16):
        ask: dict[str, object] = {"connectorId": 0, "csChargingProfiles": profile}
    else:
        ask = {"evseId": 0, "chargingProfile": profile}
    return station.asked("SetChargingProfile", ask, {"status": "Accepted"})
