"""Runs of the lab, each recorded in a folder of its own: what happened, and what could be seen where.

    python -m tests.failover.run build/failover --seeds 5

A folder has ``truth.json``, ``lan.pcap``, ``wwan0.pcap``, ``eth1.pcap``, ``link.jsonl`` (what ``fieldkit link --watch``
said on the router), ``station.jsonl`` and ``csms.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.failover.network import WHY_NOT, A, B, Network, lines, network
from tests.failover.scenarios import FULL, QUICK, SCENARIOS, Pace, perform
from tests.failover.truth import Truth
from tests.live.lab import Talker

PLACES: Final = ("lan", A, B)
"""Where it is captured, by interface."""
AT_ONCE: Final = 4
"""They wait most of the time."""


def record(name: str, seed: int, folder: Path, pace: Pace) -> Truth:
    """One run."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = Truth(name, seed, "")
    with network() as made:
        taps = [made.record(place, folder / f"{place}.pcap") for place in PLACES]
        watched = _watch(made, folder / "link.jsonl")
        try:
            perform(made, name, seed, pace, truth)
        finally:
            watched.end(signal.SIGTERM)
            for tap in taps:
                tap.send_signal(signal.SIGTERM)
                tap.wait(10)
                assert tap.stderr is not None
                tap.stderr.close()
            for talker, file in zip(made.parties, ("csms", "station"), strict=False):
                (folder / f"{file}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(talker)))
    truth.save(folder)
    return truth


def _watch(made: Network, file: Path) -> Talker:
    watched = made.start("router", "fieldkit", "link", "--watch", "--every", "1s", "--json", file, "-q")
    ends = time.monotonic() + 60
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < ends, watched.err
        assert watched.process.poll() is None, watched.err
        time.sleep(0.05)
    return watched


def record_all(jobs: Iterable[tuple[str, int, Path]], pace: Pace, at_once: int = AT_ONCE) -> list[Truth]:
    """Several at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda job: record(job[0], job[1], job[2], pace), jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append")
    parser.add_argument("--quick", action="store_true", help="shorter pauses")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    chosen = parser.parse_args()
    if WHY_NOT:
        sys.exit(f"the lab cannot be built here: {WHY_NOT}")
    jobs = [
        (name, seed, chosen.folder / f"{name}-{seed}")
        for seed in range(chosen.seeds)
        for name in chosen.only or SCENARIOS
    ]
    jobs.append(("quiet", 0, chosen.folder / "quiet-0"))
    for truth in record_all(jobs, QUICK if chosen.quick else FULL, chosen.at_once):
        print(f"{truth.scenario} {truth.seed}: {len(truth.acts)} acts recorded")


if __name__ == "__main__":
    main()
