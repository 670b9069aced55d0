"""What a plugin of each kind has to be: short protocols. Router adapters have theirs in ``links.adapter``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from fieldkit.events import Event


@runtime_checkable
class Sink(Protocol):
    """Delivers findings somewhere. It may raise; what it has not taken is told, and offered to nobody else."""

    def send(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Findings as ``report --json`` has them, id tokens masked."""

    def close(self) -> None:
        """There will be no more."""


@runtime_checkable
class ReportWriter(Protocol):
    """Makes a document of a report."""

    def __call__(self, report: Mapping[str, Any]) -> str | bytes:
        """``report`` is the document of ``report --json``, whose texts are what stations sent: see ``safetext``."""


@runtime_checkable
class Decoder(Protocol):
    """Reads out of events what fieldkit does not: a vendor's DataTransfer, a protocol beside OCPP.

    A class; one is made for each run. ``wants`` names the classes of events it is asked about at all.
    """

    wants: frozenset[type[Event]]

    def claims(self, event: Event) -> bool:
        """Whether it can read this one: quickly, as it is asked about each."""

    def feed(self, event: Event) -> Iterable[Event]:
        """What it reads out of it: ``DeviceReading``, ``ConsoleSighting``, ``DecodeError``."""
