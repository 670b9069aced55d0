"""What makes a made capture: its bytes, and what must come out of it, taken from the scripts that made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fieldkit.events import MessageType
from tests.traffic.conversation import Said, Session
from tests.traffic.decoded import as_lines
from tests.traffic.expectations import counted, endpoint, paired
from tests.traffic.segments import Address, TcpTalk

ORIGIN = "made by tests/traffic/make.py"

CSMS: Address = ("203.0.113.5", 8080)

Conn = dict[str, str]


class Made(NamedTuple):
    """A capture, and what must come out of it."""

    file: str
    data: bytes
    expectation: dict[str, Any]


def connection(
    talk: Session | TcpTalk | tuple[Address, Address], protocol: str = "websocket", end: str = "fin", by: str = "client"
) -> Conn:
    if isinstance(talk, Session):
        talk = talk.tcp
    client, server = (talk.client, talk.server) if isinstance(talk, TcpTalk) else talk
    return {"client": endpoint(client), "server": endpoint(server), "protocol": protocol, "end": end, "by": by}


def made(
    file: str,
    name: str,
    data: bytes,
    *,
    packets: int,
    said: Sequence[Sequence[Said]],
    heard: Iterable[Said] | None = None,
    stations: list[str],
    connections: list[Conn],
    http: list[str],
    pings: int = 0,
    closes: list[str] | None = None,
    gaps: int = 0,
    problems: dict[str, int] | None = None,
    decode_errors: dict[str, int] | None = None,
    tshark_cannot: dict[str, str] | None = None,
) -> Made:
    """``said``: what can be recovered, by connection; ``heard``: the same in the order of time, where there are several
    connections. ``tshark_cannot``: the facts (or "all") that it gets wrong, and why."""
    lines = as_lines(_told(heard if heard is not None else said[0], said))
    pairs = [paired(as_lines(messages)) for messages in said]
    expectation: dict[str, Any] = {"name": name, "origin": ORIGIN}
    if tshark_cannot:
        expectation["tshark_cannot"] = tshark_cannot
    expectation |= {
        "packets": packets,
        "messages": counted(line.type for line in lines),
        **{key: sum(pair[key] for pair in pairs) for key in ("exchanges", "orphans", "unanswered")},
        "gaps": gaps,
        "stations": stations,
        "connections": connections,
        "http": http,
        "pings": pings,
        "closes": closes if closes is not None else ["station 1000", "csms 1000"],
        "problems": problems or {},
        "decode_errors": decode_errors or {},
        "conversation": [str(line) for line in lines],
    }
    return Made(file, data, expectation)


def _told(heard: Iterable[Said], said: Sequence[Sequence[Said]]) -> list[Said]:
    """An answer whose CALL is not in the capture does not tell its action."""
    calls = {(one.station, one.id) for messages in said for one in messages if one.type is MessageType.CALL}
    answers = (MessageType.CALLRESULT, MessageType.CALLERROR)
    return [
        one._replace(action="") if one.type in answers and (one.station, one.id) not in calls else one for one in heard
    ]


def in_order(*sessions: Session) -> list[Said]:
    """What several stations said, in the order of time."""
    timed = [entry for session in sessions for entry in session.timed()]
    return [said for _, said in sorted(timed, key=lambda entry: entry[0])]


def upgrade_of(session: Session) -> str:
    return f"GET /ocpp/{session.station} 101"


def speaks(session: Session) -> str:
    return f"{session.station} {session.version} json"


def started(station: str, version: str = "1.6", **options: Any) -> Session:
    """A session with its connection open and upgraded."""
    session = Session(station, version, **options)
    session.connect()
    session.upgrade()
    return session
