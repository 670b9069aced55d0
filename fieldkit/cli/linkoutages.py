"""``fieldkit link outages``: the outages in captures, taken apart, with what the router told beside them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit import __version__
from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.outcome import Outcome
    from fieldkit.reports.document import FindingEntry, LinkEntry
    from fieldkit.session import Session

NAME: Final = "outages"

_EXAMPLES = """
\b
Examples:
  fieldkit link outages lan.pcap
  fieldkit link outages lan.pcap wwan0.pcap eth1.pcap
  fieldkit link outages lan.pcap --router link.jsonl
  fieldkit link outages lan.pcap --router conntrack.log --router ip-monitor.log --zone +01:00
  fieldkit link outages lan.pcap --json - | jq '.links[].outages[] | {cause, seconds}'

\b
Exit codes: 0 no outage, 1 outages, 2 wrong command line, 3 a source cannot be used,
5 none found, but the capture is damaged or has gaps, 130 interrupted.
"""


class WithOutages(click.Command):
    """``fieldkit link`` takes a router; ``fieldkit link outages`` is a command of its own."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] == NAME:
            return command.make_context(f"{info_name} {NAME}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(name=NAME, epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--router",
    metavar="FILE",
    multiple=True,
    help="What the router told: written by fieldkit link --watch --json FILE, conntrack -E -o timestamp, or "
    "ip -ts monitor link address route. May be given several times.",
)
@click.option("--json", "json_to", metavar="FILE|-", help="Write one JSON document (docs/link.md has its shape).")
@options.keylog
@options.zone
@options.color
@options.quiet
def command(
    sources: tuple[str, ...],
    router: tuple[str, ...],
    json_to: str | None,
    keylog: tuple[str, ...],
    zone: str | None,
    color: str,
    quiet: bool,
) -> ExitCode:
    """Say of each outage in captures what happened, whose time each part of it was, and how sure that is.

    SOURCE is a capture of the stations' side of the router, of its uplinks, or of both: together they are one site.
    From the stations' side alone most causes are told with some confidence; a capture of the uplinks or what the
    router told (--router) makes them certain. docs/link.md explains it; fieldkit report has the findings.
    """
    from fieldkit.cli import diagnosis, reading
    from fieldkit.cli.outcome import Outcome
    from fieldkit.cli.output import check
    from fieldkit.cli.terminal import wants_color
    from fieldkit.reports.model_outages import entries
    from fieldkit.session import Session

    if json_to and json_to != "-":
        check(json_to, (*sources, *router, *keylog))
    offset = reading.utc_offset(zone)
    outcome = Outcome(quiet=quiet)
    taken = diagnosis.Sources(sources, utc_offset=offset, outcome=outcome)
    if not taken.opened:
        return outcome.exit_code()
    try:
        session = Session()
        if not take(router, session, offset or 0, outcome):
            return ExitCode.SOURCE
        diagnosis.run(taken, session, outcome, keylog=keylog, quiet=quiet, validate=False)
    finally:
        taken.close()
    links = entries(session.picture.outages)
    document = _document(sources, links, session)
    if json_to == "-":
        click.echo(json.dumps(document, indent=2))
    elif json_to:
        from fieldkit.cli.output import save

        save(json_to, (json.dumps(document, indent=2) + "\n").encode())
    if json_to != "-":
        _show(links, coloured=wants_color(color, sys.stdout))
    outcome.conclude(taken.opened)
    status = outcome.exit_code()
    if status is ExitCode.SOURCE and session.tally.nothing:
        return status
    return ExitCode.FINDINGS if any(link["outages"] for link in links) else status


def take(names: tuple[str, ...], session: Session, offset: int, outcome: Outcome) -> bool:
    """What routers told, out of files, into the session; False when one of them cannot be used."""
    from pathlib import Path

    from fieldkit.links.told import NotToldError, read

    for name in names:
        try:
            with Path(name).open(encoding="utf-8", errors="replace") as file:
                events = read(file, offset)
        except OSError as error:
            outcome.unusable(f"{name}: {error.strerror or error}")
            return False
        except NotToldError as error:
            outcome.unusable(f"{name} {error}")
            return False
        for event in events:
            session.picture.outages.uplink(event)
    return True


def _document(sources: tuple[str, ...], links: list[LinkEntry], session: Session) -> dict[str, Any]:
    from fieldkit.reports.model_findings import entries

    found: list[FindingEntry] = [
        finding
        for finding in entries(session.findings, show_ids=False)
        if finding["id"].startswith(("failover.", "segmentation."))
    ]
    return {
        "schema": 1,
        "tool": {"name": "fieldkit", "version": __version__},
        "sources": list(sources),
        "links": links,
        "findings": found,
    }


def _show(links: list[LinkEntry], *, coloured: bool) -> None:
    from fieldkit.reports.outagewords import lines
    from fieldkit.safetext import terminal

    for line in lines(links):
        text = terminal(line, 600)
        bold = coloured and text.startswith("  2")
        click.echo(click.style(text, bold=True) if bold else text, color=coloured or None)
    if not links:
        click.echo(
            "No path to a CSMS could be measured: there is no OCPP over TCP in it, or it is encrypted (--keylog)."
        )
