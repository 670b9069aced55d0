"""The application: one engine, the places that show it, and what holds for all of them."""

from __future__ import annotations

import os
import time as _time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender

from fieldkit.tui import acts, themes
from fieldkit.tui import glyphs as glyphs_module
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.places import places
from fieldkit.tui.settings import Settings, remember
from fieldkit.tui.widgets.statusline import StatusLine

if TYPE_CHECKING:
    from fieldkit.events import Event
    from fieldkit.history import Scope
    from fieldkit.tui.engine import Engine, State
    from fieldkit.tui.screens.live import LiveScreen

LOCAL_PERIOD: Final = 0.25
SLOW_PERIOD: Final = 1.0
"""Seconds between two pictures: in follow mode each one repaints the list, and over ssh that is 8 kB."""
_NOTICE: Final = 5.0
"""Seconds that a word in the status line stays."""


class _PlainScrollBar(ScrollBarRender):
    """Without the signs that show eighths of a line."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class FieldkitApp(App[int]):
    """fieldkit on a terminal."""

    TITLE = "fieldkit"
    CSS_PATH: ClassVar = [Path(__file__).parent / "styles" / "app.tcss"]
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-tiny"),
        (50, "-narrow"),
        (80, "-normal"),
        (120, "-wide"),
        (180, "-huge"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-flat"),
        (12, "-low"),
        (20, "-middle"),
        (36, "-high"),
    ]

    BINDINGS: ClassVar = [
        *(
            bind(f"go.{place.id}", place.keys, f"go('{place.id}')", place.title, place.help, show=False)
            for place in places()
        ),
        bind("app.help", "question_mark,f12", "help", "Help", "Say what the keys do here.", show=False),
        bind("app.palette", "ctrl+p,colon", "command_palette", "Commands", "Find any command by its name.", show=False),
        bind("app.theme", "s", "next_theme", "Sun", "Change the colours: sun, night, the terminal's own.", show=False),
        bind("app.quit", "ctrl+q,q", "quit_asking", "Quit", "Leave; a recording is kept.", show=False),
        bind("app.pause", "p", "pause", "Pause", "Hold a replay, or let it go on.", show=False),
        bind("app.faster", "plus", "speed(1)", "Faster", "Replay ten times as fast.", show=False),
        bind("app.slower", "minus", "speed(-1)", "Slower", "Replay ten times as slowly.", show=False),
        bind("app.stop", "ctrl+x", "stop", "Stop", "Stop reading or capturing; what has come stays.", show=False),
        *acts.BINDINGS,
    ]

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        settings: Settings | None = None,
        glyphs: glyphs_module.Glyphs | None = None,
        period: float | None = None,
        start_at: str = "",
        port: str = "",
    ) -> None:
        """``engine`` is started by the application; without one it begins at Home. ``period``: seconds between two
        pictures, if not what suits the connection. ``port``: a serial port that the user has named."""
        super().__init__()
        self.engine = engine
        self.settings = settings if settings is not None else Settings()
        self.glyphs = glyphs if glyphs is not None else glyphs_module.chosen()
        self.port = port
        """The Serial screen asks first whether to listen to it, and forgets it here."""
        self.notice = ""
        """A few words in the status line that go away by themselves."""
        self.slow = bool(os.environ.get("SSH_CONNECTION"))
        self.period = period if period is not None else SLOW_PERIOD if self.slow else LOCAL_PERIOD
        self._start_at = start_at or ("serial" if port else "")
        self._drawn: object = None
        self._key_of: dict[str, str] = {}
        for theme in themes.OWN:
            self.register_theme(theme)
        for place in places():
            self.add_mode(place.id, place.make)
        self.set_class(not self.glyphs.unicode, "-ascii")
        ScrollBar.renderer = ScrollBarRender if self.glyphs.unicode else _PlainScrollBar

    # ------------------------------------------------------------------------------------------------------ beginning

    def get_default_screen(self) -> Screen[object]:
        """The screen below all modes, which is seen only until the first mode is there."""
        return Screen(id="_default")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Variables of our own styles, for themes that do not have them."""
        return themes.defaults(self.current_theme)

    def on_mount(self) -> None:
        """Colours, keys, the first screen, and the timer that everything is drawn by."""
        wanted = self.settings.theme or themes.usual(os.environ.get("TERM", ""), os.environ.get("COLORTERM", ""))
        self.theme = wanted if wanted in self.available_themes else themes.NIGHT.name
        self._set_keys()
        if self.engine is not None and self.engine.state.phase == "starting":
            self.engine.start()
        self.switch_mode(self._start_at or ("live" if self.engine is not None else "home"))
        self.set_interval(self.period, self.refresh_front)
        if self.settings.trouble:
            self.notify("\n".join(self.settings.trouble), severity="warning", markup=False)

    def _set_keys(self) -> None:
        """The user's key map; two keys that mean the same thing are told."""
        keys = {str(id_): str(key) for id_, key in self.settings.keys.items()}
        self._key_of = keys
        self.set_keymap(keys)

    def key_of(self, binding: Binding) -> str:
        """The key that a binding has now: the first of its own, or what the user's key map says."""
        return self._key_of.get(binding.id or "", binding.key).split(",")[0]

    def open(self, engine: Engine) -> None:
        """Look at another run: the one so far is put away."""
        old, self.engine = self.engine, engine
        if old is not None:
            old.close()
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if self.current_mode != "home":
            self.switch_mode("home")  # a mode that is in front cannot be taken away
        for place in places():
            if place.needs_engine and place.id in self._screen_stacks:
                self.remove_mode(place.id)
                self.add_mode(place.id, place.make)
        engine.start()
        self.switch_mode("live")

    # -------------------------------------------------------------------------------------------------------- drawing

    @property
    def state(self) -> State | None:
        """How the run stands; None without one."""
        return self.engine.state if self.engine is not None else None

    def refresh_front(self) -> None:
        """Draw what is new on the screens that can be seen. The timer's work."""
        if not self.is_running or not self._screen_stacks.get(self.current_mode):
            return
        engine = self.engine
        seen = self.screen_stack
        for screen in seen:
            for line in screen.query(StatusLine):
                line.update_state()
        if engine is None:
            drawn: object = (self.screen, None)
        else:
            written = acts.written(self)
            drawn = (
                self.screen,
                engine.history.version,
                engine.judged.version,
                engine.state.phase,
                engine.ready,
                written,
            )
        if drawn == self._drawn or not self.screen.is_mounted:
            return  # a screen that is still on its way comes when it is there
        self._drawn = drawn
        for screen in seen:
            refresh: Callable[[], None] | None = getattr(screen, "refresh_view", None)
            if refresh is None or not screen.is_mounted:
                continue
            if engine is None or engine.ready or not isinstance(screen, FieldScreen):
                refresh()

    def say(self, notice: str) -> None:
        """A few words in the status line, for some seconds."""
        self.notice = notice
        self.refresh_front()
        self.set_timer(_NOTICE, lambda: self._unsay(notice))

    def _unsay(self, notice: str) -> None:
        if self.notice == notice:
            self.notice = ""
            self.refresh_front()

    # -------------------------------------------------------------------------------- from one screen to another

    def show_row(self, number: int) -> None:
        """To the traffic, with this row chosen."""
        self._on_live(lambda live: live.show_row(number))

    def show_only(self, scope: Scope) -> None:
        """To the traffic of one conversation."""
        self._on_live(lambda live: live.show_only(scope))

    def show_filter(self, text: str) -> None:
        """To the traffic that passes a filter."""
        self._on_live(lambda live: live.show_filter(text))

    def show_finding(self, id_: str) -> None:
        """To the first finding of a kind."""
        from fieldkit.tui.screens.findings import FindingsScreen

        self.action_go("findings")

        def do() -> None:
            if isinstance(self.screen, FindingsScreen):
                self.screen.show_kind(id_)

        self.call_after_refresh(do)

    def show_charger(self, key: str) -> None:
        """To everything about a charger."""
        from fieldkit.tui.screens.charger import ChargerScreen

        self.action_go("chargers")
        self.call_after_refresh(lambda: self.push_screen(ChargerScreen(key)))

    def show_evidence(self, pieces: Sequence[Event]) -> None:
        """To the first of these that is in the traffic, else to what was there at that time."""
        engine = self.engine
        if engine is None or not engine.ready:
            return
        with engine.lock:
            rows = [engine.judged.row_of(piece) for piece in pieces]
            row = next((row for row in rows if row is not None), None)
            # Pings and what TCP repeats have no line of their own: what passed at that time says as much.
            near = engine.history.at_time(pieces[0].time) if row is None and pieces and pieces[0].time > 0 else None
            if near is not None and near >= engine.history.end:
                near = engine.history.end - 1 if len(engine.history) else None
        if row is not None:
            self.show_row(row)
        elif near is not None:
            self.show_row(near)
            self.say("it has no line of its own: this was at the same time")
        else:
            self.say("there is nothing of it in the traffic")

    def _on_live(self, then: Callable[[LiveScreen], None]) -> None:
        from fieldkit.tui.screens.live import LiveScreen

        self.action_go("live")

        def do() -> None:
            screen = self.screen
            if isinstance(screen, LiveScreen) and screen.is_mounted:
                then(screen)

        self.call_after_refresh(do)

    # -------------------------------------------------------------------------------------------------------- actions

    def action_go(self, place: str) -> None:
        """To a place."""
        known = next((known for known in places() if known.id == place), None)
        if known is None:
            return
        if known.needs_engine and self.engine is None:
            self.say("open a source first")
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(place)

    def action_help(self) -> None:
        """What the keys do here."""
        from fieldkit.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_next_theme(self) -> None:
        """The next of the themes for the field."""
        at = themes.CHOICES.index(self.theme) if self.theme in themes.CHOICES else -1
        self.set_theme_named(themes.CHOICES[(at + 1) % len(themes.CHOICES)])

    def set_theme_named(self, name: str) -> None:
        """Use a theme, now and the next time."""
        self.theme = name
        remember(theme=name)
        self.say(f"colours: {name}")

    def action_pause(self) -> None:
        """Hold a replay, or let it go on."""
        pace = self.engine.pace if self.engine is not None else None
        if pace is None:
            self.say("only a replay can be paused; Space freezes the list")
            return
        pace.set(paused=not pace.paused)
        self.refresh_front()

    def action_speed(self, step: int) -> None:
        """Replay faster or more slowly."""
        from fieldkit.tui.pace import SPEEDS

        pace = self.engine.pace if self.engine is not None else None
        if pace is None:
            self.say("only a replay has a speed")
            return
        at = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - pace.speed))
        pace.set(speed=SPEEDS[max(0, min(at + step, len(SPEEDS) - 1))])
        self.refresh_front()

    def action_stop(self) -> None:
        """Read or capture no more."""
        if self.engine is not None and self.engine.state.running:
            self.ending_capture("End it", self._stop)

    def _stop(self) -> None:
        if self.engine is not None:
            self.engine.stop()
            self.say("stopped; what has come stays")

    def ending_capture(self, words: str, then: Callable[[], None]) -> None:
        """Do what ends a capture, if one runs only when the user means it. ``words``: "End it and leave"."""
        if self.engine is None or self.engine.state.phase != "live":
            then()
            return
        from fieldkit.tui.screens.ask import AskScreen

        where = self.engine.state.recorded
        kept = f"It is saved in {where}." if where is not None else "It is not saved in a file."
        self.push_screen(
            AskScreen(f"A capture is running. {words}?\n{kept}", "End it"), lambda yes: then() if yes else None
        )

    def action_act(self, name: str) -> None:
        """What can be done with a message, wherever one is looked at."""
        acts.act(self, name)

    async def action_quit_asking(self) -> None:
        """Leave; a capture that runs is asked about."""
        self.ending_capture("End it and leave", lambda: self.exit(0))

    def _fatal_error(self) -> None:
        """A defect of ours. Textual would print the values of all variables, and there may be passwords among them."""
        from rich.segment import Segments
        from rich.traceback import Traceback

        self.bell()
        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    def leave_quietly(self) -> None:
        """The terminal is gone: end without asking. Called by a signal handler."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self.exit, 0)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers: places, everything that has a key here, themes."""
        for place in places():
            if not place.needs_engine or self.engine is not None:
                yield SystemCommand(f"Go: {place.title}", place.help, self._doing(f"app.go('{place.id}')"))
        told: set[str] = set()
        for node, binding, enabled, tooltip in screen.active_bindings.values():
            if binding.id is None or binding.id.startswith("go.") or binding.id in told or not enabled:
                continue
            told.add(binding.id)
            name = binding.description or binding.id
            yield SystemCommand(name, tooltip or binding.tooltip, self._doing(binding.action, node))
        for name in (*themes.CHOICES, *sorted(set(self.available_themes) - set(themes.CHOICES))):
            yield SystemCommand(f"Colours: {name}", "Use these colours.", lambda name=name: self.set_theme_named(name))
        yield SystemCommand("Save a picture of the screen", "As SVG, in the current folder.", self._save_picture)

    def _save_picture(self) -> None:
        # Not by Textual's deliver_screenshot: without a path that writes to the folder of downloads, wherever it is.
        path = Path(_time.strftime("fieldkit-%Y%m%d-%H%M%S.svg"))
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(self.export_screenshot())
        except OSError as error:
            self.say(f"the picture is not saved: {error.strerror}")
            return
        self.say(f"saved: {path.resolve()}")

    def _doing(self, action: str, node: object = None) -> Callable[[], None]:
        def do() -> None:
            self.call_later(self.run_action, action, node or self.screen)

        return do


def run(app: FieldkitApp) -> int:
    """Until the user leaves; the exit code."""
    app.run()
    return app.return_value if app.return_value is not None else app.return_code or 0
