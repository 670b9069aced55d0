"""Sockets: many conversations at once, each with an end, few at a time towards one host.

One thread and one selector. Every connection has a time by which it is over, and every target has one too, whatever the
peer does or leaves undone.
"""

from __future__ import annotations

import errno
import heapq
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from fieldkit.sources.boundsocket import bound
from fieldkit.sources.tlsprobe.conversation import Conversation, End
from fieldkit.sources.tlsprobe.targets import Way

MAX_AT_ONCE: Final = 64
"""Connections in all."""
MAX_SURVEYS: Final = 16
"""Endpoints looked at side by side."""
MAX_RECEIVED: Final = 256 << 10
"""Bytes taken from one connection, whatever it is."""
_CHUNK: Final = 32 << 10
_PENDING: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})
_REFUSED: Final = frozenset({errno.ECONNREFUSED})
_RESET: Final = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})


class Survey(Protocol):
    """One endpoint's plan, as the engine sees it."""

    way: Way
    at_once: int
    """Connections at a time, at most."""
    alone: bool
    """Nothing else is begun towards its address meanwhile."""
    deadline: float
    """``time.monotonic()`` by which it is over; infinite before it has begun."""

    def begin(self, now: float) -> None:
        """Its time begins."""

    def next(self, now: float) -> Conversation | None:
        """What is to be said next; None when everything waits for an answer, or all is said."""

    def heard(self, conversation: Conversation, now: float) -> None:
        """One has ended."""

    def stop(self) -> None:
        """Its time is over."""

    @property
    def wakes(self) -> float:
        """When it has something to say, if nobody answers before: its deadline, or the end of a pause."""

    @property
    def over(self) -> bool:
        """Nothing is left to be said."""


class _Connection:
    __slots__ = ("begun", "conversation", "deadline", "out", "sent_at", "socket", "survey")

    def __init__(self, survey: Survey, conversation: Conversation, begun: float, deadline: float) -> None:
        self.survey = survey
        self.conversation = conversation
        self.begun = begun
        self.deadline = deadline
        self.socket: socket.socket | None = None
        self.out = b""
        self.sent_at = 0.0


class Engine:
    """Runs surveys to their end."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: set[_Connection] = set()
        self._towards: Counter[str] = Counter()
        """Connections by address."""
        self._deadlines: list[tuple[float, int, _Connection]] = []
        self._count = 0

    def run(self, surveys: Iterable[Survey]) -> None:
        """Until all are over."""
        waiting = list(surveys)
        running: list[Survey] = []
        try:
            while waiting or running:
                now = time.monotonic()
                while len(running) < MAX_SURVEYS and (survey := self._next_of(waiting, running)) is not None:
                    survey.begin(now)
                    running.append(survey)
                running = [survey for survey in running if not self._finished(survey, now)]
                for survey in running:
                    self._start(survey, now)
                running = [survey for survey in running if not survey.over or self._mine(survey)]
                if running and not any(self._settled(connection) for connection in self._open):
                    self._wait(min(survey.wakes for survey in running))
        finally:
            for connection in list(self._open):
                self._close(connection, End.STOPPED)
            self._selector.close()

    def _finished(self, survey: Survey, now: float) -> bool:
        for connection in self._mine(survey):
            if now >= survey.deadline:
                self._close(connection, End.STOPPED)
            elif self._settled(connection):
                self._close(connection, End.DONE)
        if now >= survey.deadline:
            survey.stop()
            return True
        return survey.over and not self._mine(survey)

    @staticmethod
    def _next_of(waiting: list[Survey], running: list[Survey]) -> Survey | None:
        """One survey at a time of a host: together they would not be quicker, and run out of time together."""
        busy = {survey.way.address for survey in running if survey.alone}
        for number, survey in enumerate(waiting):
            if survey.way.address not in busy:
                return waiting.pop(number)
        return None

    @staticmethod
    def _settled(connection: _Connection) -> bool:
        """Somebody else got the answer that it was waiting for."""
        return connection.conversation.done and not connection.out

    def _mine(self, survey: Survey) -> list[_Connection]:
        return [connection for connection in self._open if connection.survey is survey]

    def _start(self, survey: Survey, now: float) -> None:
        host = survey.way.address
        while (
            now < survey.deadline
            and len(self._open) < MAX_AT_ONCE
            and self._towards[host] < survey.at_once
            and (conversation := survey.next(now)) is not None
        ):
            self._connect(survey, conversation, now)

    def _wait(self, deadline: float) -> None:
        while self._deadlines and self._deadlines[0][2] not in self._open:
            heapq.heappop(self._deadlines)
        until = min(deadline, self._deadlines[0][0]) if self._deadlines else deadline
        events = self._selector.select(max(until - time.monotonic(), 0))
        for key, mask in events:
            connection: _Connection = key.data
            if mask & selectors.EVENT_WRITE:
                self._writable(connection)
            if mask & selectors.EVENT_READ and connection in self._open:
                self._readable(connection)
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            connection = heapq.heappop(self._deadlines)[2]
            if connection in self._open:
                self._close(connection, End.TIMEOUT if now < connection.survey.deadline else End.STOPPED)

    # ------------------------------------------------------------------------------------------------ one connection

    def _connect(self, survey: Survey, conversation: Conversation, now: float) -> None:
        connection = _Connection(survey, conversation, now, min(now + conversation.patience, survey.deadline))
        self._open.add(connection)
        self._towards[survey.way.address] += 1
        self._count += 1
        heapq.heappush(self._deadlines, (connection.deadline, self._count, connection))
        try:
            connection.socket = made = _socket(survey.way, conversation.window)
            number = made.connect_ex(survey.way.sockaddr)
            if number and number not in _PENDING:
                raise OSError(number, os.strerror(number))
            self._selector.register(made, selectors.EVENT_WRITE, connection)
        except OSError as error:
            self._fail(connection, error)

    def _writable(self, connection: _Connection) -> None:
        made, traffic = connection.socket, connection.conversation.traffic
        assert made is not None
        if traffic.connect_s is None:
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._fail(connection, OSError(number, errno.errorcode.get(number, "")))
                return
            traffic.connect_s = time.monotonic() - connection.begun
            connection.out = connection.conversation.begin()
            connection.sent_at = time.monotonic()
        self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        made = connection.socket
        assert made is not None
        try:
            while connection.out:
                count = made.send(connection.out)
                connection.conversation.traffic.sent += count
                connection.out = connection.out[count:]
        except BlockingIOError:
            connection.conversation.traffic.reason = ""  # the rest goes when the socket can take it
        except OSError as error:
            # What the peer said before it hung up may still be there to be read.
            connection.out = b""
            connection.conversation.traffic.reason = error.strerror or ""
        if connection.conversation.done and not connection.out:
            self._close(connection, End.DONE)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)
        self._selector.modify(made, wanted, connection)

    def _readable(self, connection: _Connection) -> None:
        made, conversation = connection.socket, connection.conversation
        assert made is not None
        traffic = conversation.traffic
        try:
            data = made.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(connection, error)
            return
        if not data:
            self._close(connection, End.CLOSED)
            return
        if traffic.answer_s is None:
            traffic.answer_s = time.monotonic() - connection.sent_at
        traffic.received += len(data)
        if traffic.received > MAX_RECEIVED:
            self._close(connection, End.FLOOD)
            return
        connection.out += conversation.feed(data)
        if connection.out or conversation.done:
            self._flush(connection)

    def _fail(self, connection: _Connection, error: OSError) -> None:
        traffic = connection.conversation.traffic
        traffic.reason = (error.strerror if error.errno is None else _words(error.errno)) or str(error)
        if traffic.connected and error.errno in _RESET:
            self._close(connection, End.RESET)
        elif error.errno in _REFUSED:
            self._close(connection, End.REFUSED)
        else:
            self._close(connection, End.RESET if traffic.connected else End.UNREACHABLE)

    def _close(self, connection: _Connection, end: End) -> None:
        self._open.discard(connection)
        self._towards[connection.survey.way.address] -= 1
        made = connection.socket
        if made is not None:
            if made.fileno() in self._selector.get_map():
                self._selector.unregister(made)
            made.close()
        now = time.monotonic()
        conversation = connection.conversation
        conversation.traffic.end = end
        conversation.traffic.total_s = now - connection.begun
        conversation.finish()
        connection.survey.heard(conversation, now)


def _socket(way: Way, window: int) -> socket.socket:
    made = bound(way.family, socket.SOCK_STREAM, 0, way.interface)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if window:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)  # before connecting: it is announced then
        if way.source:
            made.bind((way.source, 0))
    except BaseException:
        made.close()
        raise
    return made


def _words(number: int) -> str:
    """Errors in the words of somebody at the charger."""
    return {
        errno.ECONNREFUSED: "connection refused: nothing listens there, or a firewall says no",
        errno.EHOSTUNREACH: "no route to this host",
        errno.ENETUNREACH: "no route to this network",
        errno.ETIMEDOUT: "no answer to the attempt to connect",
        errno.ENODEV: "there is no such network interface",
        errno.EPERM: "not allowed: a given network interface needs root, or Linux 5.7",
        errno.EADDRNOTAVAIL: "this machine does not have the given source address",
    }.get(number, "")
