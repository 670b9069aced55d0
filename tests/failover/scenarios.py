"""Eight things that befall a site with two uplinks, each in many variants: a seed chooses delays, timers and manners."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.failover.network import LEASE, A, B, Network, lines
from tests.failover.parties import Timers
from tests.failover.truth import Act, Trouble, Truth, tell
from tests.live.lab import Talker

PATIENCE: Final = 60.0
"""Seconds that the station has to come back, on however slow a machine."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things are left alone, in seconds."""

    before: float
    """All is well."""
    after: float
    """All is well again."""
    detection: float
    """Until the router notices that an uplink carries nothing."""
    answer: float
    """That the station waits for an answer, at least."""
    idle: float
    """Between two messages of a station that says little."""
    between: bool
    """Things happen between two messages. Where a packet is on its way at that moment, a flush may look like none, and
    the other way round: nobody can tell them apart then."""


QUICK: Final = Pace(2.5, 1.5, 2.5, 2.5, 3.0, between=True)
FULL: Final = Pace(8.0, 6.0, 5.0, 3.5, 5.0, between=False)


class Stage:
    """A running site, and the hand that does things to it."""

    def __init__(self, made: Network, seed: int, pace: Pace, truth: Truth) -> None:
        self.net = made
        self.seed = seed
        self.pace = pace
        self.truth = truth
        self.dice = random.Random(f"{truth.scenario} {seed}")
        self.timers = Timers(
            every=round(self.dice.uniform(0.3, 0.5), 2),
            again=round(self.dice.uniform(0.7, 2.0), 2),
            answer=round(pace.answer + self.dice.uniform(0.0, 1.5), 2),
            # Every third station finds out by pings, before it misses an answer.
            ping=2.0 if seed % 3 == 2 else 0.0,
            pong=1.5,
            boots=seed % 5 != 3,
        )
        self.station: Talker | None = None

    def begin(self) -> None:
        """Cables as they are on a good day, and a station that charges."""
        dice = self.dice
        self.net.set(A, delay_ms=round(dice.uniform(15, 35), 1), jitter_ms=round(dice.uniform(1, 8), 1))
        self.net.set(B, delay_ms=round(dice.uniform(5, 12), 1), jitter_ms=round(dice.uniform(0, 2), 1))
        self.net.serve()
        self.station = self.net.charge(self.timers)
        time.sleep(self.pace.before)

    def did(self, when: int, what: str) -> int:
        """Write an act down."""
        self.truth.acts.append(Act(when, what))
        return when

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def moment(self) -> None:
        """The next one at which something may happen."""
        if self.pace.between:
            told = sum(line["what"] == "delivered" for line in self.said())
            ends = time.monotonic() + PATIENCE
            while sum(line["what"] == "delivered" for line in self.said()) == told and time.monotonic() < ends:
                time.sleep(0.01)
            time.sleep(0.1)  # the acknowledgement of the answer, too, is through

    def said(self) -> list[dict[str, Any]]:
        assert self.station is not None
        return lines(self.station)

    def back(self, since: int) -> None:
        """Wait until the station has lost its connection after this moment, and delivers again."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            after = [line for line in self.said() if line["time"] >= since]
            noticed = next((line["time"] for line in after if line["what"] == "noticed"), None)
            if noticed and any(line["what"] == "delivered" and line["time"] > noticed for line in after):
                return
            time.sleep(0.05)
        raise AssertionError(f"the station has not come back: {self.said()[-5:]} {self.station and self.station.err}")


def switch(stage: Stage, *, flush: bool) -> None:
    """The router prefers the other uplink."""
    stage.moment()
    lost = stage.did(stage.net.route(A, there=False), f"default route moves from {A} to {B}")
    if flush:
        stage.did(stage.net.flush(), "conntrack flushed")
    stage.truth.troubles.append(Trouble(lost, lost))
    stage.back(lost)


def blackhole(stage: Stage) -> None:
    """The carrier of the uplink in use delivers nothing more; the router takes a while to see it."""
    stage.moment()
    lost = stage.did(stage.net.set(A, down=True), f"{A} carries nothing")
    stage.wait(stage.pace.detection + stage.dice.uniform(0, 1.5))
    switched = stage.did(stage.net.route(A, there=False), f"default route moves from {A} to {B}")
    if stage.seed % 2:
        stage.did(stage.net.flush(), "conntrack flushed")
    stage.truth.troubles.append(Trouble(lost, switched))
    stage.back(lost)


def satellite(stage: Stage) -> None:
    """The path suddenly takes half a second, and works."""
    step = stage.did(
        stage.net.set(A, delay_ms=round(stage.dice.uniform(270, 310), 1), jitter_ms=40.0),
        f"{A} goes by way of a geostationary satellite",
    )
    stage.truth.troubles.append(Trouble(step, broken=False))
    stage.wait(max(stage.pace.after * 2, 7.0))


def sim(stage: Stage) -> None:
    """The modem takes another SIM profile: gone for three seconds, then there with another address."""
    net = stage.net
    stage.truth.wan_before, stage.truth.wan_after = LEASE[A]
    stage.moment()
    net.ip("router", "link", "set", A, "down")
    lost = stage.did(time.time_ns(), f"{A} is down")
    stage.wait(3.0)
    net.ip("router", "addr", "del", LEASE[A][0], "dev", A)
    net.ip("router", "addr", "add", LEASE[A][1], "dev", A)
    net.ip("router", "link", "set", A, "up")
    switched = stage.did(net.route(A), f"{A} is up with another address")
    stage.truth.troubles.append(Trouble(lost, switched))
    stage.back(lost)


def flapping(stage: Stage) -> None:
    """The router cannot make up its mind."""
    stage.moment()
    moves = [stage.did(stage.net.route(A, there=False), f"default route moves from {A} to {B}")]
    stage.did(stage.net.flush(), "conntrack flushed")
    stage.back(moves[-1])
    for there in (True, False, True):
        stage.wait(stage.dice.uniform(0.8, 1.6))
        stage.moment()
        words = f"default route moves from {B if there else A} to {A if there else B}"
        moves.append(stage.did(stage.net.route(A, there=there), words))
        stage.did(stage.net.flush(), "conntrack flushed")
        stage.back(moves[-1])
    stage.truth.troubles += [Trouble(move, move) for move in moves]


def unusable(stage: Stage) -> None:
    """The backup has internet, but its carrier lets nobody through to this CSMS; the first uplink mends itself."""
    net = stage.net
    net.refuse(B, "reject with icmp type admin-prohibited" if stage.seed % 4 == 3 else "drop")
    stage.moment()
    lost = stage.did(net.set(A, down=True), f"{A} carries nothing")
    stage.wait(1.0 + stage.dice.uniform(0, 0.5))
    switched = stage.did(net.route(A, there=False), f"default route moves from {A} to {B}")
    stage.did(net.flush(), "conntrack flushed")
    # Long enough for attempts in vain, however long the station waits between them.
    seen = sum(line["what"] == "syn" for line in stage.said())
    ends = time.monotonic() + PATIENCE
    while sum(line["what"] == "syn" for line in stage.said()) < seen + 2 and time.monotonic() < ends:
        time.sleep(0.05)
    stage.wait(1.0)
    stage.did(net.set(A, down=False), f"{A} works again")
    stage.did(net.route(A), f"default route moves from {B} to {A}")
    stage.did(net.flush(), "conntrack flushed")
    stage.truth.troubles.append(Trouble(lost, switched))
    stage.back(lost)


def idle(stage: Stage) -> None:
    """The carrier's NAT forgets connections sooner than the station says something: again and again."""
    for _ in range(2):
        stage.back(time.time_ns())


def forgotten(stage: Stage) -> None:
    """Each time, the first of which was before the station was thought to be at rest: from the last thing heard on."""
    heard = 0
    for line in stage.said():
        if line["what"] in ("delivered", "booted"):
            heard = line["time"]
        elif line["what"] == "noticed":
            forgot = stage.did(heard + IDLE * 10**9, "the carrier's NAT forgets the connection")
            stage.truth.troubles.append(Trouble(forgot))


IDLE: Final = 2
"""Seconds after which the carriers' NAT forgets: in the field one to ten minutes."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the eight."""

    cause: str
    act: Callable[[Stage], None]
    prepare: Callable[[Stage], None] = lambda stage: None
    """Before the station comes."""
    conclude: Callable[[Stage], None] = lambda stage: None
    """What only the station's own notes tell."""


def quiet(stage: Stage) -> None:
    """Nothing happens, as most of the time; a packet is lost now and then."""
    stage.net.set(A, loss=0.005)
    said = len(stage.said())
    ends = time.monotonic() + PATIENCE
    while len(stage.said()) < said + 2 * QUIET_MESSAGES and time.monotonic() < ends:
        time.sleep(0.05)


QUIET_MESSAGES: Final = 100


def _one_uplink(stage: Stage) -> None:
    stage.net.route(B, there=False)


def _forgetful(stage: Stage) -> None:
    stage.net.forget_idle(IDLE, "reject with tcp reset" if stage.seed % 2 else "drop")
    # Shorter than the carrier's patience, or there is another outage in it.
    stage.pace = replace(stage.pace, after=1.0)
    stage.timers = replace(stage.timers, every=stage.pace.idle + stage.dice.uniform(0, 0.5), ping=0.0, boots=True)


SCENARIOS: Final[dict[str, Scenario]] = {
    "switch-flush": Scenario("switch-flows-flushed", lambda stage: switch(stage, flush=True)),
    "switch-no-flush": Scenario("switch-flows-stranded", lambda stage: switch(stage, flush=False)),
    "blackhole": Scenario("blackhole", blackhole),
    "satellite": Scenario("satellite-step", satellite),
    "sim-change": Scenario("sim-change", sim, _one_uplink),
    "flapping": Scenario("flapping", flapping),
    "backup-unusable": Scenario("backup-cannot-reach-csms", unusable),
    "nat-idle": Scenario("nat-idle-kill", idle, _forgetful, forgotten),
}


def _talkative(stage: Stage) -> None:
    stage.timers = replace(stage.timers, every=0.12, ping=0.0)


QUIET: Final = Scenario("", quiet, _talkative)


def perform(made: Network, name: str, seed: int, pace: Pace, truth: Truth) -> None:
    """From a good day to a good day; ``truth`` is filled."""
    scenario = SCENARIOS.get(name, QUIET)
    truth.cause = scenario.cause
    stage = Stage(made, seed, pace, truth)
    scenario.prepare(stage)
    stage.begin()
    scenario.act(stage)
    stage.wait(stage.pace.after)
    scenario.conclude(stage)
    said = stage.said()
    for number, trouble in enumerate(truth.troubles, 1):
        tell(trouble, said, truth.troubles[number].path_lost if number < len(truth.troubles) else None)
