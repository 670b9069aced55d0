"""``fieldkit watch`` and bare ``fieldkit`` as processes in a real terminal, and where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldkit.cli.watch import _is_serial
from tests.plugins.made import plugin
from tests.traffic.decoded import decode_files
from tests.tui.driving import CAPTURES
from tests.tui.terminal import ROOT, terminal

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("SSH_CONNECTION", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def piped(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fieldkit", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables}, timeout=60, check=False,
    )  # fmt: skip


def test_without_a_terminal_there_is_help_and_a_wrong_call() -> None:
    done = piped()
    assert done.returncode == 2
    assert "watch" in done.stderr
    assert not done.stdout


def test_watch_without_a_terminal_says_what_to_use() -> None:
    done = piped("watch", str(PLAIN))
    assert done.returncode == 2
    assert "fieldkit report" in done.stderr
    assert not done.stdout


def test_a_dumb_terminal_is_refused() -> None:
    with terminal("watch", PLAIN, TERM="dumb") as t:
        assert t.ended() == 2
        assert "TERM=dumb" in t.text


def test_help_of_watch_waits_for_no_screen() -> None:
    code = (
        "from fieldkit.cli import main\nimport sys; sys.argv = ['fieldkit', 'watch', '--help']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "assert not {'textual', 'rich', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, timeout=60)


def test_help_of_watch_names_every_kind_of_source() -> None:
    told = piped("watch", "--help").stdout
    for source in ("demo", "eth0", "any", "ssh://", "proxy://", "tzsp://", "/dev/ttyUSB0", "watch -"):
        assert source in told


def test_a_serial_port_is_known_as_one(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        link = tmp_path / "charger"
        link.symlink_to(os.ttyname(theirs))
        assert _is_serial(os.ttyname(theirs))
        assert _is_serial(str(link))
    finally:
        os.close(ours)
        os.close(theirs)
    assert _is_serial("COM3")
    assert _is_serial("rfc2217://10.0.0.9:2217")
    for name in (str(PLAIN), "/dev/null", "eth0", "demo", str(tmp_path / "none")):
        assert not _is_serial(name)


def test_a_serial_port_is_watched_alone() -> None:
    with terminal("watch", "COM3", PLAIN) as t:
        assert t.ended() == 2
        assert "watched alone" in t.text


def test_a_capture_is_on_the_screen_at_once_and_q_leaves() -> None:
    with terminal("watch", PLAIN) as t:
        took = t.until("BootNotification")
        assert took < 5, "a second here, and never so long that somebody presses a key again"
        t.press("q")
        assert t.ended() == 0


def test_bare_fieldkit_opens_home() -> None:
    with terminal() as t:
        t.until("Demo")
        t.press("\x11")  # Ctrl-Q
        assert t.ended() == 0


def test_a_file_that_is_not_there_is_told_before_the_screen_is_taken() -> None:
    with terminal("watch", "/no/such/file.pcap") as t:
        assert t.ended() == 3
        assert "there is no such file" in t.text
        assert b"\x1b[?1049h" not in t.data


def test_a_capture_comes_through_a_pipe_and_keys_from_the_terminal() -> None:
    with PLAIN.open("rb") as file, terminal("watch", "-", stdin=file.fileno()) as t:
        t.until("BootNotification")
        t.press("q")
        assert t.ended() == 0


def test_a_capture_goes_on_when_its_terminal_is_lost(tmp_path: Path) -> None:
    target = tmp_path / "kept.pcapng"
    with terminal("watch", "lo", "-w", target) as t:
        deadline = time.monotonic() + 15
        while "LIVE" not in t.text and t.process.poll() is None and time.monotonic() < deadline:
            t.read(0.05)
        if t.process.poll() is not None:
            pytest.skip(f"no right to capture here: {t.text[-200:]}")
        t.hang_up()
        time.sleep(1)
        assert t.process.poll() is None, "the capture goes on"
        from tests.tui.station import talk

        talk()
        time.sleep(1.5)
        t.process.send_signal(signal.SIGTERM)
        assert t.process.wait(15) == 0
    assert any(message.channel.station == "CP_LIVE" for message in decode_files(target).messages)


CHECK = """
from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.events import OcppMessage

SEEN = Kind("seer.seen", "critical", "station", "A plugin has looked", "It saw {what}.", "Nothing.", "docs/plugins.md")

class Seer(Check):
    kinds = (SEEN,)
    actions = frozenset({"BootNotification"})
    def see(self, event, picture):
        if isinstance(event, OcppMessage):
            yield Finding(SEEN, event.time, event.channel.station, (event,), {"what": event.action})

def register(registrar): registrar.check(Seer)
"""
FAILOVER = ROOT / "tests" / "data" / "failover" / "failover_lan.pcap"
TOLD = ROOT / "tests" / "data" / "routers" / "mon.log"


def test_watch_draws_what_a_router_told_in_a_file() -> None:
    with terminal("watch", FAILOVER, "--router", TOLD, "--utc") as t:
        t.until("READ")
        t.press("6")
        t.until("5 outages, 1 charger")
        t.until("wwan0")
        t.press("q")
        assert t.ended() == 0


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--router", "ssh://root@gw"), "and this is a recording"),
        (("--router", "gopher://x"), "that is no router"),
        (("--router", "/nowhere/link.jsonl"), "No such file"),
        (("--router", str(PLAIN)), "holds nothing that a router tells"),
        (("--router", "ssh://root@gw", "--insecure"), "asked over https"),
        (("--router", "ubus+https://gw", "--ca", "/nowhere/gw.pem"), "there is no such file"),
        (("--router", "ubus+https://gw", "--insecure"), "and this is a recording"),
        (("--plugin", "nope"), "there is no plugin 'nope'"),
    ],
)
def test_what_watch_cannot_take_in_is_told_before_the_screen(arguments: tuple[str, ...], words: str) -> None:
    with terminal("watch", PLAIN, *arguments) as t:
        assert t.ended() in (2, 3)
        assert words in " ".join(t.text.split())


def test_watch_shows_what_plugins_find(tmp_path: Path) -> None:
    root = plugin(tmp_path, "seer", CHECK, kinds=["check"])
    with terminal("watch", PLAIN, "--plugin", root) as t:
        t.until("READ")
        t.press("3")
        t.until("A plugin has looked")
        t.press("q")
        assert t.ended() == 0
