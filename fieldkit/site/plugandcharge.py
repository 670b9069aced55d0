"""OCPP 1.6 and Plug & Charge: messages of 2.x inside of DataTransfer (OCA, "Using ISO 15118 Plug & Charge with OCPP
1.6")."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from fieldkit.events import OcppMessage
from fieldkit.site.reading import member, text

VENDOR: Final = "org.openchargealliance.iso15118pnc"
ACTION: Final = "DataTransfer"
MAX_DATA: Final = 60_000
"""Characters of the message inside that are read: the longest hold EXI of 17,000."""


def is_plug_and_charge(message: OcppMessage) -> bool:
    """Whether a DataTransfer, or the one that it answers, carries such a message."""
    asked = message.call.payload if message.call is not None else message.payload
    return text(asked, "vendorId") == VENDOR


def unwrapped(message: OcppMessage) -> OcppMessage:
    """The message inside; the very same where there is none that could be read.

    Time, id and frames stay: it is the evidence.
    """
    call = message.call
    action = text((call or message).payload, "messageId")
    data = _document(member(message.payload, "data"))
    if not action or message.type is None:
        return message
    payload = data if data is not None else {}
    if call is not None and "status" not in payload:
        # The answer inside may lack what the one outside says.
        payload = {**payload, "status": text(message.payload, "status") or ""}
    inner_call = None if call is None else unwrapped(call)
    return replace(message, action=action[:50], payload=payload, call=inner_call)


def _document(data: Any) -> dict[str, Any] | None:
    if data.__class__ is dict:
        return data
    if data.__class__ is not str or len(data) > MAX_DATA:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
