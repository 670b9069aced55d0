"""Keys: each has an id, a short name and a sentence of help, so that footer, help, palette and key map are one list.

Single keys and F-keys come first: gloves. Nothing that changes or sends anything lies on a single key without asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual.binding import Binding


def bind(
    id_: str, keys: str, action: str, name: str, help_: str, *, show: bool = True, priority: bool = False
) -> Binding:
    """A binding. ``id_`` is what a user's key map calls it: "live.freeze"; ``keys`` are separated by commas; ``name``
    is for the footer (when ``show``), ``help_`` says what it does."""
    assert help_, f"{id_} needs a sentence of help"
    return Binding(keys, action, name, show=show, tooltip=help_, id=id_, priority=priority)


def readable(keys: str) -> str:
    """Keys as a person calls them: "Space", "F1", "/"."""
    return " ".join(_SPOKEN.get(key, key.upper() if _is_function_key(key) else key) for key in keys.split(",") if key)


def _is_function_key(key: str) -> bool:
    return key[:1] == "f" and key[1:].isdecimal()


_SPOKEN: Final[Mapping[str, str]] = {
    "space": "Space",
    "slash": "/",
    "exclamation_mark": "!",
    "question_mark": "?",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "plus": "+",
    "minus": "-",
    "ctrl+p": "Ctrl+P",
    "ctrl+q": "Ctrl+Q",
    "ctrl+c": "Ctrl+C",
    "backslash": "\\",
    "ctrl+x": "Ctrl+X",
    "colon": ":",
    "at": "@",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "full_stop": ".",
    "comma": ",",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}
