"""What compares a site with its own past and nothing else: answers that take longer, readings that come less regularly,
heat, power that is not reached any more, phases that carry nothing, cards that are in two places."""

from __future__ import annotations

from typing import Final

from fieldkit.detect.cadence import Cadence
from fieldkit.detect.cards import Cards
from fieldkit.detect.conductors import Conductors
from fieldkit.detect.context import Tracker
from fieldkit.detect.derating import Derating
from fieldkit.detect.heat import Heat
from fieldkit.detect.latency import Latency

TRACKERS: Final[tuple[type[Tracker], ...]] = (Latency, Cadence, Heat, Derating, Conductors, Cards)
