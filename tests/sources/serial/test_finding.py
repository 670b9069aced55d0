"""A line that says nothing: only the reads that were shown go out, and nothing more once it turns out to be a console."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fieldkit.devices.detect import PROBES, Probe, probes
from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial import finding
from fieldkit.sources.serial.exchange import Talk
from fieldkit.sources.serial.finding import Answer, Try, ask, only, tries
from fieldkit.sources.serial.port import Rights, SerialPort
from fieldkit.sources.serial.settings import PortSettings
from fieldkit.sources.serial.trouble import RefusedError
from tests.sources.serial.ptys import Pty

FAST = line_settings(115_200)


class Answering(Pty):
    """Says ``answer`` whenever exactly ``question`` was heard, at one speed; whatever else is asked gets ``other``."""

    def __init__(self, question: bytes, answer: bytes, *, echo: bool = False, other: bytes = b"") -> None:
        super().__init__()
        self._question, self._answer, self._echo, self._other = question, answer, echo, other
        self.run(self._serve)

    def _serve(self) -> None:
        while not self.stop.is_set():
            data = self.hear(0.02)
            if data:
                self.say((data if self._echo else b"") + (self._answer if data == self._question else self._other))


@contextmanager
def talking(device: Pty, given: tuple[Probe, ...]) -> Iterator[tuple[SerialPort, Talk]]:
    with SerialPort(device.path, PortSettings(FAST), Rights(asking=only(given))) as port, Talk(port) as talk:
        yield port, talk


def found(device: Pty, given: tuple[Probe, ...]) -> list[Answer]:
    asked = [Try(probe, FAST) for probe in given]
    with talking(device, given) as (port, talk):
        return list(ask(port, talk, asked, lambda: False, lambda one: None))


MODBUS, HOLDING, RAPI, AT, METER = PROBES


def test_who_answers_is_named() -> None:
    for probe, answer, dialect, unit in (
        (MODBUS, rtu_frame(1, bytes.fromhex("04 04 4366199a")), "modbus", 1),
        (HOLDING, rtu_frame(1, bytes.fromhex("83 02")), "modbus", 1),  # it refuses, so it is there
        (RAPI, b"$OK D8.1.1 5.2.0^5C\r", "rapi", 0),
        (AT, b"\r\nOK\r\n", "at", 0),
        (METER, b"/ISK5MT174-0001\r\n", "iec62056", 0),
    ):
        for echo in (False, True):
            if probe is RAPI:
                answer = _with_check(b"$OK D8.1.1 5.2.0")
            with Answering(probe.data, answer, echo=echo) as device:
                (one,) = found(device, (probe,))
            assert (one.dialect, one.unit, one.line) == (dialect, unit, FAST), (probe, echo)
            assert bytes(device.heard) == probe.data


def _with_check(body: bytes) -> bytes:
    check = 0
    for byte in body:
        check ^= byte
    return body + b"^%02X\r" % check


def test_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, an echo, another unit's answer, noise, text that is no answer."""
    monkeypatch.setattr(finding, "PATIENCE", 0.2)
    monkeypatch.setattr(finding, "SLOW", 0.2)
    for other in (b"", rtu_frame(2, bytes.fromhex("04 04 4366199a")), b"\x00\xff\xf0", b"hello\r\n", b"$AT 01^00\r"):
        with Answering(b"never asked", b"", echo=True, other=other) as device:
            assert found(device, PROBES) == [], other
            assert bytes(device.heard) == b"".join(probe.data for probe in PROBES)


def test_a_console_ends_the_asking() -> None:
    with Answering(AT.data, b"AT\r\nPassword: ") as device:
        with pytest.raises(RefusedError, match="console"):
            found(device, (AT, RAPI, METER))
        assert bytes(device.heard) == AT.data


def test_a_master_that_wakes_up_ends_the_asking() -> None:
    """It asks its own devices every minute: two masters disturb each other."""
    polled = rtu_frame(7, bytes.fromhex("04 0000 0002"))
    with Pty() as device, talking(device, (AT, RAPI)) as (port, talk):
        asked = ask(port, talk, [Try(AT, FAST), Try(RAPI, FAST)], lambda: False, lambda one: None)
        device.listen()
        device.say(polled)
        with pytest.raises(RefusedError, match="begun to talk"):
            list(asked)
        assert port.guard.sent == 0


def test_an_answer_that_comes_late_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PATIENCE", 0.1)
    monkeypatch.setattr(finding, "_BETWEEN", 1.5)
    answer = rtu_frame(1, bytes.fromhex("04 04 4366199a"))
    with Pty() as device, talking(device, (MODBUS, AT)) as (port, talk):
        device.listen()

        def say_later(one: Try) -> None:
            if one.probe is MODBUS:
                threading.Timer(0.4, device.say, [answer]).start()

        (one, *_) = ask(port, talk, [Try(MODBUS, FAST), Try(AT, FAST)], lambda: False, say_later)
        assert (one.dialect, one.unit) == ("modbus", 1)


def test_only_what_was_shown_can_go_out() -> None:
    with Pty() as device, talking(device, (AT,)) as (port, _):
        for data in (RAPI.data, b"AT+CFUN?\r", b"AT\rAT\r", b"\r", rtu_frame(1, bytes.fromhex("06 0000 0000"))):
            with pytest.raises(RefusedError):
                port.guard.ask(data)
        assert port.guard.sent == 0
    switch = Probe("rapi", b"$FD*AE\r", (115_200,), ("8N1",), "switch it off")
    with pytest.raises(ValueError, match="only reads"):
        only((AT, switch))


def test_a_line_is_changed_as_seldom_as_may_be() -> None:
    planned = tries(probes((1, 2)))
    changes = [one.line for at, one in enumerate(planned) if not at or planned[at - 1].line != one.line]
    assert len(changes) == len(set(changes))
    assert planned[0].line == line_settings(9600)
    assert len(planned) == len(set(planned)) == 4 * 18 + 1 + 2 + 1
