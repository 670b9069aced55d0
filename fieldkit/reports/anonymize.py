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
from fieldkit.reports.nameforms import NameForms
from fieldkit.reports.pseudonyms import Pseudonyms
from fieldkit.reports.trace import TraceWriter
from fieldkit.site.picture import Picture

_MAX_CHANNELS: Final = 20_000
_MAX_DEPTH: Final = 3
"""JSON inside a string inside JSON."""
_VIN_LENGTH: Final = 17
MAX_FILLED: Final = 64 << 10
"""Characters of a frame in which what was hidden is looked for."""
_HIDDEN: Final = re.compile(rf'"{re.escape(HIDDEN)}"|{re.escape(HIDDEN)}')

_TOKENS: Final = re.compile(
    r".*id(?:tag|token)s?|freevend.*tag|masterpass.*|emaid|contractid|evccid|vehicleid|customeridentifier|rfid.*|tagid|cardid"
    r"|(?:card|tag)?uid"
)
_SERIALS: Final = re.compile(
    r".*serial.*|chargeboxid.*|chargepointid.*|chargingstationid.*|identity|.*meterid|deviceid|uuid|imei|meid|eui\d*"
    r"|batteryid|pspref|receiptid|vatnumber"
)
_CODES: Final = re.compile(
    r".*certificate|.*certificatechain|.*csr|exi(?:request|response)|ocsp.*|.*signature|signedmeterdata|.*publickey"
    r"|issuer.*hash|.*fingerprint|signed.*data"
)
_PERSONS: Final = re.compile(
    r".*(?:e-?mail|phone|msisdn|mobile|hotline.*|surname|firstname|lastname|fullname|username|person|street|zipcode|postcode"
    r"|city|latitude|longitude|gps|ssid|licen[cs]eplate|numberplate|apnname|apnuser.*|contact)"
    r"|(?:site|operator|cpo|company|organi[sz]ation|owner|customer|tenant|party|location|display|friendly|station|charger"
    r"|chargepoint|chargebox|box|evse)-?name|lat|lon|lng|plate|user|name_on_card|apn|group|content|address\d?"
)
"""Members, and configuration keys, that say who or where."""
_KEYED: Final = re.compile(
    r".*(?:name|owner|operator|cpo|title|label|tenant|domain|host|server|address|organi[sz]ation|company|location|text|token)"
)
"""Of configuration keys only: in messages some of these are words of the standard."""
_OCMF: Final = re.compile(r"id|ci|gs|ms|gi|sd|tt")
"""Members of a signed meter reading (Open Charge Metering Format): who charged, serial numbers, signature."""
_FILES: Final = re.compile(r"filename|file")
_IDENTIFIERS: Final = ("messageid", "relatesto")
_ABOUT_VALUES: Final = ("value", "attributevalue", "actualvalue", "#text", "")
_FOREIGN: Final = ("customdata", "vatcompany", "company")
"""Objects in which a vendor or a company says what it likes."""
_LOOSE: Final = ("DataTransfer", "NotifyCustomerInformation")
"""Actions whose "data" has no form that could be known."""
_STRUCTURE: Final = re.compile(
    r"[A-Za-z.]{0,64}|[-+]?\d{1,20}(?:\.\d{1,20})?|\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)?"
)
"""Words of the standard, numbers and times: most of what is said."""
_PLAIN: Final = re.compile(
    r"[-+]?\d{1,20}(?:\.\d{1,20})?|true|false|\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
"""Numbers, times and yes or no."""
_NUMBER: Final = re.compile(r"(-?[0-9.]{1,400})((?:[eE][-+]?[0-9]{1,3})?)")
_DIGIT: Final = re.compile("[0-9]")
_HEAD: Final = re.compile(r'\s*\[\s*"?[2-6]"?\s*,\s*')
_ALNUM: Final = re.compile(r"\w+")


class Anonymizer:
    """The same message about somebody else."""

    def __init__(self, key: bytes) -> None:
        self.names = Pseudonyms(key)
        self._stations: dict[str, str] = {}
        self._forms = NameForms(self.names, self.station)
        self._channels: dict[int, tuple[OcppChannel, OcppChannel]] = {}
        self._connections: dict[int, tuple[Connection, Connection]] = {}
        self._own = ""
        self._xml = False
        self._ocmf = False
        self._replaced: dict[str, str] = {}

    def message(self, message: OcppMessage) -> OcppMessage:
        """A message without anybody's name."""
        raw, payload = conceal(message)
        self._own = message.channel.station if not message.channel.station_inferred else ""
        self._replaced = {}
        if self._own:
            self.station(self._own)
        if raw is not message.raw and HIDDEN in raw:
            raw = self._filled(message.raw, raw)
        loose = message.action in _LOOSE
        new_raw = self._raw(raw, message)
        new_payload = self._tree(payload, loose)
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
            id=self._forms.identifier(message.id, self._own),
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
        return self._forms.text(text, self._own)

    def path(self, path: str, station: str) -> str:
        """The path of a URL at which ``station`` is served."""
        return self._forms.path(path, station)

    # ----------------------------------------------------------------------------------------------------- one value

    def _value(self, name: str, value: str, about: str, vendor: bool, depth: int) -> str:
        """What stands under ``name``, beside a configuration key ``about`` if there is one.

        ``vendor``: it is part of what somebody says in a form of his own.
        """
        if not value or value == HIDDEN:
            return value
        low = name.lower()
        if low in _IDENTIFIERS and self._xml:
            return self._forms.identifier(value, self._own)
        keyed = low in _ABOUT_VALUES and about != ""
        made = self._named(about if keyed else low, value, keyed)
        if made is None:
            start = value.lstrip()[:1]
            if value.startswith("OCMF|"):
                parts = value.split("|")
                made = "|".join(self._document(part, _OCMF, depth + 1) if part[:1] == "{" else part for part in parts)
            elif start in ("{", "[") and depth < _MAX_DEPTH:
                made = self._document(value, None, depth + 1)
            elif vendor and low != "vendorid" and not _PLAIN.fullmatch(value):
                made = self.text(value) if "://" in value else self.names.serial(value)
            else:
                return self.text(value)
        if made != value:
            self._remember(value, made)
        return made

    def _named(self, low: str, value: str, keyed: bool) -> str | None:
        """The pseudonym of what a name says is somebody's; None where the name says nothing."""
        names = self.names
        if not low or low in _PLAIN_NAMES:
            return None
        if low.startswith("xmlns"):
            return value
        if _TOKENS.fullmatch(low) or (self._ocmf and _OCMF.fullmatch(low)):
            return names.token(value)
        if low == "transactionid":
            return names.transaction(value)
        if low == "vin" or (low.endswith("vin") and len(value) == _VIN_LENGTH):
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
        if _FILES.fullmatch(low):
            return self._forms.path(value, self._own)
        if _PLAIN.fullmatch(value) and not _PERSONS.fullmatch(low):
            return None
        if _PERSONS.fullmatch(low) or (keyed and _KEYED.fullmatch(low)):
            return self._forms.whole(value, self._own)
        return None

    def _remember(self, old: str, new: str) -> None:
        if len(old) >= 3:
            self._replaced[old] = new
        self._forms.remember(old, new)

    def _quoted(self, text: str) -> str:
        """A text about a message, in which its values may stand."""
        for old in sorted(self._replaced, key=len, reverse=True):
            text = text.replace(old, self._replaced[old])
        return self.text(text)

    # ------------------------------------------------------------------------------------------------- whole messages

    def _filled(self, raw: str, concealed: str) -> str:
        """A frame with something else, as long and of the same kind, in place of what was hidden in it.

        What is wrong with a password (its length, its form) is still wrong then, and a number still a number. Only the
        length and form of what was hidden are taken over: if it was not found where it was looked for, they are those
        of another text, and nothing shows.
        """
        if len(raw) > MAX_FILLED:
            return concealed
        kept = _HIDDEN.split(concealed)
        made = [kept[0]]
        at = len(kept[0])
        for piece in kept[1:]:
            last = piece is kept[-1]
            end = len(raw) - len(piece) if last else raw.find(piece, at) if piece else at
            if end < at:
                return concealed
            made += self._filler(raw[at:end]), piece
            at = end + len(piece)
        return "".join(made)

    def _filler(self, secret: str) -> str:
        quoted = len(secret) > 1 and secret[0] == secret[-1] == '"'
        inner = secret[1:-1] if quoted else secret
        if _NUMBER.fullmatch(inner) and not quoted:
            made = _DIGIT.sub(lambda digit: str(int(digit[0]) % 9 + 1), self.names.secret(inner))
        elif inner.isascii() and inner.replace("-", "").isalnum():
            made = self.names.secret(inner)
        else:  # an escape may not be taken apart
            made = "x" * len(inner)
        return f'"{made}"' if quoted else made

    def _raw(self, raw: str, message: OcppMessage) -> str:
        self._xml = raw.lstrip()[:1] == "<"
        try:
            root, sound = (read_xml if self._xml else read_json)(raw)
        except TooLongError:
            sound = False
        if not sound:
            return self._scrambled(raw, message)
        return self._edited(raw, root, message.action in _LOOSE, 0, message.id)

    def _document(self, text: str, form: re.Pattern[str] | None, depth: int) -> str:
        """JSON inside a string; ``form``: names that identify in this kind of document only."""
        try:
            root, sound = read_json(text)
        except TooLongError:
            sound = False
        if not sound or depth > _MAX_DEPTH:
            return self.names.serial(text)
        xml, self._xml = self._xml, False
        ocmf, self._ocmf = self._ocmf, form is _OCMF
        edited = self._edited(text, root, False, depth, "")
        self._xml, self._ocmf = xml, ocmf
        return edited

    def _edited(self, text: str, root: Branch, vendor: bool, depth: int, id_: str) -> str:
        edits: list[tuple[int, int, str]] = []
        heading = _second(root) if id_ and not self._xml else None
        for leaf, name, about, foreign in _leaves(root):
            loose = foreign or (vendor and name.lower() == "data")
            if leaf is heading and leaf == id_:
                new = self._forms.identifier(leaf, self._own)
            elif leaf.scalar:
                new = self._scalar(name, leaf, about)
            else:
                new = self._value(name, str(leaf), about, loose, depth)
            if new != leaf:
                literal = (
                    xml_escape(new) if self._xml else new if leaf.scalar else _literal(new, text[leaf.start : leaf.end])
                )
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
        if not named or named in _PLAIN_NAMES or leaf in ("true", "false", "null"):
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
        stack: list[tuple[Any, Any, str, str, bool]] = [(holder, 0, "", "", False)]
        while stack:
            place, key, name, about, foreign = stack.pop()
            value = place[key]
            foreign = foreign or name.lower() in _FOREIGN
            if isinstance(value, dict):
                value = place[key] = dict(value)
                about = _about([(n, v) for n, v in value.items() if isinstance(n, str)]) or about
                stack.extend((value, member, str(member), about, foreign) for member in value)
            elif isinstance(value, list):
                value = place[key] = list(value)
                stack.extend((value, at, name, about, foreign) for at in range(len(value)))
            elif isinstance(value, str):
                place[key] = self._value(name, value, about, foreign or (vendor and name.lower() == "data"), 0)
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
        head = raw[:begin]
        if message.id and raw.startswith(f'"{message.id}"', begin):
            begin += len(message.id) + 2
            head += f'"{self._forms.identifier(message.id, self._own)}"'
        return head + _ALNUM.sub(
            lambda word: word[0] if word[0] == message.action else self.names.serial(word[0]), raw[begin:]
        )


_PLAIN_NAMES: Final = frozenset(
    "key readonly type status unit measurand phase context location format timestamp connectorid vendorid"
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


def _leaves(root: Branch) -> list[tuple[Leaf, str, str, bool]]:
    """All values of a tree: each with its own name, the key that it belongs to, and whether a vendor made it up."""
    found: list[tuple[Leaf, str, str, bool]] = []
    stack: list[tuple[Branch, str, str, bool]] = [(root, "", "", False)]
    while stack:
        branch, above, about, foreign = stack.pop()
        about = _about(branch) or about
        foreign = foreign or above.lower() in _FOREIGN
        for name, value in branch:
            known = name if name is not None else above
            if isinstance(value, Leaf):
                found.append((value, known, about, foreign or known.lower() in _FOREIGN))
            else:
                stack.append((value, known, about, foreign))
    return found


def _second(root: Branch) -> Leaf | None:
    """Of a message its id."""
    for number, (_, value) in enumerate(root):
        if number == 1:
            return value if isinstance(value, Leaf) and not value.scalar else None
    return None


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
