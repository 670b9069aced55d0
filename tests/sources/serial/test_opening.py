"""Opening real pseudo terminals and addresses."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.channel import DescriptorChannel
from fieldkit.sources.serial.opening import open_port, resolve, trouble_of
from fieldkit.sources.serial.settings import PortSettings, parse_line
from fieldkit.sources.serial.trouble import PortError, Reason
from tests.sources.serial.ptys import Pty

SETTINGS = PortSettings(line_settings(9600))


def test_listening_cannot_write_whoever_tries() -> None:
    with Pty() as device:
        channel = open_port(device.path, SETTINGS, sending=False)
        assert isinstance(channel, DescriptorChannel)
        assert fcntl.fcntl(channel._fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(channel._fd, b"x")
        with pytest.raises(OSError):
            channel._held.write(b"x")
        with pytest.raises(PortError):
            channel.transmit(b"x")
        device.say(b"hello")
        assert channel.read(1) == b"hello"
        assert channel.read(0) == b""
        channel.close()
        assert device.hear(0.05) == b""


def test_the_settings_are_set_and_nothing_is_echoed() -> None:
    with Pty() as device:
        channel = open_port(device.path, SETTINGS, sending=True)
        attributes = termios.tcgetattr(device.master)
        assert device.speed == termios.B9600
        assert not attributes[3] & (termios.ECHO | termios.ICANON)
        assert not attributes[2] & termios.HUPCL
        device.say(b"boot\r\n")
        assert channel.read(1) == b"boot\r\n"
        channel.transmit(b"\x00\r\x11")
        assert device.hear(1) == b"\x00\r\x11"
        channel.apply(SETTINGS.at(line_settings(115_200)))
        assert device.speed == termios.B115200
        channel.close()
        assert device.hear(0.05) == b""


def test_a_port_is_opened_once() -> None:
    with Pty() as device:
        first = open_port(device.path, SETTINGS, sending=False)
        with pytest.raises(PortError, match="locked by") as stop:
            open_port(device.path, SETTINGS, sending=False)
        assert stop.value.reason is Reason.BUSY
        first.close()
        open_port(device.path, SETTINGS, sending=True).close()


def test_whoever_has_it_is_named() -> None:
    with Pty() as device:
        script = (
            "import fcntl, os, sys, time; port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); "
            "fcntl.flock(port, fcntl.LOCK_EX); print(1, flush=True); time.sleep(30)"
        )
        other = subprocess.Popen([sys.executable, "-c", script, device.path], stdout=subprocess.PIPE)
        try:
            assert other.stdout is not None
            other.stdout.readline()
            with pytest.raises(PortError, match=rf"in use by python.*\({other.pid}\)") as stop:
                open_port(device.path, SETTINGS, sending=True)
            assert stop.value.reason is Reason.BUSY
        finally:
            other.kill()
            other.communicate()


def test_what_is_no_port(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="there is no such port") as stop:
        open_port(str(tmp_path / "ttyUSB0"), SETTINGS, sending=True)
    assert stop.value.reason is Reason.MISSING
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(PortError, match="no serial port"):
        open_port(str(file), SETTINGS, sending=True)
    # pyserial's other addresses open devices of this machine without any of our locks.
    for address in ("spy:///dev/ttyUSB0", "alt:///dev/ttyUSB0?class=Serial", "hwgrep://0403"):
        with pytest.raises(PortError, match="addresses are socket://"):
            resolve(address)
    error = PermissionError(13, "Permission denied")
    file.chmod(stat.S_IRUSR)
    assert trouble_of(str(file), error).reason is Reason.PERMISSION


def test_an_unplugged_device_says_so() -> None:
    device = Pty()
    channel = open_port(device.path, SETTINGS, sending=True)
    device.unplug()
    with pytest.raises(PortError, match="unplugged") as stop:
        channel.read(1)
    assert stop.value.reason is Reason.GONE
    channel.close()


def test_a_wake_ends_the_waiting() -> None:
    with Pty() as device:
        channel = open_port(device.path, SETTINGS, sending=False)
        channel.wake()
        assert channel.read(30) == b""
        channel.close()
        channel.wake()


def test_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"
        channel = open_port(address, SETTINGS, sending=True)
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"x" * 5000)
            assert len(channel.read(1)) > 1000
            while channel.read(0.05):
                pass
            channel.transmit(b"hello")
            assert peer.recv(10) == b"hello"
        with pytest.raises(PortError, match="closed the connection"):
            channel.read(1)
        channel.close()
    with pytest.raises(PortError) as stop:
        open_port(address, SETTINGS, sending=True)
    assert stop.value.reason is Reason.UNREACHABLE


def test_a_loop() -> None:
    channel = open_port("loop://", SETTINGS, sending=True)
    channel.transmit(b"hello")
    assert channel.read(1) == b"hello"
    channel.close()


def test_line_settings_as_people_write_them() -> None:
    assert parse_line("9600") == line_settings(9600)
    assert parse_line("19200,8E1") == parse_line("19200 8e1") == parse_line("19200-8E1") == line_settings(19_200, "8E1")
    for text in ("", "fast", "9600,9X7", "1", "9600 8N1 more"):
        with pytest.raises(ValueError):
            parse_line(text)
