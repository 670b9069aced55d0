"""An interface as a capture helper sees it: this process needs no right, the helper has one (CAP_NET_RAW)."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Sequence
from typing import Final

from fieldkit.safetext import terminal
from fieldkit.sources.afpacket import RING, FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.child import STARTING, ChildSource
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.helperways import ERROR, Way, words
from fieldkit.sources.live import LiveSource
from fieldkit.sources.pipe import CaptureStream

_READY: Final = re.compile(r"^capturing on ")
_ERROR_LINE: Final = 500


def helper_source(
    way: Way, interface: str, wanted: CaptureFilter, numbers: FrameNumbers, size: int = RING
) -> LiveSource:
    """An interface through one of the ``helperways``; SourceError when the helper cannot."""
    asked = words(interface, wanted, size)
    if way.kind == "socket":
        return HelperSocket(way.command[0], interface, asked, numbers)
    return HelperSource(way.command, interface, asked, numbers)


class HelperSource(ChildSource):
    """A helper that is run: by sudo, or with a capability of its own."""

    def __init__(self, command: Sequence[str], interface: str, asked: list[str], numbers: FrameNumbers) -> None:
        super().__init__(
            [*command, *asked],
            interface,
            numbers,
            ready=_READY,
            explain=lambda said, status: _explained(interface, said, status),
        )


class HelperSocket:
    """A helper that systemd starts for each connection to a socket; it ends when the connection does."""

    def __init__(self, path: str, interface: str, asked: list[str], numbers: FrameNumbers) -> None:
        self.name = interface
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(STARTING)
            connection.connect(path)
            connection.sendall(" ".join(asked).encode("ascii") + b"\n")
            first = _peeked(connection)
        except (OSError, UnicodeEncodeError) as error:
            connection.close()
            raise SourceError(f"{interface}: the capture helper at {path} does not answer: {error}") from error
        if first == ERROR.encode():
            said = connection.recv(_ERROR_LINE).decode("utf-8", "replace").removeprefix(ERROR)
            connection.close()
            raise SourceError(terminal(said.strip()))
        connection.setblocking(False)
        self._stream = CaptureStream(connection.detach(), interface, numbers)

    def fileno(self) -> int:
        """The connection's."""
        return self._stream.fileno()

    def read(self) -> list[Item]:
        """What the helper has sent."""
        return self._stream.read()

    def tick(self, now: int) -> list[Item]:
        """Nothing but what the stream says."""
        return self._stream.tick(now)

    def counters(self) -> tuple[int, int]:
        """Packets read, and dropped as the helper says."""
        return self._stream.counters()

    def ended(self) -> str | None:
        """The helper ends only when we do, unless it fails."""
        why = self._stream.ended()
        return why if why is None or why else f"{self.name}: the capture helper has ended"

    def close(self) -> None:
        """Hang up: the helper ends."""
        self._stream.close()


def _peeked(connection: socket.socket) -> bytes:
    """The first bytes of the answer, left where they are: an error, or a capture."""
    while True:
        first = connection.recv(len(ERROR), socket.MSG_PEEK)
        if len(first) >= len(ERROR):
            return first
        if not first:
            raise ConnectionResetError("it hung up")
        select.select([connection], [], [], 0.01)


def _explained(interface: str, said: Sequence[str], status: int) -> str:
    """One line on why a helper ended, from what it, or sudo, said."""
    lines = [line for line in said if not _READY.match(line)]
    if any(line.startswith("sudo:") for line in lines):
        return f"{interface}: sudo does not run the capture helper for you without a password (docs/privileges.md)"
    if lines:
        return lines[-1].removeprefix("fieldkit: ")
    return f"{interface}: the capture helper ended" + (f" with status {status}" if status else "")
