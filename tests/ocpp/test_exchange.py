"""Answers find their CALLs."""

from __future__ import annotations

from fieldkit.events import MessageType, OcppChannel, OcppMessage, Sender
from fieldkit.ocpp.exchange import MAX_OPEN, MAX_REMEMBERED, Exchanges

CHANNEL = OcppChannel("CP1", "1.6", "json", None, False, False, False)


def call(id_: str, time: int = 0, sender: Sender = "station", action: str = "Heartbeat") -> OcppMessage:
    return OcppMessage(time, (), "test", CHANNEL, sender, MessageType.CALL, id_, action, {}, None, "", (), False, None)


def test_an_answer_comes_from_the_other_side() -> None:
    exchanges = Exchanges()
    asked = call("1")
    exchanges.opened(asked)
    assert exchanges.answered("station", "1") is None
    assert exchanges.answered("csms", "1") is asked
    assert exchanges.answered("csms", "1") is None


def test_both_sides_may_use_the_same_id() -> None:
    exchanges = Exchanges()
    ours, theirs = call("1"), call("1", sender="csms")
    exchanges.opened(ours)
    exchanges.opened(theirs)
    assert exchanges.answered("station", "1") is theirs
    assert exchanges.answered("csms", "1") is ours


def test_an_id_used_twice_is_answered_latest_first() -> None:
    exchanges = Exchanges()
    first, second, third = call("1", 1), call("1", 2), call("1", 3)
    for asked in (first, second, third):
        exchanges.opened(asked)
    assert [exchanges.answered("csms", "1") for _ in range(4)] == [third, second, first, None]


def test_a_call_that_is_withdrawn_takes_no_other_with_it() -> None:
    exchanges = Exchanges()
    first, second, third = call("1", 1), call("1", 2), call("1", 3)
    exchanges.opened(first)
    assert exchanges.answered("csms", "1") is first
    exchanges.opened(second)
    assert not exchanges.withdrawn(first)
    exchanges.opened(third)
    assert exchanges.withdrawn(second)
    assert not exchanges.withdrawn(second)
    assert list(exchanges.unanswered()) == [third]


def test_what_is_left_is_unanswered_in_order_of_time() -> None:
    exchanges = Exchanges()
    late, early = call("1", 5), call("2", 3, sender="csms")
    exchanges.opened(late)
    exchanges.opened(early)
    assert list(exchanges.unanswered()) == [early, late]
    assert list(exchanges.unanswered()) == []


def test_the_oldest_is_given_up_when_too_many_wait() -> None:
    exchanges = Exchanges()
    given_up = [exchanges.opened(call(str(number), number)) for number in range(MAX_OPEN + 2)]
    assert [c.id for c in given_up if c is not None] == ["0", "1"]
    same = [exchanges.opened(call("x", number)) for number in range(MAX_OPEN + 3)]
    assert all(given_up is not None for given_up in same)


def test_also_those_with_the_same_id_are_given_up_one_by_one_and_none_is_forgotten() -> None:
    exchanges = Exchanges()
    calls = [call(str(number // 3), number) for number in range(3 * MAX_OPEN)]
    given_up = [given_up for asked in calls if (given_up := exchanges.opened(asked)) is not None]
    assert len(given_up) == 2 * MAX_OPEN
    assert sorted(asked.time for asked in [*given_up, *exchanges.unanswered()]) == list(range(3 * MAX_OPEN))


def test_ids_used_before_are_noticed() -> None:
    exchanges = Exchanges()
    assert exchanges.earlier_use("station", "1", "a") == ""
    assert exchanges.earlier_use("csms", "1", "a") == ""
    assert exchanges.earlier_use("station", "1", "a") == "again"
    assert exchanges.earlier_use("station", "1", "b") == "otherwise"


def test_the_memory_for_ids_is_bounded() -> None:
    exchanges = Exchanges()
    for number in range(2 * MAX_REMEMBERED + 2):
        exchanges.earlier_use("station", str(number), "a")
    assert exchanges.earlier_use("station", "0", "a") == ""
    assert exchanges.earlier_use("station", str(MAX_REMEMBERED + 2), "a") == "again"
