"""A replay's controls, for fingers too: speed, pause, a later time; and how a capture that was read becomes one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.keys import bind
from fieldkit.tui.pace import SPEEDS
from fieldkit.tui.screens import styles_of
from fieldkit.tui.words import clock


class ReplayScreen(FieldDialog):
    """Begins one, or changes the one that runs."""

    CSS_PATH: ClassVar = styles_of("acts")
    HELP = (
        "A replay lets the capture happen again, with the times it had: the same messages, the same findings."
        " p holds it, + and - change its speed, @ goes on to a later time."
    )
    BINDINGS: ClassVar = [
        bind("replay.leave", "escape,r", "leave", "Back", "Close this; a replay goes on."),
        *(
            bind(f"replay.speed-{speed}", str(digit), f"speed({speed})", f"x{speed}", f"{speed} times as fast.")
            for digit, speed in enumerate(SPEEDS, 1)
        ),
        bind("replay.pause", "p,space", "pause", "Pause", "Hold it, or let it go on."),
        bind("replay.time", "at,T", "later", "Time", "Go on at a later time."),
    ]  # fmt: skip

    def compose(self) -> ComposeResult:
        """Buttons."""
        running = self._replaying
        with Vertical(classes="act"):
            yield Static("Replay" if running else "Let it happen again", classes="act-title", markup=False)
            yield Static("", id="replay-state")
            with Horizontal():
                for digit, speed in enumerate(SPEEDS, 1):
                    yield Button(
                        f"{digit}: ×{speed}" if self.glyphs.unicode else f"{digit}: x{speed}", name=f"speed {speed}"
                    )
            with Horizontal():
                if running:
                    yield Button("p: pause or go on", name="pause")
                    yield Button("@: later", name="later")
                yield Button("Back", name="leave")

    def on_mount(self) -> None:
        """How it stands."""
        self._tell()
        self.set_interval(self.fieldkit.period, self._tell)

    @property
    def _replaying(self) -> bool:
        return self.engine.pace is not None and self.engine.state.running

    def _tell(self) -> None:
        state, utc = self.engine.state, self.fieldkit.settings.utc
        pace = self.engine.pace
        if pace is None or not state.running:
            begin, end = self.engine.session.begin, state.time
            text = f"From {clock(begin, utc=utc)} to {clock(end, utc=utc)}. How fast?"
            if self.engine.feed.live:
                text = "What happens now cannot be replayed; its recording can, later."
        else:
            how = "held" if pace.paused else "runs"
            text = f"At {clock(state.time, utc=utc)}, it {how} {pace.speed:g} times as fast as it was."
        self.query_one("#replay-state", Static).update(Content(self.glyphs.text(text)))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button."""
        name, _, value = (event.button.name or "").partition(" ")
        if name == "speed":
            self.action_speed(int(value))
        elif name == "pause":
            self.action_pause()
        elif name == "later":
            self.action_later()
        else:
            self.action_leave()

    def action_speed(self, speed: int) -> None:
        """Go on so fast, or begin."""
        pace = self.engine.pace
        if pace is not None and self.engine.state.running:
            pace.set(speed=speed, paused=False)
            self._tell()
            return
        self._begin(speed)

    def _begin(self, speed: int) -> None:
        from fieldkit.sources.file import SourceError
        from fieldkit.tui.again import again

        app = self.fieldkit
        try:
            engine = again(self.engine, speed=speed)
        except SourceError as error:
            app.say(str(error))
            return
        if engine is None:
            app.say("only a file can be replayed")
            return
        self.dismiss(None)
        app.call_after_refresh(app.open, engine)

    def action_pause(self) -> None:
        """Hold, or go on."""
        pace = self.engine.pace
        if pace is not None:
            pace.set(paused=not pace.paused)
            self._tell()

    def action_later(self) -> None:
        """To a later time."""
        from fieldkit.tui.screens.gototime import TimeScreen

        app = self.fieldkit
        self.dismiss(None)
        app.call_after_refresh(app.push_screen, TimeScreen(None))
