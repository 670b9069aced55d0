"""Home: everything there is to look at, what is missing for it, and the questions that some of it needs."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from textual.widgets import Input

from fieldkit.sources.file import SourceError
from fieldkit.tui import recent
from fieldkit.tui.choices import Rights, Traffic, completions, lasting
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import ASCII
from fieldkit.tui.proxyfeed import ProxyFeed, named, parts
from fieldkit.tui.screens.home import HomeScreen
from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.screens.sourcedialogs import MendScreen, ProxyScreen, RouterScreen
from fieldkit.tui.widgets.linelist import LineList
from tests.tui.driving import CAPTURES, SMALL, WIDE, Driver, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is read from or left in the home of whoever runs the tests; the current folder has one capture."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "site.pcap").write_bytes(PLAIN.read_bytes())
    (folder / "notes.txt").write_text("no capture")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


@pytest.fixture
def may(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user may capture, as far as Home knows."""
    monkeypatch.setattr("fieldkit.tui.screens.home.rights", lambda: Rights(True, True, "it works"))


@pytest.fixture
def may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user may not."""
    told = Rights(True, False, "nothing here may capture", ("sudo fieldkit doctor", "newgrp wireshark"))
    monkeypatch.setattr("fieldkit.tui.screens.home.rights", lambda: told)


def shown(d: Driver) -> type:
    """The class of the screen in front."""
    return type(d.app.screen)


def rows(d: Driver) -> LineList:
    screen = d.app.screen
    assert isinstance(screen, HomeScreen)
    return screen.rows


@pytest.mark.parametrize("size", [SMALL, WIDE, (200, 60)])
async def test_everything_there_is(may: None, size: tuple[int, int]) -> None:
    async with driving(size=size) as d:
        await d.until(lambda: "READY" in d.line_with("lo "))
        for text in ("Demo", "Router over ssh", "Proxy", "site.pcap", "Captures in this folder"):
            assert text in d.text
        assert "notes.txt" not in d.text
        assert "✔ READY" in d.line_with("site.pcap")
        assert all(len(line) <= size[0] for line in d.lines)


async def test_what_is_missing_and_how_to_mend_it(may_not: None) -> None:
    async with driving() as d:
        await d.until(lambda: "NO RIGHT" in d.text)
        rows(d).select("if:lo")
        await d.settle()
        assert "Nothing here may capture." in d.text
        assert "sudo fieldkit doctor" in d.text
        await d.press("m")
        assert shown(d) is MendScreen
        assert "newgrp wireshark" in d.text
        await d.press("c", "escape")
        assert shown(d) is HomeScreen


async def test_the_cursor_passes_over_headings(may: None) -> None:
    async with driving() as d:
        seen = set()
        for _ in range(len(rows(d).keys)):
            seen.add(rows(d).selected)
            rows(d).action_step(1)
        assert "demo" in seen
        assert not seen & {"Live", "New here?", "Captures in this folder"}


async def test_a_capture_that_was_looked_at_is_offered_first_the_next_time(may: None, home: Path) -> None:
    async with driving() as d:
        rows(d).select(f"file:{home / 'site.pcap'}")
        await d.press("enter")
        assert isinstance(d.app.screen, LiveScreen)
    async with driving() as d:
        assert "Looked at before" in d.lines[2]
        assert "site.pcap" in d.lines[3]
        assert "Captures in this folder" not in d.text, "it is not offered twice"
        await d.press("enter")
        assert isinstance(d.app.screen, LiveScreen)


async def test_a_second_click_opens(may: None, home: Path) -> None:
    async with driving() as d:
        row = next(y for y, line in enumerate(d.lines) if "site.pcap" in line)
        await d.pilot.click(offset=(6, row), times=2)
        await d.settle()
        assert isinstance(d.app.screen, LiveScreen)


async def test_a_path_is_completed_while_it_is_typed(may: None, home: Path) -> None:
    async with driving() as d:
        await d.press("o")
        await d.type("si")
        assert "Tab: site.pcap" in d.text
        await d.press("tab")
        assert d.app.screen.query_one("#home-path", Input).value == "site.pcap"
        await d.press("enter")
        assert isinstance(d.app.screen, LiveScreen)


async def test_a_path_that_is_wrong_is_told_and_stays(may: None) -> None:
    async with driving() as d:
        await d.press("o")
        await d.type("none")
        await d.press("enter")
        assert isinstance(d.app.screen, HomeScreen)
        assert "none" in d.lines[-2] + d.lines[-3]
        await d.press("escape")
        assert rows(d).has_focus


async def test_a_router_is_asked_for_without_a_password(may: None, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, ...]] = []
    monkeypatch.setattr(HomeScreen, "_open", lambda self, names: opened.append(names))
    async with driving() as d:
        await d.press("r")
        assert isinstance(d.app.screen, RouterScreen)
        assert not any(field.password for field in d.app.screen.query(Input))
        assert "NOT YET" in d.text
        d.app.screen.query_one("#ssh-host", Input).value = "192.168.1.1"
        await d.settle()
        assert "✔ OK ssh://root@192.168.1.1/any" in d.text
        await d.press("enter", "enter")
        assert d.app.screen.focused is d.app.screen.query_one("#ssh-port")
        await d.type("22")
        assert "ssh://root@192.168.1.1:22/any" in d.text
        await d.press("enter", "enter")
        assert opened == [("ssh://root@192.168.1.1:22/any",)]


async def test_a_host_that_cannot_be_one_is_told(may: None) -> None:
    async with driving() as d:
        await d.press("r")
        await d.type("-o")
        assert "NOT YET" in d.text
        await d.press("enter", "enter", "enter", "enter")
        assert shown(d) is RouterScreen, "it is not tried"
        await d.press("escape")
        assert shown(d) is HomeScreen


async def test_signs_without_unicode(may: None) -> None:
    async with driving(glyphs=ASCII) as d:
        await d.until(lambda: "+ READY" in d.text)
        assert d.text.isascii()
        await d.press("r")
        assert d.text.isascii()


async def test_the_proxy_dialog(may: None, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, ...]] = []
    monkeypatch.setattr(HomeScreen, "_open", lambda self, names: opened.append(names))
    async with driving() as d:
        await d.press("y")
        assert isinstance(d.app.screen, ProxyScreen)
        assert ":9000" in d.text
        await d.press("enter")
        await d.type("csms")
        assert "NOT YET" in d.text
        d.app.screen.query_one("#proxy-upstream", Input).value = "wss://csms.example/ocpp"
        await d.press("enter")
        assert opened == [("proxy://:9000->wss://csms.example/ocpp",)]


# ------------------------------------------------------------------------------------------------ without a screen


def test_what_was_looked_at_is_remembered(home: Path) -> None:
    recent.remember(["site.pcap"], 1.0)
    recent.remember(["ssh://root@router/br-lan"], 2.0)
    recent.remember(["demo"], 3.0)
    recent.remember(["site.pcap"], 4.0)
    assert [one.names for one in recent.recent()] == [(str(home / "site.pcap"),), ("ssh://root@router/br-lan",)]
    (home / "site.pcap").unlink()
    assert [one.names for one in recent.recent()] == [("ssh://root@router/br-lan",)], "what is gone is not offered"
    for agent in ("agent://root@router", "agent://"):
        recent.remember([agent], 5.0)
        (latest, *_) = recent.recent()
        assert latest.names == (agent,)
        assert latest.there, "an agent is asked again, not looked for among the files"
    kept = Path(os.environ["XDG_STATE_HOME"]) / "fieldkit" / "recent.json"
    assert kept.stat().st_mode & 0o077 == 0
    for number in range(40):
        recent.remember([f"ssh://router{number}/any"])
    assert len(json.loads(kept.read_text())) == recent.MAX_KEPT


@pytest.mark.parametrize("text", ["", "{", "[]", '[{"names": 3}]', '[{"names": ["a"], "time": "x"}]', "3"])
def test_a_memory_that_is_broken_is_no_trouble(text: str) -> None:
    kept = Path(os.environ["XDG_STATE_HOME"]) / "fieldkit" / "recent.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(text)
    assert all(isinstance(one.time, float) for one in recent.recent())


def test_a_home_that_cannot_be_written_to_is_no_trouble(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "site.pcap"))
    recent.remember(["site.pcap"])
    assert recent.recent() == []


def test_completions(home: Path) -> None:
    (home / "folder").mkdir()
    (home / "sites.pcapng").touch()
    assert completions("s") == ["site.pcap", "sites.pcapng"]
    assert completions(str(home / "fo")) == [str(home / "folder/") + "/"]
    assert completions("ssh://x") == completions("") == completions("/nowhere/x") == []


def test_recordings_and_files_that_may_not_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = recent.new_recording()
    recorded.parent.mkdir(parents=True)
    recorded.write_bytes(b"")
    monkeypatch.setattr("fieldkit.tui.choices.os.access", lambda path, mode: "site" not in str(path))
    here = {one.name: one for one in lasting(home).here}
    assert here[recorded.name].group == "Recorded by fieldkit"
    assert here["site.pcap"].word == "NO RIGHT"
    assert "chmod" in here["site.pcap"].mend[0]


def test_traffic_is_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([1000, 3000, 3000])
    monkeypatch.setattr("fieldkit.sources.interface.traffic", lambda name: next(counts))
    traffic = Traffic()
    for now in (1.0, 2.0, 3.0):
        traffic.measure(["eth0"], now)
    assert traffic.rates == {"eth0": [2000.0, 0.0]}


def test_names_of_a_proxy() -> None:
    assert parts(named(":9000", "ws://csms/ocpp")) == (":9000", "ws://csms/ocpp")
    for listen, upstream in (("x", "ws://csms"), (":9000", "csms"), (":9000", "ws://user:secret@csms")):
        with pytest.raises(SourceError) as caught:
            named(listen, upstream)
        assert "secret" not in str(caught.value)


def test_a_proxy_relays_records_and_decodes(tmp_path: Path) -> None:
    from tests.tui.station import _csms

    csms = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_csms, args=(csms,))
    thread.start()
    port = csms.getsockname()[1]
    record = tmp_path / "proxy.pcapng"
    feed = ProxyFeed(f"proxy://127.0.0.1:0->ws://127.0.0.1:{port}", record=record)
    engine = Engine(feed).start()
    try:
        host, _, at = feed.addresses[0].rpartition(":")
        _say(host, int(at))
        thread.join(10)
        for _ in range(100):
            if engine.state.messages >= 2:
                break
            threading.Event().wait(0.05)
        assert engine.state.messages == 2
        assert feed.addresses[0] in feed.notes[0]
    finally:
        engine.close()
        csms.close()
    assert engine.state.failures == ()
    assert feed._relay.poll() is not None, "the relay has ended"
    again = Engine(open_feed([str(record)])).start()
    assert again.wait(10)
    assert again.state.messages == 2, "what was recorded is what was seen"


def test_a_proxy_that_cannot_listen_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SourceError, match="cannot listen"):
        ProxyFeed(f"proxy://127.0.0.1:{taken.getsockname()[1]}->ws://127.0.0.1:1")


def _say(host: str, port: int) -> None:
    """A station's two sentences, through the proxy."""
    import base64
    import struct

    with socket.create_connection((host, port), timeout=10) as station:
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /ocpp/CP_LIVE HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        station.sendall(head.encode())
        station.recv(4096)
        text = b'[2,"1","Heartbeat",{}]'
        mask = os.urandom(4)
        body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        station.sendall(struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + body)
        station.recv(4096)
