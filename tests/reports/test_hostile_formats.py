"""Packets of hostile stations, through ``fieldkit report`` into every format that it writes.

What a terminal, a browser, a spreadsheet, an XML parser or Wireshark would obey arrives as text or not at all, and one
megabyte of it floods nobody.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from fieldkit.events import CaptureComment
from fieldkit.wire.container import CaptureReader
from tests.traffic.capture import Packet, read, write_pcap
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import boot_2, boot_16
from tests.traffic.taps import Tap
from tests.traffic.tshark import TSHARK

ROOT = Path(__file__).parents[2]

ESCAPES = "\x1b]0;owned\x07\x1b[31m\x9b2J\x00\r\b"
MARKS = "\u202e\u2066\u200f\u200b\ufeff\u2028"
MARKUP = "[red]<script>alert(1)</script><img src=x onerror=alert(1)>\"'&]]>-->{{7*7}}"
FORMULA = "=cmd|' /C calc'!A0"
LONG = "x" * 1_000_000

OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal or a text view acts upon, or has nothing to show for."""

FILES = (
    "r.html r.json r.txt r.md r.transactions.csv r.exchanges.csv r.meters.csv r.xml r.pcapng r.jsonl".split()
)  # fmt: skip


def station_16(evil: str, identity: str, last: int) -> Session:
    """Every text that a 1.6 station and its CSMS may choose."""
    session = Session("CP", client=(f"192.168.7.{last}", 49_000 + last), seed=last)
    session.connect()
    session.upgrade(path=f"/ocpp/{identity}")
    boot = {
        "chargePointVendor": evil,
        "chargePointModel": evil,
        "chargePointSerialNumber": evil,
        "firmwareVersion": evil,
    }
    for status in ("Rejected", evil):
        answer = {"status": status, "interval": 300, "currentTime": evil}
        session.call("station", "BootNotification", boot, answer)
    for error in ("GroundFailure", evil):
        status_ = {"connectorId": 1, "errorCode": error, "status": "Faulted", "info": evil, "vendorId": evil}
        session.call("station", "StatusNotification", status_ | {"vendorErrorCode": evil}, {})
    start = {"connectorId": 1, "idTag": evil, "meterStart": 9, "timestamp": session.timestamp()}
    session.call("station", "StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": evil}})
    sampled = [{"value": "5", "measurand": evil, "unit": evil, "phase": evil, "location": evil, "context": evil}]
    value = {"timestamp": session.timestamp(), "sampledValue": sampled}
    session.call("station", "MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": [value]}, {})
    stop = {"transactionId": 7, "meterStop": 3, "timestamp": session.timestamp(), "reason": evil, "idTag": evil}
    session.call("station", "StopTransaction", stop, {})
    key = {"key": evil, "readonly": False, "value": evil}
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [key], "unknownKey": [evil]})
    session.call("csms", "UpdateFirmware", {"location": f"ftp://{evil}@{evil}/{evil}", "retrieveDate": evil}, {})
    session.error("csms", session.call("station", "DataTransfer", {"vendorId": evil, "data": evil}), evil, evil, evil)
    session.error("csms", session.call("station", "Heartbeat", {}), "Heartbeat", evil, evil)
    session.say("station", evil)
    session.close(reason="\x1b[2J<script>")
    return session


def station_201(evil: str, identity: str, last: int) -> Session:
    """Transaction ids are texts since 2.0.1."""
    session = Session("CP", "2.0.1", client=(f"192.168.7.{last}", 49_000 + last), seed=last)
    session.connect()
    session.upgrade(path=f"/ocpp/{identity}")
    boot_2(session)
    for number, kind in enumerate(("Started", "Updated", "Ended")):
        reading = {"value": 500 - 100 * number, "measurand": "Energy.Active.Import.Register"}
        event: dict[str, Any] = {
            "eventType": kind,
            "timestamp": session.timestamp(),
            "triggerReason": evil,
            "seqNo": 0,
            "transactionInfo": {"transactionId": evil, "chargingState": evil, "stoppedReason": evil},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": {"idToken": evil, "type": evil},
            "meterValue": [{"timestamp": session.timestamp(), "sampledValue": [reading]}],
        }
        session.call("station", "TransactionEvent", event, {"idTokenInfo": {"status": evil}}, after=30)
    session.close()
    return session


def station_long() -> Session:
    """A megabyte each in some places that reports show."""
    session = Session("CP_LONG", client=("192.168.7.25", 49_025), seed=25)
    session.connect()
    session.upgrade()
    boot_16(session)
    status = {"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "info": LONG, "vendorId": "x"}
    session.call("station", "StatusNotification", status, {})
    session.call("station", "Authorize", {"idTag": LONG}, {"idTagInfo": {"status": "Invalid"}})
    session.error("csms", session.call("station", "Heartbeat", {}), "Heartbeat", "InternalError", LONG)
    session.call("csms", "GetConfiguration", {}, {"configurationKey": [{"key": LONG, "readonly": True, "value": LONG}]})
    session.close()
    return session


class Written(NamedTuple):
    """What ``fieldkit report`` made of it."""

    files: dict[str, bytes]
    terminal: bytes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("hostile")
    talks = [
        station_16(ESCAPES + MARKS + MARKUP, "CP%1B%5B31m%E2%80%AE%3Cscript%3E", 20),
        station_16(FORMULA, "%3Dcmd%28%29", 21),
        station_16("\t" + FORMULA, "%2B1%2Bcmd", 22),
        station_201("@SUM(A1)", "@SUM(A1)", 23),
        station_201(ESCAPES + MARKS + MARKUP, "-1%2Bcmd", 24),
        station_long(),
    ]
    packets: list[Packet] = Tap().packets(merged(*(talk.segments for talk in talks)))
    (folder / "site.pcap").write_bytes(write_pcap(packets))
    outputs = [option for name in FILES for option in ("-o", str(folder / name))]
    # Identities in full: masked they could hide what this is about.
    command = [sys.executable, "-m", "fieldkit", "report", "--show-ids", "--color", "never", *outputs, "site.pcap"]
    run = subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    assert run.returncode == 1, run.stderr.decode()
    plain = [sys.executable, "-m", "fieldkit", "report", "-q", "--show-ids", "--color", "never", "site.pcap"]
    shown = subprocess.run(plain, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    return Written({name: (folder / name).read_bytes() for name in FILES}, shown.stdout + run.stdout + run.stderr)


def obeyed(text: str, allowed: str = "\n") -> set[str]:
    return {c for c in text if c not in allowed and unicodedata.category(c) in OBEYED}


@pytest.mark.parametrize("name", [name for name in FILES if name.rpartition(".")[2] in ("html", "txt", "md", "xml")])
def test_documents_have_nothing_that_is_obeyed(written: Written, name: str) -> None:
    assert obeyed(written.files[name].decode()) == set()


def test_the_terminal_neither(written: Written) -> None:
    assert obeyed(written.terminal.decode()) == set()
    assert b"script" in written.terminal


def test_json_and_traces_are_plain_ascii_or_escaped(written: Written) -> None:
    # Data for programs: it says what was sent, in the spelling of JSON, which no terminal obeys.
    for name in ("r.json", "r.jsonl"):
        text = written.files[name].decode().replace(LONG, "")
        assert obeyed(text) == set(), name
    json.loads(written.files["r.json"])
    assert all(isinstance(json.loads(line), dict) for line in written.files["r.jsonl"].splitlines())


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("r.jsonl", "r.pcapng")])
def test_a_megabyte_floods_nobody(written: Written, name: str) -> None:
    data = written.files[name]
    assert len(data) < 1_000_000
    assert max(map(len, re.findall(rb"x+", data))) <= 2_000


def test_the_page_has_elements_of_ours_only(written: Written) -> None:
    page = written.files["r.html"].decode()
    assert "&lt;script&gt;" in page
    assert not re.search(r"<script|<img|\bonerror=alert\(1\)>(?!&)", page.replace("&lt;", ""))


def test_xml_is_whole_and_has_no_markup_of_a_station(written: Written) -> None:
    root = ElementTree.fromstring(written.files["r.xml"])
    assert {node.tag for node in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-out",
    }  # fmt: skip
    assert "<script>" in "".join(root.itertext())


def test_markdown_has_no_html(written: Written) -> None:
    text = written.files["r.md"].decode()
    assert not re.search(r"<(?!https://)[a-z/!]", text)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".csv")])
def test_no_cell_is_a_formula(written: Written, name: str) -> None:
    rows = list(csv.reader(io.StringIO(written.files[name].decode(), newline="")))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows[1:]:
        for cell in row:
            assert not re.match(r"\s*[=+\-@＝＋－＠]", cell) or re.fullmatch(r"-?[0-9.]+", cell), cell
            assert obeyed(cell) == set()
    assert any("'=" in cell or "'@" in cell for row in rows for cell in row), "the formulas are there, as text"


def test_comments_in_the_capture_are_text(written: Written) -> None:
    items = read(CaptureReader(), written.files["r.pcapng"])
    comments = [item.text for item in items if isinstance(item, CaptureComment)]
    assert any("script" in text for text in comments)
    assert obeyed("".join(comments)) == set()
    assert max(map(len, comments)) < 2_000


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_wireshark_reads_it(written: Written, tmp_path: Path) -> None:
    (tmp_path / "r.pcapng").write_bytes(written.files["r.pcapng"])
    fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.comment"]
    run = subprocess.run(
        [str(TSHARK), "-r", str(tmp_path / "r.pcapng"), "-Y", "frame.comment", *fields],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) > 10
