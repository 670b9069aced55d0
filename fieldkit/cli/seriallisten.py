"""``fieldkit serial listen``: what devices say, without a byte to them."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from fieldkit.cli import options, serialoptions
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.serialrows import RowLines
    from fieldkit.cli.stopping import Stop
    from fieldkit.sources.serial.autospeed import AutoSpeed
    from fieldkit.sources.serial.decoding import Decoder, Row
    from fieldkit.sources.serial.port import SerialPort, Tap

_EXAMPLES = """
\b
Examples:
  fieldkit serial listen ttyUSB0
  fieldkit serial listen ttyUSB0 --line 9600 --device modbus:sdm630
  fieldkit serial listen /dev/ttyUSB0 /dev/ttyUSB1 --for 1h
  fieldkit serial listen rfc2217://192.168.1.1:2217 --view hex
  fieldkit serial listen ttyUSB0 --format events | jq 'select(.kind == "event")'

\b
PORT: a path, ttyUSB0, usb:0403:6001[:SERIAL], socket://HOST:PORT, rfc2217://HOST:PORT.
Exit codes: 0 it listened until it was told to end, 2 wrong command line, 3 a port cannot be used,
5 the log is not whole. A device that is pulled out is waited for.
"""


@click.command(name="listen", epilog=_EXAMPLES, context_settings={"max_content_width": 100})
@click.argument("ports", metavar="PORT...", nargs=-1, required=True)
@serialoptions.line
@click.option("--device", "device_text", metavar="DEVICE", help="Decode as this: modbus:PROFILE, rapi, at, sml …")
@serialoptions.view
@serialoptions.gap
@serialoptions.stamps
@click.option("--format", "form", type=click.Choice(["text", "events"]), default="text", show_default=True)
@click.option("--for", "lasting", metavar="DURATION", help="End after so long: 90s, 10m, 1h30m.")
@serialoptions.dtr
@serialoptions.rts
@serialoptions.log
@serialoptions.utc
@options.color
@options.quiet
def command(ports: tuple[str, ...], **given: Any) -> ExitCode:
    """Hear what devices say, and never send a byte.

    Without --line the speed is found by listening at one after the other. Everything is kept in a log: the bytes with
    their times, for `fieldkit serial replay`, and as text.
    """
    from fieldkit.cli.moments import seconds
    from fieldkit.cli.stopping import Stop

    if len(set(ports)) < len(ports):
        raise click.UsageError("a port can be listened to once")
    lasting = seconds("--for", given["lasting"]) if given["lasting"] else 0
    with Stop(seconds=lasting) as stop:
        return Listening(ports, given).run(stop)


class Listening:
    """A run of the command."""

    def __init__(self, ports: tuple[str, ...], given: dict[str, Any]) -> None:
        import sys

        from fieldkit.cli.serialrows import RowLines
        from fieldkit.cli.terminal import wants_color

        self._given = given
        self._spec = serialoptions.device(given["device_text"]) if given["device_text"] else None
        usual = self._spec.line if self._spec is not None else None
        self._settings = serialoptions.port_settings(given["line_text"], usual, dtr=given["dtr"], rts=given["rts"])
        self._events = given["form"] == "events"
        self._lines = RowLines(
            stamps=given["stamps"],
            utc=given["utc"],
            coloured=not self._events and wants_color(given["color"], sys.stdout),
            many=len(ports) > 1,
        )
        self._news = threading.Event()
        self._lanes = [_Lane(self._port(name), self) for name in ports]

    def _port(self, name: str) -> SerialPort:
        from fieldkit.sources.serial.port import SerialPort

        directory = serialoptions.log_directory(self._given["log_to"])
        maker = serialoptions.recorder(directory, name, self._settings, "listen", self._spec)
        return SerialPort(name, self._settings, recording=maker)

    def run(self, stop: Stop) -> ExitCode:
        from fieldkit.sources.serial.port import BATCHES
        from fieldkit.sources.serial.trouble import PortError

        opened: list[_Lane] = []
        try:
            for lane in self._lanes:
                lane.open(self._news)
                opened.append(lane)
            while not stop():
                if self._news.wait(0.1):
                    # Let a batch gather: a screen gets at most fifty a second.
                    time.sleep(1 / BATCHES)
                self._news.clear()
                for lane in self._lanes:
                    lane.turn()
        except PortError as error:
            raise serialoptions.PortFailure(str(error)) from error
        finally:
            for lane in opened:
                lane.close()
        return ExitCode.INCOMPLETE if any(lane.fault for lane in self._lanes) else ExitCode.OK

    def decoder(self, port: SerialPort) -> Decoder:
        from fieldkit.sources.serial.decoding import USB_GAP, Decoder
        from fieldkit.sources.serial.overhearing import ANYTHING

        return Decoder(
            port.settings.line,
            port.name,
            view=self._given["view"],
            expected=self._spec.expected if self._spec is not None else ANYTHING,
            gap=(self._given["gap"] or 0) * 1_000_000 or USB_GAP,
        )

    @property
    def wants_speed(self) -> bool:
        return not self._given["line_text"] and self._spec is None

    @property
    def utc(self) -> bool:
        return bool(self._given["utc"])

    def say(self, text: str) -> None:
        if not self._given["quiet"]:
            click.echo(text, err=True)

    def show(self, port: str, rows: list[Row]) -> None:
        from fieldkit.cli.serialrows import as_json_line

        if rows:
            made = [as_json_line(port, row) if self._events else self._lines.line(port, row) for row in rows]
            click.echo("\n".join(made), color=True)


class _Lane:
    """One port of several."""

    def __init__(self, port: SerialPort, run: Listening) -> None:
        self.fault = ""
        self._port, self._run = port, run
        self._tap: Tap | None = None
        self._decoder: Decoder | None = None
        self._auto: AutoSpeed | None = None
        self._log: TextLog | None = None

    def open(self, news: threading.Event) -> None:
        from fieldkit.safetext import terminal
        from fieldkit.sources.serial.autospeed import AutoSpeed
        from fieldkit.sources.serial.opening import is_address
        from fieldkit.sources.serial.port import now

        self._tap = self._port.tap(notify=news.set)
        self._decoder = self._run.decoder(self._port)
        self._port.open()
        recording = self._port.recording
        assert recording is not None
        self._log = TextLog(recording.path, utc=self._run.utc)
        self._run.say(f"{terminal(self._port.name)}: logged to {terminal(str(recording.path))}")
        # What is reached through an address has its speed at the other end.
        if self._run.wants_speed and not is_address(self._port.name):
            self._auto = AutoSpeed(self._port)
            self._auto.begin(now())
            self._run.say(f"{terminal(self._port.name)}: its speed is sought, at one after the other")

    def turn(self) -> None:
        """What has come since the last time."""
        from fieldkit.sources.serial.port import SLACK, now
        from fieldkit.sources.serial.recording import Chunk

        assert self._tap is not None
        assert self._decoder is not None
        items = self._tap.take(0)
        rows: list[Row] = []
        for item in items:
            rows += self._decoder.feed(item)
            if self._auto is not None and isinstance(item, Chunk):
                self._auto.feed(item.data, item.time)
        if not items:
            rows += self._decoder.tick(now() - SLACK)
        if self._auto is not None:
            self._auto.tick(now())
            if self._auto.settled is not None:
                guess = self._auto.settled.guesses[0]
                self._run.say(f"{self._port.name}: {self._port.settings}, {guess.dialect} ({guess.why})")
                self._auto = None
            elif self._auto.rounds == 1:
                self._auto.rounds += 1
                self._run.say(f"{self._port.name}: nothing that makes sense at any speed yet; it goes on listening")
        self._show(rows)

    def _show(self, rows: list[Row]) -> None:
        if rows:
            if self._log is not None:
                self._log.add(self._port.name, rows)
            # While the speed is sought, each try is a notice: in the log, and a line every three seconds on a screen.
            tries = [row for row in rows if row.kind == "notice" and row.text.startswith("scan:")]
            self._run.show(self._port.name, [row for row in rows if row not in tries])

    def close(self) -> None:
        assert self._tap is not None
        assert self._decoder is not None
        recording = self._port.recording
        self._port.close()
        full = recording.fault if recording is not None else ""
        rows: list[Row] = []
        for item in self._tap.take(0):
            rows += self._decoder.feed(item)
        self._show(rows + self._decoder.finish())
        if self._log is not None:
            self._log.close()
            full = full or self._log.fault
        if full:
            self.fault = full
            click.echo(f"the log is not whole: {full}", err=True)


class TextLog:
    """The rows as text, beside the recording; with dates, without colours."""

    def __init__(self, recording: Any, *, utc: bool) -> None:
        from fieldkit.cli.serialrows import RowLines
        from fieldkit.sources.serial.recording import SUFFIX

        self.fault = ""
        path = recording.with_name(recording.name.removesuffix(SUFFIX) + ".log")
        self._lines: RowLines = RowLines(stamps="both", utc=utc, date=True)
        # As the recording beside it: for its owner only.
        self._file = open(  # noqa: SIM115  (open as long as the port is)
            path, "a", encoding="utf-8", newline="\n", opener=lambda name, flags: os.open(name, flags, 0o600)
        )

    def add(self, port: str, rows: list[Row]) -> None:
        try:
            self._file.write("".join(self._lines.line(port, row) + "\n" for row in rows))
            self._file.flush()
        except OSError as error:
            self.fault = self.fault or str(error.strerror or error)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.fault = self.fault or str(error.strerror or error)
