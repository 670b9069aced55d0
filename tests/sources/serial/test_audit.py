"""The record of what was written: only ever added to, and whoever takes something out is found out."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fieldkit.sources.serial.audit import Audit, default_audit, intact
from fieldkit.sources.serial.trouble import RefusedError


def test_sessions_add_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.jsonl"
    first, second = Audit(path, operator="a"), Audit(path, operator="b")

    def add(number: int) -> None:
        (first if number % 2 else second).add("write", number=number, text="ü\n")

    with ThreadPoolExecutor(1) as pool:
        list(pool.map(add, range(40)))
    entries = first.entries()
    assert [entry["number"] for entry in entries] == list(range(40))
    assert {entry["operator"] for entry in entries} == {"a", "b"}
    assert intact(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_shows(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    for number in range(4):
        audit.add("write", number=number)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))
    assert not intact(path)
    path.write_text("".join(lines).replace('"number":1', '"number":9'))
    assert not intact(path)
    path.write_text("".join(lines))
    assert intact(path)


def test_it_cannot_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="is no file"):
        Audit(Path("/dev/null"))
    (tmp_path / "directory").mkdir()
    with pytest.raises(RefusedError, match="without its record"):
        Audit(tmp_path / "directory")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_audit() == tmp_path / "fieldkit" / "serial" / "audit.jsonl"


def test_a_torn_line_does_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    Audit(path).add("write", number=1)
    with path.open("a") as file:
        file.write('{"schema":1,"what":"wri\n')
    audit = Audit(path)
    audit.add("write", number=2)
    assert [entry["number"] for entry in audit.entries()] == [1, 2]
    assert not intact(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    os.dup2(os.open("/dev/full", os.O_RDWR), audit._descriptor)
    with pytest.raises(RefusedError, match="nothing is sent"):
        audit.add("write")
