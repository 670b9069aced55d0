"""DER controls: what the grid asks of a bidirectional station, and the alarms it answers with (OCPP 2.1 Part 2 R)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from fieldkit.events import MessageType, OcppMessage
from fieldkit.site.kept import same
from fieldkit.site.light import bounded
from fieldkit.site.reading import flag, items, moment, number, obj, text

MAX_CONTROLS: Final = 300
"""Controls of one station: there are 22 types, each with a default and a few scheduled ones."""
MAX_ALARMS: Final = 200
"""Alarms of one station that are kept (the last ones)."""
_MAX_ID: Final = 36

_HOLDERS: Final = (
    "curve", "enterService", "fixedPFAbsorb", "fixedPFInject", "fixedVar", "freqDroop", "gradient", "limitMaxDischarge",
)  # fmt: skip
"""Members of SetDERControlRequest of which one holds the settings."""


@dataclass(slots=True)
class Control:
    """A DER control as the CSMS set it."""

    id: str
    type: str
    """DERControlEnumType: FreqWatt, VoltVar, LimitMaxDischarge …"""
    default: bool
    """In force whenever no scheduled one is."""
    priority: int | None
    """The lower, the more important."""
    start: int | None
    duration: float | None
    """Seconds; None for one without an end."""
    set_at: int
    message: OcppMessage
    status: str = ""
    """The station's answer: Accepted, Rejected, NotSupported, NotFound."""
    running: bool = False
    """By NotifyDERStartStop."""
    superseded_by: str = ""
    cleared: bool = False


@dataclass(slots=True)
class Alarm:
    """A DER alarm, from its begin to its end."""

    type: str
    fault: str
    """GridEventFaultEnumType; empty when the station does not say."""
    began: int
    message: OcppMessage
    ended: int | None = None


class DerControls:
    """One station's DER controls and alarms."""

    ACTIONS: Final = frozenset({"SetDERControl", "ClearDERControl", "NotifyDERAlarm", "NotifyDERStartStop"})

    def __init__(self) -> None:
        self.controls: dict[str, Control] = {}
        """By id, oldest first."""
        self.alarms: deque[Alarm] = deque(maxlen=MAX_ALARMS)
        self.latest: Control | None = None
        """The one that the message fed last is about."""

    def in_force(self) -> list[Control]:
        """Accepted, and neither cleared nor superseded."""
        return [
            control
            for control in self.controls.values()
            if control.status == "Accepted" and not control.cleared and not control.superseded_by
        ]

    def feed(self, message: OcppMessage) -> None:
        """Take in a CALL or an answer."""
        self.latest = None
        if message.type is MessageType.CALL:
            if message.action == "SetDERControl":
                self._set(message)
            elif message.action == "NotifyDERAlarm":
                self._alarm(message)
            elif message.action == "NotifyDERStartStop":
                self._start_stop(message)
        elif message.type is MessageType.CALLRESULT and message.call is not None:
            self._answered(message, message.call)

    def _set(self, message: OcppMessage) -> None:
        payload = message.payload
        id_ = (text(payload, "controlId") or "")[:_MAX_ID]
        settings = next((found for name in _HOLDERS if (found := obj(payload, name))), {})
        priority = number(settings, "priority")
        control = Control(
            id=id_,
            type=(text(payload, "controlType") or "")[:50],
            default=flag(payload, "isDefault") is True,
            priority=None if priority is None else int(priority),
            start=moment(settings, "startTime"),
            duration=number(settings, "duration"),
            set_at=message.time,
            message=bounded(message),
        )
        self.controls.pop(id_, None)
        while len(self.controls) >= MAX_CONTROLS:
            del self.controls[next(iter(self.controls))]
        self.controls[id_] = control
        self.latest = control

    def _answered(self, message: OcppMessage, call: OcppMessage) -> None:
        status = (text(message.payload, "status") or "")[:50]
        if call.action == "SetDERControl":
            control = next((one for one in reversed(self.controls.values()) if same(one.message, call)), None)
            self.latest = control
            if control is not None:
                control.status = status
                self._supersede(message, control.id)
        elif call.action == "ClearDERControl" and status == "Accepted":
            id_, type_ = text(call.payload, "controlId"), text(call.payload, "controlType")
            default = flag(call.payload, "isDefault") is True
            for control in self.controls.values():
                if control.id == id_ if id_ else control.default is default and type_ in (None, control.type):
                    control.cleared, control.running = True, False

    def _supersede(self, message: OcppMessage, by: str) -> None:
        for id_ in items(message.payload, "supersededIds"):
            other = self.controls.get(id_) if isinstance(id_, str) else None
            if other is not None and other.id != by:
                other.superseded_by, other.running = by or "?", False

    def _start_stop(self, message: OcppMessage) -> None:
        id_ = (text(message.payload, "controlId") or "")[:_MAX_ID]
        control = self.controls.get(id_)
        self.latest = control
        if control is not None:
            control.running = flag(message.payload, "started") is True
        self._supersede(message, id_)

    def _alarm(self, message: OcppMessage) -> None:
        type_ = (text(message.payload, "controlType") or "")[:50]
        if flag(message.payload, "alarmEnded") is True:
            going = next((alarm for alarm in reversed(self.alarms) if alarm.type == type_ and not alarm.ended), None)
            if going is not None:
                going.ended = message.time
            return
        fault = (text(message.payload, "gridEventFault") or "")[:50]
        self.alarms.append(Alarm(type_, fault, message.time, bounded(message)))
