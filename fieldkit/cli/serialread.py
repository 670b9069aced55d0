"""``fieldkit serial read``: ask a device for what can be read, once or again and again."""

from __future__ import annotations

import csv
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from struct import pack, unpack
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import serialoptions
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.stopping import Stop
    from fieldkit.events import DeviceReading
    from fieldkit.sources.serial.device import Asker, DeviceSpec, Pass
    from fieldkit.sources.serial.exchange import Talk
    from fieldkit.sources.serial.port import SerialPort

_EXAMPLES = """
\b
Examples:
  fieldkit serial read ttyUSB0 --device modbus:sdm630@1
  fieldkit serial read ttyUSB0 --device modbus:heidelberg-ec --every 10s --csv > wallbox.csv
  fieldkit serial read /dev/ttyACM0 --device rapi --json -
  fieldkit serial read usb:2c7c:0125:2 --device at
  fieldkit serial read ttyUSB0 --device modbus:sdm630 --only voltage_l1 --only power_total
  fieldkit serial read --devices

\b
DEVICE: modbus:PROFILE[@UNIT] (PROFILE: an id of --devices, or a .toml file), rapi, at, sml,
iec62056[:ADDRESS]. Only requests that read are sent; before the first one the line is heard for a while.
Exit codes: 0 all was read, 2 wrong command line, 3 the port cannot be used, 4 the device does not
answer, 5 something is missing.
"""

LISTEN_FIRST: Final = 1.5
"""Seconds for which a line is heard before the first question: long enough for another master to be noticed."""
_COLUMNS: Final = ("time", "port", "device", "name", "value", "unit", "measurand", "phase", "raw", "verified")


def _show_devices(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from fieldkit import profilestore
    from fieldkit.safetext import terminal

    for profile in sorted(profilestore.shipped().values(), key=lambda profile: (profile.kind, profile.id)):
        line = f"{profile.settings.speed} {profile.settings.format}"
        click.echo(terminal(f"modbus:{profile.id:<16} {profile.kind:<8} {line:<11} {profile.title}"))
    for name, what in (
        ("rapi", "OpenEVSE charge controllers"),
        ("at", "modems (3GPP, Quectel)"),
        ("sml", "meters that talk by themselves"),
        ("iec62056", "meters with an optical port, asked"),
    ):
        click.echo(f"{name:<23} {'':<8} {'':<11} {what}")
    context.exit(0)


@click.command(name="read", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("port", metavar="PORT")
@click.option("--device", "device_text", metavar="DEVICE", required=True, help="What to ask, see below.")
@click.option(
    "--devices",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_devices,
    help="List the devices that are known, and end.",
)
@serialoptions.line
@click.option("--only", "names", metavar="NAME", multiple=True, help="Only this register or command; may be repeated.")
@click.option("--every", metavar="DURATION", help="Again and again, so often.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="With --every: end after so many times.")
@click.option("--for", "lasting", metavar="DURATION", help="With --every: end after so long.")
@click.option("--probe", is_flag=True, help="If it does not answer, try the other speeds its profile knows.")
@serialoptions.listen_first(LISTEN_FIRST)
@click.option("--anyway", is_flag=True, help="Ask although something else speaks on this line.")
@click.option("--json", "json_to", metavar="FILE|-", help="One JSON document; with --every one a line.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on standard output.")
@serialoptions.dtr
@serialoptions.rts
@serialoptions.log
@serialoptions.utc
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(port: str, **given: Any) -> ExitCode:
    """Ask a device for what can be read: meters, charge controllers, modems.

    Values that came too late, damaged or from another unit are never shown; what could not be read is said, with the
    cause.
    """
    from fieldkit.cli.moments import seconds
    from fieldkit.cli.output import check
    from fieldkit.cli.stopping import Stop

    if given["as_csv"] and given["json_to"] == "-":
        raise click.UsageError("--csv and --json - both want standard output")
    if (given["count"] or given["lasting"]) and not given["every"]:
        raise click.UsageError("--count and --for are for --every")
    if given["json_to"] and given["json_to"] != "-":
        check(given["json_to"], ())
    given["interval"] = seconds("--every", given["every"]) if given["every"] else 0.0
    lasting = seconds("--for", given["lasting"]) if given["lasting"] else 0
    spec = serialoptions.device(given["device_text"])
    _check_names(spec, given["names"])
    with Stop(seconds=lasting) as stop:
        return _Reading(port, spec, given, stop).run()


def _check_names(spec: DeviceSpec, names: tuple[str, ...]) -> None:
    from fieldkit.devices.at.commands import COMMANDS as AT
    from fieldkit.devices.rapi.commands import COMMANDS as RAPI

    if spec.profile is not None:
        known = [register.name for register in spec.profile.registers]
    else:
        known = {"rapi": list(RAPI), "at": list(AT)}.get(spec.dialect, [])
    for name in names:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else f"{spec.dialect} is read as a whole"
            raise click.UsageError(f"--only {name}: {there}")


class _Reading:
    """A run of the command."""

    def __init__(self, port: str, spec: DeviceSpec, given: dict[str, Any], stop: Stop) -> None:
        self._name, self._spec, self._given, self._stop = port, spec, given, stop
        self._passes = 0
        self._lacking = False
        self._heard_any = False
        self._begun = False
        """The file of one document a line is this run's."""
        self._writer: Any = None

    def run(self) -> ExitCode:
        from fieldkit.sources.serial.exchange import Talk
        from fieldkit.sources.serial.port import Rights, SerialPort
        from fieldkit.sources.serial.trouble import PortError, RefusedError

        given, spec = self._given, self._spec
        settings = serialoptions.port_settings(given["line_text"], spec.line, dtr=given["dtr"], rts=given["rts"])
        directory = serialoptions.log_directory(given["log_to"])
        maker = serialoptions.recorder(directory, self._name, settings, "read", spec)
        port = SerialPort(self._name, settings, Rights(asking=spec.asking), recording=maker)
        try:
            # Listening begins before the port is open, so that its first bytes are not missed.
            with Talk(port, self._stop) as talk, port:
                self._hear_first(talk)
                self._ask(port, talk)
        except PortError as error:
            raise serialoptions.PortFailure(str(error)) from error
        except RefusedError as error:
            raise serialoptions.PortFailure(f"nothing more is sent: {error}") from error
        if not self._passes:
            return ExitCode.INTERRUPTED
        if not self._heard_any:
            return ExitCode.UNREACHABLE
        return ExitCode.INCOMPLETE if self._lacking else ExitCode.OK

    def _hear_first(self, talk: Talk) -> None:
        from fieldkit.sources.serial.device import objection

        if self._spec.asking is None:
            return
        heard = talk.listen(self._given["listen_first"])
        why = objection(self._spec, heard)
        if why and not self._given["anyway"]:
            raise serialoptions.PortFailure(f"{self._name}: {why} (--anyway asks nevertheless)")

    def _ask(self, port: SerialPort, talk: Talk) -> None:
        from fieldkit.sources.serial.trouble import PortError, Reason

        due = time.monotonic()
        asker = self._asker(port, talk)
        while not self._stop():
            try:
                if self._pass(port, asker):
                    return
                due = max(due + self._given["interval"], time.monotonic())
                while not self._stop() and time.monotonic() < due:
                    talk.listen(min(0.2, max(0.0, due - time.monotonic())))
            except PortError as error:
                if not self._given["every"] or error.reason is not Reason.GONE:
                    raise
                self._say_error(f"{error}; waiting for it")
                while not self._stop() and not port.connected:
                    time.sleep(0.1)
                # What was asked before is lost with the connection.
                asker = self._asker(port, talk)

    def _asker(self, port: SerialPort, talk: Talk) -> Asker:
        from fieldkit.sources.serial.device import Asker

        return Asker(talk, self._spec, port.settings.line, self._name, self._given["names"])

    def _pass(self, port: SerialPort, asker: Asker) -> bool:
        """Ask for everything once, and tell; whether that was the last time."""
        done = asker.once()
        if done.silent and self._may_probe and not self._stop():
            done = self._probe(port, asker) or done
        if self._stop() and not done.readings:
            return True  # cut off before there was anything to tell
        self._tell(port, done)
        return not self._given["every"] or self._passes == self._given["count"]

    @property
    def _may_probe(self) -> bool:
        return bool(self._given["probe"]) and self._spec.profile is not None and not self._heard_any

    def _probe(self, port: SerialPort, asker: Asker) -> Pass | None:
        """The device's other speeds and formats, until one brings an answer."""
        tried = port.settings.line
        for line in self._spec.lines:
            if line == tried or self._stop():
                continue
            self._say(f"no answer at {port.settings}; trying {line.speed} {line.format}")
            port.apply(port.settings.at(line))
            asker.use(line)
            if asker.answers() is None and not self._stop():
                self._say(f"it answers at {port.settings}: --line {line.speed},{line.format}")
                return asker.once()
        port.apply(port.settings.at(tried))
        asker.use(tried)
        return None

    # ------------------------------------------------------------------------------------------------------ the telling

    def _tell(self, port: SerialPort, done: Pass) -> None:
        from fieldkit.safetext import terminal

        self._passes += 1
        self._heard_any = self._heard_any or not done.silent
        # A device that refuses everything has told nothing.
        self._lacking = self._lacking or bool(done.failed) or not done.readings
        if done.silent:
            self._say_error(f"{self._spec} on {self._name} does not answer")
            if not self._heard_any and not self._given["probe"] and len(self._spec.lines) > 1:
                self._say(f"it was asked at {port.settings}; --probe tries the other speeds that its profile knows")
        for problem in _gathered(done.problems):
            self._say(terminal(problem))
        if self._given["json_to"]:
            self._json(done)
        if self._given["as_csv"]:
            self._csv(done)
        elif self._given["json_to"] != "-":
            self._table(done)

    def _json(self, done: Pass) -> None:
        document = {
            "schema": 1,
            "time": _iso(time.time_ns()),
            "port": self._name,
            "device": str(self._spec),
            "readings": [as_document(reading) for reading in done.readings],
            "problems": done.problems,
            "answered": done.answered,
            "failed": done.failed,
        }
        one_a_line = bool(self._given["every"])
        text = json.dumps(document, ensure_ascii=False, indent=None if one_a_line else 2)
        if self._given["json_to"] == "-":
            click.echo(text)
        elif one_a_line:
            self._append(text)
        else:
            from fieldkit.cli.output import save

            save(self._given["json_to"], (text + "\n").encode())

    def _append(self, text: str) -> None:
        """As it comes: whoever reads for days neither keeps them in memory nor loses them with the power."""
        from fieldkit.cli.output import OutputError

        name = self._given["json_to"]
        try:
            with Path(name).open("a" if self._begun else "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise OutputError(name, error) from error
        self._begun = True

    def _csv(self, done: Pass) -> None:
        from fieldkit.safetext import csv_cell

        if self._writer is None:
            self._writer = csv.writer(sys.stdout, lineterminator="\n")
            self._writer.writerow(_COLUMNS)
        for reading in done.readings:
            document = as_document(reading)
            self._writer.writerow(
                [csv_cell(v) if isinstance(v, str) else v for v in (document[name] for name in _COLUMNS)]
            )
        sys.stdout.flush()

    def _table(self, done: Pass) -> None:
        from fieldkit.safetext import terminal

        if self._given["every"] and self._passes > 1:
            click.echo("")
        if self._given["every"]:
            moment = datetime.now(UTC) if self._given["utc"] else datetime.now()
            click.echo(f"{moment:%Y-%m-%d %H:%M:%S}")
        width = max((len(reading.name) for reading in done.readings), default=0)
        for reading in done.readings:
            doubt = "" if reading.verified else "  (unverified)"
            click.echo(terminal(f"{reading.name:<{width}}  {shown_value(reading)}{doubt}"))

    def _say(self, text: str) -> None:
        if not self._given["quiet"]:
            click.echo(text, err=True)

    def _say_error(self, text: str) -> None:
        from fieldkit.safetext import terminal

        click.echo(terminal(text), err=True)


def as_document(reading: DeviceReading) -> dict[str, Any]:
    """A reading for programs."""
    document = asdict(reading)
    document["time"] = _iso(reading.time)
    del document["frames"]
    return document


def shown_value(reading: DeviceReading) -> str:
    """With its unit; as many digits as the device knows, and no more."""
    if reading.value is None:
        return "no value"
    if isinstance(reading.value, str):
        return reading.value
    digits = 10
    if abs(reading.value) < 3e38:
        # Many devices have single precision: behind the seventh digit there is nothing but conversion.
        (single,) = unpack("f", pack("f", reading.value))
        digits = 7 if single == reading.value else 10
    return f"{reading.value:.{digits}g} {reading.unit}".strip()


def _gathered(problems: list[str]) -> list[str]:
    """Registers that failed for one reason, in one line."""
    by_reason: dict[str, list[str]] = {}
    for problem in problems:
        name, _, reason = problem.partition(": ")
        by_reason.setdefault(reason, []).append(name)
    lines: list[str] = []
    for reason, names in by_reason.items():
        some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        lines.append(f"{some}: {reason}" if reason else some)
    return lines


def _iso(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1_000_000:03d}Z"
