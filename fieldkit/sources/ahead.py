"""Decoding in a process of its own, some way ahead of whoever takes the events in.

To decode a large capture takes about as long as to judge what was decoded. Two processes do both at once: the second
one begins as a copy of this one, reads the sources and sends events through a pipe, which holds it back when it is too
far ahead. What comes out is what a single process would have said, in the same order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, Final

from fieldkit.events import Event
from fieldkit.sources import forked
from fieldkit.sources.crossing import Packer, Unpacker
from fieldkit.sources.file import FileSource, SourceError
from fieldkit.sources.parallel import MIN_BYTES

_SIZE: Final = struct.Struct("!I")
"""Bytes of the batch that follows."""
_STEP: Final = 32
"""After so many batches without an event it is told all the same how far reading has come."""


def suits(sources: Sequence[FileSource]) -> bool:
    """Whether a second process is worth its start: large captures in files, and a processor core for each."""
    return (
        forked.possible()
        and forked.cores() > 1
        and sum(source.size for source in sources) >= MIN_BYTES
        and all(source.size and source.is_plain_capture for source in sources)
    )


def read_ahead(
    make: Callable[[], Iterator[list[Event]]], sources: Sequence[FileSource], progress: Callable[[], None]
) -> Iterator[list[Event]]:
    """What ``make`` yields when it is called in the other process. ``sources`` know what was read of them as if it had
    been read here."""
    helper = forked.Helper(partial(_work, make, sources))
    try:
        unpacker = Unpacker()
        while True:
            events, beside = unpacker.unpack(_batch(helper.pipe))
            if isinstance(beside, str):
                raise SourceError(beside)
            if beside is None:
                return
            for source, counts in zip(sources, beside, strict=True):
                source.counts = counts
            if events:
                yield events
            progress()
    finally:
        helper.close()


def _work(make: Callable[[], Iterator[list[Event]]], sources: Sequence[FileSource], pipe: BinaryIO) -> None:
    """What the other process does."""
    packer = Packer()
    silent = 0

    def send(events: list[Event], beside: object) -> None:
        data = packer.pack(events, beside)
        pipe.write(_SIZE.pack(len(data)) + data)

    try:
        for events in make():
            silent = 0 if events else silent + 1
            if silent % _STEP == 0:
                send(events, [source.counts for source in sources])
        send([], [source.counts for source in sources])
    except SourceError as error:
        send([], str(error))
    else:
        send([], None)


def _batch(pipe: BinaryIO) -> bytes:
    size = pipe.read(_SIZE.size)
    data = pipe.read(_SIZE.unpack(size)[0]) if len(size) == _SIZE.size else b""
    if not data:
        raise SourceError("the process that decodes ended unexpectedly (its message stands above)")
    return data
