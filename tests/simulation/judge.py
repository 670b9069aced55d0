"""Judge the detector on simulated sites: the protocol, and the table of docs/detector.md.

    python -m tests.simulation.judge --scale 1 --json judged.json --write docs/detector.md \\
        --card fieldkit/models/shipped/ablation.json

*Split.* Training uses the first generator with seeds below ``FIRST_JUDGED``. Judged is the second generator, which
shares the wire with the first and none of its habits, with seeds from ``FIRST_JUDGED`` on; no threshold comes from there.
Sites of the second generator with other seeds were looked at while the rules were written: what is judged is new sites of
a known make, and not a new make.

*Matching.* An incident hits an episode if its station is the episode's (or its address, where TLS hides the name), or
one of the two is "*", and it was raised not
before the first evidence (less ``EARLY``) and not later than ``TOLERANCE`` after the end. It counts for one episode: the
one with the latest start. Which category was named is asked of the incidents at the very station, if there are such, else of all
that hit; of these the surest, of equals the first.

*In time.* From the first evidence: ``QUICK`` for intrusion and connectivity, for what consists of repetition (flapping,
connections killed when idle) from the third occurrence; for fraud, maintenance and energy ``UNHURRIED``, or by the third
thing that could be seen, whichever is later.

*False* is an incident of any category but benign on a site without episodes. Ordinary short breaks of the uplink are part
of such sites: what is raised in one is false too, and told apart in the JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from math import log
from pathlib import Path
from typing import Any, Final

from tests.simulation.episodes import Episode
from tests.simulation.families import FAMILIES
from tests.simulation.scoring import SETTINGS, Raised, Scorer, everything
from tests.simulation.site import Generator, Site

SECOND: Final = 1_000_000_000
FIRST_JUDGED: Final = 40_000
"""Seeds below this one are for training, for choosing thresholds and for looking at what was missed."""
EARLY: Final = 60 * SECOND
"""Evidence is dated by what the simulation knows; a sign may be told a little before."""
TOLERANCE: Final = 15 * 60 * SECOND
QUICK: Final = 60 * SECOND
UNHURRIED: Final = 300 * SECOND
SLACK: Final = 5 * SECOND
"""Behind the third sample: its answer, its window."""

BENIGN_CHARGER_DAYS: Final = 600.0
BENIGN_DAYS: Final = 7.0
LEAST_DAYS: Final = 0.25
"""Of one site: less says nothing."""
PER_FAMILY: Final = 8
"""Episodes of each family, from subtle to blatant."""
PER_SITE: Final = 6
SLOT: Final = 8 / 24
"""Days from one episode to the next on a site."""
QUIET: Final = 1.0
"""Days to learn from before the first."""
CHARGERS: Final = 3
NEEDS_TLS: Final = "tls-clock-failure"

ATTACKS: Final = frozenset({"intrusion", "fraud"})
QUICK_CATEGORIES: Final = frozenset({"intrusion", "connectivity"})
CATEGORIES: Final = ("intrusion", "fraud", "maintenance", "connectivity", "energy")

Make = Callable[[], Scorer]


@dataclass(frozen=True, slots=True)
class Plan:
    """One site to be judged on."""

    seed: int
    days: float
    generator: Generator
    families: tuple[str, ...] = ()
    quiet: float = 0.0
    chargers: int = 0
    encrypted: bool = False

    def site(self) -> Site:
        return Site(
            self.seed, self.days, generator=self.generator, families=self.families, quiet=self.quiet,
            chargers=self.chargers, encrypted=self.encrypted,
        )  # fmt: skip


@dataclass(slots=True)
class Verdict:
    """Of one setting on one episode."""

    episode: Episode
    hit: bool = False
    in_time: bool = False
    category: str = ""
    """Named by the surest hit."""
    family: str = ""
    delay: float | None = None
    """Seconds from the first evidence to the first hit."""
    attack: bool = False
    """It was called an attack by any hit."""


@dataclass(slots=True)
class Judged:
    """One site: by setting, what became of each episode, and what was raised beside them."""

    charger_days: float
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    strays: dict[str, list[Raised]] = field(default_factory=dict)
    in_breaks: dict[str, int] = field(default_factory=dict)
    """Of the strays, those within ordinary breaks of the uplink."""


# ------------------------------------------------------------------------------------------------------------- plans


def benign_plans(scale: float, generator: Generator) -> list[Plan]:
    """Sites on which nothing happens, for at least so many charger-days."""
    plans: list[Plan] = []
    missing, seed = BENIGN_CHARGER_DAYS * scale, FIRST_JUDGED
    while missing > 0:
        chargers = len(Plan(seed, BENIGN_DAYS, generator).site().stations)
        days = min(BENIGN_DAYS, max(missing / chargers, LEAST_DAYS))
        plans.append(Plan(seed, days, generator))
        missing -= chargers * days
        seed += 1
    return plans


def episode_plans(
    scale: float, generator: Generator, *, encrypted: bool = False, families: Sequence[str] | None = None
) -> list[Plan]:
    """Every family ``PER_FAMILY`` times, each time with another magnitude, among others on sites of a few days."""
    count = max(1, round(PER_FAMILY * scale))
    names = [
        name
        for name in sorted(FAMILIES if families is None else families)
        if (FAMILIES[name].encrypted if encrypted else name != NEEDS_TLS)
    ]
    if not names:
        return []
    wanted = [f"{name}@{(turn + 0.5) / count:.3f}" for turn in range(count) for name in names]
    # Neighbours on a site should not be neighbours in the alphabet, nor always the same ones.
    step = next(step for step in range(7, len(wanted) + 8) if _coprime(step, len(wanted)))
    mixed = [wanted[number * step % len(wanted)] for number in range(len(wanted))]
    return [
        Plan(
            FIRST_JUDGED + 5_000 * (1 + encrypted) + number // PER_SITE, QUIET + SLOT * PER_SITE, generator,
            tuple(mixed[number : number + PER_SITE]), QUIET, CHARGERS, encrypted,
        )
        for number in range(0, len(mixed), PER_SITE)
    ]  # fmt: skip


def _coprime(one: int, other: int) -> bool:
    while other:
        one, other = other, one % other
    return one == 1


# ------------------------------------------------------------------------------------------------------------ judging


def judge_site(plan: Plan, make: Make = everything) -> Judged:
    """Run a site through the scorer and hold what it raised against the truth."""
    site, scorer = plan.site(), make()
    for _, event in site.events():
        scorer.feed(event)
    judged = Judged(site.charger_days)
    episodes = site.episodes
    # Where only TLS is seen a station is known by its address.
    names = {station.line.address: station.name for station in site.stations}
    for name, told in scorer.finish().items():
        raised = [one._replace(station=names.get(one.station.partition(":")[0], one.station)) for one in told]
        verdicts, strays = match(episodes, raised)
        judged.verdicts[name] = verdicts
        judged.strays[name] = strays
        judged.in_breaks[name] = sum(
            any(begin - EARLY <= one.time <= end + TOLERANCE for begin, end in site.ordinary) for one in strays
        )
    return judged


def match(episodes: Sequence[Episode], raised: Iterable[Raised]) -> tuple[list[Verdict], list[Raised]]:
    """Which incidents hit which episodes, by the rule above; the others are strays."""
    verdicts = [Verdict(episode) for episode in episodes]
    hits: dict[int, list[Raised]] = defaultdict(list)
    strays: list[Raised] = []
    for one in sorted(raised):
        fitting = [number for number, episode in enumerate(episodes) if hits_episode(one, episode)]
        if fitting:
            hits[max(fitting, key=lambda number: (episodes[number].start, number))].append(one)
        elif one.category != "benign":
            strays.append(one)
    for number, found in hits.items():
        verdict, episode = verdicts[number], episodes[number]
        surest = max(found, key=lambda one: (one.station == episode.station, one.score, -one.time))
        assert episode.first_evidence is not None
        verdict.hit = True
        verdict.category, verdict.family = surest.category, surest.family
        verdict.delay = (found[0].time - episode.first_evidence) / SECOND
        verdict.in_time = found[0].time <= due(episode)
        verdict.attack = any(one.category in ATTACKS for one in found)
    return verdicts, strays


def hits_episode(one: Raised, episode: Episode) -> bool:
    """The matching rule."""
    if episode.first_evidence is None or ("*" not in (one.station, episode.station) and one.station != episode.station):
        return False
    return episode.first_evidence - EARLY <= one.time <= episode.end + TOLERANCE


def due(episode: Episode) -> int:
    """Until when an incident is in time."""
    first = episode.first_evidence
    assert first is not None
    if FAMILIES[episode.family].repeats:
        return (episode.third_evidence or episode.end) + QUICK
    if episode.category in QUICK_CATEGORIES:
        return first + QUICK
    return max(first + UNHURRIED, (episode.third_evidence or 0) + SLACK)


def judge_all(plans: Sequence[Plan], make: Make, workers: int) -> list[Judged]:
    """In the order of the plans, whatever order they end in."""
    if workers <= 1:
        return [judge_site(plan, make) for plan in plans]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(judge_site, make=make), plans))


# ------------------------------------------------------------------------------------------------------------- totals


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def totals(judged: Sequence[Judged], setting: str) -> dict[str, Any]:
    """Of one setting over sites with episodes."""
    verdicts = [verdict for one in judged for verdict in one.verdicts[setting]]
    real = [verdict for verdict in verdicts if not verdict.episode.benign]
    tricky = [verdict for verdict in verdicts if verdict.episode.benign]
    by_family: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_family[verdict.episode.family].append(verdict)
    found: dict[str, Any] = {
        "episodes": len(real),
        "recall": share(sum(one.hit for one in real), len(real)),
        "in_time": share(sum(one.in_time for one in real), sum(one.hit for one in real)),
        "in_time_of_all": share(sum(one.in_time for one in real), len(real)),
        "category_right": share(
            sum(one.hit and one.category == one.episode.category for one in real), sum(one.hit for one in real)
        ),
        "tricky": len(tricky),
        "tricky_called_attack": sum(one.attack for one in tricky),
        "stray_a_charger_week": rate(judged, setting),
        "by_category": {},
        "by_family": {},
    }
    for category in CATEGORIES:
        of_it = [one for one in real if one.episode.category == category]
        found["by_category"][category] = {
            "episodes": len(of_it),
            "recall": share(sum(one.hit for one in of_it), len(of_it)),
            "in_time": share(sum(one.in_time for one in of_it), sum(one.hit for one in of_it)),
            "category_right": share(
                sum(one.hit and one.category == category for one in of_it), sum(one.hit for one in of_it)
            ),
        }
    for name in sorted(by_family):
        of_it = by_family[name]
        delays = sorted(one.delay for one in of_it if one.delay is not None)
        found["by_family"][name] = {
            "category": of_it[0].episode.category,
            "episodes": len(of_it),
            "hit": sum(one.hit for one in of_it),
            "in_time": sum(one.in_time for one in of_it),
            "category_right": sum(one.hit and one.category == one.episode.category for one in of_it),
            "called_attack": sum(one.attack for one in of_it),
            "median_delay_s": round(delays[len(delays) // 2], 1) if delays else None,
            "named": sorted({one.family for one in of_it if one.family}),
        }
    return found


def rate(judged: Sequence[Judged], setting: str) -> float:
    """Incidents that belong to nothing, per charger-week."""
    days = sum(one.charger_days for one in judged)
    return round(7 * sum(len(one.strays[setting]) for one in judged) / days, 4) if days else 0.0


def false_alarms(judged: Sequence[Judged], setting: str) -> dict[str, Any]:
    """Of one setting over benign sites; with no event in n charger-weeks the true rate is below 3/n (95 %)."""
    days = sum(one.charger_days for one in judged)
    count = sum(len(one.strays[setting]) for one in judged)
    kinds: dict[str, int] = defaultdict(int)
    for one in judged:
        for stray in one.strays[setting]:
            kinds[f"{stray.category}: {stray.family}"] += 1
    return {
        "charger_days": round(days, 1),
        "incidents": count,
        "in_ordinary_breaks": sum(one.in_breaks[setting] for one in judged),
        "a_charger_week": rate(judged, setting),
        "upper_bound": round(7 * -log(0.05) / days, 4) if not count and days else None,
        "kinds": dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0]))),
    }


def judgement(
    scale: float,
    make: Make = everything,
    *,
    generator: Generator = "second",
    workers: int = 2,
    families: Sequence[str] | None = None,
    leave_out: Mapping[str, Make] | None = None,
) -> dict[str, Any]:
    """The whole table as data. ``families``: only these. ``leave_out``: by family or category, a scorer whose training never saw it."""
    benign = judge_all(benign_plans(scale, generator), make, workers)
    episodes = judge_all(episode_plans(scale, generator, families=families), make, workers)
    sealed = judge_all(episode_plans(scale / 2, generator, encrypted=True, families=families), make, workers)
    settings = list(benign[0].strays)
    result: dict[str, Any] = {
        "generator": generator,
        "scale": scale,
        "first_seed": FIRST_JUDGED,
        "settings": {
            name: {
                "benign": false_alarms(benign, name),
                "episodes": totals(episodes, name),
                "tls_only": totals(sealed, name),
            }
            for name in settings
        },
    }
    if leave_out:
        plans = episode_plans(scale, generator)
        left: dict[str, Any] = {}
        for what, other in sorted(leave_out.items()):
            members = {name for name in FAMILIES if what in (name, FAMILIES[name].category)}
            chosen = [plan for plan in plans if members & {name.partition("@")[0] for name in plan.families}]
            judged = judge_all(chosen, other, workers)
            left[what] = {
                name: share(
                    sum(one.hit for site in judged for one in site.verdicts[name] if one.episode.family in members),
                    sum(1 for site in judged for one in site.verdicts[name] if one.episode.family in members),
                )
                for name in judged[0].verdicts
            }
        result["left_out"] = left
    return result


def main() -> int:
    from fieldkit.models.manifest import load_model
    from tests.simulation.judgetable import card, put_into

    parser = argparse.ArgumentParser("python -m tests.simulation.judge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1: 600 charger-days and 8 episodes of each family")
    parser.add_argument("--generator", choices=("first", "second"), default="second")
    parser.add_argument(
        "--settings", default=",".join(SETTINGS), help="of the detector, with commas: each costs as much"
    )
    parser.add_argument("--families", help="only these, with commas")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="everything that was counted")
    parser.add_argument("--write", type=Path, help="document whose table is replaced, such as docs/detector.md")
    parser.add_argument(
        "--card", type=Path, help="what `fieldkit detect info` says: fieldkit/models/shipped/ablation.json"
    )
    parser.add_argument("--from", dest="known", type=Path, help="do not judge: take an earlier --json")
    wanted = parser.parse_args()
    if wanted.known is not None:
        result = json.loads(wanted.known.read_text("utf-8"))
    else:
        settings = tuple(wanted.settings.split(","))
        if unknown := set(settings) - set(SETTINGS):
            parser.error(f"not a setting: {', '.join(sorted(unknown))}; there are: {', '.join(SETTINGS)}")
        families = wanted.families.split(",") if wanted.families else None
        if unknown := set(families or ()) - set(FAMILIES):
            parser.error(f"not a family: {', '.join(sorted(unknown))}")
        result = judgement(
            wanted.scale, partial(everything, settings), generator=wanted.generator, workers=wanted.workers,
            families=families,
        )  # fmt: skip
    text = json.dumps(result, indent=1, sort_keys=True) + "\n"
    if wanted.json is not None:
        wanted.json.write_text(text, "utf-8")
    if wanted.write is not None:
        put_into(wanted.write, result)
    if wanted.card is not None:
        told = json.dumps(card(result, load_model().sha256), indent=1, sort_keys=True) + "\n"
        wanted.card.write_text(told, "utf-8")
    if wanted.json is None and wanted.write is None and wanted.card is None:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
