"""What an agent sees, on the screen: ``fieldkit watch agent://``."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from fieldkit.agent.control import Control
from fieldkit.agent.tap import Hub
from fieldkit.cli.watch import command
from fieldkit.events import OcppMessage, PacketBatch
from fieldkit.sources.file import FileSource
from fieldkit.tui.feeds import LiveFeed, is_live, open_feed
from fieldkit.wire.tlskeys import KeyLog
from tests.traffic.expectations import CAPTURES

PENDING = CAPTURES / "fault_boot_pending.pcap"


def test_an_agents_packets_come_to_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's own socket and hub, the program that asks it, and the feed that the screen reads."""
    monkeypatch.setenv("FIELDKIT_AGENT_RUN", str(tmp_path))
    hub = Hub()

    def serve(way: socket.socket, question: object) -> None:
        hub.serve(way)

    control = Control(tmp_path, {"packets": lambda question: {"listening": ["br-lan"]}}, {"packets": serve})
    control.open()
    feed = open_feed(["agent://"])
    assert isinstance(feed, LiveFeed)
    assert feed.name == "agent://"
    with closing(feed):
        threading.Thread(target=pass_on, args=(hub,), daemon=True).start()
        ends = time.monotonic() + 60
        actions: set[str] = set()

        def stop() -> bool:
            return "BootNotification" in actions or time.monotonic() > ends

        for events in feed.batches(KeyLog(), None, stop):
            actions.update(str(event.action) for event in events if isinstance(event, OcppMessage))
    hub.close()
    control.close()
    assert "BootNotification" in actions


def pass_on(hub: Hub) -> None:
    """As the agent's loop does, when somebody watches."""
    while not hub:
        time.sleep(0.01)
    with closing(FileSource(str(PENDING))) as source:
        hub.pass_on("br-lan", [item for item in source.items() if isinstance(item, PacketBatch)])


def test_it_is_told_where_sources_are_told() -> None:
    assert is_live("agent://root@192.168.1.1")
    assert "agent://[USER@]HOST" in (command.help or "")
    assert "fieldkit watch agent://" in (command.epilog or "")
