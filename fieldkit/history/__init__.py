"""What passed, kept: every message and every other event worth a row, compactly, for whoever wants to look back.

    row        one entry of the list, as a screen shows it
    block      a few hundred rows: columns of small values, and their texts, compressed
    links      which connections are worth rows: those that turn out to be OCPP's, or fail on the way to it
    history    the watcher of a session that puts it together
    search     rows that pass a filter, found a slice of time at a time
    judged     which rows are the evidence of which findings

Nothing here draws. A session's checks judge events as they pass and keep what they need; a history is for the person
who scrolls.
"""

from __future__ import annotations

from fieldkit.history.history import History
from fieldkit.history.judged import Judged
from fieldkit.history.row import Row, RowKind
from fieldkit.history.search import Scope, Search

__all__ = ["History", "Judged", "Row", "RowKind", "Scope", "Search"]
