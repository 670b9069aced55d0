"""Rounds of probes while a router is watched."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fieldkit.cli.linkprobe import Probing
from fieldkit.links.probes.budget import Budget
from fieldkit.links.probes.probe import Probe
from fieldkit.links.probes.prober import Prober
from fieldkit.links.recorded import ReplayRunner
from fieldkit.links.uplink import Uplink
from fieldkit.sources.tlsprobe import targets

UPLINKS = [
    Uplink("wan", "ethernet", up=True, role="active", device="eth1"),
    Uplink("mob", "cellular", up=True, role="standby", device="wwan0"),
    Uplink("old", "ethernet", up=False, device="eth2"),
    Uplink("odd", "ethernet", up=True),
]


class Patient:
    """Attempts that take until they are told to end."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.tried: list[str] = []

    def names(self, probe: Probe, servers: list[str]) -> None:
        raise AssertionError("an address needs no name server")

    def echo(self, probe: Probe) -> None:
        probe.echo_ms = 20.0

    def reach(self, probe: Probe) -> None:
        self.go_on.wait(30)
        self.tried.append(probe.uplink)
        probe.tried, probe.connect_ms, probe.status, probe.bytes = True, 20.0, 101, 900


def _probing(place: Path, attempts: Patient, *, shared: bool) -> Probing:
    runner = ReplayRunner([{"time": 1_795_243_800_000_000_000}], "a router")
    target = targets.parse("ws://203.0.113.9/")
    return Probing(Prober(runner, target, attempts, Budget("gw", path=place / "p.json")), 900.0, shared=shared)


@pytest.mark.parametrize("shared", [True, False])
def test_a_round_waits_for_nobody_and_others_wait_where_they_share_a_login(tmp_path: Path, shared: bool) -> None:
    attempts = Patient()
    probing = _probing(tmp_path, attempts, shared=shared)
    assert not probing.first
    assert probing.turn(UPLINKS) == []
    assert probing.first is shared
    assert probing.turn(UPLINKS) == []
    attempts.go_on.set()
    ends = time.monotonic() + 30
    found: list[Probe] = []
    while not found and time.monotonic() < ends:
        found = probing.turn(UPLINKS)
        time.sleep(0.01)
    # Not the one that is down, nor the one of which the router does not name the interface, which is told.
    assert attempts.tried == ["wan", "mob"]
    assert [(probe.uplink, probe.verdict) for probe in found] == [
        ("wan", "carries"), ("mob", "carries"), ("odd", "skipped"),
    ]  # fmt: skip
    assert found[2].why == "the router does not say which interface it is"
    assert probing.rest() == []
    assert not probing.first
    assert probing.turn(UPLINKS) == []
    assert attempts.tried == ["wan", "mob"], "the next round is not due"


def test_a_round_that_is_under_way_at_the_end_is_shown(tmp_path: Path) -> None:
    attempts = Patient()
    probing = _probing(tmp_path, attempts, shared=True)
    probing.turn(UPLINKS)
    attempts.go_on.set()
    assert [probe.uplink for probe in probing.rest()] == ["wan", "mob", "odd"]
    assert attempts.tried == ["wan", "mob"]
