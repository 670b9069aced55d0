"""What the operator demands, where standards leave it open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds that the person who asks may set; everything else is a constant beside its check."""

    security_profile: int | None = None
    """Lowest OCPP security profile that is acceptable (1 to 3); None: none is demanded."""
    slow_answer: float = 10.0
    """Seconds after which an answer counts as slow."""
    silence: float = 900.0
    """Seconds without a message from a connected station that count as silence where no heartbeat interval is known."""
