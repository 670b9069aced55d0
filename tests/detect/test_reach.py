"""Connections, the way to the CSMS and the far end: what is told of them, and what is not."""

from __future__ import annotations

from random import Random

import pytest

from fieldkit.detect.deadlines import Deadlines
from fieldkit.detect.fusion import Fusion
from fieldkit.detect.symptom import SITE, Symptom
from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    Endpoint,
    PathSample,
    TlsAlert,
    TlsCertificates,
    TlsHello,
)
from tests.detect.talk import SECOND, Site
from tests.detect.test_fusion import names, sign, told

AB = ("CP_A", "CP_B")
ABC = ("CP_A", "CP_B", "CP_C")
HOUR = 3600
CSMS = Endpoint("203.0.113.5", 443)


def families(site: Site) -> set[str]:
    return {family for _, family in site.found()}


def attempt(site: Site, address: str, seconds: float) -> None:
    """A connection that nobody answers."""
    connection = Connection(
        900 + site.frame, Endpoint(address, 50_000), Endpoint("203.0.113.5", 80), site.now, False, "x"
    )
    site.feed(ConnectionOpened(site.now, site._frames(), connection))
    site.wait(seconds)


def sample(site: Site, name: str, milliseconds: float, ttl: int, kind: str = "ack") -> None:
    connection = site.channels[name].connection
    assert connection is not None
    rtt = int(milliseconds * SECOND / 1000)
    site.feed(PathSample(site.now, site._frames(), connection, True, kind, rtt, ttl))  # type: ignore[arg-type]


def walk(site: Site, rounds: int, way: dict[str, tuple[float, int]], chance: Random, outliers: float = 0.03) -> None:
    """Round trips of all stations, one a minute; some take five times as long."""
    for _ in range(rounds):
        for name, (milliseconds, ttl) in way.items():
            long = 5.0 if chance.random() < outliers else chance.uniform(0.9, 1.1)
            sample(site, name, milliseconds * long, ttl)
        site.wait(60)


def again(site: Site, number: int, name: str, way: tuple[float, int]) -> None:
    site.drop(name, "rst", by_client=False)
    site.wait(1).connect(name, f"192.168.7.{10 + number}")
    sample(site, name, way[0], way[1], "handshake")


# ------------------------------------------------------------------------------------------------------------- the way


def test_single_long_round_trips_are_nothing() -> None:
    site = Site(*ABC)
    walk(site, 400, dict.fromkeys(ABC, (40.0, 52)), Random(1))
    assert site.found() == []


def test_the_way_becomes_longer_for_all() -> None:
    site, chance = Site(*ABC), Random(2)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance)
    walk(site, 6, dict.fromkeys(ABC, (600.0, 52)), chance)
    (incident,) = site.incidents()
    assert (incident.station, incident.family_name) == (SITE, "satellite-step")
    assert "before it was 4" in incident.explanation


def test_the_former_way_again_is_nothing_new_and_the_other_one_again_is() -> None:
    site, chance = Site(*ABC), Random(8)
    near, far = dict.fromkeys(ABC, (40.0, 52)), dict.fromkeys(ABC, (600.0, 52))
    walk(site, 60, near, chance)
    walk(site, 90, far, chance)
    walk(site, 90, near, chance)
    assert len(site.detector.incidents) == 1
    walk(site, 10, far, chance)
    assert site.found() == [(SITE, "satellite-step")] * 2


def test_the_way_is_another_one_after_all_connections_broke() -> None:
    site, chance = Site(*ABC), Random(3)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance)
    for number, name in enumerate(ABC):
        again(site, number, name, (62.0, 52))
    walk(site, 3, dict.fromkeys(ABC, (62.0, 52)), chance)
    assert site.found() == [(SITE, "uplink-switch")]


def test_another_number_of_routers_after_all_connections_broke() -> None:
    site, chance = Site(*ABC), Random(4)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance)
    for number, name in enumerate(ABC):
        again(site, number, name, (40.0, 49))
    walk(site, 3, dict.fromkeys(ABC, (40.0, 49)), chance)
    (incident,) = site.incidents()
    assert (incident.station, incident.family_name) == (SITE, "uplink-switch")
    assert "3 routers more" in incident.explanation


def test_connections_that_break_and_come_back_the_same_way_are_nothing() -> None:
    site, chance = Site(*ABC), Random(5)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance)
    for number, name in enumerate(ABC):
        again(site, number, name, (41.0, 52))
    walk(site, 10, dict.fromkeys(ABC, (40.0, 52)), chance)
    assert site.found() == []


def test_another_route_without_a_break_is_nothing() -> None:
    site, chance = Site(*ABC), Random(6)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance)
    walk(site, 30, dict.fromkeys(ABC, (40.0, 50)), chance)
    assert site.found() == []


def test_one_station_alone_goes_a_longer_way() -> None:
    """A transparent machine in between: same address, one router more, and it takes its time."""
    site, chance = Site(*ABC), Random(7)
    walk(site, 60, dict.fromkeys(ABC, (40.0, 52)), chance, 0.0)
    walk(site, 8, {"CP_A": (95.0, 51), "CP_B": (40.0, 52), "CP_C": (40.0, 52)}, chance, 0.0)
    assert site.found() == [("CP_A", "man-in-the-middle")]


# --------------------------------------------------------------------------------------------------------- the far end


def handshake(
    site: Site,
    address: str,
    chain: bytes,
    *,
    server: Endpoint = CSMS,
    name: str = "csms.example",
    refused: bool = False,
) -> Connection:
    """An encrypted connection that nobody can read. ``refused``: the station does not take the certificate."""
    connection = Connection(500 + site.frame, Endpoint(address, 40_000), server, site.now, False, "x")
    site.feed(ConnectionOpened(site.now, site._frames(), connection))
    for from_client in (True, False):
        called = name if from_client else ""
        site.feed(
            TlsHello(site.now, site._frames(), connection, from_client, 0x0303, (0x0303,), (0xC02F,), (), (), (), (),
                     called, (), False, False)
        )  # fmt: skip
    site.feed(TlsCertificates(site.now, site._frames(), connection, False, (chain,)))
    site.wait(0.1)
    if refused:
        site.feed(TlsAlert(site.now, site._frames(), connection, True, True, 48, "unknown_ca"))
        site.feed(ConnectionClosed(site.now, site._frames(), connection, "fin", True))
        return connection
    site.wait(30)
    return connection


def sealed(*addresses: str) -> Site:
    site = Site()
    for address in addresses:
        handshake(site, address, b"true")
    return site.wait(HOUR)


def test_another_certificate_that_is_taken_is_somebody_in_between() -> None:
    site = sealed("192.168.7.10", "192.168.7.11")
    handshake(site, "192.168.7.10", b"false")
    handshake(site, "192.168.7.11", b"true")
    assert ("192.168.7.10", "man-in-the-middle") in site.found()


def test_another_certificate_that_is_refused_is_something_else() -> None:
    site = sealed("192.168.7.10", "192.168.7.11")
    for _ in range(3):
        handshake(site, "192.168.7.10", b"false", refused=True)
    assert families(site) == {"captive-portal"}


def test_the_same_name_at_an_address_inside() -> None:
    site = sealed("192.168.7.10", "192.168.7.11")
    handshake(site, "192.168.7.10", b"true", server=Endpoint("192.168.7.66", 443))
    assert ("192.168.7.10", "man-in-the-middle") in site.found()


def test_several_front_ends_with_certificates_of_their_own_are_nothing() -> None:
    site = Site()
    other = Endpoint("203.0.113.6", 443)
    handshake(site, "192.168.7.10", b"one")
    handshake(site, "192.168.7.11", b"two", server=other)
    site.wait(HOUR)
    handshake(site, "192.168.7.10", b"two", server=other)
    handshake(site, "192.168.7.11", b"one")
    assert site.found() == []


def test_other_servers_of_a_site_are_other_names() -> None:
    site = sealed("192.168.7.10", "192.168.7.11")
    for number in range(6):
        server = Endpoint(f"198.51.100.{number}", 443)
        connection = handshake(site, "192.168.7.30", bytes([number]), server=server, name=f"cdn{number}.example")
        site.feed(ConnectionClosed(site.now, site._frames(), connection, "rst", False))
    site.wait(HOUR)
    handshake(site, "192.168.7.31", b"x")
    assert site.found() == []


# --------------------------------------------------------------------------------------------- boots, attempts, answers


def test_one_identity_at_two_addresses_in_turns() -> None:
    site = Site(*AB).pass_time(HOUR)
    first = site.channels["CP_A"].connection
    site.connect("CP_A", "192.168.7.99")
    assert first is not None
    site.feed(ConnectionClosed(site.now, site._frames(), first, "fin", False))  # the CSMS keeps the newer one
    site.wait(5).connect("CP_A", "192.168.7.10")
    assert ("CP_A", "cloned-station") in site.found()


def test_two_devices_that_speak_at_the_same_time() -> None:
    site = Site(*AB).pass_time(HOUR)
    first = site.channels["CP_A"]
    site.connect("CP_A", "192.168.7.99")
    site.wait(8)
    site.channels["CP_A"] = first
    site.beat("CP_A")
    assert ("CP_A", "cloned-station") in site.found()


def test_a_station_that_gets_another_address_is_one() -> None:
    site = Site(*AB).pass_time(HOUR)
    site.connect("CP_A", "192.168.7.99")
    site.pass_time(HOUR)
    assert "cloned-station" not in families(site)


def test_a_make_that_boots_with_every_connection_does_not_restart() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(6):
        site.drop("CP_A", "rst", by_client=False)
        site.wait(5).connect("CP_A", "192.168.7.10")
        site.boot("CP_A")
        site.pass_time(120)
    assert families(site) == {"flapping"}


def test_stations_that_tried_in_vain_had_power() -> None:
    """Both begin anew when the uplink is back, as their make does; they had been trying all the time."""
    site = Site(*AB).pass_time(HOUR)
    site.channels.clear()
    for _ in range(8):
        attempt(site, "192.168.7.10", 15)
        attempt(site, "192.168.7.11", 15)
    for number, name in enumerate(AB):
        site.connect(name, f"192.168.7.{10 + number}")
        site.boot(name)
    site.pass_time(600)
    assert families(site) == {"blackhole"}


def test_attempts_that_are_refused_are_not_in_vain() -> None:
    site = Site(*AB).pass_time(HOUR)
    for _ in range(3):
        site.connect("CP_A", "192.168.7.10", status=401)
        site.wait(25)
    site.pass_time(120)
    assert "blackhole" not in families(site)


def refusals(site: Site, name: str, number: int, seconds: float, pause: float) -> None:
    end = site.now + int(seconds * SECOND)
    while site.now < end:
        address = f"192.168.7.{10 + number}"
        connection = Connection(
            700 + site.frame, Endpoint(address, 51_000), Endpoint("203.0.113.5", 80), site.now, False, "x"
        )
        site.feed(ConnectionOpened(site.now, site._frames(), connection))
        site.feed(ConnectionClosed(site.now, site._frames(), connection, "refused", False))
        site.wait(pause)


@pytest.mark.parametrize(("lasts", "family"), [(30, "csms-restart"), (400, "csms-unreachable")])
def test_a_csms_that_refuses_for_a_while_or_for_long(lasts: float, family: str) -> None:
    site = Site(*AB).pass_time(HOUR)
    for name in AB:
        site.drop(name, "fin", by_client=False)
    site.wait(1)
    refusals(site, "CP_A", 0, lasts, 6)
    site.wait(250)  # a station that has been refused waits for minutes before it tries again
    for number, name in enumerate(AB):
        site.connect(name, f"192.168.7.{10 + number}")
    site.pass_time(600)
    assert families(site) == {family}


# ------------------------------------------------------------------------------------------------------- remote starts


def charged(site: Site, number: int) -> None:
    """A charge that begins with a card."""
    site.status("CP_A", "Preparing")
    site.start("CP_A", f"CARD{number % 3}", 1000 * number, number)
    site.pass_time(600, every=300)
    site.stop("CP_A", 1000 * number + 10, number)
    site.status("CP_A", "Available")
    site.pass_time(600, every=300)


def told_of_a_start(status: str) -> list[float]:
    site = Site(*AB)
    for number in range(1, 13):
        charged(site, number)
    site.status("CP_A", status)
    site.ask("CP_A", "RemoteStartTransaction", {"connectorId": 1, "idTag": "STRANGER"})
    site.wait(1).beat("CP_B")
    return [one.confidence for one in site.detector.incidents if one.family_name == "unauthorised-remote-start"]


def test_a_start_from_afar_where_nobody_stands() -> None:
    assert told_of_a_start("Available") != []
    assert told_of_a_start("Preparing") == []


# ---------------------------------------------------------------------------------------------------------- incidents


def test_thousands_of_incidents_make_a_sign_no_dearer() -> None:
    """Counted, not timed: how many incidents are looked at for one more sign of a station."""
    deadlines = Deadlines()
    fusion = Fusion(deadlines)
    for number in range(1800):
        time = number * SECOND
        fusion.add(Symptom(time, f"CP_{number % 300}", ("message-flood", "tag-enumeration", "cloned-tag")[number // 600],
                           0.8, "x"))  # fmt: skip
    assert len(fusion.incidents) == 900
    assert len({incident.number for incident in fusion.incidents}) == 900
    assert len(fusion._concerning("CP_7")) == 3
    assert fusion.is_open("CP_7")
    deadlines.run(10_000 * SECOND)
    assert not fusion.is_open("CP_7")
    assert fusion.open == []


def test_what_is_merely_unusual_is_not_told_beside_what_it_is() -> None:
    assert names(told(sign("flapping", 1), sign("unusual-energy", 60))) == [("CP_1", "flapping")]
    assert len(told(sign("clock-sync", 1), sign("unusual-energy", 60))) == 2
    assert len(told(sign("flapping", 1), sign("unusual-energy", 60, station="CP_2"))) == 2


def test_why_the_site_is_offline_is_told_by_its_stations() -> None:
    assert names(told(sign("station-offline", 1, station=SITE), sign("dns-failure", 16))) == [(SITE, "dns-failure")]


def test_whether_an_unknown_station_is_there_or_not_is_no_news() -> None:
    assert names(told(sign("unknown-station", 1), sign("dns-failure", 5 * HOUR))) == [("CP_1", "unknown-station")]


def test_answers_take_another_time_since_all_connections_broke() -> None:
    site = Site(*ABC).pass_time(2 * HOUR)
    for number, name in enumerate(ABC):
        site.drop(name, "rst", by_client=False)
        site.wait(1).connect(name, f"192.168.7.{10 + number}")
    for _ in range(12):
        for name in ABC:
            site.beat(name, took=0.6)
        site.wait(20)
    (incident,) = site.incidents()
    assert (incident.station, incident.family_name) == (SITE, "uplink-switch")
    assert "before it took 100 ms" in incident.explanation


def test_answers_that_take_as_long_as_before_are_nothing() -> None:
    site = Site(*ABC).pass_time(2 * HOUR)
    for number, name in enumerate(ABC):
        site.drop(name, "rst", by_client=False)
        site.wait(1).connect(name, f"192.168.7.{10 + number}")
    site.pass_time(HOUR)
    assert site.found() == []
