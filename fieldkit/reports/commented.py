"""A capture once more, whole, as pcapng, with what the user wrote beside its messages as comments of the packets.

Nothing is left out, secrets neither: it is the user's own capture with remarks in it. What others are to get is the
evidence (``annotated``). Comments that were in the capture stay, those of an earlier save are not doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fieldkit import __version__
from fieldkit.events import CaptureComment, CaptureDropped, PacketBatch, TlsSecrets
from fieldkit.reports.annotated import MAX_TEXT, _sent
from fieldkit.reports.pcapngfile import PcapngWriter
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.sources.file import FileSource

_EVERY = 4096
"""Packets between two looks at whether it is to go on."""


def write_commented(
    write: Callable[[bytes], object],
    sources: Iterable[FileSource],
    comments: Mapping[tuple[str, int], Sequence[str]],
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """All packets of the sources with these comments, by source and frame; returns how many packets there are."""
    writer = PcapngWriter(write, [f"fieldkit {__version__}: the whole capture, with remarks"])
    written = 0
    for source in sources:
        try:
            written += _copy(source, writer, comments, stop)
        finally:
            source.close()
    return written


def _copy(
    source: FileSource,
    writer: PcapngWriter,
    comments: Mapping[tuple[str, int], Sequence[str]],
    stop: Callable[[], bool],
) -> int:
    name = source.name
    mine: dict[int, list[str]] = {}
    for (of, frame), texts in comments.items():
        if of == name:
            mine[frame] = [terminal(text, MAX_TEXT) for text in texts]
    linktype, written, dropped = 1, 0, 0
    for item in source.items():
        if isinstance(item, PacketBatch):
            linktype, frame = item.linktype, item.first_frame
            buffer, time_of = item.buffer, item.layout.time
            for start, end in zip(item.starts, item.ends, strict=True):
                notes = mine.get(frame, ())
                original = _sent(linktype, buffer, start, end)
                writer.packet(name, linktype, time_of(buffer, start), buffer[start:end], original, notes)
                frame += 1
                written += 1
                if not written % _EVERY and stop():
                    return written
        elif isinstance(item, CaptureComment):
            for frame in item.frames[-1:]:
                known = mine.setdefault(frame, [])
                if item.text not in known:
                    known.insert(0, item.text)
        elif isinstance(item, TlsSecrets):
            writer.secrets(item.text)
        elif isinstance(item, CaptureDropped):
            dropped += item.count
            writer.dropped(name, linktype, item.time, dropped)
        if stop():
            break
    return written
