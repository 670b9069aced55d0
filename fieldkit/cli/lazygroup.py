"""A group of commands, each of which is imported when it is called: ``--help`` must not wait for any of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows the names and one-line descriptions of its commands, and where they are."""

    def __init__(self, *arguments: Any, lines: Mapping[str, str], modules: str, **more: Any) -> None:
        """``lines``: by command what its group's help says of it; ``modules``: the module of a command is named so,
        followed by the command's name without hyphens."""
        super().__init__(*arguments, **more)
        self._lines = lines
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lines:
            return None
        command = import_module(f"{self._modules}{cmd_name.replace('-', '')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))
