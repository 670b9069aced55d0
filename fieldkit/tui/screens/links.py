"""Uplinks and outages: who carried what when, who lost the connection, and whose time passed."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from fieldkit.checks.collector import Collected
from fieldkit.history import Scope
from fieldkit.links.uplink import Uplink
from fieldkit.reports import outagewords
from fieldkit.safetext import terminal
from fieldkit.tui.facts import one
from fieldkit.tui.findingwords import SHORT_OWNERS
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part
from fieldkit.tui.linkcourse import LinkCourse, Row, findings_of, link_course, name_of
from fieldkit.tui.linkwords import Said, anatomy, uplink_lines
from fieldkit.tui.nearby import row_of
from fieldkit.tui.routers import router_of
from fieldkit.tui.screens import styles_of
from fieldkit.tui.widgets.linktimeline import LinkTimeline
from fieldkit.tui.widgets.pages import PageLine, TextPage, plain
from fieldkit.tui.widgets.rows import RowList
from fieldkit.tui.widgets.timeline import Timeline
from fieldkit.tui.words import clock

_ROOMY: Final = 30
"""Lines of a screen on which the anatomy can be read below the list; on smaller ones it takes the list's place."""
_MIDDLE: Final = 20
"""Lines of one on which its beginning can be seen there."""
_FRAME: Final = 4
"""Lines for status, title and keys."""
_MOST_OF_THE_SCREEN: Final = 0.5
"""The bands may have so much of the height."""
_PAUSE: Final = 1.0
"""Seconds between two looks at what routers say."""


class LinksScreen(FieldScreen):
    """Bands above, outages below; Enter takes one apart."""

    TITLE = "Links"
    HELP = (
        "Uplinks of the site over its chargers, on one axis of time, and the outages below. Enter on an outage tells it"
        " step by step: when the path was lost, who noticed when, what each step back took, and whose time that was."
        " Tab goes between bands, list and text; in the text Enter follows a line to the traffic, the finding, the"
        " charger. Uplinks are drawn when a router says how they are: fieldkit watch SOURCE --router ssh://root@ROUTER,"
        " --router FILE with what it told, or u when the source is captured on a router over ssh."
    )
    CSS_PATH: ClassVar = styles_of("rows", "charger", "links")
    BINDINGS: ClassVar = [
        bind("links.part", "tab", "part(1)", "Bands", "From the bands to the list, the text, and back."),
        bind("links.messages", "c", "messages", "Messages", "The traffic of the connection that was lost."),
        bind("links.charger", "d", "charger", "Charger", "Everything about the charger of this outage."),
        bind("links.finding", "f", "finding", "Finding", "What is to be done about it, and by whom."),
        bind("links.ask", "u", "ask", "Uplinks", "Ask the router that is captured on about its uplinks."),
        bind("links.back", "escape", "back", "List", "Back to the list.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.shown = LinkCourse.empty()
        self._uplinks: list[Uplink] = []
        self._findings: list[Collected] = []
        self._reading = False
        self._drawn = -1
        self._looked = 0.0
        self._waits = False
        """Something has come that is not drawn yet."""

    def compose_body(self) -> ComposeResult:
        """Title, bands, list, text."""
        yield Static("", id="links-title", classes="bar", markup=False)
        yield LinkTimeline(id="links-timeline")
        with Container(id="links-body"):
            yield RowList(id="links-list")
            yield TextPage(id="links-page")

    def on_mount(self) -> None:
        """What routers say comes without any traffic."""
        self.set_interval(_PAUSE, self._heard)

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one("#links-list", RowList)

    @property
    def page(self) -> TextPage:
        """The text."""
        return self.query_one("#links-page", TextPage)

    @property
    def bands(self) -> LinkTimeline:
        """The drawing."""
        return self.query_one("#links-timeline", LinkTimeline)

    @property
    def row(self) -> Row | None:
        """The outage that is looked at."""
        return next((row for row in self.shown.rows if row.key == self.rows.chosen), None)

    # ----------------------------------------------------------------------------------------------------- refreshing

    def _heard(self) -> None:
        engine = self.fieldkit.engine
        seen = self.is_current and engine is not None and engine.ready
        if seen and (self._waits or self.engine.routers.version != self._drawn):
            self._look()

    def refresh_view(self) -> None:
        """What has come; once a second while more does, as it is made of everything there is."""
        self._waits = self.engine.state.running and time.monotonic() < self._looked + _PAUSE
        if not self._waits:
            self._look()

    def _look(self) -> None:
        engine = self.engine
        self._waits, self._looked = False, time.monotonic()
        self._drawn = engine.routers.version
        with engine.lock:
            picture = engine.session.picture
            until = max(self.now, picture.time)
            lanes, marks, self._uplinks = engine.routers.drawn(until)
            self._findings = engine.findings
            self.shown = link_course(picture, engine.findings, (lanes, marks), now=self.now)
        bands = self.bands
        bands.uplinks = self.shown.uplinks
        bands.show(self.shown.course)
        rows = self.rows
        rows.empty = self._nothing()
        rows.show([row.key for row in reversed(self.shown.rows)], self._line)
        self._show_title()
        self._show_page()
        self._fit()

    def _fit(self) -> None:
        """The bands have the height that they need, within bounds; the text has its place where there is room."""
        bands, high = self.bands, self.size.height >= _ROOMY
        bands.roomy = high
        height = min(bands.wanted_height, max(int(self.size.height * _MOST_OF_THE_SCREEN), 7))
        bands.styles.height = height
        bands.refresh()
        body = self.query_one("#links-body")
        room = self.size.height - _FRAME - height
        both = self.size.height >= _MIDDLE
        body.set_class(both and not (self._reading and not high), "-both")
        body.set_class(self._reading and not high, "-reading")
        self.rows.styles.height = min(max(len(self.shown.rows), 1), max(room * 2 // 5, 3)) if both else "1fr"

    def on_timeline_grown(self) -> None:
        """It has the focus, or has lost it."""
        self._fit()

    def on_resize(self) -> None:
        """Another height."""
        if self.is_current and self.fieldkit.engine is not None and self.engine.ready:
            self._fit()

    def _show_title(self) -> None:
        shown, routers = self.shown, self.engine.routers
        lasting = sum(not row.outage.over for row in shown.rows)
        number = len(shown.rows)
        parts = [f"{number} outage{'s' * (number != 1)}" if number else "no outage"]
        if lasting:
            parts.append(f"{lasting} not over")
        parts.append(f"{shown.chargers} charger{'s' * (shown.chargers != 1)}")
        if shown.left_out:
            parts.append(f"{shown.left_out} more not drawn")
        parts += [f"router {terminal(router.name, 60)} {router.state}" for router in routers.asked]
        if not routers.asked and not shown.uplinks:
            parts.append("uplinks: not asked")
        level = "warn" if any(not router.well for router in routers.asked) else ""
        title = self.query_one("#links-title", Static)
        title.update(Content(self.glyphs.text(f" {', '.join(parts)}")))
        title.set_class(level == "warn", "level-warn")

    def _nothing(self) -> str:
        if self.shown.chargers:
            return "No outage: no charger lost its connection, as far as it was seen."
        if self._encrypted():
            return "No outage can be told: the connections are encrypted."
        if self.engine.state.running:
            return "No charger has connected to its CSMS yet."
        return "No charger was connected to a CSMS here."

    def _encrypted(self) -> bool:
        return any(link.tls is not None for link in self.engine.session.picture.links.all.values())

    def _line(self, key: Hashable, width: int) -> list[Part]:
        row = next((row for row in self.shown.rows if row.key == key), None)
        if row is None:
            return []
        outage, glyphs = row.outage, self.glyphs
        word = {"fail": "AWAY", "warn": "OUTAGE", "info": "CHANGE"}.get(row.level, "")
        status = glyphs.status(row.level, word)
        name = name_of(row.station, row.inside, self.shown.several)
        wide = width >= 100
        sure = outagewords.sure(outage.confidence) if wide else f"{outage.confidence * 100:.0f}%"
        owner = SHORT_OWNERS[row.owner_id]
        right = f" {row.lasted:>8}  {sure:>8}  {owner:<8} "
        head = f" {clock(outage.start, utc=self.fieldkit.settings.utc)} "
        return [
            Part(head, "none"),
            Part(f"{status!s:<10}", row.level),
            Part(glyphs.text(f" {name:<{24 if wide else 10}} "), "strong"),
            Part(glyphs.text(row.what), "none"),
            Part(glyphs.text(right if wide else f" {row.lasted:>8} {sure:>4} {owner:<8}"), "none", right=True),
        ]

    # ---------------------------------------------------------------------------------------------------------- text

    def _show_page(self) -> None:
        row = self.row
        utc = self.fieldkit.settings.utc
        said: list[Said] = []
        if row is not None:
            said += anatomy(row, findings_of(row, self._findings), several=self.shown.several, utc=utc)
        if self._uplinks:
            said += [Said("Uplinks now" if self.engine.state.running else "Uplinks at the end", "strong")]
            said += uplink_lines(self._uplinks, max(self.now, self.engine.state.time))
        said += [Said(line, "quiet") for line in self._advice()]
        glyphs = self.glyphs

        def make(width: int) -> list[PageLine]:
            lines: list[PageLine] = []
            for one_ in said:
                lines += plain(glyphs.text(one_.text), width, one_.style, hang=one_.hang, target=one_.target)
            return lines

        self.page.show(self.rows.chosen, make)

    def _advice(self) -> list[str]:
        """How more would be known."""
        found = []
        if not self.shown.chargers and self._encrypted():
            found.append("With the keys of the connections (--keylog FILE) outages are taken apart; docs/link.md.")
        return found + self._advice_on_uplinks()

    def _advice_on_uplinks(self) -> list[str]:
        if self._uplinks or self.engine.routers.asked or self.shown.uplinks:
            return []
        mine = self._own_router()
        if mine:
            return [f"u asks {terminal(mine, 80)} about its uplinks, every 10 s over ssh; nothing on it is changed."]
        if self.engine.feed.live:
            return ["What the router knows of its uplinks comes with: fieldkit watch SOURCE --router ssh://root@ROUTER"]
        return ["What the router told meanwhile comes with: fieldkit watch FILE --router link.jsonl (docs/link.md)"]

    # -------------------------------------------------------------------------------------------------------- messages

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Another outage: the cursor goes to where it begins."""
        row = self.row
        if row is not None:
            self.bands.go(row.outage.start)
        self._show_page()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Its anatomy."""
        self._read()

    def on_timeline_jump(self, event: Timeline.Jump) -> None:
        """The outage at the cursor, or the one nearest to it."""
        rows = self.shown.rows
        if not rows:
            self.fieldkit.say("there is no outage")
            return

        def away(row: Row) -> int:
            return max(row.outage.start - event.moment, event.moment - max(row.outage.end, row.outage.start), 0)

        self.rows.choose(min(rows, key=away).key)
        self._read()

    def on_text_page_opened(self, event: TextPage.Opened) -> None:
        """Where the line leads."""
        kind, value = event.target if isinstance(event.target, tuple) else ("", None)
        row = self.row
        match kind:
            case "row" if row is not None and isinstance(value, int):
                self._show_moment(row, value)
            case "connection" if isinstance(value, int):
                self.fieldkit.show_only(Scope(connection=value))
            case "finding":
                self.fieldkit.show_finding(str(value))
            case "charger":
                self.action_charger()

    def _show_moment(self, row: Row, time: int) -> None:
        engine = self.engine
        with engine.lock:
            facts = one(engine.session, engine.findings, row.station, running=engine.state.running, now=self.now)
            number = row_of(engine, facts, time)
        if number is None:
            self.fieldkit.say("its messages are not kept any more")
        else:
            self.fieldkit.show_row(number)

    # --------------------------------------------------------------------------------------------------------- actions

    def _read(self) -> None:
        if self.row is not None:
            self._reading = True
            self._fit()
            self.page.focus()

    def action_part(self, step: int) -> None:
        """To the next part that can be seen."""
        parts = [part for part in (self.rows, self.bands, self.page) if part.display and part.size.height]
        at = next((place for place, part in enumerate(parts) if part.has_focus), -1)
        if parts:
            parts[(at + step) % len(parts)].focus()

    def action_back(self) -> None:
        """The list again."""
        self._reading = False
        self._fit()
        self.rows.focus()

    def action_messages(self) -> None:
        """Of the connection that was lost."""
        row = self.row
        if row is None or not row.outage.connections:
            self.fieldkit.say("there is no outage")
        else:
            self.fieldkit.show_only(Scope(connection=row.outage.connections[0]))

    def action_charger(self) -> None:
        """Its own screen."""
        row = self.row
        if row is None:
            self.fieldkit.say("there is no outage")
            return
        self.fieldkit.show_charger(row.station)

    def action_finding(self) -> None:
        """The worst that tells of this outage."""
        row = self.row
        found = findings_of(row, self._findings) if row is not None else []
        if found:
            self.fieldkit.show_finding(found[0].kind.id)
        else:
            self.fieldkit.say("no finding tells of it: nobody has to do anything about it, or it is not sure enough")

    def _own_router(self) -> str:
        """The router that is captured on over ssh."""
        return next(filter(None, (router_of(source.name) for source in self.engine.feed.sources)), "")

    def action_ask(self) -> None:
        """After a question: it sends something."""
        from fieldkit.tui.screens.ask import AskScreen

        name = self._own_router()
        if self.engine.routers.asked and (not name or any(one_.name == name for one_ in self.engine.routers.asked)):
            self.fieldkit.say(f"{terminal(self.engine.routers.asked[0].name, 60)} is being asked already")
            return
        if not name or not self.engine.feed.live:
            self.fieldkit.say("name the router: fieldkit watch SOURCE --router ssh://root@ROUTER, or --router FILE")
            return
        shown = terminal(name, 80)

        def answered(yes: object) -> None:
            if yes:
                self.engine.routers.ask(name)
                self.fieldkit.say(f"{shown} is being asked")

        question = f"Ask {shown} about its uplinks, every 10 s over ssh?\nNothing on it is changed."
        self.fieldkit.push_screen(AskScreen(question, "Ask it", "No"), answered)
