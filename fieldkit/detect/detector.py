"""The detector of one site: events and findings in, incidents out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from fieldkit.checks.finding import Finding
from fieldkit.checks.words import SECOND, clock, duration
from fieldkit.detect import rules
from fieldkit.detect.authority import Authority
from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.drifts import TRACKERS as _DRIFTS
from fieldkit.detect.farend import FarEnd
from fieldkit.detect.fusion import Fusion
from fieldkit.detect.health import Health
from fieldkit.detect.incident import Incident
from fieldkit.detect.intruders import Intruders
from fieldkit.detect.load import Load
from fieldkit.detect.metering import Metering
from fieldkit.detect.reach import Reach
from fieldkit.detect.symptom import LAYERS, SITE, Layer, Symptom
from fieldkit.detect.timekeeping import Timekeeping
from fieldkit.detect.way import Way
from fieldkit.events import Event
from fieldkit.site.picture import Picture

BACK: Final = 3600 * SECOND
"""Time that goes back by more than this is another recording, or a clock that was set."""
AHEAD: Final = 7 * 24 * 3600 * SECOND
"""The same forwards: no station is silent for a week and then goes on as if nothing had been."""
MAX_NOTES: Final = 50

_RULES: Final[tuple[type[Tracker], ...]] = (
    Way,  # before those that ask it whether the way is another one
    FarEnd,
    Reach,
    Authority,
    Intruders,
    Metering,
    Timekeeping,
    Health,
    Load,
)
_WATCHES: Final = {
    "Way": "the way to the CSMS",
    "FarEnd": "who answers in the name of the CSMS",
    "Reach": "connections and silence",
    "Authority": "orders, settings and firmware",
    "Intruders": "who speaks, and how much",
    "Metering": "billed energy",
    "Timekeeping": "clocks",
    "Health": "faults and failed charges",
    "Load": "limits and load",
    "Cadence": "the rhythm of meter values",
    "Cards": "cards that are used twice",
    "Conductors": "phases",
    "Derating": "power that is not reached any more",
    "Heat": "temperatures",
    "Latency": "how quickly answers come",
    "Windows": "each charger's last minute",
}
"""By class of a tracker, for the notes."""


class Detector:
    """Feed it as a watcher of a session (``wants``, ``see``), and with the session's findings (``found``)."""

    def __init__(
        self,
        *,
        layers: Iterable[Layer] = LAYERS,
        more: Iterable[Callable[[Context], Tracker]] = (),
        raised: Callable[[Incident], None] | None = None,
    ) -> None:
        """``more``: trackers beside the rules', as statistics and model. ``raised`` is called with each new
        incident."""
        self.layers = frozenset(layers)
        self.notes: list[str] = []
        """What the detector could not do, and why; in the order of time."""
        self.context = Context(self._symptom)
        self.fusion = Fusion(self.context.deadlines, self._raised)
        self.listeners: list[Callable[[Incident], object]] = [raised] if raised is not None else []
        """Called with each new incident."""
        self.context.frozen = self.fusion.is_open
        # Each sign says which layer it is of: what compares a station with its own past is statistics, wherever it is.
        both = self.layers & {"rules", "statistics"}
        trackers: list[Tracker] = [kind(self.context) for kind in _RULES] if both else []
        if "statistics" in self.layers:
            trackers += [kind(self.context) for kind in _DRIFTS]
        trackers += [make(self.context) for make in more]
        self._trackers = trackers
        self._by_event: dict[type[Event], list[tuple[Callable[[Event], None], Tracker]]] = {}
        for tracker in trackers:
            for kind in tracker.wants:
                self._by_event.setdefault(kind, []).append((tracker.see, tracker))
        self.wants: frozenset[type[Event]] = frozenset(self._by_event)
        """As a session's watcher."""

    @property
    def incidents(self) -> list[Incident]:
        """All so far, in the order in which they were raised."""
        return self.fusion.incidents

    def see(self, event: Event, picture: Picture) -> None:
        """An event that the picture has taken in."""
        context = self.context
        time = event.time
        if time <= 0:
            return  # a log without times: order is known, but no durations
        context.picture = picture
        if time > context.now:
            if context.now and time - context.now > AHEAD:
                self._jumped(time, "forwards")
            if context.deadlines.next < time:
                self._run(time)
            context.now = time
            if not context.began:
                context.began = time
        elif context.now - time > BACK:
            self._jumped(time, "back")
            context.now = time
        for see, tracker in self._by_event.get(event.__class__, ()):
            try:
                see(event)
            except Exception as error:
                self._failed(tracker, error)
                break

    def found(self, finding: Finding) -> None:
        """A finding of the session's checks, each time that it is made."""
        if "rules" in self.layers:
            rules.told(finding, self.context)

    def finish(self) -> None:
        """The end of the session. What was due later stays untold: nobody knows whether it would have come."""
        self.fusion.finish(self.context.now)

    # ----------------------------------------------------------------------------------------------------- inner works

    def _run(self, until: int) -> None:
        context = self.context
        deadlines = context.deadlines
        while deadlines.next < until:
            context.now = max(context.now, deadlines.next)
            try:
                deadlines.run(deadlines.next + 1)
            except Exception as error:
                self.note(
                    f"Something that was due has failed ({error.__class__.__name__}: {error}); the rest goes on. "
                    "Please report it."
                )

    def _symptom(self, symptom: Symptom) -> None:
        if symptom.layer in self.layers:
            self.fusion.add(symptom)

    def _raised(self, incident: Incident) -> None:
        for listener in self.listeners:
            listener(incident)

    def _jumped(self, time: int, way: str) -> None:
        """Nothing may be concluded from a time that did not pass."""
        self.note(
            f"The time jumps {way} by {duration(abs(time - self.context.now))} at {clock(self.context.now)}: what was "
            f"being waited for is forgotten, what was learnt is kept."
        )
        self.context.deadlines.clear()

    def _failed(self, tracker: Tracker, error: Exception) -> None:
        part = _WATCHES.get(tracker.__class__.__name__, "some of the signs")
        self.note(
            f"The part that watches {part} has failed and is off ({error.__class__.__name__}: {error}); the rest goes "
            "on. Please report it."
        )
        for kind, watchers in self._by_event.items():
            self._by_event[kind] = [entry for entry in watchers if entry[1] is not tracker]

    def note(self, text: str) -> None:
        """Say something beside the incidents, once."""
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)


__all__ = ["SITE", "Detector", "Incident"]
