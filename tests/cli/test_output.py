"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from fieldkit.cli.output import Output, OutputError, check, save


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "site.html"
    with Output(str(path)) as output:
        output.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [*tmp_path.iterdir()] == [path]


def test_what_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "site.html"
    path.write_text("old")
    output = Output(str(path)).__enter__()
    output.write(b"new")
    output.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_mode_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "site.html", tmp_path / "latest.html"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    save(str(link), b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    save(str(tmp_path / "a"), b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_is_no_file_is_written_to() -> None:
    save("/dev/null", b"gone")
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_named() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(OutputError, match="/dev/full: No space left"):
        save("/dev/full", b"x" * (1 << 20))


@pytest.mark.parametrize(
    "name, says", [("nowhere/site.html", "there is no directory nowhere"), (".", "is a directory")]
)
def test_what_cannot_be_written_is_refused_at_once(name: str, says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        check(name, [])


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    source, link = tmp_path / "site.pcapng", tmp_path / "link.pcapng"
    source.touch()
    link.symlink_to(source)
    for name in (source, link):
        with pytest.raises(click.UsageError, match="is one of the sources"):
            check(str(name), ["-", str(source)])
    check(str(tmp_path / "other.pcapng"), ["-", str(source)])
