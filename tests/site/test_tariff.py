"""Tariffs: which are known, which apply."""

from __future__ import annotations

from typing import Any

from tests.traffic.task_talk import Tasks


def put(talk: Tasks, id_: str, evse: int, price: float = 0.4) -> None:
    tariff = {"tariffId": id_, "currency": "EUR", "energy": {"prices": [{"priceKwh": price}]}}
    talk.order("SetDefaultTariff", {"evseId": evse, "tariff": tariff})


def test_defaults_by_evse_and_clearing_one_of_them() -> None:
    talk = Tasks("2.1")
    put(talk, "day", 0)
    put(talk, "night", 2)
    assert talk.station().tariffs.defaults == {0: "day", 2: "night"}
    answer = {"clearTariffsResult": [{"tariffId": "night", "status": "Accepted"}]}
    talk.order("ClearTariffs", {"tariffIds": ["night"], "evseId": 2}, answer)
    assert talk.station().tariffs.defaults == {0: "day"}
    assert set(talk.station().tariffs.known) == {"day", "night"}


def test_an_id_that_comes_again_with_other_prices_is_noted() -> None:
    talk = Tasks("2.1")
    put(talk, "day", 0)
    put(talk, "day", 1)
    assert talk.station().tariffs.redefined == set()
    put(talk, "day", 1, 0.5)
    assert talk.station().tariffs.redefined == {"day"}


def test_why_a_tariff_is_not_understood_is_kept() -> None:
    talk = Tasks("2.1")
    conditions: Any = {"energy": {"prices": [{"priceKwh": 1, "conditions": {"minEnergy": 5}}]}}
    tariff = {"tariffId": "x", "currency": "EUR", **conditions}
    talk.order("SetDefaultTariff", {"evseId": 0, "tariff": tariff})
    assert talk.station().tariffs.known["x"].why_not == "the price of energy has conditions"


def test_what_the_station_says_is_assigned() -> None:
    talk = Tasks("2.1")
    assigned = [{"tariffId": "day", "tariffKind": "DefaultTariff"}]
    talk.order("GetTariffs", {"evseId": 0}, {"status": "Accepted", "tariffAssignments": assigned})
    assert list(talk.station().tariffs.assigned) == [("day", "DefaultTariff")]
