"""``fieldkit serial console``: a charger's console in a plain terminal."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import click

from fieldkit.cli import options, serialoptions
from fieldkit.cli.exitcodes import ExitCode

if TYPE_CHECKING:
    from fieldkit.cli.serialkeys import Keyboard, Keys
    from fieldkit.cli.seriallisten import TextLog
    from fieldkit.sources.serial.decoding import Row
    from fieldkit.sources.serial.port import SerialPort

_EXAMPLES = """
\b
Examples:
  fieldkit serial console ttyUSB0
  fieldkit serial console ttyUSB0 --line 115200 --allow-write --enter cr
  fieldkit serial console socket://192.168.1.1:2000

\b
Ctrl-T, then: q quit, ? help, / search, m mark, t stamps, e Enter's line end, v view.
Without --allow-write no key reaches the device. Whatever it prints is shown as text: no control sequence is
obeyed, and no question of a terminal answered. Exit codes: 0 left, 2 wrong command line or no terminal, 3 the port
cannot be used.
"""

_ENDS: Final = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}
_HISTORY: Final = 10_000
"""Lines that a search looks through; all the others are in the log."""
_FOUND: Final = 20
_PASTE_PAUSE: Final = 0.005
"""Seconds between characters of a paste: consoles without flow control lose what comes faster."""
_LINE_PAUSE: Final = 0.1
_PASSWORD: Final = re.compile(r"(?i)(?:passw(?:or)?d|passphrase|\bPIN)\b[^:]{0,40}: ?$")
_HELP: Final = (
    "Ctrl-T q quit · / search · m mark · t stamps · e Enter sends CR, LF or CR LF · v text or hex · "
    "Ctrl-T twice sends Ctrl-T"
)


@click.command(name="console", epilog=_EXAMPLES, context_settings={"max_content_width": 110})
@click.argument("port", metavar="PORT")
@serialoptions.line
@serialoptions.allow_write
@serialoptions.audit
@click.option("--enter", type=click.Choice(list(_ENDS)), default="cr", show_default=True, help="What Enter sends.")
@click.option("--echo", is_flag=True, help="Show what is typed; for devices that do not.")
@serialoptions.view
@serialoptions.stamps
@serialoptions.dtr
@serialoptions.rts
@serialoptions.log
@serialoptions.utc
@options.color
def command(port: str, **given: Any) -> ExitCode:
    """See a charger's console; type into it where that is allowed.

    While the device boots nothing is sent: a key then can leave it standing in its boot loader. Several pasted lines
    are sent after a question only. What is typed is recorded; after a password prompt only its length is.
    """
    from fieldkit.sources.serial.audit import Audit
    from fieldkit.sources.serial.port import LISTENING, Rights, SerialPort
    from fieldkit.sources.serial.trouble import PortError, RefusedError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("a console needs a terminal; without one: fieldkit serial listen")
    settings = serialoptions.port_settings(given["line_text"], dtr=given["dtr"], rts=given["rts"])
    rights = LISTENING
    try:
        if given["allow_write"]:
            from pathlib import Path

            rights = Rights(typing=True, audit=Audit(Path(given["audit_to"]) if given["audit_to"] else None))
        maker = serialoptions.recorder(serialoptions.log_directory(given["log_to"]), port, settings, "console")
        serial = SerialPort(port, settings, rights, recording=maker)
        console = _Console(serial, given)
        with serial:
            return console.run()
    except (PortError, RefusedError) as error:
        raise serialoptions.PortFailure(str(error)) from error


class _Console:
    """A run of the command."""

    def __init__(self, port: SerialPort, given: dict[str, Any]) -> None:
        from fieldkit.cli.serialrows import RowLines
        from fieldkit.cli.terminal import wants_color
        from fieldkit.sources.serial.decoding import Decoder

        self._port, self._given = port, given
        self._tap = port.tap()
        self._decoder = Decoder(port.settings.line, port.name, view=given["view"])
        self._stamps: str = given["stamps"]
        self._coloured = wants_color(given["color"], sys.stdout)
        self._lines = RowLines(stamps=self._stamps, utc=given["utc"], coloured=self._coloured)
        self._enter: str = given["enter"]
        self._history: deque[tuple[int, str]] = deque(maxlen=_HISTORY)
        self._asking = ""
        """What the operator's line is for: "confirm", "paste", "mark", "search"; empty: keys go to the device."""
        self._answer = bytearray()
        self._paste = b""
        self._typing = False
        self._said_off = False
        self._complained = 0.0
        self._drawn = ""
        """What stands in the bottom line."""
        self._over = False
        self._log: TextLog | None = None

    def run(self) -> ExitCode:
        from fieldkit.cli.serialkeys import Keyboard
        from fieldkit.cli.seriallisten import TextLog
        from fieldkit.safetext import terminal
        from fieldkit.sources.serial.port import SLACK, now

        assert self._port.recording is not None
        self._log = TextLog(self._port.recording.path, utc=self._given["utc"])
        self._say(f"{terminal(self._port.name)} at {self._port.settings}; Ctrl-T q leaves, Ctrl-T ? helps")
        self._say(f"log: {terminal(str(self._port.recording.path))}")
        if self._given["allow_write"]:
            known = f" ({self._port.port.identity})" if self._port.port.identity.known else ""
            self._ask("confirm", f"every key will go to {self._port.name}{known}. Type yes and Enter to allow it: ")
        with Keyboard() as keyboard:
            while not self._over:
                self._keys(keyboard)
                items = self._tap.take(0)
                rows: list[Row] = []
                for item in items:
                    rows += self._decoder.feed(item)
                if not items:
                    rows += self._decoder.tick(now() - SLACK)
                self._show(rows)
            self._clear()
        self._log.close()
        return ExitCode.OK

    # --------------------------------------------------------------------------------------------------------- showing

    def _show(self, rows: list[Row]) -> None:
        lines: list[str] = []
        for row in rows:
            if row.kind in ("in", "prompt"):
                self._history.append((row.time, row.text))
            if row.kind == "prompt" or (row.kind == "out" and not self._given["echo"]):
                continue  # a prompt stands at the bottom anyway; what was typed is echoed by the device
            lines.append(self._lines.line(self._port.name, row))
        if rows and self._log is not None:
            self._log.add(self._port.name, rows)
        if lines:
            self._clear()
            click.echo("\n".join(lines), color=True)
        self._draw()

    def _draw(self) -> None:
        """The bottom line: what is being asked, or what the device has written so far."""
        from fieldkit.safetext import terminal

        width = shutil.get_terminal_size().columns - 1
        text = (self._bottom if self._asking else terminal(self._decoder.partial))[-width:]
        if text != self._drawn:
            sys.stdout.write("\r\x1b[K" + text)
            sys.stdout.flush()
            self._drawn = text

    @property
    def _bottom(self) -> str:
        from fieldkit.safetext import terminal

        return self._question + terminal(self._answer.decode("utf-8", "replace"))

    def _clear(self) -> None:
        if self._drawn:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self._drawn = ""

    def _say(self, text: str) -> None:
        self._clear()
        click.echo(click.style(f"-- {text}", fg="yellow") if self._coloured else f"-- {text}", color=True)

    # ------------------------------------------------------------------------------------------------------------ keys

    def _keys(self, keyboard: Keyboard) -> None:
        from fieldkit.sources.serial.port import BATCHES

        keys = keyboard.read(1 / BATCHES)
        if keys is None:
            self._over = True
            return
        for one in keys:
            if one.kind == "command":
                self._command(one.data)
            elif self._asking:
                self._line(one)
            elif one.kind == "paste" and (len(one.data.splitlines()) > 1 or len(one.data) > 64):
                self._hold(one.data)
            else:
                self._type(one.data)

    def _command(self, key: bytes) -> None:
        match key:
            case b"q" | b"\x11" | b"x":
                self._over = True
            case b"?" | b"h":
                self._say(_HELP)
            case b"m":
                self._ask("mark", "mark: ")
            case b"/":
                self._ask("search", "search: ")
            case b"t":
                self._next_stamps()
            case b"e":
                names = list(_ENDS)
                self._enter = names[(names.index(self._enter) + 1) % len(names)]
                self._say(f"Enter sends {self._enter.upper()}")
            case b"v":
                self._decoder.view = "text" if self._decoder.view == "hex" else "hex"
                self._say(f"view: {self._decoder.view}")
            case _:
                self._say("no such command; Ctrl-T ? lists them")

    def _next_stamps(self) -> None:
        from fieldkit.cli.serialrows import STAMPS, RowLines

        self._stamps = STAMPS[(STAMPS.index(self._stamps) + 1) % len(STAMPS)]
        self._lines = RowLines(stamps=self._stamps, utc=self._given["utc"], coloured=self._coloured)
        self._say(f"stamps: {self._stamps}")

    def _type(self, data: bytes) -> None:
        if not self._typing:
            if not self._said_off:
                self._said_off = True
                self._say("typing is off: nothing was sent. Start with --allow-write to type")
            return
        self._send(data.replace(b"\r", _ENDS[self._enter]))

    def _send(self, data: bytes) -> bool:
        from fieldkit.sources.serial.trouble import PortError, RefusedError

        try:
            self._port.guard.type(data, hidden=_PASSWORD.search(self._decoder.partial) is not None)
        except (RefusedError, PortError) as error:
            if time.monotonic() - self._complained > 1:
                self._complained = time.monotonic()
                self._say(f"not sent: {error}")
            return False
        return True

    # --------------------------------------------------------------------------------------------- the operator's line

    def _ask(self, what: str, question: str) -> None:
        from fieldkit.safetext import terminal

        self._asking, self._question = what, terminal(question)
        self._answer.clear()
        self._draw()

    def _hold(self, data: bytes) -> None:
        if not self._typing:
            self._type(data)
            return
        self._paste = data
        lines = len(data.splitlines())
        self._ask("paste", f"{lines} lines, {len(data)} characters were pasted. Send them (y, Enter)? ")

    def _line(self, keys: Keys) -> None:
        for byte in keys.data:
            if byte in (0x0D, 0x0A):
                self._answered()
                return
            if byte in (0x03, 0x1B):
                self._answer.clear()
                self._answered()
                return
            if byte in (0x08, 0x7F):
                del self._answer[-1:]
            elif byte >= 0x20 and len(self._answer) < 200:
                self._answer.append(byte)

    def _answered(self) -> None:
        what, answer = self._asking, self._answer.decode("utf-8", "replace").strip()
        self._asking = ""
        self._clear()
        match what:
            case "confirm":
                self._typing = answer.lower() == "yes"
                self._say("typing is on; it is recorded" if self._typing else "typing stays off")
                if self._typing and self._port.rights.audit is not None:
                    self._port.rights.audit.add("console", port=self._port.name, confirmation=answer)
            case "mark" if answer:
                self._port.mark(answer)
            case "search" if answer:
                self._search(answer)
            case "paste":
                if answer.lower() in ("y", "yes"):
                    self._send_paste()
                else:
                    self._say("nothing was sent")

    def _send_paste(self) -> None:
        """Character by character, and stop at the first that is refused: half a paste is bad enough."""
        for line in self._paste.splitlines(keepends=True):
            ended = line.endswith((b"\r", b"\n"))
            for byte in line.rstrip(b"\r\n"):
                if not self._send(bytes((byte,))):
                    return
                time.sleep(_PASTE_PAUSE)
            if ended and not self._send(_ENDS[self._enter]):
                return
            time.sleep(_LINE_PAUSE)

    def _search(self, text: str) -> None:
        from fieldkit.safetext import terminal
        from fieldkit.sources.serial.decoding import Row

        found = [(moment, line) for moment, line in self._history if text.lower() in line.lower()]
        self._say(
            f"{len(found)} lines with {terminal(text)!r}" + (f", the last {_FOUND}:" if len(found) > _FOUND else "")
        )
        from fieldkit.cli.serialrows import RowLines

        lines = RowLines(stamps="wall", utc=self._given["utc"])
        for moment, line in found[-_FOUND:]:
            click.echo("   " + lines.line(self._port.name, Row(moment, "in", line)))
