"""The way to the CSMS changes, gets worse or is gone."""

from __future__ import annotations

from copy import copy
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.engine import Process
from tests.simulation.episodes import Episode, family
from tests.simulation.families.common import between, lines, seconds_left
from tests.simulation.station import Station
from tests.simulation.wan import KINDS, Kind, Uplink

if TYPE_CHECKING:
    from tests.simulation.site import Site


def _other(site: Site, kind: Kind, random: Random) -> Uplink:
    return Uplink(kind, random, f"198.51.100.{random.randrange(20, 200)}")


def _keep(site: Site) -> Uplink:
    """The uplink as it is, to go back to."""
    return copy(site.uplink)


def _elsewhere(site: Site, hops: int) -> None:
    """Another way has another number of routers on it, which shows in the time to live of what comes."""
    for line in lines(site):
        line.far_ttl -= hops


def _some_hops(random: Random) -> int:
    """Ways of two operators differ by a few routers, and now and then by none."""
    return random.randrange(-4, 5)


@family("uplink-switch", "connectivity", (0.5, 4), wide=True, encrypted=True)
def switch(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The router goes over to another uplink; the connections break, and come again by the new way."""
    back = _keep(site)
    kinds = [kind for kind in KINDS if kind != site.uplink.kind]
    kept = random.random() < 0.4
    """Without a new address (a tunnel, or the router's own): connections live on, only the way is another."""
    if not kept:
        for line in lines(site):
            line.lose_answers()
        episode.shows(site.engine.now)
        yield random.uniform(1, 12)
    site.uplink.become(_other(site, random.choice(kinds), random))
    hops = 0 if kept else _some_hops(Random(site.uplink.address))
    _elsewhere(site, hops)
    site.engine.spawn(_first_word(site, episode))
    if not kept:
        yield from _renew(site, random)
    yield seconds_left(site, episode)
    site.uplink.become(back)
    _elsewhere(site, -hops)
    if not kept:
        yield from _renew(site, random)


def _renew(site: Site, random: Random) -> Process:
    """What was open is reset, line by line."""
    for line in lines(site):
        line.drop(random.choice(("rst", "fin")), by_client=random.random() < 0.6)
        yield random.uniform(0.0, 1.5)


@family("satellite-step", "connectivity", (0.3, 3), wide=True, encrypted=False)
def step(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The round trip takes much longer at once, nothing breaks."""
    site.engine.spawn(_first_word(site, episode))
    site.uplink.extra = between(0.25, 0.9, episode.magnitude) * (1.5 if site.uplink.kind == "geo" else 1.0)
    yield seconds_left(site, episode)
    site.uplink.extra = 0.0


@family(
    "nat-idle-kill",
    "connectivity",
    (2, 6),
    encrypted=True,
    repeats=True,
    suits=lambda station: station.vendor.pings == 0,
)
def nat_idle(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A router on the way forgets a connection that has been silent for a while."""
    after = between(0.8, 0.3, episode.magnitude) * min(station.heartbeat, 600)
    line = station.line
    while seconds_left(site, episode) > 0:
        quiet = (site.engine.now - station.last_said) / 1e9
        if line.up and quiet > after:
            episode.shows(site.engine.now)
            line.lose_answers()
            line.drop("rst", by_client=False)
        yield 5.0


@family("blackhole", "connectivity", (0.15, 1.5), wide=True, encrypted=True)
def blackhole(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Everything leaves, nothing comes."""
    site.calm = False
    site.uplink.down = "silent"
    for line in lines(site):
        line.lose_answers()
    site.engine.spawn(_notice(site, station, episode))
    for life in site.lives:
        site.engine.spawn(life.hangs_up(random.uniform(25, 90)))
    yield seconds_left(site, episode)
    site.uplink.down = ""
    site.calm = True
    for life in site.lives:
        if life.line.open is not None and life.line.open.useless:
            life.line.drop("rst", by_client=False)


def _first_word(site: Site, episode: Episode) -> Process:
    """A longer way shows with the first thing that is said after the change."""
    began = site.engine.now
    while seconds_left(site, episode) > 0:
        latest = max(line.last_sent for line in lines(site))
        if latest >= began:
            episode.shows(latest)
            return
        yield 0.5


def _notice(site: Site, station: Station, episode: Episode) -> Process:
    """The evidence begins with the first word that gets no answer."""
    began = site.engine.now
    while seconds_left(site, episode) > 0:
        for line in lines(site):
            said = line.open is not None and any(call.time >= began for call in line.open.unanswered)
            if said or (line.open is None and site.engine.now - began > 2_000_000_000):
                episode.shows(site.engine.now)
                return
        yield 0.5


def _without(site: Site, mode: str, episode: Episode, random: Random, how: str = "rst") -> Process:
    """Connections break, and new ones fail in one way for as long as it lasts."""
    site.calm = False
    site.uplink.down = mode  # type: ignore[assignment]  # one of those it names
    for line in lines(site):
        line.drop("rst" if how == "rst" else "fin", by_client=how == "rst")
    episode.shows(site.engine.now)
    yield seconds_left(site, episode)
    site.uplink.down = ""
    site.calm = True


@family("dns-failure", "connectivity", (0.2, 2), wide=True, encrypted=True)
def dns(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """After the connections have broken, the CSMS's name cannot be resolved: nobody even tries to connect."""
    yield from _without(site, "nameless", episode, random)


@family("csms-unreachable", "connectivity", (0.2, 1.5), wide=True, encrypted=True)
def unreachable(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The CSMS refuses connections for much longer than a restart takes."""
    yield from _without(site, "refused", episode, random, "fin")


@family("tls-clock-failure", "connectivity", (0.3, 2), encrypted=True, suits=lambda station: station.line.encrypted)
def tls_clock(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The station's clock is wrong after a restart: it takes the CSMS's certificate for expired."""
    life = site.life_of(station)
    true = station.line.uplink
    wrong = copy(true)
    wrong.down = "tls"
    station.line.uplink = wrong
    life.power_off()
    life.power_on(20.0)
    yield 20.5
    episode.shows(site.engine.now)
    yield seconds_left(site, episode)
    station.line.uplink = true


@family("sim-switch", "connectivity", (0.5, 5), wide=True, encrypted=True)
def sim_switch(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """The other SIM, because the first has no network: a gap, then another address and other round trips."""
    back = _keep(site)
    site.calm = False
    site.uplink.down = "silent"
    for line in lines(site):
        line.lose_answers()
    site.engine.spawn(_notice(site, station, episode))
    yield random.uniform(15, 120)
    site.uplink.down = ""
    fresh = _other(site, "lte", random)
    fresh.rtt_median = back.rtt_median * between(1.8, 6, episode.magnitude)
    site.uplink.become(fresh)
    hops = _some_hops(Random(fresh.address))
    _elsewhere(site, hops)
    episode.shows(site.engine.now)
    yield from _renew(site, random)
    yield seconds_left(site, episode)
    site.uplink.become(back)
    _elsewhere(site, -hops)
    yield from _renew(site, random)
    site.calm = True


@family("flapping", "connectivity", (0.5, 3), encrypted=True, repeats=True)
def flapping(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """A connection comes and goes."""
    mean = between(400, 40, episode.magnitude)
    while seconds_left(site, episode) > 0:
        if station.line.up:
            episode.shows(site.engine.now)
            station.line.drop(random.choice(("rst", "fin")), by_client=random.random() < 0.5)
        yield max(random.expovariate(1 / mean), 8.0)


@family("captive-portal", "connectivity", (0.2, 2), wide=True, encrypted=True)
def captive(site: Site, station: Station, episode: Episode, random: Random) -> Process:
    """Somebody else answers in the CSMS's place: a data limit is used up."""
    yield from _without(site, "captive", episode, random)
