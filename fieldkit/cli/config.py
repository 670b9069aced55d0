"""``--config FILE``: options in a file, for machines that run the same command every night.

The file is TOML. A key is the name of a long option without its dashes. What stands at the top is for every command
that has the option, what stands in a table is for the command of that name; the command line overrides both::

    min-profile = 2
    keylog = ["csms.keys"]

    [report]
    fail-on = "warning"

The tables ``[tui]`` and ``[keys]`` are for the screen. File names in it are relative to where the command runs, as on
the command line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

MAX_SIZE: Final = 1 << 20
"""Bytes of a configuration: what is larger is another file, given by mistake."""
FILE: Final = "fieldkit.config"
"""In ``click.Context.meta``: the file that was named."""
_OF_THE_SCREEN: Final = frozenset({"tui", "keys"})
"""Tables for the screen, which `fieldkit watch` reads by itself (``fieldkit.tui.settings``)."""
_COMMAND_LINE_ONLY: Final = frozenset({"help", "version", "config", "list-findings"})


def apply(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Make what the file says the defaults of the command; a callback for ``click.option``."""
    if not value or ctx.resilient_parsing:
        return
    given = _load(value)
    tables = {name: entry for name, entry in given.items() if isinstance(entry, dict)}
    top = {name: entry for name, entry in given.items() if name not in tables}
    own = tables.get(ctx.command.name or "", {})
    options = _options(ctx.command)
    for name in own:
        if name not in options:
            raise click.UsageError(f"{value}: [{ctx.command.name}] has no option {name!r}", ctx)
    for name in [name for name in top if name not in options]:
        if not any(name in _options(command) for command in _commands(ctx)):
            raise click.UsageError(f"{value}: no command has an option {name!r}", ctx)
    for name in tables:
        if name not in _command_names(ctx) and name not in _OF_THE_SCREEN:
            raise click.UsageError(f"{value}: there is no command {name!r} for [{name}]", ctx)
    defaults = {}
    for name, entry in {**top, **own}.items():
        if name in options:
            option = options[name]
            defaults[str(option.name)] = _fitting(value, name, option, entry, ctx)
    ctx.meta[FILE] = value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def _load(name: str) -> dict[str, Any]:
    import tomllib

    try:
        with Path(name).open("rb") as file:
            text = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise click.UsageError(f"--config {name}: {error.strerror or error}") from error
    if len(text) > MAX_SIZE:
        raise click.UsageError(f"--config {name}: too large for a configuration")
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--config {name} is not TOML: {error}") from error


def _options(command: click.Command) -> dict[str, click.Option]:
    """By long name, without dashes."""
    found = {}
    for param in command.params:
        if isinstance(param, click.Option):
            names = [name.removeprefix("--") for name in param.opts if name.startswith("--")]
            found.update({name: param for name in names if name not in _COMMAND_LINE_ONLY})
    return found


def _commands(ctx: click.Context) -> list[click.Command]:
    """All there are: asked only about names that this command does not know, for it imports them."""
    if ctx.parent is None or not isinstance(ctx.parent.command, click.Group):
        return [ctx.command]
    found = (ctx.parent.command.get_command(ctx.parent, name) for name in _command_names(ctx))
    return [command for command in found if command is not None]


def _command_names(ctx: click.Context) -> list[str]:
    group = ctx.parent.command if ctx.parent is not None else None
    return group.list_commands(ctx.parent) if isinstance(group, click.Group) and ctx.parent else [str(ctx.command.name)]


def _fitting(file: str, name: str, option: click.Option, entry: Any, ctx: click.Context) -> Any:
    """A value as click takes it; what cannot be right is told here, where the file and the key are known."""
    if option.multiple:
        entry = entry if isinstance(entry, list) else [entry]
    elif isinstance(entry, list):
        raise click.UsageError(f"{file}: {name} takes one value, not a list", ctx)
    if option.is_flag and not isinstance(entry, bool):
        raise click.UsageError(f"{file}: {name} is true or false", ctx)
    for one in entry if isinstance(entry, list) else [entry]:
        if not option.is_flag and (isinstance(one, bool) or not isinstance(one, str | int | float)):
            raise click.UsageError(f"{file}: {name} takes text or a number", ctx)
    try:
        option.type_cast_value(ctx, entry)
    except click.BadParameter as error:
        raise click.UsageError(f"{file}: {name}: {error.message}", ctx) from error
    return entry
