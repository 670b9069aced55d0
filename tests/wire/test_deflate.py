"""permessage-deflate as an onlooker reads it."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from fieldkit.wire.deflate import WINDOW, Inflater

LIMIT = 1 << 20


class Sender:
    """The other end: compresses with context takeover (RFC 7692 §7.2.1)."""

    def __init__(self) -> None:
        self._z = zlib.compressobj(6, zlib.DEFLATED, -15)

    def message(self, text: bytes) -> bytes:
        return (self._z.compress(text) + self._z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def heartbeat(number: int) -> bytes:
    return b'[2,"%d","StatusNotification",{"connectorId":1,"status":"Available","errorCode":"NoError"}]' % number


def test_messages_share_a_context() -> None:
    sender, reader = Sender(), Inflater()
    for number in range(5):
        assert reader.inflate(sender.message(heartbeat(number)), LIMIT) == (heartbeat(number), 0)


def test_without_takeover_each_message_stands_alone() -> None:
    reader = Inflater(takeover=False)
    for number in range(3):
        assert reader.inflate(Sender().message(heartbeat(number)), LIMIT) == (heartbeat(number), 0)


def test_joined_midway_holes_are_counted_and_close() -> None:
    sender, reader = Sender(), Inflater(known=False)
    for number in range(10):
        sender.message(heartbeat(number))
    text, missing = reader.inflate(sender.message(heartbeat(10)), LIMIT) or (b"", 0)
    assert len(text) == len(heartbeat(10))
    assert missing == text.count(0) > 0
    # What is not a hole is true.
    assert all(seen in (0, real) for seen, real in zip(text, heartbeat(10), strict=True))


def test_joined_midway_a_new_text_is_whole_at_once() -> None:
    sender, reader = Sender(), Inflater(known=False)
    sender.message(heartbeat(1))
    fresh = bytes(range(1, 200))
    assert reader.inflate(sender.message(fresh), LIMIT) == (fresh, 0)


def test_joined_midway_everything_is_known_once_the_window_has_passed() -> None:
    sender, reader = Sender(), Inflater(known=False)
    sender.message(heartbeat(1))
    import random

    filler = bytes(random.Random(7).choices(range(1, 256), k=WINDOW + 1000))
    reader.inflate(sender.message(filler), LIMIT)
    assert reader.inflate(sender.message(heartbeat(2)), LIMIT) == (heartbeat(2), 0)


def test_a_lost_message_never_yields_wrong_text() -> None:
    sender, reader = Sender(), Inflater()
    reader.inflate(sender.message(heartbeat(1)), LIMIT)
    sender.message(heartbeat(2))  # not in the capture
    reader.lose_context()
    text, missing = reader.inflate(sender.message(heartbeat(3)), LIMIT) or (b"", 0)
    assert missing == text.count(0) > 0
    assert all(seen in (0, real) for seen, real in zip(text, heartbeat(3), strict=True))


def test_a_final_block_ends_the_stream_but_not_the_reader() -> None:
    """RFC 7692 §7.2.3.4: some senders finish their DEFLATE stream with every message."""
    reader = Inflater()
    for number in range(3):
        z = zlib.compressobj(6, zlib.DEFLATED, -15)
        data = z.compress(heartbeat(number)) + z.flush(zlib.Z_FINISH)
        assert reader.inflate(data, LIMIT) == (heartbeat(number), 0)


def test_a_bomb_stops_at_the_limit() -> None:
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = z.compress(bytes(64 << 20)) + z.flush(zlib.Z_SYNC_FLUSH)
    assert Inflater().inflate(bomb[:-4], LIMIT) is None


@given(st.binary(max_size=400))
def test_anything_else_is_refused_quietly(data: bytes) -> None:
    reader = Inflater()
    result = reader.inflate(data, 4096)
    assert result is None or len(result[0]) <= 4096
    # … and the reader is still of use
    reader.lose_context()
    fresh = bytes(range(1, 100))
    assert reader.inflate(Sender().message(fresh), LIMIT) == (fresh, 0)
