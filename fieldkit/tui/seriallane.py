"""A serial port that is listened to, for whoever draws it: rows, what the line is, and what happened to the port.

Nothing here can send: the port is opened without any right to, and its descriptor for reading only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading
from fieldkit.sources.serial.audit import data_directory
from fieldkit.sources.serial.autospeed import AutoSpeed
from fieldkit.sources.serial.decoding import Decoder, Row, View
from fieldkit.sources.serial.opening import is_address
from fieldkit.sources.serial.overhearing import ANYTHING
from fieldkit.sources.serial.port import SLACK, SerialPort, now
from fieldkit.sources.serial.recording import SUFFIX, About, Chunk, Recording, recording_name
from fieldkit.sources.serial.settings import PortSettings

if TYPE_CHECKING:
    from fieldkit.devices.modbus.timing import LineSettings
    from fieldkit.sources.serial.device import DeviceSpec
    from fieldkit.sources.serial.ports import Port

MAX_ROWS: Final = 20_000
"""Rows kept to scroll back through; everything is in the log."""

Told = ConsoleLine | ConsoleSighting | DeviceReading


class Lane:
    """One port. ``open`` may take a while (an address) and belongs into a thread; the rest is quick."""

    def __init__(self, name: str, line: LineSettings | None = None) -> None:
        """``line``: None finds it by listening."""
        self.name = name
        self.rows: deque[Row] = deque(maxlen=MAX_ROWS)
        self.end = 0
        """Rows there ever were: those kept are numbered up to here."""
        self.fault = ""
        """Why it could not be opened."""
        self.found = ""
        """What listening found out of the line, in words."""
        self.view: View = "auto"
        self.spec: DeviceSpec | None = None
        settings = PortSettings() if line is None else PortSettings(line)
        self.port = SerialPort(name, settings, recording=self._recording)
        self._tap = self.port.tap()
        self._decoder = self._make_decoder()
        self._wants_speed = line is None and not is_address(name)
        self._auto: AutoSpeed | None = None
        self.opened = False

    # ------------------------------------------------------------------------------------------------------- lifetime

    def open(self) -> None:
        """Open it; ``PortError`` says why that cannot be done, and so does ``fault`` afterwards."""
        self.port.open()
        self.opened = True
        if self._wants_speed:
            self._auto = AutoSpeed(self.port)
            self._auto.begin(now())

    def close(self) -> None:
        """Listen no more. The rows stay."""
        if self.opened:
            self.port.close()
            self.turn()
            self._keep(self._decoder.finish())
        self.opened = False

    # --------------------------------------------------------------------------------------------------------- rows

    @property
    def first(self) -> int:
        """Number of the oldest row that is kept."""
        return self.end - len(self.rows)

    def row(self, number: int) -> Row:
        """The row of this number."""
        return self.rows[number - self.first]

    def delta(self, number: int) -> int:
        """Nanoseconds since the row before."""
        at = number - self.first
        return max(self.rows[at].time - self.rows[at - 1].time, 0) if at > 0 else 0

    def turn(self) -> list[Told]:
        """Take in what has come; what of it a session can judge."""
        rows: list[Row] = []
        items = self._tap.take(0)
        for item in items:
            rows += self._decoder.feed(item)
            if self._auto is not None and isinstance(item, Chunk):
                self._auto.feed(item.data, item.time)
        if not items:
            rows += self._decoder.tick(now() - SLACK)
        if self._auto is not None and self.opened:
            self._auto.tick(now())
            if self._auto.settled is not None:
                guess = self._auto.settled.guesses[0]
                self.found = f"found by listening: {guess.dialect} ({guess.why})"
                self._auto = None
        return self._keep(rows)

    def _keep(self, rows: Sequence[Row]) -> list[Told]:
        # While the speed is sought, each try is a notice: they are in the log, and would push everything else away.
        shown = [row for row in rows if not (row.kind == "notice" and row.text.startswith("scan:"))]
        self.rows.extend(shown)
        self.end += len(shown)
        return [row.event for row in shown if row.event is not None]

    def sightings(self, most: int) -> list[Row]:
        """The last rows that mean something, newest first."""
        return list(islice((row for row in reversed(self.rows) if row.kind == "event"), most))

    # -------------------------------------------------------------------------------------------------------- choices

    @property
    def line(self) -> str:
        """Speed and format, and whether they are sure."""
        settled = str(self.port.settings)
        if self._auto is None:
            return f"{settled}{', ' + self.found if self.found else ''}"
        again = f", {self._auto.rounds} times in vain" if self._auto.rounds else ""
        return f"listening for the speed: {settled}{again}"

    @property
    def dialect(self) -> str:
        """What is spoken, as chosen or as heard; empty while unknown."""
        if self.spec is not None:
            return self.spec.profile.id if self.spec.profile is not None else self.spec.dialect
        return self._decoder.dialect or ("console" if self._decoder.view == "text" else "")

    def use_line(self, line: LineSettings | None) -> None:
        """Another speed; None finds it by listening."""
        self.found = ""
        self._auto = None
        if line is not None:
            self.port.apply(self.port.settings.at(line))
        elif self.opened:
            self._auto = AutoSpeed(self.port)
            self._auto.begin(now())

    def use_view(self, view: View) -> None:
        """Text, hex, or what fits."""
        self.view = view
        self._renew()

    def use_device(self, spec: DeviceSpec | None) -> None:
        """Decode as this; None: as it sounds."""
        self.spec = spec
        if self.opened:
            self.port.named(spec.text if spec is not None else "")
        self._renew()

    def _renew(self) -> None:
        self._keep(self._decoder.finish())
        self._decoder = self._make_decoder()

    def _make_decoder(self) -> Decoder:
        spec = self.spec
        return Decoder(
            self.port.settings.line,
            self.name,
            view=self.view,
            expected=spec.expected if spec is not None else ANYTHING,
        )

    def _recording(self, port: Port) -> Recording:
        started = now()
        path = data_directory() / "logs" / (recording_name(self.name, started) + SUFFIX)
        return Recording(path, About(self.name, str(port.identity), str(self.port.settings), started))
