"""Findings on their way home while everything on it breaks: the soak of ``make soak-agent``, in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.agent.lab import needs_mosquitto
from tests.traffic.commandline import ROOT
from tests.traffic.netlab import needs_root


@needs_root
@needs_mosquitto
def test_every_finding_arrives_whole_and_is_counted_once() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "agent_soak.py"), "--findings", "400", "--kills", "6"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["arrived"], told["missing"], told["too many"], told["damaged"]) == (400, 0, 0, 0)
    assert told["faults"] == {
        "agent killed": 6, "broker killed": 1, "broker restarted": 1, "broker away": 1, "disk filled": 1,
        "consumer killed": 1,
    }  # fmt: skip
    assert told["days passed"] > 1
