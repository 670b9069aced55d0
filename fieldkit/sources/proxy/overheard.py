"""The listening process: what the relay tells becomes packets for the recording and events for the diagnosis.

What is decoded is the station's leg: what the station said as it came, and what it was told as it was sent, faults
included. Recording comes first; when decoding fails, it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from fieldkit.events import (
    CaptureComment,
    Connection,
    DecodeError,
    Endpoint,
    Event,
    PacketBatch,
    StreamBytes,
    TlsHello,
)
from fieldkit.pipeline import Pipeline
from fieldkit.sources.proxy.frames import MessageCutter
from fieldkit.sources.proxy.packets import SEGMENT, TcpTalk
from fieldkit.sources.proxy.secretkeeping import MAX_SEARCHED, without_credentials, without_secrets
from fieldkit.sources.proxy.tap import Record, What, gap_of
from fieldkit.sources.recording import Recording, RecordingError

PATIENCE: Final = 2_000_000_000
"""ns that the pieces of a message may take before what there is of it is recorded and decoded as it is."""

_ETHERNET: Final = 1


class _Moment:
    """The layout of packets that all have one time."""

    __slots__ = ("_time",)

    def __init__(self, time: int) -> None:
        self._time = time

    def time(self, buffer: bytes, start: int) -> int:
        return self._time

    def interface(self, buffer: bytes, start: int) -> int:
        return 0


class _Side:
    """One side of a connection that speaks WebSocket."""

    __slots__ = ("cutter", "held", "passing", "since", "size", "unsure")

    def __init__(self) -> None:
        self.cutter = MessageCutter()
        self.held: list[bytes] = []
        self.size = 0
        self.since = 0
        self.passing = False
        """A message that is too long or too slow goes by as it is."""
        self.unsure = False
        """The place in the stream is not certain any more: nothing is searched."""


class _Talk:
    """One connection."""

    __slots__ = ("connection", "ended", "first_end", "sides", "tcp")

    def __init__(self, connection: Connection, tcp: TcpTalk) -> None:
        self.connection = connection
        self.tcp = tcp
        self.sides: tuple[_Side, _Side] | None = None
        self.ended = [False, False]
        self.first_end: bool | None = None


class Overheard:
    """Records in, events out."""

    def __init__(
        self,
        pipeline: Pipeline,
        recording: Recording | None,
        *,
        name: str,
        description: str,
        include_secrets: bool = False,
    ) -> None:
        """``name`` and ``description`` of the interface in the recording. RecordingError when it cannot be begun."""
        self.recording_failed = ""
        """Why the recording ended early."""
        self.decoding_failed = ""
        """Why nothing is decoded any more."""
        self.first = self.last = 0
        """Times of the first and the last record."""
        self.bytes = 0
        self.packets = 0
        self.ended: dict[str, Any] | None = None
        """What the relay counted, once it has ended."""
        self.notes: dict[str, int] = {}
        """What was said with connections, and how often."""
        self._pipeline = pipeline
        self._recording = recording
        self._include_secrets = include_secrets
        self._interface = recording.add_interface(name, _ETHERNET, description) if recording is not None else 0
        self._talks: dict[int, _Talk] = {}
        self._waiting: set[int] = set()  # connections with a message that is not whole
        self._events: list[Event] = []
        self._handlers: dict[What, Callable[[Record], None]] = {
            What.OPENED: self._opened,
            What.HEAD: self._head,
            What.STATION: self._bytes,
            What.CSMS: self._bytes,
            What.GAP: self._gap,
            What.UPGRADED: self._upgraded,
            What.FIN: self._end,
            What.RST: self._end,
            What.NOTE: self._note,
            What.SECURED: self._secured,
            What.LOST: self._lost,
            What.BEGIN: lambda record: None,
            What.END: self._over,
        }

    def feed(self, record: Record) -> list[Event]:
        """The next record."""
        self.first = self.first or record.time
        self.last = max(self.last, record.time)
        self._handlers[record.what](record)
        events, self._events = self._events, []
        return events

    def tick(self, now: int) -> list[Event]:
        """Look after messages whose rest does not come."""
        for number in tuple(self._waiting):
            talk = self._talks[number]
            for from_station in (True, False):
                assert talk.sides is not None
                side = talk.sides[not from_station]
                if side.held and now - side.since > PATIENCE:
                    self._release(talk, side, from_station, now)
        events, self._events = self._events, []
        return events

    def finish(self, time: int) -> list[Event]:
        """The end: connections that are open stay so in the recording."""
        for talk in tuple(self._talks.values()):
            self._flush(talk, time)
            self._decode(lambda talk=talk: self._pipeline.close(talk.connection, "end-of-capture", None, time))  # type: ignore[misc]
        self._talks.clear()
        self._decode(self._pipeline.finish)
        if self._recording is not None:
            try:
                self._recording.count(self._interface, time, self.packets, 0)
                self._recording.close()
            except RecordingError as error:
                self._give_up(error)
        events, self._events = self._events, []
        return events

    # ---------------------------------------------------------------------------------------------------- records

    def _opened(self, record: Record) -> None:
        client_host, client_port, server_host, server_port = json.loads(record.data)
        client, server = Endpoint(client_host, client_port), Endpoint(server_host, server_port)
        tcp = TcpTalk(client, server)
        frames = self._record(tcp.begin(), record.time)
        self._talks[record.connection] = _Talk(self._pipeline.open(client, server, record.time, frames[:1]), tcp)

    def _head(self, record: Record) -> None:
        talk = self._talks.get(record.connection)
        if talk is not None:
            safe = record.data if self._include_secrets else without_credentials(record.data)
            self._take(talk, True, record.data, safe, record.time)

    def _bytes(self, record: Record) -> None:
        talk = self._talks.get(record.connection)
        if talk is None:
            return
        from_station = record.what is What.STATION
        data, time = record.data, record.time
        side = talk.sides[not from_station] if talk.sides is not None else None
        if side is None or self._include_secrets or self._recording is None or side.unsure:
            self._take(talk, from_station, data, data, time)
            return
        side.cutter.feed(data)
        if side.passing:
            side.passing = not side.cutter.between
            self._take(talk, from_station, data, data, time)
            return
        if not side.held:
            side.since = time
        side.held.append(data)
        side.size += len(data)
        if side.cutter.between or side.size > MAX_SEARCHED:
            self._release(talk, side, from_station, time)
        else:
            self._waiting.add(talk.connection.number)

    def _release(self, talk: _Talk, side: _Side, from_station: bool, time: int) -> None:
        """Record and decode what waited: whole messages without their secrets, all else as it is."""
        data = side.held[0] if len(side.held) == 1 else b"".join(side.held)
        side.held, side.size = [], 0
        whole = side.cutter.between
        side.passing = not whole
        safe, unsure = without_secrets(data)
        self._take(talk, from_station, data, safe, time)
        if unsure:
            self.notes.setdefault(_COMPRESSED, 1)
        if talk.sides is not None and not any(one.held for one in talk.sides):
            self._waiting.discard(talk.connection.number)

    def _flush(self, talk: _Talk, time: int) -> None:
        if talk.sides is not None:
            for from_station in (True, False):
                side = talk.sides[not from_station]
                if side.held:
                    self._release(talk, side, from_station, time)

    def _gap(self, record: Record) -> None:
        talk = self._talks.get(record.connection)
        if talk is None:
            return
        from_station, missing = gap_of(record.data)
        self._flush(talk, record.time)
        if talk.sides is not None:
            talk.sides[not from_station].unsure = True
        frames = self._record(talk.tcp.missed(from_station, missing), record.time)
        self._decode(lambda: self._pipeline.gap(talk.connection, from_station, missing, record.time, frames))

    def _upgraded(self, record: Record) -> None:
        talk = self._talks.get(record.connection)
        if talk is not None:
            talk.sides = (_Side(), _Side())

    def _end(self, record: Record) -> None:
        talk = self._talks.get(record.connection)
        if talk is None:
            return
        self._flush(talk, record.time)
        by_station = record.data == b"\1"
        if record.what is What.RST:
            frames = self._record(talk.tcp.reset(by_station), record.time)
            if talk.first_end is None:
                self._close(record, talk, "rst", by_station, frames)
            else:
                self._close(record, talk, "fin", talk.first_end, frames)
            return
        frames = self._record(talk.tcp.end(by_station), record.time)
        if talk.first_end is None:
            talk.first_end = by_station
        talk.ended[by_station] = True
        if all(talk.ended):
            self._close(record, talk, "fin", talk.first_end, frames)

    def _close(self, record: Record, talk: _Talk, how: Any, by_station: bool, frames: tuple[int, ...]) -> None:
        del self._talks[record.connection]
        self._waiting.discard(talk.connection.number)
        self._decode(lambda: self._pipeline.close(talk.connection, how, by_station, record.time, frames[:1]))

    def _secured(self, record: Record) -> None:
        """The recording has no TLS in it, but whoever judges must know that there was."""
        talk = self._talks.get(record.connection)
        if talk is None:
            return
        facts = json.loads(record.data)
        frames = self._record(talk.tcp.remark(), record.time, f"fieldkit: TLS with the station: {facts['text']}")
        self._events.append(taken_off(record.time, frames, talk.connection, **facts))

    def _note(self, record: Record) -> None:
        text = record.data.decode("utf-8", "replace")
        talk = self._talks.get(record.connection)
        frames: tuple[int, ...] = ()
        if talk is not None:
            frames = self._record(talk.tcp.remark(), record.time, f"fieldkit: {text}")
        self._count(text)
        self._events.append(CaptureComment(record.time, frames, text))

    def _lost(self, record: Record) -> None:
        number = int(record.data)
        text = f"{number} connections are not in the recording: decoding was too slow when they began"
        self._count(text)
        self._events.append(DecodeError(record.time, (), None, "container", text, b"", 0))

    def _over(self, record: Record) -> None:
        self.ended = json.loads(record.data)

    # ----------------------------------------------------------------------------------------------------- both ways

    def _take(self, talk: _Talk, from_station: bool, data: bytes, safe: bytes, time: int) -> None:
        """Bytes of one side: ``safe`` to the recording, ``data`` to the decoder, cut alike."""
        frames = self._record(talk.tcp.said(from_station, safe), time)
        self.bytes += len(data)
        if self.decoding_failed:
            return
        for number, at in enumerate(range(0, len(data), SEGMENT)):
            piece = data if len(data) <= SEGMENT else data[at : at + SEGMENT]
            item = StreamBytes(time, frames[number : number + 1], talk.connection, from_station, piece)
            self._decode(lambda item=item: self._pipeline.feed_bytes(item))  # type: ignore[misc]

    def _decode(self, step: Callable[[], list[Event]]) -> None:
        if self.decoding_failed:
            return
        try:
            self._events += step()
        except Exception as error:  # a decoder that fails must not take the recording with it
            self.decoding_failed = f"{type(error).__name__}: {error}"
            self._events.append(
                DecodeError(self.last, (), None, "container", f"decoding failed ({self.decoding_failed})", b"", 0)
            )

    def _record(self, packets: list[bytes], time: int, comment: str = "") -> tuple[int, ...]:
        """Write packets; returns their numbers in the recording, none without one."""
        self.packets += len(packets)
        if self._recording is None or not packets:
            return ()
        starts, ends, at = [], [], 0
        for packet in packets:
            starts.append(at)
            at += len(packet)
            ends.append(at)
        batch = PacketBatch(b"".join(packets), starts, ends, _ETHERNET, 1, _Moment(time))
        try:
            if comment:
                written = self._recording.remark(batch, self._interface, comment)
            else:
                written = self._recording.write(batch, self._interface)
        except RecordingError as error:
            self._give_up(error)
            return ()
        numbers: list[int] = []
        for path, part in written:
            if str(path) != self._pipeline.source:
                self._pipeline.rename(str(path))
            numbers += range(part.first_frame, part.first_frame + len(part.starts))
        return tuple(numbers)

    def _give_up(self, error: RecordingError) -> None:
        self.recording_failed = str(error)
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                recording.close()
            except RecordingError as again:
                self.recording_failed = self.recording_failed or str(again)

    def _count(self, text: str) -> None:
        if text in self.notes or len(self.notes) < _MAX_NOTES:
            self.notes[text] = self.notes.get(text, 0) + 1


def taken_off(
    time: int,
    frames: tuple[int, ...],
    connection: Connection,
    *,
    version: int,
    suite: int,
    server_name: str,
    resumed: bool,
    text: str,
) -> TlsHello:
    """What is known of a handshake that somebody else has made."""
    return TlsHello(
        time, frames, connection, False, version, (version,), (suite,) if suite else (), (), (), (), (), server_name,
        (), resumed, False,
    )  # fmt: skip


_MAX_NOTES: Final = 50
_COMPRESSED: Final = (
    "the recording holds compressed messages, in which passwords cannot be overwritten: treat it as confidential"
)
