"""DER controls: cleared by kind, replaced by name."""

from __future__ import annotations

from tests.traffic.task_talk import Tasks


def put(talk: Tasks, id_: str, type_: str, *, default: bool = False) -> None:
    order = {"isDefault": default, "controlId": id_, "controlType": type_, "gradient": {"priority": 1, "gradient": 2}}
    talk.order("SetDERControl", order)


def names(talk: Tasks) -> list[str]:
    return [control.id for control in talk.station().der.in_force()]


def test_all_scheduled_controls_of_a_type_are_cleared_at_once() -> None:
    talk = Tasks("2.1")
    put(talk, "a", "Gradients")
    put(talk, "b", "Gradients", default=True)
    put(talk, "c", "VoltVar")
    talk.order("ClearDERControl", {"isDefault": False, "controlType": "Gradients"})
    assert names(talk) == ["b", "c"]
    talk.order("ClearDERControl", {"isDefault": False})
    assert names(talk) == ["b"]


def test_the_same_name_again_replaces_the_control() -> None:
    talk = Tasks("2.1")
    put(talk, "a", "Gradients")
    put(talk, "a", "VoltVar")
    assert [control.type for control in talk.station().der.in_force()] == ["VoltVar"]
