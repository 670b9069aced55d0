"""What routers tell of their uplinks: stuck on the backup, SIMs in a loop, a common cause."""

from __future__ import annotations

from collections.abc import Sequence

from fieldkit.events import Endpoint, StrayReset
from fieldkit.links.uplink import Happening, LinkEvent
from tests.checks.test_failover import failover
from tests.site.pathscript import Script
from tests.traffic.segments import SECOND

MINUTE = 60


def told(minute: float, what: Happening, uplink: str, before: str = "", after: str = "") -> tuple[float, LinkEvent]:
    return minute, LinkEvent(0, "openwrt", what, uplink, f"{uplink}: {what}", before, after)


def judged(events: Sequence[tuple[float, LinkEvent]], minutes: float = 60) -> dict[str, str]:
    """The findings, with their explanations, of an hour in which all is well on the wire."""
    script = Script()
    begun = script.now
    path = script.connected()
    for minute, event in events:
        at = begun + round(minute * MINUTE * SECOND)
        words = (event.adapter, event.what, event.uplink, event.text, event.before, event.after)
        script.session.picture.outages.uplink(LinkEvent(at, *words))
    script.talk(path, 10, every=minutes * MINUTE / 10)
    return {id_: finding.explanation() for id_, finding in failover(script).items()}


LOST = [
    told(0, "role", "wan", "standby", "active"),
    told(5, "down", "wan", "up", "down"),
    told(5, "role", "wwan", "standby", "active"),
]


def test_the_backup_is_still_in_use() -> None:
    found = judged([*LOST, told(10, "up", "wan", "down", "up")])
    assert list(found) == ["failover.no-failback"]
    assert "wan was lost" in found["failover.no-failback"]
    assert "wwan is still the one in use" in found["failover.no-failback"]


def test_it_went_back() -> None:
    assert judged([*LOST, told(10, "up", "wan", "down", "up"), told(12, "role", "wan", "standby", "active")]) == {}


def test_the_first_one_does_not_work_yet() -> None:
    assert judged(LOST) == {}


def test_it_came_back_just_now() -> None:
    assert judged([*LOST, told(50, "up", "wan", "down", "up")]) == {}


def test_it_came_back_and_went_again() -> None:
    assert judged([*LOST, told(10, "up", "wan", "down", "up"), told(11, "down", "wan", "up", "down")]) == {}


def test_a_modem_that_keeps_changing() -> None:
    changes = [told(5 * number, "sim", "mob1", f"SIM {number}", f"SIM {number + 1}") for number in range(3)]
    assert list(judged(changes)) == ["failover.sim-loop"]
    assert judged(changes[:2]) == {}
    rare = [told(20 * number, "sim", "mob1", f"SIM {number}", f"SIM {number + 1}") for number in range(3)]
    assert judged(rare) == {}


def test_one_change_of_sim_and_network_is_one() -> None:
    assert judged([told(1, "sim", "mob1"), told(1, "operator", "mob1"), told(6, "sim", "mob1")]) == {}


def test_uplinks_that_fail_together() -> None:
    twice = [told(minute, "down", uplink, "up", "down") for minute in (5, 30) for uplink in ("wan", "wwan")]
    found = judged(twice)
    assert list(found) == ["failover.common-loss"]
    assert "wan and wwan went down" in found["failover.common-loss"]
    assert judged(twice[:2]) == {}, "once is an accident"


def test_the_station_stays_on_the_backup_as_both_uplinks_show() -> None:
    """The router's outside: nobody tells anything, but other connections use the first uplink again."""
    script = Script()
    first = script.connected(address="10.64.0.2", ttl=63, source="wwan0", port=50_001)
    script.talk(first, 6)
    moved = Endpoint("100.64.0.2", first.client.port)
    script.feed(StrayReset(script.now, script.frames(), moved, first.server, 25_000_000, "eth1"))
    second = script.connected(address="100.64.0.2", ttl=63, source="eth1", port=50_002)
    for _ in range(40):
        script.talk(second, 1, every=MINUTE)
        other = script.dials(address="10.64.0.2", source="wwan0", port=50_100 + script.frame)
        script.answered(other, rtt=0.05, ttl=63)
        script.trips[second.number] = 20_000_000
    assert "failover.no-failback" in failover(script)
