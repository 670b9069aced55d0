"""``fieldkit`` as a user calls it: in this process, which is quick, or as a process of its own, which is the truth."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from fieldkit.cli import main

ROOT = Path(__file__).parents[2]


class Run(NamedTuple):
    """What came of it."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Fieldkit:
    """``fieldkit("decode", path)`` in this process."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str | Path) -> Run:
        self._monkeypatch.setattr(sys, "argv", ["fieldkit", *map(str, arguments)])
        self._capture.readouterr()
        thresholds = gc.get_threshold()
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:
            gc.set_threshold(*thresholds)
        out, err = self._capture.readouterr()
        assert isinstance(stop.value.code, int)
        return Run(stop.value.code, out.decode(), err.decode())


def spawn(
    *arguments: str | Path,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    inside: Sequence[str] = (),
    **environment: str,
) -> Any:
    """``fieldkit …`` as a process with pipes, whose output is as buffered as it is everywhere. ``inside`` is what runs
    it."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC", **environment}
    variables.pop("PYTHONUNBUFFERED", None)
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "fieldkit", *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        bufsize=0,
    )


def ended(process: subprocess.Popen[bytes]) -> Run:
    out, err = process.communicate(timeout=30)
    return Run(process.returncode, out.decode(), err.decode())
