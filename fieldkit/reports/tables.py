"""Tables for spreadsheets: transactions, exchanges and meter values as CSV (RFC 4180, UTF-8, comma, CRLF).

Transactions are in the report. Exchanges and meter values are too many to be kept, so their tables are written while
the events pass by. A cell that a spreadsheet would take for a formula gets an apostrophe in front (``safetext``); id
tokens are masked unless ids are to be shown.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from fieldkit.events import Event, MessageType, OcppMessage, Unanswered
from fieldkit.ocpp.exchange import latency
from fieldkit.ocpp.gist import without_ids
from fieldkit.ocpp.secrets import conceal_text
from fieldkit.reports.document import Report
from fieldkit.safetext import csv_cell, shorten
from fieldkit.site.picture import Picture

Table: TypeAlias = Literal["transactions", "exchanges", "meters"]

MAX_CELL: Final = 1000
"""Characters of a cell: spreadsheets end at 32,767, readers long before."""

_NAME: Final = re.compile(r"(?:^|[._ -])(transactions|exchanges|meters)\.csv$", re.IGNORECASE)
_ROWS: Final = 500
"""Rows that are gathered before they are written."""

TRANSACTIONS: Final = (
    "station id version connector start stop energy_wh stop_reason id_token authorized offline complete events"
    " reason_sent"
).split()
EXCHANGES: Final = (
    "time station version sender action message_id result latency_ms error_code error_text problems"
    " connection source call_frame answer_frame"
).split()
METERS: Final = (
    "time captured station connector transaction measurand phase location context value unit frame source".split()
)

_RESULTS: Final = {
    MessageType.CALLRESULT: "result",
    MessageType.CALLERROR: "error",
    MessageType.CALLRESULTERROR: "result-error",
    MessageType.SEND: "sent",
}


def table_of(name: str) -> Table:
    """Which table a file of this name is to hold: ``site.exchanges.csv``, ``meters.csv``; transactions otherwise."""
    found = _NAME.search(name)
    word = found[1].lower() if found else ""
    return "exchanges" if word == "exchanges" else "meters" if word == "meters" else "transactions"


def transactions(report: Report) -> str:
    """The table of transactions of a report."""
    rows = _Rows(TRANSACTIONS)
    for entry in report["transactions"]:
        rows.add([entry.get(name) for name in TRANSACTIONS])
    return rows.text()


class ExchangeTable:
    """A row for each answered CALL, each CALL that was left without an answer, and each SEND."""

    wants: Final[frozenset[type[Event]]] = frozenset({OcppMessage, Unanswered})

    def __init__(self, write: Callable[[bytes], object], *, show_ids: bool = False) -> None:
        self._rows = _Rows(EXCHANGES)
        self._write = write
        self._show_ids = show_ids

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if isinstance(event, OcppMessage):
            if event.call is not None:
                self._row(event.call, event, _RESULTS.get(event.type or MessageType.CALLRESULT, ""))
            elif event.type is MessageType.SEND:
                self._row(event, None, "sent")
        elif isinstance(event, Unanswered):
            self._row(event.call, None, event.why)
        if self._rows.count >= _ROWS:
            self._write(self._rows.take())

    def finish(self) -> None:
        """The end of the session."""
        self._write(self._rows.take())

    def _row(self, call: OcppMessage, answer: OcppMessage | None, result: str) -> None:
        channel = call.channel
        waited = latency(answer) if answer is not None else None
        error = answer.error if answer is not None else None
        problems = [problem.rule for message in (call, answer) if message is not None for problem in message.problems]
        self._rows.add(
            [
                moment(call.time),
                channel.station,
                channel.version,
                call.sender,
                call.action,
                call.id,
                result,
                None if waited is None else round(waited / 1e6, 3),
                "" if error is None else str(error.code),
                self._said(answer) if answer is not None and error is not None else "",
                " ".join(dict.fromkeys(problems)),
                channel.connection.number if channel.connection is not None else None,
                call.source,
                call.frames[-1] if call.frames else None,
                answer.frames[-1] if answer is not None and answer.frames else None,
            ]
        )

    def _said(self, answer: OcppMessage) -> str:
        assert answer.error is not None
        text = conceal_text(shorten(str(answer.error.description), MAX_CELL), answer)
        return text if self._show_ids else without_ids(text, answer)


class MeterTable:
    """A row for each sampled value, in base units, with the defaults of the standard filled in."""

    wants: Final[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._rows = _Rows(METERS)
        self._write = write

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if not isinstance(event, OcppMessage) or event.call is not None:
            return
        station = picture.stations.get(event.channel.station)
        if station is None or event.action not in station.meters.ACTIONS:
            return
        frame = event.frames[-1] if event.frames else None
        for sample in station.meters.fresh:
            self._rows.add(
                [
                    moment(sample.time),
                    moment(event.time),
                    event.channel.station,
                    sample.connector,
                    sample.transaction,
                    sample.measurand,
                    sample.phase,
                    sample.location,
                    sample.context,
                    sample.value,
                    sample.unit,
                    frame,
                    event.source,
                ]
            )
        if self._rows.count >= _ROWS:
            self._write(self._rows.take())

    def finish(self) -> None:
        """The end of the session."""
        self._write(self._rows.take())


class _Rows:
    """Rows in the making, the first of them the heading."""

    def __init__(self, heading: Iterable[str]) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow(list(heading))
        self.count = 0

    def add(self, cells: list[Any]) -> None:
        self._writer.writerow([_cell(value) for value in cells])
        self.count += 1

    def text(self) -> str:
        return self._text.getvalue()

    def take(self) -> bytes:
        """What has been added since the last time."""
        data = self._text.getvalue().encode("utf-8", "replace")
        self._text.seek(0)
        self._text.truncate()
        self.count = 0
        return data


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return csv_cell(shorten(value, MAX_CELL)) if value else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def moment(time: int) -> str:
    """ISO 8601 in UTC with milliseconds, as in the report; empty where there is no time."""
    if time <= 0:
        return ""
    try:
        seconds, rest = divmod(time, 1_000_000_000)
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{stamp}.{rest // 1_000_000:03}Z"
