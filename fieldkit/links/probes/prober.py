"""All uplinks of a router, one after the other, as far as their budgets go."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from fieldkit.links.probes.budget import Budget
from fieldkit.links.probes.probe import Probe
from fieldkit.links.probes.resolvers import of_uplink, servers
from fieldkit.links.probes.verdict import judge
from fieldkit.links.runner import Runner
from fieldkit.links.uplink import Uplink
from fieldkit.links.words import SECOND

if TYPE_CHECKING:
    from fieldkit.sources.tlsprobe.targets import Target

EVERY: Final = 900.0
"""Seconds between two rounds: with TLS they cost an uplink 0.8 MB a day."""
SHORTEST: Final = 30.0
JITTER: Final = 0.2
"""Of the pause, at random: a hundred routers that were switched on together do not ask the CSMS together."""
MAX_PROBED: Final = 8
"""Uplinks in a round."""


class Attempts(Protocol):
    """What can be tried, from here or from the router."""

    def names(self, probe: Probe, servers: list[str]) -> None:
        """Ask for the CSMS's addresses."""

    def echo(self, probe: Probe) -> None:
        """Ping ``probe.address``."""

    def reach(self, probe: Probe) -> None:
        """TCP, TLS, upgrade."""


def next_pause(every: float, dice: Callable[[], float] = random.random) -> float:
    """Seconds to the next round."""
    return max(every * (1 + JITTER * (2 * dice() - 1)), 1.0)


def is_metered(uplink: Uplink) -> bool:
    """Traffic costs, or probably does."""
    return uplink.metered if uplink.metered is not None else uplink.kind in ("cellular", "satellite")


class Prober:
    """One router and one CSMS."""

    def __init__(self, runner: Runner, target: Target, attempts: Attempts, budget: Budget) -> None:
        self.budget = budget
        self._runner = runner
        self._target = target
        self._attempts = attempts

    def probe(self, uplinks: Sequence[Uplink]) -> list[Probe]:
        """Each that is up, or does not say; those that carry traffic first."""
        known = {} if self._target.is_address else servers(self._runner)
        probes: list[Probe] = []
        tried = 0
        for uplink in [one for one in uplinks if one.up is not False and one.understood]:
            probe = Probe(self._runner.now(), uplink.id, uplink.device, uplink.role == "active", is_metered(uplink))
            probes.append(probe)
            if not uplink.device or tried == MAX_PROBED:
                probe.verdict = "skipped"
                probe.why = (
                    f"{MAX_PROBED} uplinks are tried in a round"
                    if uplink.device
                    else "the router does not say which interface it is"
                )
                continue
            tried += 1
            if not self.budget.may(uplink.id, probe.time / SECOND, metered=probe.metered):
                spent = self.budget.spent(uplink.id, probe.time / SECOND)
                probe.verdict = "skipped"
                probe.why = f"{spent:,} bytes of {self.budget.limit:,} are used in the last 24 hours (--probe-budget)"
                continue
            reserved = self.budget.reserve(uplink.id, probe.time / SECOND)
            self._one(probe, known, probes)
            self.budget.spend(uplink.id, probe.bytes, probe.time / SECOND, reserved)
        judge(probes, self._target)
        return probes

    def _one(self, probe: Probe, known: dict[str, list[str]], probes: list[Probe]) -> None:
        if self._target.is_address:
            probe.address = self._target.host
        else:
            self._find(probe, known, probes)
        if probe.address:
            self._attempts.echo(probe)
            self._attempts.reach(probe)

    def _find(self, probe: Probe, known: dict[str, list[str]], probes: list[Probe]) -> None:
        """Its own name servers' answer; failing that, what was found over another uplink, as a station may remember."""
        asked = of_uplink(known, probe.uplink)
        if asked:
            self._attempts.names(probe, asked)
        else:
            self._by_system(probe)
        probe.address = next((address for named in probe.names for address in named.addresses), "")
        if not probe.address:
            elsewhere = next((other.address for other in probes if other.address), "")
            if elsewhere:
                probe.address = elsewhere
                probe.notes.append(f"no name server answers here; tried with the address found over another uplink, {elsewhere}")  # fmt: skip  # noqa: E501

    def _by_system(self, probe: Probe) -> None:
        from fieldkit.links.probes.probe import Named
        from fieldkit.sources.tlsprobe.targets import resolve

        resolved = resolve(self._target)
        found = tuple(str(address[0]) for _, address in resolved.addresses)
        probe.names.append(Named("the system's resolver", found, resolved.error, bound=False))
        probe.notes.append("the name is asked of this system's resolver, over whichever uplink it uses")
