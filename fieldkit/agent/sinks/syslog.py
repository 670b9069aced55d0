"""Findings as RFC 5424 messages, over UDP (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425).

Syslog has no acknowledgements: what was written to a connection that broke a moment later is lost there. Whoever must
have every finding takes MQTT, a webhook or a file.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from fieldkit.agent.sinks import tls
from fieldkit.agent.sinks.shared import Message, SinkError, SinkSettings
from fieldkit.config import Table
from fieldkit.safetext import shorten

TIMEOUT: Final = 15.0
MAX_UDP: Final = 1180
"""Bytes of a datagram: what every IPv6 path takes unfragmented, less headers (RFC 5426 §3.2)."""
MAX_STREAM: Final = 8192
"""Bytes of a message on a stream (RFC 5425 §4.3.1: receivers should take as many)."""
_SEVERITY: Final = {"critical": 2, "warning": 4, "info": 6}
"""RFC 5424 §6.2.1: critical, warning, informational."""
_ID: Final = "fieldkit@32473"
"""Of the structured data. 32473 is the enterprise number that RFC 5612 sets aside for such as have none."""
_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
_FIELDS: Final = (
    "message", "uid", "site", "id", "severity", "owner", "station", "connector", "transaction", "count", "first",
    "last",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "syslog"."""

    way: str
    host: str
    port: int
    facility: int
    tls: tls.TlsSettings


def read(table: Table) -> Options:
    """Its table."""
    url = table.needed("url", pattern=r"(udp|tcp|tls)://[^\s/@]+/?", hint="udp://, tcp:// or tls:// and HOST[:PORT]")
    host, port, way = "", 0, "udp"
    try:
        parts = urlsplit(url)
        host, way = parts.hostname or "", parts.scheme
        port = parts.port or _PORTS.get(way, 0)
    except ValueError:
        table.complain("url", "the port is no number")
    return Options(way, host, port, table.whole("facility", 16, 0, 23), tls.TlsSettings.read(table))


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> SyslogSink:
    """Connects when there is something to send."""
    return SyslogSink(settings.options, who[1])


class SyslogSink:
    """One socket."""

    def __init__(self, options: Options, agent: str) -> None:
        self._options = options
        self._agent = agent
        self._context = tls.context(options.tls) if options.way == "tls" else None
        self._socket: socket.socket | None = None

    def send(self, findings: Sequence[Message]) -> None:
        """In order."""
        taken: set[str] = set()
        try:
            for message in findings:
                self._write(message)
                taken.add(str(message["message"]))
        except OSError as error:
            self.close()
            raise SinkError(f"{self._options.host}: {tls.explained(error)}", taken=frozenset(taken)) from error

    def cost(self, message: Message) -> int:
        """With headers of IP and TCP or UDP."""
        return len(rendered(message, self._agent, self._options.facility)) + 60

    def close(self) -> None:
        """Orderly, where TLS allows it."""
        opened, self._socket = self._socket, None
        if opened is not None:
            with suppress(OSError):
                if isinstance(opened, ssl.SSLSocket):
                    opened.settimeout(2)
                    opened.unwrap()
            opened.close()

    def _write(self, message: Message) -> None:
        data = rendered(message, self._agent, self._options.facility)
        if self._socket is None:
            self._socket = self._connect()
        if self._options.way == "udp":
            self._socket.send(data[:MAX_UDP])
            return
        if self._broken(self._socket):
            self.close()
            self._socket = self._connect()
        data = data[:MAX_STREAM]
        self._socket.sendall(b"%d %s" % (len(data), data))

    @staticmethod
    def _broken(opened: socket.socket) -> bool:
        """A server that has closed has sent an end: what is written now would go nowhere, without an error."""
        opened.setblocking(False)
        try:
            return opened.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            opened.settimeout(TIMEOUT)

    def _connect(self) -> socket.socket:
        options = self._options
        if options.way == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_DGRAM)[
                0
            ]
            made = socket.socket(family, kind, protocol)
            made.connect(address)
            return made
        plain = socket.create_connection((options.host, options.port), TIMEOUT)
        if self._context is None:
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=options.host)
        except BaseException:
            plain.close()
            raise


def rendered(message: Message, agent: str, facility: int) -> bytes:
    """As RFC 5424 §6 has it."""
    priority = facility * 8 + _SEVERITY.get(str(message.get("severity", "info")), 6)
    time = str(message.get("last") or message.get("time") or "")
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) is None:
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    told = " ".join(f'{name}="{_escaped(message[name])}"' for name in _FIELDS if message.get(name) not in (None, ""))
    station = f"{message['station']}: " if message.get("station") else ""
    text = f"{station}{message.get('title', message.get('text', ''))}. {message.get('explanation', '')}".strip()
    head = (
        f"<{priority}>1 {time} {_name(agent, 255)} fieldkit - {_name(str(message.get('id', '-')), 32)} [{_ID} {told}]"
    )
    return f"{head} {_printable(text)}".encode()


def _name(text: str, longest: int) -> str:
    """PRINTUSASCII without spaces."""
    return re.sub(r"[^\x21-\x7e]", "-", text)[:longest] or "-"


def _escaped(value: Any) -> str:
    """§6.3.3: backslash, quote and bracket; control characters have no business in a log."""
    return re.sub(r'(["\\\]])', r"\\\1", _printable(shorten(str(value), 300)))


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
