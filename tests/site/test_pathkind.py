"""What a path probably is."""

from __future__ import annotations

from random import Random

import pytest

from fieldkit.site.outage import PathKind
from fieldkit.site.pathkind import SLOT_AT_NS, SLOT_NS, guess

MS = 1_000_000


def trips(*rtts: float) -> list[tuple[int, int]]:
    return [(number * 10**9, round(rtt * MS)) for number, rtt in enumerate(rtts)]


@pytest.mark.parametrize(
    ("rtts", "kind"),
    [
        ((0.2, 0.3, 0.2, 0.4), "local"),
        ((18, 19, 18, 20, 18), "broadband"),
        ((45, 62, 38, 95, 51), "cellular"),
        ((220, 340, 180, 400), "cellular"),
        ((560, 610, 590, 700), "geo-satellite"),
        ((600, 90, 620, 610), "cellular"),
        ((), "unknown"),
    ],
)
def test_by_floor_and_spread(rtts: tuple[float, ...], kind: PathKind) -> None:
    found = guess(trips(*rtts))
    assert found.kind == kind
    assert 0 <= found.confidence <= 0.9
    assert bool(found.reason) is bool(rtts)


def test_a_few_are_less_sure() -> None:
    assert guess(trips(560)).confidence < guess(trips(560, 570, 580, 590)).confidence


def test_a_low_satellite_changes_every_fifteen_seconds() -> None:
    dice = Random(1)
    found = []
    for slot in range(20):
        base = dice.uniform(25, 60)
        for number in range(3):
            time = SLOT_AT_NS + slot * SLOT_NS + (number + 1) * 4 * 10**9
            found.append((time, round((base + dice.uniform(0, 1)) * MS)))
    assert guess(found).kind == "leo-satellite"
    mixed = [(time, rtt) for (time, _), (_, rtt) in zip(found, dice.sample(found, len(found)), strict=True)]
    assert guess(mixed).kind == "cellular"
