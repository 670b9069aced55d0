"""What is remembered of a flow that is not followed: one that is being looked at, one that was dismissed, and what its
SYN said."""

from __future__ import annotations

from fieldkit.events import Connection


class Quiet:
    """A flow we do not follow; ``connection`` is kept when its end is still to be told."""

    __slots__ = ("client_key", "connection", "server_began")

    def __init__(self, connection: Connection | None, client_key: bytes, server_began: int | None = None) -> None:
        self.connection = connection
        self.client_key = client_key
        self.server_began = server_began
        """Where the server's stream began (-1: not known), by which a SYN/ACK that is sent again is told from that of a
        new connection; None once the connection has ended."""


class Candidate:
    """A connection without a beginning: its segments so far, until something is recognised."""

    __slots__ = ("held", "held_bytes", "segments", "sent", "signs")

    def __init__(self, sent: tuple[bytes, int, tuple[int, ...]]) -> None:
        self.sent = sent
        """Key, time and frames of the first segment."""
        self.segments = 0
        self.signs = 0
        self.held: list[tuple[bytes, int, bytes, int, tuple[int, ...]]] = []
        self.held_bytes = 0


def largest_segment(header: bytes) -> int:
    """The MSS option of a SYN (RFC 9293 §3.7.1); 0 without one."""
    at = 20
    while at + 1 < len(header) and header[at]:
        if header[at] == 1:
            at += 1
            continue
        size = header[at + 1]
        if header[at] == 2 and size == 4 and at + 4 <= len(header):
            return int.from_bytes(header[at + 2 : at + 4], "big")
        at += max(size, 2)
    return 0
