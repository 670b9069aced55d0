"""A router on which nothing is installed: a gateway's agent has its tcpdump capture, by ssh, and tells the broker."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab
from tests.packaging.lab import FINDING, until
from tests.traffic.netlab import Cable, needs_network, needs_tcpdump, needs_tcpreplay
from tests.traffic.sshlab import needs_sshd, router, running

pytestmark = [pytest.mark.packages, needs_network, needs_tcpdump, needs_tcpreplay, needs_sshd, needs_mosquitto]


def test_the_whole_way(wire: Cable, mosquitto: Broker, tmp_path: Path) -> None:
    heard = Listening(mosquitto.port)
    config, log = tmp_path / "agent.toml", tmp_path / "log"
    (tmp_path / "router").mkdir()
    with router(tmp_path / "router") as far, log.open("ab") as out:
        # The key of this test's router is root's: nobody else may use it.
        config.write_text(
            f'[agent]\nsite = "depot"\nname = "gateway"\nstate = "{tmp_path}/state"\nrun = "{tmp_path}/run"\n'
            f'keep_root = true\n[capture]\nsources = ["{far.url(wire.there)}"]\n'
            f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "fieldkit", "agent", "run", "--config", str(config)],
            cwd=lab.ROOT, stdout=out, stderr=out, env={**os.environ, "FIELDKIT_SSH_COMMAND": shlex.join(far.ssh)},
        )  # fmt: skip
        try:
            until(lambda: {"online": True} in heard.of("status"), log)
            until(lambda: running("tcpdump", wire.there, "-U"), log)
            until(lambda: "listening on ssh://" in log.read_text(), log)
            lab.replay(wire.here)
            until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log)
            assert lab.stopped(process) == 0, log.read_text()
        finally:
            process.kill()
        until(lambda: not running("tcpdump", wire.there, "-U"), log)
    heard.close()
