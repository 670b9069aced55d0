"""What the terminal can show: size, colours, characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from fieldkit.doctor.probe import Result, State

_AREA: Final = "terminal"
COLUMNS: Final = 80
LINES: Final = 24
"""What every screen is made to fit into."""


def size() -> Iterable[Result]:
    """Of the terminal that is there, even when the output goes elsewhere."""
    for descriptor in (1, 2, 0):
        try:
            columns, lines = os.get_terminal_size(descriptor)
        except (OSError, ValueError):
            continue
        return (judged_size(columns, lines),)
    return (Result(_AREA, "terminal", State.NOTE, "there is none: commands work, the full-screen view does not"),)


def judged_size(columns: int, lines: int) -> Result:
    """Whether the screens fit."""
    text = f"{columns} × {lines} characters"
    if columns == 0 or lines == 0:
        # A serial console does not know.
        mend = (f"stty cols {COLUMNS} rows {LINES}",)
        return Result(_AREA, "size", State.WARNING, "the terminal does not tell its size", mend)
    if columns < COLUMNS or lines < LINES:
        return Result(_AREA, "size", State.WARNING, f"{text}: {COLUMNS} × {LINES} are needed; make the window larger")
    return Result(_AREA, "size", State.WORKS, text)


def colours() -> Iterable[Result]:
    """By what the terminal is said to be."""
    return (judged_colours(os.environ),)


def judged_colours(environment: Mapping[str, str]) -> Result:
    """How many colours there are."""
    kind = environment.get("TERM", "")
    if sys.platform == "win32":
        return Result(_AREA, "colours", State.WORKS, "16 million")
    if kind in ("", "dumb", "unknown"):
        text = f"TERM is {kind or 'not set'}: neither colours nor full-screen views"
        return Result(_AREA, "colours", State.WARNING, text, ("export TERM=xterm-256color",))
    if environment.get("NO_COLOR"):
        return Result(_AREA, "colours", State.NOTE, "NO_COLOR is set, and obeyed", ("unset NO_COLOR",))
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return Result(_AREA, "colours", State.WORKS, f"16 million (TERM={kind})")
    number = _told_colours(kind)
    if number is None:
        text = f"this machine does not know the terminal {kind}"
        return Result(_AREA, "colours", State.WARNING, text, ("export TERM=xterm-256color",))
    if number < 256:
        mend = ("export TERM=xterm-256color",) if kind in ("xterm", "screen", "tmux") else ()
        return Result(_AREA, "colours", State.NOTE, f"{max(number, 0)} (TERM={kind})", mend)
    return Result(_AREA, "colours", State.WORKS, f"{number} (TERM={kind})")


def _told_colours(kind: str) -> int | None:
    """By terminfo; None when it has no such terminal."""
    try:
        import curses
    except ImportError:
        return 256 if "256" in kind else 8  # Python without curses, as on small routers
    with Path(os.devnull).open("wb") as nothing:
        try:
            curses.setupterm(kind, fd=nothing.fileno())
        except curses.error:
            return None
        return curses.tigetnum("colors")


def characters() -> Iterable[Result]:
    """Whether frames, arrows and foreign names can be shown."""
    return (judged_encoding(getattr(sys.stdout, "encoding", "") or "ascii"),)


def judged_encoding(encoding: str) -> Result:
    """UTF-8, or something that can show only part."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "cp65001"):
        return Result(_AREA, "characters", State.WORKS, "UTF-8")
    mend = ("chcp 65001",) if sys.platform == "win32" else ("export LC_ALL=C.UTF-8",)
    return Result(_AREA, "characters", State.WARNING, f"{encoding}: what it lacks is shown as numbers", mend)


PROBES: Final = (size, colours, characters)
