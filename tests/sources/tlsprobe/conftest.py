"""What the tests of the prober are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.servers import trusted


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """The file with the root that all good servers lead to."""
    return trusted(tmp_path)


@pytest.fixture
def rsa() -> list[bytes]:
    """A good chain for RSA suites, DER."""
    return [pki.make(issuer=pki.intermediate(), kind="rsa2048").der, pki.intermediate().der]
