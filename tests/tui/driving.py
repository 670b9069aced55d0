"""Driving the application in tests: real captures, keys, and what stands on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import UNICODE, Glyphs
from fieldkit.tui.settings import Settings

CAPTURES = Path(__file__).parents[2] / "captures"
SMALL, WIDE = (80, 24), (120, 40)


class Driver:
    """A running application."""

    def __init__(self, app: FieldkitApp, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Keys, one after the other, until everything has settled."""
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Text into whatever has the focus."""
        await self.press(*(_KEYS.get(character, character) for character in text))

    async def settle(self) -> None:
        """Until all messages are handled and what is new is drawn."""
        await self.pilot.pause()
        self.app.refresh_front()
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object], seconds: float = 10) -> None:
        """Wait for something that a thread or a timer does."""
        for _ in range(int(seconds / 0.02)):
            if holds():
                return
            await asyncio.sleep(0.02)
            await self.settle()
        raise AssertionError(f"it never came to that; on the screen:\n{self.text}")

    @property
    def lines(self) -> list[str]:
        """The screen as lines of text."""
        return ["".join(segment.text for segment in line) for line in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(line.rstrip() for line in self.lines)

    def line_with(self, text: str) -> str:
        """The first line of the screen that has ``text`` in it."""
        found = [line for line in self.lines if text in line]
        assert found, f"{text!r} is not on the screen:\n{self.text}"
        return found[0]


_KEYS = {" ": "space", "=": "equals_sign", ".": "full_stop", "_": "underscore", ">": "greater_than_sign", "<": "less_than_sign",
         '"': "quotation_mark", "(": "left_parenthesis", ")": "right_parenthesis", "!": "exclamation_mark", "-": "minus"}  # fmt: skip


@asynccontextmanager
async def driving(
    *sources: str | Path,
    size: tuple[int, int] = SMALL,
    speed: float = 0,
    whole: bool = True,
    glyphs: Glyphs = UNICODE,
    settings: Settings | None = None,
    start_at: str = "",
) -> AsyncIterator[Driver]:
    """The application on these sources (files, or "demo"; none: Home). ``whole``: wait until all is read. Times are in
    UTC, so that pictures are the same everywhere."""
    engine = Engine(open_feed([str(source) for source in sources]), speed=speed) if sources else None
    app = FieldkitApp(
        engine,
        settings=settings or Settings(utc=True, theme="field-night"),
        glyphs=glyphs,
        period=3600,
        start_at=start_at,
    )
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        if engine is not None and whole and not speed:
            await driver.until(lambda: not engine.state.running)
        await driver.settle()
        try:
            yield driver
        finally:
            if app.engine is not None:
                app.engine.close()
