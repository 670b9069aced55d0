"""A site with incidents whose words do not change when the detector learns to say things better.

The demo is read with a real detector; then what it found is put away, and signs with words of our own go through the
same fusion.
"""

from __future__ import annotations

from functools import cache

from fieldkit.detect.fusion import Fusion
from fieldkit.detect.incident import Incident
from fieldkit.detect.symptom import Layer
from fieldkit.models.opening import Site
from fieldkit.models.runtimes import INLINE
from fieldkit.tui.engine import Engine
from fieldkit.tui.feeds import open_feed

SECOND = 1_000_000_000


def detector() -> Site:
    """Without the model: who runs it depends on what is imported already."""
    site = Site(layers=("rules", "statistics"), runtime=INLINE)
    site.detector.notes.clear()  # of a tree in which a model is being trained
    return site


def mute(site: Site) -> None:
    """What it finds, and has found, is told nobody: findings and their number are those of the checks."""
    detector = site.detector
    detector.notes.clear()
    detector.fusion = Fusion(detector.context.deadlines)
    detector.context.frozen = detector.fusion.is_open


def muted() -> Site:
    """For reading the demo."""
    site = detector()
    mute(site)
    return site


@cache
def odd() -> Engine:
    """The same one each time, read to its end: five incidents, of which one goes on and one is harmless."""
    engine = Engine(open_feed(["demo"]), detector=muted).start()
    assert engine.wait(60)
    site = engine.site
    assert site is not None
    context, watch = site.detector.context, site.detector
    mute(site)
    history = engine.history
    rows = [number for number in range(history.first, history.end) if history.row(number).station == "CP-21601"]
    begin, middle, end = history.row(rows[0]).time, history.row(rows[len(rows) // 2]).time, context.now

    def tell(
        family: str, station: str, time: int, text: str, *, sure: float = 0.8, lasts: int = 0, layer: Layer = "rules",
        at: int | None = None,
    ) -> None:  # fmt: skip
        evidence = (history.event(rows[at]),) if at is not None else ()
        context.tell(family, station, sure, text, evidence, layer=layer, first=time - lasts * SECOND, time=time,
                     sign=f"{family}-{layer}")  # fmt: skip

    tell("message-flood", "CP-21601", begin, "CP-21601 sent 40 Heartbeats within a minute; 2 are usual.", at=3,
         layer="statistics", lasts=30)  # fmt: skip
    tell("message-flood", "CP-21601", begin + 9 * SECOND, "Its CSMS refused 12 of them.", sure=0.3, at=8)
    tell("register-rollback", "HYC-0031", middle, "The register fell from 189.4 kWh to 12 Wh.", sure=0.95, at=20)
    for station in ("CP-21602", "CP-22001"):
        tell("blackhole", station, middle + 20 * SECOND, f"Nothing was heard of {station} for 2 min.", sure=0.7)
    tell("clock-sync", "EVSE-0034", middle + 60 * SECOND, "Its clock was 4 min slow and is right now.", sure=0.9)
    tell("derating", "CP-SOAP-15", end - 40 * SECOND, "It gives 6.1 kW where it gave 11.0 kW.", sure=0.75, lasts=300,
         layer="statistics", at=-2)  # fmt: skip
    for incident in watch.incidents:
        incident.closed = incident.family_name != "derating"
    watch.fusion.finish(end)
    context.now = end
    return engine


def incident(family: str) -> Incident:
    """One of these."""
    site = odd().site
    assert site is not None
    return next(one for one in site.detector.incidents if one.family_name == family)
