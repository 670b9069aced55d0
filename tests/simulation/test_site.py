"""Simulated sites keep what they promise: the same seed gives the same, energy adds up, and what is said is legal."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from itertools import cycle
from typing import Any

import pytest

from fieldkit.events import ConnectionClosed, ConnectionOpened, Event, Exchange, MessageType, OcppMessage
from fieldkit.session import Session
from tests.simulation.families import FAMILIES
from tests.simulation.site import Generator, Site
from tests.traffic.decoded import schemas

GENERATORS: tuple[Generator, ...] = ("first", "second")
SHORT = 0.3
"""Days."""


def signature(site: Site) -> list[tuple[Any, ...]]:
    """Times, kinds and texts of everything."""
    return [
        (time, type(event).__name__, getattr(event, "raw", ""), getattr(event, "rtt", 0))
        for time, event in site.events()
    ]


@cache
def day(generator: Generator, seed: int) -> tuple[Site, tuple[Event, ...]]:
    """A benign day of two chargers on a whole uplink."""
    site = Site(seed, 1.0, generator=generator, chargers=2, whole=True)
    return site, tuple(event for _, event in site.events())


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_seed_gives_the_same_site_each_time_and_another_seed_another(generator: Generator) -> None:
    names = ["message-flood", "blackhole", "derating"]
    one, two = (Site(3, SHORT, generator=generator, chargers=2, families=names) for _ in range(2))
    assert signature(one) == signature(two)
    assert one.episodes == two.episodes
    assert signature(Site(4, SHORT, generator=generator, chargers=2, families=names)) != signature(
        Site(3, SHORT, generator=generator, chargers=2, families=names)
    )


@pytest.mark.parametrize("generator", GENERATORS)
def test_events_come_in_the_order_of_time_and_within_the_days_asked_for(generator: Generator) -> None:
    site, events = day(generator, 1)
    times = [event.time for event in events]
    assert times == sorted(times)
    assert site.begin <= times[0] <= times[-1] < site.end
    assert all(time % 1000 == 0 for time in times), "a capture in microseconds could not say these times"


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("seed", [1, 2])
def test_payloads_fit_the_schemas_of_their_version(generator: Generator, seed: int) -> None:
    _, events = day(generator, seed)
    known, checked = schemas(), 0
    for message in events:
        if isinstance(message, OcppMessage) and message.type in (MessageType.CALL, MessageType.CALLRESULT):
            answer = message.type is MessageType.CALLRESULT
            assert known.check(message.channel.version, message.action, answer, message.payload) == (), message.raw
            checked += 1
    assert checked > 300


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_checks_have_nothing_to_warn_of_on_a_day_without_episodes(generator: Generator, seed: int) -> None:
    """Among them those of status transitions, registers, meter times, limits, heartbeats, sequence numbers."""
    _, events = day(generator, seed)
    session = Session()
    session.feed(events)
    session.finish()
    assert not session.failed_checks
    grave = [(found.kind.id, found.explanation()) for found in session.findings if found.severity != "info"]
    assert grave == []


@pytest.mark.parametrize("generator", GENERATORS)
def test_what_the_registers_say_is_what_flowed(generator: Generator) -> None:
    site, events = day(generator, 2)
    registers: dict[tuple[str, int], list[float]] = defaultdict(list)
    for event in events:
        if (
            not isinstance(event, OcppMessage)
            or event.type is not MessageType.CALL
            or not isinstance(event.payload, dict)
        ):
            continue
        place = (
            event.payload.get("connectorId") or event.payload.get("evse", {}).get("id") or event.payload.get("evseId")
        )
        for value in event.payload.get("meterValue", ()):
            for sample in value["sampledValue"]:
                if (
                    sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
                    and place
                ):
                    registers[event.channel.station, place].append(float(sample["value"]))
    assert registers
    flowed = 0.0
    for station in site.stations:
        for connector in station.connectors:
            seen = registers.get((station.name, connector.number))
            if seen:
                assert seen == sorted(seen)
                # The last sample may stand before the last seconds of a session.
                assert seen[-1] - seen[0] <= connector.true_wh + 1
                flowed += connector.true_wh
                assert connector.true_wh - (seen[-1] - seen[0]) <= connector.power * 3 / 60 + 1
    assert flowed > 1000


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_call_is_answered_once_by_the_other_side(generator: Generator) -> None:
    _, events = day(generator, 2)
    exchanges = [event for event in events if isinstance(event, Exchange)]
    answered = Counter(id(exchange.call) for exchange in exchanges)
    assert max(answered.values()) == 1
    for exchange in exchanges:
        assert exchange.answer.call is exchange.call
        assert exchange.answer.sender != exchange.call.sender
        assert exchange.time > exchange.call.time
    calls = [event for event in events if isinstance(event, OcppMessage) and event.type is MessageType.CALL]
    assert len(calls) - len(exchanges) <= 6, "those under way when the capture ended"


def test_both_generators_and_many_seeds_differ_in_vendors_ids_intervals_and_uplinks() -> None:
    sites = [Site(seed, 0.1, generator=generator) for generator in GENERATORS for seed in range(30)]
    vendors = {
        generator: {station.vendor.name for site in sites if site.generator == generator for station in site.stations}
        for generator in GENERATORS
    }
    assert not vendors["first"] & vendors["second"]
    stations = [station for site in sites for station in site.stations]
    assert {station.dialect.version for station in stations} == {"1.6", "2.0.1", "2.1"}
    assert {site.uplink.kind for site in sites} == {"broadband", "lte", "geo", "leo"}
    assert {station.vendor.is_dc for station in stations} == {True, False}
    assert len({station.heartbeat for station in stations}) > 6
    assert len({station.meter_interval for station in stations}) > 5
    assert len({len(station.name) for station in stations}) > 3


@cache
def without(generator: Generator, seed: int, encrypted: bool) -> Counter[tuple[Any, ...]]:
    return Counter(signature(Site(seed, SHORT, generator=generator, chargers=2, encrypted=encrypted)))


@pytest.mark.parametrize("name, generator", zip(sorted(FAMILIES), cycle(GENERATORS)))
def test_an_episode_of_every_family_changes_what_can_be_seen_from_its_first_evidence_on(
    name: str, generator: Generator
) -> None:
    encrypted = name == "tls-clock-failure"
    for seed in range(40, 70):
        site = Site(
            seed, SHORT, generator=generator, chargers=2, encrypted=encrypted, families=[f"{name}@0.8"], quiet=0.05
        )
        if not site.planned:
            continue  # no station here that it can happen to
        seen = Counter(signature(site))
        if not site.episodes:
            continue  # nobody came at the right time
        (episode,) = site.episodes
        assert episode.category == FAMILIES[name].category
        assert episode.first_evidence is not None
        assert episode.start <= episode.first_evidence <= episode.end
        changed = seen - without(generator, seed, encrypted)
        if any(entry[0] >= episode.first_evidence - 5_000_000_000 for entry in changed):
            return
    pytest.fail(f"{name} could be seen at none of 30 sites")


def test_of_tls_without_keys_connections_and_round_trips_remain() -> None:
    site = Site(5, SHORT, chargers=2, encrypted=True, families=["flapping@0.9"])
    kinds = Counter(type(event).__name__ for _, event in site.events())
    assert not {"OcppMessage", "Exchange", "HttpRequest", "WsControl"} & set(kinds)
    assert {"ConnectionOpened", "ConnectionClosed", "TlsHello", "TlsCertificates", "TlsOpaque", "PathSample"} <= set(
        kinds
    )
    assert site.episodes


def test_a_power_cut_takes_all_stations_and_brings_them_back() -> None:
    site = Site(6, SHORT, chargers=4, families=["power-cut"], whole=True)
    opened: list[int] = []
    closed: list[int] = []
    for time, event in site.events():
        if isinstance(event, ConnectionOpened):
            opened.append(time)
        elif isinstance(event, ConnectionClosed):
            closed.append(time)
    (episode,) = site.episodes
    assert sum(episode.start < time for time in opened) == 4
    assert not any(episode.start <= time < site.engine.seen for time in closed), "without power nobody says good-bye"
