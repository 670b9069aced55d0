"""What the detector has found and how it stands, in words. No textual here.

Incidents change while the engine goes on: what is shown is copied while it holds still (``told``, ``copied``,
``standing``), and put into words afterwards.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.detect.symptom import LAYERS, SITE, Category, Layer, Symptom
from fieldkit.reports import outagewords
from fieldkit.reports.model_evidence import EvidenceWriter
from fieldkit.safetext import terminal
from fieldkit.tui.findingwords import evidence_line
from fieldkit.tui.glyphs import Level
from fieldkit.tui.linkwords import Said
from fieldkit.tui.words import clock, day, spaced

if TYPE_CHECKING:  # whoever runs without the detector need not load it
    from fieldkit.detect.incident import Incident
    from fieldkit.models.opening import Site

CATEGORIES: Final[dict[Category, str]] = {
    "intrusion": "intrusion",
    "fraud": "fraud",
    "maintenance": "maintenance",
    "connectivity": "connectivity",
    "energy": "energy",
    "benign": "harmless",
}
SHORT: Final[dict[Category, str]] = {**CATEGORIES, "maintenance": "maint.", "connectivity": "connect."}
"""For narrow columns."""
_LAYERS: Final[dict[Layer, str]] = {
    "rules": "rules that hold for any charger",
    "statistics": "comparison with what is usual here",
    "model": "the trained model, which sees values together",
}
_RUNTIMES: Final = {"python": "Python itself", "numpy": "numpy"}
_ALIKE: Final = 2
"""So many pieces of evidence between two that say the same are not told one by one."""
_HOUR: Final = 3600 * SECOND
_TEXT: Final = 2000
_NAME: Final = 60
MAX_NAMES: Final = 8
"""Chargers of an incident that are named."""
MAX_STATIONS: Final = 200
"""Chargers whose learning is told one by one."""
MAX_FEATURES: Final = 4
"""Of what has drifted at a charger."""


class Row(NamedTuple):
    """An incident in the list."""

    key: int
    raised: int
    station: str
    """Identity, or ``SITE``."""
    stations: int
    """Chargers that it concerns; 0 where none of them is known by name."""
    category: Category
    title: str
    family: str
    confidence: float
    open: bool
    lasts: int
    """ns, from its first sign to its latest, or to now while it is open."""
    signs: int
    """In all, repetitions too."""
    text: str
    """Explanation and advice, for who looks for words."""

    @property
    def benign(self) -> bool:
        """It is named, and nobody has to do anything."""
        return self.category == "benign"

    @property
    def level(self) -> Level:
        """How it is drawn."""
        return "none" if self.benign else "warn"

    @property
    def word(self) -> str:
        """How it stands, in a word."""
        return "OPEN" if self.open else "ENDED"

    @property
    def where(self) -> str:
        """As in "CP_7", "4 chargers", "site"; not yet cut to a column."""
        if self.station != SITE:
            return terminal(self.station, _NAME)
        return counted(self.stations, "charger") if self.stations else "site"

    @property
    def lasted(self) -> str:
        """As in "12 min"; a single moment has no length."""
        return " ".join(duration(self.lasts).split()[:2]) if self.lasts >= SECOND else "once"


def print_of(site: Site) -> tuple[int, int, int]:
    """Another one when something about the incidents has changed."""
    incidents = site.detector.incidents
    return len(incidents), sum(one.count for one in incidents), sum(one.closed for one in incidents)


def told(site: Site, now: int, before: Mapping[int, Row]) -> dict[int, Row]:
    """All incidents. ``before``: what was told the last time. Call it while the engine holds still."""
    return {id(incident): _row(incident, now, before.get(id(incident))) for incident in site.detector.incidents}


def _row(incident: Incident, now: int, before: Row | None) -> Row:
    names = incident.stations - {SITE}
    until = incident.last if incident.closed else max(now, incident.last)
    return Row(
        id(incident), incident.raised, incident.station, len(names), incident.category, incident.family.title,
        incident.family_name, incident.confidence, not incident.closed, max(until - incident.first, 0),
        incident.count,
        # To put a thousand of them into words each second would cost more than all the rest.
        before.text if before is not None and before.signs == incident.count
        else f"{incident.explanation} {incident.advice}",
    )  # fmt: skip


def copied(site: Site, key: int) -> Incident | None:
    """One incident, as it is now. Call it while the engine holds still."""
    for incident in site.detector.incidents:
        if id(incident) == key:
            taken = copy.copy(incident)
            taken.signs = dict(incident.signs)
            taken.evidence = sorted(incident.evidence, key=lambda event: event.time)
            taken.stations = set(incident.stations)
            return taken
    return None


def sure(confidence: float) -> str:
    """As in "97 % sure"."""
    return outagewords.sure(confidence)


def anatomy(row: Row, incident: Incident, *, running: bool, show_ids: bool, utc: bool) -> list[Said]:
    """Everything there is to say of one incident, by what matters first."""
    said = [Said(f"{incident.family.title} ({CATEGORIES[row.category]}, {sure(row.confidence)})", "strong")]
    said.append(Said(_place(incident), "text"))
    said.append(Said(_when(row, incident, running=running, utc=utc), "text"))
    said += [Said(terminal(part, _TEXT), "text", None, "  ") for part in reasons(incident)]
    said.append(Said("What to check next" if not row.benign else "Named harmless", "strong"))
    said.append(Said(terminal(incident.advice, _TEXT), "text"))
    said += _signs(incident, utc=utc)
    said.append(Said("Evidence (Enter shows it in the traffic)", "strong"))
    said += _evidence(incident, show_ids=show_ids, utc=utc)
    if not incident.evidence:
        said.append(Said("  none: it is told by what did not come", "quiet"))
    said.append(Said("See also", "strong"))
    said.append(Said(f"  finding incident.{row.family}", "text", ("finding", f"incident.{row.family}")))
    names = sorted(incident.stations - {SITE})
    said += [Said(f"  charger {terminal(name, _NAME)}", "text", ("charger", name)) for name in names[:MAX_NAMES]]
    return said


def _place(incident: Incident) -> str:
    names = sorted(terminal(name, _NAME) for name in incident.stations - {SITE})
    if incident.station != SITE:
        connector = f", connector {terminal(incident.connector, 30)}" if incident.connector else ""
        return f"Where: {terminal(incident.station, _NAME)}{connector}"
    if not names:
        return "Where: the site"
    return f"Where: the site, seen at {listed(names, MAX_NAMES)}"


def _when(row: Row, incident: Incident, *, running: bool, utc: bool) -> str:
    begins = f"{day(incident.first, utc=utc)} {clock(incident.first, utc=utc)}".strip()
    raised = f"raised {clock(incident.raised, utc=utc)}"
    if row.open:
        ends = f"has gone on for {duration(row.lasts)}" if running else "not over when the recording ends"
    elif row.lasts < SECOND:
        ends = "seen once"
    else:
        ends = f"lasted {duration(row.lasts)}, until {clock(incident.last, utc=utc)}"
    return f"When: {begins}, {raised}; {ends}"


def reasons(incident: Incident) -> list[str]:
    """The explanation, each sign a paragraph: three sentences in a row are hard to tell apart."""
    explanation = incident.explanation
    parts: list[str] = []
    while explanation:
        # The longest first: what one sign says may be how another one begins.
        fits = [sign.text for sign in incident.signs.values() if sign.text and explanation.startswith(sign.text)]
        if not fits:
            return [*parts, explanation]
        parts.append(max(fits, key=len))
        explanation = explanation[len(parts[-1]) :].lstrip()
    return parts


def _signs(incident: Incident, *, utc: bool) -> Iterator[Said]:
    """By layer; what the explanation has said already is not said again."""
    explanation = incident.explanation
    signs = sorted(incident.signs.values(), key=lambda sign: sign.time)
    layers = [layer for layer in LAYERS if any(sign.layer == layer for sign in signs)]
    times = "" if incident.count == 1 else f"; seen {spaced(incident.count)} times"
    yield Said(f"Told by: {' and '.join(_LAYERS[layer] for layer in layers)}{times}", "text")
    for layer in layers:
        rest = [sign for sign in signs if sign.layer == layer and sign.text not in explanation]
        if rest:
            yield Said(f"More signs, by {_LAYERS[layer]}", "strong")
        for sign in rest:
            yield Said(f"  {_sign(sign, utc=utc)}", "text", None, " " * 6)


def _evidence(incident: Incident, *, show_ids: bool, utc: bool) -> Iterator[Said]:
    """What says the same again and again is told by its first and its last."""
    writer = EvidenceWriter(show_ids=show_ids)
    texts = [writer.one(event)["text"] for event in incident.evidence]
    begin = 0
    for place, text in enumerate(texts):
        if place + 1 < len(texts) and texts[place + 1] == text:
            continue
        between = place - begin - 1
        for shown in range(begin, place + 1) if between < _ALIKE else (begin, place):
            line = evidence_line(incident.evidence[shown], show_ids=show_ids, utc=utc)
            if shown == place and between >= _ALIKE:
                yield Said(f"    … {between} more of the same", "quiet")
            yield Said(f"  {line}", "text", ("evidence", shown), " " * 6)
        begin = place + 1


def _sign(sign: Symptom, *, utc: bool) -> str:
    return f"{clock(sign.time, utc=utc)}  {terminal(sign.text, _TEXT)}"


# ------------------------------------------------------------------------------------------------ the detector itself


@dataclass(frozen=True, slots=True)
class Standing:
    """How the detector stands."""

    layers: tuple[Layer, ...] = ()
    runtime: str = ""
    """What executes the model; empty when nothing does."""
    since: int = 0
    """Time from which the oldest of what is known comes; 0: nothing is known."""
    hours: tuple[tuple[str, float, bool, bool], ...] = ()
    """By station: name, hours that it has been watched, is it known, is it frozen."""
    more: int = 0
    """Stations beyond these."""
    known: int = 0
    frozen: int = 0
    notes: tuple[str, ...] = ()
    learns: bool = True
    """It has a layer that does."""


def standing(site: Site) -> Standing:
    """Call it while the engine holds still."""
    from fieldkit.detect.windows import SETTLED

    detector, calibration = site.detector, site.calibration
    now = detector.context.now
    notes = list(detector.notes)
    if detector.fusion.crowded_out:
        notes.append(f"{detector.fusion.crowded_out} more incidents were not kept: there are too many.")
    learnt = calibration.stations() if calibration is not None else []
    frozen = {name for name, _, _ in learnt if detector.fusion.is_open(name)}
    settled = SETTLED / _HOUR
    return Standing(
        layers=tuple(layer for layer in LAYERS if layer in detector.layers and (layer != "model" or site.runtime)),
        runtime=site.runtime if "model" in detector.layers else "",
        since=now - round(max(hours for _, hours, _ in learnt) * _HOUR) if learnt else 0,
        hours=tuple((name, hours, hours >= settled, name in frozen) for name, hours, _ in learnt[:MAX_STATIONS]),
        more=max(len(learnt) - MAX_STATIONS, 0),
        known=sum(hours >= settled for _, hours, _ in learnt),
        frozen=len(frozen),
        notes=tuple(notes),
        learns=calibration is not None,
    )


def drift(site: Site) -> dict[str, list[str]]:
    """By station: what is not as it was when the calibration was made. It compares forty samples a station: some ten
    milliseconds for a site. Call it while the engine holds still."""
    found = site.calibration.drift() if site.calibration is not None else {}
    return {name: [words for words, _ in moved[:MAX_FEATURES]] for name, moved in found.items()}


def standing_lines(stands: Standing, moved: Mapping[str, Sequence[str]], *, utc: bool) -> list[Said]:
    """The detector in lines; Enter on a charger leads to it."""
    said = [Said("The detector", "strong"), Said(f"Looks by: {', '.join(stands.layers) or 'nothing'}", "text")]
    if stands.runtime:
        said.append(Said(f"Model run by: {_RUNTIMES.get(stands.runtime, stands.runtime)}", "text"))
    else:
        said.append(Said("The model does not run.", "quiet"))
    said += _learning(stands, utc=utc)
    if stands.notes:
        said.append(Said("What it could not do", "strong"))
        said += [Said(f"  {terminal(note, _TEXT)}", "warn", None, "    ") for note in stands.notes]
    if moved:
        said.append(Said("Not as it was when calibrated", "strong"))
        for name, features in moved.items():
            said.append(Said(f"  {terminal(name, _NAME)}: {', '.join(features)}", "warn", ("station", name), "    "))
        said.append(Said("That is expected after new firmware or another SIM: learn the charger anew.", "quiet"))
    if stands.hours:
        said.append(Said("Chargers (Enter shows one, R learns it anew)", "strong"))
        said += _chargers(stands)
    if stands.learns:
        said.append(Said("R is for this run. To learn a charger anew for those to come:", "quiet"))
        said.append(Said("fieldkit detect calibrate NEW.pcap --state FILE --relearn CHARGER", "quiet"))
    return said


def _learning(stands: Standing, *, utc: bool) -> Iterator[Said]:
    if not stands.learns:
        yield Said("It learns nothing: only rules are on.", "quiet")
        return
    if not stands.hours:
        yield Said("It has seen no charger yet.", "quiet")
        return
    yield Said(f"Learns since: {day(stands.since, utc=utc)} {clock(stands.since, utc=utc)}".rstrip(), "text")
    number = len(stands.hours) + stands.more
    yield Said(f"Of {counted(number, 'charger')}: {stands.known} known, {number - stands.known} learning", "text")
    if stands.known < number:
        yield Said("Until a charger is known (24 h) it is measured by what is usual elsewhere.", "quiet")
    if stands.frozen:
        yield Said(f"Learns nothing from {stands.frozen} of them: an incident is open there.", "warn")


def _chargers(stands: Standing) -> Iterator[Said]:
    for name, hours, known, frozen in stands.hours:
        word = "known" if known else f"learning, {int(hours)} of 24 h" if hours >= 1 else "learning, just begun"
        held = "; on hold, incident open" if frozen else ""
        yield Said(f"  {terminal(name, _NAME)}: {word}{held}", "warn" if held else "text", ("station", name), "    ")
    if stands.more:
        yield Said(f"  and {stands.more} more", "quiet")
