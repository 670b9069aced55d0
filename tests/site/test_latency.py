"""Percentiles that stay honest when there are more answers than are kept."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import MessageType, OcppChannel, OcppMessage, Sender, Unanswered
from fieldkit.site.latency import MAX_ACTIONS, MAX_SAMPLES, Latencies
from tests.traffic.hostile import LINE, messages

MS = 1_000_000


def call(action: str = "Heartbeat", time: int = 0, sender: Sender = "station") -> OcppMessage:
    channel = OcppChannel("CP", "1.6", "json", LINE, False, False, False)
    return OcppMessage(
        time, (1,), "memory", channel, sender, MessageType.CALL, "a", action, {}, None, "", (), False, None
    )


def answer(to: OcppMessage, took: int, type_: MessageType = MessageType.CALLRESULT) -> OcppMessage:
    side: Sender = "csms" if to.sender == "station" else "station"
    error: Any = None if type_ is MessageType.CALLRESULT else "an error"
    return OcppMessage(
        to.time + took, (2,), "memory", to.channel, side, type_, "a", to.action, {}, error, "", (), False, to
    )


def test_percentiles_are_latencies_that_did_occur() -> None:
    latencies = Latencies()
    for took in range(1, 101):
        latencies.feed(answer(call(), took * MS))
    (entry,) = latencies.summary()
    assert (entry.side, entry.action, entry.count) == ("csms", "Heartbeat", 100)
    assert (entry.p50, entry.p90, entry.p99, entry.longest) == (50 * MS, 90 * MS, 99 * MS, 100 * MS)


def test_one_answer_is_all_percentiles() -> None:
    latencies = Latencies()
    latencies.feed(answer(call(), 7 * MS))
    (entry,) = latencies.summary()
    assert entry.p50 == entry.p99 == entry.longest == 7 * MS


def test_over_all_actions_the_frequent_ones_weigh_more() -> None:
    latencies = Latencies()
    assert latencies.overall() is None
    for number in range(1000):
        latencies.feed(answer(call("Heartbeat"), 10 * MS + number))
    for _ in range(10):
        latencies.feed(answer(call("Reset", sender="csms"), 900 * MS))
    median, longest = latencies.overall() or (0, 0)
    assert 10 * MS <= median < 10 * MS + 1000
    assert longest == 900 * MS


def test_sides_and_actions_are_apart_the_most_frequent_first() -> None:
    latencies = Latencies()
    latencies.feed(answer(call("Reset", sender="csms"), MS))
    for _ in range(2):
        latencies.feed(answer(call("Heartbeat"), MS))
    assert [(entry.side, entry.action) for entry in latencies.summary()] == [
        ("csms", "Heartbeat"),
        ("station", "Reset"),
    ]


def test_errors_and_missing_answers_are_counted() -> None:
    latencies = Latencies()
    latencies.feed(answer(call(), MS, MessageType.CALLERROR))
    for why in ("connection-closed", "capture-ended", "bytes-missing"):
        latencies.unanswered(Unanswered(9, (1,), call(), why))
    (entry,) = latencies.summary()
    assert (entry.count, entry.errors, entry.unanswered) == (1, 1, 1)


def test_an_action_that_was_never_answered_has_no_latency() -> None:
    latencies = Latencies()
    latencies.unanswered(Unanswered(9, (1,), call()))
    (entry,) = latencies.summary()
    assert (entry.count, entry.p50, entry.unanswered) == (0, 0, 1)


def test_more_answers_than_are_kept() -> None:
    latencies = Latencies()
    number = 5 * MAX_SAMPLES
    for took in range(number):
        latencies.feed(answer(call(), took))
    (entry,) = latencies.summary()
    assert entry.count == number
    assert entry.longest == number - 1
    assert abs(entry.p50 - number / 2) < number / 50
    assert abs(entry.p99 - number * 0.99) < number / 50


def test_actions_that_are_invented_are_bounded() -> None:
    latencies = Latencies()
    for number in range(2 * MAX_ACTIONS):
        latencies.feed(answer(call(f"A{number}"), MS))
    latencies.feed(answer(call("x" * 1_000_000), MS))
    assert len(latencies.summary()) == MAX_ACTIONS


def test_an_answer_before_its_call_has_no_latency() -> None:
    latencies = Latencies()
    latencies.feed(answer(call(time=10), -5))
    (entry,) = latencies.summary()
    assert entry.count == 0


@settings(max_examples=60, deadline=None)
@given(messages("Heartbeat", "Reset"), st.integers(-(2**70), 2**70))
def test_any_message_is_survived(events: list[Any], took: int) -> None:
    latencies = Latencies()
    latencies.feed(answer(call(), took))
    for event in events:
        if isinstance(event, OcppMessage):
            latencies.feed(event)
        elif isinstance(event, Unanswered):
            latencies.unanswered(event)
    latencies.summary()
