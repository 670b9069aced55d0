"""The engine without a screen: files, replay, pause, stop, live sources, failures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from fieldkit.sources.file import SourceError
from fieldkit.tui.engine import Engine
from fieldkit.tui.fairlock import FairLock
from fieldkit.tui.feeds import FileFeed, is_live, open_feed
from fieldkit.tui.pace import Pace
from tests.traffic.decoded import decode_files

CAPTURES = Path(__file__).parents[2] / "captures"
PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


def finished(engine: Engine) -> bool:
    return engine.wait(20)


def begun(engine: Engine) -> None:
    """Wait for the first event."""
    deadline = time.monotonic() + 10
    while not (engine.ready and engine.session.begin):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_is_read_to_its_end() -> None:
    engine = Engine(open_feed([str(PLAIN)])).start()
    assert finished(engine)
    state = engine.state
    assert (state.phase, state.failures, state.progress) == ("done", (), 1.0)
    assert state.messages == len(decode_files(PLAIN).messages) == engine.session.tally.messages
    assert state.packets == engine.session.packets > 0
    assert engine.session.failed_checks == []
    assert engine.findings == engine.session.findings


def test_several_files_are_one_story() -> None:
    names = [str(PLAIN), str(CAPTURES / "ocpp201_vcp_pyocpp_plain.pcap")]
    engine = Engine(open_feed(names)).start()
    assert finished(engine)
    assert len(engine.session.picture.stations) == 2
    assert "+1" in engine.state.name


def test_the_demo_needs_no_file() -> None:
    engine = Engine(open_feed(["demo"])).start()
    assert finished(engine)
    assert engine.state.critical >= 3
    report = engine.report()
    assert report["summary"]["findings"]["critical"] == engine.state.critical


def test_a_replay_ends_as_the_file_does() -> None:
    whole = Engine(open_feed([str(PLAIN)])).start()
    again = Engine(open_feed([str(PLAIN)]), speed=100_000).start()
    assert finished(whole)
    assert finished(again)
    rows = [[engine.history.row(number) for number in range(engine.history.end)] for engine in (whole, again)]
    assert rows[0] == rows[1]
    assert [finding.kind.id for finding in whole.findings] == [finding.kind.id for finding in again.findings]
    assert again.state.speed == 100_000


def test_a_replay_can_be_paused_and_hurried() -> None:
    engine = Engine(open_feed([str(PLAIN)]), speed=0.001).start()
    assert engine.pace is not None
    begun(engine)
    assert engine.state.phase == "replaying"
    engine.pace.set(paused=True)
    time.sleep(0.1)
    held = engine.pace.now
    time.sleep(0.2)
    assert engine.pace.now == held == engine.state.time
    assert engine.state.paused
    assert not len(engine.history)
    engine.pace.set(paused=False, speed=1_000_000)
    assert finished(engine)
    assert engine.state.messages == len(decode_files(PLAIN).messages)


def test_stopping_keeps_what_came() -> None:
    engine = Engine(open_feed([str(PLAIN)]), speed=0.001).start()
    begun(engine)
    asked = time.monotonic()
    engine.close()
    assert time.monotonic() - asked < 2
    assert engine.state.phase == "stopped"
    assert engine.session.begin


def test_a_file_that_is_none_is_told() -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        open_feed(["/no/such.pcap"])


def test_one_missing_file_of_two_is_a_failure_and_no_more(tmp_path: Path) -> None:
    engine = Engine(open_feed([str(PLAIN), str(tmp_path / "gone.pcap")])).start()
    assert finished(engine)
    assert engine.state.phase == "done"
    assert "no such file" in engine.state.failures[0]


def test_what_is_no_capture_ends_with_a_word(tmp_path: Path) -> None:
    odd = tmp_path / "odd.pcap"
    odd.write_bytes(b"\x00\x01\x02\x03" * 100)
    engine = Engine(open_feed([str(odd)])).start()
    assert finished(engine)
    assert not engine.state.running
    assert len(engine.history) or engine.state.failures


def test_our_own_failure_is_owned_up_to() -> None:
    feed = FileFeed([str(PLAIN)])

    def broken(*_: object) -> Iterator[list[Any]]:
        raise ZeroDivisionError("by design")

    feed.batches = broken  # type: ignore[method-assign, assignment]
    engine = Engine(feed).start()
    assert finished(engine)
    assert engine.state.phase == "failed"
    assert "ZeroDivisionError" in engine.state.failures[0]


def test_live_names() -> None:
    assert is_live("ssh://root@router/br-lan")
    assert is_live("any")
    assert not is_live("demo")
    assert not is_live(str(PLAIN))
    with pytest.raises(SourceError, match="one kind at a time"):
        open_feed([str(PLAIN), "any"])


def test_a_live_interface_is_followed_and_recorded(tmp_path: Path) -> None:
    from fieldkit.sources.interface import interfaces

    if "lo" not in interfaces():
        pytest.skip("there is no loopback interface")
    target = tmp_path / "live.pcapng"
    try:
        feed = open_feed(["lo"], record=target)
    except SourceError as error:
        pytest.skip(f"no right to capture here: {error}")
    engine = Engine(feed).start()
    while not engine.ready:
        time.sleep(0.01)
    from tests.tui.station import talk

    talk()
    deadline = time.monotonic() + 10
    while engine.state.messages < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    engine.close()
    ended = engine.state
    assert ended.phase == "done"
    assert ended.messages >= 2
    assert len(decode_files(target).messages) >= 2


def test_no_screen_is_needed() -> None:
    code = (
        "import sys; from fieldkit.tui.engine import Engine; from fieldkit.tui.feeds import open_feed;"
        f"e = Engine(open_feed([{str(PLAIN)!r}])).start(); e.wait(20); assert e.state.messages;"
        "assert not {'textual', 'rich'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == 0, done.stderr


def test_who_waits_for_the_lock_comes_next() -> None:
    """Whoever takes it in a loop must not keep others from it."""
    lock, stop, rounds = FairLock(), Event(), 0

    def hog() -> None:
        while not stop.is_set():
            with lock:
                time.sleep(0.001)

    thread = Thread(target=hog)
    thread.start()
    worst = 0.0
    try:
        for _ in range(50):
            begun = time.perf_counter()
            with lock:
                rounds += 1
            worst = max(worst, time.perf_counter() - begun)
    finally:
        stop.set()
        thread.join()
    assert rounds == 50
    assert worst < 0.2


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_pace_knows_its_time() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    (event, *_) = decode_files(PLAIN).messages
    assert [list(batch) for batch in pace.events([[event]], lambda: False)] == [[event]]
    assert pace.now == event.time
    clock.now += 2
    assert pace.now == event.time + 20_000_000_000
    pace.set(paused=True)
    clock.now += 5
    assert pace.now == event.time + 20_000_000_000
    pace.set(paused=False, speed=1)
    clock.now += 1
    assert pace.now == event.time + 21_000_000_000
    pace.jump(event.time + 60_000_000_000)
    assert pace.now == event.time + 60_000_000_000


def test_a_replay_that_cannot_keep_up_gathers_nothing_and_tells_no_time_that_it_has_not_shown() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    messages = decode_files(PLAIN).messages

    def slowly() -> Iterator[list[Any]]:
        for message in messages:
            clock.now += 60  # each takes a minute to be read
            yield [message]

    seen = 0
    for batch in pace.events(slowly(), lambda: False):
        assert list(batch) == [messages[seen]]
        seen += 1
        clock.now += 60
    assert seen == len(messages) > 10
    assert pace.now == messages[-1].time


def test_what_a_jump_leaves_out_does_not_hold_the_clock_back() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    first, *_, last = decode_files(PLAIN).messages
    replayed = pace.events([[first], [last]], lambda: False)
    assert list(next(replayed)) == [first]
    pace.jump(last.time + 3_600_000_000_000)
    assert [list(batch) for batch in replayed] == [[last]]
    assert pace.now == last.time + 3_600_000_000_000
