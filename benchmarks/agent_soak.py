"""Nothing is lost: findings on their way home while everything on that way breaks, and the count at the end is exact.

    python benchmarks/agent_soak.py                                 # 10,000 findings, 50 kills: some minutes
    python benchmarks/agent_soak.py --findings 600 --kills 6        # the same in small: what a test runs

Real parts only: the agent's outbox, courier and MQTT sink in a process that is killed with SIGKILL at random;
mosquitto, killed, restarted and away while days pass (the agent's clock is set forward); `fieldkit collect run`, killed
too; the outbox on a tmpfs of a few megabytes that is filled by somebody else for a while. A finding counts as raised
when the outbox has said that it is in a file; until then it is raised again, as traffic that goes on would.

Needs root (for the tmpfs), mosquitto and paho-mqtt. Ends with 1 if a finding is missing, damaged or counted twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fieldkit.agent.couriers import Courier
    from fieldkit.agent.outbox import Outbox
    from fieldkit.agent.records import Record

ROOT: Final = Path(__file__).resolve().parents[1]
DAY: Final = 86_400
SHARE: Final = 8
"""Megabytes of the tmpfs that the outbox is on."""
PATIENCE: Final = 120.0
"""Seconds until everything must have arrived after the last fault."""
AHEAD: Final = 64
"""Findings that are raised before the outbox has said of the first that it is kept."""


# ------------------------------------------------------------------------------------------- the process that is killed


def sending(
    store: Path, stage: Path | None, port: int, *, size: int = 1 << 30, now: Callable[[], int] = time.time_ns
) -> tuple[Outbox, Courier]:
    """The sending half of an agent: an outbox, and the courier (not yet started) that takes from it to a broker."""
    from fieldkit.agent.couriers import Courier
    from fieldkit.agent.outbox import Limits, Outbox
    from fieldkit.agent.sinks import open_sink
    from fieldkit.agent.sinks.mqtt import read
    from fieldkit.agent.sinks.shared import SinkSettings
    from fieldkit.agent.uplinks import Meter
    from fieldkit.config import Document

    options = read(Document({"url": f"mqtt://127.0.0.1:{port}", "keepalive": 5}, "soak", "").root)
    settings = SinkSettings("home", "mqtt", "info", False, options)
    outbox = Outbox(store, stage, ["home"], Limits(bytes=size, age=365 * DAY, flush=0.5), now=now)
    sink = open_sink(settings, ("soak", "agent"), str)
    return outbox, Courier(settings, sink, outbox, Meter((), ""), lambda *_, **__: None)


def soak_record(number: int, padding: int, made: int = 0) -> Record:
    """A finding with a number, so much longer than it need be."""
    from fieldkit.agent.records import Record, uid_of

    uid = uid_of("soak", str(number))
    body = {
        "schema": 1, "message": f"{uid}.1", "uid": uid, "revision": 1, "category": "finding", "site": "soak",
        "agent": "agent", "id": f"soak.number-{number}", "severity": ("critical", "warning", "info")[number % 3],
        "owner": "unknown", "station": f"CP_{number % 20}", "title": "soak", "first": "", "last": "", "count": 1,
        "explanation": "x" * padding,
    }  # fmt: skip
    return Record(uid, 1, "finding", number % 3, made or time.time_ns(), json.dumps(body).encode())


def serve(store: str, stage: str, port: int, forward: float) -> None:
    """Takes numbers from standard input, raises a finding for each, says what is kept."""

    def now() -> int:
        return time.time_ns() + int(forward * 1e9)

    outbox, courier = sending(Path(store), Path(stage), port, now=now)
    courier.start()

    def tick() -> None:
        while True:
            outbox.tick()
            courier.nudge()  # back-off is for the field: here minutes are days
            time.sleep(0.1)

    threading.Thread(target=tick, daemon=True).start()
    for line in sys.stdin:
        number = int(line)
        kept = outbox.put(soak_record(number, number % 1500, now()))
        print(f"kept {number}" if kept else f"held {number}", flush=True)
    while sum(outbox.waiting.values()):
        time.sleep(0.05)
    outbox.close()


class Victim:
    """That process, as seen from the one that kills it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._arguments = [str(folder / "share" / "store"), str(folder / "share" / "stage"), str(port)]
        self._port = port
        self.forward = 0.0
        self.raised: set[int] = set()
        self.asked: deque[int] = deque()
        self._begin()

    def _begin(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", *self._arguments, str(self.forward)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self._answers: deque[str] = deque()
        threading.Thread(target=self._hear, args=(self.process, self._answers), daemon=True).start()
        waiting, self.asked = self.asked, deque()
        for number in waiting:  # nobody said that these were kept
            self.ask(number)

    @staticmethod
    def _hear(process: subprocess.Popen[str], answers: deque[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.append(line)

    def ask(self, number: int) -> None:
        assert self.process.stdin is not None
        self.asked.append(number)
        with suppress(OSError, ValueError):
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()

    def settle(self) -> None:
        for _ in range(len(self._answers)):  # on a full disk each of them asks again, and is answered again
            word, number = self._answers.popleft().split()
            with suppress(ValueError):
                self.asked.remove(int(number))
            if word == "kept":
                self.raised.add(int(number))
            else:
                time.sleep(0.02)
                self.ask(int(number))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        time.sleep(0.01)
        # What it said before it died holds; half a line does not.
        time.sleep(0.05)
        self.settle_dead()
        self._begin()

    def settle_dead(self) -> None:
        while self._answers:
            line = self._answers.popleft()
            if line.endswith("\n") and line.startswith("kept "):
                number = int(line.split()[1])
                with suppress(ValueError):
                    self.asked.remove(number)
                self.raised.add(number)

    def end(self, seconds: float) -> bool:
        """No more findings: it ends when everything has been delivered."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False


# ------------------------------------------------------------------------------------------------------ the other parts


class Broker:
    """mosquitto, with its memory on disk."""

    def __init__(self, folder: Path, *lines: str) -> None:
        """``lines`` of its configuration besides."""
        self.port = _free_port()
        self._config = folder / "mosquitto.conf"
        (folder / "mosquitto").mkdir()
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
            f"persistence_location {folder}/mosquitto/\nmax_queued_messages 0\n" + "\n".join([*lines, ""])
        )
        self._log = (folder / "mosquitto.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([_mosquitto(), "-c", str(self._config)], stdout=self._log, stderr=self._log)
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise SystemExit("mosquitto does not start")

    def remember(self) -> None:
        """Write sessions and subscriptions to disk now (mosquitto(8), SIGUSR1)."""
        assert self.process is not None
        before = self._written()
        self.process.send_signal(signal.SIGUSR1)
        ends = time.monotonic() + 30
        while self._written() == before and time.monotonic() < ends:
            time.sleep(0.02)

    def _written(self) -> tuple[int, int]:
        """Tells one file from the next: it is written beside its place and moved there."""
        try:
            told = (self._config.parent / "mosquitto" / "mosquitto.db").stat()
        except OSError:
            return (0, 0)
        return (told.st_ino, told.st_mtime_ns)

    def stop(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait()


class Consumer:
    """``fieldkit collect run``."""

    def __init__(self, folder: Path, port: int) -> None:
        self.db = folder / "findings.db"
        self._port = port
        self.begin()

    def begin(self) -> None:
        program = [sys.executable, "-m", "fieldkit", "collect", "run"]
        self.process = subprocess.Popen(
            [*program, f"mqtt://127.0.0.1:{self._port}", "--db", str(self.db)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "collecting" in line:
                break
        threading.Thread(target=self._hear, args=(self.process,), daemon=True).start()

    @staticmethod
    def _hear(process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if os.environ.get("SOAK_VERBOSE"):
                print(f"consumer: {line.rstrip()}", file=sys.stderr)

    def count(self) -> int:
        with sqlite3.connect(self.db, timeout=30) as db:
            return int(db.execute("SELECT count(*) FROM finding").fetchone()[0])

    def quiet(self) -> None:
        """Until nothing more comes for a moment."""
        before = -1
        while before != (before := self._messages()):
            time.sleep(0.6)

    def _messages(self) -> int:
        with sqlite3.connect(self.db, timeout=30) as db:
            return int(db.execute("SELECT count(*) + total(repeated) FROM finding").fetchone()[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.begin()


class Share:
    """A small disk of our own, and somebody who fills it."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "share"
        self.place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SHARE}m", "tmpfs", str(self.place)], check=True)

    def fill(self) -> None:
        with suppress(OSError), (self.place / "junk").open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass

    def free(self) -> None:
        (self.place / "junk").unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=False)


def _mosquitto() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit("needs mosquitto (apt-get install mosquitto)")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -------------------------------------------------------------------------------------------------------------- the run


def run(findings: int, kills: int, seed: int) -> int:
    """The exit status."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fieldkit-soak-") as name:
        folder = Path(name)
        share = Share(folder)
        broker = Broker(folder)
        broker.start()
        consumer = Consumer(folder, broker.port)
        broker.remember()
        victim = Victim(folder, broker.port)
        begun = time.monotonic()
        done = {"agent killed": 0, "broker killed": 0, "broker restarted": 0, "broker away": 0, "disk filled": 0,
                "consumer killed": 0}  # fmt: skip
        # Each fault at its own place among the findings, wherever chance puts it.
        faults = sorted(
            [(dice.randrange(findings), "agent killed") for _ in range(kills)]
            + [(dice.randrange(findings), what) for what in list(done)[1:] for _ in range(max(kills // 10, 1))]
        )
        try:
            number = 0
            while len(victim.raised) < findings:
                victim.settle()
                while faults and faults[0][0] <= len(victim.raised):
                    what = faults.pop(0)[1]
                    done[what] += 1
                    _fault(what, victim, broker, consumer, share, dice)
                if number < findings and len(victim.asked) < AHEAD:
                    victim.ask(number)
                    number += 1
                else:
                    time.sleep(0.001)
            share.free()
            raising = time.monotonic() - begun
            ended = victim.end(PATIENCE)
            ends = time.monotonic() + PATIENCE
            while consumer.count() < findings and time.monotonic() < ends:
                time.sleep(0.2)
            consumer.quiet()
            consumer.process.send_signal(signal.SIGTERM)
            consumer.process.wait(20)
            result = _judged(consumer.db, findings)
        finally:
            for process in (victim.process, consumer.process, broker.process):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.wait()
            share.close()
    result |= {
        "faults": done, "seconds raising": round(raising, 1), "seconds": round(time.monotonic() - begun, 1),
        "days passed": round(victim.forward / DAY, 1), "outbox empty at the end": ended,
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    right = not result["missing"] and not result["damaged"] and not result["too many"] and ended
    return 0 if right else 1


def _fault(what: str, victim: Victim, broker: Broker, consumer: Consumer, share: Share, dice: random.Random) -> None:
    if what == "agent killed":
        time.sleep(dice.random() * 0.05)
        victim.kill()
    elif what == "consumer killed":
        consumer.kill()
    elif what == "disk filled":
        share.fill()
        time.sleep(0.5 + dice.random())
        victim.settle()
        share.free()
    else:
        killed = what == "broker killed"
        if killed:
            # A broker acknowledges what it has in memory; what it has neither written nor passed on by then nobody has.
            # That is its business (autosave_interval of Mosquitto), and ours is what it has not acknowledged.
            victim.process.send_signal(signal.SIGSTOP)
            consumer.quiet()  # so that it has read, too, what was on its way to it
            broker.remember()
        broker.stop(signal.SIGKILL if killed else signal.SIGTERM)
        if killed:
            victim.process.send_signal(signal.SIGCONT)
        if what == "broker away":
            for _ in range(3):
                victim.forward += dice.uniform(0.5, 1.5) * DAY
                victim.kill()
                time.sleep(0.3)
                victim.settle()
        broker.start()
        # With a session that is as it was: whoever subscribed before is subscribed.
        time.sleep(0.2)


def _judged(path: Path, findings: int) -> dict[str, object]:
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT id, body, repeated FROM finding").fetchall()
    seen: set[int] = set()
    damaged = 0
    for identity, body, _ in rows:
        number = int(str(identity).removeprefix("soak.number-"))
        seen.add(number)
        damaged += json.loads(body)["explanation"] != "x" * (number % 1500)
    return {
        "findings": findings,
        "arrived": len(rows),
        "missing": len(set(range(findings)) - seen),
        "too many": len(rows) - len(seen & set(range(findings))),
        "damaged": damaged,
        "repeated on the way": sum(repeated for _, _, repeated in rows),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
        sys.exit(0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(run(given.findings, given.kills, given.seed))
