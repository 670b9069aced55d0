"""A wire to replay traffic on and a broker to take findings, for each package that is run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.lab import Broker, broker
from tests.traffic.netlab import Cable, cable


@pytest.fixture(autouse=True)
def swept(tmp_path: Path) -> Iterator[None]:
    """A root takes 300 MB, and pytest keeps what three runs have made."""
    yield
    for name in ("root", "new"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkp") as laid:
        yield laid


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made
