"""A bus between exchanges: when the next request may go out, and which ones may not.

A request without an answer stays *unsettled*: its answer may come at any time, and would be taken for that of the next
request that looks alike. Three things settle it: its answer comes late and is recognised; the same unit answers a later
request (devices answer in the order in which they are asked); or so much time passes that nobody answers any more.
Until then ``fits`` says no to every request whose answer would look the same. To go on, ask for something that looks
different, for instance a part of it (``session`` does).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fieldkit.devices.modbus.exchange import Exchange, Late, Outcome
from fieldkit.devices.modbus.framing import AsciiReceiver, Receiver, RtuReceiver, ascii_frame, rtu_frame
from fieldkit.devices.modbus.pdu import MAX_PDU
from fieldkit.devices.modbus.reads import Request, shape
from fieldkit.devices.modbus.timing import MILLISECOND, SECOND, LineSettings

LEAST_TIMEOUT: Final = 300 * MILLISECOND
UNKNOWN_TIMEOUT: Final = SECOND
"""For a bus nobody knows anything of; some devices need more than half a second."""
DRAIN: Final = SECOND
"""Silence that is kept after a request without an answer: nearly all late answers come within."""
FORGOTTEN: Final = 10 * SECOND
"""After this, an answer that never came never will."""
MOST_UNSETTLED: Final = 16


class Patience(NamedTuple):
    """How long a device is waited for, in nanoseconds."""

    timeout: int = UNKNOWN_TIMEOUT
    """For the answer to begin and end, besides the time it takes on the wire."""
    drain: int = DRAIN
    delay: int = 0
    """Between an answer and the next request, where the device needs more than the silence between frames."""
    forgotten: int = FORGOTTEN


class Line:
    """See the module."""

    def __init__(self, settings: LineSettings, patience: Patience | None = None, *, ascii: bool = False) -> None:
        self.settings = settings
        self.patience = patience or Patience()
        self.ascii = ascii
        self.echo = False
        """The adapter hears what it sends; found out by the first exchange."""
        self.exchange: Exchange | None = None
        self.late: list[Late] = []
        """Answers that came after their exchange was given up; for the caller to take away."""
        self._unsettled: list[tuple[Request, int]] = []
        self._ready = 0
        self._begun = 0

    @property
    def ready(self) -> int:
        """When the next request may go out at the earliest."""
        return self._ready

    def unsettled(self, now: int) -> list[Request]:
        """Requests whose answers may still come."""
        self._forget(now)
        return [request for request, _ in self._unsettled]

    def fits(self, request: Request, now: int) -> bool:
        """Whether an answer to this could be told from all that may still come."""
        self._forget(now)
        return len(self._unsettled) < MOST_UNSETTLED and not any(
            shape(request) == shape(earlier) for earlier, _ in self._unsettled
        )

    def settled_at(self, now: int) -> int:
        """When the oldest of the unsettled will be forgotten; ``now`` if there is none."""
        self._forget(now)
        return min((sent + self.patience.forgotten for _, sent in self._unsettled), default=now)

    def begin(self, request: Request, now: int) -> Exchange:
        """An exchange; send its ``data`` at once. ValueError where it may not go out (yet)."""
        if self.exchange is not None and not self.exchange.done:
            raise ValueError("one request at a time: the last one is still open")
        if now < self._ready:
            raise ValueError(f"the line has to be silent for another {(self._ready - now) / MILLISECOND:.1f} ms")
        if not self.fits(request, now):
            raise ValueError("an earlier request that looks the same is still without its answer")
        self._begun = now
        data = (ascii_frame if self.ascii else rtu_frame)(request.unit, request.pdu)
        receiver: Receiver = AsciiReceiver() if self.ascii else RtuReceiver()
        sent = now + self.settings.wire_time(len(data))
        length = request.answer_length or MAX_PDU
        answer = self.settings.wire_time(2 * length + 7 if self.ascii else length + 3)
        self.exchange = Exchange(
            request,
            data,
            receiver,
            sent,
            until=sent + max(self.patience.timeout, LEAST_TIMEOUT) + answer,
            drain=self.patience.drain,
            quiet=self.settings.frame_gap,
            unsettled=self._unsettled,
            echo=self.echo,
        )
        return self.exchange

    def feed(self, data: bytes, time: int) -> Outcome | None:
        """Bytes heard. The outcome, where they bring the exchange to its end."""
        exchange = self.exchange
        if exchange is None or exchange.outcome is not None or time < self._begun:
            # Nobody was asked when this was said, even if it is handed over only now: keep silent until it is over.
            self._ready = max(self._ready, time + self.settings.frame_gap)
            return None
        exchange.feed(data, time)
        return self._finished(exchange, time)

    def tick(self, now: int) -> Outcome | None:
        """It is ``now``. The outcome, where the exchange is over by that."""
        exchange = self.exchange
        if exchange is None or exchange.done:
            return None
        exchange.tick(now)
        return self._finished(exchange, now)

    def _finished(self, exchange: Exchange, now: int) -> Outcome | None:
        outcome = exchange.outcome
        if outcome is None:
            return None
        self.late += exchange.late
        if outcome.settles:
            self._unsettled = [pair for pair in exchange.unsettled if pair[0].unit != exchange.request.unit]
        else:
            self._unsettled = [*exchange.unsettled, (exchange.request, exchange.sent)]
        self.echo = outcome.echo
        self._ready = now + max(self.settings.frame_gap, self.patience.delay)
        return outcome

    def _forget(self, now: int) -> None:
        if self._unsettled:
            oldest = now - self.patience.forgotten
            self._unsettled = [pair for pair in self._unsettled if pair[1] > oldest]


def patience(settings: LineSettings, *, turnaround: int, delay: int = 0, registers: int = 80) -> Patience:
    """Of a device that is known to need ``turnaround`` nanoseconds before it answers."""
    timeout = max(LEAST_TIMEOUT, 3 * turnaround + settings.wire_time(5 + 2 * registers))
    return Patience(timeout=timeout, drain=max(DRAIN, 3 * turnaround), delay=delay)
