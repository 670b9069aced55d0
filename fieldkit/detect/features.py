"""A station's last minute in 49 numbers, and which of them were there to be seen.

Time is cut into steps of ten seconds; a window is the latest six. Each number is a count, a mean or a maximum, so that
a window is made of its steps and nothing else is kept. What wears out or is tried again and again takes longer than a
minute to show: of a few rare events the window also has how many there were in the last hours (``how`` is "recent").
What was not observed (a latency when nothing was answered, all of the protocol when the connection is encrypted) is
masked, not zero. ``squeeze`` brings counts of any size into one range."""

from __future__ import annotations

from collections import deque
from math import log1p
from typing import Final, Literal, NamedTuple, TypeAlias

Group: TypeAlias = Literal["protocol", "sequence", "timing", "energy", "transport", "condition"]
How: TypeAlias = Literal["count", "mean", "most", "recent"]


class Feature(NamedTuple):
    """One number of a window."""

    name: str
    group: Group
    how: How
    words: str
    """For sentences: "heartbeats in a minute"."""
    unit: str = ""
    floor: float = 0.35
    """Least spread of its logarithm that is believed: of a count, that one event in a minute is never much; of the
    others what instruments, networks and days differ by anyway."""
    hours: float = 0.0
    """Of what is "recent": how far back it counts."""
    harmless: float = 0.0
    """Up to here, in its unit, it is nothing, whatever is usual: nine degrees are not much where two are."""


FEATURES: Final[tuple[Feature, ...]] = (
    Feature("station_calls", "protocol", "count", "calls of the station without meter values"),
    Feature("csms_calls", "protocol", "count", "calls of the CSMS"),
    Feature("errors", "protocol", "count", "answers with an error"),
    Feature("heartbeats", "protocol", "count", "heartbeats"),
    Feature("boots", "protocol", "count", "boots"),
    Feature("accepted", "protocol", "count", "cards accepted"),
    Feature("refused", "protocol", "count", "cards refused"),
    Feature("starts", "protocol", "count", "transactions begun"),
    Feature("stops", "protocol", "count", "transactions ended"),
    # How often they come is a setting: four connectors that tell every ten seconds make 24 a minute.
    Feature("readings", "protocol", "count", "messages with meter values", floor=0.55),
    Feature("statuses", "protocol", "count", "status messages"),
    Feature("profiles", "protocol", "count", "charging profiles"),
    Feature("commands", "protocol", "count", "resets, unlocks and remote starts or stops"),
    Feature("settings", "protocol", "count", "settings read or written"),
    Feature("firmware", "protocol", "count", "messages on firmware and logs"),
    Feature("others", "protocol", "count", "other calls"),
    Feature("malformed", "protocol", "count", "broken messages"),
    Feature("size", "protocol", "mean", "characters of a message", floor=0.3),
    Feature("surprise", "sequence", "mean", "improbability of the order of messages", floor=0.3),
    Feature("oddest", "sequence", "most", "improbability of one message after those before", floor=0.5),
    Feature("csms_latency", "timing", "mean", "time until the CSMS answers", "ms"),
    Feature("csms_slowest", "timing", "most", "longest time until the CSMS answers", "ms"),
    Feature("station_latency", "timing", "mean", "time until the station answers", "ms"),
    Feature("unanswered", "timing", "count", "calls without an answer"),
    Feature("heartbeat_gap", "timing", "most", "interval of heartbeats against the one told", "%", floor=0.6),
    Feature("reading_gap", "timing", "most", "interval of meter values against the one before", "%", floor=0.6),
    Feature("clock", "timing", "most", "error of the station's clock", "s", floor=0.7),
    Feature("balance", "energy", "most", "gap between billed and measured energy", "%", floor=0.5),
    Feature("share", "energy", "mean", "power against the highest so far", "%"),
    # Cars and chargers agree for up to some minutes before current flows.
    Feature("still", "energy", "most", "time without any current since it says that it charges", "s", floor=0.9),
    Feature("spread", "energy", "most", "difference between phases", "%", floor=0.5),
    Feature("temperature", "energy", "most", "temperature", "°C", floor=0.18, harmless=45.0),
    Feature("voltage", "energy", "most", "voltage off 230 V", "%", floor=0.3),
    # Beyond all that controls and meters need: hardly ever is there anything to learn from, and little is much.
    Feature("over", "energy", "most", "power over the limit", "%", floor=0.17),
    Feature("opened", "transport", "count", "connections opened"),
    Feature("closed", "transport", "count", "connections ended"),
    Feature("failed", "transport", "count", "attempts to connect that failed"),
    Feature("resent", "transport", "count", "packets sent again"),
    Feature("alerts", "transport", "count", "TLS alerts"),
    Feature("round_trip", "transport", "mean", "round trip of a ping", "ms"),
    # Of these, six least spreads (the lowest limit there is) lie between what happens to anybody and what does not:
    # two restarts in an hour and three, a driver who tries a card three times and somebody who tries seven.
    Feature("denied", "protocol", "recent", "logins refused within an hour", floor=0.25, hours=1),
    Feature("rejected", "protocol", "recent", "cards refused within an hour", floor=0.33, hours=1),
    Feature("changed", "protocol", "recent", "settings changed within an hour", floor=0.2, hours=1),
    Feature("lost", "timing", "recent", "calls that stayed without an answer within an hour", floor=0.35, hours=1),
    Feature("dropped", "transport", "recent", "connections ended within an hour", floor=0.2, hours=1),
    # No register ever counts back: one is one too many.
    Feature("backwards", "energy", "recent", "registers that went back within six hours", floor=0.1, hours=6),
    Feature("restarts", "condition", "recent", "restarts within an hour that nobody ordered", floor=0.2, hours=1),
    Feature("faults", "condition", "recent", "faults told within six hours", floor=0.2, hours=6),
    Feature("vain", "condition", "recent", "cars in a row that came and got nothing", floor=0.2, hours=6),
)
"""The order is part of the model: a change is a new model. What is "recent" comes last."""

NAMES: Final = tuple(feature.name for feature in FEATURES)
INDEX: Final = {name: number for number, name in enumerate(NAMES)}
SIZE: Final = len(FEATURES)
MINUTE: Final = sum(feature.how != "recent" for feature in FEATURES)
"""So many, the first ones, are of the minute itself: the model sees these. What counts for hours hardly ever differs
from zero, so there is nothing to be learnt about how it goes together."""
STEP: Final = 10_000_000_000
"""ns"""
STEPS: Final = 6
PLAIN: Final = frozenset({"opened", "closed", "failed", "resent", "alerts", "dropped"})
"""Counts that are seen whether or not the connection is encrypted."""

_ALWAYS: Final = tuple(number for number, feature in enumerate(FEATURES)
                       if feature.how in ("count", "recent") and feature.name in PLAIN)  # fmt: skip
_CLEAR: Final = tuple(number for number, feature in enumerate(FEATURES)
                      if feature.how in ("count", "recent") and feature.name not in PLAIN)  # fmt: skip
_SPANS: Final = {number: int(feature.hours * 3600e9) for number, feature in enumerate(FEATURES)
                 if feature.how == "recent"}  # fmt: skip
HARMLESS: Final = tuple((number, feature.harmless) for number, feature in enumerate(FEATURES) if feature.harmless)
_MOSTS: Final = frozenset(number for number, feature in enumerate(FEATURES) if feature.how == "most")
MAX_RECENT: Final = 256
"""Events of one kind that are kept: more are a flood, and the minute shows those."""


class Step:
    """Ten seconds. Of the numbers only those that something was seen of: most steps have a handful."""

    __slots__ = ("counts", "measures", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        """Time divided by ``STEP``."""
        self.counts: dict[int, float] = {}
        self.measures: dict[int, tuple[float, int]] = {}
        """Sum or maximum, and how many values went into it."""


class Window(NamedTuple):
    """One minute: values in their own units, and which were observed."""

    values: list[float]
    mask: list[bool]


class Steps:
    """The latest six steps of one station."""

    __slots__ = ("clear", "recent", "steps")

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.recent: dict[int, deque[int]] = {}
        """Times of the latest events of what counts for longer than a minute."""
        self.clear = False
        """Messages can be read: that there is none of a kind means something."""

    def at(self, time: int) -> Step:
        """The step that this time is in; older ones leave."""
        number = time // STEP
        steps = self.steps
        if not steps or steps[-1].number < number:
            steps.append(Step(number))
            if steps[0].number <= number - STEPS:
                self.steps = [step for step in steps if step.number > number - STEPS]
        return self.steps[-1]

    def count(self, time: int, name: str, number: float = 1.0) -> None:
        """Something happened."""
        counts, at = self.at(time).counts, INDEX[name]
        counts[at] = counts.get(at, 0.0) + number

    def note(self, time: int, name: str) -> None:
        """Something rare happened: it counts for hours."""
        times = self.recent.get(INDEX[name])
        if times is None:
            times = self.recent[INDEX[name]] = deque(maxlen=MAX_RECENT)
        times.append(time)

    def forget(self, name: str) -> None:
        """What was rare is over: it begins from nothing."""
        self.recent.pop(INDEX[name], None)

    def measure(self, time: int, name: str, value: float) -> None:
        """Something was measured."""
        measures, at = self.at(time).measures, INDEX[name]
        known = measures.get(at)
        if known is None:
            measures[at] = (value, 1)
        else:
            measures[at] = (max(known[0], value) if at in _MOSTS else known[0] + value, known[1] + 1)

    def window(self, end: int) -> Window:
        """The minute before the step ``end``."""
        values, mask = [0.0] * SIZE, [False] * SIZE
        for at in _ALWAYS:
            mask[at] = True
        if self.clear:
            for at in _CLEAR:
                mask[at] = True
        seen: dict[int, int] = {}
        for step in self.steps:
            if not end - STEPS <= step.number < end:
                continue
            for at, number in step.counts.items():
                if mask[at]:
                    values[at] += number
            for at, (value, count) in step.measures.items():
                mask[at] = True
                if at in _MOSTS:
                    values[at] = max(values[at], value)
                else:
                    values[at] += value
                    seen[at] = seen.get(at, 0) + count
        for at, count in seen.items():
            values[at] /= count
        for at, times in self.recent.items():
            oldest = end * STEP - _SPANS[at]
            while times and times[0] < oldest:
                times.popleft()
            if mask[at]:
                values[at] = float(len(times))
        return Window(values, mask)


def squeeze(window: Window) -> list[float]:
    """Logarithms of what may be of any size; none of it is negative."""
    return [log1p(value) if value > 0 else 0.0 for value in window.values]
