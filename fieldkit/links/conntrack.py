"""Connections that the router's NAT moves to another uplink: the proof that the uplink changed under a live session.

The same five-tuple is destroyed and then tracked anew in mid-connection (ESTABLISHED, nothing seen from the other
side), with another address of the router in the replies' destination. Nothing else looks like that; where the end was
not reported, "taken up in the middle" is left, which a flushed table alone causes as well.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from fieldkit.links.netlink import LISTENING, attributes, messages
from fieldkit.links.runner import NotHere, Runner
from fieldkit.links.uplink import LinkEvent, Uplink

ADAPTER: Final = "conntrack"
CAPABILITIES: Final = ("exec:conntrack", "netlink:conntrack")

MAX_FLOWS: Final = 10_000
"""Connections that are remembered after their end, to recognise them when they come back …"""
FORGET: Final = 300_000_000_000
"""… and how long, in ns: a station whose uplink is dead for longer opens a new connection."""
_TIMEOUT_TOLD: Final = 1_000_000_000
"""Of several connections moved at once one event a second is enough."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One report on a tracked connection."""

    time: int
    what: Literal["new", "update", "destroy"]
    protocol: int
    key: tuple[str, int, str, int]
    """Source and destination with ports, as the charger sent it."""
    outside: str
    """The address that replies go to: the router's on the uplink that it uses."""
    established: bool
    replied: bool
    by_program: bool
    """A program had it deleted: somebody flushed the table."""


class Rebinds:
    """Reports go in, events come out."""

    def __init__(self) -> None:
        self._ended: OrderedDict[tuple[str, int, str, int], Flow] = OrderedDict()
        self._flushed = 0

    def feed(self, flow: Flow) -> list[LinkEvent]:
        """One report."""
        if flow.what == "destroy":
            self._ended.pop(flow.key, None)
            self._ended[flow.key] = flow
            if len(self._ended) > MAX_FLOWS:
                self._ended.popitem(last=False)
            if flow.by_program and flow.established and flow.time - self._flushed > _TIMEOUT_TOLD:
                self._flushed = flow.time
                text = (
                    f"a program deleted the tracked connections (that of {_end(flow.key[0], flow.key[1])} among them)"
                )
                return [LinkEvent(flow.time, ADAPTER, "nat-flush", "", text, exact=True)]
            return []
        if flow.what != "new":
            return []
        before = self._ended.pop(flow.key, None)
        if not flow.established or flow.replied:
            return []
        source, port, destination, other = flow.key
        ends = f"the connection of {_end(source, port)} to {_end(destination, other)}"
        if before is None or flow.time - before.time > FORGET:
            # Since Linux 5.19 the end of a connection that began before anybody listened is not reported: only that it
            # was taken up again in the middle.
            text = (
                f"{ends} was taken up in the middle, and leaves as {flow.outside}: it left another way before, or the "
                "table was emptied"
            )
            return [LinkEvent(flow.time, ADAPTER, "nat-rebind", "", text, "", flow.outside, exact=True)]
        if before.outside == flow.outside:
            return []
        text = (
            f"{ends} now leaves as {flow.outside} and no longer as {before.outside}: the other side does not know it "
            "from there"
        )
        return [LinkEvent(flow.time, ADAPTER, "nat-rebind", "", text, before.outside, flow.outside, exact=True)]


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class ConntrackAdapter:
    """What the kernel's connection tracking reports."""

    def probe(self, runner: Runner) -> float:
        """There must be somebody who would tell."""
        try:
            runner.netlink("conntrack").close()  # type: ignore[attr-defined]
        except NotHere:
            runner.run("conntrack", "--version")
        return 0.1

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """It knows connections, not uplinks."""
        return ()

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """From the kernel where we run, from the program elsewhere."""
        rebinds = Rebinds()
        try:
            datagrams = runner.netlink("conntrack")
            next(datagrams)
        except (NotHere, StopIteration):
            for line in runner.follow("conntrack", "-E", "-o", "timestamp"):
                flow = from_text(line)
                if flow is not None:
                    yield from rebinds.feed(flow)
            return
        for time, data in datagrams:
            for flow in from_netlink(time, data):
                yield from rebinds.feed(flow)


# --------------------------------------------------------------------------------------------------------------- text

_TEXT: Final = re.compile(
    r"^\[(\d{1,12})\.(\d{1,9})\]\s+\[(NEW|UPDATE|DESTROY)\]\s+(\w+)\s+(\d+)(?:\s+(\d+))?(?:\s+([A-Z_0-9]+))?\s+(src=.*)$"
)
_PAIR: Final = re.compile(r"\b(src|dst|sport|dport)=(\S{1,45})")


def from_text(line: str) -> Flow | None:
    """A line of ``conntrack -E -o timestamp``; None for what is none, or no TCP or UDP."""
    match = _TEXT.match(line[:1000])
    if match is None:
        return None
    pairs = _PAIR.findall(match[8])
    if len(pairs) != 8:
        return None
    there, back = dict(pairs[:4]), dict(pairs[4:])
    if len(there) != 4 or len(back) != 4 or not (there["sport"].isdecimal() and there["dport"].isdecimal()):
        return None
    what: Literal["new", "update", "destroy"] = (
        "new" if match[3] == "NEW" else "update" if match[3] == "UPDATE" else "destroy"
    )
    return Flow(
        time=int(match[1]) * 1_000_000_000 + int(match[2].ljust(9, "0")),
        what=what,
        protocol=int(match[5]),
        key=(there["src"], int(there["sport"]), there["dst"], int(there["dport"])),
        outside=back["dst"],
        established=match[7] == "ESTABLISHED",
        replied="[UNREPLIED]" not in match[8],
        by_program="[USERSPACE]" in match[8],
    )


# ------------------------------------------------------------------------------------------------------------ netlink

# linux/netfilter/nfnetlink_conntrack.h
_SUBSYSTEM, _NEW, _DELETE = 1, 0, 2
_CREATED: Final = 0x400
"""NLM_F_CREATE: it was not there before."""
_ORIGINAL, _REPLY, _STATUS, _PROTOINFO = 1, 2, 3, 4
_SEEN_REPLY: Final = 0x2
_ESTABLISHED: Final = 3
"""Of the kernel's states of a TCP connection."""


def from_netlink(time: int, data: bytes) -> Iterator[Flow]:
    """The reports in a datagram."""
    for message in messages(data) if data != LISTENING else ():
        if message.type >> 8 != _SUBSYSTEM or message.type & 0xFF not in (_NEW, _DELETE):
            continue
        told = attributes(message.body, 4)
        there, back = _tuple(told.get(_ORIGINAL, b"")), _tuple(told.get(_REPLY, b""))
        if there is None or back is None:
            continue
        status = told.get(_STATUS, b"")
        tcp = attributes(attributes(told.get(_PROTOINFO, b"")).get(1, b""))
        ended = message.type & 0xFF == _DELETE
        yield Flow(
            time=time,
            what="destroy" if ended else "new" if message.flags & _CREATED else "update",
            protocol=there[0],
            key=there[1:],
            outside=back[3],
            # A deleted connection is reported without its state: that it was answered says as much.
            established=tcp.get(1, b"")[:1] == bytes([_ESTABLISHED]) if tcp else ended,
            replied=len(status) == 4 and bool(struct.unpack("!I", status)[0] & _SEEN_REPLY),
            by_program=ended and message.sender != 0,
        )


def _tuple(data: bytes) -> tuple[int, str, int, str, int] | None:
    told = attributes(data)
    ip, protocol = attributes(told.get(1, b"")), attributes(told.get(2, b""))
    source, destination = ip.get(1) or ip.get(3), ip.get(2) or ip.get(4)
    number, sport, dport = protocol.get(1), protocol.get(2), protocol.get(3)
    if not source or not destination or not number or sport is None or dport is None:
        return None
    if len(source) not in (4, 16) or len(destination) not in (4, 16) or len(sport) != 2 or len(dport) != 2:
        return None
    return (
        number[0],
        str(ipaddress.ip_address(source)),
        int.from_bytes(sport, "big"),
        str(ipaddress.ip_address(destination)),
        int.from_bytes(dport, "big"),
    )
