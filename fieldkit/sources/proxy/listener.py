"""The relaying process: accepts stations, connects to the CSMS, and holds all relays until it is told to end."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from fieldkit.sources.proxy.faults import Count, Plan
from fieldkit.sources.proxy.leg import READ, Leg
from fieldkit.sources.proxy.relay import Relay
from fieldkit.sources.proxy.settings import Settings
from fieldkit.sources.proxy.tap import Tap
from fieldkit.sources.proxy.tls import TlsCodec, listener_context, server_name, upstream_context

CONNECT: Final = 30.0
"""Seconds to find the CSMS's address, to connect and to agree on TLS with it; and for TLS with a station."""
MAX_CONNECTIONS: Final = 4000
"""Stations at once; each needs two descriptors and, while it is busy, up to twice ``leg.MEMORY``."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted: a whole site comes back at once after a power cut."""

_SWEEP: Final = 1.0
"""Seconds between looks at legs that are not read, where the kernel's news would go unnoticed."""
_POLL: Final = 0.1
"""Seconds until a signal is noticed, or that the decoder has gone."""
_SAID: Final = 3
"""The same line for the same station is said so often, then at each tenth, hundredth …"""
_MAX_SAID: Final = 10_000


class ListenError(Exception):
    """The proxy cannot listen there; the text says why."""


class Proxy:
    """All relays of a process."""

    def __init__(self, settings: Settings, tap: Tap, say: Callable[[str], None]) -> None:
        """TlsSetupError when a certificate or key cannot be used."""
        self.settings = settings
        self.tap = tap
        self.buffer = bytearray(READ)
        self.relays: set[Relay] = set()
        self.accepted = self.refused = self.reached = self.unreached = 0
        """Stations that came and that were too many; times that the CSMS was reached and was not."""
        self._say = say
        self._said: dict[tuple[str, str], int] = {}
        self._counts = [Count(fault) for fault in settings.faults]
        self._listener_tls = listener_context(settings)
        self._upstream_tls = upstream_context(settings)
        self._server: asyncio.Server | None = None
        self._numbers = 0
        self._sweeper: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------------------------------------- the whole

    async def start(self) -> list[str]:
        """Listen; returns the addresses."""
        raise_descriptor_limit()
        loop = asyncio.get_running_loop()
        listen = self.settings.listen
        try:
            self._server = await loop.create_server(
                self._accept, listen.host or None, listen.port, backlog=BACKLOG, start_serving=False
            )
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise ListenError(f"cannot listen on {listen}: {reason}") from error
        loop.set_exception_handler(self._trouble)
        self._sweeper = loop.create_task(self._sweep())
        return [_shown(sock.getsockname()) for sock in self._server.sockets]

    async def serve(self) -> None:
        """Stations may come from here on."""
        assert self._server is not None
        await self._server.start_serving()

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for relay in tuple(self.relays):
            relay.stop()
        # A turn of the loop, so that what can be sent at once is.
        await asyncio.sleep(0.05)

    def counted(self) -> dict[str, Any]:
        """What there is to tell at the end."""
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "reached": self.reached,
            "unreached": self.unreached,
            "faults": {count.fault.text: count.done for count in self._counts},
            "left_out": self.tap.left_out,
        }

    # ------------------------------------------------------------------------------------------------- for the relays

    def upstream_tls(self) -> TlsCodec | None:
        """For a new connection to the CSMS."""
        if self._upstream_tls is None:
            return None
        return TlsCodec(self._upstream_tls, server_side=False, server_name=server_name(self.settings))

    def plan(self, station: str) -> Plan:
        """The faults that a station is to have."""
        return Plan(self._counts, station)

    def connect(self, relay: Relay) -> None:
        """In a task of its own."""
        relay.connecting = asyncio.get_running_loop().create_task(self._connect(relay))

    def upstream_ready(self, leg: Leg) -> None:
        """The CSMS was reached."""
        self.reached += 1
        if leg.agreed and self.reached == 1:
            self.say(f"the CSMS agreed on {leg.agreed}")

    def upstream_failed(self) -> None:
        """The CSMS was not reached."""
        self.unreached += 1

    def say(self, text: str, station: str = "") -> None:
        """On stderr; what repeats itself is said less and less."""
        if len(self._said) >= _MAX_SAID:
            self._said.clear()
        times = self._said[station, text] = self._said.get((station, text), 0) + 1
        if times <= _SAID or times in (10, 100, 1000, 10_000, 100_000):
            again = f" (the {times}th time)" if times > _SAID else ""
            self._say(f"{station}: {text}{again}" if station else text + again)

    def done(self, relay: Relay) -> None:
        """A relay is over."""
        self.relays.discard(relay)

    # ------------------------------------------------------------------------------------------------------- inside

    def _accept(self) -> asyncio.BaseProtocol:
        if len(self.relays) >= MAX_CONNECTIONS:
            self.refused += 1
            self.say(f"more than {MAX_CONNECTIONS:,} connections: a station is turned away")
            return _TurnAway()
        self._numbers += 1
        self.accepted += 1
        tls = TlsCodec(self._listener_tls, server_side=True) if self._listener_tls is not None else None
        relay = Relay(self, self._numbers, tls)
        self.relays.add(relay)
        if tls is not None:
            asyncio.get_running_loop().call_later(CONNECT, relay.hurry)
        return relay.accepted()

    async def _connect(self, relay: Relay) -> None:
        upstream = self.settings.upstream
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT):
                await loop.create_connection(
                    relay.new_upstream, upstream.host, upstream.port, happy_eyeballs_delay=0.25
                )
                await relay.reached()
        except TimeoutError:
            relay.upstream_unreachable(f"no answer within {CONNECT:.0f} s")
        except socket.gaierror as error:
            relay.upstream_unreachable(f"its name has no address: {error.strerror}")
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            relay.upstream_unreachable(reason[:1].lower() + reason[1:])

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            for relay in tuple(self.relays):
                relay.look()

    def _trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio would write to its log: no descriptors left, a failure of our own."""
        error = context.get("exception")
        self.say(f"{context.get('message', 'trouble')}{f': {error!r}' if error is not None else ''}")


class _TurnAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def raise_descriptor_limit() -> None:
    """A thousand stations need two thousand descriptors, and most systems allow a process 1,024 unless it asks."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def _shown(name: tuple[Any, ...]) -> str:
    host = f"[{name[0]}]" if ":" in str(name[0]) else name[0]
    return f"{host}:{name[1]}"


class DecoderLostError(Exception):
    """The decoding process ended before it was ready."""


async def run(
    settings: Settings,
    tap_socket: socket.socket,
    stop: Callable[[], bool],
    say: Callable[[str], None],
    announce: Callable[[list[str]], None],
    tap_lost: Callable[[], None],
) -> bool:
    """Relay until ``stop`` (or whoever listens at the tap) says so; True when the tap was taken in to its end.

    ListenError, TlsSetupError, DecoderLostError before anything is announced.
    """
    loop = asyncio.get_running_loop()
    _, tap = await loop.create_connection(Tap, sock=tap_socket)
    proxy: Proxy | None = None
    try:
        proxy = Proxy(settings, tap, say)
        addresses = await proxy.start()
        tap.begin(time.time_ns())
        await asyncio.wait([tap.ready, tap.gone], return_when=asyncio.FIRST_COMPLETED)
        if not tap.ready.done():
            raise DecoderLostError
        await proxy.serve()
        announce(addresses)
        told = False
        while not (stop() or tap.stop_asked):
            await asyncio.sleep(_POLL)
            if tap.dead and not told:
                told = True
                tap_lost()
        whole = not tap.dead
        tap.end(time.time_ns(), proxy.counted())  # before connections are closed: that is nobody's doing but ours
        await proxy.stop()
        if whole:
            await tap.gone
        return whole
    finally:
        if proxy is not None:
            await proxy.stop()
        tap.close()
