"""A process that works beside this one, and the pipe that it tells through: what both ways of decoding with several
processor cores begin and end with."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final, NoReturn

_PIPE_BYTES: Final = 1 << 20
"""What Linux allows anybody (pipe-max-size)."""


def possible() -> bool:
    """Whether this system has processes that begin as a copy of this one. Apple's libraries do not stand it."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Helper:
    """A process that does ``work``; ``pipe`` is read here, and ``close`` ends it wherever it stands."""

    def __init__(self, work: Callable[[BinaryIO], object], others: tuple[Helper, ...] = ()) -> None:
        """``work`` writes to the pipe that it is given. ``others``: of the same work, whose pipes it must not hold."""
        reading, writing = _roomy_pipe()
        self._number = os.fork()
        if not self._number:
            for other in others:
                other.pipe.close()
            os.close(reading)
            _work(work, writing)
        os.close(writing)
        self.pipe: BinaryIO = os.fdopen(reading, "rb", _PIPE_BYTES)

    def close(self) -> None:
        """It is not needed any more."""
        self.pipe.close()
        with suppress(ProcessLookupError):
            os.kill(self._number, signal.SIGTERM)
            os.waitpid(self._number, 0)


def _roomy_pipe() -> tuple[int, int]:
    """A pipe that holds the records of several blocks, so that a worker can run ahead of the others."""
    import fcntl  # not on Windows, where there is no fork either

    reading, writing = os.pipe()
    with suppress(OSError, AttributeError):  # not on this system, or beyond the user's limit: slower, that is all
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


def _work(work: Callable[[BinaryIO], object], writing: int) -> NoReturn:
    """The life of such a process."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with os.fdopen(writing, "wb", _PIPE_BYTES) as pipe:
            work(pipe)
        status = 0
    except BrokenPipeError:
        status = 0  # the parent has had enough
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
