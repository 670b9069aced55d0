"""One JSON object (or array) of a log → the frames in it, wrapped as they may be.

``{"timestamp": …, "direction": …, "message": [2, …]}`` is the plain case. The frame may as well be a string, a line of
text with the frame in it, fields of its own, a few levels down, or many in one object; time, station and direction
may stand beside it or further out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from fieldkit.events import Sender
from fieldkit.logs.frametext import START, cut, is_frame, rebuild
from fieldkit.logs.linefields import direction_in, direction_value, party, station_in, version_in
from fieldkit.logs.roles import WEAK_STATIONS, Role, best_time, kind_of, places_of, simple
from fieldkit.logs.sighting import Relative, Sighting
from fieldkit.logs.times import Stamp, Times
from fieldkit.logs.trace import is_trace_record, read_record

_MAX_DEPTH: Final = 12
_MAX_SEARCHES: Final = 64
"""Tries to find an array's own text in its record, of which one a frame is needed."""
_ACTION: Final = re.compile(r"[A-Z][A-Za-z0-9]{2,49}")
_VERSION: Final = re.compile(
    r"(?:ocpp)?[\s_-]?v?(1[._][256]|2[._]0[._]1|2[._]0|2[._]1)(?:[\s_-]?[jJsS](?:son|oap)?)?", re.I
)
_UNIQUE: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{24,64}|\d{6,}")

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_decode = json.JSONDecoder(strict=False).raw_decode


class Context(NamedTuple):
    """What is known from further out."""

    stamp: Stamp | None = None
    station: str = ""
    sender: Sender | None = None
    relative: Relative | None = None
    version: str = ""
    lead: str | None = None
    weak_station: str = ""
    """What stands under a name such as "id": the station, unless it is the message's own id."""


NOTHING: Final = Context()


class Records:
    """Reads records. ``inner`` finds the frames in a text that is a value."""

    def __init__(self, times: Times, inner: Callable[[str, int], list[Sighting]]) -> None:
        self._times = times
        self._inner = inner
        self._source = ""
        self._position = 0
        self._searches = 0

    def read(self, value: Any, source: str, line: int, outer: Context = NOTHING) -> list[Sighting]:
        """``source``: the record's own text, out of which frames are cut verbatim."""
        self._source = source
        self._position = self._searches = 0
        found: list[Sighting] = []
        self._walk(value, outer, line, found, 0)
        return _once(found) if len(found) > 1 else found

    def _walk(self, value: Any, outer: Context, line: int, found: list[Sighting], depth: int) -> None:
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, dict):
            if is_trace_record(value):
                found.append(read_record(value, line, self._times))
            else:
                self._object(value, outer, line, found, depth)
        elif isinstance(value, list):
            self._array(value, outer, line, found, depth)
        elif isinstance(value, str):
            self._text(value, outer, line, found)

    # ---------------------------------------------------------------------------------------------------- objects

    def _object(self, record: dict[str, Any], outer: Context, line: int, found: list[Sighting], depth: int) -> None:
        context = self._context(record, outer)
        before = len(found)
        for key, value in record.items():
            if value.__class__ is str:
                if len(value) > 6:
                    self._text(value, _by_key(context, key), line, found)
            elif value.__class__ is list and len(value) > 2 and is_frame(value):
                found.append(_sighting(self._verbatim(value), line, _by_key(context, key)))
        if len(found) == before:
            text = split_frame(record)
            if text is not None:
                found.append(_sighting(text, line, context))
                return
        for key, value in record.items():
            if value and isinstance(value, dict | list) and not (value.__class__ is list and is_frame(value)):
                self._walk(value, _by_key(context, key), line, found, depth + 1)

    def _context(self, record: dict[str, Any], outer: Context) -> Context:
        """What this object's own fields, and those of objects in it, say."""
        times: list[tuple[int, Any]] = []
        stations: list[tuple[int, str, Any]] = []
        fields: dict[Role, list[Any]] = {}
        for level, key, value in _fields(record):
            for role, rank in places_of(key).items():
                if role == "time":
                    times.append((level * 100 + rank, value))
                elif role == "station":
                    stations.append((level * 100 + rank, simple(key), value))
                elif role in ("direction", "from", "to", "version", "hint", "kind"):
                    fields.setdefault(role, []).append(value)
        stamp = best_time(self._times, times) if times else None
        if stamp is None:
            stamp = self._unnamed_time(record)
        sender, relative, party_station = _direction(fields)
        station, weak = _station(stations)
        if not station and not party_station:
            hints = (hint for hint in fields.get("hint", ()) if isinstance(hint, str) and len(hint) <= 80)
            station = next((found for found in map(station_in, hints) if found), "")
        version = next((found for found in map(version_value, fields.get("version", ())) if found), "")
        if sender is None and relative is None:
            sender, relative = outer.sender, outer.relative
        return Context(
            stamp if stamp is not None else outer.stamp,
            station or party_station or outer.station,
            sender,
            relative,
            version or outer.version,
            outer.lead,
            weak or outer.weak_station,
        )

    def _unnamed_time(self, record: dict[str, Any]) -> Stamp | None:
        """A date under a name that says nothing of time."""
        for value in record.values():
            if value.__class__ is str and 19 <= len(value) <= 40 and value[:4].isdigit():
                stamp = self._times.read(value)
                if stamp is not None and stamp.kind == "date":
                    return stamp
        return None

    # ----------------------------------------------------------------------------------------------------- arrays

    def _array(self, array: list[Any], outer: Context, line: int, found: list[Sighting], depth: int) -> None:
        if len(array) > 2 and is_frame(array):
            found.append(_sighting(self._verbatim(array), line, outer))
            return
        if 2 <= len(array) <= 3 and isinstance(array[1], str):
            stamp = self._times.read(array[0])
            if stamp is not None and stamp.kind == "date":  # Loki: [time, line]
                self._text(array[1], outer._replace(stamp=stamp), line, found)
                return
        pairs = _named_values(array)
        if pairs is not None:
            self._object(pairs, outer, line, found, depth + 1)
            return
        for value in array:
            self._walk(value, outer, line, found, depth + 1)

    # ------------------------------------------------------------------------------------------------------ texts

    def _text(self, text: str, context: Context, line: int, found: list[Sighting]) -> None:
        start = START.search(text)
        if start is None:
            if "Envelope" not in text:
                return
        elif start.start() == 0 or not text[: start.start()].strip():
            piece = cut(text, start)
            if piece is not None and piece.closed and not text[piece.end :].strip():
                sighting = _sighting(piece.text, line, context)
                sighting.problems = piece.problems
                found.append(sighting)
                return
        for sighting in self._inner(text, line):
            found.append(_complete(sighting, context))

    def _verbatim(self, frame: list[Any]) -> str:
        """The frame's own text in the record: spelling, blanks and number formats are evidence."""
        position = self._position
        while self._searches < _MAX_SEARCHES:
            start = START.search(self._source, position)
            if start is None:
                if not position:
                    break
                position = 0  # the record's fields are not read in the order of their text
                self._searches += 1
                continue
            self._searches += 1
            position = start.end()
            try:
                value, end = _decode(self._source, start.start())
            except (ValueError, RecursionError):
                continue
            if value == frame:
                self._position = end
                self._searches = 0
                return self._source[start.start() : end]
        return _dump(frame)


def _sighting(text: str, line: int, context: Context) -> Sighting:
    station = context.station
    if not station and context.weak_station and context.weak_station not in text[:100]:
        station = context.weak_station
    return Sighting(
        text, line, line, context.stamp, station, context.sender, context.relative, context.version, lead=context.lead
    )


def _complete(sighting: Sighting, context: Context) -> Sighting:
    """A frame out of a line of text, with what its wrapper knows besides. The wrapper's clock knows its time zone."""
    if context.stamp is not None and (context.stamp.kind == "date" or sighting.stamp is None):
        sighting.stamp = context.stamp
    sighting.station = sighting.station or context.station or context.weak_station
    if sighting.sender is None and sighting.relative is None:
        sighting.sender, sighting.relative = context.sender, context.relative
    sighting.version = sighting.version or context.version
    return sighting


def _once(found: list[Sighting]) -> list[Sighting]:
    """Some loggers write a frame twice in one object: as the text it was, and parsed."""
    seen: list[Any] = []
    kept = []
    for sighting in found:
        try:
            value = json.loads(sighting.text)
        except (ValueError, RecursionError):
            value = sighting.text
        if value not in seen[-8:]:
            seen.append(value)
            kept.append(sighting)
    return kept


def _named_values(array: list[Any]) -> dict[str, Any] | None:
    """``[{"field": "@timestamp", "value": …}, …]``, as CloudWatch Insights answers, as an object."""
    if not 2 <= len(array) <= 64:
        return None
    pairs: dict[str, Any] = {}
    for item in array:
        if not isinstance(item, dict) or len(item) > 3 or "value" not in item:
            return None
        name = item.get("field", item.get("name", item.get("key")))
        if not isinstance(name, str):
            return None
        pairs[name] = item["value"]
    return pairs


def _fields(record: dict[str, Any], level: int = 0) -> Iterable[tuple[int, str, Any]]:
    """The plain values of an object and, after them in rank, of objects in it (but not of an OCPP payload)."""
    for key, value in record.items():
        if value.__class__ is list and len(value) == 1:
            value = value[0]  # Elastic's "fields"
        if value.__class__ is dict:
            places = places_of(key)
            if "time" in places:
                yield level, key, value
            if level < 2 and ("payload" not in places or key == "source"):
                for deeper, name, inner in _fields(value, level + 1):
                    if "station" in places and simple(name) in ("id", "name", "identity", "identifier"):
                        name = key  # {"station": {"id": …}}
                    yield deeper, name, inner
        elif value.__class__ is not list and value is not None:
            yield level, key, value


def _station(candidates: list[tuple[int, str, Any]]) -> tuple[str, str]:
    """The station under a name that says so, and one under a name that may mean anything."""
    weak = ""
    for _, name, value in sorted(candidates, key=lambda candidate: candidate[0]):
        if value.__class__ is int:
            value = str(value)
        if not isinstance(value, str) or not 0 < len(value) <= 64 or party(value):
            continue
        if "/" in value:
            value = station_in(value) or value
        if name not in WEAK_STATIONS:
            return value.strip(), weak
        if not weak and not _UNIQUE.fullmatch(value) and not any(map(str.isspace, value)):
            weak = value
    return "", weak


def _direction(fields: dict[Role, list[Any]]) -> tuple[Sender | None, Relative | None, str]:
    """Sender or relative direction; and the station, when the two parties of a message are named."""
    for value in fields.get("direction", ()):
        sender, relative = direction_value(value)
        sender = sender or (None if relative else origin(value))
        if sender or relative:
            return sender, relative, ""
    come, go = fields.get("from", [None])[0], fields.get("to", [None])[0]
    come_party, go_party = party(come), party(go)
    if come_party or go_party:
        sender = come_party or ("csms" if go_party == "station" else "station")
        other = go if sender == "csms" else come
        return sender, None, other if isinstance(other, str) and not party(other) and len(other) <= 64 else ""
    for value in (*fields.get("hint", ()), *fields.get("kind", ())):
        if isinstance(value, str) and 2 <= len(value) <= 80 and not START.search(value):
            sender, relative = direction_in(value)
            if sender or relative:
                return sender, relative, ""
    return None, None, ""


def origin(value: Any) -> Sender | None:
    """CitrineOS has "cs" (charging station) and "csms" for the origin of a message."""
    return "station" if value == "cs" else party(value)


def _by_key(context: Context, key: str) -> Context:
    """``{"received": "[2,…"}``: the direction as the name of the message."""
    if context.sender is None and context.relative is None and len(key) <= 24:
        sender, relative = direction_value(simple(key))
        if sender or relative:
            return context._replace(sender=sender, relative=relative)
    return context


def version_value(value: Any) -> str:
    """The OCPP version that a value is ("1.6", "ocpp2.0.1"); empty when it is something else."""
    if not isinstance(value, str):
        return ""
    match = _VERSION.fullmatch(value.strip())
    return match[1].replace("_", ".") if match is not None else version_in(value)


_REQUEST_NAME: Final = re.compile(r"(?:Request|\.req|Req|\.request)\Z")
_RESPONSE_NAME: Final = re.compile(r"(?:Response|\.conf|Conf|Confirmation|\.response)\Z")


def split_frame(record: dict[str, Any]) -> str | None:
    """A frame whose elements are fields of their own, put together again; None when they are not that."""
    kinds: list[tuple[int, str, Any]] = []
    parts: dict[Role, tuple[int, Any]] = {}
    for key, value in record.items():
        for role, rank in places_of(key).items():
            if role == "kind":
                kinds.append((rank, key, value))
            elif role in ("id", "action", "payload", "code", "description", "details"):
                if role == "payload":
                    value = _as_object(value)
                    if value is None:
                        continue
                elif value is None or value == "":
                    continue
                if role not in parts or rank < parts[role][0]:
                    parts[role] = (rank, value)
    id_ = parts.get("id", (0, None))[1]
    action = parts.get("action", (0, ""))[1]
    if not isinstance(id_, str | int) or isinstance(id_, bool) or not isinstance(action, str):
        return None
    kind, sure = None, False
    for _, key, value in sorted(kinds, key=lambda candidate: candidate[0]):
        kind = kind_of(value)
        if kind is not None:
            sure = simple(key) not in ("type", "kind") or value in (2, 3, 4, 5, 6)
            break
    for pattern, named in ((_REQUEST_NAME, 2), (_RESPONSE_NAME, 3)):
        shorter = pattern.sub("", action)
        if shorter != action:
            action = shorter
            kind = named if kind is None else kind
    if kind is None:
        return None
    payload = parts.get("payload", (0, None))[1]
    has_action = _ACTION.fullmatch(action) is not None
    if kind in (2, 6):
        return rebuild(kind, id_, action, payload) if has_action and payload is not None else None
    if kind == 3:
        return rebuild(kind, id_, "", payload) if payload is not None and (sure or has_action) else None
    code = parts.get("code", (0, None))[1]
    if not isinstance(code, str) or not (sure or has_action):
        return None
    details = _as_object(parts.get("details", (0, None))[1])
    return rebuild(
        kind, id_, "", None, (code, parts.get("description", (0, ""))[1], details if details is not None else payload)
    )


def _as_object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
