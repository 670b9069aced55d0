"""Faults made on purpose: ``KIND[=VALUE][,SELECTOR=VALUE]…``, and whom they hit.

    delay=2s                                    every message comes two seconds late
    drop,action=Heartbeat,side=csms,every=3     every third answer to a Heartbeat never arrives
    close=1001,after=30s                        the CSMS seems to go away after half a minute
    refuse=503,count=2                          the first two attempts of each station are refused

A message is the station's or the CSMS's (``side``); ``action`` takes a CALL and its answer, so that both together say
which of the two is meant. Which message is the third is counted for each station and each fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias, cast

from fieldkit.sources.proxy.settings import parse_duration

Kind: TypeAlias = Literal["delay", "drop", "close", "refuse"]
Side: TypeAlias = Literal["station", "csms"]

MAX_DELAY: Final = 600.0
"""Seconds. Every station and CSMS has given up long before."""
MAX_STATIONS: Final = 4096
"""Stations whose messages are counted; beyond it counting begins anew with those met first."""
MAX_OPEN: Final = 256
"""CALLs of one station whose answers are recognised."""

_MAY_HAVE: Final[dict[str, frozenset[str]]] = {
    "delay": frozenset({"action", "side", "station", "every", "count", "after"}),
    "drop": frozenset({"action", "side", "station", "every", "count", "after"}),
    "close": frozenset({"action", "side", "station", "every", "count", "after"}),
    "refuse": frozenset({"station", "every", "count"}),
}
_CALL: Final = re.compile(rb'\s*\[\s*[26]\s*,\s*"([^"]{1,128})"\s*,\s*"([A-Za-z0-9]{1,64})"')
_ANSWER: Final = re.compile(rb'\s*\[\s*[345]\s*,\s*"([^"]{1,128})"')


@dataclass(frozen=True, slots=True)
class Fault:
    """One ``--fault``."""

    kind: Kind
    delay: float = 0.0
    """Seconds."""
    code: int = 0
    """Of a Close frame (RFC 6455 §7.4), or the HTTP status of a refusal."""
    action: frozenset[str] = frozenset()
    """In lower case; empty: any message, also one that is no OCPP."""
    side: Side | None = None
    """Who says it: the sender of the message, the seeming sender of the Close frame; None: both."""
    station: str = "*"
    """Pattern of identities."""
    every: int = 1
    count: int = 0
    """At most so often; 0: always."""
    after: float = 0.0
    """Seconds since the upgrade."""
    text: str = ""
    """As it was given."""

    @property
    def reads_messages(self) -> bool:
        """It has to know what messages say, or takes some out: then they cannot be compressed."""
        return self.kind == "drop" or (self.kind in ("delay", "close") and bool(self.action))

    @property
    def waits_for_message(self) -> bool:
        """Of a ``close``: a message brings it about, not the clock."""
        return bool(self.action) or self.every > 1

    def concerns(self, station: str) -> bool:
        """Is this station meant?"""
        return fnmatchcase(station, self.station)


def parse_fault(text: str) -> Fault:
    """Read one ``--fault``; ValueError with what is wrong."""
    head, *rest = [part.strip() for part in text.split(",")]
    kind, _, value = (part.strip() for part in head.partition("="))
    if kind not in _MAY_HAVE:
        raise ValueError(f"{text!r}: a fault is one of delay=2s, drop, close=1001, refuse[=503]")
    given: dict[str, str] = {}
    for part in rest:
        name, equals, chosen = (piece.strip() for piece in part.partition("="))
        if not equals or not chosen or name not in _MAY_HAVE[kind]:
            allowed = ", ".join(sorted(_MAY_HAVE[kind]))
            raise ValueError(f"{text!r}: {part!r} is not understood; {kind} takes {allowed}, each as NAME=VALUE")
        if name in given:
            raise ValueError(f"{text!r}: {name} is given twice")
        given[name] = chosen
    side = given.get("side", "csms" if kind == "close" else None)
    if side not in (None, "station", "csms"):
        raise ValueError(f"{text!r}: side is station or csms")
    return Fault(
        cast(Kind, kind),
        delay=_delay(text, kind, value),
        code=_code(text, kind, value),
        action=frozenset(name.lower() for name in given.get("action", "").split("+") if name),
        side=cast("Side | None", side),
        station=given.get("station", "*"),
        every=_number(text, given, "every", 1),
        count=_number(text, given, "count", 0),
        after=parse_duration(given["after"]) if "after" in given else 0.0,
        text=text.strip(),
    )


def _delay(text: str, kind: str, value: str) -> float:
    if kind != "delay":
        if value and kind == "drop":
            raise ValueError(f"{text!r}: drop has no value")
        return 0.0
    if not value:
        raise ValueError(f"{text!r}: say how long, as in delay=2s")
    seconds = parse_duration(value)
    if not 0 < seconds <= MAX_DELAY:
        raise ValueError(f"{text!r}: a delay is longer than nothing and at most 10 minutes")
    return seconds


def _code(text: str, kind: str, value: str) -> int:
    if kind == "close":
        # RFC 6455 §7.4.1: 1005, 1006 and 1015 are never sent, 1004 has no meaning; below 1000 is not used.
        if not value.isdigit() or not 1000 <= int(value) <= 4999 or int(value) in (1004, 1005, 1006, 1015):
            raise ValueError(f"{text!r}: give a close code that may be sent, as in close=1001")
        return int(value)
    if kind == "refuse":
        if value and (not value.isdigit() or not 400 <= int(value) <= 599):
            raise ValueError(f"{text!r}: refuse with an HTTP status from 400 to 599, as in refuse=503")
        return int(value or 503)
    return 0


def _number(text: str, given: dict[str, str], name: str, otherwise: int) -> int:
    value = given.get(name)
    if value is None:
        return otherwise
    if not value.isdigit() or not 1 <= int(value) <= 1_000_000:
        raise ValueError(f"{text!r}: {name} is a number from 1 on")
    return int(value)


class Count:
    """How often something matched, for each station, and whether it is its turn."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.done = 0
        """How often the fault was made, for all stations."""
        self._seen: dict[str, tuple[int, int]] = {}

    def strikes(self, station: str) -> bool:
        """One more that it may hit: does it?"""
        seen, struck = self._seen.pop(station, (0, 0))
        seen += 1
        fault = self.fault
        hit = seen % fault.every == 0 and not (fault.count and struck >= fault.count)
        if len(self._seen) >= MAX_STATIONS:
            del self._seen[next(iter(self._seen))]
        self._seen[station] = (seen, struck + hit)
        self.done += hit
        return hit


class Verdict:
    """What happens to one message."""

    __slots__ = ("close", "delay", "drop", "why")

    def __init__(self) -> None:
        self.delay = 0.0
        self.drop = False
        self.close: Fault | None = None
        """Follows behind the message."""
        self.why: list[str] = []


class Plan:
    """The faults of one station on one connection."""

    def __init__(self, counts: Sequence[Count], station: str) -> None:
        self._counts = [count for count in counts if count.fault.concerns(station)]
        self._station = station
        self._calls: dict[tuple[str, bytes], str] = {}

    def refusal(self) -> Fault | None:
        """The fault that refuses this upgrade, if one does."""
        for count in self._counts:
            if count.fault.kind == "refuse" and count.strikes(self._station):
                return count.fault
        return None

    @property
    def touches_messages(self) -> bool:
        """Messages must be told apart."""
        return any(count.fault.kind != "refuse" for count in self._counts)

    @property
    def reads_messages(self) -> bool:
        """They must also be readable: not compressed."""
        return any(count.fault.reads_messages for count in self._counts)

    def timed_closes(self) -> list[Count]:
        """Closes that the clock brings about."""
        return [count for count in self._counts if count.fault.kind == "close" and not count.fault.waits_for_message]

    def judge(self, side: Side, beginning: bytes, age: float) -> Verdict | None:
        """What happens to a message that begins so, ``age`` seconds after the upgrade; None: nothing."""
        action = self._action(side, beginning).lower()
        verdict = None
        for count in self._counts:
            fault = count.fault
            if (
                fault.kind == "refuse"
                or (fault.side is not None and fault.side != side)
                or (fault.action and action not in fault.action)
                or (fault.kind == "close" and not fault.waits_for_message)
                or age < fault.after
                or not count.strikes(self._station)
            ):
                continue
            verdict = verdict or Verdict()
            verdict.why.append(fault.text)
            verdict.delay += fault.delay
            verdict.drop |= fault.kind == "drop"
            if fault.kind == "close":
                verdict.close = fault
        return verdict

    def _action(self, side: Side, beginning: bytes) -> str:
        """Of a CALL its own, of an answer that of the CALL it belongs to; "" where neither can be read."""
        call = _CALL.match(beginning)
        if call is not None:
            action = call[2].decode("ascii")
            if len(self._calls) >= MAX_OPEN:
                del self._calls[next(iter(self._calls))]
            self._calls[side, call[1]] = action
            return action
        answer = _ANSWER.match(beginning)
        other = "csms" if side == "station" else "station"
        return self._calls.pop((other, answer[1]), "") if answer is not None else ""
