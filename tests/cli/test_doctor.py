"""``fieldkit doctor`` as people and programs read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldkit.cli.doctor import told
from fieldkit.doctor.probe import Result, State
from tests.traffic.commandline import Fieldkit, ended, spawn


@pytest.fixture
def fieldkit(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Fieldkit:
    return Fieldkit(capfdbinary, monkeypatch)


def test_a_symbol_a_word_and_a_command() -> None:
    results = [
        Result("capture", "capturing", State.MISSING, "nobody may", ("sudo x",), needed=True),
        Result("clock", "date", State.WORKS, "\x1b[31mred"),
    ]
    assert told(results, False, plain=False, coloured=False, quiet=False) == [
        "Capture",
        "  ✗ missing  capturing: nobody may",
        "               sudo x",
        "",
        "Clock",
        r"  ✓ works    date: \x1b[31mred",
        "",
        "Not ready to capture: mend what is missing.",
    ]
    quiet = told(results, False, plain=True, coloured=True, quiet=True)
    assert "x missing" in quiet[1]
    assert "\x1b[31m" in quiet[1]
    assert len(quiet) == 5


def test_json_is_one_document(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("doctor", "clock", "packages", "--json", "-")
    document = json.loads(run.out)
    assert (run.code, document["schema"], document["ready"], run.err) == (0, 1, True, "")
    assert {"area", "name", "state", "text", "needed", "mend"} == set(document["results"][0])
    assert {result["area"] for result in document["results"]} == {"clock", "packages"}
    run = fieldkit("doctor", "clock", "--json", tmp_path / "x.json")
    assert "Ready to capture." in run.out
    assert json.loads((tmp_path / "x.json").read_text())["ready"] is True


def test_an_area_that_does_not_exist(fieldkit: Fieldkit) -> None:
    run = fieldkit("doctor", "weather")
    assert (run.code, run.out) == (2, "")


def test_without_utf8_it_is_told_in_ascii() -> None:
    run = ended(spawn("doctor", "terminal", "clock", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii"))
    assert run.code == 0
    assert run.out.isascii()
    assert "+ works" in run.out
