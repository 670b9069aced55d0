"""JA3 and JA4: which TLS stack said hello.

JA3 (Salesforce, 2017) hashes what a ClientHello lists, in the order in which it does. JA4 is the TLS client fingerprint
that FoxIO publishes under the BSD 3-clause licence; it sorts what clients shuffle. The other fingerprints of the "JA4+"
family (JA4S, JA4H, JA4L, JA4X, JA4T …) are under a licence of their own that does not go with free software, and are
left out on purpose.

Stations of one model and firmware have the same fingerprint. One that changes means new firmware, another TLS library
or settings, or somebody in between who says hello in the station's place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, Protocol


class Hello(Protocol):
    """What a ClientHello says; ``events.TlsHello`` is one."""

    @property
    def version(self) -> int: ...
    @property
    def versions(self) -> tuple[int, ...]: ...
    @property
    def suites(self) -> tuple[int, ...]: ...
    @property
    def extensions(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> tuple[int, ...]: ...
    @property
    def point_formats(self) -> tuple[int, ...]: ...
    @property
    def signature_algorithms(self) -> tuple[int, ...]: ...
    @property
    def alpn(self) -> tuple[str, ...]: ...


_SERVER_NAME: Final = 0
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_EMPTY: Final = "0" * 12
"""Where there is nothing to hash."""
_ESCAPED: Final = re.compile(r"\\x([0-9a-f]{2})")
_BY_CIRCUMSTANCE: Final = frozenset({_SERVER_NAME, _ALPN, 21, 35, 41, 42, 44})
"""Extensions that one and the same client sends or not: name and protocol by address, padding by length, session
ticket, pre-shared key and early data when it resumes a session, a cookie when it was asked to try again."""


def is_grease(number: int) -> bool:
    """A value that stands in a list only to keep others from choking on unknown ones (RFC 8701)."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def ja3_text(hello: Hello) -> str:
    """What JA3 hashes: version, suites, extensions, groups and point formats, without GREASE."""
    # The version is that of the hello itself, which stays at TLS 1.2 when the extension names higher ones
    # (RFC 8446 §4.1.2).
    version = 0x0303 if _SUPPORTED_VERSIONS in hello.extensions else hello.version
    lists = (hello.suites, hello.extensions, hello.groups)
    parts = ["-".join(str(one) for one in numbers if not is_grease(one)) for numbers in lists]
    return ",".join([str(version), *parts, "-".join(map(str, hello.point_formats))])


def ja3(hello: Hello) -> str:
    """32 hexadecimal digits."""
    return hashlib.md5(ja3_text(hello).encode(), usedforsecurity=False).hexdigest()


def ja4(hello: Hello) -> str:
    """As in "t13d1516h2_8daaf6152771_e5627efa2ab1"."""
    suites, extensions = _clean(hello.suites), _clean(hello.extensions)
    offered = [one for one in hello.versions if not is_grease(one)]
    version = _VERSIONS.get(max(offered, default=hello.version), "00")
    named = "d" if _SERVER_NAME in extensions else "i"
    head = f"t{version}{named}{min(len(suites), 99):02}{min(len(extensions), 99):02}{_ends(hello.alpn)}"
    told = [one for one in extensions if one not in (_SERVER_NAME, _ALPN)]
    return f"{head}_{_hashed(_hex(sorted(suites)))}_{_hashed(_with_signatures(told, hello))}"


def kinship(hello: Hello) -> str:
    """JA4 without what changes from one connection of a client to the next: equal for the same TLS stack with the same
    settings, whether it resumes a session or not, and whatever the address is. A number in hex that means nothing."""
    told = [one for one in _clean(hello.extensions) if one not in _BY_CIRCUMSTANCE]
    versions = sorted(one for one in hello.versions if not is_grease(one))
    return _hashed(f"{_hex(versions)}_{_hex(sorted(_clean(hello.suites)))}_{_with_signatures(told, hello)}")


def _clean(numbers: Iterable[int]) -> list[int]:
    return [one for one in numbers if not is_grease(one)]


def _hex(numbers: Iterable[int]) -> str:
    return ",".join(f"{one:04x}" for one in numbers)


def _with_signatures(extensions: list[int], hello: Hello) -> str:
    signatures = _hex(_clean(hello.signature_algorithms))
    told = _hex(sorted(extensions))
    return f"{told}_{signatures}" if signatures and told else told


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _EMPTY


def _ends(alpn: tuple[str, ...]) -> str:
    """First and last character of the first protocol; of one with odd characters at an end, those of its hex form."""
    if not alpn or not alpn[0]:
        return "00"
    # What is not ASCII stands escaped in the event.
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), alpn[0]).encode("latin-1", "replace")
    ends = bytes((raw[0], raw[-1]))
    if all(chr(one).isascii() and chr(one).isalnum() for one in ends):
        return ends.decode()
    digits = raw.hex()
    return digits[0] + digits[-1]
