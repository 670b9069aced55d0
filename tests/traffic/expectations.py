"""What must come out of a capture: the ``.toml`` beside it, read, written, and taken from what fieldkit decoded.

Every key is a fact that another program (tshark, a schema validator) or the script that made the capture can tell:

- ``packets``; ``messages`` by type; ``exchanges``, ``orphans``, ``unanswered``; ``gaps`` in TCP streams
- ``stations``: "identity version transport", in the order in which they first speak
- ``connections``: client, server, protocol, how they ended and by whom
- ``http``: method, target and status of the exchanges that matter
- ``pings`` and ``closes`` (sender and code) of WebSocket
- ``problems``: rule → how often; ``decode_errors``: layer → how often
- ``conversation``: a line a message: station, sender, type, action

Besides: ``name``, what happens in a sentence; ``origin``; ``keylog``, the file with TLS secrets; ``tshark_cannot``, the
facts (or ``all``) that tshark cannot confirm, and why.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    DecodeError,
    Endpoint,
    Exchange,
    HttpRequest,
    HttpResponse,
    MessageType,
    Orphan,
    StreamGap,
    Unanswered,
    WsControl,
)
from tests.traffic.decoded import NAMES, Decoded, Line

CAPTURES = Path(__file__).parents[2] / "captures"

Expectation = Mapping[str, Any]


def load(path: Path) -> dict[str, Any]:
    expectation = tomllib.loads(path.read_text("utf-8"))
    expectation["conversation"] = expectation["conversation"].splitlines()
    return expectation


def captured(toml: Path) -> Path:
    """The capture (or log) that a ``.toml`` is about: it has the same name, before any suffix."""
    (found,) = (
        path
        for path in toml.parent.iterdir()
        if path.name.split(".")[0] == toml.stem and path.suffix not in (".toml", ".keylog")
    )
    return found


# ------------------------------------------------------------------------------------------------ from what was decoded


def seen(decoded: Decoded) -> dict[str, Any]:
    """The same facts, as fieldkit sees them."""
    lines = decoded.lines
    # The version may be known only after a while.
    stations = {
        message.channel.station: f"{message.channel.version} {message.channel.transport}"
        for message in decoded.messages
    }
    return {
        "packets": decoded.packets,
        "messages": counted(line.type for line in lines),
        "exchanges": decoded.count(Exchange),
        "orphans": decoded.count(Orphan),
        "unanswered": decoded.count(Unanswered),
        "gaps": decoded.count(StreamGap),
        "stations": [f"{station} {spoken}" for station, spoken in stations.items()],
        "connections": [_connection(decoded, opened.connection) for opened in decoded.of(ConnectionOpened)],
        "http": _http(decoded),
        "pings": sum(control.kind == "ping" for control in decoded.of(WsControl)),
        "closes": [
            f"{'station' if control.from_client else 'csms'} {control.code}"
            for control in decoded.of(WsControl)
            if control.kind == "close"
        ],
        "problems": dict(sorted(decoded.problems.items())),
        "decode_errors": dict(sorted(Counter(error.layer for error in decoded.of(DecodeError)).items())),
        "conversation": [str(line) for line in lines],
    }


def counted(types: Iterable[MessageType | None]) -> dict[str, int]:
    return dict(sorted(Counter(NAMES[type_] for type_ in types).items()))


def _connection(decoded: Decoded, connection: Connection) -> dict[str, str]:
    protocols = [
        event.protocol for event in decoded.of(ConnectionRecognised) if event.connection.number == connection.number
    ]
    end = next((event for event in decoded.of(ConnectionClosed) if event.connection.number == connection.number), None)
    by = "" if end is None or end.by_client is None else "client" if end.by_client else "server"
    return {
        "client": endpoint(connection.client),
        "server": endpoint(connection.server),
        "protocol": protocols[-1] if protocols else "",
        "end": end.how if end is not None else "",
        "by": by,
    }


def endpoint(place: Endpoint | tuple[str, int]) -> str:
    host, port = (place.address, place.port) if isinstance(place, Endpoint) else place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _http(decoded: Decoded) -> list[str]:
    answered = [response.request for response in decoded.of(HttpResponse) if response.request is not None]
    exchanges = [
        (response.request or response, response.request, f"{response.status}") for response in decoded.of(HttpResponse)
    ]
    exchanges += [
        (request, request, "-") for request in decoded.of(HttpRequest) if not any(request is one for one in answered)
    ]
    return [
        f"{request.method} {request.target} {status}" if request is not None else f"? {status}"
        for _, request, status in sorted(exchanges, key=lambda entry: entry[0].time)
    ]


# -------------------------------------------------------------------------------------------------------- from a script


def paired(lines: Iterable[Line]) -> dict[str, int]:
    """Exchanges, orphans and unanswered CALLs of one connection: the rule of Open OCPP Trace, in the plainest way."""
    waiting: list[Line] = []
    exchanges = orphans = 0
    for line in lines:
        if line.type is MessageType.CALL:
            waiting.append(line)
        elif line.type in (MessageType.CALLRESULT, MessageType.CALLERROR):
            call = next((call for call in reversed(waiting) if call.id == line.id and call.sender != line.sender), None)
            if call is None:
                orphans += 1
            else:
                waiting.remove(call)
                exchanges += 1
    return {"exchanges": exchanges, "orphans": orphans, "unanswered": len(waiting)}


# -------------------------------------------------------------------------------------------------------------- writing


def dump(expectation: Expectation) -> str:
    """TOML of the kind that lies beside the captures."""
    parts = []
    for key, value in expectation.items():
        if key == "conversation":
            text = "".join(f"{line}\n" for line in value)
            parts.append(f'conversation = """\n{text}"""' if value else "conversation = ''")
        else:
            parts.append(f"{key} = {_value(value)}")
    return "\n".join(parts) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        if not value:
            return "[]"
        if len(value) == 1 and not isinstance(value[0], dict):
            return f"[{_value(value[0])}]"
        return "[\n" + "".join(f"  {_value(item)},\n" for item in value) + "]"
    if isinstance(value, bool | int):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
