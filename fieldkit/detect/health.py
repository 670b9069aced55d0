"""What wears out or breaks: restarts, faults, locks, starts that fail, contactors, power, temperature, rhythm."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.energy import POWER, REGISTER
from fieldkit.checks.measured import total
from fieldkit.checks.words import SECOND, counted, duration
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.events import Event, MessageType, OcppMessage
from fieldkit.safetext import shorten
from fieldkit.site.connector import Connector, StatusChange
from fieldkit.site.reading import objects, text
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

BOOTS: Final = 3
BOOT_TIME: Final = 2700 * SECOND
"""Restarts of one station without an order within this time."""
FAILED_IN_A_ROW: Final = 3
FAILED_OF: Final = (4, 7)
"""Attempts to charge that fail: so many in a row, or so many of the latest."""
ATTEMPT: Final = 20 * SECOND
"""A plug that is pulled sooner was not meant."""
LOCKS: Final = 2
LOCK_TIME: Final = 3 * 24 * 3600 * SECOND
"""Lock failures within this time: one is a driver who pulls, two are a lock."""
FAULTS: Final = 2
FAULT_TIME: Final = 24 * 3600 * SECOND
NO_CURRENT: Final = 0.6
NO_POWER: Final = 60.0
"""A, W: nothing flows."""
NO_FLOW: Final = 3
NO_FLOW_TIME: Final = 100 * SECOND
"""Readings without current, over this time, while the state is Charging."""

_LOCKS: Final = frozenset({"connectorlockfailure"})
_LOCK_PARTS: Final = frozenset({"connectorplugretentionlock", "connectorlock"})
_CONTACTOR: Final = frozenset({"powerswitchfailure"})
_CONTACTOR_PARTS: Final = frozenset({"powercontactor", "contactor"})
_HOT: Final = frozenset({"hightemperature"})
_HOT_PARTS: Final = frozenset({"temperaturesensor", "coolingsystem", "fan"})
_GAVE_UP: Final = frozenset({"Other", "GroundFault", "OvercurrentFault"})
"""Reasons for which the station ends a transaction by itself, however soon (1.6 §7.36, 2.x ReasonEnumType)."""
_NOT_OURS: Final = frozenset({"", "noerror", "evcommunicationerror", "othererror", "weaksignal", "localaconflict",
                              "resetfailure"})  # fmt: skip
"""Errors of the car, or of nothing in particular."""


@dataclass(slots=True)
class _Place:
    """One connector."""

    plugged: int = 0
    """Since when a car is there without a transaction having begun; 0: none is."""
    plug: OcppMessage | None = None
    transaction: str = ""
    charging: int = 0
    """Since when its transaction is told to be charging; 0: it is not."""
    flowed: bool = False
    idle: int = 0
    """Readings without current since then."""
    register: float | None = None
    told: bool = False
    locks: deque[OcppMessage] = field(default_factory=lambda: deque(maxlen=4))
    failed_at: int = 0


@dataclass(slots=True)
class _Station:
    boots: deque[OcppMessage] = field(default_factory=lambda: deque(maxlen=8))
    attempts: deque[tuple[bool, OcppMessage]] = field(default_factory=lambda: deque(maxlen=FAILED_OF[1]))
    """Of the latest attempts to charge: whether they worked."""
    faults: dict[str, deque[OcppMessage]] = field(default_factory=dict)


class Health(Tracker):
    """One station's hardware, by what it tells."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._stations: dict[str, _Station] = {}
        self._places: dict[str, _Place] = {}
        self._handlers = {
            "BootNotification": self._boot,
            "StatusNotification": self._status,
            "NotifyEvent": self._notified,
            "MeterValues": self._measured,
            "TransactionEvent": self._transaction_event,
            "StartTransaction": self._began,
            "StopTransaction": self._ended,
        }

    def see(self, event: Event) -> None:
        if isinstance(event, OcppMessage) and event.type is MessageType.CALL and event.sender == "station":
            handler = self._handlers.get(event.action)
            station = self.context.picture.stations.get(event.channel.station)
            if handler is not None and station is not None:
                handler(event, station)

    def _place(self, station: Station, connector: str) -> _Place:
        return kept(self._places, f"{station.identity}\n{connector}", _Place, 8000)

    # ------------------------------------------------------------------------------------------------------- restarts

    def _boot(self, message: OcppMessage, station: Station) -> None:
        name = station.identity
        state = kept(self._stations, name, _Station)
        reason = text(message.payload, "reason") or ""
        if self.context.expects_restart(name) or reason in ("Triggered", "RemoteReset", "ScheduledReset"):
            return
        if self.context.greetings.get(name) == message.time:
            return  # it boots whenever it connects
        state.boots.append(message)
        recent = [boot for boot in state.boots if message.time - boot.time <= BOOT_TIME]
        if len(recent) >= BOOTS:
            self.context.tell(
                "reboot-loop",
                name,
                0.8,
                f"{name} started anew {len(recent)} times within {duration(message.time - recent[0].time)} without "
                "having been told to; a healthy charger runs for weeks.",
                tuple(recent[-4:]),
                first=recent[0].time,
                sign="boots",
            )

    # -------------------------------------------------------------------------------------------------- status, faults

    def _status(self, message: OcppMessage, station: Station) -> None:
        for connector, change in station.connectors.fresh:
            if change.status != change.previous:
                self._changed(message, station, connector, change)

    def _changed(self, message: OcppMessage, station: Station, connector: Connector, change: StatusChange) -> None:
        place = self._place(station, connector.name)
        if change.status in ("Preparing", "Occupied"):
            if not place.plugged and station.transactions.on(connector.name) is None:
                place.plugged, place.plug = message.time, message
        elif change.status in ("Available", "Faulted"):
            self._left(message, station, place, failed=change.status == "Faulted")
        elif change.status in ("Charging", "SuspendedEV", "SuspendedEVSE"):
            place.plugged = 0
        if change.status == "Charging":
            if not place.charging:
                place.charging, place.idle = message.time, 0
        else:
            place.charging = 0
        codes = [code for code in (change.error, change.vendor_error, change.info) if code]
        if change.status == "Faulted" or (change.error and change.error != "NoError"):
            self._fault(message, station, connector.name, codes or ["Faulted"])

    def _left(self, message: OcppMessage, station: Station, place: _Place, *, failed: bool) -> None:
        """A car that came and went, or a fault, before energy flowed. A fault ends an attempt however soon it comes."""
        if place.plugged and (failed or message.time - place.plugged > ATTEMPT):
            if message.time - place.failed_at > 60 * SECOND:
                self._attempt(message, station, worked=False)
            place.failed_at = message.time
        place.plugged = 0

    def _attempt(self, message: OcppMessage, station: Station, *, worked: bool) -> None:
        state = kept(self._stations, station.identity, _Station)
        state.attempts.append((worked, message))
        if worked:
            return
        outcomes = [one[0] for one in state.attempts]
        row = outcomes[::-1].index(True) if True in outcomes else len(outcomes)
        failed = outcomes.count(False)
        if row < FAILED_IN_A_ROW and failed < FAILED_OF[0]:
            return
        self.context.tell(
            "start-failures",
            station.identity,
            0.65,
            (
                f"The last {counted(row, 'car')} plugged in at {station.identity} got no energy"
                if row >= FAILED_IN_A_ROW
                else f"Of the last {counted(len(outcomes), 'car')} plugged in at {station.identity}, {failed} got no "
                "energy"
            )
            + "; at a healthy charger nearly every car does.",
            tuple(one[1] for one in state.attempts if not one[0])[-4:],
            first=next(one[1].time for one in state.attempts if not one[0]),
            sign="attempts",
        )

    def _fault(self, message: OcppMessage, station: Station, connector: str, codes: list[str]) -> None:
        names = {code.lower() for code in codes}
        place = self._place(station, connector)
        if names & _LOCKS:
            self._lock(message, station, connector, place)
        elif names & _CONTACTOR:
            self._broke(message, station, connector, "contactor-not-closing", codes)
        elif names & _HOT:
            self._broke(message, station, connector, "temperature-creep", codes)
        elif not names <= _NOT_OURS:
            self._broke(message, station, connector, "hardware-fault", codes)

    def _broke(self, message: OcppMessage, station: Station, connector: str, family: str, codes: list[str]) -> None:
        state = kept(self._stations, station.identity, _Station)
        if family not in state.faults and len(state.faults) >= 32:
            return
        faults = state.faults.setdefault(family, deque(maxlen=8))
        faults.append(message)
        recent = [one for one in faults if message.time - one.time <= FAULT_TIME]
        confidence = 0.65 if len(recent) >= FAULTS or family != "hardware-fault" else 0.4
        times = f", {len(recent)} times within a day" if len(recent) > 1 else ""
        self.context.tell(
            family,
            station.identity,
            confidence,
            f"{station.identity} reports {shorten(', '.join(codes), 80)}"
            f"{f' at connector {connector}' if connector else ''}{times}; usually it reports none.",
            tuple(recent[-3:]),
            connector=connector,
            first=recent[0].time,
            sign=f"fault-{family}",
        )

    def _lock(self, message: OcppMessage, station: Station, connector: str, place: _Place) -> None:
        if place.locks and message.time - place.locks[-1].time < 5 * SECOND:
            return  # told in two ways
        place.locks.append(message)
        recent = [one for one in place.locks if message.time - one.time <= LOCK_TIME]
        self.context.tell(
            "connector-lock",
            station.identity,
            0.7 if len(recent) >= LOCKS else 0.5,
            f"Connector {connector or '?'} of {station.identity} reports that it does not lock"
            + (f", {len(recent)} times within {duration(message.time - recent[0].time)}" if len(recent) > 1 else "")
            + "; usually it never does.",
            tuple(recent[-3:]),
            connector=connector,
            first=recent[0].time,
            sign="lock",
        )

    def _notified(self, message: OcppMessage, station: Station) -> None:
        """2.x: what a component reports of itself."""
        for told in objects(message.payload, "eventData"):
            part = (text(told, "component", "name") or "").lower()
            variable = (text(told, "variable", "name") or "").lower()
            if variable not in ("problem", "fault", "faulted") or (text(told, "actualValue") or "").lower() != "true":
                continue
            evse = told.get("component", {}).get("evse") if isinstance(told.get("component"), dict) else None
            number = evse.get("id") if isinstance(evse, dict) else None
            connector = str(number) if isinstance(number, int) and number > 0 else ""
            name = text(told, "component", "name") or ""
            if part in _LOCK_PARTS:
                self._lock(message, station, connector, self._place(station, connector))
            elif part in _CONTACTOR_PARTS:
                self._broke(message, station, connector, "contactor-not-closing", [f"a problem of {name}"])
            elif part in _HOT_PARTS:
                self._broke(message, station, connector, "temperature-creep", [f"a problem of {name}"])
            else:
                self._broke(message, station, connector, "hardware-fault", [f"a problem of {name}"])
        self._status(message, station)

    # -------------------------------------------------------------------------------------------- what flows, and not

    def _began(self, message: OcppMessage, station: Station) -> None:
        made = station.transactions.latest
        if made is not None:
            place = self._place(station, made.connector)
            place.plugged, place.transaction = 0, made.id
            place.flowed, place.told, place.idle, place.register = False, False, 0, None

    def _ended(self, message: OcppMessage, station: Station) -> None:
        made = station.transactions.latest
        if made is None or made.begin is None:
            return
        energy, length = made.energy_wh, message.time - (made.first_time or message.time)
        place = self._place(station, made.connector)
        place.plugged = 0
        if energy is not None and energy > 50:
            self._attempt(message, station, worked=True)
        elif place.told:
            return  # its contactor did not close: that has been told
        elif (
            energy is not None
            and not place.flowed
            and (made.stop_reason in _GAVE_UP or (length > ATTEMPT and made.stop_reason != "DeAuthorized"))
        ):
            place.failed_at = message.time
            self._attempt(message, station, worked=False)

    def _transaction_event(self, message: OcppMessage, station: Station) -> None:
        made = station.transactions.latest
        if made is None:
            return
        kind = text(message.payload, "eventType")
        place = self._place(station, made.connector)
        if kind == "Started":
            self._began(message, station)
        if made.charging_state == "Charging":
            if not place.charging:
                place.charging, place.idle = message.time, 0
        else:
            place.charging = 0
        self._measured(message, station)
        if kind == "Ended":
            self._ended(message, station)
            place.charging = 0

    def _measured(self, message: OcppMessage, station: Station) -> None:
        fresh = station.meters.fresh
        if not fresh or not fresh[-1].transaction:
            return
        sample = fresh[-1]
        place = self._place(station, sample.connector)
        flows = _flows(station.meters.measured, place)
        if flows is None:
            return
        if flows:
            place.flowed, place.idle = True, 0
            return
        if not place.charging or place.flowed or place.told:
            return
        made = station.transactions.open.get(sample.transaction)
        if made is None or _allowed_nothing(station, sample, made.started):
            return
        place.idle += 1
        if place.idle < NO_FLOW or message.time - place.charging < NO_FLOW_TIME:
            return
        place.told = True
        self.context.tell(
            "contactor-not-closing",
            station.identity,
            0.66,
            f"Connector {sample.connector or '?'} of {station.identity} has said for "
            f"{duration(message.time - place.charging)} that it charges, and no current flows "
            f"({counted(place.idle, 'reading')} in a row); at a healthy one it flows within seconds.",
            (message,),
            connector=sample.connector,
            first=place.charging,
            sign="no-current",
        )


def _flows(measured: dict[str, list[Sample]], place: _Place) -> bool | None:
    """Does current flow? None: these readings do not tell."""
    powers = measured.get(POWER)
    if powers and powers[-1].unit == "W":
        value = total(powers, powers[-1].time)
        if value is not None:
            return abs(value) > NO_POWER
    currents = measured.get("Current.Import")
    if currents and currents[-1].unit == "A":
        return max(abs(one.value) for one in currents if one.time == currents[-1].time) > NO_CURRENT
    registers = measured.get(REGISTER)
    if registers and registers[-1].unit == "Wh":
        before, place.register = place.register, registers[-1].value
        return None if before is None else registers[-1].value - before > 1.0
    return None


def _allowed_nothing(station: Station, sample: Sample, started: int | None) -> bool:
    """Is the limit so low that nothing may flow?"""
    offered = station.meters.measured.get("Current.Offered") or station.meters.measured.get("Power.Offered")
    if offered and offered[-1].value < 1:
        return True
    limits = station.charging.limit(sample.connector, sample.time, started)
    return any(limit.value < (6.0 if limit.unit == "A" else 1380.0) for limit in limits)
