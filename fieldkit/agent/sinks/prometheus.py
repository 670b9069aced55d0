"""The agent's numbers for Prometheus: a file for node_exporter's textfile collector, or a listener on this machine.

The text is OpenMetrics 1.0, as both understand it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

from fieldkit.agent.sinks.mqtt import is_loopback
from fieldkit.agent.sinks.shared import Message, SinkError, SinkSettings
from fieldkit.config import Table

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PATIENCE: Final = 10.0
"""Seconds that a scraper may take for its request."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "prometheus"."""

    path: str
    every: float
    host: str
    port: int


def read(table: Table) -> Options:
    """Its table."""
    path = table.text("path", pattern=r"/[^\0]*\.prom", hint="an absolute path that ends in .prom")
    listen = table.text("listen", pattern=r"[^\s:]+:\d{1,5}", hint="127.0.0.1:9110")
    host, _, port = listen.rpartition(":")
    if listen and not is_loopback(host):
        table.complain("listen", "only on this machine (127.0.0.1): the agent has no door to the network")
    if listen and not 0 <= int(port) < 1 << 16:
        table.complain("listen", "there is no such port")
    if not path and not listen:
        table.complain("", "path = (a .prom file) or listen = is missing")
    return Options(path, table.duration("every", "15s", least=1), host, int(port or 0))


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> PrometheusSink:
    """The listener begins with the first use."""
    return PrometheusSink(settings.options, metrics)


class PrometheusSink:
    """Takes no findings: it has the numbers of all of them."""

    categories: tuple[str, ...] = ()

    def __init__(self, options: Options, metrics: Callable[[], str]) -> None:
        self._options = options
        self._metrics = metrics
        self._due = 0.0
        self._server: HTTPServer | None = None

    def send(self, findings: Sequence[Message]) -> None:
        """Nothing to do: it is the numbers that count."""

    def idle(self, seconds: float) -> None:
        """Write the file when it is time, start the listener when it is not there."""
        if self._options.port and self._server is None:
            self._listen()
        now = time.monotonic()
        if self._options.path and now >= self._due:
            self._due = now + self._options.every
            self._write()
        time.sleep(seconds)

    def close(self) -> None:
        """The last numbers must not look like the present ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._options.path:
            Path(self._options.path).unlink(missing_ok=True)

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def _write(self) -> None:
        path = Path(self._options.path)
        draft = path.with_name(f".{path.name}.{os.getpid()}")  # the collector reads *.prom only
        try:
            draft.write_text(self._metrics(), "utf-8")
            draft.chmod(0o644)
            draft.replace(path)
        except OSError as error:
            raise SinkError(f"{path}: {error.strerror or error}") from error

    def _listen(self) -> None:
        metrics = self._metrics

        class Answer(BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_GET(self) -> None:  # http.server calls it so
                found = self.path.split("?")[0] == "/metrics"
                body = metrics().encode() if found else b"see /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Not every scrape is worth a line."""

        try:
            self._server = HTTPServer((self._options.host, self._options.port), Answer)
        except OSError as error:
            raise SinkError(f"{self._options.host}:{self._options.port}: {error.strerror or error}") from error
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
