"""What happened, indexed: the picture, the findings and what the source was worth. Every face draws this."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from fieldkit.checks.check import Check
from fieldkit.checks.collector import Collected, Collector
from fieldkit.checks.policy import Policy
from fieldkit.checks.runner import Runner, known_checks
from fieldkit.events import Event, OcppMessage, PluginFailed
from fieldkit.site.picture import Picture
from fieldkit.tally import Tally

if TYPE_CHECKING:  # whoever wants none need not load it: small routers, and a report without one
    from fieldkit.detect.detector import Detector


class Watcher(Protocol):
    """Somebody who wants to see events pass by because the session does not keep them: a table, a trace."""

    @property
    def wants(self) -> frozenset[type[Event]]:
        """Classes of events that ``see`` is called with."""

    def see(self, event: Event, picture: Picture) -> object:
        """An event that the picture has taken in."""


_See: TypeAlias = Callable[[Event, Picture], object]


MAX_FAILED: Final = 100
"""Failures of plugins that are remembered."""


class Session:
    """Everything that is kept of a run; events pass through and are not."""

    def __init__(
        self,
        policy: Policy | None = None,
        watchers: Iterable[Watcher] = (),
        collector: Collector | None = None,
        checks: Iterable[type[Check]] = (),
        detector: Detector | None = None,
    ) -> None:
        """``collector``: one that takes some findings only. ``checks``: those of plugins, beside fieldkit's own.
        ``detector``: what looks for the unusual besides."""
        self.picture = Picture()
        self.tally = Tally()
        self.packets = 0
        """Packets read, of all sources; whoever feeds the session says so."""
        self.begin = 0
        """Time of the first event that has one."""
        self.failed_plugins: list[PluginFailed] = []
        more = tuple(checks)
        self._runner = Runner(policy, [*known_checks(), *more] if more else None, collector)
        self._watchers: dict[type[Event], list[_See]] = {PluginFailed: [self._plugin_failed]}
        self.detector = detector
        if detector is not None:
            watchers = (*watchers, detector)
            self._runner.findings.listeners.append(detector.found)
        for watcher in watchers:
            for kind in watcher.wants:
                self._watchers.setdefault(kind, []).append(watcher.see)

    def feed(self, events: Iterable[Event]) -> list[Collected]:
        """Take in events in their order; returns the findings that are new."""
        picture, watchers, tally, concerns = self.picture, self._watchers, self.tally, Tally.CONCERNS
        see, judge = picture.feed, self._runner.feed
        new: list[Collected] = []
        messages = 0
        for event in events:
            kind = event.__class__
            if kind is OcppMessage:
                messages += 1
            elif kind in concerns:
                tally.note(event)
            see(event)
            found = judge(event, picture)
            if found:
                new += found
            if kind in watchers:
                for watch in watchers[kind]:
                    watch(event, picture)
            if not self.begin and event.time > 0:
                self.begin = event.time
        tally.messages += messages
        return new

    def show_incidents(self) -> None:
        """Let each incident of the detector be a finding too, from now on: for screens."""
        from fieldkit.detect.kinds import finding

        if self.detector is not None:
            self.detector.listeners.append(lambda incident: self._runner.findings.add((finding(incident),)))

    def finish(self) -> list[Collected]:
        """The end: what never came is judged now."""
        self.picture.finish()
        found = self._runner.finish(self.picture)
        if self.detector is not None:
            self.detector.finish()
        return found

    def _plugin_failed(self, event: Event, picture: Picture) -> None:
        if isinstance(event, PluginFailed) and len(self.failed_plugins) < MAX_FAILED:
            self.failed_plugins.append(event)

    @property
    def findings(self) -> list[Collected]:
        """The worst first, then in the order of time."""
        return self._runner.findings.all()

    @property
    def failed_checks(self) -> list[str]:
        """Checks that were switched off because they failed, with the reason."""
        return [f"{failure.check}: {failure.reason}" for failure in self._runner.failures]
