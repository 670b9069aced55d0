"""How OCPP points at certificates, recomputed; and what a station has installed."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fieldkit.trust.anchors import Anchors, match_installed
from fieldkit.trust.hashdata import HashData, hash_data, issued_by_one_of, means
from tests.trust.pki import pki, root


def test_the_hashes_are_those_of_the_standard() -> None:
    leaf, middle, _ = pki()
    hashed = hash_data(leaf.read, middle.read)
    assert hashed is not None
    assert hashed.issuer_name == hashlib.sha256(leaf.x509.issuer.public_bytes()).hexdigest()
    point = middle.x509.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert hashed.issuer_key == hashlib.sha256(point).hexdigest()  # the bits of the key alone (RFC 6960 §4.1.1)
    assert hashed.serial == f"{leaf.x509.serial_number:x}"
    assert hash_data(leaf.read, middle.read, "md5") is None


def test_spellings_of_stations_are_forgiven() -> None:
    _, _, top = (one.read for one in pki())
    for algorithm in ("sha256", "sha384", "sha512"):
        hashed = hash_data(top, top, algorithm)
        assert hashed is not None
        loud = HashData.of(
            "SHA-" + algorithm[3:],
            hashed.issuer_name.upper(),
            hashed.issuer_key.upper(),
            f"0x00{hashed.serial.upper()}",
        )
        assert loud == hashed
        assert means(loud, top) is True


def test_what_is_meant() -> None:
    leaf, middle, top = (one.read for one in pki())
    hashed = hash_data(leaf, middle)
    assert hashed is not None
    assert means(hashed, leaf, middle) is True
    assert means(hashed, leaf) is None  # whose key it is cannot be told without the issuer
    assert means(hashed, leaf, top) is False
    assert means(hashed, top) is False
    assert means(HashData("sha999", "", "", leaf.serial_hex), leaf) is False


def test_installed_roots_are_matched() -> None:
    leaf, middle, top = (one.read for one in pki())
    own, below = hash_data(top, top), hash_data(middle, top, "sha512")
    assert own is not None
    assert below is not None
    lost = HashData("sha256", "00", "11", "7")
    matched = match_installed([own, below, lost, own], [leaf, middle, top])
    assert matched.found == ((own, top), (below, middle))
    assert matched.missing == (lost,)
    assert matched.twice == (own,)
    assert issued_by_one_of(middle, [lost, own]) == own
    assert issued_by_one_of(leaf, [own]) is None


def test_anchors_know_their_own() -> None:
    _, middle, top = (one.read for one in pki())
    again = root(key_name="other").read
    anchors = Anchors("x", (top,))
    assert anchors.knows(top)
    assert not anchors.knows(again)
    assert not anchors.knows(middle)
    assert anchors.named(again.subject) == [top]
    assert len(anchors) == 1
