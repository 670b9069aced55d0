"""A station's connection to its CSMS: made, used, lost and made again, told in fieldkit's events.

The tap is at the site's router. Hence it sees what a station sends at once, and what the CSMS answers after a round trip
over the WAN; what the CSMS asks is answered after what the station takes. Each side has one CALL open at a time (OCPP-J
1.6 §4.1.1, 2.x Part 4 §4.1.1): a call that comes too early waits.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from fieldkit import schemastore
from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    ConnectionRecognised,
    Endpoint,
    Event,
    Exchange,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppError,
    OcppMessage,
    PathSample,
    Retransmission,
    Sender,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
    Unanswered,
    WsControl,
)
from fieldkit.ocpp.conversation import Conversation
from fieldkit.ocpp.schema import Schemas
from fieldkit.wire.tcp import AFTER_CHANGE, ALIKE, ALIKE_NS, SAMPLE_NS, TELL_NS
from tests.simulation.engine import Engine, Happening, nanoseconds
from tests.simulation.wan import Uplink
from tests.traffic.conversation import SUBPROTOCOLS
from tests.traffic.frames import accept_key


class Acknowledged(NamedTuple):
    """For captures only: bare TCP acknowledgement of what the client (or the server) has sent."""

    time: int
    connection: Connection
    from_client: bool


class Sealed(NamedTuple):
    """For captures only: a message that went by inside TLS, and how long it was."""

    time: int
    connection: Connection
    from_client: bool
    size: int


UNSEEN: Final[frozenset[type]] = frozenset({Acknowledged, Sealed})
"""What is no event of fieldkit's."""


class _Sampler:
    """Which round trips of one direction fieldkit tells: the same rule as ``fieldkit.wire.tcp`` has."""

    __slots__ = ("alike", "ask_from", "told", "told_at")

    def __init__(self) -> None:
        self.ask_from = 0
        self.told = 0
        self.told_at = 0
        self.alike = 0

    def tells(self, side: int, time: int, rtt: int) -> bool:
        self.ask_from = time + SAMPLE_NS[side]
        if abs(rtt - self.told) <= self.told // ALIKE + ALIKE_NS:
            self.alike += 1
            if self.alike > AFTER_CHANGE and time - self.told_at < TELL_NS:
                return False
        else:
            self.alike = 0
        self.told, self.told_at = rtt, time
        return True


LAN: Final = 0.0011
"""Seconds from the router to a station and back."""
PATIENCE: Final = 30.0
"""Seconds after which a station takes a call as lost and its connection as dead."""
MSS: Final = 1448
SYN_GIVEN_UP: Final = 131.0
"""Seconds after which fieldkit takes a SYN as unanswered (``wire.flows.SYN_TIMEOUT_NS`` and its sweep)."""
KEPT: Final = frozenset(
    {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent", "StatusNotification"}
)
"""What a station says later if it cannot say it now."""
MAX_OFFLINE: Final = 500
"""Messages that a station keeps for later."""

Payload = Mapping[str, Any]
_CALL, _RESULT, _ERROR = MessageType.CALL, MessageType.CALLRESULT, MessageType.CALLERROR
_OTHER: Final[Mapping[Sender, Sender]] = {"station": "csms", "csms": "station"}

_SCHEMAS = Schemas(schemastore.load)
"""Compiled once for all lines; only messages that are meant to be odd are held against them here."""


class Wire:
    """The tap: numbers connections, and hands out ports."""

    def __init__(self, engine: Engine, source: str) -> None:
        self.engine = engine
        self.source = source
        self.captured = False
        """What only a capture shows is told too."""
        self.abandoned: list[_Open] = []
        """Connections of which the tap never sees an end."""
        self._connections = 0
        self._ports: dict[str, int] = {}

    def connection(self, client: str, server: Endpoint, time: int) -> Connection:
        self._connections += 1
        port = self._ports.get(client)
        if port is None:
            port = self.engine.random("port", client).randrange(32_768, 60_000)
        self._ports[client] = port = port + 1 if port < 60_999 else 32_768
        return Connection(self._connections, Endpoint(client, port), server, time, False, self.source)


class _Open:
    """One WebSocket connection."""

    __slots__ = (
        "answers",
        "channel",
        "connection",
        "conversation",
        "late",
        "ready",
        "samplers",
        "unanswered",
        "useless",
    )

    def __init__(self, connection: Connection, channel: OcppChannel, ready: int) -> None:
        self.connection = connection
        self.channel = channel
        self.ready = ready
        self.answers: list[tuple[int, OcppMessage, list[Happening]]] = []
        """Calls under way: when the answer is due, the call, and what of it has yet to happen."""
        self.unanswered: list[OcppMessage] = []
        self.conversation: Conversation | None = None
        self.samplers = (_Sampler(), _Sampler())
        """Of what the client sends, of what the server sends."""
        self.late: list[tuple[OcppMessage, Payload]] = []
        """Calls whose answers cannot come through at the moment, and what those say."""
        self.useless = False
        """It is dead, and the station does not know yet."""


class Line:
    """All connections of one station, one after the other."""

    def __init__(
        self,
        engine: Engine,
        wire: Wire,
        uplink: Uplink,
        *,
        station: str,
        version: str,
        address: str,
        server: Endpoint,
        path: str,
        id_style: str,
        random: Random,
        encrypted: bool = False,
        password: bool = True,
        server_name: str = "csms.example",
        user_agent: str = "",
    ) -> None:
        self.engine = engine
        self.wire = wire
        self.uplink = uplink
        self.station = station
        self.version = version
        self.address = address
        self.server = server
        self.path = path
        self.encrypted = encrypted
        self.server_name = server_name
        self.user_agent = user_agent
        self.password = password
        self.chain: tuple[bytes, ...] = (random.randbytes(64),)
        """What the CSMS shows (opaque to the simulation: only whether it changes matters)."""
        self.random = random
        self.open: _Open | None = None
        self.last_sent = 0
        """When anything was last said on it."""
        self.think = random.uniform(0.02, 0.4)
        """Seconds that the station takes to answer."""
        self._acks = engine.random("acks", station, address)
        """Of its own, as a capture asks it more often."""
        self.ttl = 64
        self.far_ttl = random.randrange(46, 58)
        """Time to live of what comes from the CSMS."""
        self._id_style = id_style
        self._counter = random.randrange(1, 90_000)
        self._odd_call: OcppMessage | None = None
        self._busy: dict[Sender, int] = {"station": 0, "csms": 0}
        self.offline: list[tuple[str, Payload, Payload]] = []
        """What the station keeps for when it is connected again."""
        self.on_up: Callable[[], None] | None = None
        self.on_down: Callable[[], None] | None = None

    # ------------------------------------------------------------------------------------------------ up and down

    @property
    def up(self) -> bool:
        return self.open is not None and not self.open.useless and self.engine.now >= self.open.ready

    def dial(self) -> float:
        """Try to connect; returns the seconds until it is known whether that worked (see ``up`` then)."""
        engine, now = self.engine, self.engine.now
        mode = self.uplink.down
        if mode == "nameless":
            return 5.0  # the name is not resolved: no packet leaves
        connection = self.wire.connection(self.address, self.server, now)
        self._at(ConnectionOpened(now, engine.next_frame(), connection))
        if mode == "silent":
            gone = now + nanoseconds(SYN_GIVEN_UP)
            self._at(ConnectionClosed(gone, (), connection, "no-answer", None))
            return PATIENCE
        rtt = self.uplink.rtt(now)
        there = now + nanoseconds(rtt)
        if mode == "refused":
            self._at(PathSample(there, engine.next_frame(), connection, True, "reset", there - now, self.far_ttl))
            self._at(ConnectionClosed(there, engine.next_frame(), connection, "refused", False))
            return rtt
        said = self._handshake(connection, there)
        if self.encrypted:
            return self._dial_tls(connection, mode, said)
        request, key = self._request(connection, said)
        self._at(ConnectionRecognised(said, request.frames, connection, "http"))
        self._at(request)
        answered = said + nanoseconds(self.uplink.rtt(now) + self.uplink.thinks())
        frames = engine.next_frame()
        if mode == "captive":
            self._captive(connection, request, answered, frames)
            return (answered - now) / 1e9
        headers = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": accept_key(key),
            "sec-websocket-protocol": SUBPROTOCOLS[self.version],
        }
        response = HttpResponse(
            answered, frames, connection, False, 101, "Switching Protocols", headers, request, b"", True
        )
        self._at(response)
        self._at(ConnectionRecognised(answered, frames, connection, "websocket"))
        self._opened(connection, answered)
        return (answered - now) / 1e9 + 0.05

    def _handshake(self, connection: Connection, there: int) -> int:
        """TCP's own: SYN/ACK is seen at ``there``. Returns when the station says its first word."""
        now, frame = self.engine.now, self.engine.next_frame
        here = there + nanoseconds(LAN)
        self._at(PathSample(there, frame(), connection, True, "handshake", there - now, self.far_ttl, 1460, 64_240))
        self._at(PathSample(here, frame(), connection, False, "handshake", here - there, self.ttl, 1460, 64_240))
        return here + nanoseconds(0.002)

    def _opened(self, connection: Connection, ready: int) -> None:
        channel = OcppChannel(self.station, self.version, "json", connection, False, False, False)
        self.open = _Open(connection, channel, ready)
        for sampler in self.open.samplers:
            sampler.ask_from = ready
        self._busy = {"station": ready, "csms": ready}
        if self.on_up is not None:
            self.engine.call_at(ready + nanoseconds(0.05), self._now_up(self.open))

    def _now_up(self, which: _Open) -> Callable[[], None]:
        def tell() -> None:
            if self.open is which and not which.useless and self.on_up is not None:
                self.on_up()

        return tell

    def _request(self, connection: Connection, time: int) -> tuple[HttpRequest, str]:
        key = base64.b64encode(self.random.randbytes(16)).decode()
        host = f"{self.server_name}:{self.server.port}"
        headers = {
            "host": host,
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": key,
            "sec-websocket-version": "13",
            "sec-websocket-protocol": SUBPROTOCOLS[self.version],
        }
        if self.user_agent:
            headers["user-agent"] = self.user_agent
        credentials = None
        if self.password:
            credentials = BasicCredentials(self.station, 20, "text")
            headers["authorization"] = "Basic (hidden)"
        request = HttpRequest(
            time, self.engine.next_frame(), connection, True, "GET", self.path, headers, credentials, b"", True
        )
        return request, key

    def _captive(self, connection: Connection, request: HttpRequest, time: int, frames: tuple[int, ...]) -> None:
        headers = {"location": "http://login.portal.example/", "content-length": "0", "connection": "close"}
        self._at(HttpResponse(time, frames, connection, False, 302, "Found", headers, request, b"", True))
        end = time + nanoseconds(0.01)
        self._at(ConnectionClosed(end, self.engine.next_frame(), connection, "fin", False))

    def refuse(self, status: int, reason: str, *, address: str = "") -> float:
        """Somebody asks for an upgrade and is turned away by the CSMS; not this line's own connection."""
        now = self.engine.now
        connection = self.wire.connection(address or self.address, self.server, now)
        self._at(ConnectionOpened(now, self.engine.next_frame(), connection))
        said = self._handshake(connection, now + nanoseconds(self.uplink.rtt(now)))
        request, _ = self._request(connection, said)
        self._at(ConnectionRecognised(said, request.frames, connection, "http"))
        self._at(request)
        answered = said + nanoseconds(self.uplink.rtt(now) + self.uplink.thinks())
        headers = {"content-length": "0", "connection": "close"}
        frames = self.engine.next_frame()
        self._at(HttpResponse(answered, frames, connection, False, status, reason, headers, request, b"", True))
        end = answered + nanoseconds(0.002)
        self._at(ConnectionClosed(end, self.engine.next_frame(), connection, "fin", False))
        return (end - now) / 1e9

    def _dial_tls(self, connection: Connection, mode: str, said: int) -> float:
        """TLS 1.2 with a resumable session left out: hellos, the chain in clear, then nothing more to read."""
        now, frame = self.engine.now, self.engine.next_frame
        suites, groups = (0xC02F, 0xC030, 0xC02B), (29, 23)
        hello = TlsHello(
            said, frame(), connection, True, 0x0303, (0x0303,), suites, (0, 10, 11, 13, 23), groups, (0,),
            (0x0403, 0x0804, 0x0401), self.server_name, (), False, False,
        )  # fmt: skip
        self._at(ConnectionRecognised(said, hello.frames, connection, "tls"))
        self._at(hello)
        back = said + nanoseconds(self.uplink.rtt(now) + 0.004)
        frames = frame()
        self._at(
            TlsHello(
                back,
                frames,
                connection,
                False,
                0x0303,
                (0x0303,),
                (suites[0],),
                (23,),
                (),
                (),
                (),
                "",
                (),
                False,
                False,
            )
        )
        chain = self.chain if mode != "captive" else (b"portal" * 8,)
        self._at(TlsCertificates(back, frames, connection, False, chain))
        if mode in ("captive", "tls"):
            code, name = (48, "unknown_ca") if mode == "captive" else (45, "certificate_expired")
            later = back + nanoseconds(LAN + 0.03)
            self._at(TlsAlert(later, frame(), connection, True, True, code, name))
            end = later + nanoseconds(0.001)
            self._at(ConnectionClosed(end, frame(), connection, "fin", True))
            return (end - now) / 1e9
        reason = "no secrets for this session"
        self._at(TlsOpaque(back, frames, connection, reason))
        ready = back + nanoseconds(2 * self.uplink.rtt(now) + self.uplink.thinks())
        self._opened(connection, ready)
        return (ready - now) / 1e9 + 0.05

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

    def _call_off(self, line: _Open, now: int) -> None:
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
        self._busy = {"station": due, "csms": due}

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
        begin = self.last_sent = max(now, self._busy[sender])
        uplink = self.uplink
        if sender == "station":
            took = uplink.rtt(now) + (uplink.thinks() if think is None else think)
        else:
            took = LAN + (self.think * (0.6 + 0.8 * self.random.random()) if think is None else think)
        if self.encrypted:
            due = begin + nanoseconds(took)
            self._seal(line, sender, begin, due, payload, answer)
            self._busy[sender] = due
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
        self._busy[sender] = due + 20_000
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

    def _seal(
        self, line: _Open, sender: Sender, begin: int, due: int, payload: Payload, answer: Payload | None
    ) -> None:
        """A call and its answer where nobody can read them."""
        waiting: list[Happening] = []
        if self.wire.captured:
            client = sender == "station"
            for time, from_client, content in ((begin, client, payload), (due, not client, answer)):
                size = 60 + len(orjson.dumps(content))
                waiting.append(self._at(Sealed(time, line.connection, from_client, size)))  # type: ignore[arg-type]
        waiting += self._acked(line, sender, begin)
        waiting += self._acked(line, _OTHER[sender], due)
        line.answers.append((due, _NO_CALL, waiting))
        if len(line.answers) > 64:
            line.answers = [entry for entry in line.answers if entry[0] > self.engine.now]

    def _acked(self, line: _Open, sender: Sender, sent: int) -> list[Happening]:
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

    def _say_in_vain(self, line: _Open, action: str, payload: Payload, answer: Payload) -> None:
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
        now = max(self.engine.now, self._busy[sender])
        source = self.wire.source
        self._odd_call = None
        line.conversation.feed(text.encode(), sender, now, self.engine.next_frame(), source)
        call: OcppMessage | None = self._odd_call
        if call is None:
            self._busy[sender] = now + 1_000_000
            return
        # Whoever gets it complains, or throws it away.
        due = now + nanoseconds(self.uplink.rtt(now) + 0.02)
        self._busy[sender] = due
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
        line.answers.append((pong, _NO_CALL, waiting))

    def flush(self) -> float:
        """Say what was kept while there was no connection."""
        kept, self.offline = self.offline, []
        took = 0.0
        for action, payload, answer in kept:
            took = self.call(action, payload, answer, keep=True)
        return took

    def _message(
        self,
        line: _Open,
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

    def _at(self, event: Event) -> Happening:
        return self.engine.happen(event)


def wire_size(payload: int, masked: bool) -> int:
    """Bytes of the WebSocket frame around so many (RFC 6455 §5.2)."""
    return payload + (2 if payload < 126 else 4 if payload < 65_536 else 10) + (4 if masked else 0)


_NO_CALL: Final = OcppMessage(
    1 << 62, (), "", OcppChannel("", "", "json", None, False, False, False), "station", None, "", "", None, None, "", (),
    False, None,
)  # fmt: skip
"""Stands for "no call" where only a pong is under way; its time never comes, so it is never taken as unanswered."""
