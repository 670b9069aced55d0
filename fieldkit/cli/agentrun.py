"""``fieldkit agent run``: be the agent."""

from __future__ import annotations

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent run
  fieldkit agent run --config /etc/fieldkit/agent.toml
  kill -HUP $(pidof -x fieldkit)        # read the configuration anew

\b
Exit codes: 0 it was told to end, 2 the configuration is wrong, 3 it cannot begin. Findings do not count: a
service that has found something is well.
"""


@click.command(name="run", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option(
    "--config", "config", metavar="FILE", default="", help="Configuration (default: /etc/fieldkit/agent.toml)."
)
@click.option("--keep-root", is_flag=True, help="Give up no rights.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(config: str, keep_root: bool, quiet: bool) -> ExitCode:
    """Be the agent: listen, find, send home, until told to end.

    Started as root it opens its sockets through a small process and becomes agent.user (or nobody) itself. SIGHUP reads
    the configuration anew, without missing a packet; SIGTERM ends it in order.
    """
    from fieldkit.agent.running import run

    def complain(text: str) -> None:
        click.echo(f"fieldkit: {terminal(text, 600)}", err=True)

    def say(text: str) -> None:
        if not quiet:
            complain(text)

    return ExitCode(run(config, keep_root=keep_root, say=say, complain=complain))
