"""One station's transactions: which message belongs to which of them.

A message names its transaction by an id that may not be known yet, be wrong, or be missing; ``found`` says how the two
came together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.light import bounded, light
from fieldkit.site.reading import flag, member, moment, number, text, whole
from fieldkit.site.register import register_of
from fieldkit.site.remotestart import RemoteStarts
from fieldkit.site.room import Room
from fieldkit.site.transaction import PLACEHOLDERS, Found, Transaction

MAX_OPEN: Final = 256
"""Transactions of one station that are going on at once."""
MAX_CLOSED: Final = 2000
"""Ended transactions that are kept (the last ones), as long as the site has room; all are counted."""
MAX_WHOLE: Final = 16
"""Of the ended ones, so many keep the messages of their start and end whole; the others only what points to them."""
LEAST_CLOSED: Final = 16
LEAST_WHOLE: Final = 2
"""What every station may keep, however many there are."""
OFFLINE: Final = 300 * 1_000_000_000
"""A start that comes so much later than its timestamp, measured by the quickest message of the station, was queued."""
_LONGEST_ID: Final = 100
"""Characters of an id or token: OCPP allows 20 to 255 for tokens, 36 for ids."""


class Ledger:
    """One station's transactions."""

    ACTIONS: Final = frozenset(
        {
            "StartTransaction",
            "StopTransaction",
            "MeterValues",
            "TransactionEvent",
            "RemoteStartTransaction",
            "RequestStartTransaction",
        }
    )

    def __init__(self, station: str, room: Room | None = None) -> None:
        self.station = station
        self._room = room if room is not None else Room()
        self.open: dict[str, Transaction] = {}
        """Going on, by id (those without an id yet: by "?" and the message id of their start)."""
        self.closed: deque[Transaction] = deque()
        self.count = 0
        """Transactions seen in all."""
        self.latest: Transaction | None = None
        """The one that the message fed last belongs to; None when it belongs to none."""
        self.found: Found = ""
        """How the message fed last came to ``latest``."""
        self.sent_id = ""
        """The transaction id in the message fed last (a CALL)."""
        self.before: tuple[int | None, str, str] = (None, "", "")
        """2.x: seqNo, chargingState and triggerReason that ``latest`` had before the message fed last."""
        self.shared: Transaction | None = None
        """The other transaction to which the CSMS had given the id in the message fed last."""
        self.remote = RemoteStarts(self._room)
        self._ended: dict[str, Transaction] = {}
        """The closed ones by id."""
        self._whole: deque[Transaction] = deque()
        """The last of the closed ones, with their messages whole."""
        self._at: dict[str, Transaction] = {}
        """The latest that goes on at each connector."""
        self._lag: int | None = None
        """Smallest difference between capture time and timestamp: the station's clock offset, for messages that were
        not queued."""
        self._calls: Final[dict[str, Callable[[OcppMessage], None]]] = {
            "StartTransaction": self._start,
            "StopTransaction": self._stop,
            "MeterValues": self._meter_values,
            "TransactionEvent": self._event,
        }

    def find(self, id_: str) -> Transaction | None:
        """The transaction with this id, going on or ended."""
        return self.open.get(id_) or self._ended.get(id_)

    def on(self, connector: str) -> Transaction | None:
        """The transaction that is going on at this connector (of several, the one that began last)."""
        return self._at.get(connector)

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        self.found = ""
        self.sent_id = ""
        self.shared = None
        type_ = message.type
        handle = self._calls.get(message.action)
        if handle is None:
            self.remote.feed(message)
        elif type_ is MessageType.CALL or type_ is MessageType.SEND:
            if message.sender == "station":
                handle(message)
        elif message.call is not None and message.sender == "csms":
            if message.action == "TransactionEvent":
                self._event_answered(message, message.call)
            elif message.action == "StartTransaction":
                self._start_answered(message, message.call)

    # ------------------------------------------------------------------------------------------------------------- 1.x

    def _start(self, message: OcppMessage) -> None:
        payload = message.payload
        place = whole(payload, "connectorId")
        connector = connector_name(0, place) if place is not None and place > 0 else ""
        token, told = _token(payload), moment(payload, "timestamp")
        lag = self._note_lag(message, told)
        meter = number(payload, "meterStart")
        running = self._at.get(connector) or self._just_ended(connector)
        started = message.time if told is None else told
        if (
            running is not None
            and running.begin is not None
            and connector
            and (running.id_token, running.meter_start, running.started) == (token, meter, told)
        ):
            # 1.6 §3.7.1 and TransactionMessageAttempts: what was not answered (well) is sent again.
            running.begun_again += 1
            self._belongs(running, message, "again")
            if not running.answered and running.end is None:
                self._rename(running, f"?{message.id}", running.id)
            return
        made = self._make(message, connector, "begin")
        made.begin = bounded(message)
        made.started, made.meter_start, made.id_token = started, meter, token
        made.offline = self._queued(lag)
        made.remote_start = self.remote.led_to(token, connector, message.time)
        self._open(f"?{message.id}", made)

    def _start_answered(self, answer: OcppMessage, call: OcppMessage) -> None:
        made = self.open.get(f"?{call.id}")
        again = False
        if made is None or made.begin is None or (made.begin.id != call.id and not made.begun_again):
            # The answer to a start that was sent again, or that a later message has given its id already.
            made, again = self._by_start(call), True
        if made is None:
            return
        self.latest, self.found = made, "known"
        made.answered = True
        if answer.error is not None:
            made.notes["start_error"] = answer.error.code[:_LONGEST_ID]
            return
        made.notes.pop("start_error", None)
        id_, status = _transaction_id(answer.payload), text(answer.payload, "idTagInfo", "status")
        if status:
            made.authorized = status[:_LONGEST_ID]
        if not id_ or id_ == made.id:
            return
        if again and made.id:
            made.notes["earlier_id"] = made.id
        self.shared = self.find(id_)
        if made.end is None:
            self._rename(made, id_ if id_ not in self.open else f"?{call.id}", id_)
        else:
            made.id = id_
            self._ended[id_] = made

    def _by_start(self, call: OcppMessage) -> Transaction | None:
        """The transaction that this StartTransaction, sent again or taken up already, is the start of."""
        place = whole(call.payload, "connectorId")
        connector = connector_name(0, place) if place is not None and place > 0 else ""
        key = (_token(call.payload), number(call.payload, "meterStart"), moment(call.payload, "timestamp"))
        for made in (self._at.get(connector), self._just_ended(connector)):
            if made is not None and made.begin is not None:
                same = made.begin is call or made.begin.id == call.id
                if same or (made.id_token, made.meter_start, made.started) == key:
                    return made
        return None

    def _just_ended(self, connector: str) -> Transaction | None:
        """The transaction that ended last, if it was at this connector."""
        return self.closed[-1] if self.closed and self.closed[-1].connector == connector else None

    def _stop(self, message: OcppMessage) -> None:
        payload = message.payload
        id_, token, meter = _transaction_id(payload), _token(payload), number(payload, "meterStop")
        told = moment(payload, "timestamp")
        self.sent_id = id_
        self._note_lag(message, told)
        sent = text(payload, "reason")
        # 1.6 §7.38: a missing reason is Local. OCPP 1.5 and older have none.
        reason = (sent or ("" if message.channel.version in ("1.2", "1.5") else "Local"))[:_LONGEST_ID]
        stopped = message.time if told is None else told
        made = self.open.get(id_)
        found: Found = "known"
        if made is None:
            ended = self._ended.get(id_) if id_ not in PLACEHOLDERS else None
            if ended is not None and ended.end is not None:
                ended.ended_again += 1
                same = (ended.meter_stop, ended.stopped, ended.stop_reason) == (meter, stopped, reason)
                self._belongs(ended, message, "again" if same or told is None else "contradicts")
                return
            made, found = ended or self._without_id(token, meter), "adopted"
            if made is None:
                made, found = self._instead(id_, token, meter), "instead"
                if made is not None:
                    made.notes["stop_id"] = id_
            elif id_ not in PLACEHOLDERS:
                self._rename(made, id_, id_)
        if made is None:
            made = self._make(message, "", "unknown")
            made.id = id_
            found = "unknown"
        self._belongs(made, message, found, fresh=found == "unknown")
        made.end, made.stopped, made.meter_stop = bounded(message), stopped, meter
        made.stop_reason, made.reason_sent = reason, bool(sent)
        if meter is not None:
            made.meter_last = meter
        if token and not made.id_token:
            made.id_token = token
        self._offline_after_all(made)
        self._close(made)

    def _meter_values(self, message: OcppMessage) -> None:
        payload = message.payload
        id_ = self.sent_id = _transaction_id(payload)
        place = whole(payload, "connectorId")
        connector = connector_name(0, place) if place is not None and place > 0 else ""
        running = self._at.get(connector) if connector else None
        if not id_:
            if running is not None and not running.version.startswith("2"):
                # transactionId is optional (1.6 §6.31): the register still is the connector's.
                register, _ = register_of(payload)
                running.meter_last = register if register is not None else running.meter_last
            return
        made, found = self.open.get(id_), "known"
        if made is None and (made := self._ended.get(id_)) is not None:
            found = "late"
        if made is None and id_ not in PLACEHOLDERS:
            if running is not None and not running.id and not running.answered:
                made, found = running, "adopted"
                self._rename(running, id_, id_)
            elif running is None:
                made, found = self._make(message, connector, "unknown"), "unknown"
                made.id = id_
                self._open(id_, made)
        if made is None:
            return
        register, _ = register_of(payload)
        if register is not None and made.end is None:
            made.meter_last = register
        if connector and not made.connector:
            made.connector = connector
            if made.end is None:
                self._at.setdefault(connector, made)
        self._belongs(made, message, found, fresh=found == "unknown")  # type: ignore[arg-type]

    def _without_id(self, token: str, meter: float | None) -> Transaction | None:
        """The one transaction whose start was not answered in sight, if this stop can be its end."""
        waiting = [going for going in self.open.values() if not going.id and _fits(going, token, meter)]
        return waiting[0] if len(waiting) == 1 else None

    def _instead(self, id_: str, token: str, meter: float | None) -> Transaction | None:
        """The one transaction that a stop with a wrong id can mean."""
        if id_ not in PLACEHOLDERS and not token:
            return None
        going = [going for going in self.open.values() if going.begin is not None and _fits(going, token, meter)]
        if len(going) != 1 or (id_ not in PLACEHOLDERS and going[0].id_token != token):
            return None
        return going[0]

    # ------------------------------------------------------------------------------------------------------------- 2.x

    def _event(self, message: OcppMessage) -> None:
        payload = message.payload
        info = member(payload, "transactionInfo")
        id_ = self.sent_id = (text(info, "transactionId") or "")[:_LONGEST_ID]
        kind, seq, token = member(payload, "eventType"), whole(payload, "seqNo"), _token(payload)
        if not id_ or kind not in ("Started", "Updated", "Ended"):
            return
        evse, place = whole(payload, "evse", "id"), whole(payload, "evse", "connectorId")
        connector = connector_name(evse, place or 0) if evse is not None and evse > 0 else ""
        made, found = self.open.get(id_), "known"
        if made is None and (made := self._ended.get(id_)) is not None:
            found = "late"
        if made is None:
            made, found = self._make(message, connector, ""), "begin" if kind == "Started" else "unknown"
            made.id = id_
            self._open(id_, made)
        elif connector and (made.connector == "" or "/" not in made.connector):
            # The EVSE is only told when it becomes known, with its connector or without (Part 2 E02.FR.05).
            self._move(made, connector)
        self.before = (made.last_seq, made.charging_state, made.trigger)
        told = moment(payload, "timestamp") if kind != "Updated" else None
        time = message.time if told is None else told
        if kind == "Started":
            if made.begin is not None:
                made.begun_again += 1
                found = "again" if (seq, time) == (made.first_seq, made.started) else "contradicts"
            else:
                made.begin, made.started = bounded(message), time
        elif kind == "Ended" and made.end is not None:
            made.ended_again += 1
            found = "again" if (seq, time) == (made.last_seq, made.stopped) else "contradicts"
        self._event_told(made, message, found, token, seq)
        if kind == "Ended" and found not in ("again", "contradicts"):
            sent = text(info, "stoppedReason")
            made.end, made.stopped = bounded(message), time
            made.stop_reason, made.reason_sent = (sent or "Local")[:_LONGEST_ID], bool(sent)
            if made.meter_stop is None:
                made.meter_stop = made.meter_last
            self._close(made)

    def _event_told(self, made: Transaction, message: OcppMessage, found: str, token: str, seq: int | None) -> None:
        """What every TransactionEvent may tell."""
        payload = message.payload
        self._belongs(made, message, found, fresh=found in ("begin", "unknown"))  # type: ignore[arg-type]
        if found in ("again", "contradicts"):
            return
        if token and not made.id_token:
            made.id_token = token
        if seq is not None:
            if made.first_seq is None:
                made.first_seq = seq
            if made.last_seq is None or seq > made.last_seq:
                made.last_seq = seq
        state = text(payload, "transactionInfo", "chargingState")
        trigger = text(payload, "triggerReason")
        made.charging_state = state[:_LONGEST_ID] if state else made.charging_state
        made.trigger = trigger[:_LONGEST_ID] if trigger else ""
        if flag(payload, "offline"):
            made.offline = True
        remote_id = whole(payload, "transactionInfo", "remoteStartId")
        if remote_id is not None or trigger == "RemoteStart":
            made.remote_start = True
            self.remote.settled(remote_id, made.id_token)
        if member(payload, "meterValue") is not None and made.end is None:
            self._readings(made, payload)

    def _readings(self, made: Transaction, payload: Any) -> None:
        last, by_context = register_of(payload)
        if "Transaction.Begin" in by_context:
            made.meter_start = by_context["Transaction.Begin"]
        elif made.meter_start is None and last is not None and made.begin is not None:
            made.meter_start = last
        if "Transaction.End" in by_context:
            made.meter_stop = by_context["Transaction.End"]
        if last is not None:
            made.meter_last = last

    def _event_answered(self, answer: OcppMessage, call: OcppMessage) -> None:
        made = self.find((text(call.payload, "transactionInfo", "transactionId") or "")[:_LONGEST_ID])
        if made is None:
            return
        self.latest, self.found = made, "known"
        made.answered = True
        status = text(answer.payload, "idTokenInfo", "status")
        if status:
            made.authorized = status[:_LONGEST_ID]

    # ----------------------------------------------------------------------------------------------------------- shelf

    def _make(self, message: OcppMessage, connector: str, found: Found) -> Transaction:
        made = Transaction(self.station, message.channel.version, connector)
        made.first_time = message.time
        self.count += 1
        if found:
            self._belongs(made, message, found)
        return made

    def _belongs(self, made: Transaction, message: OcppMessage, found: Found, *, fresh: bool = False) -> None:
        self.latest, self.found = made, found
        if not (fresh and made.events):
            made.events += 1
        made.last_time = max(made.last_time, message.time)

    def _open(self, key: str, made: Transaction) -> None:
        self.open[key] = made
        if made.connector:
            self._at[made.connector] = made
        if len(self.open) > MAX_OPEN:
            self._close(next(iter(self.open.values())))

    def _rename(self, made: Transaction, key: str, id_: str) -> None:
        """Give an open transaction the id by which it is found from now on."""
        made.id = id_
        for old, other in self.open.items():
            if other is made:
                del self.open[old]
                break
        self.open[key] = made

    def _move(self, made: Transaction, connector: str) -> None:
        if connector == made.connector:
            return
        if self._at.get(made.connector) is made:
            del self._at[made.connector]
        made.connector = connector
        if made.end is None:
            self._at[connector] = made

    def _close(self, made: Transaction) -> None:
        for key, other in self.open.items():
            if other is made:
                del self.open[key]
                break
        if self._at.get(made.connector) is made:
            del self._at[made.connector]
            for other in self.open.values():
                if other.connector == made.connector and made.connector:
                    self._at[made.connector] = other
        closed = self.closed
        closed.append(made)
        if made.id:
            self._ended[made.id] = made
        whole = self._room.whole(MAX_WHOLE, LEAST_WHOLE)
        while len(self._whole) >= whole:
            old = self._whole.popleft()
            old.begin = light(old.begin) if old.begin is not None else None
            old.end = light(old.end) if old.end is not None else None
        self._whole.append(made)
        while len(closed) > self._room.closed(MAX_CLOSED, LEAST_CLOSED):
            gone = closed.popleft()
            if self._ended.get(gone.id) is gone:
                del self._ended[gone.id]

    # ----------------------------------------------------------------------------------------------------------- clock

    def _note_lag(self, message: OcppMessage, told: int | None) -> int | None:
        """How much later than its timestamp a message came, by two clocks that nobody has compared."""
        if told is None or not message.time:
            return None
        lag = message.time - told
        if self._lag is None or lag < self._lag:
            self._lag = lag
        return lag

    def _queued(self, lag: int | None) -> bool:
        return lag is not None and self._lag is not None and lag - self._lag > OFFLINE

    def _offline_after_all(self, made: Transaction) -> None:
        """The first message of a capture may be a queued one: it shows by the next one that is not."""
        if made.begin is not None and not made.offline and made.started is not None and made.begin.time:
            self_told = made.started != made.begin.time
            made.offline = self_told and self._queued(made.begin.time - made.started)


def _fits(going: Transaction, token: str, meter: float | None) -> bool:
    """Could a stop with this token and reading end it?"""
    if going.begin is None or going.version.startswith("2"):
        return False
    if meter is not None and going.meter_start is not None and meter < going.meter_start:
        return False
    return not token or not going.id_token or token == going.id_token


def _token(payload: Any) -> str:
    """1.x idTag, 2.x idToken.idToken."""
    found = text(payload, "idTag") or text(payload, "idToken", "idToken") or ""
    return found[:_LONGEST_ID]


def _transaction_id(payload: Any) -> str:
    """1.x transactionId as text; some stations send it as a text, which the schema check tells of."""
    found = whole(payload, "transactionId")
    if found is not None:
        return str(found) if abs(found) < 1 << 63 else ""
    return (text(payload, "transactionId") or "")[:_LONGEST_ID]
