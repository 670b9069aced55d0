"""What is wrong, who has to act, what to do, and what shows it; and which answers took longest."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Static

from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import SEVERITIES, Owner, Severity
from fieldkit.events import Event
from fieldkit.reports.plainwords import OWNERS
from fieldkit.reports.sentences import duration
from fieldkit.safetext import terminal
from fieldkit.tui.findingwords import SHORT_OWNERS, evidence_line, evidence_of, told
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.glyphs import LEVELS
from fieldkit.tui.keys import bind
from fieldkit.tui.lines import Part, cut
from fieldkit.tui.marks import key_of, notebook
from fieldkit.tui.screens import styles_of
from fieldkit.tui.slowest import Slowest
from fieldkit.tui.widgets.pages import PageLine, TextPage, named, plain
from fieldkit.tui.widgets.rows import RowList
from fieldkit.tui.words import clock, sentence

_SHOWN: Final[tuple[tuple[Severity, ...], ...]] = (SEVERITIES, ("critical", "warning"), ("critical",))
"""What ``v`` goes round: everything, what is wrong, what is worst."""
_MAX_LINES: Final = 5000


class _FilterInput(Input):
    BINDINGS: ClassVar = [
        bind("findings.leave-filter", "escape,down", "leave", "List", "Back to the list; the filter stays.")
    ]
    HELP = "Words that the finding has to have, in its title, its id, its text or the charger's name."

    def action_leave(self) -> None:
        """Back to the list."""
        self.screen.query_one("#findings-list", RowList).focus()


class FindingsScreen(FieldScreen):
    """The list above (or on the left), everything about the chosen one below (or on the right)."""

    TITLE = "Findings"
    HELP = (
        "What is wrong, the worst first: how bad, who has to act, where. The text says what was seen and what to do."
        " Enter shows in the traffic the message that proves it; Tab goes into the text, to choose another one."
        " t shows the slowest answers instead. Findings that you acknowledge (a) go to the end of the list."
    )
    CSS_PATH: ClassVar = styles_of("rows", "findings")
    BINDINGS: ClassVar = [
        bind("findings.acknowledge", "a", "acknowledge", "Ack", "I know of this finding: to the end of the list."),
        bind("findings.slowest", "t", "slowest", "Slowest", "The answers that took longest, or the findings again."),
        bind("findings.severity", "v", "severity", "Level", "All findings, what is wrong, or the worst alone."),
        bind("findings.station", "o", "only('station')", "Charger", "Only this charger, or all again.", show=False),
        bind("findings.owner", "w", "only('owner')", "Who", "Only what the same side has to mend, or all.", show=False),
        bind("findings.filter", "slash,f", "filter", "Filter", "Only findings with these words."),
        bind("findings.page", "tab", "page", "Text", "From the list into the text, and back.", show=False),
        bind("findings.all", "escape", "all", "All", "Show everything again.", show=False),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.severities = 0
        """Place in ``_SHOWN``."""
        self.station = ""
        self.owner: Owner | None = None
        self.words = ""
        self.slow = False
        """The slowest answers are shown, not the findings."""
        self._by_key: dict[Hashable, Collected] = {}
        self._targets: dict[Hashable, Event] = {}
        self._slowest: Slowest | None = None

    def compose_body(self) -> ComposeResult:
        """Title, filter, list, text."""
        yield Static("", id="findings-title", classes="bar", markup=False)
        yield _FilterInput(placeholder="words to look for", id="findings-filter", select_on_focus=False, compact=True)
        with Container(id="findings-body"):
            yield RowList(id="findings-list")
            yield TextPage(id="findings-page")

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one("#findings-list", RowList)

    @property
    def page(self) -> TextPage:
        """The text."""
        return self.query_one("#findings-page", TextPage)

    @property
    def finding(self) -> Collected | None:
        """The one that is looked at."""
        return None if self.slow else self._by_key.get(self.rows.chosen) if self.rows.chosen is not None else None

    @property
    def limited(self) -> bool:
        """Some findings are not shown."""
        return not self.slow and len(self._by_key) < len(self.engine.findings)

    @property
    def shown(self) -> list[Collected]:
        """Those that are."""
        return list(self._by_key.values())

    def chosen_row(self) -> int | None:
        """The message that is looked at, for marks, copies and exports."""
        return self.rows.chosen if self.slow and isinstance(self.rows.chosen, int) else None

    # ----------------------------------------------------------------------------------------------------- refreshing

    def refresh_view(self) -> None:
        """What has been found since the last time."""
        if self.slow:
            self._show_slowest()
        else:
            self._show_findings()

    def _show_findings(self) -> None:
        book = notebook(self.engine)
        with self.engine.lock:
            book.update()
        found = [finding for finding in self.engine.findings if self._passes(finding)][:_MAX_LINES]
        found.sort(key=lambda finding: book.of(finding).acknowledged)
        self._by_key = {key_of(finding): finding for finding in found}
        rows = self.rows
        rows.empty = self._nothing()
        rows.show(list(self._by_key), self._line)
        self._show_title()
        self._show_page()

    def _nothing(self) -> str:
        if self.engine.findings:
            return "No finding passes the filter; Esc shows all."
        state = self.engine.state
        if state.running:
            return "Nothing is wrong so far."
        return "Nothing is wrong." if state.messages else "There is no OCPP to be judged."

    def _passes(self, finding: Collected) -> bool:
        if finding.severity not in _SHOWN[self.severities]:
            return False
        if self.station and finding.first_seen.station != self.station:
            return False
        if self.owner is not None and finding.owner != self.owner:
            return False
        if not self.words:
            return True
        kind, first = finding.kind, finding.first_seen
        text = f"{kind.id} {kind.title} {first.station} {finding.explanation()} {OWNERS[finding.owner]}".casefold()
        return all(word in text for word in self.words.casefold().split())

    def _show_title(self) -> None:
        glyphs = self.glyphs
        if self.slow:
            count = len(self.rows.keys)
            text = f" The {count} slowest answers.  t: findings" if count else " No answers yet.  t: findings"
            self.query_one("#findings-title", Static).update(Content(glyphs.text(text)))
            return
        counts = dict.fromkeys(SEVERITIES, 0)
        for finding in self.engine.findings:
            counts[finding.severity] += 1
        told_counts = "  ".join(f"{glyphs.of(severity)} {number}" for severity, number in counts.items() if number)
        limits = [
            "" if not self.severities else "only " + "+".join(glyphs.of(one).word for one in _SHOWN[self.severities]),
            f"charger {terminal(self.station, 30)}" if self.station else "",
            f"for: {SHORT_OWNERS[self.owner]}" if self.owner is not None else "",
            f'"{terminal(self.words, 30)}"' if self.words else "",
        ]
        shown = ", ".join(filter(None, limits))
        text = f" {told_counts or 'no findings'}" + (
            f"   shown: {len(self._by_key)} ({shown}), Esc: all" if shown else ""
        )
        self.query_one("#findings-title", Static).update(Content(glyphs.text(text)))

    # ---------------------------------------------------------------------------------------------------------- lines

    def _line(self, key: Hashable, width: int) -> list[Part]:
        finding = self._by_key.get(key)
        if finding is None:
            return []
        glyphs = self.glyphs
        remark = notebook(self.engine).of(finding)
        status = glyphs.of(finding.severity)
        station = terminal(finding.first_seen.station, 20)
        wide = 20 if width >= 100 else 10
        parts = [
            Part(f"{status.sign} {status.word:<4} ", LEVELS[finding.severity]),
            Part(f"{SHORT_OWNERS[finding.owner]:<8} ", "none"),
            Part(f"{cut(station, wide)} ", "none"),
        ]
        if remark.acknowledged:
            parts.append(Part("[known] ", "info"))
        if remark.note:
            parts.append(Part(f"[{terminal(remark.note, 40)}] ", "info"))
        parts.append(Part(finding.kind.title, "quiet" if remark.acknowledged else "none"))
        if finding.count > 1:
            parts.append(Part(f" ×{finding.count}", "strong", right=True))
        return [part._replace(text=glyphs.text(part.text)) for part in parts]

    def _slow_line(self, key: Hashable, width: int) -> list[Part]:
        assert isinstance(key, int)
        with self.engine.lock:
            if not self.engine.history.first <= key < self.engine.history.end:
                return []
            row = self.engine.history.row(key)
        settings = self.fieldkit.settings
        who = "CSMS" if row.sender == "csms" else "charger"
        took = duration(row.latency or 0)
        parts = [
            Part(f"{took:>10} ", "strong"),
            Part(f"{clock(row.time, utc=settings.utc)} ", "none"),
            Part(f"{terminal(row.station, 14):<14} ", "none"),
            Part(f"{terminal(row.action, 30) or '?'}", "none"),
            Part(f"  answered by the {who}" if width >= 70 else f"  by {who}", "quiet"),
            Part("  (an error)" if row.is_error else "", "warn"),
        ]
        return [part._replace(text=self.glyphs.text(part.text)) for part in parts if part.text]

    # ----------------------------------------------------------------------------------------------------------- text

    def _show_page(self) -> None:
        finding = self.finding
        if finding is None:
            self._targets = {}
            self.page.show(None, lambda width: [])
            return
        self._targets = {(place, event.time): event for place, event in enumerate(evidence_of(finding))}
        remark = notebook(self.engine).of(finding)
        about = key_of(finding)
        self.page.show(about, lambda width: self._text(finding, remark.acknowledged, remark.note, width))

    def _text(self, finding: Collected, acknowledged: bool, note: str, width: int) -> list[PageLine]:
        settings, glyphs = self.fieldkit.settings, self.glyphs
        words = told(finding, show_ids=settings.show_ids, utc=settings.utc)
        status = glyphs.of(finding.severity)
        lines = plain(f"{status} {words.title}", width, LEVELS[finding.severity], hang="       ")
        if words.place:
            lines += named("Where", words.place, width)
        lines += plain(words.what, width)
        if words.inferred:
            lines += plain("This is a conclusion, not something that was said.", width, "quiet")
        lines += named("Who has to act", words.owner, width)
        lines += named("What to do", words.advice, width)
        lines += named("Seen", words.often, width)
        if acknowledged:
            lines += plain("You know of it (a: take that back).", width, "info")
        if note:
            lines += named("Your note", note, width, "info")
        lines.append(PageLine((Part("Evidence (Enter shows it in the traffic)", "strong"),)))
        for target, event in self._targets.items():
            line = evidence_line(event, show_ids=settings.show_ids, utc=settings.utc)
            lines += plain(line, width, indent="  ", hang="      ", target=target)
        if words.values:
            lines.append(PageLine((Part("Observed", "strong"),)))
            for name, value in words.values:
                lines += plain(f"{name}: {value}", width, indent="  ", hang="      ")
        lines += named("Reference", words.reference, width, "quiet")
        lines += named("Id", words.id, width, "quiet")
        return [
            PageLine(tuple(part._replace(text=glyphs.text(part.text)) for part in line.parts), line.target)
            for line in lines
        ]

    # ---------------------------------------------------------------------------------------------------- slow answers

    def _show_slowest(self) -> None:
        engine = self.engine
        if self._slowest is None:
            self._slowest = Slowest(engine.history)
        with engine.lock:
            done = self._slowest.update()
            rows = self._slowest.rows
        self.rows.empty = "There are no answers yet." if engine.state.running else "There are no answers."
        self.rows.show(rows, self._slow_line)
        self._show_title()
        self._show_slow_page()
        if not done:
            self.set_timer(0.02, self.refresh_view)

    def _show_slow_page(self) -> None:
        row = self.chosen_row()
        if row is None:
            self.page.show(None, lambda width: [])
            return
        engine, glyphs, settings = self.engine, self.glyphs, self.fieldkit.settings
        with engine.lock:
            if not engine.history.first <= row < engine.history.end:
                return
            answer = engine.history.message(row)
            found = engine.judged.findings_of(row)
            entry = engine.history.row(row)
        text = glyphs.text(sentence(answer, show_ids=settings.show_ids))
        side = "CSMS" if entry.sender == "csms" else "charger"
        self._targets = {}

        def make(width: int) -> list[PageLine]:
            lines = plain(text, width, "strong")
            if answer.call is not None:
                lines += named("Asked", clock(answer.call.time, utc=settings.utc, millis=True), width)
            lines += named("Answered", f"{clock(answer.time, utc=settings.utc, millis=True)} by the {side}", width)
            for finding in found[:5]:
                words = f"{glyphs.of(finding.severity)} {glyphs.text(finding.kind.title)} ({finding.kind.id})"
                lines += plain(words, width, LEVELS[finding.severity], hang="       ")
            return [*lines, *plain("Enter shows it in the traffic.", width, "quiet")]

        self.page.show(row, make)

    # -------------------------------------------------------------------------------------------------------- messages

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Another line: its text."""
        if self.slow:
            self._show_slow_page()
        else:
            self._show_page()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """The first piece of evidence that is in the traffic, there."""
        if self.slow:
            if isinstance(event.key, int):
                self.fieldkit.show_row(event.key)
            return
        finding = self._by_key.get(event.key)
        if finding is not None:
            self.fieldkit.show_evidence(evidence_of(finding))

    def on_text_page_opened(self, event: TextPage.Opened) -> None:
        """One piece of evidence, in the traffic."""
        piece = self._targets.get(event.target)
        if piece is not None:
            self.fieldkit.show_evidence([piece])

    def on_input_changed(self, event: Input.Changed) -> None:
        """Words to look for."""
        self.words = event.value
        self.refresh_view()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the list."""
        self.rows.focus()

    # --------------------------------------------------------------------------------------------------------- actions

    def action_acknowledge(self) -> None:
        """Known, or not any more."""
        finding = self.finding
        if finding is None:
            self.fieldkit.say("choose a finding first")
            return
        book = notebook(self.engine)
        known = not book.of(finding).acknowledged
        keys = self.rows.keys
        place = self.rows.position
        book.acknowledge(finding, known)
        if known and place + 1 < len(keys):
            # It goes to the end of the list: what came next is what one goes on with.
            self.rows.choose(keys[place + 1])
        self.refresh_view()
        self.fieldkit.say("known: it stands at the end of the list" if known else "not known any more")

    def show_kind(self, id_: str) -> None:
        """Look at the first finding of this kind. For other screens."""
        self.slow = False
        self.action_all()
        key = next((key for key, finding in self._by_key.items() if finding.kind.id == id_), None)
        if key is not None:
            self.rows.choose(key)
        self.rows.focus()

    def note_on(self) -> Collected | None:
        """What ``m`` writes a note on, here."""
        return self.finding

    def action_slowest(self) -> None:
        """The other list."""
        self.slow = not self.slow
        self.rows.chosen = None
        self.rows.show([], self._line)
        self.rows.show([], self._slow_line if self.slow else self._line)
        self.refresh_view()
        self.rows.focus()

    def action_severity(self) -> None:
        """More or fewer."""
        self.severities = (self.severities + 1) % len(_SHOWN)
        self.refresh_view()

    def action_only(self, what: str) -> None:
        """Of the same charger, or for the same side; all when it is so already."""
        finding = self.finding
        if what == "station":
            self.station = finding.first_seen.station if finding is not None and not self.station else ""
        else:
            self.owner = finding.owner if finding is not None and self.owner is None else None
        self.refresh_view()

    def action_filter(self) -> None:
        """To the words."""
        self.add_class("-filtering")
        self.query_one("#findings-filter", Input).focus()

    def action_page(self) -> None:
        """Into the text, and back."""
        (self.rows if self.page.has_focus else self.page).focus()

    def action_all(self) -> None:
        """No limits any more."""
        if self.page.has_focus:
            self.rows.focus()
            return
        self.severities, self.station, self.owner = 0, "", None
        self.remove_class("-filtering")
        self.query_one("#findings-filter", Input).value = ""
        self.refresh_view()
