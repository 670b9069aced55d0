"""Serial devices beside the traffic: what a child reads from them comes into the same session."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from fieldkit.agent.helpers import Helper, Tell
from fieldkit.agent.settings import SerialSettings
from fieldkit.events import ConsoleSighting, DeviceReading, Event

MAX_WAITING: Final = 10_000
"""Readings that wait for the loop."""


class DeviceLane:
    """One of them."""

    def __init__(self, settings: SerialSettings, ring: Callable[[], None], tell: Tell) -> None:
        self.helper = Helper(f"device on {settings.port}", command(settings), self._on_line, tell)
        self._ring = ring
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._lock = threading.Lock()
        self._number = 0

    def taken(self) -> list[Event]:
        """What it has said since the last time."""
        if not self._waiting:
            return []
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
        return events

    def _on_line(self, told: dict[str, Any]) -> None:
        found: list[Event] = []
        port = str(told.get("port", ""))
        self._number += 1
        for reading in told.get("readings", ()):
            found.append(_reading(reading, port, self._number))
        if isinstance(told.get("reading"), dict):
            found.append(_reading({**told["reading"], "time": told["time"]}, port, self._number))
        if isinstance(told.get("event"), dict):
            seen = told["event"]
            found.append(
                ConsoleSighting(
                    _time(told["time"]), (self._number,), port, str(seen.get("kind", "")), bool(seen.get("grave")),
                    {str(key): str(value) for key, value in dict(seen.get("values") or {}).items()},
                    str(told.get("text", "")),
                )
            )  # fmt: skip
        if found:
            with self._lock:
                self._waiting.extend(found)
            self._ring()


def command(settings: SerialSettings) -> list[str]:
    """``fieldkit serial read`` (asked) or ``listen`` (only heard) as a child."""
    line = ["--line", settings.line] if settings.line else []
    device = ["--device", settings.device] if settings.device else []
    if settings.every:
        return [
            "serial",
            "read",
            "--quiet",
            "--every",
            f"{settings.every:g}s",
            "--json",
            "-",
            *line,
            *device,
            settings.port,
        ]
    return ["serial", "listen", "--quiet", "--format", "events", *line, *device, settings.port]


def _reading(told: dict[str, Any], port: str, number: int) -> DeviceReading:
    value = told.get("value")
    return DeviceReading(
        time=_time(told["time"]), frames=(number,), port=port,
        dialect=str(told.get("dialect", "")), device=str(told.get("device", "")), name=str(told.get("name", "")),
        value=value if isinstance(value, float | str) or value is None else float(value),
        unit=str(told.get("unit", "")), measurand=str(told.get("measurand", "")), phase=str(told.get("phase", "")),
        raw=str(told.get("raw", "")), verified=bool(told.get("verified")),
    )  # fmt: skip


def _time(text: str) -> int:
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
