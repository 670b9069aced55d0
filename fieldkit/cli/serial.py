"""``fieldkit serial …``: what is plugged in, and what it says."""

from __future__ import annotations

from importlib import import_module

import click

_EXAMPLES = """
\b
Examples:
  fieldkit serial ports
  fieldkit serial listen ttyUSB0
  fieldkit serial read ttyUSB0 --device modbus:sdm630@1
  fieldkit serial console /dev/ttyUSB1 --line 115200
  fieldkit serial replay ttyUSB0-20260831-080000-123.serial.jsonl

\b
Nothing is ever sent to a device unless a command says that it asks (read), or --allow-write is
given (console, write). docs/serial.md explains it.
"""

_COMMANDS = {
    "ports": "List the serial ports, by what is plugged in, and what keeps you from using them.",
    "listen": "Hear what devices say, and never send a byte.",
    "read": "Ask a device for what can be read: meters, charge controllers, modems.",
    "console": "See a charger's console; type into it where that is allowed.",
    "write": "Change one value of a device, after saying exactly what that does.",
    "replay": "Show a recording as it was shown live.",
}


class _LazyGroup(click.Group):
    """As the main one: a command is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"fieldkit.cli.serial{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(name="serial", cls=_LazyGroup, epilog=_EXAMPLES, context_settings={"max_content_width": 100})
def command() -> None:
    """Talk to charge controllers, meters, modems and consoles, safely."""
