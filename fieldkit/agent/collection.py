"""What many agents have sent, in one SQLite file: each finding once, in its latest revision."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fieldkit.agent.sinks.file import line

MAX_NAME: Final = 200
"""Characters of a site or an agent; what is longer is none of ours."""
CATEGORIES: Final = ("finding", "link", "health", "status")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS finding (
    uid TEXT PRIMARY KEY, revision INTEGER NOT NULL, site TEXT NOT NULL, agent TEXT NOT NULL, category TEXT NOT NULL,
    id TEXT NOT NULL, severity TEXT NOT NULL, owner TEXT NOT NULL, station TEXT NOT NULL, title TEXT NOT NULL,
    first TEXT NOT NULL, last TEXT NOT NULL, count INTEGER NOT NULL, received REAL NOT NULL, repeated INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS finding_id ON finding (id, site);
CREATE INDEX IF NOT EXISTS finding_last ON finding (last);
CREATE TABLE IF NOT EXISTS agent (
    site TEXT NOT NULL, agent TEXT NOT NULL, seen REAL NOT NULL, online INTEGER, health TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (site, agent)
) WITHOUT ROWID;
"""


class CollectionError(Exception):
    """The file cannot be used; says why."""


@dataclass(slots=True)
class Counts:
    """Of one run."""

    messages: int = 0
    new: int = 0
    revised: int = 0
    repeated: int = 0
    """Messages that had come before, or had come in a later revision."""
    useless: int = 0
    """What was no message of an agent."""


class Collection:
    """One file of them, and (if wanted) a growing file of JSON lines with every revision once."""

    def __init__(self, path: Path, jsonl: Path | None = None, *, read_only: bool = False) -> None:
        self.counts = Counts()
        self._jsonl = jsonl
        self._pending: list[bytes] = []
        try:
            if read_only and not path.exists():
                raise CollectionError(f"{path}: there is no such file")
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(_TABLES)
            self._db.execute("SELECT count(*) FROM agent").fetchone()
        except sqlite3.Error as error:
            raise CollectionError(f"{path}: {error}") from error
        self._file = None
        if jsonl is not None:
            try:
                self._file = jsonl.open("ab")
            except OSError as error:
                raise CollectionError(f"{jsonl}: {error.strerror or error}") from error

    def take(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Messages as (topic, payload); when this returns they are on disk, and may be acknowledged."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for topic, payload in messages:
                self.counts.messages += 1
                self._take(topic, payload)
            if self._file is not None and self._pending:
                # Before the transaction: a line that is there twice after a crash hurts less than one that is not.
                self._file.write(b"".join(self._pending))
                self._file.flush()
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise CollectionError(str(error)) from error
        finally:
            self._pending.clear()

    def close(self) -> None:
        """The files are whole at any time."""
        self._db.close()
        if self._file is not None:
            self._file.close()

    def _take(self, topic: str, payload: bytes) -> None:
        site, agent, what = _parts(topic)
        try:
            told = json.loads(payload)
        except ValueError:
            told = None
        if not isinstance(told, dict) or not site:
            self.counts.useless += 1
            return
        now = time.time()
        if what == "status":
            online = 1 if told.get("online") is True else 0
            self._db.execute(
                "INSERT INTO agent (site, agent, seen, online) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET online = excluded.online, seen = max(seen, excluded.seen)",
                (site, agent, now, online),
            )
            return
        if what == "health":
            self._db.execute(
                "INSERT INTO agent (site, agent, seen, health) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET health = excluded.health, seen = excluded.seen",
                (site, agent, now, json.dumps(told)),
            )
            return
        uid, revision = told.get("uid"), told.get("revision")
        if not isinstance(uid, str) or len(uid) != 32 or type(revision) is not int:
            self.counts.useless += 1
            return
        self._finding(site, agent, what, uid, revision, told, now)

    def _finding(
        self, site: str, agent: str, category: str, uid: str, revision: int, told: dict[str, Any], now: float
    ) -> None:
        known = self._db.execute("SELECT revision FROM finding WHERE uid = ?", (uid,)).fetchone()
        if known is not None and known[0] >= revision:
            self.counts.repeated += 1
            self._db.execute("UPDATE finding SET repeated = repeated + 1 WHERE uid = ?", (uid,))
            return
        if known is None:
            self.counts.new += 1
        else:
            self.counts.revised += 1
        texts = [str(told.get(name, ""))[:MAX_NAME] for name in ("id", "severity", "owner", "station", "title")]
        if category == "link":
            texts = [f"link.{told.get('what', '')}", "info", "uplink", "", str(told.get("text", ""))[:MAX_NAME]]
        moments = [str(told.get(name) or told.get("time") or "")[:40] for name in ("first", "last")]
        count = told.get("count")
        self._db.execute(
            "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT DO UPDATE SET "
            "revision = excluded.revision, severity = excluded.severity, first = excluded.first, last = excluded.last, "
            "count = excluded.count, received = excluded.received, body = excluded.body",
            (uid, revision, site, agent, category, *texts, *moments, count if type(count) is int else 1, now,
             json.dumps(told)),
        )  # fmt: skip
        self._db.execute(
            "INSERT INTO agent (site, agent, seen) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen",
            (site, agent, now),
        )
        if self._file is not None:
            self._pending.append(line(told))

    # -------------------------------------------------------------------------------------------------------- questions

    def findings(self, conditions: Mapping[str, Any], limit: int) -> Iterator[dict[str, Any]]:
        """Those that fulfil all conditions, the latest first."""
        where, values = _where(conditions)
        for (body,) in self._db.execute(
            f"SELECT body FROM finding {where} ORDER BY last DESC LIMIT ?", (*values, limit)
        ):
            yield json.loads(body)

    def sites(self, conditions: Mapping[str, Any]) -> list[tuple[str, int, int, str]]:
        """Which sites have such findings: (site, findings, stations, the latest), the most first."""
        where, values = _where(conditions)
        rows = self._db.execute(
            "SELECT site, count(*), count(DISTINCT nullif(station, '')), max(last) FROM finding "
            f"{where} GROUP BY site ORDER BY 2 DESC, 1",
            values,
        )
        return [(str(site), int(number), int(stations), str(last)) for site, number, stations, last in rows]

    def agents(self) -> list[dict[str, Any]]:
        """All of them, and when each was last heard of."""
        rows = self._db.execute("SELECT site, agent, seen, online, health FROM agent ORDER BY site, agent")
        return [
            {"site": site, "agent": agent, "seen": seen, "online": None if online is None else bool(online),
             "health": json.loads(health)}
            for site, agent, seen, online, health in rows
        ]  # fmt: skip


def _where(conditions: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """Ids and sites may have * in them."""
    parts: list[str] = []
    values: list[Any] = []
    for name in ("id", "site", "agent", "station", "owner", "category"):
        wanted = conditions.get(name)
        if wanted:
            parts.append(f"{name} GLOB ?")
            # Only * is special: brackets and question marks are what stations have in their names.
            values.append("".join(f"[{sign}]" if sign in "[?" else sign for sign in str(wanted)))
    if conditions.get("severity"):
        among = ("critical", "warning", "info")
        wanted = among[: among.index(conditions["severity"]) + 1]
        parts.append(f"severity IN ({','.join('?' * len(wanted))})")
        values += wanted
    if conditions.get("since"):
        parts.append("last >= ?")
        values.append(conditions["since"])
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), values


def _parts(topic: str) -> tuple[str, str, str]:
    """PREFIX/v1/SITE/AGENT/WHAT: site, agent, what; empty where it is none of ours."""
    words = topic.split("/")
    if len(words) < 5 or words[-4] != "v1" or words[-1] not in CATEGORIES:
        return "", "", ""
    site, agent, what = words[-3:]
    return (site, agent, what) if site and agent and max(len(site), len(agent)) <= MAX_NAME else ("", "", "")
