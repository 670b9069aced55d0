"""How a station comes to a connection with its CSMS, or does not: TCP, TLS, the HTTP upgrade."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random

from fieldkit.events import (
    BasicCredentials,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    OcppChannel,
    PathSample,
    Sender,
    TlsAlert,
    TlsCertificates,
    TlsHello,
    TlsOpaque,
)
from tests.simulation.engine import Engine, Happening, nanoseconds
from tests.simulation.tap import LAN, PATIENCE, SYN_GIVEN_UP, Open, Wire
from tests.simulation.wan import Uplink
from tests.traffic.conversation import SUBPROTOCOLS
from tests.traffic.frames import accept_key


class Dialling:
    """One station's way to its CSMS."""

    def __init__(
        self,
        engine: Engine,
        wire: Wire,
        uplink: Uplink,
        *,
        station: str,
        version: str,
        address: str,
        server: Endpoint,
        path: str,
        random: Random,
        encrypted: bool = False,
        password: bool = True,
        server_name: str = "csms.example",
        user_agent: str = "",
    ) -> None:
        self.engine = engine
        self.wire = wire
        self.uplink = uplink
        self.station = station
        self.version = version
        self.address = address
        self.server = server
        self.path = path
        self.encrypted = encrypted
        self.server_name = server_name
        self.user_agent = user_agent
        self.password = password
        self.chain: tuple[bytes, ...] = (random.randbytes(64),)
        """What the CSMS shows, the same to all of a site; no certificate, as only whether it changes matters here."""
        self.random = random
        self.open: Open | None = None
        self.last_sent = 0
        """When anything was last said on it."""
        self.think = random.uniform(0.02, 0.4)
        """Seconds that the station takes to answer."""
        self.ttl = 64
        self.far_ttl = random.randrange(46, 58)
        """Time to live of what comes from the CSMS."""
        self.busy: dict[Sender, int] = {"station": 0, "csms": 0}
        self.on_up: Callable[[], None] | None = None
        self.on_down: Callable[[], None] | None = None

    # ------------------------------------------------------------------------------------------------ up and down
    @property
    def up(self) -> bool:
        return self.open is not None and not self.open.useless and self.engine.now >= self.open.ready

    def dial(self) -> float:
        """Try to connect; returns the seconds until it is known whether that worked (see ``up`` then)."""
        engine, now = self.engine, self.engine.now
        mode = self.uplink.down
        if mode == "nameless":
            return 5.0  # the name is not resolved: no packet leaves
        connection = self.wire.connection(self.address, self.server, now)
        self._at(ConnectionOpened(now, engine.next_frame(), connection))
        if mode == "silent":
            gone = now + nanoseconds(SYN_GIVEN_UP)
            self._at(ConnectionClosed(gone, (), connection, "no-answer", None))
            return PATIENCE
        rtt = self.uplink.rtt(now)
        there = now + nanoseconds(rtt)
        if mode == "refused":
            self._at(PathSample(there, engine.next_frame(), connection, True, "reset", there - now, self.far_ttl))
            self._at(ConnectionClosed(there, engine.next_frame(), connection, "refused", False))
            return rtt
        said = self._handshake(connection, there)
        if self.encrypted:
            return self._dial_tls(connection, mode, said)
        request, key = self._request(connection, said)
        self._at(ConnectionRecognised(said, request.frames, connection, "http"))
        self._at(request)
        answered = said + nanoseconds(self.uplink.rtt(now) + self.uplink.thinks())
        frames = engine.next_frame()
        if mode == "captive":
            self._captive(connection, request, answered, frames)
            return (answered - now) / 1e9
        headers = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": accept_key(key),
            "sec-websocket-protocol": SUBPROTOCOLS[self.version],
        }
        response = HttpResponse(
            answered, frames, connection, False, 101, "Switching Protocols", headers, request, b"", True
        )
        self._at(response)
        self._at(ConnectionRecognised(answered, frames, connection, "websocket"))
        self._opened(connection, answered)
        return (answered - now) / 1e9 + 0.05

    def _handshake(self, connection: Connection, there: int) -> int:
        """TCP's own: SYN/ACK is seen at ``there``. Returns when the station says its first word."""
        now, frame = self.engine.now, self.engine.next_frame
        here = there + nanoseconds(LAN)
        self._at(PathSample(there, frame(), connection, True, "handshake", there - now, self.far_ttl, 1460, 64_240))
        self._at(PathSample(here, frame(), connection, False, "handshake", here - there, self.ttl, 1460, 64_240))
        return here + nanoseconds(0.002)

    def _opened(self, connection: Connection, ready: int) -> None:
        channel = OcppChannel(self.station, self.version, "json", connection, False, False, False)
        self.open = Open(connection, channel, ready)
        for sampler in self.open.samplers:
            sampler.ask_from = ready
        self.busy = {"station": ready, "csms": ready}
        if self.on_up is not None:
            self.engine.call_at(ready + nanoseconds(0.05), self._now_up(self.open))

    def _now_up(self, which: Open) -> Callable[[], None]:
        def tell() -> None:
            if self.open is which and not which.useless and self.on_up is not None:
                self.on_up()

        return tell

    def _request(self, connection: Connection, time: int) -> tuple[HttpRequest, str]:
        key = base64.b64encode(self.random.randbytes(16)).decode()
        host = f"{self.server_name}:{self.server.port}"
        headers = {
            "host": host,
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": key,
            "sec-websocket-version": "13",
            "sec-websocket-protocol": SUBPROTOCOLS[self.version],
        }
        if self.user_agent:
            headers["user-agent"] = self.user_agent
        credentials = None
        if self.password:
            credentials = BasicCredentials(self.station, 20, "text")
            headers["authorization"] = "Basic (hidden)"
        request = HttpRequest(
            time, self.engine.next_frame(), connection, True, "GET", self.path, headers, credentials, b"", True
        )
        return request, key

    def _captive(self, connection: Connection, request: HttpRequest, time: int, frames: tuple[int, ...]) -> None:
        headers = {"location": "http://login.portal.example/", "content-length": "0", "connection": "close"}
        self._at(HttpResponse(time, frames, connection, False, 302, "Found", headers, request, b"", True))
        end = time + nanoseconds(0.01)
        self._at(ConnectionClosed(end, self.engine.next_frame(), connection, "fin", False))

    def refuse(self, status: int, reason: str, *, address: str = "") -> float:
        """Somebody asks for an upgrade and is turned away by the CSMS; not this line's own connection."""
        now = self.engine.now
        connection = self.wire.connection(address or self.address, self.server, now)
        self._at(ConnectionOpened(now, self.engine.next_frame(), connection))
        said = self._handshake(connection, now + nanoseconds(self.uplink.rtt(now)))
        request, _ = self._request(connection, said)
        self._at(ConnectionRecognised(said, request.frames, connection, "http"))
        self._at(request)
        answered = said + nanoseconds(self.uplink.rtt(now) + self.uplink.thinks())
        headers = {"content-length": "0", "connection": "close"}
        frames = self.engine.next_frame()
        self._at(HttpResponse(answered, frames, connection, False, status, reason, headers, request, b"", True))
        end = answered + nanoseconds(0.002)
        self._at(ConnectionClosed(end, self.engine.next_frame(), connection, "fin", False))
        return (end - now) / 1e9

    def _dial_tls(self, connection: Connection, mode: str, said: int) -> float:
        """TLS 1.2 with a resumable session left out: hellos, the chain in clear, then nothing more to read."""
        now, frame = self.engine.now, self.engine.next_frame
        suites, groups = (0xC02F, 0xC030, 0xC02B), (29, 23)
        hello = TlsHello(
            said, frame(), connection, True, 0x0303, (0x0303,), suites, (0, 10, 11, 13, 23), groups, (0,),
            (0x0403, 0x0804, 0x0401), self.server_name, (), False, False,
        )  # fmt: skip
        self._at(ConnectionRecognised(said, hello.frames, connection, "tls"))
        self._at(hello)
        back = said + nanoseconds(self.uplink.rtt(now) + 0.004)
        frames = frame()
        self._at(
            TlsHello(
                back,
                frames,
                connection,
                False,
                0x0303,
                (0x0303,),
                (suites[0],),
                (23,),
                (),
                (),
                (),
                "",
                (),
                False,
                False,
            )
        )
        chain = self.chain if mode != "captive" else (b"portal" * 8,)
        self._at(TlsCertificates(back, frames, connection, False, chain))
        if mode in ("captive", "tls"):
            code, name = (48, "unknown_ca") if mode == "captive" else (45, "certificate_expired")
            later = back + nanoseconds(LAN + 0.03)
            self._at(TlsAlert(later, frame(), connection, True, True, code, name))
            end = later + nanoseconds(0.001)
            self._at(ConnectionClosed(end, frame(), connection, "fin", True))
            return (end - now) / 1e9
        reason = "no secrets for this session"
        self._at(TlsOpaque(back, frames, connection, reason))
        ready = back + nanoseconds(2 * self.uplink.rtt(now) + self.uplink.thinks())
        self._opened(connection, ready)
        return (ready - now) / 1e9 + 0.05

    def _at(self, event: Event) -> Happening:
        return self.engine.happen(event)
