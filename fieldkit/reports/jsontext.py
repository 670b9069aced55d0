"""JSON that somebody may look at in a terminal: what that would obey, or show as nothing, is spelt ``\\u009b``.

JSON asks for this below U+0020 only (RFC 8259 §7); C1 controls, direction overrides and invisible characters may stand
as they are, and a program that reads the text sees no difference.
"""

from __future__ import annotations

import re
from typing import Final

_OBEYED: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def inert(text: str) -> str:
    """A JSON text, outside of whose strings all is ASCII."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _OBEYED.sub(lambda found: _spelt(found[0]), text)


def _spelt(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
