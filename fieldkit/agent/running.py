"""From a configuration to a running agent: what ``fieldkit agent run`` and ``python -m fieldkit.agent`` share."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fieldkit.agent import folders
from fieldkit.agent.control import ControlError
from fieldkit.agent.outbox import OutboxBusy
from fieldkit.agent.service import Agent
from fieldkit.agent.settings import USUAL, ConfigError, load
from fieldkit.agent.sinks.shared import SinkError
from fieldkit.sources.file import SourceError
from fieldkit.sources.privileges import separate
from fieldkit.sources.rights import RightsError

ENDED: Final = 0
WRONG: Final = 2
"""The configuration is."""
CANNOT: Final = 3
"""It cannot begin."""
_ARENA_MAX: Final = -8
"""M_ARENA_MAX of glibc's mallopt(3)."""


def run(config: str, *, keep_root: bool, say: Callable[[str], object], complain: Callable[[str], object]) -> int:
    """Until it is told to end; the exit status. ``say`` takes what is worth a log, ``complain`` what is wrong."""
    # Decoding makes many small objects and hardly any cycles: let the collector look less often.
    gc.set_threshold(50_000, 50, 50)
    try:
        settings = load(Path(config) if config else USUAL)
    except ConfigError as error:
        for line in error.lines:
            complain(line)
        return WRONG
    if settings.memory == "low":
        _one_arena()
    keep_root = keep_root or settings.keep_root
    try:
        outputs = folders.prepare(settings, keep_root=keep_root)
        agent = Agent(settings, say=say)
        opener = separate(outputs=outputs, keep_root=keep_root, environment=folders.environment(settings))
        if opener is not None and opener.note:
            say(opener.note)
        why = agent.run(opener)
    except (SourceError, SinkError, OutboxBusy, ControlError) as error:
        complain(str(error))
        return CANNOT
    except RightsError as error:
        complain(f"{error}; --keep-root goes on all the same")
        return CANNOT
    say(f"ended: {why}")
    return ENDED


def _one_arena() -> None:
    """Glibc gives each thread a heap of its own, most of which is never used. Other C libraries do not."""
    try:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
    except (OSError, AttributeError):
        return
