"""Can stations and CSMS reach each other? Connections that end, come back, die silently; one station or all of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
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
from fieldkit.ocpp.exchange import OTHER
from fieldkit.site.link import asks_upgrade
from fieldkit.site.reading import text

OFFLINE: Final = 55 * SECOND
"""Without a connection for so long, unless this station is known to take longer."""
LONGER: Final = 1.5
"""… by this factor over the longest absence after which it came back by itself."""
MAX_ABSENCE: Final = 400 * SECOND
NO_ANSWER: Final = 54 * SECOND
"""A CALL that is older than this has no answer: stations and CSMSs give up after 30 s, mostly, and many uplinks are
away for as long now and then."""
ANSWERED_BEFORE: Final = 3
"""So many answers must have been seen of a side before it can be missed: some captures show one side only."""
ATTEMPT: Final = 20 * SECOND
"""A connection that is not answered for so long will not be."""
FLAPS: Final = 3
FLAP_TIME: Final = 900 * SECOND
"""Connections of one station that end within this time."""
IDLE: Final = 60 * SECOND
IDLE_DEATHS: Final = 2
IDLE_ALIKE: Final = 0.1
ALONE: Final = 20 * SECOND
IDLE_TIME: Final = 4 * 3600 * SECOND
"""Connections that end without a goodbye after so much silence, and how many within which time."""
MASS: Final = 90 * SECOND
"""Stations that lose their connection within this time lose it for one reason …"""
MASS_SHARE: Final = 0.5
"""… if they are this share of those connected, and two at least."""
MASS_WAIT: Final = 40 * SECOND
"""How long to look on before the reason is told."""
RESTART: Final = 200 * SECOND
"""A restart of the CSMS that takes longer than this (and ``MASS_WAIT``) is an outage."""
BOOTS: Final = 300 * SECOND
"""Stations that boot within this time without an order had their power cut."""
GAPS: Final = 64
"""Silences remembered of one station."""
SILENCES: Final = 12
"""So many must be known before a longer one is unusual."""

_Side: TypeAlias = Literal["station", "csms"]


@dataclass(slots=True)
class _Station:
    open: dict[int, int] = field(default_factory=dict)
    """Connections that work, by number: since when."""
    address: str = ""
    lost: int = 0
    """Since when it has none; 0: it has one, or none was seen."""
    lost_event: ConnectionClosed | None = None
    absence: int = 0
    """The longest one after which it came back by itself."""
    ends: deque[ConnectionClosed] = field(default_factory=lambda: deque(maxlen=16))
    idle_ends: deque[tuple[ConnectionClosed, int]] = field(default_factory=lambda: deque(maxlen=8))
    """Those after a silence, and how long that was."""
    attempts: int = 0
    """Since it lost its connection …"""
    refused: int = 0
    """… those that were turned away at once, so that the way there is open."""
    heard: dict[str, int] = field(default_factory=lambda: {"station": 0, "csms": 0})
    answers: dict[str, int] = field(default_factory=lambda: {"station": 0, "csms": 0})
    waiting: dict[tuple[str, str], OcppMessage] = field(default_factory=dict)
    """CALLs without an answer so far, by who asked and id."""
    gaps: deque[int] = field(default_factory=lambda: deque(maxlen=GAPS))
    retransmitted: int = 0
    booted: int = 0
    replaced: bool = False
    """Its connection took the place of one that never ended in sight."""
    alerts: int = 0


@dataclass(slots=True)
class _Down:
    time: int
    station: str
    by_server: bool
    orderly: bool
    """The station said good-bye."""
    event: ConnectionClosed


class Reach(Tracker):
    """Connections and silence."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset(
        {ConnectionOpened, ConnectionClosed, HttpResponse, OcppMessage, WsControl, TlsHello, TlsAlert, Retransmission}
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stations: dict[str, _Station] = {}
        self._at_address: dict[str, str] = {}
        self._owner: dict[int, str] = {}
        """By number of a connection that works: its station."""
        self._downs: deque[_Down] = deque(maxlen=256)
        self._boots: deque[tuple[int, str, OcppMessage]] = deque(maxlen=256)
        self._mass = 0
        """When stations last lost their connections together."""
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
        state = kept(self.stations, name, _Station)
        connection = message.channel.connection
        if connection is not None and connection.number not in state.open:
            self._up(name, state, connection.number, connection.client.address, message)
        self._life(name, state, message.sender, message.time)
        waiting = state.waiting
        if message.type is MessageType.CALL:
            if len(waiting) < 64 and message.id:
                waiting[message.sender, message.id] = message
                if len(waiting) == 1:
                    self._expect_answer(name, state, message)
            if message.action == "BootNotification" and message.sender == "station":
                self._boot(name, state, message)
        elif waiting:
            asked = OTHER[message.sender]
            if waiting.pop((asked, message.id), None) is not None:
                state.answers[message.sender] += 1
                oldest = next(iter(waiting.values()), None)
                if oldest is not None:
                    self._expect_answer(name, state, oldest)
                else:
                    self.context.off(("answer", name))

    def _control(self, control: WsControl) -> None:
        name = self._owner.get(control.connection.number)
        state = self.stations.get(name) if name is not None else None
        if name is None or state is None:
            return
        self._life(name, state, "station" if control.from_client else "csms", control.time)

    def _life(self, name: str, state: _Station, side: _Side, time: int) -> None:
        last = state.heard[side]
        state.heard[side] = time
        if side == "station":
            gap = time - last
            if last and gap > SECOND:
                state.gaps.append(gap)
            patience = self._patience(name, state)
            if patience and (state.open or not self._at_address):
                self.context.at(("silence", name), time + patience, lambda due: self._silent(name, due))

    def _patience(self, name: str, state: _Station) -> int:
        """How long this station may be silent: longer than ever so far, and than its heartbeats."""
        if len(state.gaps) < SILENCES:
            return 0
        longest = max(state.gaps)
        station = self.context.picture.stations.get(name)
        interval = station.about.heartbeat_interval if station is not None else None
        if interval is not None and interval > 0:
            longest = max(longest, min(interval, 86_400) * SECOND)
        return int(1.6 * longest) + 45 * SECOND

    def _silent(self, name: str, time: int) -> None:
        state = self.stations[name]
        silent = time - state.heard["station"]
        if self.context.expects_restart(name) or state.lost:
            return
        # Somebody else must have been heard meanwhile: else it may be the capture that ends or has a hole.
        others = max((other.heard["station"] for key, other in self.stations.items() if key != name), default=0)
        seen = others > time - silent // 2 or state.retransmitted > time - silent
        self.context.tell(
            "blackhole" if state.retransmitted > time - silent else "station-offline",
            name,
            (0.65 if state.retransmitted > time - silent else 0.45) if seen else 0.3,
            f"Nothing was heard of {name} for {duration(silent)}; it is usually never silent for longer than "
            f"{duration(max(state.gaps))}.",
            first=state.heard["station"] + max(state.gaps),
            layer="statistics",
            sign="silence",
        )

    # --------------------------------------------------------------------------------------------------- lost answers

    def _expect_answer(self, name: str, state: _Station, call: OcppMessage) -> None:
        key, due = ("answer", name), call.time + NO_ANSWER
        self.context.at(key, max(due, self.context.now + 1), lambda time: self._unanswered(name, call, time))

    def _unanswered(self, name: str, call: OcppMessage, time: int) -> None:
        state = self.stations[name]
        side = OTHER[call.sender]
        known = state.answers[side] >= ANSWERED_BEFORE
        mute = state.heard[side] < call.time
        for key in [key for key, old in state.waiting.items() if time - old.time >= NO_ANSWER]:
            del state.waiting[key]
        oldest = next(iter(state.waiting.values()), None)
        if oldest is not None:
            self._expect_answer(name, state, oldest)
        if not known or state.lost or not mute:
            return
        if call.sender == "csms" and self.context.expects_restart(name):
            return
        who = "the CSMS" if side == "csms" else "the station"
        self.context.tell(
            "blackhole",
            name,
            0.75 if side == "csms" else 0.62,
            f"{call.action or 'A message'} had no answer within {duration(time - call.time)}, and nothing else came "
            f"from {who} either; answers usually take less than a few seconds.",
            (call,),
            first=call.time,
            sign=f"unanswered-{side}",
        )

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
            if not state.lost:
                # It tries anew although its connection has not ended in sight: to the station it is dead.
                self.context.at(("attempt", name), event.time + ATTEMPT, lambda time: self._in_vain(str(name), event))

    def _in_vain(self, name: str, event: ConnectionOpened) -> None:
        state = self.stations[name]
        again = state.attempts > 1
        self.context.tell(
            "blackhole",
            name,
            0.66 if again else 0.45,
            f"{name} tries to connect anew, {counted(state.attempts, 'time')} so far, and nothing comes back within "
            f"{duration(ATTEMPT)}; usually it is connected in a second.",
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
        if response.status == 101:
            state = kept(self.stations, name, _Station)
            self._up(name, state, response.connection.number, response.connection.client.address, response)
        elif response.status >= 500 and (known := self.stations.get(name)) is not None:
            known.refused += 1

    def _hello(self, hello: TlsHello) -> None:
        """Of an encrypted connection the answer to the hello is what shows that it works."""
        if hello.from_client or hello.retry:
            return
        address = hello.connection.client.address
        name = self._at_address.get(address, address)
        self._up(name, kept(self.stations, name, _Station), hello.connection.number, address, hello)

    def _alert(self, alert: TlsAlert) -> None:
        if not alert.fatal:
            return
        address = alert.connection.client.address
        name = self._at_address.get(address, address)
        state = kept(self.stations, name, _Station)
        state.alerts += 1
        known = alert.description in (42, 43, 44, 45, 46, 48)
        if known:
            self.context.tell(
                "tls-clock-failure",
                name,
                0.65,
                f"The {'station' if alert.from_client else 'CSMS'} ended the handshake: {alert.name}. Usually "
                "these connections are made without complaint.",
                (alert,),
                sign="alert",
            )

    def _up(self, name: str, state: _Station, number: int, address: str, event: Event) -> None:
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
        if address not in self._at_address and len(self._at_address) >= 5000:
            del self._at_address[next(iter(self._at_address))]
        self._at_address[address] = name
        state.replaced = replaced
        if state.lost:
            absence = event.time - state.lost
            if absence < MAX_ABSENCE and not self.context.frozen(name):
                # An outage that was told of must not teach patience with the next one.
                state.absence = max(state.absence, absence)
            self.context.off(("offline", name))
            if state.lost_event is not None and before and before != address:
                self._moved(name, before, address, event, state)
        state.lost = 0
        state.attempts = state.refused = 0

    def _moved(self, name: str, before: str, address: str, event: Event, state: _Station) -> None:
        evidence = (state.lost_event, event) if state.lost_event is not None else (event,)
        self.context.tell(
            "uplink-switch",
            name,
            0.65,
            f"{name} came back from {address}; it used to come from {before}.",
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
        link = self.context.picture.links.get(event.connection)
        clean = event.how == "fin" and (link is None or link.close_code in (None, 1000, 1001, 1012))
        if not self.context.expects_restart(name):
            state.ends.append(event)
            self._count_ends(name, state, event)
        if link is not None and not clean and link.idle_at_end >= IDLE:
            others = any(down.station != name and event.time - down.time < ALONE for down in self._downs)
            if not others:  # of several at a time it is the uplink
                state.idle_ends.append((event, link.idle_at_end))
                self._count_idle(name, state, event, link.idle_at_end)
        if state.open:
            return
        state.lost, state.lost_event = event.time, event
        state.waiting.clear()
        self.context.off(("answer", name))
        self.context.off(("silence", name))
        by_server = event.by_client is False and event.how == "fin"
        encrypted = link is not None and link.tls is not None
        orderly = encrypted and event.by_client is True and event.how == "fin"
        if link is not None and link.close_by_client is not None:
            by_server = not link.close_by_client
            orderly = link.close_by_client and link.close_code in (1000, 1001)
        self._downs.append(_Down(event.time, name, by_server, orderly and link is not None, event))
        self._look_for_mass()
        patience = min(max(OFFLINE, int(LONGER * state.absence)), MAX_ABSENCE)
        if self.context.expects_restart(name):
            patience = 600 * SECOND
        self.context.at(("offline", name), event.time + patience, lambda time: self._offline(name, time))

    def _failed(self, event: ConnectionClosed) -> None:
        name = self._at_address.get(event.connection.client.address)
        state = self.stations.get(name) if name is not None else None
        if state is not None and event.how == "refused":
            state.refused += 1

    def _offline(self, name: str, time: int) -> None:
        state = self.stations[name]
        if not state.lost or state.lost_event is None:
            return
        away = duration(time - state.lost)
        usual = (
            f"it has always been back within {duration(state.absence)} so far" if state.absence
            else "it has never been away so far"
        )  # fmt: skip
        family, what = "station-offline", "and has tried to come back without success"
        if not state.attempts:
            family, what = "dns-failure", "and has not even tried to come back: no packet of it is seen"
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

    def _count_ends(self, name: str, state: _Station, event: ConnectionClosed) -> None:
        recent = [end for end in state.ends if event.time - end.time <= FLAP_TIME]
        if len(recent) >= FLAPS:
            self.context.tell(
                "flapping",
                name,
                0.7,
                f"The connection ended {len(recent)} times within {duration(event.time - recent[0].time)}; usually it "
                "stays up for days.",
                tuple(recent[-4:]),
                first=recent[0].time,
                sign="ends",
            )

    def _count_idle(self, name: str, state: _Station, event: ConnectionClosed, idle: int) -> None:
        recent = [end for end, _ in state.idle_ends if event.time - end.time <= IDLE_TIME]
        # A router forgets after the same time each time; an uplink breaks after any.
        silences = [silence for end, silence in state.idle_ends if event.time - end.time <= IDLE_TIME]
        alike = sum(abs(silence - idle) <= IDLE_ALIKE * idle for silence in silences)
        if alike >= IDLE_DEATHS or len(recent) >= 2 * IDLE_DEATHS:
            self.context.tell(
                "nat-idle-kill",
                name,
                0.65,
                f"Connections ended without a goodbye after silence, {len(recent)} times in the last "
                f"{duration(event.time - recent[0].time)}; the last one had been silent for {duration(idle)}.",
                tuple(recent[-3:]),
                first=recent[0].time,
                sign="idle",
            )

    # ------------------------------------------------------------------------------------------------- several at once

    def _silent_boots(self) -> bool:
        """Do stations boot whose connections fell silent, rather than ended?"""
        return any(self.context.now - boot[0] <= BOOTS for boot in self._boots)

    def _look_for_mass(self) -> None:
        recent = self._mass_downs(self.context.now)
        if self._is_mass(len({down.station for down in recent})) and not self.context.deadlines.waits("mass"):
            self.context.at("mass", self.context.now + MASS_WAIT, self._judge_mass)

    def _mass_downs(self, now: int) -> list[_Down]:
        return [
            down for down in self._downs
            if now - down.time <= MASS and not self.context.expects_restart(down.station) and down.time > self._mass
        ]  # fmt: skip

    def _is_mass(self, number: int) -> bool:
        connected = sum(bool(state.open or state.lost) for state in self.stations.values())
        return number >= 2 and number >= MASS_SHARE * connected

    def _judge_mass(self, time: int) -> None:
        downs = self._mass_downs(time)
        names = list(dict.fromkeys(down.station for down in downs))
        if not names:
            return
        self._mass = time
        states = [self.stations[name] for name in names if name in self.stations]
        by_server = sum(down.by_server for down in downs)
        refused = sum(state.refused for state in states)
        back = sum(not state.lost for state in states)
        booted = sum(bool(state.booted and state.booted >= downs[0].time) for state in states)
        evidence = tuple(down.event for down in downs[:6])
        who = f"{counted(len(names), 'station')} ({listed(names, 4)}) lost their connections within "
        who += duration(max(down.time for down in downs) - downs[0].time)
        if by_server >= 0.7 * len(downs) or refused:
            family, confidence = "csms-restart", 0.8
            self.context.at("restart", time + RESTART, lambda due: self._still_away(names, evidence, due))
            what = (
                "The CSMS closed them" if by_server >= 0.7 * len(downs) else "Their attempts were turned away at once"
            )
            what += f", and {back} of {len(names)} are back."
        elif sum(down.orderly for down in downs) >= 0.7 * len(downs):
            family, confidence = "planned-sim-switch", 0.8
            what = "All said good-bye, so somebody wanted it."
        elif booted >= MASS_SHARE * len(names) and self._silent_boots():
            family, confidence, what = "power-cut", 0.85, f"{booted} of them have started anew since."
        elif back >= MASS_SHARE * len(names):
            # An interruption, as every uplink has now and then: it becomes an incident if it comes often, or if the
            # way is another one since, which the answers' times tell (``drifts.Latency``).
            self.context.broken_off = downs[0].time
            return
        else:
            family, confidence = "station-offline", 0.7
            what = "Nobody said goodbye, and none is back: the uplink or the power of the site."
        self.context.tell(
            family, SITE, confidence, f"{who}. {what}", evidence, first=downs[0].time, layer="statistics", sign="mass"
        )

    def _still_away(self, names: list[str], evidence: tuple[Event, ...], time: int) -> None:
        """What looked like a restart of the CSMS lasts too long for one."""
        away = [name for name in names if (state := self.stations.get(name)) is not None and state.lost]
        if len(away) >= MASS_SHARE * len(names):
            first = min(self.stations[name].lost for name in away)
            self.context.tell(
                "csms-unreachable",
                SITE,
                0.85,
                f"{counted(len(away), 'station')} of {len(names)} are still turned away after "
                f"{duration(time - first)}; a restart of the CSMS takes a minute or two.",
                evidence,
                first=first,
                layer="statistics",
                sign="still-away",
                insists=True,
            )

    def _boot(self, name: str, state: _Station, message: OcppMessage) -> None:
        state.booted = message.time
        reason = text(message.payload, "reason") or ""
        if self.context.expects_restart(name) or reason in ("Triggered", "RemoteReset", "ScheduledReset"):
            return
        if self.context.now - self.context.began <= BOOTS or (state.open and not state.replaced):
            return  # it has lost its connection in sight: that explains a boot, to those who boot then
        self._boots.append((message.time, name, message))
        recent = [boot for boot in self._boots if message.time - boot[0] <= BOOTS]
        names = list(dict.fromkeys(boot[1] for boot in recent))
        everybody = len(self.stations)
        if len(names) >= 2 and len(names) >= MASS_SHARE * everybody:
            restarted = self._mass and recent[0][0] - self._mass < 900 * SECOND
            first = min(recent[0][0], self._downs[0].time if restarted and self._downs else recent[0][0])
            self.context.tell(
                "power-cut",
                SITE,
                0.8,
                f"{counted(len(names), 'station')} of {everybody} ({listed(names, 4)}) started anew within "
                f"{duration(message.time - recent[0][0])} without having been told to.",
                tuple(boot[2] for boot in recent[:6]),
                first=first,
                sign="boots",
            )
