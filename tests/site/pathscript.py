"""A station on its path, event by event: what `wire` would have said, without the packets.

script = Script()
first = script.connected()
script.talk(first, 5)
script.wait(0.3)
script.says(first, answered=False)
script.repeats(first, 0.25, 0.5)
script.resets(first)
script.connected(rtt=0.025)
(outage,) = script.outages()
"""

from __future__ import annotations

import itertools
from typing import Any, Final, Literal

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionEnd,
    ConnectionOpened,
    Endpoint,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppChannel,
    OcppMessage,
    PathError,
    PathSample,
    Retransmission,
    Sender,
    WsControl,
)
from fieldkit.session import Session
from fieldkit.site.outage import Outage
from tests.traffic.conversation import MONDAY
from tests.traffic.segments import SECOND

SERVER: Final = Endpoint("203.0.113.9", 9000)
STATION: Final = "192.168.1.50"


class Script:
    """Time that only the script moves, and the session that hears of everything."""

    def __init__(self, station: str = "CP_7", *, session: Session | None = None, numbers: int = 1) -> None:
        self.station = station
        self.now = MONDAY
        self.session = session if session is not None else Session()
        self.frame = 0
        self.trips: dict[int, int] = {}
        self._numbers = itertools.count(numbers)
        self._ids = itertools.count(1)
        self._calls: dict[int, OcppMessage] = {}

    def wait(self, seconds: float) -> int:
        self.now += round(seconds * SECOND)
        return self.now

    def feed(self, event: Event) -> None:
        self.session.feed([event])

    def frames(self) -> tuple[int, ...]:
        self.frame += 1
        return (self.frame,)

    def outages(self) -> list[Outage]:
        """At the end."""
        self.session.finish()
        return list(self.session.picture.outages.all)

    # ---------------------------------------------------------------------------------------------------- connections

    def dials(
        self, *, address: str = STATION, port: int = 0, source: str = "lan", server: Endpoint = SERVER
    ) -> Connection:
        """A SYN."""
        number = next(self._numbers)
        connection = Connection(number, Endpoint(address, port or 40_000 + number), server, self.now, False, source)
        self.feed(ConnectionOpened(self.now, self.frames(), connection))
        return connection

    def connected(self, *, rtt: float = 0.05, ttl: int = 64, boot: str | None = None, **dialled: Any) -> Connection:
        """A connection up to its first answered message."""
        connection = self.dials(**dialled)
        self.answered(connection, rtt=rtt, ttl=ttl)
        request = HttpRequest(
            self.now, self.frames(), connection, True, "GET", f"/{self.station}",
            {"sec-websocket-key": f"k{connection.opened}", "upgrade": "websocket",
             "sec-websocket-protocol": "ocpp1.6"}, None, b"",
        )  # fmt: skip
        self.feed(request)
        self.wait(rtt)
        agreed = {"upgrade": "websocket", "sec-websocket-protocol": "ocpp1.6"}
        self.feed(HttpResponse(self.now, self.frames(), connection, False, 101, "", agreed, request, b""))
        if boot is not None:
            payload = {"chargePointModel": "M", "chargePointVendor": "V", **({"reason": boot} if boot else {})}
            self.says(connection, "BootNotification", payload, answer={"status": "Accepted", "interval": 300})
        self.says(connection)
        return connection

    def answered(self, connection: Connection, *, rtt: float, ttl: int = 64) -> None:
        """SYN/ACK and its ACK. ``ttl``: of the client's packets, 63 behind a router."""
        self.trips[connection.number] = round(rtt * SECOND)
        self.wait(rtt)
        trip = round(rtt * SECOND)
        self.feed(PathSample(self.now, self.frames(), connection, True, "handshake", trip, 57, 1460, 65_160))
        self.feed(PathSample(self.now, self.frames(), connection, False, "handshake", 50_000, ttl, 1460, 64_240))

    def ends(self, connection: Connection, how: ConnectionEnd, by_client: bool | None = None) -> None:
        self.feed(ConnectionClosed(self.now, self.frames(), connection, how, by_client))

    def resets(self, connection: Connection, ttl: int = 57) -> None:
        """An RST of the server, so long after the last packet as a round trip takes."""
        self.now += self.trips.get(connection.number, 50_000_000)
        self.feed(PathSample(self.now, self.frames(), connection, True, "reset", -1, ttl))
        self.ends(connection, "rst", False)

    # ----------------------------------------------------------------------------------------------------- what is said

    def says(
        self,
        connection: Connection,
        action: str = "Heartbeat",
        payload: dict[str, Any] | None = None,
        *,
        answered: bool = True,
        answer: dict[str, Any] | None = None,
        id_: str = "",
    ) -> None:
        """A CALL of the station, and what came of it."""
        call = self._message(connection, "station", MessageType.CALL, id_ or f"m{next(self._ids)}", action, payload)
        self._calls[connection.number] = call
        self.feed(call)
        if answered:
            self.answers(connection, answer)

    def answers(self, connection: Connection, answer: dict[str, Any] | None = None) -> None:
        """The acknowledgement and the answer to the station's last CALL."""
        call = self._calls[connection.number]
        trip = self.trips[connection.number]
        self.now = call.time + trip
        self.feed(PathSample(self.now, self.frames(), connection, True, "ack", trip, 57))
        self.feed(self._message(connection, "csms", MessageType.CALLRESULT, call.id, call.action, answer or {}, call))

    def commands(self, connection: Connection, action: str) -> None:
        """A CALL of the CSMS, and the station's answer."""
        call = self._message(connection, "csms", MessageType.CALL, f"c{next(self._ids)}", action, {"type": "Soft"})
        self.feed(call)
        self.wait(0.1)
        answer = {"status": "Accepted"}
        self.feed(self._message(connection, "station", MessageType.CALLRESULT, call.id, action, answer, call))

    def talk(self, connection: Connection, times: int, every: float = 1.0) -> None:
        """Heartbeats that are answered."""
        for _ in range(times):
            begun = self.now
            self.says(connection)
            self.now = begun + round(every * SECOND)

    def repeats(self, connection: Connection, *after: float, from_client: bool = True) -> None:
        """Retransmissions, each so long after the packet before it."""
        for seconds in after:
            self.wait(seconds)
            self.feed(Retransmission(self.now, self.frames(), connection, from_client, 13, "retransmission"))

    def refused(
        self, connection: Connection, kind: Literal["network", "host", "prohibited"] = "network",
        reporter: str = "192.168.1.1",
    ) -> None:  # fmt: skip
        self.feed(PathError(self.now, self.frames(), connection, True, reporter, kind))

    def closes(self, connection: Connection, code: int, *, by_client: bool) -> None:
        self.feed(WsControl(self.now, self.frames(), connection, by_client, "close", b"", code, ""))
        self.ends(connection, "fin", by_client)

    def _message(
        self, connection: Connection, sender: Sender, type_: MessageType, id_: str, action: str,
        payload: dict[str, Any] | None, call: OcppMessage | None = None,
    ) -> OcppMessage:  # fmt: skip
        channel = OcppChannel(self.station, "1.6", "json", connection, False, False, False)
        raw = f"[{type_.value},{id_},{action},{payload}]"
        return OcppMessage(
            self.now, self.frames(), connection.source, channel, sender, type_, id_, action, payload or {}, None, raw,
            (), True, call,
        )  # fmt: skip
