"""TLS as an onlooker sees it: what is said in clear, and with a key log what is said under encryption.

Three steps, each with its own kind of trouble:

1. *Bytes → records* (``tlsrecords``). A ``RecordReader`` for each side cuts records out of the stream. Behind a
   hole, or behind bytes that are no record, it searches the next believable record header.
2. *Records → content* (``tlsside``). A ``Side`` speaks in clear first and is sealed at some point; then its
   ``Protection`` opens its records. That needs secrets, which may come later than the records: they are held back for
   a while.
3. *Content → events* (here). Handshake messages change the state of both sides; alerts and certificates become events;
   application data goes up.

When something of a connection cannot be decrypted, one ``TlsOpaque`` says why. The side in question is then *dead*;
when both are, the layer is *boring*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from fieldkit.events import Connection, Emit, TlsAlert, TlsCertificates, TlsHello, TlsOpaque
from fieldkit.wire.budget import Budget
from fieldkit.wire.tlshello import (
    parse_certificates,
    parse_client_hello,
    parse_encrypted_extensions,
    parse_server_hello,
)
from fieldkit.wire.tlshidden import HIDDEN_ALERT, is_alert, refusal
from fieldkit.wire.tlskeys import KeyLog, Session, Stage
from fieldkit.wire.tlsprotection import NO_CLIENT_HELLO, Early
from fieldkit.wire.tlsrecords import APPLICATION_DATA, CHANGE_CIPHER_SPEC, MAX_FRAGMENT, MAX_SEEK_BYTES, Frames
from fieldkit.wire.tlsside import MAX_HANDSHAKE_BYTES, MIDSTREAM, NO_RECORDS, OUT_OF_STEP, Held, Side

__all__ = [
    "MAX_FRAGMENT",
    "MAX_HANDSHAKE_BYTES",
    "MAX_HELD_BYTES",
    "MAX_SEEK_BYTES",
    "MIDSTREAM",
    "NO_RECORDS",
    "NO_SERVER_HELLO",
    "OUT_OF_STEP",
    "SSL2_HELLO",
    "Frames",
    "Plain",
    "PlainGap",
    "TlsLayer",
]

Plain: TypeAlias = Callable[[bool, bytes, int, Frames], None]
"""Takes decrypted application data: (from_client, data, time, frames)."""
PlainGap: TypeAlias = Callable[[bool, int, int, Frames], None]
"""Is told that application data is missing: (from_client, bytes as far as known, time, frames)."""

MAX_HELD_BYTES = 256 << 10
"""Held back of one connection while its secrets may still come: minutes of OCPP."""

_HELD_OVERHEAD = 256
"""What the objects around a held record cost, so that many tiny ones count for what they take."""

_ENCRYPTED = bytes((APPLICATION_DATA,))
"""How the header of a record begins that TLS 1.3 encrypts."""

_MAX_UNREADABLE = 64
"""Records kept of a connection without keys until it is known whether one side refuses it: a dozen, as a rule."""

_RETRY_ROUNDS = 4
"""Held records are gone through again when one of them settles what others wait for: a side does that once or twice."""

_CLIENT_HELLO, _SERVER_HELLO, _END_OF_EARLY_DATA, _ENCRYPTED_EXTENSIONS, _CERTIFICATE = 1, 2, 5, 8, 11
_FINISHED, _KEY_UPDATE, _COMPRESSED_CERTIFICATE = 20, 24, 25
_EARLY_DATA = 42  # extension (RFC 8446 §4.2.10)

NO_SERVER_HELLO = "bytes missing in the capture: without the server hello the keys cannot be computed"
SSL2_HELLO = "it began with an SSL 2.0 client hello"


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
        self.held: deque[Held] = deque()
        """What cannot be read yet, of both sides, in the order in which it came."""
        self.ssl2 = False
        """It began with an SSL 2.0 hello."""
        self._budget = budget if budget is not None else Budget(MAX_HELD_BYTES)
        self._client = Side(self, True)
        self._server = Side(self, False)
        self._client_random = b""
        self._client_session_id = b""
        self._client_hellos = 0
        self._early_offered = False
        self._psk = False
        """The server chose a pre-shared key, without which it cannot accept 0-RTT data."""
        self._retry_asked = False
        """A HelloRetryRequest was seen."""
        self._opaque = False
        self._refusal_sought = False
        """It was looked whether one side refused the handshake by an alert that cannot be read."""
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

    def let_go(self) -> None:
        """Nobody wants what is held back any more."""
        while self.held:
            self._release(self.held.popleft())

    # ------------------------------------------------------------------------------------------------------ holding

    def other(self, side: Side) -> Side:
        return self._server if side.from_client else self._client

    def hold(self, item: Held) -> None:
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
        if self.awaits_refusal and self._is_settled(item):
            self._give_up_stuck()

    def retry(self) -> None:
        """Try to read what is held back, in the order in which it came."""
        for _ in range(_RETRY_ROUNDS):
            self.news = False
            held, self.held = self.held, deque()
            for side in (self._client, self._server):
                side.waiting = side.stuck = False
            for item in held:
                if item.side.dead or (not item.side.must_queue and self._read(item)):
                    self._release(item)
                else:
                    item.side.waiting = True
                    self.held.append(item)
            if not self.news or not self.held:
                return

    def _read(self, item: Held) -> bool:
        """Whether it could be."""
        side = item.side
        if item.header:
            side.stuck = not side.take(item.header, item.fragment, item.time, item.frames)
        else:
            side.lose(item.lost, item.time, item.frames)
        return not side.stuck

    def _release(self, item: Held) -> None:
        cost = len(item.fragment) + _HELD_OVERHEAD
        self._held_bytes -= cost
        self._budget.give(cost)

    def _give_up_stuck(self, last: Held | None = None) -> None:
        """What the held records wait for will not come, or not in time."""
        self._tell_refusal(last)
        for item in (*self.held, *((last,) if last is not None else ())):
            side = item.side
            if side.stuck and not side.dead:
                reason = side.protection.reason if side.protection.session is not None else NO_SERVER_HELLO
                self.give_up(reason, item.time, item.frames, side)
        self.retry()

    @property
    def awaits_refusal(self) -> bool:
        """Records that nobody can read may still show, by their lengths, that one side refuses the handshake."""
        hopeless = self.session is not None and self.session.tls13 and not self.secrets.expecting
        return hopeless and not self._refusal_sought

    def _is_settled(self, item: Held) -> bool:
        """The server has answered what the client said encrypted, or the client has said no."""
        if len(self.held) >= _MAX_UNREADABLE:
            return True
        if item.header[:1] != _ENCRYPTED or self.session is None:
            return False
        began = any(one.side.from_client and one.header[:1] == _ENCRYPTED for one in self.held if one is not item)
        if item.side.from_client:
            return not began and is_alert(item.fragment, self.session.suite_number)
        return began

    def _tell_refusal(self, last: Held | None) -> None:
        session = self.session
        if session is None or not session.tls13 or self._refusal_sought:
            return
        self._refusal_sought = True
        found = refusal((*self.held, *((last,) if last is not None else ())), session.suite_number)
        if found is not None:
            record, name = found
            from_client = record.side.from_client
            self.emit(TlsAlert(record.time, record.frames, self.connection, from_client, True, HIDDEN_ALERT, name))

    def give_up(self, reason: str, time: int, frames: Frames, only: Side | None = None) -> None:
        """One side, or both, will not be understood from here on."""
        for side in (self._client, self._server):
            if only is None or only is side:
                side.dead = True
                side.waiting = side.stuck = False
                side.reader.stop()
        held, self.held = self.held, deque()
        for item in held:
            if item.side.dead:
                self._release(item)
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

    def before_server_hello(self, side: Side, kind: int, time: int, frames: Frames) -> bool:
        """Something follows upon a server hello that was not seen. False: it has to wait for that."""
        client, server = self._client, self._server
        if not self.handshake_seen:
            holed = client.protection.holed or server.protection.holed
            self.give_up(NO_CLIENT_HELLO if holed else MIDSTREAM, time, frames)
        elif self._retry_asked and (kind == CHANGE_CIPHER_SPEC or (side is client and self._client_hellos < 2)):
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

    def message(self, side: Side, kind: int, body: bytes, time: int, frames: Frames) -> bool:
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

    def _message_of_tls13(self, side: Side, session: Session, kind: int, body: bytes) -> bool:
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

    def _client_hello(self, side: Side, body: bytes, time: int, frames: Frames) -> None:
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
                retry=False,
            )
        )

    def _server_hello(self, side: Side, body: bytes, time: int, frames: Frames) -> bool:
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
                retry=hello.retry,
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
