"""The document of ``fieldkit tls`` as JSON, in one line of ASCII: a terminal would obey what a server sent."""

from __future__ import annotations

import json

from fieldkit.reports.tlsreport import TlsReport


def render(report: TlsReport) -> str:
    """The whole document."""
    return json.dumps(report, allow_nan=False, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n"
