"""Records that wait, in one SQLite file: who still has to get which of them.

The file belongs to one process, which holds it locked: no shared memory beside it, which a full tmpfs would turn into a
bus error. Write-ahead logging and ``synchronous=NORMAL``: a killed process loses nothing, a power cut may lose the last
transactions and never damages the file (sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from fieldkit.agent.records import LOWEST, Category, Record

VERSION: Final = 1
"""Of the tables; a file of another version is put aside."""
OVERHEAD: Final = 160
"""Bytes that a record takes besides its body: its row, two index entries, what is left of pages."""
CACHE: Final = 1024
"""KiB of pages that SQLite keeps in memory."""
LOG_LIMIT: Final = 1 << 20
"""Bytes to which the write-ahead log is cut back."""
WAITED: Final = 0.5
"""Seconds that another process may keep the file locked: it is the agent before us that ends, or one that stays."""
_FREED: Final = 2048
"""Pages given back to the file system at a time."""

_TABLES: Final = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL, category TEXT NOT NULL,
    priority INTEGER NOT NULL, made INTEGER NOT NULL, clock TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE waiting (
    sink TEXT NOT NULL, priority INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, priority, seq)
) WITHOUT ROWID;
CREATE INDEX record_age ON record (priority, seq);
CREATE TABLE amount (priority INTEGER PRIMARY KEY, records INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO amount VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0);
CREATE TRIGGER record_in AFTER INSERT ON record BEGIN
    UPDATE amount SET records = records + 1, bytes = bytes + NEW.size WHERE priority = NEW.priority;
END;
CREATE TRIGGER record_out AFTER DELETE ON record BEGIN
    UPDATE amount SET records = records - 1, bytes = bytes - OLD.size WHERE priority = OLD.priority;
END;
CREATE TRIGGER record_new AFTER UPDATE OF size, priority ON record BEGIN
    UPDATE amount SET records = records - 1, bytes = bytes - OLD.size WHERE priority = OLD.priority;
    UPDATE amount SET records = records + 1, bytes = bytes + NEW.size WHERE priority = NEW.priority;
END;
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS: Final = "r.seq, r.uid, r.revision, r.category, r.priority, r.made, r.clock, r.body"
_DISK: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""The disk's fault and not the file's: in a while it may work again, and the file is left as it is."""
T = TypeVar("T")


class BoxFull(Exception):  # noqa: N818
    """The disk has no room, or fails; what was there is still there."""


class BoxDamaged(Exception):  # noqa: N818
    """The file cannot be used as it is; the text says what SQLite says."""


class BoxBusy(Exception):  # noqa: N818
    """Another process has it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record, and where it lies."""

    seq: int
    record: Record


class Box:
    """One file of them, or (``path`` None) memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        def work() -> None:
            fresh = self.path is None or not self.path.exists() or not self.path.stat().st_size
            self._db = db = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=WAITED,
                isolation_level=None,
                check_same_thread=False,
            )
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            if fresh:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            for setting in (
                "journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{CACHE}", "temp_store = MEMORY",
                f"journal_size_limit = {LOG_LIMIT}", "wal_autocheckpoint = 500",
            ):  # fmt: skip
                db.execute(f"PRAGMA {setting}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if not version and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                raise BoxDamaged(f"its tables are of version {version}, and {VERSION} is known here")
            # Takes the lock for good, and finds a header that is none.
            db.execute("BEGIN IMMEDIATE")
            db.execute("SELECT count(*) FROM amount").fetchone()
            db.execute("COMMIT")

        self._guarded(work)

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    # -------------------------------------------------------------------------------------------------------- records

    def put(self, records: Iterable[Record], sinks: Sequence[str]) -> None:
        """Take records in, all or (an exception) none; ``sinks`` are those that are to get them."""

        def work(db: sqlite3.Connection) -> None:
            for record in records:
                _put(db, record, sinks)

        self._transaction(work)

    def give(self, pairs: Iterable[tuple[Record, Sequence[str]]]) -> None:
        """The same, with the sinks of each."""

        def work(db: sqlite3.Connection) -> None:
            for record, sinks in pairs:
                _put(db, record, sinks)

        self._transaction(work)

    def take(self, sink: str, limit: int, lowest: int = LOWEST) -> list[Stored]:
        """What a sink is to get next, the most urgent and then the oldest first; nothing is taken out.

        ``lowest`` leaves out what is less urgent.
        """

        def work(db: sqlite3.Connection) -> list[Stored]:
            found: list[Stored] = []
            for priority in range(lowest + 1):
                if len(found) < limit:
                    rows = db.execute(
                        f"SELECT {_COLUMNS} FROM waiting w JOIN record r ON r.seq = w.seq "
                        "WHERE w.sink = ? AND w.priority = ? ORDER BY w.seq LIMIT ?",
                        (sink, priority, limit - len(found)),
                    )
                    found += map(_stored, rows)
            return found

        return self._read(work)

    def done(self, sink: str, got: Iterable[Record], sinks: Sequence[str]) -> int:
        """A sink has these. A later revision that has come meanwhile still waits. How many are out of the box now.

        They are found by their uid: since they were taken they may have moved into this box.
        """
        pending = tuple(sinks)
        marks = ",".join("?" * len(pending))

        def work(db: sqlite3.Connection) -> int:
            gone = 0
            for record in got:
                row = db.execute(
                    "SELECT seq, priority FROM record WHERE uid = ? AND revision = ?",
                    (bytes.fromhex(record.uid), record.revision),
                ).fetchone()
                if row is None:
                    continue
                seq, priority = row
                db.execute("DELETE FROM waiting WHERE sink = ? AND priority = ? AND seq = ?", (sink, priority, seq))
                gone += db.execute(
                    "DELETE FROM record WHERE seq = ? AND NOT EXISTS "
                    f"(SELECT 1 FROM waiting WHERE sink IN ({marks}) AND priority = ? AND seq = ?)",
                    (seq, *pending, priority, seq),
                ).rowcount
            return gone

        return self._transaction(work)

    def batch(self, limit: int, categories: Sequence[Category]) -> list[tuple[Stored, list[str]]]:
        """Up to so many records of these kinds, the oldest first, each with the sinks that wait for it."""
        marks = ",".join("?" * len(categories))

        def work(db: sqlite3.Connection) -> list[tuple[Stored, list[str]]]:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM record r WHERE category IN ({marks}) ORDER BY seq LIMIT ?",
                (*categories, limit),
            ).fetchall()
            known = _sinks(db)
            asks = "SELECT 1 FROM waiting WHERE sink = ? AND priority = ? AND seq = ?"
            return [
                (one, [sink for sink in known if db.execute(asks, (sink, one.record.priority, one.seq)).fetchone()])
                for one in map(_stored, rows)
            ]

        return self._read(work)

    def remove(self, stored: Iterable[Stored]) -> None:
        """Take them out, whoever waits for them."""

        def work(db: sqlite3.Connection) -> None:
            for one in stored:
                _remove(db, one.seq, one.record.priority)

        self._transaction(work)

    def give_up(self, size: int, *, spare: int = -1) -> dict[int, int]:
        """Remove the least urgent and of these the oldest until so many bytes are freed; how many, by priority.

        ``spare``: records of this priority and more urgent ones are left alone.
        """

        def work(db: sqlite3.Connection) -> dict[int, int]:
            left = size
            gone: dict[int, int] = {}
            for priority in range(LOWEST, spare, -1):
                while left > 0:
                    rows = db.execute(
                        "SELECT seq, size FROM record WHERE priority = ? ORDER BY seq LIMIT 100", (priority,)
                    ).fetchall()
                    if not rows:
                        break
                    for seq, bytes_ in rows:
                        if left <= 0:
                            break
                        _remove(db, seq, priority)
                        left -= bytes_
                        gone[priority] = gone.get(priority, 0) + 1
            return gone

        return self._transaction(work)

    def expire(self, before: int, limit: int = 500) -> dict[int, int]:
        """Remove up to so many that were made before a time, those of an unsure clock aside; how many, by priority."""

        def work(db: sqlite3.Connection) -> dict[int, int]:
            gone: dict[int, int] = {}
            # In the order in which they came, which is nearly that of their times: no index of its own.
            rows = db.execute("SELECT seq, priority, made, clock FROM record ORDER BY seq LIMIT ?", (limit,)).fetchall()
            for seq, priority, made, clock in rows:
                if made < before and not clock:
                    _remove(db, seq, priority)
                    gone[priority] = gone.get(priority, 0) + 1
            return gone

        return self._transaction(work)

    def rewrite(self, clock: str, change: Callable[[Record], Record], limit: int = 200) -> int:
        """Change up to so many records of an unsure clock, which is sure now; how many there were."""

        def work(db: sqlite3.Connection) -> int:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM record r WHERE clock = ? ORDER BY seq LIMIT ?", (clock, limit)
            ).fetchall()
            for row in rows:
                stored = _stored(row)
                new = change(stored.record)
                db.execute(
                    "UPDATE record SET revision = ?, made = ?, clock = ?, size = ?, body = ? WHERE seq = ?",
                    (new.revision, new.made, new.clock, len(new.body) + OVERHEAD, new.body, stored.seq),
                )
            return len(rows)

        return self._transaction(work)

    # -------------------------------------------------------------------------------------------------------- numbers

    def amounts(self) -> dict[int, tuple[int, int]]:
        """Records and their bytes, by priority."""
        return self._read(
            lambda db: {p: (n, size) for p, n, size in db.execute("SELECT priority, records, bytes FROM amount")}
        )

    def sinks(self) -> list[str]:
        """Those that records wait for."""
        return self._read(_sinks)

    def forget(self, sink: str) -> int:
        """A sink that is no more: how many records waited for it."""

        def work(db: sqlite3.Connection) -> int:
            number = db.execute("DELETE FROM waiting WHERE sink = ?", (sink,)).rowcount
            db.execute("DELETE FROM record WHERE seq NOT IN (SELECT seq FROM waiting)")
            return number

        return self._transaction(work)

    def note(self, name: str, default: str = "") -> str:
        """Something that is remembered beside the records."""
        row = self._read(lambda db: db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone())
        return default if row is None else str(row[0])

    def write_note(self, name: str, value: str) -> None:
        """Remember it."""
        self._transaction(lambda db: db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value)))

    def tidy(self) -> None:
        """Give freed pages back to the file system, some at a time; and what the log holds to the file."""
        if self.path is not None:
            self._read(lambda db: db.execute(f"PRAGMA incremental_vacuum({_FREED})").fetchall())

    # ---------------------------------------------------------------------------------------------------------- guard

    def _database(self) -> sqlite3.Connection:
        if self._db is None:
            raise BoxDamaged("it is closed")
        return self._db

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._guarded(lambda: work(self._database()))

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def whole() -> T:
            db = self._database()
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
            return result

        try:
            return self._guarded(whole)
        except BoxFull:
            # What is in the log already may find its place in the file, and the log be written anew from its beginning.
            self._guarded(lambda: self._database().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
            return self._guarded(whole)

    @staticmethod
    def _guarded(work: Callable[[], T]) -> T:
        """SQLite's errors in three sorts, which want three answers."""
        try:
            return work()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DISK:
                raise BoxFull(str(error)) from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BoxBusy(str(error)) from error
            raise BoxDamaged(str(error)) from error


def _put(db: sqlite3.Connection, record: Record, sinks: Sequence[str]) -> None:
    uid = bytes.fromhex(record.uid)
    known = db.execute("SELECT seq, revision, priority FROM record WHERE uid = ?", (uid,)).fetchone()
    size = len(record.body) + OVERHEAD
    if known is None:
        seq = db.execute(
            "INSERT INTO record (uid, revision, category, priority, made, clock, size, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (uid, record.revision, record.category, record.priority, record.made, record.clock, size, record.body),
        ).lastrowid
    else:
        seq, revision, priority = known
        if revision > record.revision:
            return
        if priority != record.priority:
            db.executemany(
                "UPDATE OR REPLACE waiting SET priority = ? WHERE sink = ? AND priority = ? AND seq = ?",
                [(record.priority, sink, priority, seq) for sink in _sinks(db)],
            )
        db.execute(
            "UPDATE record SET revision = ?, priority = ?, made = ?, clock = ?, size = ?, body = ? WHERE seq = ?",
            (record.revision, record.priority, record.made, record.clock, size, record.body, seq),
        )
    db.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?)", [(sink, record.priority, seq) for sink in sinks])


def _remove(db: sqlite3.Connection, seq: int, priority: int) -> None:
    db.executemany(
        "DELETE FROM waiting WHERE sink = ? AND priority = ? AND seq = ?",
        [(sink, priority, seq) for sink in _sinks(db)],
    )
    db.execute("DELETE FROM record WHERE seq = ?", (seq,))


def _sinks(db: sqlite3.Connection) -> list[str]:
    """Those that records wait for: one look for each, however many records there are."""
    found: list[str] = []
    row: Any = db.execute("SELECT min(sink) FROM waiting").fetchone()
    while row is not None and row[0] is not None:
        found.append(row[0])
        row = db.execute("SELECT min(sink) FROM waiting WHERE sink > ?", (row[0],)).fetchone()
    return found


def _stored(row: tuple[Any, ...]) -> Stored:
    seq, uid, revision, category, priority, made, clock, body = row
    return Stored(seq, Record(uid.hex(), revision, category, priority, made, body, clock))
