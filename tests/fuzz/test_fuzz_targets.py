"""The fuzz targets without a fuzzer: they run, over their seeds and over some mutations of those.

What libFuzzer and atheris do is to try more of the same, for longer, and led by which way the code takes.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.harness import (
    Decisions,
    clumsy_scramble,
    join_pieces,
    mutate_pieces,
    saved_seeds,
    split_pieces,
)

TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))
SEEDS, MUTATIONS = 25, 25
"""Of each target, so that all of them together take a second or two."""
LARGEST = 4096


def target(name: str) -> Any:
    return importlib.import_module(f"tests.fuzz.{name}")


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations_keep_the_promises(name: str) -> None:
    module, random = target(name), Random(name)
    seeds = list(module.seeds())
    chosen = saved_seeds(name) + random.sample(seeds, min(SEEDS, len(seeds)))
    for seed in chosen:
        module.one_input(seed)
    for _ in range(MUTATIONS):
        module.one_input(module.mutate(random.choice(chosen), LARGEST, random, clumsy_scramble(random))[:LARGEST])


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_little_are_inputs_too(name: str) -> None:
    module = target(name)
    for data in (b"", b"\0", b"\xff", bytes(3), b"\0\0\1", b"\0\0\1x", bytes(40)):
        module.one_input(data)


def test_every_target_is_made_alike() -> None:
    assert TARGETS
    for name in TARGETS:
        assert {"one_input", "seeds", "mutate"} <= set(dir(target(name))), name


def test_a_target_notices_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Assertions that can never fail would look just as good."""
    module = target("fuzz_capture")
    monkeypatch.setattr(module, "check_error", lambda error: pytest.fail(error.reason))
    with pytest.raises(pytest.fail.Exception, match="empty"):
        module.one_input(b"")


# ---------------------------------------------------------------------------------------------------------- the helpers


def test_pieces_come_back_as_they_went_in() -> None:
    pieces = [(0, b"GET"), (255, b""), (1, bytes(70_000)), (7, b"end")]
    assert list(split_pieces(join_pieces(pieces))) == [
        (0, b"GET"),
        (255, b""),
        (1, bytes(65_535)),
        (1, bytes(4465)),
        (7, b"end"),
    ]
    assert list(split_pieces(b"\1\0\5abc")) == [(1, b"abc")]
    assert list(split_pieces(b"\1\0")) == []


def test_mutated_pieces_are_still_pieces() -> None:
    random = Random(1)
    data = join_pieces([(number, b"piece %d" % number) for number in range(5)])
    for _ in range(200):
        mutated = mutate_pieces(data, 200, random, clumsy_scramble(random))
        assert join_pieces(split_pieces(mutated)) == mutated
    assert mutate_pieces(b"", 10, random, lambda data, most: b"scrambled") == b"scrambled"


def test_decisions_never_run_out() -> None:
    decisions = Decisions(b"\x07\x01\x02\x00\x00\x00\x09ab")
    assert (decisions.byte(), decisions.below(1000), decisions.number()) == (7, 258, 9)
    assert decisions
    assert (decisions.take(9), decisions.take(9), decisions.byte(), decisions.number()) == (b"ab", b"", 0, 0)
    assert not decisions
