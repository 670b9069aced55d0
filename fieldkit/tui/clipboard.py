"""A message on its way to somewhere else: as JSON, to the clipboard and to a file. No textual here.

The clipboard is that of the terminal (OSC 52), which works over ssh too, but not in every terminal and often not
inside tmux or screen: the file is there in any case.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from fieldkit.events import Event, OcppMessage
from fieldkit.tui.settings import state_folder
from fieldkit.tui.words import plain_raw, told


def as_json(event: Event, *, show_ids: bool = False) -> str:
    """An OCPP-J frame as it was sent, well laid out; anything else as an object. Without secrets, ids masked."""
    if not isinstance(event, OcppMessage):
        return json.dumps(
            {"time_ns": event.time, "frames": list(event.frames), "text": told(event)}, ensure_ascii=False
        )
    raw = plain_raw(event, show_ids=show_ids)
    if event.channel.transport == "json":
        try:
            return json.dumps(json.loads(raw), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            pass  # what is no JSON is handed over as a text in one
    said = {
        "station": event.channel.station,
        "sender": event.sender,
        "action": event.action,
        "id": event.id,
        "raw": raw,
    }
    return json.dumps(said, ensure_ascii=False, indent=2)


def copied(text: str) -> Path | None:
    """Keep what was copied last in a file that only its owner reads; None where that cannot be."""
    path = state_folder() / "copied.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
    except OSError:
        return None
    return path
