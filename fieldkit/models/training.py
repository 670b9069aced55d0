"""The model and the prior from windows of sites: with numpy alone, and byte for byte the same each time.

An autoencoder 40-24-8-24-40 learns to give back ordinary windows, some of whose numbers it is not shown: so it has to
learn how they go together. Adam with a fixed seed; weights are written by our own writer. No runtime and no framework
is needed."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.detector import Detector
from fieldkit.detect.features import FEATURES, MINUTE, SIZE
from fieldkit.detect.model import JUDGED, METADATA, Model, prepared, residuals
from fieldkit.detect.prior import Prior, schema
from fieldkit.detect.sequence import Trigrams
from fieldkit.detect.tails import BLOCK, BLOCKS_A_WEEK, MAX_KEPT, quantile
from fieldkit.detect.tflite import Layer, build, read
from fieldkit.detect.usual import mixed
from fieldkit.detect.windows import A_WEEK, CLIP, TWO_SIDED, Windows, floor_of
from fieldkit.models.manifest import MODEL, PRIOR, write_manifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHAPE: Final = (MINUTE, 24, 8, 24, MINUTE)
SEED: Final = 7
EPOCHS: Final = 24
BATCH: Final = 512
RATE: Final = 2e-3
HIDDEN: Final = 0.15
"""Share of what was seen that it is not shown while it learns."""
MAX_ERRORS: Final = 6_000
MAX_ROWS: Final = 50_000
"""Windows that it learns from; of more, evenly spread ones."""
HELD_BACK: Final = 5
"""Every fifth station is not trained on: thresholds are set where the model has not learnt."""
COLD: Final = 30
"""The first windows of a station are judged by the fleet's measure, as they will be in the field."""
LOWEST: Final = 6.0
"""Least limit, in spreads: sites differ more than those that were learnt from."""
MARGIN: Final = 1.2
"""Limits lie so much above all that ordinary stations have shown."""
LEAST: Final = 500
"""Windows without which nothing is learnt."""


Row = tuple[int, "array[float]", int]
"""Time, squeezed values, and a bit for each that was seen: 200 bytes, where lists take two kilobytes."""
Scored = tuple[int, list[float], list[bool]]
"""Time, values in spreads from the usual, mask."""


@dataclass(slots=True)
class Collection:
    """Ordinary windows, station by station."""

    stations: dict[str, list[Row]] = field(default_factory=dict)
    trigrams: Trigrams = field(default_factory=Trigrams)

    def into(self, site: str) -> Callable[[str, int, list[float], list[bool]], None]:
        """For ``windows.Windows(collected=…)``."""

        def take(name: str, time: int, squeezed: list[float], mask: list[bool]) -> None:
            bits = sum(1 << at for at, seen in enumerate(mask) if seen)
            self.stations.setdefault(f"{site}/{name}", []).append((time, array("f", squeezed), bits))

        return take

    def sequences(self, trigrams: Trigrams) -> None:
        """What a station has counted."""
        for context, following in trigrams.counts.items():
            mine = self.trigrams.counts.setdefault(context, {})
            for name, number in following.items():
                mine[name] = mine.get(name, 0.0) + number
        self.trigrams.totals = {context: sum(following.values()) for context, following in self.trigrams.counts.items()}

    @property
    def windows(self) -> int:
        """How many there are."""
        return sum(map(len, self.stations.values()))


def collector(collection: Collection, site: str) -> tuple[Detector, Windows]:
    """A detector that collects windows of one site while its rules see nothing wrong."""
    made: list[Windows] = []

    def windows(context: Context) -> Tracker:
        made.append(Windows(context, Prior(), layers=frozenset(), collected=collection.into(site)))
        return made[-1]

    detector = Detector(layers=("rules",), more=[windows])
    return detector, made[0]


@dataclass(frozen=True, slots=True)
class Trained:
    """What is to be written."""

    model: bytes
    prior: Prior
    about: dict[str, Any]


def train(collection: Collection, about: dict[str, Any], *, seed: int = SEED, epochs: int = EPOCHS) -> Trained:
    """Prior, model and thresholds."""
    if collection.windows < LEAST:
        raise ValueError(f"{collection.windows} windows are too few to learn from: at least {LEAST}")
    prior = _prior(collection)
    names = sorted(collection.stations)
    learnt = [name for number, name in enumerate(names) if number % HELD_BACK or len(names) < HELD_BACK]
    held = [name for name in names if name not in set(learnt)] or names
    every = max(sum(len(collection.stations[name]) for name in learnt) // MAX_ROWS, 1)
    rows = [row for name in learnt for row in islice(_scores(collection.stations[name], prior), 0, None, every)]
    layers, loss = _fit([(prepared(one[1], one[2]), one[2][:MINUTE]) for one in rows], seed, epochs)
    card: dict[str, Any] = {
        "schema": schema(),
        "features": [feature.name for feature in FEATURES[:MINUTE]],
        "shape": list(SHAPE),
        "seed": seed,
        "epochs": epochs,
        "windows": len(rows),
        "loss": round(loss, 6),
        "data_sha256": _digest(rows),
        "about": about,
    }
    every = max(sum(len(collection.stations[name]) for name in held) // MAX_ERRORS, 1)
    errors = _errors(
        layers, (row for name in held for row in islice(_scores(collection.stations[name], prior), 0, None, every))
    )
    card["residual_means"], card["residual_inverse"] = _together(errors)
    network = read(build(layers, {}, "fieldkit"))
    card["probes"] = [
        {"given": given, "made": [round(value, 6) for value in network.run(given)]}
        for given in (
            [round(value, 4) for value in prepared(row[1], row[2])] for row in rows[:: len(rows) // 3 or 1][:4]
        )
    ]
    model = Model(card, network.run)
    _thresholds(prior, [_scores(collection.stations[name], prior) for name in held], model)
    text = json.dumps(card, sort_keys=True, separators=(",", ":"))
    data = build(layers, {METADATA: text.encode()}, "fieldkit anomaly model")
    return Trained(data, prior, {**about, "windows": collection.windows, "loss": card["loss"], "seed": seed})


def save(trained: Trained, folder: Path) -> None:
    """Model, prior and the manifest that pins both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(trained.model)
    text = json.dumps(trained.prior.dump(), sort_keys=True, separators=(",", ":"))
    (folder / PRIOR).write_text(text + "\n", encoding="utf-8")
    write_manifest(folder, trained.about)


# ---------------------------------------------------------------------------------------------------------- the prior


def _prior(collection: Collection) -> Prior:
    prior = Prior(shipped=True, trigrams=collection.trigrams)
    for at in range(SIZE):
        values = sorted(
            squeezed[at] for rows in collection.stations.values() for _, squeezed, bits in rows[::7] if bits >> at & 1
        )
        if FEATURES[at].how == "recent":
            # Nearly always zero; what happens to anybody now and then is in the least spread.
            prior.medians[at], prior.spreads[at] = 0.0, FEATURES[at].floor
            continue
        if len(values) < 50:
            prior.medians[at], prior.spreads[at] = 0.0, 3 * FEATURES[at].floor
            continue
        median = values[len(values) // 2]
        high, low = values[int(0.99 * (len(values) - 1))], values[int(0.01 * (len(values) - 1))]
        deviation = sorted(abs(value - median) for value in values)[len(values) // 2]
        # Of a count that is nearly always zero, the median deviation is zero: then the highest hundredth tells.
        prior.medians[at] = median
        prior.spreads[at] = max(1.4826 * deviation, (high - median) / 2.326, (median - low) / 2.326, FEATURES[at].floor)
    return prior


def _scores(rows: list[Row], prior: Prior) -> Iterator[Scored]:
    """Each window in spreads from its station's usual, as ``windows`` will have it."""
    medians, spreads = [], []
    for at in range(MINUTE):
        values = sorted(squeezed[at] for _, squeezed, bits in rows[::3] if bits >> at & 1)
        share = min(len(values), 96) / (min(len(values), 96) + 12.0)
        median = values[len(values) // 2] if values else prior.medians[at]
        deviation = sorted(abs(value - median) for value in values)[len(values) // 2] if values else 0.0
        median, spread = mixed(share, (median, 1.4826 * deviation), (prior.medians[at], prior.spreads[at]))
        medians.append(median)
        spreads.append(max(spread, floor_of(at, prior.spreads[at])))
    medians += prior.medians[MINUTE:]
    spreads += prior.spreads[MINUTE:]
    for number, (time, squeezed, bits) in enumerate(rows):
        middle, wide = (prior.medians, prior.spreads) if number < COLD else (medians, spreads)
        mask = [bool(bits >> at & 1) for at in range(SIZE)]
        yield (
            time,
            [max(-CLIP, min((squeezed[at] - middle[at]) / wide[at], CLIP)) if mask[at] else 0.0 for at in range(SIZE)],
            mask,
        )


def _thresholds(prior: Prior, stations: list[Iterator[Scored]], model: Model) -> None:
    """Scores that are reached ``A_WEEK`` times a charger-week by stations that nothing was learnt from."""
    features: list[list[float]] = [[] for _ in range(SIZE)]
    whole: list[float] = []
    for rows in stations:
        blocks: dict[int, tuple[list[float], list[float]]] = {}
        for time, scores, mask in rows:
            found = model.judge(scores, mask)
            most, judged = blocks.setdefault(time // BLOCK, ([0.0] * SIZE, [0.0]))
            judged[0] = max(judged[0], found[0] if found is not None else 0.0)
            for at, score in enumerate(scores):
                size = abs(score) if at in TWO_SIDED else score
                if size > most[at]:
                    most[at] = size
        for most, judged in blocks.values():
            whole.append(judged[0])
            for at, size in enumerate(most):
                features[at].append(size)
    for at, values in enumerate(features):
        prior.limits[at] = max(_limit(values, A_WEEK / 4), LOWEST)
    prior.model = max(_limit(whole, A_WEEK), 3.0)


def _limit(values: list[float], a_week: float) -> float:
    values.sort()
    limit = quantile(values[-MAX_KEPT:], len(values), a_week / BLOCKS_A_WEEK)
    highest = values[-1] if values else 0.0
    # The fit may lie far beyond all that was seen: not further than twice that.
    return max(min(limit if limit is not None else 0.0, 2 * highest), MARGIN * highest)


# ---------------------------------------------------------------------------------------------------------- the model


def _fit(rows: list[tuple[list[float], list[bool]]], seed: int, epochs: int) -> tuple[list[Layer], float]:
    import numpy as np

    data = np.array([row[0] for row in rows], dtype=np.float32)
    mask = np.array([row[1] for row in rows], dtype=np.float32)
    chance = np.random.default_rng(seed)
    weights: list[NDArray[np.float32]] = []
    for width, height in pairwise(SHAPE):
        limit = float(np.sqrt(6 / (width + height)))
        weights += [
            chance.uniform(-limit, limit, (width, height)).astype(np.float32),
            np.zeros(height, dtype=np.float32),
        ]
    adam = _Adam(weights)
    loss = 0.0
    for _ in range(epochs):
        order = chance.permutation(len(data))
        loss = 0.0
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            target, seen = data[chosen], mask[chosen]
            shown = target * (chance.random(target.shape, dtype=np.float32) >= HIDDEN)
            loss += _step(weights, adam, shown, target, seen) * len(chosen)
    layers = []
    for at in range(0, len(weights), 2):
        rows_ = tuple(tuple(float(value) for value in row) for row in weights[at].T)
        layers.append(Layer(rows_, tuple(float(value) for value in weights[at + 1]), at < len(weights) - 2))
    return layers, loss / len(data)


class _Adam:
    """Kingma and Ba 2015, with the usual constants."""

    def __init__(self, weights: list[NDArray[np.float32]]) -> None:
        import numpy as np

        self.first = [np.zeros_like(one) for one in weights]
        self.second = [np.zeros_like(one) for one in weights]
        self.steps = 0

    def apply(self, weights: list[NDArray[np.float32]], slopes: list[NDArray[np.float32]]) -> None:
        """One step downhill."""
        import numpy as np

        self.steps += 1
        rate = np.float32(RATE * (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps))
        for weight, slope, first, second in zip(weights, slopes, self.first, self.second, strict=True):
            first *= np.float32(0.9)
            first += np.float32(0.1) * slope
            second *= np.float32(0.999)
            second += np.float32(0.001) * slope * slope
            weight -= rate * first / (np.sqrt(second) + np.float32(1e-7))


def _step(
    weights: list[NDArray[np.float32]],
    adam: _Adam,
    shown: NDArray[np.float32],
    target: NDArray[np.float32],
    seen: NDArray[np.float32],
) -> float:
    import numpy as np

    values = [shown]
    count = len(weights) // 2
    for layer in range(count):
        made = values[-1] @ weights[2 * layer] + weights[2 * layer + 1]
        values.append(np.maximum(made, 0) if layer < count - 1 else made)
    off = (values[-1] - target) * seen
    share = np.float32(2.0 / max(float(seen.sum()), 1.0))
    slope = off * share
    slopes: list[NDArray[np.float32]] = [shown] * len(weights)
    for layer in range(count - 1, -1, -1):
        slopes[2 * layer] = values[layer].T @ slope
        slopes[2 * layer + 1] = slope.sum(0)
        if layer:
            slope = (slope @ weights[2 * layer].T) * (values[layer] > 0)
    adam.apply(weights, slopes)
    return float((off * off).sum() / max(float(seen.sum()), 1.0))


def _errors(layers: list[Layer], rows: Iterable[Scored]) -> list[list[float]]:
    network = read(build(layers, {}, "fieldkit"))
    found = []
    for _, scores, mask in rows:
        given = prepared(scores, mask)
        found.append(residuals(given, network.run(given), mask))
    return found


def _together(errors: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    """Mean and inverse covariance of the groups' errors."""
    import numpy as np

    table = np.array(errors, dtype=np.float64)
    means = table.mean(0)
    covariance = np.cov(table.T) + 0.02 * np.eye(JUDGED)
    inverse = np.linalg.inv(covariance)
    return [round(float(value), 6) for value in means], [[round(float(value), 6) for value in row] for row in inverse]


def _digest(rows: list[Scored]) -> str:
    digest = hashlib.sha256()
    for _, scores, mask in rows:
        digest.update(json.dumps([[round(score, 4) for score in scores], mask]).encode())
    return digest.hexdigest()
