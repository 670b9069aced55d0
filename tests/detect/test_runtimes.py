"""Who runs the model: each gives the same, and whoever fails is passed over."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from fieldkit.detect.model import check
from fieldkit.models.manifest import load_model
from fieldkit.models.opening import Site
from fieldkit.models.runtimes import INLINE, Native, Numpy, Python, Runner

FAKE = """
class Interpreter:
    def __init__(self, model_content, num_threads): self.given = None
    def allocate_tensors(self): pass
    def get_input_details(self): return [{{"index": 0}}]
    def get_output_details(self): return [{{"index": 1}}]
    def set_tensor(self, index, value): self.given = value
    def invoke(self): {invoke}
    def get_tensor(self, index): return self.given
"""


def values() -> list[float]:
    chance = random.Random(4)
    return [chance.uniform(-1.5, 1.5) for _ in range(40)]


def test_python_gives_what_is_stored_with_the_model() -> None:
    loaded = load_model()
    assert check(loaded.card, Python(loaded.network).run) == ""


def test_numpy_gives_the_same() -> None:
    pytest.importorskip("numpy")
    loaded = load_model()
    assert Numpy(loaded.network).run(values()) == pytest.approx(Python(loaded.network).run(values()), abs=1e-4)


@pytest.mark.parametrize("name", ["ai-edge-litert", "tflite-runtime"])
def test_a_runtime_gives_the_same(name: str) -> None:
    notes: list[str] = []
    loaded = load_model()
    runner = Runner(loaded, notes.append, wanted=name)
    try:
        if runner.name != name:
            pytest.skip(f"needs {name}: pip install 'fieldkit[ml]'")
        assert runner.run(values()) == pytest.approx(loaded.network.run(values()), abs=1e-4)
    finally:
        runner.close()


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: str) -> None:
    """A module that is taken for a runtime."""
    pytest.importorskip("numpy")
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(FAKE.format(invoke=invoke), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("fieldkit.models.runtimes.NATIVE", (("fake", "tflite_runtime.interpreter"),))


@pytest.mark.parametrize(
    ("invoke", "why"),
    [
        ("pass", "its output is"),  # it gives back what it got
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it does not answer"),
    ],
)
def test_a_runtime_that_is_wrong_or_dies_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: str, why: str
) -> None:
    fake(tmp_path, monkeypatch, invoke)
    notes: list[str] = []
    runner = Runner(load_model(), notes.append)
    assert runner.name in ("numpy", "python")
    assert "fake is not used" in notes[0]
    assert why in notes[0]
    assert runner.run(values()) is not None


def test_a_runtime_that_dies_on_the_way_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model()
    notes: list[str] = []

    class Mortal(Python):
        name = "mortal"
        lives = 6

        def __init__(self) -> None:
            super().__init__(loaded.network)
            inner = self.run

            def run(values: list[float]) -> list[float] | None:
                self.lives -= 1
                return inner(values) if self.lives > 0 else None

            self.run = run

    monkeypatch.setattr(
        "fieldkit.models.runtimes._executors", lambda loaded, wanted: iter((Mortal(), Python(loaded.network)))
    )
    runner = Runner(loaded, notes.append)
    assert runner.name == "mortal"
    for _ in range(6):
        assert runner.run(values()) is not None
    assert runner.name == "python"
    assert notes == ["The model's runtime mortal has failed; the next one takes its place."]


@pytest.mark.skipif(sys.platform == "win32", reason="no child process there")
def test_a_child_that_is_killed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, "pass")
    child = Native("fake", "tflite_runtime.interpreter", load_model())
    assert child.ready
    assert child.run(values()) == pytest.approx(values(), abs=1e-6)
    os.kill(child._child.pid, signal.SIGKILL)
    child._child.wait(timeout=30)
    assert child.run(values()) is None
    child.close()


def test_inside_a_process_nothing_heavy_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy", raising=False)
    with Site(runtime=INLINE) as site:
        assert site.runtime == "python"
        assert site.detector.notes == []


def test_without_any_executor_rules_and_statistics_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldkit.models.runtimes._executors", lambda loaded, wanted: iter(()))
    with Site() as site:
        assert site.runtime == ""
        assert site.detector.notes == ["Nothing can run the model here: rules and statistics go on without it."]
