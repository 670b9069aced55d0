"""Transactions of every version come out in one shape, whatever is missing of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fieldkit.events import Event, MessageType, OcppChannel, OcppError, OcppMessage
from fieldkit.site.connector import Connectors
from fieldkit.site.ledger import LEAST_CLOSED, LEAST_WHOLE, MAX_CLOSED, MAX_OPEN, MAX_WHOLE, Ledger
from fieldkit.site.room import SITE_CLOSED, Room
from fieldkit.site.transaction import Transaction
from tests.traffic.mangled import EXTREMES, mangled
from tests.traffic.segments import SECOND

NOON = 1_788_177_600
OK = {"status": "Accepted"}


def stamp(at: float) -> str:
    minutes, seconds = divmod(int(at), 60)
    return f"2026-08-31T{12 + minutes // 60:02}:{minutes % 60:02}:{seconds:02}Z"


class Book:
    """A ledger, and messages put in it."""

    def __init__(self, version: str = "1.6") -> None:
        self.ledger = Ledger("CP")
        self.channel = OcppChannel("CP", version, "json", None, False, False, False)
        self.number = 0

    def call(self, action: str, payload: Any, at: float = 0, sender: Any = "station") -> OcppMessage:
        self.number += 1
        time, kind = round((NOON + at) * SECOND), MessageType.CALL
        message = OcppMessage(
            time, (1,), "", self.channel, sender, kind, f"m{self.number}", action, payload, None, "raw", (), False, None
        )
        self.ledger.feed(message)
        return message

    def answer(self, call: OcppMessage, payload: Any, error: str = "") -> None:
        sender: Any = "csms" if call.sender == "station" else "station"
        kind = MessageType.CALLERROR if error else MessageType.CALLRESULT
        told = OcppError(error, "", {}) if error else None
        message = OcppMessage(
            call.time, (2,), "", self.channel, sender, kind, call.id, call.action, payload, told, "raw", (), False, call
        )
        self.ledger.feed(message)

    def start(self, id_: Any = 7, at: float = 0, *, told: float | None = None, **more: Any) -> OcppMessage:
        when = stamp(at if told is None else told)
        call = self.call(
            "StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": when, **more}, at
        )
        if id_ is not None:
            self.answer(call, {"transactionId": id_, "idTagInfo": OK})
        return call

    def stop(self, id_: Any = 7, at: float = 600, **more: Any) -> None:
        self.call("StopTransaction", {"transactionId": id_, "meterStop": 900, "timestamp": stamp(at), **more}, at)

    def meter(self, id_: Any = 7, register: str = "500", at: float = 60, connector: int = 1) -> None:
        values = [{"timestamp": stamp(at), "sampledValue": [{"value": register}]}]
        self.call("MeterValues", {"connectorId": connector, "transactionId": id_, "meterValue": values}, at)

    def event(
        self, kind: str, seq: int, at: float = 0, id_: str = "T", register: Any = None, **more: Any
    ) -> OcppMessage:
        info = {"transactionId": id_, **more.pop("info", {})}
        payload = {
            "eventType": kind,
            "seqNo": seq,
            "timestamp": stamp(at),
            "triggerReason": "CablePluggedIn",
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
            **more,
        }
        if register is not None:
            payload["meterValue"] = [{"timestamp": stamp(at), "sampledValue": [register]}]
        return self.call("TransactionEvent", payload, at)

    @property
    def only(self) -> Transaction:
        (found,) = [*self.ledger.closed, *self.ledger.open.values()]
        assert self.ledger.count == 1
        return found


# ------------------------------------------------------------------------------------------------------------------ 1.x


def test_both_halves() -> None:
    book = Book()
    book.start()
    assert book.ledger.on("1") is book.only
    book.meter()
    book.stop(reason="Remote")
    done = book.only
    assert (done.id, done.connector, done.complete, done.energy_wh, done.events) == ("7", "1", True, 800, 3)
    assert (done.stop_reason, done.reason_sent, done.authorized, done.id_token) == ("Remote", True, "Accepted", "A")
    assert (done.started, done.stopped) == (NOON * SECOND, (NOON + 600) * SECOND)
    assert book.ledger.on("1") is None
    assert book.ledger.find("7") is done
    assert not done.offline


def test_a_missing_reason_is_local_but_not_in_1_5() -> None:
    for version, reason in (("1.6", "Local"), ("1.5", "")):
        book = Book(version)
        book.start()
        book.stop()
        assert (book.only.stop_reason, book.only.reason_sent) == (reason, False)


def test_a_transaction_exists_before_it_has_an_id() -> None:
    book = Book()
    call = book.start(None)
    assert book.only.id == ""
    assert book.ledger.open.keys() == {f"?{call.id}"}
    book.answer(call, {"transactionId": 7, "idTagInfo": OK})
    assert book.ledger.open.keys() == {"7"}


def test_a_start_that_was_refused_by_an_error_keeps_none() -> None:
    book = Book()
    call = book.start(None)
    book.answer(call, {}, error="InternalError")
    assert (book.only.id, book.only.notes) == ("", {"start_error": "InternalError"})


def test_a_start_sent_again_is_the_same_one() -> None:
    book = Book()
    book.start(None)
    book.start(7, at=60, told=0)
    assert (book.only.id, book.only.begun_again) == ("7", 1)
    book.stop()
    assert book.only.complete


def test_a_start_sent_again_that_gets_another_id() -> None:
    book = Book()
    book.start(7)
    book.start(8, at=60, told=0)
    assert (book.only.id, book.only.notes["earlier_id"]) == ("8", "7")


def test_the_next_start_is_another_one() -> None:
    book = Book()
    book.start(7)
    book.start(8, at=60)
    assert book.ledger.count == 2
    newest = book.ledger.on("1")
    assert newest is not None
    assert newest.id == "8"
    book.stop(8)
    left = book.ledger.on("1")
    assert left is not None
    assert left.id == "7"


def test_a_stop_sent_again() -> None:
    book = Book()
    book.start()
    book.stop()
    book.stop()
    assert (book.only.ended_again, book.ledger.found) == (1, "again")
    book.stop(reason="Other")
    assert (book.only.ended_again, book.ledger.found, book.only.stop_reason) == (2, "contradicts", "Local")


def test_a_stop_without_a_start() -> None:
    book = Book()
    book.stop(idTag="B")
    assert (book.only.begin, book.only.connector, book.only.energy_wh, book.ledger.found) == (None, "", None, "unknown")
    assert book.only.id_token == "B"


def test_meter_values_without_a_start() -> None:
    book = Book()
    book.meter()
    assert (book.only.connector, book.only.events, book.only.meter_last) == ("1", 1, 500)
    book.stop()
    assert (book.only.end is not None, book.only.complete) == (True, False)


def test_the_answer_to_the_start_was_not_seen() -> None:
    book = Book()
    book.start(None)
    book.meter(9)
    assert (book.only.id, book.ledger.found) == ("9", "adopted")
    book.stop(9)
    assert book.only.complete
    book = Book()
    book.start(None)
    book.stop(9)
    assert (book.only.id, book.only.complete, book.ledger.found) == ("9", True, "adopted")


def test_the_answer_comes_when_the_id_is_known_already() -> None:
    book = Book()
    call = book.start(None)
    book.meter(9)
    book.answer(call, {"transactionId": 9, "idTagInfo": OK})
    assert (book.only.id, book.only.authorized, [*book.ledger.open]) == ("9", "Accepted", ["9"])


@pytest.mark.parametrize("sent", [0, -1, None, ""])
def test_a_stop_with_a_placeholder_can_only_mean_the_one_that_runs(sent: Any) -> None:
    book = Book()
    book.start()
    book.stop(sent)
    assert (book.only.id, book.only.complete, book.ledger.found) == ("7", True, "instead")


def test_a_stop_with_another_id_needs_the_token_to_say_so() -> None:
    book = Book()
    book.start()
    book.stop(99)
    assert book.ledger.count == 2
    book = Book()
    book.start()
    book.stop(99, idTag="A")
    assert (book.only.notes["stop_id"], book.ledger.found) == ("99", "instead")


def test_meter_values_of_another_id_belong_to_nobody() -> None:
    book = Book()
    book.start()
    book.meter(99)
    assert (book.ledger.latest, book.ledger.sent_id, book.only.meter_last) == (None, "99", None)


def test_meter_values_after_the_end_belong_to_it_still() -> None:
    book = Book()
    book.start()
    book.stop()
    book.meter(at=700)
    assert (book.ledger.latest, book.ledger.found) == (book.only, "late")
    assert book.only.meter_stop == book.only.meter_last == 900


def test_queued_starts_are_offline() -> None:
    book = Book()
    book.start(7, at=0)
    book.stop(at=10)
    book.start(8, at=2000, told=600)
    assert [done.offline for done in (*book.ledger.closed, *book.ledger.open.values())] == [False, True]


def test_a_clock_that_is_wrong_by_hours_is_not_offline() -> None:
    book = Book()
    book.start(7, at=7200, told=0)
    book.call("StopTransaction", {"transactionId": 7, "meterStop": 900, "timestamp": stamp(60)}, 7260)
    assert not book.only.offline


def test_an_id_given_twice() -> None:
    book = Book()
    book.start(7)
    first = book.only
    book.start(7, at=50, connectorId=2)
    assert book.ledger.shared is first
    assert book.ledger.count == 2


def test_1_5_writes_readings_otherwise() -> None:
    book = Book("1.5")
    book.start()
    values = [{"timestamp": stamp(5), "value": [{"value": "0.7", "unit": "kWh"}]}]
    book.call("MeterValues", {"connectorId": 1, "transactionId": 7, "values": values}, 5)
    assert book.only.meter_last == pytest.approx(700)


def test_other_measurands_places_and_phases_are_no_register() -> None:
    book = Book()
    book.start()
    odd: list[dict[str, Any]] = [
        {"value": "1", "measurand": "Voltage"},
        {"value": "2", "phase": "L1"},
        {"value": "3", "location": "Inlet"},
        {"value": "4", "unit": "varh"},
        {"value": "NaN"},
    ]
    values = [{"timestamp": stamp(5), "sampledValue": odd}]
    book.call("MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": values}, 5)
    assert book.only.meter_last is None


# --------------------------------------------------------------------------------------------------------------- remote


def test_a_remote_start_leads_to_a_transaction() -> None:
    book = Book()
    order = book.call("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}, sender="csms")
    book.answer(order, OK)
    book.start(at=20)
    assert book.only.remote_start
    assert not book.ledger.remote.waiting


def test_not_when_it_was_rejected_or_for_another_token() -> None:
    for token, status in (("A", "Rejected"), ("B", "Accepted")):
        book = Book()
        order = book.call("RemoteStartTransaction", {"idTag": token}, sender="csms")
        book.answer(order, {"status": status})
        book.start(at=20)
        assert not book.only.remote_start


# ------------------------------------------------------------------------------------------------------------------ 2.x


def test_2x_begin_to_end() -> None:
    book = Book("2.0.1")
    call = book.event("Started", 0, register={"value": 1.0, "unitOfMeasure": {"unit": "kWh"}}, idToken={"idToken": "A"})
    book.answer(call, {"idTokenInfo": {"status": "Accepted"}})
    book.event(
        "Updated",
        1,
        at=60,
        info={"chargingState": "Charging"},
        register={"value": 15, "unitOfMeasure": {"multiplier": 2}},
    )
    assert book.ledger.before[0] == 0
    book.event("Ended", 2, at=600, info={"stoppedReason": "EVDisconnected"}, register={"value": 2000})
    done = book.only
    assert (done.id, done.connector, done.complete, done.events) == ("T", "1/1", True, 3)
    assert (done.meter_start, done.meter_stop, done.energy_wh) == (1000, 2000, 1000)
    assert (done.first_seq, done.last_seq, done.authorized, done.id_token) == (0, 2, "Accepted", "A")
    assert (done.stop_reason, done.charging_state) == ("EVDisconnected", "Charging")


def test_2x_without_its_begin() -> None:
    book = Book("2.0.1")
    book.event("Updated", 5)
    assert book.ledger.found == "unknown"
    book.event("Ended", 6)
    assert (book.only.complete, book.only.first_seq, book.only.stop_reason) == (False, 5, "Local")


def test_2x_again_late_and_contradicting() -> None:
    book = Book("2.0.1")
    found = []
    for kind, seq, at in (
        ("Started", 0, 0),
        ("Started", 0, 0),
        ("Started", 4, 30),
        ("Ended", 5, 60),
        ("Ended", 5, 60),
        ("Updated", 6, 70),
    ):
        book.event(kind, seq, at)
        found.append(book.ledger.found)
    assert found == ["begin", "again", "contradicts", "known", "again", "late"]
    assert (book.only.begun_again, book.only.ended_again) == (2, 1)


def test_2x_the_evse_may_be_told_late() -> None:
    book = Book("2.0.1")
    book.event("Started", 0, evse=None)
    assert book.only.connector == ""
    book.event("Updated", 1)
    assert book.ledger.on("1/1") is book.only


def test_2x_offline_and_remote() -> None:
    book = Book("2.0.1")
    order = book.call("RequestStartTransaction", {"idToken": {"idToken": "A"}, "remoteStartId": 3}, sender="csms")
    book.answer(order, OK)
    book.event("Started", 0, offline=True, info={"remoteStartId": 3})
    assert (book.only.offline, book.only.remote_start, len(book.ledger.remote.waiting)) == (True, True, 0)


# --------------------------------------------------------------------------------------------------------------- bounds


def test_memory_is_bounded() -> None:
    book = Book()
    for number in range(MAX_OPEN + 20):
        book.start(number, at=number, connectorId=number)
    assert len(book.ledger.open) <= MAX_OPEN
    book = Book()
    for number in range(1, MAX_CLOSED + 20):
        book.start(number, at=number)
        book.stop(number, at=number)
    assert len(book.ledger.closed) == MAX_CLOSED
    assert book.ledger.count == MAX_CLOSED + 19
    assert book.ledger.find("1") is None
    assert sum(bool(done.begin and done.begin.raw) for done in book.ledger.closed) == MAX_WHOLE


@pytest.mark.parametrize(
    "stations, closed, whole",
    [(1, MAX_CLOSED, MAX_WHOLE), (100, SITE_CLOSED // 100, 10), (9000, LEAST_CLOSED, LEAST_WHOLE)],
)
def test_the_stations_of_a_site_share_its_memory(stations: int, closed: int, whole: int) -> None:
    book, room = Book(), Room()
    room.stations = 1
    book.ledger = Ledger("CP", room)
    for number in range(1, MAX_CLOSED + 2):
        book.start(number, at=number)
        book.stop(number, at=number)
    room.stations = stations
    book.start(MAX_CLOSED + 2, at=MAX_CLOSED + 2)
    book.stop(MAX_CLOSED + 2, at=MAX_CLOSED + 2)
    assert len(book.ledger.closed) == closed
    assert book.ledger.count == MAX_CLOSED + 2
    assert [bool(done.begin and done.begin.raw) for done in book.ledger.closed] == [False] * (closed - whole) + [
        True
    ] * whole
    assert book.ledger.find(str(MAX_CLOSED + 2 - closed)) is None
    assert book.ledger.find(str(MAX_CLOSED + 3 - closed)) is book.ledger.closed[0]


@settings(max_examples=60, deadline=None)
@given(mangled(values=EXTREMES))
def test_anything_may_come(events: list[Event]) -> None:
    connectors, ledger = Connectors(), Ledger("CP")
    for event in events:
        assert isinstance(event, OcppMessage)
        connectors.feed(event)
        ledger.feed(event)
