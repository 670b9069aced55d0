"""The independent opinion: what tshark finds in a capture, in the words of ``expectations``.

tshark knows TCP, HTTP, WebSocket and TLS, but not OCPP: frames are parsed here with the standard library, and paired
by the plainest rule. Nothing of fieldkit is asked. ``python -m tests.traffic.tshark CAPTURE`` prints its opinion.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from fieldkit.events import MessageType, Sender
from tests.traffic.decoded import Line
from tests.traffic.expectations import counted, dump, endpoint, paired

TSHARK = shutil.which("tshark")

_FIELDS = (
    "frame.number",
    "tcp.stream",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "tcp.flags",
    "http.request.method",
    "http.request.uri",
    "http.response.code",
    "http.file_data",
    "websocket.opcode",
    "websocket.mask",
    "websocket.payload.close.status_code",
    "websocket.payload.text",
)
_BETWEEN, _AMONG = "\x01", "\x02"
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16


class Row(NamedTuple):
    """One packet; fields that occur several times in it are tuples."""

    number: int
    stream: int
    source: tuple[str, int]
    destination: tuple[str, int]
    flags: int
    method: str
    uri: str
    status: str
    body: str
    opcodes: tuple[int, ...]
    masked: bool
    codes: tuple[str, ...]
    texts: tuple[str, ...]


def rows(capture: Path, *, keylog: Path | None = None, options: Sequence[str] = ()) -> list[Row]:
    """Every TCP packet of a capture."""
    assert TSHARK is not None
    command = [TSHARK, "-n", "-r", str(capture), "-o", "tcp.reassemble_out_of_order:TRUE", *options, "-Y", "tcp"]
    if keylog is not None:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    command += ["-T", "fields", "-E", f"separator={_BETWEEN}", "-E", f"aggregator={_AMONG}"]
    for field in _FIELDS:
        command += ["-e", field]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return [_row(line.split(_BETWEEN)) for line in output.decode("utf-8", "replace").split("\n") if line]


def _row(cells: list[str]) -> Row:
    number, stream, ip4, ip6, sport, dst4, dst6, dport, flags, method, uri, status, body = cells[:13]
    opcodes, mask, codes, texts = cells[13:]
    first = [cell.split(_AMONG)[-1] for cell in (ip4, ip6, dst4, dst6)]  # the innermost, where there are tunnels
    return Row(
        int(number),
        int(stream),
        (first[0] or first[1], int(sport)),
        (first[2] or first[3], int(dport)),
        int(flags, 16),
        method,
        uri,
        status,
        _text(body),
        tuple(int(opcode) for opcode in opcodes.split(_AMONG) if opcode),
        mask.split(_AMONG)[0] in ("1", "True"),
        tuple(code for code in codes.split(_AMONG) if code),
        tuple(_unescaped(text) for text in texts.split(_AMONG)) if texts else (),
    )


def _text(body: str) -> str:
    """Since 4.2 a body comes as hexadecimal digits, before that as text."""
    if re.fullmatch(r"(?:[0-9a-f]{2})+", body):
        return bytes.fromhex(body).decode("utf-8", "replace")
    return _unescaped(body)


def _unescaped(text: str) -> str:
    """tshark writes control characters as C does."""
    return re.sub(r"\\([abfnrtv\\])", lambda match: f"\\{match[1]}".encode().decode("unicode_escape"), text)


class Opinion:
    """A capture according to tshark."""

    def __init__(self, capture: Path, *, keylog: Path | None = None, options: Sequence[str] = ()) -> None:
        self.rows = rows(capture, keylog=keylog, options=options)
        self._clients: dict[int, tuple[str, int]] = {}
        self._stations: dict[int, str] = {}
        for row in self.rows:
            if row.flags & (_SYN | _ACK) == _SYN or row.method or (row.opcodes and row.masked):
                self._clients.setdefault(row.stream, row.source)
            if row.method == "GET":
                self._stations[row.stream] = unquote(row.uri.split("?")[0].rsplit("/", 1)[-1])
        self.lines = list(self._lines())

    def _from_client(self, row: Row) -> bool:
        return self._clients.get(row.stream, row.source) == row.source

    def _lines(self) -> Iterable[Line]:
        calls: dict[tuple[str, Sender, str], str] = {}
        posts: dict[int, Line] = {}
        for row in self.rows:
            sender: Sender = "station" if self._from_client(row) else "csms"
            other: Sender = "csms" if sender == "station" else "station"
            station = self._stations.get(row.stream, endpoint(self._clients.get(row.stream, row.source)))
            for text in row.texts:
                type_, id_, action = _taken_apart(text)
                if type_ is MessageType.CALL:
                    calls[station, sender, id_] = action
                elif type_ in (MessageType.CALLRESULT, MessageType.CALLERROR):
                    action = calls.get((station, other, id_), "")
                elif type_ is MessageType.CALLRESULTERROR:
                    action = calls.get((station, sender, id_), "")
                yield Line(station, sender, type_, id_, action, text)
            if row.body.lstrip().startswith("<") and (row.method == "POST" or row.stream in posts):
                line = _envelope(row.body, posts.pop(row.stream, None))
                if line.type is MessageType.CALL:
                    posts[row.stream] = line
                yield line

    def texts(self) -> list[tuple[Sender, str]]:
        """What was said, by whom."""
        return [(line.sender, line.text) for line in self.lines]

    def facts(self) -> dict[str, Any]:
        """All that tshark can tell of what ``expectations`` knows."""
        opcodes = [(row, opcode) for row in self.rows for opcode in row.opcodes]
        stations = {line.station for line in self.lines}
        pairs = [paired(line for line in self.lines if line.station == station) for station in stations]
        return {
            "messages": counted(line.type for line in self.lines),
            **{key: sum(pair[key] for pair in pairs) for key in ("exchanges", "orphans", "unanswered")},
            "connections": self._connections(),
            "http": self._http(),
            "pings": sum(opcode == 9 for _, opcode in opcodes),
            "closes": [
                f"{'station' if self._from_client(row) else 'csms'} {code}" for row in self.rows for code in row.codes
            ],
            "conversation": [str(line) for line in self.lines],
        }

    def _connections(self) -> list[dict[str, str]]:
        streams: dict[int, list[Row]] = {}
        for row in self.rows:
            streams.setdefault(row.stream, []).append(row)
        result = []
        for number, packets in streams.items():
            client = self._clients.get(number, packets[0].source)
            server = next((row.source for row in packets if row.source != client), packets[0].destination)
            ends = [row for row in packets if row.flags & (_FIN | _RST)]
            fins = {row.source for row in ends if row.flags & _FIN}
            end = by = ""
            if ends:
                by = "client" if ends[0].source == client else "server"
                answered = any(row.flags & (_SYN | _ACK) == _SYN | _ACK for row in packets)
                midway = not packets[0].flags & _SYN
                refused = ends[0].flags & _RST and not answered and not midway
                end = "refused" if refused else "rst" if ends[0].flags & _RST else "fin"
                if end == "fin" and len(fins) == 1 and not any(row.flags & _RST for row in ends):
                    end = by = ""
            protocol = "http" if any(row.method or row.status for row in packets) else ""
            if any(row.opcodes or row.status == "101" for row in packets):
                protocol = "websocket"
            result.append(
                {
                    "client": endpoint(client),
                    "server": endpoint(server),
                    "protocol": protocol,
                    "end": end or "end-of-capture",
                    "by": by,
                }
            )
        return result

    def _http(self) -> list[str]:
        result: list[str] = []
        open_: dict[int, int] = {}
        for row in self.rows:
            if row.method:
                open_[row.stream] = len(result)
                result.append(f"{row.method} {row.uri} -")
            elif row.status and row.stream in open_:
                at = open_.pop(row.stream)
                result[at] = result[at][:-1] + row.status
            elif row.status:
                result.append(f"? {row.status}")
        return result


def _taken_apart(text: str) -> tuple[MessageType | None, str, str]:
    try:
        array = json.loads(text)
        type_ = MessageType(array[0])
    except (ValueError, TypeError, IndexError, KeyError):
        return None, "", ""
    id_ = array[1] if isinstance(array[1], str) else str(array[1])
    return type_, id_, array[2] if type_ in (MessageType.CALL, MessageType.SEND) else ""


def _envelope(text: str, call: Line | None) -> Line:
    """By local names, for some stacks use prefixes that they do not declare."""
    root = ET.fromstring(re.sub(r"(</?)\w+:|\s\w+:(?=\w+=)", lambda match: match[1] or " ", text))
    found = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    if call is not None:
        sender: Sender = "csms" if call.sender == "station" else "station"
        type_ = MessageType.CALLERROR if "Fault" in found else MessageType.CALLRESULT
        return Line(call.station, sender, type_, call.id, call.action, text)
    # The payload is in the namespace of the service that is called: Cs, the central system's, or Cp. It is declared in
    # the body, else before.
    before, _, body = text.partition("Body")
    service = re.search(r"urn://Ocpp/C([sp])/", body) or re.search(r"urn://Ocpp/C([sp])/", before)
    sender = "station" if service is not None and service[1] == "s" else "csms"
    return Line(
        found.get("chargeBoxIdentity", ""),
        sender,
        MessageType.CALL,
        found.get("MessageID", ""),
        found.get("Action", "").lstrip("/"),
        text,
    )


if __name__ == "__main__":
    key = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(dump(Opinion(Path(sys.argv[1]), keylog=key).facts()))
