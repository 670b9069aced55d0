"""What happened, indexed: the picture, the findings and what the source was worth. Every face draws this."""

from __future__ import annotations

from collections.abc import Iterable

from fieldkit.checks.collector import Collected
from fieldkit.checks.policy import Policy
from fieldkit.checks.runner import Runner
from fieldkit.events import Event
from fieldkit.site.picture import Picture
from fieldkit.tally import Tally


class Session:
    """Everything that is kept of a run; events pass through and are not."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.picture = Picture()
        self.tally = Tally()
        self._runner = Runner(policy)

    def feed(self, events: Iterable[Event]) -> list[Collected]:
        """Take in events in their order; returns the findings that are new."""
        picture, runner, tally = self.picture, self._runner, self.tally
        new: list[Collected] = []
        for event in events:
            tally.note(event)
            picture.feed(event)
            found = runner.feed(event, picture)
            if found:
                new += found
        return new

    def finish(self) -> list[Collected]:
        """The end: what never came is judged now."""
        return self._runner.finish(self.picture)

    @property
    def findings(self) -> list[Collected]:
        """The worst first, then in the order of time."""
        return self._runner.findings.all()

    @property
    def failed_checks(self) -> list[str]:
        """Checks that were switched off because they failed, with the reason."""
        return [f"{failure.check}: {failure.reason}" for failure in self._runner.failures]
