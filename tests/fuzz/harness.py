"""What all fuzz targets have in common: how they run, what their inputs consist of, how these are mutated.

A target is a module ``fuzz_NAME.py`` with

- ``one_input(data)``: feeds one input to a decoder and asserts what that promises, whatever it is fed;
- ``seeds()``: inputs to begin with (files in ``seeds/fuzz_NAME/`` are added to them);
- ``mutate(data, most, random, scramble)``: how to make another input of one. What is built of parts is best mutated
  part by part; ``scramble`` changes bytes without knowing what they mean.

Run as a program, a target hands these to libFuzzer by way of atheris, and takes libFuzzer's arguments:

    PYTHONPATH=. python tests/fuzz/fuzz_tcp.py build/fuzz/fuzz_tcp -max_total_time=60
    PYTHONPATH=. python tests/fuzz/fuzz_tcp.py build/fuzz/fuzz_tcp-crash-…

Without atheris, ``test_fuzz_targets.py`` runs all of them over their seeds and some mutations of those.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

OneInput: TypeAlias = Callable[[bytes], None]
Seeds: TypeAlias = Callable[[], Iterable[bytes]]
Scramble: TypeAlias = Callable[[bytes, int], bytes]
"""Makes of some bytes others, at most so many."""
Mutate: TypeAlias = Callable[[bytes, int, Random, Scramble], bytes]

REPOSITORY: Final = Path(__file__).parents[2]
SEEDS: Final = Path(__file__).parent / "seeds"


@contextmanager
def instrumented(name: str) -> Iterator[None]:
    """Around a target's imports of fieldkit: libFuzzer then sees which way the code takes. ``name`` is the target's
    ``__name__``: where it is imported by a test there is no libFuzzer, and perhaps no atheris."""
    if name != "__main__":
        yield
        return
    import atheris

    with atheris.instrument_imports(include=["fieldkit"]):
        yield
        # Layers that fieldkit itself loads when it first needs them would come too late for this.
        for package in ("ocpp", "wire"):
            for module in sorted((REPOSITORY / "fieldkit" / package).glob("[a-z]*.py")):
                importlib.import_module(f"fieldkit.{package}.{module.stem}")


def fuzz(one_input: OneInput, seeds: Seeds, mutate: Mutate, *, largest: int = 4096) -> None:
    """Run a target with the arguments of the command line; does not return. ``largest``: bytes of an input; small ones
    are quick, and nearly everything that can go wrong goes wrong in small ones."""
    import atheris

    arguments = [*sys.argv, f"-max_len={largest}"]
    corpus = next((Path(argument) for argument in arguments[1:] if Path(argument).is_dir()), None)
    if corpus is not None:
        # libFuzzer keeps what it finds in the first directory and only reads the others.
        arguments.append(str(_write_seeds(seeds(), corpus.with_name(f"{corpus.name}-seeds"))))

    def custom_mutator(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.1:
            return bytes(atheris.Mutate(data, most))
        return mutate(data, most, random, atheris.Mutate)[:most]

    atheris.Setup(arguments, one_input, custom_mutator=custom_mutator)
    atheris.Fuzz()


def _write_seeds(seeds: Iterable[bytes], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for seed in seeds:
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return folder


def saved_seeds(target: str) -> list[bytes]:
    """Inputs that were kept as files, among them those that once broke something."""
    folder = SEEDS / target
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


# ---------------------------------------------------------------------------------------------------------- decisions


class Decisions:
    """The bytes of an input, taken as decisions one after the other; behind the end all of them are 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """There are bytes left."""
        return self._at < len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, limit: int) -> int:
        """One of the numbers 0 … limit - 1, for limits up to 65,536."""
        return (self.byte() if limit <= 256 else self.byte() << 8 | self.byte()) % limit

    def number(self) -> int:
        """32 bits."""
        return int.from_bytes(self.take(4).ljust(4, b"\0"), "big")

    def take(self, count: int) -> bytes:
        """At most so many bytes as they are."""
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken


# ------------------------------------------------------------------------------------------------------------- pieces

Piece: TypeAlias = tuple[int, bytes]
"""A kind, which each target gives its own meaning, and bytes."""

LARGEST_PIECE: Final = 0xFFFF


def join_pieces(pieces: Iterable[Piece]) -> bytes:
    """Pieces as an input: kind, length in two bytes, bytes."""
    return b"".join(
        bytes((kind, *len(part).to_bytes(2, "big"))) + part
        for kind, data in pieces
        for part in (data[at : at + LARGEST_PIECE] for at in range(0, len(data) or 1, LARGEST_PIECE))
    )


def split_pieces(data: bytes) -> Iterator[Piece]:
    """The pieces of an input; the last may be shorter than it says."""
    at = 0
    while at + 3 <= len(data):
        stop = at + 3 + int.from_bytes(data[at + 1 : at + 3], "big")
        yield data[at], data[at + 3 : stop]
        at = stop


def mutate_pieces(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """Leave out, repeat, move, cut, join or scramble pieces."""
    pieces = list(split_pieces(data))
    if not pieces:
        return scramble(data, most)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(pieces))
        kind, part = pieces[at]
        match random.randrange(10):
            case 0 if len(pieces) > 1:
                del pieces[at]
            case 1:
                pieces.insert(random.randrange(len(pieces) + 1), pieces[at])
            case 2:
                pieces.insert(random.randrange(len(pieces)), pieces.pop(at))
            case 3 if len(part) > 1:
                cut = random.randrange(1, len(part))
                pieces[at : at + 1] = [(kind, part[:cut]), (kind, part[cut:])]
            case 4 if at + 1 < len(pieces):
                pieces[at : at + 2] = [(kind, (part + pieces[at + 1][1])[:LARGEST_PIECE])]
            case 5:
                pieces[at] = (random.randrange(256), part)
            case 6:
                pieces.insert(at, (random.randrange(256), scramble(random.randbytes(random.randrange(1, 24)), 24)))
            case _:
                room = min(max(len(part) + most - len(data), 1), LARGEST_PIECE)
                pieces[at] = (kind, scramble(part or b"\0", room))
    return join_pieces(pieces)


def mutate_bytes(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """For inputs without parts."""
    return scramble(data, most)


def clumsy_scramble(random: Random) -> Scramble:
    """Something like libFuzzer's own mutations, for where it is not."""

    def scramble(data: bytes, most: int) -> bytes:
        scrambled = bytearray(data)
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(scrambled) + 1)
            match random.randrange(4):
                case 0:
                    scrambled[at : at + 1] = bytes((random.choice((0, 1, 10, 32, 34, 127, 128, 255)),))
                case 1:
                    del scrambled[at : at + random.randrange(1, 9)]
                case 2:
                    scrambled[at:at] = random.randbytes(random.randrange(1, 9))
                case 3:
                    other = random.randrange(len(scrambled) + 1)
                    scrambled[at:at] = scrambled[other : other + random.randrange(1, 65)]
        return bytes(scrambled[:most])

    return scramble
