"""Questions to a router through this system's ssh: one login, one shell there, one question after the other.

A login takes seconds over a modem, so it is made once. What must never reach that shell's own input is the answer to a
question: programs get /dev/null. A mark that nobody else can know ends each answer.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from fieldkit.links.local import absent
from fieldkit.links.process import Failed, Programs, buffered
from fieldkit.links.runner import MAX_ANSWER, MAX_NAMES, PATIENCE, Commands, CutOff, NotHere, RunnerError, Unreachable
from fieldkit.sources.sshcommand import Target, asks, command, parse, refusal

_LOGIN: Final = 30.0
"""Seconds a login may take: two jump hosts, a slow modem …"""
_LOGIN_ASKED: Final = 150.0
"""… or a user who is asked for a passphrase."""
_SAID: Final = 40
"""Lines of ssh's talk that are kept."""
_UNASKED: Final = MAX_ANSWER * 2
"""Characters that a shell may say before somebody takes them: beyond, it talks without being asked."""
_MISSING: Final = 127
"""How a shell says that there is no such program (POSIX, 2.8.2)."""
_STATUS: Final = re.compile(r"\d{1,3}")
_LINE: Final = 1
"""The end of a line counts, too: nothing but empty lines is an answer without end as well."""


class SshRunner(Commands):
    """Another machine."""

    def __init__(self, url: str, *, program: Sequence[str] = ()) -> None:
        """``ssh://[USER@]HOST[:PORT]``; SourceError when it is none. ``program`` in place of ssh."""
        self._target: Target = parse(url)
        self.name = str(self._target).rpartition("/")[0]
        self._program = program
        self._programs = Programs()
        self._shell: subprocess.Popen[bytes] | None = None
        self._out: deque[str | None] = deque()
        """Lines; None: the shell has ended."""
        self._waiting = 0
        """Characters of them."""
        self._came = threading.Condition()
        self._over = False
        self._said: list[str] = []
        self._asking = threading.Lock()
        self._readers: tuple[threading.Thread, ...] = ()

    def reach(self) -> None:
        """Log in, unless that was done: the only place where a user has the time to type a passphrase."""
        with self._asking:
            if self._shell is None:
                self._log_in(_LOGIN_ASKED if asks() else _LOGIN)

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        """What a program there says."""
        status, out, said = self._ask(shlex.join(command), seconds, command[0])
        if status == _MISSING:
            raise NotHere(f"{command[0]}: there is no such program on {self._target.host}")
        if status:
            error = Failed(command[0], status, said)
            if command[0] == "ubus" and absent(error):
                raise NotHere(f"{' '.join(command[-2:])}: there is no such object on {self._target.host}") from error
            raise error
        return out

    def read(self, path: str) -> str:
        """A small file there."""
        status, out, said = self._ask(f"cat -- {shlex.quote(path)}", PATIENCE, path)
        if status:
            raise NotHere(f"{path}: {said.strip()[-80:] or 'cannot be read'}")
        return out

    def names(self, path: str) -> list[str]:
        """What is in a directory there."""
        status, out, said = self._ask(f"ls -1 -- {shlex.quote(path)}", PATIENCE, path)
        if status:
            raise NotHere(f"{path}: {said.strip()[-80:] or 'cannot be read'}")
        return out.splitlines()[:MAX_NAMES]

    def follow(self, *command: str) -> Iterator[str]:
        """The lines of a program there, in a session of its own."""
        return self._programs.lines(self._line(shlex.join(command)))

    def close(self) -> None:
        """Log out, whatever is under way."""
        self._over = True
        self._programs.close()
        with self._came:
            self._came.notify_all()
        if self._asking.acquire(timeout=2):
            self._log_out()
            self._asking.release()

    # ---------------------------------------------------------------------------------------------------- the shell

    def _line(self, remote: str) -> list[str]:
        return command(self._target, remote, program=self._program)

    def _ask(self, line: str, seconds: float, what: str) -> tuple[int, str, str]:
        with self._asking:
            if self._shell is None:
                self._log_in(seconds)
            mark = f"fieldkit-{secrets.token_hex(8)}"
            # Standard error comes after standard output: one pipe, one order, and no file on a router's flash.
            question = (
                f"exec 3>&1; e=$( {{ {line} ; }} </dev/null 2>&1 >&3 3>&- ; printf '\\n%s' \"$?\" ); "
                f"printf '\\n%s-e\\n%s\\n%s\\n' {mark} \"$e\" {mark}\n"
            )
            self._send(question)
            try:
                return self._take(mark, seconds, what)
            except (CutOff, Unreachable):
                # The shell is gone, or busy with that question: the next one gets a new shell.
                self._log_out()
                raise

    def _log_in(self, seconds: float) -> None:
        shell = self._programs.start(self._line("exec /bin/sh"), stdin=subprocess.PIPE)
        assert shell.stdout is not None
        assert shell.stderr is not None
        with self._came:
            self._out.clear()
            self._waiting = 0
        self._said = []
        self._shell = shell
        self._readers = (
            threading.Thread(target=self._listen, args=(shell,), daemon=True),
            threading.Thread(target=self._hear, args=(shell,), daemon=True),
        )
        for reader in self._readers:
            reader.start()
        mark = f"fieldkit-{secrets.token_hex(8)}"
        try:
            self._send(f"printf '%s-e\\n0\\n%s\\n' {mark} {mark}\n")
            self._take(mark, seconds, "login")
        except RunnerError as error:
            with suppress(subprocess.TimeoutExpired):
                shell.wait(1)
            self._readers[1].join(1)
            self._log_out()
            if self._over:
                raise
            raise Unreachable(refusal(self._target, self._said).reason) from error

    def _log_out(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            self._programs.end(shell, *self._readers)

    def _send(self, text: str) -> None:
        assert self._shell is not None
        assert self._shell.stdin is not None
        try:
            os.write(self._shell.stdin.fileno(), text.encode())
        except (OSError, ValueError):
            return  # it is over, which reading will show

    def _listen(self, shell: subprocess.Popen[bytes]) -> None:
        assert shell.stdout is not None
        for line in buffered(shell.stdout):
            with self._came:
                if shell is not self._shell:
                    return
                if self._waiting > _UNASKED:
                    self._out.clear()
                    self._waiting = 0
                self._out.append(line)
                self._waiting += len(line) + _LINE
                self._came.notify_all()
        with self._came:
            if shell is self._shell:
                self._out.append(None)
                self._came.notify_all()

    def _hear(self, shell: subprocess.Popen[bytes]) -> None:
        assert shell.stderr is not None
        for line in buffered(shell.stderr):
            self._said.append(line[:400])
            del self._said[:-_SAID]

    def _take(self, mark: str, seconds: float, what: str) -> tuple[int, str, str]:
        """The lines up to the mark: output, the mark's first half, standard error and status, the mark."""
        ends = time.monotonic() + seconds
        out: list[str] = []
        size = 0
        with self._came:
            while True:
                while self._out:
                    line = self._out.popleft()
                    if line is None:
                        raise Unreachable(f"{self._target.host}: the connection ended")
                    if line == mark:
                        return _parts(out, mark)
                    self._waiting -= len(line) + _LINE
                    out.append(line)
                    size += len(line) + _LINE
                    if size > MAX_ANSWER:
                        raise CutOff(f"{what}: its answer is longer than {MAX_ANSWER >> 20} MB")
                left = ends - time.monotonic()
                if self._over:
                    raise CutOff(f"{what}: it is over")
                if left <= 0:
                    raise CutOff(f"{what}: no answer within {seconds:.0f} s")
                self._came.wait(left)


def _parts(lines: list[str], mark: str) -> tuple[int, str, str]:
    place = lines.index(f"{mark}-e") if f"{mark}-e" in lines else len(lines)
    out = "\n".join(lines[:place])
    *said, status = lines[place + 1 :] or ["0"]
    number = int(status) if _STATUS.fullmatch(status) else 1
    return number, out.removesuffix("\n"), "\n".join(said)
