"""``fieldkit agent findings``: what the agent has found lately."""

from __future__ import annotations

import json

import click

from fieldkit.cli.agentasking import ask, router
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent findings
  fieldkit agent findings --severity critical ssh://root@192.168.1.1
  fieldkit agent findings --json --last 50 | jq -r .title

\b
Exit codes: 0, 2 wrong command line, 4 there is no agent or no way to it.
"""


@click.command(name="findings", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@router
@click.option("--severity", type=click.Choice(["critical", "warning", "info"]), default="info", help="The least shown.")
@click.option("--station", default="", help="Of this station only.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="These many, the latest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as sinks get them.")
def command(router: str, severity: str, station: str, last: int | None, as_json: bool) -> ExitCode:
    """See what it has found since it began, also what has been sent already."""
    told, _ = ask(router, {"ask": "findings", "severity": severity, "station": station})
    for one in told.get("findings", [])[-(last or 0) :]:
        if as_json:
            click.echo(json.dumps(one))
            continue
        place = one.get("station", "") + (f" connector {one['connector']}" if one.get("connector") else "")
        count = f" ×{one['count']}" if one.get("count", 1) > 1 else ""
        head = f"{one.get('last', '')}  {one.get('severity')}  {place + ': ' if place else ''}{one.get('title')}{count}"
        click.echo(terminal(f"{head} ({one.get('id')})", 300))
        for text in (one.get("explanation"), one.get("advice")):
            if text:
                click.echo(f"    {terminal(str(text), 600)}")
    return ExitCode.OK
