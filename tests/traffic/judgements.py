"""What fieldkit must find in each committed capture: ``captures/findings.toml``, read and written.

``python -m tests.traffic.judgements`` writes into it what is found now, and keeps what a person has judged (``healthy``
and ``because``); ``git diff captures/findings.toml`` then shows what has changed. ``--check`` only compares.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from fieldkit.checks.finding import SEVERITIES
from fieldkit.session import Session as Diagnosis
from tests.traffic.diagnosed import diagnose_file
from tests.traffic.expectations import CAPTURES, captured, load

TARGET: Final = CAPTURES / "findings.toml"
DEMO: Final = CAPTURES.parent / "fieldkit" / "demo" / "site.pcapng.gz"
HEAD: Final = """\
# What fieldkit must find in each capture, no more and no less: tests/test_findings.py holds it to this file.
#
# healthy = true: nothing is wrong with what the capture shows, so that no finding may be critical or a warning.
# because: what a person saw who read the capture; why the findings are right.
# A finding is written as: severity, id, station, connector, transaction; behind it how often if more than once.
#
# After a change of a check: python -m tests.traffic.judgements writes the findings anew. Judge every line that
# changes by the frames of the capture before it is committed; a finding that is not true is a bug of its check.
"""


def captures() -> Iterator[tuple[str, Path, Path | None]]:
    """(name in the file, capture, TLS secrets beside it)."""
    yield "demo", DEMO, None
    for toml in sorted(CAPTURES.glob("**/*.toml")):
        if toml != TARGET:
            keylog = load(toml).get("keylog")
            path = captured(toml)
            yield path.relative_to(CAPTURES).as_posix(), path, toml.parent / keylog if keylog else None


def judged(path: Path, keylog: Path | None) -> list[str]:
    """The findings of a capture, the worst first, each in a line."""
    return lines(diagnose_file(path, keylog))


def lines(diagnosis: Diagnosis) -> list[str]:
    """The same of a session."""
    found = []
    for finding in diagnosis.findings:
        first = finding.first_seen
        place = [first.station] if first.station else []
        if not finding.merged:
            place += [f"connector {first.connector}"] if first.connector else []
            place += [f"transaction {first.transaction}"] if first.transaction else []
        line = ", ".join([f"{finding.severity} {finding.kind.id}", *place])
        found.append((SEVERITIES.index(finding.severity), line + (f" ×{finding.count}" if finding.count > 1 else "")))
    return [line for _, line in sorted(found)]


def read() -> dict[str, dict[str, Any]]:
    """The file: capture → healthy, because, findings."""
    return tomllib.loads(TARGET.read_text("utf-8")) if TARGET.exists() else {}


def written(known: dict[str, dict[str, Any]]) -> str:
    """The file as it has to be, with what is known of each capture."""
    parts = [HEAD]
    for name, path, keylog in captures():
        entry = known.get(name, {})
        parts.append(f"[{json.dumps(name)}]")
        parts.append(f"healthy = {'true' if entry.get('healthy') else 'false'}")
        parts.append(f"because = {json.dumps(entry.get('because', ''), ensure_ascii=False)}")
        found = judged(path, keylog)
        if found:
            parts.append("findings = [")
            parts += [f"    {json.dumps(line, ensure_ascii=False)}," for line in found]
            parts.append("]\n")
        else:
            parts.append("findings = []\n")
    return "\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    wanted = written(read())
    if "--check" in arguments:
        return TARGET.read_text("utf-8") != wanted
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
