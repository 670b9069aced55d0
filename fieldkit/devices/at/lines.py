"""Lines of a modem, and which of them belong to the answer of a command.

V.250: the modem repeats the command (unless told not to), then sends ``CR LF text CR LF`` for each line of its answer
and ends with a final result. At any moment it may say something on its own (an unsolicited result code). A line is part
of the answer only if it begins as the command's answers do and has their number of fields; everything else that looks
like something modems say on their own is that.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from fieldkit.devices.at.commands import AtCommand

LONGEST: Final = 1024
"""Characters of a line: the longest (``+QENG`` of a 5G module) has a third of this."""

Role: TypeAlias = Literal["echo", "answer", "final", "own"]
""""own": what the modem says on its own."""

FINALS: Final = ("OK", "ERROR", "NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "CONNECT")
_FINAL: Final = re.compile(r"\+CM[ES] ERROR: ?.{1,60}")

_OWN: Final = (
    "RDY",
    "+CFUN:",
    "+CPIN:",
    "+QUSIM:",
    "+QIND:",
    "+QIURC:",
    "+CREG:",
    "+CGREG:",
    "+CEREG:",
    "+C5GREG:",
    "+CMTI:",
    "+CGEV:",
    "RING",
    "+QSIMSTAT:",
    "NORMAL POWER DOWN",
    "POWERED DOWN",
    "APP RDY",
    "+QNETDEVSTATUS:",
)
"""How lines begin that modems send unasked."""

_ANSWER_FIELDS: Final = {
    # Asked, each has the setting n before what the unsolicited line has: +CEREG: n,stat… and +CEREG: stat…
    "+CREG": 2,
    "+CGREG": 2,
    "+CEREG": 2,
    "+C5GREG": 2,
    "+QSIMSTAT": 2,
}

CME_ERRORS: Final = {
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    15: "SIM wrong",
    16: "incorrect password",
    30: "no network service",
    50: "incorrect parameters",
}
"""27.007 §9.2."""


class LineSplitter:
    """Bytes → lines; empty ones are left out."""

    def __init__(self) -> None:
        self.cut = 0
        """Lines that were longer than any answer is."""
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        lines: list[str] = []
        for byte in data:
            if byte in (0x0D, 0x0A):
                if self._buffer and not self._skipping:
                    lines.append(self._buffer.decode("utf-8", "replace"))
                self._buffer.clear()
                self._skipping = False
            elif len(self._buffer) < LONGEST:
                self._buffer.append(byte)
            elif not self._skipping:
                self._skipping = True
                self.cut += 1
        return lines


def role(text: str, asked: AtCommand | None, answered: int) -> Role:
    """What a line is, while ``asked`` waits for its answer, of which there were ``answered`` lines already."""
    if asked is not None:
        if text == asked.line:
            return "echo"
        if text in FINALS or _FINAL.fullmatch(text):
            return "final"
        if asked.prefix:
            if text.startswith(asked.prefix + ":") and _fields_fit(asked.prefix, text):
                return "answer"
            return "own"
        if not text.startswith(_OWN):
            # Lines without a prefix: ATI, +CIMI. At most a handful.
            return "answer" if answered < 8 and not text.startswith("+Q") else "own"
    return "own"


def _fields_fit(prefix: str, text: str) -> bool:
    """Whether a line has the fields of an answer and not those of the same thing said unasked."""
    least = _ANSWER_FIELDS.get(prefix)
    if least is None:
        return True
    fields = split_fields(text[len(prefix) + 1 :])
    if len(fields) < least:
        return False
    if prefix == "+QSIMSTAT":
        return True
    # n and stat are numbers; +CEREG: 1,"D6E7","844D92A",7 is stat, tac, ci, act: nobody asked for it.
    return fields[0].isdecimal() and fields[1].isdecimal() and not text.partition(",")[2].startswith('"')


def split_fields(text: str) -> list[str]:
    """``1,"a,b",2`` → its fields, quotes taken off."""
    fields: list[str] = []
    current: list[str] = []
    quoted = False
    for character in text.strip():
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            fields.append("".join(current).strip())
            current = []
        else:
            current.append(character)
    fields.append("".join(current).strip())
    return fields


def error_words(final: str) -> str:
    """``+CME ERROR: 10`` → "SIM not inserted"; empty for OK."""
    if final in ("OK", "CONNECT"):
        return ""
    kind, _, code = final.partition(":")
    code = code.strip()
    if kind == "+CME ERROR" and code.isdecimal() and len(code) < 5:
        return CME_ERRORS.get(int(code), f"error {code}")
    return code or final.lower()
