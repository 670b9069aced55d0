"""Can stations and CSMS reach each other? Connections that end, come back, die silently; one station or all of them."""

from __future__ import annotations

from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, duration, times
from fieldkit.detect.context import MAX_STATIONS, Context, Tracker, kept
from fieldkit.detect.quiet import Quiet
from fieldkit.detect.standing import Down, Standing
from fieldkit.detect.together import Together
from fieldkit.events import (
    ConnectionClosed,
    ConnectionOpened,
    Event,
    HttpResponse,
    MessageType,
    OcppMessage,
    Retransmission,
    TlsAlert,
    TlsHello,
    WsControl,
)
from fieldkit.site.link import asks_upgrade

OFFLINE: Final = 55 * SECOND
"""Without a connection for so long, unless this station is known to take longer."""
LONGER: Final = 1.5
"""… by this factor over the longest absence after which it came back by itself."""
MAX_ABSENCE: Final = 400 * SECOND
ATTEMPT: Final = 20 * SECOND
"""A connection that is not answered for so long will not be."""
FLAPS: Final = 3
FLAP_TIME: Final = 1800 * SECOND
"""Connections of one station that end within this time."""
IDLE: Final = 60 * SECOND
IDLE_DEATHS: Final = 2
IDLE_ALIKE: Final = 0.1
ALONE: Final = 20 * SECOND
IDLE_TIME: Final = 4 * 3600 * SECOND
"""Connections that end without a goodbye after so much silence, and how many within which time."""
LEFT_OVER: Final = 5 * SECOND
"""What was under way when a station got another address has arrived by then."""
HANDSHAKE: Final = 5 * SECOND
"""TLS takes two round trips (RFC 5246 §7.3): who breaks off so soon after the first packet has not come so far."""
LASTING: Final = 300 * SECOND
"""A connection that nobody can read and that lasts so long is a station's, probably."""


class Reach(Tracker):
    """Connections and silence."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset(
        {ConnectionOpened, ConnectionClosed, HttpResponse, OcppMessage, WsControl, TlsHello, TlsAlert, Retransmission}
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stations: dict[str, Standing] = {}
        self._together = Together(context, self.stations)
        self._quiet = Quiet(context, self.stations)
        self._at_address = context.names
        self._lasting: set[str] = set()
        """By address and name of the server: those that keep encrypted connections."""
        self._owner: dict[int, str] = {}
        """By number of a connection that works: its station."""
        self._handlers = {
            OcppMessage: self._message,
            WsControl: self._control,
            ConnectionOpened: self._opened,
            ConnectionClosed: self._closed,
            HttpResponse: self._response,
            TlsHello: self._hello,
            TlsAlert: self._alert,
            Retransmission: self._retransmission,
        }

    def see(self, event: Event) -> None:
        self._handlers[event.__class__](event)  # type: ignore[operator]

    # -------------------------------------------------------------------------------------------------- signs of life

    def _message(self, message: OcppMessage) -> None:
        name = message.channel.station
        state = kept(self.stations, name, Standing)
        connection = message.channel.connection
        if connection is not None and connection.number not in state.open:
            self._up(name, state, connection.number, connection.client.address, message)
        elif connection is not None and connection.client.address != state.address and message.sender == "station":
            self._at_old_address(name, state, connection.client.address, message)
        self._quiet.life(name, state, message.sender, message.time)
        self._quiet.message(name, state, message)
        if message.type is MessageType.CALL and message.action == "BootNotification" and message.sender == "station":
            self._together.boot(name, state, message)

    def _control(self, control: WsControl) -> None:
        name = self._owner.get(control.connection.number)
        state = self.stations.get(name) if name is not None else None
        if name is None or state is None:
            return
        self._quiet.life(name, state, "station" if control.from_client else "csms", control.time)

    def _retransmission(self, event: Retransmission) -> None:
        if event.kind == "retransmission":
            name = self._owner.get(event.connection.number)
            if name is not None and (state := self.stations.get(name)) is not None:
                state.retransmitted = event.time

    # ---------------------------------------------------------------------------------------------------- connections

    def _opened(self, event: ConnectionOpened) -> None:
        name = self._at_address.get(event.connection.client.address)
        state = self.stations.get(name) if name is not None else None
        if state is not None:
            state.attempts += 1
            state.vain += 1
            state.tried = state.tried or event.time
            state.tried_last = event.time
            if not state.lost:
                # It tries anew although its connection has not ended in sight: to the station it is dead.
                self.context.at(("attempt", name), event.time + ATTEMPT, lambda time: self._in_vain(str(name), event))

    def _in_vain(self, name: str, event: ConnectionOpened) -> None:
        state = self.stations[name]
        again = state.vain > 1
        self.context.tell(
            "blackhole",
            name,
            0.66 if again else 0.45,
            f"{name} has tried to connect anew {times(state.vain)} and got no answer "
            f"within {duration(ATTEMPT)}; a working connection is made in a second.",
            (event,),
            first=event.time,
            sign="in-vain-again" if again else "in-vain",
        )

    def _response(self, response: HttpResponse) -> None:
        request = response.request
        if request is None or not asks_upgrade(request):
            return
        link = self.context.picture.links.get(response.connection)
        name = link.station if link is not None else ""
        if not name:
            return
        self._answered(response.connection.client.address)
        if response.status == 101:
            state = kept(self.stations, name, Standing)
            self._up(name, state, response.connection.number, response.connection.client.address, response)
        elif response.status >= 500 and (known := self.stations.get(name)) is not None:
            known.refused += 1

    def _answered(self, address: str) -> None:
        """Something came back, whatever it was: the way there is open."""
        name = self._at_address.get(address)
        state = self.stations.get(name) if name is not None else None
        if state is not None:
            state.vain = 0
            self.context.off(("attempt", name))

    def _hello(self, hello: TlsHello) -> None:
        """Of an encrypted connection the answer to the hello is what shows that it works. Whose device is no charging
        station (a telephone, a till) says so by connections that are short: a station's stays."""
        if hello.from_client or hello.retry:
            return
        link = self.context.picture.links.get(hello.connection)
        called = link.tls.server_name if link is not None and link.tls is not None else ""
        place = f"{hello.connection.client.address}\n{called}"
        if place in self._lasting or hello.connection.client.address in self._at_address:
            self._sealed(hello)
            return

        def lasts(time: int) -> None:
            if link is None or link.closed is not None or hello.connection.number in self._owner:
                return  # over, or it has been read meanwhile
            if len(self._lasting) < MAX_STATIONS:
                self._lasting.add(place)
                self._sealed(hello)

        self.context.at(("lasts", hello.connection.number), hello.time + LASTING, lasts)

    def _sealed(self, hello: TlsHello) -> None:
        address = hello.connection.client.address
        name = self._at_address.get(address, address)
        self._up(name, kept(self.stations, name, Standing), hello.connection.number, address, hello)

    def _alert(self, alert: TlsAlert) -> None:
        if not alert.fatal:
            return
        address = alert.connection.client.address
        name = self._at_address.get(address, address)
        state = kept(self.stations, name, Standing)
        state.alerts += 1
        known = alert.description in (42, 43, 44, 45, 46, 48)
        if known:
            self.context.tell(
                "tls-clock-failure",
                name,
                0.65,
                f"{name + ' refused' if alert.from_client else 'The CSMS refused'} a secure connection between them, "
                f'with the complaint "{alert.name}"; usually these connections are made without any.',
                (alert,),
                sign="alert",
            )

    def _up(self, name: str, state: Standing, number: int, address: str, event: Event) -> None:
        replaced = bool(state.open) and not state.lost
        if address == state.address:
            state.open.clear()  # a device has one connection: what it had before is dead, whether or not that was seen
        state.open[number] = event.time
        self.context.off(("attempt", name))
        if len(state.open) > 16:
            del state.open[next(iter(state.open))]
        if number not in self._owner and len(self._owner) >= 20_000:
            del self._owner[next(iter(self._owner))]
        self._owner[number] = name
        before = state.address
        state.address = address
        if before and before != address:
            again = state.former == address and event.time - state.moved <= FLAP_TIME
            if again and state.overlaps:
                self._doubled(name, before, address, event)
            state.overlaps = replaced or (again and state.overlaps)
            state.former, state.moved = before, event.time
        if address not in self._at_address and len(self._at_address) >= 5000:
            del self._at_address[next(iter(self._at_address))]
        self._at_address[address] = name
        state.replaced = replaced
        state.lost_before = (state.lost, state.lost_event if state.lost else None)
        if state.lost:
            absence = event.time - state.lost
            if absence < MAX_ABSENCE and not self.context.frozen(name):
                # An outage that was told of must not teach patience with the next one.
                state.absence = max(state.absence, absence)
            self.context.off(("offline", name))
            if state.lost_event is not None and before and before != address:
                self._moved(name, before, address, event, state)
        state.lost = 0
        state.trying = event.time - state.tried if state.tried else 0
        state.attempts = state.refused = state.vain = state.tried = 0
        self._together.connected(state, event.time - (state.lost_before[0] or event.time))

    def _at_old_address(self, name: str, state: Standing, address: str, message: OcppMessage) -> None:
        if message.time - state.moved > LEFT_OVER:
            self._doubled(name, address, state.address, message)

    def _doubled(self, name: str, one: str, other: str, event: Event) -> None:
        """A device that gets another address has the old one no more: who speaks from both is two."""
        self.context.tell(
            "cloned-station",
            name,
            0.75,
            f"{name} speaks from {one} and from {other}, in turns; a station has one address at a time.",
            (event,),
            layer="statistics",
            sign="two-addresses",
        )

    def _moved(self, name: str, before: str, address: str, event: Event, state: Standing) -> None:
        evidence = (state.lost_event, event) if state.lost_event is not None else (event,)
        self.context.tell(
            "uplink-switch",
            name,
            0.65,
            f"{name} came back from the address {address}; it has come from {before} so far.",
            evidence,
            first=state.lost,
            layer="statistics",
            sign="address",
        )

    def _closed(self, event: ConnectionClosed) -> None:
        number = event.connection.number
        name = self._owner.pop(number, None)
        if name is None:
            self._failed(event)
            return
        state = self.stations.get(name)
        if state is None or event.how == "end-of-capture":
            return
        state.open.pop(number, None)
        if self._failed_handshake(name, state, event):
            return
        state.by_server = event.by_client is False
        link = self.context.picture.links.get(event.connection)
        clean = event.how == "fin" and (link is None or link.close_code in (None, 1000, 1001, 1012))
        if not self.context.expects_restart(name):
            state.ends.append(event)
            self._count_ends(name, state, event)
        idle = link.idle_at_end if link is not None and not clean else 0
        if idle >= IDLE and not self._together.others_lost(name, event.time, ALONE):  # of several it is the uplink
            state.idle_ends.append((event, idle))
            self._count_idle(name, state, event, idle)
        if state.open:
            return
        state.lost, state.lost_event = event.time, event
        state.told_offline = False
        self._quiet.lost(name, state)
        by_server = event.by_client is False and event.how == "fin"
        encrypted = link is not None and link.tls is not None
        orderly = encrypted and event.by_client is True and event.how == "fin"
        if link is not None and link.close_by_client is not None:
            by_server = not link.close_by_client
            orderly = link.close_by_client and link.close_code in (1000, 1001)
        self._together.lost(Down(event.time, name, by_server, orderly and link is not None, event))
        patience = min(max(OFFLINE, int(LONGER * state.absence)), MAX_ABSENCE)
        if self.context.expects_restart(name):
            patience = 600 * SECOND
        self.context.at(("offline", name), event.time + patience, lambda time: self._offline(name, time))

    def _failed_handshake(self, name: str, state: Standing, event: ConnectionClosed) -> bool:
        """An encrypted connection that ends as soon as the server has answered was none: it is still without."""
        link = self.context.picture.links.get(event.connection)
        since, lost_event = state.lost_before
        brief = event.time - event.connection.opened < HANDSHAKE
        if link is None or link.tls is None or link.ocpp or not brief or lost_event is None or state.open:
            return False
        state.lost, state.lost_event = since, lost_event
        state.attempts += 1
        due = max(since + OFFLINE, self.context.now + 1)
        if not state.told_offline:
            self.context.at(("offline", name), due, lambda time: self._offline(name, time))
        return True

    def _failed(self, event: ConnectionClosed) -> None:
        address = event.connection.client.address
        name = self._at_address.get(address)
        state = self.stations.get(name) if name is not None else None
        if state is not None and event.how == "refused":
            state.refused += 1
        if event.how in ("refused", "rst", "fin"):
            self._answered(address)

    def _offline(self, name: str, time: int) -> None:
        state = self.stations[name]
        if not state.lost or state.lost_event is None:
            return
        state.told_offline = True
        away = duration(time - state.lost)
        usual = (
            f"it has always been back within {duration(state.absence)} so far" if state.absence
            else f"before that it was connected for {duration(state.lost - state.lost_event.connection.opened)}"
        )  # fmt: skip
        family, what = "station-offline", "and has tried to come back without success"
        if not state.attempts:
            family, what = "dns-failure", "and has not even tried to come back"
        elif state.refused:
            family, what = "csms-unreachable", "as its attempts are turned away at once"
        elif state.alerts:
            family, what = "tls-clock-failure", "as no secure connection comes about"
        self.context.tell(
            family,
            name,
            0.65,
            f"{name} has had no connection for {away}, {what}; {usual}.",
            (state.lost_event,),
            first=state.lost,
            layer="statistics",
            sign="offline",
        )

    def _count_ends(self, name: str, state: Standing, event: ConnectionClosed) -> None:
        recent = [end for end in state.ends if event.time - end.time <= FLAP_TIME]
        if len(recent) >= FLAPS:
            self.context.tell(
                "flapping",
                name,
                0.7,
                f"The connection of {name} ended {len(recent)} times within "
                f"{duration(event.time - recent[0].time)}; a healthy one stays up for days.",
                tuple(recent[-4:]),
                first=recent[0].time,
                sign="ends",
            )

    def _count_idle(self, name: str, state: Standing, event: ConnectionClosed, idle: int) -> None:
        recent = [end for end, _ in state.idle_ends if event.time - end.time <= IDLE_TIME]
        # A router forgets after the same time each time; an uplink breaks after any.
        silences = [silence for end, silence in state.idle_ends if event.time - end.time <= IDLE_TIME]
        alike = sum(abs(silence - idle) <= IDLE_ALIKE * idle for silence in silences)
        if alike >= IDLE_DEATHS or len(recent) >= 2 * IDLE_DEATHS:
            self.context.tell(
                "nat-idle-kill",
                name,
                0.65,
                f"Connections of {name} died of silence {times(len(recent))} within "
                f"{duration(event.time - recent[0].time)}: nothing was sent for {duration(idle)}, then the connection "
                "was gone without a goodbye. A healthy one outlasts any silence.",
                tuple(recent[-3:]),
                first=recent[0].time,
                sign="idle",
            )
