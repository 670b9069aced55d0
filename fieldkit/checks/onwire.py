"""What the checks of connections share: names of endpoints, quoted text from the wire, tables with a bound."""

from __future__ import annotations

from typing import Final, TypeVar

from fieldkit.events import Connection, Endpoint

_K = TypeVar("_K")
_V = TypeVar("_V")

MAX_SHOWN: Final = 80
"""Characters of one text from the wire inside of a sentence."""
MAX_PENDING: Final = 2_000
"""Connections whose verdict is waited for."""
MAX_STATIONS: Final = 10_000
"""Stations of which something is remembered."""


def endpoint(end: Endpoint) -> str:
    """As in "203.0.113.5:8080", "[2001:db8::5]:443"."""
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"


def server_of(connection: Connection) -> str:
    """Address and port of its server."""
    return endpoint(connection.server)


def quoted(text: str) -> str:
    """Text from the wire in quotation marks, cut where it is long."""
    shown = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return f'"{shown}"'


def bounded(table: dict[_K, _V], most: int = MAX_PENDING) -> dict[_K, _V]:
    """The table with room for one more: the oldest makes way."""
    if len(table) >= most:
        del table[next(iter(table))]
    return table
