"""The catalogue of findings as Markdown: ``docs/findings.md``, made from the checks themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import SEVERITIES, Kind

_HEAD: Final = """\
# What fieldkit finds

Made from the checks by `python -m tests.traffic.make_findings`; edit `fieldkit/checks/`, not this file.

Each finding has an id that never changes its meaning. *critical*: charging or the connection does not work. *warning*:
it works badly, or will stop working. *info*: worth knowing, nobody's fault. The owner is who has to act. In the texts
`{…}` stands for what was observed. Where it says *concluded*, the finding is an inference and no observation.
"""


def kinds_of(checks: Iterable[type[Check]], more: Iterable[Kind] = ()) -> list[Kind]:
    """Every kind of finding once, by id; ``more`` are those of other commands than ``report``."""
    found = {kind.id: kind for kind in more} | {kind.id: kind for check in checks for kind in check.kinds}
    return [found[id_] for id_ in sorted(found)]


def markdown(checks: Iterable[type[Check]], more: Iterable[Kind] = ()) -> str:
    """The whole document."""
    kinds = kinds_of(checks, more)
    families: dict[str, list[Kind]] = {}
    for kind in kinds:
        families.setdefault(kind.id.partition(".")[0], []).append(kind)
    counts = {severity: sum(kind.severity == severity for kind in kinds) for severity in SEVERITIES}
    parts = [_HEAD, f"{len(kinds)} findings: " + ", ".join(f"{n} {severity}" for severity, n in counts.items()) + ".\n"]
    for family, members in families.items():
        parts.append(f"## {family}\n")
        parts.extend(_entry(kind) for kind in members)
    return "\n".join(parts)


def _entry(kind: Kind) -> str:
    concluded = ", concluded" if kind.inferred else ""
    return (
        f"### {kind.id}\n\n"
        f"**{_text(kind.title)}** ({kind.severity}, {kind.owner}{concluded})\n\n"
        f"{_text(kind.explanation)}\n\n"
        f"*What to do:* {_text(kind.advice)}\n\n"
        f"*Reference:* {_reference(kind.reference)}\n"
    )


def _text(text: str) -> str:
    """With the places of values marked: ``{count}`` as code; doubled braces are meant as one."""
    marked = re.sub(r"(?<!\{)\{(\w+)[^{}]*\}(?!\})", r"`{\1}`", " ".join(text.split()))
    return marked.replace("{{", "{").replace("}}", "}").replace("<", "\\<")


def _reference(text: str) -> str:
    return re.sub(r"(?<![<(])(https?://[^\s,;)]+)", r"<\1>", text)
