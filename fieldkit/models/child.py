"""The process that a runtime written in C++ lives in: it may crash without harm.

Standard input: the length of the model and the model; then windows of float32, one after the other. Standard output: a
byte when it is ready, then a window for each. It ends when its input does. Run as ``python -m fieldkit.models.child``
with the module of the interpreter.
"""

from __future__ import annotations

import sys
from struct import Struct
from typing import Any, Final

LENGTH: Final = Struct("<II")
"""Bytes of the model, numbers of a window."""
READY: Final = b"+"


def main(module: str) -> int:
    """Serve windows until the input ends."""
    import importlib

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    size, width = LENGTH.unpack(source.read(LENGTH.size))
    model = source.read(size)
    import numpy

    # Runtimes announce themselves on standard output, which is ours for data.
    sys.stdout = sys.stderr
    interpreter: Any = importlib.import_module(module).Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    made = interpreter.get_output_details()[0]["index"]
    sink.write(READY)
    sink.flush()
    while len(window := source.read(4 * width)) == 4 * width:
        interpreter.set_tensor(given, numpy.frombuffer(window, dtype="<f4").reshape(1, width))
        interpreter.invoke()
        sink.write(interpreter.get_tensor(made).astype("<f4").tobytes())
        sink.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
