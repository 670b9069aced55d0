r"""What a console prints → lines of text with their times.

Control sequences are taken out and never obeyed, let alone answered: a terminal that answers ``ESC [6n`` types its
answer into U-Boot and stops the boot. Lines end with LF, CR LF, CR CR LF or CR alone; a backspace takes back a
character, so a countdown stays one line. All of it works however the bytes are torn apart, and within bounds.
"""

from __future__ import annotations

import codecs
import re
from typing import Final, Literal, TypeAlias

from fieldkit.events import ConsoleLine

LONGEST: Final = 1000
"""Characters of a line; what is longer comes in pieces that say so."""
LONGEST_SEQUENCE: Final = 1024
"""Bytes of a control sequence: a title, a hyperlink. What does not end by then is no sequence."""

_PLAIN: Final = re.compile(rb"[^\x00-\x1f\x7f]+")
_STRINGS: Final = b"]P^_X"
"""What follows ESC in sequences that run until BEL or ESC \\ (ECMA-48 §5.6)."""

_State: TypeAlias = Literal["text", "escape", "csi", "intermediate", "string", "string-escape"]


class ConsoleReader:
    """One direction of one port. Make a new one after a reconnection."""

    def __init__(self, port: str = "") -> None:
        self.port = port
        self.queries = 0
        """Requests for an answer (cursor position, device attributes, ENQ) that were not given one."""
        self.controls = 0
        """Control characters and sequences that were taken out."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text: list[str] = []
        self._length = 0
        self._began = 0
        self._number = 0
        self._after_cr = False
        self._shown = ""
        self._state: _State = "text"
        self._sequence = bytearray()

    @property
    def partial(self) -> str:
        """What the line that is not ended yet says."""
        return "".join(self._text)

    def feed(self, data: bytes, time: int) -> list[ConsoleLine]:
        """Bytes that were heard; the lines that they end."""
        lines: list[ConsoleLine] = []
        at = 0
        while at < len(data):
            if self._state == "text":
                plain = _PLAIN.match(data, at)
                if plain is not None:
                    self._write(self._decoder.decode(plain[0]), time, lines)
                    at = plain.end()
                    continue
                self._control(data[at], time, lines)
            else:
                self._escape(data[at])
            at += 1
        return lines

    def flush(self, time: int) -> list[ConsoleLine]:
        """Nothing has come for a while: a prompt or a countdown stands there. Says each text only once."""
        text = self.partial
        if self._after_cr or not text.strip() or text == self._shown:
            return []
        self._shown = text
        return [ConsoleLine(self._began, (self._number + 1,), self.port, text, False)]

    def finish(self) -> list[ConsoleLine]:
        """The port is closed: what is left."""
        lines: list[ConsoleLine] = []
        self._write(self._decoder.decode(b"", True), self._began, lines)
        if self._text:
            self._end(lines, complete=self._after_cr)
        return lines

    # ------------------------------------------------------------------------------------------------------ characters

    def _write(self, text: str, time: int, lines: list[ConsoleLine]) -> None:
        if not text:
            return
        if self._after_cr:
            self._end(lines, complete=True)
        if not self._text:
            self._began = time
        while self._length + len(text) > LONGEST:
            room = LONGEST - self._length
            self._text.append(text[:room])
            self._end(lines, complete=False)
            self._began = time
            text = text[room:]
        if text:
            self._text.append(text)
            self._length += len(text)

    def _control(self, byte: int, time: int, lines: list[ConsoleLine]) -> None:
        # A character of several bytes cannot go on behind a control character.
        self._write(self._decoder.decode(b"", True), time, lines)
        self._decoder.reset()
        match byte:
            case 0x0A:
                if self._text or not self._after_cr:
                    self._end(lines, complete=True)
                self._after_cr = False
            case 0x0D:
                self._after_cr = bool(self._text)
            case 0x08:
                self._take_back()
            case 0x09:
                self._write("\t", time, lines)
            case 0x1B:
                self._state = "escape"
                self._sequence.clear()
                self.controls += 1
            case 0x05:
                self.queries += 1
            case _:
                self.controls += 1

    def _take_back(self) -> None:
        if not self._text:
            return
        self._length -= 1
        if len(self._text[-1]) > 1:
            self._text[-1] = self._text[-1][:-1]
        else:
            self._text.pop()

    def _end(self, lines: list[ConsoleLine], *, complete: bool) -> None:
        text = self.partial
        self._text.clear()
        self._length = 0
        self._after_cr = False
        self._shown = ""
        if text:
            self._number += 1
            lines.append(ConsoleLine(self._began, (self._number,), self.port, text, complete))

    # ------------------------------------------------------------------------------------- sequences (ECMA-48 §5.3-5.6)

    def _escape(self, byte: int) -> None:
        if byte in (0x18, 0x1A):
            self._state = "text"  # CAN and SUB break a sequence off
            return
        if byte == 0x1B and self._state != "string":
            self._state = "escape"
            self._sequence.clear()
            return
        self._sequence.append(byte)
        if len(self._sequence) > LONGEST_SEQUENCE:
            self._state = "text"
            return
        match self._state:
            case "escape":
                if byte == 0x5B:
                    self._state = "csi"
                elif byte in _STRINGS:
                    self._state = "string"
                elif 0x20 <= byte <= 0x2F:
                    self._state = "intermediate"
                else:
                    self.queries += byte == 0x5A  # DECID
                    self._state = "text"
            case "csi":
                if 0x40 <= byte <= 0x7E:
                    self._asked(byte)
                    self._state = "text"
                elif not 0x20 <= byte <= 0x3F:
                    self._state = "text"
            case "intermediate":
                if not 0x20 <= byte <= 0x2F:
                    self._state = "text"
            case "string":
                if byte == 0x07:
                    self._state = "text"
                elif byte == 0x1B:
                    self._state = "string-escape"
                elif byte in (0x0A, 0x0D):
                    self._state = "text"  # no string goes over a line: the beginning was noise
            case _:
                self._state = "text"

    def _asked(self, final: int) -> None:
        """DSR (CSI n), DA (CSI c), and the requests for the terminal's size or parameters."""
        parameters = bytes(self._sequence[1:-1])
        match final:
            case 0x63 | 0x78:
                self.queries += 1
            case 0x6E:
                self.queries += parameters.lstrip(b"?") in (b"5", b"6")
            case 0x74:
                self.queries += parameters[:2] in (b"14", b"18", b"19")
