"""What a log line says besides the frame: time, direction, station, version.

Loggers agree on nothing, so this is a list of ways to say it, tried in the order of how sure they are. "Sent" and
"received" are relative to whoever wrote the log, which may be either side: they are handed on as they are
(``relative``). "ChargePoint>CentralSystem" is not (``sender``).
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from fieldkit.events import Sender
from fieldkit.logs.sighting import Relative
from fieldkit.logs.times import Stamp, Times

MAX_LEAD: Final = 600
"""Characters before a frame that are looked at: the first third (time, logger) and the rest next to the frame."""
MAX_STATION: Final = 64
"""Characters of an identity. OCPP 2.0.1 Part 4 §3.1.1 allows 48, 1.6 leaves it open."""
_MAX_KNOWN: Final = 1024
"""Different line beginnings (without their time) whose reading is remembered."""


class Fields(NamedTuple):
    """What a line's beginning, its time taken out, says."""

    station: str
    sender: Sender | None
    relative: Relative | None
    version: str


# ----------------------------------------------------------------------------------------------------- direction

_STATION: Final = (
    r"(?:charge[ _-]?points?|charging[ _-]?(?:stations?|points?)|charge[ _-]?box(?:es)?|chargers?|stations?"
    r"|wallbox|evse|cp[\w-]{0,48}|clients?|ladestation|ladepunkt)"
)
_CSMS: Final = (
    r"(?:csms|central[ _-]?system|central|cpms|emsp|cms|csm|cpo|back[ _-]?(?:end|office)|servers?|cloud|cs"
    r"|ocpp[ _-]?server)"
)
_RIGHT: Final = r"(?:\s?(?:-{1,3}>|={1,3}>|~>|→|⇒|➔|➡|⟶|>{1,3}|&gt;)\s?|2|[ _-]to[ _-])"
_LEFT: Final = r"\s?(?:<-{1,3}|<={1,3}|<~|←|⇐|⟵|<{1,3}|&lt;)\s?"
_NOT_IN_WORD: Final = r"(?<![A-Za-z0-9])"

_SAYINGS: Final[tuple[tuple[str, Sender], ...]] = (
    (rf"{_NOT_IN_WORD}{_STATION}{_RIGHT}{_CSMS}(?![A-Za-z0-9])", "station"),
    (rf"{_NOT_IN_WORD}{_CSMS}{_RIGHT}{_STATION}(?![A-Za-z])", "csms"),
    (rf"{_NOT_IN_WORD}{_STATION}{_LEFT}{_CSMS}(?![A-Za-z0-9])", "csms"),
    (rf"{_NOT_IN_WORD}{_CSMS}{_LEFT}{_STATION}(?![A-Za-z])", "station"),
    (rf"\bfrom[ _-](?:the )?{_CSMS}\b", "csms"),
    (rf"\bfrom[ _-](?:the )?{_STATION}\b", "station"),
    (rf"\bto[ _-](?:the )?{_CSMS}\b", "station"),
    (rf"\bto[ _-](?:the )?{_STATION}\b", "csms"),
    (r"(?:-{1,2}>|={1,2}>|→)\s?csms\b", "station"),
    (r"\bcsms\s?(?:-{1,2}>|={1,2}>|→)", "csms"),
    (r"(?:<-{1,2}|<={1,2}|←)\s?csms\b", "csms"),
    (r"\bcsms\s?(?:<-{1,2}|<={1,2}|←)", "station"),
)
_ABSOLUTE: Final = tuple((re.compile(pattern, re.IGNORECASE), sender) for pattern, sender in _SAYINGS)
_LABEL: Final = re.compile(rf"(?:^|[\]|>)\-]|::)\s*(?:({_STATION})|({_CSMS}))\s?:\s*$", re.IGNORECASE)
"""EVerest's console: the sender's name, a colon, the frame."""

_BETWEEN: Final = (
    r"(?<=[\[(|])\s?{0}\s?(?=[\])|])|(?<![\w.]){0}(?=\s?:\s?$)|\bdir(?:ection)?[\"']?\s?[=:]\s?[\"']?{0}(?![a-z])"
)
"""Short words of English count in brackets, before a colon, or as a value."""
_AT_THE_END: Final = r"(?<![\w.]){0}(?=\W{{0,4}}$|\s(?!\d+\W*$)\S{{2,64}}\s?$)"
"""Others also before the last word: "rx CP_7"; but "tx 17" is a transaction."""
_RELATIVE: Final = re.compile(
    # A word of its own, or part of a camelCase name (onMessageReceived), but not of another word (absent, sender).
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[RSIO]))(?:"
    r"(?P<into>(?i:receiv(?:e|ed|ing)|recv|rcvd|incoming|inbound|got|empfang(?:en|e)?|eingehend|re[çc]u|recibid[oa]"
    r"|ricevut[oa]|recebid[oa]|ontvangen))|"
    r"(?P<out>(?i:send(?!locallist)(?:ing)?|sent|outgoing|outbound|transmit(?:ted|ting)?|gesendet|sende|ausgehend"
    r"|envoy[ée]e?|enviad[oa]|inviat[oa]|verzonden|wrote|writing|repl(?:y|ying|ied)|respond(?:ing|ed)))"
    r")(?![a-z])"
    rf"|(?P<into_token>(?<![\w.])(?:IN|RX|Rx)(?![\w.=])|{_AT_THE_END.format('rx')}|{_BETWEEN.format('(?:rx|in)')}"
    r"|<{2,3}|←|⇐|⟵)"
    rf"|(?P<out_token>(?<![\w.])(?:OUT|TX|Tx)(?![\w.=])|{_AT_THE_END.format('tx')}|{_BETWEEN.format('(?:tx|out)')}"
    r"|>{2,3}|→|⇒|⟶)"
)
_ARROW: Final = re.compile(r"(?:^|[\s\])|:])(?:(?P<into><-{0,2}|<=)|(?P<out>-{0,2}>|=>))\s?(?:TEXT\b)?[\s:'\"`b]{0,8}$")
"""A lone arrow counts only right before the frame; websockets' debug log writes "< TEXT"."""

_PARTNER: Final = re.compile(
    rf"\b(?:(?P<into>from)|(?P<out>to))\s[\"'`\[(<#]?[^\s]{{2,{MAX_STATION}}}\s*$", re.IGNORECASE
)
""""from A17: [2,…": whoever that is, it came from there."""


def direction_in(text: str) -> tuple[Sender | None, Relative | None]:
    """Who sent it, or whether it was received or sent, by the words of a line's beginning. The nearest word counts."""
    for pattern, sender in _ABSOLUTE:
        if pattern.search(text):
            return sender, None
    arrow = _ARROW.search(text)
    if arrow is not None:
        return None, "in" if arrow["into"] else "out"
    words = list(_RELATIVE.finditer(text))
    if words:
        last = words[-1]
        return None, "in" if last["into"] or last["into_token"] else "out"
    partner = _PARTNER.search(text)
    if partner is not None:
        return None, "in" if partner["into"] else "out"
    label = _LABEL.search(text)
    if label is not None:
        return ("station" if label[1] else "csms"), None
    return None, None


_SENDER_VALUES: Final[dict[str, Sender]] = {
    **dict.fromkeys(
        """
            cptocsms cptocs cp2csms cp2cs cpcsms chargepointtocentralsystem chargingstationtocsms stationtocsms
            chargepoint2centralsystem chargertocsms chargertoserver chargertobackend fromchargepoint fromcharger
            fromstation fromcp clienttoserver upstream uplink tocsms toserver tobackend tocentralsystem cstocsms
            cs2csms
        """.split(),
        "station",
    ),
    **dict.fromkeys(
        """
            csmstocp cstocp csms2cp cs2cp csmscp centralsystemtochargepoint csmstochargingstation csmstostation
            centralsystem2chargepoint csmstocharger servertocharger backendtocharger tochargepoint tocharger
            tostation tocp servertoclient downstream downlink fromcsms fromserver frombackend fromcentralsystem
            csmstocs csms2cs
        """.split(),
        "csms",
    ),
}
_RELATIVE_VALUES: Final[dict[str, Relative]] = {
    **dict.fromkeys(
        """
            in incoming inbound received receive receiving recv rcvd rx ingress input empfangen
            eingehend eingang recu recibido < << <<< <- <= <-- ← ⇐
        """.split(),
        "in",
    ),
    **dict.fromkeys(
        """
            out outgoing outbound sent send sending tx egress output gesendet ausgehend ausgang envoye
            enviado > >> >>> -> => --> → ⇒
        """.split(),
        "out",
    ),
}
_PARTIES: Final[dict[str, Sender]] = {
    **dict.fromkeys(
        """
            cp chargepoint chargingstation chargebox charger station wallbox evse client chargingpoint
            ladestation
        """.split(),
        "station",
    ),
    **dict.fromkeys("csms centralsystem cpms cms csm backend backoffice server cloud central cpo".split(), "csms"),
}


def direction_value(value: Any) -> tuple[Sender | None, Relative | None]:
    """The direction that a whole cell or JSON value is; (None, None) when it is something else."""
    if not isinstance(value, str) or not 1 <= len(value) <= 40:
        return None, None
    plain = value.strip().lower()
    relative = _RELATIVE_VALUES.get(plain)
    if relative is not None:
        return None, relative
    letters = re.sub(r"[^a-z0-9]", "", plain)
    sender = _SENDER_VALUES.get(letters)
    if sender is not None:
        return sender, None
    relative = _RELATIVE_VALUES.get(letters)
    if relative is not None:
        return None, relative
    for pattern, side in _ABSOLUTE:
        if pattern.search(plain):
            return side, None
    return None, None


def party(value: Any) -> Sender | None:
    """Which side a value such as "CSMS" or "charge point" names."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    return _PARTIES.get(re.sub(r"[\s_-]", "", value.lower()))


# ------------------------------------------------------------------------------------------------------- station

_NO_STATIONS: Final = frozenset(
    """
        info debug warn warning error err fine finer finest severe config trace fatal critical notice verbose
        log logger level msg message messages frame text json raw data payload body call callresult callerror
        callresulterror request response req res conf ack event null none undefined true false main root server
        client csms central centralsystem system backend cloud manager broker queue socket session connection
        conn handler worker ocpp ocpp16 ocpp201 ocpp21 ocppj ocpp-j v16 v201 ws wss websocket websockets http
        https tcp mqtt kafka redis the a an all mo ao charger chargers station stations chargepoint chargepoints
        cp evse received receive recv receiving sent send sending in out rx tx incoming outgoing from to with
        for ok done unknown default local remote stdout stderr app api node java python
    """.split()
)
_NAME: Final = r"[^\s\"'\[\](){}<>,;|=]"
_NUMBERED: Final = frozenset("cp cs charger station chargepoint evse client".split())
"""Words that are a name with a number behind them: CP_6."""
_KEYS: Final = (
    r"(?:charge_?box_?(?:id(?:entity)?)?|charge_?point_?(?:id(?:entity)?|name)?|charging_?(?:station|point)_?(?:id|name)?"
    r"|station_?(?:id(?:entity)?|name)|station|cp_?id|cb_?id|charger_?(?:id|name|serial)?|identity|ocpp_?(?:id|identity)"
    r"|client_?id|device_?id|wallbox(?:_?id)?|ladestation|ladepunkt|cp|box_?id|identifier)"
)
_KEY_VALUE: Final = re.compile(
    rf"(?<![A-Za-z0-9]){_KEYS}[\"']?\s?[=:]\s?[\"'<\[(]?({_NAME}{{1,{MAX_STATION}}})", re.IGNORECASE
)
_KEY_EQUALS: Final = re.compile(rf"(?<![A-Za-z0-9]){_KEYS}=[\"']?({_NAME}{{1,{MAX_STATION}}})", re.IGNORECASE)
_NAMED_LOGGER: Final = re.compile(
    r"(?:\[ocpp\]\s|\bocpp:|\bocpp - \w{1,12} - )([^:\n]{1,64}?): (?:receive message|receive|send)\b"
)
"""mobilityhouse/ocpp: the identity, as it was given to ChargePoint(), before ": receive message" or ": send"."""
_NAME_COLON_WORD: Final = re.compile(
    rf"({_NAME}{{1,{MAX_STATION}}}):\s{{1,4}}(?i:receive message|receive[ds]?|recv|send|sent|sending|rx|tx|<<|>>)\b"
    r"[^:]{0,40}:?\s*$"
)
_NAME_WORD: Final = re.compile(
    rf"(?:(?:^|[\s\])|])(?P<before>[A-Za-z]{{1,24}})\s{{1,4}})?(?<![^\s\])|])(?P<name>{_NAME}{{2,{MAX_STATION}}})\s{{1,4}}"
    r"(?:(?i:receive[ds]?|receiving|recv|rcvd|sen[dt]s?|sending|rx|tx)|<[-=]{1,2}|[-=]{1,2}>|[←→⇐⇒])"
    r"(?:\s(?i:messages?|frames?|msg|text|call|callresult|callerror|request|response))?\s?:?\s*$"
)
"""CP_6 received: …, without a colon behind the name."""
_OF_SOMETHING: Final = frozenset(
    "session conn connection transaction tx thread id request req message msg socket user tag evse port".split()
)
"""What follows these is their number, not a station."""
_WORDS_IN_NAMES: Final = re.compile(
    r"ocpp[\w.]{0,6}|v?[\d.]+j?|on|id|is|was|has|just|http|java|web|data|boot|meter|status|firmware|security|log|start|stop"
    r"|heartbeat|authorize|transfer|transaction|values?|notification|notify|event|get|set|change|clear|reset|remote|trigger"
    r"|unlock|configuration|profile|variables|report|local|list|send|update|sign|certificate|charge|charging|point|station",
    re.IGNORECASE,
)
"""What names of events, modules and actions are made of: on-message, boot_notification, ocpp-server."""
_WORD_NAME: Final = re.compile(
    rf"\b(?i:recv|receive[d]?|receiving|sen[dt]|sending|rx|tx)\s({_NAME}{{2,{MAX_STATION}}}?):?\s*$"
)
_FROM_TO: Final = re.compile(
    r"\b(?:from|to|by|for|von|an|de|à)\s(?:the\s)?(?:(?:charge\s?point|charging\s?station|charger|station|client|charge\s?box|cp)\s)?"
    rf"[\"'`\[(<#]?({_NAME}{{2,{MAX_STATION}}}?)[\"'`\])>:]{{0,3}}(?=[\s,:]|$)",
    re.IGNORECASE,
)
_BRACKETED: Final = re.compile(
    rf"[\[(<]({_NAME}{{2,{MAX_STATION}}})[\])>]\s{{0,4}}(?:[-:|]\s{{0,4}})?"
    r"(?:(?i:receive[ds]?|receiving|recv|rx|sen[dt]|sending|tx|incoming|outgoing|message|frame|<+-*|-*>+|←|→|in|out|ocpp|text)[\s:]{0,4}){0,4}$"
)
_NAME_ARROW: Final = re.compile(
    rf"({_NAME}{{2,{MAX_STATION}}})\s{{1,4}}(?:<{{1,3}}|>{{1,3}}|<[-=]{{1,2}}|[-=]{{1,2}}>|[←→⇐⇒])\s*$"
)
_PIPED: Final = re.compile(rf"[\s|]({_NAME}{{3,{MAX_STATION}}})\s{{0,8}}\|")
_PATH: Final = re.compile(r"(?:wss?:/)?(?:/[\w.\-~%:@+*]{1,100}){1,12}")
_SOURCE_FILE: Final = re.compile(r"\.(?:[cm]?[jt]sx?|py|go|java|kt|cpp|cc|c|h|rs|rb|php|cs|log|db|json|conf)(?::\d+)*$")
_PROGRAM_PART: Final = re.compile(
    r"thread|pool|exec|worker|nio|task|async|qtp|grpc|tokio|conn|main\b|^\d+$|^[\d:.,T/-]+Z?$|logger|\.go:|\.py:|handler",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"\bocpp[ /_-]?v?(1\.[56]|2\.0\.1|2\.0|2\.1)(?![\d.]\d)", re.IGNORECASE)


def station_in(text: str, after: str = "") -> str:
    """The charging station that a line names, empty when none; ``after`` is what follows the frame."""
    for found in _KEY_VALUE.finditer(text):
        name = _identity(found[1])
        if name:
            return name
    if after:
        for found in _KEY_EQUALS.finditer(after):
            name = _identity(found[1])
            if name:
                return name
    found_logger = _NAMED_LOGGER.search(text)
    if found_logger is not None and found_logger[1].lower() not in _NO_STATIONS:
        return found_logger[1].strip()
    name = _of_path(text)
    if name:
        return name
    for pattern in (_NAME_COLON_WORD, _WORD_NAME, _BRACKETED):
        match = pattern.search(text)
        if match is not None:
            name = _identity(match[1])
            if name and not _PROGRAM_PART.search(name):
                return name
    found_name = _NAME_WORD.search(text)
    if found_name is not None and (found_name["before"] or "").lower() not in _OF_SOMETHING:
        name = _plain_name(found_name["name"])
        if name:
            return name
    for pattern in (_FROM_TO, _NAME_ARROW, _PIPED):
        for match in pattern.finditer(text):
            name = _identity(match[1])
            # "to transmit", "from queue": a name that is not announced as one must not look like a word
            if name and any(map(str.isdigit, name)) and not _PROGRAM_PART.search(name):
                return name
    return ""


def _plain_name(token: str) -> str:
    """A token that is an identity by its looks alone, since nothing announces it as one; empty if it is not."""
    *loggers, last = token.strip(":").split(":")  # Python's INFO:root:…
    name = _identity(last if all(word.lower() in _NO_STATIONS for word in loggers) else token)
    if _PROGRAM_PART.search(name) or not re.search(r"[^\W\d_]", name) or not re.search(r"[\d_-]", name):
        return ""
    words = [word for word in re.split(r"[_-]", name) if word]
    numbered = len(words) > 1 and words[-1].isdigit() and words[0].lower() in _NUMBERED
    common = all(word.lower() in _NO_STATIONS or _WORDS_IN_NAMES.fullmatch(word) for word in words)
    return name if numbered or not common else ""


def _identity(name: str) -> str:
    name = name.strip(".:'\"`")
    if not name or name.lower() in _NO_STATIONS or _SOURCE_FILE.search(name):
        return ""
    if name.startswith(("/", "ws:", "wss:", "http:", "https:")):
        return _of_path(name)
    return unquote(name) if "%" in name else name


def _of_path(text: str) -> str:
    """The last segment of a connection URL (OCPP-J 1.6 §3.1.1, 2.x Part 4 §3.1.1)."""
    if "/" not in text:
        return ""
    for match in _PATH.finditer(text):
        path = match[0]
        lower = path.lower()
        if not (lower.startswith("ws") or "/ocpp" in lower or "/centralsystemservice" in lower):
            continue
        segments = path.split("/")
        last = unquote(segments[-1]).rstrip(":")
        named = len(segments) > (3 if lower.startswith("ws") else 2)
        if (
            named
            and last
            and not _SOURCE_FILE.search(last)
            and not re.fullmatch(r"(?i)ocpp[\w.]*|v?[\d.]+j?|websocket", last)
        ):
            return last
    return ""


def version_in(text: str) -> str:
    """The OCPP version that is named as such ("ocpp1.6", "OCPP 2.0.1"); module names without dots do not count."""
    match = _VERSION.search(text)
    return match[1] if match is not None else ""


# ---------------------------------------------------------------------------------------------------- whole lines

_COLOUR: Final = re.compile(r"\x1b\[[\d;]{0,16}m")
_TAG: Final = re.compile(r"<[^<>]{1,200}>")


class LineFields:
    """Reads the beginnings of a log's lines; they repeat, so what was made of them is remembered."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._known: dict[tuple[str, str], Fields] = {}

    def read(self, lead: str, after: str = "") -> tuple[Stamp | None, Fields]:
        """``lead``: what stands before the frame. ``after``: what stands behind it."""
        if len(lead) > MAX_LEAD:
            lead = lead[: MAX_LEAD // 3] + " " + lead[-MAX_LEAD * 2 // 3 :]
        if "\x1b" in lead:
            lead = _COLOUR.sub("", lead)
        if "<t" in lead:
            lead = _TAG.sub(" | ", lead)
        if "&" in lead:
            lead = unescape(lead)
        found = self._times.find(lead)
        if found is None:
            return None, self._fields(lead, after)
        stamp, start, end = found
        return stamp, self._fields(lead[:start] + "\t" + lead[end:], after)

    def _fields(self, lead: str, after: str) -> Fields:
        after = after[:200] if "=" in after else ""
        key = (lead, after)
        fields = self._known.get(key)
        if fields is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            sender, relative = direction_in(lead)
            fields = Fields(station_in(lead, after), sender, relative, version_in(lead))
            if after and sender is None and relative is None:
                match = re.search(r"\b(?:dir|direction)=\"?([\w>-]{1,40})", after)
                if match is not None:
                    sender, relative = direction_value(match[1])
                    fields = fields._replace(sender=sender, relative=relative)
            self._known[key] = fields
        return fields
