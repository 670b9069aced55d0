"""Follows every station through its connections, and takes each loss apart when the station is back.

Any source of events will do: a capture on the site's side of the router, on its outside, or both; a proxy; a live tap.
What a router says (``links.uplink.LinkEvent``) comes in by ``uplink``. Nothing is concluded at once: a loss is judged
``SETTLE_NS`` after the return, when the new path has been measured, or at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from fieldkit.events import (
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRecognised,
    Event,
    HttpRequest,
    HttpResponse,
    MessageType,
    OcppMessage,
    PathError,
    PathSample,
    Retransmission,
    StrayReset,
    TlsOpaque,
    WindowClosed,
    WsControl,
)
from fieldkit.site.link import Link, Links, asks_upgrade
from fieldkit.site.outage import Outage
from fieldkit.site.outagebook import Book, Line, Return, recovered, stepped, taken_over, worth_telling
from fieldkit.site.outagecause import TOGETHER_NS
from fieldkit.site.outagelines import Lines
from fieldkit.site.outageloss import SECOND, Break, UplinkEvent
from fieldkit.site.outagepaths import Paths, port_key
from fieldkit.site.outagequeue import heard, said
from fieldkit.site.pathseen import PathSeen, Step

MAX_RETURNS: Final = 1_000
"""Stations that are back and whose new path is being measured."""
MAX_FAILED: Final = 50
"""Attempts in vain of one outage."""
SETTLE_NS: Final = 5 * SECOND
"""From the return to the verdict."""
TWIN_NS: Final = 2 * SECOND
"""Both sides of a router see a connection begin within this time."""
GONE_NS: Final = 3 * SECOND
"""A station without an answer for so long at the end of the capture has lost its connection."""
RECOVERED_NS: Final = 5 * SECOND
RECOVERED_REPEATS: Final = 4
"""So long and so often in vain, and answered in the end: the path was away and the connection outlived it."""
STRAY_NS: Final = 60 * SECOND
"""From a reset connection that came from another uplink to the next one of the same station."""
WAIT_NS: Final = 600 * SECOND
"""Longest distance from a loss to the next attempt that can be a timer of the station."""

_CALL: Final = MessageType.CALL


class Outages:
    """Of all stations of a session."""

    WANTS: Final = frozenset[type[Event]](
        {
            ConnectionOpened, ConnectionClosed, ConnectionRecognised, HttpRequest, HttpResponse, OcppMessage, PathError,
            PathSample, Retransmission, StrayReset, TlsOpaque, WindowClosed, WsControl,
        }
    )  # fmt: skip

    def __init__(self, links: Links) -> None:
        """``links``: fed with the same events, before this."""
        self._book = Book()
        self._links = links
        self._paths = Paths()
        self._lines = Lines()
        self._of_path, self._by_port, self._twins = self._paths.lines, self._paths.by_port, self._paths.twins
        self._returns: deque[Return] = deque()
        self._strays: deque[StrayReset] = deque(maxlen=100)
        """Connections that came from another uplink, of which no more is known."""
        self._time = 0
        self._handlers: Final[dict[type[Event], Callable[[Any], None]]] = {
            OcppMessage: self._message,
            PathSample: self._sample,
            WsControl: self._control,
            Retransmission: self._repeat,
            ConnectionOpened: self._opened,
            ConnectionClosed: self._closed,
            ConnectionRecognised: self._recognised,
            HttpRequest: self._request,
            HttpResponse: self._response,
            PathError: self._error,
            StrayReset: self._stray,
            WindowClosed: self._window,
            TlsOpaque: self._opaque,
        }

    # ------------------------------------------------------------------------------------------------------ what is in

    @property
    def all(self) -> deque[Outage]:
        """In the order in which they were judged, the latest."""
        return self._book.all

    @property
    def judged(self) -> int:
        """How many there were, those included that ``all`` has no room for."""
        return self._book.judged

    @property
    def forgotten(self) -> int:
        """Connections and stations for which there was no room."""
        return self._paths.forgotten + self._lines.forgotten

    @property
    def told(self) -> deque[UplinkEvent]:
        """What routers said."""
        return self._book.told

    def path(self, connection: Connection) -> PathSeen | None:
        """What is known of the path under a connection."""
        return self._paths.get(connection.number)

    @property
    def paths_by_number(self) -> Mapping[int, PathSeen]:
        """Of all connections that are remembered, by their number."""
        return self._paths.by_number

    @property
    def lines(self) -> list[Line]:
        """The stations that were followed; one that was seen on both sides of its router is two."""
        return list(self._lines)

    def paths_of_lines(self) -> dict[tuple[str, bool], list[PathSeen]]:
        """Of the connections of each station (and side of its router), the oldest first."""
        return self._paths.of_lines()

    def cut_off(self, number: int) -> bool:
        """Whether a connection ended in the middle of what its station said: unanswered, or reset. Who is cut off so
        was running, and comes back because of the path, not because it started anew."""
        path = self._paths.get(number)
        if path is None:
            return False
        path = path.left or path
        return path.repeats > 0 or Break("", path, None).answered_reset

    def idle_of(self, outage: Outage) -> int:
        """The silence before an outage, ns; 0 where it is not known any more."""
        path = self._paths.get(outage.connections[0]) if outage.connections else None
        return (path.left or path).idle if path is not None else 0

    def feed(self, event: Event) -> None:
        """Take in an event of ``WANTS``."""
        if event.time > self._time:
            self._time = event.time
        if self._returns and self._returns[0].due <= self._time:
            self._settle()
        self._handlers[event.__class__](event)

    def uplink(self, event: UplinkEvent) -> None:
        """Take in what a router says; in the order of time, or late."""
        self._book.tell(event)

    def finish(self) -> None:
        """The end: judge what has waited, and those that never came back."""
        for waiting in self._returns:
            waiting.due = 0
        self._settle()
        for line in self._lines:
            old = line.lost
            if old is None and line.path is not None and self._dead_at_end(line.path):
                old = line.path
            if old is not None and worth_telling(line, old, None, line.failed, self._time):
                self._judge(Return(0, line, old, None, line.failed))
            line.lost = None

    # ---------------------------------------------------------------------------------------------------- the hot path

    def _message(self, message: OcppMessage) -> None:
        connection = message.channel.connection
        if connection is None or message.channel.transport != "json":
            return
        path = self._paths.get(connection.number) or self._paths.of(connection)
        if path.twin:
            if message.sender == "csms":
                path.hears(message.time)
            else:
                path.sends(message.time, message.frames)
            return
        line = self._of_path.get(connection.number)
        if line is None or line.path is not path:
            link = self._links.get(connection)
            if link is None or not link.ocpp:
                return
            line = self._arrived(link, path)
        if message.sender == "csms":
            if path.repeats:
                self._recovered(path, message.time)
            else:
                path.hears(message.time)
            heard(line, path, message)
        else:
            path.sends(message.time, message.frames)
            if message.type is _CALL:
                said(line, path, message, back=bool(self._returns))

    def _sample(self, sample: PathSample) -> None:
        path = self._paths.get(sample.connection.number)
        if path is not None:
            if path.repeats and sample.from_client and sample.kind != "reset":
                self._recovered(path, sample.time)
            step = path.sampled(sample)
            if step is not None:
                self._stepped(path, step)

    def _control(self, control: WsControl) -> None:
        path = self._paths.get(control.connection.number)
        if path is None:
            return
        if control.kind == "close" and path.closing is None:
            path.closing, path.closing_by_client, path.close_code = control.time, control.from_client, control.code
        if not control.from_client:
            step = path.ponged(control.time) if control.kind == "pong" else None
            self._recovered(path, control.time)
            if step is not None:
                self._stepped(path, step)
        elif control.kind == "ping":
            path.pings(control.time, control.frames)
        elif control.kind == "pong":
            path.sends(control.time, control.frames)

    def _repeat(self, event: Retransmission) -> None:
        path = self._paths.get(event.connection.number)
        if path is None or event.kind == "duplicate":
            return
        if not event.from_client:
            path.echoes += event.kind == "retransmission"
            if event.kind == "keep-alive":
                path.hears(event.time)
        elif event.kind == "retransmission":
            path.repeats_itself(event.time, event.frames)

    # ------------------------------------------------------------------------------------------------------ connections

    def _opened(self, event: ConnectionOpened) -> None:
        connection = event.connection
        path = self._paths.of(connection)
        where = port_key(connection)
        known = self._paths.get(self._by_port.get(where, 0))
        if known is not None and known is not path:
            elsewhere = (connection.client.address, connection.source) != (
                known.connection.client.address,
                known.connection.source,
            )
            if elsewhere and abs(connection.opened - known.connection.opened) <= TWIN_NS and known.ended is None:
                path.twin = known.connection.number
                if connection.client.address != known.connection.client.address:
                    known.outside = connection.client.address
                    self._twins[known.connection.number] = connection.number
                return
            if elsewhere and connection.joined_midstream and known.ended is None:
                path.twin = known.connection.number
                self._turned_up(known, connection.client.address, event.time)
                return
        self._by_port[where] = connection.number
        line = self._lines.dialling(connection)
        if line is not None:
            self._dials(line, path)

    def _dials(self, line: Line, path: PathSeen) -> None:
        if line.lost is None and line.path is None:
            return
        if line.lost is not None:
            ended = line.lost.closing or line.lost.ended
            if not line.failed and ended is not None and 0 < path.connection.opened - ended < WAIT_NS:
                line.waits = [*line.waits[-7:], path.connection.opened - ended]
        if len(line.failed) < MAX_FAILED:
            line.failed.append(path)

    def _recognised(self, event: ConnectionRecognised) -> None:
        if event.protocol == "mirror":
            path = self._paths.get(event.connection.number)
            if path is not None:
                path.twin = path.twin or -1

    def _request(self, request: HttpRequest) -> None:
        path = self._paths.get(request.connection.number)
        if path is not None and asks_upgrade(request):
            path.sends(request.time, request.frames)

    def _response(self, response: HttpResponse) -> None:
        path = self._paths.get(response.connection.number)
        if path is None:
            return
        path.hears(response.time)
        if path.twin:
            return
        if response.status == 101:
            path.upgraded = response.time
        elif response.request is None or not asks_upgrade(response.request):
            return
        path.status = response.status
        link = self._links.get(response.connection)
        if link is not None and link.ocpp and response.status == 101:
            self._arrived(link, path)

    def _arrived(self, link: Link, path: PathSeen) -> Line:
        """The station is on this connection now."""
        line = self._lines.of(link, inside=path.inside)
        self._of_path[path.connection.number] = line
        self._paths.keep(path.connection.number)
        before = line.path
        if before is not None and before.connection.number == path.connection.number:
            line.path = path  # it had been forgotten
            return line
        if before is path:
            return line
        if before is not None and before.connection.opened > path.connection.opened:
            return line  # the rest of an earlier connection
        if before is not None and line.lost is None:
            line.lost = before
        line.path = path
        line.address = path.connection.client.address
        self._lines.lives_at(line, line.address)
        line.server, line.port = path.connection.server.address, path.connection.server.port
        self._took_over(line, path)
        old, line.lost = line.lost, None
        failed, line.failed = [one for one in line.failed if one is not path], []
        if old is not None:
            old = old.leave()
            line.queued = line.duplicates = 0
            waiting = Return(path.connection.opened + SETTLE_NS, line, old, path, failed)
            waiting.due = max(waiting.due, self._time + SETTLE_NS)
            self._returns.append(waiting)
            if len(self._returns) > MAX_RETURNS:
                self._returns[0].due = 0  # a storm: what is known by now has to do
                self._settle()
        return line

    def _took_over(self, line: Line, path: PathSeen) -> None:
        """Only the uplink that a station was moved to was captured: its old connection was reset here before."""
        mine = [
            stray
            for stray in self._strays
            if stray.client.address == path.connection.client.address
            and stray.server == path.connection.server
            and 0 <= path.connection.opened - stray.time <= STRAY_NS
        ]
        if not mine:
            return
        for stray in mine:
            self._strays.remove(stray)
        self._book.add(line, taken_over(line, path, mine[-1]))

    def _closed(self, event: ConnectionClosed) -> None:
        path = self._paths.get(event.connection.number)
        if path is None or event.how == "end-of-capture":
            return
        if path.left is not None:
            return
        path.ended, path.how, path.by_client, path.end_frames = event.time, event.how, event.by_client, event.frames
        if event.how in ("timeout", "replaced"):
            path.ended = path.heard or path.spoke or event.time
        line = self._of_path.get(event.connection.number)
        if line is None:
            return
        line.survived = max(line.survived, path.survived)
        if line.path is path:
            line.path, line.lost = None, path
            self._book.lost(line, event.time)

    def _error(self, event: PathError) -> None:
        path = self._paths.get(event.connection.number)
        if path is not None and event.from_client and event.kind in ("network", "host", "prohibited", "port"):
            path.refused(event)

    def _window(self, event: WindowClosed) -> None:
        path = self._paths.get(event.connection.number)
        if path is not None:
            path.windows_closed += 1

    def _opaque(self, event: TlsOpaque) -> None:
        path = self._paths.get(event.connection.number)
        if path is not None:
            path.hears(event.time)

    def _stray(self, event: StrayReset) -> None:
        known = self._paths.get(self._by_port.get((event.server.address, event.server.port, event.client.port), 0))
        if known is not None:
            self._turned_up(known, event.client.address, event.time - event.after)
        else:
            self._strays.append(event)

    def _turned_up(self, path: PathSeen, address: str, time: int) -> None:
        """A connection goes on under another address."""
        seen = {path.connection.client.address, path.outside}
        if path.moved is None and address not in seen:
            path.moved = (time, address)
            if not path.outside and not path.inside:
                path.outside = path.connection.client.address
            if path.left is not None:
                path.left.moved, path.left.outside = path.moved, path.outside
            line = self._of_path.get(path.connection.number)
            if line is not None and not line.inside:
                self._lines.lives_at(line, address)

    # --------------------------------------------------------------------------------------------------- what it means

    def _recovered(self, path: PathSeen, time: int) -> None:
        repeats, pending = path.repeats, path.pending
        before, frames = path.heard, path.frames
        path.hears(time)
        line = self._of_path.get(path.connection.number)
        if line is None or line.path is not path or line.failed:
            return  # it comes back when the station has given it up
        if repeats >= RECOVERED_REPEATS and time - pending >= RECOVERED_NS:
            self._book.add(line, recovered(line, path, before, pending, time, repeats, frames))

    def _stepped(self, path: PathSeen, step: Step) -> None:
        line = self._of_path.get(path.connection.number)
        if line is not None:
            self._book.add(line, stepped(line, path, step))

    def _settle(self) -> None:
        while self._returns and self._returns[0].due <= self._time:
            waiting = self._returns.popleft()
            if worth_telling(waiting.line, waiting.old, waiting.new, waiting.failed, self._time):
                self._judge(waiting)

    def _dead_at_end(self, path: PathSeen) -> bool:
        return bool(path.pending) and path.repeats >= 3 and self._time - path.pending >= GONE_NS

    def _judge(self, waiting: Return) -> None:
        line, old = waiting.line, waiting.old
        loss = Break(line.station, old, waiting.new, waiting.failed)
        if old.pending:
            loss.alive = sum(
                other.path is not None
                and other.inside == line.inside
                and other.server == line.server
                and other.path.heard > old.pending + TOGETHER_NS
                for other in self._lines
                if other is not line
            )
            twin = self._paths.get(self._twins.get(old.connection.number, 0))
            if twin is not None:
                loss.left = (1 if twin.said >= old.pending - TWIN_NS // 20 else 0) + twin.repeats
        self._book.judge(line, loss, self._time)
