"""What can happen to a site, a file a category; importing this registers them all."""

from tests.simulation.episodes import FAMILIES
from tests.simulation.families import benign, connectivity, energy, fraud, intrusion, maintenance

__all__ = ["FAMILIES", "benign", "connectivity", "energy", "fraud", "intrusion", "maintenance"]
