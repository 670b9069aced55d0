"""One ssh session that captures, from its start to its end, whichever way that comes.

``read`` and ``look`` never wait. ``SshTap`` decides what to do when it is over.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from signal import SIGKILL, SIGTERM
from typing import Final

from fieldkit.safetext import terminal
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.pipe import CaptureStream, has_something
from fieldkit.sources.remote import (
    ASK,
    BEAT,
    GENTLY,
    MAX_HELLO,
    OBEY,
    Facts,
    capture_line,
    find_facts,
    install_advice,
    meaning_of,
    read_counters,
)
from fieldkit.sources.sshcommand import Refusal, Target, asks, command, last_words, refusal
from fieldkit.wire.container import is_capture

_ANSWERED: Final = 45.0
"""Seconds within which the other side must have answered: a connection attempt over two jump hosts, a slow modem."""
_ASKED: Final = 180.0
"""The same while ssh may be asking the user for a passphrase."""
_LEAVE: Final = 4.0
"""Seconds that the other side has to end its capture program and to say goodbye."""
_HURRY: Final = 0.3
"""The same when it was not we who started it."""
_ON_THE_WAY: Final = 500_000_000
"""Nanoseconds that a line may take through ssh and a slow modem."""
_SAID: Final = 40
"""Lines of talk that are kept."""
_LEFT: Final = 64
"""Reads of what is left in the pipe at the end."""
_LINE: Final = 400
"""Characters of each."""
_TALK: Final = 1 << 16
"""Bytes of talk taken at a time."""


class SshSession:
    """ssh to one machine, with a capture program at the other end."""

    def __init__(
        self, target: Target, wanted: CaptureFilter, numbers: FrameNumbers, name: str, ssh: Sequence[str]
    ) -> None:
        """SourceError when there is no ssh here."""
        self.facts: Facts | None = None
        """Of the other machine, once it has answered."""
        self.clock_offset: int | None = None
        """Its clock less ours, in ns, as far as it could be told …"""
        self.clock_doubt = 0
        """… with this much doubt."""
        self.counters: dict[str, int] = {}
        """What the capture program counted; see ``remote.read_counters``."""
        self.refused: Refusal | None = None
        """Why there was no capture; set before ``over`` is, when there was none."""
        self.capturing = False
        """A capture has come, at least its header."""
        self._over = False
        self.stream: CaptureStream | None = None
        self._target = target
        self._wanted = wanted
        self._numbers = numbers
        self._name = name
        self._hello = b""
        self._said: deque[str] = deque(maxlen=_SAID)
        self._unfinished = b""
        self._since = time.monotonic()
        self._beat = self._since
        self._patience = _ASKED if asks() else _ANSWERED
        line = command(target, OBEY, program=ssh)
        try:
            # A session of its own: Ctrl-C in our terminal is for us, who then end it in order; and ssh asks nothing on
            # a terminal that we are drawing on. When we are killed its input ends, and with it what it has started.
            self._process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except FileNotFoundError as error:
            raise SourceError(f"{name}: there is no program {line[0]} here (apt-get install openssh-client)") from error
        except OSError as error:
            raise SourceError(f"{name}: {line[0]}: {error.strerror or error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out, self._err = (
            self._process.stdin.fileno(),
            self._process.stdout.fileno(),
            self._process.stderr.fileno(),
        )
        self._say(ASK.encode())

    def fileno(self) -> int:
        return -1 if self._over else self._out

    def is_over(self) -> bool:
        """ssh has ended; ``refused`` says why if nothing was captured, ``last_words`` why otherwise."""
        return self._over

    def read(self) -> list[Item]:
        """What has come."""
        if self._over:
            return []
        self._listen()
        if self.stream is None:
            self._take_hello()
            if self.stream is None:
                return []
        items = self.stream.read()
        self.capturing = self.capturing or self.stream.bytes > 0
        if self.stream.ended() is not None:
            self._part()
        return items

    def look(self) -> list[Item]:
        """Once a second: say that we are here, and see whether there is still somebody."""
        if self._over:
            return []
        self._listen()
        now = time.monotonic()
        if self.stream is not None:
            items = self.stream.tick(0)
            if self.stream.ended() is not None:
                self._part()
            elif now >= self._beat:
                self._beat = now + BEAT
                self._say(b"\n")
            return items
        if now > self._since + self._patience:
            self._process.terminate()
            if not self._said:
                reason = f"{self._target.host}: ssh got no answer within {self._patience:.0f} s"
                self.refused = Refusal(reason, unreachable=True, passing=True)
            self._part()
        return []

    def stop(self, *, gently: bool = True) -> list[Item]:
        """End the capture there and ssh, and wait for it; ``gently``: take what is still under way, for a second."""
        if self._over:
            return []
        assert self._process.stdin is not None
        if gently and self.capturing:
            self._say(GENTLY)
        self._process.stdin.close()  # the other side sees its input end
        items: list[Item] = []
        # A capture that our key is bound to does not notice: it ends when it has something to say and nobody listens.
        ends = time.monotonic() + (_LEAVE if self.facts is not None else _HURRY)
        while time.monotonic() < ends and not self.is_over() and self._process.poll() is None:
            items += self.read()
            time.sleep(0.01)
        for _ in range(_LEFT):
            if not self.is_over():
                items += self.read()
        self._part()
        return items

    # ------------------------------------------------------------------------------------------------------ its talk

    def _say(self, line: bytes) -> None:
        """A few bytes at a time, which the pipe has room for."""
        try:
            os.write(self._in, line)
        except (BrokenPipeError, ValueError):
            return  # it is over, which reading will show

    def _listen(self) -> None:
        """What ssh and the capture program say on standard error."""
        while has_something(self._err):
            talk = os.read(self._err, _TALK)
            if not talk:
                break
            lines = (self._unfinished + talk).splitlines(keepends=True)
            self._unfinished = lines.pop()[-_TALK:] if not lines[-1].endswith((b"\n", b"\r")) else b""
            for line in lines:
                self._hear(line)
            if len(talk) < _TALK:
                break

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        self.counters.update(read_counters(text))
        if text:
            self._said.append(text[:_LINE])

    # ------------------------------------------------------------------------------------------------ its first words

    def _take_hello(self) -> None:
        """The facts, upon which the capture is started; or, where the key is bound to a command, the capture itself."""
        while has_something(self._out):
            block = os.read(self._out, MAX_HELLO)
            if not block:
                self._part()
                return
            self._hello += block
            if is_capture(self._hello):
                self.stream = CaptureStream(self._out, self._name, self._numbers, owned=False, begun=self._hello)
                return
            facts = find_facts(self._hello)
            if facts is not None:
                self._start(facts)
                return
            if len(self._hello) > MAX_HELLO:
                self._process.terminate()
                self._part()
                return

    def _start(self, facts: Facts) -> None:
        self.facts = facts
        if facts.clock is not None:
            self.clock_offset = facts.clock + facts.clock_step // 2 - time.time_ns()
            self.clock_doubt = facts.clock_step // 2 + _ON_THE_WAY
        line = capture_line(facts, self._target.interface, self._wanted, self._target.port)
        if line is None:
            self.refused = _unusable(f"{self._target.host}: {install_advice(facts)}")
            self.stop(gently=False)
            return
        self.stream = CaptureStream(self._out, self._name, self._numbers, owned=False)
        self._beat = time.monotonic() + BEAT
        self._say(line.encode())

    # --------------------------------------------------------------------------------------------------------- its end

    def _part(self) -> None:
        """It is over: why, and nothing of it may stay behind."""
        if self._over:
            return
        self._end_process()
        self._listen()
        if self._unfinished:
            self._hear(self._unfinished)
        if self.refused is None and not self.capturing:
            self.refused = self._why()
        self._over = True
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
        if self.stream is not None:
            self.stream.close()

    def _end_process(self) -> None:
        for signal in (0, SIGTERM, SIGKILL):
            if signal:
                self._process.send_signal(signal)
            try:
                self._process.wait(1)
                return
            except subprocess.TimeoutExpired:
                continue

    def _why(self) -> Refusal:
        """Why no capture came."""
        said = [*self._said]
        host, interface = self._target.host, self._target.interface
        if self.facts is None:
            if self._process.returncode in (255, -15) or not self._hello.strip():
                return refusal(self._target, said)
            first = self._hello.decode("utf-8", "replace").strip().splitlines() or [""]
            words = terminal(first[-1].strip(), 120) or last_words(said)
            return _unusable(
                f"{host}: there is no shell behind this login that could start tcpdump (it said: {words}); "
                "a MikroTik router can mirror packets to tzsp://"
            )
        meaning = meaning_of(said)
        if meaning == "absent":
            there = ", ".join(self.facts.interfaces)
            return _unusable(f"{host}: there is no interface {interface}{f'; there are {there}' if there else ''}")
        if meaning == "forbidden":
            how = "log in as root, or let this user run tcpdump through sudo without a password"
            return _unusable(f"{self._target.address}: this user may not capture there: {how}")
        if meaning == "down":
            return _unusable(f"{host}: the interface {interface} is down", passing=True)
        if self._process.returncode == 255:
            return refusal(self._target, said)
        return _unusable(f"{host}: {last_words(said) or 'the capture program ended at once'}")

    def last_words(self) -> str:
        """What was said last, safe to show; empty when it ended in silence."""
        if self._process.returncode == 255:
            return refusal(self._target, [*self._said]).reason
        meaning = meaning_of([*self._said])
        if meaning in ("absent", "down"):
            return f"the interface {self._target.interface} is {'gone' if meaning == 'absent' else 'down'}"
        return last_words([line for line in self._said if not read_counters(line)])


def _unusable(reason: str, *, passing: bool = False) -> Refusal:
    """We were let in, and cannot capture there."""
    return Refusal(reason, unreachable=False, passing=passing)
