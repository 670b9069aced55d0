"""A charging station: its parts, and which of them an action concerns."""

from __future__ import annotations

from collections.abc import Callable
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
from fieldkit.site.locallist import LocalList
from fieldkit.site.meter import Meters
from fieldkit.site.payment import Payments
from fieldkit.site.reservation import Reservations
from fieldkit.site.tariff import Tariffs
from fieldkit.site.transaction import Ledger
from fieldkit.site.v2x import V2x

MAX_VERSIONS: Final = 16


class Station:
    """Everything known of one station."""

    def __init__(self, identity: str, *, inferred: bool) -> None:
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
        self.about = About()
        self.clock = StationClock()
        self.latencies = Latencies()
        self.connectors = Connectors()
        self.transactions = Ledger(identity)
        self.meters = Meters()
        self.charging = ChargingProfiles()
        self.jobs = Jobs()
        self.reservations = Reservations()
        self.local_list = LocalList()
        self.certificates = Certificates()
        self.der = DerControls()
        self.v2x = V2x()
        self.tariffs = Tariffs()
        self.battery_swaps = BatterySwaps()
        self.payments = Payments()
        self.event_streams = EventStreams()
        self._feeds: Final = _by_action(self)

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
        for feed in self._feeds.get(message.action, ()):
            feed(message)
        if message.call is not None:
            self.latencies.feed(message)


def _by_action(station: Station) -> dict[str, list[Callable[[OcppMessage], None]]]:
    """For each action the parts that it concerns, in the order in which they must learn of it."""
    transactions = station.transactions
    parts: list[tuple[frozenset[str], Callable[[OcppMessage], None]]] = [
        (station.about.ACTIONS, station.about.feed),
        (station.clock.ACTIONS, station.clock.feed),
        (station.connectors.ACTIONS, station.connectors.feed),
        (transactions.ACTIONS, transactions.feed),
        (station.meters.ACTIONS, lambda message: station.meters.feed(message, transactions)),
        (station.charging.ACTIONS, lambda message: station.charging.feed(message, transactions)),
        (station.jobs.ACTIONS, station.jobs.feed),
        (station.reservations.ACTIONS, station.reservations.feed),
        (station.local_list.ACTIONS, station.local_list.feed),
        (station.certificates.ACTIONS, station.certificates.feed),
        (station.der.ACTIONS, station.der.feed),
        (station.v2x.ACTIONS, station.v2x.feed),
        (station.tariffs.ACTIONS, station.tariffs.feed),
        (station.battery_swaps.ACTIONS, station.battery_swaps.feed),
        (station.payments.ACTIONS, station.payments.feed),
        (station.event_streams.ACTIONS, station.event_streams.feed),
    ]
    table: dict[str, list[Callable[[OcppMessage], None]]] = {}
    for actions, feed in parts:
        for action in actions:
            table.setdefault(action, []).append(feed)
    return table
