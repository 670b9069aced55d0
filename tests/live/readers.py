"""What others make of a recording: it is whole only if everybody reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.traffic.commandline import ended, spawn
from tests.traffic.tshark import TSHARK


def report_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def read_again(*files: Path) -> dict[str, Any]:
    """The report that ``fieldkit report`` makes of it."""
    run = ended(spawn("report", *files, "--json", "-", "-q"))
    assert "Traceback" not in run.err
    found: dict[str, Any] = json.loads(run.out)
    return found


def assert_whole(file: Path) -> int:
    """fieldkit and tshark read it to its end and count the same packets; returns how many."""
    packets = int(read_again(file)["capture"]["packets"])
    if TSHARK is not None:
        read = subprocess.run([TSHARK, "-n", "-r", str(file), "-T", "fields", "-e", "frame.number"],
                              capture_output=True, text=True)  # fmt: skip
        assert read.returncode == 0, read.stderr
        assert len(read.stdout.splitlines()) == packets
    return packets
