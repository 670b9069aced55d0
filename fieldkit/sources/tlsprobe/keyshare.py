"""TLS 1.3 far enough to read the server's first flight: a key share, the shared secret, the handshake keys.

What is decrypted here (EncryptedExtensions, CertificateRequest, Certificate) is what TLS 1.2 sends in clear. Nothing is
authenticated by it: a man in the middle is found by comparing certificates, not by this handshake, which ends here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

from fieldkit.sources.tlsprobe.hello import P256, P384, P521, X448, X25519
from fieldkit.wire.tlscipher import RecordCipher, record_cipher
from fieldkit.wire.tlskeys import Suite, keys_tls13

FIRST_GROUP: Final = P256
"""Offered with a share: the one that everybody must know who speaks TLS 1.3 (RFC 8446 §9.1)."""
_CURVES: Final = {P256: "SECP256R1", P384: "SECP384R1", P521: "SECP521R1"}


class KeyShareError(Exception):
    """The peer's share is no point of its group, or the group is none of ours."""


class KeyShare:
    """Our half of a key exchange."""

    __slots__ = ("_private", "group", "public")

    def __init__(self, group: int) -> None:
        self.group = group
        self._private: Any
        if group in (X25519, X448):
            self._private = _curve_module(group, "PrivateKey").generate()
            self.public: bytes = self._private.public_key().public_bytes_raw()
        elif group in _CURVES:
            from cryptography.hazmat.primitives.asymmetric import ec

            self._private = ec.generate_private_key(getattr(ec, _CURVES[group])())
            point = self._private.public_key().public_numbers()
            # Uncompressed, as RFC 8446 §4.2.8.2 has it; the library's writer of formats is large and late to load.
            size = (self._private.key_size + 7) // 8
            self.public = b"\x04" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
        else:
            raise KeyShareError(f"group {group}")

    def secret(self, theirs: bytes) -> bytes:
        """The shared secret (RFC 8446 §7.4.2, RFC 8422 §5.10)."""
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            if self.group in (X25519, X448):
                return bytes(self._private.exchange(_raw_public(self.group)(theirs)))
            from cryptography.hazmat.primitives.asymmetric import ec

            point = ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, _CURVES[self.group])(), theirs)
            return bytes(self._private.exchange(ec.ECDH(), point))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyShareError(f"the server's key share of group {self.group} is not valid") from error


def available() -> bool:
    """There is a library to make shares with. Small routers have none: musl on 32 bits, MIPS."""
    return find_spec("cryptography") is not None


def supported(group: int) -> bool:
    """A share of this group can be made."""
    return group in (X25519, X448) or group in _CURVES


def _raw_public(group: int) -> Callable[[bytes], Any]:
    public: Callable[[bytes], Any] = _curve_module(group, "PublicKey").from_public_bytes
    return public


def _curve_module(group: int, kind: str) -> Any:
    """X25519PrivateKey and its like, each loaded when it is needed."""
    if group == X25519:
        from cryptography.hazmat.primitives.asymmetric import x25519

        return getattr(x25519, f"X25519{kind}")
    from cryptography.hazmat.primitives.asymmetric import x448

    return getattr(x448, f"X448{kind}")


def handshake_cipher(suite: Suite, secret: bytes, transcript: bytes) -> RecordCipher:
    """What opens the server's records between its ServerHello and its Finished (RFC 8446 §7.1).

    ``transcript``: all handshake messages up to and with the ServerHello.
    """
    digest = suite.digest
    size = hashlib.new(digest).digest_size
    early = hmac.digest(bytes(size), bytes(size), digest)
    salt = _derive(early, b"derived", b"", digest)
    handshake = hmac.digest(salt, secret, digest)
    traffic = _derive(handshake, b"s hs traffic", transcript, digest)
    return record_cipher(suite, keys_tls13(suite, traffic), tls13=True)


def message_hash(hello: bytes, digest: str) -> bytes:
    """What stands for the first ClientHello in a transcript with a HelloRetryRequest (RFC 8446 §4.4.1)."""
    hashed = hashlib.new(digest, hello).digest()
    return b"\xfe\x00\x00" + bytes((len(hashed),)) + hashed


def _derive(secret: bytes, label: bytes, messages: bytes, digest: str) -> bytes:
    """Derive-Secret (RFC 8446 §7.1)."""
    context = hashlib.new(digest, messages).digest()
    label = b"tls13 " + label
    info = len(context).to_bytes(2, "big") + bytes((len(label),)) + label + bytes((len(context),)) + context
    # One block of HKDF-Expand is as long as the hash, and that is what is asked for.
    return hmac.digest(secret, info + b"\x01", digest)
