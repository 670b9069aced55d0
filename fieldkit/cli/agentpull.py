"""``fieldkit agent pull``: fetch recordings from an agent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fieldkit.cli.agentasking import ask, router
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent pull ssh://root@192.168.1.1
  fieldkit agent pull --incidents -d /tmp ssh://root@192.168.1.1
  fieldkit agent pull --name packets_00007_20260831080000.pcapng && fieldkit report packets_00007_*.pcapng

\b
Exit codes: 0, 2 wrong command line, 4 there is no agent or no way to it, 5 a recording did not arrive whole.
"""


@click.command(name="pull", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@router
@click.option("--name", "names", multiple=True, help="This recording (default: all).")
@click.option("--incidents", is_flag=True, help="Only those that were kept for an incident.")
@click.option("-d", "--directory", default=".", show_default=True, help="Where they go.")
def command(router: str, names: tuple[str, ...], incidents: bool, directory: str) -> ExitCode:
    """Fetch recordings from it. They hold what was sent, passwords included."""
    told, _ = ask(router, {"ask": "captures"})
    there = [one for one in told.get("captures", []) if not incidents or one.get("incident")]
    wanted = list(names) or [str(one.get("name")) for one in there]
    status = ExitCode.OK
    for name in wanted:
        if Path(name).name != name or not name.endswith(".pcapng"):
            raise click.UsageError(f"{terminal(name, 80)!r} is no recording's name")
        if not _pulled(router, name, Path(directory) / name):
            status = ExitCode.INCOMPLETE
    return status


def _pulled(router: str, name: str, to: Path) -> bool:
    answer, rest = ask(router, {"ask": "pull", "name": name}, follow=True)
    if "error" in answer:
        click.echo(f"fieldkit: {terminal(str(answer['error']), 200)}", err=True)
        return False
    draft = to.with_name(f"{to.name}.part")
    size = 0
    try:
        with open(draft, "wb", opener=_private) as file:
            for piece in rest:
                size += file.write(piece)
        if size < int(answer.get("bytes", 0)):
            click.echo(f"fieldkit: {name} did not arrive whole ({size:,} of {answer['bytes']:,} bytes)", err=True)
            return False
        draft.replace(to)
    finally:
        draft.unlink(missing_ok=True)
    click.echo(terminal(str(to)))
    return True


def _private(path: str, flags: int, *_: Any) -> int:
    return os.open(path, flags, 0o600)
