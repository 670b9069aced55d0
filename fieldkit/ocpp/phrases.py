"""Values of OCPP payloads in the words of a technician: "EVSE 1 connector 2", "04…7F (ISO14443)", "10:00:00Z".

Each phrase takes a value as it came and a ``View``, and returns "" when there is nothing to say. The value may be of
any type and any size: it is what a station sent, not what the schema asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from fieldkit.safetext import ELLIPSIS, mask, shorten

LONGEST_VALUE: Final = 60
"""Characters of one value: a line is 80 to 200 wide and tells two or three of them."""

_SHORTEST_TOKEN: Final = 4
"""A card number of three characters or less is in too many words to be replaced in a text."""
_MOST_SEARCHED: Final = 20_000
"""Values of a payload that are searched for identity tokens, where an error may quote them."""
_MOST_READ: Final = 65_536
"""Characters of a text that are."""
_LONGEST_NAME: Final = 64
"""Characters of a member's name; OCPP's own have 30 at most."""
_MOST_JUDGED: Final = 1000
"""Entries of a list whose outcome is looked at."""
_MOST_LISTED: Final = 2
"""Entries of a list shown in full before the rest is counted."""
_MOST_NAMES: Final = 3

_NS_PER_DAY: Final = 86_400_000_000_000


class View(NamedTuple):
    """What a phrase needs to know besides its value."""

    time: int
    """When the message was sent; a date in it is only worth showing when it is another one."""
    show_ids: bool


Phrase: TypeAlias = Callable[[Any, View], str]


# ------------------------------------------------------------------------------------------------------ plain values


def plain(value: Any, view: View) -> str:
    """A scalar as it is, a short list of scalars joined, anything else by its size."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else shorten(value, LONGEST_VALUE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        if all(isinstance(item, (str, int, float)) for item in value[:_MOST_NAMES]) and value:
            shown = ", ".join(plain(item, view) for item in value[:_MOST_NAMES])
            more = f" +{len(value) - _MOST_NAMES} more" if len(value) > _MOST_NAMES else ""
            return shorten(shown, LONGEST_VALUE) + more
        return f"[{len(value)}]" if value else ""
    return "{…}" if value else ""


def number(value: float) -> str:
    """A number without exponent or trailing zeros; OCPP allows integers of any length."""
    if isinstance(value, int):
        return str(value) if -(10**30) < value < 10**30 else "a huge number"
    return f"{value:.10g}"


def quoted(value: Any, view: View) -> str:
    """Free text, in quotation marks; identity tokens in it are masked."""
    if not isinstance(value, str):
        return open_text(plain(value, view), view)
    if not value:
        return ""
    text = shorten(value, 2 * LONGEST_VALUE)
    return f'"{shorten(text if view.show_ids else masked(text), LONGEST_VALUE)}"'


def open_text(text: str, view: View) -> str:
    """A text from the wire, its identity tokens masked unless asked for."""
    return text if view.show_ids else masked(text)


def masked(text: str, known: Iterable[str] = ()) -> str:
    """Free text with the identity tokens masked that it names as such, and those that are ``known``."""
    low = text.lower()
    if quoted_here := {token for token in known if len(token) >= _SHORTEST_TOKEN and token.lower() in low}:
        longest_first = sorted(quoted_here, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        parts = pattern.split(text)
        found = [mask(token) for token in pattern.findall(text)]
        # What is masked already must not be taken for a token once more.
        return "".join([_masked_named(part) + token for part, token in zip(parts, [*found, ""], strict=True)])
    return _masked_named(text)


def tokens_in(tree: Any) -> set[str]:
    """The identity tokens of a payload, wherever they stand in it."""
    found: set[str] = set()
    stack: list[tuple[bool, Any]] = [(False, tree)]
    unread = _MOST_READ
    for _ in range(_MOST_SEARCHED):
        if not stack:
            break
        named, value = stack.pop()
        room = max(0, _MOST_SEARCHED - len(stack))
        if isinstance(value, dict):
            # An idToken of 2.x is an object with an idToken in it, beside its type.
            stack += [(names_token(str(name)), item) for name, item in islice(value.items(), room)]
        elif isinstance(value, list):
            stack += [(named, item) for item in islice(value, room)]
        elif named and isinstance(value, (str, int)) and not isinstance(value, bool):
            found.add(plain(value, View(0, True)) if isinstance(value, int) else value)
        elif isinstance(value, str) and len(value) > _SHORTEST_TOKEN and unread > 0:
            found |= tokens_told(value[:unread])
            unread -= len(value)
    return found


def tokens_told(text: str) -> set[str]:
    """The identity tokens that a text names as such."""
    return {match[2] for match in _TOKEN_IN_TEXT.finditer(text[:_MOST_READ])}


def names_token(name: str) -> bool:
    """Whether a member of this name holds an identity token."""
    return _TOKEN_NAME.search(name[:_LONGEST_NAME]) is not None


def _masked_named(text: str) -> str:
    return _TOKEN_IN_TEXT.sub(lambda match: match[1] + mask(match[2]), text)


_NAMES: Final = (
    r"id[_ -]?tag(?!info)|id[_ -]?token(?!info)|emaid|rfid|card[_ -]?(?:no|nr|id|number|uid)"
    # "uid" and "tag" are in other words too (uuid, stage): they stand alone or begin with a capital.
    r"|(?-i:(?<![A-Za-z])(?:[Uu]id|UID|[Tt]ag|TAG)|(?<=[a-z0-9])(?:Uid|UID|Tag))(?:[_ -]?(?:id|no|nr|number|uid))?"
    r"(?-i:(?![a-z]))"
)
_TOKEN_NAME: Final = re.compile(rf"(?:{_NAMES})(?!.*(?:status|type|info|enabled))", re.IGNORECASE)
_TOKEN_IN_TEXT: Final = re.compile(
    # With a sign between name and value (JSON in a string in JSON has backslashes, XML an attribute perhaps) …
    rf"""((?:{_NAMES})[\w-]{{0,20}}(?:\\{{0,7}}["'])?\s{{0,3}}(?:[:=]|(?:\s[^<>]{{0,80}})?>)\s{{0,3}}(?:\\{{0,7}}["'])?"""
    # … or without, in a sentence: "tag 04A1B2C3 unknown". Then it has a digit.
    rf"""|\b(?:{_NAMES})[ ]["'(]?(?=[A-Za-z*-]{{0,20}}[0-9]))([^\s"'\\,;&{{}}\[\]()<>]+)""",
    re.IGNORECASE,
)


def length(value: Any, view: View) -> str:
    """How many entries a list has."""
    return str(len(value)) if isinstance(value, list) else "1" if value else ""


def characters(value: Any, view: View) -> str:
    """The size of something nobody reads: a signing request, an EXI stream."""
    return f"{len(value)} characters" if isinstance(value, str) else plain(value, view)


def certificates(value: Any, view: View) -> str:
    """PEM text: how many certificates, how long. What they say is the trust part's to tell."""
    if not isinstance(value, str):
        return plain(value, view)
    count = value.count("-----BEGIN CERTIFICATE-----")
    chain = f"chain of {count}, " if count > 1 else "" if count else "not PEM, "
    return f"{chain}{len(value)} characters"


def token(value: Any, view: View) -> str:
    """An idTag, or an idToken with its type ("04…7F (ISO14443)"); masked unless asked for."""
    kind = ""
    if isinstance(value, dict):
        kind = plain(value.get("type"), view)
        value = value.get("idToken")
    text = plain(value, view)
    if not view.show_ids:
        text = mask(text)
    return f"{text} ({kind})".lstrip() if kind else text


def transaction(value: Any, view: View) -> str:
    """A transaction id; of a UUID the beginning tells it from the others."""
    text = plain(value, view)
    return text if len(text) <= 12 else text[:8] + ELLIPSIS


def connector(value: Any, view: View) -> str:
    """A connector of 1.x, where 0 is the station as a whole (1.6 §3.10)."""
    text = plain(value, view)
    return f"connector {text} (station)" if text == "0" else f"connector {text}" if text else ""


def evse(value: Any, view: View) -> str:
    """An EVSE of 2.x, with its connector where one is named."""
    if not isinstance(value, dict):
        text = plain(value, view)
        return f"EVSE {text} (station)" if text == "0" else f"EVSE {text}" if text else ""
    part = plain(value.get("connectorId"), view)
    return f"EVSE {plain(value.get('id'), view) or '?'}" + (f" connector {part}" if part else "")


def why(value: Any, view: View) -> str:
    """A statusInfo of 2.x."""
    if not isinstance(value, dict):
        return plain(value, view)
    reason, more = plain(value.get("reasonCode"), view), open_text(plain(value.get("additionalInfo"), view), view)
    return f"{reason}: {more}" if reason and more else reason or more


def status(value: Any, view: View) -> str:
    """A StatusNotification: what is at work or, where it is not, why: "connector 1 Faulted: GroundFailure"."""
    if not isinstance(value, dict):
        return ""
    if "connectorStatus" in value:  # 2.x
        return f"{evse({'id': value.get('evseId'), 'connectorId': value.get('connectorId')}, view)} " + plain(
            value["connectorStatus"], view
        )
    text = f"{connector(value.get('connectorId'), view)} {plain(value.get('status'), view)}".strip()
    error = plain(value.get("errorCode"), view)
    if error and error != "NoError":
        text += f": {error}"
    vendor, info = plain(value.get("vendorErrorCode"), view), quoted(value.get("info"), view)
    details = ": ".join(filter(None, (f"vendor {vendor}" if vendor else "", info)))
    return f"{text} ({details})" if details else text


def boot_answer(value: Any, view: View) -> str:
    """May the station go on, and what is the interval for: heartbeats, or (1.6 §4.2) until it asks again."""
    if not isinstance(value, dict):
        return ""
    verdict = plain(value.get("status"), view)
    interval = seconds(value.get("interval", value.get("heartbeatInterval")), view)
    if interval:
        interval = f"heartbeat every {interval}" if verdict == "Accepted" else f"try again after {interval}"
    return ", ".join(filter(None, (verdict, interval)))


def authorisation(value: Any, view: View) -> str:
    """An idTagInfo or idTokenInfo."""
    if not isinstance(value, dict):
        return plain(value, view)
    parts = [plain(value.get("status"), view)]
    group = value.get("parentIdTag") or value.get("groupIdToken")
    if group:
        parts.append(f"group {token(group, view)}")
    if expiry := value.get("expiryDate") or value.get("cacheExpiryDateTime"):
        parts.append(f"until {clock(expiry, view)}")
    return ", ".join(filter(None, parts))


# --------------------------------------------------------------------------------------------------------- date, time


_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]{1,9})?"
    r"(?:([Zz])|([+-][0-9]{2}:?[0-9]{2}))?"
)


def clock(value: Any, view: View) -> str:
    """The time of day that a date-time tells, and its date when that is not about the day of the message."""
    if not isinstance(value, str):
        return plain(value, view)
    found = _DATE_TIME.fullmatch(value)
    if found is None:
        return f'"{shorten(value, 40)}"'
    day, time, zulu, offset = found.groups()
    zone = "Z" if zulu else offset or " without time zone"
    return f"{time}{zone}" if day in _days_around(view.time // _NS_PER_DAY) else f"{day} {time}{zone}"


@lru_cache(maxsize=64)
def _days_around(day: int) -> frozenset[str]:
    try:
        today = date(1970, 1, 1) + timedelta(day)
        return frozenset(str(today + timedelta(step)) for step in (-1, 0, 1))
    except OverflowError:  # a capture may claim any time
        return frozenset()


def seconds(value: Any, view: View) -> str:
    """A number of seconds as OCPP has it; technicians know 300 by heart."""
    text = plain(value, view)
    return f"{text} s" if text else ""


# ------------------------------------------------------------------------------------------------- device model, keys


def variable(entry: Any, view: View) -> str:
    """Component.Variable of an entry that names both: "Connector[1,2].Available", "OCPPCommCtrlr.RetryBackOff"."""
    if not isinstance(entry, dict):
        return plain(entry, view)
    texts = []
    for part in (entry.get("component"), entry.get("variable")):
        if not isinstance(part, dict):
            texts.append(plain(part, view) or "?")
            continue
        text = plain(part.get("name"), view) or "?"
        if instance := plain(part.get("instance"), view):
            text += f"({instance})"
        where = part.get("evse")
        if isinstance(where, dict):
            place = [plain(where.get("id"), view), plain(where.get("connectorId"), view)]
            text += f"[{','.join(filter(None, place))}]"
        texts.append(text)
    kind = word(entry.get("attributeType"))
    return ".".join(texts) + (f"({kind})" if kind not in ("", "Actual") else "")


def variables(value: Any, view: View) -> str:
    """The first variables of a list, and how many more there are."""
    return _listed(value, lambda entry: variable(entry, view))


def assignments(value: Any, view: View) -> str:
    """Variables with the values that they are given or have; where they have none, with the reason."""

    def one(entry: Any) -> str:
        if not isinstance(entry, dict):
            return plain(entry, view)
        content = entry.get("attributeValue", entry.get("actualValue"))
        attributes = entry.get("variableAttribute")
        if content is None and isinstance(attributes, list) and attributes and isinstance(attributes[0], dict):
            content = attributes[0].get("value")
        text = variable(entry, view)
        if content is not None:
            text += f"={plain(content, view)}"
        outcome = word(entry.get("attributeStatus"))
        if outcome == "Accepted" and content is None:
            return f"{text} Accepted without a value"
        return f"{text} {outcome}" if outcome not in ("", "Accepted") else text

    return _listed(value, one)


def results(value: Any, view: View) -> str:
    """What came of each entry: all alike in one word, else those first that were not accepted."""
    judged = [entry for entry in islice(entries(value), _MOST_JUDGED) if isinstance(entry, dict)]
    if not judged:
        return ""
    refused = [entry for entry in judged if _status(entry) != "Accepted"]
    if not refused:
        return f"{len(judged)} Accepted" if len(judged) > 1 else f"{variable(judged[0], view)} Accepted"
    shown = _listed(refused, lambda entry: f"{variable(entry, view)} {_status(entry)}")
    return f"{len(judged) - len(refused)} of {len(judged)} Accepted; {shown}" if len(judged) > 1 else shown


def _status(entry: dict[str, Any]) -> str:
    return word(entry.get("attributeStatus", entry.get("status"))) or "?"


def events(value: Any, view: View) -> str:
    """The events of a NotifyEvent, with what the station's maker adds (in 2.x the ChargeX codes stand there)."""

    def one(entry: Any) -> str:
        if not isinstance(entry, dict):
            return plain(entry, view)
        text = assignments([entry], view)
        code = ": ".join(filter(None, (plain(entry.get("techCode"), view), plain(entry.get("techInfo"), view))))
        return text + (f" ({code})" if code else "") + " cleared" * (entry.get("cleared") is True)

    return _listed(value, one)


def asked_keys(value: Any, view: View) -> str:
    """Which keys a GetConfiguration asks for: none named means all (1.6 §5.8)."""
    return plain(value, view) if value else "all keys"


def configuration(value: Any, view: View) -> str:
    """The answer to GetConfiguration: a few keys with their values, many by their number."""
    if not isinstance(value, dict):
        return ""
    known = entries(value.get("configurationKey"))
    if 0 < len(known) <= _MOST_NAMES:
        shown = ", ".join(_setting(entry, view) for entry in known)
    else:
        shown = f"{len(known)} keys"
    unknown = value.get("unknownKey")
    return f"{shown}, unknown: {plain(unknown, view)}" if unknown else shown


def _setting(entry: Any, view: View) -> str:
    if not isinstance(entry, dict):
        return plain(entry, view)
    return f"{plain(entry.get('key'), view) or '?'}={plain(entry.get('value'), view)}"


# ------------------------------------------------------------------------------------------------------------ helpers


def _listed(value: Any, one: Callable[[Any], str]) -> str:
    listed = entries(value)
    shown = ", ".join(filter(None, map(one, listed[:_MOST_LISTED])))
    return f"{shown} +{len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else shown


def entries(value: Any) -> Sequence[Any]:
    """A list as it is; something single as a list of one, as XML cannot tell the two apart."""
    return value if isinstance(value, list) else [] if value is None else [value]


def word(value: Any) -> str:
    return value[:LONGEST_VALUE] if isinstance(value, str) else ""
