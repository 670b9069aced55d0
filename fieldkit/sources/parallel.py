"""One large capture on several processor cores.

Connections have nothing to do with each other. So every worker process reads the whole file and walks over all
packets, which is cheap, but follows only the connections whose number falls to it, which is dear. What it wrote for
each block goes back through a pipe; the parent puts the lines of all workers in the order of time. Numbers of
connections and frames are the same in all workers, because all of them see every packet.

Only whole records can travel so: the trace format. Text output depends on what was written before.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from collections.abc import Callable
from functools import partial
from itertools import accumulate, chain
from typing import Any, BinaryIO, Protocol

from fieldkit.events import Event, OcppMessage
from fieldkit.pipeline import Pipeline
from fieldkit.sources import forked
from fieldkit.sources.file import FileSource, SourceError
from fieldkit.sources.merge import feed

MIN_BYTES = 32 << 20
"""Captures smaller than this are decoded before a second process has started."""
MAX_WORKERS = 8

_HEADER = struct.Struct("!IIIQ")
"""Number of records, bytes of their text, bytes of the final report (0 but for the last one), bytes read so far."""


class Worker(Protocol):
    """What runs in a worker process."""

    pipeline: Pipeline

    def records(self, events: list[Event]) -> tuple[list[OcppMessage], list[bytes]]:
        """The messages among these events that make a record, and their records."""

    def report(self) -> Any:
        """What the parent must know at the end; it is pickled."""


def suits(source: FileSource, jobs: int | None) -> int:
    """How many workers this source is worth (1: it is not). ``jobs`` is what the user asked for."""
    if not forked.possible() or not source.size or not source.is_plain_capture:
        return 1
    if jobs is None:
        return min(forked.cores(), MAX_WORKERS) if source.size >= MIN_BYTES else 1
    return jobs


def decode_parallel(
    source: FileSource, workers: int, make: Callable[[int], Worker], write: Callable[[bytes], object],
    progress: Callable[[], None],
) -> list[Any]:  # fmt: skip
    """Decode ``source`` with as many ``workers``, write the records in order, return the workers' reports."""
    helpers: list[forked.Helper] = []
    try:
        for number in range(workers):
            helpers.append(forked.Helper(partial(_work, source.name, make, number), tuple(helpers)))
        return _collect([helper.pipe for helper in helpers], write, source, progress)
    finally:
        for helper in helpers:
            helper.close()


def _work(name: str, make: Callable[[int], Worker], number: int, pipe: BinaryIO) -> None:
    """What a worker process does."""
    worker = make(number)
    source = FileSource(name)
    for item in source.items():
        _send(pipe, worker.records(feed(worker.pipeline, item)), b"", source.read)
    _send(pipe, worker.records(worker.pipeline.finish()), pickle.dumps(worker.report()), source.read)


def _send(pipe: BinaryIO, records: tuple[list[OcppMessage], list[bytes]], report: bytes, read: int) -> None:
    messages, lines = records
    text = b"".join(lines)
    pipe.write(_HEADER.pack(len(lines), len(text), len(report), read))
    if lines:
        pipe.write(array("q", [message.frames[-1] for message in messages]).tobytes())
        pipe.write(array("q", map(len, lines)).tobytes())
        pipe.write(text)
    pipe.write(report)
    pipe.flush()


def _collect(
    pipes: list[BinaryIO], write: Callable[[bytes], object], source: FileSource, progress: Callable[[], None]
) -> list[Any]:
    reports: list[Any] = []
    while len(reports) < len(pipes):
        lines: list[bytes] = []
        keys: list[int] = []
        for pipe in pipes:
            count, size, report, source.read = _HEADER.unpack(_exactly(pipe, _HEADER.size))
            # What waited behind a hole follows what filled it, though its packets came before: no key is less than the
            # one in front of it, so that every worker's records stay in their order.
            keys += accumulate(_numbers(pipe, count), max)
            ends = list(accumulate(_numbers(pipe, count)))
            text = _exactly(pipe, size)
            lines += [text[begin:end] for begin, end in zip(chain((0,), ends), ends, strict=False)]
            if report:
                reports.append(pickle.loads(_exactly(pipe, report)))
        # A message is complete with its last packet, and is told in the order of these.
        write(b"".join([lines[place] for place in sorted(range(len(lines)), key=keys.__getitem__)]))
        progress()
    return reports


def _numbers(pipe: BinaryIO, count: int) -> array[int]:
    numbers = array("q")
    numbers.frombytes(_exactly(pipe, count * numbers.itemsize))
    return numbers


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise SourceError("a worker process ended unexpectedly (its message stands above); try --jobs 1")
    return data
