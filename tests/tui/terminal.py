"""``fieldkit`` in a terminal of its own, as a process: for what only a real terminal shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?<>=$]*[a-zA-Z~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])")


class Terminal:
    """What a process writes to its terminal, and how long that took."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.descriptor = descriptor
        self.began = time.perf_counter()
        self.data = b""

    @property
    def text(self) -> str:
        """Everything so far, without what moves the cursor."""
        return _CONTROL.sub("", self.data.decode("utf-8", "replace"))

    def read(self, seconds: float) -> None:
        """What comes within so many seconds."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if ready:
            try:
                self.data += os.read(self.descriptor, 1 << 16)
            except OSError:  # Linux: the other end of the terminal is closed
                time.sleep(0.01)

    def until(self, text: str, seconds: float = 20) -> float:
        """Wait for this text; seconds since the process was started."""
        while text not in self.text:
            assert time.perf_counter() - self.began < seconds, self.text[-3000:]
            self.read(0.05)
        return time.perf_counter() - self.began

    def press(self, keys: str) -> None:
        """Keys as the terminal sends them."""
        os.write(self.descriptor, keys.encode())

    def ended(self, seconds: float = 15) -> int:
        """Wait for the end of the process; its exit code."""
        ends = time.perf_counter() + seconds
        while self.process.poll() is None and time.perf_counter() < ends:
            self.read(0.05)
        return self.process.wait(1)

    def hang_up(self) -> None:
        """Close the terminal's window."""
        os.close(self.descriptor)
        self.descriptor = -1


@contextmanager
def terminal(
    *arguments: str | Path, size: tuple[int, int] = (80, 24), stdin: int | None = None, **variables: str
) -> Iterator[Terminal]:
    """``fieldkit ARGUMENTS`` in a new terminal, which is its controlling one."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    environment = {
        **os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "PYTHONUTF8": "1",
        "PYTHONPATH": str(ROOT), **variables,
    }  # fmt: skip

    def take_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "fieldkit", *map(str, arguments)],
        stdin=theirs if stdin is None else stdin, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT,
        start_new_session=True, preexec_fn=take_terminal,
    )  # fmt: skip
    os.close(theirs)
    opened = Terminal(process, ours)
    try:
        yield opened
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if opened.descriptor >= 0:
            os.close(opened.descriptor)
