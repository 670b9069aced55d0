"""What a column or a JSON key is for, by its name.

Exports call the same thing by any of a dozen names, in several languages and spellings; case, blanks and underscores
do not count. The lists are ordered: where several are there, the first says most about the message itself.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from fieldkit.logs.times import Stamp, Times

Role: TypeAlias = Literal[
    "time", "station", "direction", "from", "to", "version", "kind", "id", "action", "payload", "code", "description",
    "details", "hint", "",
]  # fmt: skip


class Place(NamedTuple):
    """A role and how well the name fits it (0 is best)."""

    role: Role
    rank: int


_NAMES: Final[dict[Role, str]] = {
    "time": """
        timestamp eventtimestamp messagetimestamp logtimestamp ocpptimestamp ts time datetime eventtime
        messagetime logtime loggedat sentat occurredat occurred when at timeutc datetimeutc timestamputc utc
        utctime timestampms date asctime zeitstempel zeit datum uhrzeit horodatage fecha hora tijdstip dataora
        t createdat created createdon timegenerated realtimetimestamp sourcerealtimetimestamp receivedat
        recordedat insertedat ingestiontime processedat updatedat
    """,
    "station": """
        chargepointid chargingstationid stationid chargeboxid chargeboxidentity chargepointidentity
        chargingstationidentity stationidentity cpid cbid csid chargerid chargepoint chargingstation chargebox
        charger station stationname chargepointname chargingstationname chargername ocppid ocppidentity
        ocppidentifier identity identifier evseid evse wallboxid wallbox boxid box ladestation ladepunkt cp
        clientid client deviceid device deviceidentifier connectionid endpointid assetid asset serialnumber
        serial chargerserial name id
    """,
    "direction": "direction dir messagedirection msgdirection flow way richtung sens sentido inout io way origin",
    "from": "from source sender src fromparty sentby",
    "to": "to destination receiver recipient dst dest target toparty",
    "version": "ocppversion ocppprotocol ocppprotocolversion protocolversion protocol subprotocol",
    "kind": """
        messagetypeid messagetype ocppmessagetype msgtype messagetypenumber typeid messagekind calltype type
        kind
    """,
    "id": "messageid uniqueid msgid ocppmessageid uid callid requestid correlationid messageuid id",
    "action": "action ocppaction actionname messageaction messagename method operation command feature",
    "payload": """
        payload payloadjson jsonpayload ocpppayload content body data parameters params message request
        response
    """,
    "code": "errorcode code",
    "description": "errordescription errormessage description",
    "details": "errordetails details",
    "hint": "event eventtype eventname category label op logtype tag topic subject msg message log",
}
_ORDERED: Final[dict[Role, dict[str, int]]] = {
    role: {name: rank for rank, name in enumerate(names.split())} for role, names in _NAMES.items()
}
WEAK_STATIONS: Final = frozenset({"name", "id", "serial", "serialnumber", "asset", "assetid", "connectionid"})
"""Names that often belong to something else than the station."""

_DATE_ONLY: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")


@lru_cache(maxsize=2048)
def simple(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return re.sub(r"[\W_]", "", name[:64].lower())


@lru_cache(maxsize=2048)
def places_of(name: str) -> dict[Role, int]:
    """The roles that a name may have, with their rank."""
    plain = simple(name)
    return {role: ranks[plain] for role, ranks in _ORDERED.items() if plain in ranks}


def best_time(times: Times, ranked: list[tuple[int, Any]]) -> Stamp | None:
    """The time out of several fields that may hold one; date and time of day may be in different fields."""
    incomplete: Stamp | None = None
    ranked.sort(key=lambda pair: pair[0])
    for _, value in ranked:
        stamp = times.read(value)
        if stamp is not None:
            if stamp.kind == "date":
                return stamp
            incomplete = incomplete or stamp
    if incomplete is not None and incomplete.kind == "clock":
        dates = [value for _, value in ranked if isinstance(value, str) and _DATE_ONLY.fullmatch(value.strip())]
        clocks = [value for _, value in ranked if isinstance(value, str) and ":" in value]
        if dates and clocks:
            return times.read(f"{dates[0].strip()} {clocks[0].strip()}") or incomplete
    return incomplete


def kind_of(value: Any) -> int | None:
    """The OCPP-J message type number that a field names."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 2 <= value <= 6 else None
    if not isinstance(value, str) or len(value) > 32:
        return None
    plain = simple(value)
    if plain in ("2", "3", "4", "5", "6"):
        return int(plain)
    return _KINDS.get(plain)


_KINDS: Final = {
    "call": 2, "request": 2, "req": 2, "ocpprequest": 2, "callrequest": 2,
    "callresult": 3, "response": 3, "resp": 3, "res": 3, "result": 3, "conf": 3, "confirmation": 3, "callresponse": 3,
    "callerror": 4, "error": 4, "err": 4, "callresulterror": 5, "send": 6,
}  # fmt: skip
