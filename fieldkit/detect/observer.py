"""Events into the steps that windows are made of: one place where each feature is counted or measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from fieldkit.checks.words import SECOND
from fieldkit.detect.context import Context, Tracker
from fieldkit.detect.measures import measured
from fieldkit.detect.sequence import Trigrams, token
from fieldkit.detect.watched import Watched
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
GIVEN: Final = 50.0
"""Wh: less than that is no charge."""
MAX_DENIED: Final = 5000
"""Connections that were turned away and have not ended yet."""

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

GIVEN_UP: Final = 300 * SECOND
"""An attempt to connect that nothing answers is given up long before: most systems take 127 s, RFC 9293 §3.8.3 wants
three minutes."""


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
            measured(watched, station, message)

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
        elif event.how == "no-answer" and event.time - event.connection.opened > GIVEN_UP:
            return  # it failed long ago: the station has given up by itself since
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
