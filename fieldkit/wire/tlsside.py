"""One side of a TLS connection: records → content.

A side speaks in clear first and is sealed at some point; from then on its ``Protection`` opens its records. What it
says is sorted out here: application data and alerts go up as they are, handshake messages are put together first. What
a handshake message means for both sides is for ``TlsLayer`` to say, and so is holding back what cannot be read yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldkit.events import DecodeError, TlsAlert
from fieldkit.wire.reasons import NO_TLS
from fieldkit.wire.tlshello import parse_alert
from fieldkit.wire.tlskeys import LABELS, Session, Stage
from fieldkit.wire.tlsnames import version_name
from fieldkit.wire.tlsprotection import COUNT_LOST, NO_CLIENT_HELLO, Early, Protection, Unopened
from fieldkit.wire.tlsrecords import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEARTBEAT,
    SHOWN,
    Frames,
    RecordReader,
)

if TYPE_CHECKING:
    from fieldkit.wire.tls import TlsLayer

MAX_HANDSHAKE_BYTES = 128 << 10
"""Longest handshake message. Certificate chains have a few KiB; OpenSSL's own bound for them is 100 KiB."""

_MESSAGES = frozenset((0, 1, 2, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 67))
"""All handshake messages that are registered and occur in TLS, also those that are passed over here."""
_LONG_MESSAGES = frozenset((1, 2, 11))  # client hello, server hello, certificate

_SSL2_HELLO = re.compile(rb"[\x80-\xff].\x01(?:\x00\x02|\x03[\x00-\x03])", re.DOTALL)
"""A length of 15 bits, client_hello, the version offered (RFC 5246 §E.2)."""

MIDSTREAM = "joined mid-stream: the handshake is not in the capture, so keys and sequence numbers are unknown"
OUT_OF_STEP = "bytes missing in the capture: no TLS record could be found behind them"
NO_RECORDS = "what is sent is not TLS"


@dataclass(slots=True)
class Held:
    """A record that waits, or (without header) a hole in front of those behind it."""

    side: Side
    header: bytes
    fragment: bytes
    lost: int
    time: int
    frames: Frames


class Side:
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
        self.reader = RecordReader(self)
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
            layer.hold(Held(self, header, fragment, 0, time, frames))
        elif not self.take(header, fragment, time, frames):
            self.stuck = True
            layer.hold(Held(self, header, fragment, 0, time, frames))
        if layer.news:
            layer.retry()

    def hole(self, lost: int, time: int, frames: Frames) -> None:
        if self.waiting:
            self._layer.hold(Held(self, b"", b"", lost, time, frames))
        else:
            self.lose(lost, time, frames)

    def foreign(self, head: bytes, time: int, frames: Frames) -> int:
        """Name what can stand where a TLS record should."""
        layer = self._layer
        if layer.connection.joined_midstream and not layer.handshake_seen:
            layer.give_up(MIDSTREAM, time, frames)
        elif head == b"HTTP/" and not self.from_client and layer.session is None:
            self.complain(NO_TLS, time, frames, head)
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
        layer.emit(DecodeError(time, frames, layer.connection, "tls", reason, data[:SHOWN], lost))

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
        if header[0] != APPLICATION_DATA and session is not None and session.tls13:
            self._unprotected(header[0], fragment, time, frames)
            return True
        opened = protection.open(header, fragment)
        if not isinstance(opened, tuple):
            return self._unopened(opened, header, fragment, time, frames)
        if protection.missing:
            self._layer.plain_gap(self.from_client, protection.missing, *self._hole)
            protection.missing = 0
        kind, content = opened
        if kind == APPLICATION_DATA:
            if content:
                self._layer.plain(self.from_client, content, time, frames)
        elif kind == HANDSHAKE:
            self._handshake(content, time, frames)
        elif kind == ALERT:
            self._alerts(content, time, frames)
        elif kind == CHANGE_CIPHER_SPEC and self._layer.session is not None and not self._layer.session.tls13:
            self.seal(self._layer.session)  # of a renegotiation
        elif kind != HEARTBEAT:
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
        if kind == APPLICATION_DATA or (kind == ALERT and len(fragment) != 2):
            self.seal(session)
        elif kind == CHANGE_CIPHER_SPEC or not self.protection.begins(session, header, fragment):
            return False
        self.reader.sealed_version = session.version
        return True

    def _in_clear(self, header: bytes, fragment: bytes, time: int, frames: Frames) -> bool:
        """Read a record of a side that is not sealed. False: it has to wait."""
        layer, kind = self._layer, header[0]
        if kind == HANDSHAKE:
            self.protection.in_clear()
            if layer.handshake_seen or self._messages or self._message_skip or _is_handshake(fragment):
                self._handshake(fragment, time, frames)
            else:
                layer.give_up(MIDSTREAM, time, frames)  # the first record is an encrypted handshake message
            return True
        if kind == ALERT and len(fragment) == 2:
            self.protection.in_clear()
            self._alerts(fragment, time, frames)
            return True
        if kind == HEARTBEAT:
            return True
        if layer.session is None:
            return layer.before_server_hello(self, kind, time, frames)
        if layer.session.tls13 and self.from_client:
            layer.seal_client(layer.session)  # no client hello was seen that would have
            return self.take(header, fragment, time, frames)
        if kind == CHANGE_CIPHER_SPEC:
            self.protection.in_clear()
            self.seal(layer.session)
        elif self.protection.holed:
            layer.give_up(COUNT_LOST, time, frames, self)  # a hole hid where encryption began, and was then forgotten
        else:
            self.complain("encrypted before any keys were agreed on", time, frames, fragment)
        return True

    def _unprotected(self, kind: int, fragment: bytes, time: int, frames: Frames) -> None:
        """What TLS 1.3 has in clear beside encrypted records."""
        if kind == ALERT and len(fragment) == 2:
            self._alerts(fragment, time, frames)  # from a side that could make nothing of the hello
        elif kind != CHANGE_CIPHER_SPEC:  # which is there for middleboxes only (RFC 8446 §5)
            self.complain(f"a record of type {kind}, which TLS 1.3 encrypts, in clear", time, frames, fragment)

    def _unopened(self, why: Unopened, header: bytes, fragment: bytes, time: int, frames: Frames) -> bool:
        protection, layer = self.protection, self._layer
        if why is Unopened.WAIT:
            if protection.reason == NO_CLIENT_HELLO and layer.client_hello_lost:
                layer.give_up(layer.client_hello_lost, time, frames)
            return self.dead
        if why is Unopened.HOPELESS:
            if protection.keyless and layer.awaits_refusal:
                return False
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


def _is_handshake(fragment: bytes) -> bool:
    """Tell handshake messages in clear from encrypted ones, which are anything: their lengths must lead from one to the
    next and to the end of the record, beyond which only a hello or a certificate chain reaches."""
    at = 0
    while at + 4 <= len(fragment):
        if fragment[at] not in _MESSAGES:
            return False
        kind, begin = fragment[at], at
        at += 4 + int.from_bytes(fragment[at + 1 : at + 4], "big")
        if at > len(fragment):
            return kind in _LONG_MESSAGES and at - begin < 1 << 18
    return at == len(fragment) > 0
