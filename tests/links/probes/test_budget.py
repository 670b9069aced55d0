"""What probes may cost."""

from __future__ import annotations

import json
from pathlib import Path

from fieldkit.links.probes.budget import DAY, EXPECTED, HOUR, METERED, Budget
from fieldkit.links.probes.prober import EVERY, JITTER, is_metered, next_pause
from fieldkit.links.uplink import Uplink

NOW = 1_795_243_800.0


def test_a_day_of_rounds_at_the_usual_pace_fits_into_what_a_modem_may_cost() -> None:
    assert DAY / EVERY * 8_000 < METERED


def test_what_is_spent_is_known_to_the_next_run_and_forgotten_after_a_day(tmp_path: Path) -> None:
    file = tmp_path / "state" / "probes.json"
    Budget("gw", limit=30_000, path=file).spend("wan", 20_000, NOW)
    again = Budget("gw", limit=30_000, path=file)
    assert again.spent("wan", NOW) == 20_000
    assert not again.may("wan", NOW, metered=True)
    assert again.may("wan", NOW, metered=False)
    assert again.may("mob1", NOW, metered=True)
    assert Budget("another", limit=30_000, path=file).may("wan", NOW, metered=True)
    assert again.spent("wan", NOW + 23 * HOUR) == 20_000
    assert again.may("wan", NOW + 26 * HOUR, metered=True)


def test_the_hour_alone(tmp_path: Path) -> None:
    budget = Budget("gw", path=tmp_path / "probes.json")
    budget.spend("wan", 1_000, NOW - HOUR)
    budget.spend("wan", 300, NOW)
    assert (budget.spent("wan", NOW, 0), budget.spent("wan", NOW)) == (300, 1_300)


def test_what_the_last_one_cost_is_expected_of_the_next(tmp_path: Path) -> None:
    budget = Budget("gw", limit=EXPECTED, path=tmp_path / "probes.json")
    assert budget.may("wan", NOW, metered=True)
    budget.spend("wan", 2_000, NOW)
    assert budget.may("wan", NOW, metered=True)
    budget.spend("wan", EXPECTED - 3_000, NOW)
    assert not budget.may("wan", NOW, metered=True)


def test_one_that_is_killed_has_cost_something(tmp_path: Path) -> None:
    file = tmp_path / "probes.json"
    begun = Budget("gw", path=file)
    reserved = begun.reserve("wan", NOW)
    assert Budget("gw", path=file).spent("wan", NOW) == reserved == EXPECTED
    begun.spend("wan", 700, NOW, reserved)
    assert Budget("gw", path=file).spent("wan", NOW) == 700


def test_where_nothing_can_be_written_it_holds_within_the_run(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    budget = Budget("gw", limit=20_000, path=tmp_path / "state" / "probes.json")
    for _ in range(3):
        budget.spend("wan", 8_000, NOW)
    assert budget.spent("wan", NOW) == 24_000
    assert not budget.may("wan", NOW, metered=True)


def test_a_damaged_file_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "probes.json"
    for text in ("[", "[]", '{"gw wan": 3}', '{"gw wan": {"x": 1, "3": "4"}}', "\0" * 100):
        file.write_text(text)
        assert Budget("gw", path=file).spent("wan", NOW) == 0
    Budget("gw", path=file).spend("wan", 5, NOW)
    assert json.loads(file.read_text()) == {"gw wan": {str(int(NOW // HOUR)): 5}}


def test_pauses_differ() -> None:
    assert next_pause(100.0, lambda: 0.0) == 100 * (1 - JITTER)
    assert next_pause(100.0, lambda: 1.0) == 100 * (1 + JITTER)
    assert len({next_pause(100.0) for _ in range(20)}) > 1


def test_modems_and_satellites_are_taken_to_cost() -> None:
    assert is_metered(Uplink("a", "cellular"))
    assert is_metered(Uplink("a", "satellite"))
    assert not is_metered(Uplink("a", "satellite", metered=False))
    assert not is_metered(Uplink("a", "ethernet"))
    assert is_metered(Uplink("a", "ethernet", metered=True))
