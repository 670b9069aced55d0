"""One side of a relayed connection: a socket, with TLS or without.

Bytes in and out are plaintext. What a side can do, the relay learns as four things: bytes, an orderly end (FIN, or
close_notify), an abrupt one (RST), and that it takes nothing at the moment.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, Protocol

from fieldkit.sources.proxy.tls import TlsError

if TYPE_CHECKING:
    from fieldkit.sources.proxy.tls import TlsCodec

READ: Final = 64 << 10
"""Bytes taken from a socket at once."""
WRITE_HIGH: Final = 64 << 10
"""Bytes that wait for a socket before the other leg is no longer read …"""
WRITE_LOW: Final = 16 << 10
"""… and when it is read again."""
MEMORY: Final = READ + WRITE_HIGH
"""What one direction of a connection holds at most (TLS adds its records' overhead, a delay ``gate.MAX_WAITING``). The
kernel's own buffers come on top."""

FLUSH: Final = 30.0
"""Seconds that a side has to take what is left for it when the connection is over."""

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST."""


class LegOwner(Protocol):
    """Who wants to know: the relay."""

    buffer: bytearray
    """Where all legs of a process read into, one after the other."""

    def received(self, leg: Leg, data: bytes) -> None: ...

    def ended(self, leg: Leg, clean: bool) -> None:
        """Nothing more will come. ``clean``: with TLS it said so, and was not just cut off."""

    def lost(self, leg: Leg, why: str) -> None:
        """The connection broke (``why``: RST, usually); nothing can be sent either."""

    def failed(self, leg: Leg, why: str) -> None:
        """TLS went wrong."""

    def connected(self, leg: Leg) -> None:
        """The socket is connected."""

    def ready(self, leg: Leg) -> None:
        """The connection stands, TLS included."""

    def blocked(self, leg: Leg, blocked: bool) -> None:
        """It does (not) take bytes at the moment."""

    def gone(self, leg: Leg) -> None:
        """The socket is closed, whyever."""


class Leg(asyncio.BufferedProtocol):
    """A protocol of asyncio's."""

    def __init__(self, owner: LegOwner, tls: TlsCodec | None, *, server_side: bool) -> None:
        self._owner = owner
        self._tls = tls
        self._server_side = server_side
        self.transport: asyncio.Transport | None = None
        self.closed = False
        """The socket is gone, or about to be."""
        self.agreed = ""
        """What TLS agreed on."""
        self._holds: set[str] = set()
        self._said_end = False
        self._heard_end = False

    @property
    def uses_tls(self) -> bool:
        """It speaks TLS."""
        return self._tls is not None

    # ---------------------------------------------------------------------------------------------------- from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        # Whoever vanished without a word is noticed some day. (TCP_NODELAY is asyncio's default.)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._holds:
            transport.pause_reading()
        self._owner.connected(self)
        if self._tls is None:
            self._owner.ready(self)
        elif not self._server_side:
            transport.write(self._tls.begin())

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all: it is emptied before anybody else reads."""
        return memoryview(self._owner.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        data = bytes(memoryview(self._owner.buffer)[:nbytes])
        if self._tls is None:
            self._owner.received(self, data)
            return
        if not self.closed:
            self._decrypt(self._tls, data)

    def eof_received(self) -> bool:
        """FIN."""
        if not self._heard_end:
            self._heard_end = True
            if self._tls is not None and not self._tls.established:
                self._owner.failed(self, "the connection was closed during the TLS handshake")
            else:
                self._owner.ended(self, clean=False)
        return True  # stay open for what the other side still says

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        was_closed, self.closed = self.closed, True
        if exc is not None and not was_closed:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            self._owner.lost(self, reason)
        self._owner.gone(self)

    def pause_writing(self) -> None:
        """Too much waits."""
        self._owner.blocked(self, True)

    def resume_writing(self) -> None:
        """Enough has gone."""
        self._owner.blocked(self, False)

    # ------------------------------------------------------------------------------------------------- from the relay

    def write(self, data: bytes) -> None:
        """Send plaintext."""
        if self.closed or self._said_end or self.transport is None:
            return
        self.transport.write(self._tls.encrypt(data) if self._tls is not None else data)

    def say_end(self, clean: bool) -> None:
        """Nothing more will be sent: FIN, and close_notify before it if the other side had said as much."""
        if self.closed or self._said_end or self.transport is None:
            return
        self._said_end = True
        if self._tls is not None and self._tls.established and clean:
            self.transport.write(self._tls.say_closed())
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Send what is left, then FIN."""
        if not self.closed and self.transport is not None:
            self.closed = True
            self.transport.close()
            if self.transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(FLUSH, self.transport.abort)

    def reset(self) -> None:
        """RST, at once."""
        if self.closed or self.transport is None:
            return
        self.closed = True
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def hold(self, why: str) -> None:
        """Read nothing more until this reason (and every other) is gone."""
        if not self._holds and self.transport is not None and not self.closed:
            self.transport.pause_reading()
        self._holds.add(why)

    def go_on(self, why: str) -> None:
        """One reason is gone."""
        if why in self._holds:
            self._holds.remove(why)
            if not self._holds and self.transport is not None and not self.closed and not self.transport.is_closing():
                self.transport.resume_reading()

    def look(self) -> None:
        """While nothing is read, RST would go unnoticed: ask the kernel."""
        if not self._holds or self.closed or self.transport is None:
            return
        sock = self.transport.get_extra_info("socket")
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if sock is not None else 0
        if error:
            import os

            self.closed = True
            self.transport.abort()
            self._owner.lost(self, os.strerror(error))

    def tls_facts(self) -> dict[str, Any]:
        """Of a leg that stands; empty without TLS."""
        return self._tls.facts() if self._tls is not None else {}

    # --------------------------------------------------------------------------------------------------------- TLS

    def _decrypt(self, tls: TlsCodec, data: bytes) -> None:
        before = tls.established
        assert self.transport is not None
        try:
            plain, records = tls.feed(data)
        except TlsError as failure:
            alert = tls.take()
            if alert:
                self.transport.write(alert)
            self._owner.failed(self, str(failure))
            return
        if records and not self._said_end:
            self.transport.write(records)
        if tls.established and not before:
            self.agreed = tls.agreed
            self._owner.ready(self)
        if plain:
            self._owner.received(self, plain)
        if tls.closed and not self._heard_end:
            self._heard_end = True
            self._owner.ended(self, clean=True)
