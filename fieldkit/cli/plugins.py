"""``fieldkit plugins …``: what plugins there are, what they want, and whether they work."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.plugins.discover import Found

_EXAMPLES = """
\b
Examples:
  fieldkit plugins list
  fieldkit plugins list --json - | jq -r '.plugins[] | select(.problem != "") | .name'
  fieldkit plugins check ./my-router
  fieldkit plugins allow example-sink

\b
Plugins are looked for among fieldkit's own, in /usr/share/fieldkit/plugins, /etc/fieldkit/plugins,
~/.config/fieldkit/plugins, the directories in FIELDKIT_PLUGIN_PATH, and among what pip has
installed. As root nothing is loaded from where others can write. docs/plugins.md shows how to
write one.
"""


@click.group(name="plugins", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
def command() -> None:
    """See which plugins there are, what they ask for, and whether they work."""


@command.command(name="list")
@click.option("--kind", metavar="KIND", help="Only those of a kind, as router-adapter or check.")
@options.json_to
@options.color
def list_(kind: str | None, json_to: str | None, color: str) -> ExitCode:
    """List plugins and what they ask for; nothing of them is run."""
    from fieldkit.cli.output import check, save
    from fieldkit.cli.terminal import wants_color
    from fieldkit.plugins.discover import discover
    from fieldkit.plugins.manifest import KINDS

    if kind is not None and kind not in KINDS:
        raise click.UsageError(f"--kind {kind}: there are {', '.join(KINDS)}")
    if json_to and json_to != "-":
        check(json_to, ())
    found = [one for one in discover() if kind is None or (one.manifest is not None and kind in one.manifest.kinds)]
    if json_to:
        document = json.dumps({"schema": 1, "plugins": [described(one) for one in found]}, indent=2) + "\n"
        if json_to == "-":
            click.echo(document, nl=False)
        else:
            save(json_to, document.encode())
    if json_to != "-":
        coloured = wants_color(color, sys.stdout)
        for one in found:
            for line in told(one, coloured=coloured):
                click.echo(line, color=True)
    if not found:
        click.echo("there is no plugin" + (f" of the kind {kind}" if kind else ""), err=True)
    return ExitCode.OK


@command.command(name="check")
@click.argument("names", metavar="[NAME|DIR]...", nargs=-1)
def check_(names: tuple[str, ...]) -> ExitCode:
    """Load plugins and see whether they bring what they announce. Without a name: all of them.

    This runs the plugin's code. Exit codes: 0 all work, 1 one does not, 2 there is none of that name.
    """
    from fieldkit.plugins.host import UnknownPlugin, chosen, everything
    from fieldkit.safetext import terminal

    host = everything(tell=lambda line: click.echo(terminal(line), err=True))
    try:
        loaded = chosen(names or [one.name for one in host.found], host)
    except UnknownPlugin as error:
        raise click.UsageError(terminal(str(error))) from None
    for registrar in loaded:
        brings = [*(f"router adapter {name}" for name in registrar.adapters)]
        brings += [f"device profile {profile.id}" for profile in registrar.profiles]
        brings += [f"check {kind.id}" for check in registrar.checks for kind in check.kinds]
        brings += [f"sink {name}" for name in registrar.sinks]
        brings += [f"report {suffix}" for suffix in registrar.reports]
        brings += ["decoder" for _ in registrar.decoders]
        text = f"{registrar.manifest.name} {registrar.manifest.version}: works: {', '.join(brings)}"
        click.echo(terminal(text))
    for failure in host.failures:
        click.echo(terminal(f"{failure.plugin}: does not work: {failure.reason}"))
    return ExitCode.FINDINGS if host.failures else ExitCode.OK


@command.command(name="allow")
@click.argument("name", metavar="NAME|DIR")
@click.option("--revoke", is_flag=True, help="Take it back.")
def allow(name: str, revoke: bool) -> ExitCode:
    """Allow a plugin to send, to write or to open connections, as it says that it must."""
    from pathlib import Path

    from fieldkit.plugins import capability
    from fieldkit.plugins.consent import Consent
    from fieldkit.plugins.discover import by_path, discover
    from fieldkit.safetext import terminal

    consent = Consent()
    found = next((one for one in discover() if one.name == name), None)
    if found is None and ("/" in name or Path(name).is_dir()):
        found = by_path(name)
    if revoke:
        done = consent.forbid(found.name if found is not None else name)
        click.echo(
            terminal(f"{name} " + ("is no longer allowed what it was" if done else "was allowed nothing")), err=True
        )
        return ExitCode.OK
    if found is None or found.manifest is None or found.problem:
        problem = found.problem if found is not None else ""
        raise click.UsageError(terminal(problem or f"there is no plugin {name!r} (fieldkit plugins list shows them)"))
    if not found.manifest.grave:
        click.echo(terminal(f"{found.name} wants nothing that would have to be allowed"), err=True)
        return ExitCode.OK
    consent.allow(found)
    wants = capability.summary(found.manifest.grave)
    click.echo(terminal(f"{found.name} ({found.root}) is allowed to {wants}"), err=True)
    return ExitCode.OK


def described(one: Found) -> dict[str, Any]:
    """A plugin as it stands in the document."""
    told = one.manifest
    return {
        "name": one.name,
        "version": told.version if told else "",
        "kinds": list(told.kinds) if told else [],
        "summary": told.summary if told else "",
        "origin": one.origin,
        "path": str(one.root),
        "requires_bins": list(told.requires_bins) if told else [],
        "capabilities": list(told.capabilities) if told else [],
        "to_be_allowed": list(told.grave) if told and one.origin != "shipped" else [],
        "problem": one.problem,
    }


def told(one: Found, *, coloured: bool = False) -> list[str]:
    """For people."""
    from fieldkit.plugins import capability
    from fieldkit.safetext import terminal

    def styled(text: str, **how: Any) -> str:
        return click.style(terminal(text), **how) if coloured else terminal(text)

    if one.manifest is None:
        return [styled(one.name, bold=True), "  " + styled(f"! {one.problem}", fg="yellow")]
    manifest = one.manifest
    head = f"{one.name} {manifest.version}"
    lines = [
        f"{styled(head, bold=True)}  {terminal(', '.join(manifest.kinds))}  ({one.origin}: {terminal(str(one.root))})"
    ]
    if manifest.summary:
        lines.append(f"  {terminal(manifest.summary)}")
    if manifest.requires_bins:
        lines.append(f"  needs on the router: {terminal(', '.join(manifest.requires_bins))}")
    if manifest.capabilities:
        lines.append(f"  asks to {terminal(capability.summary(manifest.capabilities))}")
    if manifest.grave and one.origin != "shipped":
        lines.append(
            "  " + styled(f"! to be allowed before its first use: fieldkit plugins allow {one.name}", fg="yellow")
        )
    if one.problem:
        lines.append("  " + styled(f"! {one.problem}", fg="yellow"))
    return lines
