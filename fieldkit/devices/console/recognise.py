"""Lines of a console → what they mean, by the table of patterns. And whether sending is safe just now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fieldkit.devices.console.patterns import MBEDTLS, PATTERNS, Pattern
from fieldkit.events import ConsoleLine, ConsoleSighting

COUNTDOWN: Final = 30_000_000_000
"""Nanoseconds for which nothing may be sent after a sign of a boot: the longest countdowns are ten seconds."""

_BOOTING: Final = ("boot.countdown", "boot.loader", "boot.download", "reset.")
_BOOTED: Final = ("boot.kernel", "login.", "boot.prompt")


class Recogniser:
    """See the module."""

    def __init__(self, patterns: Sequence[Pattern] = PATTERNS) -> None:
        self._rows = [(row, re.compile(row.expression)) for row in patterns]
        self._blocked_until = 0
        self.at_loader = False
        """A boot loader's prompt stands there: what is typed now can erase the flash."""
        self.shell = False
        """A shell's prompt stands there."""

    def feed(self, line: ConsoleLine) -> list[ConsoleSighting]:
        """What a line means: nothing, mostly."""
        text = line.text
        found: list[ConsoleSighting] = []
        for row, expression in self._rows:
            if row.needle not in text:
                continue
            match = expression.search(text)
            if match is None:
                continue
            values = {name: value.strip() for name, value in match.groupdict().items() if value is not None}
            values.update(row.fixed)
            if row.kind == "tls.error" and "code" in values:
                values["cause"] = MBEDTLS.get(values["code"], "")
            found.append(ConsoleSighting(line.time, line.frames, line.port, row.kind, row.grave, values, text))
        # What has a name of its own is not also just an error.
        if len(found) > 1:
            found = [sighting for sighting in found if sighting.kind not in _GENERAL] or found[:1]
        self._watch(line, found)
        return found

    def _watch(self, line: ConsoleLine, found: list[ConsoleSighting]) -> None:
        self.at_loader = self.shell = False
        for sighting in found:
            if sighting.kind.startswith(_BOOTED):
                self._blocked_until = 0
                self.at_loader = sighting.kind == "boot.prompt"
                self.shell = sighting.kind == "login.shell"
            elif sighting.kind.startswith(_BOOTING):
                self._blocked_until = line.time + COUNTDOWN

    def blocked(self, now: int) -> bool:
        """Nothing may be sent: a byte now could stop the boot, or lead a loader to wait for a download."""
        return now < self._blocked_until


_GENERAL: Final = frozenset(("esp.error", "everest.error", "ocpp.warning"))
