"""Battery swaps: the empty ones in, the full ones out (OCPP 2.1 Part 2 S)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.reading import number, objects, text, whole

MAX_SWAPS: Final = 200
"""Swaps of one station that are kept (the last ones)."""
MAX_BATTERIES: Final = 32
"""Batteries of one swap: a scooter has one to four."""


@dataclass(slots=True)
class Battery:
    """A battery as the station told of it."""

    serial: str
    charge: float | None
    """State of charge in percent …"""
    health: float | None
    """… and of health."""
    slot: int | None
    """evseId."""


@dataclass(slots=True)
class Swap:
    """One swap, by its requestId."""

    id: int
    asked: int | None = None
    """When the CSMS asked for it; None for one that began at the station."""
    status: str = ""
    """The station's answer to that."""
    put_in: list[Battery] = field(default_factory=list)
    taken_out: list[Battery] = field(default_factory=list)
    time_in: int | None = None
    time_out: int | None = None
    timed_out: int | None = None
    """BatteryOutTimeout: nobody took the batteries."""
    message: OcppMessage | None = None
    """The first of it."""


class BatterySwaps:
    """One station's swaps."""

    ACTIONS: Final = frozenset({"RequestBatterySwap", "BatterySwap"})

    def __init__(self) -> None:
        self.swaps: dict[int, Swap] = {}
        """By requestId, oldest first."""
        self.count = 0
        self.latest: Swap | None = None
        """The one that the message fed last belongs to."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        call = message.call
        if message.type is MessageType.CALL:
            id_ = whole(message.payload, "requestId")
            if id_ is None:
                return
            swap = self._swap(id_, message)
            if message.action == "RequestBatterySwap":
                swap.asked = message.time
            else:
                self._told(swap, message)
            self.latest = swap
        elif call is not None and call.action == "RequestBatterySwap" and message.type is MessageType.CALLRESULT:
            id_ = whole(call.payload, "requestId")
            found = None if id_ is None else self.swaps.get(id_)
            if found is not None:
                found.status = (text(message.payload, "status") or "")[:50]
            self.latest = found

    def _swap(self, id_: int, message: OcppMessage) -> Swap:
        swap = self.swaps.get(id_)
        if swap is None:
            while len(self.swaps) >= MAX_SWAPS:
                del self.swaps[next(iter(self.swaps))]
            swap = self.swaps[id_] = Swap(id_, message=bounded(message))
            self.count += 1
        return swap

    def _told(self, swap: Swap, message: OcppMessage) -> None:
        kind = text(message.payload, "eventType")
        batteries = [
            Battery(
                (text(entry, "serialNumber") or "")[:50],
                number(entry, "soC"),
                number(entry, "soH"),
                whole(entry, "evseId"),
            )
            for entry in objects(message.payload, "batteryData")
        ][:MAX_BATTERIES]
        if kind == "BatteryIn":
            swap.time_in = message.time
            swap.put_in = [*swap.put_in, *batteries][:MAX_BATTERIES]
        elif kind == "BatteryOut":
            swap.time_out = message.time
            swap.taken_out = [*swap.taken_out, *batteries][:MAX_BATTERIES]
        elif kind == "BatteryOutTimeout":
            swap.timed_out = message.time
