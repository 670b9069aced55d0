"""The name of a station, as the URL that it connects to has it."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

MAX_IDENTITY: Final = 500
"""Characters kept of a station's name: OCPP-J allows 48 (2.x Part 4 §3.1.1), CSMSs take more."""


def identity_of(target: str) -> str:
    """The station that a connection URL names: its last path segment, percent-decoded (OCPP-J 1.6 and 2.x, §3.1.1)."""
    path = target.partition("?")[0].partition("#")[0]
    return unquote(path.rstrip("/").rpartition("/")[2])[:MAX_IDENTITY]
