"""A charging station: its parts, and which of them an action concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fieldkit.events import OcppMessage
from fieldkit.site.about import About
from fieldkit.site.charging import ChargingProfiles
from fieldkit.site.clock import StationClock
from fieldkit.site.connector import Connectors
from fieldkit.site.job import Jobs
from fieldkit.site.latency import Latencies
from fieldkit.site.meter import Meters
from fieldkit.site.transaction import Ledger

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
        self.about = About()
        self.clock = StationClock()
        self.latencies = Latencies()
        self.connectors = Connectors()
        self.transactions = Ledger(identity)
        self.meters = Meters()
        self.charging = ChargingProfiles()
        self.jobs = Jobs()
        self._feeds: Final = _by_action(self)

    def feed(self, message: OcppMessage) -> None:
        """Take in a message of this station or to it."""
        channel = message.channel
        if not self.messages:
            self.first = message.time
        self.messages += 1
        self.last = message.time
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
    ]
    table: dict[str, list[Callable[[OcppMessage], None]]] = {}
    for actions, feed in parts:
        for action in actions:
            table.setdefault(action, []).append(feed)
    return table
