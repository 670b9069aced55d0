"""The packets that matter, each with its finding as a comment that Wireshark shows (display filter ``frame.comment``).

What matters is the evidence of the findings, and how their connections began. Which packets that are is known only
when all has been read, so the captures are read a second time, and only frames that were chosen are looked at.

Nothing secret is copied unless it is asked for. Packets that carry a password or key (or might: what could not be
decoded cannot be judged) keep their headers and lose their content, as if the capture had been taken with a snap
length; of an HTTP head only the fields with credentials are overwritten. Identities stay as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fieldkit import __version__
from fieldkit.checks.collector import Collected
from fieldkit.events import (
    Connection,
    ConnectionOpened,
    DecodeError,
    Event,
    HttpRequest,
    HttpResponse,
    OcppMessage,
    PacketBatch,
    StreamGap,
    TlsHello,
    TlsSecrets,
)
from fieldkit.ocpp.secrets import conceal, conceal_text
from fieldkit.reports.pcapngfile import PcapngWriter
from fieldkit.safetext import terminal
from fieldkit.site.picture import Picture
from fieldkit.wire.link import network_layer

if TYPE_CHECKING:
    from fieldkit.sources.file import FileSource

MAX_BEGINNINGS: Final = 20_000
"""Connections whose beginning is remembered, the last ones: as many as the picture keeps."""
MAX_SECRET: Final = 500_000
"""Frames that are known to hold a secret; beyond it the content of every later frame is taken for one."""
MAX_PIECES: Final = 64
"""Frames of one message that are copied: the longest that stations send take a dozen."""
MAX_TEXT: Final = 600
"""Characters of a finding's explanation in a comment."""

_LEFT_OUT: Final = (
    "fieldkit: the content of this packet is left out, because it holds or may hold a password or key "
    "(--include-secrets keeps it)"
)
_HTTP: Final = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|PATCH|DELETE) |HTTP/1\.")
_CREDENTIAL: Final = re.compile(
    rb"(?im)^((?:proxy-)?authorization|(?:set-)?cookie2?|[\w-]*(?:token|api-?key|secret|password)[\w-]*)"
    rb"[ \t]*:[ \t]*(.*?)(?=\r?$|\Z)"
)

_Frame = tuple[str, int]
"""Source and frame number."""


class Beginnings:
    """Watches a session: how connections began, and which frames hold secrets."""

    wants: Final[frozenset[type[Event]]] = frozenset(
        {ConnectionOpened, DecodeError, HttpRequest, HttpResponse, OcppMessage, StreamGap, TlsHello}
    )

    def __init__(self) -> None:
        self._frames: dict[int, list[Event]] = {}
        self._encrypted: set[int] = set()
        self._last: dict[tuple[int, bool], Event] = {}
        self.secret: set[int] = set()
        """Their numbers, of whatever source: a message may begin in one file of a ring and end in the next."""
        self.overflow = False
        """There are more secrets than could be remembered."""

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if isinstance(event, OcppMessage):
            connection = event.channel.connection
            if connection is None or connection.number in self._encrypted:
                return
            self._last[connection.number, event.sender == "station"] = event
            if conceal(event)[0] is not event.raw or any(one.rule == "deflate.context" for one in event.problems):
                self._hide(event.frames)
        elif isinstance(event, ConnectionOpened):
            if len(self._frames) >= MAX_BEGINNINGS:
                number = next(iter(self._frames))
                del self._frames[number]
                self._encrypted.discard(number)
                for side in (True, False):
                    self._last.pop((number, side), None)
            self._frames[event.connection.number] = [event]
        elif isinstance(event, HttpRequest | HttpResponse | TlsHello):
            self._begun(event)
        elif isinstance(event, StreamGap) and event.connection.number not in self._encrypted:
            # A message that was never seen to its end may have begun in the same packet as the last whole one.
            last = self._last.get((event.connection.number, event.from_client))
            if last is not None:
                self._hide(last.frames[-1:])
            self._hide(event.frames)
        elif (
            isinstance(event, DecodeError)
            and event.lost
            and event.connection is not None
            and event.connection.number not in self._encrypted
        ):
            self._hide(event.frames)

    def of(self, connection: Connection) -> list[Event]:
        """The events with which a connection began."""
        return self._frames.get(connection.number, [])

    def _begun(self, event: HttpRequest | HttpResponse | TlsHello) -> None:
        number = event.connection.number
        known = self._frames.get(number)
        if isinstance(event, TlsHello):
            self._encrypted.add(number)
        elif number not in self._encrypted and isinstance(event, HttpRequest):
            if conceal_text(event.target) != event.target:
                self._hide(event.frames)
            elif len(event.frames) > 1 and not event.body:
                # Where its fields were cut is anybody's guess: the first piece is edited, the others are left out.
                self._hide(event.frames[1:])
        # The first request and its answer; SOAP posts many on one connection.
        if known is not None and len(known) < 4 and not getattr(event, "body", b""):
            known.append(event)

    def _hide(self, frames: Iterable[int]) -> None:
        if len(self.secret) < MAX_SECRET:
            self.secret.update(frames)
        else:
            self.overflow = True


def source_of(event: Event) -> str:
    """The name of the source that an event's frames belong to."""
    if isinstance(event, OcppMessage):
        return event.source
    for name in ("call", "answer"):
        message = getattr(event, name, None)
        if isinstance(message, OcppMessage):
            return message.source
    connection = getattr(event, "connection", None)
    return connection.source if isinstance(connection, Connection) else ""


def connection_of(event: Event) -> Connection | None:
    """The connection that an event belongs to."""
    message = event if isinstance(event, OcppMessage) else getattr(event, "call", getattr(event, "answer", None))
    if isinstance(message, OcppMessage):
        return message.channel.connection
    connection = getattr(event, "connection", None)
    return connection if isinstance(connection, Connection) else None


def annotate(
    write: Callable[[bytes], object],
    findings: Sequence[Collected],
    beginnings: Beginnings,
    open_again: Callable[[], Iterable[FileSource]],
    *,
    verdict: str,
    locate: Callable[[Event], str] = source_of,
    show_ids: bool = False,
    include_secrets: bool = False,
    remarks: Mapping[_Frame, Sequence[str]] | None = None,
) -> int:
    """Write the annotated capture; returns how many packets it has.

    ``open_again`` opens the captures anew, ``locate`` says which of them an event's frames are in. ``remarks`` are
    frames that are to be in it too, with what the user wrote on them.
    """
    comments = _comments(findings, beginnings, locate, show_ids)
    for place, texts in (remarks or {}).items():
        comments.setdefault(place, []).extend(terminal(text, MAX_TEXT) for text in texts)
    notes = [f"fieldkit {__version__}: {verdict}", f"{len(findings)} findings, {len(comments)} packets that show them"]
    if not include_secrets:
        notes.append("passwords and keys are left out (--include-secrets keeps them); identities are as they were sent")
    writer = PcapngWriter(write, [terminal(note, MAX_TEXT) for note in notes])
    written = 0
    for source in open_again():
        try:
            written += _copy(source, writer, comments, beginnings, include_secrets)
        finally:
            source.close()
    return written


def _comments(
    findings: Sequence[Collected], beginnings: Beginnings, locate: Callable[[Event], str], show_ids: bool
) -> dict[_Frame, list[str]]:
    """What is to be said on each frame that is copied: its findings, or nothing."""
    comments: dict[_Frame, list[str]] = {}
    for finding in findings:
        text = comment(finding, show_ids=show_ids)
        for event in (*finding.evidence, *finding.latest):
            source = locate(event)
            said = False
            for frame in event.frames[-MAX_PIECES:]:
                here = comments.setdefault((source, frame), [])
                # A message in pieces is complete with the last: that is where readers look.
                if frame == event.frames[-1] and text not in here:
                    here.append(text)
                    said = True
            connection = connection_of(event)
            if connection is not None and said:
                for begun in beginnings.of(connection):
                    for frame in begun.frames[:MAX_PIECES]:
                        comments.setdefault((locate(begun), frame), [])
    return comments


def comment(finding: Collected, *, show_ids: bool = False) -> str:
    """As in ``fieldkit[boot.rejected warning] CP_7: The CSMS rejects the station. …``."""
    place = finding.first_seen.station
    if finding.first_seen.connector:
        place += f" connector {finding.first_seen.connector}"
    said = finding.explanation(show_ids=show_ids)
    text = f"{place}: " if place else ""
    return terminal(f"fieldkit[{finding.kind.id} {finding.severity}] {text}{finding.kind.title}. {said}", MAX_TEXT)


def _copy(
    source: FileSource,
    writer: PcapngWriter,
    comments: dict[_Frame, list[str]],
    beginnings: Beginnings,
    include_secrets: bool,
) -> int:
    wanted = sorted(frame for name, frame in comments if name == source.name)
    if not wanted:
        return 0
    at = 0
    for item in source.items():
        if isinstance(item, TlsSecrets) and include_secrets:
            writer.secrets(item.text)
        if not isinstance(item, PacketBatch):
            continue
        behind = item.first_frame + len(item.starts)
        while at < len(wanted) and wanted[at] < behind:
            place = wanted[at] - item.first_frame
            if place >= 0:
                start, end = item.starts[place], item.ends[place]
                data, original = item.buffer[start:end], _sent(item.linktype, item.buffer, start, end)
                notes = comments[source.name, wanted[at]]
                if not include_secrets:
                    secret = beginnings.overflow or wanted[at] in beginnings.secret
                    data, cut = _harmless(item.linktype, data, secret)
                    notes = [*notes, _LEFT_OUT] if cut else notes
                writer.packet(source.name, item.linktype, item.layout.time(item.buffer, start), data, original, notes)
            at += 1
        if at == len(wanted):
            break
    return len(wanted)


def _harmless(linktype: int, data: bytes, secret: bool) -> tuple[bytes, bool]:
    """A packet without the secrets in it, and whether its content had to go for that."""
    begin = _content(linktype, data)
    if secret:
        return data[:begin], begin < len(data)
    if not _HTTP.match(data, begin):
        return data, False
    end = data.find(b"\r\n\r\n", begin)
    head = data[begin : end if end >= 0 else len(data)]
    safe = _CREDENTIAL.sub(_starred, head)
    text = safe.decode("latin-1")
    if conceal_text(text) != text:
        return data[:begin], True
    return data[:begin] + safe + data[begin + len(head) :], False


def _starred(found: re.Match[bytes]) -> bytes:
    """The name of a field and as many asterisks as its value was long; the scheme (Basic) stays."""
    value = found[2]
    scheme = re.match(rb"(?i)(?:basic|bearer|digest) ", value)
    kept = scheme.end() if scheme else 0
    before = found[0][: len(found[0]) - len(value)]
    return before + value[:kept] + b"*" * (len(value) - kept)


def _content(linktype: int, data: bytes) -> int:
    """Where in a packet the content begins: behind TCP's header, or behind that of what cannot be looked into."""
    layer = network_layer(linktype)
    found = layer(data, 0, len(data)) if layer is not None else None
    if found is None:
        return 0
    version, offset = found
    if version == 4 and len(data) >= offset + 20:
        fragmented = int.from_bytes(data[offset + 6 : offset + 8], "big") & 0x3FFF
        protocol = data[offset + 9]
        tcp = offset + ((data[offset] & 15) << 2)
    elif version == 6 and len(data) >= offset + 40:
        fragmented, protocol, tcp = 0, data[offset + 6], offset + 40
    else:
        return min(offset, len(data))
    if fragmented or protocol != 6 or len(data) < tcp + 20:
        return min(tcp, len(data))  # fragments, tunnels, extension headers: all that follows is content
    return min(tcp + (data[tcp + 12] >> 4 << 2), len(data))


def _sent(linktype: int, buffer: bytes, start: int, end: int) -> int:
    """How long the packet was on the wire, as far as its IP header tells (the capture may have cut it)."""
    layer = network_layer(linktype)
    found = layer(buffer, start, end) if layer is not None else None
    if found is None:
        return end - start
    version, offset = found
    if version == 4 and end >= offset + 4:
        length = int.from_bytes(buffer[offset + 2 : offset + 4], "big")
    elif version == 6 and end >= offset + 6:
        length = int.from_bytes(buffer[offset + 4 : offset + 6], "big") + 40
    else:
        return end - start
    return max(offset - start + length, end - start)
