"""What is left of messages that are kept for long."""

from __future__ import annotations

from dataclasses import replace

from fieldkit.events import MessageType, OcppChannel, OcppError, OcppMessage, Orphan, Unanswered
from fieldkit.site.kept import same
from fieldkit.site.light import MAX_RAW, MAX_WORDS, bounded, bounded_event, light, weight_of

CHANNEL = OcppChannel("CP_7", "1.6", "json", None, False, False, False)
CALL = OcppMessage(
    1, (1,), "memory", CHANNEL, "station", MessageType.CALL, "m-1", "Heartbeat", {"a": 1}, None, "raw", (), True, None
)
HEAVY = replace(CALL, raw="x" * (MAX_RAW + 1))


def test_a_usual_message_is_kept_as_it_is() -> None:
    assert bounded(CALL) is CALL


def test_a_long_one_leaves_what_points_to_it() -> None:
    kept = bounded(HEAVY)
    assert (kept.raw, kept.payload, kept.frames, kept.id) == ("", None, (1,), "m-1")
    assert same(kept, HEAVY)


def test_a_short_answer_does_not_hold_on_to_a_long_call() -> None:
    answer = replace(CALL, type=MessageType.CALLRESULT, call=HEAVY)
    assert weight_of(answer) > MAX_RAW
    assert bounded(answer).call is None


def test_what_an_error_says_is_cut() -> None:
    error = light(replace(CALL, error=OcppError("c" * 9999, "d" * 9999, {"e": "f"}))).error
    assert error is not None
    assert (len(error.code), len(error.description), error.details) == (MAX_WORDS, MAX_WORDS, None)


def test_events_that_hold_messages_lose_their_weight_too() -> None:
    for event in (Unanswered(2, (2,), HEAVY), Orphan(2, (2,), HEAVY), HEAVY):
        assert weight_of(event) > MAX_RAW
        assert weight_of(bounded_event(event)) == 0
    light_one = Unanswered(2, (2,), CALL)
    assert bounded_event(light_one) is light_one
