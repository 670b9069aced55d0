"""One run of each scenario: that the lab did what it says, and what fieldkit saw of it on the router itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fieldkit.events import ConnectionOpened, DecodeError, HttpResponse
from fieldkit.site.outage import CAUSES, LEGS
from tests.failover.judge import VIEWS, judge
from tests.failover.network import LEASE, A, B, needs_failover_lab
from tests.failover.run import record_all
from tests.failover.scenarios import IDLE, QUICK, SCENARIOS
from tests.failover.stretch import stretched
from tests.failover.truth import Truth, load
from tests.traffic.decoded import decode_files
from tests.traffic.diagnosed import diagnose_file, found

pytestmark = needs_failover_lab

SOON = 1_500_000_000
"""ns within which fieldkit must have been told by the kernel, on a machine that is busy with eight labs."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("failover")
    names = [*SCENARIOS, "quiet"]
    record_all([(name, 0, folder / name) for name in names], QUICK, len(names))
    return {name: folder / name for name in names}


def _events(folder: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (folder / "link.jsonl").read_text().splitlines()]
    return [entry["event"] for entry in entries if "event" in entry]


def _nanoseconds(event: dict[str, Any]) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(event["time"]).timestamp() * 1e9)


def _told(folder: Path, what: str, when: int) -> list[dict[str, Any]]:
    return [
        event
        for event in _events(folder)
        if event["what"] == what and event["exact"] and abs(_nanoseconds(event) - when) < SOON
    ]


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_what_happened_is_written_down(runs: dict[str, Path], name: str) -> None:
    truth = load(runs[name])
    assert truth.cause == SCENARIOS[name].cause
    assert truth.cause in CAUSES
    assert truth.acts
    if name == "nat-idle":
        assert len(truth.troubles) > 1
    else:
        assert len(truth.troubles) == (4 if name == "flapping" else 1)
    for trouble in truth.troubles:
        legs = [asdict(trouble)[leg] for leg in LEGS]
        if name == "satellite":
            assert not trouble.broken
            assert legs[1:] == [None] * 6
        else:
            assert trouble.broken
            assert None not in legs
            assert legs == sorted(legs)


def _minimum(truth: Truth) -> int:
    """How many connections the station made at least."""
    return 1 + sum(trouble.broken for trouble in truth.troubles)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_the_captures_hold_it(runs: dict[str, Path], name: str) -> None:
    truth = load(runs[name])
    inside = decode_files(runs[name] / "lan.pcap")
    assert not inside.of(DecodeError)
    assert sum(answer.status == 101 for answer in inside.of(HttpResponse)) >= _minimum(truth)
    moved = truth.troubles[0].switched and name != "sim-change"
    for uplink in (A, B) if moved else (A,):
        assert decode_files(runs[name] / f"{uplink}.pcap").of(ConnectionOpened)


@pytest.mark.parametrize("name", ["switch-flush", "switch-no-flush", "blackhole", "flapping", "backup-unusable"])
def test_a_moved_route_is_told_as_it_happens(runs: dict[str, Path], name: str) -> None:
    for trouble in load(runs[name]).troubles:
        assert trouble.switched
        assert _told(runs[name], "route", trouble.switched)


def test_a_flush_and_a_flow_left_behind_are_told_apart(runs: dict[str, Path]) -> None:
    flushed, stranded = load(runs["switch-flush"]).troubles[0], load(runs["switch-no-flush"]).troubles[0]
    assert _told(runs["switch-flush"], "nat-flush", flushed.path_lost)
    whats = {event["what"] for event in _events(runs["switch-no-flush"])}
    assert "nat-rebind" in whats
    assert "nat-flush" not in whats
    assert stranded.detected
    # The router drops the first packet and moves the flow with the second: the station must have repeated itself.
    assert stranded.detected - stranded.path_lost > 200_000_000


def test_another_sim_is_another_address(runs: dict[str, Path]) -> None:
    trouble = load(runs["sim-change"]).troubles[0]
    assert trouble.switched
    assert _told(runs["sim-change"], "down", trouble.path_lost)
    told = _told(runs["sim-change"], "address", trouble.switched)
    addresses = {(event["before"], event["after"]) for event in told}
    old, new = (address.partition("/")[0] for address in LEASE[A])
    assert addresses >= {(old, ""), ("", new)}


@pytest.mark.parametrize("name", ["satellite", "nat-idle"])
def test_what_the_router_cannot_know_it_does_not_tell(runs: dict[str, Path], name: str) -> None:
    assert not _events(runs[name])


def test_a_carrier_forgets_in_silence(runs: dict[str, Path]) -> None:
    for trouble in load(runs["nat-idle"]).troubles:
        assert trouble.detected
        assert trouble.detected - trouble.path_lost > (QUICK.idle - IDLE) * 1e9


@pytest.mark.parametrize("name", ["nat-idle", "flapping"])
def test_a_station_that_is_cut_off_and_announces_itself_anew_is_not_called_a_boot_loop(
    runs: dict[str, Path], name: str
) -> None:
    assert "boot.loop" not in found(diagnose_file(runs[name] / "lan.pcap"))


@pytest.mark.parametrize("place", ["lan", A])
def test_a_quiet_day_has_no_outage(runs: dict[str, Path], place: str) -> None:
    """The quiet run, its pauses stretched to 24 hours."""
    day = runs["quiet"] / f"{place}-day.pcap"
    assert stretched(runs["quiet"] / f"{place}.pcap", day) > 100
    diagnosis = diagnose_file(day)
    assert not diagnosis.picture.outages.all
    assert found(diagnosis) == ["security.no-authentication"]


@pytest.mark.parametrize("view", list(VIEWS))
def test_what_fieldkit_says_of_it(runs: dict[str, Path], view: str) -> None:
    """One seed of each; ``make lab-failover`` has five, and the bars."""
    judged = [judge(runs[name], view) for name in SCENARIOS]
    missed = {one.truth.scenario: one.said for one in judged if not one.right}
    # That a backup cannot reach the CSMS looks from within like an uplink that is dead for longer.
    assert len(missed) <= (2 if view == "lan" else 1), missed
    assert not [one.said for one in judged if one.beside]
    near, far = (sum(getattr(one, name).total() for one in judged) for name in ("near", "far"))
    assert near > 50
    assert far <= near // 10, [one.wrong for one in judged]
