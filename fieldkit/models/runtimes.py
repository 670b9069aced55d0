"""Who executes the model: ai-edge-litert, else tflite-runtime, else numpy, else Python itself; the same file each time.

The first two are C++ and get their bytes only after ``detect.tflite`` has walked through them, in a child process, and
must give what is stored with the model. Whoever fails is passed over with a note, and the next one takes its place,
also in the middle of a run.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from struct import Struct
from typing import Final, Protocol

from fieldkit.detect import model
from fieldkit.detect.features import MINUTE
from fieldkit.detect.tflite import Network
from fieldkit.models.child import LENGTH, READY
from fieldkit.models.manifest import Loaded

START: Final = 30.0
"""Seconds until a child is ready: an import on a router's flash."""
ANSWER: Final = 5.0
"""Seconds for a window that takes microseconds."""
NATIVE: Final = (("ai-edge-litert", "ai_edge_litert.interpreter"), ("tflite-runtime", "tflite_runtime.interpreter"))
INLINE: Final = "inline"
"""In this process, with numpy if that is loaded anyway: it takes 25 MB, and Python is quick enough for one site."""
_WINDOW: Final = Struct(f"<{MINUTE}f")


class Executor(Protocol):
    """One way to execute the model."""

    name: str

    def run(self, values: list[float]) -> list[float] | None:
        """None: it cannot any more."""

    def close(self) -> None:
        """Not needed any more."""


class Python:
    """Without anything."""

    name = "python"

    def __init__(self, network: Network) -> None:
        self.run: Callable[[list[float]], list[float] | None] = network.run

    def close(self) -> None:
        """Nothing to do."""


class Numpy:
    """With numpy, in this process: it executes nothing of the file."""

    name = "numpy"

    def __init__(self, network: Network) -> None:
        import numpy

        self._numpy = numpy
        self._layers = [
            (
                numpy.array(layer.weights, dtype=numpy.float32),
                numpy.array(layer.bias, dtype=numpy.float32),
                layer.relu,
            )
            for layer in network.layers
        ]

    def run(self, values: list[float]) -> list[float] | None:
        """One window."""
        numpy = self._numpy
        now = numpy.array(values, dtype=numpy.float32)
        for weights, bias, relu in self._layers:
            now = weights @ now + bias
            if relu:
                now = numpy.maximum(now, 0)
        found: list[float] = now.tolist()
        return found

    def close(self) -> None:
        """Nothing to do."""


class Native:
    """A runtime in a child process."""

    def __init__(self, name: str, module: str, loaded: Loaded) -> None:
        self.name = name
        self._child = subprocess.Popen(
            [sys.executable, "-m", "fieldkit.models.child", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._send(LENGTH.pack(len(loaded.data), MINUTE) + loaded.data)
        self.ready = self._receive(1, START) == READY

    def run(self, values: list[float]) -> list[float] | None:
        """One window, there and back."""
        if not self._send(_WINDOW.pack(*values)):
            return None
        answer = self._receive(_WINDOW.size, ANSWER)
        return None if answer is None else list(_WINDOW.unpack(answer))

    def close(self) -> None:
        """End the child."""
        child = self._child
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was still to be written has nobody to read it
        try:
            child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _send(self, data: bytes) -> bool:
        if self._child.stdin is None:
            return False
        try:
            self._child.stdin.write(data)
            self._child.stdin.flush()
        except (OSError, ValueError):
            return False  # it has died
        return True

    def _receive(self, size: int, seconds: float) -> bytes | None:
        pipe = self._child.stdout
        if pipe is None:
            return None
        found = b""
        while len(found) < size:
            ready, _, _ = select.select([pipe], [], [], seconds)
            piece = os.read(pipe.fileno(), size - len(found)) if ready else b""
            if not piece:
                return None
            found += piece
        return found


class Runner:
    """The first executor that works; when it fails, the next."""

    def __init__(self, loaded: Loaded, note: Callable[[str], None], *, wanted: str = "") -> None:
        """``wanted``: only this one, by name."""
        self._note = note
        self._left = _executors(loaded, wanted)
        self.executor: Executor | None = None
        self._loaded = loaded
        self._next()

    @property
    def name(self) -> str:
        """Which one runs; empty when none does."""
        return self.executor.name if self.executor is not None else ""

    def run(self, values: list[float]) -> list[float] | None:
        """One window."""
        while self.executor is not None:
            found = self.executor.run(values)
            if found is not None:
                return found
            self._note(f"The model's runtime {self.executor.name} has failed; the next one takes its place.")
            self.executor.close()
            self._next()
        return None

    def close(self) -> None:
        """Not needed any more."""
        if self.executor is not None:
            self.executor.close()
            self.executor = None

    def _next(self) -> None:
        self.executor = None
        for executor in self._left:
            wrong = "it does not start" if isinstance(executor, Native) and not executor.ready else ""
            wrong = wrong or model.check(self._loaded.card, executor.run)
            if not wrong:
                self.executor = executor
                return
            self._note(f"The model's runtime {executor.name} is not used: {wrong}.")
            executor.close()


def _executors(loaded: Loaded, wanted: str) -> Iterator[Executor]:
    if sys.platform != "win32":  # a pipe cannot be waited for with a time limit there; numpy does as well
        for name, module in NATIVE:
            if wanted in ("", name) and _there(module):
                yield Native(name, module, loaded)
    if (wanted in ("", Numpy.name) and _there("numpy")) or (wanted == INLINE and "numpy" in sys.modules):
        yield Numpy(loaded.network)
    if wanted in ("", Python.name, INLINE):
        yield Python(loaded.network)


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
