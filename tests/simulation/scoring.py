"""What is judged: anything that is fed a site's events and says in the end what it raised.

Several settings of fieldkit's detector watch one session: the picture and the checks, which cost most, are made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from fieldkit.checks.collector import Collector
from fieldkit.detect.detector import Detector
from fieldkit.detect.symptom import Layer
from fieldkit.events import Event
from fieldkit.session import Session
from tests.simulation.naive import Naive

BATCH: Final = 512
"""Events handed to a session at a time."""


class Raised(NamedTuple):
    """One incident, as ``fieldkit detect score`` would write it."""

    time: int
    """When it was raised, ns."""
    station: str
    """Or "*"."""
    category: str
    family: str
    score: float
    explanation: str = ""


class Scorer(Protocol):
    """One run over one site, of one or several settings side by side."""

    def feed(self, event: Event) -> None:
        """The next event, in the order of time."""

    def finish(self) -> Mapping[str, list[Raised]]:
        """By setting: everything that was raised."""


SETTINGS: Final[dict[str, tuple[Layer, ...]]] = {
    "rules": ("rules",),
    "statistics": ("statistics",),
    "model": ("model",),
    "statistics and model": ("statistics", "model"),
    "rules and statistics": ("rules", "statistics"),
    "all": ("rules", "statistics", "model"),
}
"""Of the detector: which layers run."""


class DetectorScorer:
    """fieldkit's detector in several settings."""

    def __init__(self, settings: Sequence[str] = tuple(SETTINGS)) -> None:
        from fieldkit.models.opening import build_detector

        self._detectors: dict[str, Detector] = {name: build_detector(layers=SETTINGS[name]) for name in settings}
        collector = Collector()
        collector.listeners += [detector.found for detector in self._detectors.values()]
        self._session = Session(collector=collector, watchers=tuple(self._detectors.values()))
        self._waiting: list[Event] = []

    def feed(self, event: Event) -> None:
        self._waiting.append(event)
        if len(self._waiting) >= BATCH:
            self._session.feed(self._waiting)
            self._waiting.clear()

    def finish(self) -> Mapping[str, list[Raised]]:
        self._session.feed(self._waiting)
        self._session.finish()
        found: dict[str, list[Raised]] = {}
        for name, detector in self._detectors.items():
            detector.finish()
            found[name] = [
                Raised(
                    incident.raised, incident.station, incident.category, incident.family_name, incident.confidence,
                    incident.explanation,
                )
                for incident in detector.incidents
            ]  # fmt: skip
        return found


class NaiveScorer:
    """The floor: a threshold for each feature."""

    def __init__(self) -> None:
        self._naive = Naive()

    def feed(self, event: Event) -> None:
        self._naive.feed(event)

    def finish(self) -> Mapping[str, list[Raised]]:
        return {"naive": [Raised(*alarm) for alarm in self._naive.finish()]}


class Together:
    """Several scorers over one site."""

    def __init__(self, scorers: Iterable[Scorer]) -> None:
        self._scorers = tuple(scorers)

    def feed(self, event: Event) -> None:
        for scorer in self._scorers:
            scorer.feed(event)

    def finish(self) -> Mapping[str, list[Raised]]:
        return {name: raised for scorer in self._scorers for name, raised in scorer.finish().items()}


def everything(settings: Sequence[str] = tuple(SETTINGS)) -> Scorer:
    """The detector in these settings, and the floor beside it."""
    return Together((DetectorScorer(settings), NaiveScorer()))
