"""The vocabulary: everything that goes into the engine and everything that comes out of it.

Read this file first. A decoder takes bytes and yields these; a check, a report and a screen take these and
nothing else. They hold no behaviour. Four conventions run through all of them:

- *Time* is an integer: nanoseconds since the Unix epoch, as the capture (or log) has it.
- *Frames* are the numbers of the capture records that carried the bytes, counted from 1 as Wireshark does; for a
  log they are line numbers. They are the evidence.
- *Sides*: transport knows a client and a server (``from_client``); OCPP knows a charging station and a CSMS
  (``sender``). In OCPP-J the station is the client; over SOAP either may be.
- *Nothing is lost silently*: what could not be read is an event too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def event(cls: type[T]) -> type[T]:
    """A slotted dataclass that the type checker treats as frozen.

    Run-time freezing calls ``object.__setattr__`` once a field: 1.4 µs instead of 0.3 µs for a message, which is
    a quarter of the whole cost of decoding it (measured, CPython 3.11). ``mypy --strict`` guards it instead.
    """
    return dataclass(slots=True)(cls)


Sender: TypeAlias = Literal["station", "csms"]
"""Who speaks, in OCPP's terms."""

Transport: TypeAlias = Literal["json", "soap"]


# ---------------------------------------------------------------------------------------------------- in: bytes


class RecordLayout(Protocol):
    """Where a capture format keeps what it knows of a packet: computed only for packets that matter."""

    def time(self, buffer: bytes, start: int) -> int:
        """Nanoseconds since the epoch of the packet whose first byte lies at ``start``."""

    def interface(self, buffer: bytes, start: int) -> int:
        """Number of the capture interface it was seen on (0 where the format has just one)."""


@event
class PacketBatch:
    """Captured packets of one link type, still lying in the block they were read with."""

    buffer: bytes
    starts: list[int]
    """Offset of each packet's first byte (its link-layer header) in ``buffer``."""
    ends: list[int]
    """Offset just behind the last captured byte of each packet."""
    linktype: int
    """As registered at tcpdump.org/linktypes.html: 1 Ethernet, 113 Linux cooked, 101 raw IP …"""
    first_frame: int
    """Frame number of ``starts[0]``; the others follow one by one."""
    layout: RecordLayout


@event
class StreamBytes:
    """In-order bytes of one side of a connection: from a proxy, or decrypted from TLS."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    data: bytes


@event
class LoggedFrame:
    """One OCPP frame as a log, export or trace recorded it; what the log does not say is None or empty."""

    time: int | None
    frames: tuple[int, ...]
    """Line (or record) numbers in the log, from 1."""
    source: str
    station: str
    """Charging station identity; empty when the log does not name one."""
    sender: Sender | None
    relative: Literal["in", "out"] | None
    """"received" or "sent", as seen by whoever wrote the log: which side that was is for ``ocpp.logged`` to tell."""
    version: str
    """OCPP version when the log states it ("1.6", "2.0.1" …), else empty."""
    transport: Transport
    text: str
    """The frame, verbatim as far as it could be salvaged."""
    problems: tuple[Problem, ...]
    """What salvaging had to assume or could not mend."""


@event
class TlsSecrets:
    """NSS key-log lines found inside the capture (pcapng decryption secrets block)."""

    time: int
    frames: tuple[int, ...]
    text: str


@event
class CaptureComment:
    """A comment in the capture: on the section, an interface, or a packet (then ``frames`` names it)."""

    time: int
    frames: tuple[int, ...]
    text: str


# --------------------------------------------------------------------------------------------------- transport


@event
class Endpoint:
    """An address and a port."""

    address: str
    port: int


@event
class Connection:
    """Two endpoints in conversation: what every later event of that conversation points to."""

    number: int
    """1, 2, 3 … in the order they were first seen."""
    client: Endpoint
    server: Endpoint
    opened: int
    """Time of the SYN, or of the first packet seen."""
    joined_midstream: bool
    """True when the beginning is not in the capture."""
    source: str
    """The capture, interface or proxy it was seen on."""


@event
class ConnectionOpened:
    """A TCP connection attempt, or the first sight of a connection that was already open."""

    time: int
    frames: tuple[int, ...]
    connection: Connection


ConnectionEnd: TypeAlias = Literal["fin", "rst", "refused", "no-answer", "timeout", "replaced", "end-of-capture"]
"""How a connection ended: orderly, reset, SYN answered by RST, SYN never answered, silent for too long, its
four-tuple taken by a new connection, or still open when the capture ended."""


@event
class ConnectionClosed:
    """The end of a connection, how it came, and from which side (None when neither or both)."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    how: ConnectionEnd
    by_client: bool | None


AppProtocol: TypeAlias = Literal["http", "websocket", "tls", "mirror", "unknown"]


@event
class ConnectionRecognised:
    """What the first bytes of a connection turned out to be. "mirror" is a second copy of a connection that is
    decoded already (a capture on ``any`` or beside a NAT sees it under another address)."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    protocol: AppProtocol


@event
class StreamGap:
    """Bytes that the other side has acknowledged, or that never came, and that the capture does not have."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    missing: int
    """How many bytes."""
    snapped: bool = False
    """They were sent and seen, but the capture keeps only the first bytes of each packet (its snap length)."""


@event
class Retransmission:
    """Bytes seen before: sent again by the network stack, or the same packet captured twice."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    length: int
    kind: Literal["retransmission", "duplicate", "keep-alive"]


@event
class PathSample:
    """A round trip from the place of capture to one side and back: a segment, and what acknowledged (or reset) it.
    At most one a second of each connection and direction, none of what was sent more than once (RFC 6298 §3)."""

    time: int
    """Of the answer."""
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    """Whose segment it was: True measures the way to the server."""
    kind: Literal["handshake", "ack", "answer", "reset"]
    """handshake: SYN and SYN/ACK, or SYN/ACK and ACK. answer: the acknowledgement came with data, for which the other
    side may have taken its time. reset: no acknowledgement came, but RST."""
    rtt: int
    """Nanoseconds; -1 where nothing could be measured (the segment was sent more than once)."""
    ttl: int
    """Time to live of the answer; 0 where it is not known."""
    mss: int = 0
    """handshake: largest segment that the answering side takes, 0 where it did not say …"""
    window: int = 0
    """… and its window, unscaled."""


@event
class PathError:
    """A router or host said by ICMP that a packet of a connection cannot be delivered."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    """Whose packet it was."""
    reporter: str
    """Address of whoever says so."""
    kind: Literal["network", "host", "port", "prohibited", "too-big", "expired", "other"]
    mtu: int = 0
    """too-big: what would fit; 0 where it is not said."""


@event
class WindowClosed:
    """One side has no room for more: it announced a window of zero. At most one a second of each side."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool


@event
class StrayReset:
    """A segment from the middle of a connection that nobody has seen, answered by RST: a connection that was moved here
    from another path looks like this to the new one."""

    time: int
    """Of the RST."""
    frames: tuple[int, ...]
    """Of the segment and of the RST."""
    client: Endpoint
    server: Endpoint
    after: int
    """Nanoseconds from the segment to the RST."""
    source: str


# --------------------------------------------------------------------------------------------------------- tls


@event
class TlsHello:
    """A ClientHello or ServerHello, as far as it concerns a technician; numbers as IANA registers them."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    version: int
    """Client: highest version offered. Server: the version chosen (0x0303 = TLS 1.2, 0x0304 = TLS 1.3)."""
    versions: tuple[int, ...]
    """Client: all versions offered; server: the one chosen."""
    suites: tuple[int, ...]
    """Client: offered, in order; server: the one chosen."""
    extensions: tuple[int, ...]
    groups: tuple[int, ...]
    point_formats: tuple[int, ...]
    signature_algorithms: tuple[int, ...]
    server_name: str
    alpn: tuple[str, ...]
    resumed: bool
    """Server: it took up an earlier session (same session id, or a pre-shared key chosen)."""
    retry: bool
    """Server: a HelloRetryRequest; the real ServerHello follows."""


@event
class TlsCertificates:
    """A certificate chain as sent (leaf first, if the sender keeps to the order), each one DER."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    chain: tuple[bytes, ...]


@event
class TlsAlert:
    """An alert in clear or decrypted; ``description`` as registered by IANA (40 handshake_failure …). -1: it is
    encrypted, and only its length says that it is one (TLS 1.3)."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    fatal: bool
    description: int
    name: str


@event
class TlsOpaque:
    """From here on this connection stays encrypted to us, and why."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    reason: str


# --------------------------------------------------------------------------------------------------------- web


@event
class BasicCredentials:
    """What may be known of an ``Authorization: Basic`` header: all but the password."""

    user: str
    password_length: int
    """In bytes, after base64 decoding."""
    password_shape: Literal["empty", "hex", "text", "binary"]


@event
class HttpRequest:
    """A request head, and its body when it may be SOAP. The Authorization value is already taken out."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case; repeated fields joined by ", "."""
    credentials: BasicCredentials | None
    body: bytes
    complete: bool = True
    """False when the head is cut: a field that is not there may have been sent all the same."""


@event
class HttpResponse:
    """A response head, and its body when it may be SOAP; ``request`` is what it answers, if seen."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    status: int
    reason: str
    headers: Mapping[str, str]
    request: HttpRequest | None
    body: bytes
    complete: bool = True
    """False when the head is cut: a field that is not there may have been sent all the same."""


@event
class WsMessage:
    """A whole WebSocket message: unmasked, defragmented, inflated."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    text: bool
    """False for a binary message, which OCPP-J does not use."""
    compressed: bool
    data: bytes
    missing: int
    """Bytes of ``data`` that are not known (they stand as NUL) because the compression context began before the
    capture or was lost in a gap; -1 when nothing could be inflated (``data`` is then still compressed)."""


@event
class WsControl:
    """A ping, pong or close frame."""

    time: int
    frames: tuple[int, ...]
    connection: Connection
    from_client: bool
    kind: Literal["ping", "pong", "close"]
    payload: bytes
    code: int | None
    """Close code (RFC 6455 §7.4), None when the frame carried none."""
    reason: str


# -------------------------------------------------------------------------------------------------------- ocpp


class MessageType(IntEnum):
    """OCPP-J message type numbers; 5 and 6 came with OCPP 2.1 (Part 4 §4.2). SOAP is mapped onto them."""

    CALL = 2
    CALLRESULT = 3
    CALLERROR = 4
    CALLRESULTERROR = 5
    SEND = 6


@event
class OcppChannel:
    """One station's conversation with one CSMS, as far as known when a message was decoded."""

    station: str
    """Charging station identity; when no handshake or header names it, its address and port."""
    version: str
    """"1.5", "1.6", "2.0", "2.0.1", "2.1", or empty while unknown."""
    transport: Transport
    connection: Connection | None
    """None when the messages come from a log."""
    station_inferred: bool
    """The identity is not stated in the capture, it is the station's address."""
    version_inferred: bool
    """The version was not negotiated in sight; the messages look like it."""
    sides_inferred: bool
    """Which side is the station follows from the messages, not from the transport."""


@event
class Problem:
    """Something wrong with one message, in words a technician can read out to a supplier."""

    rule: str
    """Stable id: "json.syntax", "framing.id-length", "schema.required", "time.format" …"""
    path: str
    """Where: "meterValue[0].timestamp"; empty for the whole message."""
    text: str


@event
class OcppError:
    """What a CALLERROR, CALLRESULTERROR or SOAP fault says."""

    code: str
    description: str
    details: Any


@event
class OcppMessage:
    """One OCPP message, JSON or SOAP."""

    time: int
    frames: tuple[int, ...]
    source: str
    channel: OcppChannel
    sender: Sender
    type: MessageType | None
    """None where the frame is too broken to tell."""
    id: str
    """Message id (SOAP: WS-Addressing MessageID); empty where none could be read."""
    action: str
    """Action of the CALL or SEND; for an answer that of the call it belongs to; empty when unknown."""
    payload: Any
    """The payload object; of an error its details; None where the message could not be parsed."""
    error: OcppError | None
    raw: str
    """The frame (SOAP: envelope) verbatim."""
    problems: tuple[Problem, ...]
    validated: bool
    """True when the payload was held against its schema (then no "schema." problem means it fits)."""
    call: OcppMessage | None
    """For an answer: the CALL that it answers, if that was seen."""


@event
class Exchange:
    """A CALL and its answer; latency is ``answer.time - call.time``."""

    time: int
    frames: tuple[int, ...]
    call: OcppMessage
    answer: OcppMessage


@event
class Orphan:
    """An answer whose CALL was not seen or was answered already."""

    time: int
    frames: tuple[int, ...]
    answer: OcppMessage


NoAnswer: TypeAlias = Literal["connection-closed", "capture-ended", "side-not-captured", "bytes-missing", "given-up"]
"""Why no answer was seen: the connection ended without one (only this says something of the other side); the capture
or log ended first; nothing of the other side is in the capture; bytes of the other side are missing since the CALL;
too many CALLs were open to wait for all."""


@event
class Unanswered:
    """A CALL that had no answer when its connection, or the capture, ended."""

    time: int
    frames: tuple[int, ...]
    call: OcppMessage
    why: NoAnswer = "connection-closed"


# --------------------------------------------------------------------------------------- serial ports and devices


@event
class SerialBytes:
    """Bytes of a serial port, as one read (or one write of ours) brought them."""

    time: int
    frames: tuple[int, ...]
    """The number of this chunk in the recording of the port, from 1."""
    port: str
    sent: bool
    """True for what fieldkit sent, False for what it heard."""
    data: bytes


@event
class DeviceReading:
    """One value that a device told: a register of a meter, the state of a charge controller, a modem's signal."""

    time: int
    frames: tuple[int, ...]
    port: str
    dialect: str
    """"modbus", "rapi", "at", "sml", "iec62056"."""
    device: str
    """Profile and unit where the dialect has them: "sdm630/1"; else the dialect's name for it."""
    name: str
    """Stable: "voltage_l1", "pilot_state", "rsrp"."""
    value: float | str | None
    """In ``unit``; a state's label for states; None where the device says that it has no value."""
    unit: str
    """As the profile has it: "V", "A", "kWh", "dBm"; empty for states and texts."""
    measurand: str
    """OCPP's name for the quantity ("Voltage", "Energy.Active.Import.Register"); empty where OCPP has none."""
    phase: str
    """"L1", "L2", "L3", "N" or empty."""
    raw: str
    """What was on the wire, in hex or as text: the evidence."""
    verified: bool
    """False where the meaning rests on a single source."""


@event
class ConsoleLine:
    """A line of text that a console printed, with control sequences taken out."""

    time: int
    """Of the line's first byte."""
    frames: tuple[int, ...]
    """The line's number, from 1."""
    port: str
    text: str
    """Not yet safe to show: see ``safetext``."""
    complete: bool
    """False for a prompt or a countdown that waits without a line end, and for a piece of a line that is too long."""


@event
class ConsoleSighting:
    """Something that a line of a console means: a reset with its cause, a login prompt, a change of the pilot state."""

    time: int
    frames: tuple[int, ...]
    port: str
    kind: str
    """Stable and dotted: "boot.countdown", "reset.brownout", "pilot.change", "tls.error" …"""
    grave: bool
    """True where the device is in trouble, False for what is merely worth a mark on the timeline."""
    values: Mapping[str, str]
    """What the line says: {"from": "B", "to": "C"}; not yet safe to show."""
    line: str


# --------------------------------------------------------------------------------------------------------- own


@event
class DecodeError:
    """Something that could not be decoded; the stream goes on behind it."""

    time: int
    frames: tuple[int, ...]
    connection: Connection | None
    layer: str
    """Module that met it: "pcap", "ip", "tcp", "tls", "http", "websocket", "soap", "log" …"""
    reason: str
    """One sentence for a technician."""
    data: bytes
    """The first offending bytes, at most 64."""
    lost: int
    """Bytes given up because of it, as far as known."""


@event
class CaptureDropped:
    """Packets that the capture says it did not record."""

    time: int
    frames: tuple[int, ...]
    interface: str
    count: int


@event
class PluginFailed:
    """A plugin raised, hung or brought what it must not, and is not used any more."""

    time: int
    frames: tuple[int, ...]
    plugin: str
    kind: str
    """"router-adapter", "check", "decoder" …"""
    reason: str
    """In one line; not yet safe to show."""


Event: TypeAlias = (
    StreamBytes
    | TlsSecrets
    | CaptureComment
    | ConnectionOpened
    | ConnectionClosed
    | ConnectionRecognised
    | StreamGap
    | Retransmission
    | PathSample
    | PathError
    | WindowClosed
    | StrayReset
    | TlsHello
    | TlsCertificates
    | TlsAlert
    | TlsOpaque
    | HttpRequest
    | HttpResponse
    | WsMessage
    | WsControl
    | OcppMessage
    | Exchange
    | Orphan
    | Unanswered
    | SerialBytes
    | DeviceReading
    | ConsoleLine
    | ConsoleSighting
    | DecodeError
    | CaptureDropped
    | PluginFailed
)

Emit: TypeAlias = Callable[[Event], None]
"""Where a stage puts its events: usually the ``append`` of the list its caller will hand on."""
