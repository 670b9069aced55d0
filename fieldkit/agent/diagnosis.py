"""Session, pipeline and (where it is there) the detector: what turns events into findings; begun anew when need be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldkit.agent.records import PRIORITIES
from fieldkit.agent.settings import DetectorSettings, Settings
from fieldkit.agent.told import EVIDENCE, Telling, Writer
from fieldkit.checks.collector import Collected
from fieldkit.checks.finding import SEVERITIES
from fieldkit.checks.policy import Policy
from fieldkit.events import Event
from fieldkit.pipeline import Pipeline
from fieldkit.reports.follow import FIRST_UPDATE, LONGEST
from fieldkit.session import Session

if TYPE_CHECKING:
    from fieldkit.detect.detector import Detector
    from fieldkit.detect.incident import Incident
    from fieldkit.models.opening import Site
    from fieldkit.ocpp.schema import Schemas

DETECTOR: Final = "fieldkit.models.opening"
"""The module with the detector's door, ``Site``: the only seam between agent and detector."""
CALIBRATION: Final = "calibration.json"
"""What was learnt of the site, among what the agent keeps."""
LEARNT_EVERY: Final = 6 * 3600.0
"""Seconds between two writings of it: some 50 kB a station, on flash."""


def detector(settings: DetectorSettings, state: Path) -> tuple[Site | None, str]:
    """The detector; or why there is none, which is no fault of the agent: a sentence for a note.

    The model runs in this process: another one beside it would cost a router more memory than it brings speed.
    """
    if not settings.use:
        return None, ""
    learnt = state / CALIBRATION
    given: dict[str, Any] = {"layers": settings.layers} if settings.layers else {}
    try:
        made: Site = import_module(DETECTOR).Site(
            state=str(learnt) if learnt.exists() else None, runtime="inline", **given
        )
    except ModuleNotFoundError as error:
        missing = error.name or "a part of it"
        return None, f"the detector is not used: {missing} is not installed (detector.use = false ends this note)"
    except Exception as error:
        return None, f"the detector is not used: {type(error).__name__}: {error}"
    return made, "; ".join(made.detector.notes)


class Incidents:
    """Tells of a detector's incidents: when they are raised, when they are over, and between as findings are told."""

    def __init__(self, detector: Detector, writer: Writer, *, show_ids: bool) -> None:
        self._detector = detector
        self._writer = writer
        self._show_ids = show_ids
        self._told: dict[int, tuple[int, bool, float, float]] = {}
        """By number: signs and whether it was over when it was last told, when it is told again, the pause then."""

    def update(self, now: float) -> int:
        """Once a second; how many are new."""
        new = 0
        for incident in self._detector.incidents:
            known = self._told.get(incident.number)
            pause = FIRST_UPDATE if known is None else min(known[3] * 2, LONGEST)
            if known is None:
                new += 1
            elif known[:2] == (incident.count, incident.closed) or (incident.closed == known[1] and now < known[2]):
                continue
            self._told[incident.number] = (incident.count, incident.closed, now + pause, pause)
            self._write(incident, 1 if known is None else 2 + incident.count + incident.closed)
        return new

    def _write(self, incident: Incident, revision: int) -> None:
        from fieldkit.detect.kinds import KINDS
        from fieldkit.reports.incidents import entry
        from fieldkit.reports.model_evidence import EvidenceWriter

        told = entry(incident, EvidenceWriter(show_ids=self._show_ids))
        kind = KINDS[incident.family_name]  # as screens name it
        content = {
            **told, "id": kind.id, "severity": kind.severity, "owner": kind.owner, "transaction": "", "inferred": True,
            "reference": kind.reference, "evidence": told["evidence"][:EVIDENCE], "what": told["category"],
        }  # fmt: skip
        uid = self._writer.uid("incident", incident.family_name, incident.station, str(incident.raised))
        self._writer.write(uid, revision, PRIORITIES[kind.severity], content)


class Diagnosis:
    """Of one agent, for as long as nothing speaks against going on."""

    def __init__(self, settings: Settings, writer: Writer, schemas: Schemas | None) -> None:
        self.settings = settings
        self.anew = 0
        """Times that it has begun again."""
        self.findings = 0
        self.note = ""
        """What is missing."""
        self.detector = ""
        """Whether it is at work, with which layers; or why not."""
        self._writer = writer
        self._schemas = schemas
        self.begin()

    def begin(self) -> None:
        """From nothing. What was under way is not judged as having ended: it goes on, and is joined in the middle."""
        settings = self.settings
        self._site, self.note = detector(settings.detector, settings.state)
        self.detector = _told_of(settings, self._site, self.note)
        found = self._site.detector if self._site is not None else None
        self._incidents = Incidents(found, self._writer, show_ids=settings.show_ids) if found is not None else None
        self.pipeline = Pipeline("", schemas=self._schemas, full=False)
        self.session = Session(Policy(security_profile=settings.min_profile), detector=found)
        self._telling = Telling(self._writer, show_ids=settings.show_ids)

    def feed(self, events: Sequence[Event], now: float) -> list[Collected]:
        """Take in events, tell of what is new; those that were told."""
        return self._told(self.session.feed(events), now)

    def tick(self, now: float) -> None:
        """Once a second: what has occurred again, what the detector has found."""
        if self._incidents is not None:
            self.findings += self._incidents.update(now)
        self._telling.update(now)

    def finish(self, now: float) -> None:
        """The agent ends: final counts."""
        self.tick(now)
        self._telling.finish()
        self._let_go()

    def learn(self) -> None:
        """Keep what was learnt of the site, if the disk lets us; what fails is tried again next time."""
        if self._site is not None and self._site.calibration is not None:
            with suppress(OSError):
                import_module("fieldkit.models.calibrationfile").save(
                    str(self.settings.state / CALIBRATION), self._site.calibration
                )

    def _let_go(self) -> None:
        self.learn()
        if self._site is not None:
            self._site.close()

    def restart(self) -> Pipeline:
        """Begin anew; the pipeline for what comes now."""
        self._telling.finish()
        self._let_go()
        self.anew += 1
        self.begin()
        return self.pipeline

    def use(self, settings: Settings) -> bool:
        """Another configuration; whether the diagnosis has to begin anew for it."""
        before, self.settings = self.settings, settings
        return (before.min_profile, before.detector, before.validate) != (
            settings.min_profile, settings.detector, settings.validate,
        )  # fmt: skip

    def _told(self, new: Iterable[Collected], now: float) -> list[Collected]:
        wanted = [finding for finding in new if self._wants(finding)]
        self.findings += len(wanted)
        self._telling.add(wanted, now)
        return wanted

    def _wants(self, finding: Collected) -> bool:
        settings = self.settings
        if SEVERITIES.index(finding.severity) > SEVERITIES.index(settings.severity):
            return False
        name = finding.kind.id
        return not any(fnmatchcase(name, pattern) for pattern in settings.leave_out)


def _told_of(settings: Settings, site: Site | None, note: str) -> str:
    if site is not None:
        layers = ", ".join(layer for layer in ("rules", "statistics", "model") if layer in site.detector.layers)
        return f"at work: {layers}" + (f"; {note}" if note else "")
    if settings.detector.use:
        return note.removeprefix("the detector is ")
    return 'left out, as memory = "low"' if settings.memory == "low" else "switched off: detector.use = false"
