"""How a tap writes down what it sees: segments → packets of a capture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from tests.traffic.capture import Packet
from tests.traffic.packets import ENCAPSULATIONS, TCP, Extension, Wrap, fragment_header, ipv4, ipv6
from tests.traffic.segments import MICROSECOND, Segment


class Tap(NamedTuple):
    """A place in the network, and how it captures."""

    encapsulation: str = "ethernet"
    """One of ``packets.ENCAPSULATIONS``."""
    fragment: int = 0
    """IP packets with more than this many bytes of payload arrive in fragments."""
    extensions: Sequence[Extension] = ()
    """IPv6 extension headers in front of the fragment header (or of TCP)."""
    snaplen: int = 0
    """Bytes of a packet that are kept, 0 for all."""
    shuffle: Random | None = None
    """Fragments of a packet arrive in any order."""
    wrap: Wrap | None = None
    """Instead of the encapsulation's own, where details of its header matter."""

    @property
    def linktype(self) -> int:
        return ENCAPSULATIONS[self.encapsulation][0]

    def packets(self, segments: Iterable[Segment]) -> list[Packet]:
        wrap = self.wrap or ENCAPSULATIONS[self.encapsulation][1]
        result: list[Packet] = []
        for ident, segment in enumerate(segments, 1):
            for number, whole in enumerate(self._network(segment, ident)):
                data = wrap(whole)
                time = segment.time + number * MICROSECOND
                if self.snaplen and len(data) > self.snaplen:
                    result.append((time, data[: self.snaplen], len(data)))
                else:
                    result.append((time, data))
        return result

    def _network(self, segment: Segment, ident: int) -> list[bytes]:
        """The IP packet of a segment, or its fragments."""
        src, dst = segment.source[0], segment.destination[0]
        body = segment.tcp()
        six = ":" in src
        size = self.fragment & ~7
        if not size or len(body) <= size:
            if six:
                return [ipv6(src, dst, body, extensions=self.extensions)]
            return [ipv4(src, dst, body, ident=ident & 0xFFFF)]
        fragments = []
        for at in range(0, len(body), size):
            piece, more = body[at : at + size], at + size < len(body)
            if six:
                extensions = (*self.extensions, fragment_header(at, more, ident))
                fragments.append(ipv6(src, dst, piece, TCP, extensions=extensions))
            else:
                fragments.append(ipv4(src, dst, piece, ident=ident & 0xFFFF, position=at, more=more))
        if self.shuffle is not None:
            self.shuffle.shuffle(fragments)
        return fragments
