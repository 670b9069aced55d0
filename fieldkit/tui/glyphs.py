"""Signs on the screen, for terminals with UTF-8 and for those without. A status is a word, a sign and a colour: any one
of the three is enough to read it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from fieldkit.checks.finding import Severity

Level: TypeAlias = Literal["ok", "info", "warn", "fail", "none"]
"""How bad something is; also the name of the style that it is drawn in (``$success``, ``$warning``, ``$error``)."""

LEVELS: Final[dict[Severity | None, Level]] = {None: "none", "info": "info", "warning": "warn", "critical": "fail"}


class Status(NamedTuple):
    """A status in word and sign."""

    word: str
    sign: str
    level: Level

    def __str__(self) -> str:
        return f"{self.sign} {self.word}".strip()


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs."""

    unicode: bool
    ok: str
    warn: str
    fail: str
    info: str
    to_csms: str
    to_station: str
    more_below: str
    open: str
    closed: str
    play: str
    pause: str
    dot: str
    rule: str
    bar: str
    spark: str
    """Levels of a small graph, from nothing to full."""
    ellipsis: str

    def status(self, level: Level, word: str = "") -> Status:
        """The status for a level, with its usual word unless another one fits better."""
        usual, sign = {
            "ok": ("OK", self.ok),
            "info": ("INFO", self.info),
            "warn": ("WARN", self.warn),
            "fail": ("FAIL", self.fail),
            "none": ("", ""),
        }[level]
        return Status(word or usual, sign, level)

    def of(self, severity: Severity | None) -> Status:
        """The status that a finding's severity means."""
        return self.status(LEVELS[severity])

    def text(self, text: str) -> str:
        """Text as this terminal can show it."""
        return text if self.unicode or text.isascii() else text.translate(_ASCII).encode("ascii", "replace").decode()


UNICODE: Final = Glyphs(
    unicode=True, ok="✔", warn="▲", fail="✖", info="i", to_csms="→", to_station="←", more_below="↓",
    open="▾", closed="▸", play="▶", pause="‖", dot="●", rule="─", bar="│", spark=" ▁▂▃▄▅▆▇█", ellipsis="…",
)  # fmt: skip
ASCII: Final = Glyphs(
    unicode=False, ok="+", warn="!", fail="x", info="i", to_csms=">", to_station="<", more_below="v",
    open="-", closed="+", play=">", pause="=", dot="*", rule="-", bar="|", spark=" .:-=+*#@", ellipsis="~",
)  # fmt: skip

_ASCII: Final = str.maketrans(
    {
        "…": "~", "→": ">", "←": "<", "↑": "^", "↓": "v", "×": "x", "·": "-", "–": "-", "—": "-", "─": "-", "│": "|",
        "“": '"', "”": '"', "‘": "'", "’": "'", "✔": "+", "✖": "x", "▲": "!", "●": "*", "°": " ", "µ": "u", "±": "~",
    }
)  # fmt: skip

_OLD_TERMINALS: Final = ("linux", "vt100", "vt102", "vt220", "ansi", "cons25", "dumb")
"""Their fonts lack the signs, whatever the locale says."""


def chosen() -> Glyphs:
    """What this terminal can show; FIELDKIT_ASCII=1 asks for plain signs."""
    if os.environ.get("FIELDKIT_ASCII") or os.environ.get("TERM", "") in _OLD_TERMINALS:
        return ASCII
    encoding = getattr(sys.__stdout__, "encoding", None) or ""
    return UNICODE if encoding.lower().replace("-", "") in ("utf8", "cp65001") else ASCII
