"""Values in words, as text, Markdown and JUnit have them."""

from __future__ import annotations

from typing import cast

import pytest

from fieldkit.checks.finding import Owner
from fieldkit.reports import plainwords as words
from fieldkit.reports.document import Outcomes, TransactionEntry
from tests.traffic.sample_report import sample


@pytest.mark.parametrize(
    "text, owner, shown",
    [
        ("Operator: set a password.", "operator", "Set a password."),
        ("Operator: set a password.", "csms", "Operator: set a password."),
        ("Station manufacturer: mend it.", "station", "Station manufacturer: mend it."),
        ("CSMS: accept it.", "csms", "Accept it."),
        ("Look at it.", "unknown", "Look at it."),
        ("", "operator", ""),
    ],
)
def test_who_has_to_act_is_named_once(text: str, owner: Owner, shown: str) -> None:
    assert words.advice(text, owner) == shown


@pytest.mark.parametrize(
    "names, shown",
    [
        (["/data/site.pcap"], ["site.pcap"]),
        ([r"C:\captures\site.pcap", "b.pcap"], ["site.pcap", "b.pcap"]),
        (["monday/site.pcap", "tuesday/site.pcap"], ["monday/site.pcap", "tuesday/site.pcap"]),
        (["eth0", "-"], ["eth0", "-"]),
    ],
)
def test_names_of_files_without_folders(names: list[str], shown: list[str]) -> None:
    assert words.base_names(names) == shown


@pytest.mark.parametrize(
    "watt_hours, shown",
    [(None, "?"), (0.34, "0.34 Wh"), (0.0, "0 Wh"), (99.0, "99 Wh"), (100.0, "0.10 kWh"), (12_345.0, "12.35 kWh")],
)
def test_energy(watt_hours: float | None, shown: str) -> None:
    assert words.energy(watt_hours) == shown


def test_a_reason_that_was_not_sent() -> None:
    made = sample()["transactions"][0]
    assert words.stop_reason(cast(TransactionEntry, {**made, "reason_sent": True})) == "Local"
    assert words.stop_reason(cast(TransactionEntry, {**made, "reason_sent": False})) == "Local (none sent)"


def test_uptime_says_what_it_leaves_out() -> None:
    outcomes = sample()["summary"]["outcomes"]
    assert outcomes is not None
    assert "offline" not in dict(words.outcome_lines(outcomes))["Uptime of connectors"]
    gone = cast(Outcomes, {**outcomes, "offline_at_end": 2})
    assert dict(words.outcome_lines(gone))["Uptime of connectors"].endswith(
        "; 2 connectors offline at the end, which is not counted"
    )


@pytest.mark.parametrize("offset, said", [(-1.1, False), (4.9, False), (-5.0, True), (7200.0, True)])
def test_a_clock_is_off_only_by_more_than_messages_take(offset: float, said: bool) -> None:
    station = sample()["stations"][0]
    station["clock_offset_s"] = offset
    assert any("clock" in fact for fact in words.station_facts(station)) is said


def test_calls_without_an_answer_are_told() -> None:
    station = sample()["stations"][0]
    for row in station["latency"]:
        row["unanswered"] = 0
    assert not any("no answer" in fact for fact in words.station_facts(station))
    next(row for row in station["latency"] if row["side"] == "csms")["unanswered"] = 3
    assert "3 of its calls got no answer that was captured" in words.station_facts(station)
