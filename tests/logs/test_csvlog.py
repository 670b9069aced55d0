"""Tables as CSMSs and log viewers export them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.events import DecodeError, LoggedFrame
from fieldkit.logs import LogReader
from fieldkit.logs.csvlog import cells, delimiter_of, heading
from fieldkit.logs.sighting import TRUNCATED

CALL = '[2,"1","BootNotification",{"chargePointModel":"M, 1; x|y"}]'
ANSWER = '[3,"1",{"status":"Accepted"}]'


def read(text: str | bytes, step: int = 0) -> list[LoggedFrame]:
    data = text if isinstance(text, bytes) else text.encode()
    reader = LogReader("export.csv")
    found: list[LoggedFrame | DecodeError] = []
    for begin in range(0, len(data), step or len(data) or 1):
        found += reader.feed(data[begin : begin + (step or len(data))])
    found += reader.finish()
    assert reader.format == "a table"
    return [item for item in found if isinstance(item, LoggedFrame)]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "names",
    [
        "timestamp chargePointId direction action message",
        "Time;Station ID;Direction;Action;OCPP message",
        "Zeitstempel;Ladestation;Richtung;Aktion;Nachricht",
        "created_at charger in_out command raw",
        "a b c d e",
        "",
    ],
)
def test_headings_delimiters_and_neither(delimiter: str, names: str) -> None:
    rows = [
        ["2026-11-21 08:49:50.123", "CP_1", "in", "BootNotification", quoted(CALL)],
        ["2026-11-21 08:49:50.456", "CP_1", "out", "", quoted(ANSWER)],
        ["2026-11-21 08:49:51", "CP_1", "in", "Heartbeat", quoted('[2,"2","Heartbeat",{}]')],
    ]
    if names:
        rows.insert(0, names.split(";" if ";" in names else " "))
    call, answer, _ = read("".join(delimiter.join(row) + "\r\n" for row in rows))
    assert (call.text, answer.text) == (CALL, ANSWER)
    assert call.time == 1795250990_123000000
    assert (call.station, call.relative) == ("CP_1", "in")
    assert (answer.station, answer.relative) == ("CP_1", "out")
    assert answer.frames == ((3,) if names else (2,))


def test_an_export_without_direction_whose_id_is_the_station() -> None:
    call, answer = read(
        f"timestamp,id,action,msg\n2026-11-21T08:49:50Z,CP9,BootNotification,{quoted(CALL)}\n2026-11-21T08:49:51Z,CP9,,{quoted(ANSWER)}\n"
    )
    assert call.station == answer.station == "CP9"
    assert call.sender is None
    assert call.relative is None


def test_an_id_that_is_the_messages_own_is_no_station() -> None:
    (call,) = read(f"timestamp,id,msg\n2026-11-21T08:49:50Z,1,{quoted(CALL)}\n")
    assert call.station == ""


def test_many_other_columns() -> None:
    rows = [["level", "tenant", "session", "connector", "charger id", "kind", "text", "logged at"]]
    for number in range(5):
        frame = json.dumps([2, f"id{number}", "Heartbeat", {}])
        rows.append(
            ["INFO", "acme", f"s{number:05}", "1", f"X-{number % 2}", "Request", frame, f"21.11.2026 08:49:5{number}"]
        )
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    found = read(text.getvalue())
    assert [frame.station for frame in found] == ["X-0", "X-1", "X-0", "X-1", "X-0"]
    assert [frame.time for frame in found] == [1795250990_000000000 + number * 10**9 for number in range(5)]


def test_rows_longer_than_the_headings() -> None:
    (call,) = read(f"timestamp,message\n2026-11-21T08:49:50Z,{quoted(CALL)},CP9,in\n")
    assert (call.station, call.relative) == ("CP9", "in")


def test_frames_that_are_not_quoted() -> None:
    call, answer = read(f"2026-11-21T08:49:50Z,CP9,{CALL},in\n2026-11-21T08:49:51Z,CP9,{ANSWER},out\n")
    assert (call.text, call.station, call.relative) == (CALL, "CP9", "in")
    assert (answer.text, answer.station, answer.relative) == (ANSWER, "CP9", "out")


def test_frames_that_are_escaped_with_backslashes() -> None:
    (call,) = read('time,station,message\n2026-11-21T08:49:50Z,CP9,"[2,\\"1\\",\\"Heartbeat\\",{\\"a\\":\\"b,c\\"}]"\n')
    assert call.text == '[2,"1","Heartbeat",{"a":"b,c"}]'
    assert call.station == "CP9"


def test_cells_of_several_lines() -> None:
    pretty = json.dumps(json.loads(CALL), indent=2)
    call, answer = read(
        f"time;station;message\n21.11.2026 08:49:50;CP9;{quoted(pretty)}\n21.11.2026 08:49:51;CP9;{quoted(ANSWER)}\n"
    )
    assert json.loads(call.text) == json.loads(CALL)
    assert call.text == pretty
    assert call.frames == (2, 2 + pretty.count("\n"))
    assert answer.frames == (3 + pretty.count("\n"),)


def test_cells_that_hold_lines_of_a_log() -> None:
    line, wrapped = read(
        "timestamp,message\n"
        f"1795250990123,{quoted('INFO:ocpp:CP_1: receive message ' + CALL)}\n"
        f"1795250990456,{quoted(json.dumps({'cp': 'CP_2', 'dir': 'out', 'msg': ANSWER}))}\n"
    )
    assert (line.text, line.station, line.relative, line.time) == (CALL, "CP_1", "in", 1795250990_123000000)
    assert (wrapped.text, wrapped.station, wrapped.relative) == (ANSWER, "CP_2", "out")


def test_frames_in_columns() -> None:
    call, answer, error = read(
        "timestamp,charge_point_id,direction,message_type,ocpp_message_id,ocpp_action,payload_json,error_code\n"
        "2026-11-21T08:49:50Z,CP9,inbound,CALL,77,Heartbeat,{},\n"
        '2026-11-21T08:49:50Z,CP9,outbound,CALLRESULT,77,Heartbeat,"{""currentTime"":""now""}",\n'
        "2026-11-21T08:49:50Z,CP9,outbound,CALLERROR,78,,,NotSupported\n"
    )
    assert call.text == '[2,"77","Heartbeat",{}]'
    assert answer.text == '[3,"77",{"currentTime":"now"}]'
    assert error.text == '[4,"78","NotSupported","",{}]'
    assert (answer.station, answer.relative) == ("CP9", "out")


def test_from_and_to() -> None:
    call, answer = read(
        f"time,from,to,message\n2026-11-21T08:49:50Z,CP9,CSMS,{quoted(CALL)}\n2026-11-21T08:49:50Z,CSMS,CP9,{quoted(ANSWER)}\n"
    )
    assert (call.sender, call.station) == ("station", "CP9")
    assert (answer.sender, answer.station) == ("csms", "CP9")


def test_a_preamble() -> None:
    (call,) = read(
        f'sep=;\n"OCPP log of CP9"\n\nTimestamp;Charge point;Message\n2026-11-21T08:49:50Z;CP9;{quoted(CALL)}\n'
    )
    assert (call.station, call.frames) == ("CP9", (5,))


def test_date_and_time_in_two_columns() -> None:
    (call,) = read(f"Datum;Uhrzeit;Ladepunkt;Nachricht\n21.11.2026;08:49:50;LP 4;{quoted(CALL)}\n")
    assert call.time == 1795250990_000000000
    assert call.station == "LP 4"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_encodings(encoding: str) -> None:
    frame = '[2,"1","DataTransfer",{"data":"Säule"}]'
    text = f"Zeit;Station;Nachricht\n2026-11-21T08:49:50Z;Straße 3;{quoted(frame)}\n"
    (call,) = read(text.encode(encoding))
    assert call.text == frame
    assert call.station == "Straße 3"


def test_cut_off_by_the_exporter() -> None:
    text = (
        f"time,station,message\n2026-11-21T08:49:50Z,CP9,{quoted(ANSWER)}\n"
        '2026-11-21T08:49:51Z,CP9,"[2,""7"",""MeterValues"",{""connectorId"":1,""meterV\n'
        f"2026-11-21T08:49:52Z,CP9,{quoted(CALL)}\n"
    )
    answer, cut, call = read(text)
    assert answer.text == ANSWER
    assert cut.text == '[2,"7","MeterValues",{"connectorId":1,"meterV'
    assert [problem.rule for problem in cut.problems] == [TRUNCATED]
    assert (call.text, call.frames) == (CALL, (4,))


def test_a_quotation_mark_too_many_does_not_swallow_the_rest() -> None:
    rows = "".join(f"{number},CP9,{quoted(CALL)}\n" for number in range(5000))
    found = read(f'number,station,message\n1,"oops,x\n{rows}')
    assert len(found) >= 4000


def test_soap_in_a_table() -> None:
    envelope = '<s:Envelope><s:Body><heartbeatRequest xmlns="urn://Ocpp/Cs/2012/06/"/></s:Body></s:Envelope>'
    (call,) = read(f"time,station,message\n2026-11-21T08:49:50Z,CP9,{quoted(envelope)}\n")
    assert (call.transport, call.text, call.station) == ("soap", envelope, "CP9")


def test_what_is_a_heading() -> None:
    assert heading("timestamp,station,message") == ","
    assert heading("Zeit;Richtung;Nachricht") == ";"
    assert heading("2026-11-21 08:49:50, CP_1, received") == ""
    assert heading("message") == ""
    assert heading("") == ""


def test_what_is_a_table_without_headings() -> None:
    assert delimiter_of([f"1,CP9,{quoted(CALL)}"]) == ","
    assert delimiter_of([f"1;CP9;{CALL}", f"2;CP9;{ANSWER}"]) == ";"
    assert delimiter_of([f"INFO | {CALL}"]) == "", "one line may be a log's"
    assert delimiter_of([f"1;CP9;{CALL}", f"received {ANSWER}"]) == ""
    assert delimiter_of([]) == ""


def test_cells() -> None:
    def texts(record: str) -> list[str]:
        return [cell.text for cell in cells(record, ",")]

    assert texts("") == [""]
    assert texts("a,,b") == ["a", "", "b"]
    assert texts('"a,b", "c ""d""" ,e') == ["a,b", 'c "d"', "e"]
    assert texts('"a') == ["a"]
    assert texts('"a"b,c') == ['"a"b', "c"]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"])).map(str.strip),
            min_size=2,
            max_size=4,
        ),
        max_size=4,
    )
)
def test_cells_are_those_that_were_written(rows: list[list[str]]) -> None:
    for row in rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        assert [cell.text for cell in cells(text.getvalue(), ",")] == row


PIECES = st.sampled_from(
    [
        CALL,
        ANSWER,
        quoted(CALL),
        quoted(ANSWER),
        '"',
        ",",
        "\n",
        "2026-11-21T08:49:50Z,",
        "CP9,",
        '"[2,""',
        "x",
        "\r\n",
        "{}",
        "7",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join), st.integers(1, 50))
def test_it_does_not_matter_how_bytes_come_in(text: str, step: int) -> None:
    text = "timestamp,station,message,payload,id,type\n" + text
    assert read(text, step) == read(text)
