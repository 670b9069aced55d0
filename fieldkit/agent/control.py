"""The unix socket through which a technician asks the agent, on the router or over ssh.

One JSON object a line asks ({"ask": "status"}), one JSON object a line answers; behind the answer to "pull" come the
bytes of a capture, behind that to "packets" pcapng until somebody has had enough. It only answers: no question
changes what the agent does. The socket's mode is 0600, and the other side's user is looked at as well.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

SOCKET: Final = "agent.sock"
MAX_QUESTION: Final = 4096
MAX_ANSWER: Final = 32 << 20
"""Bytes of a line that answers."""
MAX_ASKING: Final = 8
PATIENCE: Final = 10.0
"""Seconds that a question may take to come."""
_CREDENTIALS: Final = struct.Struct("3i")

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ControlError(Exception):
    """The agent cannot be asked; says what to do."""


class Control:
    """The agent's side."""

    def __init__(self, folder: Path, answers: Mapping[str, Answer], streams: Mapping[str, Callable[..., None]]) -> None:
        """``answers`` by what is asked. ``streams``: what follows an answer, called with socket and question."""
        self.path = folder / SOCKET
        self._answers = answers
        self._streams = streams
        self._slots = threading.BoundedSemaphore(MAX_ASKING)
        self._ending = False
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)

    def open(self) -> None:
        """ControlError when the socket cannot be made, or another agent answers there."""
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if self.path.exists():
                if _answers(self.path):
                    raise ControlError(f"{self.path}: another agent answers there; end it, or set agent.run")
                self.path.unlink()
            before = os.umask(0o177)
            try:
                self._listening.bind(str(self.path))
            finally:
                os.umask(before)
            self._listening.listen(MAX_ASKING)
        except OSError as error:
            raise ControlError(f"{self.path}: {error.strerror or error}") from error
        threading.Thread(target=self._serve, name="control", daemon=True).start()

    def close(self) -> None:
        """Nobody is answered any more."""
        self._ending = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with suppress(OSError):
            self.path.unlink()

    def _serve(self) -> None:
        while not self._ending:
            try:
                way, _ = self._listening.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                way.close()
                continue
            threading.Thread(target=self._talk, args=(way,), name="asked", daemon=True).start()

    def _talk(self, way: socket.socket) -> None:
        try:
            with way, suppress(OSError, ValueError):
                way.settimeout(PATIENCE)
                if not _is_ours(way):
                    _say(way, {"error": "only root and the agent's own user are answered"})
                    return
                question = json.loads(_line(way))
                asked = str(question.get("ask")) if isinstance(question, dict) else ""
                if asked not in self._answers:
                    _say(way, {"error": f"it can be asked for {', '.join(self._answers)}"})
                    return
                try:
                    answer = self._answers[asked](question)
                except (FileNotFoundError, LookupError, ValueError) as error:
                    _say(way, {"error": str(error) or type(error).__name__})
                    return
                _say(way, answer)
                if asked in self._streams:
                    self._streams[asked](way, question)
        finally:
            self._slots.release()


def _is_ours(way: socket.socket) -> bool:
    """Root, or whoever the agent is."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the mode of the socket is all there is
    data = way.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(data)
    return user in (0, os.geteuid())


def _say(way: socket.socket, answer: Mapping[str, Any]) -> None:
    way.sendall(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


def _line(way: socket.socket) -> bytes:
    data = b""
    while b"\n" not in data and len(data) < MAX_QUESTION:
        piece = way.recv(MAX_QUESTION)
        if not piece:
            break
        data += piece
    return data.partition(b"\n")[0]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        try:
            way.connect(str(path))
        except OSError:
            return False
    return True


# -------------------------------------------------------------------------------------------------- whoever is asking


def ask(folder: Path, question: Mapping[str, Any], *, follow: bool = False) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Ask the agent of this machine; its answer, and (``follow``) what comes behind it."""
    way = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = folder / SOCKET
    try:
        way.settimeout(PATIENCE)
        way.connect(str(path))
        way.sendall(json.dumps(question).encode() + b"\n")
        way.settimeout(None)
        file = way.makefile("rb")
        line = file.readline(MAX_ANSWER)
        if not follow:
            file.close()
            way.close()
    except PermissionError:
        way.close()
        raise ControlError(f"{path}: only root and the agent's user may ask it: sudo fieldkit agent …") from None
    except OSError as error:
        way.close()
        raise ControlError(f"{path}: no agent answers there ({error.strerror or error})") from None
    try:
        answer = json.loads(line)
    except ValueError:
        answer = {"error": "the agent has ended"}
    if "error" in answer:
        file.close()
        way.close()
        raise ControlError(str(answer["error"]))

    if not follow:
        return answer, iter(())

    def rest() -> Iterator[bytes]:
        with way, file:
            while piece := file.read1(1 << 16):
                yield piece

    return answer, rest()
