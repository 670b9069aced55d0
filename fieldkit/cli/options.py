"""Options that mean the same for every command that has them: written once, so that they cannot drift apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import click

from fieldkit.cli import config

_Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

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


def expression(what: str) -> _Decorator:
    """``--filter``; ``what`` says what it does to the command's output."""
    return click.option("--filter", "filter_text", metavar="EXPR", help=f"{what} (docs/filter.md has the grammar).")
