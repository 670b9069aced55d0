"""What a run came to: counted while it lasts, told in a line or two on stderr, and as an exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import click

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.events import (
    CaptureDropped,
    ConnectionClosed,
    ConnectionRecognised,
    DecodeError,
    Event,
    OcppMessage,
    StreamGap,
    TlsOpaque,
)
from fieldkit.safetext import terminal

if TYPE_CHECKING:
    from fieldkit.sources.file import FileSource

_DAMAGE = {"container", "gzip", "pcap", "pcapng"}
"""Layers whose errors mean that the capture itself is damaged."""
_MESSAGES = {"websocket", "deflate", "http", "soap", "log"}
"""Layers that carry messages: bytes they lose may have been some."""
FAILED: Final = {"refused": "refused", "no-answer": "never answered"}
"""Ends of connections on which nothing was said."""
_SHOWN = 3
"""Damaged places that are told one by one."""


def _is_stray(error: DecodeError) -> bool:
    """The rest of somebody's web traffic that began before the capture."""
    return error.layer == "http" and error.connection is not None and error.connection.joined_midstream


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(slots=True)
class Tally:
    """What was counted; the tallies of several processes add up."""

    messages: int = 0
    damaged: int = 0
    """Places where the capture itself is damaged …"""
    damage: list[str] = field(default_factory=list)
    """… and what the first of them are."""
    undecoded: int = 0
    """Places where messages, or what may have been messages, could not be decoded …"""
    lost: int = 0
    """… the bytes of them …"""
    undecoded_first: tuple[int, str] | None = None
    """… and when the first one was met, and why it could not."""
    gaps: int = 0
    missing: int = 0
    """Bytes of WebSocket connections that the capture lacks."""
    snapped: int = 0
    """Bytes of TCP payload that the capture's snap length cut off."""
    dropped: int = 0
    opaque: int = 0
    """Connections that stayed encrypted."""
    connections: Counter[str] = field(default_factory=Counter)
    """By protocol, or by how they failed."""

    def add(self, other: Tally) -> None:
        """Take in what another process counted."""
        self.messages += other.messages
        self.damaged += other.damaged
        self.damage = (self.damage + other.damage)[:_SHOWN]
        self.undecoded += other.undecoded
        self.lost += other.lost
        both = [first for first in (self.undecoded_first, other.undecoded_first) if first is not None]
        self.undecoded_first = min(both, default=None)
        self.gaps += other.gaps
        self.missing += other.missing
        self.snapped += other.snapped
        self.dropped += other.dropped
        self.opaque += other.opaque
        self.connections.update(other.connections)


class Outcome:
    """Counts what matters for the verdict on a run."""

    def __init__(self, *, quiet: bool) -> None:
        self.tally = Tally()
        self._quiet = quiet
        self._unusable = False
        self._protocols: dict[int, str] = {}
        """Of connections that are open, what they have turned out to be so far."""

    CONCERNS: Final = frozenset(
        {OcppMessage, DecodeError, ConnectionRecognised, ConnectionClosed, StreamGap, CaptureDropped, TlsOpaque}
    )
    """The events that ``note`` looks at; the hot loop spares the others the call."""

    def note(self, event: Event) -> None:
        """Take one event into account."""
        tally = self.tally
        if event.__class__ is OcppMessage:
            tally.messages += 1
        elif isinstance(event, DecodeError):
            if event.layer in _DAMAGE:
                tally.damaged += 1
                if len(tally.damage) < _SHOWN:
                    tally.damage.append(event.reason)
            elif event.lost and event.layer in _MESSAGES and not _is_stray(event):
                tally.undecoded += 1
                tally.lost += event.lost
                if tally.undecoded_first is None:
                    tally.undecoded_first = (event.time, event.reason)
        elif isinstance(event, ConnectionRecognised):
            if event.protocol != "mirror":
                # TLS with HTTP inside that becomes WebSocket is one connection: what it becomes last counts.
                number = event.connection.number
                if number in self._protocols:
                    tally.connections[self._protocols[number]] -= 1
                tally.connections[event.protocol] += 1
                self._protocols[number] = event.protocol
        elif isinstance(event, ConnectionClosed):
            self._protocols.pop(event.connection.number, None)
            if event.how in FAILED:
                tally.connections[FAILED[event.how]] += 1
        elif isinstance(event, StreamGap) and event.snapped:
            tally.snapped += event.missing
        elif isinstance(event, StreamGap):
            if self._protocols.get(event.connection.number) == "websocket":
                tally.gaps += 1
                tally.missing += event.missing
        elif isinstance(event, CaptureDropped):
            tally.dropped += event.count
        elif isinstance(event, TlsOpaque):
            tally.opaque += 1

    def unusable(self, reason: str) -> None:
        """A source could not be used at all."""
        self._unusable = True
        click.echo(f"fieldkit: {terminal(reason)}", err=True)

    def conclude(self, sources: list[FileSource]) -> None:
        """The closing lines on stderr."""
        tally = self.tally
        for reason in tally.damage:
            self._say(reason)
        if tally.damaged > len(tally.damage):
            self._say(f"… and {tally.damaged - len(tally.damage):,} more places like these")
        if self._quiet:
            return
        if tally.gaps:
            self._say(
                f"{_counted(tally.gaps, 'gap')}: {_counted(tally.missing, 'byte')} of WebSocket connections "
                "are missing in the capture, messages may be lacking"
            )
        if tally.undecoded_first is not None:
            self._say(
                f"{_counted(tally.undecoded, 'piece')} of traffic ({_counted(tally.lost, 'byte')}) could not be decoded"
                f", messages may be lacking; the first: {tally.undecoded_first[1]}"
            )
        if tally.snapped:
            self._say(
                "the capture keeps only the beginning of long packets "
                f"({tally.snapped:,} bytes are cut off): record it again with a snap length of 0 (tcpdump -s 0)"
            )
        if tally.dropped:
            self._say(f"the capture says that {tally.dropped:,} packets were dropped while it was taken")
        for source in sources:
            if source.zone_assumed:
                self._say(f"{source.name}: its times name no zone and were read as UTC (--zone says otherwise)")
            if source.date_assumed:
                self._say(f"{source.name}: its times name no full date; the rest was taken from messages or the file")
        if (
            not tally.messages
            and not tally.damaged
            and not tally.undecoded
            and (tally.connections or not self._unusable)
        ):
            self._say(self._nothing())

    def _nothing(self) -> str:
        seen = [f"{number:,} {name}" for name, number in self.tally.connections.most_common() if number]
        text = "no OCPP messages found"
        text += f"; TCP connections seen: {', '.join(seen)}" if seen else ", and no TCP connection"
        if self.tally.opaque:
            text += " (--keylog FILE decrypts TLS)"
        return text

    @staticmethod
    def _say(text: str) -> None:
        click.echo(f"fieldkit: {terminal(text)}", err=True)

    def exit_code(self) -> ExitCode:
        """What the process ends with."""
        tally = self.tally
        if self._unusable:
            return ExitCode.SOURCE
        if (tally.damaged or tally.undecoded) and not tally.messages and not tally.connections:
            return ExitCode.SOURCE
        if tally.damaged or tally.undecoded or tally.gaps or tally.snapped or tally.dropped:
            return ExitCode.INCOMPLETE
        return ExitCode.OK
