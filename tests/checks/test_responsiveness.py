"""Slow answers, answers that never come, and CALLs that do not wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.checks.policy import Policy
from tests.traffic.conversation import Session
from tests.traffic.diagnosed import diagnose, diagnose_events, diagnose_file, found, the
from tests.traffic.hostile import messages


def talk() -> Session:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    return session


def heartbeat(session: Session) -> None:
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})


def judged(session: Session) -> list[str]:
    return [id_ for id_ in found(diagnose(session)) if id_.startswith("answer.")]


# ---------------------------------------------------------------------------------------------------------------- slow


@pytest.mark.parametrize("seconds, expected", [(9.5, False), (11, True)])
def test_slow_answers(seconds: float, expected: bool) -> None:
    session = talk()
    id_ = session.call("csms", "ClearCache", {})
    session.clock.wait(seconds)
    session.answer("station", id_, "ClearCache", {"status": "Accepted"})
    assert (judged(session) == ["answer.slow"]) is expected


def test_what_is_slow_is_for_the_policy() -> None:
    session = talk()
    id_ = session.call("station", "Authorize", {"idTag": "04A2B7C1"})
    session.clock.wait(3)
    session.answer("csms", id_, "Authorize", {"idTagInfo": {"status": "Accepted"}})
    finding = the(diagnose(session, policy=Policy(slow_answer=2)), "answer.slow")
    assert finding.owner == "csms"
    assert "The CSMS took 3 s to answer Authorize (more than 2 s)" in finding.explanation()


# ------------------------------------------------------------------------------------------------------ never answered


@pytest.mark.parametrize("seconds, expected", [(20, []), (40, ["answer.missing"])])
def test_a_side_that_lives_and_does_not_answer(seconds: float, expected: list[str]) -> None:
    session = talk()
    session.call("csms", "ClearCache", {})
    session.clock.wait(seconds)
    session.ping("station")
    session.clock.wait(60)
    session.close(code=None)
    assert judged(session) == expected


def test_it_is_the_one_that_owes_the_answer() -> None:
    session = talk()
    session.call("station", "Heartbeat", {})
    session.idle(100, ping_every=20)
    session.close()
    finding = the(diagnose(session), "answer.missing")
    assert finding.owner == "csms"
    assert finding.explanation().startswith("The CSMS did not answer Heartbeat")


def test_at_the_end_of_the_capture_the_answer_may_be_on_its_way() -> None:
    session = talk()
    session.call("csms", "ClearCache", {})
    session.idle(50, ping_every=10)
    assert judged(session) == []


def test_but_not_for_long() -> None:
    session = talk()
    session.call("csms", "ClearCache", {})
    session.idle(200, ping_every=10)
    assert judged(session) == ["answer.overdue"]
    assert "had not answered ClearCache for 3 min 10 s" in the(diagnose(session), "answer.overdue").explanation()


def test_an_answer_after_minutes_is_slow_and_not_missing() -> None:
    session = talk()
    id_ = session.call("csms", "ClearCache", {})
    session.idle(150, ping_every=10)
    session.answer("station", id_, "ClearCache", {"status": "Accepted"})
    assert judged(session) == ["answer.slow"]


def test_missing_bytes_may_have_been_the_answer() -> None:
    session = talk()
    id_ = session.call("csms", "ClearCache", {})
    begin = len(session.segments)
    session.answer("station", id_, "ClearCache", {"status": "Accepted"})
    end = len(session.segments)
    session.idle(200, ping_every=10)
    session.close()
    del session.segments[begin:end]
    assert judged(session) == []


def test_a_connection_that_dies_takes_the_answer_with_it() -> None:
    session = talk()
    heartbeat(session)
    session.call("csms", "ClearCache", {})
    session.clock.wait(30)
    session.close("rst", by_client=False, code=None)
    diagnosis = diagnose(session)
    finding = the(diagnosis, "answer.lost-with-connection")
    assert (finding.severity, finding.owner) == ("info", "unknown")


def test_a_call_in_flight_when_the_connection_ends_is_nobody_s_fault() -> None:
    session = talk()
    heartbeat(session)
    session.call("csms", "ClearCache", {})
    session.clock.wait(5)
    session.close("rst", code=None)
    assert judged(session) == []


@pytest.mark.parametrize("sender, expected", [("csms", "station"), ("station", "csms")])
def test_connected_but_dead_to_all_calls(sender: Any, expected: str) -> None:
    session = talk()
    for _ in range(3):
        session.call(sender, "DataTransfer", {"vendorId": "x"})
        session.idle(60, ping_every=20)
    session.close()
    diagnosis = diagnose(session)
    finding = the(diagnosis, f"answer.{expected}-unresponsive")
    assert (finding.severity, finding.owner) == ("critical", expected)
    assert "3 CALLs" in finding.explanation()
    assert "answer.missing" not in found(diagnosis)


def test_one_answer_shows_that_it_listens() -> None:
    session = talk()
    for number in range(4):
        session.call("csms", "DataTransfer", {"vendorId": "x"}, {"status": "Accepted"} if number == 2 else None)
        session.idle(60, ping_every=20)
    session.close()
    finding = the(diagnose(session), "answer.missing")
    assert finding.count == 3


# ---------------------------------------------------------------------------------------------------------- not awaited


def test_calls_that_do_not_wait() -> None:
    session = talk()
    first = session.call("station", "Authorize", {"idTag": "04A2B7C1"})
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    session.answer("csms", first, "Authorize", {"idTagInfo": {"status": "Accepted"}})
    finding = the(diagnose(session), "answer.not-awaited")
    assert (finding.severity, finding.owner) == ("info", "station")
    assert "before it had the answer to Authorize" in finding.explanation()


def test_a_call_that_timed_out_need_not_be_awaited() -> None:
    session = talk()
    first = session.call("station", "Authorize", {"idTag": "04A2B7C1"})
    session.clock.wait(15)
    heartbeat(session)
    session.answer("csms", first, "Authorize", {"idTagInfo": {"status": "Accepted"}})
    assert judged(session) == ["answer.slow"]


def test_each_side_may_have_its_own_call_open() -> None:
    session = talk()
    first = session.call("station", "Authorize", {"idTag": "04A2B7C1"})
    session.call("csms", "ClearCache", {}, {"status": "Accepted"})
    session.answer("csms", first, "Authorize", {"idTagInfo": {"status": "Accepted"}})
    assert judged(session) == []


@settings(max_examples=60, deadline=None)
@given(messages("Heartbeat", "Reset"))
def test_nothing_that_is_sent_breaks_the_check(events: list[Any]) -> None:
    for finding in diagnose_events(events).findings:
        finding.explanation()


# ---------------------------------------------------------------------------------------------------------------- logs


def in_a_log(tmp_path: Path, unanswered: int, minutes: int) -> list[str]:
    """A CSMS's log with orders that the station leaves without an answer while it sends heartbeats."""
    lines = [
        f'2026-08-31 08:00:0{at + 1},000 INFO:ocpp:CP_1: send [2,"order-{at}","ClearCache",{{}}]'
        for at in range(unanswered)
    ]
    for at in range(1, minutes + 1):
        stamp = f"2026-08-31 08:{at:02d}:00,000"
        lines.append(f'{stamp} INFO:ocpp:CP_1: receive message [2,"h{at}","Heartbeat",{{}}]')
        lines.append(f'{stamp} INFO:ocpp:CP_1: send [3,"h{at}",{{"currentTime":"2026-08-31T08:{at:02d}:00Z"}}]')
    log = tmp_path / "csms.log"
    log.write_text("\n".join(lines) + "\n")
    findings = diagnose_file(log).findings
    return [f"{one.kind.id} {one.severity}" for one in findings if one.kind.id.startswith("answer.")]


def test_a_log_may_lack_the_line_with_the_answer(tmp_path: Path) -> None:
    assert in_a_log(tmp_path, 1, 5) == ["answer.overdue info"]


def test_a_log_with_no_answer_at_all_says_more(tmp_path: Path) -> None:
    assert in_a_log(tmp_path, 4, 5) == ["answer.overdue warning"]


def test_a_log_that_ends_soon_after_says_nothing(tmp_path: Path) -> None:
    assert in_a_log(tmp_path, 4, 1) == []
