"""A charging station and its CSMS in conversation over WebSocket: the script, its packets, and the truth.

    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    session.call("station", "Heartbeat", {}, {"currentTime": session.timestamp()})
    session.close("fin", by_client=True)

Afterwards ``session.segments`` are what a tap between the two captures, and ``session.said`` is what was said: the
list that a decoder must come to. Everything follows from the arguments (and a seed), so the same script gives the
same bytes on every machine.

``scripts`` has things to say for each version; ``mishaps`` and ``taps`` make of segments what captures look like.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from fieldkit.events import MessageType, Sender
from tests.traffic.frames import CLOSE, PING, PONG, FrameSender, accept_key
from tests.traffic.segments import SECOND, Address, Clock, Segment, TcpTalk

MONDAY = 1_788_163_200 * SECOND
"""2026-08-31T08:00:00Z, when everything here begins."""

Deflate = Literal["", "takeover", "no takeover"]

SUBPROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}

_OTHER: Mapping[Sender, Sender] = {"station": "csms", "csms": "station"}


class Said(NamedTuple):
    """One message as it was said: what a decoder has to find."""

    station: str
    sender: Sender
    type: MessageType | None
    """None for what is no OCPP-J message."""
    id: str
    action: str
    """Of an answer: that of its CALL."""
    text: str
    begin: int
    """Position of the first byte of its first WebSocket frame among all that this side sends …"""
    end: int
    """… and behind its last."""


def compact(value: Any) -> str:
    """JSON as most stations write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Session:
    """One connection of one station, and everything that is said on it."""

    def __init__(
        self,
        station: str = "CP_7",
        version: str = "1.6",
        *,
        client: Address = ("192.168.7.20", 49_152),
        server: Address = ("203.0.113.5", 8080),
        start: int = MONDAY,
        mss: int = 1448,
        first: tuple[int, int] = (1_000_000, 5_000_000),
        acknowledge: bool = True,
        deflate: Deflate = "",
        cut_every: int = 0,
        seed: int = 1,
    ) -> None:
        """``cut_every``: fragment WebSocket messages into frames of so many bytes."""
        self.station = station
        self.version = version
        self.random = Random(f"{station} {seed}")
        self.clock = Clock(start)
        self.tcp = TcpTalk(self.clock, client, server, mss=mss, first=first, acknowledge=acknowledge)
        self.said: list[Said] = []
        self._deflate: Deflate = deflate
        self._cut_every = cut_every
        self._frames: dict[Sender, FrameSender] = {}
        self._ids = 0
        self._together: dict[Sender, bytes] | None = None
        self._set_frames(deflate)

    def _set_frames(self, deflate: Deflate) -> None:
        for side in ("station", "csms"):
            self._frames[side] = FrameSender(
                from_client=side == "station",
                random=self.random,
                deflate=bool(deflate),
                takeover=deflate == "takeover",
            )

    @property
    def segments(self) -> list[Segment]:
        return self.tcp.segments

    def timed(self) -> list[tuple[int, Said]]:
        """What was said, each with the time at which its last byte passed the tap."""
        result = []
        for said in self.said:
            from_client = said.sender == "station"
            first = self.tcp.begins(from_client)
            for segment in self.segments:
                if segment.from_client is from_client and segment.payload:
                    begin = (segment.seq - first) % 2**32
                    if begin < said.end <= begin + len(segment.payload):
                        result.append((segment.time, said))
                        break
        return result

    def timestamp(self, seconds: float = 0) -> str:
        """What the station's clock shows."""
        moment = datetime.fromtimestamp(self.clock.now // SECOND, UTC) + timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # ------------------------------------------------------------------------------------------------------- the way up

    def connect(self) -> None:
        """The TCP handshake."""
        self.tcp.open()

    def request(self, *, path: str = "", subprotocol: str | None = None, user: str = "", password: str = "") -> str:
        """The station's upgrade request; returns its ``Sec-WebSocket-Key``."""
        key = base64.b64encode(self.random.randbytes(16)).decode()
        host, port = self.tcp.server
        lines = [
            f"GET {path or f'/ocpp/{quote(self.station)}'} HTTP/1.1",
            f"Host: {f'[{host}]' if ':' in host else host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        offered = SUBPROTOCOLS[self.version] if subprotocol is None else subprotocol
        if offered:
            lines.append(f"Sec-WebSocket-Protocol: {offered}")
        if self._deflate:
            lines.append("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        if user:
            lines.append(f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")
        self.tcp.send(True, _head(lines))
        return key

    def upgrade(self, *, path: str = "", subprotocol: str | None = None, agreed: str | None = None) -> None:
        """Request and 101. ``subprotocol`` is what the station offers, ``agreed`` what the CSMS answers."""
        key = self.request(path=path, subprotocol=subprotocol)
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(key)}",
        ]
        agreed = SUBPROTOCOLS[self.version] if agreed is None else agreed
        if agreed:
            lines.append(f"Sec-WebSocket-Protocol: {agreed}")
        if self._deflate:
            parameters = (
                "" if self._deflate == "takeover" else "; client_no_context_takeover; server_no_context_takeover"
            )
            lines.append(f"Sec-WebSocket-Extensions: permessage-deflate{parameters}")
        self.tcp.send(False, _head(lines))

    def refuse(self, status: int, reason: str, *headers: str, body: str = "") -> None:
        """The CSMS answers the upgrade request with something else than 101, and closes."""
        self.request()
        lines = [f"HTTP/1.1 {status} {reason}", *headers, f"Content-Length: {len(body.encode())}", "Connection: close"]
        self.tcp.send(False, _head(lines) + body.encode())
        self.tcp.close(by_client=False)

    # ----------------------------------------------------------------------------------------------------- what is said

    def say(
        self,
        sender: Sender,
        text: str | bytes,
        *,
        type: MessageType | None = None,
        id: str = "",
        action: str = "",
        binary: bool = False,
    ) -> None:
        """Any text, as it is. ``type``, ``id`` and ``action`` are what it is, for the truth."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        cuts: Sequence[int] = range(self._cut_every, len(data), self._cut_every) if self._cut_every else ()
        frames = b"".join(self._frames[sender].message(data, binary=binary, cuts=cuts))
        begin = self.tcp.sent[sender == "csms"] + (len(self._together[sender]) if self._together is not None else 0)
        shown = data.decode("utf-8", "replace")
        self.said.append(Said(self.station, sender, type, id, action, shown, begin, begin + len(frames)))
        self._put(sender, frames)

    def call(
        self,
        sender: Sender,
        action: str,
        payload: Mapping[str, Any],
        answer: Mapping[str, Any] | None = None,
        *,
        after: float = 0.5,
    ) -> str:
        """A CALL and, unless it is None, the answer to it. Returns the message id."""
        self.clock.wait(after)
        id_ = self.new_id()
        self.say(sender, compact([2, id_, action, payload]), type=MessageType.CALL, id=id_, action=action)
        if answer is not None:
            self.answer(_OTHER[sender], id_, action, answer)
        return id_

    def answer(self, sender: Sender, id_: str, action: str, payload: Mapping[str, Any]) -> None:
        self.say(sender, compact([3, id_, payload]), type=MessageType.CALLRESULT, id=id_, action=action)

    def error(self, sender: Sender, id_: str, action: str, code: str, description: str = "") -> None:
        text = compact([4, id_, code, description, {}])
        self.say(sender, text, type=MessageType.CALLERROR, id=id_, action=action)

    def result_error(self, sender: Sender, id_: str, action: str, code: str, description: str = "") -> None:
        """OCPP 2.1: "your answer was not what it should have been"."""
        text = compact([5, id_, code, description, {}])
        self.say(sender, text, type=MessageType.CALLRESULTERROR, id=id_, action=action)

    def send(self, sender: Sender, action: str, payload: Mapping[str, Any], *, after: float = 0.5) -> None:
        """OCPP 2.1: a message that expects no answer."""
        self.clock.wait(after)
        id_ = self.new_id()
        self.say(sender, compact([6, id_, action, payload]), type=MessageType.SEND, id=id_, action=action)

    def new_id(self) -> str:
        self._ids += 1
        return f"{self.station}-{self._ids:04}"

    def ping(self, sender: Sender, payload: bytes = b"") -> None:
        """A ping and its pong."""
        self._put(sender, self._frames[sender].control(PING, payload))
        other = _OTHER[sender]
        self._put(other, self._frames[other].control(PONG, payload))

    def idle(self, seconds: float, *, ping_every: float = 0, keep_alive_every: float = 0) -> None:
        """Nothing but pings of the CSMS and TCP's own signs of life."""
        end = self.clock.now + round(seconds * SECOND)
        signs: list[tuple[float, Callable[[], None]]] = [
            (ping_every, lambda: self.ping("csms")),
            (keep_alive_every, lambda: self.tcp.keep_alive(False)),
        ]
        due = sorted(
            (self.clock.now + round(every * SECOND) * number, order)
            for order, (every, _) in enumerate(signs)
            if every
            for number in range(1, int(seconds / every))
        )
        for time, order in due:
            self.clock.now = max(self.clock.now, time)
            signs[order][1]()
        self.clock.now = max(self.clock.now, end)

    def together(self, sender: Sender, texts: Iterable[tuple[str, MessageType | None, str, str]]) -> None:
        """Several messages (text, type, id, action) of one side in one write, hence in the same segments."""
        self._together = {"station": b"", "csms": b""}
        for text, type_, id_, action in texts:
            self.say(sender, text, type=type_, id=id_, action=action)
        held, self._together = self._together[sender], None
        self.tcp.send(sender == "station", held)

    def _put(self, sender: Sender, data: bytes) -> None:
        if self._together is not None:
            self._together[sender] += data
        else:
            self.tcp.send(sender == "station", data)

    # ---------------------------------------------------------------------------------------------------------- the end

    def close(
        self,
        how: Literal["fin", "rst", ""] = "fin",
        *,
        by_client: bool = True,
        code: int | None = 1000,
        reason: str = "",
    ) -> None:
        """A WebSocket close handshake (unless ``code`` is None) and the end of the TCP connection."""
        sender: Sender = "station" if by_client else "csms"
        if code is not None:
            payload = code.to_bytes(2, "big") + reason.encode()
            self._put(sender, self._frames[sender].control(CLOSE, payload))
            other = _OTHER[sender]
            self._put(other, self._frames[other].control(CLOSE, payload[:2]))
        if how == "fin":
            self.tcp.close(by_client=by_client)
        elif how == "rst":
            self.tcp.reset(by_client=by_client)


def _head(lines: Iterable[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def merged(*talks: Iterable[Segment]) -> list[Segment]:
    """The segments of several connections as one tap sees them."""
    return sorted((segment for talk in talks for segment in talk), key=lambda segment: segment.time)
