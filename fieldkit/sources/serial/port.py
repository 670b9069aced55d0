"""A serial port in use: one reader thread that hears, records, notices when it is unplugged, and comes back.

Whoever wants what is heard takes a ``Tap``. A screen's tap hands over at most fifty batches a second, however fast the
bytes come; the tap of an exchange hands over at once. The recording is written before any tap gets the bytes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fieldkit.sources.serial.audit import Audit
from fieldkit.sources.serial.bootwatch import BootWatch
from fieldkit.sources.serial.channel import Channel
from fieldkit.sources.serial.guard import WriteGuard
from fieldkit.sources.serial.opening import is_address, open_port, resolve
from fieldkit.sources.serial.ports import Identity, Port, Roots, describe, find, list_ports
from fieldkit.sources.serial.readsets import ReadSet
from fieldkit.sources.serial.recording import Chunk, Item, Notice, Recording
from fieldkit.sources.serial.settings import PortSettings
from fieldkit.sources.serial.trouble import PortError, Reason, RefusedError

BATCHES: Final = 50
"""Batches a second that a screen gets at most."""
_WAIT: Final = 0.2
"""Seconds the reader waits for bytes before it looks whether it shall end."""
_AGAIN: Final = 0.25
"""Seconds between looks for a device that was unplugged."""
_PATIENT: Final = 1.0
"""The same after a minute: it may be in a drawer."""
_BREATH: Final = 0.001
"""Seconds the reader rests while bytes stream in: a thousand wake-ups a second, not one for each byte."""
_FAST: Final = 38_400
"""Speeds from which a frame's gap is so short, and bytes so many, that resting pays."""
_MOST_WAITING: Final = 64 << 20
"""Bytes that wait for a consumer who has fallen behind; then the oldest are given up, and that is said."""


SLACK: Final = 50_000_000
"""Nanoseconds that bytes may be on their way from the reader to whoever asks what time it is."""


class _Clock:
    """Time that never goes back and still is the wall's."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        return time.monotonic_ns() + self._offset


now: Final = _Clock()
"""Nanoseconds since the epoch; all stamps of serial ports come from here."""


class Tap:
    """One consumer's view of a port."""

    def __init__(self, pace: float = 1 / BATCHES, notify: Callable[[], None] | None = None) -> None:
        self._pace = pace
        self._notify = notify
        self._turn = threading.Condition()
        self._items: list[Item] = []
        self._size = 0
        self._missed = 0
        self._taken = 0.0
        self._closed = False

    def put(self, item: Item) -> None:
        """From the reader thread."""
        with self._turn:
            first = not self._items
            self._items.append(item)
            self._size += len(item.data) if isinstance(item, Chunk) else 0
            while self._size > _MOST_WAITING:
                oldest = self._items.pop(0)
                lost = len(oldest.data) if isinstance(oldest, Chunk) else 0
                self._size -= lost
                self._missed += lost
            if first:
                self._turn.notify()
        if first and self._notify is not None:
            self._notify()

    def take(self, seconds: float) -> list[Item]:
        """What has come, after waiting at most so long for it; empty if nothing did."""
        rest = self._taken + self._pace - time.monotonic()
        if self._pace and rest > 0:
            time.sleep(min(rest, seconds))
        with self._turn:
            if not self._items and not self._closed:
                self._turn.wait(seconds)
            items, self._items, self._size = self._items, [], 0
            missed, self._missed = self._missed, 0
        self._taken = time.monotonic()
        if missed:
            items.insert(0, Notice(now(), "missed", f"{missed} bytes came too fast to be shown; they are in the log"))
        return items

    def close(self) -> None:
        with self._turn:
            self._closed = True
            self._turn.notify_all()


@dataclass(frozen=True, slots=True)
class Rights:
    """What a port is opened for. With nothing set it is only listened to."""

    asking: ReadSet | None = None
    typing: bool = False
    writing: bool = False
    audit: Audit | None = None

    @property
    def sending(self) -> bool:
        return self.asking is not None or self.typing or self.writing


LISTENING: Final = Rights()


class SerialPort:
    """See the module."""

    def __init__(
        self,
        name: str,
        settings: PortSettings,
        rights: Rights = LISTENING,
        *,
        recording: Callable[[Port], Recording | None] | None = None,
        roots: Roots | None = None,
        reconnect: bool = True,
        opener: Callable[..., Channel] = open_port,
    ) -> None:
        self.name = name
        """As it was asked for."""
        self.settings = settings
        self.rights = rights
        self.port = Port(name, Identity())
        self.recording: Recording | None = None
        self.connected = False
        self.fault = ""
        """Why it is not connected."""
        self.heard = 0
        """Bytes."""
        self.guard = WriteGuard(
            self._transmit,
            self._sent,
            port=name,
            asking=rights.asking,
            typing=rights.typing,
            writing=rights.writing,
            audit=rights.audit,
        )
        self._make_recording = recording
        self._roots = roots
        self._reconnect = reconnect
        self._opener = opener
        self._channel: Channel | None = None
        self._taps: list[Tap] = []
        self._boot = BootWatch()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._order = threading.Lock()
        """Held while an item is given to recording and taps, so that all see one order."""
        self._changing = threading.Lock()

    # ------------------------------------------------------------------------------------------------------- lifetime

    def open(self) -> None:
        """Open it, or raise ``PortError``; then it is heard until ``close``."""
        device = resolve(self.name, self._roots)
        channel = self._opener(device, self.settings, sending=self.rights.sending, roots=self._roots)
        self.port = Port(device, Identity()) if is_address(device) else describe(device, self._roots)
        self._channel, self.connected = channel, True
        if self._make_recording is not None:
            try:
                self.recording = self._make_recording(self.port)
            except BaseException:
                channel.close()
                raise
        self._give(Notice(now(), "opened", f"{self.name} at {self.settings}"))
        self._thread = threading.Thread(target=self._run, name=f"serial {self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, close port and recording."""
        self._stop.set()
        channel = self._channel
        if channel is not None:
            channel.wake()
        if self._thread is not None:
            self._thread.join(timeout=5)
        channel = self._channel  # it may have come back meanwhile
        if channel is not None:
            channel.close()
        self._channel, self.connected = None, False
        if self.recording is not None:
            self.recording.close()
        for tap in self._taps:
            tap.close()

    def __enter__(self) -> SerialPort:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------------------- using it

    def tap(self, *, at_once: bool = False, notify: Callable[[], None] | None = None) -> Tap:
        """A new view of what is heard and sent from now on."""
        tap = Tap(0.0 if at_once else 1 / BATCHES, notify)
        with self._order:
            self._taps = [*self._taps, tap]
        return tap

    def untap(self, tap: Tap) -> None:
        with self._order:
            self._taps = [other for other in self._taps if other is not tap]

    def apply(self, settings: PortSettings, kind: str = "settings") -> None:
        """Another speed or format, on the open port too. ``kind`` "scan": only to see what it brings."""
        with self._changing:
            self.settings = settings
            if self._channel is not None:
                try:
                    self._channel.apply(settings)
                except PortError as trouble:
                    # Unplugged just now: the reader notices it too, and comes back with these settings.
                    if trouble.reason is not Reason.GONE:
                        raise
        self._give(Notice(now(), kind, str(settings)))

    def mark(self, text: str) -> None:
        """A remark of the operator, in the recording at this instant."""
        self._give(Notice(now(), "mark", text))

    def named(self, device: str) -> None:
        """The operator has said what it is: "modbus:sdm630@1". In the recording, so that a replay knows it too."""
        self._give(Notice(now(), "device", device))

    # ------------------------------------------------------------------------------------------------ the guard's side

    def _transmit(self, data: bytes) -> None:
        channel = self._channel
        if channel is None or not self.connected:
            raise RefusedError(f"{self.name} is not connected: {self.fault or 'closed'}")
        channel.transmit(data)

    def _sent(self, data: bytes, hidden: bool) -> None:
        self._give(Chunk(now(), b"", True, len(data)) if hidden else Chunk(now(), data, True))

    # ------------------------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            channel = self._channel
            if channel is None:
                self._return()
                continue
            try:
                data = channel.read(_WAIT)
            except PortError as trouble:
                self._lost(channel, trouble)
                continue
            moment = now()
            if data:
                self.heard += len(data)
                if self._boot.feed(data, moment):
                    self._booting(moment)
                self._give(Chunk(moment, data))
                if self.settings.line.speed >= _FAST:
                    time.sleep(_BREATH)
            else:
                if self._boot.tick(moment):
                    self._booting(moment)
                if self.recording is not None:
                    self.recording.flush()

    def _give(self, item: Item) -> None:
        with self._order:
            if self.recording is not None:
                self.recording.item(item)
            for tap in self._taps:
                tap.put(item)

    def _booting(self, moment: int) -> None:
        if self._boot.booting:
            self.guard.block("the device is booting; a key now could stop it in its boot loader")
            self._give(Notice(moment, "blocked", "the device boots: nothing is sent until it has"))
        else:
            self.guard.unblock()
            self._give(Notice(moment, "unblocked", "the boot is over"))

    def _lost(self, channel: Channel, trouble: PortError) -> None:
        self.connected, self.fault = False, str(trouble)
        self._channel = None
        channel.close()
        self._boot.reset()
        self.guard.unblock()
        self._give(Notice(now(), "lost", f"{self.port.device}: {trouble}"))
        if not self._reconnect:
            self._stop.set()
            for tap in self._taps:
                tap.close()

    def _return(self) -> None:
        """Wait until the device is there again, under whatever name, and open it."""
        before = [port.device for port in self._ports()]
        since, said = time.monotonic(), self.fault
        while not self._stop.is_set():
            trouble = self._try(before)
            if trouble is None:
                return
            if trouble != said:
                self._give(Notice(now(), "waiting", trouble))
                self.fault = said = trouble
            # What was there is what may not be taken for the device; what leaves may come back as it.
            present = {port.device for port in self._ports()}
            before = [device for device in before if device in present]
            self._stop.wait(_AGAIN if time.monotonic() - since < 60 else _PATIENT)

    def _ports(self) -> Sequence[Port]:
        return list_ports(self._roots) if self.port.identity.known else ()

    def _try(self, before: Sequence[str]) -> str | None:
        """Open it; why not, otherwise."""
        if self.port.identity.known:
            port = find(self.port.identity, self._ports(), before)
            if port is None:
                return "it is not plugged in"
        else:
            port = self.port
        try:
            with self._changing:
                channel = self._opener(port.device, self.settings, sending=self.rights.sending, roots=self._roots)
        except PortError as trouble:
            return str(trouble)
        old, self.port = self.port.device, port
        self._channel, self.connected, self.fault = channel, True, ""
        self._give(Notice(now(), "back", port.device if port.device == old else f"as {port.device} (it was {old})"))
        return None
