"""``fieldkit collect agents``: who has been heard of."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal


@click.command(name="agents", context_settings={"max_content_width": 100})
@click.option("--db", metavar="FILE", required=True, help="What `collect run` has written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(db: str, as_json: bool) -> ExitCode:
    """List the agents, whether they are there, and when each was last heard of."""
    from fieldkit.agent.collection import Collection, CollectionError

    try:
        collection = Collection(Path(db), read_only=True)
    except CollectionError as error:
        click.echo(f"fieldkit: {terminal(str(error), 300)}", err=True)
        return ExitCode.SOURCE
    for one in collection.agents():
        if as_json:
            click.echo(json.dumps(one))
            continue
        standing = {True: "online", False: "offline", None: "unknown"}[one["online"]]
        seen = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one["seen"]))
        version = one["health"].get("version", "")
        click.echo(terminal(f"{one['site']}/{one['agent']:<20} {standing:<8} last heard of {seen} UTC  {version}", 300))
    collection.close()
    return ExitCode.OK
