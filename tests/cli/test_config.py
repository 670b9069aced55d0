"""``--config FILE``: what stands in it, what overrides it, and how mistakes in it are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.commandline import Fieldkit
from tests.traffic.expectations import CAPTURES

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"
"""There is something worth knowing in it, and nothing wrong."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def test_it_sets_the_options_of_the_command(fieldkit: Fieldkit, config: Path) -> None:
    config.write_text('[report]\nfail-on = "info"\n')
    assert fieldkit("report", PLAIN).code == ExitCode.OK
    assert fieldkit("report", "--config", config, PLAIN).code == ExitCode.FINDINGS


def test_the_command_line_overrides_it(fieldkit: Fieldkit, config: Path) -> None:
    config.write_text('[report]\nfail-on = "info"\n')
    assert fieldkit("report", "--config", config, "--fail-on", "critical", PLAIN).code == ExitCode.OK


def test_what_stands_at_the_top_is_for_all_and_a_table_overrides_it(fieldkit: Fieldkit, config: Path) -> None:
    config.write_text('fail-on = "info"\njobs = 1\n[report]\nfail-on = "never"\n[decode]\nformat = "trace"\n')
    assert fieldkit("report", "--config", config, PLAIN).code == ExitCode.OK
    assert fieldkit("decode", "--config", config, PLAIN).records


def test_lists_are_options_given_several_times(fieldkit: Fieldkit, config: Path, tmp_path: Path) -> None:
    names = [tmp_path / "a.json", tmp_path / "a.txt"]
    config.write_text(f"[report]\nquiet = true\noutput = {[str(name) for name in names]}\n")
    assert fieldkit("report", "--config", config, PLAIN) == (ExitCode.OK, "", "")
    assert all(name.stat().st_size for name in names)


@pytest.mark.parametrize(
    "text, says",
    [
        ("x = [", "is not TOML"),
        ('fail-onn = "info"', "no command has an option 'fail-onn'"),
        ("[report]\njobs = 3", "[report] has no option 'jobs'"),
        ("[reprot]\nutc = true", "there is no command 'reprot'"),
        ('[report]\nfail-on = "bad"', "fail-on: 'bad' is not one of"),
        ("[report]\nmin-profile = 9", "min-profile: 9 is not in the range"),
        ('[report]\nquiet = "yes"', "quiet is true or false"),
        ('[report]\nfail-on = ["info"]', "fail-on takes one value"),
        ("[report]\noutput = [1, true]", "output takes text"),
        ("[report.filter]\nx = 1", "filter"),
    ],
)
def test_a_mistake_in_it_is_told_in_a_line(fieldkit: Fieldkit, config: Path, text: str, says: str) -> None:
    config.write_text(text)
    run = fieldkit("report", "--config", config, PLAIN)
    assert (run.code, run.out) == (ExitCode.USAGE, "")
    assert says in run.err
    assert str(config) in run.err
    assert run.err.count("\n") == 1


def test_one_that_is_not_there(fieldkit: Fieldkit, config: Path) -> None:
    run = fieldkit("report", "--config", config, PLAIN)
    assert run.code == ExitCode.USAGE
    assert "No such file" in run.err


def test_tables_for_the_screen_are_no_mistake(fieldkit: Fieldkit, config: Path) -> None:
    config.write_text('[tui]\ntheme = "field-sun"\n[keys]\n"live.freeze" = "f9"\n[report]\nutc = true\n')
    assert fieldkit("report", "--config", config, PLAIN).code == ExitCode.OK
