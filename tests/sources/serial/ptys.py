"""Devices on real pseudo terminals: threads that hear what is sent, count it, and behave as badly as they are told."""

from __future__ import annotations

import errno
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Self

from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.timing import LineSettings
from tests.devices.emulated import Device


class Pty:
    """The device's end of a line. ``path`` is what fieldkit opens."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        self.heard = bytearray()
        """All that was ever sent to the device."""
        self._threads: list[threading.Thread] = []
        self.stop = threading.Event()

    def run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EBADF):
                raise

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def hear(self, seconds: float) -> bytes:
        """What comes within so long; nobody at the other end is silence."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self.master, 4096)
        except OSError:  # nobody has the other end open
            time.sleep(0.005)
            return b""
        self.heard += data
        return data

    def listen(self) -> None:
        """Keep what is sent, answer nothing."""
        self.run(self._listen)

    def _listen(self) -> None:
        while not self.stop.is_set():
            self.hear(0.05)

    @property
    def speed(self) -> int:
        """What the other end has set."""
        return int(termios.tcgetattr(self.master)[5])

    @property
    def parity(self) -> bool:
        """Has the other end set one?"""
        return bool(termios.tcgetattr(self.master)[2] & termios.PARENB)

    def unplug(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(timeout=2)
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()


class ModbusPty(Pty):
    """A device on a line whose speed is felt: each answer begins and ends when it would on a wire."""

    def __init__(self, device: Device, *, lump: float = 0.0) -> None:
        super().__init__()
        self.device = device
        self.lump = lump
        """Seconds that an adapter collects bytes for."""
        self.requests = 0
        self.run(self._serve)

    def _serve(self) -> None:
        settings = self.device.settings
        request = bytearray()
        while not self.stop.is_set():
            due = self.device.line[0][0] if self.device.line else None
            wait = 0.05 if due is None else max(0.0, (due - time.monotonic_ns()) / 1e9)
            data = self.hear(min(wait, 0.05))
            if data:
                request += data
                if len(request) >= 8:
                    self.requests += 1
                    # The request takes its time on the wire before the device has it.
                    self.device.hear(bytes(request[:8]), time.monotonic_ns() + settings.wire_time(8))
                    del request[:8]
            while self.device.line and self.device.line[0][0] <= time.monotonic_ns():
                self.say(self.device.line.popleft()[1])


def meter(settings: LineSettings, *, rate: float = 0.0, seed: int = 1, turnaround: int = 0) -> Device:
    """Registers whose numbers tell where they are from: register N holds 1000 + N."""
    return Device(
        settings,
        Random(seed),
        values={register: 1000 + register for register in range(400)},
        turnaround=turnaround,
        faults=("late", "corrupted", "truncated", "foreign"),
        rate=rate,
    )


def plugged(roots: Path, name: str, target: str, **about: str) -> None:
    """A USB adapter in a tree like /sys and /dev: ``vendor`` ``product`` ``serial`` ``location`` ``interface``."""
    location = about.get("location", "1-1")
    device = roots / "sys" / "devices" / location
    interface = device / f"{location}:1.{int(about.get('interface', '00'), 16)}"
    port = interface / name
    port.mkdir(parents=True)
    for file, key in (("idVendor", "vendor"), ("idProduct", "product"), ("serial", "serial"), ("product", "title")):
        if key in about:
            (device / file).write_text(about[key] + "\n")
    (interface / "bInterfaceNumber").write_text(about.get("interface", "00") + "\n")
    if "latency" in about:
        (port / "latency_timer").write_text(about["latency"] + "\n")
    driver = roots / "sys" / "drivers" / about.get("driver", "ftdi_sio")
    driver.mkdir(parents=True, exist_ok=True)
    (port / "driver").symlink_to(driver)
    entry = roots / "sys" / "class" / "tty" / name
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(port)
    (roots / "dev").mkdir(exist_ok=True)
    (roots / "dev" / name).symlink_to(target)


def pulled(roots: Path, name: str) -> None:
    """Take it out again."""
    import shutil

    port = (roots / "sys" / "class" / "tty" / name / "device").resolve()
    shutil.rmtree(roots / "sys" / "class" / "tty" / name)
    shutil.rmtree(port.parent.parent)
    (roots / "dev" / name).unlink()


def frame(unit: int, pdu: bytes) -> bytes:
    return rtu_frame(unit, pdu)
