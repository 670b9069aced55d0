"""What the tap sees of a connection, and what it makes of it: numbers, ports, which round trips are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fieldkit.events import Connection, Endpoint, OcppChannel, OcppMessage
from fieldkit.ocpp.conversation import Conversation
from fieldkit.wire.tcp import AFTER_CHANGE, ALIKE, ALIKE_NS, SAMPLE_NS, TELL_NS
from tests.simulation.engine import Engine, Happening

Payload = Mapping[str, Any]

LAN: Final = 0.0011
"""Seconds from the router to a station and back."""
PATIENCE: Final = 30.0
"""Seconds after which a station takes a call as lost and its connection as dead."""
MSS: Final = 1448
SYN_GIVEN_UP: Final = 131.0
"""Seconds after which fieldkit takes a SYN as unanswered (``wire.flows.SYN_TIMEOUT_NS`` and its sweep)."""


class Acknowledged(NamedTuple):
    """For captures only: bare TCP acknowledgement of what the client (or the server) has sent."""

    time: int
    connection: Connection
    from_client: bool


class Sealed(NamedTuple):
    """For captures only: a message that went by inside TLS, and how long it was."""

    time: int
    connection: Connection
    from_client: bool
    size: int


UNSEEN: Final[frozenset[type]] = frozenset({Acknowledged, Sealed})
"""What is no event of fieldkit's."""


class Sampler:
    """Which round trips of one direction fieldkit tells: the same rule as ``fieldkit.wire.tcp`` has."""

    __slots__ = ("alike", "ask_from", "told", "told_at")

    def __init__(self) -> None:
        self.ask_from = 0
        self.told = 0
        self.told_at = 0
        self.alike = 0

    def tells(self, side: int, time: int, rtt: int) -> bool:
        self.ask_from = time + SAMPLE_NS[side]
        if abs(rtt - self.told) <= self.told // ALIKE + ALIKE_NS:
            self.alike += 1
            if self.alike > AFTER_CHANGE and time - self.told_at < TELL_NS:
                return False
        else:
            self.alike = 0
        self.told, self.told_at = rtt, time
        return True


class Open:
    """One WebSocket connection."""

    __slots__ = (
        "answers",
        "channel",
        "connection",
        "conversation",
        "late",
        "ready",
        "samplers",
        "unanswered",
        "useless",
    )

    def __init__(self, connection: Connection, channel: OcppChannel, ready: int) -> None:
        self.connection = connection
        self.channel = channel
        self.ready = ready
        self.answers: list[tuple[int, OcppMessage, list[Happening]]] = []
        """Calls under way: when the answer is due, the call, and what of it has yet to happen."""
        self.unanswered: list[OcppMessage] = []
        self.conversation: Conversation | None = None
        self.samplers = (Sampler(), Sampler())
        """Of what the client sends, of what the server sends."""
        self.late: list[tuple[OcppMessage, Payload]] = []
        """Calls whose answers cannot come through at the moment, and what those say."""
        self.useless = False
        """It is dead, and the station does not know yet."""


class Wire:
    """The tap: numbers connections, and hands out ports."""

    def __init__(self, engine: Engine, source: str) -> None:
        self.engine = engine
        self.source = source
        self.captured = False
        """What only a capture shows is told too."""
        self.abandoned: list[Open] = []
        """Connections of which the tap never sees an end."""
        self._connections = 0
        self._ports: dict[str, int] = {}

    def connection(self, client: str, server: Endpoint, time: int) -> Connection:
        self._connections += 1
        port = self._ports.get(client)
        if port is None:
            port = self.engine.random("port", client).randrange(32_768, 60_000)
        self._ports[client] = port = port + 1 if port < 60_999 else 32_768
        return Connection(self._connections, Endpoint(client, port), server, time, False, self.source)


def wire_size(payload: int, masked: bool) -> int:
    """Bytes of the WebSocket frame around so many (RFC 6455 §5.2)."""
    return payload + (2 if payload < 126 else 4 if payload < 65_536 else 10) + (4 if masked else 0)


NO_CALL: Final = OcppMessage(
    1 << 62, (), "", OcppChannel("", "", "json", None, False, False, False), "station", None, "", "", None, None, "", (),
    False, None,
)  # fmt: skip
"""Stands for "no call" where only a pong is under way; its time never comes, so it is never taken as unanswered."""
