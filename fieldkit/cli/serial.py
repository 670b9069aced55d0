"""``fieldkit serial …``: what is plugged in, and what it says."""

from __future__ import annotations

import click

from fieldkit.cli.lazygroup import LazyGroup

_EXAMPLES = """
\b
Examples:
  fieldkit serial ports
  fieldkit serial find ttyUSB0
  fieldkit serial listen ttyUSB0
  fieldkit serial read ttyUSB0 --device modbus:sdm630@1
  fieldkit serial console /dev/ttyUSB1 --line 115200
  fieldkit serial replay ttyUSB0-20260831-080000-123.serial.jsonl

\b
Nothing is ever sent to a device unless a command says that it asks (find, read), or --allow-write is
given (console, write). docs/serial.md explains it.
"""

_COMMANDS = {
    "ports": "List the serial ports, by what is plugged in, and what keeps you from using them.",
    "find": "Find out what is on a port, and at which speed: by listening, then by a few reads that you agree to.",
    "listen": "Hear what devices say, and never send a byte.",
    "read": "Ask a device for what can be read: meters, charge controllers, modems.",
    "console": "See a charger's console; type into it where that is allowed.",
    "write": "Change one value of a device, after saying exactly what that does.",
    "replay": "Show a recording as it was shown live.",
}


@click.group(
    name="serial",
    cls=LazyGroup,
    lines=_COMMANDS,
    modules="fieldkit.cli.serial",
    epilog=_EXAMPLES,
    context_settings={"max_content_width": 100},
)
def command() -> None:
    """Talk to charge controllers, meters, modems and consoles, safely."""
