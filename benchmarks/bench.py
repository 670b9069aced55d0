"""Everything that is measured, one after the other, and a table at the end: what ``make bench`` runs.

    bench.py CAPTURES FIELDKIT [--runs N] [--times N]

CAPTURES is a folder with what ``make_capture.py`` makes (site.pcap, site.jsonl, pure.pcap, pure.jsonl), FIELDKIT the
program to be measured. See the README beside this file for what the numbers mean. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from compare import measure, medians

HERE: Final = Path(__file__).parent
SMALL: Final = HERE.parent / "captures" / "ocpp16j_vcp_ocpprpc_plain.pcap"
"""About 20 kB."""
SITE, PURE = "site", "pure"
VALIDATIONS: Final = ("--no-validate", "--validate")
STARTS: Final = 9
"""Short runs are measured so many times."""


# ------------------------------------------------------------------------------------------------ against the peer


def compare_all(folder: Path, fieldkit: str, runs: int) -> list[list[str]]:
    """Rows of the table."""
    rows: list[list[str]] = []
    for capture in (SITE, PURE):
        path = folder / f"{capture}.pcap"
        say(f"{capture}: {runs} runs of each, in turn")
        # A program of its own, for the truth is large.
        arguments = [str(path), str(path.with_suffix(".jsonl")), "--runs", str(runs)]
        for validation in VALIDATIONS:
            arguments += ["--", fieldkit, "decode", "--quiet", validation, "--format", "trace", str(path)]
        done = subprocess.run(
            [sys.executable, str(HERE / "compare.py"), *arguments], stdout=subprocess.PIPE, check=True, text=True
        )
        results = [json.loads(line) for line in done.stdout.splitlines()]
        truth = results[0]["truth"]
        for validation, result in zip(VALIDATIONS, results, strict=True):
            own = result["command"]
            note = f" ({own['extra']:,} that nobody sent)" if own["extra"] else ""
            note += " FAILED" if own["failed"] else ""
            ratios = [_times(result["ratio_wall"]), _times(result["ratio_cpu"])]
            rows.append(
                [f"{capture} {validation}", *ratios, *_figures(own), f"{own['recovered']:,} of {truth:,}{note}"]
            )
        peer = results[0]["peer_result"]
        if "wall" in peer:
            rows.append([f"{capture} tshark", "1.0", "1.0", *_figures(peer), f"{peer['recovered']:,} of {truth:,}"])
        else:
            say("tshark is not installed (apt-get install tshark): fieldkit is measured alone")
    return rows


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1f}"


def _figures(medians: dict[str, float]) -> list[str]:
    return [f"{medians['wall']:.2f} s", f"{medians['cpu']:.2f} s", f"{medians['rss_mb']:.0f} MB"]


# ------------------------------------------------------------------------------------------------------------ start-up


def measure_starts(fieldkit: str) -> list[list[str]]:
    rows = []
    for name, arguments in (
        ("fieldkit --help", ["--help"]),
        (f"decode a capture of {SMALL.stat().st_size / 1000:.0f} kB", ["decode", str(SMALL)]),
        ("the same, not validated", ["decode", "--no-validate", str(SMALL)]),
    ):
        runs = [measure([fieldkit, *arguments]) for _ in range(STARTS)]
        rows.append([name, *_figures(medians(runs))])
    return rows


# ---------------------------------------------------------------------------------------------------------- validation


class Payload(NamedTuple):
    """What ``Schemas.check`` is asked."""

    version: str
    action: str
    answer: bool
    payload: Any


def measure_validation(folder: Path) -> list[list[str]]:
    """Messages a second through the validator alone, on one core, once all schemas are compiled."""
    from fieldkit import schemastore
    from fieldkit.ocpp.schema import Schemas

    if not schemastore.available():
        return [["no schemas on this machine: the Python package ocpp is not installed", "", ""]]
    recorded, generated = payloads_of_captures(), payloads_of_truth(folder / f"{PURE}.jsonl")
    mixes = {
        "all recorded captures, each message as often as it occurs": recorded,
        **{
            f"… OCPP {version}": [one for one in recorded if one.version == version]
            for version in sorted({one.version for one in recorded})
        },
        "what make_capture.py makes (OCPP 1.6)": generated,
    }
    schemas = Schemas(schemastore.load)
    for one in (*recorded, *generated):
        schemas.check(*one)
    rows = []
    for name, mix in mixes.items():
        wrong = sum(bool(schemas.check(*one)) for one in mix)
        repeat = max(20_000 // len(mix), 1)
        check = schemas.check

        def run(mix: Sequence[Payload] = mix, repeat: int = repeat, check: Callable[..., object] = check) -> None:
            for _ in range(repeat):
                for version, action, answer, payload in mix:
                    check(version, action, answer, payload)

        rate = len(mix) * repeat / best_of(5, run)
        rows.append([name, f"{rate:,.0f} messages/s", f"{len(mix):,} different, {wrong / len(mix):.0%} with problems"])
    return rows


def payloads_of_captures() -> list[Payload]:
    """Every request and response in the captures of the repository."""
    from fieldkit.events import Event, OcppMessage
    from fieldkit.pipeline import Pipeline
    from fieldkit.wire.container import CaptureReader
    from fieldkit.wire.tlskeys import KeyLog

    found: list[Payload] = []
    captures = HERE.parent / "captures"
    for path in sorted(captures.rglob("*.pcap*")):
        keys = KeyLog()
        for keylog in captures.glob("*.keylog"):
            keys.add(keylog.read_text())
        reader, pipeline = CaptureReader(), Pipeline(path.name, keys=keys)
        events: list[Event] = []
        for item in (*reader.feed(path.read_bytes()), *reader.finish()):
            events += pipeline.feed_packets(item)
        events += pipeline.finish()
        found += _payloads(event for event in events if isinstance(event, OcppMessage))
    return found


def payloads_of_truth(truth: Path, messages: int = 10_000) -> list[Payload]:
    """The beginning of what a made capture says."""
    from fieldkit.events import Event, OcppChannel, OcppMessage
    from fieldkit.ocpp.conversation import Conversation

    events: list[Event] = []
    conversations: dict[int, Conversation] = {}
    with truth.open(encoding="utf-8") as file:
        for record in map(json.loads, islice(file, messages)):
            number = record["conn"]
            if number not in conversations:
                channel = OcppChannel(f"CP{number}", "1.6", "json", None, False, False, False)
                conversations[number] = Conversation(channel, events.append, None)
            sender: Any = "station" if record["dir"] == "c2s" else "csms"
            conversations[number].feed(record["msg"].encode(), sender, 0, (1,), "truth")
    return _payloads(event for event in events if isinstance(event, OcppMessage))


def _payloads(messages: Iterable[Any]) -> list[Payload]:
    from fieldkit import schemastore
    from fieldkit.events import MessageType

    kinds = {MessageType.CALL: False, MessageType.SEND: False, MessageType.CALLRESULT: True}
    return [
        Payload(message.channel.version, message.action, kinds[message.type], message.payload)
        for message in messages
        if message.type in kinds
        and isinstance(message.payload, dict)
        and schemastore.load(message.channel.version, message.action, kinds[message.type]) is not None
    ]


def best_of(times: int, run: Callable[[], None]) -> float:
    """Seconds of the quickest run: what slows a short computation down are others."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


# -------------------------------------------------------------------------------------------------------------- memory


def measure_memory(folder: Path, fieldkit: str, times: int) -> list[list[str]]:
    """Peak memory, of the largest process and of all together, on a file and on one many times as long from a pipe."""
    site = folder / f"{SITE}.pcap"
    decode = [fieldkit, "decode", "--quiet", "--validate", "--format", "trace"]
    rows = []
    with _Watch() as watch:
        run = measure([*decode, str(site)])
    rows.append([f"{SITE}, as a file", f"{run.rss:.0f} MB", f"{watch.peak:.0f} MB", f"{run.wall:.1f} s"])
    for count in (1, times):
        say(f"memory: {SITE} {count} times through a pipe")
        repeat = [sys.executable, str(HERE / "repeat_capture.py"), str(site), str(count)]
        with subprocess.Popen(repeat, stdout=subprocess.PIPE) as source, _Watch(but=source.pid) as watch:
            run = measure([*decode, "-"], stdin=source.stdout)
        name = f"{SITE} × {count}, from a pipe"
        rows.append([name, f"{run.rss:.0f} MB", f"{watch.peak:.0f} MB", f"{run.wall:.1f} s"])
    return rows


class _Watch:
    """Looks now and then how much memory the processes that we started have together (Linux: where /proc is)."""

    _PAUSE: Final = 0.1

    def __init__(self, but: int = 0) -> None:
        self.peak = 0.0
        """MB. Pages that processes share are counted once (PSS)."""
        self._but = but
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import os

        while not self._over.wait(self._PAUSE):
            total = sum(_memory(pid) for pid in _descendants(os.getpid()) if pid != self._but)
            self.peak = max(self.peak, total / 1024)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:  # it has just ended
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _memory(pid: int) -> int:
    """In kB."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:  # it has just ended
        return 0
    return 0


# ---------------------------------------------------------------------------------------------------------------- main


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in columns as wide as what is in them; all but the first to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        cells = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        print("  ".join((row[0].ljust(widths[0]), *cells)).rstrip())
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure fieldkit.")
    parser.add_argument("captures", type=Path)
    parser.add_argument("fieldkit")
    parser.add_argument("--runs", type=int, default=3, help="of each command against tshark")
    parser.add_argument("--times", type=int, default=10, help="how often the long capture repeats site")
    options = parser.parse_args()
    start = time.perf_counter()
    show(
        "Against tshark (times as fast; medians)",
        ["", "wall", "CPU", "wall", "CPU", "memory", "messages found"],
        compare_all(options.captures, options.fieldkit, options.runs),
    )
    show("Start-up (medians)", ["", "wall", "CPU", "memory"], measure_starts(options.fieldkit))
    show(
        "Memory at its peak",
        ["", "largest process", "all together", "wall"],
        measure_memory(options.captures, options.fieldkit, options.times),
    )
    show("Validation alone, one core", ["", "rate", ""], measure_validation(options.captures))
    say(f"done in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
