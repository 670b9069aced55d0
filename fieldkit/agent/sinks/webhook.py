"""Findings by HTTPS POST, as {"messages": […]}: for ticket systems, chat and CPMS back ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fieldkit import __version__
from fieldkit.agent import secretfile
from fieldkit.agent.sinks import tls
from fieldkit.agent.sinks.shared import Message, Refused, SinkError, SinkSettings
from fieldkit.config import Table
from fieldkit.sources.upload import parse_url

TIMEOUT: Final = 30.0
"""Seconds without a byte."""
MAX_BATCH: Final = 50
"""Messages in one request: servers limit bodies, some to 256 KiB."""
LATER: Final = (408, 409, 423, 425, 429)
"""Answers below 500 that may be others in a while."""
_LONGEST: Final = 3600.0
_HEADERS: Final = 400
"""Bytes of a request and its answer besides the body, TLS included."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of [sinks.NAME] with type = "webhook"."""

    url: str
    token_file: str
    tls: tls.TlsSettings
    batch: int


def read(table: Table) -> Options:
    """Its table."""
    url = table.needed("url", hint="https://HOST/PATH")
    try:
        if url:
            parse_url(url)
    except ValueError as error:
        table.complain("url", str(error).replace("set FIELDKIT_UPLOAD_TOKEN, or use ~/.netrc", "use token_file"))
    return Options(
        url, secretfile.named(table, "token_file"), tls.TlsSettings.read(table), table.whole("batch", 20, 1, MAX_BATCH)
    )


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> WebhookSink:
    """Connects when there is something to send."""
    return WebhookSink(settings.options)


class WebhookSink:
    """One connection a batch: uplinks of routers forget idle ones."""

    def __init__(self, options: Options) -> None:
        self._url = urlsplit(options.url)
        self._target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._batch = options.batch
        self._context = tls.context(options.tls)
        self._token = ""
        if options.token_file:
            try:
                self._token = secretfile.read(options.token_file).decode("ascii")
            except (secretfile.SecretError, UnicodeDecodeError) as error:
                raise SinkError(str(error)) from None

    def send(self, findings: Sequence[Message]) -> None:
        """As many requests as it takes."""
        taken: set[str] = set()
        for begin in range(0, len(findings), self._batch):
            part = findings[begin : begin + self._batch]
            try:
                self._post(part)
            except SinkError as error:
                error.taken = frozenset(taken)
                raise
            taken.update(str(one["message"]) for one in part)

    def cost(self, message: Message) -> int:
        """With its share of headers."""
        return len(json.dumps(message)) + _HEADERS

    def close(self) -> None:
        """Nothing is open."""

    def _post(self, part: Sequence[Message]) -> None:
        body = json.dumps({"messages": list(part)}, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"fieldkit/{__version__}",
            # The same content again has the same key: a server that keeps keys takes it once.
            "Idempotency-Key": str(part[0]["message"]) + f"-{len(part)}",
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        host = self._url.hostname or ""
        try:
            with closing(
                http.client.HTTPSConnection(host, self._url.port, timeout=TIMEOUT, context=self._context)
            ) as connection:
                connection.request("POST", self._target, body, headers)
                answer = connection.getresponse()
                answer.read(1 << 16)
        except OSError as error:
            raise SinkError(f"{host}: {tls.explained(error)}") from error
        except http.client.HTTPException as error:
            raise SinkError(f"{host}: no proper answer: {type(error).__name__}") from error
        if 200 <= answer.status < 300:
            return
        retry = answer.headers.get("Retry-After", "")
        pause = min(float(retry), _LONGEST) if retry.isdigit() else 0.0
        text = f"{host}: it answers {answer.status}"
        if answer.status == 400 or answer.status == 422:
            raise Refused(f"{text}: it will not take these messages")
        if 300 <= answer.status < 400:
            text += "; redirections are not followed: give the address it points to"
        raise SinkError(text, pause=pause)
