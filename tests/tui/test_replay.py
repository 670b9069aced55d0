"""A replay is what happened: the same messages, the same findings; its speed, pause and jumps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fieldkit.checks.collector import Collected
from fieldkit.events import Event
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from tests.tui.driving import CAPTURES, SMALL, driving
from tests.tui.ready import loaded

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Hurried:
    """A clock on which an hour is over before one has looked twice."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 5
        return self.now


def told(findings: list[Collected]) -> list[tuple[object, ...]]:
    return [
        (f.kind.id, f.severity, f.owner, f.first_seen.station, f.first_seen.connector, f.first, f.last, f.count,
         f.explanation(), [event.frames for event in f.evidence])
        for f in findings
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["demo", "missing_segments.pcap", "several_versions.pcap"])
def test_a_replay_finds_what_reading_finds(source: str) -> None:
    name = source if source == "demo" else str(CAPTURES / "made" / source)
    replayed = Engine(open_feed([name]), speed=100, clock=Hurried()).start()
    assert replayed.wait(30)
    assert told(replayed.findings) == told(loaded(name).findings)
    assert replayed.history.messages == loaded(name).history.messages


def test_what_is_live_finds_what_reading_finds(tmp_path: Path) -> None:
    """The same packets through the loop that listens to interfaces, with a recording."""
    from fieldkit.events import PacketBatch
    from fieldkit.pipeline import Pipeline
    from fieldkit.sources.file import FileSource
    from fieldkit.sources.listen import Listener

    class Wire:
        """A source that gives what a capture holds, batch by batch, as an interface would."""

        name = "wire0"

        def __init__(self) -> None:
            with closing(FileSource(str(PLAIN))) as file:
                self._items = [item for item in file.items() if isinstance(item, PacketBatch)]

        def fileno(self) -> int:
            return -1

        def read(self) -> list[Any]:
            return [self._items.pop(0)] if self._items else []

        def tick(self, now: int) -> list[Any]:
            return []

        def ended(self) -> str | None:
            return None if self._items else ""

        def counters(self) -> tuple[int, int]:
            return 0, 0

        def close(self) -> None:
            self._items = []

    class LiveWire:
        name = "wire0"
        live = True
        packets = dropped = 0
        progress = None
        failures: tuple[str, ...] = ()
        notes: tuple[str, ...] = ()
        sources: tuple[Any, ...] = ()
        recorded = None

        def batches(self, keys: Any, schemas: Any, stop: Callable[[], bool]) -> Iterator[list[Event]]:
            listener = Listener([Wire()], Pipeline("wire0", keys=keys, schemas=schemas, full=False))
            yield from listener.batches(stop)

        def close(self) -> None:
            return

    live = Engine(LiveWire()).start()
    assert live.wait(30)
    read = loaded(str(PLAIN))
    assert live.history.messages == read.history.messages
    assert told(live.findings) == told(read.findings)


async def test_r_lets_a_capture_happen_again() -> None:
    async with driving("demo", size=SMALL) as d:
        await d.press("r")
        assert "How fast?" in d.text
        await d.press("3")
        engine = d.app.engine
        assert engine is not None
        await d.until(lambda: engine.state.phase == "replaying" and engine.pace is not None)
        assert "REPLAY ×100" in d.lines[0]
        await d.press("r")
        assert "runs 100 times as fast" in d.text
        await d.press("p")
        assert "PAUSED" in d.lines[0]
        at = engine.state.time
        time.sleep(0.05)
        assert engine.state.time == at
        await d.press("1")
        assert "REPLAY ×1 " in d.lines[0]
        await d.press("escape", "at", "0", "6", "colon", "4", "5", "enter")
        assert "the replay goes on at 06:45" in d.text
        await d.until(lambda: engine.history.messages > 250)
        assert engine.state.running


async def test_plus_and_minus_change_the_speed_anywhere() -> None:
    async with driving(PLAIN, size=SMALL, speed=1) as d:
        await d.press("3", "plus")
        assert "×10 " in d.lines[0]
        await d.press("plus", "plus")
        assert "×100 " in d.lines[0]
        await d.press("minus")
        assert "×10 " in d.lines[0]


async def test_two_captures_replay_side_by_side() -> None:
    other = CAPTURES / "ocpp21_vcp_ocpprpc_plain.pcap"
    async with driving(PLAIN, other, size=SMALL) as d:
        assert d.app.engine is not None
        sources = {d.app.engine.history.row(n).source for n in range(d.app.engine.history.end)}
        assert {str(PLAIN), str(other)} <= sources
        await d.press("r", "3")
        await d.until(lambda: d.app.engine is not None and d.app.engine.pace is not None)
        assert len(d.app.engine.feed.sources) == 2
        await d.until(
            lambda: (
                d.app.engine is not None
                and len({d.app.engine.history.row(n).source for n in range(d.app.engine.history.end)}) == 2
            )
        )
