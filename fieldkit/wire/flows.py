"""Packets → connections. The loop that every packet of a capture passes through.

Most packets are somebody else's: video, DNS, web. They must cost one slice of twelve bytes (addresses and ports lie
side by side in an IPv4 header without options) and one look into a dictionary. So a flow is in one of four states,
told apart by class:

===============  ============================================================================================
``Direction``    one side of a connection that we follow
``Candidate``    no handshake was seen; its first segments are being looked at
``Quiet``        dismissed: only SYN, FIN and RST are looked at (a new connection may take its place)
absent           never seen with payload
===============  ============================================================================================
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import nsmallest
from itertools import count
from struct import Struct

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Emit,
    PacketBatch,
    PathError,
    PathSample,
    StrayReset,
    TlsOpaque,
)
from fieldkit.wire.budget import MAX_INFLATED, Budget
from fieldkit.wire.flowstates import Candidate, Quiet, largest_segment
from fieldkit.wire.icmp import ICMP, Refusal
from fieldkit.wire.ip import IpDecoder, endpoints, reverse_key
from fieldkit.wire.link import link_name, network_layer
from fieldkit.wire.sniff import Look, look
from fieldkit.wire.stream import CLIENT, SERVER, Stream
from fieldkit.wire.tcp import ACK, FIN, MASK, RST, SYN, Direction, TcpConnection
from fieldkit.wire.tlskeys import KeyLog

MAX_FLOWS = 32_768
"""Flow table entries (two a connection) before the oldest dismissed ones are forgotten."""
MAX_CONNECTIONS = 8_192
"""Connections followed at a time; beyond it those silent for longest are let go."""
MAX_CANDIDATE_SEGMENTS = 48
"""Payload segments of a connection joined midway that may look like nothing before it is dismissed."""
MAX_CANDIDATE_BYTES = 65_536
WEAK_SIGNS = 3
"""Compressed or control frames that must agree before a connection is taken for WebSocket."""
MIRROR_NS = 1_000_000_000
MIRROR_MEMORY = 256
"""How many recent connection beginnings are compared, and within which time."""
SYN_TIMEOUT_NS = 130_000_000_000
"""Linux gives up an unanswered SYN after 127 s."""
SWEEP_NS = 1_000_000_000
SYN_CHECK_NS = 10_000_000_000

STRAY_NS = 5_000_000_000
STRAY_SEGMENTS = 4
"""An RST answers a segment within this time, and the segment was sent no more often."""

_HEADER_FIELDS = Struct("!H2xH16xIIHH").unpack_from
"""From byte 2 of an IPv4 header without options: length, fragment field, TCP sequence number, acknowledgement,
offset and flags, window."""

_PLAIN_IPV4 = b"\x08\x00\x45"
"""The end of an Ethernet header and the beginning of an IPv4 header without options."""
_LOOKED_INTO = frozenset({ICMP, 4, 41, 47})
"""IP protocols that carry TCP, or the beginning of it: ICMP errors, IPIP, 6in4, GRE."""
_ETHERNET_HEADERS = 54
"""Ethernet, IPv4 and TCP without options."""


_DISMISSED = Quiet(None, b"")

_LOOKS_LIKE_CLIENT = {Look.HTTP_REQUEST, Look.TLS_CLIENT_HELLO, Look.WEBSOCKET_CLIENT, Look.PERHAPS_WEBSOCKET_CLIENT}
_LOOKS_LIKE_SERVER = {Look.HTTP_RESPONSE, Look.TLS_SERVER_HELLO, Look.WEBSOCKET_SERVER, Look.PERHAPS_WEBSOCKET_SERVER}
_WEAK_LOOKS = {Look.PERHAPS_WEBSOCKET_CLIENT, Look.PERHAPS_WEBSOCKET_SERVER}


class FlowTable:
    """Feed it batches of packets; it emits everything that the connections in them say."""

    def __init__(
        self, source: str, emit: Emit, keys: KeyLog, *, first_number: int = 1, share: tuple[int, int] = (0, 1)
    ) -> None:
        """``source`` names the capture in every connection; ``keys`` decrypt TLS. ``share`` is (k, n) where n tables
        see the same packets and divide the connections among them: this one follows those with number ≡ k (mod n)."""
        self.source = source
        self._emit = emit
        self._keys = keys
        self._flows: dict[bytes, Direction | Candidate | Quiet] = {}
        self._connections: dict[TcpConnection, None] = {}
        self._numbers = count(first_number)
        self._share = share
        self._budget = Budget()
        self._ip = IpDecoder(emit, self._refused)
        self._holes: dict[Direction, None] = {}
        self._recent: dict[tuple[int, int, int], tuple[int, TcpConnection]] = {}
        self._unknown_links: set[int] = set()
        self._next_sweep = 0
        self._next_syn_check = 0
        self._last: tuple[int, tuple[int, ...]] = (0, ())
        self.packets = 0
        """Packets seen."""
        self.unreadable = 0
        """Packets of a link type that fieldkit cannot read."""

    # ------------------------------------------------------------------------------------------------- packets in

    def feed(self, batch: PacketBatch) -> None:
        """Decode the packets of one batch."""
        if not batch.starts:
            return
        self.packets += len(batch.starts)
        self._budget.inflatable = MAX_INFLATED
        done = 0
        if batch.linktype == 1:
            # The fast loop reads fixed offsets without asking for the packet's length. It may read on into the next
            # record of a short packet (which then is in no flow), but not beyond the buffer.
            done = bisect_right(batch.starts, len(batch.buffer) - _ETHERNET_HEADERS)
            self._feed_ethernet(batch, done)
        self._feed_any(batch, done)
        start = batch.starts[-1]
        time = batch.layout.time(batch.buffer, start)
        self._last = (time, (batch.first_frame + len(batch.starts) - 1,))
        if time >= self._next_sweep:
            self._sweep(time)

    def _feed_ethernet(self, batch: PacketBatch, stop: int) -> None:
        """Plain Ethernet, IPv4 without options, TCP: tested by single bytes, before anything is sliced."""
        buffer = batch.buffer
        time_of = batch.layout.time
        get = self._flows.get
        fields = _HEADER_FIELDS
        followed, quiet = Direction, Quiet  # local names: this loop counts nanoseconds
        plain, tcp, looked_into = _PLAIN_IPV4, 6, _LOOKED_INTO
        ends, first = batch.ends, batch.first_frame
        starts = batch.starts if stop == len(batch.starts) else batch.starts[:stop]
        for frame, start in enumerate(starts, first):
            head = buffer[start + 12 : start + 15]
            if head != plain:
                # Only IP can carry TCP: VLAN tags, IPv6, IPv4 options, PPPoE, SNAP; not ARP.
                if head[:2] != b"\x08\x06":
                    self._packet(batch, frame)
                continue
            protocol = buffer[start + 23]
            if protocol != tcp:
                if protocol in looked_into:
                    self._packet(batch, frame)
                continue
            state = get(buffer[start + 26 : start + 38])
            if state.__class__ is not followed:
                if state.__class__ is quiet:
                    if buffer[start + 47] & 7 and ends[frame - first] - start >= _ETHERNET_HEADERS:
                        self._packet(batch, frame)
                elif (
                    buffer[start + 47] & 6
                    or (buffer[start + 16] << 8 | buffer[start + 17]) > 20 + ((buffer[start + 46] >> 4) << 2)
                    or buffer[start + 21]
                    or buffer[start + 20] & 0x3F
                ):
                    self._packet(batch, frame)  # a beginning, a reset, payload of an unknown connection, or a fragment
                continue
            total, fragment, seq, ack, offset_flags, window = fields(buffer, start + 16)
            header = 20 + (offset_flags >> 10 & 0x3C)
            peer = state.peer
            if total == header and not offset_flags & 7:
                # A bare acknowledgement: it matters where something is timed or missing, or there is no room.
                if (
                    peer.asked_at
                    and header >= 40
                    and not fragment & 0x3FFF
                    and ends[frame - first] - start >= _ETHERNET_HEADERS
                ):
                    peer.answered(ack, time_of(buffer, start), (frame,), buffer[start + 22], speaking=False)
                if peer.waiting or not window:
                    self._packet(batch, frame)
                continue
            end = start + 14 + total
            if (
                seq != state.next_seq  # not the next in order
                or state.waiting
                or offset_flags & 7  # SYN, FIN, RST
                or fragment & 0x3FFF
                or end > ends[frame - first]  # cut by the snap length
                or total <= header  # offload captures with length 0; nonsense
                or header < 40
            ):
                self._packet(batch, frame)
                continue
            time = time_of(buffer, start)
            state.next_seq = (seq + total - header) & MASK
            state.last_time = time
            if time >= state.ask_from and not state.asked_at:
                state.asked, state.asked_at = state.next_seq, time
            if peer.asked_at:
                peer.answered(ack, time, (frame,), buffer[start + 22], speaking=True)
            if peer.waiting:
                peer.acknowledged(ack, time, (frame,), speaking=True)
            state.sinks[state.side](buffer[start + 14 + header : end], time, (frame,))

    def _feed_any(self, batch: PacketBatch, first: int) -> None:
        """Every other link type."""
        if first >= len(batch.starts):
            return
        if network_layer(batch.linktype) is None:
            self._complain_of_link(batch, len(batch.starts) - first)
            return
        for index in range(first, len(batch.starts)):
            self._packet(batch, batch.first_frame + index)

    def _complain_of_link(self, batch: PacketBatch, packets: int) -> None:
        self.unreadable += packets
        if batch.linktype not in self._unknown_links:
            self._unknown_links.add(batch.linktype)
            time = batch.layout.time(batch.buffer, batch.starts[0])
            reason = f"packets of link type {link_name(batch.linktype)} cannot be read"
            self._emit(DecodeError(time, (batch.first_frame,), None, "link", reason, b"", 0))

    def _packet(self, batch: PacketBatch, frame: int) -> None:
        """One packet by the general way: any link type, IPv4 or IPv6, fragments, tunnels, any TCP flags."""
        index = frame - batch.first_frame
        buffer = batch.buffer
        start, end = batch.starts[index], batch.ends[index]
        layer = network_layer(batch.linktype)
        found = layer(buffer, start, end) if layer is not None else None
        if found is None:
            return
        time = batch.layout.time(buffer, start)
        segment = self._ip.segment(found[0], buffer, found[1], end, time, frame)
        if segment is None:
            return
        ttl = buffer[found[1] + (8 if found[0] == 4 else 7)]
        self._segment(
            segment.key, segment.buffer, segment.offset, segment.end, segment.truncated, time, segment.frames, ttl
        )

    # ------------------------------------------------------------------------------------------------ one segment

    def _segment(
        self,
        key: bytes,
        buffer: bytes,
        offset: int,
        end: int,
        truncated: int,
        time: int,
        frames: tuple[int, ...],
        ttl: int,
    ) -> None:
        """A TCP header at ``offset`` and its payload up to ``end``."""
        if end - offset < 20:
            return
        flags = buffer[offset + 13]
        payload = offset + ((buffer[offset + 12] >> 4) << 2)
        if payload < offset + 20 or payload > end + truncated:
            return
        data = buffer[payload:end]
        seq = int.from_bytes(buffer[offset + 4 : offset + 8], "big")
        ack = int.from_bytes(buffer[offset + 8 : offset + 12], "big")
        state = self._flows.get(key)
        if flags & SYN:
            self._syn(state, key, seq, ack, flags, time, frames)
            state = self._flows.get(key)
            if isinstance(state, Direction):
                self._timed_syn(state, buffer[offset:payload], seq, ack, flags, time, frames, ttl)
            if not data:
                return
            seq = (seq + 1) & MASK  # TCP Fast Open: data in the SYN
        if isinstance(state, Quiet):
            if flags & (FIN | RST):
                self._end_quiet(state, "rst" if flags & RST else "fin", key == state.client_key, time, frames)
            return
        if not isinstance(state, Direction):
            if data and not flags & (SYN | RST):
                self._consider(state, key, seq, data, time, frames)
            elif flags & RST and state is not None:
                self._stray(state, key, time, frames)
            return
        tcp = state.tcp
        tcp.last_time = time
        if flags & RST:
            self._reset(state, time, frames, ttl)
            return
        if buffer[offset + 14 : offset + 16] == b"\0\0":
            state.closes_window(time, frames)
        if flags & ACK and state.peer.asked_at:
            state.peer.answered(ack, time, frames, ttl, speaking=bool(data) or flags & FIN != 0)
        if flags & ACK and state.peer.waiting:
            state.peer.acknowledged(ack, time, frames, speaking=bool(data))
            if self._flows.get(key) is not state:
                return  # dismissed on the strength of what had waited
        if data:
            if tcp.stream is None:
                self._begin_stream(tcp, seq, ack, data, time, frames)
                if tcp.stream is None:
                    return
            state.segment(seq, data, time, frames)
            if self._flows.get(key) is not state:
                return  # dismissed on the strength of these bytes
        if truncated:
            state.reach = (seq + len(data) + truncated) & MASK
            if state.next_seq == (seq + len(data)) & MASK:
                state.lost_tail(truncated, time, frames)
        if flags & FIN:
            self._fin(state, (seq + len(data) + truncated) & MASK, time, frames)

    # --------------------------------------------------------------------------------------------- the path itself

    def _timed_syn(
        self,
        state: Direction,
        header: bytes,
        seq: int,
        ack: int,
        flags: int,
        time: int,
        frames: tuple[int, ...],
        ttl: int,
    ) -> None:
        """A SYN asks for an answer, and the answer for another (RFC 9293 §3.5)."""
        begin = (seq + 1) & MASK
        if state.tcp.stream is not None or state.started != begin:
            return
        state.mss, state.window = largest_segment(header), int.from_bytes(header[14:16], "big")
        again = state.asked_at != 0 or (state.side == CLIENT and state.tcp.syns > 1)
        state.asked, state.asked_at = begin, -1 if again else time
        if flags & ACK and state.peer.asked_at:
            state.peer.answered(ack, time, frames, ttl, speaking=False)

    def _refused(self, refused: Refusal, reporter: str, time: int, frames: tuple[int, ...]) -> None:
        """ICMP says that a segment was not delivered."""
        state = self._flows.get(refused.key)
        if isinstance(state, Direction):
            connection, from_client = state.tcp.connection, state.from_client
        elif isinstance(state, Quiet) and state.connection is not None:
            connection, from_client = state.connection, refused.key == state.client_key
        else:
            return
        self._emit(PathError(time, frames, connection, from_client, reporter, refused.kind, refused.mtu))

    def _stray(self, state: Candidate, key: bytes, time: int, frames: tuple[int, ...]) -> None:
        """An RST; does it answer the only segments that were seen of this connection?"""
        sent = state.sent
        if state.segments > STRAY_SEGMENTS or sent[0] != reverse_key(key) or time - sent[1] > STRAY_NS:
            return
        client, server = endpoints(sent[0])
        self._flows.pop(key, None)
        self._flows.pop(sent[0], None)
        self._emit(StrayReset(time, (*sent[2], *frames), client, server, time - sent[1], self.source))

    # ------------------------------------------------------------------------------------- beginning of connections

    def _open(self, client_key: bytes, time: int, frames: tuple[int, ...], *, joined_midstream: bool) -> TcpConnection:
        if len(self._connections) >= MAX_CONNECTIONS:
            self._evict(time, frames)
        client, server = endpoints(client_key)
        connection = Connection(next(self._numbers), client, server, time, joined_midstream, self.source)
        server_key = reverse_key(client_key)
        tcp = TcpConnection(connection, self._emit, (client_key, server_key), syn_only=not joined_midstream)
        tcp.holes = self._holes
        self._connections[tcp] = None
        for side, key in ((CLIENT, client_key), (SERVER, server_key)):
            tcp.directions[side].budget = self._budget
            self._flows[key] = tcp.directions[side]
        if len(self._flows) > MAX_FLOWS:
            self._forget()
        self._emit(ConnectionOpened(time, frames, connection))
        return tcp

    def _syn(
        self,
        state: Direction | Candidate | Quiet | None,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        time: int,
        frames: tuple[int, ...],
    ) -> None:
        begin = (seq + 1) & MASK
        if isinstance(state, Quiet):
            if flags & ACK and state.server_began in (begin, -1):
                return  # sent again
            self._end_quiet(state, "replaced", None, time, frames)
        if flags & ACK:
            if isinstance(state, Direction) and state.tcp.stream is not None and state.started not in (begin, -1):
                self._close(state.tcp, "replaced", None, time, frames)
                state = None
            if not isinstance(state, Direction):
                # The SYN itself is not in the capture; its answer tells as much.
                tcp = self._open(reverse_key(key), time, frames, joined_midstream=False)
                tcp.directions[CLIENT].started = ack
                state = tcp.directions[SERVER]
            if state.side == SERVER:
                if state.tcp.stream is None:
                    state.started = begin
                state.tcp.syn_only = False
            return
        if isinstance(state, Direction):
            if state.side == CLIENT and state.started == begin and state.tcp.stream is None:
                state.tcp.syns += 1  # sent again
                return
            self._close(state.tcp, "replaced", None, time, frames)
        self._open(key, time, frames, joined_midstream=False).directions[CLIENT].started = begin

    def _begin_stream(
        self, tcp: TcpConnection, seq: int, ack: int, data: bytes, time: int, frames: tuple[int, ...]
    ) -> None:
        """The first payload of a connection, unless another connection began with the very same bytes just now."""
        tcp.syn_only = False
        fingerprint = (seq, ack, hash(data))
        known = self._recent.get(fingerprint)
        if known is not None and known[1] is not tcp and time - known[0] < MIRROR_NS:
            # The same sequence numbers and the same bytes under other addresses: one packet, captured twice, before
            # and behind a NAT (docker, `-i any` on a router). Decoding both would show every message twice.
            self._emit(ConnectionRecognised(time, frames, tcp.connection, "mirror"))
            self._dismiss(tcp, keep_end=False)
            return
        self._recent[fingerprint] = (time, tcp)
        if len(self._recent) > MIRROR_MEMORY:
            del self._recent[next(iter(self._recent))]
        if not self.is_mine(tcp.connection, data):
            self._dismiss(tcp, keep_end=False)
            return
        stream = Stream(tcp.connection, self._emit, self._budget, self._keys, lambda: self._dismiss(tcp, keep_end=True))
        tcp.stream = stream
        for direction in tcp.directions:
            direction.sinks = stream.sinks

    def is_mine(self, connection: Connection, data: bytes) -> bool:
        """Whether this table follows a connection that begins with ``data``. SOAP spreads a station's calls over many
        connections, so all of it goes to one table."""
        mine, all_ = self._share
        return (0 if data.startswith(b"POST ") else connection.number % all_) == mine

    def _consider(
        self, state: Candidate | None, key: bytes, seq: int, data: bytes, time: int, frames: tuple[int, ...]
    ) -> None:
        """A segment of a connection whose beginning we did not see."""
        seen = look(data)
        if state is None:
            state = Candidate((key, time, frames))
            self._flows[key] = self._flows[reverse_key(key)] = state
            if len(self._flows) > MAX_FLOWS:
                self._forget()
        state.segments += 1
        if seen in (Look.UNKNOWN, Look.TOO_SHORT) or seen in _WEAK_LOOKS:
            if seen in _WEAK_LOOKS and state.held_bytes < MAX_CANDIDATE_BYTES:
                state.signs += 1
                state.held.append((key, seq, data, time, frames))
                state.held_bytes += len(data)
            if state.signs < WEAK_SIGNS:
                if state.segments >= MAX_CANDIDATE_SEGMENTS:
                    self._flows[key] = self._flows[reverse_key(key)] = _DISMISSED
                return
            state.held.pop()
        client_key = self._client_of(key, seen)
        if seen is Look.TLS_OTHER:
            self._pass_encrypted(client_key, time, frames)
            return
        begin = state.held[0] if state.held else (key, seq, data, time, frames)
        tcp = self._open(client_key, begin[3], begin[4], joined_midstream=True)
        for held in (*state.held, (key, seq, data, time, frames)):
            self._segment_of(tcp, *held)

    def _pass_encrypted(self, client_key: bytes, time: int, frames: tuple[int, ...]) -> None:
        """TLS without its handshake: nothing in it can be read, so it is named and dismissed at once."""
        from fieldkit.wire.tlsside import MIDSTREAM

        tcp = self._open(client_key, time, frames, joined_midstream=True)
        self._dismiss(tcp, keep_end=True)
        if self.is_mine(tcp.connection, b""):
            self._emit(ConnectionRecognised(time, frames, tcp.connection, "tls"))
            self._emit(TlsOpaque(time, frames, tcp.connection, MIDSTREAM))

    def _segment_of(
        self, tcp: TcpConnection, key: bytes, seq: int, data: bytes, time: int, frames: tuple[int, ...]
    ) -> None:
        direction = tcp.directions[CLIENT if key == tcp.keys[0] else SERVER]
        if tcp.stream is None and self._flows.get(key) is direction:
            self._begin_stream(tcp, seq, 0, data, time, frames)
        if self._flows.get(key) is direction:
            direction.segment(seq, data, time, frames)

    @staticmethod
    def _client_of(key: bytes, seen: Look) -> bytes:
        """The flow key of the client's direction: by what it says, else the higher port is the client's."""
        if seen in _LOOKS_LIKE_CLIENT:
            return key
        if seen in _LOOKS_LIKE_SERVER or key[-4:-2] < key[-2:]:
            return reverse_key(key)
        return key

    # -------------------------------------------------------------------------------------------- end of connections

    def _fin(self, state: Direction, fin_at: int, time: int, frames: tuple[int, ...]) -> None:
        tcp = state.tcp
        state.fin_at = fin_at
        if tcp.first_fin is None:
            tcp.first_fin = state.from_client
        if state.peer.fin_at >= 0:
            self._close(tcp, "fin", tcp.first_fin, time, frames)

    def _reset(self, state: Direction, time: int, frames: tuple[int, ...], ttl: int) -> None:
        tcp = state.tcp
        if tcp.first_fin is None:
            asked_at = state.peer.asked_at
            rtt = time - asked_at if asked_at > 0 else -1
            self._emit(PathSample(time, frames, tcp.connection, state.peer.from_client, "reset", rtt, ttl))
        if tcp.syn_only and not state.from_client:
            self._close(tcp, "refused", False, time, frames)
        elif tcp.first_fin is not None:
            # Common among orderly ends too: one side closed, the other resets what still comes.
            self._close(tcp, "fin", tcp.first_fin, time, frames)
        else:
            self._close(tcp, "rst", state.from_client, time, frames)

    def _end_quiet(
        self, state: Quiet, how: ConnectionEnd, by_client: bool | None, time: int, frames: tuple[int, ...]
    ) -> None:
        connection, state.connection = state.connection, None
        state.server_began = None
        if connection is not None:
            self._emit(ConnectionClosed(time, frames, connection, how, by_client))

    def _close(
        self, tcp: TcpConnection, how: ConnectionEnd, by_client: bool | None, time: int, frames: tuple[int, ...]
    ) -> None:
        self._dismiss(tcp, keep_end=False, ended=True)
        tcp.close(how, by_client, time, frames)
        for direction in tcp.directions:
            self._holes.pop(direction, None)

    def _dismiss(self, tcp: TcpConnection, *, keep_end: bool, ended: bool = False) -> None:
        """Follow this connection no more (but notice its end)."""
        self._connections.pop(tcp, None)
        server_began = tcp.directions[SERVER].started
        quiet = _DISMISSED if ended else Quiet(tcp.connection if keep_end else None, tcp.keys[0], server_began)
        for key, direction in zip(tcp.keys, tcp.directions, strict=True):
            if self._flows.get(key) is direction:
                self._flows[key] = quiet
            if keep_end:
                direction.let_go()

    def _forget(self) -> None:
        """Make room: forget the oldest flows that are not followed. If they still matter they are looked at anew."""
        idle = [key for key, state in self._flows.items() if not isinstance(state, Direction)]
        time, frames = self._last
        for key in idle[: len(idle) // 2]:
            state = self._flows.pop(key)
            if isinstance(state, Quiet):
                self._end_quiet(state, "timeout", None, time, frames)

    def _evict(self, time: int, frames: tuple[int, ...]) -> None:
        # Several at a time: a port scan opens thousands a second, and to find the idlest all must be looked at.
        for idle in nsmallest(max(1, MAX_CONNECTIONS // 64), self._connections, key=self._last_heard):
            self._close(idle, "timeout", None, time, frames)

    @staticmethod
    def _last_heard(tcp: TcpConnection) -> int:
        return max(tcp.last_time, tcp.directions[0].last_time, tcp.directions[1].last_time)

    # ----------------------------------------------------------------------------------------------------- time

    def _sweep(self, time: int) -> None:
        """Once a second of capture time: holes that nobody will fill, attempts that nobody answered."""
        self._next_sweep = time + SWEEP_NS
        for direction in tuple(self._holes):
            direction.check(time)
        if time >= self._next_syn_check:
            self._next_syn_check = time + SYN_CHECK_NS
            for tcp in [tcp for tcp in self._connections if tcp.syn_only]:
                if time - tcp.last_time > SYN_TIMEOUT_NS:
                    self._close(tcp, "no-answer", None, time, ())

    def finish(self) -> None:
        """The capture is at its end: everything open is closed, and what waited is handed on."""
        time, frames = self._last
        for tcp in tuple(self._connections):
            unanswered = tcp.syn_only and tcp.syns > 1
            self._close(tcp, "no-answer" if unanswered else "end-of-capture", None, time, frames)
        for state in self._flows.values():
            if isinstance(state, Quiet):
                self._end_quiet(state, "end-of-capture", None, time, frames)
        self._flows.clear()
        self._ip.finish(time)
