"""A lock that is handed on in turn.

The engine takes and returns its lock in a tight loop. With an ordinary lock whoever waits for it would mostly find it
taken again before being woken.
"""

from __future__ import annotations

from threading import Lock
from types import TracebackType


class FairLock:
    """As ``threading.Lock`` in a ``with``: who waits comes next."""

    def __init__(self) -> None:
        self._next = Lock()
        self._held = Lock()

    def __enter__(self) -> FairLock:
        with self._next:  # who waits holds this, so that nobody overtakes
            self._held.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.release()
