"""The model file: what we write runtimes take, and what is not ours never reaches one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.detect.flatbuffer import DamagedError
from fieldkit.detect.tflite import MAX_BYTES, Layer, build, read

RUNTIMES = {
    "ai_edge_litert.interpreter": ("ai-edge-litert", "numpy"),
    "tflite_runtime.interpreter": ("tflite-runtime==2.14.0", "numpy<2"),
}


def network(seed: int = 1, shape: tuple[int, ...] = (40, 24, 8, 24, 40)) -> list[Layer]:
    chance = random.Random(seed)
    layers = []
    for number, (width, height) in enumerate(pairwise(shape)):
        rows = tuple(tuple(chance.gauss(0, 0.3) for _ in range(width)) for _ in range(height))
        layers.append(Layer(rows, tuple(chance.gauss(0, 0.1) for _ in range(height)), number < len(shape) - 2))
    return layers


def test_what_is_written_is_read_again() -> None:
    data = build(network(), {"fieldkit.json": b'{"a": 1}'}, "a model")
    found = read(data)
    assert (found.inputs, found.outputs, len(found.layers)) == (40, 40, 4)
    assert found.metadata == {"fieldkit.json": b'{"a": 1}'}
    assert [layer.relu for layer in found.layers] == [True, True, True, False]
    assert found.layers[0].bias[0] == pytest.approx(network()[0].bias[0], abs=1e-6)


def test_the_same_layers_give_the_same_bytes() -> None:
    assert build(network(), {"m": b"x"}, "d") == build(network(), {"m": b"x"}, "d")
    assert build(network(), {"m": b"x"}, "d") != build(network(2), {"m": b"x"}, "d")


def test_a_layer_computes_what_it_says() -> None:
    layer = Layer(((1.0, 2.0), (-1.0, 0.5)), (0.5, -3.0), relu=True)
    assert read(build([layer], {}, "d")).run([1.0, 2.0]) == [5.5, 0.0]


def test_a_model_of_another_kind_is_not_taken() -> None:
    with pytest.raises(DamagedError, match="does not begin"):
        read(b"\x08\0\0\0TFL4" + bytes(64))
    with pytest.raises(DamagedError, match="at most"):
        read(bytes(MAX_BYTES + 1))
    with pytest.raises(DamagedError, match="no number"):
        read(build([Layer(((float("nan"),),), (0.0,), relu=False)], {}, "d"))


def test_an_operator_that_is_not_known_is_not_taken() -> None:
    data = bytearray(build(network(shape=(3, 2)), {}, "d"))
    # The operator code says FULLY_CONNECTED (9) twice, once as a byte and once as a number: make both 22 (RESHAPE).
    at = [place for place in range(len(data) - 4) if data[place : place + 4] == b"\x09\0\0\0"]
    assert at, "the code is in the file"
    for place in at:
        data[place] = 22
    with pytest.raises(DamagedError):
        read(bytes(data))


def test_offsets_that_lead_in_circles_come_to_an_end() -> None:
    data = bytearray(build(network(shape=(3, 2)), {}, "d"))
    for place in range(8, len(data) - 4, 4):
        damaged = bytearray(data)
        damaged[place : place + 4] = b"\0\0\0\0"
        with suppress(DamagedError):
            assert read(bytes(damaged)).layers


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_told_and_never_raises_otherwise(data: st.DataObject) -> None:
    whole = bytearray(build(network(shape=(6, 4, 6)), {"m": b"{}"}, "d"))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    try:
        found = read(cut)
    except DamagedError:
        return
    assert len(found.run([0.0] * found.inputs)) == found.outputs


@pytest.mark.parametrize("module", RUNTIMES)
def test_runtimes_compute_what_we_compute(module: str, tmp_path: Path) -> None:
    """In a child process, as always: a runtime that crashes must not take the tests along."""
    layers = network(5)
    path = tmp_path / "model.tflite"
    path.write_bytes(build(layers, {}, "d"))
    chance = random.Random(9)
    windows = [[chance.uniform(-1.5, 1.5) for _ in range(40)] for _ in range(5)]
    code = (
        "import sys, json, importlib, numpy\n"
        "I = importlib.import_module(sys.argv[1]).Interpreter(model_path=sys.argv[2]); I.allocate_tensors()\n"
        "for x in json.loads(sys.argv[3]):\n"
        "    I.set_tensor(I.get_input_details()[0]['index'], numpy.array([x], dtype='f4')); I.invoke()\n"
        "    print(json.dumps(I.get_tensor(I.get_output_details()[0]['index'])[0].tolist()))\n"
        "assert list(I.get_signature_list()) == ['serving_default']\n"
    )
    python = _python_with(module)
    done = subprocess.run(
        [python, "-c", code, module, str(path), json.dumps(windows)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    ours = read(path.read_bytes())
    for window, line in zip(windows, done.stdout.splitlines(), strict=True):
        assert ours.run(window) == pytest.approx(json.loads(line), abs=1e-4)


def _python_with(module: str) -> str:
    """This interpreter, or one that FIELDKIT_RUNTIMES names (a list of interpreters with a runtime each)."""
    for python in (sys.executable, *os.environ.get("FIELDKIT_RUNTIMES", "").split(os.pathsep)):
        if python:
            done = subprocess.run([python, "-c", f"import {module}"], capture_output=True, timeout=120)
            if done.returncode == 0:
                return python
    pytest.skip(f"needs {RUNTIMES[module][0]} (pip install 'fieldkit[ml]', or FIELDKIT_RUNTIMES)")
