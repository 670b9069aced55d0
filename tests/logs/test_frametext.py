"""Frames as loggers quote, escape, print and break them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.logs.frametext import (
    CUT,
    ELIDED,
    SHORTENED,
    START,
    Brackets,
    Piece,
    cut,
    ends_whole,
    is_frame,
    join,
    legible,
    rebuild,
)


def cut_out(line: str) -> Piece | None:
    start = START.search(line)
    return cut(line, start) if start is not None else None


FRAME = '[2,"a","Heartbeat",{}]'


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"received {FRAME} in 3 ms", FRAME),
        ('[ 3 , "a" , { "b" : [ ] } ]', '[ 3 , "a" , { "b" : [ ] } ]'),
        ('[4,"a","NotSupported","",{}]', '[4,"a","NotSupported","",{}]'),
        ('[5,"a","FormatViolation","",{}]', '[5,"a","FormatViolation","",{}]'),
        ('[6,"a","NotifyPeriodicEventStream",{}]', '[6,"a","NotifyPeriodicEventStream",{}]'),
        ('[2,"a","DataTransfer",{"data":"a \\"] b"}]', '[2,"a","DataTransfer",{"data":"a \\"] b"}]'),
        (r'msg="[2,\"a\",\"Heartbeat\",{}]" dir=in', FRAME),
        (r'"{\"log\":\"[2,\\\"a\\\",\\\"Heartbeat\\\",{}]\"}"', FRAME),
        ('1,"[2,""a"",""Heartbeat"",{}]",in', FRAME),
        ("<td>[2,&quot;a&quot;,&quot;Heartbeat&quot;,{}]</td>", FRAME),
        ('b\'[2,"a","Heartbeat",{}]\'', FRAME),
        ("[2, 'a', 'Heartbeat', {}]", FRAME),
        ("[2, 'a', 'X', {'b': True, 'c': None, 'd': \"it's\"}]", '[2,"a","X",{"b":true,"c":null,"d":"it\'s"}]'),
        ("[ 2, 'a', 'X', { b: 'say \"x\"', c: undefined } ]", '[2,"a","X",{"b":"say \\"x\\"","c":null}]'),
    ],
)
def test_a_frame_is_cut_out_and_unescaped(line: str, text: str) -> None:
    piece = cut_out(line)
    assert piece is not None
    assert piece.closed
    assert piece.text == text
    assert piece.problems == ()


def test_what_follows_an_escaped_frame_is_still_there() -> None:
    line = r'msg="[2,\"a\",\"X\",{\"b\":[1]}]" then "[3,\"a\",{}]"'
    piece = cut_out(line)
    assert piece is not None
    assert line[piece.end :] == r'" then "[3,\"a\",{}]"'


@pytest.mark.parametrize(
    "frame",
    [
        '[3,"a",{"configurationKey":],"unknownKey":["b"]}]',
        '[2,"a","Authorize",{"connectorId": 1 "idTag": "x"}]',
        '[2,"a","StopTransaction",{"transactionId":,"meterStop":7}]',
        '[2,"","Heartbeat",{}]',
        '[3, 19, {}]',
        '[2,null,"Heartbeat",{}]',
        '[3,"a",null]',
        '[3,"a"]',
        '[4,"a","GenericError"]',
    ],
)  # fmt: skip
def test_malformed_frames_are_the_interesting_ones(frame: str) -> None:
    piece = cut_out(f"received {frame} !")
    assert piece is not None
    assert piece.text == frame
    assert piece.closed


@pytest.mark.parametrize(
    "line",
    ["items [2,3,4]", '[2,"a"]', '[1,"a","B",{}]', '[7,"a","B",{}]', '[2,"a",5]', '[3,"a",5]', '[3,"a","b"]',
     "[INFO] x",
     '[2,"a","",{}]', "grid currents: [1.16 1.45]A", '["2","a","B",{}]', "[2, 'a']"],
)  # fmt: skip
def test_other_arrays_are_no_frames(line: str) -> None:
    piece = cut_out(line)
    assert piece is None or line == '[2,"a"]'


def test_a_frame_without_end() -> None:
    assert cut_out('recv [2,"a","Meter') == Piece('[2,"a","Meter', 18, False)
    piece = cut_out(r'{"msg":"[2,\"a\",\"Met')
    assert piece is not None
    assert piece.text == '[2,"a","Met'
    assert piece.problems == CUT


def test_websockets_shows_long_messages_without_their_middle() -> None:
    piece = cut_out("""< TEXT '[2,"51","Mete... 0,"transactionId": 0}]' [304 bytes]""")
    assert piece is not None
    assert piece.text == '[2,"51","Mete... 0,"transactionId": 0}]'
    assert piece.problems == ELIDED
    piece = cut_out("""< TEXT '[2,"51","DataTransfer",{"data":"x... "}]' [304 bytes]""")
    assert piece is not None
    assert piece.problems == ELIDED
    piece = cut_out("""< TEXT '[2,"51","DataTransfer",{"data":"..."}]' [38 bytes]""")
    assert piece is not None
    assert piece.problems == ()


def test_an_action_without_its_middle_is_not_to_be_read() -> None:
    assert legible('[2,"51","Mete... 0,"transactionId": 0}]') == '[2,"51","Mete...'
    assert legible('[3,"5191-...","status": 0}]') == '[3,"5191-...'
    assert legible('[2,"51","MeterValues",{"a":"b... 0}]') == '[2,"51","MeterValues",{"a":"b... 0}]'
    assert legible('[3,"51",{"a":"b... 0}]') == '[3,"51",{"a":"b... 0}]'


def test_console_log_does_not_print_what_is_deep() -> None:
    piece = cut_out("[ 2, 'a', 'MeterValues', { meterValue: [ [Object] ] } ]")
    assert piece is not None
    assert piece.problems == SHORTENED


def test_lines_are_joined_as_they_were_broken() -> None:
    assert join(['[2,"a",', '"X",', "{}]"]) == ('[2,"a",\n"X",\n{}]', False)
    assert join(['[2,"a","Heart', 'beat",{"b":12', "34}]"]) == ('[2,"a","Heartbeat",{"b":1234}]', True)
    assert join(['[2,"a","Heart', '      beat",{}]']) == ('[2,"a","Heart      beat",{}]', True)
    assert join(["[2,", "x]"]) == ("[2,\nx]", False)


def test_a_broken_frame_that_was_logged_whole() -> None:
    assert ends_whole('[2,"a","X",{"b":1]\' \r\n') == '[2,"a","X",{"b":1]'
    assert ends_whole('[2,"a","X",{"b"') is None


def test_rebuilding() -> None:
    assert rebuild(2, "a", "X", {"b": "ü"}) == '[2,"a","X",{"b":"ü"}]'
    assert rebuild(3, "a", "", None) == '[3,"a",{}]'
    assert rebuild(4, "a", "", None, ("GenericError", None, None)) == '[4,"a","GenericError","",{}]'
    assert rebuild(5, "a", "", None, ("GenericError", "x", {"y": 1})) == '[5,"a","GenericError","x",{"y":1}]'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9999, 9999) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)


@given(st.text(max_size=36), PAYLOADS, st.sampled_from(["plain", "spaced", "escaped", "twice", "csv", "html"]))
def test_any_frame_comes_out_of_any_quotation(id_: str, payload: dict[str, object], style: str) -> None:
    frame = json.dumps([2, id_, "DataTransfer", payload], separators=(",", ":") if style == "plain" else None)
    line = {
        "plain": frame,
        "spaced": frame,
        "escaped": json.dumps(frame),
        "twice": json.dumps(json.dumps(frame)),
        "csv": '"' + frame.replace('"', '""') + '"',
        "html": frame.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;"),
    }[style]
    piece = cut_out(f"at 08:49 received {line} !")
    assert piece is not None
    assert json.loads(piece.text) == [2, id_, "DataTransfer", payload]


@given(st.text(), st.text())
def test_brackets_are_counted_alike_in_pieces(first: str, second: str) -> None:
    whole = Brackets()
    end = whole.feed("[" + first + "\n" + second)
    pieces = Brackets()
    # A backslash at the very end of a piece escapes nothing there: lines end with a line break, as here.
    at = pieces.feed("[" + first + "\n")
    if at < 0:
        at = pieces.feed(second)
        at = at + len(first) + 2 if at >= 0 else -1
    assert at == end or "\\" in first


@given(JSON)
def test_is_frame_takes_anything(value: object) -> None:
    is_frame(value)


@given(st.text(alphabet="[]{}2345,\"'\\ abc&quot;:\n"))
def test_any_text_is_cut_somehow(line: str) -> None:
    for start in START.finditer(line):
        piece = cut(line, start)
        assert piece is None or start.start() < piece.end <= len(line)
