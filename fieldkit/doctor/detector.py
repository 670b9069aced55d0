"""What the anomaly model runs on: the first of ai-edge-litert, tflite-runtime, numpy and plain Python that works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State

_AREA: Final = "detector"
_NAME: Final = "runtime"
_PATIENCE: Final = 30
"""Seconds for an import, on a router's flash."""
_LITERT: Final = ("ai-edge-litert", "ai_edge_litert.interpreter")
_TFLITE: Final = ("tflite-runtime", "tflite_runtime.interpreter")
_NUMPY: Final = ("numpy", "numpy")


def runtime() -> Iterable[Result]:
    """The one that would be taken, and what was passed over on the way."""
    return judged(installed, imports)


def judged(installed: Callable[[str], str], imports: Callable[[str], str]) -> Iterable[Result]:
    """``installed`` gives a version, ``imports`` what is wrong with an import."""
    numpy = installed(_NUMPY[0])
    for package, module in (_LITERT, _TFLITE):
        found = installed(package)
        if not found:
            continue
        if package == _TFLITE[0] and numpy and not numpy.startswith(("0.", "1.")):
            # It imports, and the first interpreter raises: it was built for numpy 1.
            text = f"{package} {found} does not work with numpy {numpy}"
            yield Result(_AREA, _NAME, State.WARNING, text, machine.install_python("numpy<2"))
            continue
        wrong = imports(module)
        if not wrong:
            yield Result(_AREA, _NAME, State.WORKS, f"{package} {found} (numpy {numpy or 'missing'})")
            return
        yield Result(_AREA, _NAME, State.WARNING, f"{package} {found} cannot be imported: {wrong}")
    if numpy:
        wrong = imports(_NUMPY[1])
        if not wrong:
            yield Result(_AREA, _NAME, State.WORKS, f"numpy {numpy}: the model is small enough to do without a runtime")
            return
        yield Result(_AREA, _NAME, State.WARNING, f"numpy {numpy} cannot be imported: {wrong}")
    yield Result(
        _AREA,
        _NAME,
        State.NOTE,
        "plain Python: it works, slower; numpy makes it quick",
        machine.install_python("numpy"),
    )


def installed(package: str) -> str:
    """Its version, empty when it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def imports(module: str) -> str:
    """What is wrong with importing it, empty when nothing is: in a process of its own, for it may crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it takes too long"
    if not done.returncode:
        return ""
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"it crashed ({done.returncode})"


def model() -> Iterable[Result]:
    """Is the shipped model what it should be, and what does it really run on?"""
    from fieldkit.models.manifest import UntrustedError, load_model
    from fieldkit.models.runtimes import Runner

    notes: list[str] = []
    try:
        loaded = load_model()
    except UntrustedError as error:
        yield Result(_AREA, "model", State.WARNING, f"{error}: rules and statistics go on without it")
        return
    runner = Runner(loaded, notes.append)
    name = runner.name
    runner.close()
    for note in notes:
        yield Result(_AREA, "model", State.WARNING, note)
    if name:
        yield Result(_AREA, "model", State.WORKS, f"runs on {name}, SHA-256 {loaded.sha256[:16]}")
    else:
        yield Result(_AREA, "model", State.WARNING, "nothing can run it: rules and statistics go on without it")


PROBES: Final = (runtime, model)
