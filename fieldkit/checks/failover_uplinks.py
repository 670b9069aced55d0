"""What the router itself tells of its uplinks, or captures on its outside: what no station can see.

These need somebody who knows the router: ``fieldkit link --watch --json``, its conntrack or ``ip monitor`` log, or a
capture on an uplink. Without it they are silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.onwire import bounded
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, clock, duration, listed
from fieldkit.events import ConnectionOpened, Event, PathSample
from fieldkit.site.outageloss import UplinkEvent
from fieldkit.site.picture import Picture

FAILBACK_NS: Final = 15 * 60 * SECOND
"""An uplink that has worked for so long is taken again by a router that would take it."""
SIMS: Final = 3
SIMS_NS: Final = 15 * 60 * SECOND
"""So many changes of a modem's SIM or network within this time are a loop."""
TOGETHER_NS: Final = 5 * SECOND
"""Uplinks that go down within so little share something."""
PERIODS: Final = 2
"""… and do so this often, once being an accident (a digger, a restart of the router)."""

NO_FAILBACK = Kind(
    "failover.no-failback",
    "warning",
    "site-network",
    "The site stays on its backup uplink although the first one works again",
    "{primary} was lost at {lost} and works again since {back}; {backup} is still the one in use, {stayed} later. A"
    " backup is metered, slower, or both.",
    "Look at the router's rule for going back (mwan3: metric of the members, up, recovery_interval; elsewhere a"
    " fail-back delay), and whether its connections are kept on the backup (flush_conntrack).",
    "github.com/opnsense/core/issues/10684",
)
SIM_LOOP = Kind(
    "failover.sim-loop",
    "warning",
    "uplink",
    "The modem keeps changing its SIM profile or network",
    "{uplink} changed {times} times within {span}: {words}. Each change costs every station its connection.",
    "Look at the modem's rules for changing (signal, failed probes, data limit) and make them slower; then at its"
    " antenna and signal, and ask the carriers whether both profiles are allowed on the networks that are here.",
    "docs/link.md",
)
COMMON = Kind(
    "failover.common-loss",
    "warning",
    "operator",
    "Uplinks that should be independent fail together",
    "{uplinks} went down within {span} of each other at {when}, and not for the first time: they share something.",
    "Find what they share: power, the mast or the cabinet, the carrier behind two brands, the duct of cable and antenna"
    " line. A backup over the same thing is none.",
    "docs/link.md",
    inferred=True,
)

_LOST: Final = frozenset({"down", "vanished"})
_SIM: Final = frozenset({"sim", "operator"})


class UplinkCheck(Check):
    """What is told of uplinks, as a whole, at the end."""

    kinds = (NO_FAILBACK, SIM_LOOP, COMMON)
    wants = frozenset({ConnectionOpened, PathSample})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._last: ConnectionOpened | None = None
        self._answered: dict[str, int] = {}
        """By address: when a connection from it was answered last."""

    def see(self, event: Event, picture: Picture) -> Iterable[Finding]:
        """Remember which connection was opened last: it shows the site at this time."""
        if isinstance(event, ConnectionOpened):
            self._last = event
        elif isinstance(event, PathSample) and event.kind == "handshake" and event.from_client:
            address = event.connection.client.address
            if address not in self._answered:
                bounded(self._answered)
            self._answered[address] = event.time
        return ()

    def finish(self, picture: Picture) -> Iterable[Finding]:
        """Judge what was told."""
        told = list(picture.outages.told)
        if self._last is None:
            return
        yield from self._stayed(picture, self._last)
        if not told:
            return
        yield from _sim_loops(told, self._last)
        yield from _common(told, self._last)
        yield from _no_failback(told, max(picture.time, told[-1].time), self._last)

    def _stayed(self, picture: Picture, shown: Event) -> Iterator[Finding]:
        """Captures on the uplinks: a station stays on one while others have long been using the other again."""
        for outage in reversed(picture.outages.all):
            home, away = outage.address_before, outage.address_after
            path = picture.outages.paths_by_number.get(outage.connections[-1]) if outage.connections else None
            if not home or not away or home == away or path is None or path.ended is not None or path.left is not None:
                continue
            worked = self._answered.get(home, 0)
            if worked - outage.end < FAILBACK_NS or path.heard < worked - FAILBACK_NS:
                continue
            values = {
                "primary": home,
                "backup": away,
                "lost": clock(outage.start),
                "back": clock(worked),
                "stayed": duration(path.heard - outage.end),
            }
            yield Finding(NO_FAILBACK, outage.start, outage.station, (shown,), values, group=home)


def _sim_loops(told: list[UplinkEvent], shown: Event) -> Iterator[Finding]:
    recent: dict[str, deque[UplinkEvent]] = {}
    known: set[str] = set()
    for event in told:
        if event.what not in _SIM or event.uplink in known:
            continue
        changes = recent.setdefault(event.uplink, deque(maxlen=SIMS))
        if changes and event.time - changes[-1].time < SECOND:
            continue  # another SIM is in another network: one change
        changes.append(event)
        span = event.time - changes[0].time
        if len(changes) < SIMS or span > SIMS_NS:
            continue
        known.add(event.uplink)
        words = listed([change.text for change in changes], 3)
        values = {"uplink": event.uplink or "The modem", "times": SIMS, "span": duration(span), "words": words}
        yield Finding(SIM_LOOP, changes[0].time, "", (shown,), values, group=event.uplink)


def _common(told: list[UplinkEvent], shown: Event) -> Iterator[Finding]:
    downs = [event for event in told if event.what in _LOST and event.uplink]
    times: dict[frozenset[str], list[tuple[int, int]]] = {}
    for place, event in enumerate(downs):
        for other in downs[place + 1 :]:
            apart = other.time - event.time
            if apart > TOGETHER_NS:
                break
            if other.uplink != event.uplink:
                times.setdefault(frozenset((event.uplink, other.uplink)), []).append((event.time, apart))
    for uplinks, moments in times.items():
        separate = moments[:1] + [later for earlier, later in pairwise(moments) if later[0] - earlier[0] > TOGETHER_NS]
        if len(separate) < PERIODS:
            continue
        at, apart = separate[-1]
        values = {"uplinks": listed(sorted(uplinks)), "span": duration(apart), "when": clock(at)}
        yield Finding(COMMON, separate[0][0], "", (shown,), values, group=" ".join(sorted(uplinks)))


def _no_failback(told: list[UplinkEvent], now: int, shown: Event) -> Iterator[Finding]:
    """Who was active, was lost, and is up again without becoming active."""
    active = ""
    lost: dict[str, int] = {}
    back: dict[str, int] = {}
    for event in told:
        if event.what == "role" and event.after == "active":
            active = event.uplink
            lost.pop(active, None)
            back.pop(active, None)
        elif (event.what == "role" and event.before == "active") or (event.what in _LOST and event.uplink == active):
            lost[event.uplink] = event.time
            back.pop(event.uplink, None)
        elif event.what in _LOST:
            back.pop(event.uplink, None)
        if event.uplink in lost and event.uplink not in back:
            works = event.what == "up" or (event.what == "role" and event.after == "standby")
            if works and event.time > lost[event.uplink]:
                back[event.uplink] = event.time
    for uplink, since in back.items():
        if active and active != uplink and now - since >= FAILBACK_NS:
            values = {
                "primary": uplink,
                "backup": active,
                "lost": clock(lost[uplink]),
                "back": clock(since),
                "stayed": duration(now - since),
            }
            yield Finding(NO_FAILBACK, since, "", (shown,), values, group=uplink)
