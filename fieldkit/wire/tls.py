"""TLS as an onlooker sees it: what is said in clear, and with a key log what is said under encryption.

Three steps, each with its own kind of trouble:

1. *Bytes → records.* A ``_RecordReader`` for each side cuts records out of the stream. Behind a hole, or behind bytes
   that are no record, it searches the next believable record header.
2. *Records → content.* A side speaks in clear first and is sealed at some point; then its ``Protection`` opens its
   records. That needs secrets, which may come later than the records: they are held back for a while.
3. *Content → events.* Handshake messages are put together and change the state of both sides; alerts and certificates
   become events; application data goes up.

When something of a connection cannot be decrypted, one ``TlsOpaque`` says why. The side in question is then *dead*;
when both are, the layer is *boring*.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from fieldkit.events import Connection, DecodeError, Emit, TlsAlert, TlsCertificates, TlsHello, TlsOpaque
from fieldkit.wire.budget import Budget
from fieldkit.wire.tlscipher import COUNT_LOST, NO_CLIENT_HELLO, RECORD_HEADER, Early, Protection, Unopened
from fieldkit.wire.tlshello import (
    TLS12,
    TLS13,
    parse_alert,
    parse_certificates,
    parse_client_hello,
    parse_encrypted_extensions,
    parse_server_hello,
    version_name,
)
from fieldkit.wire.tlskeys import LABELS, KeyLog, Session, Stage

Frames: TypeAlias = tuple[int, ...]
Plain: TypeAlias = Callable[[bool, bytes, int, Frames], None]
"""Takes decrypted application data: (from_client, data, time, frames)."""
PlainGap: TypeAlias = Callable[[bool, int, int, Frames], None]
"""Is told that application data is missing: (from_client, bytes as far as known, time, frames)."""

MAX_FRAGMENT = 16384 + 2048
"""Longest content of a record (RFC 5246 §6.2.3; RFC 8446 §5.2 allows less)."""

MAX_SEEK_BYTES = 2 * (RECORD_HEADER + MAX_FRAGMENT)
"""How far the next record header is searched: a hole may end at the beginning of the longest record."""

MAX_HANDSHAKE_BYTES = 128 << 10
"""Longest handshake message. Certificate chains have a few KiB; OpenSSL's own bound for them is 100 KiB."""

MAX_HELD_BYTES = 256 << 10
"""Held back of one connection while its secrets may still come: minutes of OCPP."""

_HELD_OVERHEAD = 256
"""What the objects around a held record cost, so that many tiny ones count for what they take."""

_RETRY_ROUNDS = 4
"""Held records are gone through again when one of them settles what others wait for: a side does that once or twice."""

_SHOWN = 64
"""Bytes of what was malformed that its event shows."""

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA, _HEARTBEAT = range(20, 25)

_CLIENT_HELLO, _SERVER_HELLO, _END_OF_EARLY_DATA, _ENCRYPTED_EXTENSIONS, _CERTIFICATE = 1, 2, 5, 8, 11
_FINISHED, _KEY_UPDATE, _COMPRESSED_CERTIFICATE = 20, 24, 25
_MESSAGES = frozenset((0, 1, 2, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 67))
"""All handshake messages that are registered and occur in TLS, also those that are passed over here."""

_EARLY_DATA = 42  # extension (RFC 8446 §4.2.10)

_BELIEVABLE = re.compile(rb"[\x14-\x17]\x03[\x00-\x04][\x00-\x48].", re.DOTALL)
"""Where a record header can be: content type, version 3.x, a length below ``MAX_FRAGMENT``."""

_SSL2_HELLO = re.compile(rb"[\x80-\xff].\x01(?:\x00\x02|\x03[\x00-\x03])", re.DOTALL)
"""A length of 15 bits, client_hello, the version offered (RFC 5246 §E.2)."""

MIDSTREAM = "joined mid-stream: the handshake is not in the capture, so keys and sequence numbers are unknown"
NO_SERVER_HELLO = "bytes missing in the capture: without the server hello the keys cannot be computed"
SSL2_HELLO = "it began with an SSL 2.0 client hello"
OUT_OF_STEP = "bytes missing in the capture: no TLS record could be found behind them"
NO_RECORDS = "what is sent is not TLS"


# --------------------------------------------------------------------------------------------------- bytes → records


class _Owner(Protocol):
    """Whom a ``_RecordReader`` hands its finds to."""

    def record(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> None:
        """The next record."""

    def hole(self, lost: int, time: int, frames: Frames) -> None:
        """``lost`` bytes of records will not come: whole ones, as far as is known."""

    def foreign(self, head: bytes, time: int, frames: Frames) -> int:
        """Something else stands where a record should begin: how many bytes of it are to be skipped (0: not known)."""

    def out_of_step(self, time: int, frames: Frames) -> None:
        """No record is found any more."""

    def complain(self, reason: str, time: int, frames: Frames, data: bytes, lost: int | None = None) -> None:
        """``data`` could not be read, or ``lost`` bytes that begin with it."""


class _RecordReader:
    """Cuts the records out of one side's bytes (RFC 8446 §5.1)."""

    __slots__ = (
        "_frames",
        "_junk",
        "_junk_frames",
        "_junk_reason",
        "_junk_size",
        "_junk_time",
        "_need",
        "_owner",
        "_pending",
        "_seeking",
        "_skip",
        "_stopped",
        "holed",
        "sealed_version",
        "started",
    )

    def __init__(self, owner: _Owner) -> None:
        self.started = False
        """There has been a record, or a hole."""
        self.holed = False
        """There has been a hole."""
        self.sealed_version = 0
        """The TLS version once this side encrypts: narrows down what is believed to be a header while seeking."""
        self._owner = owner
        self._stopped = False
        self._pending = bytearray()
        """An unfinished record, from its first byte."""
        self._frames: list[int] = []
        self._need = 0
        """How long ``_pending`` must get before looking at it is worth while."""
        self._skip = 0
        """Bytes still to come of a record that is lost."""
        self._seeking = False
        self._junk = b""
        """The beginning of what is passed over while seeking."""
        self._junk_size = 0
        self._junk_reason = ""
        self._junk_time = 0
        self._junk_frames: Frames = ()

    def feed(self, data: bytes, time: int, frames: Frames) -> None:
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        pending = self._pending
        if not pending:
            self._cut(data, 0, time, frames, frames)
            return
        carried = len(pending)
        pending += data
        self._frames += frames
        if len(pending) >= self._need:
            whole, every = bytes(pending), tuple(dict.fromkeys(self._frames))
            self._clear()
            self._cut(whole, carried, time, frames, every)

    def gap(self, missing: int, time: int, frames: Frames) -> None:
        self.started = self.holed = True
        torn, rest, skip = bytes(self._pending), self._need - len(self._pending), self._skip
        self._clear()
        if skip:
            # The hole begins in a record that was lost before.
            self._skip = max(skip - missing, 0)
            if skip >= missing:
                return
            self._owner.hole(missing - skip, time, frames)
        elif self._seeking:
            self._pass_over(torn)
            self._owner.hole(missing, time, frames)
            return
        elif len(torn) >= RECORD_HEADER and rest >= missing:
            # The hole lies inside a record whose length is known: the place of the next one is certain.
            self._skip = rest - missing
            self._complain_of_tear(torn, self._skip, time, frames)
            self._owner.hole(len(torn) + rest, time, frames)
            return
        else:
            if torn:
                self._complain_of_tear(torn, 0, time, frames)
            self._owner.hole(len(torn) + missing, time, frames)
        self._seek("the rest of a TLS record whose beginning is missing in the capture", time, frames)

    def finish(self, time: int, frames: Frames) -> None:
        """No more bytes will come."""
        if self._seeking:
            self._pass_over(bytes(self._pending))
            self._found(time, frames)
        elif self._pending:
            reason = "the connection ended in the middle of a TLS record"
            every = tuple(dict.fromkeys(self._frames))
            self._owner.complain(reason, time, every, bytes(self._pending))
        self._clear()

    def stop(self) -> None:
        """Nobody wants any more records."""
        self._stopped = True
        self._clear()

    def _clear(self) -> None:
        self._pending.clear()
        self._frames.clear()
        self._need = 0

    def _complain_of_tear(self, torn: bytes, rest: int, time: int, frames: Frames) -> None:
        reason = "bytes of this TLS record are missing in the capture"
        self._owner.complain(reason, time, frames, torn, len(torn) + rest)

    def _cut(self, data: bytes, carried: int, time: int, frames: Frames, every: Frames) -> None:
        """Take every whole record out of ``data`` and keep the rest. Its first ``carried`` bytes came earlier: what
        begins in them was brought by ``every`` frame."""
        record = self._owner.record
        at, end = 0, len(data)
        self._need = RECORD_HEADER
        while end - at >= RECORD_HEADER:
            kind, length = data[at], data[at + 3] << 8 | data[at + 4]
            if self._seeking or not 20 <= kind <= 24 or data[at + 1] != 3 or data[at + 2] > 4 or length > MAX_FRAGMENT:
                at = self._search(data, at, time, every if at < carried else frames)
                if self._seeking or self._stopped:
                    break
                continue
            body = at + RECORD_HEADER
            stop = body + length
            if stop > end:
                self._need = RECORD_HEADER + length
                break
            self.started = True
            record(data[at:body], data[body:stop], time, every if at < carried else frames)
            if self._stopped:
                return
            at = stop
        if at < end and not self._stopped:
            self._pending += data[at:]
            self._frames += every if at < carried else frames

    # ------------------------------------------------------------------------------------------------------- seeking

    def _seek(self, reason: str, time: int, frames: Frames) -> None:
        """From here on, pass over what is no record header."""
        self._seeking = True
        self._junk_reason, self._junk_time, self._junk_frames = reason, time, frames

    def _search(self, data: bytes, at: int, time: int, frames: Frames) -> int:
        """No record is known to begin at ``at``: find one. Returns how far ``data`` is dealt with; unless
        ``_seeking`` is still set, a header stands there."""
        begin = at
        if not self._seeking:
            head = data[at : at + RECORD_HEADER]
            skip = self._owner.foreign(head, time, frames)
            if self._stopped:
                return at
            if skip:
                here = min(skip, len(data) - at)
                self._skip = skip - here
                return at + here
            self._seek(f"no TLS record begins with {head.hex(' ')}", time, frames)
            at += 1
        found = False
        while not found and (match := _BELIEVABLE.search(data, at)) is not None:
            at = match.start()
            found = self._believable(data, at)
            if not found:
                at += 1
        if not found:
            at = max(at, len(data) - RECORD_HEADER + 1)  # a header may begin in the last four bytes
        self._pass_over(data[begin:at])
        if self._junk_size > MAX_SEEK_BYTES:
            self._junk_size = MAX_SEEK_BYTES
            self._found(time, frames)
            self._owner.out_of_step(time, frames)
        elif found:
            self._found(time, frames)
        return at

    def _believable(self, data: bytes, at: int) -> bool:
        """In the midst of bytes that may be anything, demand of a header all that can be demanded."""
        kind, version, length = data[at], 0x300 | data[at + 2], data[at + 3] << 8 | data[at + 4]
        if not 0 < length <= MAX_FRAGMENT:
            return False
        if not self.sealed_version:
            return length == {_CHANGE_CIPHER_SPEC: 1, _ALERT: 2}.get(kind, length)
        if self.sealed_version == TLS13:
            # RFC 8446 §5.2: always called application data of TLS 1.2, and never shorter than type and tag
            return kind == _APPLICATION_DATA and version == TLS12 and length > 8
        return kind != _CHANGE_CIPHER_SPEC and version == self.sealed_version

    def _pass_over(self, data: bytes) -> None:
        self._junk_size += len(data)
        self._junk += data[: _SHOWN - len(self._junk)]

    def _found(self, time: int, frames: Frames) -> None:
        """The search is over: say what was passed over."""
        if self._junk_size:
            self._owner.complain(self._junk_reason, self._junk_time, self._junk_frames, self._junk, self._junk_size)
            self._owner.hole(self._junk_size, time, frames)
        self._seeking, self._junk, self._junk_size = False, b"", 0


# ------------------------------------------------------------------------------------------------- records → content


@dataclass(slots=True)
class _Held:
    """A record that waits, or (without header) a hole in front of those behind it."""

    side: _Side
    header: bytes
    fragment: bytes
    lost: int
    time: int
    frames: Frames


class _Side:
    """One direction of the connection."""

    __slots__ = (
        "_hole",
        "_layer",
        "_message_frames",
        "_message_skip",
        "_messages",
        "dead",
        "from_client",
        "name",
        "protection",
        "reader",
        "stuck",
        "waiting",
    )

    def __init__(self, layer: TlsLayer, from_client: bool) -> None:
        self.from_client = from_client
        self.name = "client" if from_client else "server"
        self.reader = _RecordReader(self)
        self.protection = Protection(from_client, layer.secrets)
        self.dead = False
        """Nothing more is to be learnt from this side."""
        self.waiting = False
        """Records of this side are held back: those that follow must queue up."""
        self.stuck = False
        """The first of them cannot be read yet."""
        self._layer = layer
        self._hole: tuple[int, Frames] = (0, ())
        """Time and frames of the last hole."""
        self._messages = bytearray()
        """Unfinished handshake messages."""
        self._message_frames: list[int] = []
        self._message_skip = 0
        """Bytes still to come of a handshake message that is too long."""

    # ------------------------------------------------------------------------------- what the record reader finds

    def record(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> None:
        layer = self._layer
        if layer.held and self.must_queue:
            layer.hold(_Held(self, header, fragment, 0, time, frames))
        elif not self.take(header, fragment, time, frames):
            self.stuck = True
            layer.hold(_Held(self, header, fragment, 0, time, frames))
        if layer.news:
            layer.retry()

    def hole(self, lost: int, time: int, frames: Frames) -> None:
        if self.waiting:
            self._layer.hold(_Held(self, b"", b"", lost, time, frames))
        else:
            self.lose(lost, time, frames)

    def foreign(self, head: bytes, time: int, frames: Frames) -> int:
        """Name what can stand where a TLS record should."""
        layer = self._layer
        if layer.connection.joined_midstream and not layer.handshake_seen:
            layer.give_up(MIDSTREAM, time, frames)
        elif head == b"HTTP/" and not self.from_client and layer.session is None:
            self.complain("the server answers the TLS hello in plain HTTP: it speaks no TLS", time, frames, head)
            layer.give_up(NO_RECORDS, time, frames)
        elif self.from_client and not self.reader.started and _SSL2_HELLO.match(head):
            size = 2 + ((head[0] & 0x7F) << 8 | head[1])
            offered = version_name(int.from_bytes(head[3:], "big"))
            self.complain(f"an SSL 2.0 client hello that offers {offered}", time, frames, head, size)
            self.reader.started = layer.ssl2 = True
            return size
        return 0

    def out_of_step(self, time: int, frames: Frames) -> None:
        self._layer.give_up(OUT_OF_STEP if self.reader.holed else NO_RECORDS, time, frames, self)

    def complain(self, reason: str, time: int, frames: Frames, data: bytes, lost: int | None = None) -> None:
        layer = self._layer
        lost = len(data) if lost is None else lost
        layer.emit(DecodeError(time, frames, layer.connection, "tls", reason, data[:_SHOWN], lost))

    def finish(self, time: int, frames: Frames) -> None:
        self.reader.finish(time, frames)
        if self._messages:
            reason = "the connection ended in the middle of a TLS handshake message"
            self.complain(reason, time, self._every_frame(), bytes(self._messages))
        self._drop_messages()

    # ------------------------------------------------------------------------------------------------------ content

    @property
    def must_queue(self) -> bool:
        """Records of this side may not be read before those that are held back: its own; or what the other side said
        before, if that only lacks a secret (questions come before their answers)."""
        if self.waiting:
            return True
        other = self._layer.other(self)
        return (
            other.stuck
            and other.protection.session is not None
            and not other.protection.awaits_server
            and self.protection.session is not None
            and self.protection.stage is Stage.APPLICATION
        )

    def take(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> bool:
        """Read one record. False: it has to wait."""
        protection = self.protection
        session = protection.session
        if session is None and not self._was_sealed(header, fragment):
            return self._in_clear(header, fragment, time, frames)
        if header[0] != _APPLICATION_DATA and session is not None and session.tls13:
            self._unprotected(header[0], fragment, time, frames)
            return True
        opened = protection.open(header, fragment)
        if not isinstance(opened, tuple):
            return self._unopened(opened, header, fragment, time, frames)
        if protection.missing:
            self._layer.plain_gap(self.from_client, protection.missing, *self._hole)
            protection.missing = 0
        kind, content = opened
        if kind == _APPLICATION_DATA:
            if content:
                self._layer.plain(self.from_client, content, time, frames)
        elif kind == _HANDSHAKE:
            self._handshake(content, time, frames)
        elif kind == _ALERT:
            self._alerts(content, time, frames)
        elif kind == _CHANGE_CIPHER_SPEC and self._layer.session is not None and not self._layer.session.tls13:
            self.seal(self._layer.session)  # of a renegotiation
        elif kind != _HEARTBEAT:
            self.complain(f"an encrypted TLS record of type {kind}, which there is not", time, frames, content)
        return True

    def lose(self, lost: int, time: int, frames: Frames) -> None:
        """There is a hole in front of the next record."""
        self.protection.lose(lost)
        self._hole = (time, frames)
        self._drop_messages()

    def seal(self, session: Session, stage: Stage = Stage.APPLICATION) -> None:
        """From the next record on, this side encrypts with new keys."""
        self.protection.seal(session, stage)
        self.reader.sealed_version = session.version
        self._drop_messages()

    def _was_sealed(self, header: bytes, fragment: bytes) -> bool:
        """Was it a ChangeCipherSpec that a hole swallowed, does this record belong to an encrypting side?"""
        session = self._layer.session
        if not self.protection.uncertain or session is None or session.tls13:
            return False
        kind = header[0]
        if kind == _APPLICATION_DATA or (kind == _ALERT and len(fragment) != 2):
            self.seal(session)
        elif kind == _CHANGE_CIPHER_SPEC or not self.protection.begins(session, header, fragment):
            return False
        self.reader.sealed_version = session.version
        return True

    def _in_clear(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> bool:
        """Read a record of a side that is not sealed. False: it has to wait."""
        layer, kind = self._layer, header[0]
        if kind == _HANDSHAKE:
            self.protection.in_clear()
            if layer.handshake_seen or (len(fragment) >= 4 and fragment[0] in _MESSAGES):
                self._handshake(fragment, time, frames)
            else:
                layer.give_up(MIDSTREAM, time, frames)  # the first record is an encrypted handshake message
            return True
        if kind == _ALERT and len(fragment) == 2:
            self.protection.in_clear()
            self._alerts(fragment, time, frames)
            return True
        if kind == _HEARTBEAT:
            return True
        if layer.session is None:
            return layer.before_server_hello(self, kind, time, frames)
        if layer.session.tls13 and self.from_client:
            layer.seal_client(layer.session)  # no client hello was seen that would have
            return self.take(header, fragment, time, frames)
        if kind == _CHANGE_CIPHER_SPEC:
            self.protection.in_clear()
            self.seal(layer.session)
        elif self.protection.holed:
            layer.give_up(COUNT_LOST, time, frames, self)  # a hole hid where encryption began, and was then forgotten
        else:
            self.complain("encrypted before any keys were agreed on", time, frames, fragment)
        return True

    def _unprotected(self, kind: int, fragment: bytes, time: int, frames: Frames) -> None:
        """What TLS 1.3 has in clear beside encrypted records."""
        if kind == _ALERT and len(fragment) == 2:
            self._alerts(fragment, time, frames)  # from a side that could make nothing of the hello
        elif kind != _CHANGE_CIPHER_SPEC:  # which is there for middleboxes only (RFC 8446 §5)
            self.complain(f"a record of type {kind}, which TLS 1.3 encrypts, in clear", time, frames, fragment)

    def _unopened(self, why: Unopened, header: bytes, fragment: bytes, time: int, frames: Frames) -> bool:
        protection, layer = self.protection, self._layer
        if why is Unopened.WAIT:
            if protection.reason == NO_CLIENT_HELLO and layer.client_hello_lost:
                layer.give_up(layer.client_hello_lost, time, frames)
            return self.dead
        if why is Unopened.HOPELESS:
            layer.give_up(protection.reason, time, frames, self)
        elif why is Unopened.DAMAGED:
            self._hole = (time, frames)
            reason = "a TLS record that cannot be decrypted: it is damaged, or its number in the sequence is lost"
            self.complain(reason, time, frames, fragment, len(header) + len(fragment))
        elif protection.stage is not Stage.EARLY or protection.early is not Early.REFUSED:
            label = LABELS[self.from_client, protection.stage]
            reason = f"passed over: the key log has no {label} for this record"
            self.complain(reason, time, frames, fragment, len(header) + len(fragment))
            if protection.stage is Stage.EARLY:
                layer.plain_gap(True, max(len(fragment) - 17, 1), time, frames)  # tag and content type
            else:
                layer.early_data_is(Early.ACCEPTED)  # as far as anybody will know
        return True

    def _alerts(self, content: bytes, time: int, frames: Frames) -> None:
        layer = self._layer
        version = layer.session.version if layer.session is not None else 0
        for at in range(0, len(content) - 1, 2):
            fatal, name = parse_alert(content[at], content[at + 1], version)
            layer.emit(TlsAlert(time, frames, layer.connection, self.from_client, fatal, content[at + 1], name))

    # --------------------------------------------------------------------------------------------------- handshake

    def _handshake(self, content: bytes, time: int, frames: Frames) -> None:
        """Put handshake messages together; they may share a record, or be spread over several (RFC 8446 §5.1)."""
        if self._message_skip:
            passed = min(self._message_skip, len(content))
            self._message_skip -= passed
            content = content[passed:]
        carried = len(self._messages)
        every = frames
        data = content
        if carried:
            self._messages += content
            self._message_frames += frames
            if len(self._messages) < 4 or len(self._messages) < 4 + int.from_bytes(self._messages[1:4], "big"):
                return
            data, every = bytes(self._messages), self._every_frame()
            self._drop_messages()
        at, end = 0, len(data)
        while end - at >= 4:
            kind, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
            seen = every if at < carried else frames
            stop = at + 4 + length
            if kind not in _MESSAGES:
                reason = f"a TLS handshake message of type {kind}, which there is not"
                self.complain(reason, time, seen, data[at:])
                return
            if length > MAX_HANDSHAKE_BYTES:
                self.complain(f"a TLS handshake message of {length} bytes", time, seen, data[at:], 4 + length)
                self._message_skip = max(stop - end, 0)
            elif stop > end:
                break
            elif self._layer.message(self, kind, data[at + 4 : stop], time, seen):
                if stop < end:
                    # RFC 8446 §5.1: a message in front of a change of keys must end its record.
                    self.complain("handshake data in front of a change of keys", time, frames, data[stop:])
                return
            at = stop
        if at < end:
            self._messages += data[at:]
            self._message_frames += every if at < carried else frames

    def _every_frame(self) -> Frames:
        return tuple(dict.fromkeys(self._message_frames))

    def _drop_messages(self) -> None:
        self._messages.clear()
        self._message_frames.clear()
        self._message_skip = 0


# -------------------------------------------------------------------------------------------------- content → events


class TlsLayer:
    """The TLS of one connection."""

    def __init__(
        self,
        connection: Connection,
        emit: Emit,
        secrets: KeyLog,
        plain: Plain,
        plain_gap: PlainGap | None = None,
        budget: Budget | None = None,
    ) -> None:
        """``budget`` bounds what all connections together hold back; without one, each has its own bound only."""
        self.boring = False
        """Nothing more is to be learnt from this connection's bytes."""
        # From here to the interface: what the two sides share, for nobody else.
        self.connection = connection
        self.emit = emit
        self.secrets = secrets
        self.plain = plain
        self.plain_gap: PlainGap = plain_gap if plain_gap is not None else _nobody_asks
        self.session: Session | None = None
        """What the last server hello agreed on."""
        self.news = False
        """Something was learnt that held records may have waited for."""
        self.held: deque[_Held] = deque()
        """What cannot be read yet, of both sides, in the order in which it came."""
        self.ssl2 = False
        """It began with an SSL 2.0 hello."""
        self._budget = budget if budget is not None else Budget(MAX_HELD_BYTES)
        self._client = _Side(self, True)
        self._server = _Side(self, False)
        self._client_random = b""
        self._client_session_id = b""
        self._client_hellos = 0
        self._early_offered = False
        self._psk = False
        """The server chose a pre-shared key, without which it cannot accept 0-RTT data."""
        self._retry_asked = False
        """A HelloRetryRequest was seen."""
        self._opaque = False
        self._held_bytes = 0
        self._tried = 0
        """Version of the key log when it was last asked for what the held records need."""

    # ---------------------------------------------------------------------------------------------------- interface

    def feed(self, from_client: bool, data: bytes, time: int, frames: Frames) -> None:
        """The next bytes of one side."""
        if self.held and self._tried != self.secrets.version:
            self._tried = self.secrets.version
            if self.secrets.knows(self._client_random):  # most of what a busy server logs is for others
                self.retry()
        side = self._client if from_client else self._server
        if not side.dead:
            side.reader.feed(data, time, frames)

    def gap(self, from_client: bool, missing: int, time: int, frames: Frames) -> None:
        """``missing`` bytes of one side will never come."""
        side = self._client if from_client else self._server
        if not side.dead and missing > 0:
            side.reader.gap(missing, time, frames)

    def finish(self, time: int, frames: Frames) -> None:
        """Both sides are at their end."""
        if self.held:
            self.retry()
        for _ in (self._client, self._server):  # the second may have been queued behind the first
            if self.held:
                self._give_up_stuck()
        for side in (self._client, self._server):
            if not side.dead:
                side.finish(time, frames)

    # ------------------------------------------------------------------------------------------------------ holding

    def other(self, side: _Side) -> _Side:
        return self._server if side.from_client else self._client

    def hold(self, item: _Held) -> None:
        """Keep a record, or a hole, until it can be read, and those before it."""
        cost = len(item.fragment) + _HELD_OVERHEAD
        if self._held_bytes + cost > MAX_HELD_BYTES or not self._budget.take(cost):
            self._give_up_stuck(item)
            # It may just have been queued behind the other side; but then get stuck itself.
            if not item.side.dead and (item.side.must_queue or not self._read(item)):
                self._give_up_stuck(item)
            return
        item.side.waiting = True
        self.held.append(item)
        self._held_bytes += cost

    def retry(self) -> None:
        """Try to read what is held back, in the order in which it came."""
        for _ in range(_RETRY_ROUNDS):
            self.news = False
            held, self.held = self.held, deque()
            for side in (self._client, self._server):
                side.waiting = side.stuck = False
            for item in held:
                if item.side.dead or (not item.side.must_queue and self._read(item)):
                    self._let_go(item)
                else:
                    item.side.waiting = True
                    self.held.append(item)
            if not self.news or not self.held:
                return

    def _read(self, item: _Held) -> bool:
        """Whether it could be."""
        side = item.side
        if item.header:
            side.stuck = not side.take(item.header, item.fragment, item.time, item.frames)
        else:
            side.lose(item.lost, item.time, item.frames)
        return not side.stuck

    def _let_go(self, item: _Held) -> None:
        cost = len(item.fragment) + _HELD_OVERHEAD
        self._held_bytes -= cost
        self._budget.give(cost)

    def _give_up_stuck(self, last: _Held | None = None) -> None:
        """What the held records wait for will not come, or not in time."""
        for item in (*self.held, *((last,) if last is not None else ())):
            side = item.side
            if side.stuck and not side.dead:
                reason = side.protection.reason if side.protection.session is not None else NO_SERVER_HELLO
                self.give_up(reason, item.time, item.frames, side)
        self.retry()

    def give_up(self, reason: str, time: int, frames: Frames, only: _Side | None = None) -> None:
        """One side, or both, will not be understood from here on."""
        for side in (self._client, self._server):
            if only is None or only is side:
                side.dead = True
                side.waiting = side.stuck = False
                side.reader.stop()
        held, self.held = self.held, deque()
        for item in held:
            if item.side.dead:
                self._let_go(item)
            else:
                self.held.append(item)
        if self._server.dead:
            self.early_data_is(Early.ACCEPTED)  # nobody will tell; what decrypts is shown
        self.boring = self._client.dead and self._server.dead
        if not self._opaque:
            self._opaque = True
            self.emit(TlsOpaque(time, frames, self.connection, reason))

    # ------------------------------------------------------------------------------------- how far the handshake is

    @property
    def handshake_seen(self) -> bool:
        """A hello, or what stands for one, was in the capture."""
        return bool(self._client_random) or self.session is not None or self._retry_asked or self.ssl2

    @property
    def client_hello_lost(self) -> str:
        """Why the client hello will not come any more; empty while it may."""
        if self.ssl2:
            return SSL2_HELLO
        return NO_CLIENT_HELLO if self._client.reader.started or self.connection.joined_midstream else ""

    def before_server_hello(self, side: _Side, kind: int, time: int, frames: Frames) -> bool:
        """Something follows upon a server hello that was not seen. False: it has to wait for that."""
        client, server = self._client, self._server
        if not self.handshake_seen:
            holed = client.protection.holed or server.protection.holed
            self.give_up(NO_CLIENT_HELLO if holed else MIDSTREAM, time, frames)
        elif self._retry_asked and (kind == _CHANGE_CIPHER_SPEC or (side is client and self._client_hellos < 2)):
            pass  # compatibility, or 0-RTT data that a HelloRetryRequest refused (RFC 8446 §D.4, §4.2.10)
        elif side is server or server.protection.holed:
            self.give_up(NO_SERVER_HELLO, time, frames)
        else:
            # 0-RTT data, whose suite the server hello will tell; or the sides reached the capture out of order.
            return False
        return True

    def early_data_is(self, early: Early) -> None:
        """What became of the 0-RTT data is known, once."""
        if self._client.protection.early is Early.OFFERED:
            self._client.protection.early = early
            self.news = True

    # ----------------------------------------------------------------------------------------------------- messages

    def message(self, side: _Side, kind: int, body: bytes, time: int, frames: Frames) -> bool:
        """A whole handshake message. True: the next record of its side is encrypted with other keys."""
        session = self.session
        if kind == _CLIENT_HELLO and side.from_client:
            self._client_hello(side, body, time, frames)
        elif kind == _SERVER_HELLO and not side.from_client:
            return self._server_hello(side, body, time, frames)
        elif kind in (_CLIENT_HELLO, _SERVER_HELLO):
            side.complain(f"a TLS hello from the wrong side, the {side.name}", time, frames, body)
        elif kind == _CERTIFICATE:
            chain, defect = parse_certificates(body, session is not None and session.tls13)
            self.emit(TlsCertificates(time, frames, self.connection, side.from_client, chain))
            if defect:
                reason = f"something is wrong with the {side.name}'s certificate chain: {defect}"
                side.complain(reason, time, frames, body, 0)
        elif kind == _COMPRESSED_CERTIFICATE:
            side.complain("a compressed certificate chain, which is not unpacked", time, frames, body)
        elif session is not None and session.tls13:
            return self._message_of_tls13(side, session, kind, body)
        return False

    def _message_of_tls13(self, side: _Side, session: Session, kind: int, body: bytes) -> bool:
        stage = side.protection.stage
        if kind == _ENCRYPTED_EXTENSIONS:
            accepted = any(extension == _EARLY_DATA for extension, _ in parse_encrypted_extensions(body))
            self.early_data_is(Early.ACCEPTED if accepted else Early.REFUSED)
        elif kind == _END_OF_EARLY_DATA and stage is Stage.EARLY:
            side.seal(session, Stage.HANDSHAKE)
            return True
        elif kind == _FINISHED and stage is Stage.HANDSHAKE:
            side.seal(session, Stage.APPLICATION)
            return True
        elif kind == _KEY_UPDATE and stage is Stage.APPLICATION and len(body) == 1:
            side.protection.update()
            return True
        return False

    def _client_hello(self, side: _Side, body: bytes, time: int, frames: Frames) -> None:
        hello = parse_client_hello(body)
        if hello.defect:
            reason = f"something is wrong with the client hello: {hello.defect}"
            side.complain(reason, time, frames, body, 0 if hello.random else len(body))
        if not hello.random:
            return
        self._client_hellos += 1
        self._client_random = hello.random
        self._client_session_id = hello.session_id
        self._early_offered = hello.early_data
        self.news = True
        if self.session is not None and not self.session.client_random:
            # The sides reached the capture out of order.
            self.session.client_random = hello.random
            if self.session.tls13:
                self.seal_client(self.session)
        self.emit(
            TlsHello(
                time,
                frames,
                self.connection,
                from_client=True,
                version=hello.version,
                versions=hello.versions,
                suites=hello.suites,
                extensions=tuple(kind for kind, _ in hello.extensions),
                groups=hello.groups,
                point_formats=hello.point_formats,
                signature_algorithms=hello.signature_algorithms,
                server_name=hello.server_name,
                alpn=hello.alpn,
                resumed=False,
            )
        )

    def _server_hello(self, side: _Side, body: bytes, time: int, frames: Frames) -> bool:
        hello = parse_server_hello(body)
        if hello.defect:
            reason = f"something is wrong with the server hello: {hello.defect}"
            side.complain(reason, time, frames, body, 0 if hello.random else len(body))
        if not hello.random:
            return False
        session = Session(hello.version, hello.suite, hello.random, self._client_random, hello.encrypt_then_mac)
        same_id = bool(hello.session_id) and hello.session_id == self._client_session_id
        self.emit(
            TlsHello(
                time,
                frames,
                self.connection,
                from_client=False,
                version=hello.version,
                versions=(hello.version,),
                suites=(hello.suite,),
                extensions=tuple(kind for kind, _ in hello.extensions),
                groups=() if hello.group is None else (hello.group,),
                point_formats=hello.point_formats,
                signature_algorithms=(),
                server_name="",
                alpn=hello.alpn,
                # TLS 1.3 echoes the session id whatever happens (RFC 8446 §4.1.3)
                resumed=hello.psk if session.tls13 else same_id,
            )
        )
        self.news = True
        if hello.retry:
            self._retry_asked = True
            return False
        self.session = session
        if not session.tls13:
            return False
        # RFC 8446 §4.4: from here on both encrypt.
        side.seal(session, Stage.HANDSHAKE)
        self._psk = hello.psk
        if self._client_random:
            self.seal_client(session)
        return True

    def seal_client(self, session: Session) -> None:
        """Of the client's TLS 1.3 records all but the hellos are encrypted, 0-RTT data to begin with."""
        if self._early_offered and not self._retry_asked:
            self._client.protection.early = Early.OFFERED if self._psk else Early.REFUSED
            self._client.seal(session, Stage.EARLY)
        else:
            self._client.seal(session, Stage.HANDSHAKE)


def _nobody_asks(from_client: bool, missing: int, time: int, frames: Frames) -> None:
    """Stands in where the caller does not want to know of missing plaintext."""
