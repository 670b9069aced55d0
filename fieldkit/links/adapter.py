"""What an adapter is: three short questions about one make of router."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from fieldkit.links.runner import Runner
from fieldkit.links.uplink import LinkEvent, Uplink


@runtime_checkable
class RouterAdapter(Protocol):
    """Knows one make of router, or one program that many of them have.

    It is made without arguments, keeps nothing between calls that it could not do without, and asks everything through
    the runner that it is given. ``RunnerError`` may pass through: it is told as what it says.
    """

    def probe(self, runner: Runner) -> float:
        """How sure it is that it knows this router: 0 (no) to 1. One or two quick questions."""

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """The uplinks now."""

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """What happens from now on, as it happens; ends at once where the router tells nothing by itself.

        Changes that two snapshots show need not be told: they are found anyway, if later.
        """
