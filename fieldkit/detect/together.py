"""Stations that lose their connections together, or start anew together: for which reason?

The uplink, another uplink, the CSMS, the power: each looks alike from one station, and not from all of them.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from fieldkit.checks.words import SECOND, counted, duration, listed
from fieldkit.detect.context import MAX_STATIONS, Context
from fieldkit.detect.standing import Down, Standing
from fieldkit.detect.symptom import SITE
from fieldkit.events import Event, OcppMessage
from fieldkit.site.reading import text

MASS: Final = 90 * SECOND
"""Stations that lose their connection within this time lose it for one reason …"""
MASS_SHARE: Final = 0.5
"""… if they are this share of those connected, and two at least."""
MASS_WAIT: Final = 40 * SECOND
"""How long to look on before the reason is told."""
RESTART: Final = 200 * SECOND
"""A restart of the CSMS that takes longer than this (and ``MASS_WAIT``) is an outage."""
BOOTS: Final = 300 * SECOND
"""Stations that boot within this time without an order had their power cut."""
POWERED: Final = 60 * SECOND
"""A station that tries to connect for so long before it boots was not without power: it starts to try when it has
started, and boots when it is connected."""
GREETS: Final = 0.75
"""Share of the connections that the other side had ended after which it boots, that makes a habit …"""
PROMPT: Final = 60 * SECOND
"""… if it is back within this time: who comes later may have started anew, and the other side have tired of waiting."""
TRIED: Final = 90 * SECOND
"""A station that has tried within this time and has no connection is turned away still."""
GIVEN_UP: Final = 1200 * SECOND
"""Stations wait for minutes between two attempts; so long none does."""


class Together:
    """All stations of the site."""

    def __init__(self, context: Context, stations: dict[str, Standing]) -> None:
        self.context = context
        self.stations = stations
        self._downs: deque[Down] = deque(maxlen=256)
        self._boots: deque[tuple[int, str, OcppMessage]] = deque(maxlen=256)
        self._mass = 0
        """When stations last lost their connections together."""

    def others_lost(self, name: str, time: int, within: int) -> bool:
        """Has another station lost its connection just before?"""
        return any(down.station != name and time - down.time < within for down in self._downs)

    def connected(self, state: Standing, absence: int) -> None:
        """It has a connection again. Whether it boots now says something of its habits, if the other side had ended the
        one before and it is back at once."""
        state.by_server = state.by_server and absence <= PROMPT
        state.after_server += state.by_server

    def _silent_boots(self) -> bool:
        """Do stations boot whose connections fell silent, rather than ended?"""
        return any(self.context.now - boot[0] <= BOOTS for boot in self._boots)

    def lost(self, down: Down) -> None:
        """A station has lost its connection: do others, too?"""
        self._downs.append(down)
        recent = self._mass_downs(self.context.now)
        if self._is_mass(len({down.station for down in recent})) and not self.context.deadlines.waits("mass"):
            self.context.at("mass", self.context.now + MASS_WAIT, self._judge_mass)

    def _mass_downs(self, now: int) -> list[Down]:
        return [
            down for down in self._downs
            if now - down.time <= MASS and not self.context.expects_restart(down.station) and down.time > self._mass
        ]  # fmt: skip

    def _is_mass(self, number: int) -> bool:
        connected = sum(bool(state.open or state.lost) for state in self.stations.values())
        return number >= 2 and number >= MASS_SHARE * connected

    def _judge_mass(self, time: int) -> None:
        downs = self._mass_downs(time)
        names = list(dict.fromkeys(down.station for down in downs))
        if not names:
            return
        self._mass = time
        by_name = {name: self.stations[name] for name in names if name in self.stations}
        states = list(by_name.values())
        by_server = sum(down.by_server for down in downs)
        refused = sum(state.refused for state in states)
        back = sum(not state.lost for state in states)
        booted = sum(
            bool(state.booted >= downs[0].time and self.context.greetings.get(name) != state.booted)
            for name, state in by_name.items()
        )
        evidence = tuple(down.event for down in downs[:6])
        took = max(down.time for down in downs) - downs[0].time
        who = f"{counted(len(names), 'charger')} ({listed(names, 4)}) lost their connections "
        who += _within(took)
        if sum(down.orderly for down in downs) >= 0.7 * len(downs):
            family, confidence = "planned-sim-switch", 0.8
            what = "All said good-bye, so somebody wanted it."
        elif self.context.other_way >= downs[0].time:
            family, confidence = "uplink-switch", 0.75
            what = f"Since then they have gone another way, and {_back(back, len(names))}."
        elif by_server >= 0.7 * len(downs) or refused:
            family, confidence = "csms-restart", 0.8
            self.context.at("restart", time + RESTART, lambda due: self._still_away(names, evidence, due))
            what = (
                "The CSMS closed them" if by_server >= 0.7 * len(downs) else "Their attempts were turned away at once"
            )
            what += f", and {_back(back, len(names))}."
        elif booted >= MASS_SHARE * len(names) and self._silent_boots():
            family, confidence, what = (
                "power-cut",
                0.85,
                f"{booted} of them have started anew since: they had no power.",
            )
        elif back >= MASS_SHARE * len(names):
            # An interruption, as every uplink has now and then: it becomes an incident if it comes often, or if the
            # way is another one since, which the answers' times tell (``latency.Latency``).
            self.context.broken_off = downs[0].time
            return
        else:
            family, confidence = "station-offline", 0.7
            what = f"None said goodbye, and {_back(back, len(names))}."
        self.context.tell(
            family, SITE, confidence, f"{who}. {what}", evidence, first=downs[0].time, layer="statistics", sign="mass"
        )

    def _still_away(self, names: list[str], evidence: tuple[Event, ...], time: int) -> None:
        """What looked like a restart of the CSMS lasts too long for one. A station that has not tried of late may only
        be waiting, as each does longer after each attempt: then it is asked again later."""
        away = [name for name in names if (state := self.stations.get(name)) is not None and state.lost]
        if len(away) < MASS_SHARE * len(names):
            return
        first = min(self.stations[name].lost for name in away)
        trying = [name for name in away if time - self.stations[name].tried_last <= TRIED]
        if not trying and time - first < GIVEN_UP:
            self.context.at("restart", time + TRIED // 2, lambda due: self._still_away(names, evidence, due))
            return
        self.context.tell(
            "csms-unreachable",
            SITE,
            0.85,
            f"{len(away)} of {counted(len(names), 'charger')} "
            + ("are still turned away" if trying else "have not come back")
            + f" after {duration(time - first)}; a restart of the CSMS takes a minute or two.",
            evidence,
            first=first,
            layer="statistics",
            sign="still-away",
            insists=True,
        )

    def _greets(self, name: str, state: Standing, message: OcppMessage) -> None:
        """Some makes take every new connection for a new start. One that boots after ends that came from the other side
        has that habit: the other side does not know when a station starts anew."""
        if state.replaced:
            return  # its connection fell silent: that is what a start looks like
        if state.by_server:
            state.by_server = False
            state.greeted += 1
            if state.greeted >= GREETS * state.after_server and len(self.context.greeters) < MAX_STATIONS:
                self.context.greeters.add(name)
        elif name not in self.context.greeters:
            return
        if name in self.context.greetings or len(self.context.greetings) < MAX_STATIONS:
            self.context.greetings[name] = message.time

    def boot(self, name: str, state: Standing, message: OcppMessage) -> None:
        """A station starts anew: do others, too, and had they been without power?"""
        state.booted = message.time
        reason = text(message.payload, "reason") or ""
        if self.context.expects_restart(name) or reason in ("Triggered", "RemoteReset", "ScheduledReset"):
            return
        self._greets(name, state, message)
        if self.context.now - self.context.began <= BOOTS or (state.open and not state.replaced):
            return  # it has lost its connection in sight: that explains a boot, to those who boot then
        if state.trying >= POWERED:
            return  # who sends packets for so long before has power
        self._boots.append((message.time, name, message))
        recent = [boot for boot in self._boots if message.time - boot[0] <= BOOTS]
        names = list(dict.fromkeys(boot[1] for boot in recent))
        everybody = len(self.stations)
        if len(names) >= 2 and len(names) >= MASS_SHARE * everybody:
            restarted = self._mass and recent[0][0] - self._mass < 900 * SECOND
            first = min(recent[0][0], self._downs[0].time if restarted and self._downs else recent[0][0])
            self.context.tell(
                "power-cut",
                SITE,
                0.8,
                f"{len(names)} of {counted(everybody, 'charger')} ({listed(names, 4)}) started anew "
                f"{_within(message.time - recent[0][0])} without having been told to. Chargers that start "
                "together were without power together; usually none does.",
                tuple(boot[2] for boot in recent[:6]),
                first=first,
                sign="boots",
            )


def _within(time: int) -> str:
    return "at the same moment" if time < SECOND else f"within {duration(time)}"


def _back(back: int, everybody: int) -> str:
    if not back:
        return "none is back yet"
    return "all are back" if back >= everybody else f"{back} of {everybody} are back"
