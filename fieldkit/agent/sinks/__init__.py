"""Where findings go. A sink is what a plugin of kind "sink" is (``fieldkit.plugins.kinds.Sink``); these are our own.

Each module here has ``read`` (its table of the configuration, understood) and ``open_sink``. What a sink raises says
whether it is worth trying again (``shared.SinkError``); what it does not raise has arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from fieldkit.agent.sinks.shared import SinkSettings
from fieldkit.config import Table
from fieldkit.plugins.kinds import Sink

TYPES: Final = {
    "file": "JSON lines in a file that is turned over",
    "stdout": "JSON lines on standard output",
    "mqtt": "an MQTT broker, 3.1.1 or 5, with QoS 1",
    "webhook": "HTTPS POST",
    "syslog": "RFC 5424 over UDP, TCP or TLS",
    "prometheus": "metrics for node_exporter's textfile collector, or a listener on this machine",
    "plugin": "what a plugin brings",
}
"""The types that a configuration may name."""
LOCAL: Final = ("file", "stdout", "prometheus")
"""Sinks that send nothing over an uplink."""
_SEVERITIES: Final = ("critical", "warning", "info")


def read(name: str, table: Table) -> SinkSettings | None:
    """Of a table [sinks.NAME]; None where it has no type that is known."""
    kind = table.needed("type", hint=f"one of {', '.join(TYPES)}")
    if kind not in TYPES:
        if kind:
            table.complain("type", f"{kind!r}: give one of {', '.join(TYPES)}")
        return None
    severity = table.choice("severity", _SEVERITIES, "info")
    counted = table.flag("budget", default=True) and kind not in LOCAL
    return SinkSettings(name, kind, severity, counted, _module(kind).read(table))


def open_sink(settings: SinkSettings, who: tuple[str, str], metrics: Callable[[], str]) -> Sink:
    """Make one; ``who`` is site and agent, ``metrics`` gives the numbers in the words of OpenMetrics.

    It connects when it is first used, by whatever thread uses it. SinkError when it can never work.
    """
    made: Sink = _module(settings.type).open_sink(settings, who, metrics)
    return made


def _module(kind: str) -> Any:
    return import_module(f"fieldkit.agent.sinks.{kind}")
