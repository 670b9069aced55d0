"""Passwords, keys and credentials in OCPP messages, hidden before anybody reads or stores them.

OCPP carries its own secrets: a CSMS gives a station its new Basic password as the value of ``AuthorizationKey``
("Improved security for OCPP 1.6-J" §2) or of ``SecurityCtrlr.BasicAuthPassword`` (2.x Part 2, A01), and modem and VPN
passwords with ``SetNetworkProfile`` (B09). Vendors add Wi-Fi keys and API tokens as configuration keys of their own or
inside ``DataTransfer``, and URLs for firmware and logs come as ``ftp://user:password@host``.

``conceal`` puts "(hidden)" in their place, in the payload and in the frame's text alike. The text is edited where the
secret stands and stays as it was sent everywhere else. Both are searched by the same rules as trees of named values:
the payload is one, and from the text ``placed`` reads one, whole or broken. Where a frame is too broken to say which
value belongs to which name, all of its payload is withheld; so it is where a message is suspicious and too long to be
taken apart at a bearable price (``placed.MAX_TEXT``, ``placed.MAX_TOKENS``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fieldkit.events import OcppMessage
from fieldkit.ocpp.placed import (
    MAX_TEXT,
    MAX_TOKENS,
    Branch,
    Leaf,
    TooLongError,
    read_json,
    read_xml,
    xml_escape,
    xml_unescape,
)

HIDDEN: Final = "(hidden)"

_MAX_NESTING: Final = 4
"""JSON inside a string inside JSON …: DataTransfer needs one level, careless gateways make two."""

_CHUNK: Final = 48
"""Messages looked through at once: enough to make the single look cheap, few enough that one find costs little."""

_SINGLE: Final = 16 << 10
"""A message longer than this is looked through on its own."""

_WINDOW: Final = 64 << 10
"""Characters looked through at once, so that the copies with escapes undone stay small."""
_OVERLAP: Final = 8 << 10
"""What windows share. The longest a pattern finds are 300 characters, each perhaps an escape within an escape."""
_CROWD: Final = 1500
"""So often in one window, and what takes long to tell counts as suspicious without being told."""
_LONG_WAY: Final = "\\" * 16
"""Escapes within escapes, deeper than JSON is nested by honest people."""
_MOST_KNOWN: Final = 200
"""Secrets of one message that the texts about it are searched for, one by one."""
_MOST_HEAD: Final = 4096
"""Characters before the body of an envelope."""
_CUT_OFF: Final = re.compile(r"[^\]}>\s]\s{0,99}\Z")
"""How a text ends whose brackets or tags cannot all be closed."""

_BETWEEN: Final = "-->?>\n"
"""Put between messages that are looked through at once: a comment that one leaves open ends there."""

_QUOTABLE: Final = 4
"""A secret at least this long is also hidden where an error quotes it: replacing every "1" in a text would protect
nothing and destroy the text."""

_ROOMY: Final = frozenset(
    {
        "ChangeConfiguration",
        "DataTransfer",
        "GetConfiguration",
        "GetVariables",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "SetNetworkProfile",
        "SetVariableMonitoring",
        "SetVariables",
    }
)
"""Actions with room for names and values of the vendor's choice."""

_KEYS_TO: Final = (
    "authorization auth api access private encryption shared signing master hmac aes wep wpa wifi vpn".split()
)
_SECRET_NAME: Final = re.compile(
    r"pass(?:w|ph|code|key|_|\b)|pwd|secret|psk|sim[ _.-]?pin|token(?<!idtoken)"
    rf"|(?:{'|'.join(_KEYS_TO)})[ _.-]?key"
)
"""In the name of a configuration key, variable or member, in lower case. An idToken is an identity: masked (see
safetext.mask), not hidden."""

_CROWDING: Final = ("://", "key", "pwd", "psk", "vpn", "\\u00", "&")
"""What takes longer to tell than to find."""

_BLOB: Final = "[a-z0-9+/]{24}"
"""So much of base64 on both sides, and a "pwd" in it is chance."""
_SUSPECT: Final = tuple(
    (character, re.compile(pattern).search)
    for character, pattern in (
        ("@", r"""://[^\s"<>]{0,300}@"""),
        ("=", r"sig(?:nature)?="),
        (" ", r"basic "),
        (" ", r"bearer "),
        ("p", r"pass(?:w|ph|code|key|_|\b)"),
        ("s", r"secret"),
        ("m", r"sim[ _.-]?pin"),
        ("w", rf"pwd(?!(?<={_BLOB}pwd){_BLOB})"),
        ("k", rf"psk(?!(?<={_BLOB}psk){_BLOB})"),
        ("v", rf"vpn(?!(?<={_BLOB}vpn){_BLOB})"),
        ("k", r"token(?<!idtoken)"),
        ("k", "key(?<=[a-z _.-]key)(?:" + "|".join(f"(?<={w}key)|(?<={w}[ _.-]key)" for w in _KEYS_TO) + ")"),
    )
)
"""What makes a text, escapes undone and in lower case, worth taking apart: any of these. Each begins with plain letters
and has one without which it cannot match, for which a search takes nanoseconds; as one pattern they took a hundred
times as long."""

_NAMING: Final = re.compile(r"key|name|variable|variablename|parameter|setting|messageid")
"""Members that name what their siblings hold the value of: ``{"key": "AuthorizationKey", "value": …}``."""

_HARMLESS: Final = re.compile(
    rf"{_NAMING.pattern}|component|instance|evse|evseid|id|connectorid|readonly|type|attribute(?:type|status|statusinfo)"
    r"|status|statusinfo|mutability|persistent|constant|variablecharacteristics|unit|datatype|vendorid|eventid"
    r"|timestamp|trigger|cause|cleared|severity|variablemonitoringid|eventnotificationtype|techcode|transactionid|@"
)
"""Members that hold no value, even beside a secret name."""

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
# RFC 3986 §3.2: "user:password" reaches to the last "@" of the authority. The second way is for passwords with a "/".
_URL: Final = re.compile(r"""(://[^\s/?#@:"'<>]{0,200}+:)(?:[^\s/?#"'<>]*|(?![0-9]{0,5}[/?#])[^\s@"'<>]{0,200})(?=@)""")
_QUERY: Final = re.compile(r"""([?&;][\w.-]{0,40}\bsig(?:nature)?=)[^&\s"'<>]+""", re.IGNORECASE)
_PAIR: Final = re.compile(
    rf"""((?:{_SECRET_NAME.pattern})[\w.-]{{0,40}}["']?[^\S\n]{{0,3}}[=:][^\S\n]{{0,3}}["']?)(?!=)[^\s"'&]+""",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(r"\b((?:basic|bearer) {1,3})(?!realm=|charset=)[\w+/=.~-]{6,}", re.IGNORECASE)

_DOCUMENTS: Final = ("{", "[", '"', "<")
"""How a text begins that is JSON or XML."""

_QUOTED: Final = re.compile(r"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)""")

_FRAME_HEAD: Final = re.compile(
    r'\s*\[\s*(?:[26]\s*,\s*"[^"\\]{0,60}"\s*,\s*"[A-Za-z0-9]{1,60}"|[345]\s*,\s*"[^"\\]{0,60}")\s*,'
)
_XML_BODY: Final = re.compile(r"<(?:[\w.-]{1,40}:)?Body[^<>]*>")
_XML_MARKS: Final = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[|\]\]>", re.DOTALL | re.IGNORECASE)
_ESCAPED_ASCII: Final = re.compile(r"(?<!\\)\\+u00([0-7][0-9a-f])")


def conceal(message: OcppMessage) -> tuple[str, Any]:
    """The message's frame and payload without secrets: the very same objects when there is none in them."""
    call = message.call
    if call is None or not (message.error or message.action == "DataTransfer"):
        if not _suspicious(message):
            return message.raw, message.payload
        hider = _Hider()
    else:
        answering = _answer_hider(message, call)
        if answering is None:
            return HIDDEN, HIDDEN
        hider = answering
    hider.broken = message.payload is None
    raw = hider.document(message.raw, 0)
    if hider.too_long:
        return raw, message.payload if raw is message.raw else HIDDEN
    in_raw = frozenset(hider.found)
    hider.found.clear()
    payload = hider.payload(message.payload)
    if missed := in_raw - hider.found:
        # The text may say a name twice, the payload has it once: the two can differ in what belongs to what.
        hider.known |= missed
        payload = hider.payload(payload)
    return raw, payload


def conceal_all(messages: Sequence[OcppMessage]) -> list[tuple[str, Any]]:
    """``conceal`` for many messages: as most hold no secret, they are looked through as one text, a chunk at a time."""
    concealed: list[tuple[str, Any]] = []
    for begin in range(0, len(messages), _CHUNK):
        chunk = messages[begin : begin + _CHUNK]
        texts = [message.raw for message in chunk]
        if max(map(len, texts)) > _SINGLE or _suspect(_BETWEEN.join(texts)):
            concealed += map(conceal, chunk)
        else:
            concealed += [
                (message.raw, message.payload) if message.error is None and message.payload is not None
                and (message.call is None or message.action != "DataTransfer")
                else conceal(message)
                for message in chunk
            ]  # fmt: skip
    return concealed


def conceal_text(text: str, message: OcppMessage | None = None) -> str:
    """Free text without secrets: those it spells out and, if it is about a message, those of that message.

    Error descriptions and schema complaints like to quote the value they object to.
    """
    hider = _Hider()
    if message is not None:
        own = _hidden(message)
        asked = _hidden(message.call) if message.call is not None else frozenset()
        if asked is None or (own is None and message.error is not None):
            return HIDDEN
        hider.known = asked | own if own is not None else asked
        if own is None:
            text = _QUOTED.sub(HIDDEN, text)  # what a schema or parser complains of it quotes
    return hider.text(text, 0)


def conceal_document(text: str) -> str:
    """JSON, XML or any text of which no more is known, without secrets; the very same object when there is none."""
    if not (_suspect(text) or any(action in text for action in _ROOMY)):
        return text
    return _Hider().document(text, 0) if text.lstrip()[:1] in _DOCUMENTS else conceal_text(text)


def hidden_values(message: OcppMessage) -> frozenset[str]:
    """What ``conceal`` would hide in this message, very short values left out."""
    return _hidden(message) or frozenset()


def _hidden(message: OcppMessage) -> frozenset[str] | None:
    """None where all of it is withheld, unread."""
    if not _suspicious(message):
        return frozenset()
    hider = _Hider()
    hider.broken = message.payload is None
    raw = hider.document(message.raw, 0)
    if hider.too_long:
        return frozenset() if raw is message.raw else None
    hider.payload(message.payload)
    return frozenset(hider.found)


def _answer_hider(message: OcppMessage, call: OcppMessage) -> _Hider | None:
    """None where the answer may quote anything of a call that was too long to be read."""
    hider = _Hider()
    if message.error:
        known = _hidden(call)
        if known is None:
            return None
        hider.known = known
    elif isinstance(call.payload, dict) and _is_entry(call.payload):
        hider.members = frozenset({"data"})  # DataTransfer "GetPassword" is answered with the password
    return hider


def _suspicious(message: OcppMessage) -> bool:
    """A cheap first look: most messages end here, in about a microsecond."""
    raw, action = message.raw, message.action
    if not raw or (message.payload is None and (not action or action in _ROOMY)):
        # In a text that was cut off before the name, a value cannot be told from a secret.
        return True
    if (
        message.validated
        and not message.problems
        and action not in _ROOMY
        and not ("@" in raw or "\\" in raw or "=" in raw or "customData" in raw)
    ):
        # It fits its schema. None allows members of the sender's own elsewhere, and none outside the roomy actions
        # has a member with a secret in it; what is left are URLs and spelt-out escapes.
        return False
    return _suspect(raw)


def _suspect(text: str) -> bool:
    """Whether a text may hold a secret, whatever its letters hide behind: escapes, or the comments of XML."""
    if len(text) <= _WINDOW:
        return _looks_secret(text)
    if _LONG_WAY in text:
        return True
    begin = text.find("?>", 0, 200) + 2 if text.startswith("<?xml") else 0
    return any(
        _looks_secret(text[max(0, start - _OVERLAP) : start + _WINDOW], part=True)
        for start in range(begin, len(text), _WINDOW)
    )


def _looks_secret(text: str, part: bool = False) -> bool:
    low = text.lower()
    if part and _unclear(low):
        return True
    for form in (low, _XML_MARKS.sub("", low)) if "<" in low else (low,):
        for _ in range(_MAX_NESTING):
            if _spells_secret(form):
                return True
            plain = _ESCAPED_ASCII.sub(_ascii, form) if "\\" in form else form
            plain = xml_unescape(plain).lower() if "&" in plain else plain
            if plain == form:
                break
            form = plain
            if part and _unclear(form):
                return True
        else:
            return True
        # JSON may spell the "<" of XML as an escape. In this order no comment hides what is not XML.
        if form != low and "<" in form and _spells_secret(_XML_MARKS.sub("", form)):
            return True
    return False


def _spells_secret(low: str) -> bool:
    for character, search in _SUSPECT:  # noqa: SIM110 - a generator costs more than the searches
        if character in low and search(low):
            return True
    return False


def _unclear(low: str) -> bool:
    """Whether a part of a long text would take too long, or has a comment, which might end in another part."""
    return "<!" in low or "<?" in low or any(low.count(mark) > _CROWD for mark in _CROWDING)


def _ascii(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)).lower()


class _Hider:
    """Goes through the text and the payload of one message and collects what it hid."""

    __slots__ = ("broken", "found", "known", "members", "room", "too_long")

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.known: frozenset[str] = frozenset()
        """Secrets that any string may quote."""
        self.members: frozenset[str] = frozenset()
        """Members that are secret in this very message."""
        self.broken = False
        """The message could not be parsed: it may end anywhere."""
        self.room = MAX_TOKENS
        """Tokens that may still be read, of the text and of all texts within it together."""
        self.too_long = False
        """The text was not taken apart, for its size."""

    def payload(self, payload: Any) -> Any:
        """A copy without secrets, or the payload itself."""
        self.room = MAX_TOKENS
        holder = [_copied(payload)]
        edited = False
        for place, key, _, new in self._secrets(holder, 0):
            place[key] = new
            edited = True
        return holder[0] if edited else payload

    def document(self, text: str, depth: int) -> str:
        """JSON or XML text without secrets."""
        xml = text.lstrip()[:1] == "<"
        try:
            root, sound = (read_xml if xml else read_json)(text, self.room)
        except TooLongError:
            return self._unread(text, depth, xml)
        self.room -= root.tokens
        if not sound and _suspect(text):
            return self._withheld(text, xml)
        pieces: list[str] = []
        end = 0
        edits = [(leaf.start, leaf.end, new) for _, _, leaf, new in self._secrets(root, depth)]
        for start, stop, new in sorted(edits):
            pieces += text[end:start], xml_escape(new) if xml else json.dumps(new)
            end = stop
        return "".join([*pieces, text[end:]]) if edits else text

    def text(self, text: str, depth: int) -> str:
        """A string without the secrets that it spells out."""
        if len(text) < _QUOTABLE:
            return text
        if len(self.known) > _MOST_KNOWN or (len(text) > MAX_TEXT and _suspect(text)):
            return HIDDEN
        if len(text) > MAX_TEXT:
            pass  # there is nothing that it spells out
        elif text.lstrip()[:1] in _DOCUMENTS and _suspect(text):
            text = self.document(text, depth + 1) if depth < _MAX_NESTING else HIDDEN
        else:
            if "PRIVATE KEY" in text:
                text = _PEM.sub(HIDDEN, text)
            if "://" in text:
                text = _QUERY.sub(rf"\1{HIDDEN}", _URL.sub(rf"\1{HIDDEN}", text))
            if "=" in text or ":" in text:
                text = _PAIR.sub(rf"\1{HIDDEN}", text)
            if " " in text:
                text = _HEADER.sub(rf"\1{HIDDEN}", text)
        for value in sorted(self.known, key=len, reverse=True):
            text = text.replace(value, HIDDEN)
        return text

    def _unread(self, text: str, depth: int, xml: bool) -> str:
        """What is too long to be taken apart: all or nothing."""
        if depth == 0:
            self.too_long = True
        else:
            self.room = 0
        doubtful = self.known or self.members or self.broken or _CUT_OFF.search(text[-100:])
        return self._withheld(text, xml) if doubtful or _suspect(text) else text

    def _withheld(self, text: str, xml: bool) -> str:
        head = _XML_BODY.search(text, 0, _MOST_HEAD) if xml else _FRAME_HEAD.match(text)
        return (self.text(text[: head.end()], _MAX_NESTING) if head else "") + HIDDEN

    def _secrets(self, root: Any, depth: int) -> Iterator[tuple[Any, Any, Any, str]]:
        """What to replace: (where, at which key or index, the value, by what). No recursion: payloads may be deep."""
        stack: list[tuple[Any, bool, str]] = [(root, False, "")]
        while stack:
            node, inside, under = stack.pop()
            entry = inside or _is_entry(node)
            for name, key, value in _members(node):
                low = name.lower() if name else ""
                secret = (
                    (entry and (inside or low != "") and not _HARMLESS.fullmatch(low))
                    or (low != "" and _SECRET_NAME.search(low) is not None)
                    or low in self.members
                    or (low == "key" and under == "vpn")
                )
                if isinstance(value, str):
                    new = self._covered(value, secret, depth)
                    if new != value:
                        yield node, key, value, new
                elif isinstance(value, (dict, list)):
                    stack.append((value, secret, low or under))
                elif secret and isinstance(value, (int, float)) and not isinstance(value, bool):
                    yield node, key, value, HIDDEN

    def _covered(self, value: str, secret: bool, depth: int) -> str:
        scalar = isinstance(value, Leaf) and value.scalar
        if secret and value and not (scalar and value in ("true", "false", "null")):
            if len(value) >= _QUOTABLE and value != HIDDEN:
                self.found.add(str(value))
            return HIDDEN
        return value if scalar else self.text(value, depth)


def _members(node: Any) -> Sequence[tuple[str | None, Any, Any]]:
    if isinstance(node, dict):
        return [(name if isinstance(name, str) else None, name, value) for name, value in node.items()]
    if isinstance(node, Branch):
        return [(name, index, value) for index, (name, value) in enumerate(node)]
    return [(None, index, value) for index, value in enumerate(node)]


def _is_entry(node: Any) -> bool:
    """Whether one of its members says that the others hold a secret."""
    if not isinstance(node, (dict, Branch)):
        return False
    members = _members(node)
    cut = isinstance(node, Branch) and node.cut
    valued = named = False
    for position, (name, _, value) in enumerate(members, 1):
        low = name.lower() if name else ""
        if low == "value" or low == "attributevalue":
            valued = True
        elif low and _NAMING.fullmatch(low):
            if any(_SECRET_NAME.search(text.lower()) for text in _names(value)):
                return True
            named = named or position < len(members)
    # Cut off before it is named (the last name may lack its end), a value may be anything.
    return cut and valued and not named


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, (dict, Branch)):  # 2.x: "variable": {"name": "BasicAuthPassword"}
        return [text for name, _, text in _members(value) if name and name.lower() == "name" and isinstance(text, str)]
    return []


def _copied(tree: Any) -> Any:
    """Containers copied, values shared; JSON nests deeper than copy.deepcopy can follow."""
    holder = [tree]
    places: list[tuple[Any, Any]] = [(holder, 0)]
    while places:
        place, key = places.pop()
        value = place[key]
        if isinstance(value, dict):
            value = place[key] = dict(value)
            places.extend((value, name) for name in value)
        elif isinstance(value, list):
            value = place[key] = list(value)
            places.extend((value, index) for index in range(len(value)))
    return holder[0]
