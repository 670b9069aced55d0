"""A simulated site as a capture: every event becomes the packets that fieldkit would read it from."""

from __future__ import annotations

import base64
from bisect import insort
from collections.abc import Iterable, Mapping
from random import Random
from struct import pack
from typing import Any, BinaryIO, Final

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    HttpRequest,
    HttpResponse,
    OcppMessage,
    PathSample,
    Retransmission,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    WsControl,
)
from tests.simulation.site import Site
from tests.simulation.tap import MSS, Acknowledged, Sealed
from tests.traffic.capture import pcap_header, pcap_record
from tests.traffic.frames import CLOSE, PING, PONG, TEXT, frame
from tests.traffic.packets import SACK_PERMITTED, ethernet, ipv4, mss, tcp

_OPCODES: Final = {"ping": PING, "pong": PONG, "close": CLOSE}
_OPTIONS: Final = mss(1460) + SACK_PERMITTED
_PASSWORD: Final = "x" * 20
HOLD_NS: Final = 300_000_000_000
"""Packets wait so long for earlier ones that are made later: a SYN/ACK is known when the station has answered it."""


class _Talk:
    """Sequence numbers of one connection."""

    __slots__ = ("connection", "far_ttl", "first", "last", "next")

    def __init__(self, connection: Connection, random: Random) -> None:
        self.connection = connection
        self.first = (random.getrandbits(32), random.getrandbits(32))
        self.next = list(self.first)
        self.last: list[tuple[int, bytes]] = [(0, b""), (0, b"")]
        """The segment that each side sent last: where it begins, and its payload."""
        self.far_ttl = 52


class CaptureWriter:
    """Takes a site's happenings in the order of time, and writes packets in the order of time."""

    def __init__(self, file: BinaryIO, seed: int) -> None:
        self.packets = 0
        self._file = file
        self._random = Random(f"capture/{seed}")
        self._talks: dict[int, _Talk] = {}
        self._waiting: list[tuple[int, int, bytes]] = []
        self._order = 0
        file.write(pcap_header(nanoseconds=True))

    def feed(self, event: Any) -> None:
        take = _TAKERS.get(event.__class__)
        if take is not None:
            take(self, event)
        if len(self._waiting) > 4096:
            self._write(event.time - HOLD_NS)

    def finish(self) -> None:
        self._write(1 << 63)

    # -------------------------------------------------------------------------------------------------------- packets

    def _write(self, until: int) -> None:
        done = 0
        for time, _, data in self._waiting:
            if time > until:
                break
            self._file.write(pcap_record((time, data), nanoseconds=True))
            done += 1
        self.packets += done
        del self._waiting[:done]

    def _segment(
        self,
        talk: _Talk,
        from_client: bool,
        time: int,
        flags: str,
        payload: bytes = b"",
        *,
        seq: int | None = None,
        options: bytes = b"",
    ) -> None:
        side, connection = not from_client, talk.connection
        ends = connection.client, connection.server
        source, destination = ends if from_client else ends[::-1]
        begin = talk.next[side] if seq is None else seq
        ack = talk.next[not side] if "A" in flags else 0
        segment = tcp(
            source.address, destination.address, source.port, destination.port, begin, ack, flags, payload,
            options=options,
        )  # fmt: skip
        whole = ipv4(source.address, destination.address, segment, ttl=64 if from_client else talk.far_ttl)
        self._order += 1
        insort(self._waiting, (time, self._order, ethernet(whole)))
        if seq is None:
            talk.next[side] = (begin + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32

    def _send(self, connection: Connection, from_client: bool, time: int, data: bytes) -> None:
        talk = self._talks[connection.number]
        for at in range(0, len(data), MSS):
            piece = data[at : at + MSS]
            talk.last[not from_client] = (talk.next[not from_client], piece)
            self._segment(talk, from_client, time, "PA" if at + MSS >= len(data) else "A", piece)

    # --------------------------------------------------------------------------------------------------------- events

    def _opened(self, event: ConnectionOpened) -> None:
        talk = self._talks[event.connection.number] = _Talk(event.connection, self._random)
        self._segment(talk, True, event.time, "S", options=_OPTIONS)

    def _path(self, event: PathSample) -> None:
        if event.kind != "handshake":
            return  # what was measured of other packets is in those, and may come when the connection has ended
        talk = self._talks[event.connection.number]
        if event.from_client:
            talk.far_ttl = event.ttl
            self._segment(talk, False, event.time, "SA", options=_OPTIONS)
        else:
            self._segment(talk, True, event.time, "A")

    def _acknowledged(self, event: Acknowledged) -> None:
        talk = self._talks.get(event.connection.number)
        if talk is not None:
            self._segment(talk, not event.from_client, event.time, "A")

    def _closed(self, event: ConnectionClosed) -> None:
        talk = self._talks.pop(event.connection.number)
        match event.how:
            case "fin":
                first = bool(event.by_client)
                self._segment(talk, first, event.time, "FA")
                self._segment(talk, not first, event.time, "FA")
                self._segment(talk, first, event.time, "A")
            case "rst":
                self._segment(talk, bool(event.by_client), event.time, "RA")
            case "refused":
                self._segment(talk, False, event.time, "RA", seq=0)

    def _request(self, event: HttpRequest) -> None:
        lines = [f"{event.method} {event.target} HTTP/1.1"]
        for name, value in event.headers.items():
            if name == "authorization":
                user = event.credentials.user if event.credentials else ""
                value = f"Basic {base64.b64encode(f'{user}:{_PASSWORD}'.encode()).decode()}"
            lines.append(f"{name.title()}: {value}")
        self._send(event.connection, True, event.time, _head(lines))

    def _response(self, event: HttpResponse) -> None:
        lines = [f"HTTP/1.1 {event.status} {event.reason}", *_fields(event.headers)]
        self._send(event.connection, False, event.time, _head(lines))

    def _message(self, event: OcppMessage) -> None:
        connection = event.channel.connection
        if connection is not None and connection.number in self._talks:
            from_client = event.sender == "station"
            data = frame(TEXT, event.raw.encode(), mask=self._mask(from_client))
            self._send(connection, from_client, event.time, data)

    def _control(self, event: WsControl) -> None:
        data = frame(_OPCODES[event.kind], event.payload, mask=self._mask(event.from_client))
        self._send(event.connection, event.from_client, event.time, data)

    def _again(self, event: Retransmission) -> None:
        talk = self._talks.get(event.connection.number)
        if talk is not None:
            seq, payload = talk.last[not event.from_client]
            self._segment(talk, event.from_client, event.time, "PA", payload, seq=seq)

    def _mask(self, from_client: bool) -> bytes:
        return self._random.randbytes(4) if from_client else b""

    # ------------------------------------------------------------------------------------------------------------ tls

    def _hello(self, event: TlsHello) -> None:
        body = client_hello(event, self._random) if event.from_client else server_hello(event, self._random)
        self._send(event.connection, event.from_client, event.time, body)

    def _certificates(self, event: TlsCertificates) -> None:
        chain = b"".join(len(one).to_bytes(3, "big") + one for one in event.chain)
        body = handshake(11, len(chain).to_bytes(3, "big") + chain)
        data = record(22, body) + record(22, handshake(14, b""))
        self._send(event.connection, False, event.time, data)
        # What follows belongs to the same flight of the handshake; none of it can be read.
        exchange = record(22, handshake(16, b"\x41" + self._random.randbytes(65)))
        finished = record(20, b"\x01") + record(22, self._random.randbytes(40))
        self._send(event.connection, True, event.time + 2_000_000, exchange + finished)

    def _alert(self, event: TlsAlert) -> None:
        self._send(event.connection, event.from_client, event.time, record(21, bytes([2, event.description])))

    def _sealed(self, event: Sealed) -> None:
        if event.connection.number in self._talks:
            data = record(23, self._random.randbytes(event.size + 24))
            self._send(event.connection, event.from_client, event.time, data)


_TAKERS: Final[dict[type[Any], Any]] = {
    Acknowledged: CaptureWriter._acknowledged,
    ConnectionClosed: CaptureWriter._closed,
    ConnectionOpened: CaptureWriter._opened,
    HttpRequest: CaptureWriter._request,
    HttpResponse: CaptureWriter._response,
    OcppMessage: CaptureWriter._message,
    PathSample: CaptureWriter._path,
    Retransmission: CaptureWriter._again,
    Sealed: CaptureWriter._sealed,
    TlsAlert: CaptureWriter._alert,
    TlsCertificates: CaptureWriter._certificates,
    TlsHello: CaptureWriter._hello,
    WsControl: CaptureWriter._control,
}


def write(site: Site, file: BinaryIO, seed: int = 0) -> int:
    """The whole site; returns the number of packets."""
    site.wire.captured = True
    writer = CaptureWriter(file, seed)
    for _, event in site.happenings():
        writer.feed(event)
    writer.finish()
    return writer.packets


def _fields(headers: Mapping[str, str]) -> Iterable[str]:
    return (f"{name.title()}: {value}" for name, value in headers.items())


def _head(lines: Iterable[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


def record(kind: int, body: bytes) -> bytes:
    """A TLS record (RFC 5246 §6.2.1)."""
    return pack("!BHH", kind, 0x0303, len(body)) + body


def handshake(kind: int, body: bytes) -> bytes:
    """A handshake message (RFC 5246 §7.4)."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _vector(size: int, body: bytes) -> bytes:
    return len(body).to_bytes(size, "big") + body


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(pack("!H", value) for value in values)


def client_hello(hello: TlsHello, random: Random) -> bytes:
    """What a client offers, with the contents that the event tells (RFC 5246 §7.4.1.2)."""
    name = hello.server_name.encode()
    contents = {
        0: _vector(2, b"\0" + _vector(2, name)),
        10: _vector(2, _numbers(hello.groups)),
        11: _vector(1, bytes(hello.point_formats)),
        13: _vector(2, _numbers(hello.signature_algorithms)),
    }
    extensions = b"".join(pack("!H", kind) + _vector(2, contents.get(kind, b"")) for kind in hello.extensions)
    body = b"\x03\x03" + random.randbytes(32) + b"\0" + _vector(2, _numbers(hello.suites)) + b"\x01\0"
    return record(22, handshake(1, body + _vector(2, extensions)))


def server_hello(hello: TlsHello, random: Random) -> bytes:
    """What the server chose (RFC 5246 §7.4.1.3)."""
    extensions = b"".join(pack("!HH", kind, 0) for kind in hello.extensions)
    body = b"\x03\x03" + random.randbytes(32) + b"\0" + pack("!HB", hello.suites[0], 0)
    return record(22, handshake(2, body + _vector(2, extensions)))
