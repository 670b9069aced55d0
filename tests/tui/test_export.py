"""Saving: every form, a part of the run, questions before anything is written over, and an end at any time."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import pytest

from fieldkit.tui.engine import Engine
from fieldkit.tui.exporting import FORMS, Export, ExportError, Form, Part, form_of, proposal, stem_of
from fieldkit.tui.screens.export import ExportScreen
from tests.traffic.decoded import decode_files
from tests.tui.driving import CAPTURES, SMALL, Driver, driving
from tests.tui.ready import loaded, seeing

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def form(id_: str) -> Form:
    return next(one for one in FORMS if one.id == id_)


def export(engine: Engine, id_: str, part: Part | None = None, name: str = "") -> Export:
    made = Export(engine, form(id_), part or Part("everything"), Path(name or f"out{form(id_).suffix}"), utc=True)
    made.run()
    assert made.done
    return made


async def finished(d: Driver) -> ExportScreen:
    screen = d.app.screen
    assert isinstance(screen, ExportScreen)
    await d.until(lambda: screen._export is None or screen._export.done)
    screen._look() if screen._export is not None else None
    await d.settle()
    return screen


@pytest.mark.parametrize("id_", [one.id for one in FORMS])
def test_every_form_of_everything(id_: str) -> None:
    made = export(loaded("demo"), id_)
    assert not made.trouble, made.trouble
    data = made.target.read_bytes()
    assert made.size == len(data) > 100
    assert {"html": b"<!doctype", "json": b"{", "xml": b"<?xml"}.get(
        made.target.suffix[1:], data[:1]
    ).lower() in data.lower()
    assert list(Path().iterdir()) == [made.target], "nothing half-written stays behind"


def test_the_trace_of_the_screen_is_that_of_the_command_line() -> None:
    made = export(loaded(str(PLAIN)), "trace")
    records = [json.loads(line) for line in made.target.read_text().splitlines()]
    messages = decode_files(PLAIN).messages
    assert [record["raw"] for record in records] == [message.raw for message in messages]
    assert [record["messageType"] for record in records][:2] == ["CALL", "CALL"] or records


def test_one_message_alone() -> None:
    engine = loaded("demo")
    row = next(n for n in range(engine.history.end) if engine.history.row(n).action == "TransactionEvent")
    rows = array("q", [row, engine.history.answer_of(row) or row])
    records = export(engine, "trace", Part("this message", rows=rows)).target.read_text().splitlines()
    assert [json.loads(record)["action"] for record in records] == ["TransactionEvent"] * 2


def test_the_packets_of_some_messages_can_be_decoded_alone() -> None:
    engine = loaded("demo")
    rows = array("q", [n for n in range(engine.history.end) if engine.history.row(n).station == "CP-22001"])
    made = export(engine, "evidence", Part("CP-22001", rows=rows))
    assert not made.trouble
    decoded = decode_files(made.target)
    assert {message.channel.station for message in decoded.messages} == {"CP-22001"}
    assert len(decoded.messages) == sum(engine.history.row(n).kind == 0 for n in rows)


def test_a_report_about_one_finding() -> None:
    engine = loaded("demo")
    finding = engine.findings[1]
    made = export(engine, "json", Part("one finding", findings=[finding]))
    report = json.loads(made.target.read_text())
    assert [entry["id"] for entry in report["findings"]] == [finding.kind.id]
    assert [entry["station"] for entry in report["stations"]] == [finding.first_seen.station]
    assert "a part of the capture" in report["capture"]["notes"][0]


def test_a_report_about_what_is_shown() -> None:
    engine = loaded("demo")
    rows = array("q", [n for n in range(engine.history.end) if engine.history.row(n).station == "HYC-0031"])
    report = json.loads(export(engine, "json", Part("shown", rows=rows)).target.read_text())
    assert {entry["station"] for entry in report["findings"]} == {"HYC-0031"}
    whole = json.loads(export(engine, "json", name="whole.json").target.read_text())
    wanted = [entry["id"] for entry in whole["findings"] if entry["station"] == "HYC-0031"]
    assert [entry["id"] for entry in report["findings"]] == wanted


def test_evidence_of_one_finding_has_its_packets_and_no_password() -> None:
    engine = loaded("demo")
    finding = next(one for one in engine.findings if "password" in one.kind.title)
    made = export(engine, "evidence", Part("one finding", findings=[finding]))
    data = made.target.read_bytes()
    assert finding.kind.id.encode() in data
    assert b"Authorization: Basic ****" in data or b"Authorization" not in data
    assert "passwords and keys are left out" in made.notes[0]


def test_anonymised_has_no_name_in_it() -> None:
    engine = loaded("demo")
    for id_ in ("anonymous", "anonymous-trace"):
        data = export(engine, id_).target.read_bytes()
        for station in engine.session.picture.stations:
            assert station.encode() not in data


def test_a_log_has_no_packets(tmp_path: Path) -> None:
    log = tmp_path / "trace.jsonl"
    log.write_bytes(export(loaded(str(PLAIN)), "trace").target.read_bytes())
    engine = loaded(str(log))
    for id_ in ("evidence", "capture"):
        made = export(engine, id_, name="new.pcapng")
        assert "no packets in a log" in made.trouble
        assert not made.target.exists()
    assert not export(engine, "page").trouble


def test_what_is_being_read_is_not_written_over(tmp_path: Path) -> None:
    own = tmp_path / "own.pcapng"
    own.write_bytes(PLAIN.read_bytes())
    made = export(loaded(str(own)), "capture", name=str(own))
    assert "what is being read" in made.trouble
    assert own.read_bytes() == PLAIN.read_bytes()


def test_folders_that_are_not_there_and_folders_that_are() -> None:
    assert "there is no folder" in export(loaded(str(PLAIN)), "text", name="no/such/x.txt").trouble
    Path("x.txt").mkdir()
    assert "is a folder" in export(loaded(str(PLAIN)), "text", name="x.txt").trouble


def test_stopping_leaves_nothing_behind() -> None:
    made = Export(loaded("demo"), form("anonymous"), Part("everything"), Path("out.pcapng"))
    made.stop()
    made.run()
    assert made.trouble == "stopped: nothing was written"
    assert not list(Path().iterdir())


def test_names_are_new_and_the_suffix_says_the_form() -> None:
    engine = loaded(str(PLAIN))
    assert stem_of(engine) == "ocpp16j_vcp_ocpprpc_plain"
    first = proposal(engine, form("page"), Path.cwd())
    assert first.name == "ocpp16j_vcp_ocpprpc_plain-report.html"
    first.touch()
    assert proposal(engine, form("page"), Path.cwd()).name == "ocpp16j_vcp_ocpprpc_plain-report-2.html"
    assert form_of(form("page"), Path("x.md")).id == "markdown"
    assert form_of(form("capture"), Path("x.pcapng")).id == "capture"
    with pytest.raises(ExportError, match=r"\.html \.pcapng"):
        form_of(form("page"), Path("x.docx"))


async def test_the_evidence_for_a_vendor_in_four_keys() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("e", "down", "enter")
        assert "the-recorded-site-evidence.pcapng" in d.text
        await d.press("enter")
        await finished(d)
        assert "✔ Saved: the-recorded-site-evidence.pcapng" in d.text
        assert Path("the-recorded-site-evidence.pcapng").stat().st_size > 1000
        await d.press("enter")
        assert not isinstance(d.app.screen, ExportScreen)


async def test_nothing_is_written_over_without_a_question() -> None:
    async with seeing(PLAIN, size=SMALL) as d:
        Path("x.md").write_text("mine")
        await d.press("e", "enter")
        d.app.screen.query_one("#export-name").value = "x.md"  # type: ignore[attr-defined]
        await d.press("enter")
        assert "x.md exists" in d.text
        await d.press("enter")  # the harmless answer has the focus
        assert Path("x.md").read_text() == "mine"
        await d.press("enter", "tab", "enter")
        await finished(d)
        assert "Saved: x.md" in d.text
        assert "Nothing wrong was found" in Path("x.md").read_text()


async def test_parts_are_offered_where_they_are_looked_at() -> None:
    async with seeing("demo", size=SMALL) as d:
        await d.press("n", "e")
        assert "Of: everything   (Tab: this message and its answer)" in d.text
        await d.press("tab")
        assert "Of: this message and its answer" in d.text
        assert "whole capture" not in d.text, "which makes no sense of a part"
        await d.press("escape", "slash")
        await d.type("action = Heartbeat")
        await d.press("enter", "e", "tab", "tab")
        assert "lines shown" in d.line_with("Of: ")
        await d.press("escape", "3", "e", "tab")
        assert "this finding (" in d.line_with("Of: ")


async def test_trouble_is_told_and_another_name_can_be_tried() -> None:
    async with seeing(PLAIN, size=SMALL) as d:
        await d.press("e", "enter")
        name = d.app.screen.query_one("#export-name")
        for wrong, said in (("", "name a file"), ("x.docx", "the suffix says"), ("no/such.html", "there is no folder")):
            name.value = wrong  # type: ignore[attr-defined]
            await d.press("enter")
            await finished(d)
            assert said in d.text
        name.value = "good.html"  # type: ignore[attr-defined]
        await d.press("enter")
        await finished(d)
        assert "Saved: good.html" in d.text


async def test_several_sources_are_saved_together() -> None:
    other = CAPTURES / "ocpp21_vcp_ocpprpc_plain.pcap"
    async with driving(PLAIN, other, size=SMALL) as d:
        engine = d.app.engine
        assert engine is not None
        made = export(engine, "evidence")
        assert not made.trouble
        assert {str(PLAIN).encode() in made.target.read_bytes(), str(other).encode() in made.target.read_bytes()} == {
            True
        }
