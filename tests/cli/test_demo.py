"""``fieldkit demo``: the first thing that people see."""

from __future__ import annotations

import re
from pathlib import Path

from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.commandline import Fieldkit
from tests.traffic.make_demo import main as make_demo


def test_the_site_is_what_its_script_makes() -> None:
    assert make_demo(["--check"]) == 0, "run: python -m tests.traffic.make_demo"


def test_it_tells_the_verdict_and_where_the_page_is(fieldkit: Fieldkit) -> None:
    run = fieldkit("demo")
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert "critical" in " ".join(run.lines[:2])
    assert max(map(len, run.lines[:-1])) <= 80
    page = Path(run.lines[-1].removeprefix("The report: "))
    assert page.read_text().lower().startswith("<!doctype html>")
    page.unlink()
    page.parent.rmdir()


def test_eight_different_things_are_wrong(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("demo", "-o", tmp_path / "demo.html", "-o", tmp_path / "demo.pcapng")
    found = {line.strip() for line in run.lines if re.fullmatch(r" {12}[a-z-]+\.[a-z0-9-]+", line)}
    assert len(found) >= 8, found
    assert {path.name for path in tmp_path.iterdir()} == {"demo.html", "demo.pcapng"}


def test_the_capture_can_be_had(fieldkit: Fieldkit, tmp_path: Path) -> None:
    fieldkit("demo", "-o", tmp_path / "demo.html", "--save-capture", tmp_path / "site.pcapng.gz")
    assert (
        fieldkit("report", "-q", "-o", tmp_path / "again.html", tmp_path / "site.pcapng.gz").code == ExitCode.FINDINGS
    )
