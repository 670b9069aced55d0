"""What a check is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.events import Event, OcppMessage
from fieldkit.site.picture import Picture


class Check:
    """Sees events and the picture, yields findings.

    Subclasses name their ``kinds`` and what they want to see, and override ``see`` or ``finish``. Whatever a check
    remembers between events is bounded, as captures are not.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ()
    """All that it may yield."""
    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})
    """Classes of events that ``see`` is called with."""
    actions: ClassVar[frozenset[str]] = frozenset()
    """Of ``OcppMessage`` only these actions (CALLs, SENDs and their answers); empty: all."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Judge an event; the picture has taken it in already."""
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge what never came, at the end of the session (``picture.end_of``)."""
        return ()
