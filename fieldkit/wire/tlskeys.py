"""From the secrets of a key log to the keys of one direction of a TLS connection.

A key log (the format that browsers, OpenSSL, mbed TLS and curl write to SSLKEYLOGFILE) has one secret a line, named
by a label and by the random of the ClientHello it belongs to. TLS 1.2 logs the master secret, from which a PRF makes
one block with the keys of both sides; TLS 1.3 logs a traffic secret for each side and stage, from which HKDF makes
that side's key.

Nothing here shows a secret: neither ``repr`` nor any event does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import islice
from typing import Final, Literal, TypeAlias

from fieldkit.wire.tlsnames import TLS12, TLS13, suite_name, version_name

# ----------------------------------------------------------------------------------------------------------- key log

MAX_SECRETS = 100_000
"""Kept at once, about 30 MB; the oldest go first. A TLS 1.3 connection has four or five, a TLS 1.2 connection one."""

MASTER: Final = "CLIENT_RANDOM"
CLIENT_EARLY: Final = "CLIENT_EARLY_TRAFFIC_SECRET"
CLIENT_HANDSHAKE: Final = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE: Final = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC: Final = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC: Final = "SERVER_TRAFFIC_SECRET_0"

_USED = {
    label: number
    for number, label in enumerate(
        (MASTER, CLIENT_EARLY, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT_TRAFFIC, SERVER_TRAFFIC)
    )
}

_UNUSED = frozenset(
    (
        "RSA",  # a pre-master secret under the first bytes of its encrypted form: long out of use
        "PMS_CLIENT_RANDOM",
        "EXPORTER_SECRET",
        "EARLY_EXPORTER_SECRET",
        "ECH_SECRET",
        "ECH_CONFIG",
    )
)
"""Labels that are right in a key log but that no record is encrypted with."""

# Not compiled here: most runs never see a key log, and compiling takes as long as loading the module.
_LINE = r"([A-Z][A-Z0-9_]{1,40})[ \t]+([0-9A-Fa-f]+)[ \t]+([0-9A-Fa-f]+)\Z"
_LATER_GENERATION = r"(?:CLIENT|SERVER)_TRAFFIC_SECRET_[1-9]\d*\Z"


class KeyLog:
    """The secrets that are known so far. May grow while connections that need them are being decoded."""

    __slots__ = ("_known", "_secrets", "expecting", "garbage", "lines", "version")

    def __init__(self, *, expecting: bool = True) -> None:
        self.expecting = expecting
        """More secrets may still come: what cannot be decrypted yet is worth holding back for a while."""
        self.version = 0
        """Grows whenever a secret is added: compare it to see whether trying again makes sense."""
        self.lines = 0
        """Lines that were understood."""
        self.garbage = 0
        """Lines that were not, comments and empty ones left aside."""
        self._secrets: dict[tuple[bytes, int], bytes] = {}
        self._known: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<KeyLog: {len(self._secrets)} secrets of {len(self._known)} connections>"

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, text: str) -> int:
        """Take in whole lines of a key log; return how many secrets in them are new."""
        new = 0
        for raw in text.splitlines():
            line = raw.strip(" \t\0\ufeff")
            if not line or line[0] == "#":
                continue
            match = re.match(_LINE, line)
            if match is None:
                self.garbage += 1
            elif (label := match[1]) in _UNUSED or re.match(_LATER_GENERATION, label):
                self.lines += 1
            elif label in _USED and len(match[2]) == 64 and len(match[3]) in ((96,) if label == MASTER else (64, 96)):
                # The secret is as long as the hash of the suite (SHA-256 or SHA-384); a master secret has 48 bytes.
                self.lines += 1
                new += self._keep(bytes.fromhex(match[2]), _USED[label], bytes.fromhex(match[3]))
            else:
                self.garbage += 1
        if new:
            self.version += 1
        return new

    def get(self, label: str, client_random: bytes) -> bytes | None:
        """The secret of that label for the connection whose ClientHello had this random."""
        return self._secrets.get((client_random, _USED[label]))

    def knows(self, client_random: bytes) -> bool:
        """There is some secret for the connection whose ClientHello had this random."""
        return client_random in self._known

    def _keep(self, client_random: bytes, label: int, secret: bytes) -> bool:
        key = (client_random, label)
        if self._secrets.get(key) == secret:
            return False
        if key not in self._secrets:
            if len(self._secrets) >= MAX_SECRETS:
                self._forget()
            self._known[client_random] = self._known.get(client_random, 0) + 1
        self._secrets[key] = secret
        return True

    def _forget(self) -> None:
        # Many at once: a dict whose head is deleted one by one has to be searched for its new head every time.
        for key in list(islice(self._secrets, MAX_SECRETS // 16 + 1)):
            del self._secrets[key]
            left = self._known[key[0]] - 1
            if left:
                self._known[key[0]] = left
            else:
                del self._known[key[0]]


# ------------------------------------------------------------------------------------------------------------ suites

Kind: TypeAlias = Literal["gcm", "ccm", "ccm8", "chacha", "cbc", "null"]


@dataclass(slots=True)
class Suite:
    """How a cipher suite protects records."""

    number: int
    kind: Kind
    key_length: int
    digest: str
    """The hash of the key schedule: the PRF's in TLS 1.2, HKDF's in TLS 1.3."""
    mac: str
    """The hash of the record MAC; empty for AEAD ciphers."""
    mac_length: int
    fixed_iv: int
    """Bytes of the nonce that come out of the key schedule (TLS 1.2; in TLS 1.3 it is always all twelve)."""


_CIPHER = (
    r"(?:AES_(?P<bits>128|256)_(?P<mode>GCM|CCM|CCM_8|CBC)|(?P<chacha>CHACHA20_POLY1305)|(?P<null>NULL))"
    r"(?:_(?P<hash>MD5|SHA|SHA256|SHA384))?\Z"
)
_MACS: Final = {"MD5": ("md5", 16), "SHA": ("sha1", 20), "SHA256": ("sha256", 32), "SHA384": ("sha384", 48)}
_MODES: Final[dict[str, Kind]] = {"GCM": "gcm", "CCM": "ccm", "CCM_8": "ccm8", "CBC": "cbc"}


@cache
def suite(number: int) -> Suite | None:
    """What we need to know of a cipher suite to decrypt it; None when we cannot.

    The names tell it all: key exchange and authentication before "_WITH_" (a key log makes them irrelevant), then
    cipher, mode and hash. So the registry's names are the table.
    """
    name = suite_name(number).removeprefix("TLS_").rpartition("_WITH_")[2]
    match = re.match(_CIPHER, name)
    if match is None or number == 0:
        return None
    # RFC 5246 §5: the PRF hash is SHA-256 unless the suite names a stronger one.
    digest = "sha384" if match["hash"] == "SHA384" else "sha256"
    if match["null"] or match["mode"] == "CBC":
        kind: Kind = "null" if match["null"] else "cbc"
        return Suite(number, kind, int(match["bits"] or 0) // 8, digest, *_MACS[match["hash"]], 0)
    if match["chacha"]:
        return Suite(number, "chacha", 32, digest, "", 0, 12)  # RFC 7905 §2
    return Suite(number, _MODES[match["mode"]], int(match["bits"]) // 8, digest, "", 0, 4)  # RFC 5288 §3, RFC 6655 §3


def is_tls13_suite(number: int) -> bool:
    """TLS 1.3 suites name no key exchange and work with no other version (RFC 8446 §B.4)."""
    return number >> 8 == 0x13


# ---------------------------------------------------------------------------------------------------------- sessions


class Stage(IntEnum):
    """The epochs of one side in TLS 1.3 (RFC 8446 §7.1), in order. TLS 1.2 has just the last."""

    EARLY = 0
    HANDSHAKE = 1
    APPLICATION = 2


LABELS: Final = {
    (True, Stage.EARLY): CLIENT_EARLY,
    (True, Stage.HANDSHAKE): CLIENT_HANDSHAKE,
    (True, Stage.APPLICATION): CLIENT_TRAFFIC,
    (False, Stage.HANDSHAKE): SERVER_HANDSHAKE,
    (False, Stage.APPLICATION): SERVER_TRAFFIC,
}
"""(from the client, stage) → the label of the TLS 1.3 secret."""


@dataclass(slots=True)
class Session:
    """What one handshake agreed on, as far as keys depend on it."""

    version: int
    suite_number: int
    server_random: bytes
    client_random: bytes
    """Empty while the client hello has not been seen."""
    encrypt_then_mac: bool

    @property
    def tls13(self) -> bool:
        return self.version == TLS13

    @property
    def unsupported(self) -> str:
        """The name of what we cannot decrypt; empty when we can."""
        found = suite(self.suite_number)
        if (
            found is None
            or is_tls13_suite(self.suite_number) != self.tls13
            or not (self.version in (TLS12, TLS13) or found.kind == "null")
        ):
            return f"{suite_name(self.suite_number)} in {version_name(self.version)}"
        return ""


# ------------------------------------------------------------------------------------------------------ key schedule


@dataclass(slots=True, repr=False)
class RecordKeys:
    """What one direction encrypts its records with."""

    key: bytes
    iv: bytes
    mac_key: bytes = b""


def prf(secret: bytes, label: bytes, seed: bytes, length: int, digest: str) -> bytes:
    """The pseudo-random function of TLS 1.2 (RFC 5246 §5)."""
    import hmac  # it loads OpenSSL's hashes, 3 ms that only decrypting needs

    seed = label + seed
    block, output = seed, b""
    while len(output) < length:
        block = hmac.digest(secret, block, digest)
        output += hmac.digest(secret, block + seed, digest)
    return output[:length]


def expand_label(secret: bytes, label: bytes, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label of TLS 1.3 with an empty context (RFC 8446 §7.1, RFC 5869 §2.3)."""
    import hmac

    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0"
    block = output = b""
    count = 0
    while len(output) < length:
        count += 1
        block = hmac.digest(secret, block + info + bytes((count,)), digest)
        output += block
    return output[:length]


def keys_tls12(suite: Suite, master: bytes, randoms: tuple[bytes, bytes], from_client: bool) -> RecordKeys:
    """One side's part of the key block (RFC 5246 §6.3): MAC keys, keys, nonces, the client's before the server's.
    ``randoms`` are the client's and the server's."""
    sizes = (suite.mac_length, suite.key_length, suite.fixed_iv)
    block = prf(master, b"key expansion", randoms[1] + randoms[0], 2 * sum(sizes), suite.digest)
    parts, at = [], 0
    for size in sizes:
        own = at if from_client else at + size
        parts.append(block[own : own + size])
        at += 2 * size
    mac_key, key, iv = parts
    return RecordKeys(key, iv, mac_key)


def keys_tls13(suite: Suite, secret: bytes) -> RecordKeys:
    """The keys of one traffic secret (RFC 8446 §7.3)."""
    return RecordKeys(
        expand_label(secret, b"key", suite.key_length, suite.digest), expand_label(secret, b"iv", 12, suite.digest)
    )


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret that follows upon a KeyUpdate (RFC 8446 §7.2)."""
    return expand_label(secret, b"traffic upd", len(secret), suite.digest)
