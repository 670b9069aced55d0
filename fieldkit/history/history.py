"""The rows of a session: appended as events pass, read back by number.

Rows are numbered from 0 and keep their numbers; when there are too many, the oldest leave in blocks, and ``first``
says how far. There is one who writes; whoever reads at the same time holds the lock that the two have agreed on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from sys import intern
from typing import Any, Final, get_args

from fieldkit.checks.finding import Severity
from fieldkit.events import (
    CaptureComment,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    DecodeError,
    Event,
    HttpResponse,
    MessageType,
    NoAnswer,
    OcppChannel,
    OcppMessage,
    Orphan,
    PluginFailed,
    Sender,
    StreamGap,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    Unanswered,
)
from fieldkit.history import block as b
from fieldkit.history.block import Block, Extra, Texts
from fieldkit.history.links import Links
from fieldkit.history.row import MAX_NAME, Row, RowKind
from fieldkit.ocpp.exchange import latency
from fieldkit.ocpp.ocppj import parse
from fieldkit.query.fields import BY_NAME
from fieldkit.site.picture import Picture

MAX_ROWS: Final = 1_000_000
"""Rows that are kept: about 70 bytes each and their compressed text."""
MAX_TEXT: Final = 128 << 20
"""Bytes of compressed text that is kept."""
_OPEN_BLOCKS: Final = 24
"""Unpacked blocks, each of up to 256 rows: what is on the screen, and where its answers are."""
_OPEN_CALLS: Final = 8192
"""CALLs waiting for their answer, whose row is remembered."""
_ANSWERED: Final = 256
"""Answered ones whose row is still known: 2.1 may object to an answer with a CALLRESULTERROR."""

_REASONS: Final[tuple[NoAnswer, ...]] = get_args(NoAnswer)
_TYPES: Final[tuple[MessageType | None, ...]] = (None, None, *MessageType)
_ABOUT_TRANSACTIONS: Final = frozenset(
    {
        "StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "RemoteStopTransaction",
        "RequestStopTransaction", "RequestStartTransaction", "GetTransactionStatus", "SetChargingProfile",
        "NotifyPriorityCharging", "UsePriorityCharging", "NotifySettlement", "CostUpdated", "NotifyEvent",
        "VatNumberValidation",
    }
)  # fmt: skip
_read_transaction: Final = BY_NAME["tx"].read


class History:
    """Every message, and every other event worth a row. A watcher of ``Session``."""

    def __init__(self, max_rows: int = MAX_ROWS, max_text: int = MAX_TEXT) -> None:
        self.version = 0
        """Grows with every change."""
        self.notes: dict[int, str] = {}
        """What the user wrote beside rows; an empty text is a mark. Those of rows that left are kept."""
        self.messages = 0
        """Rows that are messages, those that left included."""
        self._max_rows = max_rows
        self._max_text = max_text
        self._blocks: list[Block] = [Block(0)]
        self._starts: list[int] = [0]
        self._weight = 0
        self._links = Links()
        self._unpacked: OrderedDict[int, Texts] = OrderedDict()
        self._calls: OrderedDict[int, tuple[OcppMessage, int]] = OrderedDict()
        self._answered: OrderedDict[int, tuple[OcppMessage, int]] = OrderedDict()
        self._handlers: Final[dict[type[Any], Callable[[Any], None]]] = {
            OcppMessage: self._message,
            Unanswered: self._unanswered,
            Orphan: self._orphan,
            DecodeError: lambda event: self._events(self._links.broken(event)),
            CaptureDropped: self._event,
            CaptureComment: self._event,
            PluginFailed: self._event,
            **dict.fromkeys(Links.WANTS, lambda event: self._events(self._links.feed(event))),
        }
        self.wants: Final[frozenset[type[Event]]] = frozenset(self._handlers)

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def first(self) -> int:
        """The oldest row there is."""
        return self._starts[0]

    @property
    def end(self) -> int:
        """One more than the newest."""
        return self._starts[-1] + len(self._blocks[-1])

    @property
    def left(self) -> int:
        """Rows that are not kept any more."""
        return self.first

    # ------------------------------------------------------------------------------------------------------ writing

    def see(self, event: Event, picture: Picture | None = None) -> None:
        """An event that has passed."""
        self.version += 1
        self._handlers[event.__class__](event)

    def _message(self, message: OcppMessage) -> None:
        told = self._links.spoken(message)
        if told:
            self._events(told)
        block = self._room()
        number = block.first + len(block.times)
        call = message.call
        partner = -1
        flags = 0
        waited = b.NONE
        if call is not None:
            known = self._calls.pop(id(call), None)
            if known is None:
                known = self._answered.get(id(call))
            else:
                self._answered[id(call)] = known
                if len(self._answered) > _ANSWERED:
                    self._answered.popitem(last=False)
            if known is not None:
                partner = known[1]
                self._answer(partner, number)
            measured = latency(message)
            if measured is not None:
                waited = measured
        elif message.type is MessageType.CALL:
            self._calls[id(message)] = (message, number)
            if len(self._calls) > _OPEN_CALLS:
                self._calls.popitem(last=False)
        if message.sender == "csms":
            flags = b.BY_CSMS
        if message.validated:
            flags |= b.VALIDATED
        if message.error is not None:
            flags |= b.IS_ERROR
        channel = message.channel
        action = message.action
        transaction = ""
        if action in _ABOUT_TRANSACTIONS:
            transaction = self._transaction(message, partner)
        frames = message.frames
        if len(frames) == 1:
            block.frames.append(frames[0])
        else:
            block.many[len(block.times)] = frames
            block.frames.append(frames[-1] if frames else 0)
        block.kinds.append(RowKind.MESSAGE)
        block.subjects.append(channel)
        block.stations.append(channel.station)
        block.actions.append(intern(action[:MAX_NAME]))
        block.sources.append(message.source)
        block.types.append(message.type or 0)
        block.flags.append(flags)
        block.problems.append(min(len(message.problems), 255))
        block.latencies.append(waited)
        block.partners.append(partner)
        block.transactions.append(transaction)
        extra = None
        if channel.transport == "soap":
            extra = Extra(message.problems, (message.id, message.payload, message.error))
        elif message.problems:
            extra = Extra(message.problems, None)
        block.add_text(message.raw, extra)
        block.times.append(message.time)
        self.messages += 1

    def _transaction(self, message: OcppMessage, partner: int) -> str:
        found = _read_transaction(message)
        if not found or isinstance(found[0], dict | list):
            place = self._place(partner) if partner >= 0 else None
            return "" if place is None else place[0].transactions[place[1]]
        name = intern(str(found[0])[:MAX_NAME])
        if message.action == "StartTransaction" and message.call is not None and partner >= 0:
            # 1.x: the CSMS gives the number in its answer, and the CALL belongs to the same transaction.
            place = self._place(partner)
            if place is not None:
                place[0].transactions[place[1]] = name
        return name

    def _answer(self, row: int, by: int) -> None:
        place = self._place(row)
        if place is not None:
            block, index = place
            block.flags[index] |= b.ANSWERED
            if block.partners[index] < 0:
                block.partners[index] = by

    def _unanswered(self, event: Unanswered) -> None:
        known = self._calls.pop(id(event.call), None)
        place = self._place(known[1]) if known is not None else None
        if place is not None:
            block, index = place
            block.flags[index] |= (_REASONS.index(event.why) + 1) << b.UNANSWERED

    def _orphan(self, event: Orphan) -> None:
        block = self._blocks[-1]
        if len(block) and block.types[-1] and block.times[-1] == event.answer.time:
            block.flags[-1] |= b.ORPHAN  # it is told right behind the answer itself

    def _events(self, events: list[Event]) -> None:
        for event in events:
            self._event(event)

    def _event(self, event: Event) -> None:
        block = self._room()
        connection: Connection | None = getattr(event, "connection", None)
        if isinstance(event, HttpResponse):
            # A body may be a megabyte, and a row tells the head.
            request = event.request and replace(event.request, body=b"")
            event = replace(event, body=b"", request=request)
        frames = event.frames
        if len(frames) != 1:
            block.many[len(block.times)] = frames
        block.frames.append(frames[-1] if frames else 0)
        block.kinds.append(_KINDS.get(event.__class__, RowKind.CONNECTION))
        block.subjects.append(event)
        block.stations.append(self._links.station(connection)[:MAX_NAME] if connection is not None else "")
        block.actions.append("")
        block.sources.append(connection.source if connection is not None else "")
        block.types.append(0)
        block.flags.append(0 if getattr(event, "from_client", True) else b.BY_CSMS)
        block.problems.append(0)
        block.latencies.append(b.NONE)
        block.partners.append(-1)
        block.transactions.append("")
        block.add_text("", None)
        block.times.append(event.time)

    def _room(self) -> Block:
        block = self._blocks[-1]
        if not block.full:
            return block
        block.seal()
        self._weight += block.weight
        end = block.first + len(block)
        block = Block(end)
        self._blocks.append(block)
        self._starts.append(end)
        while len(self._blocks) > 2 and (end - self._starts[1] >= self._max_rows or self._weight > self._max_text):
            self._weight -= self._blocks[0].weight
            self._unpacked.pop(self._starts[0], None)
            del self._blocks[0], self._starts[0]
        return block

    # ------------------------------------------------------------------------------------------------------ reading

    def _place(self, number: int) -> tuple[Block, int] | None:
        """Where a row is; None when it has left, or is still to come."""
        at = bisect_right(self._starts, number) - 1
        if at < 0:
            return None
        block = self._blocks[at]
        index = number - block.first
        return (block, index) if index < len(block.times) else None

    def place(self, number: int) -> tuple[Block, int]:
        """Where a row is; IndexError when there is none of this number (any more)."""
        place = self._place(number)
        if place is None:
            raise IndexError(f"no row {number}")
        return place

    def state(self, number: int) -> int:
        """Changes when what ``row`` says of it does: for whoever keeps what was drawn."""
        block, index = self.place(number)
        return block.flags[index] | (block.transactions[index] != "") << 9

    def row(self, number: int) -> Row:
        """What is known of a row without its text."""
        block, i = self.place(number)
        flags = block.flags[i]
        subject = block.subjects[i]
        kind = RowKind(block.kinds[i])
        waited = block.latencies[i]
        reason = flags >> b.UNANSWERED
        why = _REASONS[reason - 1] if reason else None
        connection = getattr(subject, "connection", None)
        severity: Severity | None
        if kind is RowKind.MESSAGE:
            bad = block.problems[i] or flags & b.IS_ERROR or why == "connection-closed"
            severity = "warning" if bad else None
        else:
            severity = _severity(subject)
        sender: Sender = "csms" if flags & b.BY_CSMS else "station"
        return Row(
            number, kind, block.times[i], block.sources[i], block.frames[i], block.stations[i], sender,
            _TYPES[block.types[i]], block.actions[i], None if waited == b.NONE else waited, block.problems[i], severity,
            connection.number if connection is not None else 0, block.transactions[i], bool(flags & b.ANSWERED),
            bool(flags & b.ORPHAN), why, bool(flags & b.IS_ERROR),
        )  # fmt: skip

    def is_bad(self, number: int) -> bool:
        """The row itself tells of something wrong."""
        block, i = self.place(number)
        if block.kinds[i] == RowKind.MESSAGE:
            flags = block.flags[i]
            return bool(block.problems[i] or flags & b.IS_ERROR) or flags >> b.UNANSWERED == 1
        return _severity(block.subjects[i]) in ("warning", "critical")

    def event(self, number: int) -> Event:
        """The row as an event: the message, or what else it was."""
        block, index = self.place(number)
        subject = block.subjects[index]
        return self.message(number) if isinstance(subject, OcppChannel) else subject

    def frames(self, number: int) -> tuple[int, ...]:
        """The frames that carried it."""
        block, index = self.place(number)
        return block.many.get(index) or ((block.frames[index],) if index not in block.many else ())

    def data(self, number: int) -> bytes:
        """The text of a message, in UTF-8."""
        block, index = self.place(number)
        data = block.data(index)
        return self._texts(block).data(index) if data is None else data

    def extra(self, number: int) -> Extra:
        """What of a message is not in its text."""
        block, index = self.place(number)
        return block.extra(index) if block.is_open else self._texts(block).extra(index)

    def message(self, number: int) -> OcppMessage:
        """A message as it passed; ValueError when the row is none."""
        return self._rebuilt(number, with_call=True)

    def _rebuilt(self, number: int, *, with_call: bool) -> OcppMessage:
        block, i = self.place(number)
        channel = block.subjects[i]
        if not isinstance(channel, OcppChannel):
            raise ValueError(f"row {number} is no message")
        data = self.data(number)
        problems, soap = self.extra(number)
        action = block.actions[i]
        type_ = _TYPES[block.types[i]]
        if soap is not None:
            id_, payload, error = soap
        else:
            _, id_, said, payload, error, _, _ = parse(data, channel.version)
            if said and len(action) == MAX_NAME:
                action = said
        call = None
        if with_call and type_ is not MessageType.CALL and block.partners[i] >= 0:
            partner = self._place(block.partners[i])
            if partner is not None:
                call = self._rebuilt(block.partners[i], with_call=False)
        return OcppMessage(
            block.times[i], self.frames(number), block.sources[i], channel,
            "csms" if block.flags[i] & b.BY_CSMS else "station", type_, id_, action, payload, error,
            data.decode("utf-8", "surrogatepass"), problems, bool(block.flags[i] & b.VALIDATED), call,
        )  # fmt: skip

    def answer_of(self, number: int) -> int | None:
        """The row of the answer to a CALL."""
        block, index = self.place(number)
        return self._partner(block, index) if block.types[index] == MessageType.CALL else None

    def call_of(self, number: int) -> int | None:
        """The row of the CALL that an answer belongs to."""
        block, index = self.place(number)
        return self._partner(block, index) if block.types[index] != MessageType.CALL else None

    def _partner(self, block: Block, index: int) -> int | None:
        partner = block.partners[index]
        return partner if partner >= self.first else None

    def at_time(self, time: int) -> int:
        """The first row that is not before ``time`` (rows are nearly in the order of time)."""
        low, high = self.first, self.end
        while low < high:
            middle = (low + high) // 2
            block, index = self.place(middle)
            if block.times[index] < time:
                low = middle + 1
            else:
                high = middle
        return low

    def _texts(self, block: Block) -> Texts:
        texts = self._unpacked.get(block.first)
        if texts is None:
            texts = self._unpacked[block.first] = block.unpacked()
            if len(self._unpacked) > _OPEN_BLOCKS:
                self._unpacked.popitem(last=False)
        else:
            self._unpacked.move_to_end(block.first)
        return texts

    texts = _texts

    def blocks_from(self, number: int) -> list[Block]:
        """The blocks that hold this row and later ones."""
        return self._blocks[max(bisect_right(self._starts, number) - 1, 0) :]


_KINDS: Final[dict[type[Any], RowKind]] = {
    TlsHello: RowKind.TLS,
    TlsAlert: RowKind.TLS,
    TlsCertificates: RowKind.TLS,
    TlsOpaque: RowKind.TLS,
    StreamGap: RowKind.TROUBLE,
    DecodeError: RowKind.TROUBLE,
    CaptureDropped: RowKind.TROUBLE,
    CaptureComment: RowKind.NOTE,
    PluginFailed: RowKind.TROUBLE,
}


def _severity(event: object) -> Severity | None:
    match event:
        case TlsAlert(fatal=True):
            return "warning"
        case HttpResponse(status=status) if status != 101:
            return "warning"
        case ConnectionClosed(how="refused" | "no-answer"):
            return "warning"
        case StreamGap() | DecodeError() | CaptureDropped() | PluginFailed():
            return "warning"
    return None
