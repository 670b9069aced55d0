"""Settings that every test shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fieldkit.plugins.discover import PATH_VARIABLE

# How long an example takes depends on what else the machine does; that is no property of the code.
settings.register_profile("here", deadline=None)
# In CI the same examples every time: a test that fails now and then is a defect of the test. New examples are found
# on developers' machines, and by the fuzz targets.
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Whoever starts tests in the background of a script, or with nohup, starts them with Ctrl-C or the loss of the terminal
# ignored, and so would be all the programs that they start to send them one.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has nothing yet: no settings, no plugins, nothing learnt."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    return tmp_path
