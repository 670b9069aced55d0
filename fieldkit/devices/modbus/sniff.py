"""Somebody else's bus: requests and answers among what is heard, several units, nothing ever sent.

Two things tell where a frame ends: silence, and a CRC that is right. A recording may have no times worth the name and a
USB adapter blurs them, so the CRC decides here, and silence only helps: behind a gap nothing is waited for any more.
Where no frame begins, one byte is passed over and the next is tried; what was passed over is counted, not hidden.

Answers of eight bytes look like requests (functions 5 and 6 repeat them; three bytes of coils do by chance). Who spoke
is told from who was asked: what follows a request to the same unit, with the same function, is its answer.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from fieldkit.devices.checksums import crc16
from fieldkit.devices.modbus.framing import MAX_RTU
from fieldkit.devices.modbus.line import FORGOTTEN, MOST_UNSETTLED
from fieldkit.devices.modbus.pdu import (
    FIRST_UNIT,
    LAST_UNIT,
    READ_BITS,
    READS,
    REFUSED,
    WRITES,
    answer_size,
    request_size,
)
from fieldkit.devices.modbus.timing import MILLISECOND, LineSettings

PATIENCE: Final = 5_000 * MILLISECOND
"""After this, an answer belongs to nobody's question."""

_LUMP: Final = 50 * MILLISECOND
"""USB adapters tear frames apart by 16 ms, network ones by more: a shorter gap does not end a frame."""


class Heard(NamedTuple):
    """One frame on the bus."""

    time: int
    unit: int
    request: bool
    """True: the master asks; False: a unit answers."""
    pdu: bytes


class Overheard(NamedTuple):
    """A request and its answer."""

    asked: Heard
    answer: Heard | None
    """None: none came before the next request."""
    doubtful: bool = False
    """An earlier request that looks alike is still without its answer: this may be that one, come late."""

    @property
    def unit(self) -> int:
        return self.asked.unit

    @property
    def function(self) -> int:
        return self.asked.pdu[0]

    @property
    def address(self) -> int:
        return int.from_bytes(self.asked.pdu[1:3], "big")

    @property
    def quantity(self) -> int:
        """Registers or bits that were asked for."""
        return int.from_bytes(self.asked.pdu[3:5], "big")

    @property
    def code(self) -> int:
        """Of the exception that it was answered with; 0."""
        return self.answer.pdu[1] if self.answer is not None and self.answer.pdu[0] & REFUSED else 0

    @property
    def data(self) -> bytes:
        """What was read (registers or bits); empty for all else."""
        if self.answer is None or self.code or self.function not in READS:
            return b""
        return self.answer.pdu[2:]

    @property
    def writes(self) -> bool:
        return self.function in WRITES

    @property
    def latency(self) -> int:
        """Nanoseconds from the last byte of the one to the last byte of the other; -1."""
        return self.answer.time - self.asked.time if self.answer is not None else -1


class Traffic:
    """Counters of a unit."""

    __slots__ = ("answers", "exceptions", "requests", "unanswered", "writes")

    def __init__(self) -> None:
        self.requests = self.answers = self.exceptions = self.unanswered = self.writes = 0


class Sniffer:
    """See the module. Feed it what is heard; take ``overheard`` away."""

    def __init__(self, settings: LineSettings | None = None) -> None:
        self.overheard: deque[Overheard] = deque()
        self.units: dict[int, Traffic] = {}
        self.frames = 0
        self.garbage = 0
        """Bytes that are no part of a frame."""
        self.strays = 0
        """Answers that nobody asked for."""
        self._gap = max(settings.frame_gap, _LUMP) if settings is not None else _LUMP
        self._buffer = bytearray()
        self._last = 0
        self._unsettled: deque[Heard] = deque(maxlen=MOST_UNSETTLED)
        """Reads without an answer, which may still come: nothing in an answer says what it answers."""
        self._asked_last: Heard | None = None
        """The request whose answer is due: a bus has one master, and that asks one by one."""

    @property
    def master_heard(self) -> bool:
        """Somebody asks on this bus: whoever else does disturbs it."""
        return any(traffic.requests for traffic in self.units.values())

    def feed(self, data: bytes, time: int) -> None:
        """Bytes heard, the last of them at ``time``."""
        if self._buffer and time - self._last > self._gap:
            self._scan(final=True)
        self._last = time
        # In pieces, so that a recording fed whole keeps the buffer as small as a live line does.
        for at in range(0, len(data), MAX_RTU):
            self._buffer += data[at : at + MAX_RTU]
            self._scan(final=False)

    def tick(self, now: int) -> None:
        """It is ``now``, and nothing more has come: what waits for its end will not get it."""
        if self._buffer and now - self._last > self._gap:
            self._scan(final=True)

    def finish(self) -> None:
        """Nothing more comes."""
        self._scan(final=True)
        if self._asked_last is not None:
            self._give(Overheard(self._asked_last, None))
            self._asked_last = None

    # ---------------------------------------------------------------------------------------------------------- frames

    def _scan(self, *, final: bool) -> None:
        buffer, at = self._buffer, 0
        while at < len(buffer):
            size = self._frame(at, final)
            if size is None:
                break
            if size:
                at += size
            else:
                self.garbage += 1
                at += 1
        del buffer[:at]

    def _frame(self, at: int, final: bool) -> int | None:
        """Bytes of the frame that begins here; 0 if none does; None while that cannot be told."""
        buffer = self._buffer
        unit = buffer[at]
        if not (FIRST_UNIT <= unit <= LAST_UNIT or unit == 0):
            return 0
        rest = bytes(buffer[at + 1 : at + MAX_RTU])
        waits = False
        for request in self._order(unit, rest):
            size = (request_size if request else answer_size)(rest)
            if size is None:
                waits = True
                continue
            end = size + 3
            if size < 0:
                continue
            if at + end > len(buffer):
                waits = True
            elif crc16(buffer[at : at + end - 2]) == buffer[at + end - 2] | buffer[at + end - 1] << 8:
                self._take(Heard(self._last, unit, request, rest[:size]))
                return end
        return None if waits and not final else 0

    def _order(self, unit: int, rest: bytes) -> tuple[bool, ...]:
        """Whether to take it for a request or for an answer first."""
        if not unit:
            return (True,)  # to everybody, answered by nobody
        asked = self._asked_last
        expected = asked is not None and asked.unit == unit and bool(rest) and rest[0] & ~REFUSED == asked.pdu[0]
        return (False, True) if expected else (True, False)

    # ----------------------------------------------------------------------------------------------------------- pairs

    def _take(self, heard: Heard) -> None:
        self.frames += 1
        traffic = self.units.get(heard.unit)
        if traffic is None:
            traffic = self.units[heard.unit] = Traffic()
        if heard.request:
            self._asked(heard, traffic)
            return
        asked = self._asked_last
        if (
            asked is None
            or asked.unit != heard.unit
            or not _answers(asked, heard)
            or heard.time - asked.time > PATIENCE
        ):
            self.strays += 1
            return
        self._asked_last = None
        traffic.answers += 1
        traffic.exceptions += bool(heard.pdu[0] & REFUSED)
        self._give(Overheard(asked, heard, self._doubtful(asked, heard)))

    def _doubtful(self, asked: Heard, answer: Heard) -> bool:
        """Whether it may answer an earlier request. If it cannot, that settles them: units answer in order."""
        waiting = [one for one in self._unsettled if one.unit == asked.unit and answer.time - one.time <= FORGOTTEN]
        if any(_answers(one, answer) for one in waiting):
            return True
        kept = [one for one in self._unsettled if one.unit != asked.unit]
        self._unsettled.clear()
        self._unsettled.extend(kept)
        return False

    def _asked(self, heard: Heard, traffic: Traffic) -> None:
        traffic.requests += 1
        traffic.writes += heard.pdu[0] in WRITES
        if not heard.unit:
            self._give(Overheard(heard, None))
            return
        if self._asked_last is not None:
            self.units[self._asked_last.unit].unanswered += 1
            self._unsettled.append(self._asked_last)
            self._give(Overheard(self._asked_last, None))
        self._asked_last = heard

    def _give(self, overheard: Overheard) -> None:
        if len(self.overheard) < _MOST_KEPT:
            self.overheard.append(overheard)


_MOST_KEPT: Final = 100_000
"""Pairs that wait to be taken away; whoever leaves them lying loses the later ones."""


def _answers(asked: Heard, answer: Heard) -> bool:
    """Whether this can be the answer to that."""
    pdu = answer.pdu
    if pdu[0] & ~REFUSED != asked.pdu[0]:
        return False
    if pdu[0] & REFUSED:
        return True
    if pdu[0] in READS:
        count = int.from_bytes(asked.pdu[3:5], "big")
        return pdu[1] == ((count + 7) // 8 if pdu[0] in READ_BITS else 2 * count)
    if pdu[0] in WRITES:
        return pdu == asked.pdu[:5]
    return pdu[1] == asked.pdu[1]
