"""Reservations and their ends."""

from __future__ import annotations

import pytest

from tests.traffic.task_talk import Tasks


def reserve(talk: Tasks, number: int = 9) -> None:
    token = {"idToken": "04A2B7C1", "type": "ISO14443"}
    talk.order("ReserveNow", {"id": number, "expiryDateTime": talk.now(600), "idToken": token, "evseId": 2})


@pytest.mark.parametrize("told, end", [("Expired", "expired"), ("Removed", "removed"), ("NoTransaction", "unused")])
def test_the_station_tells_of_the_end(told: str, end: str) -> None:
    talk = Tasks("2.1")
    reserve(talk)
    talk.tell("ReservationStatusUpdate", {"reservationId": 9, "reservationUpdateStatus": told})
    (made,) = talk.station().reservations.all.values()
    assert (made.connector, made.end, made.active, made.ended is not None) == ("2", end, False, True)


def test_a_transaction_uses_it_up() -> None:
    talk = Tasks("2.1")
    reserve(talk)
    reserve(talk, 10)
    event = {
        "eventType": "Started",
        "timestamp": talk.now(),
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "reservationId": 9,
    }
    talk.tell("TransactionEvent", event)
    reservations = talk.station().reservations
    assert [made.id for made in reservations.active()] == [10]
    assert (reservations.all[9].end, reservations.count) == ("used", 2)
