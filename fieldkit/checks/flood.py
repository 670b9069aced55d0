"""Stations that send more than anybody can want."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.onwire import MAX_STATIONS, bounded
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.safetext import shorten
from fieldkit.site.picture import Picture
from fieldkit.site.reading import moment, objects

FLOOD: Final = 300
FLOOD_NS: Final = 10 * SECOND
"""CALLs of one station within this time: 30 a second. Most of what is sent one CALL after the other stays below that
over a real network."""
OLD_NS: Final = 120 * SECOND
"""What is so much older than its arrival was kept for it."""

FLOODED = Kind(
    "security.message-flood",
    "warning",
    "station",
    "The station floods the CSMS with messages",
    "The station sent {count} within {span}, most of them {action}. That wears out mobile data and the CSMS.",
    "Station manufacturer: find out what triggers it. Operator: lower sampling and reporting rates as a stopgap.",
    "OCPP 2.x Part 2 N, 1.6 §9.1 (intervals)",
)

_PARTS: Final = frozenset({"NotifyReport", "NotifyMonitoringReport", "NotifyCustomerInformation"})
"""Parts of what the CSMS has asked for, one after the other."""
_QUEUED: Final = frozenset({"MeterValues", "StartTransaction", "StopTransaction", "TransactionEvent"})
"""What a station keeps while it is offline and must send when it is back (1.6 §3.7, 2.x Part 2 E04)."""


def _is_old(call: OcppMessage, picture: Picture) -> bool:
    """Does it come from a queue?"""
    told = moment(call.payload, "timestamp")
    if told is None:
        told = next((moment(reading, "timestamp") for reading in objects(call.payload, "meterValue")), None)
    station = picture.stations.get(call.channel.station)
    offset = station.clock.offset if station is not None else None
    return told is not None and call.time + (offset or 0) - told > OLD_NS


class FloodCheck(Check):
    """Stations that send more than anybody can want."""

    kinds = (FLOODED,)

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._windows: dict[str, tuple[int, dict[str, int]]] = {}
        """By station: when the window began, and how many CALLs of each action since."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Count CALLs."""
        if isinstance(event, OcppMessage) and event.type is MessageType.CALL and event.sender == "station":
            return self._count(event, picture)
        return ()

    def _count(self, call: OcppMessage, picture: Picture) -> Iterable[Finding]:
        station = call.channel.station
        window = self._windows.get(station)
        # A log's times may be missing or coarse: nothing follows from many messages in one second of it.
        if window is None or call.time - window[0] > FLOOD_NS or call.time < window[0]:
            if call.channel.connection is None:
                return ()
            if window is None:
                bounded(self._windows, MAX_STATIONS)
            self._windows[station] = (call.time, {call.action: 1})
            return ()
        actions = window[1]
        if call.action in actions or len(actions) < 50:
            actions[call.action] = actions.get(call.action, 0) + 1
        count = sum(actions.values())
        if count < FLOOD:
            return ()
        del self._windows[station]
        most = max(actions, key=lambda action: actions[action])
        if most in _PARTS or (most in _QUEUED and _is_old(call, picture)):
            return ()
        values = {
            "count": counted(count, "message"),
            "span": duration(call.time - window[0]),
            "action": shorten(most, 50) or "without an action",
        }
        return (Finding(FLOODED, call.time, station, (call,), values),)
