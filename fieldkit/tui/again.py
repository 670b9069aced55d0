"""A file that was read, read once more: at another pace, or with the detector."""

from __future__ import annotations

from typing import Any

from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed


def again(engine: Engine, **changed: Any) -> Engine | None:
    """A run like this one but for what is ``changed``, not yet started; None where that cannot be: what happens now,
    or what came through a pipe, does not come again. ``SourceError`` when the file cannot be opened any more."""
    feed = engine.feed
    names = getattr(feed, "names", ())
    if feed.live or not names or any(name.startswith("/dev/fd/") for name in names):
        return None
    return Engine(open_feed(names, utc_offset=getattr(feed, "utc_offset", None)), **{**engine.wishes, **changed})
