"""Write a simulated site as a capture, with the truth beside it.

python -m tests.simulation --seed 7 --days 1 --episodes six -o day.pcap --truth day.json
fieldkit detect score day.pcap
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.simulation.capture import write
from tests.simulation.families import FAMILIES
from tests.simulation.site import GENERATORS, Site
from tests.simulation.wan import KINDS

SIX: Final = (
    "message-flood",
    "register-rollback",
    "start-failures",
    "blackhole",
    "limit-ignored",
    "power-cut",
)
"""One of each category."""


def chosen(text: str, seed: int) -> list[str]:
    """ "none", "six", "all", a number of families drawn by the seed, or their names with commas between them."""
    if text == "none":
        return []
    if text == "six":
        return list(SIX)
    if text == "all":
        return sorted(FAMILIES)
    if text.isdigit():
        return Random(f"families/{seed}").sample(sorted(FAMILIES), min(int(text), len(FAMILIES)))
    names = text.split(",")
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise SystemExit(f"not a family: {', '.join(unknown)}; there are: {', '.join(sorted(FAMILIES))}")
    return names


def truth(site: Site, seed: int) -> dict[str, Any]:
    """What was done to the site, for whoever judges."""
    return {
        "seed": seed,
        "generator": site.generator,
        "begin": site.begin / 1e9,
        "end": site.end / 1e9,
        "charger_days": site.charger_days,
        "uplink": site.uplink.kind,
        "encrypted": site.encrypted,
        "stations": [station.details() for station in site.stations],
        "episodes": [episode.as_json() for episode in site.episodes],
        "ordinary_breaks": [[begin / 1e9, end / 1e9] for begin, end in site.ordinary],
    }


def main() -> int:
    about, examples = (__doc__ or "").split("\n\n", 1)
    parser = argparse.ArgumentParser(
        "python -m tests.simulation", description=about, epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--quiet", type=float, default=0.0, help="days before the first episode")
    parser.add_argument("--chargers", type=int, default=0, help="how many; 0: by the seed")
    parser.add_argument("--generator", choices=sorted(GENERATORS), default="first")
    parser.add_argument("--uplink", choices=KINDS)
    parser.add_argument("--encrypted", action="store_true", help="TLS without keys")
    parser.add_argument("--episodes", default="none", help="none, six, all, a number, or families with commas")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the capture (.pcap)")
    parser.add_argument("--truth", type=Path, help="where to write what was done (.json)")
    wanted = parser.parse_args()
    site = Site(
        wanted.seed, wanted.days, chargers=wanted.chargers, generator=wanted.generator, encrypted=wanted.encrypted,
        families=chosen(wanted.episodes, wanted.seed), quiet=wanted.quiet, uplink=wanted.uplink,
    )  # fmt: skip
    with wanted.output.open("wb") as file:
        packets = write(site, file, wanted.seed)
    if wanted.truth is not None:
        wanted.truth.write_text(json.dumps(truth(site, wanted.seed), indent=1) + "\n", "utf-8")
    print(f"{packets} packets, {len(site.stations)} stations, {len(site.episodes)} episodes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
