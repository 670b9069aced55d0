"""``python -m tests.traffic.make_findings``: docs/findings.md from the checks and the prober. ``--check`` only compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fieldkit.checks.runner import known_checks
from fieldkit.reports.catalogue import markdown
from fieldkit.sources.tlsprobe.kinds import KINDS

TARGET = Path(__file__).parents[2] / "docs" / "findings.md"


def main(arguments: Sequence[str]) -> int:
    wanted = markdown(known_checks(), KINDS.values())
    if "--check" in arguments:
        return TARGET.read_text("utf-8") != wanted
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
