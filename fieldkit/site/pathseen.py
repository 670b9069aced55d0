"""What one connection says of the path under it: round trips, silences, repeats, refusals.

Fed by ``outages.Outages`` with the events of the connection. It remembers numbers, no events, and few of them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, NamedTuple

from fieldkit.events import Connection, PathError, PathSample
from fieldkit.site.middle import median
from fieldkit.site.trips import WIDEST, Trips, keep

TTLS: Final = (64, 128, 255)
"""Times to live that stacks begin with."""
LOCAL_NS: Final = 3_000_000
"""Nothing outside of a building answers so fast."""
MAX_ERRORS: Final = 8
MAX_OFFSETS: Final = 8
MIN_OFFSETS: Final = 3
"""Timestamps that tell what a client's clock says."""
MAX_GAPS: Final = 16
"""Distances between pings, and other numbers of which the latest are remembered."""
RECENT: Final = 8
"""Round trips that stand for the path as it is."""
STEP: Final = 3.0
STEP_NS: Final = 150_000_000
"""A round trip so many times as long as before, and by so much longer, is one of another path …"""
STEP_TRIPS: Final = 3
"""… when so many in a row are."""
FIRST_RTO_NS: Final = 3_000_000_000
"""A segment is repeated for the first time within this (RFC 6298 §2, §5.7; a satellite's round trips in it)."""
RTO_TOLERANCE: Final = 0.35
"""How far the distance between two retransmissions may be off twice the one before (RFC 6298 §5.5)."""


class Refused(NamedTuple):
    """An ICMP error about a packet of the client."""

    time: int
    kind: str
    reporter: str
    frames: tuple[int, ...]


class Step(NamedTuple):
    """The path became another one under a connection that lived on."""

    before: int
    """Median round trip, ns …"""
    after: int
    fast: int
    """When it was the old one for the last time, and the new one for the first."""
    slow: int
    earlier: tuple[tuple[int, int], ...]
    """(time, ns) of the round trips on the old one."""


def _numbers() -> array[int]:
    return array("q")


@dataclass(slots=True)
class PathSeen:
    """One connection."""

    connection: Connection
    established: int | None = None
    """When the server answered the SYN."""
    ended: int | None = None
    how: str = ""
    """As ``ConnectionClosed.how``; "left" where nothing of it was seen any more while the station went on elsewhere."""
    by_client: bool | None = None
    end_frames: tuple[int, ...] = ()
    close_code: int | None = None
    closing: int | None = None
    """When the first WebSocket close frame passed, and whose it was."""
    closing_by_client: bool | None = None
    trips: Trips = field(default_factory=Trips)
    """Round trips to the server."""
    near: Trips = field(default_factory=Trips)
    """The same to the client."""
    ttl: int = 0
    client_ttl: int = 0
    mss: int = 0
    """Largest segment that the server takes, as it arrives here: lower than before where a tunnel is in between."""
    window: int = 0
    reset_ttl: int = 0
    reset_rtt: int = -1
    heard: int = 0
    """Last sign of life of the server."""
    spoke: int = 0
    """Last sign of life of the client, of its network stack too."""
    said: int = 0
    """When the client last sent something new."""
    pending: int = 0
    """Since when something of the client is without an answer; 0: nothing is."""
    idle: int = 0
    """How long nothing had passed when that was sent."""
    survived: int = 0
    """The longest silence after which the client was answered."""
    repeats: int = 0
    """Retransmissions of the client since the server was heard …"""
    repeated: array[int] = field(default_factory=_numbers)
    """… and when, the first ones."""
    repeats_all: int = 0
    echoes: int = 0
    """Retransmissions of the server since the client was heard."""
    errors: list[Refused] = field(default_factory=list)
    windows_closed: int = 0
    ping: int = 0
    """Time of the client's ping that has no pong."""
    last_ping: int = 0
    ping_gaps: array[int] = field(default_factory=_numbers)
    beats: array[int] = field(default_factory=_numbers)
    """Distances between what the client says."""
    frames: tuple[int, ...] = ()
    """Of what stayed without an answer."""
    upgraded: int | None = None
    status: int | None = None
    """HTTP status of the answer to the upgrade."""
    boot: int | None = None
    boot_reason: str = ""
    offsets: array[int] = field(default_factory=_numbers)
    """Timestamps of the client's messages minus the time of capture, ns: the latest ones."""
    first_message: int | None = None
    transaction_message: int | None = None
    outside: str = ""
    """Address under which it was seen on the other side of the router …"""
    moved: tuple[int, str] | None = None
    """… and when it turned up there under which other one."""
    twin: int = 0
    """Number of the connection that this is the other side of."""
    left: PathSeen | None = None
    """As it was when its station was on another one; what still comes (a repeat, its answer, a reset) is late."""
    _heards: array[int] = field(default_factory=_numbers)
    _base: array[int] = field(default_factory=_numbers)
    _slow: list[tuple[int, int]] = field(default_factory=list)
    _fast: int = 0
    _doubt: int = 0
    _proven: bool = False

    def leave(self) -> PathSeen:
        """The station is on another connection: as this one stands now."""
        if self.left is None:
            self.how = self.how or "left"
            self.left = replace(
                self,
                trips=Trips(self.trips),
                near=Trips(self.near),
                repeated=self.repeated[:],
                errors=self.errors[:],
                offsets=self.offsets[:],
                beats=self.beats[:],
            )
        return self.left

    # ------------------------------------------------------------------------------------------------- what passes

    def sends(self, time: int, frames: tuple[int, ...] = ()) -> None:
        """The client sent something new."""
        if not self.pending:
            self.pending = time
            last = max(self.said, self.heard)
            self.idle = time - last if last else 0
            self.frames = frames[:4]
        if self.said:
            keep(self.beats, time - self.said, MAX_GAPS)
        self.said = self.spoke = time
        self.echoes = 0

    def hears(self, time: int) -> tuple[int, int] | None:
        """The server lives. What had been without an answer until now: since when, how many repeats."""
        silence = None
        if self.pending:
            if self.repeats:
                silence = self.pending, self.repeats
            if self.idle > self.survived:
                self.survived = self.idle
            self.pending = 0
        if self.repeats:
            self.repeats = 0
            del self.repeated[:]
        if time > self.heard:
            self.heard = time
        keep(self._heards, time, MAX_GAPS)
        return silence

    def repeats_itself(self, time: int, frames: tuple[int, ...]) -> None:
        """The client sent again what was sent."""
        if not self.pending:
            self.pending = self.said if self.said > self.heard else time
            self.idle = 0
            self.frames = frames[:4]
        elif not self.repeats and time - self.pending > FIRST_RTO_NS and self.said > self.pending:
            # What is repeated was sent a moment ago; the rest was acknowledged, and the CSMS just has not answered it.
            self.pending, self.frames = self.said, frames[:4]
        if not self._doubt:
            self._doubt = self.pending
        self.repeats += 1
        self.repeats_all += 1
        if len(self.repeated) < MAX_GAPS:
            keep(self.repeated, time, MAX_GAPS)
        self.spoke = time

    def pings(self, time: int, frames: tuple[int, ...]) -> None:
        """A ping of the client."""
        if self.last_ping:
            keep(self.ping_gaps, time - self.last_ping, MAX_GAPS)
        self.last_ping = time
        self.ping = 0 if self.ping else time  # with two under way nobody can tell which one a pong is for
        self.sends(time, frames)

    def ponged(self, time: int) -> Step | None:
        """The server's answer to a ping."""
        sent, self.ping = self.ping, 0
        return self.trip(time, time - sent, sure=False) if sent else None

    def stamped(self, offset: int) -> None:
        """A message of the client says when it was made."""
        keep(self.offsets, offset, MAX_OFFSETS)

    def refused(self, event: PathError) -> None:
        """ICMP: a packet of the client was not delivered."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(Refused(event.time, event.kind, event.reporter, event.frames))

    def sampled(self, sample: PathSample) -> Step | None:
        """A round trip in the middle of the path."""
        if not sample.from_client:
            self.client_ttl = sample.ttl or self.client_ttl
            if sample.rtt >= 0 and sample.kind != "reset":
                self.near.append(sample.time, sample.rtt)
            self.spoke = max(self.spoke, sample.time)
            return None
        if sample.kind == "reset":
            self.reset_ttl, self.reset_rtt = sample.ttl, sample.rtt
            return None
        self.ttl = sample.ttl or self.ttl
        if sample.kind == "handshake":
            self.established = sample.time
            self.mss, self.window = sample.mss, sample.window
        # What was sent after the segment that is acknowledged here may still be without an answer.
        later = self.said if self.said > sample.time - sample.rtt else 0
        frames, idle = self.frames, self.idle
        self.hears(sample.time)
        if later:
            self.pending, self.frames, self.idle = later, frames, idle
        return self.trip(sample.time, sample.rtt, sure=sample.kind != "answer")

    def trip(self, time: int, rtt: int, *, sure: bool = True) -> Step | None:
        """A round trip to the server; the step that it proves. Not ``sure``: the server may have thought meanwhile."""
        if not 0 <= rtt <= WIDEST:
            return None
        self.trips.append(time, rtt)
        base = median(self._base) if self._base else None
        if base is None or rtt < base * STEP or rtt < base + STEP_NS:
            self._slow.clear()
            self._doubt = 0
            self._proven = False
            self._fast = time
            keep(self._base, rtt, RECENT)
            return None
        self._slow.append((time, rtt))
        # A server that is slow to answer acknowledges in between, and nobody repeats himself.
        self._proven = self._proven or sure or self._doubt > 0
        if len(self._slow) < STEP_TRIPS or not self._proven:
            del self._slow[:-MAX_GAPS]
            return None
        after = round(median(trip for _, trip in self._slow))
        first, trip = self._slow[0]
        begin = first - trip
        if self._fast < self._doubt < begin:
            begin = self._doubt
        # Round trips are told now and then only; what came at once before the first slow one was fast, too.
        fast = max((heard for heard in self._heards if self._fast < heard <= begin), default=self._fast)
        earlier = tuple(trip for trip in self.trips if trip not in self._slow)
        step = Step(round(base or 0), after, fast, begin, earlier)
        self.trips = Trips(self._slow)
        self._base = array("q", (trip for _, trip in self._slow))
        self._slow.clear()
        self._doubt = 0
        return step

    # ------------------------------------------------------------------------------------------------- what it means

    @property
    def rtt(self) -> int | None:
        """Median of the latest round trips."""
        way = self.way
        return round(median(trip for _, trip in way[-RECENT:])) if way else None

    @property
    def way(self) -> Trips:
        """Round trips over the wide area: to the server, unless it was captured beside that."""
        if not self.trips or not self.near or median(trip for _, trip in self.trips) >= LOCAL_NS:
            return self.trips
        return self.near if median(trip for _, trip in self.near) >= LOCAL_NS else self.trips

    @property
    def hops(self) -> int:
        """Routers that the client's packets have passed before they came here."""
        return (
            next((start - self.client_ttl for start in TTLS if self.client_ttl <= start), 0) if self.client_ttl else 0
        )

    @property
    def ping_interval(self) -> int | None:
        """How often the client pings, where it does so regularly."""
        return round(median(self.ping_gaps)) if len(self.ping_gaps) >= 3 else None

    @property
    def beat(self) -> int | None:
        """After how long the client says the next thing, where that is all but always the same."""
        beats = sorted(self.beats)
        if len(beats) < 4:
            return None
        middle = beats[len(beats) // 2]
        return middle if beats[(len(beats) * 3) // 4] - beats[len(beats) // 4] <= middle // 10 else None

    @property
    def clock(self) -> int | None:
        """How far ahead the client's clock is, ns: nothing makes a timestamp newer than the clock it is from."""
        return max(self.offsets) if len(self.offsets) >= MIN_OFFSETS else None

    @property
    def inside(self) -> bool:
        """The client's packets have passed no router before they came here: it was captured on the site's own side."""
        return self.hops == 0

    @property
    def doubling(self) -> bool:
        """The client's retransmissions come at ever doubled distances: nobody answers (RFC 6298 §5.5)."""
        times = self.repeated
        gaps = [later - earlier for earlier, later in pairwise(times)]
        doubled = [abs(later / earlier - 2) <= 2 * RTO_TOLERANCE for earlier, later in pairwise(gaps) if earlier > 0]
        return len(doubled) >= 1 and all(doubled)
