"""What goes wrong with the agent itself, as findings like all others; and its numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fieldkit import __version__
from fieldkit.checks.collector import Collected, Collector
from fieldkit.checks.finding import Finding, Kind, Severity

_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_REFERENCE: Final = "docs/agent.md"


def _kind(name: str, severity: Severity, title: str, explanation: str, advice: str) -> Kind:
    return Kind(f"agent.{name}", severity, "operator", title, explanation, advice, _REFERENCE)


KINDS: Final[dict[str, Kind]] = {
    kind.id.partition(".")[2]: kind
    for kind in (
        _kind("source-lost", "warning", "The agent cannot listen where it should",
              "{what}: {why}. It is tried again; until then nobody watches there.",
              "Check the interface's name and the router behind it: fieldkit doctor says what works."),
        _kind("packets-lost", "warning", "Packets came faster than the agent took them",
              "{what}. Findings of that time may be missing.",
              "Raise capture.buffer or agent.cpu, or choose hosts and ports in [capture]."),
        _kind("outbox-full", "warning", "Findings were given up before they could be sent",
              "{what}: the outbox has reached its size or age.",
              "Look at what keeps the sink from taking them; raise outbox.size or outbox.age."),
        _kind("outbox-damaged", "warning", "The outbox was damaged and has been mended",
              "{what}.", "Flash that damages files is near its end: watch it, or put agent.state elsewhere."),
        _kind("outbox-unusable", "critical", "The outbox cannot be kept on disk",
              "{what}.", "Free space, or give the agent's user a folder it may write to (agent.state, agent.run)."),
        _kind("sink-failing", "warning", "A sink takes no findings",
              "{what} has taken nothing for {how_long}: {why}. They wait and are not lost.",
              "Check the address, the credentials and the uplink."),
        _kind("sink-refuses", "warning", "A sink refuses a message for good",
              "{what}: {why}. It is not sent there again.", "Compare the limits of the receiving side."),
        _kind("budget-spent", "info", "The uplink's budget of today is spent",
              "{what} has carried {spent} of {budget} bytes today: {left_out}.",
              "Raise uplinks.budget, or raise the sink's severity."),
        _kind("clock-stepped", "info", "The router's clock was set",
              "It was set by {by}. {corrected}", "Nothing to do, unless it happens again and again: then check NTP."),
        _kind("memory", "warning", "The diagnosis began anew to free memory",
              "The agent had reached {size} of {limit} MB. Findings that need a longer view may be late.",
              "Raise agent.memory_limit if the router has it, or choose hosts in [capture]."),
        _kind("recording-failed", "warning", "Packets are not recorded",
              "{why}. The diagnosis goes on; recording is tried again.", "Free space, or change ring.folder."),
        _kind("upload-failed", "info", "Captures could not be uploaded", "{why}. They wait.",
              "Check upload.url, its token and the uplink."),
        _kind("helper-failed", "info", "A part of the agent has no answer",
              "{what}: {why}. It is tried again.", "Run the command by hand: it says more."),
        _kind("missing", "info", "A part of the agent is not installed", "{what}.",
              "Nothing to do, unless it is wanted here."),
        _kind("reload-failed", "warning", "The new configuration was not taken",
              "{why}. The agent goes on with the one it had.", "fieldkit agent check-config says all that is wrong."),
        _kind("check-failed", "info", "A check of fieldkit failed and is switched off", "{what}.",
              "This is a fault of fieldkit: please report it."),
    )
}  # fmt: skip
"""By their names without "agent."."""


@dataclass(slots=True)
class Health:
    """Of one agent."""

    now: Callable[[], int]
    collector: Collector = field(default_factory=Collector)
    numbers: dict[str, float] = field(default_factory=dict)
    """Gauges and counters that others set, by their names in OpenMetrics without "fieldkit_agent_"."""
    sinks: dict[str, dict[str, float]] = field(default_factory=dict)
    """The same of each sink."""
    _begun: float = field(default_factory=time.monotonic)

    def raise_(self, name: str, *, group: str = "", **values: object) -> list[Collected]:
        """Something has gone wrong; the finding, if it is new."""
        finding = Finding(KINDS[name], self.now(), "", (), values, group=group)
        return self.collector.add([finding])

    def document(self) -> dict[str, Any]:
        """All numbers, for a message and for ``status``."""
        return {
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._begun),
            "memory_bytes": resident(),
            "cpu_s": round(time.process_time(), 2),
            **{name: _plain(value) for name, value in self.numbers.items()},
            "sinks": {name: {key: _plain(v) for key, v in told.items()} for name, told in self.sinks.items()},
        }

    def metrics(self, labels: Mapping[str, str]) -> str:
        """OpenMetrics 1.0; every name ends with what the standard wants of its type."""
        told = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
        lines: list[str] = []
        own = {"memory_bytes": float(resident()), "cpu_seconds_total": time.process_time(),
               "uptime_seconds": time.monotonic() - self._begun, **self.numbers}  # fmt: skip
        for name, value in sorted(own.items()):
            lines += [*_head(name), f"fieldkit_agent_{name}{{{told}}} {value:g}"]
        for name in sorted({name for of in self.sinks.values() for name in of}):
            lines += _head(f"sink_{name}")
            lines += [
                f'fieldkit_agent_sink_{name}{{{told},sink="{_quoted(sink)}"}} {of[name]:g}'
                for sink, of in sorted(self.sinks.items())
                if name in of
            ]
        return "\n".join([*lines, "# EOF", ""])


def resident() -> int:
    """Bytes of memory that this process takes; 0 where nobody tells."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _head(name: str) -> list[str]:
    counter = name.endswith("_total")
    return [f"# TYPE fieldkit_agent_{name.removesuffix('_total')} {'counter' if counter else 'gauge'}"]


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 3)
