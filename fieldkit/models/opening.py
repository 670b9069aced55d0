"""A detector with all that this machine has for it; what is missing or damaged is replaced by one step less, with a
note.

Model: the runtimes in their order, else none (rules and statistics go on). Prior: the shipped one, else one that only
very odd things stand out from. Calibration: the site's, else the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fieldkit.detect.calibration import Calibration
from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.detector import Detector
from fieldkit.detect.incident import Incident
from fieldkit.detect.model import Model
from fieldkit.detect.prior import Prior
from fieldkit.detect.symptom import LAYERS, Layer
from fieldkit.detect.windows import Windows
from fieldkit.models import calibrationfile
from fieldkit.models.manifest import SHIPPED, UntrustedError, load_model, load_prior
from fieldkit.models.runtimes import INLINE, Runner


class Site:
    """A detector, and what belongs to it outside of the engine."""

    def __init__(
        self,
        *,
        layers: Iterable[Layer] = LAYERS,
        state: str | None = None,
        folder: Path = SHIPPED,
        runtime: str = "",
        raised: Callable[[Incident], None] | None = None,
    ) -> None:
        """``state``: a calibration file. ``runtime``: only this one, by name."""
        chosen = frozenset(layers)
        notes: list[str] = []
        self.runner: Runner | None = None
        prior, model = Prior(), None
        try:
            prior = load_prior(folder)
        except UntrustedError as error:
            notes.append(f"{error}. What is usual in the fleet is not known: only very odd things stand out.")
        if "model" in chosen:
            try:
                loaded = load_model(folder)
                self.runner = Runner(loaded, notes.append, wanted=runtime)
                if self.runner.executor is not None:
                    model = Model(loaded.card, self.runner.run)
                else:
                    notes.append("Nothing can run the model here: rules and statistics go on without it.")
            except UntrustedError as error:
                notes.append(f"{error}. It is not loaded: rules and statistics go on without it.")
        made: list[Windows] = []

        def windows(context: Context) -> Tracker:
            made.append(Windows(context, prior, judge=model, layers=chosen))
            return made[-1]

        more = [windows] if chosen & {"statistics", "model"} else []
        self.detector = Detector(layers=chosen, more=more, raised=raised)
        self.calibration = Calibration(made[0]) if made else None
        if state and self.calibration is not None and (wrong := calibrationfile.load(state, self.calibration)):
            notes.append(wrong)
        for note in notes:
            self.detector.note(note)

    @property
    def runtime(self) -> str:
        """What runs the model; empty when nothing does."""
        return self.runner.name if self.runner is not None else ""

    def close(self) -> None:
        """End what runs beside."""
        if self.runner is not None:
            self.runner.close()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def build_detector(*, layers: Iterable[Layer] = LAYERS) -> Detector:
    """A detector whose model runs in this process: nothing is left to be closed, nothing heavy is imported."""
    return Site(layers=layers, runtime=INLINE).detector
