"""What may be wrong with a station, as episodes set it: neutral values are those of a sound one.

A station asks these values wherever they matter, and calls ``show`` when one of them has changed something that can be
seen from outside: that is when an episode's evidence begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.episodes import Episode


@dataclass(slots=True)
class Faults:
    """All of one station's."""

    episodes: dict[str, Episode] = field(default_factory=dict)
    """Which episode set which field."""
    register_scale: float = 1.0
    """What the meter counts of what flows."""
    register_jump: float = 0.0
    """Wh by which the register is set back, once."""
    leak: float = 0.0
    """W that flow without a transaction."""
    truncate: float = 0.0
    """Share of sessions whose transaction ends while the car goes on charging."""
    clock_shift: float = 0.0
    """Seconds that the station's clock is wrong on purpose."""
    clock_drift: float = 0.0
    """Seconds that it is wrong by accident (the next answer with a time puts it right)."""
    stuck_open: float = 0.0
    """Share of sessions in which the contactor does not close: charging, and no power."""
    derate: float = 1.0
    heat: float = 0.0
    """Degrees above what the power explains."""
    cadence_scale: float = 1.0
    cadence_jitter: float = 0.0
    """Of the interval between meter values."""
    start_failures: float = 0.0
    """Share of sessions that fail to start."""
    lock_failures: float = 0.0
    phase_lost: int = 0
    """1, 2 or 3; 0: none."""
    over_limit: float = 0.0
    """W by which a limit is exceeded."""
    ignore_limit: bool = False
    stuck_zero: bool = False
    """The limit is never lifted again."""
    paused_at: int = 0
    """When it was set."""

    def set(self, episode: Episode, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)
            self.episodes[name] = episode

    def clear(self, *names: str) -> None:
        neutral = {entry.name: entry.default for entry in fields(self)}
        for name in names:
            setattr(self, name, neutral[name])
            self.episodes.pop(name, None)

    def show(self, name: str, time: int) -> None:
        """This fault has changed something that can be seen."""
        episode = self.episodes.get(name)
        if episode is not None:
            episode.shows(time)
