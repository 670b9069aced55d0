"""Several processes, one capture: the same records in the same order as one process writes."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fieldkit.events import Event, OcppMessage
from fieldkit.pipeline import Pipeline
from fieldkit.reports.trace import TraceWriter
from fieldkit.sources import file as file_module
from fieldkit.sources import parallel
from fieldkit.sources.file import FileSource, SourceError
from fieldkit.sources.merge import read_one
from fieldkit.sources.parallel import decode_parallel, suits
from tests.traffic.capture import write_pcap, write_pcapng
from tests.traffic.conversation import MONDAY, Session, merged
from tests.traffic.mishaps import reordered, translated
from tests.traffic.scripts import one_of_many
from tests.traffic.segments import MILLISECOND, SECOND, Clock, Segment
from tests.traffic.soaptalk import SoapTalk
from tests.traffic.taps import Tap

# Forking a process that has threads warns since Python 3.12; there are none here but pytest's own.
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Worker:
    """The least that a worker is: its share as trace records, and how many they were."""

    def __init__(self, share: tuple[int, int], source: str) -> None:
        self.pipeline = Pipeline(source, full=False, share=share)
        self.count = 0
        self._lines = TraceWriter(lambda _: None).lines

    def records(self, events: list[Event]) -> tuple[list[OcppMessage], list[bytes]]:
        messages = [event for event in events if isinstance(event, OcppMessage)]
        self.count += len(messages)
        return messages, [line.encode("utf-8", "replace") for line in self._lines(messages)]

    def report(self) -> Any:
        return self.count


def sequential(file: Path) -> bytes:
    written: list[bytes] = []
    writer = TraceWriter(written.append)
    with closing(FileSource(str(file))) as source:
        for events in read_one(source, Pipeline(str(file), full=False), lambda: None):
            for event in events:
                writer.event(event)
            writer.flush()
    return b"".join(written)


def divided(file: Path, workers: int, make: Callable[[int], Worker] | None = None) -> tuple[bytes, list[int]]:
    written: list[bytes] = []
    build = make or (lambda number: Worker((number, workers), str(file)))
    with closing(FileSource(str(file))) as source:
        reports = decode_parallel(source, workers, build, written.append, lambda: None)
    return b"".join(written), reports


def site() -> list[Segment]:
    """Stations that all start at the same moment, one joined midway, one seen twice through a NAT, one with SOAP."""
    talks = [one_of_many(number, start=MONDAY).segments for number in range(5)]
    talks.append(one_of_many(5, start=MONDAY + 7 * MILLISECOND).segments[8:])
    talks.append(translated(one_of_many(6, start=MONDAY + SECOND).segments, "100.64.0.7"))
    talks.append(reordered(one_of_many(7, start=MONDAY).segments, Random(3)))
    soap = SoapTalk("CP_SOAP", clock=Clock(MONDAY))
    for caller, action in (("station", "Heartbeat"), ("csms", "ClearCache")):
        soap.open(caller)  # type: ignore[arg-type]
        id_ = soap.call(caller, action, {})  # type: ignore[arg-type]
        soap.answer(caller, id_, action, {})  # type: ignore[arg-type]
    talks.append(soap.segments)
    return merged(*talks)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("block", [3000, 1 << 20])
def test_three_say_what_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, block: int) -> None:
    monkeypatch.setattr(file_module, "BLOCK", block)
    file = tmp_path / "site.pcap"
    file.write_bytes(write_pcap(Tap().packets(site())))
    together, reports = divided(file, workers)
    alone = sequential(file)
    assert together == alone
    assert sum(reports) == alone.count(b"\n") > 150
    assert all(reports), "each had something to do"


def test_what_waited_behind_a_hole_keeps_its_place(tmp_path: Path) -> None:
    """It is told with the packet that filled the hole, though its own came before, and in between others spoke."""
    late = Session("CP_1", client=("192.168.7.21", 49_152), first=(5, 6))
    other = Session("CP_2", client=("192.168.7.22", 49_152), first=(7, 8))
    for one in (late, other):
        one.connect()
        one.upgrade()
    said = len(late.segments)
    for number in range(3):
        late.say("station", f'[2,"{number}","Heartbeat",{{}}]')
        other.clock.now = late.clock.now
        other.say("station", f'[2,"{number}","Heartbeat",{{}}]')
    lost = late.segments[said]
    assert lost.payload
    moved = [segment for segment in late.segments if segment is not lost and segment.ack <= lost.seq]
    moved.append(lost._replace(time=late.clock.now + SECOND))
    file = tmp_path / "site.pcap"
    file.write_bytes(write_pcap(Tap().packets(merged(moved, other.segments))))
    alone = sequential(file)
    assert divided(file, 2)[0] == alone
    ids = [line.split(b'"messageId":"')[1][:1] for line in alone.splitlines() if b"CP_1" in line]
    assert ids == [b"0", b"1", b"2"]


def test_pcapng_is_divided_too(tmp_path: Path) -> None:
    file = tmp_path / "site.pcapng"
    file.write_bytes(write_pcapng(Tap().packets(site()), nanoseconds=True))
    assert divided(file, 3)[0] == sequential(file)


def test_a_damaged_capture_is_divided_up_to_its_damage(tmp_path: Path) -> None:
    whole = write_pcap(Tap().packets(site()))
    file = tmp_path / "site.pcap"
    file.write_bytes(whole[: len(whole) * 2 // 3] + b"\xff" * 300 + whole[len(whole) * 2 // 3 :])
    assert divided(file, 3)[0] == sequential(file)


def test_nothing_to_say_is_said_by_all(tmp_path: Path) -> None:
    file = tmp_path / "empty.pcap"
    file.write_bytes(write_pcap([]))
    assert divided(file, 2) == (b"", [0, 0])


# ---------------------------------------------------------------------------------------------------- is it worth it


def test_only_large_plain_captures_are_divided_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "MIN_BYTES", 200)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    small, large = write_pcap([]), write_pcap(Tap().packets(one_of_many(1, start=MONDAY).segments))
    for name, data, jobs, workers in (
        ("small.pcap", small, None, 1),
        ("large.pcap", large, None, parallel.MAX_WORKERS),
        ("small.pcap", small, 4, 4),
        ("large.pcap", large, 1, 1),
        ("large.pcap.gz", gzip.compress(large), 4, 1),
        ("log", b"2026-08-31T08:00:00Z CP_7 received hello\n" * 10, 4, 1),
    ):
        (tmp_path / name).write_bytes(data)
        with closing(FileSource(str(tmp_path / name))) as source:
            assert suits(source, jobs) == workers, name


def test_a_pipe_cannot_be_read_by_several(tmp_path: Path) -> None:
    file = tmp_path / "large.pcap"
    file.write_bytes(write_pcap([]))
    with closing(FileSource(str(file))) as source:
        source.size = 0  # as a pipe has it
        assert suits(source, 4) == 1


def test_without_fork_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.pcap"
    file.write_bytes(write_pcap([]))
    monkeypatch.delattr(os, "fork")
    with closing(FileSource(str(file))) as source:
        assert suits(source, 4) == 1


# ---------------------------------------------------------------------------------------------------- when one fails


@pytest.mark.parametrize("how", ["raises", "is killed"])
def test_a_worker_that_fails_is_told_and_nobody_is_left_behind(tmp_path: Path, how: str) -> None:
    file = tmp_path / "site.pcap"
    file.write_bytes(write_pcap(Tap().packets(site())))

    class Failing(Worker):
        def records(self, events: list[Event]) -> tuple[list[OcppMessage], list[bytes]]:
            os.close(2)  # its message would stand in the middle of pytest's
            if how == "raises":
                raise RuntimeError("a defect of ours")
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    def make(number: int) -> Worker:
        return (Failing if number else Worker)((number, 3), str(file))

    with pytest.raises(SourceError, match="--jobs 1"):
        divided(file, 3, make)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_reader_that_has_had_enough_ends_the_workers(tmp_path: Path) -> None:
    file = tmp_path / "site.pcap"
    file.write_bytes(write_pcap(Tap().packets(site())))

    def full(_: bytes) -> None:
        raise BrokenPipeError

    with closing(FileSource(str(file))) as source, pytest.raises(BrokenPipeError):
        decode_parallel(source, 3, lambda number: Worker((number, 3), str(file)), full, lambda: None)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
