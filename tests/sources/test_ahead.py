"""Decoding ahead in another process: the same events, the same counts, and nobody left behind."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from fieldkit.events import Event
from fieldkit.pipeline import Pipeline
from fieldkit.sources import ahead
from fieldkit.sources import file as file_module
from fieldkit.sources.ahead import read_ahead, suits
from fieldkit.sources.file import FileSource, SourceError
from fieldkit.sources.merge import read_merged, read_one
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import MONDAY, merged
from tests.traffic.scripts import one_of_many
from tests.traffic.segments import SECOND
from tests.traffic.taps import Tap

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    file = tmp_path / "site.pcap"
    file.write_bytes(write_pcap(Tap().packets(merged(*(one_of_many(n, start=MONDAY).segments for n in range(4))))))
    return file


def here(sources: list[FileSource], step: Callable[[], None] = lambda: None) -> Iterator[list[Event]]:
    if len(sources) == 1:
        return read_one(sources[0], Pipeline(sources[0].name), step)
    return read_merged(sources, lambda name, first: Pipeline(name, first_connection=first), step)


def nobody_is_left() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("block", [700, 1 << 20])
def test_it_says_what_one_process_says(capture: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(file_module, "BLOCK", block)
    with closing(FileSource(str(capture))) as source:
        alone = [event for events in here([source]) for event in events]
    steps: list[int] = []
    with closing(FileSource(str(capture))) as source:
        made = partial(here, [source])
        together = [
            event for events in read_ahead(made, [source], lambda: steps.append(source.read)) for event in events
        ]
        assert source.read == capture.stat().st_size
    assert together == alone
    assert len(alone) > 100
    assert steps == sorted(steps)
    assert steps[-1] == capture.stat().st_size
    nobody_is_left()


def test_several_sources_are_merged_over_there(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.pcap")
        files[-1].write_bytes(write_pcap(Tap().packets(one_of_many(number, start=MONDAY + number * SECOND).segments)))
    with ExitStack() as stack:
        first, second = (
            [stack.enter_context(closing(FileSource(str(file)))) for file in files] for _ in ("here", "there")
        )
        alone = [event for events in here(first) for event in events]
        together = [event for events in read_ahead(partial(here, second), second, lambda: None) for event in events]
    assert together == alone
    assert [source.read for source in second] == [file.stat().st_size for file in files]


def test_who_takes_no_more_ends_it(capture: Path) -> None:
    with closing(FileSource(str(capture))) as source:
        batches = read_ahead(partial(here, [source]), [source], lambda: None)
        assert next(batches)
        batches.close()  # type: ignore[attr-defined]
    nobody_is_left()


def test_what_cannot_be_read_is_told_here(capture: Path) -> None:
    def unreadable() -> Iterator[list[Event]]:
        yield []
        raise SourceError("site.pcap: Input/output error")

    with closing(FileSource(str(capture))) as source, pytest.raises(SourceError, match="Input/output error"):
        list(read_ahead(unreadable, [source], lambda: None))
    nobody_is_left()


def test_a_defect_over_there_is_an_error_here(capture: Path) -> None:
    def failing() -> NoReturn:
        os.close(2)  # its message would stand in the middle of pytest's
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with closing(FileSource(str(capture))) as source, pytest.raises(SourceError, match="ended unexpectedly"):
        list(read_ahead(failing, [source], lambda: None))
    nobody_is_left()


def test_only_large_plain_captures_suit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MIN_BYTES", 3000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    data = write_pcap(Tap().packets(one_of_many(1, start=MONDAY).segments))
    contents = {
        "small.pcap": write_pcap([]), "large.pcap": data, "large.pcap.gz": gzip.compress(data),
        "log": b"2026-08-31T08:00:00Z CP_7 received hello\n" * 100,
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    def suit(*names: str) -> bool:
        sources = [FileSource(str(tmp_path / name)) for name in names]
        try:
            return suits(sources)
        finally:
            for source in sources:
                source.close()

    assert not suit("small.pcap")
    assert suit("large.pcap")
    assert suit("large.pcap", "small.pcap")
    assert not suit("large.pcap", "log")
    assert not suit("large.pcap.gz")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert not suit("large.pcap"), "a single core has no time for two"
