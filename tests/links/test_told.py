"""What routers told, out of files of three kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.links import told
from fieldkit.links.told import NotToldError, read
from fieldkit.links.uplink import LinkEvent
from fieldkit.links.words import event_json

DATA = Path(__file__).parents[1] / "data" / "routers"
EVENT = LinkEvent(1_795_243_734_320_000_000, "linux", "route", "wwan0", "it moved", "wwan0", "", exact=True)


def lines(name: str) -> list[str]:
    return (DATA / name).read_text().splitlines()


def test_what_fieldkit_wrote_comes_back() -> None:
    written = [json.dumps({"look": {"uplinks": []}}), json.dumps({"event": event_json(EVENT)}), ""]
    assert read(written) == [EVENT]
    assert read([json.dumps(event_json(EVENT))]) == [EVENT]


def test_conntrack_and_ip_monitor() -> None:
    assert {event.what for event in read(lines("ct.log"))} == {"nat-rebind", "nat-flush"}
    assert {event.what for event in read(lines("mon.log"))} == {"up", "route", "down", "address"}


def test_all_of_them_in_one_file_are_in_the_order_of_time() -> None:
    events = read([*lines("mon.log"), *lines("ct.log")])
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_the_clock_of_ip_monitor_names_no_zone() -> None:
    plain, east = read(lines("mon.log")), read(lines("mon.log"), 3600)
    assert plain[0].time - east[0].time == 3600 * 10**9


def test_a_look_alone_is_no_mistake() -> None:
    assert read([json.dumps({"look": {}})]) == []


def test_numbers_that_are_none_and_times_without_a_zone() -> None:
    uplink = {
        "id": "wan",
        "latency_ms": 10**400,
        "loss": float("nan"),
        "signal": {"rsrp": "-90"},
        "sim": {"slot": True},
    }
    look = json.dumps({"look": {"time": "2026-11-21T06:48:42", "uplinks": [uplink]}})
    ((time, (found,)),) = told.read_all([look]).looks
    assert time == 1_795_243_722 * 10**9, "UTC, wherever it is read"
    assert (found.latency_ms, found.loss, found.signal.rsrp, found.sim.slot) == (None, None, -90, None)


@pytest.mark.parametrize("text", ["", "hello\nworld", "{}", '{"event": {"what": "coffee"}}', "[1, 2]"])
def test_what_no_router_tells(text: str) -> None:
    with pytest.raises(NotToldError, match="fieldkit link --watch --json"):
        read(text.splitlines())


def test_a_file_without_end_is_read_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MAX_LINES", 10)
    assert len(read([json.dumps(event_json(EVENT))] * 50)) == 10


@given(st.lists(st.text(max_size=200) | st.dictionaries(st.text(max_size=5), st.text(max_size=5)).map(json.dumps)))
def test_nothing_breaks_it(some: list[str]) -> None:
    assert read([json.dumps(event_json(EVENT)), *some])
