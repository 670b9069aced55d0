"""A port in use: heard, recorded, unplugged and back, flooded."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.audit import Audit
from fieldkit.sources.serial.port import BATCHES, Rights, SerialPort, Tap
from fieldkit.sources.serial.ports import Port, Roots
from fieldkit.sources.serial.recording import About, Chunk, Item, Notice, Recording, read_recording
from fieldkit.sources.serial.settings import PortSettings
from fieldkit.sources.serial.trouble import PortError, RefusedError
from tests.sources.serial.ptys import Pty, plugged, pulled
from tests.sources.serial.waiting import PATIENCE, until

SETTINGS = PortSettings(line_settings(115_200))


def _until(tap: Tap, kind: str, seconds: float = PATIENCE) -> list[Item]:
    """All that is heard until a notice of this kind."""
    items: list[Item] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        items += tap.take(0.1)
        if any(isinstance(item, Notice) and item.kind == kind for item in items):
            return items
    raise AssertionError(f"no {kind!r} within {seconds} s: {items}")


def _heard(tap: Tap) -> list[Item]:
    """What comes next, whenever that is."""
    items = tap.take(PATIENCE)
    assert items
    return items


def _data(items: list[Item]) -> bytes:
    return b"".join(item.data for item in items if isinstance(item, Chunk) and not item.sent)


def test_it_comes_back_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "sys/class/tty").mkdir(parents=True)
    roots = Roots(tmp_path / "sys", tmp_path / "dev", Path("/proc"), ())
    about = {"vendor": "0403", "product": "6001", "serial": "A1"}
    first = Pty()
    plugged(tmp_path, "ttyUSB0", first.path, **about, location="1-1")
    port = SerialPort("ttyUSB0", SETTINGS, roots=roots)
    tap = port.tap()
    with port:
        first.say(b"one ")
        assert _data(_until(tap, "opened")) in (b"", b"one ")
        first.unplug()
        pulled(tmp_path, "ttyUSB0")
        lost = _until(tap, "lost")
        assert any("unplugged" in item.text for item in lost if isinstance(item, Notice))
        until(lambda: port.fault == "it is not plugged in")
        # Another adapter takes the old name; ours comes back as ttyUSB1, in another socket.
        with Pty() as other, Pty() as again:
            plugged(tmp_path, "ttyUSB0", other.path, vendor="1a86", product="7523", location="1-2")
            time.sleep(0.3)
            plugged(tmp_path, "ttyUSB1", again.path, **about, location="1-3")
            began = time.monotonic()
            items = _until(tap, "back", 3.0)
            assert time.monotonic() - began < 3.0
            assert any("ttyUSB1" in item.text for item in items if isinstance(item, Notice))
            again.say(b"two")
            while b"two" not in _data(items):
                items += _heard(tap)
            other.say(b"never")
            assert b"never" not in _data(tap.take(0.2))


def test_a_permission_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """udev sets a device's group a moment after it appears."""
    tries: list[str] = []

    def opener(device: str, *_: object, **__: object) -> object:
        from fieldkit.sources.serial.opening import open_port
        from fieldkit.sources.serial.trouble import Reason

        tries.append(device)
        if 1 < len(tries) < 4:
            raise PortError(Reason.PERMISSION, "not yet")
        return open_port(device, SETTINGS, sending=False)

    link = tmp_path / "port"
    first = Pty()
    link.symlink_to(first.path)
    port = SerialPort(str(link), SETTINGS, opener=opener)  # type: ignore[arg-type]
    tap = port.tap()
    with port, Pty() as again:
        link.unlink()
        link.symlink_to(again.path)
        first.unplug()
        items = _until(tap, "back")
    waiting = [item.text for item in items if isinstance(item, Notice) and item.kind == "waiting"]
    assert waiting == ["not yet"]  # said once, not at every try
    assert len(tries) == 4


def test_a_port_that_may_not_come_back_ends() -> None:
    device = Pty()
    port = SerialPort(device.path, SETTINGS, reconnect=False)
    tap = port.tap()
    with port:
        device.unplug()
        _until(tap, "lost")
        assert not port.connected


_FLOOD = """
import os, sys, time
began, sent, number = time.monotonic(), 0, 0
while (now := time.monotonic() - began) < float(sys.argv[2]):
    while sent < now * 11520:
        number += 1
        line = b"[%12.6f] ocpp: message %d was sent, waiting for the answer of the CSMS\\r\\n" % (now, number)
        sent += os.write(int(sys.argv[1]), line)
    time.sleep(0.002)
print(number)
"""


def test_a_flood_loses_nothing_and_costs_little(tmp_path: Path) -> None:
    """115200 8N1 without a pause, as a console in a boot loop has it: 11,520 bytes a second, decoded and formatted."""
    from fieldkit.cli.serialrows import RowLines
    from fieldkit.sources.serial.decoding import Decoder

    seconds = 4.0

    def recording(port: Port) -> Recording:
        return Recording(tmp_path / "flood.serial.jsonl", About(port.device, "", "115200 8N1", 0))

    with Pty() as device:
        port = SerialPort(device.path, SETTINGS, recording=recording)
        tap, decoder, lines = port.tap(), Decoder(SETTINGS.line), RowLines()
        shown: list[str] = []
        batches = 0
        with port:
            flood = subprocess.Popen(
                [sys.executable, "-c", _FLOOD, str(device.master), str(seconds)],
                pass_fds=(device.master,),
                stdout=subprocess.PIPE,
            )
            items: list[Item] = []
            used, began = -_cpu(), time.monotonic()
            while flood.poll() is None or items:
                items = tap.take(0.1)
                batches += bool(items)
                shown += [lines.line("x", row) for item in items for row in decoder.feed(item) if row.kind == "in"]
            used, lasted = used + _cpu(), time.monotonic() - began
            number = int(flood.communicate()[0])
        assert f"message {number} was" in shown[-1]
        assert len(shown) == number
    _, kept = read_recording(tmp_path / "flood.serial.jsonl")
    assert _data(list(kept)).count(b"\n") == number > 0.9 * seconds * 11_520 / 90
    print(f"flood: {number} lines, {batches / lasted:.1f} batches/s, {used / lasted:.1%} of a core")
    assert batches <= lasted * BATCHES + 2
    assert used / lasted < 0.15


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def test_a_consumer_who_falls_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.sources.serial.port._MOST_WAITING", 1000)
    tap = Tap()
    for _ in range(4):
        tap.put(Chunk(1, b"x" * 400))
    items = tap.take(0)
    assert isinstance(items[0], Notice)
    assert items[0].kind == "missed"
    assert items[0].text.startswith("800 bytes")
    assert len(_data(items)) == 800


def test_nothing_is_sent_while_it_boots(tmp_path: Path) -> None:
    with Pty() as device:
        port = SerialPort(device.path, SETTINGS, Rights(typing=True, audit=Audit(tmp_path / "audit.jsonl")))
        tap = port.tap(at_once=True)
        with port:
            port.guard.type(b"a")
            assert device.hear(PATIENCE) == b"a"
            # In pieces, as a slow line has it.
            for piece in (b"\r\nU-Bo", b"ot 2021.01\r\nHit any k", b"ey to stop autoboot:  3"):
                device.say(piece)
                time.sleep(0.01)
            _until(tap, "blocked")
            for key in (b"\r", b" ", b"\x03"):
                with pytest.raises(RefusedError, match="booting"):
                    port.guard.type(key)
            device.say(b"\x08 2 \x08 1 \x08 0\r\nStarting kernel ...\r\n")
            _until(tap, "unblocked")
            port.guard.type(b"b")
            assert device.hear(PATIENCE) == b"b"
        assert bytes(device.heard) == b"ab"


def test_bytes_are_recorded_before_anybody_sees_them(tmp_path: Path) -> None:
    def recording(port: Port) -> Recording:
        return Recording(tmp_path / "x.serial.jsonl", About(port.device, "", "115200 8N1", 0))

    with Pty() as device:
        port = SerialPort(
            device.path, SETTINGS, Rights(typing=True, audit=Audit(tmp_path / "a.jsonl")), recording=recording
        )
        with port:
            device.say(b"login: ")
            port.guard.type(b"root\r")
            port.guard.type(b"secret\r", hidden=True)
            port.mark("here it failed")
            until(lambda: port.heard == len(b"login: "))
    text = (tmp_path / "x.serial.jsonl").read_text()
    assert b"secret".hex() not in text
    about, items = read_recording(tmp_path / "x.serial.jsonl")
    kept = list(items)
    assert about.port == device.path
    assert _data(kept) == b"login: "
    assert [(item.data, item.hidden) for item in kept if isinstance(item, Chunk) and item.sent] == [
        (b"root\r", 0),
        (b"", 7),
    ]
    assert [item.kind for item in kept if isinstance(item, Notice)] == ["opened", "mark"]
    assert b"secret".hex() not in (tmp_path / "a.jsonl").read_text()
