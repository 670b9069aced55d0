"""The first line is one true sentence, and what to do is in order."""

from __future__ import annotations

import pytest

from fieldkit.checks.finding import Severity
from fieldkit.reports.document import Capture, FindingEntry
from fieldkit.reports.verdict import MAX_STEPS, next_steps, severity, verdict


def capture(*, messages: int = 100, complete: bool = True, **connections: int) -> Capture:
    return {
        "first": None, "last": None, "duration_s": 60.0, "packets": 5, "messages": messages, "connections": connections,
        "hosts": [], "gaps": 0, "missing_bytes": 0, "snapped_bytes": 0, "dropped_packets": 0, "undecoded": 0,
        "damage": [], "opaque": 0, "complete": complete, "notes": [],
    }  # fmt: skip


def finding(id_: str, level: Severity = "critical", station: str = "CP_1", *, inferred: bool = False) -> FindingEntry:
    return {
        "id": id_, "severity": level, "title": f"{id_} happened.", "explanation": "", "advice": f"Mend {id_}.",
        "owner": "station", "station": station, "connector": "", "transaction": "", "first": "", "last": "", "count": 1,
        "inferred": inferred, "evidence": [], "reference": "",
    }  # fmt: skip


def first_line(findings: list[FindingEntry], of: Capture | None = None) -> str:
    counts: dict[Severity, int] = {"critical": 0, "warning": 0, "info": 0}
    for one in findings:
        counts[one["severity"]] += 1
    return verdict(findings, counts, 1, of or capture())


@pytest.mark.parametrize(
    "findings, expected",
    [
        ([finding("a")], "a happened (CP_1)."),
        ([finding("a"), finding("a", station="CP_2")], "a happened (CP_1 and CP_2)."),
        ([finding("a", station="")], "a happened."),
        ([finding("a", inferred=True)], "Probably: a happened (CP_1)."),
        ([finding("a"), finding("b")], "a happened (CP_1); besides, there is 1 other critical finding."),
        ([finding("a"), finding("b", "warning")], "a happened (CP_1); besides, there is 1 warning."),
        (
            [finding("a"), finding("b"), finding("c"), finding("d", "warning"), finding("e", "info")],
            "a happened (CP_1); besides, there are 2 other critical findings and 1 warning.",
        ),
        (
            [finding("a", "warning"), finding("b", "warning")],
            "a happened (CP_1); besides, there is 1 other warning.",
        ),
        ([finding("a", "info")], "Nothing wrong was found in 100 messages of 1 station over 1 min (1 note below)."),
        ([], "Nothing wrong was found in 100 messages of 1 station over 1 min."),
    ],
)
def test_the_first_line(findings: list[FindingEntry], expected: str) -> None:
    assert first_line(findings) == expected


def test_missing_data_is_admitted() -> None:
    assert first_line([], capture(complete=False)).endswith(
        "data is missing in the capture: faults may have been missed."
    )
    assert first_line([finding("a")], capture(complete=False)).endswith("so there may be more.")


def test_no_ocpp() -> None:
    of = capture(messages=0, tls=2, http=1)
    of["opaque"] = 1
    assert first_line([], of) == (
        "There is no OCPP to be seen in this capture; it holds 3 TCP connections (2 tls, 1 http), "
        "1 of which stays encrypted."
    )
    assert (
        first_line([], capture(messages=0))
        == "There is no OCPP in this capture; it holds 5 packets, and no TCP connection."
    )


def test_a_finding_without_messages_is_the_verdict_all_the_same() -> None:
    of = capture(messages=0, refused=3)
    assert first_line([finding("connection.refused")], of) == "connection.refused happened (CP_1)."
    assert severity({"critical": 1, "warning": 0, "info": 0}, of) == "critical"


def test_steps_that_read_the_same_are_one() -> None:
    steps = next_steps(
        [finding("a"), finding("b", "warning"), finding("a", station="CP_2"), finding("c", "info")], capture()
    )
    assert [(step["finding"], step["station"]) for step in steps] == [("a", "CP_1 and CP_2"), ("b", "CP_1")]


def test_there_are_not_too_many_steps() -> None:
    assert len(next_steps([finding(f"f{number}") for number in range(40)], capture())) == MAX_STEPS


@pytest.mark.parametrize(
    "of, word",
    [
        (capture(messages=0), "mirror port"),
        (capture(messages=0, tls=1), "--keylog"),
        (capture(messages=0, refused=1), "firewall"),
        (capture(messages=0, http=1), "wrong place"),
    ],
)
def test_what_to_try_without_ocpp(of: Capture, word: str) -> None:
    assert any(word in step["text"] for step in next_steps([], of))


def test_nothing_to_do_when_all_is_well() -> None:
    assert next_steps([], capture()) == []
