"""What every log format hands on: a frame as it was sighted in the log, before times are made absolute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fieldkit.events import DecodeError, Problem, Sender, Transport
from fieldkit.logs.times import Stamp

Relative: TypeAlias = Literal["in", "out"]
"""Received or sent, as seen by whoever wrote the log."""

MAX_FRAME: Final = 1 << 20
"""Characters of one frame. The longest legitimate ones (a SendLocalList, a certificate chain) are some 100 kB; a
bracket that never closes must not collect the rest of the file."""
MAX_RECORD: Final = 2 << 20
"""Characters of one line, CSV record or JSON object: a frame, escaped, with room for what surrounds it. A hostile one
takes fifty times as much when it is parsed."""
MAX_NESTING: Final = 4
"""A JSON object in a string in a line in a JSON object: containers, collectors and shippers each wrap once."""

TRUNCATED: Final = "log.truncated"
REJOINED: Final = "log.rejoined"
REBUILT: Final = "log.rebuilt"


@dataclass(slots=True)
class Sighting:
    """One frame and what its surroundings say about it; what they do not say is None or empty."""

    text: str
    line: int
    last_line: int
    stamp: Stamp | None = None
    station: str = ""
    sender: Sender | None = None
    relative: Relative | None = None
    version: str = ""
    transport: Transport = "json"
    problems: tuple[Problem, ...] = ()
    lead: str | None = None
    """What stood before the frame: tells two loggers apart. None where there is no such thing (a table)."""


Emit: TypeAlias = Callable[[Sighting | DecodeError], None]


def log_error(reason: str, text: str, line: int, lost: int) -> DecodeError:
    """Something of a log that could not be read; times of logs are not known where things go wrong."""
    return DecodeError(0, (line,), None, "log", reason, text[:64].encode("utf-8", "replace")[:64], lost)
