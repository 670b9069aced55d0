"""``fieldkit collect query``: which sites have what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit collect query --db findings.db --severity critical --since 24h
  fieldkit collect query --db findings.db --sites --id 'tls.*'
  fieldkit collect query --db findings.db --station CP_7 --json | jq .explanation

\b
Exit codes: 0 something was found, 1 nothing was, 2 wrong command line, 3 there is no such collection.
"""


@click.command(name="query", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option("--db", metavar="FILE", required=True, help="What `collect run` has written.")
@click.option("--id", "id", default="", help="Of the finding; * stands for anything.")
@click.option("--site", default="", help="Of this site; * stands for anything.")
@click.option("--agent", default="", help="Of this agent.")
@click.option("--station", default="", help="Of this charging station.")
@click.option("--owner", default="", help="Who has to act: station, csms, site-network, uplink …")
@click.option("--severity", type=click.Choice(["critical", "warning", "info"]), help="This or worse.")
@click.option("--since", default="", help="Not older than 24h, 7d, or a time such as 2026-08-31T12:00Z.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--sites", is_flag=True, help="Not the findings: the sites that have them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(db: str, since: str, limit: int, sites: bool, as_json: bool, **conditions: Any) -> ExitCode:
    """Answer which sites have what."""
    from fieldkit.agent.collection import Collection, CollectionError

    try:
        collection = Collection(Path(db), read_only=True)
    except CollectionError as error:
        click.echo(f"fieldkit: {terminal(str(error), 300)}", err=True)
        return ExitCode.SOURCE
    conditions["since"] = _moment(since)
    found = 0
    if sites:
        for site, number, stations, last in collection.sites(conditions):
            found += 1
            told = {"site": site, "findings": number, "stations": stations, "last": last}
            line = f"{site:<24} {number:>7,} findings  {stations:>5,} stations  latest {last}"
            click.echo(json.dumps(told) if as_json else terminal(line, 300))
    else:
        for one in collection.findings(conditions, limit):
            found += 1
            click.echo(json.dumps(one) if as_json else _line(one))
    collection.close()
    return ExitCode.OK if found else ExitCode.FINDINGS


def _line(one: dict[str, Any]) -> str:
    if one.get("category") == "link":
        return terminal(f"{one.get('time')}  {one.get('site')}  {one.get('text')} (link.{one.get('what')})", 300)
    place = f"{one.get('station')}: " if one.get("station") else ""
    count = f" ×{one['count']}" if one.get("count", 1) > 1 else ""
    head = f"{one.get('last')}  {one.get('severity', ''):<8}  {one.get('site')}"
    return terminal(f"{head}  {place}{one.get('title')}{count} ({one.get('id')})", 300)


def _moment(text: str) -> str:
    if not text:
        return ""
    from fieldkit.config import parse_duration

    try:
        moment = datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise click.UsageError(f"--since {text}: give 24h, 7d, or 2026-08-31T12:00Z") from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
