"""Chains: every defect with its cause, no alarm on what is good, and two others of the same opinion."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from fieldkit.trust import oids
from fieldkit.trust.anchors import Anchors
from fieldkit.trust.chain import Chain, build, leaves
from fieldkit.trust.hashdata import hash_data
from fieldkit.trust.pathfaults import weaknesses
from fieldkit.trust.signatures import Algorithm
from tests.trust.oracles import certvalidator_accepts, openssl_accepts
from tests.trust.pki import AT, CLIENT, NOW, SERVER, Made, issue, key, name, pki, root, server, sub, usage
from tests.trust.telling import told


def anchors(*made: Made) -> Anchors:
    return Anchors("the roots in roots.pem", tuple(one.read for one in made))


def judge(sent: Sequence[Made], *roots: Made, **more: Any) -> Chain:
    chain = build([one.read for one in sent], anchors(*roots), at=more.pop("at", AT), **more)
    told(chain.faults)
    return chain


def ids(chain: Chain) -> list[str]:
    return sorted({fault.id for fault in chain.faults})


@dataclass
class Case:
    sent: list[Made]
    roots: list[Made]
    expected: list[str]
    at: Any = NOW
    openssl: bool | None = None
    """What OpenSSL thinks, where it is not whether we find it trusted; None: the same."""
    certvalidator: bool | None = None
    more: dict[str, Any] = field(default_factory=dict)


@cache
def own() -> Made:
    return server(None)  # type: ignore[arg-type]


def crossed() -> Case:
    """As Let's Encrypt had it: the root is sent too, signed by an older root that nobody has any more."""
    old, new = root("Old Root"), root("New Root")
    cross = issue(name("New Root", "Test PKI"), old, ca=True, key_name="CN=New Root,O=Test PKI")
    middle = sub(new, "R3")
    return Case([server(middle), middle, cross], [new], [])


def deep(count: int, length: int | None) -> Case:
    top = root("Deep Root", length=length)
    chain = [top]
    for number in range(count):
        chain.append(sub(chain[-1], f"Deep {number}", length=None))
    limited = length is not None and count > length
    # RFC 5280 §6.2 leaves it open whether a limit of the anchor itself counts.
    return Case([server(chain[-1]), *reversed(chain[1:])], [top], ["tls.path-too-long"] if limited else [],
                certvalidator=True)  # fmt: skip


def limited_below() -> Case:
    top = root("Deep Root")
    upper = sub(top, "Upper", length=0)
    lower = sub(upper, "Lower")
    return Case([server(lower), lower, upper], [top], ["tls.path-too-long"])


def constrained(host: str, permitted: list[str] | None, excluded: list[str] | None, ok: bool) -> Case:
    limits = x509.NameConstraints(
        None if permitted is None else [x509.DNSName(one) for one in permitted],
        None if excluded is None else [x509.DNSName(one) for one in excluded],
    )
    top = root("NC Root")
    middle = sub(top, "NC Sub", more=[(limits, True)])
    return Case([server(middle, host), middle], [top], [] if ok else ["tls.name-constraints"])


CASES: dict[str, Callable[[], Case]] = {
    # ---------------------------------------------------------------------------------------------------------- good
    "good": lambda: Case([*pki()[:2]], [pki()[2]], []),
    "directly under the root": lambda: Case([server(pki()[2])], [pki()[2]], []),
    "without key identifiers": lambda: Case([server(pki()[2], ids=False)], [pki()[2]], []),
    "cross-signed root sent": crossed,
    "deep": lambda: deep(5, None),
    "path length just enough": lambda: deep(2, 2),
    "rsa": lambda: Case([server(root("RR", kind="rsa2048"), kind="rsa2048")], [root("RR", kind="rsa2048")], []),
    "rsa-pss": lambda: Case([server(root("RP", kind="rsa2048"), pss=True)], [root("RP", kind="rsa2048")], []),
    "ed25519": lambda: Case([server(root("RE", kind="ed25519"), kind="ed25519")], [root("RE", kind="ed25519")], []),
    "p521": lambda: Case([server(root("R5", kind="p521"), kind="p521", hash_=hashes.SHA512())],
                         [root("R5", kind="p521")], []),
    "both uses": lambda: Case([server(pki()[2], uses=[CLIENT, SERVER])], [pki()[2]], []),
    "no extended usage": lambda: Case([server(pki()[2], uses=None)], [pki()[2]], []),
    "pinned self-signed": lambda: Case([own()], [own()], []),
    "permitted name": lambda: constrained("csms.example", ["example"], None, True),
    "not excluded name": lambda: constrained("csms.example", None, ["other.example"], True),
    # RFC 5280 §4.1.2.5 has the end included; OpenSSL does not.
    "last second": lambda: Case([server(pki()[2], days=(-10, 0))], [pki()[2]], [], openssl=False),
    # -------------------------------------------------------------------------------------------------------- dates
    "expired": lambda: Case([server(pki()[1], days=(-90, -1)), pki()[1]], [pki()[2]], ["tls.cert-expired"]),
    "not yet valid": lambda: Case([server(pki()[1], days=(1, 90)), pki()[1]], [pki()[2]], ["tls.cert-not-yet-valid"]),
    "expired intermediate": lambda: Case(
        [server(sub(pki()[2], days=(-90, -1))), sub(pki()[2], days=(-90, -1))], [pki()[2]],
        ["tls.intermediate-expired"]),
    "intermediate of tomorrow": lambda: Case(
        [server(sub(pki()[2], days=(1, 90))), sub(pki()[2], days=(1, 90))], [pki()[2]],
        ["tls.intermediate-not-yet-valid"]),
    "expired root": lambda: Case([server(root("Old", days=(-90, -1)))], [root("Old", days=(-90, -1))],
                                 ["tls.root-expired"], certvalidator=True),
    "root of tomorrow": lambda: Case([server(root("Early", days=(1, 90)))], [root("Early", days=(1, 90))],
                                     ["tls.root-not-yet-valid"], certvalidator=True),
    "clock of 1970": lambda: Case([*pki()[:2]], [pki()[2]],
                                  ["tls.cert-not-yet-valid", "tls.intermediate-not-yet-valid",
                                   "tls.root-not-yet-valid"], at=NOW - timedelta(days=20_000)),
    # -------------------------------------------------------------------------------------------------------- trust
    "unknown root": lambda: Case([*pki()[:2]], [root("Another")], ["tls.untrusted"]),
    "unknown root, sent": lambda: Case([*pki()], [root("Another")], ["tls.root-sent", "tls.untrusted"]),
    "root of the same name": lambda: Case([*pki()], [root(key_name="another key")],
                                          ["tls.root-sent", "tls.untrusted"]),
    "intermediate missing": lambda: Case([server(pki()[1], issuers="http://ca.example/sub.der")], [pki()[2]],
                                         ["tls.chain-incomplete"]),
    "intermediate missing, none the wiser": lambda: Case([pki()[0]], [pki()[2]], ["tls.untrusted"]),
    "self-signed": lambda: Case([own()], [pki()[2]], ["tls.self-signed"]),
    "self-signed authority": lambda: Case([root("csms.example")], [pki()[2]], ["tls.self-signed"],
                                          more={"purpose": None}),
    # -------------------------------------------------------------------------------------------- who may issue what
    "intermediate is no authority": lambda: Case([server(sub(pki()[2], ca=False)), sub(pki()[2], ca=False)], [pki()[2]],
                                                 ["tls.intermediate-not-ca"]),
    "intermediate without basicConstraints": lambda: Case(
        [server(sub(pki()[2], ca=None, usages=usage("key_cert_sign"))), sub(pki()[2], ca=None,
         usages=usage("key_cert_sign"))], [pki()[2]], ["tls.intermediate-not-ca"]),
    "leaf issues a leaf": lambda: Case([server(pki()[0], "b.example"), *pki()[:2]], [pki()[2]],
                                       ["tls.intermediate-not-ca", "tls.path-too-long"]),
    "may not sign": lambda: Case(
        [server(sub(pki()[2], usages=usage("crl_sign"))), sub(pki()[2], usages=usage("crl_sign"))], [pki()[2]],
        ["tls.ca-may-not-sign"]),
    "path too long": lambda: deep(3, 1),
    "path too long by one": lambda: deep(2, 1),
    "path too long for an intermediate": limited_below,
    "name not permitted": lambda: constrained("csms.example", ["example.org"], None, False),
    "name excluded": lambda: constrained("csms.example", None, ["example"], False),
    # --------------------------------------------------------------------------------------------------- signatures
    "signed by another key": lambda: Case([server(pki()[1], signer=key("thief")), pki()[1]], [pki()[2]],
                                          ["tls.signature-invalid"]),
    "issuer's name, other key (citrineos#976)": lambda: Case(
        [server(pki()[1], signer=key("new key")), sub(pki()[2])], [pki()[2]], ["tls.signature-invalid"]),
    "root's name, other key": lambda: Case([server(pki()[2], signer=key("thief"))], [pki()[2]],
                                           ["tls.signature-invalid"]),
    "other key identifier": lambda: Case(
        [server(pki()[1], aki=x509.AuthorityKeyIdentifier(b"another key id 00000", None, None)), pki()[1]],
        [pki()[2]], ["tls.key-id-mismatch"], certvalidator=None),
    # --------------------------------------------------------------------------------------------------------- uses
    "client only": lambda: Case([server(pki()[1], uses=[CLIENT]), pki()[1]], [pki()[2]], ["tls.eku-wrong"]),
    "intermediate for clients only": lambda: Case(
        [server(sub(pki()[2], more=[(x509.ExtendedKeyUsage([CLIENT]), False)])),
         sub(pki()[2], more=[(x509.ExtendedKeyUsage([CLIENT]), False)])], [pki()[2]], ["tls.eku-wrong"],
        certvalidator=True),
    "unknown critical extension": lambda: Case(
        [server(pki()[1], more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"),
                                 True)]), pki()[1]], [pki()[2]], ["tls.critical-extension"]),
    # ----------------------------------------------------------------------------------- weak, but a chain all the same
    "rsa 1024": lambda: Case([server(pki()[1], kind="rsa1024"), pki()[1]], [pki()[2]], ["tls.rsa-key-too-short"]),
    "p192": lambda: Case([server(pki()[1], kind="p192"), pki()[1]], [pki()[2]], ["tls.ec-key-too-short"]),
    # ----------------------------------------------------------------------------------------------------- as it is sent
    "wrong order": lambda: Case([deep(2, None).sent[0], *reversed(deep(2, None).sent[1:])], deep(2, None).roots,
                                ["tls.chain-order"]),
    "leaf last": lambda: Case([pki()[1], pki()[0]], [pki()[2]], ["tls.chain-order"]),
    "stranger sent": lambda: Case([*pki()[:2], sub(root("X"), "Y")], [pki()[2]], ["tls.chain-extra-cert"]),
    "twice sent": lambda: Case([pki()[0], pki()[1], pki()[1]], [pki()[2]], ["tls.chain-extra-cert"]),
    "root sent": lambda: Case([*pki()], [pki()[2]], ["tls.root-sent"]),
}  # fmt: skip


@cache
def case(name_: str) -> Case:
    return CASES[name_]()


@pytest.mark.parametrize("which", CASES)
def test_the_cause_is_named(which: str) -> None:
    one = case(which)
    at = int(one.at.timestamp()) * 1_000_000_000
    chain = judge(one.sent, *one.roots, at=at, **one.more)
    assert ids(chain) == one.expected
    assert chain.trusted is not None


def accepted(one: Case) -> bool:
    at = int(one.at.timestamp()) * 1_000_000_000
    return judge(one.sent, *one.roots, at=at, **one.more).trusted is True


@pytest.mark.parametrize("which", [which for which in CASES if which != "leaf last"])
def test_openssl_is_of_the_same_opinion(which: str, tmp_path: Path) -> None:
    one = case(which)
    purpose = "sslserver" if one.more.get("purpose", "server") else ""
    verdict = openssl_accepts(tmp_path, one.sent[0], one.sent[1:], one.roots, at=one.at, purpose=purpose)
    assert verdict is (accepted(one) if one.openssl is None else one.openssl)


UNKNOWN_TO_CERTVALIDATOR = {
    "other key identifier": "it takes the identifier for a hint, as RFC 5280 does",
    "p192": "its library does not support the curve",
    "pinned self-signed": "it takes no leaf for an anchor",
}


@pytest.mark.parametrize("which", [which for which in CASES if which != "leaf last"])
def test_certvalidator_is_of_the_same_opinion(which: str) -> None:
    if which in UNKNOWN_TO_CERTVALIDATOR:
        pytest.skip(UNKNOWN_TO_CERTVALIDATOR[which])
    one = case(which)
    purpose = "server_auth" if one.more.get("purpose", "server") else ""
    verdict = certvalidator_accepts(one.sent[0], one.sent[1:], one.roots, at=one.at, purpose=purpose)
    assert verdict is (accepted(one) if one.certvalidator is None else one.certvalidator)


# ------------------------------------------------------------------------------------------------------- and in detail


def test_a_fetched_intermediate_proves_that_it_was_left_out() -> None:
    leaf, middle, top = pki()
    chain = judge([leaf], top, known=[middle.read])
    assert ids(chain) == ["tls.chain-incomplete"]
    assert chain.anchor == top.read
    assert "leads to a trusted root" in told(chain.faults)[0]


def test_a_fetched_root_shows_that_nothing_was_left_out() -> None:
    leaf, middle, top = pki()
    chain = judge([leaf, middle], root("Another"), known=[top.read])
    assert ids(chain) == ["tls.untrusted"]
    assert '"Test Root"' in told(chain.faults)[0]


def test_the_same_name_with_another_key_is_said() -> None:
    assert "with another key" in told(judge([*pki()], root(key_name="another key")).faults)[0]


def test_without_anchors_nobody_is_distrusted() -> None:
    leaf, middle, top = pki()
    for sent in ([leaf], [leaf, middle], [leaf, middle, top], [own()]):
        chain = build([one.read for one in sent], None, at=AT)
        assert [fault.id for fault in chain.faults if fault.id != "tls.root-sent"] == []
        assert chain.trusted is None
        assert not chain.judged
    forged = build([server(middle, signer=key("thief")).read, middle.read], None, at=AT)
    assert forged.trusted is False


def test_roots_that_a_station_only_points_at() -> None:
    leaf, middle, top = (one.read for one in pki())
    hashed = hash_data(top, top)
    assert hashed is not None
    installed = Anchors("the roots that CP_7 has", hashes=(hashed,))
    assert build([leaf, middle, top], installed, at=AT).trusted is True
    silent = build([leaf, middle], installed, at=AT)
    assert silent.trusted is None
    assert "not at hand" in silent.notes[0]
    assert silent.faults == ()
    other = hash_data(root("Another").read, root("Another").read)
    assert other is not None
    assert build([leaf, middle, top], Anchors("x", hashes=(other,)), at=AT).trusted is False


def test_of_two_ways_the_better_one_is_taken() -> None:
    # Two certificates of one intermediate: one ended, one is good.
    leaf, middle, top = pki()
    ended = sub(top, days=(-90, -1))
    for bag in ([leaf, ended, middle], [leaf, middle, ended]):
        chain = judge(bag, top, as_sent=False)
        assert chain.trusted, ids(chain)


def test_a_circle_of_cross_certificates_ends() -> None:
    one, two = root("One"), root("Two")
    one_by_two = issue(name("One", "Test PKI"), two, ca=True, key_name="CN=One,O=Test PKI")
    two_by_one = issue(name("Two", "Test PKI"), one, ca=True, key_name="CN=Two,O=Test PKI")
    chain = judge([server(one), one_by_two, two_by_one], pki()[2])
    assert chain.trusted is False


def test_a_hostile_bag_is_given_up_on() -> None:
    tops = [root("Same", key_name=f"s{number}", ids=False) for number in range(90)]
    chain = judge([server(tops[0], ids=False), *tops], pki()[2], as_sent=False)
    assert chain.trusted is False


def test_where_a_signature_cannot_be_verified_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf, middle, top = (one.read for one in pki())
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    chain = build([leaf, middle], Anchors("x", (top,)), at=AT)
    assert chain.trusted is None
    assert "cryptography package is not installed" in chain.notes[0]
    assert chain.faults == ()


def test_leaves_of_a_bag() -> None:
    leaf, middle, top = (one.read for one in pki())
    assert leaves([top, middle, leaf]) == [leaf]
    assert leaves([middle, top]) == [middle]
    assert leaves([top]) == [top]
    assert len(leaves([top, top, root("X").read])) == 2


def test_client_certificates() -> None:
    _, middle, top = pki()
    made = issue(name("CP-7", "Example CPO"), middle, uses=[CLIENT])
    assert judge([made, middle], top, purpose=oids.CLIENT_AUTH).trusted
    assert ids(judge([made, middle], top)) == ["tls.eku-wrong"]


def test_sha1_and_what_nobody_looks_at() -> None:
    # Nothing signs with SHA-1 any more; the algorithm is read, and the rest does not matter here.
    old = replace(pki()[0].read, algorithm=Algorithm("1.2.840.113549.1.1.5", "RSA with SHA-1", "rsa", "sha1", b""))
    assert [fault.id for fault in weaknesses(old)] == ["tls.sha1-signature"]
    assert list(weaknesses(old, root=True)) == []
    assert "is signed with SHA-1" in told(list(weaknesses(old)))[0]


def test_chains_of_public_authorities_give_no_alarm() -> None:
    """The shape of Let's Encrypt: no O, no CN in new ones, a policy, timestamps, 90 days."""
    top = root(name("ISRG Root X9", "Internet Security Research Group", c="US"), kind="rsa4096")
    middle = issue(
        name("R99", "Let's Encrypt", c="US"), top, kind="rsa2048", ca=True, length=0, uses=[SERVER, CLIENT],
        usages=usage("digital_signature", "key_cert_sign", "crl_sign"), ocsp="", issuers="http://x9.i.example/",
    )  # fmt: skip
    stamps = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), b"\x04\x02\x00\x00")
    leaf = issue(
        x509.Name([]), middle, hosts=["csms.example", "www.csms.example"], uses=[SERVER], days=(-20, 70), ocsp="",
        issuers="http://r99.i.example/", usages=usage("digital_signature"), key_name="le",
        more=[(stamps, False),
              (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)]), False)],
    )  # fmt: skip
    chain = judge([leaf, middle], top)
    assert chain.trusted
    assert chain.faults == ()
    assert chain.leaf.label == "csms.example"
