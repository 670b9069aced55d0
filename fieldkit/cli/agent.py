"""``fieldkit agent …``: the service on a router, and the questions a technician has to it."""

from __future__ import annotations

import click

from fieldkit.cli.lazygroup import LazyGroup

_EXAMPLES = """
\b
Examples:
  fieldkit agent check-config /etc/fieldkit/agent.toml
  fieldkit agent run
  fieldkit agent status
  fieldkit agent findings --severity warning ssh://root@192.168.1.1
  fieldkit agent pull ssh://root@192.168.1.1
  fieldkit watch agent://root@192.168.1.1

\b
ROUTER is ssh://[USER@]HOST[:PORT]; without it the agent of this machine is asked, through a socket that
only root and the agent's user may use. docs/agent.md explains it all.
"""

_COMMANDS = {
    "run": "Be the agent: listen, find, send home, until told to end.",
    "check-config": "Say what is wrong with a configuration, with line and key.",
    "status": "See how the agent is: what it listens to, what waits, who does not take it.",
    "findings": "See what it has found lately.",
    "captures": "List the recordings that it has.",
    "pull": "Fetch recordings from it.",
    "packets": "Write the packets that it sees now, as pcapng, to standard output.",
    "ask": "Pass a question on to the agent's socket (other commands use it over ssh).",
}


@click.group(
    name="agent",
    cls=LazyGroup,
    lines=_COMMANDS,
    modules="fieldkit.cli.agent",
    epilog=_EXAMPLES,
    context_settings={"max_content_width": 100},
)
def command() -> None:
    """Watch a site for weeks from its router, and bring home what is found with nothing lost."""
