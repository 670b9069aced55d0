"""Two keys to anywhere: ``x`` puts a letter on everything that can be touched, and the letter touches it.

For gloves, and for terminals without a mouse: lines of lists, names of keys in the last line, buttons, whatever takes
the focus. What a letter does is exactly what a click on that place does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static

from fieldkit.tui.frame import FieldDialog
from fieldkit.tui.screens import styles_of
from fieldkit.tui.widgets.keyline import KeyLine

_LETTERS: Final = "asdfghjkleiruwotycvbnmpqxz"
"""In the order in which they are given: those under the fingers first."""
_MOST: Final = len(_LETTERS) * (len(_LETTERS) - 1)


class Target(NamedTuple):
    """A place that can be touched."""

    widget: Widget
    place: Offset
    """On the screen."""
    action: str = ""
    """What a click there does, if it is more than what the widget does with a click."""


def labels(number: int) -> list[str]:
    """So many different ones of one letter, or of two where there are not enough; none begins like another one."""
    if number <= len(_LETTERS):
        return list(_LETTERS[:number])
    # The last letters begin labels of two: as few of them as will do, so that most need one key.
    begins = 1
    while (len(_LETTERS) - begins) + begins * len(_LETTERS) < number:
        begins += 1
    single = len(_LETTERS) - begins
    double = [first + second for first in _LETTERS[single:] for second in _LETTERS]
    return [*_LETTERS[:single], *double][:number]


class JumpScreen(FieldDialog):
    """Stands above the screen it was made for, which is seen through it."""

    CSS_PATH: ClassVar = styles_of("jump")
    HELP = "Press a letter to touch what it stands on; Esc leaves."
    BINDINGS: ClassVar = [("escape", "leave", "Back")]
    AUTO_FOCUS = ""

    def __init__(self, below: Screen[Any], targets: Sequence[Target]) -> None:
        super().__init__()
        self._below = below
        self._labels = dict(zip(labels(len(targets)), targets, strict=False))
        self._typed = ""

    @classmethod
    def targets_of(cls, screen: Screen[Any]) -> list[Target]:
        """What can be touched on a screen, from the top down."""
        found: list[Target] = []
        for widget in screen.walk_children(Widget):
            region = widget.region
            if not widget.is_on_screen or not region.area or widget.disabled:
                continue
            if isinstance(widget, KeyLine):
                found += _clickable(widget)
            elif isinstance(widget, OptionList) or (isinstance(widget, ScrollView) and widget.can_focus):
                found += _lines(widget)
            elif isinstance(widget, Button | Input) or (widget.can_focus and not widget.is_scrollable):
                found.append(Target(widget, region.offset))
        return sorted(found, key=lambda target: (target.place.y, target.place.x))[:_MOST]

    def compose(self) -> ComposeResult:
        """The letters."""
        for label, target in self._labels.items():
            sign = Static(label.upper(), classes="jump-label", markup=False)
            sign.styles.offset = (target.place.x, target.place.y)
            sign.styles.width = len(label)
            yield sign

    def on_key(self, event: events.Key) -> None:
        """A letter."""
        if event.key == "escape":
            return
        event.stop()
        self._typed += (event.character or "").lower()
        target = self._labels.get(self._typed)
        if target is not None:
            self.dismiss(None)
            self.app.call_after_refresh(touch, target)
        elif not any(label.startswith(self._typed) for label in self._labels):
            self.dismiss(None)
        else:
            for sign, label in zip(self.query(".jump-label"), self._labels, strict=False):
                sign.display = label.startswith(self._typed)

    def on_click(self, event: events.Click) -> None:
        """Who has a mouse needs no letters."""
        self.dismiss(None)


def touch(target: Target) -> None:
    """Do what a click there does."""
    widget = target.widget
    if not widget.is_attached:
        return
    app = widget.app
    if target.action:
        app.call_later(app.run_action, target.action, widget)
        return
    if widget.can_focus:
        widget.focus()
    x, y = target.place
    for kind in (events.MouseDown, events.MouseUp, events.Click):
        # As the driver does: the screen finds the widget and translates the place.
        widget.screen._forward_event(kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y))


def _lines(widget: ScrollView) -> list[Target]:
    """Each line in sight that says something."""
    region = widget.content_region if isinstance(widget, OptionList) else widget.region
    lines = widget.screen._compositor.render_strips()
    found = []
    for y in range(region.y, min(region.bottom, len(lines))):
        text = lines[y].text
        if text[region.x : region.right].strip(" ─│▁▂▃▄▅▆▇█"):
            found.append(Target(widget, Offset(region.x, y)))
    return found


def _clickable(widget: Widget) -> list[Target]:
    """The pieces of its lines that a click does something on."""
    found: list[Target] = []
    for y in range(widget.size.height):
        x, before = 0, ""
        for segment in widget.render_line(y):
            action = str((segment.style.meta if segment.style is not None else {}).get("@click", ""))
            if action and action != before:
                found.append(Target(widget, Offset(widget.region.x + x, widget.region.y + y), action))
            before = action
            x += segment.cell_length
    return found
