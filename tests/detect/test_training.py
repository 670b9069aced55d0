"""Training: the same bytes each time, whatever numpy's library does with its threads."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys

import pytest

pytest.importorskip("numpy")

from fieldkit.detect.features import SIZE
from fieldkit.detect.model import Model
from fieldkit.detect.tflite import read
from fieldkit.models.training import Collection, train

STEP = 10_000_000_000


def collection(seed: int = 1, stations: int = 6, windows: int = 300) -> Collection:
    """Windows whose numbers go together by threes."""
    chance = random.Random(seed)
    made = Collection()
    for station in range(stations):
        take = made.into("site")
        for number in range(windows):
            hidden = [abs(chance.gauss(1, 0.5)) for _ in range(SIZE // 3 + 1)]
            take(f"CP_{station}", number * STEP, [hidden[at // 3] + chance.uniform(0, 0.1) for at in range(SIZE)],
                 [at % 7 != 0 for at in range(SIZE)])  # fmt: skip
    made.sequences(made.trigrams)
    return made


def test_a_model_learns_what_goes_together() -> None:
    trained = train(collection(), {"data": "test"}, epochs=30)
    network = read(trained.model)
    card = json.loads(network.metadata["fieldkit.json"])
    model = Model(card, network.run)
    mask = [True] * SIZE
    together, apart = [0.0] * SIZE, [0.0] * SIZE
    for at in range(12, 15):
        together[at] = 3.0
    apart[12], apart[16], apart[20] = 4.4, -4.4, 4.4
    usual, odd = model.judge(together, mask), model.judge(apart, mask)
    assert usual is not None
    assert odd is not None
    assert odd[0] > usual[0]
    assert trained.prior.limits
    assert min(trained.prior.limits) >= 6


def test_another_seed_is_another_model() -> None:
    one, other = (train(collection(), {}, epochs=1, seed=seed).model for seed in (1, 2))
    assert one != other
    assert one == train(collection(), {}, epochs=1, seed=1).model


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(threads: str) -> None:
    code = (
        "import hashlib; from tests.detect.test_training import *; "
        "print(hashlib.sha256(train(collection(), {}, epochs=2).model).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "OPENBLAS_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(train(collection(), {}, epochs=2).model).hexdigest()
