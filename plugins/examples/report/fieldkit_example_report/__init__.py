"""``fieldkit report --plugin example-report -o site.prom``: how often each finding occurred, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar


def write(report: Mapping[str, Any]) -> str:
    """In the exposition format. Names of stations are what stations sent: they are escaped as it says."""
    lines = ["# HELP fieldkit_finding_count How often a finding occurred.", "# TYPE fieldkit_finding_count gauge"]
    for finding in report["findings"]:
        labels = {key: str(finding[key]) for key in ("id", "severity", "owner", "station")}
        told = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
        lines.append(f"fieldkit_finding_count{{{told}}} {int(finding['count'])}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.report(".prom", write)
