"""Signatures: what they are made with, and whether they are right.

Verifying is left to ``cryptography``. What it does not know, or what is not installed, is "not verified", which is
something else than wrong.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from fieldkit.trust import der, oids
from fieldkit.trust.der import DerError, Node
from fieldkit.trust.keys import PublicKey

Outcome: TypeAlias = Literal["right", "wrong", "unknown"]

MAX_RSA: Final = 16_384
"""Bits of an RSA key that is computed with: hostile ones could take minutes."""
NO_PACKAGE: Final = "the cryptography package is not installed"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """AlgorithmIdentifier of a signature."""

    oid: str
    label: str
    """"ECDSA with SHA-256"."""
    kind: str
    hash: str
    """"sha256"; empty where the scheme has its own."""
    raw: bytes
    salt: int = 0
    """Of RSA-PSS."""
    mask_hash: str = ""

    @property
    def outdated(self) -> str:
        """Name of a hash for which two documents with the same value can be made; empty for good ones."""
        return {"md2": "MD2", "md5": "MD5", "sha1": "SHA-1"}.get(self.hash, "")


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of verifying a signature."""

    outcome: Outcome
    why: str = ""

    def __bool__(self) -> bool:
        return self.outcome == "right"


RIGHT: Final = Verified("right")


def read_algorithm(node: Node) -> Algorithm:
    """AlgorithmIdentifier."""
    parts = node.expect(der.SEQUENCE, "the signature algorithm").children()
    if not parts:
        raise DerError("the signature algorithm is missing")
    number = der.oid(parts[0])
    scheme = oids.SIGNATURES.get(number)
    if scheme is None:
        return Algorithm(number, f"the unknown algorithm {number}", "", "", node.raw)
    if scheme.kind != "pss":
        return Algorithm(number, scheme.label, scheme.kind, scheme.hash, node.raw)
    hash_name, mask, salt = _pss(parts[1]) if len(parts) > 1 and len(parts[1]) else ("sha1", "sha1", 20)
    return Algorithm(number, f"RSA-PSS with {_hash_label(hash_name)}", "pss", hash_name, node.raw, salt, mask)


def _pss(node: Node) -> tuple[str, str, int]:
    """RFC 4055 §3.1, with its defaults."""
    hash_name, mask, salt = "sha1", "sha1", 20
    for part in node.children():
        inner = part.children()
        if part.context == 0:
            hash_name = oids.HASHES.get(der.oid(inner[0].children()[0]), "")
        elif part.context == 1:
            mask = oids.HASHES.get(der.oid(inner[0].children()[1].children()[0]), "")
        elif part.context == 2:
            salt = der.integer(inner[0])
    return hash_name, mask, salt


def _hash_label(name: str) -> str:
    return name.upper().replace("SHA", "SHA-", 1).replace("SHA-3_", "SHA3-") if name else "an unknown hash"


def verify(key: PublicKey, algorithm: Algorithm, signature: bytes, signed: bytes) -> Verified:
    """Tell whether ``signature`` over ``signed`` was made with the private key that belongs to ``key``."""
    unfit = _unfit(key, algorithm)
    if unfit is not None:
        return unfit
    try:
        from cryptography.exceptions import InvalidSignature
    except ImportError:
        return Verified("unknown", NO_PACKAGE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of old curves and odd numbers, which is our task
            loaded = _loaded(key)
    except BaseException as error:  # its Rust part panics with what is no Exception
        reraise(error)
        return Verified("unknown", f"a key of the kind {key} is not supported here")
    try:
        _verify(loaded, algorithm, signature, signed)
    except InvalidSignature:
        return Verified("wrong", "the signature was not made with the key of the issuer")
    except BaseException as error:
        reraise(error)
        return Verified("unknown", f"{algorithm.label} with {key} is not supported here")
    return RIGHT


def _loaded(key: PublicKey) -> Any:
    """The usual kinds are made of their numbers: what reads all kinds loads ciphers and formats that nothing else here
    needs, for longer than the whole of a handshake takes."""
    if key.curve in _USUAL_CURVES:
        from cryptography.hazmat.primitives.asymmetric import ec

        return ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, key.curve.upper())(), key.bitstring)
    if key.kind == "RSA":
        from cryptography.hazmat.primitives.asymmetric import rsa

        modulus = der.integer(der.read(key.bitstring).children()[0])
        return rsa.RSAPublicNumbers(key.exponent, modulus).public_key()
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(key.spki)


def reraise(error: BaseException) -> None:
    """Let pass what is no fault of the bytes. The Rust part of ``cryptography`` panics with a BaseException."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
        raise error


_USUAL_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_FITTING: Final = {
    "rsa": ("RSA",), "pss": ("RSA", "RSA-PSS"), "ecdsa": ("EC",), "dsa": ("DSA",), "ed25519": ("Ed25519",),
    "ed448": ("Ed448",),
}  # fmt: skip


def _unfit(key: PublicKey, algorithm: Algorithm) -> Verified | None:
    if not algorithm.kind:
        return Verified("unknown", f"{algorithm.label} is not supported here")
    if key.kind not in _FITTING[algorithm.kind]:
        return Verified("wrong", f"{algorithm.label} does not go with a key of the kind {key}")
    if key.bits > MAX_RSA:
        return Verified("unknown", f"a key of {key.bits:,} bits is too large to compute with")
    if algorithm.kind == "pss" and not (algorithm.hash and algorithm.mask_hash):
        return Verified("unknown", "RSA-PSS with an unknown hash is not supported here")
    return None


def _verify(key: Any, algorithm: Algorithm, signature: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes

    def digest(name: str) -> hashes.HashAlgorithm:
        made = getattr(hashes, name.upper())()
        assert isinstance(made, hashes.HashAlgorithm)
        return made

    match algorithm.kind:
        case "rsa":
            from cryptography.hazmat.primitives.asymmetric import padding

            key.verify(signature, signed, padding.PKCS1v15(), digest(algorithm.hash))
        case "pss":
            from cryptography.hazmat.primitives.asymmetric import padding

            mask = padding.MGF1(digest(algorithm.mask_hash))
            key.verify(signature, signed, padding.PSS(mask, algorithm.salt), digest(algorithm.hash))
        case "ecdsa":
            from cryptography.hazmat.primitives.asymmetric import ec

            key.verify(signature, signed, ec.ECDSA(digest(algorithm.hash)))
        case "dsa":
            key.verify(signature, signed, digest(algorithm.hash))
        case _:
            key.verify(signature, signed)
