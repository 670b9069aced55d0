"""``fieldkit agent captures``: the recordings that an agent has."""

from __future__ import annotations

import time

import click

from fieldkit.cli.agentasking import ask, router
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent captures
  fieldkit agent captures ssh://root@192.168.1.1
"""


@click.command(name="captures", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@router
def command(router: str) -> ExitCode:
    """List the recordings that it has, those kept for an incident marked with *."""
    told, _ = ask(router, {"ask": "captures"})
    for one in told.get("captures", []):
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.get("changed", 0)))
        mark = "*" if one.get("incident") else " "
        click.echo(terminal(f"{mark} {one.get('name')}  {one.get('bytes', 0):>12,}  {moment}"))
    return ExitCode.OK
