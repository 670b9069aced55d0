"""Settings and reports: what a station will not set or does not know, and reports that do not come in full.

1.x: ChangeConfiguration. 2.x: SetVariables, GetVariables, SetVariableMonitoring, and the reports that are asked for
with a requestId and come in parts, numbered by seqNo, the last one without ``tbc`` (Part 2 B06 to B08, N02, N09).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.patience import PULSE, Owed, PatientCheck, reason_given, shown
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration, listed
from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.picture import Picture
from fieldkit.site.reading import flag, member, objects, text, whole

REPORT_PATIENCE: Final = 300 * SECOND
"""For the first part of a report, and from one part to the next: a full inventory is gathered in a minute or two."""
REBOOT_PATIENCE: Final = 24 * 3600 * SECOND
"""A setting that waits for a restart so long has been forgotten."""
MAX_EARLY: Final = 2_000
"""Reports that nobody is known to have asked for."""
MAX_NAMED: Final = 60
"""Characters of a setting's name inside of a sentence."""

CONFIG_REJECTED = Kind(
    "config.rejected",
    "warning",
    "csms",
    "The station rejects a setting",
    "The CSMS wanted to set {name}, and the station answered Rejected: it knows the setting and does not take the"
    " value.",
    "Look in the station's manual which values {name} takes, and whether it is read-only.",
    "OCPP 1.6 §5.3",
)
CONFIG_UNKNOWN = Kind(
    "config.not-supported",
    "info",
    "csms",
    "The station does not know a setting",
    "The CSMS wanted to set {name}, which this station does not have.",
    "Nothing breaks by it. Read the station's settings (GetConfiguration without keys) and take the name from there.",
    "OCPP 1.6 §5.3",
)
REBOOT_PENDING = Kind(
    "config.reboot-pending",
    "info",
    "operator",
    "A setting waits for a restart",
    "The station accepted {name} and said that it takes effect after a restart. None was seen in the {waited} since.",
    "Restart the station when nobody charges, by Reset from the CSMS.",
    "OCPP 1.6 §5.3; OCPP 2.0.1 Part 2 B05",
)
SET_REJECTED = Kind(
    "variables.rejected",
    "warning",
    "csms",
    "The station rejects the value of a variable",
    "The CSMS wanted to set {name}, and the station answered {status}{reason}.",
    "Look up in the station's device model (GetBaseReport) which values the variable takes and whether it can be"
    " written.",
    "OCPP 2.0.1 Part 2 B05",
)
SET_UNKNOWN = Kind(
    "variables.unknown",
    "info",
    "csms",
    "A variable is asked for that the station does not have",
    "The CSMS wanted to {verb} {name}, and the station answered {status}.",
    "Nothing breaks by it. Take the names of component and variable, and the EVSE number, from the station's own report"
    " (GetBaseReport).",
    "OCPP 2.0.1 Part 2 B05, B06",
)
REPORT_REFUSED = Kind(
    "report.refused",
    "info",
    "station",
    "The station refuses a report",
    "The CSMS asked for a report ({action}{what}), and the station answered {status}{reason}.",
    "If the CSMS needs it, ask the manufacturer: configuration and full inventory are part of what every OCPP 2.x"
    " station must be able to report.",
    "OCPP 2.0.1 Part 2 B07, B08",
)
REPORT_MISSING = Kind(
    "report.never-came",
    "warning",
    "station",
    "A report was promised and never came",
    "The station accepted {action} (requestId {number}), and within {waited} sent no part of the report.",
    "Ask for it again with a new requestId. If nothing comes again, restart the station and report it to the"
    " manufacturer.",
    "OCPP 2.0.1 Part 2 B07, B08",
)
REPORT_UNFINISHED = Kind(
    "report.unfinished",
    "warning",
    "station",
    "A report breaks off",
    "Part {seq} of the report with requestId {number} said that more would follow (tbc), and within {waited} nothing"
    " more came.",
    "Ask for the report again, with fewer components at a time if it breaks off again. The CSMS has an incomplete"
    " picture of this station.",
    "OCPP 2.0.1 Part 2 B07",
)
REPORT_GAP = Kind(
    "report.part-missing",
    "warning",
    "station",
    "Parts of a report are missing",
    "The report with requestId {number} went on with part {seq} where part {expected} was due. The capture lacks"
    " nothing here.",
    "Ask for the report again. If parts are missing again, the station numbers or sends them wrongly: report it to the"
    " manufacturer.",
    "OCPP 2.0.1 Part 2 B07; NotifyReportRequest.seqNo",
)
MONITOR_REFUSED = Kind(
    "monitoring.refused",
    "info",
    "csms",
    "A monitor could not be set",
    "The CSMS wanted to monitor {name}, and the station answered {status}{reason}.",
    "Look up in the station's report whether the variable supports monitoring (supportsMonitoring) and of what type.",
    "OCPP 2.0.1 Part 2 N04",
)

_PARTS: Final = {
    "NotifyReport": "report",
    "NotifyMonitoringReport": "monitoring",
    "NotifyCustomerInformation": "customer",
}
_ORDERS: Final = {
    "GetBaseReport": "report",
    "GetReport": "report",
    "GetMonitoringReport": "monitoring",
}
"""Orders that are followed by parts. CustomerInformation is one only if it asks for a report, and may find nobody."""


@dataclass(slots=True)
class _Report:
    """What is known of one that is expected, or has begun."""

    action: str
    number: int
    next: int | None
    """seqNo that is due; None when the beginning was not seen."""
    begun: bool = False


class SettingCheck(PatientCheck):
    """Settings of both generations."""

    kinds = (CONFIG_REJECTED, CONFIG_UNKNOWN, REBOOT_PENDING, SET_REJECTED, SET_UNKNOWN, MONITOR_REFUSED)
    actions = PULSE | {
        "ChangeConfiguration",
        "SetVariables",
        "GetVariables",
        "SetVariableMonitoring",
        "BootNotification",
    }

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Answers, and boots that bring settings into effect."""
        if message.action == "BootNotification":
            if message.type is MessageType.CALL:
                self.settle(message, "reboot")
            return ()
        if message.call is None or message.type is not MessageType.CALLRESULT or message.action in PULSE:
            return ()
        if message.action == "ChangeConfiguration":
            return self._changed(message, message.call)
        if message.action == "SetVariables":
            return self._variables(message, message.call, "setVariableResult", "set")
        if message.action == "GetVariables":
            return self._variables(message, message.call, "getVariableResult", "read")
        return self._monitors(message, message.call)

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """It waits for a restart for too long."""
        values = {"name": listed(owed.thing), "waited": duration(REBOOT_PATIENCE)}
        yield Finding(REBOOT_PENDING, owed.deadline, station, owed.evidence, values)

    def _changed(self, message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
        status = text(message.payload, "status")
        name = shown(text(call.payload, "key") or "a setting without a name", MAX_NAMED)
        if status == "RebootRequired":
            self._wait(message, call, [name])
        kind = {"Rejected": CONFIG_REJECTED, "NotSupported": CONFIG_UNKNOWN}.get(status or "")
        if kind is not None:
            yield Finding(kind, message.time, message.channel.station, (call, message), {"name": name}, group=name)

    def _variables(self, message: OcppMessage, call: OcppMessage, results: str, verb: str) -> Iterator[Finding]:
        waiting = []
        for result in objects(message.payload, results):
            status = text(result, "attributeStatus") or ""
            if status == "Accepted":
                continue
            name = _name(result)
            values: dict[str, object] = {"name": name, "status": shown(status, 50), "verb": verb, "reason": ""}
            station, evidence = message.channel.station, (call, message)
            if status in ("UnknownComponent", "UnknownVariable"):
                yield Finding(SET_UNKNOWN, message.time, station, evidence, values, group=f"{verb} {name}")
            elif status == "RebootRequired":
                waiting.append(name)
            elif verb == "set" and status in ("Rejected", "NotSupportedAttributeType"):
                values["reason"] = reason_given(message, {"statusInfo": member(result, "attributeStatusInfo")})
                yield Finding(SET_REJECTED, message.time, station, evidence, values, group=f"{status} {name}")
        if waiting:
            self._wait(message, call, waiting[:20])

    def _wait(self, message: OcppMessage, call: OcppMessage, names: list[str]) -> None:
        earlier = self.settle(message, "reboot")
        if earlier is None:
            self.expect(message, "reboot", message.time + REBOOT_PATIENCE, (call, message), names)
        else:
            known = [*earlier.thing, *(name for name in names if name not in earlier.thing)][:20]
            self.expect(message, "reboot", earlier.deadline, earlier.evidence, known)

    def _monitors(self, message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
        for result in objects(message.payload, "setMonitoringResult"):
            status = text(result, "status") or ""
            if status in ("Rejected", "UnknownComponent", "UnknownVariable", "UnsupportedMonitorType"):
                name = _name(result)
                values = {"name": name, "status": status, "reason": reason_given(message, result)}
                station = message.channel.station
                yield Finding(MONITOR_REFUSED, message.time, station, (call, message), values, group=f"{status} {name}")


class ReportCheck(PatientCheck):
    """Reports in parts."""

    kinds = (REPORT_REFUSED, REPORT_MISSING, REPORT_UNFINISHED, REPORT_GAP)
    actions = PULSE | set(_ORDERS) | set(_PARTS)

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._early: dict[tuple[str, Any], bool] = {}
        """Reports that began, and may be over, before the order for them was answered."""

    def judge(self, message: OcppMessage, picture: Picture) -> Iterable[Finding]:
        """Orders, answers and parts."""
        if message.action in _PARTS:
            return self._part(message) if message.type is MessageType.CALL else ()
        if message.action in _ORDERS and message.call is not None and message.type is MessageType.CALLRESULT:
            return self._answered(message, message.call)
        return ()

    def overdue(self, station: str, key: Any, owed: Owed, picture: Picture) -> Iterable[Finding]:
        """The first part, or the next, did not come."""
        report: _Report = owed.thing
        values: dict[str, object] = {
            "action": report.action,
            "number": report.number,
            "waited": duration(REPORT_PATIENCE),
            "seq": "?" if report.next is None else report.next - 1,
        }
        kind = REPORT_UNFINISHED if report.begun else REPORT_MISSING
        yield Finding(kind, owed.deadline, station, owed.evidence, values, group=report.action)

    def _answered(self, message: OcppMessage, call: OcppMessage) -> Iterator[Finding]:
        number, status = whole(call.payload, "requestId"), text(message.payload, "status") or ""
        if status == "Accepted" and number is not None:
            key = (_ORDERS[message.action], number)
            going = self.settle(message, key)
            if going is not None:
                self.expect(message, key, going.deadline, going.evidence, going.thing)
            elif self._early.pop((message.channel.station, key), None) is None:
                report = _Report(message.action, number, 0)
                self.expect(message, key, message.time + REPORT_PATIENCE, (call, message), report)
        elif status in ("Rejected", "NotSupported"):
            base = text(call.payload, "reportBase")
            values = {
                "action": call.action,
                "what": f", {shown(base, 30)}" if base else "",
                "status": status,
                "reason": reason_given(message),
            }
            station = message.channel.station
            yield Finding(REPORT_REFUSED, message.time, station, (call, message), values, group=f"{call.action} {base}")

    def _part(self, message: OcppMessage) -> Iterator[Finding]:
        number, seq = whole(message.payload, "requestId"), whole(message.payload, "seqNo")
        if number is None or seq is None:
            return
        key = (_PARTS[message.action], number)
        owed = self.settle(message, key)
        if owed is None and len(self._early) < MAX_EARLY:
            self._early[message.channel.station, key] = True
        report: _Report = owed.thing if owed is not None else _Report(message.action, number, None)
        evidence: tuple[OcppMessage, ...] = (message,)
        if report.next is not None and seq > report.next:
            values = {"number": number, "seq": seq, "expected": report.next}
            shown_by = (*owed.evidence, message) if owed is not None else evidence
            station = message.channel.station
            yield Finding(REPORT_GAP, message.time, station, shown_by, values, group=message.action)
        if flag(message.payload, "tbc") is True:
            # A part that is sent again (its answer was lost) takes nothing back.
            report.next = max(seq + 1, report.next or 0)
            report.begun = True
            self.expect(message, key, message.time + REPORT_PATIENCE, evidence, report)


def _name(result: dict[str, Any]) -> str:
    """Component and variable as technicians write them: "EVSE[2].AvailabilityState", "Ctrlr(instance).Variable"."""
    component, variable = member(result, "component"), member(result, "variable")
    name = text(component, "name") or "?"
    instance, evse = text(component, "instance"), whole(component, "evse", "id")
    place = (f"({instance})" if instance else "") + (f"[{evse}]" if evse is not None else "")
    suffix = text(variable, "instance")
    return shown(f"{name}{place}.{text(variable, 'name') or '?'}" + (f"({suffix})" if suffix else ""), MAX_NAMED)
