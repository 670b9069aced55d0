"""Every charger in a line, those in trouble first."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.tui.facts import RANKS, Facts, gather
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.screens.charger import STYLES, ChargerScreen
from fieldkit.tui.widgets.linelist import LineList
from fieldkit.tui.widgets.stationlist import ORDERS, StationList, station_header
from fieldkit.tui.words import spaced

SILENCE: Final = 5.0
"""Seconds between two looks at something live from which nothing comes."""


class _NameInput(Input):
    HELP = "Part of a charger's name, of its make, or of its state: refused, offline, charging. Enter: to the list."
    BINDINGS: ClassVar = [
        bind("chargers.name-leave", "escape", "leave", "Back", "Show all chargers again."),
        bind("chargers.name-down", "down,enter,tab", "down", "List", "To the list; the filter stays.", show=False),
    ]

    def action_leave(self) -> None:
        """No filter."""
        self.value = ""
        self.action_down()

    def action_down(self) -> None:
        """To the list."""
        self.screen.query_one(StationList).focus()


class ChargersScreen(FieldScreen):
    """The list, what it is sorted by, and a filter."""

    TITLE = "Chargers"
    CSS_PATH = STYLES / "chargers.tcss"
    HELP = "Each charger that was seen. One that the CSMS turns away is here too, although it never said a message."
    BINDINGS: ClassVar = [
        bind("chargers.open", "enter", "open", "Open", "All of this charger: timeline, findings, transactions."),
        bind("chargers.order", "o", "order", "Order", "Sort by trouble, name, latency, silence, charging."),
        bind("chargers.name", "slash", "name", "Find", "Show only chargers whose name, make or state has this text."),
        bind("chargers.all", "escape", "all", "All", "Show all chargers again.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.order = "trouble"
        self._facts: list[Facts] = []

    def compose_body(self) -> ComposeResult:
        """A line about all of them, the filter, the list."""
        with Horizontal(id="chargers-top"):
            yield Static("", id="chargers-sum", markup=False)
            yield _NameInput(placeholder="name, make or state", compact=True, id="chargers-name")
        yield station_header()
        yield StationList(id="chargers-list", empty="no charger has been seen yet")

    @property
    def rows(self) -> StationList:
        """The list."""
        return self.query_one(StationList)

    def on_mount(self) -> None:
        """Who falls silent is to be seen, although nothing comes."""
        self.set_interval(SILENCE, self._look)

    def _look(self) -> None:
        if self.is_current and self.fieldkit.engine is not None and self.engine.ready and self.now:
            self.refresh_view()

    def refresh_view(self) -> None:
        """What has come."""
        engine = self.engine
        with engine.lock:
            self._facts = gather(engine.session, engine.findings, running=engine.state.running, now=self.now)
            self._show()

    def _show(self) -> None:
        wanted = self.query_one("#chargers-name", Input).value.strip().casefold()
        chosen = [facts for facts in self._facts if not wanted or wanted in _searched(facts)]
        shown = self.rows
        shown.empty = "no charger fits; Esc shows all" if self._facts else "no charger has been seen yet"
        shown.show(shown.ordered(chosen, self.order))
        words = Counter((RANKS[facts.level], facts.word) for facts in chosen)
        total = f"{spaced(len(chosen))} of {spaced(len(self._facts))}" if wanted else spaced(len(chosen))
        states = ", ".join(f"{number} {word}" for (_, word), number in sorted(words.items()))
        noun = "charger" if len(self._facts) == 1 else "chargers"
        order = ORDERS[self.order] if self.size.width >= 100 else self.order
        text = f" {total} {noun}: {states or 'none'}  (order: {order})"
        self.query_one("#chargers-sum", Static).update(Content(self.glyphs.text(text)))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another filter."""
        self.query_one("#chargers-top").set_class(bool(event.value), "-filtered")
        if self.fieldkit.engine is not None and self.engine.ready:
            with self.engine.lock:
                self._show()

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        self.action_open()

    def action_open(self) -> None:
        """All of the charger under the cursor."""
        key = self.rows.selected
        if isinstance(key, str):
            self.fieldkit.push_screen(ChargerScreen(key))

    def action_order(self) -> None:
        """The next order."""
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.refresh_view()
        self.rows.action_first()

    def action_name(self) -> None:
        """To the filter."""
        self.query_one("#chargers-top").add_class("-filtered")
        self.query_one("#chargers-name").focus()

    def action_all(self) -> None:
        """No filter."""
        self.query_one("#chargers-name", Input).value = ""
        self.query_one("#chargers-top").remove_class("-filtered")
        self.rows.focus()


def _searched(facts: Facts) -> str:
    about = facts.station.about if facts.station is not None else None
    made = f"{about.vendor} {about.model} {about.serial}" if about is not None else ""
    states = " ".join(one.status for one in facts.station.connectors.all.values()) if facts.station is not None else ""
    return f"{facts.key} {facts.word} {made} {states}".casefold()
