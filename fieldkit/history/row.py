"""One row of what happened."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from fieldkit.checks.finding import Severity
from fieldkit.events import MessageType, NoAnswer, Sender


class RowKind(IntEnum):
    """What a row tells of."""

    MESSAGE = 0
    CONNECTION = 1
    """Opened, upgraded, closed, recognised."""
    TLS = 2
    TROUBLE = 3
    """Something is missing or could not be decoded: gaps, drops, damage, a plugin that failed."""
    NOTE = 4
    """A comment of the capture, or something that a source has to say."""


class Row(NamedTuple):
    """What is known of a row without unpacking its text."""

    number: int
    kind: RowKind
    time: int
    source: str
    frame: int
    """The last of the frames that carried it, 0 where there is none."""
    station: str
    """Empty where it is not known."""
    sender: Sender
    type: MessageType | None
    """None for what is no message, and for messages too broken to tell."""
    action: str
    latency: int | None
    """Of an answer: nanoseconds since its CALL."""
    problems: int
    """How many were found in the message, at most 255."""
    severity: Severity | None
    """What the row itself tells; findings may think worse of it, see ``Judged``."""
    connection: int
    """0 where there is none."""
    transaction: str
    """Empty where it belongs to none."""
    answered: bool
    orphan: bool
    """An answer whose CALL was not seen."""
    unanswered: NoAnswer | None
    """A CALL that stayed without an answer, and why."""
    is_error: bool
    """A CALLERROR or SOAP fault."""


MAX_NAME: Final = 500
"""Characters kept of an action, a station's name or a transaction in a row; the text of the message has them whole."""
