"""Appends findings to the file that the environment variable EXAMPLE_SINK_FILE names, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar


class FileSink:
    """What it raises, fieldkit tells: there is nothing to catch here."""

    def __init__(self) -> None:
        self._path = Path(os.environ["EXAMPLE_SINK_FILE"])

    def send(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """Append."""
        with self._path.open("a", encoding="utf-8") as file:
            for finding in findings:
                file.write(json.dumps(finding, ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Nothing is kept open."""


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.sink("example-file", FileSink)
