"""Errors that stations tell, and which of the minimum required error codes they are.

The ChargeX consortium names 26 errors (CX001 to CX026) that every charger should tell apart. OCPP 1.6 carries them in
StatusNotification (``vendorId`` "https://chargex.inl.gov", ``vendorErrorCode``), 2.x in NotifyEvent (``techCode``).
Seven of them are errorCodes of OCPP 1.6 under the same name. EVgo's earlier set (``vendorId`` "com.evgo.mrec", see
mrec.evgo.com) has codes A0xx for what the driver can mend and F0xx for what concerns safety, several in one message
separated by commas; it is mapped where both sets describe the same condition. Everything else keeps the name it
was sent under.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.connector import connector_name
from fieldkit.site.reading import flag, member, objects, text, whole

CHARGEX: Final = "chargex.inl.gov"
EVGO: Final = "com.evgo.mrec"

MAX_ERRORS: Final = 200
"""Different errors of one station: a real one has a few dozen, a hostile one invents more."""
MAX_CODE: Final = 100
"""Characters kept of a code; OCPP allows 50."""
MAX_JOINED: Final = 8
"""Codes in one vendorErrorCode: OCPP allows it 50 characters, a code and its comma take five."""


class Meaning(NamedTuple):
    """What a code stands for."""

    mrec: str
    """"CX003", or empty when it is none of the minimum required codes."""
    text: str


_CX: Final = {
    "CX001": ("ConnectorLockFailure", "the connector could not be locked or unlocked"),
    "CX002": ("GroundFailure", "the ground fault protection tripped"),
    "CX003": ("HighTemperature", "the charger is too hot and delivers less power"),
    "CX004": ("OverCurrentFailure", "the overcurrent protection tripped"),
    "CX005": ("OverVoltage", "the voltage is too high"),
    "CX006": ("UnderVoltage", "the voltage is too low"),
    "CX007": ("WeakSignal", "the radio link (cellular or Wi-Fi) is weak"),
    "CX008": ("EmergencyStop", "the emergency stop was pressed"),
    "CX009": ("AuthorizationTimeout", "the car was plugged in, but nobody authorised in time"),
    "CX010": ("InvalidVehicleMode", "the car is not in a state in which it may charge"),
    "CX011": ("CableCheckFault", "the check of cable and insulation before charging failed"),
    "CX012": ("PreChargeFailure", "the charger did not reach the voltage that must be there before charging"),
    "CX013": ("NoInternet", "the charger has no internet connection"),
    "CX014": ("PilotFault", "the control pilot's voltage is out of range"),
    "CX015": ("PowerLoss", "the charger has no mains power"),
    "CX016": ("EVContactorFault", "the contactors in the car do not open or close"),
    "CX017": ("EVSEContactorFault", "the contactors in the charger do not open or close"),
    "CX018": ("CableOverTempDerate", "cable or connector are too hot: less power is delivered"),
    "CX019": ("CableOverTempStop", "cable or connector were too hot: charging was stopped"),
    "CX020": ("PartialInsertion", "the connector is not fully inserted"),
    "CX021": ("CapacitanceFault", "the insulation monitor tripped: too much capacitance to the chassis"),
    "CX022": ("ResistanceFault", "the insulation monitor tripped: too little resistance to the chassis"),
    "CX023": ("ProximityFault", "the proximity voltage is out of range"),
    "CX024": ("ConnectorVoltageHigh", "there is voltage on the connector before or after charging"),
    "CX025": ("BrokenLatch", "the latch of the connector is broken"),
    "CX026": ("CutCable", "the charging cable was cut"),
}
"""By code: its name and what it means."""

MREC: Final = {code: f"{name}: {words}" for code, (name, words) in _CX.items()}
"""The minimum required error codes with their meanings."""

_EVGO: Final = {
    "A000": Meaning("CX009", MREC["CX009"]),
    "A001": Meaning("CX020", MREC["CX020"]),
    "A002": Meaning("CX001", "the car did not lock the connector"),
    "A003": Meaning("CX010", MREC["CX010"]),
    "A004": Meaning("CX008", MREC["CX008"]),
    "A005": Meaning("", "the lock of the CHAdeMO connector did not engage"),
    "F000": Meaning("CX023", "the proximity voltage is too high"),
    "F001": Meaning("CX023", "the proximity voltage is too low"),
    "F002": Meaning("CX014", "the control pilot's voltage is too high"),
    "F003": Meaning("CX014", "the control pilot's voltage is too low"),
    "F004": Meaning("CX025", MREC["CX025"]),
    "F005": Meaning("CX011", MREC["CX011"]),
    "F006": Meaning("CX022", MREC["CX022"]),
    "F007": Meaning("CX021", MREC["CX021"]),
    "F008": Meaning("CX024", MREC["CX024"]),
    "F009": Meaning("", "the charging cable is too hot"),  # ChargeX asks whether charging stopped: CX018 or CX019
    "F010": Meaning("CX026", MREC["CX026"]),
}

_OCPP: Final = {name: Meaning(code, MREC[code]) for code, (name, _) in list(_CX.items())[:7]} | {
    "EVCommunicationError": Meaning("", "the charger and the car do not understand each other"),
    "Mode3Error": Meaning("", "the charger and the car do not understand each other (control pilot)"),  # 1.5
    "InternalError": Meaning("", "something inside the charger failed"),
    "LocalListConflict": Meaning("", "the CSMS and the charger's local list disagree on an authorisation"),
    "OtherError": Meaning("", "the charger tells an error that OCPP has no name for"),
    "PowerMeterFailure": Meaning("", "the energy meter cannot be read"),
    "PowerSwitchFailure": Meaning("", "the contactor does not switch"),
    "ReaderFailure": Meaning("", "the card reader failed"),
    "ResetFailure": Meaning("", "the charger could not restart"),
}
"""ChargePointErrorCode (1.6 §7.6)."""


def meaning(code: str, vendor: str = "") -> Meaning:
    """What a code of this vendor (empty: of OCPP) means; an empty meaning when no public mapping knows it."""
    if EVGO in vendor.lower():
        return _EVGO.get(code.upper(), Meaning("", ""))
    if code.upper() in MREC and (not vendor or CHARGEX in vendor.lower()):
        return Meaning(code.upper(), MREC[code.upper()])
    return Meaning("", "") if vendor else _OCPP.get(code, Meaning("", ""))


@dataclass(slots=True)
class ToldError:
    """An error as a station told it, once or more often."""

    first: int
    last: int
    connector: str
    code: str
    """OCPP errorCode, vendorErrorCode, techCode, or "Component.Problem"."""
    vendor: str
    """vendorId; empty for OCPP's own codes."""
    info: str
    """What it said beside the first one."""
    mrec: str
    meaning: str
    count: int = 1


class ErrorCodes:
    """What one station told of errors."""

    ACTIONS: Final = frozenset({"StatusNotification", "NotifyEvent"})

    def __init__(self) -> None:
        self.told: dict[tuple[str, str, str], ToldError] = {}
        """By connector, code and vendor, in the order in which they came."""
        self.dropped = 0
        """Errors beyond ``MAX_ERRORS``."""

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL."""
        if message.type is not MessageType.CALL:
            return
        if message.action == "StatusNotification":
            # Nearly every one says "NoError": that much is told without ado.
            if member(message.payload, "errorCode") == "NoError" and not member(message.payload, "vendorErrorCode"):
                return
            found = _of_status(message.payload)
        else:
            found = _of_events(message.payload)
        for connector, code, vendor, info in found:
            self._add(message.time, connector, code[:MAX_CODE], vendor[:MAX_CODE], info[:MAX_CODE])

    def _add(self, time: int, connector: str, code: str, vendor: str, info: str) -> None:
        key = (connector, code, vendor)
        known = self.told.get(key)
        if known is not None:
            known.count += 1
            known.last = time
        elif len(self.told) < MAX_ERRORS:
            self.told[key] = ToldError(time, time, connector, code, vendor, info, *meaning(code, vendor))
        else:
            self.dropped += 1


def _of_status(payload: Any) -> Iterator[tuple[str, str, str, str]]:
    """1.x: errorCode and vendorErrorCode; a StatusNotification of 2.x tells no error."""
    error = text(payload, "errorCode")
    if error is None:
        return
    connector = connector_name(0, whole(payload, "connectorId") or 0)
    vendor, info = text(payload, "vendorId") or "", text(payload, "info") or ""
    codes = [code.strip() for code in (text(payload, "vendorErrorCode") or "").split(",")[:MAX_JOINED]]
    codes = [code for code in codes if code]
    infos = info.split(",") if EVGO in vendor.lower() and len(codes) > 1 else []
    known = [code for code in codes if meaning(code, vendor).text]
    if error == "NoError":
        # Many a station sends "0" or "NoError" as vendorErrorCode when all is well.
        codes = known
    elif error != "OtherError" or not codes:
        yield connector, error, "", info
    for at, code in enumerate(codes):
        yield connector, code, vendor, infos[at].strip() if at < len(infos) else info


def _of_events(payload: Any) -> Iterator[tuple[str, str, str, str]]:
    """2.x: events with a techCode, and those of a component's "Problem" variable (Part 2 N.07, Part 2 appendix 3)."""
    for event in objects(payload, "eventData"):
        value = event.get("actualValue")
        if flag(event, "cleared") or (value.__class__ is str and value.lower() == "false"):
            continue
        code = text(event, "techCode") or ""
        component = text(event, "component", "name") or ""
        if not code and text(event, "variable", "name") != "Problem":
            continue
        evse = member(event, "component", "evse")
        connector = connector_name(whole(evse, "id") or 0, whole(evse, "connectorId") or 0)
        yield connector, code or f"{component or '?'}.Problem", "", text(event, "techInfo") or ""
