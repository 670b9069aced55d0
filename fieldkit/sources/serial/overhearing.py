"""What a port says, understood without asking: each dialect's passive listener, and who of them may go on.

At first all of them hear everything. Whoever finds two messages that are intact is believed, and the others stop: of
text at 115200 baud each would cost more than it could ever find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from fieldkit.devices import iec62056, sml
from fieldkit.devices.at.session import AtListener
from fieldkit.devices.modbus.pdu import FUNCTIONS, READ_BITS, READS, exception_name
from fieldkit.devices.modbus.profile import Profile
from fieldkit.devices.modbus.session import reading
from fieldkit.devices.modbus.sniff import Overheard, Sniffer
from fieldkit.devices.modbus.timing import LineSettings
from fieldkit.devices.rapi.session import RapiListener
from fieldkit.events import DeviceReading

DIALECTS: Final = ("modbus", "rapi", "at", "sml", "iec62056")
_ENOUGH: Final = 2
"""Messages that make a dialect certain."""
_ATTEMPT: Final = 16_384
"""Bytes after which who has found nothing stops looking; the next change of speed or device begins anew."""


class Expected(NamedTuple):
    """What is known of who speaks, before it has said anything."""

    dialect: str = ""
    """Empty: to be found out."""
    profile: Profile | None = None
    unit: int = 0
    """Of Modbus, the only one that the profile is about; 0: all of the bus."""


class Understood(NamedTuple):
    """One thing that a listener made out."""

    time: int
    text: str
    """Not yet safe to show."""
    reading: DeviceReading | None = None


class Listener(Protocol):
    """One dialect."""

    @property
    def messages(self) -> int:
        """Intact ones."""

    def feed(self, data: bytes, time: int) -> list[Understood]: ...


ANYTHING: Final = Expected()


class Overhearing:
    """All dialects, or the one that was asked for."""

    def __init__(self, settings: LineSettings, port: str, expected: Expected = ANYTHING) -> None:
        names = (expected.dialect,) if expected.dialect else DIALECTS
        self.dialect = expected.dialect
        """Empty until it is certain."""
        self._listeners = {name: _listener(name, settings, port, expected) for name in names}
        self._size = 0

    def feed(self, data: bytes, time: int) -> list[Understood]:
        """Bytes that came or, of a recording, went."""
        self._size += len(data)
        found: list[Understood] = []
        for listener in self._listeners.values():
            found += listener.feed(data, time)
        self._narrow()
        return found

    def _narrow(self) -> None:
        if self.dialect:
            return
        certain = [name for name, listener in self._listeners.items() if listener.messages >= _ENOUGH]
        if certain:
            self.dialect = certain[0]
            self._listeners = {certain[0]: self._listeners[certain[0]]}
        elif self._size > _ATTEMPT:
            self._listeners = {name: one for name, one in self._listeners.items() if one.messages}


def _listener(name: str, settings: LineSettings, port: str, expected: Expected) -> Listener:
    match name:
        case "modbus":
            return _Modbus(settings, port, expected)
        case "rapi":
            return _Rapi(port)
        case "at":
            return _At(port)
        case "sml":
            return _Sml(port)
        case "iec62056":
            return _D0(port)
    raise ValueError(f"{name!r} is none of {', '.join(DIALECTS)}")


class _Modbus:
    def __init__(self, settings: LineSettings, port: str, expected: Expected) -> None:
        self.messages = 0
        self._sniffer = Sniffer(settings)
        self._port = port
        self._profile, self._unit = expected.profile, expected.unit

    def feed(self, data: bytes, time: int) -> list[Understood]:
        self._sniffer.feed(data, time)
        return list(self._taken(time))

    def _taken(self, time: int) -> Iterator[Understood]:
        self.messages = self._sniffer.frames
        while self._sniffer.overheard:
            overheard = self._sniffer.overheard.popleft()
            yield Understood(time, overheard_words(overheard))
            if self._profile is not None and self._unit in (0, overheard.unit):
                for one in values_of(overheard, self._profile, self._port):
                    yield Understood(time, words(one), one)


def overheard_words(pair: Overheard) -> str:
    """A request and its answer in a line."""
    what = f"unit {pair.unit}: {FUNCTIONS.get(pair.function, f'function {pair.function}')}"
    if pair.function in (*READS, 5, 6, 15, 16):
        what += f" {pair.address} (0x{pair.address:04X})"
    if pair.function in READS or pair.function in (15, 16):
        what += f", {pair.quantity}"
    if pair.answer is None:
        return f"{what}: no answer" if pair.unit else f"{what}: to all units"
    took = f", {pair.latency / 1e6:.0f} ms"
    if pair.doubtful:
        took += ", or the late answer to an earlier request"
    if pair.code:
        return f"{what}: refused, {exception_name(pair.code)} ({pair.code}){took}"
    if pair.writes:
        return f"{what}: WRITTEN, to {pair.asked.pdu[3:].hex(' ')}{took}"
    if pair.function in READ_BITS:
        return f"{what}: {pair.data.hex(' ')}{took}"
    shown = " ".join(pair.data[at : at + 2].hex() for at in range(0, min(len(pair.data), 32), 2))
    return f"{what}: {shown}{' …' if len(pair.data) > 32 else ''}{took}"


def values_of(pair: Overheard, profile: Profile, port: str) -> Iterator[DeviceReading]:
    """What an overheard answer says by a profile: somebody else's request, our reading. Nothing where it may belong to
    another request."""
    data = pair.data
    if not data or pair.answer is None or pair.doubtful or pair.function in READ_BITS:
        return
    for register in profile.registers:
        if register.function != pair.function or register.address < pair.address:
            continue
        start = 2 * (register.address - pair.address)
        part = data[start : start + 2 * register.count]
        if len(part) == 2 * register.count:
            value = register.decode(part).value
            yield reading(port, f"{profile.id}/{pair.unit}", register, value, part, pair.answer.time)


class _Rapi:
    def __init__(self, port: str) -> None:
        self._listener = RapiListener(port)

    @property
    def messages(self) -> int:
        return self._listener.messages - self._listener.damaged

    def feed(self, data: bytes, time: int) -> list[Understood]:
        return _all(self._listener.feed(data, time))


class _At:
    def __init__(self, port: str) -> None:
        self.messages = 0
        self._listener = AtListener(port)

    def feed(self, data: bytes, time: int) -> list[Understood]:
        found = self._listener.feed(data, time)
        self.messages += len(found)
        return _all(found)


class _Sml:
    def __init__(self, port: str) -> None:
        self.messages = 0
        self._port = port
        self._framer = sml.SmlFramer()

    def feed(self, data: bytes, time: int) -> list[Understood]:
        found: list[Understood] = []
        for telegram in self._framer.feed(data, time):
            self.messages += telegram.intact
            state = "intact" if telegram.intact else "DAMAGED (its check is wrong)"
            found.append(Understood(time, f"telegram of {len(telegram.data)} bytes, {state}"))
            found += _all(list(sml.readings(telegram, self._port)))
        return found


class _D0:
    def __init__(self, port: str) -> None:
        self.messages = 0
        self._port = port
        self._listener = iec62056.D0Listener()

    def feed(self, data: bytes, time: int) -> list[Understood]:
        found: list[Understood] = []
        for data_set in self._listener.feed(data, time):
            self.messages += not data_set.damaged
            who = data_set.identification.ident if data_set.identification is not None else "a meter"
            state = "DAMAGED (its check is wrong)" if data_set.damaged else f"{len(data_set.lines)} lines"
            found.append(Understood(time, f"data set of {who}, {state}"))
            found += _all(list(iec62056.readings(data_set, self._port)))
        return found


def _all(found: list[DeviceReading]) -> list[Understood]:
    return [Understood(one.time, words(one), one) for one in found]


def words(one: DeviceReading) -> str:
    """A reading in a line."""
    if one.value is None:
        value = "no value"
    elif isinstance(one.value, float | int) and not isinstance(one.value, bool):
        value = f"{one.value:.10g}"
    else:
        value = str(one.value)
    doubt = "" if one.verified else "  (unverified)"
    return f"{one.device} {one.name} = {value}{' ' + one.unit if one.unit else ''}{doubt}"
