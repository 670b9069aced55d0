"""What the user writes beside messages and findings, and how that lives on: as comments of packets in pcapng.

    fieldkit[mark]                              a mark on the message in this packet
    fieldkit[note #id-17] ask the vendor        a note, on the message with this id (a packet may carry several)
    fieldkit[note boot.rejected] ask the CSMS   a note on a finding that this packet shows
    fieldkit[acknowledged boot.rejected]        … which somebody knows of

The same is remembered beside fieldkit's settings, so that who opens a capture again finds what he wrote, whether or
not he saved it. No textual here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary, proxy

from fieldkit.events import CaptureComment, Event, OcppMessage
from fieldkit.history import History, RowKind
from fieldkit.safetext import terminal
from fieldkit.tui.settings import state_folder

if TYPE_CHECKING:
    from fieldkit.checks.collector import Collected
    from fieldkit.tui.engine import Engine

MAX_NOTE: Final = 500
"""Characters of a note."""
MAX_REMARKS: Final = 5000
"""Marks and notes of one run."""
_MAX_FILE: Final = 8 << 20
_FORM: Final = re.compile(r"fieldkit\[(mark|note|acknowledged)(?: ([^\]\s]{1,200}))?\] ?(.*)", re.DOTALL)
_NEAR: Final = 400
"""Rows around a time that are looked at: messages of a packet come a little later than what stands before them."""

FindingKey: TypeAlias = tuple[str, str, str, str, str]


class Remark(NamedTuple):
    """Something that somebody wrote, and where it belongs."""

    frame: int
    time: int
    """Of the message or event; 0 where only the frame is known."""
    about: str
    """"#" and a message's id, the id of a finding, or empty for whatever is in the frame."""
    text: str
    """Empty for a bare mark."""
    acknowledged: bool = False

    @property
    def comment(self) -> str:
        """As a comment of a packet."""
        word = "acknowledged" if self.acknowledged else "note" if self.text else "mark"
        about = f" {self.about}" if self.about and not re.search(r"[\s\]]", self.about) else ""
        return f"fieldkit[{word}{about}] {self.text}".rstrip()


def read(comment: str, frame: int = 0, time: int = 0) -> Remark | None:
    """A remark from a packet's comment; None for what others wrote."""
    found = _FORM.fullmatch(comment.strip())
    if found is None:
        return None
    return Remark(frame, time, found[2] or "", found[3].strip()[:MAX_NOTE], found[1] == "acknowledged")


@dataclass(slots=True)
class FindingRemark:
    """What the user thinks of a finding."""

    acknowledged: bool = False
    note: str = ""


def key_of(finding: Collected) -> FindingKey:
    """What makes it the same finding tomorrow."""
    first = finding.first_seen
    return (first.kind.id, first.station, first.connector, first.transaction, first.group)


class Notebook:
    """Marks and notes of one run. Those of messages are in ``history.notes``, where the traffic list sees them."""

    def __init__(self, engine: Engine) -> None:
        self.findings: dict[FindingKey, FindingRemark] = {}
        self.version = 0
        """Grows with every change."""
        # The run owns its notebook, not the other way round: an old run is to be freed when another is opened.
        self._engine: Engine = proxy(engine)
        self._position = 0
        self._waiting: list[Remark] = []
        """Read from the capture, and not yet at their place."""
        self._found = -1
        self._remembered = False

    # ------------------------------------------------------------------------------------------------ what is written

    def note(self, row: int, text: str) -> None:
        """Write beside a row; an empty text marks it."""
        notes = self._engine.history.notes
        if row in notes or len(notes) < MAX_REMARKS:
            notes[row] = terminal(text.strip(), MAX_NOTE)
            self._changed()

    def forget(self, row: int) -> None:
        """Take a mark or note away."""
        if self._engine.history.notes.pop(row, None) is not None:
            self._changed()

    def of(self, finding: Collected) -> FindingRemark:
        """What was said of a finding."""
        return self.findings.get(key_of(finding)) or FindingRemark()

    def acknowledge(self, finding: Collected, known: bool = True) -> None:
        """Somebody knows of it."""
        self._remark(finding).acknowledged = known
        self._changed()

    def note_finding(self, finding: Collected, text: str) -> None:
        """Write beside a finding; an empty text takes the note away."""
        self._remark(finding).note = terminal(text.strip(), MAX_NOTE)
        self._changed()

    def _remark(self, finding: Collected) -> FindingRemark:
        key = key_of(finding)
        if key not in self.findings and len(self.findings) >= MAX_REMARKS:
            return FindingRemark()
        return self.findings.setdefault(key, FindingRemark())

    def _changed(self) -> None:
        self.version += 1
        self.remember()

    @property
    def any(self) -> bool:
        """Something was written."""
        return bool(self._engine.history.notes) or any(
            remark.acknowledged or remark.note for remark in self.findings.values()
        )

    # ----------------------------------------------------------------------------------------------------- as comments

    def remarks(self) -> Iterator[tuple[str, Remark]]:
        """All of it with the source that its frame is in. The engine's lock must be held."""
        history = self._engine.history
        for row, text in sorted(history.notes.items()):
            if not history.first <= row < history.end:
                continue
            event = history.event(row)
            if not event.frames:
                continue
            about = f"#{event.id}" if isinstance(event, OcppMessage) and event.id else ""
            yield _source(event), Remark(event.frames[-1], event.time, about, text)
        for finding in self._engine.findings:
            remark = self.findings.get(key_of(finding))
            evidence = next((event for event in finding.evidence if event.frames), None)
            if remark is None or evidence is None:
                continue
            place = (evidence.frames[-1], evidence.time, finding.kind.id)
            if remark.acknowledged:
                yield _source(evidence), Remark(*place, remark.note, acknowledged=True)
            elif remark.note:
                yield _source(evidence), Remark(*place, remark.note)

    def comments(self) -> dict[tuple[str, int], list[str]]:
        """By source and frame number, as pcapng has them. The engine's lock must be held."""
        found: dict[tuple[str, int], list[str]] = {}
        for source, remark in self.remarks():
            found.setdefault((source, remark.frame), []).append(remark.comment)
        return found

    # ------------------------------------------------------------------------------------------------ reading it back

    def update(self) -> None:
        """Take in what the capture itself says, as far as it has been read. The engine's lock must be held."""
        engine = self._engine
        history = engine.history
        if not self._remembered and engine.session.begin:
            self._remembered = True
            self._waiting += self._recall()
        self._position = max(self._position, history.first)
        if self._position < history.end:
            for row in rows_of_kind(history, RowKind.NOTE, self._position):
                event = history.event(row)
                if isinstance(event, CaptureComment) and event.frames:
                    remark = read(event.text, event.frames[-1])
                    if remark is not None and len(self._waiting) < MAX_REMARKS:
                        # A comment comes right before its packet: what it is about has about the same time.
                        self._waiting.append(remark._replace(time=-event.time))
            self._position = history.end
        if self._waiting and (self._found != history.end or not engine.state.running):
            self._found = history.end
            self._waiting = [remark for remark in self._waiting if not self._place(remark)]

    def _place(self, remark: Remark) -> bool:
        if remark.about and not remark.about.startswith("#"):
            return self._place_finding(remark)
        history = self._engine.history
        around = history.at_time(abs(remark.time))
        for row in range(max(around - _NEAR, history.first), min(around + _NEAR, history.end)):
            if history.row(row).frame != remark.frame or history.row(row).kind is RowKind.NOTE:
                continue
            event = history.event(row)
            if remark.time > 0 and event.time != remark.time:
                continue
            if remark.about and (not isinstance(event, OcppMessage) or f"#{event.id}" != remark.about):
                continue
            history.notes.setdefault(row, terminal(remark.text, MAX_NOTE))
            self.version += 1
            return True
        return False

    def _place_finding(self, remark: Remark) -> bool:
        for finding in self._engine.findings:
            if finding.kind.id != remark.about:
                continue
            if any(remark.frame in event.frames for event in finding.evidence):
                known = self._remark(finding)
                known.acknowledged = known.acknowledged or remark.acknowledged
                known.note = known.note or terminal(remark.text, MAX_NOTE)
                self.version += 1
                return True
        return False

    # ------------------------------------------------------------------------------------------------------ remembering

    def _file(self) -> Path:
        feed = self._engine.feed
        names = [str(feed.recorded)] if feed.recorded is not None else [source.name for source in feed.sources]
        places = [str(Path(name).resolve()) if Path(name).exists() else name for name in names]
        told = json.dumps([self._engine.session.begin, *places])
        return state_folder() / "notes" / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"

    def remember(self) -> None:
        """Keep all of it for the next time; a home that cannot be written to is no trouble. Takes the lock."""
        if not self._engine.ready:
            return
        with self._engine.lock:
            kept = [list(remark) for _, remark in self.remarks()] + [list(remark) for remark in self._waiting]
            path = self._file()
        try:
            if not kept:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(kept), "utf-8")
            draft.replace(path)
        except OSError:
            return

    def _recall(self) -> list[Remark]:
        try:
            path = self._file()
            if path.stat().st_size > _MAX_FILE:
                return []
            found = json.loads(path.read_text("utf-8"))
            return [
                Remark(int(frame), int(time), str(about), str(text)[:MAX_NOTE], bool(known))
                for frame, time, about, text, known in found[:MAX_REMARKS]
            ]
        except (OSError, ValueError, TypeError):
            return []


_NOTEBOOKS: Final = WeakKeyDictionary["Engine", Notebook]()


def notebook(engine: Engine) -> Notebook:
    """The one of this run."""
    found = _NOTEBOOKS.get(engine)
    if found is None:
        found = _NOTEBOOKS[engine] = Notebook(engine)
    return found


def rows_of_kind(history: History, kind: RowKind, start: int) -> Iterator[int]:
    """Rows of a kind, without a look at the others."""
    wanted = bytes((kind,))
    for block in history.blocks_from(start):
        at = block.kinds.find(wanted, max(start - block.first, 0))
        while at >= 0:
            yield block.first + at
            at = block.kinds.find(wanted, at + 1)


def _source(event: Event) -> str:
    from fieldkit.reports.annotated import source_of

    return source_of(event)
