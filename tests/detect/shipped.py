"""Makes the model and the prior that are shipped, from simulated sites: python -m tests.detect.shipped [--check] [FOLDER]

Only benign sites of the first generator, with seeds that no test and no table uses; part of them encrypted. The same
bytes come out each time (on one machine and with one numpy; see docs/detector.md), as long as the simulator and the
features stay the same: ``--check`` (``make check-model``, a minute) says whether they have, and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fieldkit.models.manifest import MODEL, NAME, PRIOR, SHIPPED
from fieldkit.models.training import Collection, collector, save, train
from fieldkit.session import Session
from tests.simulation.site import Site

SEEDS = range(5_000, 5_009)
DAYS = 1.0
FILES: Final = (MODEL, PRIOR, NAME)


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


def main() -> int:
    """Train, and write or compare."""
    parser = argparse.ArgumentParser("python -m tests.detect.shipped", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SHIPPED)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if other bytes would come out")
    wanted = parser.parse_args()
    about = {
        "data": f"{len(SEEDS)} simulated sites of {DAYS:g} days without episodes, first generator, "
        f"seeds {SEEDS.start} to {SEEDS.stop - 1}",
        "licence": "MIT",
    }
    trained = train(collect(), about)
    if not wanted.check:
        save(trained, wanted.folder)
        return 0
    with TemporaryDirectory() as made:
        save(trained, Path(made))
        other = [name for name in FILES if (Path(made) / name).read_bytes() != (wanted.folder / name).read_bytes()]
    if other:
        print(f"{', '.join(other)}: training gives other bytes. Train anew: python -m tests.detect.shipped")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
