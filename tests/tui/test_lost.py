"""A terminal that goes away, and a process that is asked to end: what was captured is kept, with its notes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.traffic.decoded import decode_files
from tests.tui.station import talk
from tests.tui.terminal import ROOT, Terminal, terminal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("SSH_CONNECTION", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def listens(t: Terminal) -> None:
    """Wait until it captures; skip where that is not allowed."""
    ends = time.monotonic() + 15
    while "LIVE" not in t.text and t.process.poll() is None and time.monotonic() < ends:
        t.read(0.05)
    if t.process.poll() is not None:
        pytest.skip(f"no right to capture here: {t.text[-200:]}")


def stations(path: Path) -> set[str]:
    return {message.channel.station for message in decode_files(path).messages}


def test_who_is_asked_to_end_saves_and_gives_the_terminal_back(tmp_path: Path) -> None:
    target = tmp_path / "kept.pcapng"
    with terminal("watch", "lo", "-w", target) as t:
        listens(t)
        talk()
        t.until("RES  Heartbeat")
        t.process.send_signal(signal.SIGTERM)
        assert t.ended() == 0
        assert b"\x1b[?1049l" in t.data, "the screen is given back"
        assert f"saved: {target}" in t.text
    assert stations(target) == {"CP_LIVE"}


def test_a_note_on_something_live_is_in_the_recording(tmp_path: Path) -> None:
    target = tmp_path / "kept.pcapng"
    with terminal("watch", "lo", "-w", target) as t:
        listens(t)
        talk()
        t.until("RES  Heartbeat")
        t.press("l")
        t.until("Look for what?")
        t.press("Heartbeat\r")
        t.until("place 1")
        t.press("m")
        t.until("Mark this message")
        t.press("the only one\r")
        t.until("[the only one]")
        t.process.send_signal(signal.SIGTERM)
        assert t.ended() == 0
        assert "marks and notes are in" in t.text
    assert b"the only one" in target.read_bytes()
    assert stations(target) == {"CP_LIVE"}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept.pcapng"]


def test_a_window_that_is_closed_under_it(tmp_path: Path) -> None:
    """tmux stands for the window: its server hangs up the terminal as a closed ssh session does."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    target, socket = tmp_path / "kept.pcapng", tmp_path / "tmux"
    tmux = ["tmux", "-S", str(socket)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    command = f"exec {sys.executable} -m fieldkit watch lo -w {target}"
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", command], env=environment, check=True
    )
    pid = 0
    try:
        screen = ""
        ends = time.monotonic() + 20
        while "LIVE" not in screen and time.monotonic() < ends:
            time.sleep(0.1)
            shown = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False)
            if shown.returncode:
                pytest.skip("no right to capture here")
            screen = shown.stdout
        assert "LIVE" in screen
        pid = int(
            subprocess.run([*tmux, "display", "-p", "#{pane_pid}"], capture_output=True, text=True, check=True).stdout
        )
        subprocess.run([*tmux, "kill-server"], check=True)
        time.sleep(1)
        os.kill(pid, 0)  # it is still there
        talk()
        time.sleep(1.2)
        os.kill(pid, signal.SIGTERM)
        ends = time.monotonic() + 60
        while Path(f"/proc/{pid}").exists() and time.monotonic() < ends:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists(), "it ends when it is asked to"
        pid = 0
    finally:
        if pid and Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
    assert stations(target) == {"CP_LIVE"}


def test_a_file_that_is_looked_at_needs_nobody_to_go_on_for(tmp_path: Path) -> None:
    with terminal("watch", "demo") as t:
        t.until("READ")
        t.hang_up()
        assert t.process.wait(15) in (0, 1)


def test_a_capture_that_is_not_saved_ends_with_its_terminal() -> None:
    with terminal("watch", "--no-record", "lo") as t:
        listens(t)
        t.hang_up()
        assert t.process.wait(15) in (0, 1)
