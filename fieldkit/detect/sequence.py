"""How usual it is that one message follows two others: smoothed trigram counts.

Counts of the fleet (the prior) and of the station itself add up; what neither has seen falls back to pairs, then to the
message alone. Improbability is told in nats: a message that comes once in a thousand times there has about seven.
"""

from __future__ import annotations

from math import log
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage

START: Final = "-"
MAX_CONTEXTS: Final = 3000
"""Pairs of messages after which counts are kept."""
MAX_NEXT: Final = 64
"""Different messages counted after one pair."""
MAX_TOKEN: Final = 40
LAMBDA: Final = (0.7, 0.25)
"""Weight of trigrams and of pairs; the rest is for single messages."""
UNKNOWN: Final = 1e-4
"""Probability of what was never seen."""

Counts = dict[str, dict[str, float]]


def token(message: OcppMessage) -> str:
    """What a message is in a sequence: who says it, and what it is called; answers by whether they are errors."""
    side = "s" if message.sender == "station" else "c"
    if message.type is MessageType.CALL or message.type is MessageType.SEND:
        return f"{side}:{message.action[:MAX_TOKEN]}"
    return f"{side}={'error' if message.error is not None else 'result'}"


class Trigrams:
    """Counts after pairs ("a b"), after one ("b") and in all ("")."""

    def __init__(self, prior: Trigrams | None = None) -> None:
        self.prior = prior
        self.counts: Counts = {}
        self.totals: dict[str, float] = {}

    def add(self, first: str, second: str, third: str) -> None:
        """``third`` came after ``first`` and ``second``."""
        for context in (f"{first} {second}", second, ""):
            following = self.counts.get(context)
            if following is None:
                if len(self.counts) >= MAX_CONTEXTS:
                    continue
                following = self.counts[context] = {}
            if third in following or len(following) < MAX_NEXT:
                following[third] = following.get(third, 0.0) + 1.0
                self.totals[context] = self.totals.get(context, 0.0) + 1.0

    def surprise(self, first: str, second: str, third: str) -> float:
        """In nats."""
        three, two = LAMBDA
        probability = (
            three * self._share(f"{first} {second}", third)
            + two * self._share(second, third)
            + (1 - three - two) * self._share("", third)
        )
        return -log(max(probability, UNKNOWN))

    def _share(self, context: str, third: str) -> float:
        number, total = self._counted(context, third)
        if self.prior is not None:
            more, all_ = self.prior._counted(context, third)
            # The fleet's counts are many: they weigh as much as a hundred of the station's own.
            scale = min(1.0, 100.0 / all_) if all_ else 0.0
            number, total = number + scale * more, total + scale * all_
        return number / (total + 1.0)

    def _counted(self, context: str, third: str) -> tuple[float, float]:
        following = self.counts.get(context)
        return (following.get(third, 0.0), self.totals.get(context, 0.0)) if following is not None else (0.0, 0.0)

    def dump(self) -> dict[str, Any]:
        """For a file."""
        return {
            context: {name: round(number, 3) for name, number in sorted(following.items())}
            for context, following in sorted(self.counts.items())
        }

    @classmethod
    def load(cls, counts: Any, prior: Trigrams | None = None) -> Trigrams:
        """What ``dump`` gave. Whatever else is in it is left out."""
        made = cls(prior)
        for context, following in list(counts.items())[:MAX_CONTEXTS] if isinstance(counts, dict) else ():
            if not isinstance(context, str) or not isinstance(following, dict):
                continue
            kept = {
                name: float(number)
                for name, number in list(following.items())[:MAX_NEXT]
                if isinstance(name, str) and isinstance(number, int | float) and 0 <= number < 1e12
            }
            made.counts[context] = kept
            made.totals[context] = sum(kept.values())
        return made
