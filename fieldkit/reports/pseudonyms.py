"""Other names for what must not leave the house: the same one each time, as long as the true one, and as valid.

A pseudonym has digits where there were digits and letters where there were letters, so that every rule on length and
form still holds or still is broken. Private addresses stay private, check digits that were right are right again.
Which true name it stands for follows from a key that is made anew for each run and never written: nobody can compare
two files, or guess a name and look whether it fits.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

MAX_NAMES: Final = 500_000
"""Names that are remembered to keep two from becoming one; beyond it only chance keeps them apart."""
_ATTEMPTS: Final = 20
_COUNTER: Final = 10
"""Digits of a counter, or of a time in seconds."""

_DIGITS, _LOWER, _UPPER, _HEX_LOWER, _HEX_UPPER = (
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789abcdef",
    "0123456789ABCDEF",
)
_BEYOND_ASCII: Final = {2: "\u00e9", 3: "\u3042", 4: "\U00010400"}
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2}){3,}|(?:[0-9A-F]{2}){3,}")
_UUID: Final = re.compile(
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?:[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})"
)
_PEM_LINE: Final = re.compile(r"(-----[A-Z0-9 ]{1,60}-----)")
_VIN: Final = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VIN_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"
_VIN_VALUES: Final = dict(
    zip(_VIN_LETTERS, (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)

TOP_LEVELS: Final = frozenset(
    "com net org io eu de nl fr uk ch at be it es pt pl cz sk hu ro bg gr lu se no dk fi ee lv lt us ca mx br au nz cn"
    " jp kr in hk tw za tr ua info biz cloud energy app dev tech charge charging power solar green network online mobi"
    " site lan local internal intranet example test invalid gprs".split()
)
"""What host names end with: it stays, and free text is searched for names that end so."""
_KEPT_DOMAINS: Final = frozenset({"localhost", "localdomain", "local", "internal", "invalid", "test", "example"})


class Pseudonyms:
    """All of one run."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()
        self.counts: dict[str, int] = {}
        """How many names of each sort were replaced."""

    def identity(self, name: str) -> str:
        """A charging station's identity."""
        return self._of("station", name, _alike)

    def token(self, value: str) -> str:
        """An id token, contract id or the like."""
        return self._of("token", value, _alike)

    def serial(self, value: str) -> str:
        """A serial number, or anything else that tells one thing from all others."""
        return self._of("serial", value, _alike)

    def transaction(self, value: str) -> str:
        """The id of a transaction, which 2.x lets stations choose; 1.x has numbers, which stay."""
        return value if value.isdigit() else self._of("transaction", value, _alike)

    def message(self, value: str) -> str:
        """The id of a message; numbers that count say nothing and stay."""
        if value.isdigit() and len(value) <= _COUNTER:
            return value
        head = "urn:uuid:" if value.startswith("urn:uuid:") else ""
        return head + self._of("message", value[len(head) :], _alike)

    def vin(self, value: str) -> str:
        """A vehicle identification number; its check digit (ISO 3779 as North America demands it) right if it was."""
        return self._of("vin", value, _vin)

    def iccid(self, value: str) -> str:
        """A SIM card's number: the 89 in front stays, and so does that its check digit (Luhn) is right."""
        return self._of("sim", value, _iccid)

    def imsi(self, value: str) -> str:
        """A subscriber's number: the country (the first three digits) stays."""
        return self._of("sim", value, lambda name, source: name[:3] + _alike(name[3:], source))

    def host(self, name: str) -> str:
        """A host name; its last label stays, and names that mean nothing do."""
        if name.lower() in _KEPT_DOMAINS:
            return name
        return self._of("host", name.lower(), _host)

    def address(self, text: str) -> str:
        """An IP address as text; what is not one stays as it is."""
        try:
            parsed = ip_address(text)
        except ValueError:
            return text
        if parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast:
            return text
        return self._of("address", text, _ipv4 if isinstance(parsed, IPv4Address) else _ipv6)

    def mac(self, text: str) -> str:
        """A MAC address with its separators."""
        made = self._of("mac", text.lower(), _mac)
        return made.upper() if text.isupper() else made

    def secret(self, value: str) -> str:
        """A password or key of the same length and form."""
        return self._of("secret", value, _alike)

    def code(self, value: str) -> str:
        """A signature, certificate or hash: base64 or hexadecimal that means nothing any more. PEM stays PEM."""
        if "-----" not in value:
            return self._of("code", value, _alike)
        return "".join(part if part.startswith("-----") else self.code(part) for part in _PEM_LINE.split(value))

    def _of(self, sort: str, name: str, make: Callable[[str, _Source], str]) -> str:
        if not name:
            return name
        known = self._known.get((sort, name))
        if known is not None:
            return known
        made = name
        for attempt in range(_ATTEMPTS):
            made = make(name, _Source(self._key, f"{sort}\0{attempt}\0{name}"))
            if made != name and (sort, made) not in self._taken:
                break
        self.counts[sort] = self.counts.get(sort, 0) + 1
        if len(self._known) < MAX_NAMES:
            self._known[sort, name] = made
            self._taken.add((sort, made))
        return made


class _Source:
    """Numbers that follow from the key and the name."""

    def __init__(self, key: bytes, name: str) -> None:
        self._key = key
        self._name = name.encode("utf-8", "surrogatepass")
        self._round = 0
        self._pool = b""

    def below(self, limit: int) -> int:
        """A number from 0 to before ``limit`` (at most 256)."""
        while True:
            if not self._pool:
                self._round += 1
                message = self._round.to_bytes(4, "big") + self._name
                self._pool = hmac.new(self._key, message, sha256).digest()
            value, self._pool = self._pool[0], self._pool[1:]
            if value < 256 - 256 % limit:
                return value % limit

    def one_of(self, choices: str) -> str:
        return choices[self.below(len(choices))]


def _alike(name: str, source: _Source) -> str:
    """Character by character of the same sort; the rest stays. Beyond ASCII all letters become one."""
    if _UUID.fullmatch(name):
        made = _alike_hex(name, source)
        return f"{made[:14]}{name[14]}{made[15:19]}{name[19]}{made[20:]}"  # version and variant (RFC 9562 §4) stay
    if _HEXADECIMAL.fullmatch(name) and (len(name) >= 8 or not name.isalpha()):
        if name.isdigit():
            return "".join(source.one_of(_DIGITS) for _ in name)
        return _alike_hex(name, source)
    return "".join(_like(character, source) for character in name)


def _like(character: str, source: _Source) -> str:
    if "0" <= character <= "9":
        return source.one_of(_DIGITS)
    if "a" <= character <= "z":
        return source.one_of(_LOWER)
    if "A" <= character <= "Z":
        return source.one_of(_UPPER)
    if character.isascii() or not character.isalnum():
        return character
    # As many bytes in UTF-8, so that lengths hold on the wire as well.
    return _BEYOND_ASCII.get(len(character.encode("utf-8", "replace")), character)


def _alike_hex(name: str, source: _Source) -> str:
    made = []
    upper = name.upper() == name
    for character in name:
        if character in "0123456789abcdefABCDEF":
            made.append(source.one_of(_HEX_UPPER if upper else _HEX_LOWER))
        else:
            made.append(character)
    return "".join(made)


def _mac(name: str, source: _Source) -> str:
    """Locally administered, so that it is nobody's, and not a group's (IEEE 802 §8.2)."""
    made = _alike_hex(name, source)
    return made[0] + source.one_of("26ae") + made[2:]


def _vin(name: str, source: _Source) -> str:
    made = "".join(
        source.one_of(_VIN_LETTERS) if c.isalpha() else source.one_of(_DIGITS) if c.isdigit() else c for c in name
    )
    if _VIN.fullmatch(name) and name[8] == _vin_check(name):
        made = made[:8] + _vin_check(made) + made[9:]
    return made


def _vin_check(name: str) -> str:
    total = sum(
        weight * (int(c) if c.isdigit() else _VIN_VALUES.get(c, 0))
        for c, weight in zip(name, _VIN_WEIGHTS, strict=True)
    )
    return "0123456789X"[total % 11]


def _iccid(name: str, source: _Source) -> str:
    made = name[:2] + _alike(name[2:], source)
    if name.isascii() and name.isdigit() and len(name) > 3 and _luhn(name[:-1]) == name[-1]:
        made = made[:-1] + _luhn(made[:-1])
    return made


def _luhn(digits: str) -> str:
    """ISO/IEC 7812-1 annex B: the check digit behind ``digits``."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _host(name: str, source: _Source) -> str:
    labels = name.split(".")
    kept = 1 if len(labels) > 1 and labels[-1] in TOP_LEVELS else 0
    changed = [_alike_letters(label, source) for label in labels[: len(labels) - kept]]
    return ".".join([*changed, *labels[len(labels) - kept :]])


def _alike_letters(label: str, source: _Source) -> str:
    return "".join(_like(character, source) for character in label)


def _ipv4(name: str, source: _Source) -> str:
    """Each number as long as it was, and the address as private, as link-local or as public."""
    numbers = name.split(".")
    sort = _sort_of(name)
    kept = 0
    if sort != _PUBLIC:
        # 10/8, 172.16/12, 192.168/16, 169.254/16, 100.64/10; for documentation there are networks of 256 addresses.
        kept = 1 if numbers[0] == "10" else 2 if numbers[0] in ("172", "192", "169", "100") else 3
    for attempt in range(_ATTEMPTS):
        same = kept if attempt < _ATTEMPTS - 1 else 3
        text = ".".join(numbers[:same] + [_number_like(number, source) for number in numbers[same:]])
        if _sort_of(text) == sort:
            break
    return text


def _sort_of(address: str) -> tuple[bool, ...]:
    parsed = IPv4Address(address)
    return parsed.is_private, parsed.is_link_local, parsed.is_multicast, parsed.is_global, parsed in _SHARED


def _number_like(number: str, source: _Source) -> str:
    if len(number) == 1:
        return source.one_of(_DIGITS)
    if len(number) == 2:
        return str(10 + source.below(90))
    return str(100 + source.below(156))


class _Shared:
    """100.64.0.0/10, which providers share among their customers (RFC 6598)."""

    def __contains__(self, address: IPv4Address) -> bool:
        return int(address) >> 22 == 0b01100100_01


_SHARED: Final = _Shared()
_PUBLIC: Final = (False, False, False, True, False)


def _ipv6(name: str, source: _Source) -> str:
    """Each group as long as it was; what says link-local or unique local stays."""
    groups = IPv6Address(name.split("%", 1)[0]).compressed.split(":")
    first = groups[0].lower()
    made = []
    for place, group in enumerate(groups):
        if not group or (place == 0 and first[:2] in ("fe", "fc", "fd")):
            made.append(group)
        elif "." in group:
            made.append(_ipv4(group, source))
        elif place < 2 and groups[:2] == ["2001", "db8"]:  # for documentation (RFC 3849)
            made.append(group)
        else:
            made.append("123456789abcdef"[source.below(15)] + "".join(source.one_of(_HEX_LOWER) for _ in group[1:]))
    return ":".join(made)
