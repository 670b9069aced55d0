"""Losses followed through connections: the recorded run from each place, and one script for each cause."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from fieldkit.events import Endpoint, StrayReset
from fieldkit.links.told import read
from fieldkit.links.uplink import LinkEvent
from fieldkit.session import Session
from fieldkit.site.outage import LEGS, Cause, Outage
from tests.site.pathscript import SERVER, Script
from tests.traffic.conversation import MONDAY
from tests.traffic.decoded import decode_files
from tests.traffic.segments import SECOND

DATA = Path(__file__).parents[1] / "data"
TOLD = DATA / "routers"
LAN, A, B = (DATA / "failover" / f"failover_{place}.pcap" for place in ("lan", "wwan0", "eth1"))
HALF = SECOND // 2


def log() -> dict[str, int]:
    """``events.log``: what was done → when."""
    found = {}
    for line in (TOLD / "events.log").read_text().splitlines():
        time, _, what = line.split()
        seconds, _, rest = time.partition(".")
        found[what] = int(seconds) * SECOND + int(rest.ljust(9, "0"))
    return found


DID = log()
SWITCHED = DID["S1_route_switch_A_to_B_no_flush"]
BACK = DID["S2_failback_B_to_A_with_conntrack_flush"]
DEAD = DID["S3_primary_blackhole"]
DETECTED = DID["S3_detected_switch_to_B"]
SLOW = DID["S4_rtt_step_B_becomes_satellite"]
SIM = DID["S5_sim_switch_ifdown_addr_change_on_B"]


def seen(*captures: Path, told: tuple[str, ...] = ()) -> list[Outage]:
    """The outages in these, in the order of time."""
    session = Session()
    for name in told:
        for event in read((TOLD / name).read_text().splitlines()):
            session.picture.outages.uplink(event)
    session.feed(decode_files(*captures, validate=False).events)
    session.finish()
    assert session.failed_checks == []
    return sorted(session.picture.outages.all, key=lambda outage: outage.start)


# ---------------------------------------------------------------------------------------------------- the recorded run


@pytest.mark.parametrize(
    ("captures", "told", "sure"),
    [
        ((LAN,), (), 0.6),
        ((LAN, A, B), (), 0.8),
        ((LAN,), ("ct.log", "mon.log"), 0.85),
        ((LAN,), ("mon.log",), 0.85),
    ],
    ids=["LAN", "LAN and both uplinks", "LAN, conntrack and ip monitor", "LAN and ip monitor"],
)
def test_every_event_of_the_run_is_found(captures: tuple[Path, ...], told: tuple[str, ...], sure: float) -> None:
    found = seen(*captures, told=told)
    assert [outage.cause for outage in found] == [
        "switch-flows-stranded",
        "switch-flows-flushed" if told != ("mon.log",) else "switch-flows-stranded",
        "blackhole",
        "satellite-step",
        "sim-change",
    ]
    for outage, when in zip(found, (SWITCHED, BACK, DEAD, SLOW, SIM), strict=True):
        assert outage.path_lost is not None
        assert abs(outage.path_lost - when) < HALF, outage.cause
        assert outage.confidence >= sure
        assert outage.reasons
        assert outage.broken is (outage.cause != "satellite-step")


def test_the_legs_of_the_run_as_its_lan_shows_them() -> None:
    stranded, flushed, blackhole, step, sim = seen(LAN)
    base = 1_795_243_700 * SECOND
    assert [round((time - base) / SECOND, 1) for _, time in stranded.moments] == [34.3, 35.1, 37.1, 37.1, 37.2, 37.2]
    assert [name for name, _ in stranded.moments] == [leg for leg in LEGS if leg != "boot"]
    # The pong time-out of 15 s and the close of 10 s are the station's; that they ended 2 s before it dialled is known
    # from how it did before.
    assert blackhole.detected is not None
    assert blackhole.path_lost is not None
    assert round((blackhole.detected - blackhole.path_lost) / SECOND) in (25, 26)
    assert blackhole.attributed["detected"].owner == "station"
    assert "2.0 s before it dials" in blackhole.attributed["first_syn"].cause
    assert blackhole.repeats == 7
    assert (step.before.kind, step.after.kind) == ("broadband", "geo-satellite")
    assert stranded.rtt_before is not None
    assert stranded.rtt_after is not None
    assert (round(stranded.rtt_before / 1e6), round(stranded.rtt_after / 1e6)) == (51, 25)
    assert sim.attributed["path_lost"].owner == "uplink"
    assert {outage.station for outage in (stranded, flushed, blackhole, step, sim)} == {"cp1"}


def test_the_router_tells_when_it_moved_and_whose_time_it_was() -> None:
    blackhole = seen(LAN, told=("ct.log", "mon.log"))[2]
    assert blackhole.switched is not None
    assert abs(blackhole.switched - DETECTED) < SECOND // 10
    assert blackhole.attributed["detected"].owner == "station"
    assert (
        "the router moved after 9.8 s; the station held on for another 15.8 s" in blackhole.attributed["detected"].cause
    )


def test_the_run_as_both_uplinks_show_it() -> None:
    found = seen(A, B)
    assert [outage.cause for outage in found] == [
        "switch-flows-stranded", "switch-flows-flushed", "blackhole", "satellite-step", "sim-change",
    ]  # fmt: skip
    addresses = [(outage.address_before, outage.address_after) for outage in found]
    assert addresses[0] == ("10.64.0.2", "100.64.0.2")
    assert addresses[1] == ("100.64.0.2", "10.64.0.2")
    assert addresses[4] == ("100.64.0.2", "100.64.0.3")
    for outage, when in zip(found[:4], (SWITCHED, BACK, DEAD, SLOW), strict=True):
        assert outage.path_lost is not None
        assert abs(outage.path_lost - when) < HALF, outage.cause


def test_the_run_as_the_first_uplink_alone_shows_it() -> None:
    """It sees the station leave, come back in the middle of a connection, and the path die; nothing of the other."""
    left, back, dead = sorted(seen(A), key=lambda outage: outage.start)
    assert left.path_lost is not None
    assert abs(left.path_lost - SWITCHED) < SECOND
    assert left.cause == "switch-flows-stranded"
    assert left.confidence < 0.6
    assert back.switched is not None
    assert abs(back.switched - BACK) < HALF
    assert back.address_after == "10.64.0.2"
    assert (dead.cause, dead.over) == ("blackhole", False)
    assert dead.path_lost is not None
    assert abs(dead.path_lost - DEAD) < HALF


def test_the_run_as_the_second_uplink_alone_shows_it() -> None:
    came, left, step, sim = sorted(seen(B), key=lambda outage: outage.start)
    assert came.switched is not None
    assert abs(came.switched - SWITCHED) < SECOND
    assert came.address_after == "100.64.0.2"
    assert left.path_lost is not None
    assert abs(left.path_lost - BACK) < SECOND
    assert step.cause == "satellite-step"
    assert step.path_lost is not None
    assert abs(step.path_lost - SLOW) < HALF
    assert (sim.cause, sim.address_before, sim.address_after) == ("sim-change", "100.64.0.2", "100.64.0.3")


# ------------------------------------------------------------------------------------------------- one for each cause


@dataclass(frozen=True)
class Told:
    """A router's word of another make than ours: the tracker asks for no class."""

    time: int
    what: str
    uplink: str = ""
    text: str = ""
    before: str = ""
    after: str = ""
    exact: bool = True


def only(script: Script) -> Outage:
    (outage,) = script.outages()
    return outage


def test_nothing_happens_on_a_good_day() -> None:
    script = Script()
    first = script.connected(boot="")
    script.talk(first, 50, every=30)
    script.closes(first, 1000, by_client=True)
    script.wait(5)
    script.talk(script.connected(), 50, every=30)
    assert script.outages() == []
    assert [finding for finding in script.session.findings if finding.kind.id.startswith("failover.")] == []


def test_a_switch_that_keeps_the_flow() -> None:
    script = Script()
    first = script.connected(rtt=0.05)
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    known = script.now
    script.wait(2)
    script.talk(script.connected(rtt=0.02), 8)
    outage = only(script)
    assert (outage.cause, outage.repeats) == ("switch-flows-stranded", 1)
    assert outage.confidence >= 0.8
    assert (outage.detected, outage.attempts) == (known, 1)
    assert outage.attributed["path_lost"].owner == "site-network"


def test_a_switch_that_drops_the_flow() -> None:
    script = Script()
    first = script.connected(rtt=0.05)
    script.talk(first, 5)
    script.says(first, answered=False)
    script.resets(first)
    script.wait(2)
    script.talk(script.connected(rtt=0.02), 8)
    outage = only(script)
    assert (outage.cause, outage.repeats) == ("switch-flows-flushed", 0)


def test_a_silence_that_ends_in_another_connection() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2, 2.4, 4.8)
    script.wait(5)
    script.talk(script.connected(rtt=0.02), 8)
    outage = only(script)
    assert outage.cause == "blackhole"
    assert outage.detected is None, "nobody saw when the station gave up"
    assert outage.attributed["first_syn"].owner == "station"
    assert any("twice as long" in reason for reason in outage.reasons)


def test_the_station_closes_a_dead_connection() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2, 2.4, 4.8)
    script.closes(first, 1000, by_client=True)
    known = script.now
    script.wait(1)
    script.talk(script.connected(rtt=0.02), 8)
    outage = only(script)
    assert (outage.cause, outage.detected) == ("blackhole", known)


def test_a_path_that_comes_back_under_the_connection() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2, 2.4, 4.8)
    script.trips[first.number] = script.now - script._calls[first.number].time + SECOND
    script.commands(first, "ClearCache")
    outage = only(script)
    assert (outage.cause, outage.broken) == ("blackhole", False)


def test_a_csms_that_does_not_answer_is_no_dead_path() -> None:
    """What arrives is acknowledged and not repeated, whatever becomes of the CALL."""
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, "Authorize", answered=False)
    script.wait(30)
    script.closes(first, 1000, by_client=True)
    script.wait(1)
    script.talk(script.connected(), 8)
    assert script.outages() == []


def test_silences_that_are_too_long_for_a_nat() -> None:
    script = Script()
    for _ in range(3):
        path = script.connected(rtt=0.05)
        script.talk(path, 5, every=20)
        script.wait(300)
        script.says(path, answered=False)
        script.resets(path)
        script.wait(1)
    script.talk(script.connected(rtt=0.05), 8, every=20)
    found = script.outages()
    assert [outage.cause for outage in found] == ["nat-idle-kill"] * 3
    assert found[-1].confidence > found[0].confidence
    assert [finding.kind.id for finding in script.session.findings if "nat" in finding.kind.id] == [
        "failover.nat-timeout"
    ]


def test_a_router_without_a_way_out() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.refused(first)
    script.repeats(first, 1.0)
    script.refused(first)
    script.repeats(first, 2.0)
    script.resets(first)
    script.wait(2)
    script.talk(script.connected(), 8)
    outage = only(script)
    assert outage.cause == "sim-change"
    assert "192.168.1.1" in outage.reasons[0]


def test_a_carrier_that_lets_nobody_through() -> None:
    script = Script()
    first = script.connected(rtt=0.05)
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2)
    script.wait(3)
    for _ in range(2):
        attempt = script.dials()
        script.wait(0.05)
        script.refused(attempt, "prohibited", "100.64.0.1")
        script.wait(3)
    script.talk(script.connected(rtt=0.05), 8)
    outage = only(script)
    assert (outage.cause, outage.attempts) == ("backup-cannot-reach-csms", 3)
    assert outage.attributed["handshake"].owner == "uplink"


def test_attempts_in_vain_on_one_uplink_are_a_dead_uplink() -> None:
    """Without another uplink in sight nobody can say that it did not carry the CSMS."""
    script = Script()
    first = script.connected(rtt=0.05)
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2, 2.4)
    script.wait(3)
    script.dials()
    script.wait(10)
    script.talk(script.connected(rtt=0.05), 8)
    outage = only(script)
    assert outage.cause == "blackhole"
    assert outage.confidence <= 0.55


def test_a_csms_that_restarts() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.closes(first, 1012, by_client=False)
    script.wait(1)
    attempt = script.dials()
    script.wait(0.05)
    script.ends(attempt, "refused", False)
    script.wait(40)
    script.talk(script.connected(), 8)
    outage = only(script)
    assert outage.cause == "csms-restart"
    assert outage.attributed["path_lost"].owner == "csms"
    assert "failover.csms-away" in [finding.kind.id for finding in script.session.findings]


def test_a_station_that_was_told_to_restart() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.commands(first, "Reset")
    script.closes(first, 1000, by_client=True)
    script.wait(60)
    script.talk(script.connected(boot="RemoteReset"), 8)
    outage = only(script)
    assert outage.cause == "station-restart"
    assert outage.boot is not None
    assert [finding for finding in script.session.findings if finding.kind.id.startswith("failover.")] == []


def test_a_router_that_cannot_make_up_its_mind() -> None:
    script = Script()
    path = script.connected(rtt=0.05)
    for turn in range(4):
        script.talk(path, 5)
        script.says(path, answered=False)
        script.resets(path)
        script.wait(1)
        path = script.connected(rtt=0.02 if turn % 2 == 0 else 0.05)
    script.talk(path, 8)
    found = script.outages()
    assert [outage.cause for outage in found] == ["flapping"] * 4
    assert "failover.flapping" in [finding.kind.id for finding in script.session.findings]


@pytest.mark.parametrize(
    ("what", "more", "cause"),
    [
        ("reboot", ("", "", ""), "router-restart"),
        ("sim", ("modem", "SIM 1", "SIM 2"), "sim-change"),
        ("route", ("wwan0", "wwan0", ""), "switch-flows-stranded"),
        ("nat-flush", ("", "", ""), "switch-flows-flushed"),
    ],
)
def test_the_router_is_believed(what: str, more: tuple[str, str, str], cause: Cause) -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.session.picture.outages.uplink(Told(script.now - SECOND // 5, what, more[0], "it says so", *more[1:]))
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    script.wait(2)
    script.talk(script.connected(), 8)
    outage = only(script)
    assert outage.cause == cause
    assert outage.confidence >= 0.9


def test_link_events_are_what_it_takes() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    event = LinkEvent(
        script.now - 1, "linux", "route", "wwan0", "the default route was taken away", "wwan0", exact=True
    )
    script.session.picture.outages.uplink(event)
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    script.wait(2)
    script.talk(script.connected(), 8)
    assert only(script).path_lost == event.time


def test_words_of_the_router_may_come_late() -> None:
    outages = Session().picture.outages
    for second in (3, 1, 2):
        outages.uplink(Told(MONDAY + second, "route"))
    assert [event.time - MONDAY for event in outages.told] == [1, 2, 3]


# ------------------------------------------------------------------------------------------- what is counted besides


def test_what_was_kept_and_what_was_said_twice() -> None:
    script = Script()
    first = script.connected()
    script.says(first, "MeterValues", {"timestamp": "2026-08-31T08:00:00Z"}, id_="twice")
    script.talk(first, 3)
    script.says(first, answered=False)
    script.repeats(first, 0.25)
    script.resets(first)
    script.wait(20)
    second = script.connected()
    script.says(second, "MeterValues", {"timestamp": "2026-08-31T08:00:00Z"}, id_="twice")
    script.says(second, "MeterValues", {"timestamp": "2026-08-31T08:00:09Z"})
    script.talk(second, 8)
    outage = only(script)
    assert (outage.queued, outage.duplicates) == (2, 1)


def test_an_outage_that_is_not_over() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.repeats(first, 0.3, 0.6, 1.2, 2.4)
    outage = only(script)
    assert (outage.cause, outage.over, outage.first_syn) == ("blackhole", False, None)


def test_a_flow_that_came_from_another_uplink() -> None:
    script = Script()
    client = Endpoint("100.64.0.2", 50_000)
    script.feed(StrayReset(script.now, (1, 2), client, SERVER, 25_000_000, "eth1"))
    script.wait(2)
    script.talk(script.connected(address="100.64.0.2", ttl=63, source="eth1"), 8)
    outage = only(script)
    assert outage.switched == MONDAY - 25_000_000
    assert outage.address_after == "100.64.0.2"


# ------------------------------------------------------------------------------------------------------------- bounds


def test_connections_and_stations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.site.outagepaths.MAX_PATHS", 20)
    monkeypatch.setattr("fieldkit.site.outagelines.MAX_LINES", 5)
    session = Session()
    for number in range(60):
        script = Script(f"CP_{number}", session=session, numbers=1 + 10 * number)
        script.now += number * SECOND
        path = script.connected(address=f"192.168.1.{number}")
        script.talk(path, 2)
    outages = session.picture.outages
    assert len(outages.paths_by_number) <= 20
    assert len(outages.lines) <= 5
    assert outages.forgotten > 0
    assert len(outages._by_port) <= 20
    assert sum(map(len, outages._lines._by_address.values())) <= 5
    session.finish()


def test_everybody_elses_connections_are_forgotten_before_a_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.site.outagepaths.MAX_PATHS", 20)
    script = Script()
    first = script.connected()
    for number in range(100):
        script.dials(address="192.168.1.77", port=50_000 + number, server=Endpoint("198.51.100.1", 443))
    script.talk(first, 5)
    outages = script.session.picture.outages
    assert first.number in outages.paths_by_number
    assert len(outages.paths_by_number) <= 20
    assert script.outages() == []


def test_a_connection_that_was_forgotten_is_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.site.outagepaths.MAX_PATHS", 2)
    session = Session()
    scripts = [Script(f"CP_{number}", session=session, numbers=1 + 10 * number) for number in range(5)]
    paths = [script.connected(address=f"192.168.1.{number}") for number, script in enumerate(scripts)]
    for script, path in zip(scripts, paths, strict=True):
        script.talk(path, 5)
    assert scripts[0].outages() == []


def test_every_cause_can_be_told_by_its_name() -> None:
    assert len(get_args(Cause)) == 13


# ------------------------------------------------------------------------------------------------- from the CSMS's side


@pytest.mark.parametrize(
    ("address", "echoes", "cause"),
    [("198.51.100.9", 0, "switch-flows-stranded"), ("192.168.1.50", 3, "blackhole"), ("192.168.1.50", 0, "unknown")],
    ids=["back from elsewhere", "silent", "just gone"],
)
def test_a_station_that_is_gone_as_its_csms_sees_it(address: str, echoes: int, cause: Cause) -> None:
    script = Script()
    first = script.connected(rtt=0.0005, ttl=52)
    script.talk(first, 5)
    script.repeats(first, *[0.4 * 2**number for number in range(echoes)], from_client=False)
    script.wait(60)
    script.talk(script.connected(rtt=0.0005, ttl=52, address=address), 8)
    outage = only(script)
    assert outage.cause == cause
    assert outage.confidence <= 0.4
    assert "afar" in outage.reasons[0]


def test_another_time_to_live_is_another_way() -> None:
    script = Script()
    first = script.connected()
    script.talk(first, 5)
    script.says(first, answered=False)
    script.resets(first)
    script.wait(2)
    second = script.connected()
    script.session.picture.outages.paths_by_number[second.number].ttl = 49
    outage = only(script)
    assert "time to live of 49 and no longer 57" in outage.reasons[-1]
