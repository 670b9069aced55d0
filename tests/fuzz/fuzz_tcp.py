"""TCP: segments of several connections, through the flow table to whatever speaks in them.

The first byte of an input chooses between two kinds of traffic. In *wild* traffic the input decides of every segment
what it says of itself; what it carries is true or not. In *honest* traffic two hosts speak WebSocket, and the input
decides how their bytes are cut into segments and in which order, and how often, those are captured: then every message
must come out as it was said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from tests.fuzz.harness import Decisions, fuzz, instrumented, mutate_bytes, saved_seeds
from tests.fuzz.packetwriter import ACK, FILE_HEADER, FIN, PSH, RST, SYN, Address, packet, record

with instrumented(__name__):
    from fieldkit.events import DecodeError, Event, PacketBatch, StreamGap, WsMessage
    from fieldkit.wire.flows import FlowTable
    from fieldkit.wire.pcap import PcapReader
    from fieldkit.wire.tlskeys import KeyLog
    from tests.fuzz.promises import check_events, check_lives
    from tests.traffic.frames import FrameSender

MAX_SEGMENTS = 150
BEGIN = 1_700_000_000 * 10**9

UPGRADE = (
    b"GET /ocpp/CP_7 HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n%s\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def one_input(data: bytes) -> None:
    decisions = Decisions(data)
    first = decisions.byte()
    if first & 1:
        honest(decisions, first >> 1)
    else:
        wild(decisions, first >> 1)


def decode(capture: bytes, budget: int = 0) -> list[Event]:
    """Everything that is said in a capture, and that nothing is left behind."""
    events: list[Event] = []
    table = FlowTable("fuzz", events.append, KeyLog())
    if budget:
        table._budget.limit = budget
    reader = PcapReader()
    for item in (*reader.feed(capture), *reader.finish()):
        assert isinstance(item, PacketBatch), item
        table.feed(item)
    table.finish()
    assert table._budget.used == 0, f"{table._budget.used} bytes are never given back"
    assert not table._connections
    assert not table._holes
    check_events(events, table.packets, len(capture))
    check_lives(events)
    return events


# --------------------------------------------------------------------------------------------------------------- wild

_FLAGS = (ACK | PSH, ACK, ACK | PSH, SYN, SYN | ACK, FIN | ACK, RST, RST | ACK, 0, 0x3F)
_JUMPS = (0, 0, 0, 0, 1, -1, 100, -100, 1448, -3000, 70_000, 17 << 20, 1 << 31)
_STEPS = (1_000, 1_000, 200_000, 1_000_000, 400_000_000, 1_100_000_000, 125_000_000_000, 0, -5_000_000)
_TRUTHS: Sequence[bytes] = (
    UPGRADE,
    SWITCHING % b"",
    SWITCHING % DEFLATE,
    b'\x81\x1b[2,"1","Heartbeat",{ "a":1}]',
    b'\x81\x8b\x00\x00\x00\x00[3,"1",{ } ]',
    b"\xc1\x07\xaa\x56\x4a\xce\xcf\xcd\x05\x00",
    b"\x89\x00\x8a\x02hb\x88\x02\x03\xe8",
    b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00",
    b"\x17\x03\x03\x00\x20" + bytes(32),
    b"POST /cs HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>",
)


class _Host:
    def __init__(self, address: Address, seq: int) -> None:
        self.address = address
        self.next = seq


def wild(decisions: Decisions, options: int) -> None:
    hosts = [
        (_Host((bytes([10, 0, 0, 1 + number]), 50_000), 1_000), _Host((b"\x0a\x00\x00\x09", 9000), 0xFFFF_FF00))
        for number in range(3)
    ]
    hosts.append((_Host((bytes(15) + b"\x01", 50_000), 0), _Host((bytes(15) + b"\x02", 9000), 77)))
    records = [FILE_HEADER]
    time = BEGIN
    while decisions and len(records) <= MAX_SEGMENTS:
        who = decisions.byte()
        sides = hosts[who & 3]
        sender, receiver = sides if who & 4 else sides[::-1]
        flags = _FLAGS[decisions.below(len(_FLAGS))]
        jumps = decisions.byte()
        seq = sender.next + _JUMPS[(jumps & 15) % len(_JUMPS)]
        ack = receiver.next + _JUMPS[(jumps >> 4) % len(_JUMPS)]
        if who & 0x80:
            seq = decisions.number()
        what = decisions.byte()
        if what < 64:
            payload = b""
        elif what < 160:
            payload = _TRUTHS[what % len(_TRUTHS)]
            if what & 1:
                cut = decisions.below(len(payload))
                payload = payload[cut:] if what & 2 else payload[:cut]
        else:
            payload = decisions.take(what - 160)
        time += _STEPS[decisions.below(len(_STEPS))]
        data = packet(sender.address, receiver.address, seq, ack, flags, payload)
        if who & 0x40:
            records.append(record(time, data[: decisions.below(len(data) + 1)], len(data)))
        else:
            records.append(record(time, data))
        sender.next = (seq + len(payload) + (flags & SYN > 0) + (flags & FIN > 0)) % (1 << 32)
    decode(b"".join(records), budget=(0, 0, 1, 300)[options & 3])


# ------------------------------------------------------------------------------------------------------------- honest


class _Segment(NamedTuple):
    from_client: bool
    at: int
    """Where in what this side says."""
    data: bytes


class _Speech:
    """What one side says, cut into segments."""

    def __init__(self, from_client: bool, data: bytes, begin: int, sizes: Callable[[], int]) -> None:
        self.from_client = from_client
        self.data = data
        self.begin = begin
        """Sequence number of its first byte."""
        self.segments: list[_Segment] = []
        at = 0
        while at < len(data):
            size = max(sizes(), 1)
            self.segments.append(_Segment(from_client, at, data[at : at + size]))
            at += size

    def between(self, begin: int, end: int) -> _Segment:
        return _Segment(self.from_client, begin, self.data[begin:end])


def honest(decisions: Decisions, options: int) -> None:
    """Nothing is missing in the end, so nothing may be missing."""
    deflate = bool(options & 1)
    speeches, said = _conversation(decisions, deflate)
    events = decode(_captured(decisions, speeches, closes=bool(options & 2)))
    for from_client in (True, False):
        heard = [event.data for event in events if isinstance(event, WsMessage) and event.from_client is from_client]
        assert heard == said[from_client], f"heard {heard} of {said[from_client]}"
    for event in events:
        assert not isinstance(event, StreamGap | DecodeError), event


def _conversation(decisions: Decisions, deflate: bool) -> tuple[dict[bool, list[_Speech]], dict[bool, list[bytes]]]:
    """Two speeches for each side: the handshake, and the messages."""
    senders = {
        side: FrameSender(from_client=side, random=Random(decisions.byte()), deflate=deflate) for side in (True, False)
    }
    said: dict[bool, list[bytes]] = {True: [], False: []}
    wire = {True: bytearray(), False: bytearray()}
    for number in range(1 + decisions.below(8)):
        side = bool(decisions.byte() & 1)
        text = json.dumps([2, str(number), "DataTransfer", {"data": "x" * decisions.below(1200)}]).encode()
        cuts = [decisions.below(len(text)) for _ in range(decisions.below(3))]
        said[side].append(text)
        wire[side] += b"".join(senders[side].message(text, cuts=cuts))
        if not decisions.below(4):
            wire[side] += senders[side].control(9 + decisions.below(2), b"hb")
    first = {True: decisions.number(), False: decisions.number()}
    greeting = {True: UPGRADE, False: SWITCHING % (DEFLATE if deflate else b"")}
    sizes: Callable[[], int] = lambda: (1448, 536, 100, 1 + decisions.byte() % 40)[decisions.byte() & 3]  # noqa: E731
    speeches = {
        side: [
            _Speech(side, greeting[side], first[side] + 1, sizes),
            _Speech(side, bytes(wire[side]), first[side] + 1 + len(greeting[side]), sizes),
        ]
        for side in (True, False)
    }
    return speeches, said


def _captured(decisions: Decisions, speeches: dict[bool, list[_Speech]], *, closes: bool) -> bytes:
    hosts: dict[bool, Address] = {True: (b"\x0a\x00\x00\x01", 50_000), False: (b"\x0a\x00\x00\x02", 9000)}
    records = [FILE_HEADER]
    time = BEGIN
    arrived: dict[bool, set[int]] = {True: set(), False: set()}

    complete = {side: speeches[side][0].begin for side in (True, False)}
    """The byte up to which all was captured: a host never acknowledges more."""

    def capture(side: bool, seq: int, flags: int, data: bytes = b"") -> None:
        nonlocal time
        time += 150_000
        arrived[side].update(range(seq, seq + len(data)))
        while complete[side] in arrived[side]:
            complete[side] += 1
        ack = complete[not side] if flags & ACK else 0
        records.append(record(time, packet(hosts[side], hosts[not side], seq, ack, flags, data)))

    capture(True, complete[True] - 1, SYN)
    capture(False, complete[False] - 1, SYN | ACK)
    capture(True, complete[True], ACK)
    for turn, side in ((0, True), (0, False), (1, True), (1, False)):
        speech = speeches[side][turn]
        if turn and side:
            # From here on both may speak at once.
            segments = _mixed(decisions, speech.segments, speeches[False][1].segments)
        elif turn:
            break
        else:
            segments = speech.segments
        for segment in _jumbled(decisions, segments, speeches, turn):
            begin = speeches[segment.from_client][turn].begin
            capture(segment.from_client, begin + segment.at, ACK | PSH, segment.data)
            if not decisions.below(3):
                other = not segment.from_client
                capture(other, max(arrived[other], default=complete[other] - 1) + 1, ACK)
    if closes:
        capture(True, complete[True], FIN | ACK)
        capture(False, complete[False], FIN | ACK)
    return b"".join(records)


def _mixed(decisions: Decisions, mine: list[_Segment], yours: list[_Segment]) -> list[_Segment]:
    mixed: list[_Segment] = []
    queues = [list(reversed(mine)), list(reversed(yours))]
    while queues[0] or queues[1]:
        queue = queues[decisions.byte() & 1]
        mixed.append((queue or queues[0] or queues[1]).pop())
    return mixed


def _jumbled(
    decisions: Decisions, segments: list[_Segment], speeches: dict[bool, list[_Speech]], turn: int
) -> Iterator[_Segment]:
    """The segments as they are captured: some late, some twice, some cut anew."""
    late: list[_Segment] = []
    sent = {True: 0, False: 0}
    for segment in segments:
        sent[segment.from_client] = segment.at + len(segment.data)
        fate = decisions.byte() % 16
        if fate < 3:
            late.append(segment)
            continue
        yield segment
        if fate < 5:
            yield segment
        elif fate < 7 and late:
            yield late.pop(decisions.below(len(late)))
        elif fate < 9:
            # A piece of what was sent so far, cut differently.
            end = 1 + decisions.below(sent[segment.from_client])
            begin = decisions.below(end)
            yield speeches[segment.from_client][turn].between(begin, end)
    while late:
        yield late.pop(decisions.below(len(late)))


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_tcp")
    random = Random(7)
    for first in range(8):
        for size in (40, 120, 300):
            yield bytes((first,)) + random.randbytes(size)


mutate = mutate_bytes

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
