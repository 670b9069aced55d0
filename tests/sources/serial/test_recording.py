"""Recordings: whole, torn, damaged, not ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fieldkit.sources.serial.recording import (
    About,
    Chunk,
    Item,
    Notice,
    Recording,
    RecordingError,
    read_recording,
    recording_name,
)
from fieldkit.sources.serial.trouble import PortError

ABOUT = About("/dev/ttyUSB0", "0403:6001", "9600 8E1", 5, "read", "modbus")
ITEMS: list[Item] = [
    Notice(6, "opened", "ü"),
    Chunk(7, bytes(range(256))),
    Chunk(8, b"\x01\x04", True),
    Chunk(9, b"", True, 8),
]


def _recorded(path: Path) -> Path:
    recording = Recording(path, ABOUT)
    for item in ITEMS:
        recording.item(item)
    recording.close()
    recording.close()
    return path


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    about, items = read_recording(_recorded(tmp_path / "x"))
    assert about == ABOUT
    assert list(items) == ITEMS
    with pytest.raises(PortError, match="cannot be written"):
        Recording(tmp_path / "x", ABOUT)  # nothing is recorded over


def test_a_torn_end_is_left_out_and_a_damaged_line_said(tmp_path: Path) -> None:
    path = _recorded(tmp_path / "x")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert list(read_recording(path)[1]) == ITEMS[:-1]
    path.write_bytes(whole.replace(b'"r"', b'"q"'))
    with pytest.raises(RecordingError, match=":3: this line is damaged"):
        list(read_recording(path)[1])


@pytest.mark.parametrize(
    "text", ["", "hello\n", "[]\n", '{"format":"other"}\n', '{"format":"fieldkit-serial","schema":2}\n']
)
def test_what_is_no_recording(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(RecordingError):
        read_recording(tmp_path / "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said_and_does_not_stop_the_listening(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "x", ABOUT)
    os.dup2(os.open("/dev/full", os.O_WRONLY), recording._descriptor)
    for item in ITEMS:
        recording.item(item)
    recording.flush()
    assert "No space" in recording.fault
    recording.close()


def test_names() -> None:
    assert recording_name("/dev/ttyUSB0", 1_700_000_000_123_000_000).startswith("ttyUSB0-2023")
    assert recording_name("/dev/pts/3", 0).startswith("pts-3-")
    assert recording_name("socket://host:2000/../x", 0).startswith("socket---host-2000")


HEAD = {
    "format": "fieldkit-serial",
    "schema": 1,
    "port": "ttyUSB0",
    "identity": "",
    "settings": "9600 8N1",
    "started": 1,
}


@pytest.mark.parametrize(
    "wrong",
    [{"settings": 17}, {"device": ["rapi"]}, {"port": None}, {"started": "now"}, {"started": [1]}, {"started": 10**30}],
)
def test_a_first_line_of_somebody_else_is_not_believed(tmp_path: Path, wrong: dict[str, object]) -> None:
    (tmp_path / "x").write_text(json.dumps(HEAD | wrong) + "\n")
    with pytest.raises(RecordingError, match="its first line"):
        read_recording(tmp_path / "x")


@pytest.mark.parametrize(
    "line",
    [
        '{"t":1e999,"r":"41"}',
        '{"t":1000000000000000000000000000000,"r":"41"}',
        '{"t":-1,"r":"41"}',
        '{"t":true,"r":"41"}',
        '{"t":1,"n":"settings","text":"evil"}',
        '{"t":1,"s":"","hidden":1e999}',
        "[" * 100_000,
        '{"t":1,"r":"' + "41" * (1 << 20),
    ],
)
def test_no_other_line_is_either(tmp_path: Path, line: str) -> None:
    (tmp_path / "x").write_text(json.dumps(HEAD) + '\n{"t":1,"r":"41"}\n' + line + "\n")
    _, items = read_recording(tmp_path / "x")
    assert next(items) == Chunk(1, b"A")
    with pytest.raises(RecordingError, match=":3: this line is damaged"):
        list(items)
