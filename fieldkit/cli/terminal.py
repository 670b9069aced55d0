"""What the terminal at the other end can show."""

from __future__ import annotations

import os
from typing import TextIO


def wants_color(choice: str, stream: TextIO) -> bool:
    """``--color``; "auto" means a terminal that is not told otherwise (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
