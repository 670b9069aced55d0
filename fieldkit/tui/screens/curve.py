"""One transaction: its curve of power, and the other quantities that were measured."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from fieldkit.history import Scope
from fieldkit.safetext import terminal
from fieldkit.site.transaction import Transaction
from fieldkit.tui.curves import plots
from fieldkit.tui.facts import energy, lasted, one
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.nearby import meter_row, row_of
from fieldkit.tui.screens.charger import STYLES
from fieldkit.tui.widgets.plot import PlotView
from fieldkit.tui.words import clock

_HOUR = 3_600_000_000_000
_FAR = 60_000_000_000
"""A clock that is a minute off: its times would be taken for the capture's."""


class CurveScreen(FieldScreen):
    """On top of a charger; Esc leads back."""

    TITLE = "Transaction"
    CSS_PATH = [STYLES / "chargers.tcss", STYLES / "charger.tcss"]  # noqa: RUF012
    AUTO_FOCUS = "PlotView"
    HELP = "What flowed in one transaction."
    BINDINGS: ClassVar = [
        bind("curve.back", "escape,backspace", "leave", "Back", "Back to the charger."),
        bind("curve.traffic", "t", "traffic", "Its traffic", "The messages of this transaction alone."),
        bind("curve.begin", "b", "begin", "First message", "The message that began it, in the traffic."),
    ]

    def __init__(self, key: str, made: Transaction) -> None:
        super().__init__()
        self.key = key
        self.made = made

    def compose_body(self) -> ComposeResult:
        """What it was, and the curve."""
        yield Static("", id="curve-title", markup=False)
        yield Static("", id="curve-about", markup=False)
        yield PlotView(id="curve-plot")

    def refresh_view(self) -> None:
        """What has come."""
        engine, made = self.engine, self.made
        utc = self.fieldkit.settings.utc
        with engine.lock:
            picture = engine.session.picture
            station = picture.stations.get(self.key)
            if station is None:
                return
            found = plots(station, made)
            offset = station.clock.offset
            now = one(engine.session, (), self.key, running=engine.state.running).until
        name = f"transaction {terminal(made.id, 40)}" if made.id else "transaction without an id"
        where = f" at connector {terminal(made.connector, 12)}" if made.connector else ""
        self.query_one("#curve-title", Static).update(
            Content(self.glyphs.text(f" {terminal(self.key, 40)}: {name}{where}"))
        )
        took = lasted(made, now)
        parts = [f"began {clock(made.first_time, utc=utc)}", took and f"lasted {took}"]
        wh = made.energy_wh
        if wh is not None and wh < 0:
            parts.append(f"{self.glyphs.status('warn')} register went backwards")
        elif wh is not None:
            parts.append(energy(wh))
            lasted_ns = made.end.time - made.begin.time if made.end is not None and made.begin is not None else 0
            if lasted_ns > 0:
                parts.append(f"{wh * _HOUR / lasted_ns / 1000:.1f} kW on average")
        parts.append("goes on" if made.end is None else f"ended: {terminal(made.stop_reason, 24) or 'no reason told'}")
        if offset is not None and abs(offset) >= _FAR:
            parts.append("times below are by the charger's clock")
        self.query_one("#curve-about", Static).update(Content(self.glyphs.text(" " + ", ".join(filter(None, parts)))))
        self.query_one(PlotView).show(found)

    def on_plot_view_jump(self, event: PlotView.Jump) -> None:
        """To the message that told the value."""
        engine = self.engine
        with engine.lock:
            facts = one(engine.session, engine.findings, self.key, running=engine.state.running)
            number = meter_row(engine, facts, event.moment, self.made.id)
        self._show(number)

    def action_leave(self) -> None:
        """Back."""
        self.dismiss()

    def action_traffic(self) -> None:
        """Its messages."""
        if self.made.id:
            self.fieldkit.show_only(Scope(station=self.key, transaction=self.made.id))
        else:
            self.action_begin()

    def action_begin(self) -> None:
        """The message that began it, or what was seen of it first."""
        engine, made = self.engine, self.made
        with engine.lock:
            facts = one(engine.session, engine.findings, self.key, running=engine.state.running)
            number = row_of(engine, facts, made.first_time, made.begin or made.end)
        self._show(number)

    def _show(self, number: int | None) -> None:
        if number is None:
            self.fieldkit.say("its message is not kept any more")
        else:
            self.fieldkit.show_row(number)
