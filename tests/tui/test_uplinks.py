"""What routers say, as bands: of files, of the kernel alone, of a router that is asked and goes away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldkit.links.told import NotToldError, read_all
from fieldkit.links.uplink import LinkEvent, Signal, Sim, Uplink
from fieldkit.links.words import iso, uplink_json
from fieldkit.sources.file import SourceError
from fieldkit.tui.routers import Routers, is_router, router_of
from fieldkit.tui.uplinks import Uplinks, take
from tests.links.routers import document
from tests.links.test_link import RUTOS_DUMP
from tests.links.test_runners import web

DATA = Path(__file__).parents[1] / "data" / "routers"
SECOND = 1_000_000_000
START = 1_795_000_000 * SECOND


def event(seconds: float, what: Any, uplink: str, before: str = "", after: str = "") -> LinkEvent:
    return LinkEvent(
        START + int(seconds * SECOND), "linux", what, uplink, f"{uplink} {what}", before, after, exact=True
    )


def words(uplinks: Uplinks, name: str) -> list[tuple[float, str]]:
    """Beginning of each band after START, and the first word in it."""
    lane = next(lane for lane in uplinks.lanes(START + 100 * SECOND) if lane.name == name)
    return [((band.first - START) / SECOND, band.text) for band in lane.bands]


def test_a_look_is_drawn_until_the_next_one_says_otherwise() -> None:
    uplinks = Uplinks()
    wan = Uplink("wan", "ethernet", up=True, role="active", device="eth1")
    lte = Uplink(
        "lte", "cellular", up=True, role="standby", operator="Example", technology="LTE", signal=Signal(rsrp=-99)
    )
    uplinks.look(START, [wan, lte])
    uplinks.look(START + 10 * SECOND, [wan, lte])
    uplinks.tell(event(14, "down", "eth1", "up", "down"))
    uplinks.look(START + 20 * SECOND, [Uplink("wan", "ethernet", up=False, role="failed"), lte])
    assert words(uplinks, "wan") == [(0, "active"), (14, "down")], "the kernel's eth1 is the router's wan"
    assert words(uplinks, "lte") == [(0, "standby LTE Example")]
    (band,) = uplinks.lanes(START + 30 * SECOND)[1].bands
    assert band.open_end
    assert band.last == START + 30 * SECOND
    assert "RSRP -99 dBm" in band.title
    uplinks.silent(START + 40 * SECOND)
    assert uplinks.lanes(START + 90 * SECOND)[1].bands[-1].last == START + 40 * SECOND, "nothing is known afterwards"


def test_an_uplink_that_a_router_no_longer_has_ends() -> None:
    uplinks = Uplinks()
    uplinks.look(START, [Uplink("a", up=True, role="active"), Uplink("b", up=True, role="standby")])
    uplinks.look(START + 5 * SECOND, [Uplink("a", up=True, role="active")])
    assert uplinks.lanes(START + 9 * SECOND)[1].bands[-1].last == START + 5 * SECOND


def test_the_kernels_routes_alone_say_who_is_used() -> None:
    uplinks = Uplinks()
    for told in (
        event(0, "up", "lan", "", "up"),
        event(1, "route", "wwan0", "", "wwan0, metric 10"),
        event(2, "route", "eth1", "", "eth1, metric 20"),
        event(5, "route", "wwan0", "wwan0, metric 10", ""),
        event(9, "route", "wwan0", "", "wwan0, metric 10"),
        event(12, "down", "wwan0", "up", "down"),
    ):
        uplinks.tell(told)
    assert words(uplinks, "wwan0") == [(1, "active"), (5, "no route"), (9, "active"), (12, "down")]
    assert words(uplinks, "eth1") == [(2, "standby"), (5, "active"), (9, "standby"), (12, "active")]
    assert len(uplinks.lanes(START)) == 2, "an interface without a default route is no uplink"


def test_the_recorded_run_says_when_each_uplink_was_used() -> None:
    uplinks = Uplinks()
    with (DATA / "mon.log").open() as file:
        take(uplinks, *read_all(file))
    lanes = {lane.name: [band.text for band in lane.bands] for lane in uplinks.lanes(1_795_243_820 * SECOND)}
    assert lanes["wwan0"] == ["up", "no route", "active", "no route"]
    assert lanes["eth1"] == ["up", "down", "up", "active"]
    assert not {"lan", "lo"} & set(lanes)


def test_looks_in_a_file_are_what_was_written() -> None:
    uplink = Uplink(
        "mob1", "cellular", up=True, role="standby", since=START, device="wwan0", address="10.0.0.2", operator="Example",
        technology="LTE", sim=Sim(1, "profile", "89…00"), signal=Signal(rsrp=-101, sinr=4.5), loss=0.1, metered=True,
    )  # fmt: skip
    line = json.dumps({"look": {"time": iso(START), "uplinks": [uplink_json(uplink), {"id": 7}, "x", {"kind": "no"}]}})
    assert read_all([line]) == ([], [(START, (uplink,))])
    odd = {"id": "x", "kind": [], "up": "yes", "role": {}, "signal": 3, "sim": {"slot": "1"}, "loss": "--", "since": 9}
    assert read_all([json.dumps({"look": {"time": iso(START), "uplinks": [odd]}})]).looks == [(START, (Uplink("x"),))]
    for bad in ('{"look": {"time": 3}}', '{"look": {"time": "2026-01-01", "uplinks": {}}}'):
        assert read_all([bad]) == ([], [])
    for bad in ("{", "[]"):
        with pytest.raises(NotToldError):
            read_all([bad])


def test_what_a_user_may_mean_by_a_router() -> None:
    assert is_router("ssh://root@gw")
    assert is_router("replay:x.jsonl")
    assert not is_router("link.jsonl")
    assert router_of("ssh://root@192.168.1.1:2222/br-lan") == "ssh://root@192.168.1.1:2222"
    assert router_of("eth0") == router_of("tzsp://:37008") == router_of("ssh://") == ""


def until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_router_that_is_asked_and_goes_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDKIT_ROUTER_PASSWORD", "pass word")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("fieldkit.tui.routers.AGAIN", 0.2)
    status = document("mwan3_status_rutos_7_20.json")
    answers: dict[tuple[str, str], Any] = {
        ("network.interface", "dump"): RUTOS_DUMP, ("mwan3", "status"): status, ("system", "info"): {"uptime": 500},
    }  # fmt: skip
    heard: list[LinkEvent] = []
    routers = Routers(every=0.1)
    routers.listened_by(heard.extend)
    try:
        with web(answers) as base:
            name = f"ubus+{base}"
            assert routers.ask(name)
            assert not routers.ask(name), "once is enough"
            (router,) = routers.asked
            until(lambda: routers.drawn(time.time_ns())[2])
            assert router.state.startswith("answers (")
            assert router.well
            lanes, _, now = routers.drawn(time.time_ns())
            roles = {uplink.id: uplink.role for uplink in now}
            assert roles["mob1s1a1"] == "active"
            assert [lane.name for lane in lanes] == list(roles)
            other = document("mwan3_status_rutos_7_20.json")
            other["interfaces"]["wan"] |= {"status": "online", "online": 70}
            other["policies"]["ipv4"]["mwan_default"] = [{"interface": "wan", "percent": 100}]
            answers["mwan3", "status"] = other
            until(lambda: {"role"} & {one.what for one in heard})
            assert {uplink.id: uplink.role for uplink in routers.drawn(0)[2]}["wan"] == "active"
        until(lambda: not router.well)
        assert router.state.startswith("does not answer: ")
        assert all(not band.open_end for lane in routers.drawn(time.time_ns())[0] for band in lane.bands)
    finally:
        routers.close()


def test_a_router_that_nobody_knows_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    recording = tmp_path / "r.jsonl"
    recording.write_text(json.dumps({"recording": "fieldkit-link", "schema": 1, "router": "gw", "time": 1}) + "\n")
    routers = Routers()
    try:
        routers.ask(f"replay:{recording}")
        until(lambda: "nobody here knows its uplinks" in routers.asked[0].state)
        assert not routers.asked[0].well
    finally:
        routers.close()


def test_files_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    routers = Routers()
    with pytest.raises(SourceError, match="No such file"):
        routers.read(str(tmp_path / "none"))
    (tmp_path / "x").write_text("hello\n")
    with pytest.raises(SourceError, match="holds nothing that a router tells"):
        routers.read(str(tmp_path / "x"))
    assert not routers.drawn(0)[0]
