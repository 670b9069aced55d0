"""Answers of a router written down, and given again: to look at it later, to send it to somebody, to test.

A recording is JSON, one answer a line: ``{"time": ns, "ask": ["ubus", "mwan3", "status"], "answer": …}``, or
``"error"`` with ``"kind"``. Its first line names the router. Contract and serial numbers are masked and secrets left
out before anything is written.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from fieldkit.links.reading import items, masked, masked_document
from fieldkit.links.runner import PATIENCE, NotHere, Runner, RunnerError, Unreachable
from fieldkit.sources.file import SourceError

SCHEMA: Final = 1
MAX_RECORDING: Final = 64 << 20
"""Bytes of a recording that are read: days of watching."""
MAX_LINE: Final = 8 << 20
_MAX_TIME: Final = 1 << 63
"""ns: the year 2262."""
_ERRORS: Final[dict[str, type[RunnerError]]] = {"not-here": NotHere, "unreachable": Unreachable}


class RecordingRunner:
    """Another runner, whose answers are written down."""

    def __init__(self, runner: Runner, file: IO[str]) -> None:
        self.name = runner.name
        self._runner = runner
        self._file = file
        self._lock = threading.Lock()
        self._write({"recording": "fieldkit-link", "schema": SCHEMA, "router": runner.name, "time": runner.now()})

    def reach(self) -> None:
        self._runner.reach()

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        found: str = self._kept(["run", *command], lambda: self._runner.run(*command, seconds=seconds))
        return found

    def read(self, path: str) -> str:
        found: str = self._kept(["read", path], lambda: self._runner.read(path))
        return found

    def names(self, path: str) -> list[str]:
        found: list[str] = self._kept(["names", path], lambda: self._runner.names(path))
        return found

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        ask = ["ubus", name, method, *([json.dumps(arguments, sort_keys=True)] if arguments else [])]
        return self._kept(ask, lambda: self._runner.ubus(name, method, **arguments))

    def ubus_objects(self, pattern: str) -> list[str]:
        found: list[str] = self._kept(["ubus-list", pattern], lambda: self._runner.ubus_objects(pattern))
        return found

    def get(self, path: str) -> Any:
        return self._kept(["get", path], lambda: self._runner.get(path))

    def follow(self, *command: str) -> Iterator[str]:
        for line in self._runner.follow(*command):
            self._write({"time": self.now(), "ask": ["follow", *command], "line": masked(line)})
            yield line

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        for time, data in self._runner.netlink(what):
            self._write({"time": time, "ask": ["netlink", what], "line": data.hex()})
            yield time, data

    def now(self) -> int:
        return self._runner.now()

    def close(self) -> None:
        self._runner.close()

    def _kept(self, ask: list[str], answer: Any) -> Any:
        entry: dict[str, Any] = {"time": self.now(), "ask": ask}
        try:
            found = answer()
        except RunnerError as error:
            kind = next((name for name, known in _ERRORS.items() if isinstance(error, known)), "failed")
            self._write({**entry, "error": str(error), "kind": kind})
            raise
        self._write({**entry, "answer": masked(found) if isinstance(found, str) else masked_document(found)})
        return found

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=True)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()


class ReplayRunner:
    """A recording that answers as the router did. What is asked again gets the next answer, in the end the last."""

    def __init__(self, entries: list[dict[str, Any]], name: str) -> None:
        self.name = name
        self._answers: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        self._lines: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
        self._time = 0
        for entry in entries:
            ask = tuple(word for word in items(entry.get("ask")) if isinstance(word, str))
            time = _time(entry)
            if "line" in entry:
                self._lines[ask].append((time, str(entry["line"])))
            elif ask:
                self._answers[ask].append(entry)
            self._time = self._time or time

    def reach(self) -> None:
        """Nobody has to be."""

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        return str(self._next("run", *command))

    def read(self, path: str) -> str:
        return str(self._next("read", path))

    def names(self, path: str) -> list[str]:
        found = self._next("names", path)
        return [str(name) for name in found] if isinstance(found, list) else []

    def ubus(self, name: str, method: str, **arguments: Any) -> Any:
        return self._next("ubus", name, method, *([json.dumps(arguments, sort_keys=True)] if arguments else []))

    def ubus_objects(self, pattern: str) -> list[str]:
        found = self._next("ubus-list", pattern)
        return [str(name) for name in found] if isinstance(found, list) else []

    def get(self, path: str) -> Any:
        return self._next("get", path)

    def follow(self, *command: str) -> Iterator[str]:
        lines = self._lines.get(("follow", *command))
        if lines is None:
            raise NotHere(f"{' '.join(command)}: the recording has none of it")
        return (line for _, line in lines)

    def netlink(self, what: str) -> Iterator[tuple[int, bytes]]:
        lines = self._lines.get(("netlink", what))
        if lines is None:
            raise NotHere(f"the recording has no {what} messages of the kernel")
        return ((time, _unhex(line)) for time, line in lines)

    def now(self) -> int:
        return self._time

    @property
    def rounds(self) -> int:
        """How often the question that was asked most was asked: so many snapshots are in it."""
        return max((len(answers) for answers in self._answers.values()), default=0)

    def close(self) -> None:
        """There is nothing to end."""

    def _next(self, *ask: str) -> Any:
        answers = self._answers.get(ask)
        if not answers:
            raise NotHere(f"{' '.join(ask)}: the recording has no answer to that")
        entry = answers.pop(0) if len(answers) > 1 else answers[0]
        self._time = max(self._time, _time(entry))
        if "error" in entry:
            raise _ERRORS.get(str(entry.get("kind")), RunnerError)(str(entry["error"])[:200])
        return entry.get("answer")


def _time(entry: dict[str, Any]) -> int:
    told = entry.get("time")
    return told if isinstance(told, int) and 0 <= told < _MAX_TIME else 0


def _unhex(line: str) -> bytes:
    try:
        return bytes.fromhex(line)
    except ValueError:
        raise RunnerError("the recording is damaged: a message of the kernel is not hexadecimal") from None


def load(path: str) -> ReplayRunner:
    """A recording; SourceError says why it is none."""
    entries: list[dict[str, Any]] = []
    try:
        if Path(path).stat().st_size > MAX_RECORDING:
            raise SourceError(f"{path}: a recording of more than {MAX_RECORDING >> 20} MB is not read")
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line[:MAX_LINE])
                except (ValueError, RecursionError):
                    raise SourceError(
                        f"{path}: line {number} is not JSON: is it a recording of fieldkit link?"
                    ) from None
                if isinstance(entry, dict):
                    entries.append(entry)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None
    if not entries or entries[0].get("recording") != "fieldkit-link":
        raise SourceError(f"{path}: it is no recording of fieldkit link (--record FILE makes one)")
    if entries[0].get("schema") != SCHEMA:
        raise SourceError(f"{path}: it was made by another version of fieldkit, which this one does not read")
    return ReplayRunner(entries, str(entries[0].get("router", path))[:80])
