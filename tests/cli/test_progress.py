"""How far a long read has come: told where somebody watches, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from fieldkit.cli import progress as progress_module
from fieldkit.cli.progress import Progress
from fieldkit.sources.file import FileSource
from tests.traffic.commandline import Fieldkit
from tests.traffic.expectations import CAPTURES

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


def source(size: int, read: int) -> FileSource:
    return cast(FileSource, SimpleNamespace(size=size, read=read))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Standard error is a terminal, standard output is none; the function returns what the terminal was sent."""
    outer, inner = pty.openpty()

    def shown() -> str:
        sent = b""
        while select.select([outer], [], [], 0.05)[0]:  # a terminal takes its time
            sent += os.read(outer, 65_536)
        return sent.decode()

    with os.fdopen(inner, "w") as stream:
        plain = SimpleNamespace(isatty=lambda: False)
        monkeypatch.setattr(progress_module, "sys", SimpleNamespace(stdout=plain, stderr=stream))
        yield shown
    os.close(outer)


def test_a_quick_read_shows_nothing(terminal: Callable[[], str], clock: SimpleNamespace) -> None:
    with Progress([source(10_000_000, 5_000_000)]) as progress:
        for _ in range(6):
            progress.step()
            clock.now += 0.1
    assert terminal() == ""


def test_a_long_one_says_how_far_it_is_and_cleans_up_behind_itself(
    terminal: Callable[[], str], clock: SimpleNamespace
) -> None:
    with Progress([source(300_000_000, 30_000_000), source(100_000_000, 0)]) as progress:
        clock.now += 1
        progress.step()
        assert terminal() == "\r\x1b[Kreading: 30 of 400 MB (8%)"
    assert terminal() == "\r\x1b[K"


def test_five_times_a_second_is_enough(terminal: Callable[[], str], clock: SimpleNamespace) -> None:
    with Progress([source(10_000_000, 1)]) as progress:
        clock.now += 1
        for _ in range(1000):
            progress.step()
            clock.now += 0.001
    assert terminal().count("reading") == 5


def test_of_a_pipe_nobody_knows_the_end(terminal: Callable[[], str], clock: SimpleNamespace) -> None:
    with Progress([source(0, 2_000_000)]) as progress:
        clock.now += 1
        progress.step()
    assert "reading: 2 MB" in terminal()


def test_a_file_that_grew_meanwhile_is_never_more_than_all(terminal: Callable[[], str], clock: SimpleNamespace) -> None:
    with Progress([source(1_000_000, 3_000_000)]) as progress:
        clock.now += 1
        progress.step()
    assert "(100%)" in terminal()


def test_messages_on_the_same_terminal_are_progress_enough(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = SimpleNamespace(isatty=lambda: True)  # and to write to it would fail
    monkeypatch.setattr(progress_module, "sys", SimpleNamespace(stdout=both, stderr=both))
    with Progress([source(10_000_000, 1)]) as progress:
        clock.now += 1
        progress.step()


def test_into_a_file_no_progress_is_written(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress([source(10_000_000, 1)]) as progress:
        clock.now += 1
        progress.step()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_decode_tells_how_far_it_is(
    fieldkit: Fieldkit, terminal: Callable[[], str], monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    """Also where other processes do the reading."""
    monkeypatch.setattr(progress_module, "_FIRST_AFTER", 0)
    monkeypatch.setattr(progress_module, "_INTERVAL", 0)
    run = fieldkit("decode", "--format", "trace", "--no-validate", "--jobs", jobs, PLAIN)
    assert run.code == 0
    assert run.records, "and none of it stands among the records"
    shown = terminal()
    assert "(100%)" in shown
    assert shown.endswith("\r\x1b[K")


def test_decode_into_files_does_not(fieldkit: Fieldkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_FIRST_AFTER", 0)
    assert fieldkit("decode", "--format", "trace", PLAIN).err == ""
