from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.lab import Lab, lab


@pytest.fixture
def site() -> Iterator[Lab]:
    with lab() as made:
        yield made
