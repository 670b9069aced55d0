"""When the evidence of an episode is dated."""

from __future__ import annotations

from tests.simulation.episodes import Episode

SECOND = 1_000_000_000


def test_what_shows_within_a_second_is_one_occasion() -> None:
    episode = Episode("phase-loss", "maintenance", "CP", 0, 1000 * SECOND, 0.5)
    for time in (60.0, 60.0, 60.2, 120.0, 120.1, 180.0):
        episode.shows(int(time * SECOND))
    assert episode.first_evidence == 60 * SECOND
    assert episode.third_evidence == 180 * SECOND
    assert episode.shown == 3
