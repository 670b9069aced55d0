"""A session becomes the document: complete, bounded, without secrets, by its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fieldkit.checks.collector import MAX_FIRST, Collector
from fieldkit.checks.finding import Finding, Kind
from fieldkit.events import OcppChannel, OcppMessage
from fieldkit.reports import documentschema, jsonreport, model, model_evidence
from fieldkit.reports.document import Report
from fieldkit.reports.model_evidence import EvidenceWriter
from fieldkit.reports.model_station import Room, thinned
from fieldkit.session import Session as Diagnosis
from tests.reports.reported import built, report_of, report_of_file
from tests.traffic.conversation import Session
from tests.traffic.judgements import captures
from tests.traffic.scripts import boot_16, charge_16, usual_hour

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "fieldkit" / "reports" / "report.schema.json"
TRACES = sorted((ROOT / "tests" / "data" / "open-ocpp-trace" / "fixtures").glob("*/trace.jsonl"))
EVERYTHING = [
    *(pytest.param(path, keylog, id=name) for name, path, keylog in captures()),
    *(pytest.param(path, None, id=f"trace {path.parent.name}") for path in TRACES),
]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def usual() -> Report:
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    usual_hour(session)
    session.close()
    return report_of(session)


# --------------------------------------------------------------------------------------------------------------- schema


def test_types_and_schema_agree() -> None:
    hint = "run: python -m fieldkit.reports.documentschema > fieldkit/reports/report.schema.json"
    assert SCHEMA.read_text("utf-8") == documentschema.text(), hint


@pytest.mark.parametrize("path, keylog", EVERYTHING)
def test_every_capture_and_trace_has_a_document_by_the_schema(
    path: Path, keylog: Path | None, validator: Draft202012Validator
) -> None:
    document = json.loads(jsonreport.render(report_of_file(path, keylog)))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []


def test_a_hostile_one_too(hostile: Report, validator: Draft202012Validator) -> None:
    document = json.loads(jsonreport.render(hostile))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []


def test_a_member_that_nobody_knows_is_refused(usual: Report, validator: Draft202012Validator) -> None:
    document = json.loads(jsonreport.render(usual))
    document["stations"][0]["colour"] = "red"
    assert not validator.is_valid(document)


# -------------------------------------------------------------------------------------------------------------- content


def test_the_usual_hour(usual: Report) -> None:
    assert usual["summary"]["severity"] == "ok"
    assert usual["summary"]["verdict"].startswith("Nothing wrong was found in ")
    assert usual["capture"]["complete"] is True
    (station,) = usual["stations"]
    assert (station["vendor"], station["model"], station["versions"]) == ("Testwerk", "Säule 22", ["1.6"])
    assert station["boots"][0]["status"] == "Accepted"
    assert {connector["connector"]: connector["status"] for connector in station["connectors"]}["1"] == "Charging"
    (made,) = usual["transactions"]
    assert (made["id"], made["energy_wh"], made["stop_reason"], made["complete"]) == (
        "4711",
        540.0,
        "EVDisconnected",
        True,
    )
    (connection,) = usual["connections"]
    assert connection["close"] == "closed by the station (1000)"
    assert connection["messages"] == station["messages"] == usual["capture"]["messages"]
    assert usual["capture"]["hosts"] == ["203.0.113.5:8080 (websocket, 1 connection)"]
    outcomes = usual["summary"]["outcomes"]
    assert outcomes is not None
    assert outcomes["session_success"] == {"share": 1.0, "good": 1, "of": 1}


def test_id_tokens_are_masked_unless_they_are_to_be_shown(usual: Report) -> None:
    assert usual["transactions"][0]["id_token"] == "04…C1"
    assert "04A2B7C1" not in json.dumps(usual)
    session = Session("CP_7")
    session.connect()
    session.upgrade()
    charge_16(session)
    assert report_of(session, show_ids=True)["transactions"][0]["id_token"] == "04A2B7C1"


def test_raw_evidence_has_neither_secrets_nor_tokens() -> None:
    channel = OcppChannel("CP_7", "1.6", "json", None, False, False, False)

    def raw_of(payload: dict[str, str], *, show_ids: bool) -> str:
        action = "DataTransfer"
        raw = json.dumps([2, "1", action, payload])
        message = OcppMessage(1, (7,), "x", channel, "csms", None, "1", action, payload, None, raw, (), False, None)
        return EvidenceWriter(show_ids=show_ids).one(message)["raw"]

    assert "0123456789abcdef" not in raw_of({"key": "AuthorizationKey", "value": "0123456789abcdef"}, show_ids=True)
    assert raw_of({"idTag": "04A2B7C1"}, show_ids=False) == '[2, "1", "DataTransfer", {"idTag": "04…C1"}]'
    assert "04A2B7C1" in raw_of({"idTag": "04A2B7C1"}, show_ids=True)


def test_evidence_is_bounded_and_the_first_piece_is_always_there() -> None:
    channel = OcppChannel("CP_7", "1.6", "json", None, False, False, False)

    def message(number: int) -> OcppMessage:
        raw = json.dumps([2, str(number), "DataTransfer", {"vendorId": "v", "data": "x" * 5000}])
        return OcppMessage(
            number,
            (number,),
            "x",
            channel,
            "station",
            None,
            str(number),
            "DataTransfer",
            None,
            None,
            raw,
            (),
            False,
            None,
        )

    writer = EvidenceWriter(show_ids=False)
    pieces = [writer.all([message(number) for number in range(MAX_FIRST)]) for _ in range(400)]
    assert all(pieces)
    shown = [piece for some in pieces for piece in some]
    assert len(shown) < model_evidence.MAX_EVIDENCE + 400
    assert sum(len(piece["raw"]) for piece in shown) <= model_evidence.MAX_RAW_IN_ALL


def test_a_capture_without_ocpp_says_what_it_holds() -> None:
    report = report_of_file(ROOT / "captures" / "ocpp16j_vcp_ocpprpc_wss_tls13.pcap")
    summary, capture = report["summary"], report["capture"]
    assert summary["severity"] == "nothing"
    assert summary["verdict"].startswith("There is no OCPP to be seen in this capture; it holds 2 TCP connections")
    assert capture["hosts"] == ["127.0.0.1:21610 (localhost, tls, 2 connections)"]
    assert any("--keylog" in step["text"] for step in summary["next"])
    assert report["tls"][0]["version"] == "TLS 1.3"
    assert summary["outcomes"] is None


def test_an_empty_session() -> None:
    report = built(Diagnosis(), "empty.pcap")
    assert report["summary"]["verdict"] == "There is no OCPP in this capture."
    assert report["summary"]["next"]


def test_the_most_is_said_of_the_worst() -> None:
    sessions = []
    for number in range(3):
        session = Session(f"CP_{number}", client=("192.168.7.20", 50_000 + number))
        session.connect()
        session.upgrade()
        boot_16(session)
        sessions.append(session)
    report = report_of(*sessions)
    assert [station["station"] for station in report["stations"]] == ["CP_0", "CP_1", "CP_2"]
    assert report["summary"]["stations"] == 3


def test_room_shrinks_with_the_site() -> None:
    one, many = Room.among(1, 2), Room.among(400, 2000)
    assert (one.history, one.settings, one.points) == (500, 500, 3000)
    assert (many.history, many.settings, many.points) == (3, 4, 7)


@pytest.mark.parametrize("count", [0, 1, 3, 240, 241, 5000])
def test_thinning_keeps_the_ends_and_the_extremes(count: int) -> None:
    points = [(time, float(time % 97)) for time in range(count)]
    kept = thinned(points, 240)
    assert len(kept) <= 240
    assert kept == sorted(kept)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        assert max(value for _, value in kept) == max(value for _, value in points)


def test_a_busy_site_stays_small() -> None:
    """Ten stations with a long day: the document grows with the site, not with its messages."""
    sessions = []
    for number in range(10):
        session = Session(f"CP_{number}", client=("192.168.7.20", 50_000 + number))
        session.connect()
        session.upgrade()
        boot_16(session)
        charge_16(session, samples=40)
        sessions.append(session)
    report = report_of(*sessions)
    assert len(jsonreport.render(report)) < 200_000


def test_when_there_are_too_many_findings_no_kind_is_lost() -> None:
    rare, usual_ = (
        Kind("rare", "info", "station", "Rare", "", "", ""),
        Kind("usual", "critical", "csms", "Usual", "", "", ""),
    )
    collector = Collector()
    collector.add(Finding(usual_, 1, f"CP_{number}", ()) for number in range(2 * model.MAX_FINDINGS))
    collector.add([Finding(rare, 2, "CP_1", ())])
    chosen = model._chosen(collector.all())
    assert len(chosen) == model.MAX_FINDINGS
    assert [finding.kind.id for finding in chosen] == ["usual"] * (model.MAX_FINDINGS - 1) + ["rare"]
