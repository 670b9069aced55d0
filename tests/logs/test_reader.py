"""The way in: any log, any encoding, any chunks, any bytes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import DecodeError, LoggedFrame
from fieldkit.logs import LogReader, looks_like_log

CALL = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2026-11-21T08:49:50Z"}]'


def read(data: bytes, step: int = 0, around: int | None = None) -> list[LoggedFrame | DecodeError]:
    reader = LogReader("log", around=around)
    found: list[LoggedFrame | DecodeError] = []
    for begin in range(0, len(data), step or len(data) or 1):
        found += reader.feed(data[begin : begin + (step or len(data))])
    return found + reader.finish()


def frames(text: str, around: int | None = None) -> list[LoggedFrame]:
    return [item for item in read(text.encode(), around=around) if isinstance(item, LoggedFrame)]


def moment(frame: LoggedFrame) -> str:
    assert frame.time is not None
    return datetime.fromtimestamp(frame.time / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"2026-11-21 08:49:50 recv {CALL}\n", "text"),
        (f"[INFO] 2026-11-21 08:49:50 recv {CALL}\n", "text"),
        (f"{CALL}\n{ANSWER}\n", "text"),
        (f"[\n 2,\n '1',\n 'Heartbeat', {{}} ]\nrecv {ANSWER}\n", "text"),
        ('{"msg":"[2,\\"1\\",\\"Heartbeat\\",{}]"}\n', "JSON, one object a line"),
        ('[["2026-11-21T08:49:50Z", [2,"1","Heartbeat",{}]],\n["x", [3,"1",{}]]]\n', "a JSON document"),
        ('[["2026-11-21T08:49:50Z", [2,"1","Heartbeat",{}]], ["x", [3,"1",{}]]]\n', "a JSON document"),
        ('{\n "msg": [2,"1","Heartbeat",{}]\n}\n', "a JSON document"),
        ('["a", [2,"1","Heartbeat",{}]]\n["b", [3,"1",{}]]\n', "JSON, one array a line"),
        ('time,message\n2026-11-21T08:49:50Z,"[2,""1"",""Heartbeat"",{}]"\n', "a table"),
        ('<tr><td><pre>[2,&quot;1&quot;,&quot;Heartbeat&quot;,{}]</pre></td></tr>\n', "text"),
    ],
)  # fmt: skip
def test_the_kind_of_file_is_told_by_its_beginning(text: str, kind: str) -> None:
    reader = LogReader("log")
    found = reader.feed(text.encode()) + reader.finish()
    assert reader.format == kind
    assert all(isinstance(item, LoggedFrame) for item in found), found
    assert reader.frames_found == len(found) > 0
    assert reader.lines == text.count("\n")


def test_lines_without_frames_are_counted() -> None:
    reader = LogReader("log")
    reader.feed(b"nothing\n" * 100 + CALL.encode() + b"\n" + b"nothing\n" * 100 + b"unended")
    reader.finish()
    assert reader.lines == 202
    assert reader.frames_found == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("step", [0, 1, 3])
def test_encodings(encoding: str, step: int) -> None:
    text = '2026-11-21 08:49:50 Säule: receive message [2,"1","DataTransfer",{"data":"größer"}]\n'
    (frame,) = read(text.encode(encoding), step)
    assert isinstance(frame, LoggedFrame)
    assert frame.text == '[2,"1","DataTransfer",{"data":"größer"}]'
    assert frame.station == "Säule"


def test_one_line_in_another_encoding_does_not_spoil_the_others() -> None:
    data = 'recv [2,"1","A",{"b":"ä€"}]\n'.encode() + 'recv [2,"2","A",{"b":"ä"}]\n'.encode("latin-1")
    first, second = read(data)
    assert isinstance(first, LoggedFrame)
    assert isinstance(second, LoggedFrame)
    assert first.text == '[2,"1","A",{"b":"ä€"}]'
    assert second.text == '[2,"2","A",{"b":"ä"}]'


def test_carriage_returns_alone() -> None:
    found = frames(f"recv {CALL}\rsent {ANSWER}\r")
    assert [frame.frames for frame in found] == [(1,), (2,)]


class TestTimes:
    def test_a_zone_is_assumed_once_it_is_needed(self) -> None:
        reader = LogReader("log")
        (frame,) = reader.feed(f"2026-11-21 08:49:50 recv {CALL}\n".encode()) + reader.finish()
        assert isinstance(frame, LoggedFrame)
        assert moment(frame) == "2026-11-21 08:49:50"
        assert reader.zone_assumed

    def test_an_offset_that_is_given_is_used(self) -> None:
        reader = LogReader("log", utc_offset=3600)
        (frame,) = reader.feed(f"2026-11-21 08:49:50 recv {CALL}\n".encode()) + reader.finish()
        assert isinstance(frame, LoggedFrame)
        assert moment(frame) == "2026-11-21 07:49:50"
        assert not reader.zone_assumed

    def test_a_time_of_day_gets_its_date_from_a_later_message_and_passes_midnight(self) -> None:
        reader = LogReader("log")
        late = '[2,"2","Heartbeat",{}]'
        answer = ANSWER.replace("21T08:49:50", "20T23:59:58")
        text = f"23:59:58.100 << {CALL}\n23:59:58.200 >> {answer}\n00:00:01.000 << {late}\n"
        found = reader.feed(text.encode()) + reader.finish()
        assert [moment(frame) for frame in found if isinstance(frame, LoggedFrame)] == [
            "2026-11-20 23:59:58",
            "2026-11-20 23:59:58",
            "2026-11-21 00:00:01",
        ]
        assert reader.date_assumed

    def test_a_message_before_the_first_time_gives_the_date(self) -> None:
        _, frame = frames(f"[MO] Recv: {ANSWER}\n08:49:51 > [MO] Send: {CALL}\n")
        assert moment(frame) == "2026-11-21 08:49:51"

    def test_a_date_without_a_year(self) -> None:
        answer = ANSWER.replace("2026-11-21", "2027-01-01")
        found = frames(f"Dec 31 23:59:59 gw csms: recv {CALL}\nJan  1 00:00:01 gw csms: sent {answer}\n")
        assert [moment(frame) for frame in found] == ["2026-12-31 23:59:59", "2027-01-01 00:00:01"]

    def test_a_date_from_outside(self) -> None:
        around = 1795250990 * 10**9
        (frame,) = frames(f"Nov 20 10:00:00 gw csms: recv {CALL}\n", around=around)
        assert moment(frame) == "2026-11-20 10:00:00"
        (frame,) = frames(f"10:00:00 recv {CALL}\n", around=around)
        assert moment(frame) == "2026-11-21 10:00:00"

    def test_no_date_at_all_shows(self) -> None:
        (frame,) = frames(f"10:00:00 recv {CALL}\n")
        assert moment(frame) == "1970-01-01 10:00:00"

    def test_no_time_at_all(self) -> None:
        assert [frame.time for frame in frames(f"recv {CALL}\nsent {ANSWER}\n")] == [None, None]

    def test_a_complete_date_further_down_completes_those_above(self) -> None:
        found = frames(f"10:00:00 recv {CALL}\n2026-11-21T10:00:05Z sent {ANSWER}\n")
        assert [moment(frame) for frame in found] == ["2026-11-21 10:00:00", "2026-11-21 10:00:05"]

    def test_uptime(self) -> None:
        found = frames(f"I (1000) ocpp: Send: {CALL}\nI (1500) ocpp: Recv: {ANSWER}\nI (61500) ocpp: Send: {CALL}\n")
        assert [moment(frame) for frame in found] == [
            "2026-11-21 08:49:49",
            "2026-11-21 08:49:50",
            "2026-11-21 08:50:50",
        ]

    def test_frames_that_wait_for_a_date_keep_their_order_and_are_not_held_for_ever(self) -> None:
        text = "".join(f'10:00:00 recv [2,"{number}","Heartbeat",{{}}]\n' for number in range(200))
        reader = LogReader("log")
        early = reader.feed(text.encode() + b" " * 20_000)
        assert len(early) > 100
        found = [*early, *reader.finish()]
        assert [json.loads(item.text)[1] for item in found if isinstance(item, LoggedFrame)] == [
            str(n) for n in range(200)
        ]


class TestNothingFound:
    def test_what_was_looked_for(self) -> None:
        (error,) = read(b"power limit 17 W\n" * 10)
        assert isinstance(error, DecodeError)
        assert error.layer == "log"
        assert "no OCPP frame was found in 10 lines of what seems to be text" in error.reason
        assert error.lost == 0

    def test_an_empty_file(self) -> None:
        (error,) = read(b"")
        assert isinstance(error, DecodeError)
        assert error.reason == "the log is empty"

    def test_no_text(self) -> None:
        (error,) = read(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
        assert isinstance(error, DecodeError)
        assert error.reason.startswith("neither a known capture format nor text")
        assert len(error.data) == 64

    @pytest.mark.parametrize("step", [0, 7, 5000])
    @pytest.mark.parametrize(
        "data",
        [
            bytes(40) + b"\n" + CALL.encode() + b"\n",
            bytes(range(1, 32)) * 3 + CALL.encode(),
            bytes(range(256)) * 200 + CALL.encode() + b"\n",
            b"\x7fELF" + CALL.encode() * 1000,
        ],
        ids=["NULs", "control characters", "long", "magic"],
    )
    def test_frames_in_something_binary_are_no_log(self, data: bytes, step: int) -> None:
        (error,) = read(data, step)
        assert isinstance(error, DecodeError)
        assert error.layer == "container"
        assert error.reason.startswith("neither a known capture format nor text")
        assert (error.lost, error.data) == (len(data), data[:64])

    def test_a_stray_control_character_does_not_make_a_log_binary(self) -> None:
        assert len(frames(f"10:00:00 \x00 received {CALL}\n" + "10:00:01 power limit 17 W\n" * 10)) == 1


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (b"2026-11-21 08:49:50 x\n", True), (b"[2,", True), ("größer".encode(), True),
        ("größer".encode("latin-1"), True),
        ("text".encode("utf-16"), True), ("much text".encode("utf-16-le"), True),
        (b"\x1b[0;32mI (17) x: y\x1b[0m\n", True),
        (b"", False), (b"  \n", False), (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16), False),
        (b"\x1f\x8b\x08\x00", False),
        (b"PK\x03\x04", False), (b"\x0a\x0d\x0d\x0a" + bytes(40), False), (bytes(100), False),
        (bytes(range(256)), False),
    ],
)  # fmt: skip
def test_what_looks_like_a_log(head: bytes, verdict: bool) -> None:
    assert looks_like_log(head) is verdict


HALF_A_MEGABYTE = 1 << 19
HOSTILE = {
    "starts on one line": '[2,"' * (HALF_A_MEGABYTE // 4),
    "arrays in arrays": '[3,"a",' * (HALF_A_MEGABYTE // 7),
    "arrays in arrays over lines": '[3,"a",{"b":[\n' * (HALF_A_MEGABYTE // 14),
    "starts on many lines": '[2,"a\n' * (HALF_A_MEGABYTE // 12),
    "numbers": "[2," * (HALF_A_MEGABYTE // 3),
    "escaped": '[2,\\"a\\",' * (HALF_A_MEGABYTE // 9),
    "backslashes": "x [2," + "\\" * HALF_A_MEGABYTE + '"',
    "single quotes": "x [2,'a'," * (HALF_A_MEGABYTE // 9),
    "entities": "x [2,&quot;" * (HALF_A_MEGABYTE // 10),
    "brackets": "[" * HALF_A_MEGABYTE,
    "blanks": "x [" + " \n" * (HALF_A_MEGABYTE // 2),
    "objects in objects": '{"a":' * (HALF_A_MEGABYTE // 5),
    "lists in objects": '[{"a":[' * (HALF_A_MEGABYTE // 7),
    "quotation marks": 'timestamp,msg\n"' + '"a\n' * (HALF_A_MEGABYTE // 6),
    "delimiters": "timestamp,station,msg\n" + "," * HALF_A_MEGABYTE + '[2,"a","B",{}]\n',
    "envelopes": "x <Envelope " * (HALF_A_MEGABYTE // 12),
    "digits": "1" * HALF_A_MEGABYTE + '[2,"a","B",{}]',
    "one number": '[2,"a","B",{"x":' + "9" * HALF_A_MEGABYTE + "}]\n",
    "records on a line": 'x {"a":"b"} ' * (HALF_A_MEGABYTE // 12) + '[2,"a","B",{}]',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_no_longer_than_it_should(text: str) -> None:
    began = time.process_time()
    read(text.encode(), 1 << 16)
    assert time.process_time() - began < 6, "seconds; quadratic behaviour would take minutes"


PIECES = st.sampled_from(
    [CALL, ANSWER, "\n", "\r\n", "2026-11-21 08:49:50 recv CP_1: ", "08:49:50 sent ", '{"msg":"', '"}',
     "time,station,message\n", "[", "{",
     '[2,\\"1\\",\\"A\\",{}]', "ä€", "nothing at all ", '"[2,""1"",""A"",{}]"',
     "<s:Envelope>urn://Ocpp/Cs</s:Envelope>", "Nov 21 08:49:50 "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(["utf-8", "utf-16", "latin-1"]), st.integers(1, 50))
def test_it_does_not_matter_how_bytes_come_in(text: str, encoding: str, step: int) -> None:
    data = text.encode(encoding, "replace")
    assert read(data, step) == read(data)


@given(st.binary(max_size=300), st.integers(1, 64))
def test_any_bytes_are_read_alike(data: bytes, step: int) -> None:
    assert read(data, step) == read(data)
    looks_like_log(data)


# ------------------------------------------------------------------------------------------------------------- pauses

NOON = 1_788_177_600 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        b'2026-08-31T08:00:00Z CP_7 received [2,"1","Heartbeat",{}]\n',
        b'{"timestamp":"2026-08-31T08:00:00Z","station":"CP_7","message":"[2,\\"1\\",\\"Heartbeat\\",{}]"}\n',
        b'time;station;direction;message\n2026-08-31T08:00:00Z;CP_7;in;"[2,""1"",""Heartbeat"",{}]"\n',
    ],
)
def test_in_a_pause_what_there_is_is_handed_on(text: bytes) -> None:
    reader = LogReader("log")
    assert reader.feed(text) == []
    (frame,) = reader.pause(NOON)
    assert isinstance(frame, LoggedFrame)
    assert (frame.text, frame.time) == ('[2,"1","Heartbeat",{}]', 1_788_163_200 * 10**9)
    assert reader.feed(text.splitlines(keepends=True)[-1]) + reader.finish() != []


@pytest.mark.parametrize("text", [b"", b"2026-08-31 08:00:0", b"starting up\nlistening\n", b"a;b;c\n"])
def test_a_pause_settles_nothing_before_there_is_a_frame(text: bytes) -> None:
    reader = LogReader("log")
    assert reader.feed(text) + reader.pause(NOON) == []
    assert reader.format == ""
    rest = b'\n2026-08-31T08:00:00Z CP_7 received [2,"1","Heartbeat",{}]\n'
    assert sum(isinstance(item, LoggedFrame) for item in reader.feed(rest) + reader.finish()) == 1


def test_what_is_written_now_is_dated_now() -> None:
    reader = LogReader("log")
    reader.feed(b'11:59:58 CP_7 received [2,"1","Heartbeat",{}]\n')
    (frame,) = reader.pause(NOON)
    assert isinstance(frame, LoggedFrame)
    assert frame.time == NOON - 2 * 10**9
    assert reader.date_assumed
