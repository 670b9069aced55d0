"""``fieldkit detect …``: what is unusual at a site, and the model behind it."""

from __future__ import annotations

import click

from fieldkit.cli.lazygroup import LazyGroup

_EXAMPLES = """
\b
Examples:
  fieldkit detect score site.pcapng
  fieldkit detect calibrate week.pcapng --state site.calibration
  fieldkit detect score today.pcapng --state site.calibration --alerts alerts.jsonl
  fieldkit detect info

\b
docs/detector.md explains what is looked for, how sure it is, and what it cannot see.
"""

_COMMANDS = {
    "score": "Say what is unusual in captures and logs: one line of JSON an incident.",
    "calibrate": "Learn what is usual at a site from captures or logs.",
    "train": "Train the model anew from windows of a site; byte for byte the same each time.",
    "info": "Show the model card: data, seeds, hashes, what each layer adds, limits.",
}


@click.group(
    name="detect",
    cls=LazyGroup,
    lines=_COMMANDS,
    modules="fieldkit.cli.detect",
    epilog=_EXAMPLES,
    context_settings={"max_content_width": 100},
)
def command() -> None:
    """See what is unusual at a site: intrusion, fraud, wear, connectivity, energy; and why."""
