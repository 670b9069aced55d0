"""Findings as JSON lines on standard output: for containers, whose runtime collects it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fieldkit.agent.sinks.file import line
from fieldkit.agent.sinks.shared import Message, SinkError, SinkSettings
from fieldkit.config import Table


@dataclass(frozen=True, slots=True)
class Options:
    """There are none."""


def read(table: Table) -> Options:
    """Its table."""
    return Options()


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> StdoutSink:
    """Standard output is there already."""
    return StdoutSink()


class StdoutSink:
    """Whoever started the agent reads it."""

    def send(self, findings: Sequence[Message]) -> None:
        """At once."""
        try:
            sys.stdout.buffer.write(b"".join(map(line, findings)))
            sys.stdout.buffer.flush()
        except (OSError, ValueError) as error:
            raise SinkError(f"standard output: {error}") from error

    def close(self) -> None:
        """It is not ours to close."""
