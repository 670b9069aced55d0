from __future__ import annotations

from fieldkit.checks.collector import MAX_ALL, MAX_EVENTS, MAX_FIRST, MAX_LAST, MAX_PER_KIND, Collector
from fieldkit.checks.finding import Finding, Identity, Kind
from fieldkit.events import CaptureComment, MessageType, OcppChannel, OcppMessage
from fieldkit.site.light import weight_of

SILENT = Kind("test.silent", "warning", "station", "Silent", "{name} said nothing for {time}.", "Ask {name}.", "none")


def seen_at(second: int) -> CaptureComment:
    return CaptureComment(second, (second,), "")


def silent(second: int, **differently: object) -> Finding:
    fields: dict[str, object] = {
        "station": "CP_1",
        "evidence": (seen_at(second),),
        "values": {"name": "it", "time": f"{second} s"},
    }
    return Finding(SILENT, second, **(fields | differently))  # type: ignore[arg-type]


def test_occurrences_that_say_the_same_are_counted_as_one_finding() -> None:
    collector = Collector()
    assert len(collector.add([silent(5)])) == 1
    assert collector.add([silent(3), silent(9)]) == []
    (found,) = collector.all()
    assert (found.count, found.first, found.last) == (3, 3, 9)
    assert found.explanation() == "it said nothing for 5 s."
    assert found.advice() == "Ask it."


def test_another_station_connector_transaction_or_group_is_another_finding() -> None:
    collector = Collector()
    collector.add(
        [
            silent(1),
            silent(1, station="CP_2"),
            silent(1, connector="1"),
            silent(1, transaction="7"),
            silent(1, group="x"),
        ]
    )
    assert len(collector.all()) == 5


def test_the_worst_come_first_then_the_earliest() -> None:
    collector = Collector()
    collector.add([silent(9), silent(2, connector="2"), silent(20, connector="1", severity="critical")])
    assert [found.first for found in collector.all()] == [20, 2, 9]


def test_one_bad_occurrence_makes_the_whole_finding_bad() -> None:
    collector = Collector()
    collector.add([silent(1, severity="info"), silent(2, severity="critical"), silent(3)])
    assert [found.severity for found in collector.all()] == ["critical"]


def test_evidence_is_the_first_and_the_latest() -> None:
    collector = Collector()
    collector.add(silent(second) for second in range(100))
    (found,) = collector.all()
    assert [event.time for event in found.evidence] == list(range(MAX_FIRST))
    assert [event.time for event in found.latest] == list(range(100 - MAX_LAST, 100))


def test_a_station_that_is_wrong_in_every_transaction_is_not_a_thousand_findings() -> None:
    collector = Collector()
    collector.add(silent(number, transaction=str(number)) for number in range(5000))
    found = collector.all()
    assert len(found) == MAX_PER_KIND + 1
    assert sum(finding.count for finding in found) == 5000
    (rest,) = (finding for finding in found if finding.merged)
    assert rest.count == 5000 - MAX_PER_KIND


def test_identities_are_masked_unless_asked_for() -> None:
    collector = Collector()
    collector.add([silent(1, values={"name": Identity("04A2B3C4D5E67F"), "time": "1 s"})])
    (found,) = collector.all()
    assert found.explanation() == "04…7F said nothing for 1 s."
    assert found.explanation(show_ids=True) == "04A2B3C4D5E67F said nothing for 1 s."


def test_a_text_of_a_station_is_no_template() -> None:
    collector = Collector()
    collector.add([silent(1, values={"name": "{time.__class__}", "time": "{0}"})])
    assert collector.all()[0].explanation() == "{time.__class__} said nothing for {0}."


def heavy(number: int) -> OcppMessage:
    channel = OcppChannel("CP_1", "1.6", "json", None, False, False, False)
    kind, raw = MessageType.CALL, "x" * 200_000
    return OcppMessage(
        number, (number,), "memory", channel, "station", kind, f"m-{number}", "A", {}, None, raw, (), True, None
    )


def test_the_messages_that_are_kept_as_evidence_have_a_bound_in_all() -> None:
    collector = Collector()
    for number in range(300):
        collector.add([silent(number, evidence=(heavy(number),), group=str(number % 150))])
    kept = [event for found in collector.all() for event in (*found.evidence, *found.latest)]
    assert len(kept) == 300
    assert sum(map(weight_of, kept)) <= MAX_ALL
    assert [event.frames for event in kept[:2]] == [(0,), (150,)]


def test_of_thousands_of_findings_the_first_and_the_latest_occurrence_are_kept() -> None:
    collector = Collector()
    for second in range(12):
        collector.add(
            silent(second, station=f"CP_{number}", evidence=(seen_at(second), seen_at(second + 100)))
            for number in range(2000)
        )
    found = collector.all()
    total = sum(len(finding.evidence) + len(finding.latest) for finding in found)
    assert total <= MAX_EVENTS + 2000 * 2
    assert total == collector._events
    for finding in found:
        assert finding.count == 12
        assert [event.time for event in finding.evidence][:2] == [0, 100]
        assert [event.time for event in finding.latest][-2:] == [11, 111]
