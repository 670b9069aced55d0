"""A decoder beside tshark on the same capture: how fast, how large, how complete.

    compare.py CAPTURE TRUTH.jsonl [--runs N] [--peer tshark] -- COMMAND ARGUMENT… [-- COMMAND ARGUMENT…]…
    compare.py site.pcap site.jsonl -- fieldkit decode --no-validate --format trace site.pcap

COMMAND writes Open OCPP Trace (JSONL, with the frame in "raw") to stdout. Its runs and the peer's alternate, so that a
machine that gets slower harms both alike, and what counts is the median of the ratios of neighbours. For each command
a line of JSON comes out: seconds and peak memory of both, the ratios, and how many of the true messages each has found.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

_FIELDS: Final = "-Y websocket.opcode==1 -T fields -e websocket.payload.text"
_REORDER: Final = "-o tcp.reassemble_out_of_order:TRUE"
PEERS: Final = {
    "tshark": f"tshark -r {{capture}} {_REORDER} {_FIELDS}",
    "tshark-default": f"tshark -r {{capture}} {_FIELDS}",
    "tcpdump+tshark": (
        "tcpdump -r {capture} -w {filtered} 'tcp port 9000 or tcp port 8080' 2>/dev/null"
        f" && tshark -r {{filtered}} {_REORDER} {_FIELDS}"
    ),
}
"""What tells the WebSocket messages of a capture. With its defaults tshark gives up on segments out of order; tcpdump
in front helps who knows the ports."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process, from start to end."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, of all its processes."""
    rss: float
    """MB: peak memory of the process, or of the largest of its children; but at least what this program itself had when
    it started it, for a child begins as a copy. So nothing large is to be held here while measuring."""
    failed: bool


def measure(command: Sequence[str], output: Path | None = None, stdin: IO[bytes] | None = None) -> Run:
    """Run a command to its end."""
    with (output or Path(os.devnull)).open("wb") as sink:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=sink, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode != 0)


def median(runs: Sequence[Run], name: str) -> float:
    return float(statistics.median(getattr(run, name) for run in runs))


class Duel:
    """Commands against a peer, run in turn; without the peer's program, among themselves."""

    def __init__(self, capture: Path, truth: Path, commands: Sequence[Sequence[str]], peer: str, runs: int) -> None:
        self.runs: list[list[Run]] = [[] for _ in commands]
        self.peer_runs: list[Run] = []
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            place.chmod(0o777)  # tcpdump gives up its rights before it writes
            outputs = [place / str(number) for number in range(len(commands))]
            peer_output = place / "peer"
            shell = PEERS[peer].format(capture=shlex.quote(str(capture)), filtered=shlex.quote(f"{folder}/filtered"))
            has_peer = all(shutil.which(program) is not None for program in peer.replace("-default", "").split("+"))
            for _ in range(runs):
                for command, output, done in zip(commands, outputs, self.runs, strict=True):
                    done.append(measure(command, output))
                if has_peer:
                    self.peer_runs.append(measure(("sh", "-c", shell), peer_output))
            self.truth = _messages(truth)
            self.found = [_raw_frames(output) for output in outputs]
            self.peer_found = _lines(peer_output) if has_peer else Counter[str]()

    def ratio(self, number: int, name: str) -> float | None:
        """How many times the peer's the speed of a command is."""
        if not self.peer_runs:
            return None
        pairs = zip(self.runs[number], self.peer_runs, strict=True)
        return float(statistics.median(getattr(peer, name) / getattr(run, name) for run, peer in pairs))

    def recovered(self, number: int) -> int:
        """True messages that a command found, byte for byte."""
        return (self.truth & self.found[number]).total()

    def extra(self, number: int) -> int:
        """Messages that a command found and nobody sent."""
        return (self.found[number] - self.truth).total()

    @property
    def peer_recovered(self) -> int:
        return (self.truth & self.peer_found).total()


def _messages(path: Path) -> Counter[str]:
    with path.open(encoding="utf-8") as file:
        return Counter(json.loads(line)["msg"] for line in file)


def _raw_frames(path: Path) -> Counter[str]:
    with path.open(encoding="utf-8") as file:
        return Counter(json.loads(line).get("raw", "") for line in file)


def _lines(path: Path) -> Counter[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return Counter(line.rstrip("\n") for line in file)


def medians(runs: Sequence[Run]) -> dict[str, float]:
    names = {"wall": "wall", "cpu": "cpu", "rss_mb": "rss"}
    return {shown: round(median(runs, name), 3) for shown, name in names.items()} if runs else {}


def main() -> None:
    arguments, *commands = _split(sys.argv[1:])
    parser = argparse.ArgumentParser(description="Compare decoders with tshark.", usage="%(prog)s … -- COMMAND …")
    parser.add_argument("capture", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer", choices=PEERS, default="tshark")
    options = parser.parse_args(arguments)
    if not commands or not all(commands):
        parser.error("no command behind --")
    duel = Duel(options.capture, options.truth, commands, options.peer, options.runs)
    for number, runs in enumerate(duel.runs):
        found = {"recovered": duel.recovered(number), "extra": duel.extra(number)}
        result: dict[str, Any] = {
            "runs": options.runs,
            "peer": options.peer,
            "command": medians(runs) | found | {"failed": any(run.failed for run in runs)},
            "peer_result": medians(duel.peer_runs) | {"recovered": duel.peer_recovered},
            "truth": duel.truth.total(),
        }
        for name in ("wall", "cpu"):
            ratio = duel.ratio(number, name)
            result[f"ratio_{name}"] = None if ratio is None else round(ratio, 2)
        print(json.dumps(result))


def _split(arguments: Sequence[str]) -> list[list[str]]:
    """What stands before, between and behind the --."""
    parts: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "--":
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts


if __name__ == "__main__":
    main()
