"""Brokers, agents and records for the tests of the agent: real programs, made small."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from fieldkit.agent.records import PRIORITIES, Record, uid_of
from fieldkit.agent.sinks.shared import Message

MOSQUITTO: Final = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto (apt-get install mosquitto)")
PATIENCE: Final = 30.0


def message(number: int, severity: str = "info", *, revision: int = 1, category: str = "finding") -> dict[str, Any]:
    """A finding as an agent sends it."""
    uid = uid_of("test", str(number))
    return {
        "schema": 1, "message": f"{uid}.{revision}", "uid": uid, "revision": revision, "category": category,
        "site": "depot", "agent": "router", "id": "boot.rejected", "severity": severity, "title": f"Number {number}",
        "explanation": "why", "advice": "what", "owner": "csms", "station": f"CP_{number % 7}", "connector": "",
        "transaction": "", "first": "2026-08-31T08:00:00.000Z", "last": "2026-08-31T09:00:00.000Z", "count": 1,
        "inferred": False, "evidence": [{"source": "eth0", "frame": 1, "time": "2026-08-31T08:00:00.000Z"}],
        "reference": "",
    }  # fmt: skip


def record(number: int, severity: str = "info", *, revision: int = 1, made: int = 0, clock: str = "") -> Record:
    """The same, ready to wait."""
    told = message(number, severity, revision=revision)
    body = json.dumps(told).encode()
    return Record(told["uid"], revision, "finding", PRIORITIES[severity], made or time.time_ns(), body, clock)


def numbers(records: list[Record]) -> list[int]:
    return [int(json.loads(one.body)["title"].split()[1]) for one in records]


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """mosquitto on a port of its own."""

    def __init__(self, folder: Path, *lines: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        allow = [] if any("allow_anonymous" in line for line in lines) else ["allow_anonymous true"]
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *allow, *lines, ""]))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        wait_for(self._listens)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[Broker]:
    made = Broker(folder, *lines)
    made.start()
    try:
        yield made
    finally:
        made.stop(signal.SIGKILL)


class Listening:
    """A subscriber of the test's own, in a thread."""

    def __init__(self, port: int, topic: str = "fieldkit/#") -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.came: list[tuple[str, dict[str, Any]]] = []
        self._ready = False
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: setattr(self, "_ready", True)
        self._client.on_message = lambda client, _, told: self.came.append((told.topic, json.loads(told.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_for(lambda: self._ready)

    def of(self, what: str) -> list[dict[str, Any]]:
        return [told for topic, told in self.came if topic.endswith(f"/{what}")]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Taking:
    """A sink that takes everything, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.failing: Exception | None = None
        self.closed = False

    def send(self, findings: Any) -> None:
        if self.failing is not None:
            raise self.failing
        self.taken += findings

    def close(self) -> None:
        self.closed = True


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A tmpfs; root only."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Somebody else takes all the room there is."""
    junk = place / "junk"
    with suppress(OSError), junk.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    return junk
