"""WebSocket frames of one direction: what goes in in any pieces must come out the same."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import Connection, DecodeError, Endpoint, Event, WsControl, WsMessage
from fieldkit.wire.budget import Budget
from fieldkit.wire.deflate import Inflater
from fieldkit.wire.websocket import MAX_MESSAGE_BYTES, WebSocketReader, _unmask

LINK = Connection(1, Endpoint("10.0.0.2", 40000), Endpoint("10.0.0.1", 9000), 0, False, "test")
HELLO = b'[2,"1","Heartbeat",{}]'


def frame(opcode: int, payload: bytes, *, mask: bool = True, fin: bool = True, rsv: int = 0) -> bytes:
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    key = b"\x11\x92\xe3\x44"
    return head + key + _unmask(payload, key) if mask else head + payload


class Heard:
    """A reader and what it said."""

    def __init__(self, *, from_client: bool = True, budget: Budget | None = None, **options: object) -> None:
        self.events: list[Event] = []
        self.budget = budget or Budget()
        self.reader = WebSocketReader(LINK, from_client, self.events.append, self.budget, **options)  # type: ignore[arg-type]

    def feed(self, *chunks: bytes) -> Heard:
        for number, chunk in enumerate(chunks, 1):
            self.reader.feed(chunk, number * 1000, (number,))
        return self

    @property
    def texts(self) -> list[bytes]:
        return [e.data for e in self.events if isinstance(e, WsMessage)]

    @property
    def complaints(self) -> list[str]:
        return [e.reason for e in self.events if isinstance(e, DecodeError)]


def test_a_text_message() -> None:
    heard = Heard().feed(frame(1, HELLO))
    assert heard.events == [WsMessage(1000, (1,), LINK, True, True, False, HELLO, 0)]


def test_a_message_over_three_segments_names_all_three() -> None:
    wire = frame(1, HELLO * 20)
    heard = Heard().feed(wire[:3], wire[3:50], wire[50:])
    assert heard.events == [WsMessage(3000, (1, 2, 3), LINK, True, True, False, HELLO * 20, 0)]


def test_evidence_names_only_the_frames_that_carried_the_message() -> None:
    one, two, three = (frame(1, HELLO + b" " * n) for n in range(3))
    heard = Heard().feed(one + two[:5], two[5:] + three[:9], three[9:])
    assert [e.frames for e in heard.events if isinstance(e, WsMessage)] == [(1,), (1, 2), (2, 3)]


def test_several_messages_in_one_segment_share_its_frame() -> None:
    heard = Heard(from_client=False).feed(frame(9, b"", mask=False) + frame(1, HELLO, mask=False) * 2)
    assert [e.frames for e in heard.events] == [(1,)] * 3


def test_control_frames_may_come_between_fragments() -> None:
    """RFC 6455 §5.4."""
    half = len(HELLO) // 2
    wire = frame(1, HELLO[:half], fin=False) + frame(9, b"hb") + frame(0, HELLO[half:])
    heard = Heard().feed(wire)
    assert [type(e) for e in heard.events] == [WsControl, WsMessage]
    assert heard.texts == [HELLO]


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [(b"", None, ""), (b"\x03\xe8", 1000, ""), (b"\x03\xf0d\xc3\xa9sol\xc3\xa9", 1008, "désolé")],
)
def test_close_frames(payload: bytes, code: int | None, reason: str) -> None:
    (event,) = Heard().feed(frame(8, payload)).events
    assert isinstance(event, WsControl)
    assert (event.kind, event.code, event.reason) == ("close", code, reason)


def test_compressed_messages_with_shared_context() -> None:
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    wire = b""
    for _ in range(3):
        wire += frame(1, (z.compress(HELLO) + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)
    heard = Heard(inflater=Inflater()).feed(wire)
    assert heard.texts == [HELLO] * 3
    assert all(e.compressed and not e.missing for e in heard.events if isinstance(e, WsMessage))


def test_compression_without_leave_is_named_once_and_read_all_the_same() -> None:
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    wire = [frame(1, (z.compress(HELLO) + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4) for _ in range(2)]
    heard = Heard().feed(*wire)
    assert heard.texts == [HELLO] * 2
    assert len(heard.complaints) == 1
    assert "not negotiated" in heard.complaints[0]


def test_an_unmasked_client_is_named_once() -> None:
    heard = Heard(from_client=True).feed(frame(1, HELLO, mask=False) * 3)
    assert heard.texts == [HELLO] * 3
    assert len(heard.complaints) == 1
    assert "5.1" in heard.complaints[0]


def test_nonsense_is_named_and_the_next_message_found() -> None:
    heard = Heard().feed(b"\xff\xfe\xfdnonsense", frame(1, HELLO))
    assert heard.texts == [HELLO]
    assert heard.complaints == ["no WebSocket frame begins with these bytes (first 0xff)"]


def test_a_message_behind_nonsense_in_the_same_segment_is_found() -> None:
    assert Heard().feed(b"\xff\x00\x01" + frame(1, HELLO)).texts == [HELLO]


def test_joined_midway_it_waits_for_the_beginning_of_a_message() -> None:
    heard = Heard(aligned=False, handshake_seen=False).feed(b'tatus":"Available"}]', frame(1, HELLO), frame(1, HELLO))
    assert heard.texts == [HELLO] * 2
    assert not heard.complaints


def test_a_gap_inside_a_long_frame_leaves_the_next_one_certain() -> None:
    long = frame(1, b'[3,"1",{"x":"' + b"y" * 5000 + b'"}]')
    heard = Heard()
    heard.feed(long[:1000])
    heard.reader.gap(2000, 2000, (2,))
    # The rest holds what looks like a message: it is the inside of the long one.
    heard.feed(long[3000:] + frame(1, HELLO))
    assert heard.texts == [HELLO]
    assert len(heard.complaints) == 1


def test_after_a_gap_of_unknown_extent_the_next_message_is_found() -> None:
    heard = Heard().feed(frame(1, HELLO))
    heard.reader.gap(700, 2000, (2,))
    heard.feed(b"inside of something" + b"\x00" * 30, frame(1, HELLO))
    assert heard.texts == [HELLO] * 2


def test_an_oversized_frame_is_passed_over_not_held() -> None:
    size = MAX_MESSAGE_BYTES + 10
    heard = Heard(from_client=False).feed(b"\x81\x7f" + struct.pack(">Q", size) + b"[" + b"x" * 99)
    rest = size - 100
    while rest:
        heard.reader.feed(b"y" * min(65536, rest), 0, (9,))
        rest -= min(65536, rest)
        assert heard.budget.used == 0
    heard.feed(frame(1, HELLO, mask=False))
    assert heard.texts == [HELLO]
    assert len(heard.complaints) == 1
    assert f"{MAX_MESSAGE_BYTES:,}" in heard.complaints[0]


def test_a_lying_length_does_not_silence_the_connection() -> None:
    heard = Heard(from_client=False).feed(
        b"\x81\x7f" + struct.pack(">Q", 4 << 30) + b"[2,", frame(1, HELLO, mask=False)
    )
    assert heard.texts == [HELLO]


def test_a_segment_at_a_time_costs_no_more_than_all_at_once() -> None:
    """A megabyte in 700 pieces must not be joined 700 times (that took seconds)."""
    text = b'[3,"1",{"x":"' + b"y" * 1_000_000 + b'"}]'
    wire = frame(1, text)
    heard = Heard().feed(*(wire[at : at + 1448] for at in range(0, len(wire), 1448)))
    assert heard.texts == [text]
    assert heard.budget.used == 0


def test_the_shared_budget_is_kept() -> None:
    budget = Budget(1000)
    first, second = Heard(budget=budget), Heard(budget=budget)
    wire = frame(1, b"[" + b"x" * 2000)
    first.feed(wire[:900])
    second.feed(wire[:900])
    assert budget.used == 900
    assert "waiting" in second.complaints[0]


def test_the_end_in_the_middle_of_a_message_is_named() -> None:
    heard = Heard().feed(frame(1, HELLO)[:-3])
    heard.reader.finish(9000, (9,))
    assert heard.complaints == ["the connection ended in the middle of a message"]
    assert heard.budget.used == 0


MESSAGES = st.lists(
    st.tuples(st.sampled_from([1, 2, 9, 10]), st.binary(max_size=120), st.booleans()), min_size=1, max_size=6
)


@given(MESSAGES, st.data())
def test_any_cut_gives_the_same_events(messages: list[tuple[int, bytes, bool]], data: st.DataObject) -> None:
    wire = b""
    for opcode, payload, split in messages:
        if split and opcode < 8 and len(payload) > 1:
            wire += frame(opcode, payload[:1], fin=False) + frame(0, payload[1:])
        else:
            wire += frame(opcode, payload)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True) if a < b]

    def heard(pieces: list[bytes]) -> list[object]:
        reader = Heard().feed(*pieces)
        return [
            (e.text, e.data) if isinstance(e, WsMessage) else (e.kind, e.payload) if isinstance(e, WsControl) else e
            for e in reader.events
        ]

    whole = heard([wire])
    assert heard(chunks) == whole
    assert heard([wire[i : i + 1] for i in range(len(wire))]) == whole
    assert len(whole) == len(messages)


def test_a_message_in_very_many_segments_names_them_all_without_counting_them_over_and_over() -> None:
    wire = frame(1, b"x" * 40_000)
    heard = Heard().feed(*(wire[at : at + 1] for at in range(len(wire))))
    assert heard.texts == [b"x" * 40_000]
    assert heard.events[0].frames == tuple(range(1, len(wire) + 1))


def test_what_one_block_inflates_to_is_bounded_over_all_messages() -> None:
    def bomb() -> bytes:
        z = zlib.compressobj(wbits=-15)
        return frame(1, (z.compress(b"a" * MAX_MESSAGE_BYTES) + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)

    heard = Heard(inflater=Inflater(takeover=False))
    most = heard.budget.inflatable // MAX_MESSAGE_BYTES
    heard.feed(*[bomb()] * (most + 3))
    assert len(heard.texts) == most
    assert len(heard.complaints) == 3
    heard.budget.inflatable = MAX_MESSAGE_BYTES
    heard.feed(bomb())
    assert len(heard.texts) == most + 1


@given(st.lists(st.binary(max_size=80), max_size=10), st.booleans())
def test_arbitrary_bytes_do_no_harm(chunks: list[bytes], from_client: bool) -> None:
    heard = Heard(from_client=from_client).feed(*chunks)
    heard.reader.gap(10, 99, (99,))
    heard.feed(b"?", frame(1, HELLO, mask=from_client))
    heard.reader.finish(100, (100,))
    assert heard.budget.used == 0
    assert all(e.time and e.frames for e in heard.events)
