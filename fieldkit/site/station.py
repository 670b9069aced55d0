"""A charging station: its parts, and which of them an action concerns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Final

from fieldkit.events import OcppMessage, Sender
from fieldkit.site.about import About
from fieldkit.site.battery_swap import BatterySwaps
from fieldkit.site.certificates import Certificates
from fieldkit.site.charging import ChargingProfiles
from fieldkit.site.clock import StationClock
from fieldkit.site.connector import Connectors
from fieldkit.site.der import DerControls
from fieldkit.site.eventstream import EventStreams
from fieldkit.site.job import Jobs
from fieldkit.site.latency import Latencies
from fieldkit.site.ledger import Ledger
from fieldkit.site.locallist import LocalList
from fieldkit.site.meter import Meters
from fieldkit.site.payment import Payments
from fieldkit.site.reservation import Reservations
from fieldkit.site.room import Room
from fieldkit.site.tariff import Tariffs
from fieldkit.site.v2x import V2x

MAX_VERSIONS: Final = 16

_PARTS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("about", About.ACTIONS),
    ("clock", StationClock.ACTIONS),
    ("connectors", Connectors.ACTIONS),
    ("transactions", Ledger.ACTIONS),
    ("meters", Meters.ACTIONS),
    ("charging", ChargingProfiles.ACTIONS),
    ("jobs", Jobs.ACTIONS),
    ("reservations", Reservations.ACTIONS),
    ("local_list", LocalList.ACTIONS),
    ("certificates", Certificates.ACTIONS),
    ("der", DerControls.ACTIONS),
    ("v2x", V2x.ACTIONS),
    ("tariffs", Tariffs.ACTIONS),
    ("battery_swaps", BatterySwaps.ACTIONS),
    ("payments", Payments.ACTIONS),
    ("event_streams", EventStreams.ACTIONS),
)
"""The parts of a station and the actions that concern them, in the order in which they must learn of a message."""
_WITH_TRANSACTIONS: Final = frozenset({"meters", "charging"})
"""Parts that are shown the transactions too."""
_CONCERNED: Final[dict[str, tuple[str, ...]]] = {
    action: tuple(name for name, actions in _PARTS if action in actions)
    for action in frozenset().union(*(actions for _, actions in _PARTS))
}


class Station:
    """Everything known of one station."""

    def __init__(self, identity: str, *, inferred: bool, room: Room | None = None) -> None:
        self.identity = identity
        self.inferred = inferred
        """Nothing in the capture names it: ``identity`` is its address."""
        self.versions: dict[str, None] = {}
        """OCPP versions spoken, in order."""
        self.transports: dict[str, None] = {}
        self.first = 0
        self.last = 0
        """Capture times of its first and last message."""
        self.messages = 0
        self.heard: dict[Sender, int] = {}
        """Capture time of the last message of each side: who was still there, and for how long."""
        self.about = About(room)
        self.clock = StationClock()
        self.latencies = Latencies(room)
        self.connectors = Connectors(room)
        self.transactions = Ledger(identity, room)
        self.meters = Meters(room)
        self._feeds: dict[str, tuple[Callable[[OcppMessage], None], ...]] = {}
        """By action, of those that this station uses: the parts that it concerns."""

    # Most stations have nothing to do with most of these, and a site may have thousands: they are made when needed.

    @cached_property
    def charging(self) -> ChargingProfiles:
        """Charging profiles in force."""
        return ChargingProfiles()

    @cached_property
    def jobs(self) -> Jobs:
        """Firmware updates and uploads."""
        return Jobs()

    @cached_property
    def reservations(self) -> Reservations:
        """Connectors that are kept free for somebody."""
        return Reservations()

    @cached_property
    def local_list(self) -> LocalList:
        """The local authorization list."""
        return LocalList()

    @cached_property
    def certificates(self) -> Certificates:
        """Certificates inside of messages."""
        return Certificates()

    @cached_property
    def der(self) -> DerControls:
        """What the grid asks for (2.1)."""
        return DerControls()

    @cached_property
    def v2x(self) -> V2x:
        """Bidirectional charging (2.1)."""
        return V2x()

    @cached_property
    def tariffs(self) -> Tariffs:
        """Tariffs and costs (2.1)."""
        return Tariffs()

    @cached_property
    def battery_swaps(self) -> BatterySwaps:
        """Battery swaps (2.1)."""
        return BatterySwaps()

    @cached_property
    def payments(self) -> Payments:
        """Payments at the station (2.1)."""
        return Payments()

    @cached_property
    def event_streams(self) -> EventStreams:
        """Periodic event streams (2.1)."""
        return EventStreams()

    def feed(self, message: OcppMessage) -> None:
        """Take in a message of this station or to it."""
        channel = message.channel
        if not self.messages:
            self.first = message.time
        self.messages += 1
        self.last = message.time
        self.heard[message.sender] = message.time
        if channel.version and channel.version not in self.versions and len(self.versions) < MAX_VERSIONS:
            self.versions[channel.version] = None
        self.transports[channel.transport] = None
        feeds = self._feeds.get(message.action)
        if feeds is None:
            feeds = self._feeds_of(message.action)
        for feed in feeds:
            feed(message)
        if message.call is not None:
            self.latencies.feed(message)

    def _feeds_of(self, action: str) -> tuple[Callable[[OcppMessage], None], ...]:
        """The parts that an action concerns, in the order in which they must learn of it."""
        names = _CONCERNED.get(action)
        if names is None:
            return ()
        transactions = self.transactions
        found: list[Callable[[OcppMessage], None]] = []
        for name in names:
            feed = getattr(self, name).feed
            found.append(partial(feed, transactions=transactions) if name in _WITH_TRANSACTIONS else feed)
        feeds = self._feeds[action] = tuple(found)
        return feeds
