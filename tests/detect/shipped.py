"""Makes the model and the prior that are shipped, from simulated sites: python -m tests.detect.shipped [FOLDER]

Only benign sites of the first generator, with seeds that no test and no table uses; part of them encrypted. The same
bytes come out each time (on one machine and with one numpy; see docs/detector.md).
"""

from __future__ import annotations

import sys
from pathlib import Path

from fieldkit.models.manifest import SHIPPED
from fieldkit.models.training import Collection, collector, save, train
from fieldkit.session import Session
from tests.simulation.site import Site

SEEDS = range(5_000, 5_009)
DAYS = 1.0


def collect(seeds: range = SEEDS, days: float = DAYS) -> Collection:
    """Windows of simulated sites without episodes."""
    collection = Collection()
    for seed in seeds:
        site = Site(seed, days, generator="first", encrypted=seed % 6 == 5)
        detector, windows = collector(collection, f"{seed}")
        session = Session(detector=detector)
        batch = []
        for _, event in site.events():
            batch.append(event)
            if len(batch) >= 512:
                session.feed(batch)
                batch.clear()
        session.feed(batch)
        session.finish()
        for watched in windows.watched.values():
            collection.sequences(watched.trigrams)
        print(f"site {seed}: {collection.windows:,} windows", file=sys.stderr)
    return collection


def main() -> None:
    """Train and write."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    about = {
        "data": f"{len(SEEDS)} simulated sites of {DAYS:g} days without episodes, first generator, "
        f"seeds {SEEDS.start} to {SEEDS.stop - 1}",
        "licence": "MIT",
    }
    save(train(collect(), about), folder)


if __name__ == "__main__":
    main()
