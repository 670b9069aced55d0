"""Uplinks over chargers on one time axis: the same drawing as a charger's timeline, told in other words."""

from __future__ import annotations

from typing import ClassVar

from fieldkit.checks.words import duration
from fieldkit.tui.course import RANK, Band
from fieldkit.tui.keys import bind
from fieldkit.tui.widgets.timeline import Timeline


class LinkTimeline(Timeline):
    """The cursor's sentences begin with what is lost."""

    HELP = (
        "Above the uplinks, below the chargers, on one axis of time. ← and → move the cursor, what is there is told"
        " below; ↑ looks closer, ↓ from further away, n goes to what happens next, Enter shows the outage there."
        " Uplinks: ━ used, ─ waits, ╳ down, ░ switched off, ▂ not known. Chargers: ━ connected, ╳ lost and nobody had"
        " noticed, ░ waits before it dials, ▄ dials, ▂ back and silent, ▒ the path changed and the connection lived on."
    )
    MARKS: ClassVar[str] = "events"
    BINDINGS: ClassVar = [
        bind("links.jump", "enter", "jump", "Outage", "The outage at the cursor, or the one nearest to it."),
    ]

    uplinks: int = 0
    """So many of the lines are uplinks."""

    def sentences(self) -> list[str]:
        """Marks, then what is lost, then how the uplinks are; chargers that are well go without saying."""
        axis, lanes = self.axis, self.course.lanes
        column = axis.column(self.cursor)

        def here(bands: list[Band]) -> list[Band]:
            return [one for one in bands if max(axis.column(one.first), 0) <= column <= axis.column(one.last)]

        found = self.mark_sentences()
        lost = [(band, lane) for lane in lanes[self.uplinks :] for band in here(lane.bands) if band.css != "on"]
        for band, _ in sorted(lost, key=lambda one: -RANK.index(one[0].css))[:3]:
            found.append(
                f"{band.title} for {duration(band.last - band.first)}" if band.last > band.first else band.title
            )
        if len(lost) > 3:
            found.append(f"{len(lost) - 3} more outages")
        for lane in lanes[: self.uplinks]:
            bands = here(lane.bands)
            if bands:
                found.append(bands[-1].title)
        if not lost:
            well = sum(bool(here(lane.bands)) for lane in lanes[self.uplinks :])
            found.append(f"{well} of {len(lanes) - self.uplinks} chargers connected")
        return list(dict.fromkeys(found))
