"""Events into the steps that windows are made of: one place where each feature is counted or measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from fieldkit.checks.charging_limit import LEAST_CURRENT, LEAST_POWER, OVER, OVER_AMPERES, OVER_WATTS, RAMP
from fieldkit.checks.energy import POWER, REGISTER
from fieldkit.checks.measured import by_phase, total
from fieldkit.checks.words import SECOND
from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.features import Steps
from fieldkit.detect.sequence import START, Trigrams, token
from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HttpResponse,
    MessageType,
    OcppMessage,
    Retransmission,
    TlsAlert,
    Unanswered,
    WsControl,
)
from fieldkit.ocpp.exchange import latency
from fieldkit.site.link import asks_upgrade
from fieldkit.site.reading import text
from fieldkit.site.series import Sample
from fieldkit.site.station import Station

QUEUED: Final = 120 * SECOND
DAY: Final = 86_400 * SECOND
"""Messages whose timestamp is so much older come from a queue (older still: from a clock that is wrong)."""
MAX_WATCHED: Final = 500
"""Stations whose windows are looked at; 30 KB each."""
SETTLING: Final = 600 * SECOND
"""After a boot a CSMS sets up a station: its settings then are nothing unusual."""
ARRIVAL: Final = 60 * SECOND
"""Who was first seen so shortly ago and starts has not started anew."""
FLOWING: Final = 4.0
IDLE: Final = 0.5
"""A: the least that a car charges with is 6 A, and meters read up to half an ampere of an idle conductor."""
NOTHING: Final = 60.0
"""W"""
ROUNDED: Final = 10.0
"""Wh by which a register may lie below an earlier reading: the two may have been rounded otherwise."""
GIVEN: Final = 50.0
"""Wh: less than that is no charge."""
MAX_DENIED: Final = 5000
MAX_PLACES: Final = 64
"""Connectors of one station."""

_COUNTED: Final[dict[str, str]] = {
    "Heartbeat": "heartbeats",
    "BootNotification": "boots",
    "StartTransaction": "starts",
    "StopTransaction": "stops",
    "MeterValues": "readings",
    "StatusNotification": "statuses",
    "NotifyEvent": "statuses",
    "SetChargingProfile": "profiles",
    "ClearChargingProfile": "profiles",
    "GetCompositeSchedule": "profiles",
    "Reset": "commands",
    "UnlockConnector": "commands",
    "RemoteStartTransaction": "commands",
    "RemoteStopTransaction": "commands",
    "RequestStartTransaction": "commands",
    "RequestStopTransaction": "commands",
    "ChangeAvailability": "commands",
    "TriggerMessage": "commands",
    "ChangeConfiguration": "settings",
    "GetConfiguration": "settings",
    "SetVariables": "settings",
    "GetVariables": "settings",
    "SetNetworkProfile": "settings",
    "SendLocalList": "settings",
    "UpdateFirmware": "firmware",
    "SignedUpdateFirmware": "firmware",
    "FirmwareStatusNotification": "firmware",
    "SignedFirmwareStatusNotification": "firmware",
    "GetDiagnostics": "firmware",
    "DiagnosticsStatusNotification": "firmware",
    "GetLog": "firmware",
    "LogStatusNotification": "firmware",
}
"""By action; of a CALL."""
_CHANGES: Final = frozenset({"ChangeConfiguration", "SetVariables", "SetNetworkProfile"})
_DENIED: Final = frozenset({401, 403, 404})
_PLUGGED: Final = frozenset({"Preparing", "Occupied"})
_ORDERED: Final = frozenset({"Triggered", "RemoteReset", "ScheduledReset", "FirmwareUpdate"})
_EVENT_TYPES: Final = {"Started": "starts", "Ended": "stops", "Updated": "readings"}


@dataclass(slots=True)
class Watched:
    """One station."""

    steps: Steps = field(default_factory=Steps)
    last: tuple[str, str] = (START, START)
    trigrams: Trigrams = field(default_factory=Trigrams)
    heartbeat: int = 0
    readings: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """By connector: time and interval of the last meter values, and their transaction."""
    peaks: dict[str, float] = field(default_factory=dict)
    """By connector: the highest power so far."""
    registers: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    """By transaction: time, register, power of the last reading."""
    phases: dict[str, int] = field(default_factory=dict)
    """By transaction: on how many phases current flowed at the most."""
    waits: dict[str, tuple[str, int, bool]] = field(default_factory=dict)
    """By connector: transaction, since when it says that it charges (0: it does not), whether current has flowed."""
    since: int = 0
    """When it was first seen."""
    booted: int = 0
    evidence: list[Event] = field(default_factory=list)
    """The latest events, for who wants to see what it was about."""
    pinged: int = 0


class Observer(Tracker):
    """Fills the steps, and calls ``touched`` with the name of each station that something was seen of."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            OcppMessage, ConnectionOpened, ConnectionClosed, Retransmission, TlsAlert, WsControl, HttpResponse,
            Unanswered,
        }
    )  # fmt: skip

    def __init__(
        self,
        context: Context,
        prior: Trigrams | None = None,
        touched: Callable[[str, Watched, int], None] | None = None,
    ) -> None:
        super().__init__(context)
        self.watched: dict[str, Watched] = {}
        self._prior = prior
        self._touched = touched
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            OcppMessage: self._message,
            ConnectionOpened: self._opened,
            ConnectionClosed: self._closed,
            Retransmission: self._retransmission,
            TlsAlert: self._alert,
            WsControl: self._control,
            HttpResponse: self._response,
            Unanswered: self._unanswered,
        }
        self._at_address: dict[str, str] = {}
        self._denied: set[int] = set()
        """Connections that were turned away: they end with that, and no way is interrupted."""

    def see(self, event: Event) -> None:
        self._handlers[event.__class__](event)

    def _of(self, name: str) -> Watched | None:
        watched = self.watched.get(name)
        if watched is None:
            if len(self.watched) >= MAX_WATCHED:
                return None
            watched = self.watched[name] = Watched(trigrams=Trigrams(self._prior))
        return watched

    def _seen(self, name: str, watched: Watched, event: Event) -> None:
        watched.evidence.append(event)
        if len(watched.evidence) > 24:
            del watched.evidence[:12]
        if self._touched is not None:
            self._touched(name, watched, event.time)

    # -------------------------------------------------------------------------------------------------------- messages

    def _message(self, message: OcppMessage) -> None:
        name, time = message.channel.station, message.time
        watched = self._of(name)
        if watched is None:
            return
        steps = watched.steps
        steps.clear = True
        watched.since = watched.since or time
        connection = message.channel.connection
        if connection is not None and len(self._at_address) < 5000:
            self._at_address[connection.client.address] = name
        steps.measure(time, "size", float(len(message.raw)))
        self._sequence(watched, message)
        if message.problems:
            steps.count(time, "malformed")
        if message.type is MessageType.CALL or message.type is MessageType.SEND:
            self._call(watched, message)
        else:
            self._answer(watched, message)
        self._seen(name, watched, message)

    def _sequence(self, watched: Watched, message: OcppMessage) -> None:
        now = token(message)
        first, second = watched.last
        surprise = watched.trigrams.surprise(first, second, now)
        watched.steps.measure(message.time, "surprise", surprise)
        watched.steps.measure(message.time, "oddest", surprise)
        if not self.context.frozen(message.channel.station):
            watched.trigrams.add(first, second, now)
        watched.last = (second, now)

    def _call(self, watched: Watched, message: OcppMessage) -> None:
        steps, time, action = watched.steps, message.time, message.action
        of_station = message.sender == "station"
        station = self.context.picture.stations.get(message.channel.station) if of_station else None
        reading = station.clock.fresh if station is not None else None
        if reading is not None and reading.message.time == time and -DAY < reading.offset < -QUEUED:
            return  # it was kept while there was no connection: it says nothing of this minute
        counted = _COUNTED.get(action)
        if action == "TransactionEvent":
            counted = _EVENT_TYPES.get(text(message.payload, "eventType") or "", "readings")
        if counted != "readings":
            steps.count(time, "station_calls" if of_station else "csms_calls")
        if action == "Authorize":
            return  # counted by its answer
        steps.count(time, counted or "others")
        if action in _CHANGES and not of_station and time - watched.booted > SETTLING:
            steps.note(time, "changed")
        if station is None:
            return
        if action == "Heartbeat":
            self._heartbeat(watched, station, time)
        elif action == "BootNotification":
            self._boot(watched, station, message)
        elif counted in ("statuses", "stops"):
            self._condition(watched, station, message)
        if reading is not None and reading.message.time == time:
            steps.measure(time, "clock", min(abs(reading.offset) / SECOND, 1e6))
        if station.meters.fresh and action in ("MeterValues", "TransactionEvent"):
            self._measured(watched, station, message)

    def _boot(self, watched: Watched, station: Station, message: OcppMessage) -> None:
        watched.booted = message.time
        ordered = self.context.expects_restart(station.identity) or text(message.payload, "reason") in _ORDERED
        if not ordered and message.time - watched.since > ARRIVAL:  # who has just come must have started some time
            watched.steps.note(message.time, "restarts")

    def _condition(self, watched: Watched, station: Station, message: OcppMessage) -> None:
        """Faults, and cars that came for nothing. One that gets energy ends the row."""
        steps, time = watched.steps, message.time
        made = station.transactions.latest
        if made is not None and made.end is not None and made.end.time == time:
            energy = made.energy_wh
            if energy is not None and energy > GIVEN:
                steps.forget("vain")
        for connector, change in station.connectors.fresh:
            if change.status == change.previous:
                continue
            if change.status == "Faulted":
                steps.note(time, "faults")
            if change.status not in ("Available", "Faulted") or change.previous not in _PLUGGED:
                continue
            # 2.x says Occupied from plug to plug: what came of it is in the transaction.
            began = connector.history[-2].time if len(connector.history) > 1 else 0
            charged = made is not None and made.first_time >= began and (made.energy_wh or 0.0) > GIVEN
            if began and not charged:
                steps.note(time, "vain")

    def _heartbeat(self, watched: Watched, station: Station, time: int) -> None:
        interval = station.about.heartbeat_interval
        if watched.heartbeat and interval:
            gap = (time - watched.heartbeat) / SECOND
            watched.steps.measure(time, "heartbeat_gap", min(100 * abs(gap - interval) / interval, 1000.0))
        watched.heartbeat = time

    def _measured(self, watched: Watched, station: Station, message: OcppMessage) -> None:
        steps, time = watched.steps, message.time
        measured = station.meters.measured
        sample = station.meters.fresh[-1]
        place = sample.connector
        before = watched.readings.get(place)
        interval = 0
        if before is not None and before[2] == sample.transaction and sample.context.endswith("Periodic"):
            interval = time - before[0]
            if before[1] > 0 and interval > 0:
                steps.measure(time, "reading_gap", min(100 * abs(interval - before[1]) / before[1], 1000.0))
        if place in watched.readings or len(watched.readings) < 64:
            watched.readings[place] = (time, interval, sample.transaction)
        powers = measured.get(POWER)
        power = total(powers, powers[-1].time) if powers and powers[-1].unit == "W" else None
        if power is not None and sample.transaction:
            if place in watched.peaks or len(watched.peaks) < 64:
                watched.peaks[place] = max(watched.peaks.get(place, 1.0), power)
            steps.measure(time, "share", 100 * max(power, 0.0) / watched.peaks.get(place, 1.0))
        if sample.transaction:
            self._balance(watched, station, sample.transaction, time, power)
            self._limits(watched, station, sample, time, power)
        self._phases(watched, station, time)
        for one in measured.get("Temperature", ()):
            if one.unit == "Celsius" and one.location != "EV":
                steps.measure(time, "temperature", max(one.value, 0.0))

    def _balance(self, watched: Watched, station: Station, transaction: str, time: int, power: float | None) -> None:
        registers = station.meters.measured.get(REGISTER)
        if not registers or registers[-1].unit != "Wh":
            return
        sample = registers[-1]
        before = watched.registers.get(transaction)
        if before is not None and sample.time > before[0] and sample.value < before[1] - ROUNDED:
            watched.steps.note(time, "backwards")
        if before is not None and power is not None and 0 < sample.time - before[0] < 960 * SECOND:
            hours = (sample.time - before[0]) / (3600 * SECOND)
            low, high = sorted((before[2] * hours, power * hours))
            billed = sample.value - before[1]
            if high > 5:
                gap = max(low - billed, billed - high, 0.0) if billed >= 0 else high + abs(billed)
                watched.steps.measure(time, "balance", min(100 * max(gap - 10, 0.0) / high, 1000.0))
        if len(watched.registers) >= 32 and transaction not in watched.registers:
            del watched.registers[next(iter(watched.registers))]
        watched.registers[transaction] = (sample.time, sample.value, power or 0.0)

    def _limits(self, watched: Watched, station: Station, sample: Sample, time: int, power: float | None) -> None:
        """What flows against what may, and whether anything flows at all."""
        currents = station.meters.measured.get("Current.Import")
        amperes = None
        if currents and currents[-1].unit == "A":
            amperes = max(abs(one.value) for one in currents if one.time == currents[-1].time)
        if power is None and amperes is None:
            return
        made = station.transactions.open.get(sample.transaction)
        started = made.started if made is not None else None
        limits = station.charging.limit(sample.connector, sample.time, started)
        for limit in limits:
            flowing = power if limit.unit == "W" else amperes
            # Direct current is not what a limit in amperes is about: it is that of the supply.
            if flowing is None or (limit.unit == "A" and currents and not currents[-1].phase):
                continue
            if time - limit.profile.set_at > RAMP:
                more = OVER_WATTS if limit.unit == "W" else OVER_AMPERES
                beyond = flowing - max(limit.value * OVER, limit.value + more)
                watched.steps.measure(time, "over", min(100 * max(beyond, 0.0) / max(limit.value, more), 1000.0))
        flows = abs(power) > NOTHING if power is not None else amperes is not None and amperes > IDLE
        allowed = all(limit.value >= (LEAST_CURRENT if limit.unit == "A" else LEAST_POWER) for limit in limits)
        self._still(watched, station, sample, time, flows=flows, allowed=allowed)

    def _still(
        self, watched: Watched, station: Station, sample: Sample, time: int, *, flows: bool, allowed: bool
    ) -> None:
        """How long nothing has flowed since it says that it charges. Once it has, a car that is full takes nothing."""
        made = station.transactions.open.get(sample.transaction)
        connector = station.connectors.find(sample.connector)
        state = (made.charging_state if made is not None else "") or (connector.status if connector is not None else "")
        known, since, flowed = watched.waits.get(sample.connector, ("", 0, False))
        if known != sample.transaction:
            since, flowed = 0, False
        flowed = flowed or flows
        since = (since or time) if state == "Charging" and allowed else 0
        if sample.connector in watched.waits or len(watched.waits) < MAX_PLACES:
            watched.waits[sample.connector] = (sample.transaction, since, flowed)
        if since:
            watched.steps.measure(time, "still", 0.0 if flowed else (time - since) / SECOND)

    @staticmethod
    def _phases(watched: Watched, station: Station, time: int) -> None:
        measured = station.meters.measured
        samples = measured.get("Current.Import")
        currents = by_phase(samples, samples[-1].time) if samples and samples[-1].transaction else {}
        if samples and len(currents) == 3:
            transaction = samples[-1].transaction
            live = [value for value in currents.values() if value >= FLOWING]
            most = watched.phases.get(transaction, 0)
            if len(live) > most:
                if len(watched.phases) >= MAX_PLACES and transaction not in watched.phases:
                    del watched.phases[next(iter(watched.phases))]
                watched.phases[transaction] = len(live)
            # Cars that take one phase or two are nothing unusual, one that goes on with two of three is.
            if len(live) == 3:
                watched.steps.measure(time, "spread", 100 * (max(live) - min(live)) / max(live))
            elif len(live) == 2 and most == 3 and min(currents.values()) < IDLE:
                watched.steps.measure(time, "spread", 100.0)
        volts = [one.value for one in measured.get("Voltage", ()) if one.phase.startswith("L") and one.unit == "V"]
        if volts:
            watched.steps.measure(time, "voltage", max(100 * abs(value - 230) / 230 for value in volts))

    def _answer(self, watched: Watched, message: OcppMessage) -> None:
        steps, time = watched.steps, message.time
        if message.error is not None:
            steps.count(time, "errors")
        if message.call is None:
            return
        took = latency(message)
        if took is not None and 0 < took < 600 * SECOND:
            if message.sender == "csms":
                steps.measure(time, "csms_latency", took / 1e6)
                steps.measure(time, "csms_slowest", took / 1e6)
            else:
                steps.measure(time, "station_latency", took / 1e6)
        status = text(message.payload, "idTagInfo", "status") or text(message.payload, "idTokenInfo", "status")
        if status:
            steps.count(time, "accepted" if status == "Accepted" else "refused")
            if status != "Accepted":
                steps.note(time, "rejected")

    def _unanswered(self, event: Unanswered) -> None:
        name = event.call.channel.station
        if event.why == "connection-closed" and (watched := self.watched.get(name)) is not None:
            watched.steps.count(event.time, "unanswered")
            watched.steps.note(event.time, "lost")

    # ------------------------------------------------------------------------------------------------------- transport

    def _name(self, event: Event) -> str:
        connection: Connection = event.connection  # type: ignore[union-attr, assignment]  # those of transport have one
        link = self.context.picture.links.get(connection)
        if link is not None and link.station:
            return link.station
        address = connection.client.address
        return self._at_address.get(address, address)

    def _transport(self, event: Event, name: str) -> None:
        station = self._name(event)
        if station not in self.watched:
            link = self.context.picture.links.get(event.connection)  # type: ignore[union-attr]  # see _name
            if link is None or link.tls is None:
                return  # whoever knocks is no station yet
        watched = self._of(station)
        if watched is not None:
            watched.steps.count(event.time, name)
            if name == "closed" and not self.context.expects_restart(station):
                watched.steps.note(event.time, "dropped")
            self._seen(station, watched, event)

    def _opened(self, event: ConnectionOpened) -> None:
        self._transport(event, "opened")

    def _closed(self, event: ConnectionClosed) -> None:
        if event.connection.number in self._denied:
            self._denied.discard(event.connection.number)
        elif event.how != "end-of-capture":
            self._transport(event, "failed" if event.how in ("refused", "no-answer") else "closed")

    def _retransmission(self, event: Retransmission) -> None:
        if event.kind == "retransmission":
            self._transport(event, "resent")

    def _alert(self, event: TlsAlert) -> None:
        self._transport(event, "alerts")

    def _response(self, event: HttpResponse) -> None:
        if event.status < 300 or event.request is None or not asks_upgrade(event.request):
            return
        if event.status not in _DENIED:
            self._transport(event, "failed")
            return
        # Who is turned away for who he says he is has reached the CSMS: the way there is in order.
        name = self._name(event)
        watched = self.watched.get(name)
        if watched is not None:
            watched.steps.note(event.time, "denied")
            watched.steps.count(event.time, "opened", -1.0)
            if len(self._denied) >= MAX_DENIED:
                self._denied.clear()
            self._denied.add(event.connection.number)
            self._seen(name, watched, event)

    def _control(self, event: WsControl) -> None:
        watched = self.watched.get(self._name(event))
        if watched is None:
            return
        if event.kind == "ping" and event.from_client:
            watched.pinged = event.time
        elif event.kind == "pong" and not event.from_client and watched.pinged:
            watched.steps.measure(event.time, "round_trip", min((event.time - watched.pinged) / 1e6, 60_000.0))
            watched.pinged = 0
