"""The judge counts as its rules say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fieldkit.events import ConnectionClosed, Event
from tests.simulation.episodes import Category, Episode
from tests.simulation.families import FAMILIES
from tests.simulation.judge import (
    FIRST_JUDGED,
    SECOND,
    Judged,
    Plan,
    benign_plans,
    episode_plans,
    false_alarms,
    judge_site,
    judgement,
    match,
    totals,
)
from tests.simulation.judgetable import card, put_into
from tests.simulation.naive import Naive
from tests.simulation.scoring import Raised
from tests.simulation.site import Site

HOUR = 3600 * SECOND


def episode(
    family: str = "message-flood",
    station: str = "A",
    *,
    start: int = 10,
    hours: float = 1,
    category: Category | None = None,
) -> Episode:
    begin = start * HOUR
    made = Episode(family, category or FAMILIES[family].category, station, begin, begin + round(hours * HOUR), 0.5)
    made.first_evidence = begin
    return made


def raised(at: float, station: str = "A", category: str = "intrusion", score: float = 0.9) -> Raised:
    return Raised(round(at * HOUR), station, category, "some", score)


def test_an_incident_hits_in_time_and_place_only() -> None:
    one = episode()
    for hit in (raised(10.01), raised(10.01, "*"), raised(11.2)):
        verdicts, strays = match([one], [hit])
        assert (verdicts[0].hit, strays) == (True, [])
    for miss in (raised(10.5, "B"), raised(9.9), raised(11.3)):
        verdicts, strays = match([one], [miss])
        assert (verdicts[0].hit, strays) == (False, [miss])
    verdicts, strays = match([episode(station="*")], [raised(10.5, "B")])
    assert verdicts[0].hit


def test_an_incident_counts_for_one_episode_and_benign_ones_are_never_false() -> None:
    first, second = episode(hours=3), episode("flapping", start=12)
    verdicts, strays = match([first, second], [raised(12.1), raised(20, category="benign")])
    assert [verdict.hit for verdict in verdicts] == [False, True]
    assert strays == []


def test_the_surest_hit_names_the_category_and_any_attack_is_held_against_a_benign_episode() -> None:
    hits = [raised(10.1, category="connectivity", score=0.4), raised(10.2, category="intrusion", score=0.8)]
    (verdict,), _ = match([episode()], hits)
    assert verdict.category == "intrusion"
    (verdict,), _ = match([episode("power-cut")], [*hits, raised(10.3, category="benign", score=0.99)])
    assert (verdict.category, verdict.attack) == ("benign", True)


@pytest.mark.parametrize(
    "family, seconds, in_time",
    [
        ("message-flood", 59, True),
        ("message-flood", 61, False),
        ("derating", 299, True),
        ("derating", 400, True),
        ("derating", 700, False),
    ],
)
def test_in_time_is_a_minute_or_five_or_the_third_sample(family: str, seconds: int, in_time: bool) -> None:
    made = episode(family)
    made.third_evidence = made.start + 600 * SECOND
    (verdict,), _ = match([made], [raised(10 + seconds / 3600)])
    assert verdict.in_time is in_time
    assert verdict.delay == pytest.approx(seconds)


def test_totals_and_rates() -> None:
    hit, missed, tricky = episode(), episode("flapping", "B"), episode("dst", "C")
    verdicts, strays = match([hit, missed, tricky], [raised(10.001), raised(10.1, "C", "fraud"), raised(30, "D")])
    judged = [Judged(14.0, {"all": verdicts}, {"all": strays}, {"all": 0})]
    found = totals(judged, "all")
    assert (found["episodes"], found["recall"], found["in_time"], found["category_right"]) == (2, 0.5, 1.0, 1.0)
    assert (found["tricky"], found["tricky_called_attack"]) == (1, 1)
    assert found["by_category"]["connectivity"]["recall"] == 0.0
    assert found["stray_a_charger_week"] == 0.5
    benign = false_alarms(judged, "all")
    assert (benign["incidents"], benign["a_charger_week"], benign["upper_bound"]) == (1, 0.5, None)
    quiet = [Judged(600.0, {"all": []}, {"all": []}, {"all": 0})]
    assert false_alarms(quiet, "all")["upper_bound"] == pytest.approx(0.035, abs=0.001)


def test_what_judges_is_not_what_may_train() -> None:
    benign, episodes = benign_plans(0.1, "second"), episode_plans(1.0, "second")
    assert all(plan.seed >= FIRST_JUDGED and plan.generator == "second" for plan in (*benign, *episodes))
    assert not {plan.seed for plan in benign} & {plan.seed for plan in episodes}
    assert sum(plan.site().charger_days for plan in benign) == pytest.approx(60)
    names = [name.partition("@")[0] for plan in episodes for name in plan.families]
    assert set(names) == set(FAMILIES) - {"tls-clock-failure"}
    assert all(names.count(name) == 8 for name in set(names))
    sealed = {name.partition("@")[0] for plan in episode_plans(1.0, "second", encrypted=True) for name in plan.families}
    assert "tls-clock-failure" in sealed
    assert "register-rollback" not in sealed


class Oracle:
    """Knows when something floods: to see the judge at work without the detector."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, str]] = []

    def feed(self, event: Event) -> None:
        if getattr(event, "action", "") in ("Heartbeat", "StatusNotification", "DataTransfer"):
            self._calls.append((event.time, event.channel.station))  # type: ignore[union-attr]  # an OcppMessage

    def finish(self) -> Mapping[str, list[Raised]]:
        found = [
            Raised(self._calls[at + 40][0], station, "intrusion", "message-flood", 1.0)
            for at, (time, station) in enumerate(self._calls[:-40])
            if self._calls[at + 40][0] - time < 120 * SECOND and self._calls[at + 40][1] == station
        ]
        return {"all": found, "statistics and model": []}


def test_a_site_is_judged_from_its_events() -> None:
    judged = judge_site(Plan(FIRST_JUDGED, 0.3, "second", ("message-flood@0.99",), 0.0, 2), Oracle)
    assert judged.charger_days == pytest.approx(0.6)
    (verdict,) = judged.verdicts["all"]
    assert verdict.hit
    assert verdict.in_time
    assert verdict.category == "intrusion"
    assert not judged.verdicts["statistics and model"][0].hit
    assert judged.strays["all"] == []


class Watchman:
    """Tells of every connection that ends, by the address of the station, as where only TLS is to be seen."""

    def __init__(self) -> None:
        self._ends: list[Raised] = []

    def feed(self, event: Event) -> None:
        if isinstance(event, ConnectionClosed) and event.how != "end-of-capture":
            address = event.connection.client.address
            self._ends.append(Raised(event.time, address, "connectivity", "flapping", 1.0))

    def finish(self) -> Mapping[str, list[Raised]]:
        return {"all": self._ends}


def test_of_tls_a_station_may_be_called_by_its_address() -> None:
    judged = judge_site(Plan(FIRST_JUDGED, 0.3, "second", ("flapping@0.9",), 0.0, 2, True), Watchman)
    (verdict,) = judged.verdicts["all"]
    assert verdict.episode.station.startswith("192.168.") is False
    assert verdict.hit


def test_the_naive_floor_learns_a_day_and_tells_what_exceeds_it() -> None:
    site = Site(2, 1.5, chargers=2, families=["message-flood@0.95"], quiet=1.1, whole=True)
    naive = Naive()
    for _, event in site.events():
        naive.feed(event)
    alarms = naive.finish()
    (episode,) = site.episodes
    assert alarms
    assert all(episode.start - 60 * SECOND <= time <= episode.end + 600 * SECOND for time, *_ in alarms)
    assert {station for _, station, *_ in alarms} == {episode.station}


def test_the_document_gets_one_table_between_its_marks_and_the_same_each_time(tmp_path: Path) -> None:
    result = judgement(0.001, Oracle, workers=1, families=("message-flood", "dst"))
    path = tmp_path / "detector.md"
    path.write_text("# The detector\n\nBefore.\n", "utf-8")
    put_into(path, result)
    first = path.read_text("utf-8")
    assert "| Episodes found | 90 % | – |" in first
    assert "Before." in first
    assert "| intrusion | 1 | 0 % |" in first, "what is found without rules"
    path.write_text(first + "\nAfter.\n", "utf-8")
    put_into(path, result)
    assert path.read_text("utf-8") == first + "\nAfter.\n"
    assert card(result, "abc")["layers"] == {
        name: {"found": one["episodes"]["recall"], "false_a_charger_week": one["benign"]["a_charger_week"]}
        for name, one in result["settings"].items()
    }
