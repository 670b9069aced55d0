"""A station's connection to its CSMS: made, used, lost and made again, told in fieldkit's events.

The tap is at the site's router. Hence it sees what a station sends at once, and what the CSMS answers after a round trip
over the WAN; what the CSMS asks is answered after what the station takes. Each side has one CALL open at a time (OCPP-J
1.6 §4.1.1, 2.x Part 4 §4.1.1): a call that comes too early waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

import orjson

from fieldkit import schemastore
from fieldkit.events import (
    ConnectionClosed,
    ConnectionEnd,
    Event,
    Exchange,
    MessageType,
    OcppError,
    OcppMessage,
    PathSample,
    Retransmission,
    Sender,
    Unanswered,
    WsControl,
)
from fieldkit.ocpp.conversation import Conversation
from fieldkit.ocpp.schema import Schemas
from tests.simulation.dialling import Dialling
from tests.simulation.engine import Engine, Happening, nanoseconds
from tests.simulation.tap import LAN, MSS, NO_CALL, Acknowledged, Open, Payload, Sealed, Wire, wire_size
from tests.simulation.wan import Uplink

KEPT: Final = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "StatusNotification"}
)
"""What a station says later if it cannot say it now."""
MAX_OFFLINE: Final = 500
"""Messages that a station keeps for later."""

_CALL, _RESULT, _ERROR = MessageType.CALL, MessageType.CALLRESULT, MessageType.CALLERROR
_OTHER: Final[Mapping[Sender, Sender]] = {"station": "csms", "csms": "station"}

_SCHEMAS = Schemas(schemastore.load)
"""Compiled once for all lines; only messages that are meant to be odd are held against them here."""


class Line(Dialling):
    """All connections of one station, one after the other, and what is said on them."""

    def __init__(
        self, engine: Engine, wire: Wire, uplink: Uplink, *, id_style: str, random: Random, **about: Any
    ) -> None:
        """``id_style``: of its message ids. ``about``: as ``Dialling`` has it."""
        super().__init__(engine, wire, uplink, random=random, **about)
        self._acks = engine.random("acks", self.station, self.address)
        """Of its own, as a capture asks it more often."""
        self._id_style = id_style
        self._counter = random.randrange(1, 90_000)
        self._odd_call: OcppMessage | None = None
        self.offline: list[tuple[str, Payload, Payload]] = []
        """What the station keeps for when it is connected again."""

    def drop(
        self,
        how: ConnectionEnd,
        *,
        by_client: bool | None = None,
        code: int | None = None,
        reason: str = "",
        seen: bool = True,
    ) -> None:
        """The connection ends now. ``seen``: the tap sees how; otherwise it just falls silent."""
        line, now = self.open, self.engine.now
        if line is None:
            return
        self.open = None
        self._call_off(line, now)
        ready = max(now, line.ready)
        if not seen:
            self.wire.abandoned.append(line)
        if seen:
            if code is not None and not self.encrypted:
                for client, after in ((bool(by_client), 0.0), (not by_client, 0.001)):
                    payload = code.to_bytes(2, "big") + (reason.encode() if not after else b"")
                    self._at(
                        WsControl(
                            ready + nanoseconds(after), self.engine.next_frame(), line.connection, client, "close",
                            payload, code, reason if not after else "",
                        )
                    )  # fmt: skip
                ready += nanoseconds(0.002)
            self._at(ConnectionClosed(ready, self.engine.next_frame(), line.connection, how, by_client))
            if not self.encrypted:
                for call in sorted(line.unanswered, key=lambda call: call.time):
                    self._at(Unanswered(ready, call.frames, call, "connection-closed"))
        if self.on_down is not None:
            self.on_down()

    def _call_off(self, line: Open, now: int) -> None:
        """What has not happened yet will not. A call that was not sent yet is kept for later, if it matters then."""
        under_way, line.answers = line.answers, []
        for due, call, waiting in under_way:
            if due <= now:
                continue
            for happening in waiting:
                if happening.event.time > now:
                    happening.called_off = True
            if call.type is None or any(call is known for known in line.unanswered):
                continue
            answer = next((one.event for one in waiting if isinstance(one.event, OcppMessage) and one.event.call), None)
            payload = answer.payload if answer is not None and answer.type is _RESULT else None
            if call.time <= now:
                line.unanswered.append(call)
                if payload is not None:
                    line.late.append((call, payload))
            elif call.sender == "station" and call.action in KEPT and payload is not None:
                self.offline.append((call.action, call.payload, payload))

    def lose_answers(self) -> None:
        """Nothing comes through any more, and neither side knows yet."""
        if self.open is not None:
            self.open.useless = True
            self._call_off(self.open, self.engine.now)

    def resume(self) -> None:
        """Everything comes through again, before anybody has given up: TCP repeats what got lost, answers come late."""
        line, now = self.open, self.engine.now
        if line is None or not line.useless:
            return
        line.useless = False
        self._call_off(line, now)
        late, line.late = line.late, []
        due = now
        for call, payload in late:
            due += nanoseconds(self.uplink.rtt(now) + 0.01)
            line.unanswered.remove(call)
            result = self._message(line, _OTHER[call.sender], _RESULT, call.id, call.action, payload, None, due, call)
            self._at(result)
            self._at(Exchange(due, call.frames + result.frames, call, result))
        self.busy = {"station": due, "csms": due}

    # ---------------------------------------------------------------------------------------------------- messages

    def call(
        self,
        action: str,
        payload: Payload,
        answer: Payload | None,
        *,
        sender: Sender = "station",
        keep: bool = False,
        think: float | None = None,
        error: OcppError | None = None,
    ) -> float:
        """A CALL and its answer; returns the seconds until the answer is there. ``keep``: if there is no connection, it
        is said when there is one again. ``answer`` None without ``error``: nobody answers."""
        line = self.open
        now = self.engine.now
        if line is None or line.useless or now < line.ready:
            if keep and len(self.offline) < MAX_OFFLINE:
                self.offline.append((action, payload, answer or {}))
            if line is not None and line.useless and sender == "station" and not self.encrypted:
                self._say_in_vain(line, action, payload, answer or {})
            return 0.0
        begin = self.last_sent = max(now, self.busy[sender])
        uplink = self.uplink
        if sender == "station":
            took = uplink.rtt(now) + (uplink.thinks() if think is None else think)
        else:
            took = LAN + (self.think * (0.6 + 0.8 * self.random.random()) if think is None else think)
        if self.encrypted:
            due = begin + nanoseconds(took)
            self._seal(line, sender, begin, due, payload, answer)
            self.busy[sender] = due
            return took
        id_ = self._new_id(sender)
        call = self._message(line, sender, _CALL, id_, action, payload, None, begin, None)
        waiting = [self._at(call)]
        if uplink.loses():
            # The tap saw it pass; it got lost behind the router and is sent again after a timeout of its sender.
            again = begin + nanoseconds(max(0.2, 2 * took) if sender == "station" else 0.25)
            took += (again - begin) / 1e9
            size = wire_size(len(call.raw), sender == "station")
            waiting.append(
                self._at(
                    Retransmission(
                        again, self.engine.next_frame(), line.connection, sender == "station",
                        size % MSS or MSS, "retransmission",
                    )
                )
            )  # fmt: skip
        due = begin + nanoseconds(took)
        self.busy[sender] = due + 20_000
        if answer is None and error is None:
            line.unanswered.append(call)
            return took
        kind = _RESULT if error is None else _ERROR
        result = self._message(
            line, _OTHER[sender], kind, id_, action, answer if error is None else {}, error, due, call
        )
        waiting += self._acked(line, sender, begin)
        waiting += self._acked(line, _OTHER[sender], due)
        waiting.append(self._at(result))
        waiting.append(self._at(Exchange(due, call.frames + result.frames, call, result)))
        answers = line.answers
        answers.append((due, call, waiting))
        if len(answers) > 64:
            line.answers = [entry for entry in answers if entry[0] > now]
        return (due - now) / 1e9

    def _seal(self, line: Open, sender: Sender, begin: int, due: int, payload: Payload, answer: Payload | None) -> None:
        """A call and its answer where nobody can read them."""
        waiting: list[Happening] = []
        if self.wire.captured:
            client = sender == "station"
            for time, from_client, content in ((begin, client, payload), (due, not client, answer)):
                size = 60 + len(orjson.dumps(content))
                waiting.append(self._at(Sealed(time, line.connection, from_client, size)))  # type: ignore[arg-type]
        waiting += self._acked(line, sender, begin)
        waiting += self._acked(line, _OTHER[sender], due)
        line.answers.append((due, NO_CALL, waiting))
        if len(line.answers) > 64:
            line.answers = [entry for entry in line.answers if entry[0] > self.engine.now]

    def _acked(self, line: Open, sender: Sender, sent: int) -> list[Happening]:
        """TCP of the other side acknowledges what was sent: that is where a round trip shows."""
        client = sender == "station"
        sampler = line.samplers[not client]
        captured = self.wire.captured
        if sent < sampler.ask_from and not captured:
            return []
        chance = self._acks
        rtt = nanoseconds(self.uplink.rtt(sent, chance) if client else LAN * chance.uniform(0.7, 1.5))
        time = sent + rtt
        found: list[Happening] = []
        if captured:
            found.append(self._at(Acknowledged(time, line.connection, client)))  # type: ignore[arg-type]
        if sent >= sampler.ask_from and sampler.tells(not client, time, rtt):
            ttl = self.far_ttl if client else self.ttl
            frames = self.engine.next_frame()
            found.append(self._at(PathSample(time, frames, line.connection, client, "ack", rtt, ttl)))
        return found

    def _say_in_vain(self, line: Open, action: str, payload: Payload, answer: Payload) -> None:
        """The station does not know yet that nobody listens: TCP repeats what it says, further and further apart."""
        now = self.engine.now
        if any(call.sender == "station" for call in line.unanswered):
            return  # one CALL at a time
        call = self._message(line, "station", _CALL, self._new_id("station"), action, payload, None, now, None)
        self._at(call)
        line.unanswered.append(call)
        line.late.append((call, answer))
        size = wire_size(len(call.raw), True) % MSS or MSS
        wait, after = 0.4, 0.0
        waiting: list[Happening] = []
        for _ in range(6):
            after += wait
            wait *= 2
            time = now + nanoseconds(after)
            waiting.append(
                self._at(Retransmission(time, self.engine.next_frame(), line.connection, True, size, "retransmission"))
            )
        line.answers.append((now + nanoseconds(60), call, waiting))

    def say_odd(self, sender: Sender, text: str) -> None:
        """Any text as it is, judged as the pipeline would."""
        line = self.open
        if line is None or not self.up or self.encrypted:
            return
        if line.conversation is None:
            line.conversation = Conversation(line.channel, self._take_odd, _SCHEMAS)
        now = max(self.engine.now, self.busy[sender])
        source = self.wire.source
        self._odd_call = None
        line.conversation.feed(text.encode(), sender, now, self.engine.next_frame(), source)
        call: OcppMessage | None = self._odd_call
        if call is None:
            self.busy[sender] = now + 1_000_000
            return
        # Whoever gets it complains, or throws it away.
        due = now + nanoseconds(self.uplink.rtt(now) + 0.02)
        self.busy[sender] = due
        if self.random.random() < 0.7:
            code = "FormationViolation" if self.version == "1.6" else "FormatViolation"
            answer = orjson.dumps([4, call.id, code, "", {}])
            line.conversation.feed(answer, _OTHER[sender], due, self.engine.next_frame(), source)
        else:
            line.unanswered.append(call)

    def _take_odd(self, event: Event) -> None:
        self._at(event)
        if isinstance(event, OcppMessage) and event.type is _CALL:
            self._odd_call = event

    def ping(self, sender: Sender) -> None:
        """A WebSocket ping and its pong."""
        line, now = self.open, self.engine.now
        if line is None or not self.up or self.encrypted:
            return
        client = sender == "station"
        self.last_sent = now
        took = self.uplink.rtt(now) if client else LAN + 0.001
        frame = self.engine.next_frame
        pong = now + nanoseconds(took)
        self._at(WsControl(now, frame(), line.connection, client, "ping", b"", None, ""))
        happening = self._at(WsControl(pong, frame(), line.connection, not client, "pong", b"", None, ""))
        waiting = [happening, *self._acked(line, sender, now)]
        line.answers.append((pong, NO_CALL, waiting))

    def flush(self) -> float:
        """Say what was kept while there was no connection."""
        kept, self.offline = self.offline, []
        took = 0.0
        for action, payload, answer in kept:
            took = self.call(action, payload, answer, keep=True)
        return took

    def _message(
        self,
        line: Open,
        sender: Sender,
        kind: MessageType,
        id_: str,
        action: str,
        payload: Any,
        error: OcppError | None,
        time: int,
        call: OcppMessage | None,
    ) -> OcppMessage:
        if kind is _CALL:
            raw = orjson.dumps([2, id_, action, payload])
        elif error is None:
            raw = orjson.dumps([3, id_, payload])
        else:
            raw = orjson.dumps([4, id_, error.code, error.description, error.details])
            payload = error.details
        return OcppMessage(
            time, self.engine.next_frame(), self.wire.source, line.channel, sender, kind, id_, action, payload, error,
            raw.decode(), (), kind is not _ERROR, call,
        )  # fmt: skip

    def _new_id(self, sender: Sender) -> str:
        self._counter += 1
        style = self._id_style if sender == "station" else "uuid"
        if style == "uuid":
            text = f"{self.random.getrandbits(128):032x}"
            return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
        if style == "counter":
            return str(self._counter)
        if style == "time":
            return f"{self.engine.now // 1_000_000}{self._counter % 1000:03}"
        return f"{self.random.getrandbits(48):012x}-{self._counter:x}"
