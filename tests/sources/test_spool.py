"""What cannot be sent waits on disk, is bounded, and is sent by whoever comes next."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.sources import upload
from fieldkit.sources.spool import Spool, SpoolError, default_folder, send
from fieldkit.sources.upload import Uploader
from tests.sources.uploadserver import Server, serving
from tests.traffic.commandline import ROOT


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(upload.TOKEN, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, "pieces") as made:
        yield made


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 10_000_000)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def told(spool: Spool, uploader: Uploader, *, patience: float = 30) -> tuple[list[str], list[str], list[float]]:
    """Names that still wait, what was said, and the pauses that were made."""
    said: list[str] = []
    pauses: list[float] = []
    left = send(spool, uploader, spool.jobs(), patience=patience, say=said.append, sleep=pauses.append)
    return [job.name for job in left], said, pauses


def test_a_file_is_sent_after_as_many_attempts_as_it_takes(server: Server, spool: Spool, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    spool.add(written(tmp_path / "out.pcapng", data), server.url("/site/out.pcapng?key=1"))
    server.breaks = [100_000, 50_000, 60_000]
    left, said, pauses = told(spool, Uploader(ca=str(tmp_path / "ca.pem")))
    assert left == []
    assert pauses == [1, 2, 4]
    assert server.files["/site/out.pcapng?key=1"] == data
    assert said[-1] == f"sent: out.pcapng to {server.url('/site/out.pcapng')}"
    assert spool.jobs() == []
    assert list(spool.folder.iterdir()) == [], "nothing is left behind"


def test_what_was_not_sent_is_sent_by_a_later_process(server: Server, spool: Spool, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    spool.add(written(tmp_path / "out.pcapng", data), server.url("/out.pcapng"))
    server.breaks = [100_000]
    left, said, _ = told(spool, Uploader(ca=str(tmp_path / "ca.pem")), patience=0)
    assert left == ["out.pcapng"]
    assert "was not sent" in said[0]
    (tmp_path / "out.pcapng").unlink()
    later = Spool(spool.folder, 10_000_000)
    assert told(later, Uploader(ca=str(tmp_path / "ca.pem")))[0] == []
    assert server.files["/out.pcapng"] == data
    assert server.received == len(data), "the later process went on where the first one was broken off"


def test_a_server_that_is_not_there_is_not_waited_for_once_a_file(spool: Spool, tmp_path: Path) -> None:
    for number in range(3):
        spool.add(written(tmp_path / f"{number}.json", b"{}"), f"https://127.0.0.1:1/{number}.json")
    left, said, pauses = told(spool, Uploader(), patience=0)
    assert left == ["0.json", "1.json", "2.json"]
    assert (len(said), pauses) == (1, [])


def test_one_file_that_is_refused_does_not_keep_the_others(server: Server, spool: Spool, tmp_path: Path) -> None:
    for name in ("a", "b"):
        spool.add(written(tmp_path / name, name.encode()), server.url(f"/{name}"))
    server.answers = [(404, {}), (413, {})]
    left, said, _ = told(spool, Uploader(ca=str(tmp_path / "ca.pem")))
    assert left == ["a"]
    assert "too large" in said[0]
    assert server.files["/b"] == b"b"


def test_what_waits_is_bounded_and_the_oldest_makes_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 250)
    for name in ("a", "b"):
        assert spool.add(written(tmp_path / name, bytes(100)), f"https://x.example/{name}")[1] == []
    _, gone = spool.add(written(tmp_path / "c", bytes(100)), "https://x.example/c")
    assert [job.name for job in gone] == ["a"]
    assert [job.name for job in spool.jobs()] == ["b", "c"]
    with pytest.raises(SpoolError, match="larger than all"):
        spool.add(written(tmp_path / "d", bytes(251)), "https://x.example/d")


def test_a_small_file_is_copied_and_a_large_one_is_not_there_twice(spool: Spool, tmp_path: Path) -> None:
    small, large = written(tmp_path / "x.json", b"{}"), written(tmp_path / "out.pcapng", bytes(5_000_000))
    copied, _ = spool.add(small, "https://x.example/x.json")
    linked, _ = spool.add(large, "https://x.example/out.pcapng")
    small.write_text("another")
    large.unlink()
    assert spool.content(copied).read_text() == "{}"
    assert spool.content(linked).stat().st_nlink == 1
    assert spool.content(linked).stat().st_size == 5_000_000


def test_nobody_else_may_read_what_waits(spool: Spool, tmp_path: Path) -> None:
    spool.add(written(tmp_path / "out.pcapng", b"packets"), "https://x.example/out.pcapng?signature=s3cret")
    assert spool.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in spool.folder.iterdir())


def test_one_process_sends_at_a_time(spool: Spool) -> None:
    program = (
        "import sys, pathlib; from fieldkit.sources.spool import Spool\n"
        f"with Spool(pathlib.Path({str(spool.folder)!r}), 1).sole() as alone: print(alone, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with spool.sole() as alone:
            assert not alone
        other.communicate("")
    with spool.sole() as alone:
        assert alone


def test_what_a_killed_process_left_half_done_is_cleared_and_the_rest_is_sent(spool: Spool, tmp_path: Path) -> None:
    spool.add(written(tmp_path / "out.pcapng", b"packets"), "https://x.example/out.pcapng")
    half = spool.folder / "00000000000000000001-abcdef.data"
    half.write_bytes(b"content without a description")
    (spool.folder / "notes.json").write_text("{}")
    with spool.sole():
        assert half.exists(), "it may be somebody's who is just writing it"
    long_ago = time.time() + 7200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: long_ago)
        with spool.sole():
            pass
    assert not half.exists()
    assert [job.name for job in spool.jobs()] == ["out.pcapng"]


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    written(tmp_path / "file", b"")
    with pytest.raises(SpoolError, match=r"Not a directory|File exists"):
        Spool(tmp_path / "file" / "spool", 1)


def test_where_files_wait_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDKIT_SPOOL", "/mnt/usb/waiting")
    assert default_folder() == Path("/mnt/usb/waiting")
    monkeypatch.delenv("FIELDKIT_SPOOL")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_folder() == Path("/var/spool/fieldkit")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert default_folder() == Path("/srv/state/fieldkit/spool")
