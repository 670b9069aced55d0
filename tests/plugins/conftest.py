from __future__ import annotations

import pytest

from tests.traffic.commandline import Fieldkit


@pytest.fixture
def fieldkit(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Fieldkit:
    return Fieldkit(capsysbinary, monkeypatch)
