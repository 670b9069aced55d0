"""``fieldkit agent status``: how the agent is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from fieldkit.cli.agentasking import ask, router
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.safetext import terminal

_EXAMPLES = """
\b
Examples:
  fieldkit agent status
  fieldkit agent status ssh://root@192.168.1.1
  fieldkit agent status --json | jq .waiting

\b
Exit codes: 0 it is well, 2 wrong command line, 4 there is no agent or no way to it, 5 it lacks something:
a source that cannot be listened to, a sink that takes nothing.
"""
_PRIORITIES = {"0": "critical", "1": "warning", "2": "info", "3": "numbers"}


@click.command(name="status", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@router
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def command(router: str, as_json: bool) -> ExitCode:
    """See how the agent is: what it listens to, what waits, who does not take it."""
    told, _ = ask(router, {"ask": "status"})
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for line in _lines(told):
            click.echo(terminal(line, 400))
    lacking = told.get("not_listening") or told.get("sink_troubles")
    return ExitCode.INCOMPLETE if lacking else ExitCode.OK


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    hours, minutes = divmod(int(told.get("uptime_s", 0)) // 60, 60)
    yield (
        f"{told.get('site')}/{told.get('agent')}: fieldkit {told.get('version')}, running for {hours} h {minutes} min, "
        f"{told.get('memory_bytes', 0) / 1e6:.0f} MB"
    )
    yield f"listening      {', '.join(told.get('listening', [])) or 'nowhere'} (schedule: {told.get('schedule')})"
    for spec, why in told.get("not_listening", {}).items():
        yield f"NOT listening  {spec}: {str(why).removeprefix(f'{spec}: ')}"
    yield (
        f"traffic        {told.get('packets_total', 0):,} packets, {told.get('packets_lost_total', 0):,} lost, "
        f"{told.get('messages', 0):,} messages, {told.get('stations', 0)} stations"
    )
    waiting = {name: told.get("waiting", {}).get(key, 0) for key, name in _PRIORITIES.items()}
    shown = ", ".join(f"{number:,} {name}" for name, number in waiting.items() if number) or "nothing"
    yield f"waiting        {shown}; {told.get('outbox_given_up_total', 0):,} given up"
    for name, sink in told.get("sinks", {}).items():
        trouble = told.get("sink_troubles", {}).get(name, "")
        now = f"; now: {trouble}" if trouble else ""
        yield f"sink           {name}: {sink.get('delivered_total', 0):,} delivered{now}"
    uplink = told.get("uplink", {})
    budget = f" of {uplink['budget']:,}" if uplink.get("budget") else ""
    yield f"uplink         {uplink.get('name')} ({uplink.get('kind')}): {uplink.get('spent', 0):,}{budget} bytes today"
    yield f"findings       {told.get('findings_total', 0):,}; recordings: {told.get('captures', 0)}"
    yield f"detector       {told.get('detector', 'not known')}"
    for device in told.get("devices", ()):
        yield f"device         {device.get('name')}: {device.get('values_total', 0):,} values"
    if not told.get("clock_sure", True):
        yield "clock          not set yet: times may be wrong, and are corrected when it is"
