"""Findings as lines while they happen: each once at once, then less and less often, at last with its final count."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fieldkit.checks.collector import Collector
from fieldkit.checks.finding import Finding, Identity, Kind, Severity
from fieldkit.reports.follow import FIRST_UPDATE, LONGEST, Follower, clock, short
from tests.traffic.commandline import ROOT

SCHEMA = json.loads((ROOT / "fieldkit" / "reports" / "report.schema.json").read_text("utf-8"))
SECOND = 1_000_000_000
AT = 1_788_163_200 * SECOND
KIND = Kind("boot.rejected", "warning", "csms", "The CSMS rejects the station", "Seen with {token}.", "Do it.", "§1")
"""2026-08-31 08:00:00 UTC."""


def occurrence(at: int = 0, *, station: str = "CP_7", severity: Severity | None = None, kind: Kind = KIND) -> Finding:
    return Finding(kind, AT + at * SECOND, station, (), {"token": Identity("0123456789")}, severity=severity)


class Followed:
    def __init__(self, *, show_ids: bool = False) -> None:
        self.written: list[bytes] = []
        self.collector = Collector()
        self.follower = Follower(self.written.append, show_ids=show_ids)

    def happens(self, *occurrences: Finding, now: float) -> None:
        self.follower.add(self.collector.add(occurrences), now)

    @property
    def lines(self) -> list[dict[str, Any]]:
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in self.written)
        return [json.loads(line) for line in self.written]

    @property
    def counts(self) -> list[int]:
        return [line["count"] for line in self.lines]


def test_a_finding_is_a_line_at_once_in_the_shape_of_the_report() -> None:
    followed = Followed()
    followed.happens(occurrence(), now=0)
    (line,) = followed.lines
    assert (line["id"], line["station"], line["count"]) == ("boot.rejected", "CP_7", 1)
    entry = {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["FindingEntry"]}
    Draft202012Validator(entry).validate(line)
    assert "0123456789" not in str(line)
    shown = Followed(show_ids=True)
    shown.happens(occurrence(), now=0)
    assert "0123456789" in shown.lines[0]["explanation"]


def test_one_that_goes_on_is_told_less_and_less_often() -> None:
    followed = Followed()
    times = []
    for now in range(7200):
        before = len(followed.written)
        followed.happens(occurrence(now), now=now)
        followed.follower.update(now)
        if len(followed.written) > before:
            times.append(now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] == FIRST_UPDATE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST
    assert len(times) < 20
    followed.follower.finish()
    assert followed.counts[-1] == 7200
    assert {line["explanation"] for line in followed.lines} == {followed.lines[0]["explanation"]}


def test_one_that_gets_worse_is_told_at_once() -> None:
    followed = Followed()
    followed.happens(occurrence(), now=0)
    followed.happens(occurrence(1, severity="critical"), now=1)
    followed.follower.update(1)
    assert [line["severity"] for line in followed.lines] == ["warning", "critical"]


def test_what_has_not_changed_is_not_repeated() -> None:
    followed = Followed()
    followed.happens(occurrence(), occurrence(station="CP_8"), now=0)
    followed.follower.update(1000)
    followed.follower.finish()
    assert followed.counts == [1, 1]


def test_what_a_station_says_cannot_get_at_a_terminal() -> None:
    followed = Followed()
    evil = "\x1b]0;owned\x07\x7f\u202e"
    followed.happens(occurrence(station=evil), now=0)
    assert followed.written[0].isascii()
    assert not any((byte < 32 and byte != 10) or byte == 127 for byte in followed.written[0])
    (finding,) = followed.collector.all()
    assert not any(character in short(finding) for character in "\x1b\x07\x7f\u202e\n")


@pytest.mark.parametrize("color", [False, True])
def test_a_short_line_for_people(color: bool) -> None:
    (finding,) = Collector().add([occurrence(5)])
    line = short(finding, utc=True, color=color)
    assert line.replace("\x1b[33m", "").replace("\x1b[0m", "") == (
        "08:00:05 warning CP_7: The CSMS rejects the station (boot.rejected)"
    )
    assert ("\x1b" in line) is color


def test_a_time_that_no_clock_shows() -> None:
    assert clock(1 << 90, utc=True) == "--:--:--"
