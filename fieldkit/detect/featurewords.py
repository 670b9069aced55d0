"""What the numbers of a window say, in sentences: of whom, what was observed, and what is usual.

Whoever reads them has never heard of features and spreads: each sentence has a subject, a number with its unit, and
what would be ordinary, of this charger or, while it is new, of healthy ones."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Final, NamedTuple

from fieldkit.checks.words import SECOND, counted, duration, times
from fieldkit.detect.features import FEATURES
from fieldkit.safetext import shorten

HEALTHY: Final = "at a healthy charger"
USUALLY: Final = "usually"
NOMINAL: Final = 230.0
"""V"""

Value = Callable[[float], str]


class Said(NamedTuple):
    """The sentence of one number."""

    observed: str
    """``who`` and ``value`` are put in."""
    value: Value
    """The number with its unit."""
    usual: str = "{usually} {value} at most"
    none: str = "{usually} none"
    """What is usual where that is nothing."""
    least: str = "{usually} {value} at least"
    """The same of what may also be too little."""


def _of(noun: str) -> Value:
    return lambda value: counted(round(value), noun)


def _times(value: float) -> str:
    return times(round(value))


def _milliseconds(value: float) -> str:
    return duration(value * SECOND / 1000)


def _seconds(value: float) -> str:
    return duration(max(value, 1.0) * SECOND)


def _percent(value: float) -> str:
    return f"{value:.1f} %" if 0 < value < 3 and round(value, 1) != round(value) else f"{value:.0f} %"


def _volts(percent: float) -> str:
    return f"{percent * NOMINAL / 100:.0f} V"


def _one_in(nats: float) -> str:
    """An improbability as people count it, to one figure: it is no more exact than that."""
    most = exp(min(nats, 13.8))
    return f"one in {max(float(f'{most:.1g}'), 1):,.0f}"


_NEVER: Final = "{usually} that hardly ever happens"

SENTENCES: Final[dict[str, Said]] = {
    "station_calls": Said("{who} sent {value} within a minute, meter values left out", _of("message")),
    "csms_calls": Said("The CSMS sent {who} {value} within a minute", _of("order")),
    "errors": Said("{value} to or from {who} got an error for an answer within a minute", _of("message")),
    "heartbeats": Said("{who} sent {value} within a minute", _of("heartbeat")),
    "boots": Said("{who} started anew {value} within a minute", _times, none=_NEVER),
    "accepted": Said("{value} {was} let in at {who} within a minute", _of("card")),
    "refused": Said("{value} {was} refused at {who} within a minute", _of("card")),
    "starts": Said("{value} {was} begun at {who} within a minute", _of("charge")),
    "stops": Said("{value} {was} ended at {who} within a minute", _of("charge")),
    "readings": Said("{who} sent {value} with meter values within a minute", _of("message")),
    "statuses": Said("{who} told its state {value} within a minute", _times, none=_NEVER),
    "profiles": Said("{who} was given {value} within a minute", _of("charging profile")),
    "commands": Said("{who} was told {value} within a minute to start, stop, unlock or restart", _times, none=_NEVER),
    "settings": Said("Settings of {who} were read or written {value} within a minute", _times, none=_NEVER),
    "firmware": Said("{value} on firmware or logs went to or from {who} within a minute", _of("message")),
    "others": Said("{value} of a rare kind went to or from {who} within a minute", _of("message")),
    "malformed": Said("{value} went to or from {who} within a minute", _of("broken message")),
    "size": Said("The messages of {who} are {value} long on average", _of("character")),
    "surprise": Said(
        "The messages of {who} come in an order in which only {value} would be expected where it came",
        _one_in,
        usual="{usually} it is {value}",
        none="{usually} they come in the expected order",
    ),
    "oddest": Said(
        "A message of {who} came where only {value} is of its kind",
        _one_in,
        usual="{usually} none is rarer than {value}",
        none="{usually} none is rare",
    ),
    "csms_latency": Said("The CSMS takes {value} on average to answer {who}", _milliseconds),
    "csms_slowest": Said("The CSMS took {value} for one of its answers to {who}", _milliseconds),
    "station_latency": Said("{who} takes {value} on average to answer the CSMS", _milliseconds),
    "unanswered": Said("{value} to or from {who} got no answer within a minute", _of("message")),
    "heartbeat_gap": Said(
        "A heartbeat of {who} came {value} too early or too late for its interval",
        _percent,
        usual="{usually} it is {value} at most",
        none="{usually} they are on time",
    ),
    "reading_gap": Said(
        "Meter values of {who} came {value} earlier or later than the ones before",
        _percent,
        usual="{usually} it is {value} at most",
        none="{usually} they are on time",
    ),
    "clock": Said(
        "The clock of {who} is wrong by {value}",
        _seconds,
        usual="{usually} it is right to within {value}",
        none="{usually} it is right",
    ),
    "balance": Said(
        "The energy that the meter of {who} counts is {value} off the energy that flows by its power readings",
        _percent,
        none="{usually} the two agree",
    ),
    "share": Said("{who} gives {value} of the most power that it has given", _percent),
    "still": Said(
        "{who} has said for {value} that it charges, and no current flows",
        _seconds,
        usual="{usually} it flows within {value}",
        none="{usually} it flows at once",
    ),
    "spread": Said(
        "The currents of the three phases at {who} differ by {value}", _percent, none="{usually} they are alike"
    ),
    "temperature": Said("{who} reports a temperature of {value}", lambda value: f"{value:.0f} °C"),
    "voltage": Said(
        f"The voltage of a phase at {{who}} is {{value}} away from {NOMINAL:.0f} V",
        _volts,
        usual="{usually} {value} at most",
    ),
    "over": Said(
        "{who} takes more than its limit allows, by {value} of it",
        _percent,
        usual="{usually} by {value} at most",
        none="{usually} it keeps to its limit",
    ),
    "opened": Said("{who} opened {value} within a minute", _of("connection")),
    "closed": Said("{value} of {who} ended within a minute", _of("connection")),
    "failed": Said("{who} failed to connect {value} within a minute", _times, none=_NEVER),
    "resent": Said("{value} to or from {who} had to be sent again within a minute", _of("packet")),
    "alerts": Said("Secure connections of {who} were complained of {value} within a minute", _times, none=_NEVER),
    "round_trip": Said("A ping of {who} takes {value} to the CSMS and back", _milliseconds),
    "denied": Said("{who} was refused when it logged in, {value} within an hour", _times, none=_NEVER),
    "rejected": Said("{value} {was} refused at {who} within an hour", _of("card")),
    "changed": Said("Settings of {who} were changed {value} within an hour", _times, none=_NEVER),
    "lost": Said("{value} to or from {who} got no answer within an hour", _of("message")),
    "dropped": Said("{who} lost its connection {value} within an hour", _times, none=_NEVER),
    "backwards": Said(
        "The energy meter of {who} went back {value} in the last six hours",
        _times,
        usual="it can only count up",
        none="it can only count up",
    ),
    "restarts": Said("{who} started anew {value} within an hour and had not been told to", _times, none=_NEVER),
    "faults": Said("{who} reported {value} within six hours", _of("fault")),
    "vain": Said(
        "{value} in a row {was} plugged in at {who} and got no energy",
        _of("car"),
        none="{usually} every car gets some",
        usual="{usually} every car gets some",
    ),
}
"""By name of the feature."""


def sentence(at: int, who: str, observed: float, edge: float, *, below: bool = False, known: bool = True) -> str:
    """One number that is out of the ordinary. ``edge``: how far what is usual reaches; ``known``: that of this charger,
    not that of healthy ones in general."""
    feature = FEATURES[at]
    said = SENTENCES[feature.name]
    usually = USUALLY if known else HEALTHY
    was = "was" if round(observed) == 1 else "were"
    told = said.observed.format(who=shorten(who, 60), value=said.value(observed), was=was)
    none = not below and (edge < 1 if feature.how in ("count", "recent") else edge < 0.05)
    form = said.least if below else said.none if none else said.usual
    value = said.value(edge)
    if feature.how in ("count", "recent") and not value.endswith("times"):
        value = value.partition(" ")[0]  # the noun has been said
    return f"{told}; {form.format(usually=usually, value=value)}."


def together(who: str, parts: list[tuple[int, float, float]]) -> str:
    """Numbers that do not fit with each other: index, observed, and what the others would let expect."""
    told = [
        f"{FEATURES[at].words} {seen} ({wanted} would fit the rest)"
        for at, observed, expected in parts
        if (seen := amount(at, observed)) != (wanted := amount(at, max(expected, 0.0)))
    ]
    if not told:
        return f"What is measured at {shorten(who, 60)} does not go together in the way that it does otherwise."
    return f"At {shorten(who, 60)} these do not go together as they do otherwise: {', '.join(told)}."


def amount(at: int, value: float) -> str:
    """A number by itself, with its unit."""
    feature = FEATURES[at]
    if round(value) == 0:
        return "none"
    if feature.group == "sequence" or feature.name == "voltage":
        return SENTENCES[feature.name].value(value)
    if feature.unit == "ms":
        return _milliseconds(value)
    if feature.unit == "s":
        return duration(round(value) * SECOND)
    if feature.unit == "%":
        return _percent(value)
    return f"{value:.0f} {feature.unit}".rstrip()
