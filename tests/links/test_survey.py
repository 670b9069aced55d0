"""All adapters about one router: none may hurt the others, whatever it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from fieldkit.links.changes import changes
from fieldkit.links.merge import merged
from fieldkit.links.recorded import ReplayRunner
from fieldkit.links.runner import CutOff, NotHere, Runner, RunnerError, Unreachable
from fieldkit.links.survey import Asked, Survey
from fieldkit.links.uplink import MAX_UPLINKS, LinkEvent, Signal, Sim, Uplink
from tests.links.routers import DUMP, MWAN3, NOW, adapter, document, router

WAN = Uplink(id="wan", kind="ethernet", up=True, role="active", device="eth1")


class Adapter:
    """One that does what it is told to."""

    def __init__(
        self,
        snapshot: Callable[[Runner], Iterable[Any]] = lambda runner: [WAN],
        probe: Callable[[Runner], Any] = lambda runner: 0.5,
        events: Callable[[Runner], Iterator[Any]] = lambda runner: iter(()),
    ) -> None:
        self.snapshot, self.probe, self.events = snapshot, probe, events


def survey(runner: Runner, **adapters: Any) -> tuple[Survey, list[str]]:
    failed: list[str] = []
    asked = [Asked(name, name, lambda one=one: one, probe_seconds=0.5, snapshot_seconds=0.5)  # type: ignore[misc]
             for name, one in adapters.items()]  # fmt: skip
    return Survey(runner, asked, on_failure=lambda one, why: failed.append(f"{one.name}: {why}")), failed


def raising(error: BaseException) -> Any:
    def work(runner: Runner) -> Any:
        raise error

    return work


def endless(runner: Runner) -> Any:
    time.sleep(3)
    return []


@pytest.mark.parametrize(
    "bad, why",
    [
        (Adapter(probe=raising(KeyError("x"))), "KeyError: 'x'"),
        (Adapter(probe=endless), "it did not come back within 0.5 s"),
        (Adapter(probe=lambda runner: "yes"), "probe() gave str and no number"),
        (Adapter(snapshot=endless), "it did not come back within 0.5 s"),
        (Adapter(snapshot=raising(RecursionError("deep"))), "RecursionError: deep"),
        (Adapter(snapshot=lambda runner: [{"id": "wan"}]), "TypeError: snapshot() gave dict"),
        (Adapter(snapshot=raising(SystemExit(3))), "SystemExit: 3"),
    ],
)
def test_one_that_fails_is_named_and_left_out(bad: Adapter, why: str) -> None:
    asked, failed = survey(router(), bad=bad, good=Adapter())
    begun = time.monotonic()
    asked.probe()
    for _ in range(2):
        assert [one.id for one in asked.look().uplinks] == ["wan"]
    assert failed == [f"bad: {why}"], "told once, and asked no more"
    assert [one.name for one in asked.present] == ["good"]
    assert time.monotonic() - begun < 2


def test_one_that_is_made_wrong() -> None:
    asked, failed = survey(router())
    asked.adapters = [Asked("bad", "bad", lambda: 1 / 0)]  # type: ignore[arg-type, return-value]
    asked.probe()
    assert asked.adapters[0].state == "quarantined"
    assert asked.adapters[0].why == "ZeroDivisionError: division by zero"
    assert failed == ["bad: ZeroDivisionError: division by zero"]


def test_no_answer_once_is_no_fault_of_the_adapter() -> None:
    answers = iter([RunnerError("the modem is busy"), None])

    def snapshot(runner: Runner) -> list[Uplink]:
        error = next(answers)
        if error is not None:
            raise error
        return [WAN]

    asked, failed = survey(router(), modem=Adapter(snapshot))
    asked.probe()
    look = asked.look()
    assert (look.uplinks, look.failed) == ((), ("modem: the modem is busy",))
    assert [one.id for one in asked.look().uplinks] == ["wan"]
    assert failed == []


def test_one_that_is_cut_off_again_and_again_is_left_out() -> None:
    asked, failed = survey(router(), modem=Adapter(raising(CutOff("mmcli: no answer within 8 s"))))
    asked.probe()
    for _ in range(4):
        asked.look()
    assert failed == ["modem: mmcli: no answer within 8 s, 3 times in a row"]


def test_who_does_not_know_the_router_is_not_asked_about_it() -> None:
    never = Adapter(raising(AssertionError()), probe=raising(NotHere("no mmcli")))
    asked, failed = survey(
        router(), never=never, zero=Adapter(raising(AssertionError()), probe=lambda r: 0), good=Adapter()
    )
    assert [one.name for one in asked.probe()] == ["good"]
    assert len(asked.look().uplinks) == 1
    assert (failed, asked.adapters[0].why) == ([], "no mmcli")


def test_a_router_that_cannot_be_reached() -> None:
    asked, _ = survey(router(), one=Adapter(probe=raising(Unreachable("no route"))), two=Adapter())
    with pytest.raises(Unreachable):
        asked.probe()


def test_far_too_many_uplinks() -> None:
    many = Adapter(lambda runner: (replace(WAN, id=f"w{number}", device="") for number in range(10_000)))
    asked, _ = survey(router(), many=many)
    asked.probe()
    assert len(asked.look().uplinks) == MAX_UPLINKS


def test_events_of_those_that_listen_and_of_those_that_break() -> None:
    event = LinkEvent(NOW, "", "down", "wan", "wan is down", exact=True)

    def breaking(runner: Runner) -> Iterator[Any]:
        yield event
        raise ValueError("torn")

    asked, failed = survey(router(), torn=Adapter(events=breaking), odd=Adapter(events=lambda r: iter([1])),
                           quiet=Adapter(events=raising(NotHere("nothing to follow"))))  # fmt: skip
    asked.probe()
    asked.listen()
    got = asked.events.get(timeout=2)
    assert (got.adapter, got.what, got.uplink) == ("torn", "down", "wan")
    ends = time.monotonic() + 2
    while len(failed) < 2 and time.monotonic() < ends:
        time.sleep(0.01)
    assert sorted(failed) == ["odd: TypeError: events() gave int", "torn: ValueError: torn"]
    assert [one.name for one in asked.present] == ["quiet"]


def test_a_router_that_starts_anew_while_it_is_watched() -> None:
    def at(seconds: int, uptime: float) -> dict[str, Any]:
        return {"time": NOW + seconds * 10**9, "ask": ["read", "/proc/uptime"], "answer": f"{uptime} 1.0\n"}

    runner = ReplayRunner([at(0, 5000), at(10, 5010), at(60, 12)], "a router")
    asked, _ = survey(runner, good=Adapter())
    asked.probe()
    told = [event for _ in range(4) for event in asked.news()[1]]
    assert [(event.what, event.text) for event in told] == [("reboot", "the router has started anew, 12 s ago")]


# -------------------------------------------------------------------------------------------------------------- merging


def test_two_entries_of_one_adapter_stay_two() -> None:
    a, b = replace(WAN, id="wan"), replace(WAN, id="wan6")
    assert [one.id for one in merged([[a, b]])] == ["wan", "wan6"]
    (one, two) = merged([[a, b], [Uplink(id="eth1", device="eth1", signal=Signal(rsrp=-90))]])
    assert (one.signal.rsrp, two.signal.rsrp) == (-90, None)


def test_the_first_is_believed_and_the_second_fills_what_it_leaves_open() -> None:
    first = Uplink(id="wwan", device="wwan0", up=False, role="failed", state="mwan3: offline", adapters=("openwrt",))
    second = Uplink(id="modem", device="wwan0", up=True, state="connected", operator="X", sim=Sim(2, "", "89…01"),
                    kind="cellular", notes=("roaming",), adapters=("modemmanager",))  # fmt: skip
    (both,) = merged([[first], [second]])
    assert (both.id, both.up, both.role, both.state, both.operator) == ("wwan", False, "failed", "mwan3: offline", "X")
    assert (both.kind, both.sim.slot, both.notes) == ("cellular", 2, ("roaming",))
    assert both.adapters == ("openwrt", "modemmanager")


# -------------------------------------------------------------------------------------------------------------- changes


def test_what_changes_between_two_looks() -> None:
    modem = Uplink(id="mob", up=True, role="active", operator="A", technology="LTE", address="10.0.0.1",
                   sim=Sim(1, "", "89…01"), signal=Signal(rsrp=-90), state="online")  # fmt: skip
    now = replace(modem, up=False, role="failed", state="offline", sim=Sim(2, "", "89…02"), signal=Signal(rsrp=-99),
                  operator="B", address="")  # fmt: skip
    found = changes([modem, WAN], [now, Uplink(id="new")], NOW)
    assert [(one.what, one.uplink) for one in found] == [
        ("down", "mob"), ("role", "mob"), ("address", "mob"), ("operator", "mob"), ("sim", "mob"), ("signal", "mob"),
        ("appeared", "new"), ("vanished", "wan"),
    ]  # fmt: skip
    assert found[0].text == "mob is down: offline"
    assert found[4].text == "mob uses SIM 2 89…02 (before: SIM 1 89…01)"
    assert not any(one.exact for one in found)


def test_nothing_changes_when_only_figures_wander() -> None:
    before = replace(WAN, latency_ms=40, loss=0.0, signal=Signal(rsrp=-90), since=NOW)
    after = replace(before, latency_ms=55, loss=0.01, signal=Signal(rsrp=-95), since=NOW + 1)
    assert changes([before], [after], NOW) == []


def test_a_failover_seen_in_two_answers_of_the_router() -> None:
    before, after = document("mwan3_status_openwrt_24_10.json"), document("mwan3_status_openwrt_24_10.json")
    before["interfaces"]["wan"] |= {"status": "online", "online": 900, "offline": 0}
    before["policies"]["ipv4"]["wan_wwan"] = [{"interface": "wan", "percent": 100}]
    looks = []
    for status in (before, after):
        asked = router((DUMP, document("network_interface_dump.json")), (MWAN3, status))
        looks.append(list(adapter("openwrt").snapshot(asked)))
    assert [(event.what, event.uplink, event.after) for event in changes(looks[0], looks[1], NOW)] == [
        ("down", "wan", "down"), ("role", "wan", "failed"), ("role", "wwan", "active"),
    ]  # fmt: skip
