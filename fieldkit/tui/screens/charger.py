"""One charger: what it went through, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from fieldkit.checks.collector import Collected
from fieldkit.history import Scope
from fieldkit.safetext import terminal
from fieldkit.site.about import Boot
from fieldkit.site.latency import Percentiles
from fieldkit.site.transaction import Transaction
from fieldkit.tui import chargertables as tables
from fieldkit.tui.course import course
from fieldkit.tui.curves import plots
from fieldkit.tui.facts import NAMELESS, Facts, one, shift
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part, line_of
from fieldkit.tui.nearby import meter_row, row_of
from fieldkit.tui.widgets.linelist import Cell, LineHeader, LineList
from fieldkit.tui.widgets.plot import PlotView
from fieldkit.tui.widgets.timeline import Timeline

STYLES: Final = Path(__file__).parent.parent / "styles"

SECTIONS: Final = {
    "findings": ("f", "Findings"),
    "transactions": ("t", "Transactions"),
    "power": ("w", "poWer"),
    "latency": ("l", "Latency"),
    "settings": ("c", "Config"),
    "boots": ("b", "Boots"),
}
"""What is shown below the timeline: key and name."""
_LOW: Final = 20
"""Lines below which a finding's explanation does not fit with its advice."""
_ROOMY: Final = 30
"""Lines of a screen on which the timeline says all the time what is under its cursor."""
_HIGH, _PLOT = 36, 11
"""Lines of a screen that has room for a plot below every list, and lines of that."""
_MOST_OF_THE_SCREEN: Final = 0.45
"""The timeline may have so much of the height."""


class SectionBar(Widget):
    """Names of the sections with their keys; a click goes there."""

    DEFAULT_CLASSES = "bar"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"section--key", "section--here", "section--none"}

    def __init__(self) -> None:
        super().__init__()
        self.here = "findings"
        self.counts: dict[str, int] = {}

    def render_line(self, y: int) -> Strip:
        """One line."""
        parts: list[Part] = []
        narrow = self.size.width < 90
        for name, (key, title) in SECTIONS.items():
            count = self.counts.get(name)
            number = f" {count}" if count is not None else ""
            style = "here" if name == self.here else "none"
            action = f"screen.show_section('{name}')"
            shown = (
                title.capitalize()
                if not narrow
                else {"transactions": "Trans.", "findings": "Findings"}.get(name, title.capitalize())
            )
            parts += [Part(f" {key}", "key", action=action), Part(f" {shown}{number} ", style, action=action)]
        return line_of(self, "section", parts, self.size.width)


class ChargerRows(LineList):
    """The list of a section; left and right lead to the sections beside it."""

    BINDINGS: ClassVar = [
        bind("charger.section-left", "left", "screen.beside(-1)", "Section left", "The section before.", show=False),
        bind("charger.section-right", "right", "screen.beside(1)", "Section right", "The next section.", show=False),
    ]


class ChargerScreen(FieldScreen):
    """On top of the list of chargers; Esc leads back."""

    TITLE = "Charger"
    CSS_PATH = [STYLES / "chargers.tcss", STYLES / "charger.tcss"]  # noqa: RUF012
    HELP = (
        "One charger. Above, its course over time: Tab goes there, and back to the list below. The list has sections:"
        " findings with what to do, transactions (Enter: the power curve), power and meter, how long answers take, its"
        " configuration as far as it was seen (secrets hidden), boots. Enter on a finding shows its evidence."
    )
    BINDINGS: ClassVar = [
        bind("charger.back", "escape,backspace", "leave", "Back", "Back to the list of chargers."),
        bind("charger.open", "enter", "open", "Show", "The evidence of a finding, the curve of a transaction …."),
        bind("charger.other-part", "tab", "other_part", "Timeline", "To the timeline, and back to the list."),
        *(
            bind(f"charger.{id_}", key, f"show_section('{id_}')", name, f"Show the section {name.lower()}.", show=False)
            for id_, (key, name) in SECTIONS.items()
        ),
        bind("charger.traffic", "o", "traffic", "Only its traffic", "The traffic of this charger alone."),
        bind("charger.compare", "v", "compare", "Versus", "Compare with another capture of this charger."),
    ]  # fmt: skip

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.section = "findings"
        self._facts: Facts | None = None
        self._findings: list[Collected] = []
        self._transactions: list[Transaction] = []
        self._latencies: list[Percentiles] = []
        self._boots: list[Boot] = []

    def compose_body(self) -> ComposeResult:
        """Who it is, its timeline, the sections."""
        yield Static("", id="charger-title", markup=False)
        yield Static("", id="charger-state", markup=False)
        yield Timeline(id="charger-timeline")
        yield SectionBar()
        yield LineHeader(self._header, id="charger-header")
        yield ChargerRows(id="charger-rows")
        yield PlotView(id="charger-plot")
        yield Static("", id="charger-note", markup=False)

    # ------------------------------------------------------------------------------------------------------- content

    @property
    def rows(self) -> ChargerRows:
        """The list of the section."""
        return self.query_one(ChargerRows)

    @property
    def look(self) -> tables.Look:
        """How things are said."""
        settings = self.fieldkit.settings
        return tables.Look(self.glyphs, settings.utc, settings.show_ids)

    def refresh_view(self) -> None:
        """What has come."""
        engine = self.engine
        timeline = self.query_one(Timeline)
        with engine.lock:
            session, found = engine.session, engine.findings
            facts = self._facts = one(session, found, self.key, running=engine.state.running, now=self.now)
            timeline.show(course(facts, session.picture, found, now=self.now))
            self._findings = tables.findings_of(facts, found)
            self._transactions = tables.transactions_of(facts)
            self._latencies = tables.latencies_of(facts)
            self._boots = tables.boots_of(facts)
            drawn = plots(facts.station) if facts.station is not None and self._plot_in_sight else []
            table = self._table(facts, session.picture.time)
        self._show_title(facts)
        plot = self.query_one(PlotView)
        plot.show(drawn)
        plot.display = self.section == "power" or (self._plot_in_sight and bool(drawn))
        plot.styles.height = "1fr" if self.section == "power" else _PLOT
        self._fit()
        bar = self.query_one(SectionBar)
        bar.here = self.section
        settings = len(facts.station.about.settings) if facts.station is not None else 0
        bar.counts = {"findings": len(self._findings), "transactions": len(self._transactions), "settings": settings,
                      "boots": facts.station.about.boot_count if facts.station is not None else 0}  # fmt: skip
        bar.refresh()
        header = self.query_one("#charger-header", LineHeader)
        header.display = table is not None and table.header is not None
        header.refresh()
        if table is not None:
            self.rows.empty = table.empty
            self.rows.set_rows(table.keys, table.draw)
        self._show_note()

    @property
    def _plot_in_sight(self) -> bool:
        """On high screens the curve of power is below every section."""
        return self.section == "power" or self.size.height >= _HIGH

    def _fit(self) -> None:
        """The timeline has the height that it needs, within bounds."""
        timeline = self.query_one(Timeline)
        timeline.roomy = self.size.height >= _ROOMY
        most = max(int(self.size.height * _MOST_OF_THE_SCREEN), 7)
        timeline.styles.height = min(timeline.wanted_height, most)
        timeline.refresh()

    def on_timeline_grown(self) -> None:
        """It has the focus, or has lost it."""
        self._fit()

    def on_resize(self) -> None:
        """Another height."""
        if self._facts is not None and self.is_current:
            self.refresh_view()

    def _table(self, facts: Facts, now: int) -> tables.Table | None:
        look = self.look
        match self.section:
            case "findings":
                table = tables.findings(self._findings, look)
            case "transactions":
                table = tables.transactions(self._transactions, min(now, facts.until), look)
            case "latency":
                table = tables.latencies(self._latencies, look)
            case "settings":
                table = tables.settings(tables.settings_of(facts, look), look)
            case "boots":
                table = tables.boots(self._boots, look)
            case _:
                self._draw_header = None
                return None
        self._draw_header = table.header
        return table

    _draw_header: Callable[[int], list[Cell]] | None = None

    def _header(self, width: int) -> list[Cell]:
        draw = self._draw_header
        return draw(width) if draw is not None else []

    def _show_title(self, facts: Facts) -> None:
        station = facts.station
        parts = [facts.name if not facts.key.startswith(NAMELESS) else f"{facts.name} (its name was not seen)"]
        if station is not None:
            about = station.about
            made = f"{about.vendor} {about.model}".strip()
            parts += [terminal(made, 50), f"firmware {terminal(about.firmware, 24)}" if about.firmware else ""]
            if station.versions:
                parts.append(f"OCPP {terminal('/'.join(station.versions), 20)}")
            offset = station.clock.offset
            if offset is not None and abs(offset) >= 2_000_000_000:
                parts.append(f"its clock is {shift(offset)} off")
        title = "   ".join(filter(None, parts))
        self.query_one("#charger-title", Static).update(Content(self.glyphs.text(f" {title}")))
        status = self.glyphs.status(facts.level, facts.word)
        state = self.query_one("#charger-state", Static)
        state.update(Content(self.glyphs.text(f" {status}  {facts.why}")))
        state.set_classes(f"level-{facts.level}")

    def _show_note(self) -> None:
        note = self.query_one("#charger-note", Static)
        lines: list[str] = []
        position = self.rows.position
        if self.section == "findings" and position < len(self._findings):
            lines = tables.finding_words(self._findings[position], self.look)
            if self.size.height < _LOW:
                lines.reverse()  # what to do is what must not be cut off
        note.display = bool(lines)
        note.update(Content(self.glyphs.text("\n".join(lines))))

    def on_line_list_selected(self, event: LineList.Selected) -> None:
        """Say more of it."""
        self._show_note()

    # ------------------------------------------------------------------------------------------------------- actions

    def action_show_section(self, name: str) -> None:
        """Another section."""
        self.section = name
        power = name == "power"
        self.rows.display = not power
        self.rows.position = 0
        self.rows.scroll_to(y=0, animate=False, immediate=True)
        self.refresh_view()
        (self.query_one(PlotView) if power else self.rows).focus()

    def action_beside(self, step: int) -> None:
        """The section before or after."""
        names = list(SECTIONS)
        self.action_show_section(names[(names.index(self.section) + step) % len(names)])

    def action_other_part(self) -> None:
        """The timeline, or what is below it."""
        timeline = self.query_one(Timeline)
        if timeline.has_focus:
            (self.query_one(PlotView) if self.section == "power" else self.rows).focus()
        else:
            timeline.focus()

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_open(self) -> None:
        """What the row under the cursor leads to."""
        facts, position = self._facts, self.rows.position
        if facts is None:
            return
        if self.section == "findings" and position < len(self._findings):
            finding = self._findings[position]
            events = [*finding.evidence, *finding.latest]
            with self.engine.lock:
                rows = (row_of(self.engine, facts, event.time, event) for event in events)
                number = next((row for row in rows if row is not None), None)
            self._show_row(number)
        elif self.section == "transactions" and position < len(self._transactions):
            from fieldkit.tui.screens.curve import CurveScreen

            self.fieldkit.push_screen(CurveScreen(self.key, self._transactions[position]))
        elif self.section == "latency" and position < len(self._latencies):
            slow = self._latencies[position]
            least = max(slow.p90, 1) // 1_000_000
            if any(sign in facts.key + slow.action for sign in '"\\'):
                self.action_traffic()  # no filter can spell these
            else:
                self.fieldkit.show_filter(
                    f'latency >= {least}ms and action = "{slow.action}" and station = "{facts.key}"'
                )
        elif self.section == "boots" and position < len(self._boots):
            boot = self._boots[position]
            with self.engine.lock:
                number = row_of(self.engine, facts, boot.time, boot.call)
            self._show_row(number)

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        self.action_open()

    def on_timeline_jump(self, event: Timeline.Jump) -> None:
        """To the message."""
        if self._facts is not None:
            with self.engine.lock:
                number = row_of(self.engine, self._facts, event.moment, event.event)
            self._show_row(number)

    def on_plot_view_jump(self, event: PlotView.Jump) -> None:
        """To the message that told the value."""
        if self._facts is not None:
            with self.engine.lock:
                number = meter_row(self.engine, self._facts, event.moment, "")
            self._show_row(number)

    def _show_row(self, number: int | None) -> None:
        if number is None:
            self.fieldkit.say("its message is not kept any more")
        else:
            self.fieldkit.show_row(number)

    def action_traffic(self) -> None:
        """Its traffic alone."""
        if self._facts is None:
            return
        if self._facts.station is not None or not self._facts.links:
            self.fieldkit.show_only(Scope(station=self.key))
        else:
            link = self._facts.links[-1]
            self.fieldkit.show_only(Scope(connection=link.connection.number, station=link.station))

    def action_compare(self) -> None:
        """Beside another capture."""
        from fieldkit.tui.screens.comparewith import CompareWithScreen

        self.fieldkit.push_screen(CompareWithScreen(self.key))
