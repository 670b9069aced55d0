"""A line for a path or an address, which offers what the path may become."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from fieldkit.tui.choices import completions
from fieldkit.tui.keys import bind


class _Paths(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        found = completions(value, 1)
        return found[0] if found else None


class PathInput(Input):
    """Tab takes what is offered, Esc leaves."""

    HELP = "The path of a capture or log, an interface, or an address: ssh://USER@HOST/INTERFACE, tzsp://:37008."
    BINDINGS: ClassVar = [
        bind("path.complete", "tab", "complete", "Complete", "Take the path that is offered.", priority=True),
        bind("path.leave", "escape,down", "leave", "List", "Back to the list."),
    ]

    class Left(Message):
        """The user is done here."""

    def __init__(self, **given: Any) -> None:
        super().__init__(suggester=_Paths(), compact=True, **given)

    def action_complete(self) -> None:
        """The ghost becomes text; on an empty line it leads on to the list."""
        if self._suggestion and self._suggestion != self.value:
            self.value = self._suggestion
            self.cursor_position = len(self.value)
        elif not self.value:
            self.post_message(self.Left())

    def action_leave(self) -> None:
        """Back to the list."""
        self.post_message(self.Left())
