"""Opening TLS records: what is encrypted in them, if key and sequence number are right.

A ``RecordCipher`` belongs to one key, so to one side and one epoch of a connection. It keeps no count: which key and
which number are right is the business of ``tlsprotection``.

``cryptography`` is imported when the first cipher is made and not before: small routers do without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fieldkit.wire.tlskeys import RecordKeys, Suite
from fieldkit.wire.tlsrecords import RECORD_HEADER

Open: TypeAlias = Callable[[int, bytes, bytes], tuple[int, bytes] | None]
"""(sequence number, the five bytes of the record header, fragment) → (content type, plaintext), None if it does not
authenticate."""

BLOCK = 16
"""Bytes of an AES block, and of the tag of GCM, CCM and Poly1305."""

_EXPLICIT_NONCE = 8
"""Bytes of the nonce that TLS 1.2 sends along with GCM and CCM (RFC 5288 §3, RFC 6655 §3)."""


class NoCipherError(Exception):
    """The OpenSSL that ``cryptography`` came with does not offer this cipher."""


class RecordCipher:
    """One key, ready to open records."""

    __slots__ = ("authenticates", "open", "overhead")

    def __init__(self, open_: Open, overhead: int, *, authenticates: bool = True) -> None:
        self.open = open_
        self.overhead = overhead
        """Bytes on the wire that a record has more than its plaintext, header included; the fewest possible."""
        self.authenticates = authenticates
        """What opens has the right key and sequence number."""


def record_cipher(suite: Suite, keys: RecordKeys, *, tls13: bool, encrypt_then_mac: bool = False) -> RecordCipher:
    """The cipher of one side and epoch. ``ImportError`` when ``cryptography`` is missing, ``NoCipherError`` when its
    OpenSSL cannot."""
    tag = 8 if suite.kind == "ccm8" else BLOCK
    if suite.kind == "null":
        return RecordCipher(_null(suite), RECORD_HEADER + suite.mac_length, authenticates=False)
    if suite.kind == "cbc":
        open_ = _cbc_encrypt_then_mac(suite, keys) if encrypt_then_mac else _cbc_mac_then_encrypt(suite, keys)
        return RecordCipher(open_, RECORD_HEADER + BLOCK + suite.mac_length + 1)
    if tls13:
        return RecordCipher(_aead_tls13(suite, keys, tag), RECORD_HEADER + tag + 1)
    if suite.kind == "chacha":
        return RecordCipher(_chacha_tls12(suite, keys), RECORD_HEADER + tag)
    return RecordCipher(_aead_tls12(suite, keys, tag), RECORD_HEADER + _EXPLICIT_NONCE + tag)


# -------------------------------------------------------------------------------------------------------------- AEAD


def _aead(suite: Suite, key: bytes) -> tuple[Callable[[bytes, bytes, bytes], bytes], type[Exception]]:
    """The decrypt function (nonce, ciphertext, associated data), and what it raises when the tag is wrong."""
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers import aead

    try:
        if suite.kind == "gcm":
            return aead.AESGCM(key).decrypt, InvalidTag
        if suite.kind == "chacha":
            return aead.ChaCha20Poly1305(key).decrypt, InvalidTag
        return aead.AESCCM(key, 8 if suite.kind == "ccm8" else BLOCK).decrypt, InvalidTag
    except UnsupportedAlgorithm as error:
        raise NoCipherError from error


def _aead_tls13(suite: Suite, keys: RecordKeys, tag: int) -> Open:
    """RFC 8446 §5.2: the nonce is the sequence number over the IV; the header is authenticated as it stands; the
    plaintext ends with its real content type and as many zeros as the sender likes."""
    decrypt, wrong = _aead(suite, keys.key)
    iv = int.from_bytes(keys.iv, "big")

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        if len(fragment) <= tag:
            return None
        try:
            inner = decrypt((iv ^ sequence).to_bytes(12, "big"), fragment, header)
        except wrong:
            return None
        if not inner[-1]:
            inner = inner.rstrip(b"\0")
            if not inner:
                return 0, b""  # §5.4: "unexpected_message"; no content type is 0
        return inner[-1], inner[:-1]

    return open_


def _aead_tls12(suite: Suite, keys: RecordKeys, tag: int) -> Open:
    """RFC 5246 §6.2.3.3 with the nonce of GCM and CCM: four bytes of the key block, eight in front of the fragment."""
    decrypt, wrong = _aead(suite, keys.key)
    salt = keys.iv

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        length = len(fragment) - _EXPLICIT_NONCE - tag
        if length < 0:
            return None
        known = sequence.to_bytes(8, "big") + header[:3] + length.to_bytes(2, "big")
        try:
            return header[0], decrypt(salt + fragment[:_EXPLICIT_NONCE], fragment[_EXPLICIT_NONCE:], known)
        except wrong:
            return None

    return open_


def _chacha_tls12(suite: Suite, keys: RecordKeys) -> Open:
    """RFC 7905 §2: as in TLS 1.3, the nonce is the sequence number over the IV, and nothing of it is sent."""
    decrypt, wrong = _aead(suite, keys.key)
    iv = int.from_bytes(keys.iv, "big")

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        length = len(fragment) - BLOCK
        if length < 0:
            return None
        known = sequence.to_bytes(8, "big") + header[:3] + length.to_bytes(2, "big")
        try:
            return header[0], decrypt((iv ^ sequence).to_bytes(12, "big"), fragment, known)
        except wrong:
            return None

    return open_


# --------------------------------------------------------------------------------------------------------------- CBC


def _mac(suite: Suite, key: bytes) -> Callable[[int, bytes, bytes], bytes]:
    """The record MAC (RFC 5246 §6.2.3.1) over sequence number, type, version, length and content."""
    import hmac

    digest = hmac.digest
    name = suite.mac

    def mac(sequence: int, header: bytes, content: bytes) -> bytes:
        return digest(key, sequence.to_bytes(8, "big") + header[:3] + len(content).to_bytes(2, "big") + content, name)

    return mac


def _cbc(key: bytes) -> Callable[[bytes, bytes], bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    algorithm: Any = algorithms.AES(key)

    def decrypt(iv: bytes, blocks: bytes) -> bytes:
        # One step yields everything: there is no padding for finalize to take off.
        return Cipher(algorithm, modes.CBC(iv)).decryptor().update(blocks)

    return decrypt


def _unpadded(plain: bytes) -> bytes | None:
    """RFC 5246 §6.2.3.2: the last byte says how many more like it precede it."""
    padding = plain[-1] + 1
    if len(plain) < padding or plain[-padding:] != plain[-1:] * padding:
        return None
    return plain[:-padding]


def _cbc_mac_then_encrypt(suite: Suite, keys: RecordKeys) -> Open:
    decrypt, mac, size = _cbc(keys.key), _mac(suite, keys.mac_key), suite.mac_length

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        if len(fragment) < 2 * BLOCK or len(fragment) % BLOCK:
            return None
        plain = _unpadded(decrypt(fragment[:BLOCK], fragment[BLOCK:]))
        if plain is None or len(plain) < size:
            return None
        content = plain[:-size]
        return (header[0], content) if mac(sequence, header, content) == plain[-size:] else None

    return open_


def _cbc_encrypt_then_mac(suite: Suite, keys: RecordKeys) -> Open:
    """RFC 7366 §3: the MAC stands in clear behind the ciphertext and covers it, IV included."""
    decrypt, mac, size = _cbc(keys.key), _mac(suite, keys.mac_key), suite.mac_length

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        sealed = fragment[:-size]
        if len(sealed) < 2 * BLOCK or len(sealed) % BLOCK or mac(sequence, header, sealed) != fragment[-size:]:
            return None
        plain = _unpadded(decrypt(sealed[:BLOCK], sealed[BLOCK:]))
        return None if plain is None else (header[0], plain)

    return open_


# -------------------------------------------------------------------------------------------------------------- NULL


def _null(suite: Suite) -> Open:
    """Nothing is hidden, so no secret is needed; without one the MAC behind the content cannot be checked."""
    size = suite.mac_length

    def open_(sequence: int, header: bytes, fragment: bytes) -> tuple[int, bytes] | None:
        return (header[0], fragment[:-size]) if len(fragment) >= size else None

    return open_
