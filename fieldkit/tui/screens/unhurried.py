"""A screen that looks at everything when something has come: once a second is often enough."""

from __future__ import annotations

import time
from typing import Final

from fieldkit.tui.frame import FieldScreen

_PAUSE: Final = 1.0
"""Seconds between two looks while things go on happening."""


class UnhurriedScreen(FieldScreen):
    """``look`` is called instead of ``refresh_view``, with pauses between."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0.0
        """When it last looked, by the monotonic clock."""
        self._asked = False

    def refresh_view(self) -> None:
        """What has come since the last time, once a second while more does."""
        wait = self.looked + _PAUSE - time.monotonic()
        if self.engine.state.running and wait > 0:
            if not self._asked:
                self._asked = True
                self.set_timer(wait, self.look_now)
            return
        self.look_now()

    def look_now(self) -> None:
        """Without waiting for the second to pass."""
        self._asked, self.looked = False, time.monotonic()
        self.look()

    def look(self) -> None:
        """Read what is drawn, and draw it."""
