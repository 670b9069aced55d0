"""A capture that runs for days keeps its memory: eight hours of idle stations in seconds (``make soak``: all of them)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.traffic.commandline import ROOT

SOAK = ROOT / "benchmarks" / "live_soak.py"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see memory")
def test_memory_stays_where_it_is() -> None:
    done = subprocess.run(
        [sys.executable, SOAK, "--stations", "12", "--rate", "15000", "--", sys.executable, "-m", "fieldkit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hours = [float(found) for found in re.findall(r"hour \d: +([\d.]+) MB", done.stdout)]
    assert len(hours) == 8
    assert max(hours) < 120
