"""What the user set: theme, keys, time zone. Read from ``config.toml``, and remembered when changed on the screen.

[tui]
theme = "field-sun"
utc = true

[keys]
"live.freeze" = "f9"
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MAX_FILE: Final = 1 << 20
"""Bytes of a configuration that are read."""


@dataclass(slots=True)
class Settings:
    """What was set, here or there."""

    theme: str = ""
    """Empty: what suits the terminal."""
    utc: bool = False
    show_ids: bool = False
    """Id tokens in full; they are masked otherwise."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """By id of a binding."""
    trouble: tuple[str, ...] = ()
    """What is wrong with the file, in sentences."""


def config_file() -> Path:
    """Where the user's settings are."""
    return _base("XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder() -> Path:
    """Where fieldkit keeps what it wants to remember, and recordings that nobody named a file for."""
    return _base("XDG_STATE_HOME", ".local/state")


def load(path: Path | None = None, over: Path | None = None) -> Settings:
    """The settings; a file that cannot be read is told and left alone. ``over``: a file that the command line names,
    whose tables come before those of the user's own."""
    settings = Settings(theme=str(remembered().get("theme", "")))
    trouble: list[str] = []
    tui: Any = {}
    keys: Any = {}
    for file in (path if path is not None else config_file(), over):
        read = _read(file, trouble) if file is not None else {}
        tui, keys = (
            {**before, **now} if isinstance(before, dict) and isinstance(now, dict) else now or before
            for before, now in ((tui, read.get("tui", {})), (keys, read.get("keys", {})))
        )
    if isinstance(tui, dict):
        settings.theme = tui["theme"] if isinstance(tui.get("theme"), str) else settings.theme
        settings.utc = tui.get("utc") is True
        settings.show_ids = tui.get("show-ids") is True
    if isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values()):
        settings.keys = keys
    elif keys:
        trouble.append(f'{over or path or config_file()}: [keys] has lines like "live.freeze" = "f9"')
    settings.trouble = tuple(trouble)
    return settings


def _read(path: Path, trouble: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8")[:MAX_FILE])
    except FileNotFoundError:
        pass  # nobody has to have one
    except (OSError, ValueError) as error:
        trouble.append(f"{path}: {error}")
    return {}


def remembered() -> dict[str, Any]:
    """What was remembered of earlier runs."""
    try:
        found = json.loads(_memory().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(**values: object) -> None:
    """Keep for the next run; a home that cannot be written to is no trouble."""
    path = _memory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(remembered() | values), "utf-8")
        draft.replace(path)
    except OSError:
        return


def _memory() -> Path:
    return state_folder() / "tui.json"


def _base(variable: str, usual: str) -> Path:
    set_ = os.environ.get(variable, "")
    base = Path(set_) if set_.startswith("/") else Path.home() / usual
    return base / "fieldkit"
