#!/usr/bin/env python3
"""Builds fieldkit's packages: ``python3 packaging/build.py deb --arch arm64``; docs/packages.md explains them."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fieldpack import artefacts  # found beside this file
from fieldpack.debian import DebianError
from fieldpack.sbom import document
from fieldpack.wheels import ROOT, WheelError

KINDS: dict[str, Callable[[artefacts.Wish], list[artefacts.Artefact]]] = {
    "deb": artefacts.deb,
    "oci": artefacts.oci,
    "ipk": artefacts.ipk,
    "apk": artefacts.apk,
    "feed": artefacts.feed,
    "ncos": artefacts.ncos,
}


def main() -> int:
    """Build what is asked for; 0 when everything was built, 2 with a line that says why not."""
    parser = argparse.ArgumentParser(
        description="Build packages of fieldkit.",
        epilog="Example: packaging/build.py deb oci --arch arm64. What is fetched is kept under build/packages/cache.",
    )
    parser.add_argument("kinds", nargs="+", choices=[*KINDS, "all"], metavar="KIND", help=f"{', '.join(KINDS)} or all")
    parser.add_argument("--arch", choices=["amd64", "arm64"], action="append", help="of deb and oci (default: both)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "packages", metavar="FOLDER")
    given = parser.parse_args()
    kinds = list(KINDS) if "all" in given.kinds else list(dict.fromkeys(given.kinds))
    output: Path = given.output
    output.mkdir(parents=True, exist_ok=True)
    wish = artefacts.Wish(tuple(given.arch or ("amd64", "arm64")), ROOT / "build" / "packages" / "cache", epoch())
    for kind in kinds:
        try:
            for made in KINDS[kind](wish):
                write(output, made, wish.epoch)
        except (WheelError, DebianError) as error:
            print(f"{kind}: {error}", file=sys.stderr)
            return 2
    return 0


def write(output: Path, made: artefacts.Artefact, epoch: int) -> None:
    """The artefact, its bill of materials, its checksum."""
    digest = hashlib.sha256(made.data).hexdigest()
    (output / made.name).write_bytes(made.data)
    (output / f"{made.name}.cdx.json").write_bytes(document(made.name, made.version, digest, made.parts, epoch))
    (output / f"{made.name}.sha256").write_text(f"{digest}  {made.name}\n")
    installed = f"{made.installed / 1e6:,.1f} MB installed" if made.installed else ""
    print(f"{output / made.name}  {len(made.data) / 1e6:,.1f} MB{', ' + installed if installed else ''}")


def epoch() -> int:
    """The time that a package may name: that of the commit (reproducible-builds.org/specs/source-date-epoch)."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 0


if __name__ == "__main__":
    sys.exit(main())
