"""The operator's side of a console: keys, pastes, and the commands behind Ctrl-T. Reads; decides nothing.

The operator's terminal marks pastes (bracketed paste); where it cannot, what arrives in one go and has several lines is
a paste as well.
"""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import Any, Final, NamedTuple

PREFIX: Final = 0x14
"""Ctrl-T: as tio has it; screen and minicom have Ctrl-A."""
_PASTE, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
MOST_PASTED: Final = 1 << 16
"""Bytes of a paste; without its end no key would mean anything any more."""
_KEYS: Final = 16
"""Bytes of one key at most; what is longer and came in one go was pasted."""


class Keys(NamedTuple):
    """What the operator did."""

    kind: str
    """"typed", "paste", "command"."""
    data: bytes


class Keyboard:
    """A terminal that hands over every key at once; put back as it was when left."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before: list[Any] = []
        self._prefixed = False
        self._pasted: bytearray | None = None

    def __enter__(self) -> Keyboard:
        import termios
        import tty

        self._before = termios.tcgetattr(self._fd)
        tty.setraw(self._fd, termios.TCSANOW)
        after = termios.tcgetattr(self._fd)
        after[1] |= termios.OPOST | termios.ONLCR  # our own lines still end with LF
        termios.tcsetattr(self._fd, termios.TCSANOW, after)
        os.write(sys.stdout.fileno(), b"\x1b[?2004h")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import termios

        os.write(sys.stdout.fileno(), b"\x1b[?2004l")
        termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def read(self, seconds: float) -> list[Keys] | None:
        """What was done within so long; None when the terminal is gone."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return []
        try:
            data = os.read(self._fd, 65_536)
        except OSError:
            return None
        return self.split(data) if data else None

    def split(self, data: bytes) -> list[Keys]:
        """Bytes of the terminal → what they are."""
        found: list[Keys] = []
        while data:
            if self._pasted is not None:
                # Its end may come in two pieces: terminals hand over some thousand bytes at a time.
                inside, end, rest = (bytes(self._pasted) + data).partition(_PASTE_END)
                self._pasted, data = bytearray(inside), rest
                if end or len(inside) > MOST_PASTED:
                    found.append(Keys("paste", inside))
                    self._pasted = None
                continue
            before, begin, data = data.partition(_PASTE)
            found += self._plain(before)
            if begin:
                self._pasted = bytearray()
        return found

    def _plain(self, data: bytes) -> list[Keys]:
        found: list[Keys] = []
        if len(data) > _KEYS and PREFIX not in data:
            return [Keys("paste", data)]
        typed = bytearray()
        for byte in data:
            if self._prefixed:
                self._prefixed = False
                if byte != PREFIX:
                    if typed:
                        found.append(Keys("typed", bytes(typed)))
                        typed.clear()
                    found.append(Keys("command", bytes((byte,))))
                    continue
                typed.append(byte)
            elif byte == PREFIX:
                self._prefixed = True
            else:
                typed.append(byte)
        if typed:
            found.append(Keys("typed", bytes(typed)))
        return found
