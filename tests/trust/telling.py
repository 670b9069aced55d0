"""Faults in words, as a user reads them."""

from __future__ import annotations

from collections.abc import Sequence

from fieldkit.checks import posture
from fieldkit.trust.fault import Fault
from tests.trust.pki import AT


def told(faults: Sequence[Fault]) -> list[str]:
    """Explanations; that they can be made at all is tested by this."""
    found = posture.findings(faults, time=AT, at=" of 192.0.2.1:443", role="csms")
    return [posture.entry(one, "", "x")["explanation"] for one in found]
