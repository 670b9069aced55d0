"""What routers said of their uplinks, kept over time: the bands of the Links screen. No textual here.

Two kinds of news come in: looks (every uplink, as the router describes it) and events (what changed, told by the router
or found by comparing). A look says what is; an event may be all there is, from a log of ``ip monitor`` alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fieldkit.links.uplink import MAX_UPLINKS, LinkEvent, Role, Uplink
from fieldkit.links.words import described, standing
from fieldkit.safetext import terminal
from fieldkit.tui.course import Band, Lane, Mark

MAX_SPANS: Final = 500
"""Stretches of one uplink, the latest."""
MAX_EVENTS: Final = 2_000
"""Events that are drawn as marks."""
NO_ROUTE: Final = "no default route"
"""State of an uplink whose route was taken away, where only the kernel tells: by whom and why it does not say."""
_CSS: Final = {"active": "on", "standby": "free", "failed": "fault", "disabled": "off", "unknown": "other"}
_TOLD: Final = {"wifi": "Wi-Fi", "vpn": "VPN", "unknown": ""}
_QUIET: Final = frozenset({"state", "signal", "technology", "carrier"})
"""Events that say how an uplink is, and change no traffic: told when the cursor is there, without a mark of weight."""


@dataclass(slots=True)
class Span:
    """A time in which an uplink was the same."""

    first: int
    uplink: Uplink
    last: int = 0
    """0: it goes on."""

    @property
    def css(self) -> str:
        """What it is drawn as."""
        return "fault" if self.uplink.up is False and self.uplink.role != "disabled" else _CSS[self.uplink.role]

    @property
    def word(self) -> str:
        """How it stood."""
        if self.css == "fault":
            return "down" if self.uplink.up is False else "failed"
        if self.uplink.state == NO_ROUTE:
            return "no route"
        return self.uplink.role if self.uplink.role != "unknown" else "up" if self.uplink.up else "unknown"

    @property
    def text(self) -> str:
        """In the band: how it stood, and in which network."""
        network = f"{self.uplink.technology} {self.uplink.operator}".strip()
        return terminal(f"{self.word} {network}".rstrip(), 40)

    @property
    def title(self) -> str:
        """In full."""
        kind = _TOLD.get(self.uplink.kind, self.uplink.kind)
        more = [f"{name} {text}" for name, text in described(replace(self.uplink, since=None), self.first)]
        head = f"{self.uplink.id}{f' ({kind})' if kind else ''} {standing(self.uplink)}"
        return terminal(", ".join([head, *more]), 300)


@dataclass(slots=True)
class _Way:
    """One uplink."""

    spans: deque[Span] = field(default_factory=lambda: deque(maxlen=MAX_SPANS))
    metrics: set[int] = field(default_factory=set)
    """Of the default routes over it, where only the kernel tells."""
    routed: int = 0
    """When the latest of them was set."""
    carries: bool = False
    """It was seen to have something that only an uplink has: a default route, a role, traffic."""


class Uplinks:
    """Of all routers that are asked, or whose words are in files."""

    def __init__(self) -> None:
        self.events: deque[LinkEvent] = deque(maxlen=MAX_EVENTS)
        self.version = 0
        self._ways: dict[str, _Way] = {}
        self._by_device: dict[str, str] = {}
        self._first = 0
        self._looked = False

    @property
    def known(self) -> bool:
        """There is a band to draw, or a mark."""
        return bool(self.events) or any(way.carries for way in self._ways.values())

    def now(self) -> list[Uplink]:
        """How each was when it was last heard of."""
        return [way.spans[-1].uplink for way in self._ways.values() if way.carries and way.spans]

    def look(self, time: int, uplinks: Sequence[Uplink]) -> None:
        """All uplinks as they are now."""
        self.version += 1
        self._looked = True
        self._first = min(self._first or time, time)
        seen = set()
        for uplink in uplinks:
            seen.add(uplink.id)
            if uplink.device:
                self._by_device[uplink.device] = uplink.id
            way = self._way(uplink.id)
            if way is not None:
                way.carries = True
                self._set(way, time, uplink)
        for name, way in self._ways.items():
            if name not in seen:
                self._end(way, time)

    def silent(self, time: int) -> None:
        """The router does not answer any more: from now on nothing is known."""
        self.version += 1
        for way in self._ways.values():
            self._end(way, time)

    def tell(self, event: LinkEvent) -> None:
        """Something happened."""
        self.version += 1
        self.events.append(event)
        self._first = min(self._first or event.time, event.time)
        name = self._by_device.get(event.uplink, event.uplink)
        way = self._way(name) if name else None
        if way is None:
            return
        before = way.spans[-1].uplink if way.spans and not way.spans[-1].last else None
        now = before if before is not None else Uplink(name)
        match event.what:
            case "up":
                now = replace(now, up=True)
            case "down" | "vanished":
                now = replace(now, up=False)
                way.metrics.clear()
            case "role" if event.after in _CSS:
                way.carries = True
                now = replace(now, role=event.after)  # type: ignore[arg-type]
            case "address":
                address = event.after if ":" not in event.after or not now.address else now.address
                now = replace(now, address=address) if event.after else now
            case "operator":
                now = replace(now, operator=event.after)
            case "technology":
                now = replace(now, technology=event.after)
            case "route":
                self._routed(name, way, event)
                return
            case _:
                return
        self._set(way, event.time, now)
        if event.what in ("down", "vanished"):
            self._lead(event.time)

    def _routed(self, name: str, way: _Way, event: LinkEvent) -> None:
        """The kernel's default routes: the one of the least metric is used, of several the one that was set last."""
        if not way.carries and event.before and not way.spans and not self._looked:
            # It was there before, and nobody has told since the log began that it came.
            way.carries = True
            way.metrics.add(_metric(event.before))
            self._set(way, self._first, Uplink(name, up=True, role="unknown"))
            self._lead(self._first)
        way.carries = True
        if event.after:
            way.metrics.add(_metric(event.after))
            way.routed = event.time
        else:
            way.metrics.discard(_metric(event.before))
        if self._looked and event.after:
            # The kernel has no route over what is down; which one is used is for the router to say.
            last = way.spans[-1].uplink if way.spans and not way.spans[-1].last else Uplink(name)
            self._set(way, event.time, replace(last, up=True))
        self._lead(event.time)

    def _lead(self, time: int) -> None:
        """Who is used now, as far as routes tell. What a router says itself goes before that."""
        if self._looked:
            return
        with_route = {name: way for name, way in self._ways.items() if way.metrics}
        best = min(with_route, key=lambda name: (min(with_route[name].metrics), -with_route[name].routed), default="")
        for name, way in self._ways.items():
            if not way.carries:
                continue
            last = way.spans[-1].uplink if way.spans and not way.spans[-1].last else Uplink(name)
            if last.up is False and not way.metrics:
                continue
            role: Role = "active" if name == best else "standby" if way.metrics else "disabled"
            up, state = (True, "") if way.metrics else (last.up, NO_ROUTE)
            self._set(way, time, replace(last, up=up, role=role, state=state))

    def _way(self, name: str) -> _Way | None:
        way = self._ways.get(name)
        if way is None and len(self._ways) < MAX_UPLINKS:
            way = self._ways[name] = _Way()
        return way

    def _set(self, way: _Way, time: int, uplink: Uplink) -> None:
        last = way.spans[-1] if way.spans else None
        if last is not None and not last.last:
            fresh = Span(time, uplink)
            moved = uplink.address and last.uplink.address and uplink.address != last.uplink.address
            if (fresh.css, fresh.text) == (last.css, last.text) and not (moved and uplink.up):
                last.uplink = uplink
                return
            last.last = max(time, last.first)
        way.spans.append(Span(time, uplink))

    @staticmethod
    def _end(way: _Way, time: int) -> None:
        if way.spans and not way.spans[-1].last:
            way.spans[-1].last = max(time, way.spans[-1].first)

    # ------------------------------------------------------------------------------------------------------ to be drawn

    def lanes(self, until: int) -> list[Lane]:
        """A line an uplink. ``until``: how far those that go on are drawn."""
        found = []
        for name, way in self._ways.items():
            if way.carries and way.spans:
                bands = [
                    Band(span.first, span.last or max(until, span.first), span.text, span.css, span.title, None,
                         not span.last)
                    for span in way.spans
                ]  # fmt: skip
                found.append(Lane(terminal(name, 20), bands))
        return found

    def marks(self) -> list[Mark]:
        """What happened to them."""
        return [
            Mark(event.time, "info", f"router: {terminal(event.text, 200)}", None)
            for event in self.events
            if event.what not in _QUIET
        ]


def _metric(route: str) -> int:
    """Of a default route as ``links.kernel`` names it."""
    _, found, number = route.rpartition(", metric ")
    return int(number) if found and number.isdecimal() else 0


def take(uplinks: Uplinks, events: Iterable[LinkEvent], looks: Iterable[tuple[int, tuple[Uplink, ...]]]) -> None:
    """What a file has, in the order of time."""
    news: list[tuple[int, int, LinkEvent | tuple[Uplink, ...]]] = [
        *((time, 0, seen) for time, seen in looks),
        *((event.time, 1, event) for event in events),
    ]
    for time, _, one in sorted(news, key=lambda item: item[:2]):
        if isinstance(one, LinkEvent):
            uplinks.tell(one)
        else:
            uplinks.look(time, one)
