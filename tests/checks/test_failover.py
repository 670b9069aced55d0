"""Outages as findings: who has to act, and which timer made it long."""

from __future__ import annotations

import pytest

from fieldkit.checks.collector import Collected
from fieldkit.checks.failover import HERD
from fieldkit.events import Connection
from fieldkit.session import Session
from tests.site.pathscript import Script
from tests.traffic.segments import SECOND


def failover(script: Script) -> dict[str, Collected]:
    script.session.finish()
    assert script.session.failed_checks == []
    return {
        finding.kind.id: finding
        for finding in script.session.findings
        if finding.kind.id.startswith("failover.") or "segmentation" in finding.kind.id
    }


def dies(script: Script, silence: float, *, back: float = 0.02, ping: bool = False) -> None:
    """The path goes dead; the station repeats itself and dials after so long."""
    first = script.connected(rtt=0.05)
    script.talk(first, 6)
    begun = script.now
    script.says(first, answered=False)
    gap = 0.3
    while script.now - begun + round(gap * SECOND) < silence * SECOND and gap < 130:
        script.repeats(first, gap)
        gap *= 2
    script.now = begun + round(silence * SECOND)
    script.talk(script.connected(rtt=back), 8)


def test_connections_that_were_left_behind() -> None:
    script = Script()
    first = script.connected(rtt=0.05)
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    script.wait(2)
    script.talk(script.connected(rtt=0.02), 8)
    found = failover(script)
    assert set(found) == {"failover.flows-stranded"}
    finding = found["failover.flows-stranded"]
    assert (finding.owner, finding.severity, finding.first_seen.station) == ("site-network", "warning", "CP_7")
    assert "flush_conntrack" in finding.advice()
    assert "was away for 2.8 s" in finding.explanation()
    assert [type(event).__name__ for event in finding.evidence] == [
        "Retransmission",
        "ConnectionOpened",
        "HttpResponse",
    ]


def test_a_quick_loss_is_told_and_nobody_is_called_slow() -> None:
    script = Script()
    dies(script, 8)
    assert set(failover(script)) == {"failover.path-lost"}


def test_a_station_that_is_slow_to_notice() -> None:
    script = Script()
    dies(script, 40)
    found = failover(script)
    assert set(found) == {"failover.path-lost", "failover.slow-detection"}
    slow = found["failover.slow-detection"]
    assert slow.owner == "station"
    assert "the station held on to the dead connection" in slow.explanation()


def test_a_station_that_does_not_notice() -> None:
    script = Script()
    dies(script, 200)
    found = failover(script)
    assert set(found) == {"failover.path-lost", "failover.zombie-connection"}
    assert found["failover.zombie-connection"].owner == "station"


def switched_while_it_told_the_time(script: Script) -> Connection:
    """What the clock said before is known; the connection on the other uplink has just begun."""
    first = script.connected(rtt=0.05)
    for minute in range(4):
        script.says(first, "MeterValues", {"timestamp": f"2026-08-31T08:0{minute}:00Z"})
        script.wait(60)
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    script.wait(2)
    return script.connected(rtt=0.02)


def test_a_clock_that_jumps() -> None:
    script = Script()
    second = switched_while_it_told_the_time(script)
    for minute in range(4):
        script.says(second, "MeterValues", {"timestamp": f"2026-08-31T09:0{4 + minute}:03Z"})
        script.wait(60)
    # Judged when the new path has been measured: what came until then must tell enough of the clock.
    assert "failover.clock-jump" not in failover(script)


def test_a_clock_that_jumps_and_says_so_at_once() -> None:
    script = Script()
    second = switched_while_it_told_the_time(script)
    for number in range(4):
        script.says(second, "MeterValues", {"timestamp": f"2026-08-31T09:04:0{4 + number}Z"})
        script.wait(1)
    script.talk(second, 8)
    finding = failover(script)["failover.clock-jump"]
    assert "60 min ahead" in finding.explanation() or "1 h" in finding.explanation()


@pytest.mark.parametrize(("stations", "expected"), [(HERD, True), (HERD - 1, False)])
def test_all_stations_at_once(stations: int, expected: bool) -> None:
    session = Session()
    scripts = [Script(f"CP_{number}", session=session, numbers=1 + 100 * number) for number in range(stations)]
    for number, script in enumerate(scripts):
        first = script.connected(rtt=0.05, address=f"192.168.1.{50 + number}")
        script.talk(first, 5)
        script.says(first, answered=False)
        script.repeats(first, 0.25)
        script.resets(first)
        script.wait(2)
        script.talk(script.connected(rtt=0.02, address=f"192.168.1.{50 + number}"), 8)
    assert ("failover.stations-return-at-once" in failover(scripts[0])) is expected


def test_every_outage_is_judged_once() -> None:
    script = Script()
    for _ in range(2):
        dies(script, 8)
        script.wait(3600)
    found = failover(script)
    assert found["failover.path-lost"].count == 2


@pytest.mark.parametrize("cut_off", [True, False])
def test_boots_of_a_station_that_is_cut_off_are_no_boot_loop(cut_off: bool) -> None:
    """Many stations announce themselves on every connection; one that leaves in the middle of nothing may restart."""
    script = Script()
    for _ in range(4):
        path = script.connected(boot="")
        script.talk(path, 3)
        if cut_off:
            script.says(path, answered=False)
            script.repeats(path, 0.25, 0.5, 1.0)
        script.wait(5)
        script.ends(path, "timeout")
        script.wait(2)
    script.session.finish()
    kinds = {finding.kind.id for finding in script.session.findings}
    assert ("boot.loop" in kinds) is not cut_off
