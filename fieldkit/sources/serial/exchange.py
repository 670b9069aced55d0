"""Drives the dialects of ``fieldkit.devices`` over a port: they say what to do, this does it.

A request goes out through the guard, which looks at its bytes once more. What is heard goes to the dialect with its own
time, at once: waiting for a batch would cost more than the device needs to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from fieldkit.devices.iec62056 import Readout
from fieldkit.devices.modbus.exchange import Outcome
from fieldkit.devices.modbus.line import Line
from fieldkit.devices.modbus.session import Done, Reading, Send
from fieldkit.devices.modbus.timing import LineSettings
from fieldkit.devices.modbus.writes import WriteRequest
from fieldkit.sources.serial.port import SerialPort, now
from fieldkit.sources.serial.recording import Chunk, Notice
from fieldkit.sources.serial.trouble import PortError, Reason, RefusedError

SECOND: Final = 1_000_000_000
_LONGEST_WAIT: Final = 0.2
"""Seconds until it is looked again whether to stop."""

Stop = Callable[[], bool]


class Fed(Protocol):
    """What listens."""

    def feed(self, data: bytes, time: int) -> object: ...


class Steps(Protocol):
    """A dialect that says what to send, and by when it wants to be asked again."""

    @property
    def done(self) -> bool: ...

    @property
    def deadline(self) -> int: ...

    def poll(self, now: int) -> bytes: ...

    def feed(self, data: bytes, time: int) -> None: ...


class Talk:
    """A conversation on one port; one at a time."""

    def __init__(self, port: SerialPort, stop: Stop = lambda: False) -> None:
        self._port = port
        self._stop = stop
        self._tap = port.tap(at_once=True)

    def close(self) -> None:
        self._port.untap(self._tap)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self, seconds: float, fed: Fed | None = None, enough: Stop = lambda: False) -> bytes:
        """What is said without being asked."""
        heard = bytearray()
        until = now() + int(seconds * SECOND)
        while now() < until and not self._stop() and not enough():
            for chunk in self._heard(until):
                heard += chunk.data
                if fed is not None:
                    fed.feed(chunk.data, chunk.time)
        return bytes(heard)

    def modbus(self, reading: Reading) -> None:
        """One pass over a device."""
        while not self._stop():
            step = reading.poll(now())
            if isinstance(step, Done):
                return
            if isinstance(step, Send):
                self._port.guard.ask(step.data)
                continue
            for chunk in self._heard(step.time):
                reading.feed(chunk.data, chunk.time)

    def write(self, line: Line, request: WriteRequest, send: Callable[[bytes], None]) -> Outcome:
        """One request that writes, sent once whatever comes of it. ``send`` holds the permission."""
        while now() < line.ready or not line.fits(request, now()):
            for chunk in self._heard(max(line.ready, now() + SECOND // 20)):
                line.feed(chunk.data, chunk.time)
        exchange = line.begin(request, now())
        try:
            send(exchange.data)
            while exchange.outcome is None:
                for chunk in self._heard(exchange.deadline):
                    line.feed(chunk.data, chunk.time)
                line.tick(now())
        except PortError:  # some of it may have left, all of it perhaps
            exchange.give_up()
        assert exchange.outcome is not None
        return exchange.outcome

    def steps(self, session: Steps) -> None:
        """All the commands of a session."""
        while not self._stop():
            data = session.poll(now())
            if data:
                self._port.guard.ask(data)
            if session.done:
                return
            for chunk in self._heard(session.deadline):
                session.feed(chunk.data, chunk.time)

    def readout(self, readout: Readout, line: LineSettings) -> None:
        """A meter's data set (IEC 62056-21, mode C): both change speed on the way, and back at the end."""
        settings = self._port.settings.at(line)
        speed = readout.speed
        try:
            while readout.cause is None and not self._stop():
                data = readout.poll(now())
                if data:
                    self._port.guard.ask(data)
                    if readout.speed != speed:
                        # The acknowledgement has to be out at the old speed; nothing is heard meanwhile.
                        self.listen(line.wire_time(len(data) + 1) / SECOND)
                        speed = readout.speed
                        self._port.apply(settings.at(line._replace(speed=speed)))
                    continue
                for chunk in self._heard(readout.deadline):
                    readout.feed(chunk.data, chunk.time)
        finally:
            if speed != line.speed:
                self._port.apply(settings)

    def _heard(self, until: int) -> list[Chunk]:
        """What comes until then, or a part of it; ``PortError`` when the device is gone."""
        seconds = min(max(0.0, (until - now()) / SECOND), _LONGEST_WAIT)
        heard: list[Chunk] = []
        for item in self._tap.take(seconds):
            if isinstance(item, Notice):
                if item.kind == "lost":
                    raise PortError(Reason.GONE, item.text)
                if item.kind == "blocked":
                    raise RefusedError(f"{self._port.name} is a console: {item.text}")
            elif not item.sent:
                heard.append(item)
        return heard
