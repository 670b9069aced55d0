"""Bidirectional charging (OCPP 2.1 Part 2 Q): discharging that the mode does not allow, limits, refusals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PatientCheck, reason_given, shown
from fieldkit.checks.words import listed
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.reading import items, text, whole
from fieldkit.site.v2x import NO_DISCHARGE, V2x, V2xTransaction

LEAST: Final = 200.0
"""W. Less than that is what an idle inverter and a meter's tolerance show as export."""
MARGIN: Final = 1.1
"""Above a limit: meters and inverters are a few percent off, and set points take a second to follow."""

NOT_ALLOWED = Kind(
    "v2x.discharging-not-allowed",
    "warning",
    "station",
    "The vehicle is discharged in a mode that does not allow it",
    "The station tells of the operation mode {mode} for this transaction, and for two readings at least its meter shows"
    " {power} flowing back out of the vehicle.",
    "Stop the transaction if nobody wants this energy. Check the charging profile's operationMode, and report it to the"
    " manufacturer: in this mode nothing may flow back.",
    "OCPP 2.1 Part 2 Q01; OperationModeEnumType",
)
OVER_LIMIT = Kind(
    "v2x.discharge-limit-exceeded",
    "warning",
    "station",
    "The vehicle is discharged with more power than agreed on",
    "For two readings at least {power} flowed back out of the vehicle; vehicle and station had agreed on {limit} at"
    " most.",
    "Check the limits in the charging profile against those of the vehicle (NotifyEVChargingNeeds), and report it to"
    " the manufacturer.",
    "OCPP 2.1 Part 2 Q; V2XChargingParametersType",
)
NEEDS_REFUSED = Kind(
    "v2x.needs-refused",
    "info",
    "csms",
    "The CSMS does not take up what the vehicle asks for",
    "The vehicle asked for {requested}, and the CSMS answered {status}{reason}.",
    "NoChargingProfile or Processing ask for patience. Rejected: check in the CSMS whether smart charging is set up for"
    " this EVSE.",
    "OCPP 2.1 Part 2 K15 to K17, Q01",
)
TRANSFER_REFUSED = Kind(
    "v2x.transfer-refused",
    "warning",
    "station",
    "The station does not take up the energy transfers that are allowed",
    "The CSMS allowed {modes} for the transaction, and the station answered {status}{reason}.",
    "The session goes on as it was. Check which of these the station and the vehicle support.",
    "OCPP 2.1 Part 2 Q02",
)
SIGNAL_REFUSED = Kind(
    "v2x.signal-refused",
    "warning",
    "station",
    "The station does not follow a frequency reserve signal",
    "The CSMS passed on an aFRR signal ({signal}), and the station answered {status}{reason}.",
    "A charging profile with operationMode CentralFrequency and a v2xSignalWattCurve must be in force. Check in the"
    " CSMS that it was sent and accepted.",
    "OCPP 2.1 Part 2 Q06",
)


class V2xCheck(PatientCheck):
    """What flows back, and what of it is meant to."""

    kinds = (NOT_ALLOWED, OVER_LIMIT, NEEDS_REFUSED, TRANSFER_REFUSED, SIGNAL_REFUSED)
    actions = V2x.ACTIONS | {"AFRRSignal"}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Meter values of transactions, and answers."""
        if message.action == "TransactionEvent":
            if message.type is not MessageType.CALL or message.channel.version != "2.1":
                return ()
            station = picture.stations.get(message.channel.station)
            going = station.v2x.latest if station is not None else None
            if station is None or going is None or going.exporting is None:
                return ()
            return self._exported(message, going, station.v2x)
        if message.call is not None and message.type is MessageType.CALLRESULT:
            return self._answered(message, message.call)
        return ()

    @staticmethod
    def _exported(message: OcppMessage, going: V2xTransaction, v2x: V2x) -> Iterator[Finding]:
        if "Power.Active.Export" not in message.raw[:100_000] or going.exporting_before is None:
            return
        now, before = going.exporting or 0.0, going.exporting_before
        least = min(now, before)
        if least < LEAST:
            return
        station = message.channel.station
        # The readings of an event that tells of a new mode may still be of the old one; so may the one before.
        settled = going.mode == going.mode_before and going.export_readings_in_mode >= 2
        if settled and going.mode in NO_DISCHARGE:
            values = {"mode": going.mode, "power": f"{now:,.0f} W"}
            yield Finding(NOT_ALLOWED, message.time, station, (message,), values, transaction=going.id)
        evse = whole(message.payload, "evse", "id")
        limits = v2x.limits.get(evse) if evse is not None else None
        if limits is not None and limits.discharge is not None and least > limits.discharge * MARGIN + LEAST:
            values = {"power": f"{now:,.0f} W", "limit": f"{limits.discharge:,.0f} W"}
            evidence = (limits.message, message)
            yield Finding(OVER_LIMIT, message.time, station, evidence, values, transaction=going.id)

    @staticmethod
    def _answered(message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
        if text(message.payload, "status") != "Rejected":
            return
        station, evidence = message.channel.station, (call, message)
        values: dict[str, object] = {"status": "Rejected", "reason": reason_given(message)}
        if call.action == "NotifyEVChargingNeeds":
            asked = text(call.payload, "chargingNeeds", "requestedEnergyTransfer")
            values["requested"] = shown(asked or "an energy transfer", 30)
            yield Finding(NEEDS_REFUSED, message.time, station, evidence, values)
        elif call.action == "NotifyAllowedEnergyTransfer":
            modes = [shown(name, 30) for name in items(call.payload, "allowedEnergyTransfer") if isinstance(name, str)]
            values["modes"] = listed(modes) or "nothing"
            transaction = (text(call.payload, "transactionId") or "")[:36]
            yield Finding(TRANSFER_REFUSED, message.time, station, evidence, values, transaction=transaction)
        elif call.action == "AFRRSignal":
            signal = whole(call.payload, "signal")
            values["signal"] = "without a value" if signal is None else f"value {signal}"
            yield Finding(SIGNAL_REFUSED, message.time, station, evidence, values)
