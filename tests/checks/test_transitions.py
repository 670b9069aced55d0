"""The table of OCPP 1.6 §4.9, counted and sampled."""

from __future__ import annotations

import pytest

from fieldkit.checks.transitions import LEGAL, STATES, is_illegal


def test_the_standard_has_53_transitions() -> None:
    assert len(LEGAL) == 53
    assert {before for before, _ in LEGAL} == set(STATES) == {after for _, after in LEGAL}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Available", "Finishing"),  # A6
        ("Preparing", "Reserved"),  # B7
        ("Preparing", "Unavailable"),  # B8
        ("Charging", "Preparing"),  # C2
        ("SuspendedEV", "Preparing"),  # D2
        ("SuspendedEVSE", "Reserved"),  # E7
        ("Finishing", "Charging"),  # F3
        ("Reserved", "Charging"),  # G3
        ("Unavailable", "Finishing"),  # H6
        ("Unavailable", "Reserved"),  # H7
    ],
)
def test_what_the_table_leaves_empty_is_illegal(before: str, after: str) -> None:
    assert is_illegal(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Available", "Charging"),  # A3
        ("Charging", "Available"),  # C1
        ("Finishing", "Preparing"),  # F2
        ("Faulted", "Reserved"),  # I7
        ("Charging", "Charging"),
        ("Charging", "Occupied"),  # 1.5: not in this table
        ("", "Finishing"),
    ],
)
def test_what_it_has_and_what_it_does_not_know_is_not(before: str, after: str) -> None:
    assert not is_illegal(before, after)
