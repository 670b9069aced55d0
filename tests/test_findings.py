"""Every committed capture yields exactly the findings that ``captures/findings.toml`` says, and healthy ones no fault."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import pytest

from tests.traffic.judgements import captures, judged, read

JUDGED = read()
CASES = [pytest.param(name, path, keylog, id=name) for name, path, keylog in captures()]


@pytest.mark.parametrize("name, path, keylog", CASES)
def test_the_findings_are_those_that_were_judged_true(name: str, path: Path, keylog: Path | None) -> None:
    expected, found = JUDGED[name]["findings"], judged(path, keylog)
    if found != expected:
        difference = "\n".join(unified_diff(expected, found, "captures/findings.toml", "found now", lineterm="", n=0))
        pytest.fail(
            f"{name}: other findings than those judged true.\n{difference}\n"
            "Look at the frames of the capture. Where the new line is true: python -m tests.traffic.judgements, and "
            "commit the file. Where it is not, the check is wrong.",
            pytrace=False,
        )


def test_every_capture_has_been_judged() -> None:
    names = {name for name, _, _ in captures()}
    assert names == set(JUDGED), "python -m tests.traffic.judgements writes what is missing"
    assert [name for name in names if not JUDGED[name]["because"]] == [], "say why the findings are right"


@pytest.mark.parametrize("name", [name for name, entry in JUDGED.items() if entry["healthy"]])
def test_nobody_is_alarmed_by_a_healthy_station(name: str) -> None:
    assert [line for line in JUDGED[name]["findings"] if not line.startswith("info ")] == []


def test_half_of_the_captures_are_healthy_and_the_demo_shows_faults() -> None:
    assert sum(entry["healthy"] for entry in JUDGED.values()) >= len(JUDGED) // 2
    kinds = {line.split()[1].rstrip(",") for line in JUDGED["demo"]["findings"] if not line.startswith("info ")}
    assert len(kinds) >= 8
