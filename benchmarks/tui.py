"""What the screen costs and how soon it answers, in a real terminal: what ``make bench-tui`` runs.

    tui.py CAPTURES [--python PYTHON] [--only start,large,rows,live,ssh]

CAPTURES is a folder with what ``make_capture.py`` makes (site.pcap, pure.pcap). See the README beside this file. A row
says what was measured and what it should be; nothing is asserted, as machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from screen import Screen, waited

HERE: Final = Path(__file__).parent
SMALL: Final = HERE.parent / "captures" / "ocpp16j_vcp_ocpprpc_plain.pcap"
"""About 20 kB."""
_STARTS: Final = 7
_SPAN: Final = 20.0
"""Seconds that something live is looked at."""
_LAGGING: Final = """
import array, asyncio, json, sys, time
from fieldkit.tui.app import FieldkitApp
found = array.array("d")
mounted = FieldkitApp.on_mount
async def look():
    await asyncio.sleep(4)
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(0.02)
        found.append(time.perf_counter() - begin - 0.02)
def on_mount(self):
    mounted(self)
    self._looking = asyncio.get_running_loop().create_task(look())
FieldkitApp.on_mount = on_mount
from fieldkit.cli import main
try:
    main()
finally:
    json.dump(sorted(found), open(LAGS, "w"))
"""
"""fieldkit with somebody in its event loop who wants to be called every 20 ms and notes how late that is."""


class Row(NamedTuple):
    """A line of the table."""

    what: str
    measured: str
    bar: str
    kept: bool


class Bench:
    """All measurements on one set of captures."""

    def __init__(self, folder: Path, python: str) -> None:
        self.site = str(folder / "site.pcap")
        self.pure = str(folder / "pure.pcap")
        self.python = python

    def screen(self, *arguments: str, size: tuple[int, int] = (80, 24), **variables: str) -> Screen:
        """``fieldkit ARGUMENTS`` on a terminal."""
        return Screen([self.python, "-m", "fieldkit", *arguments], size=size, **variables)

    # ---------------------------------------------------------------------------------------------------------- start

    def start(self) -> Iterator[Row]:
        """From the command to the first messages."""
        seconds = []
        for _ in range(_STARTS):
            with self.screen("watch", str(SMALL)) as screen:
                seconds.append(screen.until("BootNotification"))
        middle = statistics.median(seconds)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        yield Row("20 kB: start to first messages", f"{middle:.2f} s ({spread})", "1.0 s", middle <= 1.0)
        seconds = []
        for _ in range(_STARTS):
            with self.screen() as screen:
                seconds.append(screen.until("Demo"))
        middle = statistics.median(seconds)
        yield Row("no source: start to Home", f"{middle:.2f} s", "1.0 s", middle <= 1.0)

    def large(self) -> Iterator[Row]:
        """The same with a large capture, what is seen meanwhile, and an end at any time."""
        firsts, answers, progresses = [], [], []
        for _ in range(3):
            with self.screen("watch", self.site) as screen:
                firsts.append(screen.until(r"(?:CALL|RES|OPEN) +\w"))
                progresses.append(screen.until(r"LOADING \d+%"))
                for _ in range(5):
                    answers.append(screen.answer("\x1b[B")[0])
                    time.sleep(0.2)
                before = screen.press("\x18")  # Ctrl-X
                stopped = screen.until("STOPPED", since=before) - (screen.pieces[before - 1][0] - screen.began)
        first, answer = statistics.median(firsts), statistics.median(answers)
        size = Path(self.site).stat().st_size / 1e6
        yield Row(f"{size:.0f} MB: start to first messages", f"{first:.2f} s", "1.5 s", first <= 1.5)
        yield Row("… progress on the screen", f"{statistics.median(progresses):.2f} s", "", True)
        yield Row("… a key while it loads", f"{answer * 1000:.0f} ms", "100 ms", answer <= 0.1)
        yield Row("… stopped after Ctrl-X", f"{stopped:.2f} s", "1 s", stopped <= 1)

    # ----------------------------------------------------------------------------------------------------------- rows

    def rows(self) -> Iterator[Row]:
        """200,000 messages: scrolling, filtering, memory."""
        with self.screen("watch", self.pure, size=(120, 40)) as screen:
            loaded = screen.until("READ|FAILED", seconds=300)
            time.sleep(1)
            yield Row("200,000 messages: loaded", f"{loaded:.1f} s", "", True)
            memory = screen.memory / 1e6
            yield Row("… memory", f"{memory:.0f} MB (peak {screen.peak / 1e6:.0f})", "350 MB", memory <= 350)
            yield self._scrolling(screen)
            keys: list[float] = []
            begin = len(screen.pieces)
            screen.answer("/")
            for character in "latency > 0.1":
                keys.append(screen.answer(character, patience=1)[0])
            yield Row("… a key in the filter bar", _worst(keys), "100 ms", max(keys) <= 0.1)
            for text in ("action = Heartbeat", "latency > 500ms", ".status = Faulted", "4711"):
                screen.press("\x15")  # Ctrl-U empties the line
                time.sleep(0.3)
                self._settled(screen)
                # All keys at once, as if pasted: what counts is when all rows have been looked through.
                pressed = time.perf_counter()
                begin = screen.press(text)
                screen.until(r"[\d ]+ of [\d ]{6,}", since=begin, seconds=400)
                took = self._settled(screen) - pressed
                yield Row(f"… filter over all: {text}", f"{took:.2f} s", "1 s", took <= 1)
            peak = screen.peak / 1e6
            yield Row("… memory at its peak, all this included", f"{peak:.0f} MB", "350 MB", peak <= 350)

    @staticmethod
    def _settled(screen: Screen) -> float:
        """When the last picture was drawn."""
        while time.perf_counter() - screen.pieces[-1][0] < 0.2:  # the cursor blinks twice a second
            time.sleep(0.02)
        return screen.pieces[-1][0]

    def _scrolling(self, screen: Screen) -> Row:
        whole: list[float] = []
        for keys in ("\x1b[6~", "\x1b[B", "\x1b[5~", "\x1b[F", "\x1b[5~", "\x1b[H", "n", "n", "\x1b[6~", "\x1b[6~"):
            whole.append(screen.answer(keys)[1])
        return Row("… scrolling: a page, a line, to the end", _worst(whole), "100 ms", max(whole) <= 0.1)

    # ----------------------------------------------------------------------------------------------------------- live

    def live(self) -> Iterator[Row]:
        """500 messages a second, followed."""
        yield from self._followed("replay", ["watch", "--replay", "9", self.pure])
        with self._cable() as cable:
            if cable is None:
                yield Row("live on an interface", "left out: needs root, ip, tcpreplay", "", True)
                return
            with self._sending(cable, 1154):
                yield from self._followed("interface", ["watch", "--no-record", cable[1]])

    def _followed(self, how: str, arguments: list[str]) -> Iterator[Row]:
        with tempfile.TemporaryDirectory() as folder:
            lags = Path(folder) / "lags"
            code = f"LAGS = {str(lags)!r}\n{_LAGGING}"
            with Screen([self.python, "-c", code, *arguments], size=(120, 40)) as screen:
                screen.until(r"RES +\w")
                time.sleep(4)
                before, cpu = _messages(screen), screen.cpu
                begin, end = waited(_SPAN)
                used = (screen.cpu - cpu) / (end - begin)
                rate = (_messages(screen) - before) / (end - begin)
                memory = screen.memory / 1e6
            late = json.loads(lags.read_text())
        p95, most = late[int(len(late) * 0.95)] * 1000, late[-1] * 1000
        yield Row(f"500 messages/s, {how}: processor ({rate:.0f}/s)", f"{used:.0%} of a core", "25 %", used <= 0.25)
        yield Row("… the event loop is late by (p95)", f"{p95:.0f} ms (most {most:.0f})", "50 ms", p95 <= 50)
        yield Row("… memory", f"{memory:.0f} MB", "", True)

    @contextmanager
    def _cable(self) -> Iterator[tuple[str, str] | None]:
        tools = all(map(shutil.which, ("ip", "tcpreplay")))
        if os.name != "posix" or os.geteuid() or not tools:
            yield None
            return
        here, there = f"fkt{os.getpid() % 100_000}a", f"fkt{os.getpid() % 100_000}b"
        subprocess.run(["ip", "link", "add", here, "type", "veth", "peer", "name", there], check=True)
        try:
            for end in (here, there):
                subprocess.run(["ip", "link", "set", end, "up"], check=True)
            yield here, there
        finally:
            subprocess.run(["ip", "link", "del", here], check=True)

    @contextmanager
    def _sending(self, cable: tuple[str, str], packets: int) -> Iterator[None]:
        sender = subprocess.Popen(
            ["tcpreplay", "-q", "-i", cable[0], f"--pps={packets}", self.pure],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield
        finally:
            sender.terminate()
            sender.wait()

    # ------------------------------------------------------------------------------------------------------------ ssh

    def ssh(self) -> Iterator[Row]:
        """What the line carries while the traffic is followed at 80×24 over ssh, and while it is frozen."""
        with self.screen("watch", "--replay", "9", self.pure, SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22") as screen:
            screen.until(r"RES +\w")
            time.sleep(4)
            begin, end = waited(_SPAN)
            raw, packed = (size / (end - begin) / 1000 for size in screen.sizes(begin, end))
            yield Row("ssh, 80×24, following 500 messages/s: raw", f"{raw:.1f} kB/s", "12 kB/s", raw <= 12)
            yield Row("… compressed (ssh -C)", f"{packed:.2f} kB/s", "2 kB/s", packed <= 2)
            screen.press(" ")
            time.sleep(2)
            begin, end = waited(_SPAN / 2)
            raw, packed = (size / (end - begin) / 1000 for size in screen.sizes(begin, end))
            yield Row("… frozen: raw, compressed", f"{raw:.2f}, {packed:.2f} kB/s", "", True)


def _worst(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms (worst {max(seconds) * 1000:.0f})"


def _messages(screen: Screen) -> int:
    """How many have passed, as the status line says."""
    import re

    found = re.findall(r"(\d{1,3}(?: \d{3})*) msg", screen.text(max(len(screen.pieces) - 400, 0)))
    return int(found[-1].replace(" ", "")) if found else 0


def table(rows: list[Row]) -> str:
    """For the eye."""
    wide = max(len(row.what) for row in rows)
    wider = max(len(row.measured) for row in rows)
    lines = [f"{'':<{wide}}  {'measured':<{wider}}  bar"]
    for row in rows:
        verdict = "" if not row.bar else f"{row.bar}{'' if row.kept else '   MISSED'}"
        lines.append(f"{row.what:<{wide}}  {row.measured:<{wider}}  {verdict}".rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the screen in a real terminal.")
    parser.add_argument("captures", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default="start,large,rows,live,ssh")
    options = parser.parse_args()
    bench = Bench(options.captures, options.python)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    state = f"{os.cpu_count()} cores, load {load} before it began: what waits for others is slower"
    rows: list[Row] = []
    for name in options.only.split(","):
        measure: Callable[[], Iterator[Row]] = getattr(bench, name)
        print(f"{name} …", file=sys.stderr, flush=True)
        for row in measure():
            rows.append(row)
            print(f"  {row.what}: {row.measured}", file=sys.stderr, flush=True)
    print(table(rows))
    print(state)


if __name__ == "__main__":
    main()
