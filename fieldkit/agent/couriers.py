"""One thread a sink: takes from the outbox what is most urgent, sends it, and takes it out when it has arrived."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from fieldkit.agent.outbox import Outbox
from fieldkit.agent.records import LOWEST, PRIORITIES, Record
from fieldkit.agent.sinks.shared import Attentive, Message, Refused, SinkError, SinkSettings, Weighing
from fieldkit.agent.uplinks import Meter
from fieldkit.plugins.kinds import Sink
from fieldkit.safetext import shorten

BATCH: Final = 200
"""Messages handed to a sink at a time."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
"""Seconds between two attempts: doubled each time, a fifth more or less, so that a thousand routers do not come back to
a broker in the same second."""
ATTENTION: Final = 0.5
"""Seconds that a sink which has something to do while nothing is sent is given at a time."""
REST: Final = 5.0
"""Seconds between two looks at a budget that is spent."""
HANDSHAKE: Final = 6_000
"""Bytes that a new connection costs, TLS included: what fails again and again is paid for too."""


class Courier(threading.Thread):
    """Of one sink."""

    def __init__(
        self,
        settings: SinkSettings,
        sink: Sink,
        outbox: Outbox,
        meter: Meter,
        tell: Callable[..., object],
    ) -> None:
        """``tell`` is called with the name of a health finding and its values."""
        super().__init__(name=f"sink {settings.name}", daemon=True)
        self.settings = settings
        self.sink = sink
        self.delivered = 0
        self.failures = 0
        self.why = ""
        """Why it does not get on; empty when it does."""
        self.since = time.monotonic()
        """When it last got on."""
        self._outbox = outbox
        self._meter = meter
        self._tell = tell
        self._ending = threading.Event()
        self._nudge = threading.Event()
        self._pause = FIRST_PAUSE
        self._categories: tuple[str, ...] = getattr(sink, "categories", ("finding", "link", "health"))
        if settings.type in ("plugin", "syslog"):
            self._categories = ("finding", "link") if settings.type == "syslog" else ("finding",)

    def run(self) -> None:
        """Until ``end``."""
        while not self._ending.is_set():
            try:
                self._turn()
            except SinkError as error:
                self._failed(error)
            except Exception as error:
                self._failed(SinkError(shorten(f"{type(error).__name__}: {error}", 200)))
        try:
            self.sink.close()
        except Exception as error:
            self.why = f"{type(error).__name__}: {error}"

    def end(self, seconds: float) -> None:
        """What is under way may arrive; then the sink is closed."""
        self._ending.set()
        self._nudge.set()
        self._outbox.wake()
        if self.is_alive():
            self.join(seconds)

    def nudge(self) -> None:
        """The uplink is another one: try again now."""
        self._pause = FIRST_PAUSE
        self._nudge.set()

    # ----------------------------------------------------------------------------------------------------------- turns

    def _turn(self) -> None:
        records = self._outbox.take(self.settings.name, BATCH)
        wanted = [record for record in records if self._wants(record)]
        if len(wanted) < len(records):
            self._outbox.done(self.settings.name, [record for record in records if not self._wants(record)])
            if not wanted:
                return
        messages = [json.loads(record.body) for record in wanted]
        size = 0
        if self.settings.counted and wanted:
            wanted, messages, size = self._affordable(wanted, messages)
            if not wanted:
                self._told_spent()
                self._attend(REST)
                return
        if not wanted:
            self._attend(REST)
            return
        self._send(wanted, messages)
        if self.settings.counted:
            self._meter.spend(size)
        self._well(len(wanted))

    def _wants(self, record: Record) -> bool:
        if record.category not in self._categories:
            return False
        return record.priority == LOWEST or record.priority <= PRIORITIES[self.settings.severity]

    def _affordable(
        self, records: Sequence[Record], messages: Sequence[Message]
    ) -> tuple[list[Record], list[Message], int]:
        """Those that fit into the budget of the uplink; the most urgent come first anyway."""
        room, total = self._meter.room(), 0
        chosen: list[Record] = []
        told: list[Message] = []
        for record, message in zip(records, messages, strict=True):
            size = self.sink.cost(message) if isinstance(self.sink, Weighing) else len(record.body)
            if not room.takes(record.priority, size):
                break
            room = room.less(size)
            total += size
            chosen.append(record)
            told.append(message)
        return chosen, told, total

    def _send(self, records: Sequence[Record], messages: Sequence[Message]) -> None:
        name = self.settings.name
        try:
            self.sink.send(messages)
        except Refused as error:
            if len(records) == 1:
                self._tell("sink-refuses", group=name, what=name, why=str(error))
                self._outbox.done(name, records)
                return
            self._one_by_one(records, messages, error.taken)
        except SinkError as error:
            taken = [record for record in records if record.message in error.taken]
            self._outbox.done(name, taken)
            self.delivered += len(taken)
            if self.settings.counted:
                self._meter.spend(sum(len(record.body) for record in taken))
            raise
        else:
            self._outbox.done(name, records)

    def _one_by_one(self, records: Sequence[Record], messages: Sequence[Message], taken: frozenset[str]) -> None:
        """One of them is refused: the others need not suffer."""
        self._outbox.done(self.settings.name, [record for record in records if record.message in taken])
        for record, message in zip(records, messages, strict=True):
            if record.message not in taken:
                self._send([record], [message])

    def _attend(self, seconds: float) -> None:
        if isinstance(self.sink, Attentive):
            self.sink.idle(ATTENTION)
            if self.why:
                self._well(0)
        else:
            self._outbox.wait(seconds)

    # --------------------------------------------------------------------------------------------------- how it goes

    def _well(self, number: int) -> None:
        self.delivered += number
        self.since = time.monotonic()
        self.why = ""
        self._pause = FIRST_PAUSE

    def _failed(self, error: SinkError) -> None:
        self.failures += 1
        self.why = str(error)
        if self.settings.counted:
            self._meter.spend(HANDSHAKE)
        wait = max(self._pause * (0.8 + 0.4 * os.urandom(1)[0] / 255), error.pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._nudge.wait(wait)
        if not self._ending.is_set():
            self._nudge.clear()

    def _told_spent(self) -> None:
        meter = self._meter
        room = meter.room()
        self._tell(
            "budget-spent",
            group=f"{meter.name} {time.strftime('%Y-%m-%d', time.gmtime())}",
            what=meter.name,
            spent=f"{meter.spent:,}",
            budget=f"{meter.budget or 0:,}",
            left_out="nothing more is sent" if not room.critical else "only critical findings are sent",
        )
