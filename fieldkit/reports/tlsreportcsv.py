"""The document of ``fieldkit tls`` as CSV: a row for each requirement and each finding of each target."""

from __future__ import annotations

import csv
import io
from typing import Final

from fieldkit.reports.tlsreport import TlsReport
from fieldkit.safetext import csv_cell

COLUMNS: Final = ("target", "address", "interface", "kind", "id", "edition", "profile", "result", "title", "text")


def render(report: TlsReport) -> str:
    """All rows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for finding in report["findings"]:
        values = [finding["target"], "", "", "finding", finding["id"], "", "", finding["severity"], finding["title"]]
        writer.writerow([csv_cell(str(value)) for value in (*values, finding["explanation"])])
    for target in report["targets"]:
        place = [target["target"], target["address"], target["interface"]]
        if not target["reachable"]:
            row = [*place, "target", "unreachable", "", "", "fail", "the target can be reached", target["error"]]
            writer.writerow(map(csv_cell, row))
        for one in target["requirements"]:
            values = [
                "requirement",
                one["id"],
                one["edition"],
                str(one["profile"]),
                one["result"],
                one["title"],
                one["why"],
            ]
            writer.writerow(map(csv_cell, (*place, *values)))
    return out.getvalue()
