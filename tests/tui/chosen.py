"""What is chosen in the traffic, for tests of screens that lead there."""

from __future__ import annotations

from fieldkit.tui.screens.live import LiveScreen
from fieldkit.tui.widgets.traffic import TrafficList
from tests.tui.driving import Driver


def live_row(d: Driver) -> str:
    """The chosen line of the traffic."""
    assert isinstance(d.app.screen, LiveScreen)
    traffic = d.app.screen.query_one(TrafficList)
    assert traffic.selected is not None
    return d.lines[traffic.region.y + traffic.position_of(traffic.selected) - int(traffic.scroll_offset.y)]
