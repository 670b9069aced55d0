"""What all connections together may hold back."""

from __future__ import annotations

from fieldkit.wire.budget import DEFAULT_BUDGET, Budget


def test_what_is_taken_can_be_given_back() -> None:
    budget = Budget(10)
    assert budget.take(4)
    assert budget.take(6)
    assert budget.used == 10
    budget.give(6)
    assert budget.used == 4


def test_what_is_not_to_be_had_takes_nothing() -> None:
    budget = Budget(10)
    assert budget.take(8)
    assert not budget.take(3)
    assert budget.used == 8
    assert budget.take(2)


def test_nothing_is_always_to_be_had() -> None:
    assert Budget(0).take(0)
    assert not Budget(0).take(1)


def test_the_smallest_router_we_run_on_has_room_for_it() -> None:
    assert DEFAULT_BUDGET <= (128 << 20) // 4
