"""The plan of one endpoint: tasks that talk one conversation after the other, and a budget for all of them.

A task is a generator: it yields a conversation and gets it back when it has ended. The more important ones go first
when there is room for another connection, and what is least important is left out when time, connections or bytes run
short; what was left out is said.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias

from fieldkit.sources.tlsprobe.conversation import NARROW, Conversation, End, Traffic
from fieldkit.sources.tlsprobe.posture import Posture
from fieldkit.sources.tlsprobe.targets import Way

MAX_CONNECTIONS: Final = 40
MAX_BYTES: Final = 40_000
"""In both directions together, at the socket."""
AT_ONCE: Final = 4
"""Connections towards one host. Servers count them, and firewalls suspect whoever opens many."""
AT_ONCE_CHARGER: Final = 2
"""Charging stations and local controllers have memory for one to four TLS sessions, one of which is in use."""
TARGET_S: Final = 10.0
"""Seconds for a target, whatever it does."""
HURRY_S: Final = 0.4
"""Answers to a hello within this leave time for everything."""
DISPENSABLE: Final = 4
"""Tasks from this priority on are good to know and change no verdict."""
PAUSE_S: Final = 0.5
"""Nobody is connected for so long before something is said once more: a small machine needs a moment to clear up."""
_MARGIN_S: Final = 0.05

Task: TypeAlias = Generator[Conversation, Conversation, None]


@dataclass(frozen=True)
class Limits:
    """What a survey may cost."""

    seconds: float = TARGET_S
    connections: int = MAX_CONNECTIONS
    bytes: int = MAX_BYTES
    at_once: int = AT_ONCE


class _Ready:
    """A task that can go on."""

    __slots__ = ("again", "answer", "name", "number", "order", "priority", "repeating", "task")

    def __init__(self, priority: int, order: int, number: int, task: Task, name: str) -> None:
        self.priority = priority
        self.order = order
        self.number = number
        self.task = task
        self.name = name
        self.answer: Conversation | None = None
        self.again: Conversation | None = None
        """What was said in vain and is to be said once more."""
        self.repeating = False

    def __lt__(self, other: _Ready) -> bool:
        return (self.again is None, self.order, self.number) < (other.again is None, other.order, other.number)


class Plan:
    """The tasks of one endpoint, as the engine runs them."""

    alone = False

    def __init__(self, way: Way, posture: Posture, limits: Limits) -> None:
        self.way = way
        self.posture = posture
        self.limits = limits
        self.at_once = limits.at_once
        self.deadline = math.inf
        self._begun = 0.0
        self._ready: list[_Ready] = []
        self._talking: dict[int, _Ready] = {}
        self._count = 0
        self._estimate = 0
        """Bytes that are under way."""
        self._hangs_up: bool | None = None
        """To hang up is how it says no. False: it does so when it has no room. None: it has not been seen."""
        self._heard = 0.0
        """When the last one ended."""
        self._pause = 0.0
        """Nothing is begun before."""

    def add(self, priority: int, name: str, task: Task, *, long: bool = False) -> None:
        """Another task; 0 is the most important. ``name`` is what is missing in the report if it is left out.

        ``long``: a row of many connections, which had better begin early if there is time for everything.
        """
        self._count += 1
        hurry = long and (self.posture.hello_s or 0.0) < HURRY_S
        heapq.heappush(self._ready, _Ready(priority, min(priority, 2) if hurry else priority, self._count, task, name))

    def _leave_out(self, ready: _Ready) -> None:
        if ready.name not in self.posture.left_out:
            self.posture.left_out.append(ready.name)
        self.posture.incomplete |= ready.priority < DISPENSABLE

    # ----------------------------------------------------------------------------------------- what the engine calls

    def begin(self, now: float) -> None:
        """Its time begins."""
        self._begun = now
        if self.deadline == math.inf:
            self.deadline = now + self.limits.seconds - _MARGIN_S

    def next(self, now: float) -> Conversation | None:
        """The next conversation of the most important task that can go on."""
        if now < self._pause:
            return None
        self._pause = 0.0
        while self._ready:
            ready = heapq.heappop(self._ready)
            if ready.again is not None and not self._hangs_up and now < self._heard + PAUSE_S:
                self._pause = self._heard + PAUSE_S
                heapq.heappush(self._ready, ready)
                return None
            try:
                conversation = self._next_of(ready)
            except StopIteration:
                continue
            short = self._short_of(ready.priority, now)
            if short:
                self.posture.cut = self.posture.cut or short
                self._leave_out(ready)
                ready.task.close()
                continue
            self._talking[id(conversation)] = ready
            self._estimate += _expected(conversation)
            self.posture.connections += 1
            conversation.patience = min(conversation.patience, max(self.deadline - now, 0.0))
            return conversation
        return None

    def heard(self, conversation: Conversation, now: float) -> None:
        """It goes on with the answer."""
        ready = self._talking.pop(id(conversation))
        posture, traffic = self.posture, conversation.traffic
        self._estimate -= _expected(conversation)
        posture.sent += traffic.sent
        posture.received += traffic.received
        posture.elapsed_s = now - self._begun
        self._heard = now
        if traffic.connect_s is not None:
            posture.connect_s = min(posture.connect_s or math.inf, traffic.connect_s)
        if traffic.end is End.STOPPED:
            posture.cut = posture.cut or "time"
            self._leave_out(ready)
            ready.task.close()
            return
        if self._in_vain(ready, traffic):
            # It has answered before: perhaps it takes fewer connections at a time than we thought.
            self.at_once = 1
            ready.again = conversation
        else:
            ready.answer = conversation
        heapq.heappush(self._ready, ready)

    def stop(self) -> None:
        """Its time is over: what was still to be done is left out."""
        self.posture.elapsed_s = self.limits.seconds
        for ready in sorted(self._ready):
            self.posture.cut = self.posture.cut or "time"
            self._leave_out(ready)
            ready.task.close()
        self._ready.clear()

    @property
    def wakes(self) -> float:
        """When it goes on by itself."""
        return min(self._pause, self.deadline) if self._pause else self.deadline

    @property
    def over(self) -> bool:
        """All is said, and all has been answered."""
        return not self._ready and not self._talking

    @property
    def remaining(self) -> float:
        """Seconds left when its last conversation ended."""
        return self.limits.seconds - self.posture.elapsed_s

    # --------------------------------------------------------------------------------------------------- once more

    def _next_of(self, ready: _Ready) -> Conversation:
        conversation, ready.again = ready.again, None
        ready.repeating = conversation is not None and not (self._hangs_up and conversation.traffic.connected)
        if conversation is not None and ready.repeating:
            conversation.again()
            return conversation
        if conversation is not None:
            ready.answer = conversation  # the others have been told meanwhile that it is a refusal
        return next(ready.task) if ready.answer is None else ready.task.send(ready.answer)

    def _in_vain(self, ready: _Ready, traffic: Traffic) -> bool:
        """It was let go without a word by a peer that has answered hellos. That may be its way to say no, or it has no
        room: charging stations have memory for a few sessions. The same once more, and alone, tells."""
        if self.posture.hello_s is None:
            return False
        if ready.repeating:
            if not traffic.connected:
                return False
            if traffic.unheard and self._hangs_up is None:
                self._hangs_up, self.at_once = True, self.limits.at_once
            elif not traffic.unheard:
                self._hangs_up = False
            return False
        return traffic.unheard and not (traffic.connected and self._hangs_up)

    # -------------------------------------------------------------------------------------------------------- budget

    def _short_of(self, priority: int, now: float) -> str:
        """What does not suffice for another connection of a task of this importance: the last of everything is kept
        for what matters more."""
        spare = max(priority - 2, 0)
        posture, limits = self.posture, self.limits
        if posture.connections + len(self._waiting_above(priority)) + spare >= limits.connections:
            return "connections"
        if posture.sent + posture.received + self._estimate + 600 * spare >= limits.bytes:
            return "bytes"
        if now + 2.5 * (posture.connect_s or 0.0) >= self.deadline:
            return "time"
        return ""

    def _waiting_above(self, priority: int) -> list[_Ready]:
        return [one for one in (*self._ready, *self._talking.values()) if one.priority < priority]


def _expected(conversation: Conversation) -> int:
    return 1400 if conversation.window == NARROW else 3500
