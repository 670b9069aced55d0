"""Serial ports: what is plugged in, and what it says. Listening only: no key of this screen sends a byte."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from fieldkit.safetext import terminal
from fieldkit.tui.frame import FieldScreen
from fieldkit.tui.keys import bind
from fieldkit.tui.screens import styles_of
from fieldkit.tui.screens.ask import AskScreen
from fieldkit.tui.screens.serialdialogs import TextScreen
from fieldkit.tui.serialports import Plugged, device_named, line_named, plugged, resolved, station_named, whose
from fieldkit.tui.widgets.linelist import Cell, LineList
from fieldkit.tui.words import clock, spaced

if TYPE_CHECKING:
    from fieldkit.devices.modbus.timing import LineSettings
    from fieldkit.sources.serial.decoding import Row, View
    from fieldkit.tui.seriallane import Lane

LOCAL: Final = 0.1
SLOW: Final = 0.5
"""Seconds between two looks at what has come; over ssh each costs a repaint of the list."""
SCAN: Final = 3.0
"""Seconds between two looks at what is plugged in."""
SEEN: Final = 3
"""Sightings shown above the rows: the latest."""
_VIEWS: Final[tuple[View, ...]] = ("auto", "text", "hex")
_SIGNS: Final = {"out": ">", "hex-out": ">", "decode": "=", "reading": "=", "notice": "-"}
_STYLES: Final = {"decode": "ok", "reading": "ok", "notice": "quiet", "out": "info", "hex-out": "info"}
_OPENING: Final = (
    "Nothing is sent, but opening a port raises its control lines for an instant: boards that reset by them (ESP32, "
    "Arduino) restart. Not while a vehicle charges from such a board."
)


class SerialScreen(FieldScreen):
    """The ports, and the rows of the chosen one."""

    TITLE = "Serial"
    CSS_PATH = styles_of("chargers", "serial")
    HELP = (
        "Serial ports by what is plugged in. Enter listens to one (or stops); nothing is ever sent from here. "
        "Speed and language are found by listening unless you choose them. Each row has the time of day and the "
        "time since the row before; hex stands with its meaning (=) below it. What is grave has a sign and a word. "
        "Everything is in a log. While a capture runs, what a device tells is held against the station's messages: "
        "see Findings. Whose device it is follows from what both sides tell, or from you (w)."
    )
    BINDINGS: ClassVar = [
        bind("serial.listen", "enter", "listen", "Listen", "Listen to the chosen port, or stop; sends nothing."),
        bind("serial.other", "o", "other", "Other", "Listen to a port that is not in the list: path or address."),
        bind("serial.line", "l", "line", "Speed", "Choose speed and format, or have them found by listening."),
        bind("serial.device", "d", "device", "Device", "Choose what it is decoded as: a register profile, rapi, at …."),
        bind("serial.whose", "w", "whose", "Whose", "Say which charger the port is in, where there are several."),
        bind("serial.view", "v", "view", "View", "Show rows as text, as hex, or as fits."),
        bind("serial.lists", "tab", "lists", "Rows", "From the ports to the rows, and back.", show=False),
    ]

    class Scanned(Message):
        """A thread has looked what is plugged in."""

        def __init__(self, found: list[Plugged]) -> None:
            super().__init__()
            self.found = found

    class Opened(Message):
        """A thread has opened a port, or failed to."""

        def __init__(self, lane: Lane) -> None:
            super().__init__()
            self.lane = lane

    def __init__(self) -> None:
        super().__init__()
        self.lanes: dict[str, Lane] = {}
        """By path or address: ports that are, or were, listened to."""
        self._plugged: list[Plugged] = []
        self._line: LineSettings | None = None
        self._opening: set[str] = set()

    def compose_body(self) -> ComposeResult:
        """Ports, the line, sightings, rows, the row in full."""
        yield LineList(id="serial-ports", empty="no serial port is plugged in; o: another one")
        yield Static("", id="serial-access", markup=False)
        yield Static("", id="serial-lane", markup=False)
        yield Static("", id="serial-seen", markup=False)
        yield LineList(id="serial-rows", empty="nothing is listened to: Enter on a port (nothing is sent)")
        yield Static("", id="serial-full", markup=False)

    def on_mount(self) -> None:
        """Look for ports, and for what they say."""
        self.set_interval(SLOW if self.fieldkit.slow else LOCAL, self._turn)
        self.set_interval(SCAN, self._rescan)
        self._rescan()
        wished, self.fieldkit.port = self.fieldkit.port, ""
        if wished:
            self.call_after_refresh(self._ask, wished)

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        for lane in self.lanes.values():
            lane.close()

    def refresh_view(self) -> None:
        """Everything, as the screen comes to the front."""
        self._show_ports()
        self._show_lane()

    # ---------------------------------------------------------------------------------------------------------- ports

    @property
    def ports(self) -> LineList:
        """What is plugged in."""
        return self.query_one("#serial-ports", LineList)

    @property
    def rows(self) -> LineList:
        """What the chosen port says."""
        return self.query_one("#serial-rows", LineList)

    @property
    def chosen(self) -> str:
        """Path or address of the port under the cursor; empty without one."""
        key = self.ports.selected
        return key if isinstance(key, str) else ""

    @property
    def lane(self) -> Lane | None:
        """What is, or was, heard of it."""
        return self.lanes.get(self.chosen)

    def _rescan(self) -> None:
        if self.is_current or not self._plugged:
            # Who holds a port is in /proc, of each process: not in the thread that draws.
            self.run_worker(self._scan, thread=True, exclusive=True, group="scan")

    def _scan(self) -> None:
        from fieldkit.sources.serial.ports import list_ports

        self.post_message(self.Scanned([plugged(port) for port in list_ports()]))

    def on_serial_screen_scanned(self, event: Scanned) -> None:
        """What is plugged in now."""
        self._plugged = event.found
        self._show_ports()

    def _listed(self) -> list[Plugged]:
        """What is plugged in, and what else is listened to."""
        known = {one.device for one in self._plugged}
        others = [Plugged(name, "", "", "", "none", "") for name in self.lanes if name not in known]
        return [self._with_lane(one) for one in (*self._plugged, *others)]

    def _with_lane(self, one: Plugged) -> Plugged:
        lane = self.lanes.get(one.device)
        if one.device in self._opening:
            return Plugged(one.device, one.title, one.about, "OPENING", "info", "")
        if lane is None:
            return one
        if lane.fault:
            return Plugged(one.device, one.title, one.about, "CLOSED", "fail", lane.fault)
        if not lane.opened:
            return Plugged(one.device, one.title, one.about, "STOPPED", "info", one.access)
        if not lane.port.connected:
            return Plugged(one.device, one.title, one.about, "LOST", "fail", f"{lane.port.fault}; it is waited for")
        return Plugged(one.device, one.title, one.about, "LISTENING", "ok", "")

    def _show_ports(self) -> None:
        listed = self._listed()

        def draw(position: int, width: int) -> Sequence[Cell]:
            one = listed[position]
            status = self.glyphs.status(one.level, one.word)
            level = one.level if one.level != "none" else "none"
            return (
                Cell(f" {status.sign} {status.word}", 13, level),
                Cell(terminal(one.device, 60), 16 if width < 100 else 28, "bold"),
                Cell(terminal(f"{one.title or 'port'}  {one.about}", 200), -1),
            )

        self.ports.set_rows([one.device for one in listed], draw)
        access = next((one for one in listed if one.device == self.chosen), None)
        text = "" if access is None or not access.access else f" {access.word}: {access.access}"
        place = self.query_one("#serial-access", Static)
        place.set_classes(f"level-{access.level}" if access is not None and access.level != "none" else "")
        place.update(Content(self.glyphs.text(terminal(text, 300))))

    # ----------------------------------------------------------------------------------------------------------- rows

    def _turn(self) -> None:
        """What has come on all ports that are listened to."""
        changed = False
        engine = self.fieldkit.engine
        for name, lane in self.lanes.items():
            if not lane.opened:
                continue
            end = lane.end
            told = lane.turn()
            if told and engine is not None:
                engine.take(told)
            changed = changed or (lane.end != end and name == self.chosen)
        if not self.is_current:
            return
        if changed:
            self._show_lane()
        elif self.lane is not None:
            self._show_line()

    def _show_lane(self) -> None:
        lane, rows = self.lane, self.rows
        self._show_line()
        if lane is None:
            rows.set_rows((), lambda position, width: ())
            self._show_full()
            return
        following = not rows.keys or rows.position >= len(rows.keys) - 1
        utc, first = self.fieldkit.settings.utc, lane.first

        def draw(position: int, width: int) -> Sequence[Cell]:
            number = first + position
            if not lane.first <= number < lane.end:
                return ()
            row = lane.row(number)
            sign, style = self._sign(row)
            return (
                Cell(clock(row.time, utc=utc, millis=True), 12, "quiet"),
                Cell(f"+{lane.delta(number) / 1e9:.3f}", 8, "quiet", right=True),
                Cell(sign, 0 if len(sign) > 1 else 1, style),
                Cell(terminal(row.text, 400), -1, style),
            )

        rows.set_rows(range(first, lane.end), draw)
        if following:
            rows.action_last()
        self._show_full()

    def _sign(self, row: Row) -> tuple[str, str]:
        """Word and sign with the colour: never the colour alone."""
        if row.grave:
            status = self.glyphs.status("fail", "ALERT")
            return f"{status.sign} {status.word}", "fail"
        if row.kind == "event":
            status = self.glyphs.status("warn", "SEEN")
            return f"{status.sign} {status.word}", "warn"
        return _SIGNS.get(row.kind, ""), _STYLES.get(row.kind, "none")

    def _show_line(self) -> None:
        lane = self.lane
        if lane is None:
            text, seen = "", ""
        else:
            recording = lane.port.recording
            log = f"  log {recording.path.name}" if recording is not None else ""
            dialect = lane.dialect or "language not known yet"
            heard = f"{spaced(lane.port.heard)} bytes heard, listening only"
            engine = self.fieldkit.engine
            owner = "" if engine is None else whose(engine.session.picture, lane.name)
            text = f" {lane.line}  {dialect}{f' {owner}' if owner else ''}  view {lane.view}  {heard}{log}"
            seen = "\n".join(
                f" {self._sign(row)[0]} {clock(row.time, utc=self.fieldkit.settings.utc)} {row.text}"
                for row in lane.sightings(SEEN)
            )
        self.query_one("#serial-lane", Static).update(Content(self.glyphs.text(terminal(text, 300))))
        place = self.query_one("#serial-seen", Static)
        grave = lane is not None and any(row.grave for row in lane.sightings(SEEN))
        place.set_classes("level-fail" if grave else "level-warn")
        lines = [self.glyphs.text(terminal(line, 200)) for line in seen.split("\n") if line]
        place.display = bool(lines)
        place.update(Content("\n".join(lines)))

    def _show_full(self) -> None:
        lane, key = self.lane, self.rows.selected
        text = ""
        if lane is not None and isinstance(key, int) and lane.first <= key < lane.end:
            row = lane.row(key)
            raw = getattr(row.event, "raw", "")
            text = f"{row.text}{'  on the wire: ' + raw if raw else ''}"
        self.query_one("#serial-full", Static).update(Content(self.glyphs.text(terminal(text, 600))))

    def on_line_list_selected(self, event: LineList.Selected) -> None:
        """Another port, or another row."""
        if event.lines.id == "serial-ports":
            self.rows.position = 0
            self.rows.set_rows((), lambda position, width: ())
            self._show_ports()
            self._show_lane()
        else:
            self._show_full()

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """A second click."""
        if event.lines.id == "serial-ports":
            self.action_listen()

    # -------------------------------------------------------------------------------------------------------- actions

    def action_lists(self) -> None:
        """From one list to the other."""
        (self.ports if self.rows.has_focus else self.rows).focus()

    def action_listen(self) -> None:
        """Listen, or stop; both are asked about."""
        name = self.chosen
        if not name:
            self.action_other()
            return
        lane = self.lanes.get(name)
        shown = terminal(name, 60)
        if lane is not None and lane.opened:
            question = f"Stop listening to {shown}? What was heard stays here and in the log."
            self.fieldkit.push_screen(AskScreen(question, "Stop", "Go on listening"), partial(self._stopped, name))
            return
        self._ask(name)

    def _ask(self, name: str) -> None:
        question = f"Listen to {terminal(name, 60)}?\n\n{_OPENING}"
        self.fieldkit.push_screen(AskScreen(question, "Listen", "Not now"), partial(self._agreed, name))

    def _agreed(self, name: str, yes: object) -> None:
        if not yes or name in self._opening:
            return
        from fieldkit.tui.seriallane import Lane

        lane = self.lanes[name] = Lane(name, self._line)
        self._opening.add(name)
        self._show_ports()
        self.ports.select(name)
        # An address may take seconds to answer.
        self.run_worker(partial(self._open, lane), thread=True, group=f"open {name}")

    def _open(self, lane: Lane) -> None:
        from fieldkit.sources.serial.trouble import PortError

        try:
            lane.open()
        except PortError as error:
            lane.fault = str(error)
        if not self.post_message(self.Opened(lane)):
            lane.close()  # the screen has gone meanwhile

    def on_serial_screen_opened(self, event: Opened) -> None:
        """A port is open, or could not be opened."""
        self._opening.discard(event.lane.name)
        self.refresh_view()

    def _stopped(self, name: str, yes: object) -> None:
        lane = self.lanes.get(name)
        if yes and lane is not None:
            lane.close()
            self.refresh_view()

    def action_other(self) -> None:
        """A path or an address."""

        def chosen(text: object) -> None:
            if isinstance(text, str):
                text = resolved(text)
                question = f"Listen to {terminal(text, 60)}?\n\n{_OPENING}"
                self.fieldkit.push_screen(AskScreen(question, "Listen", "Not now"), partial(self._agreed, text))

        place = "/dev/ttyUSB0, usb:0403:6001, socket://HOST:PORT, rfc2217://HOST:PORT"
        self.fieldkit.push_screen(TextScreen("Listen to which port?", place, "", resolved), chosen)

    def action_line(self) -> None:
        """Speed and format, of the chosen port or of the next ones."""

        def chosen(text: object) -> None:
            if not isinstance(text, str):
                return
            from fieldkit.sources.serial.trouble import PortError

            line, lane = line_named(text), self.lane
            self._line = line
            if lane is not None and lane.opened:
                try:
                    lane.use_line(line)
                except PortError as error:
                    self.fieldkit.say(terminal(str(error), 80))
            self._show_line()

        question = "Speed and format? Empty: found by listening at one after the other."
        self.fieldkit.push_screen(TextScreen(question, "9600  or  19200,8E1", "", line_named), chosen)

    def action_device(self) -> None:
        """What it is decoded as."""
        lane = self.lane
        if lane is None:
            self.fieldkit.say("listen to a port first")
            return

        def chosen(text: object) -> None:
            if isinstance(text, str):
                lane.use_device(device_named(text))
                self._show_lane()

        question = "Decode as which device? Nothing is asked of it. Empty: as it sounds."
        known = "modbus:sdm630, rapi, at, sml, iec62056"
        self.fieldkit.push_screen(TextScreen(question, known, "", device_named), chosen)

    def action_whose(self) -> None:
        """Which charger the chosen port is in."""
        engine, port = self.fieldkit.engine, self.chosen
        if engine is None or not port:
            self.fieldkit.say("choose a port, and open a capture, first")
            return
        stations, owners = engine.session.picture.stations, engine.session.picture.devices.owners

        def chosen(text: object) -> None:
            if isinstance(text, str):
                with engine.lock:
                    owners.choose(port, text)
                self._show_line()

        question = "In which charger is it? CHARGER or CHARGER#CONNECTOR. Empty: as what both sides tell shows."
        names, now = ", ".join(list(stations)[:4]), owners.chosen.get(port, "")
        self.fieldkit.push_screen(TextScreen(question, names, now, partial(station_named, stations)), chosen)

    def action_view(self) -> None:
        """The next way to show bytes; what stands there stays as it is."""
        lane = self.lane
        if lane is None:
            self.fieldkit.say("listen to a port first")
            return
        lane.use_view(_VIEWS[(_VIEWS.index(lane.view) + 1) % len(_VIEWS)])
        self.fieldkit.say(f"from here on: {lane.view}")
        self._show_lane()
