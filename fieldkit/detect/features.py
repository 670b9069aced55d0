"""A station's last minute in forty numbers, and which of them were there to be seen.

Time is cut into steps of ten seconds; a window is the latest six. Each number is a count, a mean or a maximum, so that
a window is made of its steps and nothing else is kept. What was not observed (a latency when nothing was answered, all
of the protocol when the connection is encrypted) is masked, not zero. ``squeeze`` brings counts of any size into one
range."""

from __future__ import annotations

from math import log1p
from typing import Final, Literal, NamedTuple, TypeAlias

Group: TypeAlias = Literal["protocol", "sequence", "timing", "energy", "transport"]
How: TypeAlias = Literal["count", "mean", "most"]


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


FEATURES: Final[tuple[Feature, ...]] = (
    Feature("station_calls", "protocol", "count", "calls of the station"),
    Feature("csms_calls", "protocol", "count", "calls of the CSMS"),
    Feature("errors", "protocol", "count", "answers with an error"),
    Feature("heartbeats", "protocol", "count", "heartbeats"),
    Feature("boots", "protocol", "count", "boots"),
    Feature("accepted", "protocol", "count", "cards accepted"),
    Feature("refused", "protocol", "count", "cards refused"),
    Feature("starts", "protocol", "count", "transactions begun"),
    Feature("stops", "protocol", "count", "transactions ended"),
    Feature("readings", "protocol", "count", "messages with meter values"),
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
    Feature("still", "energy", "count", "readings without current while charging"),
    Feature("spread", "energy", "most", "difference between phases", "%", floor=0.5),
    Feature("temperature", "energy", "most", "temperature", "°C", floor=0.18),
    Feature("voltage", "energy", "most", "voltage off 230 V", "%", floor=0.3),
    Feature("over", "energy", "most", "power over the limit", "%", floor=0.3),
    Feature("opened", "transport", "count", "connections opened"),
    Feature("closed", "transport", "count", "connections ended"),
    Feature("failed", "transport", "count", "attempts to connect that failed"),
    Feature("resent", "transport", "count", "packets sent again"),
    Feature("alerts", "transport", "count", "TLS alerts"),
    Feature("round_trip", "transport", "mean", "round trip of a ping", "ms"),
)
"""The order is part of the model: a change is a new model."""

NAMES: Final = tuple(feature.name for feature in FEATURES)
INDEX: Final = {name: number for number, name in enumerate(NAMES)}
SIZE: Final = len(FEATURES)
STEP: Final = 10_000_000_000
"""ns"""
STEPS: Final = 6
PLAIN: Final = frozenset({"opened", "closed", "failed", "resent", "alerts"})
"""Counts that are seen whether or not the connection is encrypted."""

_MEANS: Final = tuple(number for number, feature in enumerate(FEATURES) if feature.how == "mean")
_MOSTS: Final = tuple(number for number, feature in enumerate(FEATURES) if feature.how == "most")
_ALWAYS: Final = tuple(number for number, feature in enumerate(FEATURES)
                       if feature.how == "count" and feature.name in PLAIN)  # fmt: skip
_CLEAR: Final = tuple(number for number, feature in enumerate(FEATURES)
                      if feature.how == "count" and feature.name not in PLAIN)  # fmt: skip


class Step:
    """Ten seconds."""

    __slots__ = ("number", "seen", "values")

    def __init__(self, number: int) -> None:
        self.number = number
        """Time divided by ``STEP``."""
        self.values = [0.0] * SIZE
        self.seen = [0] * SIZE
        """How many values went into each."""


class Window(NamedTuple):
    """One minute: values in their own units, and which were observed."""

    values: list[float]
    mask: list[bool]


class Steps:
    """The latest six steps of one station."""

    __slots__ = ("clear", "steps")

    def __init__(self) -> None:
        self.steps: list[Step] = []
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
        step = self.at(time)
        step.values[INDEX[name]] += number

    def measure(self, time: int, name: str, value: float) -> None:
        """Something was measured."""
        step, at = self.at(time), INDEX[name]
        if FEATURES[at].how == "most":
            if not step.seen[at] or value > step.values[at]:
                step.values[at] = value
        else:
            step.values[at] += value
        step.seen[at] += 1

    def window(self, end: int) -> Window:
        """The minute before the step ``end``."""
        values, mask = [0.0] * SIZE, [False] * SIZE
        steps = [step for step in self.steps if end - STEPS <= step.number < end]
        for at in _ALWAYS:
            values[at] = sum(step.values[at] for step in steps)
            mask[at] = True
        if self.clear:
            for at in _CLEAR:
                values[at] = sum(step.values[at] for step in steps)
                mask[at] = True
        for at in _MEANS:
            seen = sum(step.seen[at] for step in steps)
            if seen:
                values[at] = sum(step.values[at] for step in steps) / seen
                mask[at] = True
        for at in _MOSTS:
            found = [step.values[at] for step in steps if step.seen[at]]
            if found:
                values[at], mask[at] = max(found), True
        return Window(values, mask)


def squeeze(window: Window) -> list[float]:
    """Logarithms of what may be of any size; all of it is positive."""
    return [log1p(abs(value)) for value in window.values]
