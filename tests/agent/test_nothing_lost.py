"""Findings on their way home while everything on it breaks: the soak of ``make soak-agent``, in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.agent.lab import needs_mosquitto
from tests.traffic.commandline import ROOT
from tests.traffic.netlab import needs_network, needs_root


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


@needs_root
@needs_network
@needs_mosquitto
def test_what_the_agent_takes_can_be_measured() -> None:
    """``make bench-agent`` with what is quick of it; whether a busy machine is quick enough is not for a test to say."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "agent_bench.py"), "finding", "drain", "--queued", "2000",
         "--drain", "1000"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 5, done.stdout + done.stderr
    assert "the broker's subscriber after" in lines[1]
    assert "outbox of 2,000 findings: resident" in lines[3]
    assert "flat" in lines[3]
    assert "<-- missed" not in lines[3], lines[3]
    assert "1,000 of them through MQTT, QoS 1, to mosquitto" in lines[4]
