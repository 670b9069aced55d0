"""What is unusual and why, and how the detector that says so stands."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.detect.symptom import SITE, Category
from fieldkit.safetext import terminal
from fieldkit.tui import detectorwords as words
from fieldkit.tui.detectorwords import CATEGORIES, SHORT, Row, Standing
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part, end
from fieldkit.tui.linkwords import Said
from fieldkit.tui.screens import styles_of
from fieldkit.tui.screens.unhurried import UnhurriedScreen
from fieldkit.tui.widgets.pages import PageLine, TextPage, plain
from fieldkit.tui.widgets.rows import RowList
from fieldkit.tui.words import clock

if TYPE_CHECKING:
    from fieldkit.detect.incident import Incident
    from fieldkit.models.opening import Site

_DRIFT_EVERY: Final = 30.0
"""Seconds between two looks at what has drifted, which takes days and is not cheap to tell."""
_MIDDLE: Final = 20
"""Lines of a screen on which list and text are seen together."""
_FRAME: Final = 4
"""Lines for status, title and keys."""
_ROOMY: Final = 72
"""Columns of a list that says of each incident how sure it is and how long it lasted; the text says so anyway."""
_TIGHT: Final = 58
"""Columns below which it does not say of which kind it is."""
_SHOWN: Final[tuple[tuple[str, Callable[[Row], bool]], ...]] = (
    ("", lambda row: True),
    ("not the harmless", lambda row: not row.benign),
    ("open", lambda row: row.open and not row.benign),
)
"""What ``v`` goes round."""
_ORDERS: Final[tuple[tuple[str, Callable[[Row], float]], ...]] = (
    ("newest first", lambda row: -row.raised),
    ("surest first", lambda row: -row.confidence),
    ("longest first", lambda row: -row.lasts),
)
"""What ``t`` goes round."""


class _FilterInput(Input):
    BINDINGS: ClassVar = [
        bind("detector.leave-filter", "escape,down", "leave", "List", "Back to the list; the filter stays.")
    ]
    HELP = "Words that the incident has to have: in its title, its explanation, the charger's name, its category."

    def action_leave(self) -> None:
        """Back to the list."""
        self.screen.query_one("#detector-list", RowList).focus()


class DetectorScreen(UnhurriedScreen):
    """Incidents above, the chosen one below, the detector itself beside it."""

    TITLE = "Detector"
    HELP = (
        "What is unusual at this site: intrusion, fraud, maintenance, connectivity, energy. Each incident is told once,"
        " with what was seen, what would be usual, and what to check next; harmless ones (a power cut, an update) are"
        " named as such. An incident is a hint to look, not a proof. Enter goes into the text; Enter there shows the"
        " evidence in the traffic. d shows how the detector stands: what it looks by, what it has learnt, what it"
        " could not do."
    )
    CSS_PATH: ClassVar = styles_of("rows", "detector")
    BINDINGS: ClassVar = [
        bind("detector.part", "tab", "part", "Text", "From the list to the text, the detector's state, and back."),
        bind("detector.state", "d", "state", "State", "What the detector looks by, has learnt, and could not do."),
        bind("detector.shown", "v", "shown", "Which", "All incidents, without the harmless, or the open ones alone."),
        bind("detector.order", "t", "order", "Order", "The newest, the surest or the longest first.", show=False),
        bind("detector.station", "o", "only('station')", "Charger", "Only this charger, or all again.", show=False),
        bind("detector.category", "w", "only('category')", "Kind", "Only incidents of this kind, or all.", show=False),
        bind("detector.filter", "slash,f", "filter", "Filter", "Only incidents with these words."),
        bind("detector.learn", "R", "learn", "Re-learn", "Learn anew what is usual at a charger; asks first."),
        bind("detector.on", "D", "on", "Switch on", "Read this file again, with the detector."),
        bind("detector.charger", "c", "charger", "Charger", "Everything about the charger.", show=False),
        bind("detector.back", "escape", "back", "List", "Back to the list; show everything again.", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.rank = 0
        """Place in ``_SHOWN``."""
        self.order = 0
        """Place in ``_ORDERS``."""
        self.station = ""
        self.category: Category | None = None
        self.words = ""
        self.standing = Standing()
        self.drift: dict[str, list[str]] = {}
        self._rows: dict[int, Row] = {}
        self._incident: Incident | None = None
        self._print: object = None
        self._drift_at = 0.0

    def compose_body(self) -> ComposeResult:
        """Title, filter, list, text, state."""
        yield Static("", id="detector-title", classes="bar", markup=False)
        yield _FilterInput(placeholder="words to look for", id="detector-filter", select_on_focus=False, compact=True)
        with Container(id="detector-body"):
            yield RowList(id="detector-list")
            with Container(id="detector-texts"):
                yield TextPage(id="detector-page")
                yield TextPage(id="detector-state")

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one("#detector-list", RowList)

    @property
    def page(self) -> TextPage:
        """The text on one incident."""
        return self.query_one("#detector-page", TextPage)

    @property
    def state_page(self) -> TextPage:
        """The text on the detector."""
        return self.query_one("#detector-state", TextPage)

    @property
    def site(self) -> Site | None:
        """The detector; None when it is off."""
        return self.engine.site

    @property
    def row(self) -> Row | None:
        """The incident that is looked at."""
        key = self.rows.chosen
        return self._rows.get(key) if isinstance(key, int) else None

    # ----------------------------------------------------------------------------------------------------- refreshing

    def look(self) -> None:
        """Incidents and standing anew."""
        engine = self.fieldkit.engine
        if engine is None or not engine.ready:
            return  # another source was opened meanwhile
        site = engine.site
        if site is not None:
            with engine.lock:
                seen = words.print_of(site)
                running = engine.state.running
                # While one is open its length grows; when none is, nothing of the list changes by itself.
                if seen != self._print or running:
                    self._rows = words.told(site, site.detector.context.now, self._rows)
                    self._print = seen
                self.standing = words.standing(site)
                if not running or self.looked >= self._drift_at:
                    self.drift = words.drift(site)
                    self._drift_at = self.looked + _DRIFT_EVERY
        self._show()

    def _show(self) -> None:
        fits = [row for row in self._rows.values() if self._passes(row)]
        fits.sort(key=_ORDERS[self.order][1])
        rows = self.rows
        rows.empty = self._nothing()
        rows.show([row.key for row in fits], self._line)
        self._fit()
        self._show_title(len(fits))
        self._show_page()
        self._show_state()

    def _fit(self) -> None:
        """The list has the height that it needs, within bounds; on low screens, where it is alone, all of it."""
        most = max((self.size.height - _FRAME) * 2 // 5, 3)
        self.rows.styles.height = min(max(len(self.rows.keys), 1), most) if self.size.height >= _MIDDLE else "1fr"

    def on_resize(self) -> None:
        """Another height."""
        self._fit()

    def _passes(self, row: Row) -> bool:
        if not _SHOWN[self.rank][1](row):
            return False
        if self.station and row.station != self.station:
            return False
        if self.category is not None and row.category != self.category:
            return False
        text = f"{row.title} {row.family} {CATEGORIES[row.category]} {row.where} {row.text}".casefold()
        return all(word in text for word in self.words.casefold().split())

    def _nothing(self) -> str:
        if self.site is None:
            return self._why_off()
        if self._rows:
            return "No incident passes the filter; Esc shows all."
        state = self.engine.state
        if state.running:
            return "Nothing unusual so far."
        return "Nothing unusual was seen." if self.standing.hours else "No charger was seen: there is nothing to judge."

    def _why_off(self) -> str:
        """In one line, with what to do."""
        failed = next((note for note in self.engine.state.notes if note.startswith("the detector is off")), "")
        if failed:
            return f"{failed[:1].upper()}{failed[1:]}."
        if not self.engine.ready:
            return "It is being loaded."
        return "Off: files are read without the detector. D reads this one again with it (watch FILE --detect)."

    def _show_title(self, shown: int) -> None:
        title = self.query_one("#detector-title", Static)
        if self.site is None:
            title.update(Content(" the detector is off"))
            return
        every = self._rows.values()
        harmless = sum(row.benign for row in every)
        lasting = sum(row.open and not row.benign for row in every)
        number = len(every) - harmless
        head = f"{number} incident{'s' * (number != 1)}" if number else "no incident"
        parts = [f"{head} + {harmless} harmless" if harmless else head]
        parts += [f"{lasting} open"] * (lasting > 0)
        stands = self.standing
        watched = len(stands.hours) + stands.more
        whom = " chargers" if self.size.width >= 100 else ""
        state = [f"{stands.known} of {watched}{whom} known"] * bool(watched)
        state += [f"{stands.frozen} on hold"] * bool(stands.frozen)
        state += [f"{len(stands.notes)} note{'s' * (len(stands.notes) != 1)} (d)"] * bool(stands.notes)
        limits = [
            _SHOWN[self.rank][0],
            terminal(self.station, 30),
            CATEGORIES[self.category] if self.category is not None else "",
            f'"{terminal(self.words, 30)}"' if self.words else "",
        ]
        limited = ", ".join(filter(None, limits))
        text = f" {', '.join(parts)}"
        text += f"   shown: {shown} ({limited}), Esc: all" if limited else ""
        text += f"   {_ORDERS[self.order][0]}" if self.order else ""
        text += f"   {', '.join(state)}" if state else ""
        title.update(Content(self.glyphs.text(text)))

    # ---------------------------------------------------------------------------------------------------------- lines

    def _line(self, key: Hashable, width: int) -> list[Part]:
        row = self._rows.get(key) if isinstance(key, int) else None
        if row is None:
            return []
        wide, roomy = width >= 100, width >= _ROOMY
        status = self.glyphs.status("info" if row.benign else "warn", row.word)
        style = "quiet" if row.benign else "none"
        kind = f"{CATEGORIES[row.category]:<12}" if wide else f"{SHORT[row.category]:<9}"
        sure = words.sure(row.confidence) if wide else f"{row.confidence * 100:.0f}%"
        parts = [
            Part(f" {clock(row.raised, utc=self.fieldkit.settings.utc)} ", style),
            Part(f"{status!s:<8}", "quiet" if row.benign else row.level),
            Part(f"{kind} " if width >= _TIGHT else "", style),
            Part(f"{end(row.where, 20 if wide else 11)} ", style if row.benign else "strong"),
            Part(row.title, style),
        ]
        if roomy:
            last = f" {sure:>9} {row.lasted:>8} " if wide else f" {sure:>4} {row.lasted:>7} "
            parts.append(Part(last, style, right=True))
        return [part._replace(text=self.glyphs.text(part.text)) for part in parts]

    # ----------------------------------------------------------------------------------------------------------- text

    def _show_page(self) -> None:
        row, site, engine = self.row, self.site, self.engine
        self._incident = None
        if row is not None and site is not None:
            with engine.lock:
                self._incident = words.copied(site, row.key)
        settings, said = self.fieldkit.settings, list[Said]()
        if row is not None and self._incident is not None:
            said = words.anatomy(
                row, self._incident, running=engine.state.running, show_ids=settings.show_ids, utc=settings.utc
            )
        self._fill(self.page, row.key if row is not None else None, said)

    def _show_state(self) -> None:
        said = (
            words.standing_lines(self.standing, self.drift, utc=self.fieldkit.settings.utc)
            if self.site is not None
            else []
        )
        self._fill(self.state_page, "state", said)

    def _fill(self, page: TextPage, about: object, said: Sequence[Said]) -> None:
        glyphs = self.glyphs

        def make(width: int) -> list[PageLine]:
            lines: list[PageLine] = []
            for one in said:
                lines += plain(glyphs.text(one.text), width, one.style, hang=one.hang, target=one.target)
            return lines

        page.show(about, make)

    # -------------------------------------------------------------------------------------------------------- messages

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Another incident: its text."""
        self._show_page()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Into its text, which has the screen to itself where that is small."""
        self.remove_class("-state")
        self.add_class("-reading")
        self.page.focus()

    def on_text_page_opened(self, event: TextPage.Opened) -> None:
        """Where the line leads."""
        kind, value = event.target if isinstance(event.target, tuple) else ("", None)
        match kind:
            case "evidence" if self._incident is not None and isinstance(value, int):
                self.fieldkit.show_evidence(self._incident.evidence[value : value + 1])
            case "finding":
                self.fieldkit.show_finding(str(value))
            case "charger" | "station":
                self.fieldkit.show_charger(str(value))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Words to look for."""
        self.words = event.value
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the list."""
        self.rows.focus()

    # --------------------------------------------------------------------------------------------------------- actions

    def action_part(self) -> None:
        """To the next part that can be seen."""
        parts = [part for part in (self.rows, self.page, self.state_page) if part.display and part.size.height]
        at = next((place for place, part in enumerate(parts) if part.has_focus), -1)
        if parts:
            parts[(at + 1) % len(parts)].focus()

    def action_state(self) -> None:
        """To what there is to say of the detector, and back."""
        if self.state_page.has_focus:
            self.action_back()
            return
        self._to_state()

    def _to_state(self) -> None:
        self.remove_class("-reading")
        self.add_class("-state")
        self.state_page.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is on is not switched on."""
        return self.site is None if action == "on" and self.fieldkit.engine is not None else True

    def action_on(self) -> None:
        """The same file once more, and back to here."""
        from fieldkit.sources.file import SourceError
        from fieldkit.tui.again import again
        from fieldkit.tui.engine import usual_detector

        app = self.fieldkit
        try:
            engine = again(self.engine, detector=usual_detector)
        except SourceError as error:
            app.say(str(error))
            return
        if engine is None:
            app.say("this does not come again: open it anew, with --detect")
            return

        def do() -> None:
            app.open(engine)
            app.action_go("detector")

        app.call_after_refresh(do)

    def action_shown(self) -> None:
        """More or fewer."""
        self.rank = (self.rank + 1) % len(_SHOWN)
        self._show()

    def action_order(self) -> None:
        """Another order."""
        self.order = (self.order + 1) % len(_ORDERS)
        self._show()

    def action_only(self, what: str) -> None:
        """Of the same charger, or of the same kind; all when it is so already."""
        row = self.row
        if what == "station":
            self.station = row.station if row is not None and not self.station else ""
        else:
            self.category = row.category if row is not None and self.category is None else None
        self._show()

    def action_filter(self) -> None:
        """To the words."""
        self.add_class("-filtering")
        self.query_one("#detector-filter", Input).focus()

    def action_back(self) -> None:
        """The list; from there, no limits any more."""
        if self.page.has_focus or self.state_page.has_focus:
            self.remove_class("-reading", "-state")
            self.rows.focus()
            return
        self.rank, self.station, self.category = 0, "", None
        self.remove_class("-filtering")
        self.query_one("#detector-filter", Input).value = ""
        self._show()

    def action_charger(self) -> None:
        """Its own screen."""
        name = self._named()
        if name:
            self.fieldkit.show_charger(name)
        else:
            self.fieldkit.say("choose an incident of one charger, or a charger in the detector's state (d)")

    def _named(self) -> str:
        """The charger that is looked at, in the state or in the list; empty for what concerns the site."""
        page = self.state_page
        if page.has_focus and isinstance(page.target, tuple):
            return str(page.target[1])
        row = self.row
        return row.station if row is not None and row.station != SITE else ""

    def action_learn(self) -> None:
        """Forget what is known of a charger, after a question."""
        from fieldkit.tui.screens.ask import AskScreen

        site, name = self.site, self._named()
        shown = terminal(name, 60)
        if site is None or site.calibration is None:
            self.fieldkit.say("nothing is learnt here: the detector, or its statistics, is off")
        elif not name:
            self.fieldkit.say("choose an incident of one charger, or a charger in the detector's state (d)")
        elif not self.engine.state.running:
            self._to_state()
            self.call_after_refresh(self.state_page.action_last)  # the command for runs to come
            self.fieldkit.say("nothing more comes here")
        else:
            question = (
                f"Learn anew what is usual at {shown}?\nThat is right after new firmware, another SIM or another meter."
                " For a day it is measured by what is usual elsewhere. A calibration file stays as it is."
            )
            self.fieldkit.push_screen(AskScreen(question, "Learn it anew", "No"), lambda yes: self._forget(yes, name))

    def _forget(self, yes: object, name: str) -> None:
        site = self.site
        if not yes or site is None or site.calibration is None:
            return
        with self.engine.lock:
            site.calibration.forget(name)
        self.look_now()
        self.fieldkit.say(f"{terminal(name, 60)} is learnt anew")
