"""How a capture ends: signals, limits, readers that leave, and what is there when it was killed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.cli.waiting import wait_for_line
from tests.traffic.commandline import ended, spawn
from tests.traffic.decoded import decode_files
from tests.traffic.expectations import CAPTURES

PENDING = CAPTURES / "fault_boot_pending.pcap"
FINDING = "boot.remote-start-while-pending"

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]


def report_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def running() -> Iterator[Start]:
    """A capture whose pipe stays open, and has given it a whole capture."""
    reading, writing = os.pipe()
    made: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
        process = spawn("capture", "-", "--fail-on", "warning", *arguments, stdin=reading)
        made.append(process)
        os.write(writing, PENDING.read_bytes())
        return process

    yield start
    for process in made:
        process.kill()
        process.communicate()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "number, why", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "terminal")]
)
def test_a_signal_ends_it_with_a_finished_report(running: Start, tmp_path: Path, number: int, why: str) -> None:
    process = running("-w", tmp_path / "out.pcapng", "-o", tmp_path / "x.json", "-o", tmp_path / "x.jsonl")
    wait_for_line(process, FINDING)
    process.send_signal(number)
    run = ended(process)
    assert run.code == ExitCode.FINDINGS
    assert why in run.err
    assert report_of(tmp_path / "x.json")["capture"]["packets"] == decode_files(PENDING).packets
    assert (tmp_path / "x.jsonl").read_text().count("\n") > 10


def test_documents_are_renewed_while_it_runs(running: Start, tmp_path: Path) -> None:
    process = running("-o", tmp_path / "x.json", "-o", tmp_path / "x.html", "--every", "0.3s")
    wait_for_line(process, FINDING)
    ends = time.monotonic() + 10
    while not (tmp_path / "x.json").exists():
        assert time.monotonic() < ends
        time.sleep(0.05)
    early = report_of(tmp_path / "x.json")
    assert early["summary"]["findings"]["warning"] == 2
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert ended(process).code == ExitCode.FINDINGS
    late = report_of(tmp_path / "x.json")
    assert early["findings"] == late["findings"]


def test_a_time_ends_it(running: Start, tmp_path: Path) -> None:
    run = ended(running("--for", "0.3s"))
    assert run.code == ExitCode.FINDINGS
    assert "the time is over" in run.err


def test_whoever_reads_the_findings_may_leave(running: Start, tmp_path: Path) -> None:
    process = running("--follow", "-o", tmp_path / "x.json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"]
    process.stdout.close()
    process.stdout = None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert b"Traceback" not in said
    assert report_of(tmp_path / "x.json")["summary"]["findings"]["warning"] == 2


def test_killed_it_leaves_a_recording_that_opens(running: Start, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    process = running("-w", out, "-o", tmp_path / "x.html")
    wait_for_line(process, FINDING)
    process.kill()
    process.communicate()
    assert decode_files(out).lines == decode_files(PENDING).lines
    assert not (tmp_path / "x.html").exists(), "documents appear when they are complete"


def test_on_a_terminal_a_line_of_numbers_stands_below(tmp_path: Path) -> None:
    controlling, terminal = pty.openpty()
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "fieldkit", "capture", "-", "--for", "1.3s", "-o", str(tmp_path / "x.json")],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        cwd=Path(__file__).parents[2],
    ) as process:
        os.write(writing, PENDING.read_bytes())
        process.wait(20)
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(controlling, 65536):
            shown += block
    except OSError:
        shown += b""  # how Linux says that the other end of a terminal is closed
    for number in (controlling, reading, writing):
        os.close(number)
    text = shown.decode()
    assert "packets (" in text
    assert "0 dropped" in text
    assert "1 station" in text
    assert "\r\x1b[K" in text


def test_asked_twice_it_stops_at_once(running: Start, tmp_path: Path) -> None:
    process = running("-w", tmp_path / "out.pcapng", "-o", tmp_path / "x.html")
    wait_for_line(process, FINDING)
    process.send_signal(signal.SIGINT)
    time.sleep(0.03)
    process.send_signal(signal.SIGINT)
    run = ended(process)
    assert run.code == ExitCode.INTERRUPTED
    assert "Traceback" not in run.err
    assert not (tmp_path / "x.html").exists()
    assert decode_files(tmp_path / "out.pcapng").lines == decode_files(PENDING).lines


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh")
def test_a_source_that_never_began_ends_it_at_once_and_leaves_no_report(running: Start, tmp_path: Path) -> None:
    """What one of two sources gives is not what was asked for; found out days later, it would be too late."""
    run = ended(running("-i", "ssh://nosuchhost.invalid/br-lan", "-o", tmp_path / "x.json"))
    assert (run.code, run.out) == (ExitCode.UNREACHABLE, "")
    assert run.err.count("its name cannot be resolved") == 1
    assert "ssh://nosuchhost.invalid/br-lan cannot be captured" in run.err
    assert not (tmp_path / "x.json").exists()
