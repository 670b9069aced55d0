"""Findings as records: with an id that stays, a revision for each time they are told, and times that are right."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from fieldkit.agent.records import PRIORITIES, Category, Record, uid_of
from fieldkit.checks.collector import Collected
from fieldkit.reports.follow import Follower
from fieldkit.reports.model_findings import entries
from fieldkit.reports.moments import iso

SCHEMA: Final = 1
"""Of the messages."""
MAX_RECENT: Final = 500
"""Findings that a technician can ask for on site, besides those that wait to be sent."""
EVIDENCE: Final = 4
"""Pieces of evidence that go with a message: the recording has them all."""
_MOMENTS: Final = ("first", "last", "time")


class Writer:
    """Makes records of one agent's findings, and remembers the latest."""

    def __init__(
        self,
        site: str,
        agent: str,
        put: Callable[[Record], object],
        *,
        now: Callable[[], int],
        mark: Callable[[], str],
    ) -> None:
        """``mark`` gives that of the clock (``clock.Clock.mark``)."""
        self.site, self.agent = site, agent
        self.recent: OrderedDict[str, dict[str, Any]] = OrderedDict()
        """By uid, the latest told last."""
        self._put = put
        self._now, self._mark = now, mark

    def uid(self, *parts: str) -> str:
        """Of a finding of this agent."""
        return uid_of(self.site, self.agent, *parts)

    def write(
        self, uid: str, revision: int, priority: int, content: Mapping[str, Any], category: Category = "finding"
    ) -> None:
        """Send it on its way."""
        mark = self._mark()
        message: dict[str, Any] = {
            **content,
            "schema": SCHEMA,
            "message": f"{uid}.{revision}",
            "uid": uid,
            "revision": revision,
            "category": category,
            "site": self.site,
            "agent": self.agent,
            **({"clock": "unsure"} if mark else {}),
        }
        if category == "finding":
            self.recent[uid] = {**message, "_clock": mark}
            self.recent.move_to_end(uid)
            while len(self.recent) > MAX_RECENT:
                self.recent.popitem(last=False)
        body = json.dumps(message, separators=(",", ":")).encode()
        self._put(Record(uid, revision, category, priority, self._now(), body, mark))

    def correct(self, mark: str, by: int) -> int:
        """The clock was wrong by so much: what was told under it is told again; how many findings."""
        number = 0
        for message in list(self.recent.values()):
            if message["_clock"] == mark:
                number += 1
                moved = shifted({name: value for name, value in message.items() if name != "_clock"}, by)
                self.write(moved["uid"], moved["revision"], PRIORITIES.get(moved["severity"], 2), moved)
        return number


class Telling(Follower):
    """A session's findings: told when they are made, and again, less and less often, when they go on.

    How often is decided as for ``fieldkit capture --follow``.
    """

    def __init__(self, writer: Writer, *, show_ids: bool = False) -> None:
        super().__init__(lambda line: None, show_ids=show_ids)
        self._writer = writer
        self._ids: dict[int, tuple[str, int]] = {}  # by identity: the list of what was told keeps each of them alive

    def _line(self, finding: Collected) -> None:
        (entry,) = entries([finding], show_ids=self._show_ids)
        first = finding.first_seen
        known = self._ids.get(id(finding))
        if known is None:
            uid = self._writer.uid(
                finding.kind.id, first.station, first.connector, first.transaction, first.group, str(finding.first)
            )
            known = (uid, 0)
        uid, revision = known[0], known[1] + 1
        self._ids[id(finding)] = (uid, revision)
        shown: dict[str, Any] = {**entry, "evidence": entry["evidence"][:EVIDENCE]}
        self._writer.write(uid, revision, PRIORITIES[finding.severity], shown)


def corrected(by: int) -> Callable[[Record], Record]:
    """For ``Outbox.rewrite``: the record as a clock would have had it that was right."""

    def change(record: Record) -> Record:
        try:
            message = shifted(json.loads(record.body), by)
        except (ValueError, TypeError, KeyError):
            return replace(record, clock="")
        body = json.dumps(message, separators=(",", ":")).encode()
        return replace(record, revision=message["revision"], made=record.made + by, clock="", body=body)

    return change


def shifted(message: dict[str, Any], by: int) -> dict[str, Any]:
    """A message whose times are moved, as its next revision."""
    moved = dict(message)
    moved.pop("clock", None)
    for name in _MOMENTS:
        if isinstance(moved.get(name), str):
            moved[name] = _moved(moved[name], by)
    if isinstance(moved.get("evidence"), list):
        moved["evidence"] = [
            {**piece, "time": _moved(piece["time"], by)}
            if isinstance(piece, dict) and isinstance(piece.get("time"), str)
            else piece
            for piece in moved["evidence"]
        ]
    moved["revision"] = int(moved["revision"]) + 1
    moved["message"] = f"{moved['uid']}.{moved['revision']}"
    return moved


def _moved(text: str, by: int) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    return iso(nanoseconds + by) or text
