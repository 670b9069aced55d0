"""One request on a line, and what became of it.

Theory of operation. Modbus on a serial line numbers nothing: an answer says which unit it is from, which function it
answers and how long it is, and that is all. Hence three rules:

1. An answer counts when its check is right, its unit and function are those of the request, and its length is what was
   asked for.
2. It counts only while no earlier request with the same look is still without its answer: that could be the one which
   arrives now. ``Line`` does not let such a request go out.
3. Silence is judged late: when the time is up, the exchange stays open for a while, sends nothing, and looks whether
   the answer comes after all. Then the device is slow, not dead, and the cause is "late"; its values are still not
   shown, as by then they are old.

An exchange is told bytes with their times (``feed``) and how late it is (``tick``), and says by when it wants to be
told next (``deadline``).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from fieldkit.devices.modbus.framing import Frame, Receiver
from fieldkit.devices.modbus.pdu import ADVICE, REFUSED, exception_name
from fieldkit.devices.modbus.reads import Request
from fieldkit.devices.modbus.timing import MILLISECOND

_LUMP: Final = 50 * MILLISECOND
"""How far apart the bytes of one answer may arrive: USB adapters collect for 16 ms, network ones for longer."""

_NOISE: Final = frozenset((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF))
"""What a line at the wrong speed, without its ground or with its wires swapped is made of."""


_GLITCH: Final = 2
"""Bytes beside a frame that a transceiver makes when it turns round."""

_PATIENCE: Final = 4
"""Drains after which an exchange ends on a line that never gets quiet."""

_SHORTEST_IDENTITY: Final = 7
"""Bytes before the first object of a device identification (Application Protocol §6.21)."""


class Cause(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    EXCEPTION = "exception"
    """The device answered that it will not."""
    SILENCE = "silence"
    """Nothing was heard."""
    LATE = "late"
    """The answer came after its time."""
    CHECKSUM = "checksum"
    """As many bytes as an answer has, but damaged."""
    TRUNCATED = "truncated"
    """Fewer bytes than an answer has."""
    WRONG_UNIT = "wrong-unit"
    """Another unit answered."""
    UNEXPECTED = "unexpected"
    """This unit said something that does not answer what was asked."""
    NOISE = "noise"
    """Bytes that are no part of an answer."""


class Late(NamedTuple):
    """An answer to an earlier request that came when that one was given up."""

    request: Request
    sent: int
    """When its last bit had left."""
    after: int
    """Nanoseconds from then to the answer."""


class Outcome(NamedTuple):
    """How an exchange ended."""

    cause: Cause
    pdu: bytes
    """The answer; empty unless it counts."""
    code: int
    """Of the exception; 0."""
    latency: int
    """Nanoseconds from the end of the request to the last byte of the answer (late ones too); -1 without one."""
    text: str
    """What happened, in a sentence for a technician."""
    heard: bytes
    """All that came, an echo included."""
    units: tuple[int, ...]
    """Other units that were heard."""
    echo: bool
    """The adapter hears itself."""
    settles: bool
    """Whether nothing can come any more of this request and those before it."""


class Exchange:
    """See the module. Made by ``Line.begin``."""

    def __init__(
        self,
        request: Request,
        data: bytes,
        receiver: Receiver,
        sent: int,
        *,
        until: int,
        drain: int,
        quiet: int,
        unsettled: Sequence[tuple[Request, int]] = (),
        echo: bool = False,
    ) -> None:
        self.request = request
        self.data = data
        """The bytes to send."""
        self.sent = sent
        """When their last bit has left."""
        self.outcome: Outcome | None = None
        self.late: list[Late] = []
        """Answers to earlier requests that came meanwhile."""
        self._receiver = receiver
        self._until = until
        self._drain = drain
        self._quiet = max(quiet, _LUMP)
        self._unsettled = list(unsettled)
        self._echo = echo
        self._echo_due = echo
        self._last = sent
        self._lingering = False
        self._verdict: Cause | None = None
        self._latest = until + _PATIENCE * drain
        receiver.watch(request.answer_head, request.answer_length)
        refusals = {(request.unit, request.function)}
        for earlier, _ in self._unsettled:
            receiver.watch(earlier.answer_head, earlier.answer_length)
            refusals.add((earlier.unit, earlier.function))
        for unit, function in sorted(refusals):
            receiver.watch(bytes((unit, function | REFUSED)), 2)

    @property
    def deadline(self) -> int:
        """When ``tick`` is wanted, if nothing comes before."""
        return self._until

    @property
    def done(self) -> bool:
        return self.outcome is not None

    def feed(self, data: bytes, time: int) -> None:
        """Bytes that were heard; ``time``: when the last of them was."""
        self.tick(time)
        if self.outcome is not None or not data:
            return
        self._last = max(self._last, time)
        for frame in self._receiver.feed(data):
            if self.outcome is None:
                self._take(frame, time)
        if self._lingering and self._verdict is not Cause.SILENCE:
            self._until = min(max(self._until, self._last + self._quiet), self._latest)

    def tick(self, now: int) -> None:
        """It is ``now``; call it at ``deadline`` at the latest."""
        while self.outcome is None and now >= self._until:
            if self._lingering:
                self._end(self._classify())
                return
            self._lingering = True
            self._verdict = self._classify()
            # After silence a slow device may still speak. After a damaged answer there is only its rest to wait for;
            # that it might have been somebody else's is what ``settles`` is for.
            silent = self._verdict in (Cause.SILENCE, Cause.WRONG_UNIT, Cause.UNEXPECTED)
            self._until = max(self._until + self._drain if silent else 0, self._last + self._quiet)

    def give_up(self) -> None:
        """The line is gone: judge by what there is."""
        if self.outcome is None:
            self._end(self._classify())

    # ------------------------------------------------------------------------------------------------------ one frame

    def _take(self, frame: Frame, time: int) -> None:
        request = self.request
        if self._echo_due and self._is_echo(frame):
            self._echo_due = False
            return
        if frame.unit == request.unit and request.fits(frame.pdu):
            if self._lingering:
                self._end(Cause.LATE, latency=time - self.sent, settles=True)
            else:
                self._end(Cause.ANSWERED, frame.pdu, latency=time - self.sent, settles=True)
            return
        for at, (earlier, sent) in enumerate(self._unsettled):
            if frame.unit == earlier.unit and earlier.fits(frame.pdu):
                self.late.append(Late(earlier, sent, time - sent))
                # Devices answer in the order in which they were asked: what was asked before this one is settled too.
                self._unsettled = [
                    pair for place, pair in enumerate(self._unsettled) if place > at or pair[0].unit != earlier.unit
                ]
                return
        if len(frame.pdu) == 2 and frame.pdu[0] & REFUSED:
            self._refused(frame, time)

    def _refused(self, frame: Frame, time: int) -> None:
        """An exception says which function it is about, and nothing more."""
        request, function = self.request, frame.pdu[0] & ~REFUSED
        asked = [
            at
            for at, (earlier, _) in enumerate(self._unsettled)
            if (earlier.unit, earlier.function) == (frame.unit, function)
        ]
        if (frame.unit, function) == (request.unit, request.function):
            self._end(Cause.EXCEPTION, frame.pdu, latency=time - self.sent, settles=not asked)
        elif asked:
            earlier, sent = self._unsettled.pop(asked[0])
            self.late.append(Late(earlier, sent, time - sent))

    def _is_echo(self, frame: Frame) -> bool:
        return bytes(self._receiver.heard[frame.start : frame.end]) == self.data

    @property
    def unsettled(self) -> list[tuple[Request, int]]:
        """Earlier requests whose answers may still come."""
        return self._unsettled

    # ---------------------------------------------------------------------------------------------------- its outcome

    def _classify(self) -> Cause:
        """Why there is no answer, by all that was heard."""
        heard, skipped = self._without_echo()
        if not heard:
            return Cause.SILENCE
        others = own = False
        outside, at = bytearray(), skipped
        for frame in self._frames(skipped):
            own = own or frame.unit == self.request.unit
            others = others or frame.unit != self.request.unit
            outside += self._receiver.heard[at : frame.start]
            at = frame.end
        outside += self._receiver.heard[at:]
        if len(outside) > _GLITCH or not (own or others):
            return self._damaged(bytes(outside))
        if others:
            return Cause.WRONG_UNIT
        # An answer to an earlier request says that this one is only waiting its turn.
        return Cause.SILENCE if self.late else Cause.UNEXPECTED

    def _damaged(self, outside: bytes) -> Cause:
        """Bytes that are no frame: what is left of one, or no part of any."""
        like = _likeness(outside, self.request)
        if not like and _NOISE.issuperset(outside):
            return Cause.NOISE
        refusal = outside[: len(self._refusal)] == self._refusal
        return Cause.CHECKSUM if len(outside) >= (self._refusal_size if refusal else self._whole) else Cause.TRUNCATED

    @property
    def _ascii(self) -> bool:
        return self.data[:1] == b":"

    @property
    def _whole(self) -> int:
        """Bytes of a good answer on the wire."""
        length = self.request.answer_length or _SHORTEST_IDENTITY
        return 2 * (length + 2) + 3 if self._ascii else length + 3

    @property
    def _refusal_size(self) -> int:
        return 11 if self._ascii else 5

    @property
    def _refusal(self) -> bytes:
        """How an exception begins."""
        head = bytes((self.request.unit, self.request.function | REFUSED))
        return b":%s" % head.hex().upper().encode("ascii") if self._ascii else head

    def _without_echo(self) -> tuple[bytes, int]:
        """What was heard behind the echo of our own request, and how long that is."""
        heard = bytes(self._receiver.heard)
        if heard.startswith(self.data):
            return heard[len(self.data) :], len(self.data)
        return heard, 0

    def _frames(self, skipped: int) -> list[Frame]:
        return [frame for frame in self._receiver.all_frames() if frame.start >= skipped]

    def _end(self, cause: Cause, pdu: bytes = b"", *, latency: int = -1, settles: bool = False) -> None:
        heard = bytes(self._receiver.heard)
        units: tuple[int, ...] = ()
        if cause not in (Cause.ANSWERED, Cause.SILENCE):
            units = tuple(sorted({frame.unit for frame in self._frames(self._without_echo()[1])} - {self.request.unit}))
        code = pdu[1] if cause is Cause.EXCEPTION else 0
        echo = self._echo or (heard.startswith(self.data) and not self.request.fits(self.request.pdu))
        text = self._say(cause, code, latency, heard, units, echo)
        answer = pdu if cause is Cause.ANSWERED else b""
        self.outcome = Outcome(cause, answer, code, latency, text, heard, units, echo, settles)

    def _say(self, cause: Cause, code: int, latency: int, heard: bytes, units: tuple[int, ...], echo: bool) -> str:
        unit, took = self.request.unit, f"{latency / MILLISECOND:.0f} ms"
        match cause:
            case Cause.ANSWERED:
                return f"unit {unit} answered after {took}"
            case Cause.EXCEPTION:
                advice = ADVICE.get(code, "look it up in the device's manual")
                return f"unit {unit} refused: {exception_name(code)} ({code}); {advice}"
            case Cause.SILENCE if echo:
                return f"nothing but our own request came back: the adapter works, unit {unit} does not answer"
            case Cause.SILENCE:
                return f"unit {unit} did not answer: check address, speed, power and the two wires"
            case Cause.LATE:
                return f"unit {unit} answered too late, after {took}: give it more time"
            case Cause.CHECKSUM:
                return (
                    f"{len(heard)} bytes came, damaged: check ground, termination and interference, or a second master"
                )
            case Cause.TRUNCATED:
                return f"{len(heard)} of {self._whole} bytes came: the rest was lost on the line or in the adapter"
            case Cause.WRONG_UNIT:
                return f"unit {', '.join(map(str, units))} answered instead of {unit}: two masters, or a wrong address"
            case Cause.UNEXPECTED:
                return f"unit {unit} said something that was not asked: is there a second master on this bus?"
            case Cause.NOISE:
                return "what came is no Modbus: wrong speed or format, swapped wires, or another protocol"


def _likeness(heard: bytes, request: Request) -> bool:
    """Whether bytes begin like an answer to this, one byte of the head being damaged at most."""
    head = b":%02X%02X" % (request.unit, request.function) if heard[:1] == b":" else request.answer_head
    same = sum(a == b for a, b in zip(heard, head, strict=False))
    return same >= min(len(heard), len(head)) - 1 and same > 0
