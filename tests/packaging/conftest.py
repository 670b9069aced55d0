"""A wire to replay traffic on and a broker to take findings, for each package that is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.lab import Broker, broker
from tests.traffic.netlab import Cable, cable


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkp") as laid:
        yield laid


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made
