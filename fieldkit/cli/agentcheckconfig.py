"""``fieldkit agent check-config``: what is wrong with a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent check-config
  fieldkit agent check-config site.toml && fieldkit agent run --config site.toml

\b
Exit codes: 0 it is right, 2 it is not.
"""


@click.command(name="check-config", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("file", metavar="[FILE]", default="")
def command(file: str) -> ExitCode:
    """Say what is wrong with a configuration, all of it, with line and key.

    Also looked at: whether files it names are there, and whether others could read its secrets.
    """
    from fieldkit.agent.settings import USUAL, ConfigError, load

    path = Path(file) if file else USUAL
    try:
        settings = load(path)
    except ConfigError as error:
        for line in error.lines:
            click.echo(terminal(line, 600), err=True)
        return ExitCode.USAGE
    sinks = ", ".join(f"{sink.name} ({sink.type})" for sink in settings.sinks)
    listens = ", ".join(settings.capture.sources) or "no interface"
    click.echo(terminal(f"{path}: right. {settings.site}/{settings.name} listens on {listens}, tells {sinks}"))
    return ExitCode.OK
