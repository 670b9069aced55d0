"""``fieldkit serial find``: what is on a port that nobody knows anything of; by listening, then by a few reads."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import options, serialoptions
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.stopping import Stop
    from fieldkit.sources.serial.exchange import Talk
    from fieldkit.sources.serial.finding import Answer, Try
    from fieldkit.sources.serial.port import SerialPort

_EXAMPLES = """
\b
Examples:
  fieldkit serial find ttyUSB0
  fieldkit serial find ttyUSB0 --unit 1 --unit 50
  fieldkit serial find ttyUSB0 --only rapi --only at --yes

\b
A line that talks is never asked. On a silent one each question goes out once for each usual speed: one or
two registers of Modbus, OpenEVSE's version, AT, a meter's sign-on. All of them only read; you see the bytes
first. Do not ask on a line that may be a console: they would be typed there.
Exit codes: 0 something was found, 2 wrong command line, 3 the port cannot be used, 4 nothing answers.
"""

LISTEN_FIRST: Final = 5.0
"""Seconds that the line is heard before anything else: meters and consoles that talk mostly do so within."""
_DIALECTS: Final = {"modbus": "modbus-rtu", "rapi": "rapi", "at": "at", "iec62056": "iec62056"}


@click.command(name="find", epilog=_EXAMPLES, context_settings={"max_content_width": 110})
@click.argument("port", metavar="PORT")
@click.option("--only", "dialects", type=click.Choice(list(_DIALECTS)), multiple=True, help="Ask only in this.")
@click.option(
    "--unit",
    "units",
    type=click.IntRange(1, 247),
    multiple=True,
    help="Modbus units to ask (default: 1); may be repeated.",
)
@serialoptions.listen_first(LISTEN_FIRST, 0.2)
@click.option("--yes", is_flag=True, help="Ask the device without asking you first.")
@serialoptions.dtr
@serialoptions.rts
@serialoptions.log
@options.quiet
def command(port: str, **given: Any) -> ExitCode:
    """Find out what is on a port, and at which speed: by listening, then by a few reads that you agree to."""
    from fieldkit.cli.stopping import Stop
    from fieldkit.sources.serial.trouble import PortError, RefusedError

    with Stop() as stop:
        try:
            return _Finding(port, given, stop).run()
        except PortError as error:
            raise serialoptions.PortFailure(str(error)) from error
        except RefusedError as error:
            raise serialoptions.PortFailure(f"nothing more is sent: {error}") from error


class _Finding:
    """A run of the command."""

    def __init__(self, port: str, given: dict[str, Any], stop: Stop) -> None:
        from fieldkit.devices.detect import probes
        from fieldkit.sources.serial.finding import tries

        self._name, self._given, self._stop = port, given, stop
        wanted = {_DIALECTS[name] for name in given["dialects"] or _DIALECTS}
        self._probes = [probe for probe in probes(given["units"] or (1,)) if probe.dialect in wanted]
        self._tries = tries(self._probes)

    def run(self) -> ExitCode:
        from fieldkit.sources.serial.exchange import Talk
        from fieldkit.sources.serial.finding import only
        from fieldkit.sources.serial.port import LISTENING, Rights, SerialPort

        given = self._given
        asking = given["yes"] or self._agreed()
        settings = serialoptions.port_settings("9600", dtr=given["dtr"], rts=given["rts"])
        maker = serialoptions.recorder(serialoptions.log_directory(given["log_to"]), self._name, settings, "find")
        rights = Rights(asking=only(self._probes)) if asking else LISTENING
        port = SerialPort(self._name, settings, rights, recording=maker)
        first = given["listen_first"]
        with Talk(port, self._stop) as talk, port:
            self._say(f"listening for {first:g} s")
            if talk.listen(first):
                return self._by_listening(port, talk)
            if not asking:
                self._say("nothing is said on this line, and nothing was asked")
                return ExitCode.UNREACHABLE
            return self._by_asking(port, talk)

    def _agreed(self) -> bool:
        """Whether the user wants it, having seen the bytes."""
        from fieldkit.safetext import terminal

        click.echo("If nothing is said on this line, these reads are sent, one after the other:", err=True)
        for probe in self._probes:
            speeds = ", ".join(map(str, probe.speeds))
            what = f"{probe.data.hex(' '):<24} {probe.what}; at {speeds} baud, {', '.join(probe.formats)}"
            click.echo(f"  {terminal(what)}", err=True)
        if not sys.stdin.isatty():
            raise click.UsageError(
                "nobody is there to agree: --yes asks nevertheless, fieldkit serial listen never asks"
            )
        return click.confirm("Send them?", default=False, err=True)

    # ------------------------------------------------------------------------------------------------------ listening

    def _by_listening(self, port: SerialPort, talk: Talk) -> ExitCode:
        from fieldkit.sources.serial.autospeed import AutoSpeed
        from fieldkit.sources.serial.port import now

        self._say("something is said: nothing is asked; listening at one speed after the other")
        auto = AutoSpeed(port)
        auto.begin(now())

        class Fed:
            def feed(self, data: bytes, moment: int) -> None:
                auto.feed(data, moment)

        while auto.settled is None and not auto.rounds and not self._stop():
            talk.listen(0.2, Fed(), lambda: auto.settled is not None)
            auto.tick(now())
        if auto.settled is None:
            self._say("it makes no sense at any speed: another one, or a protocol that is not known here")
            return ExitCode.INTERRUPTED if self._stop() else ExitCode.UNREACHABLE
        guess = auto.settled.guesses[0]
        line = port.settings.line
        click.echo(f"{guess.dialect} at {line.speed} {line.format} ({guess.why})")
        click.echo(f"  fieldkit serial listen {self._name} --line {line.speed},{line.format}")
        return ExitCode.OK

    # --------------------------------------------------------------------------------------------------------- asking

    def _by_asking(self, port: SerialPort, talk: Talk) -> ExitCode:
        from fieldkit.sources.serial.finding import PATIENCE, ask

        seconds = len(self._tries) * (PATIENCE + 0.15)
        self._say(f"silent; {len(self._tries)} questions, {seconds:.0f} s at most")
        begun = time.monotonic()
        found: set[tuple[str, int]] = set()
        for answer in ask(port, talk, self._tries, self._stop, self._telling):
            # A unit that has answered one function answers the other one, too: it is told once.
            if (answer.dialect, answer.unit) not in found:
                found.add((answer.dialect, answer.unit))
                self._tell(answer)
            if answer.dialect != "modbus" or len(found) == len(self._given["units"] or (1,)):
                return ExitCode.OK
        if self._stop():
            return ExitCode.INTERRUPTED
        if not found:
            self._say(
                f"nobody answered within {time.monotonic() - begun:.0f} s: check power, the wires (A and B swapped?), "
                "the adapter, the unit's address (--unit)"
            )
            return ExitCode.UNREACHABLE
        return ExitCode.OK

    def _telling(self, one: Try) -> None:
        self._say(f"  {one.line.speed} {one.line.format}: {one.probe.dialect}")

    def _tell(self, answer: Answer) -> None:
        line = f"{answer.line.speed},{answer.line.format}"
        where = f"at {answer.line.speed} {answer.line.format}"
        if answer.dialect == "modbus":
            click.echo(f"Modbus unit {answer.unit} {where} (answered {answer.heard.hex(' ')})")
            device = f"modbus:PROFILE@{answer.unit}"
        else:
            click.echo(f"{answer.dialect} {where}")
            device = answer.dialect
        click.echo(f"  fieldkit serial read {self._name} --device {device} --line {line}")
        if answer.dialect == "modbus":
            click.echo("  which profiles there are: fieldkit serial read --devices")

    def _say(self, text: str) -> None:
        if not self._given["quiet"]:
            click.echo(text, err=True)
