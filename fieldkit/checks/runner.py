"""Hands each event to the checks that want it. A check that fails is switched off and told of; the session goes on."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

from fieldkit.checks import __name__ as _package_name
from fieldkit.checks import __path__ as _package_path
from fieldkit.checks.check import Check
from fieldkit.checks.collector import Collected, Collector
from fieldkit.checks.finding import Finding
from fieldkit.checks.policy import Policy
from fieldkit.events import Event, OcppMessage
from fieldkit.site.picture import Picture

_See: TypeAlias = Callable[[Event, Picture], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that raised: a fault of fieldkit, which the report owns up to."""

    check: str
    reason: str


def known_checks() -> list[type[Check]]:
    """Every check there is, in the order of their files and names."""
    for module in pkgutil.iter_modules(_package_path):
        import_module(f"{_package_name}.{module.name}")
    found: list[type[Check]] = []
    waiting = [Check]
    while waiting:
        for subclass in waiting.pop().__subclasses__():
            waiting.append(subclass)
            if subclass.kinds and subclass.__module__.startswith(_package_name + "."):
                found.append(subclass)
    return sorted(found, key=lambda check: (check.__module__, check.__name__))


class Runner:
    """All checks over one session."""

    def __init__(
        self,
        policy: Policy | None = None,
        checks: Iterable[type[Check]] | None = None,
        collector: Collector | None = None,
    ) -> None:
        policy = policy if policy is not None else Policy()
        self.findings = collector if collector is not None else Collector()
        self.failures: list[Failure] = []
        self._checks = [check(policy) for check in (known_checks() if checks is None else checks)]
        # With their methods, bound once: to look one up costs more than many a check.
        self._by_event: dict[type[Event], list[tuple[_See, Check]]] = {}
        self._of_all_actions: list[tuple[_See, Check]] = []
        self._by_action: dict[str, list[tuple[_See, Check]]] = {}
        self._index()

    def feed(self, event: Event, picture: Picture) -> list[Collected]:
        """Let the checks judge an event that the picture has taken in; returns what is new."""
        judges = (
            self._by_action.get(event.action, self._of_all_actions)
            if isinstance(event, OcppMessage)
            else self._by_event.get(event.__class__, ())
        )
        new: list[Collected] = []
        for see, check in judges:  # a check that fails leaves new lists behind: this one stays as it is
            try:
                # A generator runs only when it is read: that must happen in here, where its failure is caught.
                found = see(event, picture)
                if found:
                    found = list(found)
            except Exception as error:
                self._failed(check, error)
                continue
            if found:
                new += self.findings.add(found)
        return new

    def finish(self, picture: Picture) -> list[Collected]:
        """The end of the session."""
        new: list[Collected] = []
        for check in tuple(self._checks):
            try:
                found = list(check.finish(picture))
            except Exception as error:
                self._failed(check, error)
                continue
            new += self.findings.add(found)
        return new

    def _index(self) -> None:
        self._by_event = {}
        for check in self._checks:
            for kind in check.wants - {OcppMessage}:
                self._by_event.setdefault(kind, []).append((check.see, check))
        talkers = [check for check in self._checks if OcppMessage in check.wants]
        self._of_all_actions = [(check.see, check) for check in talkers if not check.actions]
        self._by_action = {
            action: [(check.see, check) for check in talkers if not check.actions or action in check.actions]
            for action in {action for check in talkers for action in check.actions}
        }

    def _failed(self, check: Check, error: Exception) -> None:
        self.failures.append(Failure(check.__class__.__name__, f"{error.__class__.__name__}: {error}"))
        self._checks.remove(check)
        self._index()
