"""Answers find their CALLs.

OCPP-J 1.6 §4.1.3 and 2.x Part 4 §4.1.3: an answer carries the id of the CALL that it answers, and travels the other
way. Each side numbers its own CALLs, so the same id may be open in both directions. Where one side reuses an id that is
still open, an answer belongs to the latest CALL that carries it (the rule of Open OCPP Trace 1.1 too).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Literal

from fieldkit.events import OcppMessage, Sender

MAX_OPEN = 1024
"""CALLs of one side waiting for an answer. OCPP allows one at a time; a side that never answers collects them."""
MAX_REMEMBERED = 128
"""At least so many ids of earlier CALLs are remembered (as hashes) to notice one that is used again."""

_RECORD: Final = struct.Struct("=qq").pack
"""An id and the CALL that bore it, as hashes."""
_RECORD_SIZE: Final = 16
_ID_SIZE: Final = 8

OTHER: Final[dict[Sender, Sender]] = {"station": "csms", "csms": "station"}


def latency(answer: OcppMessage) -> int | None:
    """Nanoseconds from the CALL to its answer; None for anything but an answer whose CALL was seen, and where a log
    gives both the same time, as one without times does."""
    call = answer.call
    if call is None or (answer.time == call.time and answer.channel.connection is None):
        return None
    return answer.time - call.time


class Exchanges:
    """The open CALLs of one conversation."""

    def __init__(self) -> None:
        self._open: dict[Sender, dict[str, OcppMessage | list[OcppMessage]]] = {"station": {}, "csms": {}}
        self._again: dict[Sender, int] = {"station": 0, "csms": 0}
        """Of these, how many have the id of another one."""
        self._used: dict[Sender, bytearray] = {"station": bytearray(), "csms": bytearray()}
        """Records, one behind the other: a tenth of the memory of a dict, and searched nearly as fast."""

    def earlier_use(self, sender: Sender, id_: str, raw: str) -> Literal["", "again", "otherwise"]:
        """Was this id used before by this side: no, by the very same CALL, or by another one?"""
        used = self._used[sender]
        record = _RECORD(hash(id_), hash(raw))
        place = used.find(record[:_ID_SIZE])
        while place >= 0 and place % _RECORD_SIZE:
            place = used.find(record[:_ID_SIZE], place + 1)  # it was found across two numbers
        if place >= 0:
            return "again" if used.startswith(record, place) else "otherwise"
        used += record
        if len(used) > 2 * MAX_REMEMBERED * _RECORD_SIZE:
            # Half of them at a time: forgetting the oldest one by one costs more than all the rest.
            del used[: MAX_REMEMBERED * _RECORD_SIZE]
        return ""

    def opened(self, call: OcppMessage) -> OcppMessage | None:
        """Remember a CALL. Returns one that had to be given up for it, when too many are open."""
        calls = self._open[call.sender]
        known = calls.get(call.id)
        if known is None:
            calls[call.id] = call
        else:
            self._again[call.sender] += 1
            if isinstance(known, list):
                known.append(call)
            else:
                calls[call.id] = [known, call]
        if len(calls) + self._again[call.sender] > MAX_OPEN:
            return self._closed(call.sender, next(iter(calls)), 0)
        return None

    def answered(self, sender: Sender, id_: str) -> OcppMessage | None:
        """The CALL that an answer from ``sender`` belongs to; it is closed by it."""
        return self._closed(OTHER[sender], id_, -1)

    def withdrawn(self, call: OcppMessage) -> bool:
        """Close this very CALL, if it is open; others may have its id."""
        found = self._open[call.sender].get(call.id, ())
        for which, other in enumerate(found if isinstance(found, list) else (found,)):
            if other is call:
                return self._closed(call.sender, call.id, which) is call
        return False

    def _closed(self, caller: Sender, id_: str, which: int) -> OcppMessage | None:
        """Take out the CALL with this id; of several the one at ``which``."""
        calls = self._open[caller]
        found = calls.pop(id_, None)
        if not isinstance(found, list):
            return found
        self._again[caller] -= 1
        call = found.pop(which)
        calls[id_] = found if len(found) > 1 else found[0]
        return call

    def unanswered(self) -> Iterator[OcppMessage]:
        """What is still open, in the order it was sent; forgets it."""
        waiting: list[OcppMessage] = []
        for calls in self._open.values():
            for found in calls.values():
                waiting.extend(found if isinstance(found, list) else [found])
            calls.clear()
        self._again = {"station": 0, "csms": 0}
        yield from sorted(waiting, key=lambda call: call.time)
