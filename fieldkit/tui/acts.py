"""What can be done with a message wherever one is looked at: mark, copy, find, export, replay, jump.

A screen says which message is looked at by a method ``chosen_row() -> int | None``; a screen with the traffic list
need not. ``note_on()`` gives the finding that ``m`` writes on, where that is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fieldkit.tui.keys import bind

if TYPE_CHECKING:
    from textual.screen import Screen

    from fieldkit.checks.collector import Collected
    from fieldkit.tui.app import FieldkitApp

BINDINGS: Final = (
    bind("act.mark", "m", "act('mark')", "Mark", "Mark this message, or write a note on it."),
    bind("act.next-mark", "M", "act('next_mark')", "Next mark", "To the next mark or note.", show=False),
    bind("act.copy", "y", "act('copy')", "Copy", "Copy this message as JSON.", show=False),
    bind("act.export", "e", "act('export')", "Export", "Save a report, the evidence, or what is chosen."),
    bind("act.time", "at,T", "act('time')", "Time", "Go to a time of day."),
    bind("act.find", "l", "act('find')", "Look for", "Look for words or a filter; the rest stays.", show=False),
    bind("act.find-next", "full_stop", "act('find_next')", "Next", "To the next place of it.", show=False),
    bind("act.find-previous", "comma", "act('find_previous')", "Previous", "To the place before.", show=False),
    bind("act.replay", "r", "act('replay')", "Replay", "Let it happen again, at any speed; pause; go on.", show=False),
    bind("act.jump", "x,f11", "act('jump')", "Jump", "Two keys to anywhere: letters appear, press one."),
)  # fmt: skip
"""The application has them, so that they hold on every screen."""


def act(app: FieldkitApp, name: str) -> None:
    """Do one of them."""
    if name == "jump":
        from fieldkit.tui.screens.jump import JumpScreen

        targets = JumpScreen.targets_of(app.screen)
        if targets:
            app.push_screen(JumpScreen(app.screen, targets))
        return
    if app.engine is None or not app.engine.ready:
        app.say("open a source first" if app.engine is None else "nothing has been read yet")
        return
    _ACTS[name](app)


def written(app: FieldkitApp) -> int:
    """Take in marks and notes that the capture brings along; grows whenever there are others."""
    engine = app.engine
    if engine is None or not engine.ready:
        return 0
    from fieldkit.tui.marks import notebook

    book = notebook(engine)
    before = book.version
    with engine.lock:
        book.update()
    if book.version != before:
        _draw_notes(app)
    return book.version


def chosen_row(screen: Screen[object]) -> int | None:
    """The message that is looked at."""
    ask = getattr(screen, "chosen_row", None)
    if ask is not None:
        row = ask()
        return row if isinstance(row, int) else None
    from fieldkit.tui.widgets.traffic import TrafficList

    lists = list(screen.query(TrafficList))
    return lists[0].selected if lists else None


def finding_of(screen: Screen[object]) -> Collected | None:
    """The finding that is looked at."""
    ask = getattr(screen, "note_on", None)
    found: Collected | None = ask() if ask is not None else None
    return found


def _row(app: FieldkitApp) -> int | None:
    """The message that is looked at; a word when there is none."""
    assert app.engine is not None
    row = chosen_row(app.screen)
    history = app.engine.history
    if row is None or not history.first <= row < history.end:
        app.say("choose a message first (1: the traffic)")
        return None
    return row


# ---------------------------------------------------------------------------------------------------------------- acts


def _mark(app: FieldkitApp) -> None:
    from fieldkit.tui.marks import notebook
    from fieldkit.tui.screens.note import NoteScreen
    from fieldkit.tui.words import told

    assert app.engine is not None
    book = notebook(app.engine)
    finding = finding_of(app.screen)
    if finding is not None:
        known = book.of(finding).note
        chosen = finding

        def write_finding(said: object) -> None:
            if said is not None:
                book.note_finding(chosen, str(said))
                app.refresh_front()
                _draw_again(app)

        app.push_screen(NoteScreen(f"Note on: {finding.kind.title}", known, mark=False), write_finding)
        return
    row = _row(app)
    if row is None:
        return
    before = app.engine.history.notes.get(row)
    with app.engine.lock:
        about = told(app.engine.history.event(row))

    def write(said: object) -> None:
        if said is NoteScreen.REMOVE:
            book.forget(row)
        elif said is not None:
            book.note(row, str(said))
            app.say("noted" if said else "marked")
        _draw_again(app)

    app.push_screen(
        NoteScreen("Mark this message", before or "", mark=True, known=before is not None, about=about), write
    )


def _draw_notes(app: FieldkitApp) -> None:
    """What is written is no event: the list would not draw it."""
    from fieldkit.tui.widgets.traffic import TrafficList

    for traffic in app.screen.query(TrafficList):
        traffic.refresh()


def _draw_again(app: FieldkitApp) -> None:
    _draw_notes(app)
    refresh = getattr(app.screen, "refresh_view", None)
    if refresh is not None:
        refresh()


def _next_mark(app: FieldkitApp) -> None:
    assert app.engine is not None
    marks = sorted(row for row in app.engine.history.notes if row >= app.engine.history.first)
    if not marks:
        app.say("nothing is marked: m marks a message")
        return
    here = chosen_row(app.screen)
    later = [row for row in marks if here is not None and row > here]
    app.show_row(later[0] if later else marks[0])


def _copy(app: FieldkitApp) -> None:
    from fieldkit.tui.clipboard import as_json, copied

    assert app.engine is not None
    row = _row(app)
    if row is None:
        return
    with app.engine.lock:
        event = app.engine.history.event(row)
    text = as_json(event, show_ids=app.settings.show_ids)
    app.copy_to_clipboard(text)
    path = copied(text)
    app.say(f"copied; also in {path}" if path is not None else "copied")


def _export(app: FieldkitApp) -> None:
    from fieldkit.tui.screens.export import ExportScreen

    app.push_screen(ExportScreen(app.screen))


def _time(app: FieldkitApp) -> None:
    from fieldkit.tui.screens.gototime import TimeScreen

    app.push_screen(TimeScreen(chosen_row(app.screen)))


def _find(app: FieldkitApp) -> None:
    from fieldkit.tui.screens.search import FindScreen

    app.push_screen(FindScreen())


def _find_on(app: FieldkitApp, step: int) -> None:
    from fieldkit.tui.screens.search import go_on

    go_on(app, step)


def _replay(app: FieldkitApp) -> None:
    from fieldkit.tui.screens.replay import ReplayScreen

    app.push_screen(ReplayScreen())


_ACTS: Final = {
    "mark": _mark,
    "next_mark": _next_mark,
    "copy": _copy,
    "export": _export,
    "time": _time,
    "find": _find,
    "find_next": lambda app: _find_on(app, 1),
    "find_previous": lambda app: _find_on(app, -1),
    "replay": _replay,
}
