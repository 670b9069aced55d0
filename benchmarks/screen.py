"""A program on a terminal of its own, as one who sits in front of it: what it writes, when, and what it costs.

The terminal is a real one (a pty), and somebody reads from it all the time, as a terminal does.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

_CONTROL: Final = re.compile(r"\x1b(?:\[[0-9;?<>=$]*[a-zA-Z~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])")
_TICK: Final = os.sysconf("SC_CLK_TCK")
_QUIET: Final = 0.06
"""Seconds without output after which a picture counts as drawn."""


class Screen:
    """Use it as a context; the program is ended behind it."""

    def __init__(
        self, command: Sequence[str], *, size: tuple[int, int] = (80, 24), stdin: int | None = None, **variables: str
    ) -> None:
        self._command = list(command)
        self._size = size
        self._stdin = stdin
        self._variables = variables
        self.pieces: list[tuple[float, bytes]] = []
        """What was written, and when."""
        self.began = 0.0

    def __enter__(self) -> Screen:
        self._ours, theirs = pty.openpty()
        columns, lines = self._size
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._state = tempfile.TemporaryDirectory(prefix="fieldkit-bench-")
        environment = {name: value for name, value in os.environ.items() if name not in ("SSH_CONNECTION", "NO_COLOR")}
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
        environment |= {"XDG_STATE_HOME": self._state.name, "XDG_CONFIG_HOME": self._state.name, **self._variables}

        def take_terminal() -> None:
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            self._command, stdin=theirs if self._stdin is None else self._stdin, stdout=theirs, stderr=theirs,
            env=environment, start_new_session=True, preexec_fn=take_terminal,
        )  # fmt: skip
        os.close(theirs)
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._ended = True
        self._reader.join(2)
        os.close(self._ours)
        self._state.cleanup()

    def _read(self) -> None:
        while not self._ended:
            ready, _, _ = select.select([self._ours], [], [], 0.1)
            if ready:
                try:
                    data = os.read(self._ours, 1 << 16)
                except OSError:
                    return
                self.pieces.append((time.perf_counter(), data))

    # ------------------------------------------------------------------------------------------------------- looking

    def text(self, since: int = 0) -> str:
        """What was written since so many pieces, without what moves the cursor."""
        data = b"".join(piece for _, piece in self.pieces[since:])
        return _CONTROL.sub("", data.decode("utf-8", "replace"))

    def until(self, pattern: str, *, since: int = 0, seconds: float = 120) -> float:
        """Wait for this; seconds since the program was started."""
        wanted = re.compile(pattern)
        seen = -1
        while True:
            if len(self.pieces) != seen:
                seen = len(self.pieces)
                if wanted.search(self.text(since)):
                    return self._first(wanted, since) - self.began
            if self.process.poll() is not None or time.perf_counter() - self.began > seconds:
                raise SystemExit(f"{pattern!r} never came:\n{self.text()[-2000:]}")
            time.sleep(0.005)

    def _first(self, wanted: re.Pattern[str], since: int) -> float:
        """When the piece was written that completes it."""
        low, high = since, len(self.pieces)
        while low < high:
            middle = (low + high) // 2
            data = b"".join(piece for _, piece in self.pieces[since : middle + 1])
            if wanted.search(_CONTROL.sub("", data.decode("utf-8", "replace"))):
                high = middle
            else:
                low = middle + 1
        return self.pieces[min(low, len(self.pieces) - 1)][0]

    # ------------------------------------------------------------------------------------------------------- acting

    def press(self, keys: str) -> int:
        """Keys as a terminal sends them; returns how many pieces there were before."""
        before = len(self.pieces)
        os.write(self._ours, keys.encode())
        return before

    def answer(self, keys: str, patience: float = 3) -> tuple[float, float]:
        """Seconds from a key until something is drawn, and until the picture is complete."""
        start = time.perf_counter()
        before = self.press(keys)
        while len(self.pieces) == before and time.perf_counter() - start < patience:
            time.sleep(0.001)
        while time.perf_counter() - self.pieces[-1][0] < _QUIET:
            time.sleep(0.002)
        drawn = self.pieces[before:]
        if not drawn:
            return patience, patience
        return drawn[0][0] - start, drawn[-1][0] - start

    # ------------------------------------------------------------------------------------------------------- costs

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def memory(self) -> int:
        """Bytes that it holds now."""
        return self._status("VmRSS")

    @property
    def peak(self) -> int:
        """Bytes that it held at most."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        return 0

    def sizes(self, begin: float, end: float) -> tuple[int, int]:
        """Bytes written in a span of time, as they are, and as ``ssh -C`` packs them (a flush for each piece)."""
        packer = zlib.compressobj(6)
        raw = packed = 0
        for at, data in self.pieces:
            # What came before is known to the packer, and counts not.
            size = len(packer.compress(data)) + len(packer.flush(zlib.Z_SYNC_FLUSH))
            if begin <= at < end:
                raw += len(data)
                packed += size
        return raw, packed


def waited(seconds: float, watch: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """Wait so long; returns when it began and ended."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        watch()
        time.sleep(min(0.5, seconds))
    return begin, time.perf_counter()
