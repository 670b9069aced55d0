"""A loss as it is judged: everything that is known of it, and what a judgement is.

Numbers that are measured on two paths are compared here; what they mean is for ``outagerouter`` (what the router, or
captures on its outside, tell) and ``outagecause`` (what the wire tells).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from fieldkit.site.outage import Cause, Outage
from fieldkit.site.pathseen import RECENT, PathSeen

SECOND: Final = 1_000_000_000
RESET_NS: Final = 1_500_000_000
"""An RST so soon after what the station sent answers it (a satellite takes 0.7 s)."""
DEAD_NS: Final = 4 * SECOND
"""Silence in spite of repeats that no switch explains."""
IDLE_NS: Final = 2 * SECOND
IDLE_FACTOR: Final = 1.8
"""A silence before a loss that is so much longer than any that did no harm."""
STEP: Final = 1.4
STEP_NS: Final = 8_000_000
"""Round trips that differ by so much are of two paths."""
OFTEN: Final = 0.15
"""… from which it is worth saying."""
IN_FLIGHT: Final = 0.1
"""How likely something is on its way at any moment, where it is not known how often the station says something."""
ENOUGH: Final = 3
"""Round trips that show how far those of a path vary."""


class UplinkEvent(Protocol):
    """What somebody who knows the router says: ``links.uplink.LinkEvent`` is one."""

    @property
    def time(self) -> int: ...

    @property
    def what(self) -> str: ...

    @property
    def uplink(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def before(self) -> str: ...

    @property
    def after(self) -> str: ...

    @property
    def exact(self) -> bool: ...


@dataclass(slots=True)
class Break:
    """Everything that is known of one loss."""

    station: str
    old: PathSeen
    new: PathSeen | None
    """The connection that led back; None while there is none."""
    failed: list[PathSeen] = field(default_factory=list)
    """Attempts in between."""
    told: list[UplinkEvent] = field(default_factory=list)
    """By the router, from a little before the loss to the return."""
    survived: int = 0
    """The longest silence that any connection of this station outlived."""
    kills: int = 0
    """How often a connection of this station was found dead after a silence before."""
    together: int = 0
    """Other stations that lost theirs within seconds …"""
    alive: int = 0
    """… and others whose connections to the same server were heard all the while."""
    reset_asked: bool = False
    """The CSMS had told the station to restart."""
    earlier: Sequence[Outage] = ()
    """This station's, latest last."""
    left: int | None = None
    """How many of the packets without an answer were seen to leave by the old uplink; None: it was not captured."""
    two_uplinks: bool = False
    """Two different paths were seen to serve this station."""

    @property
    def lost_between(self) -> tuple[int, int]:
        """Last sign of life of the server, and the first packet without an answer (else the end)."""
        old = self.old
        moved = old.moved[0] if old.moved is not None else 0
        if moved and old.beat is not None:
            moved = min(moved, old.said + old.beat)  # what it would have said next is what was lost
        end = min(time for time in (old.ended, old.closing) if time) if old.ended or old.closing else 0
        until = old.pending or (old.said if old.said > old.heard else 0) or end or moved or old.heard
        if self.cuts_short and old.said and old.ended is not None and old.ended - old.said <= RESET_NS:
            until = old.pending or old.said
        since = min(self._heard_before(until), until)
        return since, until

    def _heard_before(self, until: int) -> int:
        old = self.old
        if not old.heard:
            return old.established or old.connection.opened
        return old.heard if old.heard <= until else until

    @property
    def cuts_short(self) -> bool:
        """It was reset by the server's side."""
        return self.old.how == "rst" and self.old.by_client is False

    @property
    def answered_reset(self) -> bool:
        """… in answer to something that the station sent."""
        old = self.old
        return self.cuts_short and old.ended is not None and bool(old.spoke) and old.ended - old.spoke <= RESET_NS

    @property
    def silence(self) -> int:
        """How long what the station sent was without an answer, ns."""
        old = self.old
        if not old.pending:
            return 0
        until = old.ended
        if until is None:
            opened = [path.connection.opened for path in (*self.failed, *([self.new] if self.new else []))]
            until = min(opened, default=max(old.spoke, old.pending))
        return max(0, until - old.pending)

    @property
    def in_flight(self) -> float:
        """How likely it is that something was on its way when the path changed, 0 to 1. A message, an answer or a bare
        acknowledgement that is lost then makes a router that drops its connections look like one that keeps them, and
        the other way round: an acknowledgement is never repeated, so nobody sees that it was lost."""
        beats = sorted(self.old.beats)
        if not beats:
            return IN_FLIGHT
        between = max(beats[len(beats) // 2], 1)
        return min(1.0, 2 * (self.old.rtt or 0) / between)

    @property
    def stepped(self) -> bool | None:
        """The way back is another path, by its round trips; None: not known."""
        before = sorted(trip for _, trip in self.old.way[-RECENT:])
        after = sorted(trip for _, trip in self.new.way[-RECENT:]) if self.new is not None else []
        if not before or not after:
            return None
        low, high = (before, after) if before[0] < after[0] else (after, before)
        # Radio varies by more than a switch changes: they must not overlap, and a few must not come near.
        apart = high[0] > low[-1] if min(len(low), len(high)) >= ENOUGH else high[0] > 2 * low[-1]
        middle, other = low[len(low) // 2], high[len(high) // 2]
        return apart and other - middle > STEP_NS and other > STEP * middle

    @property
    def idle_kill(self) -> bool:
        """It was found dead after a silence longer than any that did no harm."""
        survived = max(self.survived, self.old.survived, SECOND)
        return self.old.idle >= IDLE_NS and self.old.idle >= IDLE_FACTOR * survived


class Verdict(NamedTuple):
    """A cause and why."""

    cause: Cause
    confidence: float
    reasons: tuple[str, ...]


def unsure(loss: Break, confidence: float) -> tuple[float, tuple[str, ...]]:
    """What is left of the confidence that the router kept its connections, or dropped them; and why, where it is much
    less."""
    chance = loss.in_flight
    if chance < OFTEN:
        return confidence / (1 + chance), ()
    words = (
        f"The station and the CSMS talk so often that something was on its way when the router moved, {chance:.0%}"
        " likely: then it cannot be seen whether the router dropped its connections or kept them."
    )
    return confidence / (1 + chance), (words,)


def attempts(loss: Break) -> str:
    number = len(loss.failed)
    return f"{number} attempt{'s' if number != 1 else ''} to connect came to nothing"


def attempt_words(loss: Break) -> tuple[str, ...]:
    return (f"{attempts(loss)}.",) if loss.failed else ()


def repeat_words(loss: Break) -> tuple[str, ...]:
    number = loss.old.repeats
    if not number:
        return ()
    how = ", each time after twice as long" if loss.old.doubling else ""
    return (f"The station repeated itself {'once' if number == 1 else f'{number} times'}{how}.",)


def icmp_words(loss: Break) -> tuple[str, ...]:
    errors = loss.old.errors
    return (f'{errors[0].reporter} said "{errors[0].kind} unreachable" to the station.',) if errors else ()


def seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / SECOND:.1f} s" if nanoseconds >= SECOND else f"{nanoseconds / 1e6:.0f} ms"


def milliseconds(nanoseconds: int | None) -> str:
    return "?" if nanoseconds is None else f"{nanoseconds / 1e6:.0f} ms"
