"""What a filter is read as, and what people are told when it cannot be read."""

from __future__ import annotations

import pytest

from fieldkit.query import FilterError, compile_filter
from fieldkit.query.grammar import parse


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("station==CP_1&&!valid", "station = CP_1 and not valid"),
        ("NOT (a OR b) AND c", "not (a or b) and c"),
        ("((a and b) and c) or (d or e)", "a and b and c or d or e"),
        ("a and (b or c)", "a and (b or c)"),
        ("not not (a)", "not not a"),
        ("sender = csms", "from = csms"),
        ("payload.evse.id > 1", ".evse.id > 1"),
        ("action contains boot", "action ~ boot"),
        ("action !~ boot", "not action ~ boot"),
        ("tx not in (1,2)", "not tx in (1, 2)"),
        ("since 10:00", "time >= 10:00"),
        ("until '2026-11-21 10:00'", 'time <= "2026-11-21 10:00"'),
        ("between 10:00 and '2026-11-21 10:00'", "time in (10:00..2026-11-21T10:00)"),
        ("time 10:00..10:30", "time in (10:00..10:30)"),
        ("frame != 1..5", "frame and not frame in (1..5)"),
        ("station = a..b", "station = a..b"),
        ('text matches "a/b"', r"text matches /a\/b/"),
        (r"text matches /a\/b/", r"text matches /a\/b/"),
        ("text matches x", "text matches /x/"),
        (r'text = "a \"quoted\" \\ text"', r'text = "a \"quoted\" \\ text"'),
        (r"'it\'s' and \d", r'"it' + "'" + r's" and \d'),
        ("id = since", "id = since"),
        ("error", "error"),
        ('"error"', '"error"'),
        ("it's", "it's"),
    ],
)
def test_a_tree_prints_as_the_plainest_filter_that_means_it(written: str, plain: str) -> None:
    assert str(parse(written)) == plain
    assert parse(plain) == parse(written)
    assert str(parse(plain)) == plain


def test_a_word_that_is_a_field_asks_for_the_field_and_in_quotes_for_the_word() -> None:
    assert parse("status") != parse('"status"')
    assert parse("STATUS") == parse("status")
    assert parse("statuses") != parse("status")


@pytest.mark.parametrize(
    ("text", "message", "column", "help_"),
    [
        ("statoin = CP_1", "unknown field 'statoin'", 1, "did you mean station?"),
        ("valid and idTag = 1", "unknown field 'idTag'", 11, "did you mean .idTag?"),
        ("5 > latency", "unknown field '5'", 1, ""),
        ("action Heartbeat", "an operator is missing behind 'action'", 8, "did you mean action = Heartbeat?"),
        ("boot pending", '"and" or "or" is missing', 6, ""),
        ("valid not error", '"and" or "or" is missing', 7, ""),
        ("a & b", "a single & means nothing", 3, "did you mean &&?"),
        ("station =", "a value is missing behind =", 10, ""),
        ("status = and x", "a value is missing behind =", 10, ""),
        ("or a", "something is missing before or", 1, ""),
        ("a and", "something is missing here", 6, ""),
        ("  ", "the filter is empty", 3, ""),
        ("(a", "this ( is never closed", 1, ""),
        ("a)", "this ) closes nothing", 2, ""),
        ("station = 'CP", "the text that begins here has no closing quote", 11, ""),
        ('"station" = CP', "a field is written without quotes", 1, ""),
        ("frame in 5", "in wants a list or a range", 10, "write (a, b, c) or 1..5"),
        ("frame in (5", "this list needs a comma or a ) here", 12, ""),
        ("frame in (5,)", "a value is missing behind ,", 13, ""),
        ("type = cal", "'cal' is not one of call, result, error, resulterror, send", 8, "did you mean call?"),
        ("from > csms", "from cannot be compared with >", 6, ""),
        ("valid = maybe", "valid is true or false", 9, ""),
        ("frame = x", "frame is a number", 9, ""),
        ("frame 1..2s", "frame is a number", 10, ""),
        ("frame ~ 1", "frame cannot be compared with ~", 7, ""),
        ("latency > fast", "'fast' is no duration", 11, "write 250ms, 5s or 2m"),
        ("latency ~ 5", "latency cannot be compared with ~", 9, ""),
        ("latency 5s..1s", "this range runs backwards", 9, "did you mean 1s..5s?"),
        ("time = 25:00", "'25:00' is no time", 8, "write 10:15 or 2026-11-21T10:15:30"),
        ("time = 2026-02-30", "'2026-02-30' is no time", 8, "write 10:15 or 2026-11-21T10:15:30"),
        ("between 1 and 2", "'1' is no time", 9, "write 10:15 or 2026-11-21T10:15:30"),
        ("between 10:00 or 11", 'between needs two times with "and" between them', 15, ""),
        ("time 10:00..2026-11-21", "give both times a date, or neither", 6, ""),
        ("time ~ 10", "time cannot be compared with ~", 6, ""),
        ("version = 1.6J", "'1.6J' is no version", 11, "write 1.6 or 2.0.1"),
        ("client = 10.0.0.0/8", "'10.0.0.0/8' is no address", 10, "write 10.0.0.7, 10.0.* or 10.0.0.7:9000"),
        ("client > 1", "client cannot be compared with >", 8, ""),
        (".power > high", "'high' is neither a number nor a date", 10, ""),
        (".a 10:00..10:30", "a range in the payload goes from number to number or from date to date", 4, ""),
        ("payload. = 1", "this path is incomplete", 1, "write .idTag or .meterValue[0].sampledValue[*].value"),
        (".a[x] = 1", "this path is incomplete", 1, "write .idTag or .meterValue[0].sampledValue[*].value"),
        ("text matches /a(b/", "this ( is never closed", 16, ""),
        ("text matches 'a\\'", "the text that begins here has no closing quote", 14, ""),
        ("text matches a\\", "a backslash at the end escapes nothing", 14, ""),
        ("type matches /c/", "type cannot be compared with matches", 6, ""),
        ("(" * 60, "this is nested more than 50 deep", 51, ""),
        ("not " * 60, "this is nested more than 50 deep", 201, ""),
        ("x" * 5000, "a filter may have 4096 characters", 4097, ""),
        ("." + "a." * 40 + "a = 1", "a path may have 32 steps", 1, ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_way_out(text: str, message: str, column: int, help_: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    first, shown, caret = str(caught.value).split("\n")
    assert first == f"{message} at column {column}" + (f": {help_}" if help_ else "")
    assert caught.value.position == column - 1
    # The caret stands under the character that the mistake begins with.
    pointed = shown[caret.index("^") : caret.index("^") + 1]
    assert pointed == text[column - 1 : column].strip()


def test_a_mistake_in_a_long_filter_is_shown_with_what_stands_around_it() -> None:
    text = " or ".join(f"station = CP_{number}" for number in range(100)) + " or statoin = CP_1"
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    _, shown, caret = str(caught.value).splitlines()
    assert shown[caret.index("^") :] == "statoin = CP_1"
    assert len(shown) < 80


def test_what_was_pasted_cannot_reach_the_terminal() -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter("a\n\x1b[2J\u202ename = 1")
    assert str(caught.value).replace("\n", "").isprintable()
    assert str(caught.value).count("\n") == 2


def test_very_long_words_are_cut() -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter("x" * 1000 + " = 1")
    assert str(caught.value).splitlines()[0] == f"unknown field '{'x' * 39}…' at column 1"
