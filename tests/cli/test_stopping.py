"""A run ends for one reason, at the first signal orderly and at the second at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from fieldkit.cli.stopping import Every, Stop


def test_nothing_ends_it_by_itself() -> None:
    with Stop() as stop:
        assert not stop()
        assert stop.why == ""


@pytest.mark.parametrize(
    "number, why", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "closed")]
)
def test_a_signal_asks_for_the_end_and_a_second_one_makes_it(number: int, why: str) -> None:
    before = signal.getsignal(number)
    with Stop() as stop:
        os.kill(os.getpid(), number)
        assert stop()
        assert why in stop.why
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_when_nothing_is_left_to_finish_one_signal_is_enough() -> None:
    with Stop() as stop:
        stop.immediate = True
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_time_ends_it() -> None:
    with Stop(seconds=0.05) as stop:
        assert not stop()
        time.sleep(0.06)
        assert stop()
        assert stop.why == "the time is over"
    with Stop(until=datetime.now(UTC) - timedelta(seconds=1)) as stop:
        assert stop()


def test_the_first_reason_is_the_reason() -> None:
    with Stop() as stop:
        stop.ask("nobody reads any more")
        stop.ask("something else")
        assert stop.why == "nobody reads any more"


def test_another_thread_may_have_one_without_signals() -> None:
    found: list[bool] = []

    def use() -> None:
        with Stop() as stop:
            found.append(stop())

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [False]


def test_every_so_often() -> None:
    now = 100.0
    every = Every(10, lambda: now)
    assert not every()
    now = 110.0
    assert every()
    assert not every()
    now = 175.0
    assert every(), "what was missed is not made up for"
    assert not every()
    assert not Every(0, lambda: now)()
