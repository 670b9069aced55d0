"""Bidirectional charging: which way energy may flow, within which limits, and what does (OCPP 2.1 Part 2 Q)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.light import bounded
from fieldkit.site.reading import items, member, number, obj, objects, text, whole

MAX_TRANSACTIONS: Final = 64
"""Transactions of one station that are remembered (the last ones)."""
MAX_EVSES: Final = 256
NO_DISCHARGE: Final = frozenset({"Idle", "ChargingOnly"})
"""Operation modes in which nothing may flow back (OCPP 2.1 Part 2 OperationModeEnumType)."""


@dataclass(slots=True)
class Limits:
    """What vehicle and station agreed on for one EVSE (NotifyEVChargingNeeds)."""

    time: int
    requested: str
    """requestedEnergyTransfer: AC_BPT, DC …"""
    control: str
    """ScheduledControl or DynamicControl; empty when not told."""
    charge: float | None
    """Highest charging power in W; None when not told."""
    discharge: float | None
    """Highest discharging power in W, positive."""
    message: OcppMessage


@dataclass(slots=True)
class V2xTransaction:
    """One transaction as far as energy may flow back."""

    id: str
    mode: str = ""
    """Operation mode as the station told last; empty while it told none, which means ChargingOnly or that it does not
    know of modes."""
    mode_since: int = 0
    mode_before: str = ""
    """The mode before the event that was fed last."""
    modes: list[tuple[int, str]] = field(default_factory=list)
    """(time, mode), bounded."""
    allowed: tuple[str, ...] = ()
    """Energy transfer modes that the CSMS allows; empty while it has not said."""
    exporting: float | None = None
    """Power.Active.Export in W at the outlet, as measured last."""
    exporting_before: float | None = None
    export_readings_in_mode: int = 0
    """Readings since the mode changed, without those that came with the change."""


class V2x:
    """One station's bidirectional charging."""

    ACTIONS: Final = frozenset({"TransactionEvent", "NotifyEVChargingNeeds", "NotifyAllowedEnergyTransfer"})

    def __init__(self) -> None:
        self.transactions: dict[str, V2xTransaction] = {}
        """By id, oldest first: only those that have told of an operation mode, of export or of allowed transfers."""
        self.limits: dict[int, Limits] = {}
        """By EVSE."""
        self.latest: V2xTransaction | None = None
        """The one that the message fed last belongs to; None for one that has nothing to do with V2X."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        if message.type is not MessageType.CALL:
            if message.action == "NotifyAllowedEnergyTransfer" and text(message.payload, "status") == "Accepted":
                self._allow(message)
        elif message.action == "TransactionEvent":
            # Most stations charge only: 2.1 alone has these members, and a look at two of them settles it.
            if message.channel.version == "2.1":
                self._event(message)
        elif message.action == "NotifyEVChargingNeeds":
            self._needs(message)

    def _event(self, message: OcppMessage) -> None:
        payload = message.payload
        mode = text(payload, "transactionInfo", "operationMode")
        power = _exported(payload) if "Power.Active.Export" in message.raw[:100_000] else None
        id_ = text(payload, "transactionInfo", "transactionId")
        if id_ is None or (mode is None and power is None and id_[:36] not in self.transactions):
            return
        going = self._transaction(id_[:36])
        going.mode_before = going.mode
        if mode is not None and mode != going.mode:
            going.mode, going.mode_since = mode[:50], message.time
            going.export_readings_in_mode = 0
            if len(going.modes) < 100:
                going.modes.append((message.time, going.mode))
        if power is not None:
            going.exporting_before, going.exporting = going.exporting, power
            if going.mode == going.mode_before:
                going.export_readings_in_mode += 1
        self.latest = going

    def _allow(self, message: OcppMessage) -> None:
        call = message.call
        id_ = text(call.payload, "transactionId") if call is not None else None
        if call is None or id_ is None:
            return
        going = self._transaction(id_[:36])
        names = (name[:30] for name in items(call.payload, "allowedEnergyTransfer") if isinstance(name, str))
        going.allowed = tuple(names)[:20]
        self.latest = going

    def _needs(self, message: OcppMessage) -> None:
        evse = whole(message.payload, "evseId")
        needs = obj(message.payload, "chargingNeeds")
        if evse is None or not needs or (evse not in self.limits and len(self.limits) >= MAX_EVSES):
            return
        bounds = member(needs, "v2xChargingParameters")
        self.limits[evse] = Limits(
            message.time,
            (text(needs, "requestedEnergyTransfer") or "")[:30],
            (text(needs, "controlMode") or "")[:30],
            _power(bounds, "maxChargePower"),
            _power(bounds, "maxDischargePower"),
            bounded(message),
        )

    def _transaction(self, id_: str) -> V2xTransaction:
        going = self.transactions.get(id_)
        if going is None:
            while len(self.transactions) >= MAX_TRANSACTIONS:
                del self.transactions[next(iter(self.transactions))]
            going = self.transactions[id_] = V2xTransaction(id_)
        return going


def _power(bounds: object, name: str) -> float | None:
    """The sum of all phases: the plain member is that, unless L2 and L3 have members of their own; then it is L1's."""
    first = number(bounds, name)
    if first is None:
        return None
    return abs(first) + sum(abs(number(bounds, f"{name}_{phase}") or 0.0) for phase in ("L2", "L3"))


def _exported(payload: object) -> float | None:
    """Power.Active.Export at the outlet in W, of the last reading: the whole, or the sum of its phases."""
    total: float | None = None
    for reading in objects(payload, "meterValue"):
        phases: dict[str, float] = {}
        for sample in objects(reading, "sampledValue"):
            if sample.get("measurand") != "Power.Active.Export" or sample.get("location") not in (None, "Outlet"):
                continue
            value = number(sample, "value")
            if value is None:
                continue
            power = whole(sample, "unitOfMeasure", "multiplier") or 0
            if not -12 <= power <= 12:
                continue
            value *= 10.0**power * (1000.0 if text(sample, "unitOfMeasure", "unit") == "kW" else 1.0)
            phases[text(sample, "phase") or ""] = value
        if phases:
            total = phases[""] if "" in phases else sum(phases.values())
    return total
