"""A cable, an agent's site, a broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.lab import Broker, broker
from tests.agent.site import Site
from tests.traffic.netlab import Cable, cable


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkg") as laid:
        yield laid


@pytest.fixture
def site(tmp_path: Path, wire: Cable) -> Iterator[Site]:
    made = Site(tmp_path, wire)
    yield made
    made.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path / "mosquitto") as made:
        yield made
