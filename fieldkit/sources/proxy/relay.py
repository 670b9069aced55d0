"""One station's connection and the one to the CSMS that goes with it.

What comes in on one leg goes out on the other as it came, but for the request's target and ``Host``. How a leg ends is
passed on too: FIN as FIN (a half-closed connection stays half-closed), RST as RST. A leg that takes nothing stops the
other from being read, so that the sender feels it as it would without a proxy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from fieldkit.events import Endpoint
from fieldkit.sources.proxy.faults import Fault, Plan, Side
from fieldkit.sources.proxy.gate import Gate
from fieldkit.sources.proxy.leg import Leg
from fieldkit.sources.proxy.upgrade import MAX_WAITING, AnswerWatcher, Head, RequestReader, refusal, rewrite

if TYPE_CHECKING:
    from fieldkit.sources.proxy.settings import Settings
    from fieldkit.sources.proxy.tap import Tap
    from fieldkit.sources.proxy.tls import TlsCodec

HALF_CLOSED: Final = 300.0
"""Seconds that one side may still speak after the other has said its last."""
CLOSE_PATIENCE: Final = 10.0
"""Seconds that are left to both sides to end a connection on which a Close frame was said on purpose."""


class RelayOwner(Protocol):
    """The listener, as a relay sees it."""

    settings: Settings
    tap: Tap
    buffer: bytearray

    def upstream_tls(self) -> TlsCodec | None: ...

    def plan(self, station: str) -> Plan: ...

    def connect(self, relay: Relay) -> None:
        """Connect to the CSMS; ``relay.upstream_failed`` if that fails."""

    def say(self, text: str, station: str = "") -> None:
        """Tell the user."""

    def upstream_ready(self, leg: Leg) -> None: ...

    def upstream_failed(self) -> None: ...

    def done(self, relay: Relay) -> None: ...


class Relay:
    """Two legs and what passes between them."""

    def __init__(
        self, owner: RelayOwner, number: int, client_tls: TlsCodec | None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.number = number
        self.station_name = ""
        self.buffer = owner.buffer
        self.station = Leg(self, client_tls, server_side=True)
        self.csms: Leg | None = None
        self.connecting: asyncio.Task[None] | None = None
        self._owner = owner
        self._settings = owner.settings
        self._tap = owner.tap
        self._clock = clock
        self._requests = RequestReader()
        self._answer: AnswerWatcher | None = None
        self._answer_head = bytearray()
        self._lazily = any(fault.kind == "refuse" for fault in self._settings.faults)
        self._waiting: list[bytes] = []  # for the CSMS's leg to be ready
        self._gates: dict[Side, Gate] = {}
        self._plan: Plan | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._ends: set[Side] = set()
        self._delivered: set[Side] = set()
        self._over = False
        self._gone: set[Leg] = set()
        self._peer = ""
        self._csms_ready = False
        self._standing = asyncio.Event()
        self._end_waiting: bool | None = None  # the station's end came before the CSMS's leg was ready

    @property
    def name(self) -> str:
        """The station as far as it is known."""
        return self.station_name or self._peer

    # ------------------------------------------------------------------------------------------------------- beginning

    def accepted(self) -> Leg:
        """The factory of asyncio's server calls it: a station is there."""
        self.station.hold("connecting")
        return self.station

    def connected(self, leg: Leg) -> None:
        """A socket is connected."""
        if leg is not self.station or leg.transport is None:
            return
        client = leg.transport.get_extra_info("peername") or ("", 0)
        server = leg.transport.get_extra_info("sockname") or ("", 0)
        self._peer = f"{client[0]}:{client[1]}"
        self._tap.opened(self.number, self._clock(), Endpoint(*client[:2]), Endpoint(*server[:2]))
        if self._lazily or leg.uses_tls:
            # What decides whether there is a connection to the CSMS, and TLS, must be read; all else stays where it is
            # until there is somebody to say it to.
            leg.go_on("connecting")
        if not self._lazily:
            self._owner.connect(self)

    def new_upstream(self) -> Leg:
        """The factory of the connection to the CSMS."""
        leg = Leg(self, self._owner.upstream_tls(), server_side=False)
        self.csms = leg
        return leg

    def ready(self, leg: Leg) -> None:
        """A leg stands, TLS included."""
        if leg is self.station:
            if leg.uses_tls:
                self._tap.secured(self.number, self._clock(), leg.tls_facts())
            return
        if self._over:
            leg.close()
            return
        self._csms_ready = True
        self._standing.set()
        self._owner.upstream_ready(leg)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            leg.write(data)
        self.station.go_on("connecting")
        if self._end_waiting is not None:
            self._finish("station", self._end_waiting)

    async def reached(self) -> None:
        """Until the CSMS's leg stands."""
        await self._standing.wait()

    def hurry(self) -> None:
        """A station has had its time for TLS."""
        if not self._over and not self.station.agreed:
            self.failed(self.station, "it was not finished in time")

    def upstream_unreachable(self, why: str) -> None:
        """There is no CSMS to speak to: the station sees its connection break off."""
        if not self._over:
            self._owner.upstream_failed()
            self._tell(f"the CSMS {self._settings.upstream} cannot be reached: {why}")
            self._break("csms")

    # ------------------------------------------------------------------------------------------------------ leg owner

    def received(self, leg: Leg, data: bytes) -> None:
        """Bytes came in on a leg."""
        if self._over:
            return
        if leg is self.station:
            self._from_station(data)
        elif self._answer is not None:
            self._look_at_answer(self._answer, data)
        else:
            self._from_csms(data)

    def ended(self, leg: Leg, clean: bool) -> None:
        """A leg has said its last."""
        if self._over:
            return
        side: Side = "station" if leg is self.station else "csms"
        if side in self._ends:
            return
        self._ends.add(side)
        if side == "station":
            rest = self._requests.rest()
            if rest:
                self._pass_station(rest)
            self._tap.ended(self.number, self._clock(), True, reset=False)
        gate = self._gates.get(side)
        if gate is not None:
            gate.end(clean)
        else:
            self._finish(side, clean)

    def lost(self, leg: Leg, why: str) -> None:
        """A leg broke."""
        if self._over:
            return
        side: Side = "station" if leg is self.station else "csms"
        if side == "csms" and not self._csms_ready:
            self.upstream_unreachable(why)
            return
        if side in self._ends and len(self._ends) == 2:
            self._close()
            return
        self._break(side)

    def failed(self, leg: Leg, why: str) -> None:
        """TLS went wrong on a leg."""
        if self._over:
            return
        if leg is not self.station:
            if self._csms_ready:
                self._tell(f"TLS with the CSMS {self._settings.upstream} broke off: {why}")
            else:
                self.upstream_unreachable(f"TLS: {why}")
                return
        else:
            self._tell(f"TLS with the station failed: {why}")
        # The alert is on its way: FIN and not RST behind it, or it might be lost.
        self._tap.ended(self.number, self._clock(), leg is self.station, reset=True)
        self._close()

    def blocked(self, leg: Leg, blocked: bool) -> None:
        """A leg does (not) take bytes."""
        other = self.csms if leg is self.station else self.station
        if other is not None:
            if blocked:
                other.hold("blocked")
            else:
                other.go_on("blocked")

    def gone(self, leg: Leg) -> None:
        """A socket is closed."""
        self._gone.add(leg)
        self._close()
        csms = self.csms
        if self.station in self._gone and (csms is None or csms.transport is None or csms in self._gone):
            self._tap.forget(self.number)
            self._owner.done(self)

    def look(self) -> None:
        """Now and then: has a leg that is not read broken off?"""
        self.station.look()
        if self.csms is not None:
            self.csms.look()

    def stop(self) -> None:
        """The proxy ends: both connections are closed; the record of this one just ends here."""
        if self.connecting is not None:
            self.connecting.cancel()
        self._close()

    # --------------------------------------------------------------------------------------------------- from station

    def _from_station(self, data: bytes) -> None:
        if self._requests.raw:
            self._pass_station(data)
            return
        first = not self.station_name and not self._requests.held
        if first and data[:2] == b"\x16\x03" and not self.station.uses_tls and self._settings.upstream.tls:
            self._tell("the station speaks TLS, but the proxy has no certificate: give --cert and --key")
            self._tap.ended(self.number, self._clock(), False, reset=True)
            self._over = True
            self.station.reset()
            self._close()
            return
        for step in self._requests.feed(data):
            if not self._step(step):
                return
        if self._requests.waiting and self._requests.held > MAX_WAITING:
            self.station.hold("waiting")

    def _step(self, step: Head | bytes) -> bool:
        """Pass on one piece of HTTP; False when the connection is refused."""
        if isinstance(step, bytes):
            self._pass_station(step)
            return not self._over
        self.station_name = step.station or self.station_name
        now = self._clock()
        self._tap.said(self.number, now, True, step.original, head=True)
        plan = self._owner.plan(step.station)
        if step.upgrade:
            fault = plan.refusal()
            if fault is not None:
                self._refuse(fault)
                return False
            self._answer = AnswerWatcher()
            self._plan = plan if plan.touches_messages else None
        if self._lazily and self.csms is None and self.connecting is None:
            self._owner.connect(self)
        without = step.upgrade and plan.reads_messages and b"permessage" in step.original.lower()
        if without:
            self._tell("compression is not offered on: faults are chosen by what messages say, or take some out")
        self._send("csms", rewrite(step, self._settings.upstream, self._settings.host, without_extensions=without))
        return True

    def _pass_station(self, data: bytes) -> None:
        self._tap.said(self.number, self._clock(), True, data)
        gate = self._gates.get("station")
        if gate is not None:
            gate.feed(data)
        else:
            self._send("csms", data)
        if self._lazily and self.csms is None and self.connecting is None and not self._over:
            self._owner.connect(self)

    def _refuse(self, fault: Fault) -> None:
        self._tell(f"fault made on purpose: {fault.text}: the upgrade is refused with {fault.code}")
        answer = refusal(fault.code)
        now = self._clock()
        self._tap.said(self.number, now, False, answer)
        self._tap.ended(self.number, now, False, reset=False)
        self.station.write(answer)
        self._close()

    # ------------------------------------------------------------------------------------------------------ from CSMS

    def _look_at_answer(self, watcher: AnswerWatcher, data: bytes) -> None:
        found = watcher.feed(data)
        if found is None:
            self._answer_head += data
            self._from_csms(data)
            return
        status, head = found
        self._answer = None
        self._answer_head += data[:head]
        if head:
            self._from_csms(data[:head])
        if status == 101:
            self._tap.upgraded(self.number, self._clock(), bytes(self._answer_head))
            self._begin_messages()
        self._answer_head.clear()
        if len(data) > head:
            self._from_csms(data[head:])
        for step in self._requests.answered(status == 101 or status == 0):
            if not self._over and not self._step(step):
                return
        self.station.go_on("waiting")

    def _from_csms(self, data: bytes) -> None:
        gate = self._gates.get("csms")
        if gate is not None:
            gate.feed(data)
        else:
            self._tap.said(self.number, self._clock(), False, data)
            self.station.write(data)

    def _begin_messages(self) -> None:
        plan = self._plan
        if plan is None:
            return
        loop = asyncio.get_running_loop()
        for side in ("station", "csms"):
            self._gates[side] = Gate(self, side, plan, loop.time(), loop.time)
        for count in plan.timed_closes():
            fault = count.fault
            self._timers.append(loop.call_later(fault.after, self._timed_close, count.strikes, fault))

    def _timed_close(self, strikes: Callable[[str], bool], fault: Fault) -> None:
        if not self._over and fault.side is not None and strikes(self.station_name):
            self._gates[fault.side].close(fault)

    # ------------------------------------------------------------------------------------------------------ gate owner

    def deliver(self, side: Side, data: bytes) -> None:
        """A gate lets something pass."""
        if self._over:
            return
        if side == "csms":
            self._tap.said(self.number, self._clock(), False, data)
            self.station.write(data)
        else:
            self._send("csms", data)

    def deliver_end(self, side: Side, clean: bool) -> None:
        """All that ``side`` said has passed its gate."""
        if not self._over:
            self._finish(side, clean)

    def crowded(self, side: Side, crowded: bool) -> None:
        """A gate holds too much."""
        leg = self.station if side == "station" else self.csms
        if leg is not None:
            if crowded:
                leg.hold("delay")
            else:
                leg.go_on("delay")

    def fault_made(self, side: Side, text: str) -> None:
        """A gate has done what it is there for."""
        self._tell(f"fault made on purpose ({side}): {text}")

    def close_said(self, side: Side) -> None:
        """Both sides have some time to end it orderly."""
        self._timers.append(asyncio.get_running_loop().call_later(CLOSE_PATIENCE, self._lose_patience))

    # ------------------------------------------------------------------------------------------------------------ ends

    def _send(self, to: Side, data: bytes) -> None:
        if self.csms is None or not self._csms_ready:
            self._waiting.append(data)
            self.station.hold("connecting")  # at most one read is waiting
        else:
            self.csms.write(data)

    def _finish(self, side: Side, clean: bool) -> None:
        """Pass on that one side has said its last."""
        if side in self._delivered:
            return
        if side == "station":
            if self.csms is None or not self._csms_ready:
                self._end_waiting = clean
                if self.csms is None and self.connecting is None:
                    self._close()
                return
            self.csms.say_end(clean)
        else:
            self._tap.ended(self.number, self._clock(), False, reset=False)
            self.station.say_end(clean)
        self._delivered.add(side)
        if len(self._delivered) == 2:
            self._close()
        else:
            self._timers.append(asyncio.get_running_loop().call_later(HALF_CLOSED, self._lose_patience))

    def _break(self, side: Side) -> None:
        """``side`` has broken off: so does the proxy, on the other side."""
        self._over = True
        self._tap.ended(self.number, self._clock(), side == "station", reset=True)
        if side == "station":
            if self.csms is not None:
                self.csms.reset()
        else:
            self.station.reset()
        self._close()

    def _lose_patience(self) -> None:
        if not self._over:
            now = self._clock()
            for side in ("station", "csms"):
                if side not in self._ends and not (side == "csms" and side in self._delivered):
                    self._tap.ended(self.number, now, side == "station", reset=False)
            self._close()

    def _close(self) -> None:
        """Send what is left; then it is over."""
        self._over = True
        if self.connecting is not None and not self.connecting.done():
            self.connecting.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for gate in self._gates.values():
            gate.stop()
        self.station.close()
        if self.csms is not None:
            self.csms.close()

    def _tell(self, text: str) -> None:
        self._tap.note(self.number, self._clock(), text)
        self._owner.say(text, self.name)
