"""What the detector costs: time a window, size of the model, memory with a runtime and without.

    detect_bench.py [--stations N] [--days N] [--runs N] [--python PATH]...

A simulated site (``tests.simulation``, in a source tree) is fed to a session without a detector, with the windows of
statistics and model alone, and with all of it; each in a process of its own, in turns. *A window* is what windows cost
beyond the session, features and model included, divided by their number. *Memory* is the difference of the peaks; a
runtime in C++ lives in a child, whose whole memory is added. ``--python``: other interpreters to look for runtimes in.
Of CPU seconds the least of the runs counts, which other programs on the machine disturb least. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any, Final

KINDS: Final = ("nothing", "windows python", "windows numpy", "windows ai-edge-litert", "windows tflite-runtime",
                "all python")  # fmt: skip
BATCH: Final = 512
SEED: Final = 7901
BARS: Final = {"window": "1 ms", "model": "50 KB", "with": "60 MB", "without": "15 MB"}


def child(kind: str, stations: int, days: float) -> dict[str, Any]:
    """One run: CPU seconds, windows, peak of memory."""
    from fieldkit.detect.context import Context, Tracker
    from fieldkit.detect.detector import Detector
    from fieldkit.detect.model import Model
    from fieldkit.detect.windows import Windows
    from fieldkit.models.manifest import load_model, load_prior
    from fieldkit.models.opening import Site as Opened
    from fieldkit.models.runtimes import Runner
    from fieldkit.session import Session
    from tests.simulation.site import Site

    what, _, wanted = kind.partition(" ")
    counted = [0]
    notes: list[str] = []
    name = ""

    def count(*_: object) -> None:
        counted[0] += 1

    close = []
    detector = None
    if what == "windows":
        loaded = load_model()
        runner = Runner(loaded, notes.append, wanted=wanted)
        close.append(runner.close)
        name = runner.name
        if name != wanted:
            return {"kind": kind, "missing": True}
        model = Model(loaded.card, runner.run)

        def windows(context: Context) -> Tracker:
            return Windows(context, load_prior(), judge=model, collected=count)

        detector = Detector(layers=("model",), more=[windows])
    elif what == "all":
        opened = Opened(runtime=wanted)
        close.append(opened.close)
        name, detector = opened.runtime, opened.detector
    session = Session(watchers=(detector,) if detector is not None else ())
    # Events are made and fed by the batch: all of them at once would be most of the memory.
    fed = 0.0
    batch = []
    events = 0
    for _, event in Site(SEED, days, chargers=stations).events():
        batch.append(event)
        if len(batch) == BATCH:
            events += BATCH
            begun = time.process_time()
            session.feed(batch)
            fed += time.process_time() - begun
            batch.clear()
    begun = time.process_time()
    session.feed(batch)
    session.finish()
    fed += time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for one in close:
        one()
    below = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "kind": kind, "runtime": name, "cpu": fed + below.ru_utime + below.ru_stime, "windows": counted[0],
        "rss_mb": peak + below.ru_maxrss / 1024, "events": events + len(batch), "notes": notes,
        "model_bytes": len(load_model().data),
    }  # fmt: skip


def measured(python: str, kind: str, wanted: argparse.Namespace) -> dict[str, Any]:
    """One run in a process of its own."""
    done = subprocess.run(
        [python, __file__, "--child", kind, "--stations", str(wanted.stations), "--days", str(wanted.days)],
        stdout=subprocess.PIPE, check=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stations", type=int, default=8)
    parser.add_argument("--days", type=float, default=0.5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], help="an interpreter with a runtime")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(child(wanted.child, wanted.stations, wanted.days)))
        return 0
    pythons = [sys.executable, *wanted.python]
    best: dict[str, dict[str, Any]] = {}
    for _ in range(wanted.runs):
        for kind in KINDS:
            for python in pythons if "-" in kind else pythons[:1]:
                found = measured(python, kind, wanted)
                if found.get("missing"):
                    continue
                known = best.get(kind)
                if known is None or found["cpu"] < known["cpu"]:
                    best[kind] = found
    table(best)
    return 0


def table(best: dict[str, dict[str, Any]]) -> None:
    """The cost rows of the detector's table."""
    base = best["nothing"]
    print(
        f"{base['events']:,} events of a simulated site: a session takes {base['cpu']:.2f} s CPU and "
        f"{base['rss_mb']:.0f} MB"
    )
    print("| measure | bar | measured |\n| --- | --- | --- |")
    for kind, found in best.items():
        if kind.startswith("windows"):
            each = 1000 * (found["cpu"] - base["cpu"]) / max(found["windows"], 1)
            measured = f"{each:.2f} ms of {found['windows']:,}"
            print(f"| a window with features, {found['runtime']} | {BARS['window']} | {measured} |")
    print(f"| model | {BARS['model']} | {base['model_bytes'] / 1000:.1f} KB |")
    for kind, found in best.items():
        if kind != "nothing":
            bar = BARS["with" if "-" in kind or "numpy" in kind else "without"]
            print(f"| added memory, {kind} | {bar} | {found['rss_mb'] - base['rss_mb']:.0f} MB |")
    whole = best["all python"]
    print(f"| all layers against none | – | {whole['cpu'] / base['cpu']:.2f} times the CPU |")


if __name__ == "__main__":
    sys.exit(main())
