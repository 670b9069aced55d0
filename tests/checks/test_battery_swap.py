"""Battery swaps."""

from __future__ import annotations

import pytest

from tests.traffic.task_talk import Tasks

TOKEN = {"idToken": "04A2B7C1", "type": "ISO14443"}


def swap(talk: Tasks, kind: str, *serials: str) -> None:
    batteries = [{"evseId": at, "serialNumber": one, "soC": 90, "soH": 95} for at, one in enumerate(serials, 1)]
    talk.tell("BatterySwap", {"eventType": kind, "requestId": 5, "idToken": TOKEN, "batteryData": batteries})


def test_a_swap_that_works() -> None:
    talk = Tasks("2.1")
    talk.order("RequestBatterySwap", {"requestId": 5, "idToken": TOKEN})
    swap(talk, "BatteryIn", "empty-1", "empty-2")
    swap(talk, "BatteryOut", "full-1", "full-2")
    talk.wait(7200)
    assert talk.found("batteryswap") == []
    seen = talk.station().battery_swaps.swaps[5]
    assert [battery.serial for battery in seen.taken_out] == ["full-1", "full-2"]


def test_a_swap_may_be_refused() -> None:
    talk = Tasks("2.1")
    talk.order("RequestBatterySwap", {"requestId": 5, "idToken": TOKEN}, {"status": "Rejected"})
    assert talk.found("batteryswap") == ["batteryswap.refused"]


@pytest.mark.parametrize("minutes, expected", [(31, ["batteryswap.incomplete"]), (29, [])])
def test_a_swap_that_does_not_end(minutes: float, expected: list[str]) -> None:
    talk = Tasks("2.1")
    swap(talk, "BatteryIn", "empty-1")
    talk.wait(minutes * 60)
    assert talk.found("batteryswap") == expected


def test_batteries_that_nobody_takes() -> None:
    talk = Tasks("2.1")
    swap(talk, "BatteryIn", "empty-1")
    swap(talk, "BatteryOutTimeout", "full-1")
    talk.wait(7200)
    assert "1 battery had gone in" in talk.the("batteryswap.not-taken").explanation()
    assert talk.found("batteryswap") == ["batteryswap.not-taken"]


def test_the_same_battery_back() -> None:
    talk = Tasks("2.1")
    swap(talk, "BatteryIn", "empty-1", "empty-2")
    swap(talk, "BatteryOut", "full-1", "empty-2")
    assert "battery empty-2" in talk.the("batteryswap.same-battery").explanation()


def test_two_for_one() -> None:
    talk = Tasks("2.1")
    swap(talk, "BatteryIn", "empty-1")
    swap(talk, "BatteryOut", "full-1", "full-2")
    assert "1 battery went in and 2 batteries out" in talk.the("batteryswap.unequal").explanation()


def test_the_first_batteries_of_a_customer_come_out_alone() -> None:
    talk = Tasks("2.1")
    swap(talk, "BatteryOut", "full-1", "full-2")
    talk.wait(7200)
    assert talk.found("batteryswap") == []
