"""``--filter`` of a report: what is about matching messages, and nothing else.

The picture and the checks see everything: a check that was kept from the messages in between would accuse people of
what it did not see. What is chosen is what comes out: occurrences of findings, messages in documents, stations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from fieldkit.checks.collector import Collected, Collector
from fieldkit.checks.finding import Finding
from fieldkit.cli import reading
from fieldkit.events import Connection, Event, OcppChannel, OcppMessage
from fieldkit.safetext import shorten

if TYPE_CHECKING:
    from fieldkit.checks.check import Check
    from fieldkit.checks.policy import Policy
    from fieldkit.cli.documents import Documents
    from fieldkit.detect.detector import Detector
    from fieldkit.reports.document import Report
    from fieldkit.session import Session, Watcher
    from fieldkit.site.picture import Picture

MAX_STATIONS: Final = 50_000
"""Stations with a matching message that are remembered; the picture keeps fewer."""

_Passes = Callable[[Event], bool]


def matching(text: str | None) -> Matching | None:
    """What ``--filter`` asks for; None without one. UsageError when it is no filter."""
    passes = reading.compile_filter(text, utc=True)  # the clock that a report shows
    return Matching(text, passes) if text and passes is not None else None


def session_for(
    policy: Policy,
    written: Documents,
    chosen: Matching | None,
    checks: Iterable[type[Check]] = (),
    detector: Detector | None = None,
) -> Session:
    """A session that documents watch, all of it or what was chosen."""
    from fieldkit.session import Session

    if chosen is None:
        return Session(policy, written.watchers, checks=checks, detector=detector)
    watchers = [
        watcher if watcher is written.beginnings else ChosenMessages(watcher, chosen.passes)
        for watcher in written.watchers
    ]
    return Session(policy, [chosen, *watchers], ChosenFindings(chosen), checks, detector)


class Matching:
    """Watches a session: which stations have messages that match, and how many."""

    wants: Final[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, text: str, passes: _Passes) -> None:
        self.text = text
        self.passes = passes
        self.messages = 0
        self.stations: set[str] = set()

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if isinstance(event, OcppMessage) and self.passes(event):
            self.messages += 1
            if len(self.stations) < MAX_STATIONS:
                self.stations.add(event.channel.station)

    def about(self, finding: Finding) -> bool:
        """Whether a message that shows it matches; of what no message shows, station, time and addresses are asked."""
        messages = [message for event in finding.evidence for message in _messages(event)]
        if not messages:
            messages = [_standing_for(event, finding) for event in finding.evidence]
        return any(map(self.passes, messages))

    def narrow(self, report: Report) -> None:
        """Leave those stations in a report that have matching messages or findings, and what belongs to them."""
        from fieldkit.reports import verdict

        kept = self.stations | {finding["station"] for finding in report["findings"] if finding["station"]}
        summary, capture = report["summary"], report["capture"]
        report["stations"] = [entry for entry in report["stations"] if entry["station"] in kept]
        report["connections"] = [entry for entry in report["connections"] if entry["station"] in kept]
        report["transactions"] = [entry for entry in report["transactions"] if entry["station"] in kept]
        report["devices"] = [entry for entry in report["devices"] if entry["station"] in kept]
        if report["detector"]:
            told_of = report["detector"]["incidents"]
            report["detector"]["incidents"] = [entry for entry in told_of if entry["station"] in kept]
        summary["stations"] = len(report["stations"])
        summary["outcomes"] = None  # they are counted over all attempts of the site
        told = f"--filter {shorten(self.text, 200)}: {self.messages:,} of {capture['messages']:,} messages match."
        if not self.messages and not report["findings"]:
            capture["complete"] = False
            summary["verdict"] = f"No message matches the filter {shorten(self.text, 200)}."
        elif summary["severity"] in ("ok", "nothing"):
            looked = capture.copy()
            looked["messages"] = self.messages
            summary["verdict"] = verdict.verdict([], summary["findings"], summary["stations"], looked)
        capture["notes"] = [f"This report is about a part of the capture. {told}", *capture["notes"]]


class ChosenFindings(Collector):
    """Collects the occurrences that are about matching messages."""

    def __init__(self, matching: Matching) -> None:
        super().__init__()
        self._matching = matching

    def add(self, findings: Iterable[Finding]) -> list[Collected]:
        """Take in occurrences; returns those findings that are new."""
        return super().add(finding for finding in findings if self._matching.about(finding))


class ChosenMessages:
    """Hands on to a document the messages that match, and all other events."""

    def __init__(self, watcher: Watcher, passes: _Passes) -> None:
        self.wants = watcher.wants
        self._see = watcher.see
        self._passes = passes

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        message = event if isinstance(event, OcppMessage) else getattr(event, "call", None)
        if not isinstance(message, OcppMessage) or self._passes(message) or self._answer_passes(event):
            self._see(event, picture)

    def _answer_passes(self, event: Event) -> bool:
        answer = getattr(event, "answer", None)
        return isinstance(answer, OcppMessage) and self._passes(answer)


def _messages(event: Event) -> list[OcppMessage]:
    """The messages of an event: itself, or the call and the answer of an exchange."""
    if isinstance(event, OcppMessage):
        return [event]
    return [one for name in ("call", "answer") if isinstance(one := getattr(event, name, None), OcppMessage)]


def _standing_for(event: Event, finding: Finding) -> OcppMessage:
    """A message without content at the place and time of an event, to ask a filter about."""
    connection = getattr(event, "connection", None)
    connection = connection if isinstance(connection, Connection) else None
    channel = OcppChannel(finding.station, "", "json", connection, False, True, False)
    return OcppMessage(
        time=event.time,
        frames=event.frames,
        source="",
        channel=channel,
        sender="station",
        type=None,
        id="",
        action="",
        payload=None,
        error=None,
        raw="",
        problems=(),
        validated=False,
        call=None,
    )
