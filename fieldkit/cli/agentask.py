"""``fieldkit agent ask``: the far end of a question that comes over ssh."""

from __future__ import annotations

import json
import sys

import click

from fieldkit.cli.exitcodes import ExitCode


@click.command(name="ask", hidden=True)
@click.argument("question", metavar="JSON")
def command(question: str) -> ExitCode:
    """Pass a question on to the agent's socket, and its answer to standard output."""
    from fieldkit.cli.agentasking import ask

    try:
        asked = json.loads(question)
    except ValueError as error:
        raise click.UsageError("the question is a JSON object") from error
    if not isinstance(asked, dict):
        raise click.UsageError("the question is a JSON object")
    answer, rest = ask("", asked, follow=True)
    out = sys.stdout.buffer
    out.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    out.flush()
    for piece in rest:
        out.write(piece)
        out.flush()
    return ExitCode.OK
