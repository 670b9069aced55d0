"""Marks and notes: written with a key, kept from run to run, comments of packets in pcapng, read back from there."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from fieldkit.tui.engine import Engine
from fieldkit.tui.exporting import FORMS, Export, Part
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.marks import Notebook, Remark, notebook, read
from tests.tui.driving import CAPTURES, SMALL, driving

PLAIN = CAPTURES / "ocpp16j_vcp_ocpprpc_plain.pcap"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def opened(source: object) -> Engine:
    engine = Engine(open_feed([str(source)])).start()
    assert engine.wait(20)
    return engine


def read_back(engine: Engine) -> Notebook:
    book = notebook(engine)
    with engine.lock:
        book.update()
    return book


def saved(engine: Engine, form: str, target: Path) -> Path:
    export = Export(engine, next(one for one in FORMS if one.id == form), Part("everything"), target)
    export.run()
    assert not export.trouble, export.trouble
    return target


async def test_a_mark_and_a_note_with_m() -> None:
    async with driving(PLAIN, size=SMALL) as d:
        await d.press("down", "down", "m", "enter")
        assert "[mark]" in d.text
        await d.press("down", "m")
        await d.type("ask the vendor")
        await d.press("enter")
        assert "[ask the vendor]" in d.text
        await d.press("home", "M")
        engine = d.app.engine
        assert engine is not None
        first, second = sorted(engine.history.notes)
        from fieldkit.tui.acts import chosen_row

        assert chosen_row(d.app.screen) == first
        await d.press("M")
        assert chosen_row(d.app.screen) == second
        await d.press("M")
        assert chosen_row(d.app.screen) == first, "round again"
        await d.press("m", "tab", "tab", "enter")  # Take away
        assert list(engine.history.notes) == [second]
    async with driving(PLAIN, size=SMALL) as d:
        assert "[ask the vendor]" in d.text, "the next time it is there again"


async def test_escape_writes_nothing() -> None:
    async with driving(PLAIN, size=SMALL) as d:
        await d.press("m")
        await d.type("x")
        await d.press("escape")
        assert d.app.engine is not None
        assert not d.app.engine.history.notes


async def test_what_the_user_pastes_is_made_harmless() -> None:
    engine = opened(PLAIN)
    notebook(engine).note(3, "a\x1b[31mb\u202ec")
    assert engine.history.notes[3].isprintable()
    assert "\x1b" not in engine.history.notes[3]


@pytest.mark.parametrize("form", ["capture", "evidence"])
def test_they_are_comments_in_what_is_saved_and_are_read_from_there(form: str, tmp_path: Path) -> None:
    engine = opened("demo")
    book = read_back(engine)
    # Of a compressed connection some packets alone cannot be read again.
    messages = [
        n
        for n in range(60, engine.history.end)
        if engine.history.row(n).action
        and not engine.session.picture.links.all[engine.history.row(n).connection].deflate
    ]
    book.note(messages[0], "look here")
    book.note(messages[5], "")
    found = engine.findings[1]
    book.acknowledge(found)
    book.note_finding(engine.findings[2], "not ours")
    texts = {engine.history.message(n).id: engine.history.notes[n] for n in engine.history.notes}
    target = saved(engine, form, tmp_path / "kept.pcapng")
    # Nothing of it comes from what is remembered beside the settings.
    for file in (tmp_path / "state").rglob("*.json"):
        file.unlink()
    again = opened(target)
    known = read_back(again)
    assert {again.history.message(n).id: text for n, text in again.history.notes.items()} == texts
    assert known.of(next(f for f in again.findings if f.kind.id == found.kind.id)).acknowledged
    assert "not ours" in {remark.note for remark in known.findings.values()}


def test_wireshark_sees_them(tmp_path: Path) -> None:
    import shutil
    import subprocess

    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    engine = opened(PLAIN)
    notebook(engine).note(5, "look here")
    target = saved(engine, "capture", tmp_path / "kept.pcapng")
    done = subprocess.run(
        ["tshark", "-r", target, "-Y", "frame.comment", "-T", "fields", "-e", "frame.number", "-e", "frame.comment"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    frame = engine.history.row(5).frame
    message = engine.history.message(5)
    assert done.stdout.strip() == f"{frame}\tfieldkit[note #{message.id}] look here"


def test_saving_twice_doubles_nothing(tmp_path: Path) -> None:
    engine = opened(PLAIN)
    notebook(engine).note(5, "once")
    first = saved(engine, "capture", tmp_path / "a.pcapng")
    again = opened(first)
    read_back(again)
    second = saved(again, "capture", tmp_path / "b.pcapng")
    assert second.read_bytes().count(b"fieldkit[note") == 1
    assert first.read_bytes().count(b"fieldkit[note") == 1


def test_the_packets_are_those_of_the_capture(tmp_path: Path) -> None:
    from tests.traffic.decoded import decode_files

    engine = opened(PLAIN)
    target = saved(engine, "capture", tmp_path / "a.pcapng")
    before, after = decode_files(PLAIN).messages, decode_files(target).messages
    assert [(m.time, m.raw, m.frames) for m in before] == [(m.time, m.raw, m.frames) for m in after]


def test_comments_of_others_are_left_alone() -> None:
    assert read("fieldkit[boot.rejected critical] CP_7: …") is None
    assert read("see frame 7") is None
    assert read("fieldkit[mark]", 7) == Remark(7, 0, "", "")
    assert read("fieldkit[note #a-1] two words", 7) == Remark(7, 0, "#a-1", "two words")
    assert read("fieldkit[acknowledged boot.rejected]", 7) == Remark(7, 0, "boot.rejected", "", acknowledged=True)
    for remark in (Remark(7, 0, "#a-1", "two words"), Remark(7, 0, "", ""), Remark(7, 0, "x.y", "", acknowledged=True)):
        assert read(remark.comment, 7) == remark


def test_hostile_ids_do_not_break_the_form() -> None:
    remark = Remark(7, 5, "#a] b", "text")
    assert read(remark.comment, 7, 5) == Remark(7, 5, "", "text")


def test_a_run_that_is_over_is_freed_with_its_notes() -> None:
    engine = opened(PLAIN)
    notebook(engine).note(1, "x")
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None


def test_a_home_that_cannot_be_written_to_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    engine = opened(PLAIN)
    notebook(engine).note(1, "x")
    assert engine.history.notes == {1: "x"}


def test_damaged_memory_is_forgotten(tmp_path: Path) -> None:
    engine = opened(PLAIN)
    notebook(engine).note(1, "x")
    (file,) = (tmp_path / "state").rglob("notes/*.json")
    for damage in ("", "[", '[["a"]]', "{}", "[[1,2]]"):
        file.write_text(damage)
        again = opened(PLAIN)
        read_back(again)
        assert not again.history.notes
