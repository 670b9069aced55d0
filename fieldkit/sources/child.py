"""A program that captures in our place and writes pcap or pcapng to a pipe: started, listened to, stopped, buried.

Its standard error is read too. What it says at the end tells why it ended; lines that begin with "note: " are for the
user. It runs in a session of its own, so that Ctrl-C reaches only us, and we decide when it ends: SIGINT first, for the
last packets and counts, and SIGKILL when it does not obey. Who runs as another user (through sudo) obeys no signal of
ours, and ends when nobody reads from its pipe any more.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from fieldkit.events import CaptureComment, CaptureDropped
from fieldkit.safetext import terminal
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.pipe import CaptureStream

STARTING: Final = 5.0
"""Seconds a program has to say that it captures, or why not."""
STOPPING: Final = 2.0
"""Seconds a program has to end when told to."""
_LINES: Final = 40
"""Lines of its standard error that are kept."""
_LINE: Final = 500
_NOTE: Final = "note: "
_READ: Final = 1 << 16
_CHATTER: Final = "Counters provided by"
"""How dumpcap comments on the statistics it writes."""

Explain = Callable[[Sequence[str], int], str]
"""From the lines a program said and its exit status to one line for the user."""


class ChildSource:
    """A program's packets."""

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        numbers: FrameNumbers,
        *,
        ready: re.Pattern[str],
        explain: Explain,
        dropped: re.Pattern[str] | None = None,
        starting: float = STARTING,
    ) -> None:
        """``ready`` is found in what the program says when it captures, ``dropped`` in its count of lost packets.

        SourceError when it ends before it is ready.
        """
        self.name = name
        self._explain = explain
        self._dropped_pattern = dropped
        self._said: deque[str] = deque(maxlen=_LINES)
        self._unfinished = b""
        self._notes: list[str] = []
        self._told_dropped = 0
        self._dropped_told = 0
        self._stopped = False
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            raise SourceError(f"{command[0]}: {error.strerror or error}") from error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        self._stream = CaptureStream(os.dup(self._process.stdout.fileno()), name, numbers)
        self._process.stdout.close()
        self._await(command, ready, starting)

    def _await(self, command: Sequence[str], ready: re.Pattern[str], starting: float) -> None:
        ends = time.monotonic() + starting
        while time.monotonic() < ends:
            self._listen()
            if any(ready.search(line) for line in self._said):
                return
            if self._process.poll() is not None:
                self._listen()
                why = self._explain(self._said, self._process.returncode)
                self.close()
                raise SourceError(why)
            time.sleep(0.01)
        self.close()
        raise SourceError(f"{self.name}: {command[0]} does not begin to capture")

    @property
    def process(self) -> int:
        """The program's process number."""
        return self._process.pid

    def fileno(self) -> int:
        """The pipe's."""
        return self._stream.fileno()

    def read(self) -> list[Item]:
        """What the program has written."""
        return [item for item in self._stream.read() if not _is_chatter(item)]

    def tick(self, now: int) -> list[Item]:
        """What the program has said, and whether it is alive."""
        self._listen()
        self._ask_for_counts()
        items = [*self._stream.tick(now), *(CaptureComment(now, (), note) for note in self._notes)]
        self._notes = []
        return items + self._lost(now)

    def _lost(self, now: int) -> list[Item]:
        """Packets that the program says it lost, as far as the stream has not said so itself."""
        news = self._told_dropped - max(self._dropped_told, self._stream.counters()[1])
        if news <= 0:
            return []
        self._dropped_told = self._told_dropped
        return [CaptureDropped(now, (), self.name, news)]

    def counters(self) -> tuple[int, int]:
        """Packets read, and dropped as far as the program has told; it tells all when it ends."""
        received, dropped = self._stream.counters()
        return received, max(dropped, self._told_dropped)

    def ended(self) -> str | None:
        """Why the program has ended; None while it runs or has packets in its pipe."""
        why = self._stream.ended()
        if why is None:
            return None
        if not self._stopped:
            self._wait(STOPPING)
        if why:
            return f"{self.name}: {why}"
        status = self._process.returncode or 0
        if self._stopped:
            return ""
        # It was to go on until we stop it, whatever its status says.
        return self._explain(self._said, status) or f"{self.name}: what captured it has ended"

    def stop(self) -> list[Item]:
        """End the program; its last packets, and what it lost."""
        if self._stopped:
            return []
        self._stopped = True
        if self._process.poll() is None:
            with suppress(PermissionError):  # a program of another user ends when its pipe does
                self._process.send_signal(signal.SIGINT)
        items: list[Item] = []
        ends = time.monotonic() + STOPPING
        while self._stream.ended() is None and time.monotonic() < ends:
            came = self.read()
            items += came
            self._listen()
            if not came:
                time.sleep(0.005)
        self._wait(max(ends - time.monotonic(), 0.05))
        return items + self._lost(time.time_ns())

    def close(self) -> None:
        """End the program, whatever it takes."""
        self.stop()
        self._stream.close()  # now its next write fails
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (PermissionError, ProcessLookupError):
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOPPING)
            else:
                self._process.wait()
        assert self._process.stderr is not None
        self._listen()
        self._process.stderr.close()

    def _wait(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._listen()

    def _ask_for_counts(self) -> None:
        """Programs that count on demand are asked; for others there is nothing to do."""

    def _listen(self) -> None:
        assert self._process.stderr is not None
        if self._process.stderr.closed:
            return
        while True:
            try:
                said = self._process.stderr.read(_READ)
            except OSError:
                return
            if not said:
                break
            *lines, self._unfinished = (self._unfinished + said).split(b"\n")
            self._unfinished = self._unfinished[-_LINE:]
            for line in lines:
                self._hear(line)
        if self._process.poll() is not None and self._unfinished:
            self._hear(self._unfinished)
            self._unfinished = b""

    def _hear(self, line: bytes) -> None:
        text = terminal(line.decode("utf-8", "replace").strip(), _LINE)
        if text.startswith(_NOTE):
            self._notes.append(text.removeprefix(_NOTE))
        elif text:
            self._said.append(text)
            found = self._dropped_pattern.search(text) if self._dropped_pattern is not None else None
            if found is not None:
                self._told_dropped = max(self._told_dropped, int(found[1]))


def _is_chatter(item: Item) -> bool:
    return isinstance(item, CaptureComment) and item.text.startswith(_CHATTER)
