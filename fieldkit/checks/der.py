"""DER controls (OCPP 2.1 Part 2 R): refused, superseded, reports that never come, and alarms of the grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.words import SECOND, duration, listed
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.der import DerControls
from fieldkit.site.picture import Picture
from fieldkit.site.reading import flag, items, text, whole

PATIENCE: Final = 300 * SECOND
"""For the first part of a report of DER controls: it is read from the station's own memory."""

REFUSED = Kind(
    "der.control-refused",
    "warning",
    "station",
    "The station does not take a DER control",
    "The CSMS set the DER control {type}{default}, and the station answered {status}{reason}: what the grid operator"
    " asks for by it is not done here.",
    "NotSupported: check with the manufacturer which controls the inverter knows, and tell the grid operator. Rejected:"
    " check the values against the inverter's ratings.",
    "OCPP 2.1 Part 2 R04",
)
CLEAR_REFUSED = Kind(
    "der.clear-refused",
    "info",
    "csms",
    "A DER control could not be cleared",
    "The CSMS wanted to clear {what}, and the station answered {status}{reason}.",
    "NotFound: there is none to clear, so nothing has to be done. Otherwise ask for the controls in force"
    " (GetDERControl).",
    "OCPP 2.1 Part 2 R04",
)
SUPERSEDED = Kind(
    "der.control-superseded",
    "info",
    "operator",
    "A DER control takes the place of others",
    "The DER control {type} ({id}) has taken the place of {others}: these are not in force while it is.",
    "Nothing is wrong if that was meant. Otherwise compare the priorities (the lower number wins) and the times of"
    " both.",
    "OCPP 2.1 Part 2 R04",
)
ALARM = Kind(
    "der.alarm",
    "warning",
    "site-network",
    "The station reports a DER alarm",
    "The station reports an alarm of its DER control {type}{fault}: the mains left the range that was set for it, and"
    " the station limits or stops feeding in.",
    "Measure voltage and frequency at the station's connection and compare them with the limits that are set. If the"
    " mains are in order, check the limits with the grid operator.",
    "OCPP 2.1 Part 2 R05",
)
REPORT_MISSING = Kind(
    "der.report-never-came",
    "warning",
    "station",
    "A report of DER controls was promised and never came",
    "The station accepted GetDERControl (requestId {number}), and within {waited} sent no ReportDERControl.",
    "Ask again. If nothing comes again, report it to the manufacturer: the CSMS cannot prove which controls are in"
    " force.",
    "OCPP 2.1 Part 2 R04",
    inferred=True,
)


class DerCheck(PatientCheck):
    """What becomes of DER controls."""

    kinds = (REFUSED, CLEAR_REFUSED, SUPERSEDED, ALARM, REPORT_MISSING)
    actions = PULSE | DerControls.ACTIONS | {"GetDERControl", "ReportDERControl"}

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Answers, alarms and reports."""
        station = picture.stations.get(message.channel.station)
        action = message.action
        if station is None or action in PULSE:
            return ()
        if message.type is MessageType.CALL:
            if action == "NotifyDERAlarm":
                return self._alarm(message)
            if action == "NotifyDERStartStop":
                return self._superseded(message, station.der, (message,), text(message.payload, "controlId") or "?")
            if action == "ReportDERControl":
                number = whole(message.payload, "requestId")
                self.settle(message, number)
            return ()
        if message.call is None or message.type is not MessageType.CALLRESULT:
            return ()
        return self._answered(message, message.call, station.der)

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """No report came."""
        values = {"number": key, "waited": duration(PATIENCE)}
        yield Finding(REPORT_MISSING, owed.deadline, station, owed.evidence, values)

    def _answered(self, message: OcppMessage, call: OcppMessage, der: DerControls) -> Iterator[Finding]:
        station, status, evidence = message.channel.station, text(message.payload, "status") or "", (call, message)
        values: dict[str, object] = {"status": shown(status, 50), "reason": reason_given(message)}
        type_ = shown(text(call.payload, "controlType") or "", 50)
        if call.action == "SetDERControl":
            yield from self._superseded(message, der, evidence, text(call.payload, "controlId") or "?")
            if status in ("Rejected", "NotSupported", "NotFound"):
                values["type"] = type_ or "of no known type"
                values["default"] = " (a default)" if flag(call.payload, "isDefault") else ""
                yield Finding(REFUSED, message.time, station, evidence, values, group=f"{type_} {status}")
        elif call.action == "ClearDERControl" and status in ("Rejected", "NotSupported", "NotFound"):
            id_ = text(call.payload, "controlId")
            values["what"] = f"the DER control {shown(id_, 36)}" if id_ else f"all DER controls {type_}".rstrip()
            yield Finding(CLEAR_REFUSED, message.time, station, evidence, values, group=status)
        elif call.action == "GetDERControl" and status == "Accepted":
            number = whole(call.payload, "requestId")
            if number is not None:
                self.expect(message, number, message.time + PATIENCE, evidence, None)

    @staticmethod
    def _superseded(
        message: OcppMessage, der: DerControls, evidence: tuple[OcppMessage, ...], by: str
    ) -> Iterator[Finding]:
        others = [shown(id_, 36) for id_ in items(message.payload, "supersededIds") if isinstance(id_, str)]
        if others:
            control = der.latest
            type_ = control.type if control is not None and control.type else "of an unknown type"
            values = {"type": shown(type_, 50), "id": shown(by, 36), "others": listed(others)}
            yield Finding(SUPERSEDED, message.time, message.channel.station, evidence, values, group=by[:36])

    @staticmethod
    def _alarm(message: OcppMessage) -> Iterator[Finding]:
        if flag(message.payload, "alarmEnded") is True:
            return
        type_ = shown(text(message.payload, "controlType") or "without a name", 50)
        fault = text(message.payload, "gridEventFault")
        values = {"type": type_, "fault": f" ({shown(fault, 40)})" if fault else ""}
        yield Finding(ALARM, message.time, message.channel.station, (message,), values, group=f"{type_} {fault}"[:100])
