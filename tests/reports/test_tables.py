"""Tables for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any, cast

import pytest

from fieldkit.reports.document import Report
from fieldkit.reports.tables import (
    EXCHANGES,
    METERS,
    TRANSACTIONS,
    ExchangeTable,
    MeterTable,
    moment,
    table_of,
    transactions,
)
from fieldkit.session import Session as Diagnosis
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session
from tests.traffic.decoded import decode
from tests.traffic.scripts import boot_16, usual_hour
from tests.traffic.taps import Tap


def started(version: str = "1.6") -> Session:
    session = Session("CP_7", version)
    session.connect()
    session.upgrade()
    return session


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def streamed(kind: type[ExchangeTable] | type[MeterTable], session: Session, **options: Any) -> list[dict[str, str]]:
    blocks: list[bytes] = []
    table = kind(blocks.append, **options)
    diagnosis = Diagnosis(None, [table])
    diagnosis.feed(decode(write_pcap(Tap().packets(session.segments))).events)
    table.finish()
    return rows(b"".join(blocks))


@pytest.mark.parametrize(
    "name, table",
    [
        ("site.csv", "transactions"),
        ("site.transactions.csv", "transactions"),
        ("site.exchanges.csv", "exchanges"),
        ("exchanges.csv", "exchanges"),
        ("site-meters.csv", "meters"),
        ("METERS.CSV", "meters"),
        ("parameters.csv", "transactions"),
        ("meters.site.csv", "transactions"),
    ],
)
def test_the_name_says_which_table(name: str, table: str) -> None:
    assert table_of(name) == table


def test_an_exchange_is_a_row() -> None:
    session = started()
    boot_16(session)
    id_ = session.call("csms", "Reset", {"type": "Hard"}, None)
    session.error("station", id_, "Reset", "NotSupported", "not today")
    found = streamed(ExchangeTable, session)
    assert list(found[0]) == EXCHANGES
    boot, reset = found[0], found[-1]
    assert (boot["station"], boot["version"], boot["sender"], boot["action"]) == (
        "CP_7",
        "1.6",
        "station",
        "BootNotification",
    )
    assert boot["result"] == "result"
    assert 0 < float(boot["latency_ms"]) < 100
    assert int(boot["answer_frame"]) > int(boot["call_frame"])
    assert boot["time"].startswith("2026-08-31T08:00:")
    assert (reset["result"], reset["error_code"], reset["error_text"]) == ("error", "NotSupported", "not today")


def test_a_call_without_an_answer_says_why() -> None:
    session = started()
    session.call("station", "Heartbeat", {}, None)
    session.close()
    (found,) = streamed(ExchangeTable, session)
    assert (found["result"], found["latency_ms"], found["answer_frame"]) == ("connection-closed", "", "")


def test_a_send_is_a_row() -> None:
    session = started("2.1")
    session.send("station", "NotifyPeriodicEventStream", {"id": 1, "data": []})
    (found,) = streamed(ExchangeTable, session)
    assert (found["action"], found["result"]) == ("NotifyPeriodicEventStream", "sent")


def test_a_token_in_an_error_is_masked_until_asked_for() -> None:
    session = started()
    id_ = session.call("station", "Authorize", {"idTag": "04A2B7C1D2"}, None)
    session.error("csms", id_, "Authorize", "InternalError", "unknown 04A2B7C1D2")
    assert "04A2B7C1D2" not in streamed(ExchangeTable, session)[0]["error_text"]
    assert "04A2B7C1D2" in streamed(ExchangeTable, session, show_ids=True)[0]["error_text"]


def test_a_sampled_value_is_a_row_in_base_units() -> None:
    session = started()
    usual_hour(session)
    found = streamed(MeterTable, session)
    assert list(found[0]) == METERS
    power = [row for row in found if row["measurand"] == "Power.Active.Import"]
    assert (float(power[0]["value"]), power[0]["unit"]) == (10_900.0, "W")
    assert {row["phase"] for row in found if row["measurand"] == "Current.Import"} == {"L1", "L2", "L3"}
    assert {row["transaction"] for row in found} == {"4711"}


def test_a_station_cannot_make_a_spreadsheet_calculate() -> None:
    session = started()
    id_ = session.call("station", "Heartbeat", {}, None)
    session.error("csms", id_, "Heartbeat", "=cmd|' /C calc'!A0", '@SUM(1)\x1b[31m"quoted", and more\nlines')
    (found,) = streamed(ExchangeTable, session)
    assert found["error_code"].startswith("'=")
    assert found["error_text"].startswith("'@")
    assert "\x1b" not in found["error_text"]
    assert "\n" not in found["error_text"]


def test_transactions_come_from_the_report() -> None:
    entry = dict.fromkeys(TRANSACTIONS, "x") | {"energy_wh": 540.0, "complete": True, "station": "-1+1", "stop": None}
    report = cast(Report, {"transactions": [entry]})
    (found,) = rows(transactions(report).encode())
    assert (found["energy_wh"], found["complete"], found["stop"]) == ("540.0", "yes", "")
    assert found["station"] == "'-1+1"


def test_without_a_row_there_is_a_heading() -> None:
    assert transactions(cast(Report, {"transactions": []})).splitlines() == [",".join(TRANSACTIONS)]


def test_times_that_are_none() -> None:
    assert moment(0) == moment(1 << 80) == ""
