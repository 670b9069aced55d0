"""One card in two places at a time."""

from __future__ import annotations

from math import exp
from typing import ClassVar, Final

from fieldkit.checks.words import duration
from fieldkit.detect.context import Context, Tracker
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.safetext import mask
from fieldkit.site.station import Station
from fieldkit.site.transaction import Transaction

UNKNOWN_POOL: Final = 150.0
"""Cards that a site is thought to have as long as nothing tells."""
BY_CHANCE: Final = 0.15
"""Probability above which two charges with one card at a time may be chance: some sites hand out few cards to many."""
PERSONAL: Final = 0.1
"""Probability below which so few of them as there were cannot be chance either."""
MAX_CARDS: Final = 8000


class Cards(Tracker):
    """Which card charges where."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._tags: dict[str, dict[tuple[str, str], tuple[int, str]]] = {}
        """By token: where it has transactions going on, since when, and which."""
        self._starts = 0
        self._seen_tags: dict[str, int] = {}
        """By token: how often it started a charge."""
        self._chance = 0.01
        """How many doubles would have been expected so far if cards were used at random …"""
        self._doubles = 0
        """… and how many there were."""

    def see(self, event: Event) -> None:
        if not isinstance(event, OcppMessage) or event.type is not MessageType.CALL or event.sender != "station":
            return
        if event.action not in ("StartTransaction", "StopTransaction", "TransactionEvent"):
            return
        station = self.context.picture.stations.get(event.channel.station)
        made = station.transactions.latest if station is not None else None
        if station is None or made is None:
            return
        if made.end is not None and (made.end is event or made.end.id == event.id):
            self._tags.get(made.id_token, {}).pop((station.identity, made.connector), None)
            return
        # In 2.x a transaction may begin with the plug; whose it is comes later (E02, E03).
        token = made.id_token
        known = self._tags.get(token, {}).get((station.identity, made.connector))
        if token and made.begin is not None and not made.offline and (known is None or known[1] != made.id):
            self._began(event, station, made, token)

    def _began(self, message: OcppMessage, station: Station, made: Transaction, token: str) -> None:
        """A card is used."""
        if token not in self._tags and len(self._tags) >= MAX_CARDS:
            del self._tags[next(iter(self._tags))]
        places = self._tags.setdefault(token, {})
        others = {
            place: seen for place, seen in places.items()
            if place[0] != station.identity and self._going(place, token)
        }  # fmt: skip
        places.clear()
        places.update(others)
        places[station.identity, made.connector] = (message.time, made.id)
        self._expect(token)
        if not others:
            return
        # Two things speak against chance: that so many doubles are hardly to be expected by now, or that far more of
        # them should have been if cards went from hand to hand here: then everybody has their own.
        personal = _at_least(self._doubles + 1, self._chance) > 1 - PERSONAL
        self._doubles += 1
        (other, place), (since, _) = next(iter(others.items()))
        chance = not personal and _at_least(self._doubles, self._chance) >= BY_CHANCE
        self.context.tell(
            "cloned-tag",
            station.identity,
            0.55 if chance and len(others) > 1 else 0.2 if chance else 0.72,
            f"Card {mask(token)} starts a charge at {station.identity} while it has been charging at {other}, "
            f"connector {place or '?'}, for {duration(message.time - since)}; a card is in one place only.",
            (message,),
            connector=made.connector,
            layer="statistics",
            sign="double",
        )

    def _expect(self, token: str) -> None:
        """How probable it is by now that two charge with one card by chance: from how often cards come again."""
        self._starts += 1
        if token in self._seen_tags or len(self._seen_tags) < MAX_CARDS:
            self._seen_tags[token] = self._seen_tags.get(token, 0) + 1
        again = self._starts - len(self._seen_tags)
        pool = self._starts**2 / (2 * again) if again >= 3 else max(UNKNOWN_POOL, float(self._starts))
        going = sum(len(station.transactions.open) for station in self.context.picture.stations.values())
        self._chance += max(going - 1, 0) / max(pool, 1.0)

    def _going(self, place: tuple[str, str], token: str) -> bool:
        station = self.context.picture.stations.get(place[0])
        made = station.transactions.on(place[1]) if station is not None else None
        return made is not None and made.id_token == token and made.end is None


def _at_least(number: int, expected: float) -> float:
    """Probability of so many or more where so many are expected (Poisson)."""
    term = below = exp(-expected)
    for k in range(1, number):
        term *= expected / k
        below += term
    return 1 - below
