"""The way in and the ways out: help, mistakes, Ctrl-C, a reader who has had enough, and the exit status of each."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fieldkit import __version__
from fieldkit.cli import _COMMANDS, cli
from fieldkit.cli.exitcodes import ExitCode
from tests.traffic.commandline import ROOT, Fieldkit, ended, spawn
from tests.traffic.expectations import CAPTURES

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"

# ------------------------------------------------------------------------------------------------------------- help


def test_exit_codes_are_an_interface() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FINDINGS": 1,
        "USAGE": 2,
        "SOURCE": 3,
        "UNREACHABLE": 4,
        "INCOMPLETE": 5,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_the_commands_and_gives_an_example(fieldkit: Fieldkit, flag: str) -> None:
    run = fieldkit(flag)
    assert (run.code, run.err) == (0, "")
    assert re.search(r"^  decode +Show the OCPP messages in captures and logs\.$", run.out, re.MULTILINE)
    assert "Example: fieldkit report site.pcapng -o site.html" in run.out


def test_help_on_decode_has_examples_one_a_line(fieldkit: Fieldkit) -> None:
    run = fieldkit("decode", "--help")
    assert (run.code, run.err) == (0, "")
    examples = [line.strip() for line in run.lines if line.startswith("    fieldkit decode")]
    assert "fieldkit decode site.pcapng" in examples
    assert "fieldkit decode --keylog keys.log --format trace wss.pcap > wss.jsonl" in examples
    assert any("tcpdump" in line and line.endswith("| fieldkit decode -") for line in run.lines)
    for option in ("--format", "--filter", "--keylog", "--zone", "--utc", "--show-ids", "--jobs", "--quiet"):
        assert option in run.out


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_what_the_list_says_of_a_command_is_what_the_command_says(name: str) -> None:
    """The list is written down twice so that nothing is imported for it."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").partition("\n")[0] == _COMMANDS[name]


def test_help_does_not_wait_for_the_engine() -> None:
    """On a router an import is a second. What the program loads it loads when it is needed."""
    program = (
        "import sys\n"
        "sys.argv = ['fieldkit', 'decode', '--help']\n"
        "from fieldkit.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print('loaded:', *sorted(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = set(out.partition("loaded: ")[2].split())
    assert "fieldkit.cli.decode" in loaded
    heavy = {"orjson", "cryptography", "asyncio", "ssl", "multiprocessing", "textual", "scapy", "jsonschema"}
    assert not loaded & heavy
    engine = ("fieldkit.wire", "fieldkit.logs", "fieldkit.ocpp", "fieldkit.reports", "fieldkit.query")
    assert not [name for name in loaded if name.startswith((*engine, "fieldkit.pipeline", "fieldkit.schemastore"))]


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version(fieldkit: Fieldkit, flag: str) -> None:
    assert fieldkit(flag) == (0, f"fieldkit {__version__}\n", "")


# --------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["decode"], "Missing argument 'SOURCE...'"),
        (["decode", "--wat", "x.pcap"], "No such option"),
        (["decode", "--fromat", "trace", "x.pcap"], "--format"),
        (["decode", "--format", "yaml", "x.pcap"], "'yaml' is not one of 'text', 'trace', 'events'"),
        (["decode", "--jobs", "0", "x.pcap"], "1<=x<=64"),
        (["decode", "--jobs", "many", "x.pcap"], "'many' is not a valid integer"),
        (["decode", "--keylog"], "requires an argument"),
        (["decdoe"], "No such command 'decdoe'"),
        (["--wat"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_told_and_nothing_is_done(
    fieldkit: Fieldkit, arguments: list[str], complaint: str
) -> None:
    run = fieldkit(*arguments)
    assert run.code == ExitCode.USAGE
    assert run.out == ""
    assert complaint in run.err
    assert "Traceback" not in run.err


def test_no_command_at_all_shows_what_there_is(fieldkit: Fieldkit) -> None:
    run = fieldkit()
    assert run.code == ExitCode.USAGE
    assert "Commands:" in run.err + run.out


# ------------------------------------------------------------------------------------------------ ways to be stopped


@pytest.mark.parametrize("form", ["text", "trace"])
def test_a_reader_who_has_had_enough_is_no_failure(form: str) -> None:
    """``fieldkit decode … | head -1`` under ``set -o pipefail``."""
    process = spawn("decode", "--format", form, PLAIN)
    process.stdout.close()
    err = process.stderr.read().decode()
    assert (process.wait(30), err) == (ExitCode.OK, "")
    process.stderr.close()


def test_head_gets_its_line_and_nobody_complains(tmp_path: Path) -> None:
    head = subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(
        [sys.executable, "-m", "fieldkit", "decode", "--format", "trace", "--jobs", "2", PLAIN],
        cwd=ROOT,
        stdout=head.stdin,
        stderr=subprocess.PIPE,
    ) as process:
        assert head.stdin is not None
        head.stdin.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == ExitCode.OK
    assert head.stdout is not None
    assert head.stdout.read().count(b"\n") == 1
    head.stdout.close()
    assert head.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("form", ["text", "trace"])
def test_a_full_disk_is_told_in_a_line(form: str) -> None:
    with Path("/dev/full").open("wb") as disk:
        command = [sys.executable, "-m", "fieldkit", "decode", "--format", form, str(PLAIN)]
        done = subprocess.run(command, cwd=ROOT, stdout=disk, stderr=subprocess.PIPE, check=False)
    assert done.returncode == ExitCode.INCOMPLETE
    assert done.stderr == b"fieldkit: the output cannot be written: No space left on device\n"


def test_ctrl_c_keeps_what_was_said_so_far() -> None:
    process = spawn("decode", "--format", "trace", "-", stdin=subprocess.PIPE)
    process.stdin.write(PLAIN.read_bytes()[:3000])
    process.stdin.flush()
    first = process.stdout.readline()
    assert b'"BootNotification"' in first
    process.send_signal(signal.SIGINT)
    run = ended(process)
    assert run.code == ExitCode.INTERRUPTED
    assert "Traceback" not in run.err
    assert len(run.records) > 1, "what had been decoded when it came"


def test_ctrl_c_before_anything_is_read(fieldkit: Fieldkit, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fieldkit.sources.file.FileSource.__init__", interrupted)
    run = fieldkit("decode", PLAIN)
    assert run.code == ExitCode.INTERRUPTED
    assert run.err.strip() == ""


# ------------------------------------------------------------------------------------------------ 1 means findings only


def test_a_missing_package_is_told_and_is_no_finding(
    fieldkit: Fieldkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    run = fieldkit("report", "-o", tmp_path / "x.html", PLAIN)
    assert run.code == ExitCode.USAGE
    assert run.err.endswith("x.html needs the Python package jinja2: pip install jinja2\n")
    assert fieldkit("report", "-o", tmp_path / "x.json", PLAIN).code == ExitCode.OK


def test_a_fault_of_our_own_is_no_finding(fieldkit: Fieldkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.reports.model.build", None)
    run = fieldkit("report", PLAIN)
    assert run.code == ExitCode.INCOMPLETE
    assert "Traceback" in run.err
    assert run.err.endswith("please report the lines above\n")
