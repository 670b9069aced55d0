"""``fieldkit collect …``: the other end of what agents send."""

from __future__ import annotations

import click

from fieldkit.cli.lazygroup import LazyGroup

_EXAMPLES = """
\b
Examples:
  fieldkit collect run mqtts://broker.example --ca ca.pem --db findings.db
  fieldkit collect query --db findings.db --id 'boot.*' --severity critical --since 7d
  fieldkit collect query --db findings.db --sites --id tls.chain-incomplete
  fieldkit collect agents --db findings.db

\b
docs/agent.md explains it.
"""

_COMMANDS = {
    "run": "Subscribe to a broker and write what comes into SQLite and JSON lines, each finding once.",
    "query": "Answer which sites have what.",
    "agents": "List the agents, and when each was last heard of.",
}


@click.group(
    name="collect",
    cls=LazyGroup,
    lines=_COMMANDS,
    modules="fieldkit.cli.collect",
    epilog=_EXAMPLES,
    context_settings={"max_content_width": 100},
)
def command() -> None:
    """Take in what agents send, and answer which sites have what."""
