"""What the detector reads from files: a model, a prior, a calibration. The first byte says which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from random import Random
from typing import Any

from tests.fuzz.harness import Scramble, fuzz, instrumented, saved_seeds

with instrumented(__name__):
    from fieldkit.detect.calibration import Calibration
    from fieldkit.detect.context import Context
    from fieldkit.detect.features import SIZE
    from fieldkit.detect.flatbuffer import DamagedError
    from fieldkit.detect.model import METADATA, card_of
    from fieldkit.detect.prior import Prior, UnfitError
    from fieldkit.detect.tflite import MAX_BYTES, Layer, build, read
    from fieldkit.detect.windows import Windows


def one_input(data: bytes) -> None:
    kind, rest = (data[0] % 3, data[1:]) if data else (0, b"")
    if kind == 0:
        _model(rest)
        return
    try:
        document = json.loads(rest)
    except (ValueError, RecursionError):
        return
    if kind == 1:
        _prior(document)
    else:
        _calibration(document)


def told(error: Exception) -> None:
    """It says what is wrong."""
    assert str(error)


def unchanged(windows: Windows) -> None:
    """What is refused changes nothing."""
    assert not windows.known


def _model(data: bytes) -> None:
    try:
        network = read(data)
    except DamagedError as error:
        told(error)
        return
    assert len(data) <= MAX_BYTES
    made = network.run([0.5] * network.inputs)
    assert len(made) == network.outputs
    try:
        card = card_of(network)
    except DamagedError:
        return
    assert network.inputs == SIZE
    assert card["probes"]


def _prior(document: Any) -> None:
    try:
        prior = Prior.load(document)
    except UnfitError as error:
        told(error)
        return
    assert all(map(isfinite, (*prior.medians, *prior.spreads, *prior.limits, prior.model)))
    assert 0 <= prior.trigrams.surprise("a", "b", "c") < 20


def _calibration(document: Any) -> None:
    windows = Windows(Context(lambda symptom: None), Prior())
    calibration = Calibration(windows)
    try:
        calibration.load(document)
    except UnfitError as error:
        told(error)
        unchanged(windows)
        return
    again = json.loads(json.dumps(calibration.dump()))
    Calibration(Windows(Context(lambda symptom: None), Prior())).load(again)


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    if not data:
        return scramble(data, most)
    if data[0] % 3 and random.random() < 0.6:
        return data[:1] + _elsewhere(data[1:], random)[: most - 1]
    return data[:1] + scramble(data[1:], most - 1)


def _elsewhere(text: bytes, random: Random) -> bytes:
    """Another value in the place of one of a document's."""
    values: list[Any] = [None, True, -1, 1e308, 2**70, "", [], {}, [0], "x" * 200]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    at = document
    for _ in range(random.randrange(1, 6)):
        keys = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        if not keys:
            break
        key = random.choice(keys)
        if random.random() < 0.4 or not isinstance(at[key], dict | list):
            at[key] = random.choice(values)
            break
        at = at[key]
    return json.dumps(document).encode()


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_detect")
    small = [Layer(((0.5, -1.0), (0.25, 2.0)), (0.0, 1.0), relu=True), Layer(((1.0, 1.0),), (0.5,), relu=False)]
    yield b"\0" + build(small, {METADATA: b"{}"}, "fuzz")
    yield b"\0" + build(small[:1], {}, "")
    yield b"\1" + json.dumps(Prior(shipped=True).dump()).encode()
    windows = Windows(Context(lambda symptom: None), Prior())
    yield b"\2" + json.dumps(Calibration(windows).dump()).encode()
    known, _ = windows.begin("CP_1")
    known.usual[0].add(1.0)
    yield b"\2" + json.dumps(Calibration(windows).dump()).encode()


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
