"""One loop for all live sources: what comes is recorded and decoded, whatever happens to a source or to the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import cast

import pytest

from fieldkit.events import CaptureComment, CaptureDropped, Event, OcppMessage, PacketBatch
from fieldkit.pipeline import Pipeline
from fieldkit.sources import listen
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import FileSource, Item
from fieldkit.sources.listen import SKIPPED, Listener
from fieldkit.sources.pipe import CaptureStream
from fieldkit.sources.recording import Recording, RecordingError, Ring
from tests.traffic.decoded import Decoded, decode_files
from tests.traffic.expectations import CAPTURES

SOMETHING = CAPTURES / "made" / "reconnects.pcap"
LONGER = CAPTURES / "ocpp201_vcp_pyocpp_plain.pcap"


class Tap:
    """A source that has each of its items ready when it is asked once more."""

    def __init__(self, name: str, items: Iterable[Item], *, ends: str | None = None) -> None:
        self.name = name
        self.closed = 0
        self.reads = 0
        self.lost = 0
        self._items = list(items)
        self._ends = ends
        # Readable all the time, as the socket of an interface that is down.
        self._reading, self._writing = os.pipe()
        os.write(self._writing, b"x")

    def fileno(self) -> int:
        return self._reading

    def read(self) -> list[Item]:
        self.reads += 1
        return [self._items.pop(0)] if self._items else []

    def tick(self, now: int) -> list[Item]:
        return []

    def counters(self) -> tuple[int, int]:
        return 100, self.lost

    def ended(self) -> str | None:
        return self._ends if not self._items else None

    def close(self) -> None:
        self.closed += 1
        if self.closed == 1:
            os.close(self._reading)
            os.close(self._writing)


def items_of(path: Path) -> list[Item]:
    source = FileSource(str(path))
    try:
        return list(source.items())
    finally:
        source.close()


def in_pieces(path: Path, size: int) -> list[Item]:
    """Its packets, so many in a batch: as they come from a wire."""
    return [
        PacketBatch(
            item.buffer,
            item.starts[at : at + size],
            item.ends[at : at + size],
            item.linktype,
            item.first_frame + at,
            item.layout,
        )
        for item in items_of(path)
        if isinstance(item, PacketBatch)
        for at in range(0, len(item.starts), size)
    ]


def heard(listener: Listener, stop: Callable[[], bool] = lambda: False) -> list[Event]:
    return [event for batch in listener.batches(stop) for event in batch]


def after(seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() >= ends


def test_what_is_heard_recorded_and_read_again_is_the_same(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    listener = Listener([Tap("eth0", in_pieces(LONGER, 7), ends="")], Pipeline(str(recording.path)), recording)
    live = Decoded(heard(listener))
    again = decode_files(recording.path, validate=False)
    assert live.lines == again.lines == decode_files(LONGER).lines
    assert [message.frames for message in live.messages] == [message.frames for message in again.messages]
    assert (listener.packets, listener.failed, listener.recording_failed) == (recording.packets, {}, "")


def test_in_a_ring_frames_are_those_of_the_file_that_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path / "out.pcapng", Ring(50, 1500))
    listener = Listener([Tap("eth0", in_pieces(SOMETHING, 3), ends="")], Pipeline(str(recording.path)), recording)
    live = Decoded(heard(listener))
    assert len(recording.files) > 5
    again = decode_files(*recording.files, validate=False)
    assert live.lines == again.lines == decode_files(SOMETHING).lines
    assert [(message.source, message.frames) for message in live.messages] == [
        (message.source, message.frames) for message in again.messages
    ]


def test_a_real_pipe_is_heard_to_its_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, SOMETHING.read_bytes())
    os.close(writing)
    listener = Listener([CaptureStream(reading, "stdin", FrameNumbers())], Pipeline("stdin"))
    assert Decoded(heard(listener)).lines == decode_files(SOMETHING).lines


def test_a_number_of_packets_is_kept_to_exactly(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    tap = Tap("eth0", in_pieces(SOMETHING, 10))
    listener = Listener([tap], Pipeline("out"), recording, limit=25)
    heard(listener)
    assert (listener.packets, recording.packets, tap.closed) == (25, 25, 1)
    assert decode_files(recording.path).packets == 25


def test_one_source_that_ends_leaves_the_others(tmp_path: Path) -> None:
    listener = Listener(
        [Tap("eth0", [], ends="it was taken away"), Tap("eth1", in_pieces(SOMETHING, 10), ends="")], Pipeline("any")
    )
    events = heard(listener)
    assert Decoded(events).lines == decode_files(SOMETHING).lines
    assert listener.failed == {"eth0": "it was taken away"}
    assert listener.sources == []


def test_sources_that_come_up_later_are_heard() -> None:
    late = [Tap("wwan0", in_pieces(SOMETHING, 10), ends="")]

    def more() -> list[Tap]:
        return [late.pop()] if late else []

    listener = Listener([Tap("eth0", [])], Pipeline("any"), more=more)
    events = heard(listener, after(1.3))
    assert Decoded(events).lines == decode_files(SOMETHING).lines


def test_the_diagnosis_goes_on_when_the_recording_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    write, written = recording.write, 0

    def until_the_disk_is_full(batch: PacketBatch, interface: int) -> list[tuple[Path, PacketBatch]]:
        nonlocal written
        written += len(batch.starts)
        if written > 40:
            raise RecordingError("out.pcapng: the disk is full")
        return write(batch, interface)

    monkeypatch.setattr(recording, "write", until_the_disk_is_full)
    listener = Listener([Tap("eth0", in_pieces(SOMETHING, 10), ends="")], Pipeline("out.pcapng"), recording)
    live = Decoded(heard(listener))
    assert listener.recording_failed == "out.pcapng: the disk is full"
    assert live.lines == decode_files(SOMETHING).lines
    assert live.messages[-1].source == "eth0", "evidence is not looked for in a file that does not have it"
    assert decode_files(recording.path).packets == 40


def test_a_burst_is_recorded_whole_even_if_it_cannot_all_be_diagnosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "WAITING", 1)
    recording = Recording(tmp_path / "out.pcapng")
    listener = Listener([Tap("eth0", in_pieces(SOMETHING, 10), ends="")], Pipeline("out.pcapng"), recording)
    events = heard(listener)
    number = decode_files(SOMETHING).packets
    assert recording.packets == listener.skipped == number
    told = [event for event in events if isinstance(event, CaptureDropped)]
    assert {event.interface for event in told} == {SKIPPED}
    assert sum(event.count for event in told) == number
    assert decode_files(recording.path).lines == decode_files(SOMETHING).lines


def test_what_sources_say_keeps_its_place_among_packets() -> None:
    pieces = in_pieces(SOMETHING, 10)
    listener = Listener(
        [Tap("eth0", [pieces[0], CaptureComment(7, (), "eth0 went down"), pieces[1]], ends="")], Pipeline("x")
    )
    events = heard(listener)
    place = next(number for number, event in enumerate(events) if isinstance(event, CaptureComment))
    assert 0 < place < len(events) - 1


def test_without_a_pipeline_packets_are_recorded_and_sources_still_heard(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    pieces = in_pieces(SOMETHING, 10)
    events = heard(
        Listener([Tap("eth0", [*pieces, CaptureComment(7, (), "eth0 went down")], ends="")], None, recording)
    )
    assert [event.text for event in events if isinstance(event, CaptureComment)] == ["eth0 went down"]
    assert recording.packets == decode_files(SOMETHING).packets


def test_drops_that_a_source_counts_get_into_the_recording(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "out.pcapng")
    tap = Tap("eth0", in_pieces(SOMETHING, 10), ends="")
    tap.lost = 12
    listener = Listener([tap], Pipeline("out.pcapng"), recording)
    heard(listener)
    assert (listener.received, listener.dropped) == (100, 12)
    assert [event.count for event in decode_files(recording.path).of(CaptureDropped)] == [12]


def test_a_source_that_is_always_ready_and_has_nothing_does_not_eat_the_processor() -> None:
    tap = Tap("eth0", [])
    heard(Listener([tap], Pipeline("eth0")), after(0.5))
    assert tap.reads < 60


def test_sources_are_closed_whatever_happens() -> None:
    tap = Tap("eth0", in_pieces(SOMETHING, 10))
    batches = cast(Generator[list[Event], None, None], Listener([tap], Pipeline("eth0")).batches(lambda: False))
    next(batches)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt)
    assert tap.closed == 1


def test_where_nothing_is_recorded_nothing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``zcat large.pcap.gz | fieldkit capture -``: the pipe waits."""
    monkeypatch.setattr(listen, "WAITING", 1)
    tap = Tap("stdin", in_pieces(SOMETHING, 10), ends="")
    listener = Listener([tap], Pipeline("stdin"))
    events = heard(listener)
    assert listener.skipped == 0
    messages = sum(isinstance(event, OcppMessage) for event in events)
    assert messages == len(decode_files(SOMETHING).messages) > 0
