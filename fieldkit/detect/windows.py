"""A station's minutes against its own usual ones, feature by feature and, by the model, all together.

Each feature is told in spreads from the station's median, as a share of what the fleet's ordinary stations reach. The
highest of each group must go beyond one, or beyond what this station itself reaches so many times a week and no more;
three of six windows in a row must do so. The model sees what no single feature shows: numbers that are all possible,
but not together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import expm1, inf
from typing import Final, Protocol

from fieldkit.detect import featurewords
from fieldkit.detect.context import Context
from fieldkit.detect.features import FEATURES, HARMLESS, INDEX, MINUTE, STEP, STEPS, Group, Window, squeeze
from fieldkit.detect.observer import Observer
from fieldkit.detect.prior import GROUPS, Prior
from fieldkit.detect.symptom import Layer
from fieldkit.detect.tails import Tail
from fieldkit.detect.usual import Usual
from fieldkit.detect.watched import Watched

PERSISTENT: Final = 3
"""Of the latest six windows."""
CLIP: Final = 40.0
"""Spreads beyond which it is all the same."""
CALM: Final = 3.0
"""Numbers that all lie within so few spreads are not odd together either, and the model, which costs as much as all the
rest of a window, is not asked: of 70,000 windows of sites with episodes none such came near its limit."""
A_WEEK: Final = 0.02
"""Alarms a charger-week of each group, and of the model, that are put up with."""
LEARN_EVERY: Final = 50 * 1_000_000_000
"""Windows overlap: one a minute says as much as all of them."""
APART: Final = 65 * 1_000_000_000
"""A single reading stays in the windows of a minute: what is measured must be odd for longer than that."""
NEARLY: Final = 0.7
"""Share of its limit from which a group names what the model alone has raised."""
BEYOND: Final = 1.2
"""A station's own threshold lies at most so much above its highest ordinary score."""
RUN: Final = 1000 * 1_000_000_000
"""So long after an odd window another one belongs to it: meter values come every quarter of an hour at the least."""
MIN_EXPECTED: Final = 0.25
"""Share of the fleet's spread that a station's own is never thought smaller than."""
SETTLED: Final = 24 * 3600 * 1_000_000_000
"""A station is known after a day; until then the fleet's thresholds hold."""
TOLD: Final = 2
"""Numbers that a sign tells, each in a sentence …"""
TOGETHER: Final = 3
"""… and those that do not fit with each other, in one."""

_FAMILY: Final[dict[Group, str]] = {
    "protocol": "unusual-protocol",
    "sequence": "unusual-protocol",
    "timing": "unusual-timing",
    "energy": "unusual-energy",
    "transport": "unusual-transport",
    "condition": "unusual-condition",
}
_BILLED: Final = frozenset(INDEX[name] for name in ("balance", "backwards"))
TWO_SIDED: Final = frozenset(INDEX[name] for name in ("size", "station_latency", "share"))
"""Of the others only more is odd: silence is looked for elsewhere."""
_NO_NEWS: Final = INDEX["share"]
"""That a charger gives all the power it can needs no words."""
_OF_GROUP: Final[dict[Group, tuple[int, ...]]] = {
    group: tuple(at for at, feature in enumerate(FEATURES) if feature.group == group) for group in GROUPS
}


class Judge(Protocol):
    """The model as windows see it."""

    def judge(self, scores: list[float], mask: list[bool]) -> tuple[float, list[float]] | None:
        """How odd the whole is, and what of that is each group's; None when it cannot be told."""

    def misfits(self, scores: list[float], mask: list[bool]) -> list[tuple[int, float]]:
        """The numbers that do not fit with the others, the worst first, and the scores that would."""


@dataclass(slots=True)
class _Known:
    """One station's usual."""

    usual: list[Usual]
    middles: list[float] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    """Of all that is usual, side by side: every window asks for all of them."""
    tails: dict[str, Tail] = field(default_factory=lambda: {name: Tail() for name in (*GROUPS, "model")})
    flags: dict[str, deque[bool]] = field(
        default_factory=lambda: {name: deque(maxlen=STEPS) for name in (*GROUPS, "model")}
    )
    runs: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By group: when a run of odd windows began, and its latest."""
    learnt: int = 0
    first: int = 0
    quiet: int = STEPS
    """Windows in a row in which nothing was odd."""

    def settle(self) -> None:
        """Something was learnt."""
        self.middles = [usual.median for usual in self.usual]
        self.spreads = [usual.spread for usual in self.usual]


class Windows(Observer):
    """Every station's last minute, every ten seconds in which something was seen of it."""

    def __init__(
        self,
        context: Context,
        prior: Prior,
        *,
        judge: Judge | None = None,
        layers: frozenset[Layer] = frozenset({"statistics", "model"}),
        collected: Callable[[str, int, list[float], list[bool]], None] | None = None,
    ) -> None:
        """``collected`` gets each ordinary window for training: station, time, squeezed values, mask."""
        super().__init__(context, prior.trigrams)
        self.prior = prior
        self.known: dict[str, _Known] = {}
        self._judge = judge
        self._layers = layers
        self._collected = collected
        self._touched = self._touch

    def _touch(self, name: str, watched: Watched, time: int) -> None:
        key = ("window", name)
        if not self.context.deadlines.waits(key):
            self.context.at(key, (time // STEP + 1) * STEP, lambda due: self._evaluate(name, watched, due))

    def begin(self, name: str) -> tuple[_Known, Watched | None]:
        """What is known of a station, made where it is not there yet."""
        known = self.known.get(name)
        if known is None:
            known = self.known[name] = self._new()
        return known, self._of(name)

    def _new(self) -> _Known:
        prior = self.prior
        return _Known(
            [
                Usual(floor_of(at, spread), prior=(median, spread), size=64)
                for at, (median, spread) in enumerate(zip(prior.medians, prior.spreads, strict=True))
            ]
        )

    # ------------------------------------------------------------------------------------------------------ a window

    def _evaluate(self, name: str, watched: Watched, time: int) -> None:
        known = self.known.get(name)
        if known is None:
            known = self.known[name] = self._new()
            known.first = time
        if not known.middles:
            known.settle()
        window = watched.steps.window(time // STEP)
        squeezed, mask = squeeze(window), window.mask
        scores = [
            max(-CLIP, min((value - middle) / spread, CLIP)) if seen else 0.0
            for value, middle, spread, seen in zip(squeezed, known.middles, known.spreads, mask, strict=True)
        ]
        for at, harmless in HARMLESS:
            if window.values[at] <= harmless:
                scores[at] = min(scores[at], 0.0)
        groups = groups_of(scores, self.prior.limits)
        shares: list[float] = []
        if self._judge is not None:
            calm = max(scores) < CALM and min(scores) > -CALM
            found = (0.0, []) if calm else self._judge.judge(scores, mask)
            if found is not None:
                groups["model"], shares = found
        odd = self._decide(name, watched, known, time, groups, scores, window, shares)
        if self._collected is not None and not self.context.frozen(name):
            self._collected(name, time, squeezed, mask)
        self._learn(name, known, time, squeezed, mask, groups, odd=odd)
        known.quiet = 0 if odd else known.quiet + 1
        if known.quiet < STEPS:
            self._touch(name, watched, time)

    def _decide(
        self,
        name: str,
        watched: Watched,
        known: _Known,
        time: int,
        groups: dict[str, float],
        scores: list[float],
        window: Window,
        shares: list[float],
    ) -> bool:
        odd = False
        for group, score in groups.items():
            limit = self.threshold(known, group, time)
            over = score > limit
            odd = odd or over
            flags = known.flags[group]
            flags.append(over)
            if not over:
                continue
            began, last = known.runs.get(group, (time, time))
            began = began if time - last <= RUN else time
            known.runs[group] = (began, time)
            if sum(flags) < PERSISTENT or (time - began < APART and not self._counts(group, scores)):
                continue
            layer: Layer = "model" if group == "model" else "statistics"
            if layer not in self._layers:
                continue
            which = _of_model(groups, shares) if group == "model" else group
            self.context.tell(
                self._family(which, scores),
                name,
                0.62 if score > 1.25 * limit else 0.45,
                self._words(name, known, scores, window, group),
                tuple(watched.evidence[-6:]),
                layer=layer,
                first=self._began(watched, group, scores, time),
                sign=f"window-{group}",
            )
        return odd

    def _family(self, group: str, scores: list[float]) -> str:
        """What to call it: by the group, and where that is ambiguous by what stands out most of it."""
        if group == "energy":
            limits = self.prior.limits
            most = max(_OF_GROUP["energy"], key=lambda at: scores[at] / limits[at])
            if most in _BILLED and scores[most] >= NEARLY * limits[most]:
                return "unusual-metering"
        return _FAMILY[group]  # type: ignore[index]  # a name in GROUPS

    def _counts(self, group: str, scores: list[float]) -> bool:
        """Is what stands out most a count? Many events are many at once."""
        among = _OF_GROUP.get(group)  # type: ignore[call-overload]  # of the model: none
        if among is None:
            return False
        limits = self.prior.limits
        return FEATURES[max(among, key=lambda at: scores[at] / limits[at])].how in ("count", "recent")

    def threshold(self, known: _Known, group: str, time: int) -> float:
        """The fleet's; once the station is known its own, if that is higher."""
        limit = self.prior.model if group == "model" else 1.0
        if time - known.first >= SETTLED:
            tail = known.tails[group]
            own = tail.threshold(A_WEEK)
            if own is not None and own > limit:
                # Of a score that is zero nearly always the fit knows nothing: no further than what was seen bears.
                return max(min(own, BEYOND * tail.highest[-1], 3 * limit), limit)
        elif not self.prior.shipped:
            return inf  # nothing is known, neither of the fleet nor of the station: nothing can be unusual
        return limit

    def _began(self, watched: Watched, group: str, scores: list[float], time: int) -> int:
        """Of what counts for hours, when it last happened: the sign is of then, however long it is looked back to."""
        minute = time - STEPS * STEP
        among = _OF_GROUP.get(group)  # type: ignore[call-overload]  # of the model: none
        if among is None:
            return minute
        limits = self.prior.limits
        times = watched.steps.recent.get(max(among, key=lambda at: scores[at] / limits[at]))
        return min(times[-1], minute) if times else minute

    @staticmethod
    def _misfits(judge: Judge, known: _Known, scores: list[float], window: Window) -> list[tuple[int, float, float]]:
        """What does not fit with the rest, as it was and as the rest would let expect, in its own unit."""
        usual = known.usual
        return [
            (at, window.values[at], expm1(max(usual[at].median + score * usual[at].spread, 0.0)))
            for at, score in judge.misfits(scores, window.mask)[:TOGETHER]
        ]

    def _words(self, name: str, known: _Known, scores: list[float], window: Window, group: str) -> str:
        """The features that stand out most, with what is usual."""
        among = _OF_GROUP.get(group, range(MINUTE))  # type: ignore[call-overload]  # of the model: all
        limits = self.prior.limits

        def stands_out(at: int) -> float:
            if scores[at] > 0:
                return scores[at] / limits[at] if at != _NO_NEWS else 0.0
            return -scores[at] / limits[at] if at in TWO_SIDED else 0.0

        order = sorted(among, key=stands_out, reverse=True)
        if group == "model" and self._judge is not None:
            return featurewords.together(name, self._misfits(self._judge, known, scores, window))
        parts: list[str] = []
        for at in order[:TOLD]:
            if not parts or (stands_out(at) and abs(scores[at]) >= CALM):
                edge = _edge(at, known.usual[at], below=scores[at] < 0)
                parts.append(
                    featurewords.sentence(
                        at, name, window.values[at], edge, below=scores[at] < 0, known=known.usual[at].known
                    )
                )
        return " ".join(parts)

    # ------------------------------------------------------------------------------------------------------- learning

    def _learn(
        self,
        name: str,
        known: _Known,
        time: int,
        squeezed: list[float],
        mask: list[bool],
        groups: dict[str, float],
        *,
        odd: bool,
    ) -> None:
        if self.context.frozen(name):
            for tail in known.tails.values():
                tail.forget_block()
            return
        for group, score in groups.items():
            # A score far beyond the threshold is no sample of what is usual, whoever was there to see it.
            if score <= 1.5 * (self.prior.model if group == "model" else 1.0):
                known.tails[group].add(score, time)
        if odd or time - known.learnt < LEARN_EVERY:
            return
        known.learnt = time
        # What counts for hours stays for hours: one restart would be learnt as usual from sixty windows.
        for at, usual in enumerate(known.usual[:MINUTE]):
            if mask[at]:
                usual.add(squeezed[at])
        known.settle()


def _of_model(groups: dict[str, float], shares: list[float]) -> str:
    """The group that a verdict of the model is about: one that stands out by itself, else what it gave back worst."""
    alone = max(GROUPS, key=groups.__getitem__)
    if groups[alone] >= NEARLY or not shares:
        return alone
    return GROUPS[max(range(len(shares)), key=shares.__getitem__)]


def floor_of(at: int, spread: float) -> float:
    """The smallest spread of a station's own that is believed."""
    return max(FEATURES[at].floor, MIN_EXPECTED * spread)


def groups_of(scores: list[float], limits: list[float]) -> dict[str, float]:
    """The highest score of each group, as a share of what is ordinary."""
    groups: dict[str, float] = {}
    for group, members in _OF_GROUP.items():
        most = 0.0
        for at in members:
            score = (abs(scores[at]) if at in TWO_SIDED else scores[at]) / limits[at]
            if score > most:
                most = score
        groups[group] = most
    return groups


def _edge(at: int, usual: Usual, *, below: bool) -> float:
    """How far what is usual reaches."""
    feature = FEATURES[at]
    edge = max(expm1(usual.median + (-3 if below else 3) * usual.spread), 0.0)
    if feature.how in ("count", "recent"):
        return float(int(edge))
    return min(edge, 100.0) if feature.name == "share" else edge
