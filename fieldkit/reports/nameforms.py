"""Names that give themselves away by their form: URLs, addresses, host names, contract, vehicle, SIM and phone numbers.

A text is gone through once, so that nothing is replaced twice and a name has one pseudonym wherever it stands: in a
URL, in a sentence, as the value of a key. What has no form of its own (a station's identity, a card that was seen
before) is looked up among the words in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, unquote

from fieldkit.ocpp.secrets import HIDDEN
from fieldkit.reports.pseudonyms import TOP_LEVELS, Pseudonyms

MAX_WORDS: Final = 100_000
"""Names remembered, to be recognised in free text."""
MAX_PHRASES: Final = 500
"""Of these, names of several words: each costs a search in every text."""

_FORMS: Final = re.compile(
    r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{1,12}://[^\s\"'<>]*)"
    r"|(?P<email>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
    r"|(?P<mac>(?<![\w:-])[0-9A-Fa-f]{2}(?P<mark>[:-])[0-9A-Fa-f]{2}(?:(?P=mark)[0-9A-Fa-f]{2}){4}(?![\w:-]))"
    r"|(?P<address>(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:.])"
    r"|(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]))"
    r"|(?P<host>(?<![\w.@-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}"
    rf"(?i:{'|'.join(sorted(TOP_LEVELS))})(?![\w-])(?::\d{{1,5}})?(?:/[^\s\"'<>,;]*)?)"
    r"|(?P<sim>\b89\d{17,18}\b)"
    r"|(?P<phone>(?<![\w+])\+\d[\d ()/.-]{6,18}\d(?!\w))"
    r"|(?P<vin>\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}\b)"
    r"|(?P<contract>\b[A-Z]{2}[*-]?[A-Z0-9]{3}[*-]?C?[A-Z0-9]{8}(?:[*-]?[A-Z0-9])?\b)"
    r"|(?P<blob>(?<![\w+/=-])(?=[A-Za-z+/_-]*\d)[A-Za-z0-9+/_-]{40,}={0,2}(?![\w=]))"
)
"""Contract: an eMAID (ISO 15118-2 annex H). Blob: base64 or hexadecimal of whatever it may be."""
_URL: Final = re.compile(r"([^:/]*:?//)([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_QUERY_VALUE: Final = re.compile(r"(?<==)[^&#]+")
_PLAIN_SEGMENT: Final = re.compile(
    r"ocpp\w{0,8}|steve|web-?sockets?|wss?|services?|api|j|json|\w{0,12}soap\w{0,8}|centralsystem\w*|chargepoint\w{0,8}"
    r"|charging-?stations?|charge-?(?:points?|boxe?s?)|chargers?|stations?|c[sp]|csms|v\d{1,3}(?:\.\d{1,4}){0,4}|\d{1,3}(?:\.\d{1,4}){1,4}j?"
    r"|firmwares?|fw|logs?|diag(?:nostic)?s?|uploads?|downloads?|files?|updates?|images?|latest|ocsp|crl|pki|certs?|receipts?"
    r"|public|tmp|index",
    re.IGNORECASE,
)
"""Parts of a path that name nobody."""
_STANDARDS: Final = frozenset({"www.w3.org", "schemas.xmlsoap.org", "www.openchargealliance.org", "chargex.inl.gov"})
"""Hosts in the names of namespaces, and of vendors that are nobody's."""
_SUFFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,4}")
_WORD: Final = re.compile(r"[\w*-]{3,64}")
_ADDRESS4: Final = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_ODD: Final = re.compile(r"\d|[^\W_]-|[a-z][A-Z]")
"""What makes a word a name that no sentence has by chance."""
_COUNT: Final = re.compile(r"[\d:_.-]{0,20}")
_SAFE: Final = "*:@$-_.+!,"


class NameForms:
    """Texts with the names in them replaced."""

    def __init__(self, names: Pseudonyms, station: Callable[[str], str]) -> None:
        self._names = names
        self._station = station
        self._words: dict[str, str] = {}
        self._phrases: dict[str, str] = {}

    def remember(self, old: str, new: str) -> None:
        """A name that was replaced where its key told what it is: where a text quotes it, it is recognised."""
        if len(old) >= 6 and _WORD.fullmatch(old):
            if _ODD.search(old) and len(self._words) < MAX_WORDS:
                self._words[old] = new
        elif 6 <= len(old) <= 100 and len(self._phrases) < MAX_PHRASES:
            self._phrases[old] = new

    def whole(self, text: str, own: str) -> str:
        """A text that says somebody's name: the pseudonym that its form asks for, or letters and digits like it."""
        found = _FORMS.fullmatch(text)
        if found is not None:
            return self._form(found, own)
        return self._words.get(text) or (self._station(own) if text == own else self._names.serial(text))

    def text(self, text: str, own: str) -> str:
        """Free text of (or to) the station ``own``."""
        pieces: list[str] = []
        at = 0
        for found in _FORMS.finditer(text):
            pieces += self._between(text[at : found.start()], own), self._form(found, own)
            at = found.end()
        pieces.append(self._between(text[at:], own))
        return "".join(pieces)

    def path(self, path: str, own: str) -> str:
        """The path of a URL, or the name of a file: parts that are the same everywhere stay, and so do suffixes."""
        return "/".join(self._segment(part, own) for part in path.split("/"))

    def identifier(self, value: str, own: str) -> str:
        """The id of a message: many begin with the station's name, and some have an address in them (UUID 1)."""
        if own and own in value:
            parts = value.split(own)
            return self._station(own).join(
                part if _COUNT.fullmatch(part) else self._names.message(part) for part in parts
            )
        return self._names.message(value)

    def _form(self, found: re.Match[str], own: str) -> str:
        value, names = found[0], self._names
        kind = found.lastgroup
        if kind == "url":
            return self._url(value, own)
        if kind == "host":
            return self._url(f"//{value}", own)[2:]
        if own and own in value:
            return self._between(value, own)
        if kind == "mac":
            return names.mac(value)
        if kind == "address":
            return names.address(value)
        if kind == "sim":
            return names.iccid(value)
        if kind == "vin":
            return names.vin(value)
        if kind == "contract":
            return names.token(value)
        return names.code(value) if kind == "blob" else names.serial(value)

    def _between(self, text: str, own: str) -> str:
        """What has no form: the station's own name, and names that were seen before."""
        for spelling in dict.fromkeys((own, own.lower(), own.upper())) if len(own) > 2 else ():
            if spelling in text:
                new = self._station(own)
                new = new if spelling == own else new.lower() if spelling == own.lower() else new.upper()
                return new.join(self._between(part, own) for part in text.split(spelling))
        for old, new in self._phrases.items():
            if old in text:
                text = text.replace(old, new)
        return _WORD.sub(self._word, text) if self._words else text

    def _word(self, found: re.Match[str]) -> str:
        word, words = found[0], self._words
        if word in words:
            return words[word]
        return "_".join(words.get(part, part) for part in word.split("_")) if "_" in word else word

    def _url(self, url: str, own: str) -> str:
        found = _URL.match(url)
        if found is None:
            return self._names.serial(url)
        user, at, place = found[2].rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon or not port.isdigit():
            host, colon, port = place, "", ""
        bare = host.strip("[]")
        if found[1].startswith("urn:") or bare.lower() in _STANDARDS:
            return url
        new = self._names.address(bare)
        new = self._names.host(bare) if new == bare and not _ADDRESS4.fullmatch(bare) else new
        if user:
            user = ":".join(part if part == HIDDEN else self._names.serial(part) for part in user.split(":"))
        query = _QUERY_VALUE.sub(lambda one: one[0] if one[0] == HIDDEN else self._names.serial(one[0]), found[4])
        host = host.replace(bare, new) if bare else host
        return f"{found[1]}{user}{at}{host}{colon}{port}{self.path(found[3], own)}{query}"

    def _segment(self, segment: str, own: str) -> str:
        plain = unquote(segment)
        if not plain or HIDDEN in plain or _PLAIN_SEGMENT.fullmatch(plain):
            return segment
        stem, dot, suffix = plain.rpartition(".")
        if not (stem and _SUFFIX.fullmatch(suffix)) or plain == own:
            stem, dot, suffix = plain, "", ""
        if _PLAIN_SEGMENT.fullmatch(stem):
            return segment
        if own and own in stem:
            made = self._station(own).join(map(self._names.serial, stem.split(own)))
        else:
            made = self._words.get(stem) or self._names.serial(stem)
        return (quote(made, safe=_SAFE) if segment != plain else made) + dot + suffix
