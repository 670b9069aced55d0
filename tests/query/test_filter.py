"""What people ask, and what they get."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppMessage
from fieldkit.query import FilterError, compile_filter
from tests.query.conversation import (
    EVERYTHING,
    at,
    boot,
    booted,
    broken,
    event,
    faulted,
    meter,
    metered,
    refused,
    reset,
    start_answer,
    started,
)


def found(text: str, utc_offset_seconds: int = 0) -> list[OcppMessage]:
    ask = compile_filter(text, utc_offset_seconds=utc_offset_seconds)
    return [message for message in EVERYTHING if ask.matches(message)]


def rest(*missed: OcppMessage) -> list[OcppMessage]:
    return [message for message in EVERYTHING if not any(message is other for other in missed)]


class TestWhoAndWhat:
    def test_a_station_and_everything_said_to_it(self) -> None:
        assert found("station = CP_2") == [event, refused]

    def test_an_asterisk_stands_for_anything(self) -> None:
        assert found("station = cp_*") == rest(reset, broken)
        assert found("station = *_2") == found("station = C*_*2") == [event, refused]
        assert found("station = *2*_") == []

    def test_quotes_make_it_mean_itself(self) -> None:
        assert found('station = "CP_*"') == []

    def test_letter_case_makes_no_difference(self) -> None:
        assert found("ACTION == bootnotification") == [boot, booted]
        assert found("text ~ STRASSE") == []  # in the message as sent it is an escape …
        assert found(".chargePointModel = STRASSE*") == [boot]  # … and in the payload a letter

    def test_an_answer_has_the_action_of_its_call(self) -> None:
        assert found("action = StartTransaction") == [started, start_answer]

    @pytest.mark.parametrize("text", ["type = error", "type = CallError", "type = 4", "not type != error"])
    def test_types_go_by_several_names(self, text: str) -> None:
        assert refused in found(text)

    def test_a_type_that_could_not_be_read_is_none_of_them(self) -> None:
        assert found("not type") == [broken]
        assert broken not in found("type != call")
        send = replace(event, type=MessageType.SEND)
        assert compile_filter("type in (send, resulterror)").matches(send)

    @pytest.mark.parametrize("name", ["from", "sender", "direction"])
    def test_sides_are_named_as_in_ocpp(self, name: str) -> None:
        assert found(f"{name} = csms") == [booted, start_answer, metered, refused, reset, broken]

    def test_versions_are_ordered_and_matched(self) -> None:
        assert found("version = 1.6") == found("version < 2") == rest(event, refused, reset, broken)
        assert found("version >= 2.0.1") == found("version = 2.*") == found("version > 2.0") == [event, refused]
        assert found("not version") == found("transport = soap") == [reset, broken]

    def test_where_it_was_seen(self) -> None:
        assert found("client = 10.0.0.7") == found("client = 10.0.0.7:41001") == found("connection = 1")
        assert found("client = fe80::7") == found("client = [FE80::7]:41002") == [event, refused]
        assert found("server = 10.0.*:9000") == found("server") == rest(reset, broken)
        assert found("inferred") == found("inferred = yes") == [event, refused]
        assert found("source ~ site and not connection") == [reset, broken]

    def test_frames_are_numbers(self) -> None:
        (frame,) = meter.frames
        assert found(f"frame = {frame}") == [meter]
        first, last = start_answer.frames
        assert found(f"frame in ({frame}, {last})") == [start_answer, meter]
        assert found(f"frame {first}..{last}") == found(f"frame in {first}..{last}") == [start_answer]
        assert start_answer not in found(f"frame != {last}")
        assert found(f"frame != {first}..{last}") == rest(start_answer)


class TestHowLongAndWhen:
    @pytest.mark.parametrize(
        ("text", "answers"),
        [
            ("latency > 5s", [start_answer]),
            ("latency > 6.2s", []),
            ("latency >= 6200", [start_answer]),
            ("latency < 50ms", [metered, refused]),
            ("latency <= 12500us", [refused]),
            ("latency = 83", [booted]),
            ("latency = 83.4ms", [booted]),
            ("latency = 83.5ms", []),
            ("latency in (40, 1s..1m)", [start_answer, metered]),
            ("latency 0.001h..2m", [start_answer]),
            ("latency != 40ms", [booted, start_answer, refused]),
        ],
    )
    def test_the_time_that_an_answer_took(self, text: str, answers: list[OcppMessage]) -> None:
        assert found(text) == answers

    def test_a_call_has_no_latency_either_way(self) -> None:
        assert started not in found("latency < 1h") + found("latency >= 0") + found("latency")

    def test_a_time_is_as_long_as_it_is_written(self) -> None:
        assert found("time = 10:15") == [started, start_answer, meter]
        assert found("time = 10:15:00") == [started]
        assert found("time = 10:15:59.9") == [meter]
        assert found("time <= 10:15") == [boot, booted, started, start_answer, meter, reset, broken]
        assert found("time < 10:15") == [boot, booted, reset, broken]
        assert found("time = 2026-11-21") == EVERYTHING
        assert found("time > 2026-11-21T23:45:00Z") == [refused]

    @pytest.mark.parametrize(
        "text",
        ["time 10:15..10:29", "time in 10:15..10:29", "time = 10:15..10:29", "between 10:15 and 10:29",
         "since 10:15 and until 10:29", "time >= 2026-11-21T10:15 and time < 2026-11-21T10:30",
         'between "2026-11-21 10:15" and 2026-11-21T10:29:59.999999999'],
    )  # fmt: skip
    def test_a_window_can_be_said_in_many_ways(self, text: str) -> None:
        assert found(text) == [started, start_answer, meter, metered]

    def test_a_window_around_midnight(self) -> None:
        assert found("between 23:30 and 00:30") == [event, refused, reset, broken]

    def test_a_time_of_day_is_that_of_every_day_and_a_date_is_one_day(self) -> None:
        tomorrow = replace(boot, time=at("10:00:00", "2026-11-22"))
        assert compile_filter("time = 10:00").matches(tomorrow)
        assert not compile_filter("until 2026-11-21").matches(tomorrow)
        assert compile_filter("until 2026-11-22").matches(tomorrow)

    def test_times_are_local_unless_they_say_otherwise(self) -> None:
        one_hour_ahead = 3600
        assert found("time = 11:00", one_hour_ahead) == [boot, booted]
        assert found("time = 2026-11-22T00:45", one_hour_ahead) == [event, refused]
        assert found("time = 2026-11-21T05:15-05:00", one_hour_ahead) == found("time = 10:15")
        assert found("time = 2026-11-21T10:15Z", one_hour_ahead) == found("time = 10:15")


class TestWhatIsInIt:
    def test_paths_lead_into_the_payload(self) -> None:
        assert found("payload.evse.id = 1") == found(".evse.id = 1") == found("payload.EVSE.ID = 1") == [event]
        assert found(".meterValue[0].sampledValue[*].value = 230") == [meter]
        assert found(".meterValue.sampledValue.value = 230") == [meter]
        assert found(".meterValue[1].sampledValue[0].value = 230") == []
        assert found(".meterValue[7].sampledValue") == found(".evse[0]") == found(".idTag.x") == []

    def test_texts_that_are_numbers_are_compared_as_numbers(self) -> None:
        assert found(".meterValue.sampledValue.value > 229.5") == [meter]
        assert found(".meterValue.sampledValue.value > 230") == []  # 1e9 is how no meter writes
        assert found(".meterValue[0].sampledValue.value in (12..13)") == [meter]

    def test_a_text_is_no_number_when_it_is_to_be_equal(self) -> None:
        tag = replace(started, payload={"idTag": "0012"})
        assert not compile_filter(".idTag = 12").matches(tag)
        assert compile_filter(".idTag = 0012").matches(tag)
        assert compile_filter(".meterStart = 0.0").matches(started)
        assert compile_filter('.meterStart = "0"').matches(started)

    def test_dates_in_the_payload_are_ordered(self) -> None:
        assert found(".meterValue.timestamp > 2026-11-21T10:15:59Z") == [meter]
        assert found(".meterValue.timestamp < 2026-11-21T10:15:30Z") == []
        assert found(".meterValue.timestamp 2026-11-20..2026-11-21") == [meter]

    def test_true_false_and_null(self) -> None:
        assert found(".offline = false") == found(".cost = null") == found(".offline") == [event]
        assert found(".offline = true") == []

    def test_objects_are_there_but_equal_nothing(self) -> None:
        assert found(".evse") == [event]
        assert found(".evse = 1") == found(".evse ~ 1") == found(".evse matches /1/") == found(".evse > 0") == []

    def test_connector_evse_and_transaction_wherever_a_version_puts_them(self) -> None:
        assert found("connector = 3") == found("evse = 1") == found("tx = t-9") == [event, refused]
        assert found("tx = 4711") == [start_answer, meter, metered]

    def test_an_answer_belongs_to_the_connector_of_its_call(self) -> None:
        assert found("connector = 2") == [started, start_answer, meter, metered]

    def test_statuses_of_every_kind(self) -> None:
        assert found("status = Faulted") == [faulted]
        assert found("status in (Invalid, Accepted)") == [booted, start_answer]

    def test_unequal_is_about_messages_that_have_one(self) -> None:
        assert found("status != Accepted") == [start_answer, faulted]
        assert found("not status = Accepted") == rest(booted)


class TestWhatIsWrong:
    def test_error_answers_by_code_or_description(self) -> None:
        assert found("error = NotImplemented") == found("error ~ such") == found("error") == [refused]

    def test_problems_by_rule_or_text(self) -> None:
        assert found("problem = schema.*") == found("problem ~ missing") == found("problem") == [faulted]

    def test_validity(self) -> None:
        assert found("not valid") == found("valid = false") == found("!valid") == [faulted]
        assert found("valid") == rest(faulted)


class TestWords:
    def test_a_word_occurs_in_the_message_the_action_or_the_name(self) -> None:
        assert found("deadbeef") == [started]
        assert found("depot") == [reset, broken]
        assert found("bootnotification") == [boot, booted]

    def test_words_with_spaces_need_quotes(self) -> None:
        assert found('\'"status": "Inv\'') == found('"\\"status\\": \\"Inv"') == [start_answer]

    def test_a_word_may_have_gaps(self) -> None:
        assert found("dead*meterstart") == [started]
        assert found('"dead*"') == []

    def test_patterns(self) -> None:
        assert found("station matches /^cp_[2-9]$/") == [event, refused]
        assert found(r"text matches /\"value\": \"\d+\.\d\"/") == [meter]
        assert found(r'text not matches "[a-z]"') == []
        assert found(".idTag matches /dead(beef|face)/") == found(".idTag matches ^d[a-f]+$") == [started]
        assert found("text matches /a\\/b|DEPOT/") == found("station not matches /^CP/ and reset and x") == []


class TestTogether:
    def test_and_binds_closer_than_or(self) -> None:
        text = "station = CP_2 or station = CP_1 and action = MeterValues"
        assert found(text) == [meter, metered, event, refused]
        assert found(f"({text.replace(' and', ') and')}") == [meter, metered]

    def test_signs_stand_for_words(self) -> None:
        assert found("latency>5s&&!valid||error") == found("latency > 5s and not valid or error") == [refused]

    def test_not_in_and_not_contains(self) -> None:
        assert found("action not in (MeterValues, Reset)") == rest(meter, metered, reset)
        assert found("action not contains tion") == found("action !~ tion") == [meter, metered, reset, broken]


PARTS = st.sampled_from(
    ["station = CP_1", "type = call", "latency < 50ms", "latency", "time >= 10:15", "connector = 2", "from != csms",
     "not valid", "e", ".evse.id in (1, 2)", "text matches /[0-9]{3}/", "status != Accepted", "version >= 2", "error"]
)  # fmt: skip
FILTERS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        inner.map(lambda part: f"not ({part})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " and ".join(f"({part})" for part in parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " or ".join(f"({part})" for part in parts)),
    ),
    max_leaves=6,
)


@given(FILTERS, FILTERS)
@settings(max_examples=60)
def test_de_morgan_holds(one: str, other: str) -> None:
    assert found(f"not (({one}) and ({other}))") == found(f"not ({one}) or not ({other})")
    assert found(f"not (({one}) or ({other}))") == found(f"not ({one}) and not ({other})")
    assert found(f"not not ({one})") == found(one)


@given(FILTERS)
@settings(max_examples=60)
def test_a_filter_means_what_its_plainest_form_means(text: str) -> None:
    plain = compile_filter(text).text
    assert found(plain) == found(text)
    assert compile_filter(plain).text == plain


FRAGMENTS = (
    r"""station time latency frame valid . [ ] payload. evse = != ~ < .. ( ) , and or not in matches between since
    10:15 5s 1..2 * " ' / \ {9} CP_1 true 2026-11-21 2026-02-30T10:00 1.6 call ß"""
).split()


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from([*FRAGMENTS, " "]),
            max_size=12,
        ).map(" ".join),
    )
)
@settings(max_examples=300)
def test_whatever_is_typed_is_a_filter_or_a_filter_error(text: str) -> None:
    wrong = None
    try:
        ask = compile_filter(text)
    except FilterError as error:
        wrong = error
    if wrong is not None:
        what, shown, caret = str(wrong).split("\n")
        assert what.isprintable()
        assert 0 <= wrong.position <= len(text)
        assert len(shown) <= 80
        assert len(caret) <= 80
    else:
        assert {ask.matches(message) for message in EVERYTHING} <= {True, False}
        assert compile_filter(ask.text).text == ask.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "B", "evse", "id"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=100)
def test_no_payload_upsets_a_filter(payload: object) -> None:
    message = replace(event, payload=payload)
    for text in (
        ".a.b[0] = 1",
        ".a[*].b > 2026-01-01",
        ".b < 3",
        "evse = 1",
        "tx",
        "status ~ x",
        ".a matches /x/",
        "payload",
    ):
        assert compile_filter(text).matches(message) in (True, False)


def test_long_hostile_texts_take_no_time() -> None:
    hostile = replace(event, raw="a" * 60_000 + "ab" * 20_000, payload={"a": "1" * 50_000, "b": [[[]]] * 10_000})
    begun = time.process_time()
    for text in ("text = a*a*a*a*a*b*c", "a*b*a*b*c", "text matches /(a+)+c/", ".a > 5", ".b[*][*][*]", ".a = 1*1*2"):
        assert not compile_filter(text).matches(hostile)
    for text in (
        "(" * 4000,
        "not " * 1000,
        "a and " * 600 + "a",
        "x in (" + "a," * 2000,
        "!" * 4000,
        "'" + "\\'" * 2000,
    ):
        with contextlib.suppress(FilterError):
            compile_filter(text).matches(hostile)
    assert time.process_time() - begun < 3
