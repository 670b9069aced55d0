"""A .tflite of dense layers: read with suspicion into plain numbers, and written so that any runtime takes it.

Only what our own models are made of is taken: one graph, FULLY_CONNECTED with or without RELU one after the other,
float32, shapes that fit, nothing custom, nothing quantised, nothing outside of the file. A model is a program: what is
not known here never reaches a runtime written in C++. Numbers of fields and operators are those of TensorFlow's
schema.fbs."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from math import isfinite
from operator import mul
from typing import Final, NamedTuple, TypeVar

from fieldkit.detect.flatbuffer import Byte, DamagedError, Node, Reader, Table, write

T = TypeVar("T")

MAX_BYTES: Final = 256 << 10
"""Ours have 12 KB."""
MAX_LAYERS: Final = 16
MAX_WIDTH: Final = 512
IDENTIFIER: Final = b"TFL3"

_FULLY_CONNECTED: Final = 9
_FULLY_CONNECTED_OPTIONS: Final = 8
_RELU: Final = 1


class Layer(NamedTuple):
    """``y = W x + b``, then the negative cut off or not."""

    weights: tuple[tuple[float, ...], ...]
    """A row for each output."""
    bias: tuple[float, ...]
    relu: bool


class Network(NamedTuple):
    """A model as it is executed."""

    layers: tuple[Layer, ...]
    metadata: Mapping[str, bytes]

    @property
    def inputs(self) -> int:
        """How many numbers go in."""
        return len(self.layers[0].weights[0])

    @property
    def outputs(self) -> int:
        """How many come out."""
        return len(self.layers[-1].bias)

    def run(self, values: Sequence[float]) -> list[float]:
        """One window, in plain Python."""
        now: Sequence[float] = values
        for weights, bias, relu in self.layers:
            found = [sum(map(mul, row, now)) + shift for row, shift in zip(weights, bias, strict=True)]
            now = [value if value > 0 else 0.0 for value in found] if relu else found
        return list(now)


# ------------------------------------------------------------------------------------------------------------ reading


def read(data: bytes) -> Network:
    """The model in a file; ``DamagedError`` where it is not one of ours."""
    if len(data) > MAX_BYTES:
        raise DamagedError(f"it has {len(data):,} bytes, ours have at most {MAX_BYTES:,}")
    model = Reader(data).root(IDENTIFIER)
    if model.number(0) != 3:
        raise DamagedError(f"it is of schema version {model.number(0)}, not 3")
    for code in model.tables(1):
        if code.has(1) or (code.number(3) or code.byte(0)) != _FULLY_CONNECTED or code.byte(0) != _FULLY_CONNECTED:
            raise DamagedError("it uses operators other than FULLY_CONNECTED")
    graphs = model.tables(2)
    if len(graphs) != 1:
        raise DamagedError(f"it has {len(graphs)} graphs, not one")
    buffers = model.tables(4)
    if any(buffer.has(1) or buffer.has(2) for buffer in buffers):
        raise DamagedError("its weights lie outside of the file")
    contents = [buffer.raw(0) for buffer in buffers]
    metadata = {}
    for entry in model.tables(6):
        metadata[entry.text(0)] = _at(contents, entry.number(1), "buffer")
    return Network(_layers(graphs[0], contents, len(model.tables(1))), metadata)


def _layers(graph: Table, contents: list[bytes], codes: int) -> tuple[Layer, ...]:
    tensors = graph.tables(0)
    inputs, outputs = graph.numbers(1), graph.numbers(2)
    operators = graph.tables(3)
    if len(inputs) != 1 or len(outputs) != 1 or not 0 < len(operators) <= MAX_LAYERS:
        raise DamagedError("it is no plain sequence of layers")
    for tensor in tensors:
        if tensor.byte(1) or tensor.has(4) or tensor.byte(5) or tensor.has(6):
            raise DamagedError("a tensor is not plain float32")
    now, layers = inputs[0], []
    width = _shape(_at(tensors, now, "tensor"))[-1]
    for operator in operators:
        taken, given = operator.numbers(1), operator.numbers(2)
        options = operator.table(4)
        if (
            not 0 <= operator.number(0) < codes
            or len(taken) != 3
            or len(given) != 1
            or taken[0] != now
            or operator.byte(3) != _FULLY_CONNECTED_OPTIONS
            or options is None
            or operator.has(5)
        ):
            raise DamagedError("a layer is not connected to the one before")
        activation = options.byte(0)
        if activation not in (0, _RELU) or options.byte(1) or options.byte(2) or options.byte(3):
            raise DamagedError(f"a layer has activation {activation} or another form of weights")
        rows, columns = _shape(_at(tensors, taken[1], "tensor"), 2)
        if columns != width or _shape(_at(tensors, taken[2], "tensor"), 1) != [rows]:
            raise DamagedError("the shapes of two layers do not fit together")
        if _shape(_at(tensors, given[0], "tensor"))[-1] != rows:
            raise DamagedError("a layer says that it has another width than its weights")
        weights = _floats(contents, _at(tensors, taken[1], "tensor"), rows * columns)
        bias = _floats(contents, _at(tensors, taken[2], "tensor"), rows)
        cut = tuple(tuple(weights[begin : begin + columns]) for begin in range(0, len(weights), columns))
        layers.append(Layer(cut, tuple(bias), activation == _RELU))
        now, width = given[0], rows
    if now != outputs[0]:
        raise DamagedError("its output is not that of its last layer")
    return tuple(layers)


def _shape(tensor: Table, dimensions: int | None = None) -> list[int]:
    shape = tensor.numbers(0)
    if not shape or (dimensions is not None and len(shape) != dimensions) or len(shape) > 2:
        raise DamagedError("a tensor has a shape that no layer has")
    if any(not 0 < size <= MAX_WIDTH for size in shape):
        raise DamagedError(f"a tensor is wider than {MAX_WIDTH}")
    return shape


def _floats(contents: list[bytes], tensor: Table, count: int) -> array[float]:
    data = _at(contents, tensor.number(2), "buffer")
    if len(data) != 4 * count:
        raise DamagedError(f"a tensor of {count} numbers has {len(data)} bytes")
    values = array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    if not all(map(isfinite, values)):
        raise DamagedError("a weight is no number")
    return values


def _at(entries: list[T], number: int, what: str) -> T:
    if not 0 <= number < len(entries):
        raise DamagedError(f"it names {what} {number}, and there are {len(entries)}")
    return entries[number]


# ------------------------------------------------------------------------------------------------------------ writing


def build(layers: Sequence[Layer], metadata: Mapping[str, bytes], description: str) -> bytes:
    """The file; the first dimension may be resized by whoever runs it."""
    buffers: list[Node] = [Node({})]  # number 0 stands for "none"
    tensors: list[Node] = []
    operators: list[Node] = []

    def buffer(data: bytes) -> int:
        buffers.append(Node({0: data}))
        return len(buffers) - 1

    def tensor(name: str, shape: list[int], data: int, *, batch: bool = False) -> int:
        fields: dict[int, object] = {0: shape, 2: data, 3: name}
        if batch:
            fields[7] = [-1, *shape[1:]]
        tensors.append(Node(fields))  # type: ignore[arg-type]  # these are values that a node may have
        return len(tensors) - 1

    width = len(layers[0].weights[0])
    first = now = tensor("x", [1, width], 0, batch=True)
    for number, layer in enumerate(layers):
        rows = len(layer.bias)
        flat = [value for row in layer.weights for value in row]
        weights = tensor(f"w{number}", [rows, len(layer.weights[0])], buffer(_packed(flat)))
        bias = tensor(f"b{number}", [rows], buffer(_packed(layer.bias)))
        last = number == len(layers) - 1
        given = tensor("y" if last else f"h{number}", [1, rows], 0, batch=True)
        options = Node({0: Byte(_RELU if layer.relu else 0)})
        operators.append(
            Node({0: 0, 1: [now, weights, bias], 2: [given], 3: Byte(_FULLY_CONNECTED_OPTIONS), 4: options})
        )
        now = given
    entries = [Node({0: name, 1: buffer(data)}) for name, data in sorted(metadata.items())]
    graph = Node({0: tensors, 1: [first], 2: [now], 3: operators, 4: "main"})
    signature = Node({0: [Node({0: "x", 1: first})], 1: [Node({0: "y", 1: now})], 2: "serving_default", 4: 0})
    code = Node({0: Byte(_FULLY_CONNECTED), 2: 1, 3: _FULLY_CONNECTED})
    root = Node({0: 3, 1: [code], 2: [graph], 3: description, 4: buffers, 6: entries, 7: [signature]})
    return write(root, IDENTIFIER)


def _packed(values: Sequence[float]) -> bytes:
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
