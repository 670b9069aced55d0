"""Somebody who does not belong there: floods, unknown and double identities, guessed passwords and cards."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.detect.context import Context, Tracker, kept
from fieldkit.detect.symptom import SITE
from fieldkit.events import (
    DecodeError,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppMessage,
    Orphan,
)
from fieldkit.ocpp.identity import identity_of
from fieldkit.safetext import mask, shorten
from fieldkit.site.link import asks_upgrade
from fieldkit.site.reading import moment, objects, text

WINDOW: Final = 60 * SECOND
HOUR: Final = 3600 * SECOND
MAX_ACTIONS: Final = 200
"""Actions of one station that are counted apart."""
FLOOD: Final = 20
"""CALLs of one action within a minute that are many, whatever the station …"""
FLOOD_FACTOR: Final = 4.0
"""… if they are so many times more than it ever sent."""
BEATS: Final = 8
"""Heartbeats within a minute where the interval is longer than ``BEAT_INTERVAL``."""
BEAT_INTERVAL: Final = 20
OLD: Final = 120 * SECOND
"""Older than this when it is sent: it comes from a queue."""
GUESSES: Final = 4
GUESS_TIME: Final = 600 * SECOND
"""Refused passwords from one place within this time."""
TAGS: Final = 4
TAG_TIME: Final = 600 * SECOND
"""Different cards refused at one station within this time."""
BROKEN: Final = 3
BROKEN_TIME: Final = 180 * SECOND
"""Messages of one station within this time that no program sends that works …"""
BROKEN_USUAL: Final = 6.0
"""… or so many times more than it usually sends."""
STRANGE: Final = 2
STRANGE_TIME: Final = 900 * SECOND
"""Message ids of another make: one may be chance."""
MAX_TABLE: Final = 4000
_ASKED_FOR: Final = frozenset({"NotifyReport", "NotifyMonitoringReport", "NotifyCustomerInformation", "NotifyEvent",
                               "LogStatusNotification", "StatusNotification"})  # fmt: skip
"""Actions that come in bursts by themselves: parts of reports, all connectors after a boot."""
_SHAPES: Final = {"a UUID": "random ones", "a number": "plain numbers", "a text": "texts of letters and digits"}
"""What message ids look like, in words; "a text with -" says it by itself."""
_GRAVE: Final = ("json.", "framing.")
"""Rules that say that a frame is broken, not merely its content."""


@dataclass(slots=True)
class _Station:
    calls: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=600))
    counts: Counter[str] = field(default_factory=Counter)
    """Of ``calls``, by action."""
    most: dict[str, float] = field(default_factory=dict)
    """The most of one action within a minute in the hours before this one …"""
    hours: dict[str, tuple[int, int]] = field(default_factory=dict)
    """… and in this one."""
    broken: deque[tuple[int, Event]] = field(default_factory=lambda: deque(maxlen=64))
    odd: int = 0
    """Messages with broken content so far …"""
    messages: int = 0
    """… of so many."""
    refused: deque[tuple[int, str, Event]] = field(default_factory=lambda: deque(maxlen=64))
    shapes: dict[str, Counter[str]] = field(default_factory=lambda: {"station": Counter(), "csms": Counter()})
    """What message ids look like, by sender."""
    strange: deque[int] = field(default_factory=lambda: deque(maxlen=8))
    """When message ids of another make came."""
    heard: int = 0


class Intruders(Tracker):
    """Who speaks, how much of it, and with which key."""

    wants: ClassVar[frozenset[type[Event]]] = frozenset({OcppMessage, HttpRequest, HttpResponse, DecodeError, Orphan})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._stations: dict[str, _Station] = {}
        self._known: dict[str, int] = {}
        """Identities that took part: since when."""
        self._guesses: dict[str, deque[tuple[int, str, Event]]] = {}
        self._secure: dict[str, int] = {}
        """By station: 1 for a password, 2 for TLS, 3 for both, as it last connected."""
        self._handlers = {
            OcppMessage: self._message,
            HttpRequest: self._request,
            HttpResponse: self._response,
            DecodeError: self._damaged,
            Orphan: self._orphan,
        }

    def see(self, event: Event) -> None:
        self._handlers[event.__class__](event)  # type: ignore[operator]

    # -------------------------------------------------------------------------------------------------------- messages

    def _message(self, message: OcppMessage) -> None:
        name = message.channel.station
        state = kept(self._stations, name, _Station)
        state.messages += 1
        if not state.heard:
            self._first(name, message, inferred=message.channel.station_inferred)
        state.heard = message.time
        if message.type is MessageType.CALL:
            if message.id and not message.problems:
                self._shape(name, state, message)
            if message.sender == "station":
                self._count(name, state, message)
        elif message.action in ("Authorize", "StartTransaction", "TransactionEvent"):
            self._judged(name, state, message)
        if message.problems:
            self._problems(name, state, message)

    def _first(self, name: str, message: OcppMessage, *, inferred: bool) -> None:
        connection = message.channel.connection
        midstream = connection is not None and connection.joined_midstream
        if name not in self._known and self.context.grown() and not inferred and not midstream and len(self._known) > 1:
            self.context.tell(
                "unknown-station",
                name,
                0.62 if message.action == "BootNotification" else 0.5,
                f"{shorten(name, 60)} speaks here for the first time, after "
                f"{duration(self.context.now - self.context.began)} in which {counted(len(self._known), 'station')} "
                "were known.",
                (message,),
                layer="statistics",
                sign="first",
            )
        self._know(name)

    def _know(self, name: str) -> None:
        if name not in self._known and len(self._known) < MAX_TABLE:
            self._known[name] = self.context.now

    def _count(self, name: str, state: _Station, message: OcppMessage) -> None:
        """How many CALLs of this action came within the last minute."""
        time, action = message.time, message.action[:60]
        if _is_old(message):
            return  # kept while there was no connection
        calls, counts = state.calls, state.counts
        calls.append((time, action))
        counts[action] += 1
        while calls and time - calls[0][0] > WINDOW:
            old = calls.popleft()[1]
            counts[old] -= 1
            if counts[old] <= 0:
                del counts[old]
        number = counts[action]
        if len(calls) == calls.maxlen:
            counts.clear()
            counts.update(one for _, one in calls)
        most = self._most_before(state, action, number, time)
        if action == "Heartbeat":
            station = self.context.picture.stations.get(name)
            interval = station.about.heartbeat_interval if station is not None else None
            limit = max(FLOOD_FACTOR * 60 / interval, BEATS) if interval and interval >= BEAT_INTERVAL else FLOOD
            limit = max(limit, 2.5 * most)
        else:
            limit = max(FLOOD, FLOOD_FACTOR * most)
        if number < limit or (action in _ASKED_FOR and number < 3 * limit) or _is_old(message):
            return
        state.hours[action] = (time // HOUR, 0)  # what is told of is not learnt
        self.context.tell(
            "message-flood",
            name,
            0.85,
            f"{name} sent {number} {shorten(action, 40)} messages within a minute; "
            + (f"it has never sent more than {most:.0f} so far." if most else "one or none would be usual."),
            (message,),
            first=calls[0][0],
            layer="statistics",
            sign=f"flood-{action}",
        )

    @staticmethod
    def _most_before(state: _Station, action: str, number: int, time: int) -> float:
        """The most within a minute in any hour before this one: a flood must not be its own measure."""
        hour, highest = state.hours.get(action, (time // HOUR, 0))
        if hour != time // HOUR:
            if action in state.most or len(state.most) < MAX_ACTIONS:
                state.most[action] = max(state.most.get(action, 0.0), float(highest))
            highest = 0
        if action in state.hours or len(state.hours) < MAX_ACTIONS:
            state.hours[action] = (time // HOUR, max(highest, number))
        return state.most.get(action, 0.0)

    def _shape(self, name: str, state: _Station, message: OcppMessage) -> None:
        """Each program numbers its messages in one way: a CALL numbered in another way comes from another program."""
        shapes = state.shapes[message.sender]
        shape = _shape_of(message.id)
        total = sum(shapes.values())
        if total >= 30 and shapes[shape] < 6:
            usual, number = shapes.most_common(1)[0]
            state.strange.append(message.time)
            again = sum(message.time - time <= STRANGE_TIME for time in state.strange) >= STRANGE
            if number >= 0.9 * total and again:
                who = "orders to" if message.sender == "csms" else "messages of"
                self.context.tell(
                    "man-in-the-middle" if message.sender == "csms" else "cloned-station",
                    name,
                    0.62,
                    f"The ids of {who} {name} look different now: {_shape_words(shape)}, as in "
                    f"{shorten(message.id, 40)!r}; so far they have been {_shape_words(usual)}. They probably come "
                    "from another device or program.",
                    (message,),
                    layer="statistics",
                    sign="id-shape",
                )
        if shape in shapes or len(shapes) < 12:
            shapes[shape] += 1
        if total > 2000:
            for key in list(shapes):
                shapes[key] //= 2
                if not shapes[key]:
                    del shapes[key]

    def _judged(self, name: str, state: _Station, message: OcppMessage) -> None:
        """Cards that are refused."""
        payload = message.payload
        status = text(payload, "idTagInfo", "status") or text(payload, "idTokenInfo", "status")
        if message.call is None or not status or status == "Accepted":
            return
        asked = message.call.payload
        token = text(asked, "idTag") or text(asked, "idToken", "idToken") or ""
        if not token:
            return
        state.refused.append((message.time, token, message))
        recent = [one for one in state.refused if message.time - one[0] <= TAG_TIME]
        tokens = list(dict.fromkeys(one[1] for one in recent))
        if len(tokens) >= TAGS:
            self.context.tell(
                "tag-enumeration",
                name,
                0.8 if len(tokens) > TAGS else 0.66,
                f"{counted(len(tokens), 'different card')} ({listed([mask(token) for token in tokens], 3)}) were "
                f"refused at {name} within {duration(message.time - recent[0][0])}; one now and then is usual.",
                tuple(one[2] for one in recent[-6:]),
                first=recent[0][0],
                sign="cards",
            )

    def _problems(self, name: str, state: _Station, message: OcppMessage) -> None:
        grave = any(problem.rule.startswith(_GRAVE) for problem in message.problems)
        usual = state.odd / max(state.messages, 1)
        state.odd += 1
        weight = 1 if grave else 0
        if not grave and (usual > 0.02 or state.messages < 20):
            return  # this station has its ways
        if grave and usual > 0.1 and state.messages > 20:
            return
        self._broken(name, state, message, weight or 1)

    def _damaged(self, error: DecodeError) -> None:
        if error.connection is None or error.layer not in ("websocket", "http", "ocpp"):
            return
        link = self.context.picture.links.get(error.connection)
        if link is not None and link.station and not link.missing:
            state = kept(self._stations, link.station, _Station)
            self._broken(link.station, state, error, 1)

    def _orphan(self, orphan: Orphan) -> None:
        connection = orphan.answer.channel.connection
        if connection is not None and self.context.now - connection.opened > 300 * SECOND:
            name = orphan.answer.channel.station
            link = self.context.picture.links.get(connection)
            if link is not None and not link.missing:
                self._broken(name, kept(self._stations, name, _Station), orphan, 1)

    def _broken(self, name: str, state: _Station, event: Event, weight: int) -> None:
        state.broken.append((event.time, event))
        recent = [one for one in state.broken if event.time - one[0] <= BROKEN_TIME]
        if len(recent) >= BROKEN:
            ways = {_way(one[1]) for one in recent}
            habit = state.odd > 0.3 * state.messages  # it has never spoken otherwise
            self.context.tell(
                "malformed-frames",
                name,
                0.45 if habit or len(ways) < 2 else 0.75,
                f"{counted(len(recent), 'broken message')} came on the connection of {name} within "
                f"{duration(event.time - recent[0][0])}; {_share(state)} is usual for it.",
                tuple(one[1] for one in recent[-6:]),
                first=recent[0][0],
                sign="broken",
            )

    # ----------------------------------------------------------------------------------------------------- connections

    def _request(self, request: HttpRequest) -> None:
        if not asks_upgrade(request):
            return
        name = identity_of(request.target)
        link = self.context.picture.links.get(request.connection)
        if not name or link is None or not link.ocpp:
            return
        credentials = request.credentials
        if name in self.context.hosts or len(self.context.hosts) < MAX_TABLE:
            self.context.hosts[name] = request.headers.get("host", "").rpartition(":")[0][:200].lower()
        self._weaker(name, request)
        if credentials is not None and credentials.user and name in self._known and credentials.user != name:
            self.context.tell(
                "cloned-station",
                name,
                0.3,
                f"{shorten(name, 60)} logs in with the user name {shorten(credentials.user, 40)!r}, not its own.",
                (request,),
                sign="user",
            )

    def _weaker(self, name: str, request: HttpRequest) -> None:
        """A station that logged in with a password, or over TLS, and does so no more."""
        link = self.context.picture.links.get(request.connection)
        secure = (request.credentials is not None) + 2 * (link is not None and link.tls is not None)
        known = self._secure.get(name)
        if known is None and len(self._secure) >= MAX_TABLE:
            return
        self._secure[name] = max(secure, known or 0)
        if known is None or secure >= known or (link is not None and not link.heads_complete):
            return
        self._secure[name] = secure
        what = "without a password" if known - secure == 1 else "without encryption"
        self.context.tell(
            "profile-downgrade",
            name,
            0.75,
            f"{shorten(name, 60)} connects {what}; until now it always had one."
            if "password" in what else f"{shorten(name, 60)} connects {what}; until now it was encrypted.",
            (request,),
            layer="statistics",
            sign="weaker",
        )  # fmt: skip

    def _response(self, response: HttpResponse) -> None:
        request = response.request
        if request is None or not asks_upgrade(request):
            return
        name = identity_of(request.target)
        address = request.connection.client.address
        if response.status == 101:
            if name and not self.context.grown():
                self._know(name)
            return
        if response.status in (401, 403):
            self._refused(name, address, request, response)
        if response.status in (403, 404) and name and name not in self._known and self._known:
            self.context.tell(
                "unknown-station",
                SITE if len(self._known) > MAX_TABLE else name,
                0.75,
                f"{shorten(name, 60)} at {address} asks for a connection and is turned away ({response.status}): the "
                f"CSMS does not know it, and it has never spoken here.",
                (request, response),
                sign="turned-away",
            )

    def _refused(self, name: str, address: str, request: HttpRequest, response: HttpResponse) -> None:
        if address not in self._guesses and len(self._guesses) >= MAX_TABLE:
            del self._guesses[next(iter(self._guesses))]
        guesses = self._guesses.setdefault(address, deque(maxlen=64))
        guesses.append((response.time, name, response))
        recent = [one for one in guesses if response.time - one[0] <= GUESS_TIME]
        if len(recent) < GUESSES:
            return
        names = list(dict.fromkeys(one[1] for one in recent if one[1]))
        which = f"for {listed([shorten(one, 40) for one in names], 3)} " if names else ""
        self.context.tell(
            "credential-guessing",
            name if len(names) == 1 else SITE,
            0.8,
            f"{counted(len(recent), 'attempt')} to log in {which}from {address} were refused within "
            f"{duration(response.time - recent[0][0])}; a station that knows its password is never refused.",
            tuple(one[2] for one in recent[-6:]),
            first=recent[0][0],
            sign="refused",
        )


def _is_old(message: OcppMessage) -> bool:
    told = moment(message.payload, "timestamp")
    if told is None:
        told = next((moment(reading, "timestamp") for reading in objects(message.payload, "meterValue")), None)
    return told is not None and message.time - told > OLD


def _shape_of(id_: str) -> str:
    """What a message id looks like, not what it says: so that counters and random numbers of one make are alike."""
    if len(id_) == 36 and id_.count("-") == 4:
        return "a UUID"
    signs = "".join(sorted({char for char in id_[:64] if not char.isalnum()}))
    if not signs and id_.isdigit() and len(id_) < 20:
        return "a number"
    return f"a text with {signs}" if signs else "a text"


def _shape_words(shape: str) -> str:
    return _SHAPES.get(shape) or shape.replace("a text", "texts", 1)


def _way(event: Event) -> str:
    """In which way a message is broken."""
    if isinstance(event, OcppMessage):
        return event.problems[0].rule if event.problems else ""
    return event.__class__.__name__


def _share(state: _Station) -> str:
    if not state.odd:
        return "none"
    return f"one in {max(round(state.messages / state.odd), 1)}"
