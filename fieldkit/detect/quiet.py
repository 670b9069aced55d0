"""Silence: of a station that is never silent for so long, and of a side that owes an answer."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from fieldkit.checks.words import SECOND, duration
from fieldkit.detect.context import Context
from fieldkit.detect.standing import Standing
from fieldkit.events import MessageType, OcppMessage
from fieldkit.ocpp.exchange import OTHER

NO_ANSWER: Final = 54 * SECOND
"""A CALL that is older than this has no answer: stations and CSMSs give up after 30 s, mostly, and many uplinks are
away for as long now and then."""
ANSWERED_BEFORE: Final = 3
"""So many answers must have been seen of a side before it can be missed: some captures show one side only."""
SILENCES: Final = 12
"""So many must be known before a longer one is unusual."""

Side: TypeAlias = Literal["station", "csms"]


class Quiet:
    """Of all stations."""

    def __init__(self, context: Context, stations: dict[str, Standing]) -> None:
        self.context = context
        self.stations = stations

    def message(self, name: str, state: Standing, message: OcppMessage) -> None:
        """A CALL waits for its answer from now on, an answer ends that."""
        waiting = state.waiting
        if message.type is MessageType.CALL:
            if len(waiting) < 64 and message.id:
                waiting[message.sender, message.id] = message
                if len(waiting) == 1:
                    self._expect_answer(name, state, message)
        elif waiting:
            asked = OTHER[message.sender]
            if waiting.pop((asked, message.id), None) is not None:
                state.answers[message.sender] += 1
                oldest = next(iter(waiting.values()), None)
                if oldest is not None:
                    self._expect_answer(name, state, oldest)
                else:
                    self.context.off(("answer", name))

    def lost(self, name: str, state: Standing) -> None:
        """Its connection has ended: nothing is owed any more."""
        state.waiting.clear()
        self.context.off(("answer", name))
        self.context.off(("silence", name))

    def life(self, name: str, state: Standing, side: Side, time: int) -> None:
        """A sign of life."""
        last = state.heard[side]
        state.heard[side] = time
        if side == "station":
            gap = time - last
            if last and gap > SECOND:
                state.gaps.append(gap)
            patience = self._patience(name, state)
            if patience and (state.open or not self.context.names):
                self.context.at(("silence", name), time + patience, lambda due: self._silent(name, due))

    def _patience(self, name: str, state: Standing) -> int:
        """How long this station may be silent: longer than ever so far, and than its heartbeats."""
        if len(state.gaps) < SILENCES:
            return 0
        longest = max(state.gaps)
        station = self.context.picture.stations.get(name)
        interval = station.about.heartbeat_interval if station is not None else None
        if interval is not None and interval > 0:
            longest = max(longest, min(interval, 86_400) * SECOND)
        return int(1.6 * longest) + 45 * SECOND

    def _silent(self, name: str, time: int) -> None:
        state = self.stations[name]
        silent = time - state.heard["station"]
        if self.context.expects_restart(name) or state.lost:
            return
        # Somebody else must have been heard meanwhile: else it may be the capture that ends or has a hole.
        others = max((other.heard["station"] for key, other in self.stations.items() if key != name), default=0)
        seen = others > time - silent // 2 or state.retransmitted > time - silent
        self.context.tell(
            "blackhole" if state.retransmitted > time - silent else "station-offline",
            name,
            (0.65 if state.retransmitted > time - silent else 0.45) if seen else 0.3,
            f"Nothing was heard of {name} for {duration(silent)}; usually it speaks at least every "
            f"{duration(max(state.gaps))}.",
            first=state.heard["station"] + max(state.gaps),
            layer="statistics",
            sign="silence",
        )

    def _expect_answer(self, name: str, state: Standing, call: OcppMessage) -> None:
        key, due = ("answer", name), call.time + NO_ANSWER
        self.context.at(key, max(due, self.context.now + 1), lambda time: self._unanswered(name, call, time))

    def _unanswered(self, name: str, call: OcppMessage, time: int) -> None:
        state = self.stations[name]
        side = OTHER[call.sender]
        known = state.answers[side] >= ANSWERED_BEFORE
        mute = state.heard[side] < call.time
        for key in [key for key, old in state.waiting.items() if time - old.time >= NO_ANSWER]:
            del state.waiting[key]
        oldest = next(iter(state.waiting.values()), None)
        if oldest is not None:
            self._expect_answer(name, state, oldest)
        if not known or state.lost or not mute:
            return
        if call.sender == "csms" and self.context.expects_restart(name):
            return
        who = "the CSMS" if side == "csms" else "the station"
        self.context.tell(
            "blackhole",
            name,
            0.75 if side == "csms" else 0.62,
            f"{call.action or 'A message'} {'of' if side == 'csms' else 'to'} {name} had no answer within "
            f"{duration(time - call.time)}, and nothing else came from {who} either; where all is well an answer takes "
            "a few seconds at most.",
            (call,),
            first=call.time,
            sign=f"unanswered-{side}",
        )
