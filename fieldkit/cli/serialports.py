"""``fieldkit serial ports``: what is plugged in, who has it, and how to get at it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from fieldkit.cli import options
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.sources.serial.ports import Port

_EXAMPLES = """
\b
Examples:
  fieldkit serial ports
  fieldkit serial ports --json - | jq '.ports[] | select(.permission != "")'

\b
Exit codes: 0 there are ports, 2 wrong command line, 3 there is none. Nothing is opened or sent.
"""


@click.command(name="ports", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.option("--json", "json_to", metavar="FILE|-", help="Write the list as one JSON document.")
@options.color
def command(json_to: str | None, color: str) -> ExitCode:
    """List the serial ports, by what is plugged in, and what keeps you from using them."""
    from fieldkit.cli.output import check, save
    from fieldkit.cli.terminal import wants_color
    from fieldkit.sources.serial.ports import list_ports

    if json_to and json_to != "-":
        check(json_to, ())
    ports = [described(port) for port in list_ports()]
    if json_to:
        document = json.dumps({"schema": 1, "ports": ports}, ensure_ascii=False, indent=2) + "\n"
        if json_to == "-":
            click.echo(document, nl=False)
        else:
            save(json_to, document.encode())
    if json_to != "-":
        for line in told(ports, coloured=wants_color(color, sys.stdout)):
            click.echo(line, color=True)
    if not ports:
        click.echo("there is no serial port; USB adapters show up when they are plugged in", err=True)
        return ExitCode.SOURCE
    return ExitCode.OK


def described(port: Port) -> dict[str, Any]:
    """Everything that is known of a port without opening it."""
    from fieldkit.sources.serial.holders import holders, modem_manager
    from fieldkit.sources.serial.opening import permission

    return {
        "device": port.device,
        "title": " ".join(word for word in (port.maker, port.title) if word),
        "vendor": port.identity.vendor,
        "product": port.identity.product,
        "serial": port.identity.serial,
        "location": port.identity.location,
        "interface": port.identity.interface,
        "driver": port.driver,
        "latency_ms": port.latency_ms,
        "links": list(port.links),
        "holders": [{"pid": one.pid, "name": one.name, "how": one.how} for one in holders(port.device)],
        "modem_manager": modem_manager(port.device),
        "permission": permission(port.device),
    }


def told(ports: list[dict[str, Any]], *, coloured: bool = False) -> list[str]:
    """For people: a port, what it is, and what is in the way."""
    from fieldkit.safetext import terminal

    lines: list[str] = []
    for port in ports:
        title = port["title"] or "unknown"
        head = terminal(port["device"])
        lines.append(f"{click.style(head, bold=True) if coloured else head}  {terminal(title)}")
        numbers = f"{port['vendor']}:{port['product']}" if port["vendor"] else ""
        facts = [
            numbers,
            f"serial {port['serial']}" if port["serial"] else "no serial number" if numbers else "",
            f"at {port['location']}" if port["location"] else "",
            f"interface {int(port['interface'], 16)}" if port["interface"] else "",
            f"driver {port['driver']}" if port["driver"] else "",
            f"latency {port['latency_ms']} ms" if port["latency_ms"] is not None else "",
        ]
        lines.append("  " + terminal(", ".join(fact for fact in facts if fact)))
        lines += [f"  {terminal(link)}" for link in port["links"][:1]]
        troubles: list[str] = []
        if port["holders"]:
            who = ", ".join(f"{one['name']} ({one['pid']}, {one['how']})" for one in port["holders"])
            troubles.append(f"in use by {who}")
        if port["modem_manager"]:
            troubles.append(f"ModemManager {port['modem_manager']}: fieldkit doctor serial tells how to keep it away")
        if port["permission"]:
            troubles.append(port["permission"])
        if (port["latency_ms"] or 0) > 4:
            name = str(port["device"]).rpartition("/")[2]
            troubles.append(
                f"its latency timer makes answers late: echo 1 | sudo tee /sys/class/tty/{name}/device/latency_timer"
            )
        for trouble in troubles:
            text = f"  ! {terminal(trouble)}"
            lines.append(click.style(text, fg="yellow") if coloured else text)
    return lines
