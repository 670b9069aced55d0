"""Options that mean the same for every command that has them: written once, so that they cannot drift apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import click

from fieldkit.cli import config
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


class FileError(click.ClickException):
    """A file that was given cannot be used."""

    exit_code = int(ExitCode.SOURCE)

    def show(self, file: object = None) -> None:
        click.echo(f"fieldkit: {terminal(self.message)}", err=True)


def judged_at(text: str) -> int:
    """The time for which certificates are judged, ns: UTC, as in them, unless it says more."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        hint = "give a date as 2027-01-31, or a time as 2027-01-31T12:00Z"
        raise click.UsageError(f"--at {text}: {hint}") from error
    passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000


LEVELS: Final = ("critical", "warning", "info")
"""Severities, the worst first, as ``--fail-on`` names them; "never" comes beside."""

keylog: Final[_Decorator] = click.option(
    "--keylog", metavar="FILE", multiple=True, help="TLS secrets in NSS key log format (SSLKEYLOGFILE)."
)
validate: Final[_Decorator] = click.option(
    "--validate/--no-validate", default=True, help="Hold payloads against the OCPP schemas (default: yes)."
)
zone: Final[_Decorator] = click.option(
    "--zone", metavar="±HH:MM", help="Time zone of log lines that do not name theirs (default: UTC)."
)
fail_on: Final[_Decorator] = click.option(
    "--fail-on",
    type=click.Choice([*LEVELS, "never"]),
    default="critical",
    show_default=True,
    help="Exit with 1 when there is a finding of this severity or worse.",
)
min_profile: Final[_Decorator] = click.option(
    "--min-profile", type=click.IntRange(1, 3), help="Lowest OCPP security profile that is acceptable here."
)
color: Final[_Decorator] = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours on standard output; auto: on terminals, unless NO_COLOR is set.",
)
quiet: Final[_Decorator] = click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
configured: Final[_Decorator] = click.option(
    "--config",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=config.apply,
    help="Options from a TOML file; the command line overrides them.",
)


show_ids: Final[_Decorator] = click.option(
    "--show-ids", is_flag=True, help="Show id tokens in full (they are masked otherwise)."
)
json_to: Final[_Decorator] = click.option(
    "--json", "json_to", metavar="FILE|-", help="Write the report as one JSON document."
)
lasting: Final[_Decorator] = click.option(
    "--for", "lasting", metavar="DURATION", help="End after so long: 90s, 10m, 1h30m."
)
until: Final[_Decorator] = click.option("--until", metavar="TIME", help="End at a time: 17:30, 2026-08-31T17:30Z.")
ring: Final[_Decorator] = click.option(
    "--ring", "ring_text", metavar="NxSIZE", help="Record into a ring of files, as in 10x20MB."
)
follow: Final[_Decorator] = click.option(
    "--follow", is_flag=True, help="Findings on standard output as they happen, one JSON object a line."
)


plugin: Final[_Decorator] = click.option(
    "--plugin", "plugins", metavar="NAME|DIR", multiple=True, help="Use a plugin (fieldkit plugins list shows them)."
)


def expression(what: str) -> _Decorator:
    """``--filter``; ``what`` says what it does to the command's output."""
    return click.option("--filter", "filter_text", metavar="EXPR", help=f"{what} (docs/filter.md has the grammar).")
