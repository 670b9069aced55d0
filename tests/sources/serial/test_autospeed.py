"""The speed of a device that talks, found by listening alone."""

from __future__ import annotations

import termios
import time
from random import Random

from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.autospeed import AutoSpeed
from fieldkit.sources.serial.port import SerialPort, now
from fieldkit.sources.serial.recording import Chunk
from fieldkit.sources.serial.settings import PortSettings
from tests.sources.serial.ptys import Pty


def test_a_console_at_115200() -> None:
    """At any other speed the device is garbage, as on a real line."""
    random = Random(1)
    with Pty() as device:

        def talk() -> None:
            number = 0
            while not device.stop.is_set():
                number += 1
                line = b"[%12.6f] ocpp: heartbeat %d was answered by the CSMS\r\n" % (number / 7, number)
                right = device.speed == termios.B115200 and not device.parity
                device.say(line if right else bytes(random.choices((0, 0x80, 0xF8, 0xFE, 0xE0), k=len(line))))
                device.stop.wait(0.02)

        port = SerialPort(device.path, PortSettings(line_settings(9600)))
        tap = port.tap()
        with port:
            device.run(talk)
            auto = AutoSpeed(port)
            auto.begin(now())
            end = time.monotonic() + 60
            while auto.settled is None and time.monotonic() < end:
                for item in tap.take(0.05):
                    if isinstance(item, Chunk):
                        auto.feed(item.data, item.time)
                auto.tick(now())
            assert auto.settled is not None
            assert auto.settled.dialect == "console"
            assert port.settings.line == line_settings(115_200)
            assert port.guard.sent == 0
        assert device.hear(0.05) == b""
