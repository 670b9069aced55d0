"""Messages that can be handed to somebody outside: who and where is replaced, what happened stays.

Stations, id tokens, contracts, vehicles, serial and SIM numbers, certificates, addresses and host names get pseudonyms
(see ``pseudonyms``) wherever they stand: under their own name, as the value of a configuration key that names them, in
URLs and in free text. A frame is edited where the name is written and stays as it was sent elsewhere, so that what
is wrong with it is still wrong. Passwords and keys are hidden, as in every output. Where a frame is too broken to tell
names from values, every letter and digit in it is replaced and only its form stays.

What a vendor puts into DataTransfer has no form that could be known: text in it is replaced as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from fieldkit.events import Connection, Endpoint, Event, OcppChannel, OcppError, OcppMessage
from fieldkit.ocpp.placed import Branch, Leaf, TooLongError, read_json, read_xml, xml_escape
from fieldkit.ocpp.secrets import HIDDEN, conceal, conceal_text
from fieldkit.reports.pseudonyms import Pseudonyms
from fieldkit.reports.trace import TraceWriter
from fieldkit.site.picture import Picture

_MAX_CHANNELS: Final = 20_000
_MAX_DEPTH: Final = 3
"""JSON inside a string inside JSON."""

_TOKENS: Final = re.compile(
    r"(?:parent|group|additional|vehicle)?id(?:tag|token)s?|masterpass.*|emaid|contractid|evccid|customeridentifier|rfid.*"
)
_SERIALS: Final = re.compile(
    r".*serial.*|chargeboxid.*|chargepointid.*|chargingstationid.*|identity|.*meterid|deviceid|uuid|imei|meid|eui\d*|batteryid"
)
_CODES: Final = re.compile(
    r"certificate|certificatechain|.*csr|exi(?:request|response)|ocsp.*|.*signature|signedmeterdata|.*publickey|issuer.*hash"
    r"|.*fingerprint|signed.*data"
)
_PERSONS: Final = re.compile(
    r".*(?:e-?mail|phone|msisdn|mobile|surname|firstname|lastname|fullname|username|person|street|zipcode|postcode|city"
    r"|latitude|longitude|gps|ssid|licen[cs]eplate|numberplate|apnname|apnuser.*)|lat|lon|lng|plate|user|name_on_card"
)
_STRUCTURE: Final = re.compile(r"[A-Za-z.]{0,64}|[-+]?[0-9.]{1,40}|\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)?")
"""Words of the standard, numbers and times: most of what is said."""

_URL: Final = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,12}://)([^\s/?#\"'<>]*)([^\s\"'<>]*)")
_QUERY_VALUE: Final = re.compile(r"(?<==)[^&#]+")
_ADDRESS4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_ADDRESS6: Final = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:.])")
_MAC: Final = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])")
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_CONTRACT: Final = re.compile(r"\b[A-Z]{2}[*-]?[A-Z0-9]{3}[*-]?C?[A-Z0-9]{8}(?:[*-]?[A-Z0-9])?\b")
"""eMAID (ISO 15118-2 annex H)."""
_SIM: Final = re.compile(r"\b89\d{17,18}\b")
_VEHICLE: Final = re.compile(r"\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}\b")
_HOST: Final = re.compile(
    r"(?<![\w.@-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}"
    r"(?:com|net|org|io|eu|de|nl|fr|uk|ch|at|be|it|es|pt|pl|cz|se|no|dk|fi|us|ca|au|cn|jp|in|info|biz|cloud|energy|app|dev"
    r"|tech|charge|lan|local|internal)(?![\w-])",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"(-?[0-9.]{1,400})((?:[eE][-+]?[0-9]{1,3})?)")
_DIGIT: Final = re.compile("[0-9]")
_WORD: Final = re.compile(r"[\w*-]{6,64}")
_HEAD: Final = re.compile(r'\s*\[\s*"?[2-6]"?\s*,\s*')
_ALNUM: Final = re.compile(r"\w+")


class Anonymizer:
    """The same message about somebody else."""

    def __init__(self, key: bytes) -> None:
        self.names = Pseudonyms(key)
        self._stations: dict[str, str] = {}
        self._words: dict[str, str] = {}
        """Names that were replaced, long and odd enough to be recognised in free text."""
        self._channels: dict[int, tuple[OcppChannel, OcppChannel]] = {}
        self._connections: dict[int, tuple[Connection, Connection]] = {}
        self._own = ""
        self._replaced: dict[str, str] = {}

    def message(self, message: OcppMessage) -> OcppMessage:
        """A message without anybody's name."""
        raw, payload = conceal(message)
        self._own = message.channel.station if not message.channel.station_inferred else ""
        self._replaced = {}
        new_raw = self._raw(raw, message)
        new_payload = self._tree(payload, message.action == "DataTransfer")
        error = message.error
        if error is not None and message.call is not None:
            self._tree(message.call.payload, False)  # an error quotes what it complains of
        problems = tuple(
            replace(problem, text=self._quoted(conceal_text(problem.text, message))) for problem in message.problems
        )
        if error is not None:
            said = self._quoted(conceal_text(error.description, message))
            error = OcppError(error.code, said, new_payload)
        return replace(
            message,
            channel=self.channel(message.channel),
            id=self.text(message.id),
            payload=new_payload,
            error=error,
            raw=new_raw,
            problems=problems,
        )

    def channel(self, channel: OcppChannel) -> OcppChannel:
        """A channel under other names."""
        known = self._channels.get(id(channel))
        if known is not None and known[0] is channel:
            return known[1]
        station = self.station(channel.station, inferred=channel.station_inferred)
        connection = self.connection(channel.connection) if channel.connection is not None else None
        if len(self._channels) >= _MAX_CHANNELS:
            self._channels.clear()
        made = replace(channel, station=station, connection=connection)
        self._channels[id(channel)] = channel, made
        return made

    def connection(self, connection: Connection) -> Connection:
        """A connection between other addresses."""
        known = self._connections.get(id(connection))
        if known is not None and known[0] is connection:
            return known[1]
        if len(self._connections) >= _MAX_CHANNELS:
            self._connections.clear()
        made = replace(
            connection,
            client=self.endpoint(connection.client),
            server=self.endpoint(connection.server),
            source="capture",
        )
        self._connections[id(connection)] = connection, made
        return made

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Another address, the same port."""
        return Endpoint(self.names.address(endpoint.address), endpoint.port)

    def station(self, name: str, *, inferred: bool = False) -> str:
        """A station's other identity; one that is only an address becomes another address."""
        known = self._stations.get(name)
        if known is None:
            if inferred:
                address, _, port = name.rpartition(":")
                known = f"{self.names.address(address)}:{port}" if address else name
            else:
                known = self.names.identity(name)
            if len(self._stations) < _MAX_CHANNELS:
                self._stations[name] = known
                self._remember(name, known)
        return known

    def text(self, text: str) -> str:
        """Free text: URLs, addresses, host names, contract, vehicle and SIM numbers, and names seen before."""
        if _STRUCTURE.fullmatch(text) and text != self._own:
            return text
        names = self.names
        if self._own and len(self._own) > 2 and self._own in text:
            text = text.replace(self._own, self.station(self._own))
        if "://" in text:
            text = _URL.sub(self._url, text)
        if "@" in text:
            text = _EMAIL.sub(lambda found: names.serial(found[0]), text)
        if ":" in text or "-" in text:
            text = _MAC.sub(lambda found: names.mac(found[0]), text)
            text = _ADDRESS6.sub(lambda found: names.address(found[0]), text)
        if "." in text:
            text = _ADDRESS4.sub(lambda found: names.address(found[0]), text)
            text = _HOST.sub(lambda found: names.host(found[0]), text)
        text = _SIM.sub(lambda found: names.iccid(found[0]), text)
        text = _VEHICLE.sub(lambda found: names.vin(found[0]), text)
        text = _CONTRACT.sub(lambda found: names.token(found[0]), text)
        words = self._words
        return _WORD.sub(lambda found: words.get(found[0], found[0]), text) if words else text

    def _url(self, found: re.Match[str]) -> str:
        user, at, place = found[2].rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon or not port.isdigit():
            host, colon, port = place, "", ""
        bare = host.strip("[]")
        new = self.names.address(bare)
        new = self.names.host(bare) if new == bare and not _ADDRESS4.fullmatch(bare) else new
        rest = _QUERY_VALUE.sub(lambda value: self.names.serial(value[0]), found[3])
        user = ":".join(part if part == HIDDEN else self.names.serial(part) for part in user.split(":")) if user else ""
        return f"{found[1]}{user}{at}{host.replace(bare, new) if bare else host}{colon}{port}{rest}"

    # ----------------------------------------------------------------------------------------------------- one value

    def _value(self, name: str, value: str, about: str, vendor: bool, depth: int) -> str:
        """What stands under ``name``, beside a configuration key ``about`` if there is one."""
        if not value or value == HIDDEN:
            return value
        low = name.lower()
        named = low if low not in ("value", "attributevalue", "actualvalue", "#text", "") else about
        made = self._named(named, value) if named else None
        if made is None:
            start = value.lstrip()[:1]
            if start in ("{", "[") and depth < _MAX_DEPTH:
                made = self._document(value, vendor, depth + 1)
            elif vendor and low == "data" and not _STRUCTURE.fullmatch(value):
                made = self.names.serial(value)
            else:
                return self.text(value)
        if made != value:
            self._remember(value, made)
        return made

    def _named(self, low: str, value: str) -> str | None:
        names = self.names
        if low in _PLAIN_NAMES:
            return None
        if _TOKENS.fullmatch(low):
            return names.token(value)
        if low == "vin" or (low.endswith("vin") and _VEHICLE.fullmatch(value)):
            return names.vin(value)
        if "iccid" in low:
            return names.iccid(value)
        if "imsi" in low:
            return names.imsi(value)
        if low.endswith(("mac", "macaddress")):
            return names.mac(value)
        if _CODES.fullmatch(low):
            return names.code(value)
        if _SERIALS.fullmatch(low):
            return self.station(value) if value in self._stations else names.serial(value)
        if _PERSONS.fullmatch(low):
            return names.serial(value)
        return None

    def _remember(self, old: str, new: str) -> None:
        if len(old) >= 3:
            self._replaced[old] = new
        if _WORD.fullmatch(old) and any(c.isdigit() for c in old) and len(self._words) < 100_000:
            self._words[old] = new

    def _quoted(self, text: str) -> str:
        """A text about a message, in which its values may stand."""
        for old in sorted(self._replaced, key=len, reverse=True):
            text = text.replace(old, self._replaced[old])
        return self.text(text)

    # ------------------------------------------------------------------------------------------------- whole messages

    def _raw(self, raw: str, message: OcppMessage) -> str:
        xml = raw.lstrip()[:1] == "<"
        try:
            root, sound = (read_xml if xml else read_json)(raw)
        except TooLongError:
            sound = False
        if not sound:
            return self._scrambled(raw, message)
        return self._edited(raw, root, xml, message.action == "DataTransfer", 0)

    def _document(self, text: str, vendor: bool, depth: int) -> str:
        try:
            root, sound = read_json(text)
        except TooLongError:
            sound = False
        return self._edited(text, root, False, vendor, depth) if sound else self.names.serial(text)

    def _edited(self, text: str, root: Branch, xml: bool, vendor: bool, depth: int) -> str:
        edits: list[tuple[int, int, str]] = []
        for _, about, name, leaf in _leaves(root):
            new = self._scalar(name, leaf, about) if leaf.scalar else self._value(name, str(leaf), about, vendor, depth)
            if new != leaf:
                literal = xml_escape(new) if xml else new if leaf.scalar else _literal(new, text[leaf.start : leaf.end])
                edits.append((leaf.start, leaf.end, literal))
        pieces: list[str] = []
        end = 0
        for start, stop, new in sorted(edits):
            pieces += text[end:start], new
            end = stop
        return "".join([*pieces, text[end:]])

    def _scalar(self, name: str, leaf: str, about: str) -> str:
        """A number that is a name after all: a token or a position that somebody sends without quotes."""
        low = name.lower()
        named = low if low not in ("value", "") else about
        if not named or low in _PLAIN_NAMES or leaf in ("true", "false", "null"):
            return leaf
        if _PERSONS.fullmatch(named) or _TOKENS.fullmatch(named) or _SERIALS.fullmatch(named):
            found = _NUMBER.fullmatch(leaf)
            if found is not None:  # no zeros: one in front would not be JSON
                digits = self.names.serial(found[1])
                return _DIGIT.sub(lambda digit: str(int(digit[0]) % 9 + 1), digits) + found[2]
        return leaf

    def _tree(self, payload: Any, vendor: bool) -> Any:
        """A payload with its values replaced; no recursion, for payloads may be deep."""
        holder = [payload]
        stack: list[tuple[Any, Any, str, str]] = [(holder, 0, "", "")]
        while stack:
            place, key, name, about = stack.pop()
            value = place[key]
            if isinstance(value, dict):
                value = place[key] = dict(value)
                about = _about([(n, v) for n, v in value.items() if isinstance(n, str)]) or about
                stack.extend((value, member, str(member), about) for member in value)
            elif isinstance(value, list):
                value = place[key] = list(value)
                stack.extend((value, at, name, about) for at in range(len(value)))
            elif isinstance(value, str):
                place[key] = self._value(name, value, about, vendor, 0)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                text = json.dumps(value)
                made = self._scalar(name, text, about)
                if made != text:
                    place[key] = json.loads(made)
        return holder[0]

    def _scrambled(self, raw: str, message: OcppMessage) -> str:
        """A frame too broken (or too long) to tell names from values: its brackets, quotes and lengths only."""
        kept = _HEAD.match(raw)
        begin = kept.end() if kept else 0
        return raw[:begin] + _ALNUM.sub(
            lambda word: word[0] if word[0] == message.action else self.names.serial(word[0]), raw[begin:]
        )


_PLAIN_NAMES: Final = frozenset(
    "key readonly type status unit measurand phase context location format timestamp connectorid transactionid vendorid"
    " messageid chargepointvendor chargepointmodel chargeboxmodel vendorname model firmwareversion action"
    " reason".split()
)
"""Members that name no one, whatever they look like."""

_NAMING: Final = ("key", "variable", "name", "messageid", "parameter", "setting")


def _about(members: list[tuple[str | None, Any]]) -> str:
    """The name of the configuration key or variable that an object is about, in lower case."""
    for name, value in members:
        if name is not None and name.lower() in _NAMING:
            if isinstance(value, dict):
                value = value.get("name")
            elif isinstance(value, Branch):
                value = next((text for member, text in value if member == "name"), None)
            if isinstance(value, str):
                return value[:100].lower()
    return ""


def _leaves(root: Branch) -> list[tuple[int, str, str, Leaf]]:
    """All values of a tree: where each is written, the key that it belongs to, its own name, itself."""
    found: list[tuple[int, str, str, Leaf]] = []
    stack: list[tuple[Branch, str, str]] = [(root, "", "")]
    while stack:
        branch, above, about = stack.pop()
        about = _about(branch) or about
        for name, value in branch:
            if isinstance(value, Leaf):
                found.append((value.start, about, name if name is not None else above, value))
            else:
                stack.append((value, name if name is not None else above, about))
    return found


def _literal(new: str, old: str) -> str:
    """A JSON string; written as the old one was, with or without escapes beyond ASCII."""
    return json.dumps(new, ensure_ascii=old.isascii())


class AnonymousTrace:
    """Watches a session and writes what it sees as Open OCPP Trace, under other names."""

    wants: Final[frozenset[type[Event]]] = frozenset({OcppMessage})

    def __init__(self, write: Callable[[bytes], object], key: bytes) -> None:
        self.anonymizer = Anonymizer(key)
        self._trace = TraceWriter(write)

    def see(self, event: Event, picture: Picture) -> None:
        """An event of the session."""
        if isinstance(event, OcppMessage):
            self._trace.event(self.anonymizer.message(event))

    def finish(self) -> None:
        """The end of the session."""
        self._trace.finish()
