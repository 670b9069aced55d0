"""The packets of the last hours in a ring, those around an incident kept, and sent where somebody can look at them.

``folder`` holds the ring; ``folder/kept`` has other names of those files that belong to an incident, so that keeping
costs nothing and the ring may go on. A name that ends in .sent stands for a capture that is on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.agent.settings import RingSettings
from fieldkit.checks.finding import SEVERITIES, Severity
from fieldkit.sources.recording import Recording, RecordingError

AFTER: Final = 30.0
"""Seconds that are still recorded before the files of an incident are kept: what followed belongs to it."""
RETRY: Final = 60.0
"""Seconds until recording is tried again where it failed."""
_NAME: Final = "packets.pcapng"


@dataclass(frozen=True, slots=True)
class Kept:
    """A capture that can be had."""

    name: str
    size: int
    changed: float
    incident: bool


class Ring:
    """Of one agent; used by the loop that records."""

    def __init__(self, settings: RingSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.recording: Recording | None = None
        self.failed = ""
        """Why nothing is recorded at the moment."""
        self._clock = clock
        self._keep_at = 0.0
        self._since = time.time()
        self._retry_at = 0.0
        self._aged_at = 0.0

    @property
    def kept(self) -> Path:
        return self.settings.folder / "kept"

    def begin(self) -> Recording | None:
        """Begin to record, if that is possible; ``failed`` says why not."""
        self._retry_at = self._clock() + RETRY
        try:
            self.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.recording = Recording(self.settings.folder / _NAME, self.settings.ring)
        except (OSError, RecordingError) as error:
            self.recording, self.failed = None, str(error)
        else:
            self.failed = ""
        return self.recording

    def lost(self, why: str) -> None:
        """The recording has failed; it is begun again in a while."""
        self.recording, self.failed = None, why
        self._retry_at = self._clock() + RETRY

    @property
    def wants_to_begin(self) -> bool:
        """It is time to try again."""
        return self.recording is None and self._clock() >= self._retry_at

    def keeps(self, severity: Severity) -> bool:
        """Whether a finding of this severity is an incident."""
        keep = self.settings.keep
        return keep != "never" and SEVERITIES.index(severity) <= SEVERITIES.index(keep)

    def incident(self) -> None:
        """Something has happened: the ring as it is in half a minute is worth keeping."""
        if not self._keep_at:
            self._keep_at = self._clock() + AFTER

    def tick(self) -> None:
        """Once a second."""
        now = self._clock()
        if self._keep_at and now >= self._keep_at:
            self._keep_at = 0.0
            self._keep()
        if now >= self._aged_at:
            self._aged_at = now + RETRY
            self._forget_old()
            self._make_room()

    def _keep(self) -> None:
        for path in self._files():
            with suppress(OSError):
                (self.kept / path.name).hardlink_to(path)

    def _files(self) -> list[Path]:
        return sorted(self.settings.folder.glob("packets_*.pcapng"))

    def _forget_old(self) -> None:
        current = self.recording.path if self.recording is not None else None
        for path in (*self._files(), *self.kept.glob("packets_*.pcapng")):
            with suppress(OSError):
                if path != current and time.time() - path.stat().st_mtime > self.settings.age:
                    path.unlink()

    def _make_room(self) -> None:
        with suppress(OSError):
            kept = sorted(self.kept.glob("packets_*.pcapng"))
            sizes = {path: path.stat().st_size for path in kept}
            while kept and sum(sizes[path] for path in kept) > self.settings.kept:
                oldest = kept.pop(0)
                oldest.unlink(missing_ok=True)
                oldest.with_suffix(".sent").unlink(missing_ok=True)

    def captures(self) -> list[Kept]:
        """What can be had, the oldest first."""
        return list(_listed(self.settings.folder))


def _listed(folder: Path) -> Iterator[Kept]:
    kept = {path.name for path in (folder / "kept").glob("packets_*.pcapng")}
    names = kept | {path.name for path in folder.glob("packets_*.pcapng")}
    for name in sorted(names):
        with suppress(OSError):
            told = found(folder, name).stat()
            yield Kept(name, told.st_size, told.st_mtime, name in kept)


def found(folder: Path, name: str) -> Path:
    """The file of a capture; FileNotFoundError for what is none, whatever its name tries to be."""
    for place_ in (folder, folder / "kept"):
        if name in {path.name for path in place_.glob("packets_*.pcapng")}:
            return place_ / name
    raise FileNotFoundError(name)
