"""The command line. One file a command, imported when it is called: ``fieldkit --help`` must not wait for anything."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from fieldkit import __version__
from fieldkit.cli.exitcodes import ExitCode

_COMMANDS = {
    "report": "Say what is wrong in captures and logs, who has to act, and what to do next.",
    "decode": "Show the OCPP messages in captures and logs.",
    "demo": "See what a report looks like: a recorded site with real faults.",
}


def _give_up_stdout() -> None:
    """What is still buffered cannot be written either: keep Python from trying again at exit, and complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _LazyGroup(click.Group):
    """Knows the names and one-line descriptions of its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"fieldkit.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # `fieldkit decode … | head`: the reader has had enough. Click would end with 1, which means findings.
            _give_up_stdout()
            return ExitCode.OK

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: fieldkit report site.pcapng -o site.html",
)
@click.version_option(__version__, "-V", "--version", prog_name="fieldkit", message="%(prog)s %(version)s")
def cli() -> None:
    """Sniff, decode and diagnose OCPP where the charger stands."""


def _cannot_write(error: OSError) -> ExitCode:
    click.echo(f"fieldkit: the output cannot be written: {error.strerror or error}", err=True)
    _give_up_stdout()
    return ExitCode.INCOMPLETE


def main() -> None:
    """The console script: runs a command and turns the ways it can end into exit codes."""
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.Abort:
        status = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        status = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = getattr(error, "exit_code", ExitCode.USAGE)
    except OSError as error:
        # Sources raise errors of their own: this is standard output, on a disk that is full for instance.
        status = _cannot_write(error)
    sys.exit(int(status) if isinstance(status, int) else ExitCode.OK)
