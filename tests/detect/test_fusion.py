"""Signs become incidents: added up, deduplicated, named by their cause, told once."""

from __future__ import annotations

from fieldkit.detect.deadlines import Deadlines
from fieldkit.detect.families import FAMILIES
from fieldkit.detect.fusion import COOL_DOWN, OPEN, Fusion
from fieldkit.detect.incident import Incident
from fieldkit.detect.symptom import CATEGORIES, SITE, Symptom

SECOND = 1_000_000_000


def sign(
    family: str, at: float, confidence: float = 0.7, station: str = "CP_1", name: str = "", *, insists: bool = False
) -> Symptom:
    time = int(at * SECOND)
    return Symptom(time, station, family, confidence, f"{family} at {at:g}.", sign=name, insists=insists)


def told(*signs: Symptom) -> list[Incident]:
    deadlines = Deadlines()
    fusion = Fusion(deadlines)
    for one in signs:
        deadlines.run(one.time)
        fusion.add(one)
    fusion.finish(signs[-1].time)
    return fusion.incidents


def names(incidents: list[Incident]) -> list[tuple[str, str]]:
    return [(incident.station, incident.family_name) for incident in incidents]


def test_one_sure_sign_is_an_incident_and_its_repetitions_are_the_same_one() -> None:
    (incident,) = told(sign("message-flood", 1, 0.9), sign("message-flood", 5, 0.9), sign("message-flood", 60, 0.9))
    assert (incident.raised, incident.last, incident.count) == (SECOND, 60 * SECOND, 3)


def test_a_weak_sign_alone_is_nothing_and_two_kinds_of_it_are_enough() -> None:
    assert told(sign("malformed-frames", 1, 0.4)) == []
    assert told(sign("malformed-frames", 1, 0.4, name="a"), sign("malformed-frames", 2, 0.4, name="b")) != []


def test_the_same_weak_sign_again_counts_less() -> None:
    assert told(sign("malformed-frames", 1, 0.4, name="a"), sign("malformed-frames", 2, 0.4, name="a")) == []


def test_weak_signs_that_are_far_apart_do_not_add_up() -> None:
    assert told(sign("malformed-frames", 1, 0.4, name="a"), sign("malformed-frames", 5000, 0.4, name="b")) == []


def test_an_effect_joins_the_incident_that_explains_it() -> None:
    assert names(told(sign("reboot-loop", 1), sign("station-offline", 30))) == [("CP_1", "reboot-loop")]


def test_a_cause_that_shows_later_gives_the_incident_its_name() -> None:
    incidents = told(sign("station-offline", 1), sign("power-cut", 200, 0.8, SITE))
    assert names(incidents) == [(SITE, "power-cut")]
    assert incidents[0].raised == SECOND


def test_a_cause_does_not_take_over_what_it_does_not_explain() -> None:
    incidents = told(sign("register-rollback", 1), sign("power-cut", 20, 0.8, SITE))
    assert names(incidents) == [("CP_1", "register-rollback"), (SITE, "power-cut")]


def test_what_insists_is_not_explained_away() -> None:
    incidents = told(sign("csms-restart", 1, 0.8, SITE), sign("csms-unreachable", 300, 0.85, SITE, insists=True))
    assert names(incidents) == [(SITE, "csms-unreachable")]
    assert names(told(sign("csms-restart", 1, 0.8, SITE), sign("csms-unreachable", 300, 0.85, SITE))) == [
        (SITE, "csms-restart")
    ]


def test_the_same_trouble_of_two_connections_is_the_sites() -> None:
    incidents = told(sign("blackhole", 1), sign("blackhole", 40, station="CP_2"))
    assert names(incidents) == [(SITE, "blackhole")]
    assert incidents[0].stations == {"CP_1", "CP_2"}


def test_the_same_fraud_at_two_stations_is_two_incidents() -> None:
    assert len(told(sign("register-rollback", 1), sign("register-rollback", 40, station="CP_2"))) == 2


def test_after_the_cool_down_it_is_a_new_one() -> None:
    later = (COOL_DOWN + OPEN) / SECOND + 10
    assert len(told(sign("flapping", 1), sign("flapping", later))) == 2
    assert len(told(sign("flapping", 1), sign("flapping", later / 4))) == 1


def test_an_incident_ends_when_nothing_more_comes() -> None:
    deadlines = Deadlines()
    fusion = Fusion(deadlines)
    fusion.add(sign("flapping", 1))
    assert fusion.is_open("CP_1")
    assert not fusion.is_open("CP_2")
    deadlines.run(SECOND + OPEN + 2)
    assert not fusion.is_open("CP_1")


def test_a_sign_that_waits_for_its_cause_is_told_without_one_in_the_end() -> None:
    assert FAMILIES["uplink-switch"].hold
    assert names(told(sign("uplink-switch", 1))) == [("CP_1", "uplink-switch")]
    assert names(told(sign("uplink-switch", 1), sign("csms-restart", 2, 0.9, SITE))) == [
        (SITE, "csms-restart"), ("CP_1", "uplink-switch")
    ]  # fmt: skip


def test_every_family_has_a_category_words_and_known_effects() -> None:
    for family in FAMILIES.values():
        assert family.category in CATEGORIES
        assert family.title
        assert family.advice
        assert family.explains <= set(FAMILIES)
