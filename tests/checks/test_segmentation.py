"""Whom a station reaches, and who reaches it."""

from __future__ import annotations

import pytest

from fieldkit.events import Endpoint
from fieldkit.session import Session
from tests.checks.test_failover import failover
from tests.site.pathscript import Script

CSMS = Endpoint("10.10.0.5", 9000)
"""A CSMS on the site, as depots have it."""


def site() -> tuple[Script, Script]:
    session = Session()
    first, second = Script("CP_1", session=session), Script("CP_2", session=session, numbers=1000)
    for script, address in ((first, "192.168.1.50"), (second, "192.168.1.51")):
        script.talk(script.connected(address=address, server=CSMS), 3)
    return first, second


@pytest.mark.parametrize(
    ("client", "server", "expected"),
    [
        ("192.168.1.50", Endpoint("192.168.1.51", 502), "segmentation.station-reaches-station"),
        ("192.168.1.50", Endpoint("192.168.1.1", 22), "segmentation.station-reaches-admin"),
        ("192.168.1.50", Endpoint("10.10.0.9", 443), "segmentation.station-reaches-admin"),
        ("192.168.1.77", Endpoint("192.168.1.50", 80), "segmentation.station-is-reached"),
        ("192.168.1.50", Endpoint("93.184.216.34", 443), ""),
        ("192.168.1.50", Endpoint("192.168.1.1", 53), ""),
        ("192.168.1.50", CSMS, ""),
        ("192.168.1.50", Endpoint(CSMS.address, 443), ""),
        ("192.168.1.77", Endpoint("192.168.1.1", 22), ""),
    ],
    ids=[
        "another station", "the router's log-in", "a server of the site", "a station is reached", "the internet", "DNS",
        "the CSMS", "another port of the CSMS", "others among themselves",
    ],
)  # fmt: skip
def test_answered_connections_inside_of_the_site(client: str, server: Endpoint, expected: str) -> None:
    script, _ = site()
    script.answered(script.dials(address=client, server=server), rtt=0.001)
    assert set(failover(script)) == ({expected} if expected else set())


def test_what_is_not_answered_was_kept_apart() -> None:
    script, _ = site()
    script.ends(script.dials(server=Endpoint("192.168.1.1", 22)), "no-answer")
    assert failover(script) == {}


def test_behind_a_router_an_address_is_not_the_station() -> None:
    script = Script()
    script.talk(script.connected(server=CSMS, ttl=63), 3)
    script.answered(script.dials(server=Endpoint("192.168.1.1", 22)), rtt=0.001, ttl=63)
    assert failover(script) == {}


def test_a_test_bench_is_no_site() -> None:
    """Station and CSMS on one machine."""
    script = Script()
    script.talk(script.connected(address=CSMS.address, server=CSMS), 3)
    script.answered(script.dials(address=CSMS.address, server=Endpoint("10.10.0.9", 22)), rtt=0.001)
    assert failover(script) == {}
