"""One line on stderr that says how far a long read has come, on terminals only."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from fieldkit.sources.file import FileSource

_FIRST_AFTER = 0.7
"""Seconds of silence: most captures are read before anybody could wonder."""
_INTERVAL = 0.2


class Progress:
    """Call ``step`` as often as you like."""

    def __init__(self, sources: Sequence[FileSource]) -> None:
        self._sources = sources
        self._total = sum(source.size for source in sources)
        # With messages scrolling by on the same terminal nobody needs a progress line.
        self._active = sys.stderr.isatty() and not sys.stdout.isatty()
        self._next = time.monotonic() + _FIRST_AFTER
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def step(self) -> None:
        if not self._active or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _INTERVAL
        self._shown = True
        done = sum(source.read for source in self._sources)
        share = f" of {self._total / 1e6:,.0f} MB ({min(done / self._total, 1):.0%})" if self._total else " MB"
        sys.stderr.write(f"\r\x1b[Kreading: {done / 1e6:,.0f}{share}")
        sys.stderr.flush()
