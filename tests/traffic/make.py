"""``python -m tests.traffic.make``: the captures in ``captures/made`` and the ``.toml`` beside each, byte for byte.

What third-party programs would not do on demand, or what no capture of a working day has: message types of 2.1, lost
and shuffled packets, odd link layers, refusals. Each is a short script in ``made_talks``, ``made_mishaps`` or
``made_taps``; what must come out is taken from the script, never from fieldkit. ``--check`` compares with what lies
there instead of writing.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence

from tests.traffic import made_mishaps, made_talks, made_taps
from tests.traffic.expectations import CAPTURES, dump
from tests.traffic.made import Made

FOLDER = CAPTURES / "made"

MAKERS: Sequence[Callable[[], Made]] = (*made_talks.MAKERS, *made_mishaps.MAKERS, *made_taps.MAKERS)

COMPRESSES_LIKE_ZLIB = "ng" not in zlib.ZLIB_RUNTIME_VERSION
"""zlib-ng packs the same data otherwise: what it makes is as good, but not byte for byte the same."""


def files() -> dict[str, bytes]:
    """All files of the folder, by name."""
    result = {}
    for maker in MAKERS:
        made_ = maker()
        result[made_.file] = made_.data
        result[f"{made_.file.split('.')[0]}.toml"] = dump(made_.expectation).encode()
    return result


def main(arguments: Sequence[str]) -> int:
    wanted = files()
    if "--check" in arguments:
        there = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
        different = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        print("\n".join(different) if different else "nothing differs")
        return bool(different)
    FOLDER.mkdir(exist_ok=True)
    for name, data in wanted.items():
        (FOLDER / name).write_bytes(data)
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
