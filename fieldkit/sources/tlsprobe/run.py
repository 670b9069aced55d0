"""Probing targets: resolve, say what will be done, survey, fetch, judge, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fieldkit.sources.tlsprobe import targets
from fieldkit.sources.tlsprobe.engine import Engine
from fieldkit.sources.tlsprobe.judge import Judged, judge, read_chain
from fieldkit.sources.tlsprobe.plan import Limits
from fieldkit.sources.tlsprobe.posture import Posture
from fieldkit.sources.tlsprobe.roots import Roots
from fieldkit.sources.tlsprobe.session import Wishes
from fieldkit.sources.tlsprobe.survey import Survey
from fieldkit.sources.tlsprobe.targets import Resolved, Target, Way
from fieldkit.trust.fault import Fault

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.fetch import Fetched

FETCHED_AT_ONCE: Final = 16
"""Targets whose certificates are followed up side by side."""
LEAST_S: Final = 1.0
"""Left for the survey when a name took long."""


@dataclass(frozen=True)
class Order:
    """What is to be done."""

    targets: Sequence[Target]
    limits: Limits = field(default_factory=Limits)
    wishes: Wishes = field(default_factory=Wishes)
    roots: Roots | None = None
    outs: Sequence[tuple[str, str]] = (("", ""),)
    """(interface, source address) of each way out."""
    family: int = 0
    first_only: bool = False
    """One address of each name."""
    at: int | None = None
    """Time for which certificates are judged, ns; None: now."""
    fetch_issuers: bool = False
    fetch_revocation: bool = False


@dataclass
class Result:
    """Of one target."""

    target: Target
    postures: list[Posture] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    """One for each posture."""
    faults: list[Fault] = field(default_factory=list)
    """What the comparison found."""
    error: str = ""
    """Why there is no posture at all."""
    fetched: Fetched | None = None

    @property
    def reachable(self) -> bool:
        """Something answered."""
        return any(posture.reachable for posture in self.postures)


def probe(order: Order, say: Callable[[str], None]) -> list[Result]:
    """All targets, side by side as far as manners allow."""
    results, surveys = [], []
    names = targets.resolve_all(order.targets, order.family)
    for target, (resolved, spent) in zip(order.targets, names, strict=True):
        result = Result(target)
        results.append(result)
        limits = order.limits
        if spent > 0.1:
            limits = replace(limits, seconds=max(limits.seconds - spent, LEAST_S))
        for way in _ways(target, resolved, order, result, say):
            survey = Survey(target, way, limits, order.wishes)
            result.postures.append(survey.posture)
            surveys.append(survey)
    Engine().run(surveys)
    for survey in surveys:
        survey.posture.settle()
    at = order.at if order.at is not None else time.time_ns()
    if order.fetch_issuers or order.fetch_revocation:
        _fetch(results, order, say)
    for result in results:
        result.judged = [judge(posture, order.roots, at=at, fetched=result.fetched) for posture in result.postures]
        if len(result.postures) > 1:
            from fieldkit.sources.tlsprobe.compare import differences

            result.faults = list(differences(result.postures))
        for posture in result.postures:
            _tell_redirections(posture, say)
    return results


def _fetch(results: Sequence[Result], order: Order, say: Callable[[str], None]) -> None:
    """What the certificates of each target point to."""
    from concurrent.futures import ThreadPoolExecutor

    from fieldkit.sources.tlsprobe.fetch import fetch

    def one(result: Result) -> Fetched:
        chains = [read_chain(shown.chain)[0] for posture in result.postures for shown in posture.shown]
        return fetch(chains, issuers=order.fetch_issuers, revocation=order.fetch_revocation, say=say)

    with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
        for result, fetched in zip(results, pool.map(one, results), strict=True):
            result.fetched = fetched
            for failure in fetched.failures:
                say(f"{result.target.host}: {failure}")


def _ways(target: Target, resolved: Resolved, order: Order, result: Result, say: Callable[[str], None]) -> list[Way]:
    if not resolved.addresses:
        result.error = resolved.error or f"{target.host} has no address"
        return []
    addresses = resolved.addresses[:1] if order.first_only else resolved.addresses
    ways = [targets.way(*address, *out) for out in order.outs for address in addresses]
    if len(ways) > 1 or not target.is_address:
        each = f"each with up to {order.limits.connections} connections" if len(ways) > 1 else "now"
        shown = ", ".join(way.shown for way in ways)
        say(f"{target.host}: looking at {shown} {each}, {order.limits.at_once} at a time")
    if resolved.left_out:
        say(f"{target.host}: {resolved.left_out} more addresses are left alone")
    return ways


def _tell_redirections(posture: Posture, say: Callable[[str], None]) -> None:
    for spoken in (*posture.spoken, *((posture.plain,) if posture.plain is not None else ())):
        location = spoken.headers.get("location", "")
        if spoken.status is not None and 300 <= spoken.status < 400 and location:
            say(f"{posture.target.host} points to {location}; to look there, name it as a target")
            return
