"""What the stages say to each other while the captures in the repository are decoded: seeds for fuzz targets.

To be imported where a target imports fieldkit, inside of ``instrumented``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from fieldkit.events import Sender
from fieldkit.ocpp import soap
from fieldkit.ocpp.conversation import Conversation
from fieldkit.pipeline import Pipeline
from fieldkit.wire.container import CaptureReader
from fieldkit.wire.http import HttpLayer
from fieldkit.wire.tls import TlsLayer
from fieldkit.wire.tlskeys import KeyLog
from fieldkit.wire.websocket import WebSocketReader
from tests.fuzz.harness import Piece

CAPTURES: Final = Path(__file__).parents[2] / "captures"

CLIENT: Final = 0
SERVER: Final = 1
SIDES: Final = {True: CLIENT, False: SERVER}

LARGEST: Final = 256 << 10
"""Captures beyond it are for other tests."""


def capture_files() -> list[Path]:
    return [
        path
        for path in sorted(CAPTURES.rglob("*"))
        if path.suffix in (".pcap", ".pcapng", ".gz") and path.stat().st_size <= LARGEST
    ]


@cache
def key_log() -> str:
    """All the secrets there are."""
    return "".join(path.read_text() for path in sorted(CAPTURES.rglob("*.keylog")))


class Overheard:
    """By stage, one entry for each of its instances or calls."""

    def __init__(self) -> None:
        self.http: list[list[Piece]] = []
        self.tls: list[list[Piece]] = []
        self.websocket: list[tuple[bool, bool, list[bytes]]] = []
        """(from the client, compressed, its segments)"""
        self.envelopes: list[tuple[bytes, str]] = []
        """(body, content type)"""
        self.conversations: list[tuple[str, list[tuple[Sender, bytes]]]] = []
        """(version, its messages)"""


@cache
def overheard() -> Overheard:
    """Decode every capture once, and listen."""
    heard = Overheard()
    with _listening(heard):
        for path in capture_files():
            keys = KeyLog()
            keys.add(key_log())
            reader, pipeline = CaptureReader(), Pipeline(path.name, keys=keys)
            for item in (*reader.feed(path.read_bytes()), *reader.finish()):
                pipeline.feed_packets(item)
            pipeline.finish()
    return heard


@contextmanager
def _listening(heard: Overheard) -> Iterator[None]:
    by_object: dict[int, tuple[object, Any]] = {}

    def entry(instance: object, make: Callable[[], Any]) -> Any:
        if id(instance) not in by_object:
            by_object[id(instance)] = (instance, make())  # the instance is kept so that its id stays its own
        return by_object[id(instance)][1]

    def appended(to: list[Any], value: Any) -> Any:
        to.append(value)
        return value

    def on_http(layer: HttpLayer, from_client: bool, data: bytes) -> None:
        entry(layer, lambda: appended(heard.http, [])).append((SIDES[from_client], data))

    def on_tls(layer: TlsLayer, from_client: bool, data: bytes) -> None:
        entry(layer, lambda: appended(heard.tls, [])).append((SIDES[from_client], data))

    def on_websocket(reader: Any, data: bytes) -> None:
        made: tuple[bool, bool, list[bytes]] = (reader._from_client, reader._inflater is not None, [])
        entry(reader, lambda: appended(heard.websocket, made))[2].append(data)

    def on_message(conversation: Conversation, data: bytes, sender: Sender) -> None:
        made: tuple[str, list[Any]] = (conversation.channel.version, [])
        entry(conversation, lambda: appended(heard.conversations, made))[1].append((sender, data))

    def on_envelope(body: bytes, content_type: str) -> None:
        heard.envelopes.append((body, content_type))

    with ExitStack() as stack:
        for owner, name, tell in (
            (HttpLayer, "feed", on_http),
            (TlsLayer, "feed", on_tls),
            (WebSocketReader, "feed", on_websocket),
            (Conversation, "feed", on_message),
            (soap, "parse_envelope", on_envelope),
        ):
            stack.enter_context(patch.object(owner, name, _telling(getattr(owner, name), tell)))
        yield


def _telling(original: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
    """A function that does what the original does, and lets us know."""
    told = tell.__code__.co_argcount

    def telling(*arguments: Any) -> Any:
        tell(*arguments[:told])
        return original(*arguments)

    return telling
