"""Stop reasons against what went before, ends by a fault, sessions without energy or sense."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.charging_talk import Talk2, Talk16

FAMILY = "transaction."
ORDER = {"transactionId": 4711}


def ended(
    *,
    order: str = "",
    before: float = 5,
    lasted: float = 600,
    register: int = 5200,
    start: str = "Accepted",
    **stop: Any,
) -> Talk16:
    """``order``: the status that the station answers to a RemoteStopTransaction so many seconds before the end."""
    talk = Talk16()
    talk.start(status=start)
    talk.wait(lasted)
    if order:
        talk.ordered("RemoteStopTransaction", ORDER, order)
        talk.wait(before)
    talk.stop(register=register, **stop)
    return talk


# -------------------------------------------------------------------------------------------------------------- reasons


def test_a_missing_reason_after_a_remote_stop() -> None:
    finding = ended(order="Accepted").the("transaction.stop-reason-missing")
    assert finding.severity == "info"
    assert "RemoteStopTransaction" in finding.explanation()


def test_a_missing_reason_is_local_when_nobody_ordered_it() -> None:
    assert ended().found(family=FAMILY) == []
    assert ended(order="Accepted", before=100).found(family=FAMILY) == []
    assert ended(order="Rejected").found(family=FAMILY) == []


def test_2x_a_missing_reason_after_a_remote_stop() -> None:
    talk = Talk2()
    talk.event("Started", "CablePluggedIn", register=0)
    talk.wait(600)
    talk.session.call("csms", "RequestStopTransaction", {"transactionId": "T-1"}, {"status": "Accepted"})
    talk.event("Ended", "RemoteStop", register=500)
    assert talk.found(family=FAMILY) == ["transaction.stop-reason-missing"]


def test_remote_without_an_order() -> None:
    finding = ended(reason="Remote").the("transaction.stop-reason-contradicts")
    assert "no order" in finding.explanation()
    assert "Remote" in finding.explanation()


def test_remote_with_an_order_or_where_one_may_have_been_missed() -> None:
    assert ended(reason="Remote", order="Accepted").found(family=FAMILY) == []
    assert ended(reason="Remote", lasted=200).found(family=FAMILY) == []


def test_remote_in_a_stop_that_was_queued() -> None:
    talk = Talk16()
    talk.start()
    talk.wait(3600)
    talk.stop(reason="Remote", ago=1800)
    assert "transaction.stop-reason-contradicts" not in talk.found()


def test_deauthorized_although_accepted() -> None:
    assert ended(reason="DeAuthorized").found(family=FAMILY) == ["transaction.stop-reason-contradicts"]
    assert ended(reason="DeAuthorized", start="Invalid").found(family=FAMILY) == []


@pytest.mark.parametrize(("setting", "expected"), [("false", 1), ("true", 0), ("", 0)])
def test_unplugging_must_not_stop_it_when_the_setting_says_so(setting: str, expected: int) -> None:
    talk = Talk16()
    if setting:
        talk.set("StopTransactionOnEVSideDisconnect", setting)
    talk.start()
    talk.wait(600)
    talk.stop(reason="EVDisconnected")
    assert talk.found().count("transaction.stop-reason-contradicts") == expected


@pytest.mark.parametrize("reason", ["EmergencyStop", "PowerLoss", "GroundFault", "OvercurrentFault"])
def test_ended_by_a_fault(reason: str) -> None:
    finding = ended(reason=reason).the("transaction.ended-by-fault")
    assert finding.severity == "warning"
    assert reason in finding.explanation()
    assert "10 min" in finding.explanation()


@pytest.mark.parametrize("reason", ["Local", "Other", "SoftReset", "UnlockCommand", "Unheard"])
def test_ended_by_an_order_or_by_nobody_knows_what(reason: str) -> None:
    assert ended(reason=reason).found(family=FAMILY) == []


# --------------------------------------------------------------------------------------------------------------- shapes


def test_a_session_without_energy() -> None:
    finding = ended(register=1205, reason="Local").the("transaction.no-energy")
    assert finding.severity == "info"
    assert "moved by 5 Wh" in finding.explanation()


def test_a_short_one_or_one_with_little_energy_is_not() -> None:
    assert ended(register=1205, lasted=120, reason="Local").found(family=FAMILY) == []
    assert ended(register=1215, reason="Local").found(family=FAMILY) == []


def test_three_in_a_row_are_a_warning() -> None:
    talk = Talk16()
    for number in (1, 2, 3):
        talk.start(number)
        talk.wait(600)
        talk.stop(number, register=1200, reason="Local")
    severities = [found.severity for found in talk.diagnose().findings if found.kind.id == "transaction.no-energy"]
    assert severities == ["warning", "info", "info"]


def test_three_with_a_good_one_between_are_not() -> None:
    talk = Talk16()
    for number, register in ((1, 1200), (2, 1200), (3, 5000), (4, 1200)):
        talk.start(number)
        talk.wait(600)
        talk.stop(number, register=register, reason="Local")
    empty = [found for found in talk.diagnose().findings if found.kind.id == "transaction.no-energy"]
    assert [found.severity for found in empty] == ["info", "info", "info"]


@pytest.mark.parametrize(("lasted", "expected"), [(10, ["transaction.short"]), (40, [])])
def test_very_short(lasted: float, expected: list[str]) -> None:
    assert ended(lasted=lasted, reason="Local").found(family=FAMILY) == expected


@pytest.mark.parametrize(("hours", "expected"), [(60, ["transaction.long"]), (40, [])])
def test_very_long(hours: float, expected: list[str]) -> None:
    assert ended(lasted=hours * 3600, reason="Local").found(family=FAMILY) == expected


def test_an_end_before_the_begin() -> None:
    talk = ended(reason="Local", ago=3600)
    assert "transaction.times-reversed" in talk.found()
    assert "transaction.times-reversed" not in ended(reason="Local", ago=600).found()
