"""Runs that have been read to their end once, for tests that only look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fieldkit.tui.app import FieldkitApp
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed
from fieldkit.tui.glyphs import UNICODE, Glyphs
from fieldkit.tui.routers import Routers
from fieldkit.tui.settings import Settings
from tests.tui.driving import SMALL, Driver


@cache
def loaded(*sources: str, routers: tuple[str, ...] = ()) -> Engine:
    """The same one each time: nothing may be written beside its messages. ``routers``: files with what some told."""
    told = Routers()
    for name in routers:
        told.read(name)
    engine = Engine(open_feed(sources), routers=told).start()
    assert engine.wait(30)
    return engine


@asynccontextmanager
async def seeing(
    *sources: object,
    size: tuple[int, int] = SMALL,
    glyphs: Glyphs = UNICODE,
    settings: Settings | None = None,
    start_at: str = "",
) -> AsyncIterator[Driver]:
    """The application on a run that has ended."""
    app = FieldkitApp(
        loaded(*map(str, sources)),
        settings=settings or Settings(utc=True, theme="field-night"),
        glyphs=glyphs,
        period=3600,
        start_at=start_at,
    )
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.settle()
        yield driver
