"""An interface of a router as a live source, over ssh and with the router's own tcpdump: nothing is installed there.

    SshTap("ssh://root@192.168.1.1/br-lan", CaptureFilter(), numbers)

What cannot work (a changed host key, a refused login, no tcpdump) ends the source with the reason. What worked and was
interrupted is tried again, at growing intervals, for as long as it takes; what was missed meanwhile is an event.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fieldkit.checks.words import duration
from fieldkit.events import CaptureComment, CaptureDropped, DecodeError
from fieldkit.safetext import terminal
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import Item, SourceError
from fieldkit.sources.sshcommand import parse

if TYPE_CHECKING:
    from fieldkit.sources.sshsession import SshSession

FIRST_PAUSE: Final = 1.0
"""Seconds before the first new attempt; each next pause is twice as long …"""
LONGEST_PAUSE: Final = 30.0
"""… up to this: a router takes a minute or two to boot, and the first minute after it may be the interesting one."""
_STEADY: Final = 60.0
"""Seconds that a session must have lasted for the pauses to be short again."""
_CLOCK_OFF: Final = 1_000_000_000
"""Nanoseconds by which a clock may differ without a word."""


class SshTap:
    """One interface of one machine."""

    def __init__(self, url: str, wanted: CaptureFilter, numbers: FrameNumbers, *, ssh: Sequence[str] = ()) -> None:
        """``url`` as in ``sshcommand.parse``; SourceError when it is none, or when there is no ssh here. ``ssh``:
        another program, or options, in its place. Whether it works shows later: nothing here waits."""
        if os.name == "nt":
            raise SourceError("ssh:// needs Linux or macOS here; on Windows pipe it: ssh … tcpdump -w - | fieldkit …")
        self.target = parse(url)
        self.name = str(self.target)
        self.unreachable = False
        """Nobody let us in there; when ``ended`` says something else, what is there cannot be used."""
        self._wanted = wanted
        self._numbers = numbers
        self._ssh = ssh
        self._why: str | None = None
        self._offset = 0
        """The other clock less ours: what is said of the capture is said in its time."""
        self._told_offset = 0
        self._captured = False
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0
        self._lost_at = 0.0
        self._reason = ""
        self._earlier = [0, 0]
        """Received and dropped in sessions that are over."""
        self._packets_earlier = 0
        self._told_drops = 0
        self._greeted = self._resumed = False
        self._since = time.monotonic()
        self._session: SshSession | None = self._open()

    def fileno(self) -> int:
        """ssh's output; -1 while there is no session."""
        return self._session.fileno() if self._session is not None else -1

    def read(self) -> list[Item]:
        """Packets, and what there is to say of the session."""
        session = self._session
        if session is None:
            return []
        items = session.read()
        now = time.time_ns()
        if session.facts is not None and not self._greeted:
            self._greeted = True
            items = [*self._greet(now), *items]
        if session.capturing and not self._resumed:
            self._resumed = True
            items = [*self._resume(now), *items]
        if session.is_over():
            items += self._part(now)
        return items

    def tick(self, now: int) -> list[Item]:
        """Counters; whether the session lives; a new one when it is time for it."""
        if self._why is not None:
            return []
        if self._session is None:
            if time.monotonic() >= self._retry_at:
                try:
                    self._session = self._open()
                except SourceError as error:
                    self._why = str(error)
            return []
        items = self._session.look()
        items += self._drops(now)
        if self._session.is_over():
            items += self._part(now)
        return items

    def counters(self) -> tuple[int, int]:
        """Packets received and dropped, by the router's own count where it tells, else the packets that came."""
        counted = self._session.counters if self._session is not None else {}
        received = self._earlier[0] + counted.get("received", 0)
        dropped = self._earlier[1] + counted.get("dropped", 0)
        return max(received, self._packets()), dropped

    def ended(self) -> str | None:
        """Why there is no capture and will be none; None while there is one or may be one again."""
        return self._why

    def stop(self) -> list[Item]:
        """End the capture there and take what was still under way, for a second; the source has ended then."""
        return self._stop(gently=True)

    def close(self) -> None:
        """End the capture there, and ssh."""
        self._stop(gently=False)

    def _stop(self, *, gently: bool) -> list[Item]:
        items: list[Item] = []
        if self._session is not None:
            items = self._session.stop(gently=gently)
            items += self._drops(time.time_ns())
            self._settle()
        self._why = self._why or ""
        return items

    # ------------------------------------------------------------------------------------------------------ a session

    def _open(self) -> SshSession:
        from fieldkit.sources.sshsession import SshSession  # it needs signals that Windows has not

        self._greeted = self._resumed = False
        self._since = time.monotonic()
        return SshSession(self.target, self._wanted, self._numbers, self.name, self._ssh)

    def _greet(self, now: int) -> list[Item]:
        """The other machine has answered: what of its answer the user should know."""
        assert self._session is not None
        session, items = self._session, list[Item]()
        offset = session.clock_offset
        if offset is not None and abs(offset) > session.clock_doubt + _CLOCK_OFF:
            self._offset = offset
            if abs(offset - self._told_offset) > 2 * (session.clock_doubt + _CLOCK_OFF):
                self._told_offset = offset
                text = (
                    f"the clock of {self.target.host} is {duration(abs(offset))} "
                    f"{'ahead of' if offset > 0 else 'behind'} the clock here: times of packets are its times"
                )
                items.append(self._comment(now, text))
        elif offset is not None:
            self._offset = self._told_offset = 0
        if session.facts is not None and session.facts.offload and not self._captured:
            text = (
                f"hardware flow offloading is on at {self.target.host}: packets of established connections pass it "
                "unseen; switch it off while capturing (uci set firewall.@defaults[0].flow_offloading_hw=0)"
            )
            items.append(self._comment(now, text))
        return items

    def _resume(self, now: int) -> list[Item]:
        """The first bytes of a capture have come."""
        if not self._captured:
            self._captured = True
            return []
        gone = duration((time.monotonic() - self._lost_at) * 1e9)
        # For everybody who accuses somebody of having said nothing: there is a hole in every connection.
        reason = f"nothing was captured for {gone} on {self.name}: {self._reason}"
        hole = DecodeError(now + self._offset, (), None, "live", reason, b"", 0)
        return [hole, self._comment(now, f"capturing again on {self.name}")]

    def _part(self, now: int) -> list[Item]:
        """The session is over: for good, or until the next one."""
        session = self._session
        assert session is not None
        items = self._drops(now)
        self._settle()
        refused = session.refused
        if refused is not None and (not self._captured or not refused.passing):
            self.unreachable = refused.unreachable
            self._why = refused.reason
            return items
        reason = refused.reason if refused is not None else session.last_words() or "the ssh session ended"
        if time.monotonic() - self._since > _STEADY:
            self._pause = FIRST_PAUSE
        if self._resumed:
            self._lost_at = time.monotonic()
            self._reason = reason
            items.append(self._comment(now, f"the capture on {self.name} was interrupted ({reason}); trying again"))
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return items

    def _settle(self) -> None:
        """Count what the session that is over has counted."""
        assert self._session is not None
        counted = self._session.counters
        self._earlier[0] += counted.get("received", 0)
        self._earlier[1] += counted.get("dropped", 0)
        self._packets_earlier = self._packets()
        self._session = None

    def _packets(self) -> int:
        stream = self._session.stream if self._session is not None else None
        return self._packets_earlier + (stream.packets if stream is not None else 0)

    def _drops(self, now: int) -> list[Item]:
        dropped = self.counters()[1]
        if dropped <= self._told_drops:
            return []
        count, self._told_drops = dropped - self._told_drops, dropped
        return [CaptureDropped(now + self._offset, (), self.name, count)]

    def _comment(self, now: int, text: str) -> CaptureComment:
        return CaptureComment(now + self._offset, (), terminal(text, 500))
