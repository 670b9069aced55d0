"""What waits to be sent, safe from all that happens on a router.

Two boxes: the *stage* in a tmpfs takes everything at once; what has not been sent after a while goes on to the *store*
on flash, many records in one transaction, critical ones sooner. Where the broker answers, nothing is ever written to
flash. What the agent says of itself (changes of uplinks, numbers) stays in the stage. Without a stage everything goes
to the store at once.

Nothing here raises for what a disk does. A full one makes records wait in memory, which ``put`` tells by what it
returns; a damaged file is put aside, what can still be read of it is taken over, and ``troubles`` says so.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from fieldkit.agent.box import Box, BoxBusy, BoxDamaged, BoxFull, Stored
from fieldkit.agent.records import LOWEST, MAX_BODY, Record

BATCH: Final = 500
"""Records moved, corrected or given up in one go: the lock is held for so long."""
URGENT: Final = 5.0
"""Seconds after which critical findings that nobody took go to flash, where there is a stage."""
RETRY: Final = 0.5
"""Seconds between two attempts at a disk that is full."""
MAX_MEMORY: Final = 2_000
"""Records kept in memory while no disk has room …"""
MAX_MEMORY_BYTES: Final = 4 << 20
"""… and their bytes. Beyond that the least urgent and oldest are given up, and counted."""
MAX_UNNOTED: Final = 2_000
"""Records that were delivered without any disk taking a note of it; more are not sent until one does."""
_TIDY: Final = 60.0
_FILE: Final = "outbox.db"
T = TypeVar("T")
_Amounts: TypeAlias = dict[int, tuple[int, int]]


class OutboxBusy(Exception):  # noqa: N818
    """Another agent uses the same files."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, and for how long."""

    bytes: int = 20_000_000
    age: float = 14 * 86_400.0
    """Seconds."""
    flush: float = 60.0
    """Seconds that a record may wait in the stage before it goes to flash."""


class Outbox:
    """Of one agent. Any thread may use it."""

    def __init__(
        self,
        store: Path,
        stage: Path | None,
        sinks: Sequence[str],
        limits: Limits | None = None,
        *,
        now: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``store`` and ``stage`` are folders. OutboxBusy when another process has them."""
        self.limits = limits or Limits()
        self.troubles: deque[tuple[str, str]] = deque(maxlen=100)
        """What went wrong, (what, in a sentence), for whoever makes findings of it; taken out by them."""
        self.given_up: dict[int, int] = {}
        """Records that were never sent, by priority: too old, or too many."""
        self.accepted = 0
        """Records taken in by this process."""
        self._now = now
        self._clock = clock
        self._sinks = tuple(sinks)
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._unnoted: dict[str, dict[str, Record]] = {}
        """By sink, what it has and no file says so."""
        self._memory: deque[Record] = deque()
        self._memory_bytes = 0
        self._full = self._flash_full = False
        self._flushed = self._tidied = clock()
        self._urgent = self._retry = float("inf")
        self._store = self._opened(store)
        self._stage = self._opened(stage) if stage is not None else None
        self._reconcile()

    @property
    def _boxes(self) -> tuple[Box, ...]:
        return (self._store,) if self._stage is None else (self._stage, self._store)

    # ------------------------------------------------------------------------------------------------------------- in

    def put(self, *records: Record) -> bool:
        """Take records in. Whether they are in a file now; if not they are in memory, until there is room."""
        with self._news:
            self._remember(map(_fitting, records))
            self.accepted += len(records)
            # A full disk is not tried again for every single record.
            kept = self._clock() >= self._retry if self._full else True
            kept = kept and self._settle()
            if any(not record.priority for record in records):
                self._urgent = min(self._urgent, self._clock())
            self._within_limits()
            self._news.notify_all()
            return kept

    def _remember(self, records: Iterable[Record]) -> None:
        for record in records:
            self._memory.append(record)
            self._memory_bytes += len(record.body)
        while len(self._memory) > MAX_MEMORY or self._memory_bytes > MAX_MEMORY_BYTES:
            last = max(self._memory, key=lambda record: record.priority)
            self._memory.remove(last)
            self._memory_bytes -= len(last.body)
            self._count({last.priority: 1})

    def _settle(self) -> bool:
        """What is in memory goes to a file, if one has room."""
        while self._memory:
            piece = [self._memory[place] for place in range(min(BATCH, len(self._memory)))]
            if not any(self._took(place, piece) for place in range(len(self._boxes))):
                self._retry = self._clock() + RETRY
                if not self._full:
                    self._full = True
                    self.troubles.append(("full", "no disk has room for what waits to be sent; it waits in memory"))
                return False
            for record in piece:
                self._memory.popleft()
                self._memory_bytes -= len(record.body)
        self._full = False
        return True

    def _took(self, place: int, records: Sequence[Record]) -> bool:
        try:
            self._with(self._boxes[place], lambda box: box.put(records, self._sinks))
        except BoxFull:
            return False
        return True

    # ------------------------------------------------------------------------------------------------------------ out

    def take(self, sink: str, limit: int, lowest: int = LOWEST) -> list[Record]:
        """What a sink is to get next, the most urgent first. ``done`` takes it out."""
        with self._lock:
            unnoted = self._unnoted.get(sink, {})
            if len(unnoted) > MAX_UNNOTED:
                return []  # nothing can be noted: what is sent now would be sent again and again
            nothing: list[Stored] = []
            found = [
                stored.record
                for box in reversed(self._boxes)  # what is in the store has waited longer
                for stored in self._look(box, lambda box: box.take(sink, limit + len(unnoted), lowest), nothing)
                if stored.record.message not in unnoted
            ]
            if len(self._boxes) > 1:
                found.sort(key=lambda record: record.priority)
            return found[:limit]

    def wait(self, seconds: float) -> None:
        """Until something has come in, or the time is over."""
        with self._news:
            self._news.wait(seconds)

    def wake(self) -> None:
        """Whoever waits looks again."""
        with self._news:
            self._news.notify_all()

    def done(self, sink: str, records: Sequence[Record]) -> None:
        """A sink has these. Where the disk does not even let us note that, it is remembered until it does."""
        with self._lock:
            unnoted = self._unnoted.setdefault(sink, {})
            unnoted.update((record.message, record) for record in records)
            self._note_done()
            if self._memory:
                self._settle()

    def _note_done(self) -> None:
        for sink, unnoted in self._unnoted.items():
            if unnoted:
                records = tuple(unnoted.values())
                try:
                    for box in self._boxes:
                        self._with(box, partial(Box.done, sink=sink, got=records, sinks=self._sinks))
                except BoxFull:
                    continue
                unnoted.clear()

    # ----------------------------------------------------------------------------------------------------------- care

    def tick(self) -> None:
        """To be called about once a second: what has waited goes to flash, what is too old goes."""
        with self._lock:
            now = self._clock()
            self._note_done()
            if self._memory:
                self._settle()
            if now - self._flushed >= self.limits.flush or now - self._urgent >= URGENT:
                self.flush()
            if now - self._tidied >= _TIDY:
                self._tidied = now
                before = self._now() - int(self.limits.age * 1e9)
                for box in self._boxes:
                    with suppress(BoxFull):
                        self._count(self._with(box, lambda box: box.expire(before)))
                    with suppress(BoxFull):
                        self._with(box, Box.tidy)

    def flush(self) -> bool:
        """Findings go from the stage to flash; whether all could."""
        with self._lock:
            self._flushed, self._urgent = self._clock(), float("inf")
            stage = self._stage
            if stage is None:
                return True
            try:
                # There before they are gone here: what stops in between makes them arrive twice, and never not.
                while lot := self._with(stage, partial(Box.batch, limit=BATCH, categories=("finding",))):
                    pairs = [(one.record, sinks) for one, sinks in lot]
                    self._with(self._store, partial(Box.give, pairs=pairs))
                    self._with(stage, partial(Box.remove, stored=[one for one, _ in lot]))
            except BoxFull:
                if not self._flash_full:
                    self._flash_full = True
                    self.troubles.append(("full", f"{self._store.path}: the disk is full; findings wait in the tmpfs"))
                return False
            self._flash_full = False
            self._within_limits()
            return True

    def close(self) -> None:
        """Everything to flash; the files are free for the next agent."""
        with self._lock:
            if self._memory:
                self._settle()
            self.flush()
            for box in self._boxes:
                box.close()

    def _within_limits(self) -> None:
        over = self.bytes - self.limits.bytes
        if over <= 0:
            return
        over += self.limits.bytes // 20  # not for every single record again
        with suppress(BoxFull):
            for spare in (0, -1):  # critical ones go when there is nothing else
                for box in self._boxes[::-1]:
                    if over > 0:
                        before = _total(self._amounts(box))
                        self._count(self._with(box, partial(Box.give_up, size=over, spare=spare)))
                        over -= before - _total(self._amounts(box))

    def _count(self, gone: dict[int, int]) -> None:
        for priority, number in gone.items():
            self.given_up[priority] = self.given_up.get(priority, 0) + number
        if gone:
            self.troubles.append(("given-up", ""))

    def rewrite(self, clock: str, change: Callable[[Record], Record]) -> int:
        """Correct what was made under an unsure clock; how many records there were."""
        changed = 0
        with self._lock:
            for index, record in enumerate(self._memory):
                if record.clock == clock:
                    self._memory[index] = change(record)
            for box in self._boxes:
                with suppress(BoxFull):
                    while (number := self._with(box, lambda box: box.rewrite(clock, change))) > 0:
                        changed += number
        return changed

    # -------------------------------------------------------------------------------------------------------- numbers

    @property
    def waiting(self) -> dict[int, int]:
        """Records that wait, by priority."""
        with self._lock:
            found: dict[int, int] = {}
            for box in self._boxes:
                for priority, (number, _) in self._amounts(box).items():
                    found[priority] = found.get(priority, 0) + number
            for record in self._memory:
                found[record.priority] = found.get(record.priority, 0) + 1
            return found

    @property
    def bytes(self) -> int:
        """What they take, about."""
        with self._lock:
            return sum(_total(self._amounts(box)) for box in self._boxes) + self._memory_bytes

    def note(self, name: str, default: str = "") -> str:
        """Something that outlives the process."""
        with self._lock:
            return self._look(self._store, lambda box: box.note(name, default), default)

    def write_note(self, name: str, value: str) -> None:
        """Remember it, if the disk lets us."""
        with self._lock, suppress(BoxFull):
            self._with(self._store, lambda box: box.write_note(name, value))

    def serve(self, sinks: Sequence[str]) -> None:
        """Other sinks from now on: new ones get what comes from now on, nothing waits for those that are gone."""
        with self._lock:
            self._sinks = tuple(sinks)
            self._reconcile()

    def _reconcile(self) -> None:
        no_sinks: list[str] = []
        for box in self._boxes:
            for sink in self._look(box, Box.sinks, no_sinks):
                if sink not in self._sinks:
                    with suppress(BoxFull):
                        number = self._with(box, partial(Box.forget, sink=sink))
                        self.troubles.append(("sink-gone", f"{number} records waited for {sink}, which is no more"))

    # -------------------------------------------------------------------------------------------------------- damage

    def _opened(self, folder: Path) -> Box:
        path = folder / _FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Box(path)
        except BoxBusy as error:
            raise OutboxBusy(f"{path} is used by another agent: end that one, or name another folder") from error
        except BoxDamaged as error:
            return self._put_aside(path, str(error))
        except (BoxFull, OSError) as error:
            return self._in_memory(path, str(error))

    def _in_memory(self, path: Path, why: str, saved: Sequence[tuple[Stored, list[str]]] = ()) -> Box:
        self.troubles.append(
            ("unusable", f"{path} cannot be used ({why}): what waits is in memory, a restart loses it")
        )
        return self._memory_box(saved)

    @staticmethod
    def _memory_box(saved: Sequence[tuple[Stored, list[str]]]) -> Box:
        box = Box(None)
        box.give((one.record, sinks) for one, sinks in saved)
        return box

    def _put_aside(self, path: Path, why: str) -> Box:
        """A damaged file: what can be read is taken over into a new one."""
        saved = list(_salvaged(path))
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
            for rest in ("-wal", "-journal"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            box = Box(path)
            box.give((one.record, sinks) for one, sinks in saved)
        except (BoxFull, BoxDamaged, BoxBusy, OSError) as error:
            return self._in_memory(path, f"{why}; {error}", saved)
        self.troubles.append(
            ("damaged", f"{path} was damaged ({why}): {len(saved)} records were saved, the file is {aside.name} now")
        )
        return box

    def _amounts(self, box: Box) -> _Amounts:
        nothing: _Amounts = {}
        return self._look(box, Box.amounts, nothing)

    def _look(self, box: Box, work: Callable[[Box], T], fallback: T) -> T:
        """The same for questions, which have an answer in any case."""
        try:
            return self._with(box, work)
        except BoxFull:
            return fallback

    def _with(self, box: Box, work: Callable[[Box], T]) -> T:
        """Do something with a box; if it turns out to be damaged, mend it and do it with the new one. BoxFull when it
        cannot be done now."""
        try:
            return work(box)
        except BoxBusy:
            raise BoxFull("it is held by somebody else") from None
        except BoxDamaged as error:
            box.close()
            fresh = self._memory_box([]) if box.path is None else self._put_aside(box.path, str(error))
            if box is self._store:
                self._store = fresh
            else:
                self._stage = fresh
            try:
                return work(fresh)
            except (BoxDamaged, BoxBusy) as again:
                # A disk that damages what was written a moment ago is no disk.
                raise BoxFull(str(again)) from again


def _total(amounts: dict[int, tuple[int, int]]) -> int:
    return sum(size for _, size in amounts.values())


def _salvaged(path: Path) -> Iterable[tuple[Stored, list[str]]]:
    """Whatever rows of a damaged file can still be read, from either end."""
    found: dict[int, tuple[Stored, list[str]]] = {}
    with suppress(sqlite3.Error, OSError):
        db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=2)
        with suppress(sqlite3.Error):
            sinks = [row[0] for row in db.execute("SELECT DISTINCT sink FROM waiting")]
            for order in ("ASC", "DESC"):
                with suppress(sqlite3.Error):
                    for seq, uid, revision, category, priority, made, clock, body in db.execute(
                        "SELECT seq, uid, revision, category, priority, made, clock, body FROM record "
                        f"ORDER BY seq {order}"
                    ):
                        if seq in found:
                            break
                        if _is_whole(uid, body):
                            record = Record(bytes(uid).hex(), revision, category, priority, made, bytes(body), clock)
                            found[seq] = (Stored(seq, record), sinks)
        db.close()
    return found.values()


def _is_whole(uid: object, body: object) -> bool:
    """A page of something else may look like a row."""
    if not isinstance(uid, bytes) or len(uid) != 16 or not isinstance(body, bytes):
        return False
    try:
        told = json.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("uid") == uid.hex()


def _fitting(record: Record) -> Record:
    """Without its evidence where it is too long to be sent."""
    if len(record.body) <= MAX_BODY:
        return record
    told = json.loads(record.body)
    told["evidence"] = []
    told["evidence_left_out"] = True
    body = json.dumps(told, separators=(",", ":")).encode()
    return Record(
        record.uid, record.revision, record.category, record.priority, record.made, body[:MAX_BODY], record.clock
    )
