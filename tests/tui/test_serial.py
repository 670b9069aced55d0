"""The Serial screen on real pseudo terminals: everything is heard, nothing is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.sources.serial.settings import parse_line
from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.screens.ask import AskScreen
from fieldkit.tui.screens.serial import SerialScreen
from fieldkit.tui.settings import Settings
from tests.sources.serial.ptys import Pty
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import heartbeat
from tests.traffic.taps import Tap
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.fixture
def pty() -> Iterator[Pty]:
    device = Pty()
    device.listen()
    yield device
    device.unplug()


def screen(d: Driver) -> SerialScreen:
    assert isinstance(d.app.screen, SerialScreen)
    return d.app.screen


async def listening(d: Driver, pty: Pty, line: str = "115200") -> None:
    """As after the yes."""
    await d.press("5")
    screen(d)._line = parse_line(line)
    screen(d)._agreed(pty.path, True)
    await d.until(lambda: "LISTENING" in d.text)


async def listening_by_keys(d: Driver, pty: Pty, line: str) -> None:
    """To the screen, its speed, the port, and the yes."""
    await d.press("5")
    await d.press("l")
    d.app.screen.query_one("Input").value = line  # type: ignore[attr-defined]
    await d.press("enter", "o")
    d.app.screen.query_one("Input").value = pty.path  # type: ignore[attr-defined]
    await d.press("enter")
    assert "Nothing is sent" in d.text
    await d.press("tab", "enter")
    await d.until(lambda: "LISTENING" in d.text)


async def test_a_console_is_heard_and_what_it_means_stands_out(pty: Pty, home: Path) -> None:
    async with driving(size=WIDE) as d:
        await listening(d, pty)
        pty.say(b"CP state changed: B -> C\r\nBrownout detector was triggered\r\n")
        await d.until(lambda: "ALERT" in d.text)
        assert "✖ ALERT" in d.line_with("reset.brownout")
        assert "▲ SEEN" in d.line_with("pilot.change")
        assert "CP state changed: B -> C" in d.text
        assert "115200 8N1" in d.text
        assert "listening only" in d.text
        row = d.line_with("  Brownout detector")
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} +\+\d+\.\d{3} ", row), "the time of day, and that since the row before"
    (log,) = home.rglob("*.serial.jsonl")
    assert bytes.hex(b"Brownout") in log.read_text()
    assert bytes(pty.heard) == b""


async def test_a_bus_is_shown_as_hex_with_its_meaning(pty: Pty) -> None:
    async with driving(size=WIDE) as d:
        await listening_by_keys(d, pty, "9600,8N1")
        await d.press("d")
        d.app.screen.query_one("Input").value = "modbus:sdm630"  # type: ignore[attr-defined]
        await d.press("enter")
        for _ in range(3):
            pty.say(rtu_frame(1, bytes.fromhex("0400000002")))
            await d.pilot.pause(0.06)
            pty.say(rtu_frame(1, bytes.fromhex("04044366199a")))
            await d.pilot.pause(0.06)
        await d.until(lambda: "voltage_l1" in d.text)
        assert "01 04 00 00 00 02 71 cb" in d.text
        assert d.line_with("read input registers").split()[2] == "="
        assert "sdm630" in d.line_with("listening only")
    assert bytes(pty.heard) == b""


async def test_no_key_of_the_screen_sends_anything(pty: Pty) -> None:
    async with driving(size=WIDE) as d:
        await listening(d, pty)
        pty.say(b"Hit any key to stop autoboot:  3 \r\nlogin: \x05\x1b[6n")
        await d.until(lambda: "boot.countdown" in d.text)
        bindings = [active.binding for active in d.app.screen.active_bindings.values()]
        keys = [one.key for one in bindings if (one.id or "").startswith("serial.")]
        assert len(keys) >= 6
        for key in [*keys, "enter", "space", "backspace", "ctrl+c", "a"]:
            await d.pilot.press(key, "escape")
        await d.pilot.pause(0.2)
    assert bytes(pty.heard) == b""


async def test_without_a_yes_nothing_is_opened(pty: Pty) -> None:
    async with driving(size=SMALL) as d:
        await d.press("5", "o")
        d.app.screen.query_one("Input").value = pty.path  # type: ignore[attr-defined]
        await d.press("enter", "enter")
        assert screen(d).lanes == {}
        await d.press("o")
        d.app.screen.query_one("Input").value = "usb:ffff:ffff"  # type: ignore[attr-defined]
        await d.press("enter")
        assert "no such adapter is plugged in" in d.text


async def test_a_port_that_is_not_there_says_why() -> None:
    async with driving(size=WIDE) as d:
        await d.press("5", "o")
        d.app.screen.query_one("Input").value = "/dev/nothing-here"  # type: ignore[attr-defined]
        await d.press("enter", "tab", "enter")
        await d.until(lambda: "CLOSED" in d.text)
        assert "✖ CLOSED" in d.line_with("/dev/nothing-here")
        assert screen(d).lane is not None


async def test_stopping_is_asked_about_and_keeps_the_rows(pty: Pty) -> None:
    async with driving(size=SMALL, glyphs=ASCII) as d:
        await listening(d, pty)
        pty.say(b"one line of text\r\n")
        await d.until(lambda: "one line of text" in d.text)
        await d.press("enter", "tab", "enter")
        assert "STOPPED" in d.text
        assert "one line of text" in d.text
        assert d.text.isascii()


async def test_nothing_that_is_printed_is_obeyed(pty: Pty) -> None:
    async with driving(size=WIDE) as d:
        await listening(d, pty)
        pty.say(b"[bold red]not markup[/] \x1b[2J\x1b]0;title\x07 still here\r\n")
        await d.until(lambda: "still here" in d.text)
        assert "[bold red]not markup[/]" in d.text
        assert "\x1b" not in d.text


async def test_what_a_device_tells_joins_a_live_capture_only(pty: Pty) -> None:
    async with driving(PLAIN, size=WIDE) as d:
        engine = d.app.engine
        assert engine is not None
        await listening(d, pty)
        pty.say(b"CP state changed: B -> C\r\n")
        await d.until(lambda: "pilot.change" in d.text)
        assert not engine.session.picture.devices.all, "an old capture has nothing to do with what is said now"
        engine._phase = "live"
        pty.say(b"CP state changed: C -> B\r\n")
        await d.until(lambda: engine.session.picture.devices.all)
        (device,) = engine.session.picture.devices.all.values()
        assert [state.state for state in device.pilot] == ["B"]
        engine._phase = "done"


def two_chargers(path: Path) -> Path:
    segments = []
    for at, name in enumerate(("CP_1", "CP_2")):
        session = Session(name, client=("192.168.7.20", 40_001 + at))
        session.connect()
        session.upgrade()
        heartbeat(session)
        segments.append(session.segments)
    path.write_bytes(write_pcap(Tap().packets(merged(*segments))))
    return path


async def test_of_several_chargers_the_user_names_one(pty: Pty, tmp_path: Path) -> None:
    async with driving(two_chargers(tmp_path / "two.pcap"), size=WIDE) as d:
        engine = d.app.engine
        assert engine is not None
        stations = list(engine.session.picture.stations)
        assert len(stations) > 1
        engine._phase = "live"
        await listening(d, pty)
        pty.say(b"CP state changed: B -> C\r\n")
        await d.until(lambda: "nothing tells which of them it is in" in d.text)
        await d.press("w")
        box = d.app.screen.query_one("Input")
        box.value = "CP_NOBODY"  # type: ignore[attr-defined]
        await d.press("enter")
        await d.until(lambda: "no charger of this name" in d.text)
        box.value = stations[1]  # type: ignore[attr-defined]
        await d.press("enter")
        await d.until(lambda: f"of {stations[1]} (as you said)" in d.text)
        engine._phase = "done"
    assert not pty.heard


async def test_a_flood_is_kept_bounded(pty: Pty, home: Path) -> None:
    async with driving(size=WIDE) as d:
        await listening(d, pty)
        for number in range(300):
            pty.say(b"".join(b"line %d of a flood\r\n" % (number * 10 + at) for at in range(10)))
        await d.until(lambda: "line 2999 of a flood" in d.text)
    (log,) = home.rglob("*.serial.jsonl")
    heard = b"".join(bytes.fromhex(one["r"]) for one in map(json.loads, log.read_text().splitlines()) if "r" in one)
    assert heard.count(b"\n") == 3000


async def test_a_port_that_was_named_on_the_command_line_is_asked_about(pty: Pty) -> None:
    app = FieldkitApp(settings=Settings(utc=True, theme="field-night"), glyphs=ASCII, period=3600, port=pty.path)
    async with app.run_test(size=SMALL) as pilot:
        d = Driver(app, pilot)
        await d.until(lambda: isinstance(app.screen, AskScreen))
        assert f"Listen to {pty.path}?" in d.text
        await d.press("escape")
        assert not screen(d).lanes, "nothing is opened without a yes"
