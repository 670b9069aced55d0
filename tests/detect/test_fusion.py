"""Signs become incidents: added up, deduplicated, named by their cause, told once."""

from __future__ import annotations

from fieldkit.detect.deadlines import Deadlines
from fieldkit.detect.families import FAMILIES
from fieldkit.detect.fusion import COOL_DOWN, OPEN, Fusion
from fieldkit.detect.incident import Incident
from fieldkit.detect.symptom import CATEGORIES, SITE, Symptom

SECOND = 1_000_000_000


def sign(
    family: str,
    at: float,
    confidence: float = 0.7,
    station: str = "CP_1",
    name: str = "",
    *,
    insists: bool = False,
    began: float = 0.0,
) -> Symptom:
    time, first = int(at * SECOND), int(began * SECOND)
    return Symptom(time, station, family, confidence, f"{family} at {at:g}.", first=first, sign=name, insists=insists)


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


def test_what_shows_a_hundred_times_is_hardly_surer_than_what_shows_a_few_times() -> None:
    few = told(*(sign("malformed-frames", at, 0.7, name="a") for at in range(1, 6)))
    many = told(*(sign("malformed-frames", at, 0.7, name="a") for at in range(1, 400)))
    other = told(*(sign("malformed-frames", at, 0.7, name=name) for at, name in enumerate("abc", 1)))
    assert few[0].confidence <= many[0].confidence < few[0].confidence + 0.02
    assert other[0].confidence > many[0].confidence, "signs of another kind make it surer"


def test_a_late_sign_is_of_the_incident_that_was_there_when_it_began() -> None:
    late = 100 + 3 * (COOL_DOWN + OPEN) / SECOND
    incidents = told(sign("blackhole", 100), sign("blackhole", 300), sign("blackhole", late, name="b", began=200))
    assert names(incidents) == [("CP_1", "blackhole")]
    assert incidents[0].last == 300 * SECOND, "it does not last until it is told"
    incidents = told(sign("blackhole", 100), sign("blackhole", 300), sign("unusual-transport", late, began=200))
    assert names(incidents) == [("CP_1", "blackhole")]
    incidents = told(sign("blackhole", 100), sign("blackhole", 300), sign("blackhole", late, began=late - 60))
    assert len(incidents) == 2


def test_what_is_named_is_not_told_again_as_odd() -> None:
    named = sign("satellite-step", 100, 0.8, SITE)
    assert names(told(named, sign("unusual-transport", 2000))) == [(SITE, "satellite-step")]
    assert len(told(named, sign("unusual-energy", 2000))) == 2, "of another kind"
    assert len(told(sign("power-cut", 100, 0.8, SITE), sign("unusual-transport", 2000))) == 2, "harmless ones hide"


def test_two_incidents_of_the_site_turn_out_to_have_one_cause() -> None:
    one, other = sign("dns-failure", 1), sign("flapping", 60, station="CP_2")
    assert names(told(one, other)) == [("CP_1", "dns-failure"), ("CP_2", "flapping")]
    (incident,) = told(one, other, sign("csms-restart", 90, 0.8, SITE))
    assert (incident.station, incident.family_name) == (SITE, "csms-restart")
    assert incident.stations >= {"CP_1", "CP_2"}
    assert incident.first == SECOND


def test_the_explanation_begins_with_the_most_telling_sign_and_ends_after_three_sentences() -> None:
    (incident,) = told(
        sign("power-cut", 1, 0.62, SITE, "a"),
        sign("power-cut", 2, 0.9, SITE, "b"),
        *(sign("flapping", at, 0.7, name=f"sign-{at}") for at in range(3, 9)),
        sign("unusual-transport", 9, 0.95),
    )
    assert incident.explanation == "power-cut at 2. power-cut at 1. flapping at 3."


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
