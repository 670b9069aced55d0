"""What a station says of itself: who made it, its boots, its settings, its heartbeat."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.ocpp.secrets import conceal
from fieldkit.site.kept import same
from fieldkit.site.legible import is_legible
from fieldkit.site.light import bounded, light
from fieldkit.site.reading import flag, member, moment, objects, text, whole
from fieldkit.site.room import Room

MAX_BOOTS: Final = 100
"""Boots of one station that are kept (the last ones), as long as the site has room; all are counted."""
LEAST_BOOTS: Final = 8
"""What every station may keep, however many there are."""
MAX_WHOLE: Final = 4
"""Of these, so many keep their messages whole; the others only what points to them."""
MAX_INTERVAL: Final = 10 * 366 * 86_400
"""Seconds, ten years: nobody waits for longer."""
MAX_SETTINGS: Final = 2000
"""Configuration keys or variables of one station, as long as the site has room: 1.6 stations have about 100, 2.x ones
up to 1,500."""
LEAST_SETTINGS: Final = 250
"""What every station may keep, however many there are."""
MAX_NAME: Final = 100
"""Characters kept of a vendor's, model's or key's name: the standards allow 50 at most."""
MAX_VALUE: Final = 500
"""Characters kept of a setting's value (1.6 §7.28: CiString500)."""

_CALL: Final = MessageType.CALL
_CALLRESULT: Final = MessageType.CALLRESULT

_HEARTBEAT_INTERVAL: Final = frozenset({"heartbeatinterval", "ocppcommctrlr.heartbeatinterval"})
"""1.5 writes HeartBeatInterval, 1.6 §9.1.8 HeartbeatInterval; 2.x Part 2 §2.1 has it in a component."""


_SETTERS: Final = frozenset({"ChangeConfiguration", "SetVariables"})


@dataclass(slots=True)
class Boot:
    """One BootNotification and what came of it."""

    time: int
    call: OcppMessage
    reason: str
    """2.x BootReasonEnumType; 1.x does not say."""
    answer: OcppMessage | None = None
    status: str = ""
    """Accepted, Pending, Rejected; empty while (or when) there was no answer."""
    interval: int | None = None
    """Seconds that the CSMS gave: between heartbeats when accepted, else before the next attempt."""
    current_time: int | None = None
    """The CSMS's clock in its answer, nanoseconds since the epoch."""


@dataclass(slots=True)
class Setting:
    """A configuration key (1.x) or variable attribute (2.x, "Component.Variable") as last seen."""

    value: str | None
    """Secrets are never kept: "(hidden)" stands for them. None: the station did not tell."""
    readonly: bool | None
    time: int
    by: str
    """The action that told: GetConfiguration, ChangeConfiguration, NotifyReport …"""


class About:
    """Filled from BootNotification, Heartbeat, Get/ChangeConfiguration, Get/SetVariables, NotifyReport."""

    ACTIONS: Final = frozenset(
        {
            "BootNotification",
            "ChangeConfiguration",
            "GetConfiguration",
            "GetVariables",
            "Heartbeat",
            "NotifyReport",
            "SetVariables",
        }
    )

    def __init__(self, room: Room | None = None) -> None:
        self._room = room if room is not None else Room()
        self.vendor = ""
        self.model = ""
        self.serial = ""
        self.firmware = ""
        self.boots: deque[Boot] = deque()
        self.boot_count = 0
        self.first_boot = 0
        """Capture time of the first one seen."""
        self.settings: dict[str, Setting] = {}
        self.settings_dropped = 0
        """Settings for which there was no room."""
        self.heartbeat_told: int | None = None
        """Seconds, as the CSMS has set it: with the last accepted boot, or as a setting since …"""
        self.heartbeat_reported: int | None = None
        """… and as the station gives its setting when asked, which not all keep in step with the boot."""
        self.heartbeats = 0
        self.last_heartbeat: int | None = None
        self._spelt: dict[str, str] = {}
        """1.6 §7.28: names of keys are case-insensitive. In lower case: as it was spelt first."""

    @property
    def heartbeat_interval(self) -> int | None:
        """Seconds, as the last accepted boot or a setting says."""
        return self.heartbeat_told if self.heartbeat_told is not None else self.heartbeat_reported

    def setting(self, name: str) -> Setting | None:
        """A setting by its name, however it is spelt."""
        return self.settings.get(self._spelt.get(name.lower(), name))

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer (its ``call`` is what it answers)."""
        if message.action == "Heartbeat":
            if message.type is _CALL:
                self.heartbeats += 1
                self.last_heartbeat = message.time
            return
        if message.action == "BootNotification":
            self._boot(message)
        elif message.type is _CALLRESULT or message.action == "NotifyReport":
            told = _TELLERS.get(message.action)
            if told is not None and is_legible(message):
                told(self, message)

    # ------------------------------------------------------------------------------------------------------- boots

    def _boot(self, message: OcppMessage) -> None:
        if message.type is _CALL:
            if not self.boot_count:
                self.first_boot = message.time
            self.boot_count += 1
            legible = is_legible(message)
            reason = text(message.payload, "reason") if legible else ""
            boots = self.boots
            boots.append(Boot(message.time, bounded(message), (reason or "")[:MAX_NAME]))
            if len(boots) > MAX_WHOLE:
                old = boots[-1 - MAX_WHOLE]
                old.call = light(old.call)
                old.answer = None if old.answer is None else light(old.answer)
                most = self._room.boots(MAX_BOOTS, LEAST_BOOTS)
                while len(boots) > most:
                    boots.popleft()
            if legible:
                self._introduce(message.payload)
            return
        if message.call is None:
            return
        # The answer is nearly always to the last one.
        boot = next((boot for boot in reversed(self.boots) if same(boot.call, message.call)), None)
        if boot is None or boot.answer is not None:
            return
        boot.answer = bounded(message)
        if message.type is not _CALLRESULT or not is_legible(message):
            return
        payload = message.payload
        boot.status = (text(payload, "status") or "")[:MAX_NAME]
        boot.interval = whole(payload, "interval")
        if boot.interval is None:
            boot.interval = whole(payload, "heartbeatInterval")  # as 1.5 names it
        if boot.interval is not None and abs(boot.interval) > MAX_INTERVAL:
            boot.interval = None
        boot.current_time = moment(payload, "currentTime")
        if boot.status == "Accepted" and boot.interval is not None:
            self.heartbeat_told = boot.interval

    def _introduce(self, payload: Any) -> None:
        station = member(payload, "chargingStation")
        if station.__class__ is dict:
            names = ("vendorName", "model", "serialNumber", "firmwareVersion")
        else:
            station = payload
            names = ("chargePointVendor", "chargePointModel", "chargePointSerialNumber", "firmwareVersion")
        vendor, model, serial, firmware = ((text(station, name) or "")[:MAX_NAME] for name in names)
        self.vendor = vendor or self.vendor
        self.model = model or self.model
        # 1.6 §6.5: chargeBoxSerialNumber is the older, deprecated member; some stations fill only that one.
        self.serial = serial or (text(payload, "chargeBoxSerialNumber") or "")[:MAX_NAME] or self.serial
        self.firmware = firmware or self.firmware

    # ---------------------------------------------------------------------------------------------------- settings

    def _configuration(self, message: OcppMessage) -> None:
        for entry in objects(conceal(message)[1], "configurationKey"):
            self._set(text(entry, "key"), text(entry, "value"), flag(entry, "readonly"), message)

    def _changed(self, message: OcppMessage) -> None:
        # RebootRequired: it is stored, and in force from the next boot on (1.6 §5.3).
        status = text(message.payload, "status")
        call = message.call
        if status in ("Accepted", "RebootRequired") and call is not None and is_legible(call):
            asked = conceal(call)[1]
            self._set(text(asked, "key"), text(asked, "value"), False, message, in_force=status == "Accepted")

    def _variables(self, message: OcppMessage) -> None:
        for entry in objects(conceal(message)[1], "getVariableResult"):
            if text(entry, "attributeStatus") == "Accepted":
                self._set(_variable(entry, "attributeType"), text(entry, "attributeValue"), None, message)

    def _variables_set(self, message: OcppMessage) -> None:
        call = message.call
        if call is None or not is_legible(call):
            return
        done = {
            _variable(entry, "attributeType"): text(entry, "attributeStatus")
            for entry in objects(message.payload, "setVariableResult")
        }
        for entry in objects(conceal(call)[1], "setVariableData"):
            name = _variable(entry, "attributeType")
            status = done.get(name)
            if status in ("Accepted", "RebootRequired"):
                in_force = status == "Accepted"
                self._set(name, text(entry, "attributeValue"), False, message, in_force=in_force)

    def _report(self, message: OcppMessage) -> None:
        if message.type is not _CALL:
            return
        for entry in objects(conceal(message)[1], "reportData"):
            for attribute in objects(entry, "variableAttribute"):
                mutability = text(attribute, "mutability")
                readonly = None if mutability is None else mutability == "ReadOnly"
                self._set(_variable(entry, attribute), text(attribute, "value"), readonly, message)

    def _set(
        self, name: str | None, value: str | None, readonly: bool | None, message: OcppMessage, *, in_force: bool = True
    ) -> None:
        if not name:
            return
        name = name[:MAX_NAME]
        low = name.lower()
        name = self._spelt.get(low, name)
        known = self.settings.get(name)
        if known is None:
            if len(self.settings) >= self._room.settings(MAX_SETTINGS, LEAST_SETTINGS):
                self.settings_dropped += 1
                return
            # Stations of one make have the same names, and mostly the same values.
            low, name = sys.intern(low), sys.intern(name)
            self._spelt[low] = name
        elif readonly is None:
            readonly = known.readonly
        value = None if value is None else sys.intern(value[:MAX_VALUE])
        self.settings[name] = Setting(value, readonly, message.time, message.action)
        if low in _HEARTBEAT_INTERVAL and in_force and value is not None:
            interval = value.strip()
            # The rules for secrets leave numbers in peace; what is no number is no interval.
            if interval.isascii() and interval.isdigit() and len(interval) < 10:
                if message.action in _SETTERS:
                    self.heartbeat_told = int(interval)
                else:
                    self.heartbeat_reported = int(interval)


def _variable(entry: Any, attribute: Any) -> str | None:
    """The name of a 2.x variable: "EVSE@1.Power", "LocalAuthListCtrlr.Entries:MaxSet" (nothing for Actual)."""
    component, variable = text(entry, "component", "name"), text(entry, "variable", "name")
    if not component or not variable:
        return None
    place = component[:MAX_NAME]
    if instance := text(entry, "component", "instance"):
        place += f"[{instance[:MAX_NAME]}]"
    if (evse := whole(entry, "component", "evse", "id")) is not None:
        connector = whole(entry, "component", "evse", "connectorId")
        place += f"@{evse}" if connector is None else f"@{evse}/{connector}"
    name = variable[:MAX_NAME]
    if instance := text(entry, "variable", "instance"):
        name += f"[{instance[:MAX_NAME]}]"
    kind = text(entry, attribute) if attribute.__class__ is str else text(attribute, "type")
    return f"{place}.{name}" + (f":{kind}" if kind and kind != "Actual" else "")


_TELLERS: Final[dict[str, Callable[[About, OcppMessage], None]]] = {
    "GetConfiguration": About._configuration,
    "ChangeConfiguration": About._changed,
    "GetVariables": About._variables,
    "SetVariables": About._variables_set,
    "NotifyReport": About._report,
}
