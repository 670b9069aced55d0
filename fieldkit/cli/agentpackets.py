"""``fieldkit agent packets``: what the agent sees now, for another program."""

from __future__ import annotations

import sys

import click

from fieldkit.cli.agentasking import ask, router
from fieldkit.cli.exitcodes import ExitCode

_EXAMPLES = """
\b
Examples:
  fieldkit agent packets ssh://root@192.168.1.1 | wireshark -k -i -
  fieldkit agent packets | fieldkit decode -
  fieldkit watch agent://root@192.168.1.1       (uses this)
"""
READY = "passing on packets of"


@click.command(name="packets", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@router
def command(router: str) -> ExitCode:
    """Write the packets that it sees now, as pcapng, to standard output, until nobody reads them."""
    if sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal: pipe the packets somewhere")
    told, rest = ask(router, {"ask": "packets"}, follow=True)
    click.echo(f"{READY} {', '.join(told.get('listening', [])) or 'nothing yet'}", err=True)
    out = sys.stdout.buffer
    for piece in rest:
        out.write(piece)
        out.flush()
    return ExitCode.OK
