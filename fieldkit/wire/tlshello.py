"""What TLS says in clear, read without any state: hellos, certificate chains, alerts, and the names of its numbers.

Every function takes the body of one handshake message (without its four-byte header) or a number, and never raises.
A hello that breaks off or contradicts itself is returned as far as it could be read, and ``defect`` says in a few
words what is wrong with it: a station with a broken TLS stack is what a technician is looking for.

Numbers are kept as they stand on the wire and in the order they stand there, reserved GREASE values (RFC 8701)
included, because fingerprints such as JA3 and JA4 are made of exactly that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

TLS12: Final = 0x0303
TLS13: Final = 0x0304

MAX_CERTIFICATES = 32
"""In one chain. Real ones have two to five; OpenSSL stops verifying at a depth of 100."""

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""A ServerHello with this in the place of its random is a HelloRetryRequest (RFC 8446 §4.1.3)."""

# ------------------------------------------------------------------------------------------------------------ hellos


@dataclass(slots=True)
class ClientHello:
    """RFC 8446 §4.1.2, RFC 5246 §7.4.1.2. What was not sent, or not readable, is empty."""

    legacy_version: int = 0
    random: bytes = b""
    """32 bytes, or none when the hello is shorter than that: then there is nothing else in it either."""
    session_id: bytes = b""
    suites: tuple[int, ...] = ()
    compressions: tuple[int, ...] = ()
    extensions: tuple[tuple[int, bytes], ...] = ()
    """Type and raw content of each, in the order sent."""
    versions: tuple[int, ...] = ()
    """All that are offered: the supported_versions extension, or else just the legacy version."""
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    server_name: str = ""
    alpn: tuple[str, ...] = ()
    key_shares: tuple[int, ...] = ()
    """The groups for which a key share came along."""
    psk_offered: bool = False
    early_data: bool = False
    defect: str = ""

    @property
    def version(self) -> int:
        """The highest version offered that is one."""
        return max((v for v in self.versions if 0x0300 <= v <= TLS13), default=self.legacy_version)


@dataclass(slots=True)
class ServerHello:
    """RFC 8446 §4.1.3, RFC 5246 §7.4.1.3. What was not sent, or not readable, is empty."""

    legacy_version: int = 0
    random: bytes = b""
    session_id: bytes = b""
    suite: int = 0
    compression: int = 0
    extensions: tuple[tuple[int, bytes], ...] = ()
    version: int = 0
    """The version chosen: the supported_versions extension, or else the legacy version."""
    group: int | None = None
    """The key-share group chosen (TLS 1.3), or asked for by a HelloRetryRequest."""
    point_formats: tuple[int, ...] = ()
    alpn: tuple[str, ...] = ()
    psk: bool = False
    """A pre-shared key was chosen (TLS 1.3): the session is resumed, or the key was agreed beforehand."""
    encrypt_then_mac: bool = False
    """RFC 7366: changes how CBC records are put together."""
    defect: str = ""

    @property
    def retry(self) -> bool:
        """It is a HelloRetryRequest: the client shall say hello again."""
        return self.random == RETRY_RANDOM


class _ShortError(Exception):
    """A field runs over the end of what holds it."""


class _Cursor:
    """Reads the vectors of RFC 8446 §3.4 out of a byte string."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise _ShortError
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A byte string that is preceded by its length in ``size`` bytes."""
        return self.take(self.number(size))

    def more(self) -> bool:
        return self.at < len(self.data)

    def end(self) -> None:
        """Nothing may follow."""
        if self.more():
            raise _ShortError


def parse_client_hello(body: bytes) -> ClientHello:
    """Read a ClientHello, as far as it can be read."""
    cursor = _Cursor(body)
    found: dict[str, Any] = {}
    part = "version and random"
    try:
        found["legacy_version"] = cursor.number(2)
        found["versions"] = (found["legacy_version"],)
        found["random"] = cursor.take(32)
        part = "session id"
        found["session_id"] = cursor.vector(1)
        part = "cipher suites"
        found["suites"] = _numbers(cursor.vector(2))
        part = "compression methods"
        found["compressions"] = tuple(cursor.vector(1))
        part = "extensions"
        defect = _extensions(cursor, found, _CLIENT_EXTENSIONS)
    except _ShortError:
        defect = f"its {part} cannot be read"
    return ClientHello(**found, defect=defect)


def parse_server_hello(body: bytes) -> ServerHello:
    """Read a ServerHello or HelloRetryRequest, as far as it can be read."""
    cursor = _Cursor(body)
    found: dict[str, Any] = {}
    part = "version and random"
    try:
        found["legacy_version"] = found["version"] = cursor.number(2)
        found["random"] = cursor.take(32)
        part = "session id"
        found["session_id"] = cursor.vector(1)
        part = "cipher suite"
        found["suite"] = cursor.number(2)
        part = "compression method"
        found["compression"] = cursor.number(1)
        part = "extensions"
        defect = _extensions(cursor, found, _SERVER_EXTENSIONS)
    except _ShortError:
        defect = f"its {part} cannot be read"
    return ServerHello(**found, defect=defect)


def parse_encrypted_extensions(body: bytes) -> tuple[tuple[int, bytes], ...]:
    """The extensions that a TLS 1.3 server answers under encryption (RFC 8446 §4.3.1); empty when unreadable."""
    found: dict[str, Any] = {"extensions": ()}
    with suppress(_ShortError):
        _extensions(_Cursor(body), found, {})
    extensions: tuple[tuple[int, bytes], ...] = found["extensions"]
    return extensions


def parse_certificates(body: bytes, tls13: bool) -> tuple[tuple[bytes, ...], str]:
    """The DER certificates of a Certificate message in the order sent, and what is wrong with it ("" if nothing).

    TLS 1.3 puts a context in front and extensions behind each one (RFC 8446 §4.4.2).
    """
    chain: list[bytes] = []
    try:
        cursor = _Cursor(body)
        if tls13:
            cursor.vector(1)
        entries = _Cursor(cursor.vector(3))
        cursor.end()
        while entries.more():
            if len(chain) == MAX_CERTIFICATES:
                return tuple(chain), f"it has more than {MAX_CERTIFICATES} certificates"
            chain.append(entries.vector(3))
            if tls13:
                entries.vector(2)
    except _ShortError:
        return tuple(chain), f"it cannot be read behind certificate {len(chain)}"
    return tuple(chain), ""


def parse_alert(level: int, description: int, version: int) -> tuple[bool, str]:
    """Whether an alert is fatal, and its name. In TLS 1.3 all but two are, whatever level they state (RFC 8446 §6)."""
    fatal = description not in (0, 90) if version == TLS13 else level == 2
    return fatal, alert_name(description)


# -------------------------------------------------------------------------------------------------------- extensions


def _numbers(data: bytes) -> tuple[int, ...]:
    if len(data) & 1:
        raise _ShortError
    return struct.unpack(f">{len(data) >> 1}H", data)


def _text(data: bytes) -> str:
    """Names on the wire are ASCII; whatever else comes must still be seen, and be told apart."""
    return data.decode("ascii", "backslashreplace")


def _server_name(cursor: _Cursor) -> str:
    names = _Cursor(cursor.vector(2))  # RFC 6066 §3: a list, but with one entry of type host_name
    while names.more():
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return _text(name)
    return ""


def _alpn(cursor: _Cursor) -> tuple[str, ...]:
    names = _Cursor(cursor.vector(2))  # RFC 7301 §3.1
    found = []
    while names.more():
        found.append(_text(names.vector(1)))
    return tuple(found)


def _key_shares(cursor: _Cursor) -> tuple[int, ...]:
    shares = _Cursor(cursor.vector(2))  # RFC 8446 §4.2.8
    found = []
    while shares.more():
        found.append(shares.number(2))
        shares.vector(2)
    return tuple(found)


def _chosen_group(cursor: _Cursor) -> int:
    group = cursor.number(2)
    if cursor.more():  # a HelloRetryRequest names the group without a share
        cursor.vector(2)
    return group


def _present(cursor: _Cursor) -> bool:
    cursor.at = len(cursor.data)
    return True


_Extensions = dict[int, tuple[str, Callable[[_Cursor], object]]]
"""Extension type → the field it fills and how its content is read."""

_CLIENT_EXTENSIONS: Final[_Extensions] = {
    0: ("server_name", _server_name),
    10: ("groups", lambda cursor: _numbers(cursor.vector(2))),
    11: ("point_formats", lambda cursor: tuple(cursor.vector(1))),
    13: ("signature_algorithms", lambda cursor: _numbers(cursor.vector(2))),
    16: ("alpn", _alpn),
    41: ("psk_offered", _present),
    42: ("early_data", _present),
    43: ("versions", lambda cursor: _numbers(cursor.vector(1))),
    51: ("key_shares", _key_shares),
}

_SERVER_EXTENSIONS: Final[_Extensions] = {
    11: ("point_formats", lambda cursor: tuple(cursor.vector(1))),
    16: ("alpn", _alpn),
    22: ("encrypt_then_mac", _present),
    41: ("psk", _present),
    43: ("version", lambda cursor: cursor.number(2)),
    51: ("group", _chosen_group),
}


def _extensions(cursor: _Cursor, found: dict[str, Any], readers: _Extensions) -> str:
    """Read the block of extensions that ends a hello into ``found``; return what is wrong with it."""
    if not cursor.more():
        return ""  # TLS 1.2 and older may do without
    block = _Cursor(cursor.vector(2))
    extensions: list[tuple[int, bytes]] = []
    seen: set[int] = set()
    defect = f"{len(cursor.data) - cursor.at} bytes follow its extensions" if cursor.more() else ""
    while block.more():
        try:
            kind, content = block.number(2), block.vector(2)
        except _ShortError:
            defect = defect or f"it breaks off behind extension {len(extensions)}"
            break
        extensions.append((kind, content))
        if kind in seen:
            defect = defect or f"it has extension {kind} twice"
            continue
        seen.add(kind)
        if kind not in readers:
            continue
        name, read = readers[kind]
        inner = _Cursor(content)
        try:
            value = read(inner)
            inner.end()
        except _ShortError:
            defect = defect or f"its extension {kind} ({name}) cannot be read"
        else:
            found[name] = value
    found["extensions"] = tuple(extensions)
    return defect


# ------------------------------------------------------------------------------------------------------------- names


def is_grease(number: int) -> bool:
    """A value that stands in a list only to keep others from choking on unknown ones (RFC 8701)."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def version_name(number: int) -> str:
    """0x0303 is TLS 1.2."""
    return _VERSIONS.get(number) or (f"TLS 1.3 draft {number & 0xFF}" if number >> 8 == 0x7F else f"0x{number:04X}")


def alert_name(number: int) -> str:
    """48 is unknown_ca."""
    return _ALERTS.get(number) or f"alert {number}"


def suite_name(number: int) -> str:
    """0xC02B is TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; what is not registered is given in hexadecimal."""
    return _suites().get(number) or f"0x{number:04X}"


@cache
def _suites() -> dict[int, str]:
    # Built when first asked for: most runs never name a suite.
    return {
        first + offset: "TLS_" + name.replace("/", "_WITH_")
        for first, names in _SUITES.items()
        for offset, name in enumerate(names.split())
    }


_VERSIONS: Final = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    TLS12: "TLS 1.2",
    TLS13: "TLS 1.3",
}

_ALERTS: Final = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    52: "too_many_cids_requested",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    117: "general_error",
    120: "no_application_protocol",
    121: "ech_required",
}

# The IANA registry of cipher suites in runs of consecutive numbers: "/" stands for "_WITH_", and "TLS_" is left out.
_SUITES: Final = {
    0x0000: """
        NULL/NULL_NULL RSA/NULL_MD5 RSA/NULL_SHA RSA_EXPORT/RC4_40_MD5 RSA/RC4_128_MD5 RSA/RC4_128_SHA
        RSA_EXPORT/RC2_CBC_40_MD5 RSA/IDEA_CBC_SHA RSA_EXPORT/DES40_CBC_SHA RSA/DES_CBC_SHA RSA/3DES_EDE_CBC_SHA
        DH_DSS_EXPORT/DES40_CBC_SHA DH_DSS/DES_CBC_SHA DH_DSS/3DES_EDE_CBC_SHA DH_RSA_EXPORT/DES40_CBC_SHA
        DH_RSA/DES_CBC_SHA DH_RSA/3DES_EDE_CBC_SHA DHE_DSS_EXPORT/DES40_CBC_SHA DHE_DSS/DES_CBC_SHA
        DHE_DSS/3DES_EDE_CBC_SHA DHE_RSA_EXPORT/DES40_CBC_SHA DHE_RSA/DES_CBC_SHA DHE_RSA/3DES_EDE_CBC_SHA
        DH_anon_EXPORT/RC4_40_MD5 DH_anon/RC4_128_MD5 DH_anon_EXPORT/DES40_CBC_SHA DH_anon/DES_CBC_SHA
        DH_anon/3DES_EDE_CBC_SHA""",
    0x001E: """
        KRB5/DES_CBC_SHA KRB5/3DES_EDE_CBC_SHA KRB5/RC4_128_SHA KRB5/IDEA_CBC_SHA KRB5/DES_CBC_MD5
        KRB5/3DES_EDE_CBC_MD5 KRB5/RC4_128_MD5 KRB5/IDEA_CBC_MD5 KRB5_EXPORT/DES_CBC_40_SHA
        KRB5_EXPORT/RC2_CBC_40_SHA KRB5_EXPORT/RC4_40_SHA KRB5_EXPORT/DES_CBC_40_MD5 KRB5_EXPORT/RC2_CBC_40_MD5
        KRB5_EXPORT/RC4_40_MD5 PSK/NULL_SHA DHE_PSK/NULL_SHA RSA_PSK/NULL_SHA RSA/AES_128_CBC_SHA
        DH_DSS/AES_128_CBC_SHA DH_RSA/AES_128_CBC_SHA DHE_DSS/AES_128_CBC_SHA DHE_RSA/AES_128_CBC_SHA
        DH_anon/AES_128_CBC_SHA RSA/AES_256_CBC_SHA DH_DSS/AES_256_CBC_SHA DH_RSA/AES_256_CBC_SHA
        DHE_DSS/AES_256_CBC_SHA DHE_RSA/AES_256_CBC_SHA DH_anon/AES_256_CBC_SHA RSA/NULL_SHA256
        RSA/AES_128_CBC_SHA256 RSA/AES_256_CBC_SHA256 DH_DSS/AES_128_CBC_SHA256 DH_RSA/AES_128_CBC_SHA256
        DHE_DSS/AES_128_CBC_SHA256 RSA/CAMELLIA_128_CBC_SHA DH_DSS/CAMELLIA_128_CBC_SHA
        DH_RSA/CAMELLIA_128_CBC_SHA DHE_DSS/CAMELLIA_128_CBC_SHA DHE_RSA/CAMELLIA_128_CBC_SHA
        DH_anon/CAMELLIA_128_CBC_SHA""",
    0x0067: """
        DHE_RSA/AES_128_CBC_SHA256 DH_DSS/AES_256_CBC_SHA256 DH_RSA/AES_256_CBC_SHA256
        DHE_DSS/AES_256_CBC_SHA256 DHE_RSA/AES_256_CBC_SHA256 DH_anon/AES_128_CBC_SHA256
        DH_anon/AES_256_CBC_SHA256""",
    0x0084: """
        RSA/CAMELLIA_256_CBC_SHA DH_DSS/CAMELLIA_256_CBC_SHA DH_RSA/CAMELLIA_256_CBC_SHA
        DHE_DSS/CAMELLIA_256_CBC_SHA DHE_RSA/CAMELLIA_256_CBC_SHA DH_anon/CAMELLIA_256_CBC_SHA PSK/RC4_128_SHA
        PSK/3DES_EDE_CBC_SHA PSK/AES_128_CBC_SHA PSK/AES_256_CBC_SHA DHE_PSK/RC4_128_SHA
        DHE_PSK/3DES_EDE_CBC_SHA DHE_PSK/AES_128_CBC_SHA DHE_PSK/AES_256_CBC_SHA RSA_PSK/RC4_128_SHA
        RSA_PSK/3DES_EDE_CBC_SHA RSA_PSK/AES_128_CBC_SHA RSA_PSK/AES_256_CBC_SHA RSA/SEED_CBC_SHA
        DH_DSS/SEED_CBC_SHA DH_RSA/SEED_CBC_SHA DHE_DSS/SEED_CBC_SHA DHE_RSA/SEED_CBC_SHA DH_anon/SEED_CBC_SHA
        RSA/AES_128_GCM_SHA256 RSA/AES_256_GCM_SHA384 DHE_RSA/AES_128_GCM_SHA256 DHE_RSA/AES_256_GCM_SHA384
        DH_RSA/AES_128_GCM_SHA256 DH_RSA/AES_256_GCM_SHA384 DHE_DSS/AES_128_GCM_SHA256
        DHE_DSS/AES_256_GCM_SHA384 DH_DSS/AES_128_GCM_SHA256 DH_DSS/AES_256_GCM_SHA384
        DH_anon/AES_128_GCM_SHA256 DH_anon/AES_256_GCM_SHA384 PSK/AES_128_GCM_SHA256 PSK/AES_256_GCM_SHA384
        DHE_PSK/AES_128_GCM_SHA256 DHE_PSK/AES_256_GCM_SHA384 RSA_PSK/AES_128_GCM_SHA256
        RSA_PSK/AES_256_GCM_SHA384 PSK/AES_128_CBC_SHA256 PSK/AES_256_CBC_SHA384 PSK/NULL_SHA256 PSK/NULL_SHA384
        DHE_PSK/AES_128_CBC_SHA256 DHE_PSK/AES_256_CBC_SHA384 DHE_PSK/NULL_SHA256 DHE_PSK/NULL_SHA384
        RSA_PSK/AES_128_CBC_SHA256 RSA_PSK/AES_256_CBC_SHA384 RSA_PSK/NULL_SHA256 RSA_PSK/NULL_SHA384
        RSA/CAMELLIA_128_CBC_SHA256 DH_DSS/CAMELLIA_128_CBC_SHA256 DH_RSA/CAMELLIA_128_CBC_SHA256
        DHE_DSS/CAMELLIA_128_CBC_SHA256 DHE_RSA/CAMELLIA_128_CBC_SHA256 DH_anon/CAMELLIA_128_CBC_SHA256
        RSA/CAMELLIA_256_CBC_SHA256 DH_DSS/CAMELLIA_256_CBC_SHA256 DH_RSA/CAMELLIA_256_CBC_SHA256
        DHE_DSS/CAMELLIA_256_CBC_SHA256 DHE_RSA/CAMELLIA_256_CBC_SHA256 DH_anon/CAMELLIA_256_CBC_SHA256
        SM4_GCM_SM3 SM4_CCM_SM3""",
    0x00FF: "EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: """
        AES_128_GCM_SHA256 AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_CCM_SHA256 AES_128_CCM_8_SHA256""",
    0x5600: "FALLBACK_SCSV",
    0xC001: """
        ECDH_ECDSA/NULL_SHA ECDH_ECDSA/RC4_128_SHA ECDH_ECDSA/3DES_EDE_CBC_SHA ECDH_ECDSA/AES_128_CBC_SHA
        ECDH_ECDSA/AES_256_CBC_SHA ECDHE_ECDSA/NULL_SHA ECDHE_ECDSA/RC4_128_SHA ECDHE_ECDSA/3DES_EDE_CBC_SHA
        ECDHE_ECDSA/AES_128_CBC_SHA ECDHE_ECDSA/AES_256_CBC_SHA ECDH_RSA/NULL_SHA ECDH_RSA/RC4_128_SHA
        ECDH_RSA/3DES_EDE_CBC_SHA ECDH_RSA/AES_128_CBC_SHA ECDH_RSA/AES_256_CBC_SHA ECDHE_RSA/NULL_SHA
        ECDHE_RSA/RC4_128_SHA ECDHE_RSA/3DES_EDE_CBC_SHA ECDHE_RSA/AES_128_CBC_SHA ECDHE_RSA/AES_256_CBC_SHA
        ECDH_anon/NULL_SHA ECDH_anon/RC4_128_SHA ECDH_anon/3DES_EDE_CBC_SHA ECDH_anon/AES_128_CBC_SHA
        ECDH_anon/AES_256_CBC_SHA SRP_SHA/3DES_EDE_CBC_SHA SRP_SHA_RSA/3DES_EDE_CBC_SHA
        SRP_SHA_DSS/3DES_EDE_CBC_SHA SRP_SHA/AES_128_CBC_SHA SRP_SHA_RSA/AES_128_CBC_SHA
        SRP_SHA_DSS/AES_128_CBC_SHA SRP_SHA/AES_256_CBC_SHA SRP_SHA_RSA/AES_256_CBC_SHA
        SRP_SHA_DSS/AES_256_CBC_SHA ECDHE_ECDSA/AES_128_CBC_SHA256 ECDHE_ECDSA/AES_256_CBC_SHA384
        ECDH_ECDSA/AES_128_CBC_SHA256 ECDH_ECDSA/AES_256_CBC_SHA384 ECDHE_RSA/AES_128_CBC_SHA256
        ECDHE_RSA/AES_256_CBC_SHA384 ECDH_RSA/AES_128_CBC_SHA256 ECDH_RSA/AES_256_CBC_SHA384
        ECDHE_ECDSA/AES_128_GCM_SHA256 ECDHE_ECDSA/AES_256_GCM_SHA384 ECDH_ECDSA/AES_128_GCM_SHA256
        ECDH_ECDSA/AES_256_GCM_SHA384 ECDHE_RSA/AES_128_GCM_SHA256 ECDHE_RSA/AES_256_GCM_SHA384
        ECDH_RSA/AES_128_GCM_SHA256 ECDH_RSA/AES_256_GCM_SHA384 ECDHE_PSK/RC4_128_SHA ECDHE_PSK/3DES_EDE_CBC_SHA
        ECDHE_PSK/AES_128_CBC_SHA ECDHE_PSK/AES_256_CBC_SHA ECDHE_PSK/AES_128_CBC_SHA256
        ECDHE_PSK/AES_256_CBC_SHA384 ECDHE_PSK/NULL_SHA ECDHE_PSK/NULL_SHA256 ECDHE_PSK/NULL_SHA384
        RSA/ARIA_128_CBC_SHA256 RSA/ARIA_256_CBC_SHA384 DH_DSS/ARIA_128_CBC_SHA256 DH_DSS/ARIA_256_CBC_SHA384
        DH_RSA/ARIA_128_CBC_SHA256 DH_RSA/ARIA_256_CBC_SHA384 DHE_DSS/ARIA_128_CBC_SHA256
        DHE_DSS/ARIA_256_CBC_SHA384 DHE_RSA/ARIA_128_CBC_SHA256 DHE_RSA/ARIA_256_CBC_SHA384
        DH_anon/ARIA_128_CBC_SHA256 DH_anon/ARIA_256_CBC_SHA384 ECDHE_ECDSA/ARIA_128_CBC_SHA256
        ECDHE_ECDSA/ARIA_256_CBC_SHA384 ECDH_ECDSA/ARIA_128_CBC_SHA256 ECDH_ECDSA/ARIA_256_CBC_SHA384
        ECDHE_RSA/ARIA_128_CBC_SHA256 ECDHE_RSA/ARIA_256_CBC_SHA384 ECDH_RSA/ARIA_128_CBC_SHA256
        ECDH_RSA/ARIA_256_CBC_SHA384 RSA/ARIA_128_GCM_SHA256 RSA/ARIA_256_GCM_SHA384 DHE_RSA/ARIA_128_GCM_SHA256
        DHE_RSA/ARIA_256_GCM_SHA384 DH_RSA/ARIA_128_GCM_SHA256 DH_RSA/ARIA_256_GCM_SHA384
        DHE_DSS/ARIA_128_GCM_SHA256 DHE_DSS/ARIA_256_GCM_SHA384 DH_DSS/ARIA_128_GCM_SHA256
        DH_DSS/ARIA_256_GCM_SHA384 DH_anon/ARIA_128_GCM_SHA256 DH_anon/ARIA_256_GCM_SHA384
        ECDHE_ECDSA/ARIA_128_GCM_SHA256 ECDHE_ECDSA/ARIA_256_GCM_SHA384 ECDH_ECDSA/ARIA_128_GCM_SHA256
        ECDH_ECDSA/ARIA_256_GCM_SHA384 ECDHE_RSA/ARIA_128_GCM_SHA256 ECDHE_RSA/ARIA_256_GCM_SHA384
        ECDH_RSA/ARIA_128_GCM_SHA256 ECDH_RSA/ARIA_256_GCM_SHA384 PSK/ARIA_128_CBC_SHA256
        PSK/ARIA_256_CBC_SHA384 DHE_PSK/ARIA_128_CBC_SHA256 DHE_PSK/ARIA_256_CBC_SHA384
        RSA_PSK/ARIA_128_CBC_SHA256 RSA_PSK/ARIA_256_CBC_SHA384 PSK/ARIA_128_GCM_SHA256 PSK/ARIA_256_GCM_SHA384
        DHE_PSK/ARIA_128_GCM_SHA256 DHE_PSK/ARIA_256_GCM_SHA384 RSA_PSK/ARIA_128_GCM_SHA256
        RSA_PSK/ARIA_256_GCM_SHA384 ECDHE_PSK/ARIA_128_CBC_SHA256 ECDHE_PSK/ARIA_256_CBC_SHA384
        ECDHE_ECDSA/CAMELLIA_128_CBC_SHA256 ECDHE_ECDSA/CAMELLIA_256_CBC_SHA384
        ECDH_ECDSA/CAMELLIA_128_CBC_SHA256 ECDH_ECDSA/CAMELLIA_256_CBC_SHA384 ECDHE_RSA/CAMELLIA_128_CBC_SHA256
        ECDHE_RSA/CAMELLIA_256_CBC_SHA384 ECDH_RSA/CAMELLIA_128_CBC_SHA256 ECDH_RSA/CAMELLIA_256_CBC_SHA384
        RSA/CAMELLIA_128_GCM_SHA256 RSA/CAMELLIA_256_GCM_SHA384 DHE_RSA/CAMELLIA_128_GCM_SHA256
        DHE_RSA/CAMELLIA_256_GCM_SHA384 DH_RSA/CAMELLIA_128_GCM_SHA256 DH_RSA/CAMELLIA_256_GCM_SHA384
        DHE_DSS/CAMELLIA_128_GCM_SHA256 DHE_DSS/CAMELLIA_256_GCM_SHA384 DH_DSS/CAMELLIA_128_GCM_SHA256
        DH_DSS/CAMELLIA_256_GCM_SHA384 DH_anon/CAMELLIA_128_GCM_SHA256 DH_anon/CAMELLIA_256_GCM_SHA384
        ECDHE_ECDSA/CAMELLIA_128_GCM_SHA256 ECDHE_ECDSA/CAMELLIA_256_GCM_SHA384
        ECDH_ECDSA/CAMELLIA_128_GCM_SHA256 ECDH_ECDSA/CAMELLIA_256_GCM_SHA384 ECDHE_RSA/CAMELLIA_128_GCM_SHA256
        ECDHE_RSA/CAMELLIA_256_GCM_SHA384 ECDH_RSA/CAMELLIA_128_GCM_SHA256 ECDH_RSA/CAMELLIA_256_GCM_SHA384
        PSK/CAMELLIA_128_GCM_SHA256 PSK/CAMELLIA_256_GCM_SHA384 DHE_PSK/CAMELLIA_128_GCM_SHA256
        DHE_PSK/CAMELLIA_256_GCM_SHA384 RSA_PSK/CAMELLIA_128_GCM_SHA256 RSA_PSK/CAMELLIA_256_GCM_SHA384
        PSK/CAMELLIA_128_CBC_SHA256 PSK/CAMELLIA_256_CBC_SHA384 DHE_PSK/CAMELLIA_128_CBC_SHA256
        DHE_PSK/CAMELLIA_256_CBC_SHA384 RSA_PSK/CAMELLIA_128_CBC_SHA256 RSA_PSK/CAMELLIA_256_CBC_SHA384
        ECDHE_PSK/CAMELLIA_128_CBC_SHA256 ECDHE_PSK/CAMELLIA_256_CBC_SHA384 RSA/AES_128_CCM RSA/AES_256_CCM
        DHE_RSA/AES_128_CCM DHE_RSA/AES_256_CCM RSA/AES_128_CCM_8 RSA/AES_256_CCM_8 DHE_RSA/AES_128_CCM_8
        DHE_RSA/AES_256_CCM_8 PSK/AES_128_CCM PSK/AES_256_CCM DHE_PSK/AES_128_CCM DHE_PSK/AES_256_CCM
        PSK/AES_128_CCM_8 PSK/AES_256_CCM_8 PSK_DHE/AES_128_CCM_8 PSK_DHE/AES_256_CCM_8 ECDHE_ECDSA/AES_128_CCM
        ECDHE_ECDSA/AES_256_CCM ECDHE_ECDSA/AES_128_CCM_8 ECDHE_ECDSA/AES_256_CCM_8 ECCPWD/AES_128_GCM_SHA256
        ECCPWD/AES_256_GCM_SHA384 ECCPWD/AES_128_CCM_SHA256 ECCPWD/AES_256_CCM_SHA384 SHA256_SHA256
        SHA384_SHA384""",
    0xCCA8: """
        ECDHE_RSA/CHACHA20_POLY1305_SHA256 ECDHE_ECDSA/CHACHA20_POLY1305_SHA256 DHE_RSA/CHACHA20_POLY1305_SHA256
        PSK/CHACHA20_POLY1305_SHA256 ECDHE_PSK/CHACHA20_POLY1305_SHA256 DHE_PSK/CHACHA20_POLY1305_SHA256
        RSA_PSK/CHACHA20_POLY1305_SHA256""",
    0xD001: "ECDHE_PSK/AES_128_GCM_SHA256 ECDHE_PSK/AES_256_GCM_SHA384 ECDHE_PSK/AES_128_CCM_8_SHA256",
    0xD005: "ECDHE_PSK/AES_128_CCM_SHA256",
}
