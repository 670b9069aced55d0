"""Reservations and the local list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.traffic.task_talk import Tasks

OWNER, OTHER = "04A2B7C1", "FF00112233"


def reserved(version: str = "1.6", status: str = "Accepted", minutes: float = 30, **edits: Any) -> Tasks:
    talk = Tasks(version)
    if version == "1.6":
        order = {"connectorId": 1, "expiryDate": talk.now(minutes * 60), "idTag": OWNER, "reservationId": 9, **edits}
    else:
        token = {"idToken": OWNER, "type": "ISO14443"}
        order = {"id": 9, "expiryDateTime": talk.now(minutes * 60), "idToken": token, "evseId": 1, **edits}
    talk.order("ReserveNow", order, {"status": status})
    return talk


def starts(talk: Tasks, token: str, connector: int = 1, trigger: str = "Authorized", **edits: Any) -> None:
    talk.silence(5)
    if talk.version == "1.6":
        start = {"connectorId": connector, "idTag": token, "meterStart": 0, "timestamp": talk.now(), **edits}
        talk.tell("StartTransaction", start, {"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
        return
    event = {
        "eventType": "Started",
        "timestamp": talk.now(),
        "triggerReason": trigger,
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "evse": {"id": connector, "connectorId": 1},
        "idToken": {"idToken": token, "type": "ISO14443"},
        **edits,
    }
    talk.tell("TransactionEvent", event, {"idTokenInfo": {"status": "Accepted"}})


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_reservation_that_is_used_is_no_finding(version: str) -> None:
    talk = reserved(version)
    starts(talk, OWNER, reservationId=9)
    talk.wait(7200)
    assert talk.found("reservation") == []


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_somebody_else_at_a_reserved_connector(version: str) -> None:
    talk = reserved(version)
    starts(talk, OTHER)
    finding = talk.the("reservation.taken-by-other")
    assert OTHER not in finding.explanation()
    assert OTHER in finding.explanation(show_ids=True)


@pytest.mark.parametrize(
    "token, connector, edits",
    [
        (OWNER.lower(), 1, {}),  # tokens are compared without regard to case (1.6 §7.28 CiString20)
        (OTHER, 2, {}),
        (OTHER, 1, {"timestamp": "2026-08-31T07:00:00Z"}),  # began before, and was told late
    ],
)
def test_whoever_starts_elsewhere_or_earlier_took_nothing(token: str, connector: int, edits: dict[str, Any]) -> None:
    talk = reserved()
    starts(talk, token, connector, **edits)
    assert "reservation.taken-by-other" not in talk.found("reservation")


@pytest.mark.parametrize("edits", [{"parentIdTag": "FLEET"}, {"connectorId": 0}])
def test_a_group_or_the_whole_station_leaves_room_for_others(edits: dict[str, Any]) -> None:
    talk = reserved(**edits)
    starts(talk, OTHER)
    assert "reservation.taken-by-other" not in talk.found("reservation")


def test_a_reservation_that_was_refused_keeps_nothing() -> None:
    talk = reserved(status="Occupied")
    starts(talk, OTHER)
    assert talk.found("reservation") == ["reservation.refused"]


def test_a_token_that_ends_a_transaction_takes_nothing() -> None:
    talk = reserved("2.0.1")
    starts(talk, OTHER, trigger="StopAuthorized", eventType="Updated")
    assert talk.found("reservation") == []


def test_a_reservation_that_runs_out() -> None:
    talk = reserved()
    talk.wait(2000)
    assert talk.found("reservation") == ["reservation.not-used"]


def test_a_reservation_that_has_just_run_out_is_given_a_minute() -> None:
    talk = reserved()
    talk.wait(1850)
    assert talk.found("reservation") == []


def test_a_station_may_say_that_it_ran_out() -> None:
    talk = reserved("2.0.1")
    talk.silence(1800)
    talk.tell("ReservationStatusUpdate", {"reservationId": 9, "reservationUpdateStatus": "Expired"})
    talk.wait(600)
    assert talk.the("reservation.not-used").count == 1


def test_a_reservation_that_is_cancelled_does_not_run_out() -> None:
    talk = reserved()
    talk.order("CancelReservation", {"reservationId": 9})
    talk.wait(3600)
    assert talk.found("reservation") == []


def test_a_cancellation_may_be_refused() -> None:
    talk = Tasks()
    talk.order("CancelReservation", {"reservationId": 12}, {"status": "Rejected"})
    assert "12" in talk.the("reservation.cancel-refused").explanation()


def test_a_reservation_that_ends_before_it_begins() -> None:
    assert "2 h" in reserved(minutes=-120).the("reservation.already-expired").explanation()


def test_two_minutes_are_a_matter_of_clocks() -> None:
    assert reserved(minutes=-2).found("reservation") == []


# ------------------------------------------------------------------------------------------------------- the local list


def sends(talk: Tasks, version: int, status: str = "Accepted", kind: str = "Full") -> None:
    entries = [{"idTag": OWNER, "idTagInfo": {"status": "Accepted"}}]
    order = {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}
    talk.order("SendLocalList", order, {"status": status})


def test_a_list_that_arrives_and_stays() -> None:
    talk = Tasks()
    sends(talk, 7)
    talk.order("GetLocalListVersion", {}, {"listVersion": 7})
    assert talk.found("locallist") == []
    assert (talk.station().local_list.version, talk.station().local_list.entries) == (7, 1)


@pytest.mark.parametrize(
    "status, expected",
    [
        ("Failed", "locallist.update-failed"),
        ("VersionMismatch", "locallist.version-mismatch"),
        ("NotSupported", "locallist.not-supported"),
    ],
)
def test_a_list_may_not_arrive(status: str, expected: str) -> None:
    talk = Tasks()
    sends(talk, 7, status)
    assert talk.found("locallist") == [expected]


def test_a_list_may_get_lost() -> None:
    talk = Tasks()
    sends(talk, 7)
    talk.order("GetLocalListVersion", {}, {"listVersion": 0})
    assert "version 7" in talk.the("locallist.version-lost").explanation()


def test_what_was_on_the_station_before_is_its_own_business() -> None:
    talk = Tasks()
    talk.order("GetLocalListVersion", {}, {"listVersion": -1})
    sends(talk, 7, "NotSupported")
    talk.order("GetLocalListVersion", {}, {"listVersion": -1})
    assert talk.found("locallist") == ["locallist.not-supported"]


def test_no_token_of_the_list_is_kept() -> None:
    talk = Tasks()
    sends(talk, 7)
    (update,) = talk.station().local_list.updates
    assert (update.order.payload, update.order.raw) == (None, "")
