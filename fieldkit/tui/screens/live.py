"""The traffic, message by message: list, filter, and what the chosen message says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from time import monotonic
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from fieldkit.events import OcppMessage
from fieldkit.history import RowKind, Scope, Search
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.widgets.detail import DetailView
from fieldkit.tui.widgets.filterbar import FilterBar
from fieldkit.tui.widgets.traffic import TrafficHeader, TrafficList
from fieldkit.tui.words import sentence, spaced, told

_SLICE: Final = 0.03
"""Seconds of searching between two looks at the keyboard."""
_BETWEEN: Final = 0.25
"""Seconds between two pictures while it searches."""
_FINDINGS: Final = 3
"""Kinds of findings that are told above a message."""
_MAX_KNOWN: Final = 200
"""Stations and actions that are offered for completion."""


class LiveScreen(FieldScreen):
    """Where one sees what is said."""

    TITLE = "Live"
    HELP = (
        "Every message as it passes. / filters, Space freezes the list or lets it follow, n goes to the next problem,"
        " Enter shows request and answer side by side, c and t keep to one connection or transaction, Esc shows all."
    )
    BINDINGS: ClassVar = [
        bind("live.filter", "slash,f", "filter", "Filter", "Show only what you ask for."),
        bind("live.freeze", "space", "freeze", "Freeze", "Hold the list, or follow what comes."),
        bind(
            "live.next-problem",
            "n,exclamation_mark",
            "problem(1)",
            "Problem",
            "To the next line that tells of trouble.",
        ),
        bind("live.previous-problem", "b,N", "problem(-1)", "Back", "To the problem before.", show=False),
        bind("live.open", "enter", "open", "Both", "Request and answer side by side."),
        bind("live.connection", "c", "only('connection')", "Conn", "Only the connection of this message.", show=False),
        bind(
            "live.transaction", "t", "only('transaction')", "Trans", "Only the transaction of this message.", show=False
        ),
        bind("live.station", "o", "only('station')", "Charger", "Only this charger.", show=False),
        bind("live.all", "escape", "all", "All", "Show everything again.", show=False),
        bind("live.answer", "a", "partner", "Answer", "From a request to its answer, and back.", show=False),
        bind("live.detail", "tab", "detail", "Detail", "From the list into the message, and back.", show=False),
        bind("live.view", "v", "view", "View", "The message's fields, its text, or its bytes.", show=False),
        bind("live.maximise", "backslash,z", "maximise", "Large", "The message alone, or the list again.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.search: Search | None = None
        self.scope: Scope | None = None
        self._shown: int | None = None
        self._searching = False
        self._looking: Timer | None = None
        self._draw_at = 0.0
        self._began = False

    def compose_body(self) -> ComposeResult:
        """Filter, list, message."""
        traffic = TrafficList(id="traffic")
        yield FilterBar(self._known)
        with Vertical(id="live-list"):
            yield TrafficHeader(traffic)
            yield traffic
        with Vertical(id="live-detail"):
            yield Static("", id="sentence", markup=False)
            yield DetailView(id="detail")

    def on_mount(self) -> None:
        """Files are read from their beginning, what happens now is followed."""
        engine = self.engine
        self.traffic.follow = engine.feed.live or engine.pace is not None
        self._show_follow()

    # -------------------------------------------------------------------------------------------------------- parts

    @property
    def traffic(self) -> TrafficList:
        return self.query_one(TrafficList)

    @property
    def bar(self) -> FilterBar:
        return self.query_one(FilterBar)

    @property
    def detail(self) -> DetailView:
        return self.query_one(DetailView)

    def _known(self) -> Mapping[str, Iterable[str]]:
        """What was seen, for completion."""
        engine = self.engine
        if not engine.ready:
            return {}
        with engine.lock:
            stations = list(engine.session.picture.stations)[:_MAX_KNOWN]
        return {"station": stations}

    # ----------------------------------------------------------------------------------------------------- refreshing

    def refresh_view(self) -> None:
        """What has come since the last time."""
        engine = self.engine
        if self.search is not None:
            self._go_on_searching()
        with engine.lock:
            self.traffic.update_rows()
        self._show_counts()
        self.query_one(TrafficHeader).refresh()

    def _show_counts(self) -> None:
        total = len(self.engine.history)
        if self.search is None:
            self.bar.set_result("")
            return
        found = f"{spaced(len(self.search.rows))} of {spaced(total)}"
        if not self.search.done and self.search.progress < 0.99:
            found = f"{self.search.progress:.0%} looked through, {spaced(len(self.search.rows))} found"
        self.bar.set_result(found, str(self.scope) if self.scope is not None else "")

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        """Another filter: look for its rows, and show them as they are found."""
        self._start_search()

    def on_filter_bar_left(self) -> None:
        """Back to the list."""
        self.traffic.focus()

    def _start_search(self) -> None:
        wanted = self.bar.wanted
        if wanted is None and self.scope is None:
            self.search = None
        else:
            self.search = Search(self.engine.history, wanted, self.scope)
            with self.engine.lock:
                self.search.run(_SLICE)
        with self.engine.lock:
            self.traffic.show(self.search)
        self._show_counts()
        self.query_one(TrafficHeader).refresh()
        self._go_on_searching()

    def _go_on_searching(self) -> None:
        """Slice by slice, with time for keys in between."""
        search = self.search
        if search is None or search.done or self._searching:
            return
        self._searching = True
        self.set_timer(0.001, self._search_a_slice)

    def _search_a_slice(self) -> None:
        self._searching = False
        search = self.search
        if search is None or not self.is_mounted:
            return
        with self.engine.lock:
            done = search.run(_SLICE)
            now = monotonic()
            # A picture takes as long as a slice of the search: a few a second are enough to see that it goes on.
            draw = done or now >= self._draw_at
            if draw:
                self._draw_at = now + _BETWEEN
                self.traffic.update_rows()
        if draw:
            self._show_counts()
            self.query_one(TrafficHeader).refresh()
        if not done:
            self._go_on_searching()

    # ------------------------------------------------------------------------------------------------------- detail

    def on_traffic_list_selected(self, event: TrafficList.Selected) -> None:
        """Another row: say what it says, unless the list is running."""
        self.query_one(TrafficHeader).refresh()
        if self.traffic.follow:
            return
        self._show_row(event.number)

    def on_traffic_list_opened(self, event: TrafficList.Opened) -> None:
        """A second click."""
        self.action_open()

    def _show_row(self, number: int | None) -> None:
        self._shown = number
        engine, settings, glyphs = self.engine, self.fieldkit.settings, self.glyphs
        words = self.query_one("#sentence", Static)
        if number is None or number < engine.history.first:
            words.update("")
            self.detail.show(None)
            return
        with engine.lock:
            history = engine.history
            row, event = history.row(number), history.event(number)
            answer_at = history.answer_of(number)
            answer = history.message(answer_at) if answer_at is not None else None
            found = engine.judged.findings_of(number)
        if isinstance(event, OcppMessage):
            text = sentence(event, answer, show_ids=settings.show_ids)
            if row.unanswered is not None:
                text += " There was no answer."
        else:
            text = told(event)
        note = engine.history.notes.get(number)
        if note:
            text += f" [{note}]"
        words.update(Content(glyphs.text(text)))
        # Several of a kind, as of a message with several faults, are one line: the faults themselves stand below.
        judged = dict.fromkeys((finding.severity, finding.kind.title, finding.kind.id) for finding in found)
        lines = [
            (status.level, f"{status} {title} ({id_})")
            for severity, title, id_ in list(judged)[:_FINDINGS]
            for status in (glyphs.of(severity),)
        ]
        self.detail.show(event, lines)

    def _show_follow(self) -> None:
        """While it runs, the list has all the room: nobody can read a message that changes four times a second."""
        self.set_class(self.traffic.follow, "-following")
        self.query_one(TrafficHeader).refresh()
        if not self.traffic.follow and self._shown != self.traffic.selected:
            self._show_row(self.traffic.selected)

    def on_traffic_list_followed(self) -> None:
        """The list began to follow, or was left."""
        self._show_follow()

    # ---------------------------------------------------------------------------------------------- for other screens

    def show_row(self, number: int) -> None:
        """Choose a row among all others."""
        self.scope = None
        self.bar.set_text("")
        self.traffic.leave()
        if self.search is not None:
            self._start_search()
        with self.engine.lock:
            self.traffic.update_rows()
        if self.engine.history.first <= number < self.engine.history.end:
            self.traffic.go_to(number)
        self.traffic.focus()

    def show_only(self, scope: Scope) -> None:
        """One conversation."""
        self.scope = scope
        self.traffic.leave()
        self._start_search()
        self.traffic.focus()

    def show_filter(self, text: str) -> None:
        """What passes this filter."""
        self.scope = None
        self.traffic.leave()
        self.bar.set_text(text)
        self.traffic.focus()

    # ------------------------------------------------------------------------------------------------------- actions

    def action_filter(self) -> None:
        """To the filter bar."""
        self.bar.input.focus()

    def action_freeze(self) -> None:
        """Hold, or follow."""
        self.traffic.set_follow(not self.traffic.follow)

    def action_problem(self, step: int) -> None:
        """The next row that tells of trouble, or is evidence of it."""
        traffic = self.traffic
        traffic.leave()
        start = traffic.position_of(traffic.selected) if traffic.selected is not None else -1
        self._look_for_problem(start + step, step)

    def _look_for_problem(self, position: int, step: int) -> None:
        """Slice by slice, as a healthy day has 200,000 rows to look through."""
        traffic, engine = self.traffic, self.engine
        if self._looking is not None:
            self._looking.stop()
            self._looking = None
        ends = monotonic() + _SLICE
        with engine.lock:
            while 0 <= position < traffic.count:
                number = traffic.number_at(position)
                if number is not None and engine.judged.is_problem(number):
                    traffic.go_to(number)
                    return
                position += step
                if monotonic() >= ends:
                    self._looking = self.set_timer(0.001, partial(self._look_for_problem, position, step))
                    return
        self.fieldkit.say("no more problems " + ("below" if step > 0 else "above"))

    def action_only(self, what: str) -> None:
        """Keep to one conversation."""
        number = self.traffic.selected
        if number is None or number < self.engine.history.first:
            return
        row = self.engine.history.row(number)
        if what == "transaction" and row.transaction:
            self.scope = Scope(station=row.station, transaction=row.transaction)
        elif what == "connection" and row.connection:
            self.scope = Scope(connection=row.connection, station=row.station)
        elif what == "station" and row.station:
            self.scope = Scope(station=row.station)
        else:
            self.fieldkit.say(f"this line belongs to no {what}")
            return
        self.show_only(self.scope)

    def action_all(self) -> None:
        """First the scope goes, then the filter."""
        if self.scope is not None:
            self.scope = None
            self._start_search()
        elif self.bar.input.value:
            self.bar.set_text("")

    def action_partner(self) -> None:
        """From a request to its answer, and back."""
        number = self.traffic.selected
        if number is None:
            return
        with self.engine.lock:
            history = self.engine.history
            partner = history.answer_of(number)
            if partner is None:
                partner = history.call_of(number)
        if partner is None:
            self.fieldkit.say("it has no counterpart here")
            return
        self.traffic.go_to(partner)

    def action_detail(self) -> None:
        """From the list into the message, and back."""
        (self.traffic if self.detail.has_focus else self.detail).focus()

    def action_view(self) -> None:
        """Fields, text or bytes."""
        self.detail.action_mode()

    def action_maximise(self) -> None:
        """The message alone, or the list again."""
        self.toggle_class("-large")

    def action_open(self) -> None:
        """Request and answer side by side."""
        number = self.traffic.selected
        if number is None or number < self.engine.history.first:
            return
        if self.engine.history.row(number).kind is not RowKind.MESSAGE:
            self.action_maximise()
            return
        from fieldkit.tui.screens.pair import PairScreen

        self.traffic.leave()
        self.fieldkit.push_screen(PairScreen(number))
