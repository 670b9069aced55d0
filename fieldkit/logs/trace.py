"""Open OCPP Trace 1.x: one JSON object a message, direction and station always stated.

The format knows CALL, CALLRESULT and CALLERROR. What OCPP 2.1 added is written as the nearest of these, with the
true type in ``meta.ocppMessageType``. ``raw`` is the frame verbatim; a record without it is put together again from its
fields. Fields that the format does not have are ignored, as its consumer rules say.
"""

from __future__ import annotations

from typing import Any, Final

from fieldkit.events import Problem, Sender
from fieldkit.logs.frametext import rebuild
from fieldkit.logs.sighting import REBUILT, Sighting
from fieldkit.logs.times import Times

_DIRECTIONS: Final[dict[Any, Sender]] = {"cp-to-csms": "station", "csms-to-cp": "csms"}
_TYPES: Final = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4, "CALLRESULTERROR": 5, "SEND": 6}
_NO_ENVELOPE = Problem(
    REBUILT, "", "the trace has no envelope for this SOAP message; it is shown as the JSON frame that it corresponds to"
)


def is_trace_record(value: dict[str, Any]) -> bool:
    """Tell whether a JSON object has what every record must have, apart from the time."""
    try:
        return value.get("messageType") in _TYPES and value.get("direction") in _DIRECTIONS and "schemaVersion" in value
    except TypeError:  # a list or object where a text belongs
        return False


def read_record(record: dict[str, Any], line: int, times: Times) -> Sighting:
    """The frame that a record is about."""
    meta = record.get("meta")
    is_soap = record.get("transport") == "soap"
    raw = record.get("raw")
    problems: tuple[Problem, ...] = ()
    if isinstance(raw, str) and raw:
        text = raw
    else:
        text = _rebuilt(record, meta if isinstance(meta, dict) else {})
        if is_soap:
            is_soap = False
            problems = (_NO_ENVELOPE,)
    return Sighting(
        text=text,
        line=line,
        last_line=line,
        stamp=times.read(record.get("timestamp")),
        station=_text(record.get("chargePointId")),
        sender=_DIRECTIONS[record["direction"]],
        version=_text(record.get("ocppVersion")),
        transport="soap" if is_soap else "json",
        problems=problems,
    )


def _rebuilt(record: dict[str, Any], meta: dict[str, Any]) -> str:
    name = meta.get("ocppMessageType", record["messageType"])
    kind = _TYPES.get(name if isinstance(name, str) else "", _TYPES[record["messageType"]])
    error = record.get("error")
    if not isinstance(error, dict):
        error = {}
    return rebuild(
        kind,
        _text(record.get("messageId")),
        _text(record.get("action")),
        record.get("payload"),
        (error.get("code"), error.get("description"), error.get("details")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
