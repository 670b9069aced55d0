"""An anonymised capture: the conversations that were decoded, said again by somebody else.

Nothing is copied from the packets of the original. From what was understood of each connection (its attempts, its HTTP
heads, its OCPP messages, its pings, its end) new packets are made, with the times of the old ones and other names and
addresses in them, so that what was not understood cannot slip through: where it was, bytes are missing. What was
decrypted or decompressed is in clear. The price is TCP's own story: retransmissions, segment sizes and acknowledgements
are not those of the original, a frame has another number, and encrypted traffic without keys and foreign protocols are
missing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from struct import pack
from typing import Final

from fieldkit import __version__
from fieldkit.events import (
    BasicCredentials,
    CaptureDropped,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    DecodeError,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppMessage,
    StreamGap,
    WsControl,
)
from fieldkit.reports.anonymize import Anonymizer
from fieldkit.reports.pcapngfile import PcapngWriter
from fieldkit.safetext import shorten
from fieldkit.site.picture import Picture

MAX_TALKS: Final = 20_000
"""Connections that are told at once."""
_SEGMENT: Final = 1448
_OPCODES: Final = {"close": 8, "ping": 9, "pong": 10}
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_ETHERNET: Final = 1
_FIRST: Final = (1_000_000, 5_000_000)
"""Initial sequence numbers of client and server."""

_KEPT: Final = frozenset(
    "upgrade connection sec-websocket-key sec-websocket-version sec-websocket-protocol sec-websocket-accept"
    " content-type soapaction retry-after allow date".split()
)
"""HTTP fields that name nobody; of some others the value is replaced, and the rest is left out."""
_EDITED: Final = frozenset({"host", "location", "origin"})


@dataclass(slots=True)
class _Talk:
    """One connection as it is told."""

    connection: Connection
    opened: bool = False
    """Its handshake has been written (or was not in the original either)."""
    sent: list[int] = field(default_factory=lambda: [_FIRST[0] + 1, _FIRST[1] + 1])
    """Next sequence number of the client and of the server."""
    request: HttpRequest | None = None
    """Of SOAP: the head that the next envelope comes with …"""
    response: HttpResponse | None = None
    """… and that of the next answer."""


class RebuiltCapture:
    """Watches a session and writes its conversations as packets under other names."""

    wants: Final[frozenset[type[Event]]] = frozenset(
        {
            CaptureDropped,
            ConnectionClosed,
            ConnectionOpened,
            DecodeError,
            HttpRequest,
            HttpResponse,
            OcppMessage,
            StreamGap,
            WsControl,
        }
    )

    def __init__(self, write: Callable[[bytes], object], key: bytes) -> None:
        self.anonymizer = Anonymizer(key)
        self.left_out = 0
        """OCPP messages that have no connection to be said on: those of logs."""
        self._dropped = 0
        self.packets = 0
        self._talks: dict[int, _Talk] = {}
        self._time = 0
        self._writer = PcapngWriter(
            write,
            [
                f"fieldkit {__version__}: anonymised. Rebuilt from the decoded conversations: names, addresses and ids "
                "are pseudonyms, passwords are left out, packet numbers and TCP details are not those of the original."
            ],
        )

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if isinstance(event, OcppMessage):
            self._message(event)
        elif isinstance(event, ConnectionOpened):
            if len(self._talks) >= MAX_TALKS:
                del self._talks[next(iter(self._talks))]
            talk = _Talk(self.anonymizer.connection(event.connection), opened=event.connection.joined_midstream)
            self._talks[event.connection.number] = talk
        elif isinstance(event, ConnectionClosed):
            self._closed(event)
        elif isinstance(event, HttpRequest):
            # Foreign web traffic is nobody's business; SOAP has its own rule.
            if event.body:
                self._remember(event)
            elif "sec-websocket-key" in event.headers:
                self._say(event.connection, event.time, True, self._request(event))
        elif isinstance(event, HttpResponse):
            asked = event.request
            if asked is not None and asked.body:
                self._remember(event)
            elif event.status == 101 or (asked is not None and "sec-websocket-key" in asked.headers):
                self._say(event.connection, event.time, False, self._response(event))
        elif isinstance(event, WsControl):
            payload = event.payload[:2] if event.kind == "close" else bytes(len(event.payload))
            if event.kind == "close" and event.reason:
                payload += self.anonymizer.text(event.reason).encode("utf-8", "replace")[:123]
            self._frame(event.connection, event.time, event.from_client, _OPCODES[event.kind], payload)
        elif isinstance(event, StreamGap):
            self._missing(event.connection, event.from_client, event.missing)
        elif isinstance(event, DecodeError):
            if event.connection is not None and event.layer in ("websocket", "deflate"):
                self._missing(event.connection, True, event.lost)
        elif isinstance(event, CaptureDropped):
            self._dropped += event.count

    def finish(self) -> None:
        """The end of the session."""
        if self._dropped:
            self._writer.dropped("anonymised", _ETHERNET, self._time, self._dropped)

    def _missing(self, connection: Connection, from_client: bool, count: int) -> None:
        """Bytes that were lost, or not understood, are a hole."""
        talk = self._talks.get(connection.number)
        if talk is not None and talk.opened and talk.sent != [_FIRST[0] + 1, _FIRST[1] + 1]:
            side = not from_client
            talk.sent[side] = (talk.sent[side] + max(count, 0)) % 2**32

    # ------------------------------------------------------------------------------------------------- what is said

    def _message(self, message: OcppMessage) -> None:
        connection = message.channel.connection
        if connection is None:
            self.left_out += 1
            return
        text = self.anonymizer.message(message).raw
        if message.channel.transport == "soap":
            self._envelope(message, connection, text)
            return
        data = text.encode("utf-8", "replace")
        if any(problem.rule == "json.utf8" for problem in message.problems):
            data = data.replace("\ufffd".encode(), b"\xff")
        opcode = 2 if any(problem.rule == "framing.binary" for problem in message.problems) else 1
        self._frame(connection, message.time, message.sender == "station", opcode, data)

    def _frame(self, connection: Connection, time: int, from_client: bool, opcode: int, payload: bytes) -> None:
        """RFC 6455 §5.2. The mask of a client's frames is all zeros: there is nothing to hide here."""
        size, mask = len(payload), 0x80 if from_client else 0
        head = pack("!B", 0x80 | opcode)
        if size < 126:
            head += pack("!B", mask | size)
        elif size < 65_536:
            head += pack("!BH", mask | 126, size)
        else:
            head += pack("!BQ", mask | 127, size)
        self._say(connection, time, from_client, head + (bytes(4) if from_client else b"") + payload)

    def _remember(self, head: HttpRequest | HttpResponse) -> None:
        talk = self._talks.get(head.connection.number)
        if talk is not None and isinstance(head, HttpRequest):
            talk.request = head
        elif talk is not None and isinstance(head, HttpResponse):
            talk.response = head

    def _envelope(self, message: OcppMessage, connection: Connection, text: str) -> None:
        """OCPP-S 1.5 and 1.6: a call is the body of a POST, its answer that of the response."""
        talk = self._talks.get(connection.number)
        if talk is None:
            return
        body = text.encode("utf-8", "xmlcharrefreplace")
        if message.type is MessageType.CALL:
            request, talk.request = talk.request, None
            path = self.anonymizer.path(request.target.partition("?")[0], "") if request is not None else "/"
            lines = [f"POST {path} HTTP/1.1", *(self._fields(request.headers) if request is not None else ())]
        else:
            response, talk.response = talk.response, None
            status, reason = (response.status, response.reason) if response is not None else (200, "OK")
            reason = shorten(re.sub(r"[^\x20-\x7e]", "?", self.anonymizer.text(reason)), 80)
            lines = [f"HTTP/1.1 {status} {reason}", *(self._fields(response.headers) if response is not None else ())]
        lines.append(f"Content-Length: {len(body)}")
        self._say(connection, message.time, message.type is MessageType.CALL, _head(lines) + body)

    def _request(self, request: HttpRequest) -> bytes:
        path, mark, _ = request.target.partition("?")
        before, _, station = path.rpartition("/")
        from urllib.parse import quote, unquote

        own = unquote(station)
        name = quote(self.anonymizer.station(own), safe="*:@$-_.+!,") if own else ""
        where = self.anonymizer.path(before, own)
        lines = [f"{request.method} {where}/{name} HTTP/1.1", *self._fields(request.headers)]
        if mark:
            lines.append("X-Fieldkit-Note: the query of the request was left out")
        if request.credentials is not None:
            lines.append(f"Authorization: Basic {self._credentials(request.credentials)}")
        return _head(lines)

    def _credentials(self, credentials: BasicCredentials) -> str:
        """The same kind of mistake, if it is one: user and length of the password are told, the password never was."""
        known = credentials.user
        filler = "0" if credentials.password_shape == "hex" else "x"
        text = f"{self.anonymizer.station(known) if known else ''}:{filler * min(credentials.password_length, 256)}"
        return base64.b64encode(text.encode("utf-8", "replace")).decode()

    def _response(self, response: HttpResponse) -> bytes:
        reason = shorten(re.sub(r"[^\x20-\x7e]", "?", self.anonymizer.text(response.reason)), 80)
        return _head([f"HTTP/1.1 {response.status} {reason}", *self._fields(response.headers), "Content-Length: 0"])

    def _fields(self, headers: Mapping[str, str]) -> list[str]:
        lines = []
        for name, value in headers.items():
            if name in _EDITED:
                value = self._host(value) if name == "host" else self.anonymizer.text(value)
            elif name not in _KEPT:
                continue
            lines.append(f"{name.title()}: {re.sub(r'[^ -~]', '?', value)}")
        return lines

    def _host(self, value: str) -> str:
        return self.anonymizer.text(f"ws://{value}").removeprefix("ws://")

    # --------------------------------------------------------------------------------------------------------- packets

    def _say(self, connection: Connection, time: int, from_client: bool, data: bytes) -> None:
        talk = self._talks.get(connection.number)
        if talk is None:
            return
        self._open(talk)
        for at in range(0, len(data), _SEGMENT):
            self._packet(talk, time, from_client, _ACK | _PSH, data[at : at + _SEGMENT])

    def _open(self, talk: _Talk) -> None:
        """SYN, SYN/ACK, ACK, at the time of the SYN: what is foreign never gets that far."""
        if talk.opened:
            return
        talk.opened = True
        time, begin = talk.connection.opened, _FIRST
        self._raw(talk.connection, time, True, begin[0], 0, _SYN)
        self._raw(talk.connection, time, False, begin[1], begin[0] + 1, _SYN | _ACK)
        self._packet(talk, time, True, _ACK)

    def _closed(self, event: ConnectionClosed) -> None:
        talk = self._talks.pop(event.connection.number, None)
        if talk is None:
            return
        if not talk.opened:
            if event.how in ("refused", "no-answer"):
                self._raw(talk.connection, talk.connection.opened, True, _FIRST[0], 0, _SYN)
                if event.how == "refused":
                    self._raw(talk.connection, event.time, False, 0, _FIRST[0] + 1, _RST | _ACK)
                else:
                    self._raw(talk.connection, talk.connection.opened, True, _FIRST[0], 0, _SYN)
            return
        begun = talk.sent != [_FIRST[0] + 1, _FIRST[1] + 1]
        if not begun:
            return  # joined in its middle, and nothing of it was understood
        first = event.by_client is not False
        if event.how == "rst":
            self._packet(talk, event.time, first, _RST | _ACK)
        elif event.how == "fin":
            for side in (first, not first):
                self._packet(talk, event.time, side, _FIN | _ACK)
                talk.sent[not side] += 1
            self._packet(talk, event.time, first, _ACK)

    def _packet(self, talk: _Talk, time: int, from_client: bool, flags: int, data: bytes = b"") -> None:
        own, other = (0, 1) if from_client else (1, 0)
        self._raw(talk.connection, time, from_client, talk.sent[own], talk.sent[other], flags, data)
        talk.sent[own] = (talk.sent[own] + len(data)) % 2**32

    def _raw(
        self, connection: Connection, time: int, from_client: bool, seq: int, ack: int, flags: int, data: bytes = b""
    ) -> None:
        # What waited for another event may be told late; packets of a capture come in order.
        self._time = max(self._time, time)
        client, server = connection.client, connection.server
        source, target = (client, server) if from_client else (server, client)
        packet = ethernet(source.address, target.address, source.port, target.port, seq, ack, flags, data)
        self._writer.packet("anonymised", _ETHERNET, self._time, packet)
        self.packets += 1


def _head(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("ascii", "replace")


def ethernet(
    source: str, target: str, sport: int, dport: int, seq: int, ack: int, flags: int, data: bytes = b""
) -> bytes:
    """A TCP segment in an Ethernet frame between two made-up stations, with the checksums that belong to it."""
    first, second = ip_address(source.partition("%")[0]), ip_address(target.partition("%")[0])
    addresses = first.packed + second.packed
    tcp = pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, 0x50, flags, 64_240, 0, 0)
    pseudo = addresses + pack("!HH", 6, len(tcp) + len(data))
    tcp = tcp[:16] + pack("!H", checksum(pseudo + tcp + data)) + tcp[18:]
    if first.version == 4:
        head = pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(data), 0, 0x4000, 64, 6, 0)
        head = head[:10] + pack("!H", checksum(head + addresses))
        ethertype = 0x0800
    else:
        head = pack("!IHBB", 6 << 28, len(tcp) + len(data), 6, 64)
        ethertype = 0x86DD
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + pack("!H", ethertype) + head + addresses + tcp + data


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) & 1:
        data += b"\0"
    # The ones' complement sum of 16 bit words is the remainder by 65,535, but for which of its two zeros it is.
    total = int.from_bytes(data, "big")
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))
