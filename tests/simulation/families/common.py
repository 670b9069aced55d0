"""What several families need: somebody who charges at the right time, a fault for a while, the site's lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.simulation.engine import Process
from tests.simulation.episodes import Episode
from tests.simulation.line import Line
from tests.simulation.station import Station

if TYPE_CHECKING:
    from tests.simulation.site import Site


def between(low: float, high: float, share: float) -> float:
    """From ``low`` (subtle) to ``high`` (blatant)."""
    return low + (high - low) * share


def seconds_left(site: Site, episode: Episode) -> float:
    return max((episode.end - site.engine.now) / 1e9, 0.0)


def busy(site: Site, station: Station, episode: Episode) -> Process:
    """Drivers keep coming as long as the episode lasts, as one that nobody charges in shows nothing."""
    while seconds_left(site, episode) > 0:
        for connector in station.connectors:
            if connector.transaction is None and connector.wanted == 0:
                connector.wanted = 1
        yield 120.0


def charging(site: Site, station: Station, episode: Episode, patience: float = 3600.0) -> Process:
    """Wait until somebody charges there (and see to it that somebody comes)."""
    waited = 0.0
    while waited < patience and not any(one.transaction and one.now > 500 for one in station.connectors):
        for connector in station.connectors:
            if connector.transaction is None and connector.wanted == 0:
                connector.wanted = 1
        yield 20.0
        waited += 20.0


def with_fault(site: Site, station: Station, episode: Episode, *, starts: bool = False, **values: object) -> Process:
    """A fault for as long as the episode lasts, with drivers to show it. ``starts``: it shows when sessions begin, so
    that nobody stays for long."""
    station.faults.set(episode, **values)
    station.hurry = starts
    site.engine.spawn(busy(site, station, episode))
    yield seconds_left(site, episode)
    station.hurry = False
    station.faults.clear(*values)


def lines(site: Site) -> Iterator[Line]:
    for life in site.lives:
        yield life.line
