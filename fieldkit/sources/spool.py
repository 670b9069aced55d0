"""Files that wait to be sent, on disk: what a process could not send, a later one can.

Each has a description (``ID.json``) and its content (``ID.data``), which is another name of the same file where the
disk allows it and a copy elsewhere. The description comes last and goes first: what stops in between leaves content
without a description, which is cleared away. What waits is bounded; the oldest makes room.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from fieldkit.sources.upload import Progress, Uploader, UploadError, shown

MAX_JOBS: Final = 10_000
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two attempts: doubled each time."""
_LINKED: Final = 4 << 20
"""Bytes from which on a file is not copied but given another name: whoever then writes into it, in place of replacing
it, changes what waits. Recordings are not written to again, and copies of them might not fit on the disk."""
_ABANDONED: Final = 3600.0
"""Seconds after which content without a description belongs to nobody."""


@dataclass(slots=True)
class Job:
    """One file on its way."""

    id: str
    address: str
    name: str
    size: int
    progress: Progress = field(default_factory=Progress)


class SpoolError(Exception):
    """Nothing can be kept there; the text says why."""


class Spool:
    """One folder of waiting files."""

    def __init__(self, folder: Path, limit: int) -> None:
        """SpoolError when it cannot be used. ``limit``: bytes that all may take."""
        self.folder = folder
        self._limit = limit
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"{folder}: {error.strerror or error}") from error

    def add(self, path: Path, address: str) -> tuple[Job, list[Job]]:
        """Take a file in; returns it and those that had to go for it. SpoolError when it cannot be kept."""
        try:
            size = path.stat().st_size
            if size > self._limit:
                raise SpoolError(f"{path.name} is larger than all that may wait (--spool-size)")
            job = Job(f"{time.time_ns():020}-{secrets.token_hex(3)}", address, path.name, size)
            gone = self._make_room(size)
            content = self.content(job)
            if size < _LINKED or not _linked(path, content):
                with open(content, "xb", opener=_private) as copy, path.open("rb") as original:
                    shutil.copyfileobj(original, copy)
            self.save(job)
        except OSError as error:
            raise SpoolError(f"{self.folder}: {error.strerror or error}") from error
        return job, gone

    def jobs(self) -> list[Job]:
        """What waits, the oldest first."""
        found = []
        for path in sorted(self.folder.glob("*.json"))[:MAX_JOBS]:
            job = self._load(path)
            if job is not None:
                found.append(job)
        return found

    def content(self, job: Job) -> Path:
        """Where a job's content lies."""
        return self.folder / f"{job.id}.data"

    def save(self, job: Job) -> None:
        """Write a job's description: whole, or as it was before."""
        draft = self.folder / f"{job.id}.part"
        with open(draft, "x" if not draft.exists() else "w", opener=_private) as file:
            json.dump(asdict(job), file)
        draft.replace(self.folder / f"{job.id}.json")

    def remove(self, job: Job) -> None:
        """It has arrived, or is given up."""
        (self.folder / f"{job.id}.json").unlink(missing_ok=True)
        self.content(job).unlink(missing_ok=True)

    @contextmanager
    def sole(self) -> Iterator[bool]:
        """Whether nobody else is sending from here; nobody begins to while the block runs."""
        try:
            import fcntl
        except ImportError:  # Windows
            yield True
            return
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            self._clear()
            yield True

    def _load(self, path: Path) -> Job | None:
        try:
            told = json.loads(path.read_text("utf-8"))
            progress = told.pop("progress")
            before = progress.pop("before")
            job = Job(**told, progress=Progress(**progress, before=tuple(before) if before else None))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # no description of ours: left alone
        return job if self.content(job).exists() else None

    def _make_room(self, size: int) -> list[Job]:
        waiting = self.jobs()
        taken = sum(job.size for job in waiting)
        gone = []
        while waiting and (taken + size > self._limit or len(waiting) >= MAX_JOBS):
            job = waiting.pop(0)
            taken -= job.size
            self.remove(job)
            gone.append(job)
        return gone

    def _clear(self) -> None:
        for pattern in ("*.data", "*.part"):
            for path in self.folder.glob(pattern):
                with suppress(OSError):
                    if not path.with_suffix(".json").exists() and time.time() - path.stat().st_ctime > _ABANDONED:
                        path.unlink()


def send(
    spool: Spool,
    uploader: Uploader,
    jobs: list[Job],
    *,
    patience: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> list[Job]:
    """Send what can be sent within ``patience`` seconds; returns what still waits."""
    ends = time.monotonic() + patience
    left: list[Job] = []
    unreachable: set[str] = set()
    for job in jobs:
        host = job.address.split("/")[2]
        if host in unreachable:
            left.append(job)
            continue
        if not _arrived(spool, uploader, job, ends, say, sleep):
            left.append(job)
            if time.monotonic() >= ends:
                unreachable.add(host)
    return left


def _arrived(
    spool: Spool,
    uploader: Uploader,
    job: Job,
    ends: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> bool:
    pause = FIRST_PAUSE
    told = ""
    while True:
        try:
            uploader.send(job.address, spool.content(job), job.progress)
        except UploadError as error:
            with suppress(OSError):
                spool.save(job)
            wait = max(pause, error.pause)
            if error.final or time.monotonic() + wait > ends:
                say(f"{job.name} was not sent: {error}")
                return False
            if str(error) != told:
                told = str(error)
                say(f"{told}; trying again")
            sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            spool.remove(job)
            say(f"sent: {job.name} to {shown(job.address)}")
            return True


def default_folder() -> Path:
    """Where files wait unless somebody says otherwise."""
    named = os.environ.get("FIELDKIT_SPOOL")
    if named:
        return Path(named)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/spool/fieldkit")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "fieldkit" / "spool"


def _linked(path: Path, name: Path) -> bool:
    """False on another disk, on one without links, and for files of others."""
    try:
        name.hardlink_to(path)
    except OSError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
