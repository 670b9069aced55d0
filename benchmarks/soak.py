"""An hour on the screen: traffic without end, replayed a hundred times as fast, somebody who looks about, and memory.

    soak.py CAPTURE.pcap [--seconds 3600] [--speed 100] [--rows 200000]

The capture comes over and over, each time an hour later, so that after some minutes every bound that fieldkit has is
reached: rows leave, connections are forgotten. From the middle of the run on memory has to stay where it is. The exit
code is 1 when it grows by more than a tenth, when the screen no longer answers, or when the program ends.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Final

from screen import Screen

HERE: Final = Path(__file__).parent
_EVERY: Final = 10.0
"""Seconds between two looks at memory."""
_KEYS: Final = (
    "3",
    "\x1b[B",
    "t",
    "t",
    "1",
    "n",
    "n",
    "\x1b[5~",
    "2",
    "\x1b[B",
    "1",
    "\x1b[F",
    "4",
    "1",
    " ",
    " ",
    "s",
)
"""What somebody presses who looks about, one key every look."""
_GROWTH: Final = 0.10
_BOUNDED: Final = """
from fieldkit.history import History
History.__init__.__defaults__ = ({rows}, 128 << 20)
from fieldkit.cli import main
main()
"""
"""fieldkit that keeps fewer rows than usual, so that a minute and not a quarter of an hour goes by until they leave."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Replay without end, and watch the memory.")
    parser.add_argument("capture", type=Path)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--speed", type=float, default=100)
    parser.add_argument("--rows", type=int, default=200_000, help="rows that are kept (%(default)s)")
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    source = subprocess.Popen(
        [sys.executable, str(HERE / "repeat_capture.py"), str(options.capture), "100000"], stdout=subprocess.PIPE
    )
    assert source.stdout is not None
    code = _BOUNDED.format(rows=options.rows)
    command = [options.python, "-c", code, "watch", "--replay", f"{options.speed:g}", "-"]
    samples: list[int] = []
    slowest = 0.0
    try:
        with Screen(command, stdin=source.stdout.fileno()) as screen:
            screen.until("REPLAY")
            keys = cycle(_KEYS)
            ends = time.monotonic() + options.seconds
            while time.monotonic() < ends:
                time.sleep(min(_EVERY, options.seconds / 20))
                if screen.process.poll() is not None:
                    sys.exit(f"it ended by itself:\n{screen.text()[-2000:]}")
                slowest = max(slowest, screen.answer(next(keys), patience=10)[0])
                samples.append(screen.memory)
                del screen.pieces[:-50]
                print(f"{samples[-1] / 1e6:.0f} MB", end=" ", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            used = screen.cpu / options.seconds
    finally:
        source.kill()
        source.wait()
    half = samples[len(samples) // 2 :]
    third = max(len(half) // 3, 1)
    begin, end = statistics.median(half[:third]), statistics.median(half[-third:])
    growth = end / begin - 1
    print(f"{options.seconds:.0f} s at ×{options.speed:g}: {begin / 1e6:.0f} MB midway, {end / 1e6:.0f} at the end")
    print(
        f"({growth:+.1%}, at most {max(samples) / 1e6:.0f} MB); the slowest answer to a key: {slowest:.2f} s;", end=" "
    )
    print(f"processor: {used:.0%} of a core")
    sys.exit(1 if growth > _GROWTH or slowest >= 10 else 0)


if __name__ == "__main__":
    main()
