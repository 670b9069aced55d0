"""What fieldkit says of the lab's captures, held against what really happened.

    python -m tests.failover.judge build/failover

Prints a table: how often the cause is named right, from the LAN side alone, with the WAN side, with what the router
told; and how many legs of the outages are within half a second. Exit code 1 where the bars are missed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fieldkit.links.told import read
from fieldkit.session import Session
from fieldkit.site.outage import LEGS, LegName, Outage
from tests.failover.network import A, B
from tests.failover.scenarios import SCENARIOS
from tests.failover.stretch import stretched
from tests.failover.truth import FILE, Trouble, Truth, load
from tests.traffic.decoded import decode_files

VIEWS: Final = {"lan": ("lan",), "lan+wan": ("lan", A, B), "lan+router": ("lan", "link"), "all": ("lan", A, B, "link")}
BARS: Final = {"lan": 0.80, "lan+wan": 0.95, "lan+router": 0.95, "all": 0.95}
"""Share of causes that must be right."""
LEG_BAR: Final = 0.98
"""Share of legs that must be near. A station that gives up without a word leaves no trace: when it did is then guessed."""
NEAR: Final = 500_000_000
"""ns by which a leg may be off."""
_ROOM: Final = 2_000_000_000
"""ns by which an outage may reach beyond the trouble it is about."""


@dataclass(slots=True)
class Judged:
    """One run, from one view."""

    truth: Truth
    right: bool = False
    """Somebody who reads all that is said of the run knows the cause."""
    named: int = 0
    """Troubles of the run that were each called by their name."""
    confidence: float = 0.0
    said: list[str] = field(default_factory=list)
    near: Counter[LegName] = field(default_factory=Counter)
    far: Counter[LegName] = field(default_factory=Counter)
    silent: Counter[LegName] = field(default_factory=Counter)
    """Legs that fieldkit does not tell of."""
    wrong: list[str] = field(default_factory=list)
    """Legs that are off, in words."""
    beside: int = 0
    """Outages that there were not."""


def outages(folder: Path, sources: Iterable[str]) -> list[Outage]:
    """That fieldkit finds in some captures of a run, and in what the router told."""
    session = Session()
    captures = [folder / f"{name}.pcap" for name in sources if name != "link"]
    if "link" in sources:
        with (folder / "link.jsonl").open(encoding="utf-8") as file:
            for event in read(file):
                session.picture.outages.uplink(event)
    session.feed(decode_files(*(file for file in captures if file.stat().st_size > 24)).events)
    session.finish()
    return sorted(session.picture.outages.all, key=lambda outage: outage.start)


def judge(folder: Path, view: str) -> Judged:
    """One run."""
    truth = load(folder)
    judged = Judged(truth)
    found = outages(folder, VIEWS[view])
    judged.said = [f"{outage.cause} ({outage.confidence:.2f})" for outage in found]
    taken: set[int] = set()
    for number, trouble in enumerate(truth.troubles):
        until = truth.troubles[number + 1].path_lost if number + 1 < len(truth.troubles) else None
        about = [one for one in found if _is_about(one, trouble, until)]
        taken |= {id(one) for one in about}
        named = [outage.confidence for outage in about if outage.cause == truth.cause]
        judged.named += bool(named)
        judged.right |= bool(named)
        judged.confidence = max([judged.confidence, *named])
        if trouble.broken:
            _legs(judged, trouble, about)
    # A trouble that is one thing must not be called two.
    if len(truth.troubles) == 1 and {one.cause for one in found} - {truth.cause}:
        judged.right = False
    if not judged.right:
        judged.confidence = max((one.confidence for one in found), default=0.0)
    judged.beside = sum(id(one) not in taken for one in found)
    return judged


def _is_about(outage: Outage, trouble: Trouble, until: int | None) -> bool:
    """It lies where the trouble does, and not where the next one does."""
    end = trouble.first_message or trouble.upgrade or trouble.path_lost + 10 * 10**9
    middle = outage.detected or outage.start
    return trouble.path_lost - _ROOM <= middle <= end + _ROOM and (until is None or middle < until)


def _legs(judged: Judged, trouble: Trouble, about: Sequence[Outage]) -> None:
    for leg in LEGS:
        really = getattr(trouble, leg)
        if really is None:
            continue
        told = [(one, getattr(one, leg)) for one in about if getattr(one, leg) is not None]
        if not told:
            judged.silent[leg] += 1
            continue
        outage, time = min(told, key=lambda pair: abs(pair[1] - really))
        bounds = outage.lost_between if leg == "path_lost" else None
        # Of a path on which nothing was said it cannot be known when it was lost: then the bounds must hold.
        if abs(time - really) <= NEAR or (bounds is not None and bounds[0] - NEAR <= really <= bounds[1] + NEAR):
            judged.near[leg] += 1
        else:
            judged.far[leg] += 1
            judged.wrong.append(f"{leg} {(time - really) / 1e9:+.2f} s")


def table(results: dict[str, list[Judged]]) -> str:
    """For people."""
    every = list(results.values())
    lines = [_row("cause named right", results)]
    for name in SCENARIOS:
        some = [[one for one in judged if one.truth.scenario == name] for judged in every]
        if any(some):
            lines.append(_row(name, (f"{sum(one.right for one in judged)} of {len(judged)}" for judged in some)))
    lines.append(_row("all", (f"{share(judged):.0%}" for judged in every)))
    lines.append(_row("bar", (f"{BARS[view]:.0%}" for view in results)))
    for right in (True, False):
        name = f"confidence, {'right' if right else 'wrong'}"
        lines.append(_row(name, (_mean(one.confidence for one in judged if one.right is right) for judged in every)))
    lines.append(_row("each outage", (_each(judged) for judged in every)))
    lines.append(_row("found beside it", (str(sum(one.beside for one in judged)) for judged in every)))
    lines += [
        "",
        _row("legs within 0.5 s", results),
        *(_row(leg, (_legs_of(judged, leg) for judged in every)) for leg in LEGS),
    ]
    lines.append("(-n): legs of which nothing is told")
    return "\n".join(lines)


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<18}" + "".join(cell.rjust(14) for cell in cells)


def _each(judged: Sequence[Judged]) -> str:
    return f"{sum(one.named for one in judged)} of {sum(len(one.truth.troubles) for one in judged)}"


def _mean(values: Iterable[float]) -> str:
    some = list(values)
    return f"{sum(some) / len(some):.2f}" if some else "-"


def _legs_of(judged: Sequence[Judged], leg: LegName) -> str:
    near, far, silent = (sum(getattr(one, name)[leg] for one in judged) for name in ("near", "far", "silent"))
    return f"{near}/{near + far}" + (f" (-{silent})" if silent else "")


def share(some: Sequence[Judged]) -> float:
    """Of causes named right."""
    return sum(one.right for one in some) / len(some) if some else 0.0


def judge_all(folders: Sequence[Path]) -> dict[str, list[Judged]]:
    """By view."""
    return {view: [judge(folder, view) for folder in folders] for view in VIEWS}


def main() -> int:
    folders = sorted(file.parent for file in Path(sys.argv[1]).glob(f"*/{FILE}"))
    quiet = [folder for folder in folders if load(folder).scenario not in SCENARIOS]
    results = judge_all([folder for folder in folders if folder not in quiet])
    for view, some in results.items():
        for one in some:
            if not one.right or one.wrong or one.beside:
                print(f"{view:<10} {one.truth.scenario}-{one.truth.seed}: {'right' if one.right else 'WRONG'}: "
                      f"{', '.join(one.said) or 'nothing found'} {'; '.join(one.wrong)}")  # fmt: skip
    print(table(results))
    for folder in quiet:
        stretched(folder / "lan.pcap", folder / "lan-day.pcap")
        alarms = len(outages(folder, ("lan-day",)))
        print(f"{'quiet, 24 h':<18}{alarms:>14} outages found")
        if alarms:
            return 1
    missed = [view for view, some in results.items() if share(some) < BARS[view]]
    legs = [(sum(one.near.total() for one in some), sum(one.far.total() for one in some)) for some in results.values()]
    return 1 if missed or any(near < LEG_BAR * (near + far) for near, far in legs) else 0


if __name__ == "__main__":
    sys.exit(main())
