"""A search finds what the filter says of the messages themselves, and never holds anybody up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fieldkit.history import History, RowKind, Scope, Search
from fieldkit.query import compile_filter
from tests.history.test_history import CAPTURES, answer, call, remembered
from tests.traffic.decoded import decode_files

FILTERS = [
    "action = Heartbeat", "type = call", "type != call", "from = csms", "latency > 1ms", "latency < 1h", "connector = 1",
    "tx", "tx = 1", ".status = Accepted", "status in (Available, Charging)", "error", "problem", "valid", "not valid",
    "id ~ a", "Boot", "text ~ interval", "version = 1.6", "transport = soap", "source ~ p", "client = 10.*", "frame < 30",
    "inferred", "connection = 1", "action matches /^Boot/", "payload.chargePointVendor", "since 00:00",
    ".status != Accepted", "not .status = Accepted", ".connectorId = 01.0", ".meterValue.sampledValue.value > 10",
    ".idTag ~ a", "connector in (0, 1)", "evse = 1", "id = *1*", "text matches /heart|Boot.*vendor/", "text ~ csms",
    "payload", "not payload", "connector = 2 or connector = 0", ".status = 1", "tx = 7", ".connectorId in (0, 2)",
    ".currentTime matches /2026|2025|202[0-4]/", "tx and not error", ".reason = null or .interval >= 1",
]  # fmt: skip


@pytest.mark.parametrize("path", CAPTURES[::3], ids=lambda path: path.stem)
def test_a_search_agrees_with_the_filter(path: Path) -> None:
    history = remembered(decode_files(path).events)
    for block in history._blocks:
        block.seal()
    messages = {
        number: history.message(number) for number in range(history.end) if history.row(number).kind is RowKind.MESSAGE
    }
    for text in FILTERS:
        wanted = compile_filter(text)
        search = Search(history, wanted)
        assert search.run(10)
        assert list(search.rows) == [number for number, told in messages.items() if wanted.matches(told)], text


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ('{"status":"\\u0046aulted"}', ".status = Faulted"),
        ('{"\\u0073tatus":"Faulted"}', "status = Faulted"),
        ('{"status":"\u017fuspended"}', ".status = suspended"),
        ('{"STATUS":"Faulted"}', ".status = faulted"),
        ('{"transactionId":4.711e3}', "tx = 4711"),
        ('{"transactionId":"4711"}', "tx = 4711"),
        ('{"transactionId":4711.00}', "tx = 4711.0"),
        ('{"transactionId":"+007"}', 'tx = "+007"'),
        ('{"connectorId" :\n "2"}', "connector = 2"),
        ('{"CONNECTORID":\t2.0}', ".connectorId = 2"),
        ('{"evse":{"id":1,"connectorId": 2}}', "connector = +02.0 and evse = 1"),
        ('{"connectorId":-0}', "connector = 0"),
        ('{"a":1,"connectorId":"+007"}', "connector = +007"),
        ('{"\\u0063onnectorId":2}', "connector = 2"),
        ('{"transactionInfo":{"transactionId":"9"}}', "tx = 9"),
        ('{"limit":15.999999999999999999}', ".limit = 16"),
        ('{"limit":0.00001}', ".limit ~ e-05"),
        ('{"limit":true}', ".limit = yes or .limit = true"),
        ('{"vendor":"a\\/b"}', '.vendor = "a/b"'),
        ('{"vendor":"Straße"}', ".vendor = strasse"),
    ],
)
def test_what_is_spelt_otherwise_is_found_too(payload: str, text: str) -> None:
    history = History()
    for number in range(1, 300):
        history.see(call(number, "StatusNotification", '{"status":"Available","transactionId":1,"limit":3}'))
    spelt = call(300, "StatusNotification", payload)
    history.see(spelt)
    for number in range(301, 600):
        history.see(call(number, "StatusNotification", '{"status":"Available","transactionId":1,"limit":3}'))
    wanted = compile_filter(text)
    assert wanted.matches(spelt)
    search = Search(history, wanted)
    assert search.run(10)
    assert list(search.rows) == [299]


def test_an_answer_is_found_by_what_its_call_says() -> None:
    history = many(1000)
    (asked,) = [call(2000, "MeterValues", '{"transactionId":98765}')]
    history.see(asked)
    for number in range(2001, 2400):
        history.see(call(number, "Heartbeat", "{}"))
    history.see(answer(asked))
    for number in range(2401, 2800):
        history.see(call(number, "Heartbeat", "{}"))
    search = Search(history, compile_filter("tx = 98765"))
    assert search.run(10)
    assert list(search.rows) == [2000, 2400]


def many(count: int) -> History:
    history = History()
    for number in range(1, count + 1):
        asked = call(
            number, "StatusNotification" if number % 10 else "BootNotification", f'{{"connectorId":{number % 3}}}'
        )
        history.see(asked)
        history.see(answer(asked))
    return history


def test_a_search_goes_on_where_it_stopped() -> None:
    history = many(2000)
    search = Search(history, compile_filter("connector = 2"))
    slices = 1
    while not search.run(0.0):
        slices += 1
    assert slices > 10
    assert len(search.rows) == 2 * len([number for number in range(1, 2001) if number % 3 == 2])
    assert search.progress == 1


def test_rows_that_come_later_are_found_too() -> None:
    history = many(10)
    search = Search(history, compile_filter("action = BootNotification"))
    assert search.run(1)
    before = len(search.rows)
    history.see(call(100, "BootNotification"))
    assert not search.done
    assert search.run(1)
    assert len(search.rows) == before + 1


def test_rows_that_have_left_are_forgotten() -> None:
    history = History(max_rows=300)
    search = Search(history, compile_filter("Heartbeat"))
    for number in range(1, 1500):
        history.see(call(number))
        if number % 100 == 0:
            search.run(1)
    search.run(1)
    assert search.rows[0] >= history.first
    assert list(search.rows) == list(range(search.rows[0], history.end))


def test_a_slice_is_short() -> None:
    history = many(20_000)
    search = Search(history, compile_filter(".connectorId = 9"))
    worst = 0.0
    while not search.done:
        begun = time.perf_counter()
        search.run(0.01)
        worst = max(worst, time.perf_counter() - begun)
    assert worst < 0.1, "a key press would have to wait"


def test_one_conversation() -> None:
    path = next(path for path in CAPTURES if path.stem == "ocpp16j_vcp_ocpprpc_plain")
    history = remembered(decode_files(path).events)
    transaction = next(row for row in map(history.row, range(history.end)) if row.transaction)
    search = Search(history, scope=Scope(station=transaction.station, transaction=transaction.transaction))
    assert search.run(1)
    rows = [history.row(number) for number in search.rows]
    assert {row.transaction for row in rows} == {transaction.transaction}
    assert {"StartTransaction", "StopTransaction"} <= {row.action for row in rows}
    search = Search(history, scope=Scope(connection=transaction.connection))
    assert search.run(1)
    assert len(search.rows) > len(rows)
    assert any(history.row(number).kind is RowKind.CONNECTION for number in search.rows)
    search = Search(history, compile_filter("type = call"), Scope(station="nobody"))
    assert search.run(1)
    assert not search.rows
