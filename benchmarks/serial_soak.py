"""An hour of listening to devices that would take a single byte badly: what is sent, lost, and needed for it?

    serial_soak.py [--seconds 3600] [--out DIR] -- fieldkit serial listen

Four devices on pseudo terminals, at the pace of their lines:

boot    a board that boots every minute: ROM banner, a countdown that any key stops, kernel, login prompt, and the
        questions that a terminal answers by itself (cursor position, device attributes, colours)
rapi    an OpenEVSE that tells of its states unasked, with broken frames between
bus     a Modbus bus with a master and two meters of somebody else's, answers missing and damaged among them
pulled  a console whose adapter is pulled out every five minutes and comes back under another name

The command is started with their paths, ``--for`` and ``--log``. Each minute a line goes to ``minutes.jsonl``: bytes
said by the devices, bytes that they heard, processor time and memory of the command. At the end its recordings are
compared with what was said, byte for byte. Ends with 1 when a device heard anything, or when a byte is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

TICK: Final = 0.02
"""Seconds between two looks at a device."""
PULLED_EVERY: Final = 300.0
AWAY: Final = 1.5
"""Seconds an adapter is away."""
MOST_AWAY: Final = 3.0
"""Seconds in which a device that is back has to be heard again."""

Words = Iterator[tuple[float, bytes]]
"""What is said next, and the seconds of silence before it."""


class Line:
    """One device. ``path`` is a link, so that another pseudo terminal can take its place."""

    def __init__(self, name: str, directory: Path, words: Words, speed: int, *, pulled: bool = False) -> None:
        self.path = directory / name
        self.said = bytearray()
        self.heard = bytearray()
        self.returns: list[float] = []
        """Seconds from when it was back until somebody had it open."""
        self._words, self._speed, self._pulled = words, speed, pulled
        self._master = -1
        self._plug()

    def _plug(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    @property
    def open(self) -> bool:
        """Has somebody the other end?"""
        watch = select.poll()
        watch.register(self._master, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in watch.poll(0))

    def run(self, until: float) -> None:
        self._wait_for_listener(until)
        pull = time.monotonic() + PULLED_EVERY
        for pause, words in self._words:
            end = time.monotonic() + pause + len(words) * 10 / self._speed
            while time.monotonic() < end:
                self._hear()
                time.sleep(TICK)
            if time.monotonic() > until:
                return
            self._say(words)
            if self._pulled and time.monotonic() > pull and time.monotonic() + 30 < until:
                self._pull(until)
                pull = time.monotonic() + PULLED_EVERY

    def _say(self, words: bytes) -> None:
        rest = words
        while rest:
            try:
                taken = os.write(self._master, rest)
            except BlockingIOError:
                self._hear()
                time.sleep(TICK)
                continue
            self.said += rest[:taken]
            rest = rest[taken:]

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self.heard += os.read(self._master, 4096)

    def _pull(self, until: float) -> None:
        time.sleep(1)  # what was said is to be read before the cable goes
        self._hear()
        os.close(self._master)
        self.path.unlink()
        time.sleep(AWAY)
        self._plug()
        begin = time.monotonic()
        self._wait_for_listener(until)
        self.returns.append(time.monotonic() - begin)

    def _wait_for_listener(self, until: float) -> None:
        while not self.open and time.monotonic() < until:
            time.sleep(TICK)
        time.sleep(0.5)  # it sets the port up and empties it before it listens


def boot(random: Random) -> Words:
    while True:
        yield 1.0, b"\r\n\r\nU-Boot SPL 2023.04 (Sep 01 2023)\r\nU-Boot 2023.04\r\n\r\nReset cause: WDOG\r\n"
        yield 0.2, b"Hit any key to stop autoboot:  5 "
        for number in range(4, -1, -1):
            yield 1.0, b"\b\b\b%2d " % number
        yield 0.1, b"\r\nStarting kernel ...\r\n\r\n\x1b[6n\x1b[c\x1b]11;?\x07\x1b[>c\x1bZ\x05"
        for line in range(300):
            yield 0.01, b"[%12.6f] usb 1-1: new device %d\r\n" % (line / 50, random.randrange(1 << 30))
        yield 0.3, b"\r\ncharger login: "
        yield 3.0, b"\r\nPassword: "
        yield 2.0, b"\r\nroot@charger:~# \x1b[6n"
        yield 1.0, b"\r\nesp32> waiting for download\r\n=> "
        yield 30.0, b"\x1b[5n\x1b[18t\r\n"


def rapi(random: Random) -> Words:
    while True:
        body = b"$AT %02X 07 %d %04X" % (random.choice((1, 2, 3)), random.randrange(6, 33), random.randrange(1 << 16))
        check = 0
        for byte in body:
            check ^= byte
        yield random.uniform(0.2, 2), body + b"^%02X\r" % (check ^ (random.random() < 0.05))
        if random.random() < 0.02:
            yield 0.5, b"$AB 00 8.1.1\r"


def bus(random: Random) -> Words:
    from fieldkit.devices.modbus.framing import rtu_frame

    while True:
        unit = random.choice((1, 2))
        yield 0.2, rtu_frame(unit, b"\x04\x00\x00\x00\x12")
        if random.random() < 0.05:
            continue
        answer = bytearray(rtu_frame(unit, b"\x04\x24" + random.randbytes(36)))
        if random.random() < 0.05:
            answer[random.randrange(len(answer))] ^= 0x10
        yield 0.02, bytes(answer)


def console(random: Random) -> Words:
    while True:
        yield (
            random.uniform(0.05, 0.5),
            b"I (%d) ocpp: Heartbeat %08x\r\n"
            % (
                random.randrange(1 << 30),
                random.randrange(1 << 32),
            ),
        )


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=int, default=3600)
    options.add_argument("--out", type=Path, default=None)
    options.add_argument("command", nargs="+", help="-- fieldkit serial listen")
    given = options.parse_args()
    out: Path = given.out or Path(tempfile.mkdtemp(prefix="serial-soak-"))
    out.mkdir(parents=True, exist_ok=True)
    seed = Random(7)
    lines = [
        Line("boot", out, boot(seed), 115_200),
        Line("rapi", out, rapi(seed), 115_200),
        Line("bus", out, bus(Random(8)), 9600),
        Line("pulled", out, console(Random(9)), 115_200, pulled=True),
    ]
    return Soak(out, lines, given.seconds).run(given.command)


class Soak:
    """A run."""

    def __init__(self, out: Path, lines: list[Line], seconds: int) -> None:
        self._out, self._lines, self._seconds = out, lines, seconds

    def run(self, command: list[str]) -> int:
        paths = [str(line.path) for line in self._lines]
        more = ["--line", "115200", "--for", f"{self._seconds + 10}s", "--log", str(self._out / "logs")]
        until = time.monotonic() + self._seconds
        with (self._out / "shown.txt").open("wb") as shown, (self._out / "minutes.jsonl").open("w") as minutes:
            process = subprocess.Popen([*command, *paths, *more], stdout=shown, stderr=shown)
            threads = [threading.Thread(target=line.run, args=(until,)) for line in self._lines]
            for thread in threads:
                thread.start()
            begin = time.monotonic()
            while time.monotonic() < until and process.poll() is None:
                time.sleep(min(60.0, max(0.0, until - time.monotonic())))
                minutes.write(json.dumps(self._state(process.pid, time.monotonic() - begin)) + "\n")
                minutes.flush()
            for thread in threads:
                thread.join()
            process.wait(timeout=60)
        return self._verdict(process.returncode)

    def _state(self, pid: int, seconds: float) -> dict[str, object]:
        state: dict[str, object] = {
            "seconds": round(seconds),
            "said": {line.path.name: len(line.said) for line in self._lines},
            "heard": {line.path.name: len(line.heard) for line in self._lines},
        }
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            state["cpu_seconds"] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            state["rss_mb"] = round(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
        return state

    def _verdict(self, ended: int) -> int:
        good = ended == 0
        print(f"ended with {ended}")
        for line in self._lines:
            recorded, sent = _recorded(self._out / "logs", line.path.name)
            whole = recorded == line.said
            late = [seconds for seconds in line.returns if seconds > MOST_AWAY]
            good = good and whole and not line.heard and not sent and not late
            print(
                f"{line.path.name}: said {len(line.said)} bytes, recorded {len(recorded)}, "
                f"{'the same' if whole else 'NOT THE SAME'} (sha256 {sha256(recorded).hexdigest()[:16]}); "
                f"device heard {len(line.heard)}, recorded as sent {sent}"
                + (f"; back after {max(line.returns):.2f} s at most, {len(line.returns)} times" if line.returns else "")
            )
        return 0 if good else 1


def _recorded(directory: Path, name: str) -> tuple[bytes, int]:
    data, sent = bytearray(), 0
    for path in directory.glob(f"{name}-*.serial.jsonl"):
        for text in path.read_text().splitlines():
            entry = json.loads(text)
            data += bytes.fromhex(entry.get("r", ""))
            sent += len(entry.get("s", "")) // 2
    return bytes(data), sent


if __name__ == "__main__":
    sys.exit(main())
