"""What a run without a screen says, and how it bears with files that grow or cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fieldkit.cli.headless import MAX_COMMENTS, Careful, GrowingKeyLog, Voice
from fieldkit.cli.output import OutputError
from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, Event
from fieldkit.site.picture import Picture
from fieldkit.sources.listen import SKIPPED


def voice(*, quiet: bool = False) -> Voice:
    return Voice(quiet=quiet, verbose=False, utc=True, findings=True, color=False)


def said(capsys: pytest.CaptureFixture[str], *events: Event, quiet: bool = False) -> list[str]:
    voice(quiet=quiet).heard(events)
    return capsys.readouterr().err.splitlines()


def test_what_sources_say_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = said(
        capsys,
        CaptureComment(7, (), "eth0 went down\x1b[2J"),
        DecodeError(8, (), None, "live", "router: the connection was lost", b"", 0),
        DecodeError(8, (1,), None, "tcp", "not of a source", b"", 0),
    )
    assert first.startswith("fieldkit: eth0 went down")
    assert "\x1b" not in first
    assert second == "fieldkit: router: the connection was lost"


def test_drops_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(
        capsys, CaptureDropped(1, (), "eth0", 3), CaptureDropped(2, (), "eth0", 4), CaptureDropped(3, (), SKIPPED, 1)
    )
    assert lines == [
        "fieldkit: eth0: 7 packets dropped, they came faster than they were taken",
        "fieldkit: 1 packet came too fast to be diagnosed; a recording has them",
    ]


def test_a_source_that_never_stops_talking_is_not_listened_to_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(said(capsys, *(CaptureComment(7, (), f"{number}") for number in range(1000)))) == MAX_COMMENTS


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, CaptureComment(7, (), "eth0 went down"), CaptureDropped(1, (), "eth0", 3), quiet=True) == []


class Document:
    wants = frozenset({CaptureComment})

    def __init__(self) -> None:
        self.seen = 0

    def see(self, event: Event, picture: Picture) -> None:
        self.seen += 1
        if self.seen == 2:
            raise OutputError("x.jsonl", OSError(28, "No space left on device"))


def test_a_document_that_cannot_be_written_is_given_up_and_nothing_else() -> None:
    document, told = Document(), list[str]()
    careful = Careful(document, told.append)
    assert careful.wants == document.wants
    for _ in range(5):
        careful.see(CaptureComment(7, (), ""), Picture())
    assert document.seen == 2
    assert told == ["x.jsonl: No space left on device; it is given up, the capture goes on"]


# ------------------------------------------------------------------------------------------------------------ key logs


def test_a_key_log_is_taken_in_as_it_grows(tmp_path: Path) -> None:
    path, taken = tmp_path / "keys.log", list[str]()
    keylog = GrowingKeyLog(str(path), taken.append)
    assert keylog.look() == "No such file or directory"
    with path.open("w") as file:
        file.write("one\ntwo\nthr")
        file.flush()
        assert keylog.look() == ""
        assert taken == ["one\ntwo"]
        keylog.look()
        file.write("ee\n")
        file.flush()
        keylog.look()
    assert taken == ["one\ntwo", "three"]


def test_a_key_log_that_is_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, taken = tmp_path / "keys.log", list[str]()
    path.write_text("old one\nold two\n")
    keylog = GrowingKeyLog(str(path), taken.append)
    keylog.look()
    path.write_text("new\n")
    keylog.look()
    other = tmp_path / "other"
    other.write_text("of another file, longer than the one before\n")
    os.replace(other, path)  # noqa: PTH105 -- as logrotate does
    keylog.look()
    assert taken == ["old one\nold two", "new", "of another file, longer than the one before"]
