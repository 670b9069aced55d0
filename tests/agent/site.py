"""An agent as a process, its folders and its configuration."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fieldkit.agent.control import ask
from tests.cli.waiting import wait_for_line
from tests.traffic.commandline import Run, ended, spawn
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import Cable

PENDING = CAPTURES / "fault_boot_pending.pcap"
FINDING = "boot.remote-start-while-pending"
PACKETS = 70
PORTS = "ports = [80, 21622]"
"""Of the frames that are sent here: a new cable has words of its own, about IPv6."""


class Site:
    """One agent's folders and configuration."""

    def __init__(self, folder: Path, wire: Cable) -> None:
        self.folder, self.wire = folder, wire
        self.run = folder / "run"
        self.config = folder / "agent.toml"
        self.out = folder / "out" / "findings.jsonl"
        self._made: list[subprocess.Popen[bytes]] = []

    def write(self, *more: str, agent: str = "", sinks: str = "") -> None:
        sinks = sinks or f'[sinks.disk]\ntype = "file"\npath = "{self.out}"\n'
        lines = [
            "[agent]", 'site = "depot"', 'name = "router"', f'state = "{self.folder}/state"', f'run = "{self.run}"',
            'memory = "low"', agent, sinks, *more,
        ]  # fmt: skip
        if not any("[capture]" in line for line in lines):
            lines.append(f'[capture]\nsources = ["{self.wire.there}"]\n{PORTS}')
        self.config.write_text("\n".join([*lines, ""]))

    def start(
        self, *, says: str = "listening on", inside: Sequence[str] = (), **environment: Any
    ) -> subprocess.Popen[bytes]:
        """``inside``: what runs it, as in ip netns exec NAME."""
        process: subprocess.Popen[bytes] = spawn("agent", "run", "--config", self.config, inside=inside, **environment)
        self._made.append(process)
        wait_for_line(process, says, 40)
        return process

    def replay(self, file: Path = PENDING) -> None:
        subprocess.run(["tcpreplay", "-q", "--topspeed", "-i", self.wire.here, str(file)], check=True, stdout=-3)

    def ask(self, **question: Any) -> dict[str, Any]:
        answer, _ = ask(self.run, question)
        return answer

    def status(self) -> dict[str, Any]:
        return self.ask(ask="status")

    def written(self) -> list[dict[str, Any]]:
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def found(self) -> set[str]:
        return {one["id"] for one in self.written() if one["category"] == "finding"}

    def close(self) -> None:
        for process in self._made:
            process.kill()
            process.communicate()


def stopped(process: subprocess.Popen[bytes]) -> Run:
    process.send_signal(signal.SIGTERM)
    return ended(process)
