"""Waiting for what a running command says."""

from __future__ import annotations

import os
import subprocess
import time


def wait_for_line(process: subprocess.Popen[bytes], what: str, seconds: float = 15) -> str:
    """Read its stderr until there is a line with it; returns all that was read."""
    assert process.stderr is not None
    read = b""
    ends = time.monotonic() + seconds
    os.set_blocking(process.stderr.fileno(), False)
    while what.encode() not in read or not read.endswith(b"\n"):
        assert time.monotonic() < ends, f"{what!r} was not said: {read.decode()}"
        assert process.poll() is None or what.encode() in read, f"it ended: {read.decode()}"
        read += process.stderr.read() or b""
        time.sleep(0.01)
    os.set_blocking(process.stderr.fileno(), True)
    return read.decode()
