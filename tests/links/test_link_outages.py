"""``fieldkit link outages`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.commandline import Fieldkit

DATA = Path(__file__).parents[1] / "data"
LAN, A, B = (DATA / "failover" / f"failover_{place}.pcap" for place in ("lan", "wwan0", "eth1"))
TOLD = DATA / "routers"
CAUSES = ["switch-flows-stranded", "switch-flows-flushed", "blackhole", "satellite-step", "sim-change"]


def test_the_recorded_run_as_text(fieldkit: Fieldkit) -> None:
    run = fieldkit("link", "outages", LAN, "-q")
    assert run.code == ExitCode.FINDINGS
    assert run.out.startswith("cp1: probably mobile (LTE, 5G), round trips of 92 ms, 5 connections")
    assert run.out.count("path lost") == 5
    assert "router changed its uplink, connections left behind (82 % sure): 2.8 s" in run.out


def test_what_the_router_told_makes_it_sure(fieldkit: Fieldkit) -> None:
    told = ("--router", TOLD / "ct.log", "--router", TOLD / "mon.log")
    run = fieldkit("link", "outages", LAN, *told, "--json", "-", "-q")
    document = json.loads(run.out)
    (link,) = document["links"]
    assert [outage["cause"] for outage in link["outages"]] == CAUSES
    assert all(outage["confidence"] >= 0.85 for outage in link["outages"])
    assert all(outage["switched"] for outage in link["outages"] if outage["broken"])
    assert {finding["id"] for finding in document["findings"]} >= {"failover.flows-stranded", "failover.slow-detection"}
    assert document["schema"] == 1


def test_both_uplinks_beside_the_lan(fieldkit: Fieldkit, tmp_path: Path) -> None:
    target = tmp_path / "outages.json"
    run = fieldkit("link", "outages", LAN, A, B, "--json", target, "-q")
    assert "left as 10.64.0.2, then as 100.64.0.2" in run.out
    assert [outage["cause"] for outage in json.loads(target.read_text())["links"][0]["outages"]] == CAUSES


def test_a_good_day(fieldkit: Fieldkit) -> None:
    run = fieldkit("link", "outages", DATA.parents[1] / "captures" / "made" / "idle_days.pcap", "-q")
    assert "no outage" in run.out or "No path" in run.out
    assert run.code == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), ExitCode.USAGE, "SOURCE"),
        (("/nowhere.pcap",), ExitCode.SOURCE, "there is no such file"),
        ((LAN, "--router", "/nowhere.log"), ExitCode.SOURCE, "/nowhere.log"),
        ((LAN, "--router", TOLD / "events.log"), ExitCode.SOURCE, "holds nothing that a router tells"),
        ((LAN, "--json", LAN), ExitCode.USAGE, "failover_lan.pcap"),
    ],
    ids=["no source", "no such capture", "no such log", "a log of something else", "over the source"],
)
def test_a_wrong_call(fieldkit: Fieldkit, arguments: tuple[str | Path, ...], code: ExitCode, words: str) -> None:
    run = fieldkit("link", "outages", *arguments)
    assert run.code == code
    assert words in run.err
    assert "Traceback" not in run.err


def test_help_has_examples(fieldkit: Fieldkit) -> None:
    run = fieldkit("link", "outages", "--help")
    assert run.code == ExitCode.OK
    assert "fieldkit link outages lan.pcap wwan0.pcap eth1.pcap" in run.out
    assert "link outages" in fieldkit("link", "--help").out


def test_the_report_takes_it_too(fieldkit: Fieldkit, tmp_path: Path) -> None:
    page = tmp_path / "site.html"
    fieldkit("report", LAN, "--router", TOLD / "mon.log", "-o", page, "-q")
    assert "the router moved after 9.8 s" in page.read_text()
    run = fieldkit("report", LAN, "--router", TOLD / "events.log", "-q")
    assert run.code == ExitCode.SOURCE
