"""A program that is asked one thing: its output bounded, its time too, and nothing of it left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Final

from fieldkit.links.runner import MAX_ANSWER, CutOff, NotHere, RunnerError
from fieldkit.safetext import terminal

MAX_LINE: Final = 16 << 10
"""Bytes of one line of a program that is followed."""
_TALK: Final = 4096
"""Bytes of standard error that are kept."""


class Failed(RunnerError):  # noqa: N818
    """A program ended with an error."""

    def __init__(self, program: str, status: int, said: str) -> None:
        self.said = said
        last = (
            terminal(said.strip().splitlines()[-1].strip(), 160) if said.strip() else f"it ended with status {status}"
        )
        super().__init__(f"{program}: {last}")


class Programs:
    """The programs that run at the moment; all of them can be ended."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, command: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """In a session of its own, so that all it starts ends with it, and Ctrl-C reaches only us."""
        if self._closed:
            raise CutOff(f"{command[0]}: it is over")
        try:
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
        except FileNotFoundError as error:
            raise NotHere(f"{command[0]}: there is no such program here") from error
        except OSError as error:
            raise RunnerError(f"{command[0]}: {error.strerror or error}") from error
        with self._lock:
            self._running.add(process)
        if self.closed():  # meanwhile
            self.end(process)
            raise CutOff(f"{command[0]}: it is over")
        return process

    def closed(self) -> bool:
        """Nothing may be started any more."""
        return self._closed

    def end(self, process: subprocess.Popen[bytes], *readers: threading.Thread) -> None:
        """Whatever it takes. ``readers`` of its pipes see their end first: a closed number is soon another file's."""
        kill(process)
        for reader in readers:
            reader.join(1)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        with self._lock:
            self._running.discard(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def answer(self, command: Sequence[str], seconds: float) -> str:
        """Run it to its end."""
        process = self.start(command)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            out, said = gathered({process.stdout: MAX_ANSWER, process.stderr: _TALK}, seconds, command[0])
            try:
                status = process.wait(1)
            except subprocess.TimeoutExpired:  # it has closed its output, and stays
                status = 0
        finally:
            self.end(process)
        if self._closed:
            raise CutOff(f"{command[0]}: it is over")
        if status:
            raise Failed(command[0], status, said.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        """What it writes, line by line, until it ends or is ended."""
        process = self.start(command)
        assert process.stdout is not None
        assert process.stderr is not None
        # Nobody reads what it complains of: a full pipe would stop it.
        listener = threading.Thread(target=_drain, args=(process.stderr,), daemon=True)
        listener.start()
        try:
            yield from buffered(process.stdout)
        finally:
            self.end(process, listener)

    def close(self) -> None:
        """End them all; no new ones."""
        self._closed = True
        with self._lock:
            running = tuple(self._running)
        for process in running:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def gathered(pipes: dict[IO[bytes], int], seconds: float, program: str) -> tuple[bytes, ...]:
    """What comes out of pipes until all are closed, of each at most so much; CutOff when it takes too long."""
    ends = time.monotonic() + seconds
    taken: dict[IO[bytes], bytearray] = {pipe: bytearray() for pipe in pipes}
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map():
            left = ends - time.monotonic()
            if left <= 0:
                raise CutOff(f"{program}: no answer within {seconds:.0f} s")
            for key, _ in selector.select(left):
                ready: IO[bytes] = key.data
                block = os.read(key.fd, 1 << 16)
                if not block:
                    selector.unregister(ready)
                elif len(taken[ready]) < pipes[ready]:
                    taken[ready] += block
                elif pipes[ready] == MAX_ANSWER:
                    raise RunnerError(f"{program}: its answer is longer than {MAX_ANSWER >> 20} MB")
    return tuple(bytes(data) for data in taken.values())


def buffered(pipe: IO[bytes]) -> Iterator[str]:
    """The lines of a pipe; of one that is too long its beginning."""
    held = b""
    while True:
        try:
            block = os.read(pipe.fileno(), 1 << 16)
        except (OSError, ValueError):
            return
        if not block:
            if held:
                yield held[:MAX_LINE].decode("utf-8", "replace")
            return
        *lines, held = (held + block).split(b"\n")
        held = held[: MAX_LINE + 1]
        for line in lines:
            yield line[:MAX_LINE].decode("utf-8", "replace")


def _drain(pipe: IO[bytes]) -> None:
    for _ in buffered(pipe):
        continue
