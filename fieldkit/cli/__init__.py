"""The command line. One file a command, imported when it is called: ``fieldkit --help`` must not wait for anything."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from fieldkit import __version__, safetext
from fieldkit.cli.exitcodes import ExitCode
from fieldkit.cli.lazygroup import LazyGroup

_COMMANDS = {
    "watch": "See traffic on the screen: message by message, charger by charger, and what is wrong.",
    "report": "Say what is wrong in captures and logs, who has to act, and what to do next.",
    "decode": "Show the OCPP messages in captures and logs.",
    "capture": "Listen to interfaces or routers: record, diagnose while it happens, and leave a report.",
    "tls": "See which TLS an endpoint speaks, whether stations can trust it, and which security profiles it meets.",
    "proxy": "Sit between chargers and their CSMS: record, diagnose, make faults on purpose.",
    "cert": "Judge certificates, chains, requests and revocation data in files.",
    "serial": "Talk to charge controllers, meters, modems and consoles, safely.",
    "link": "See a site's uplinks: which one is used, how good it is, and what happens to it.",
    "detect": "See what is unusual at a site: intrusion, fraud, wear, connectivity, energy; and why.",
    "agent": "Watch a site for weeks from its router, and bring home what is found with nothing lost.",
    "collect": "Take in what agents send, and answer which sites have what.",
    "plugins": "See which plugins there are, what they ask for, and whether they work.",
    "doctor": "See what works on this machine, and the exact command that mends what does not.",
    "capture-helper": "Capture with CAP_NET_RAW and no other right; pcapng to standard output.",
    "demo": "See what a report looks like: a recorded site with real faults.",
}


def give_up_stdout() -> None:
    """What is still buffered cannot be written either: keep Python from trying again at exit, and complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Commands(LazyGroup):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # `fieldkit decode … | head`: the reader has had enough. Click would end with 1, which means findings.
            give_up_stdout()
            return ExitCode.OK


@click.group(
    cls=_Commands,
    lines=_COMMANDS,
    modules="fieldkit.cli.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: fieldkit report site.pcapng -o site.html",
)
@click.version_option(__version__, "-V", "--version", prog_name="fieldkit", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> ExitCode | None:
    """Sniff, decode and diagnose OCPP where the charger stands."""
    if ctx.invoked_subcommand is not None:
        return None
    if sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty():
        watch = ctx.command.get_command(ctx, "watch") if isinstance(ctx.command, click.Group) else None
        if watch is not None:
            status: ExitCode = ctx.invoke(watch)
            return status
    click.echo(ctx.get_help(), err=True)
    return ExitCode.USAGE


def _wrong_call(error: click.UsageError) -> ExitCode:
    """What is wrong, in a line; a filter is shown below, with a mark at the place. Click's own say where help is."""
    place = error.ctx.command_path if error.ctx is not None else "fieldkit"
    text = f"{place}: {error.format_message()}"
    if type(error) is not click.UsageError or (error.ctx is not None and isinstance(error.ctx.command, click.Group)):
        text += f" See {place} --help"
    for line in text.split("\n"):
        click.echo(safetext.terminal(line), err=True)
    return ExitCode.USAGE


def _fill_streams() -> None:
    """Under cron and the like a standard stream may be closed: its number must not go to the next file opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _cannot_write(error: OSError) -> ExitCode:
    click.echo(f"fieldkit: the output cannot be written: {error.strerror or error}", err=True)
    give_up_stdout()
    return ExitCode.INCOMPLETE


def main() -> None:
    """The console script: runs a command and turns the ways it can end into exit codes."""
    _fill_streams()
    try:
        status = cli.main(prog_name="fieldkit", standalone_mode=False)
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.Abort:
        status = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        status = ExitCode.INTERRUPTED
    except click.UsageError as error:
        status = _wrong_call(error)
    except click.ClickException as error:
        click.echo(f"fieldkit: {safetext.terminal(error.format_message())}", err=True)
        # Click's own choice is 1, which means findings.
        status = error.exit_code if error.exit_code != ExitCode.FINDINGS else ExitCode.INCOMPLETE
    except OSError as error:
        # Sources raise errors of their own: this is standard output, on a disk that is full for instance.
        status = _cannot_write(error)
    except Exception:
        # Python ends with 1, which means findings.
        sys.excepthook(*sys.exc_info())
        click.echo("fieldkit: this is a fault of fieldkit: please report the lines above", err=True)
        status = ExitCode.INCOMPLETE
    sys.exit(int(status) if isinstance(status, int) else ExitCode.OK)
