"""What a certificate is fit for: OCPP's roles and those of ISO 15118."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from fieldkit.trust.anchors import Anchors
from fieldkit.trust.chain import build
from fieldkit.trust.iso15118 import ROLES, editions
from fieldkit.trust.purpose import PURPOSES, Fit, judge_fit
from tests.trust.pki import AT, CLIENT, Made, issue, key, name, pki, root, server, usage

CONTRACT_USAGE = usage("digital_signature", "content_commitment", "key_agreement")


def fit(made: Made, purpose: str, **more: Any) -> Fit:
    return judge_fit(made.read, purpose, at=AT, **more)


def failing(made: Made, purpose: str, **more: Any) -> list[str]:
    return [one.title for one in fit(made, purpose, **more).failed]


def v2g(dc: str = "V2G", **more: Any) -> Made:
    return root(name("V2G Root", "PKI", dc, "DE"), **more)


def sub1(**more: Any) -> Made:
    more = {"ca": True, "length": 1, "days": (-10, 1000), **more}
    return issue(name("CPO Sub1", "CPO", "CPO"), v2g(), **more)


def sub2(**more: Any) -> Made:
    more = {"ca": True, "length": 0, "days": (-10, 700), **more}
    return issue(name("CPO Sub2", "CPO", more.pop("dc", "CPO")), sub1(), **more)


def secc(**more: Any) -> Made:
    more = {"days": (-1, 80), "uses": None, **more}
    dc = more.pop("dc", "CPO")
    return issue(name(more.pop("common", "DE1234S0001"), "Example CPO", dc, "DE"), sub2(), **more)


def contract(common: str = "DE8AAC1234567XA"[:14], **more: Any) -> Made:
    more = {"usages": CONTRACT_USAGE, **more}
    return issue(name(common, "Example MO", more.pop("dc", "MO")), sub2(), **more)


GOOD: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "csms": (lambda: pki()[0], "csms", {"host": "csms.example"}),
    "csms, host not known": (lambda: pki()[0], "csms", {}),
    "csms by OCPP's text alone": (lambda: server(pki()[1], hosts=None), "csms", {"host": "csms.example"}),
    "station": (lambda: issue(name("CP-0042", "CPO"), pki()[1]), "station", {"serial": "CP-0042", "operator": "CPO"}),
    "csms root": (lambda: pki()[2], "csms-root", {}),
    "manufacturer root": (lambda: pki()[2], "manufacturer-root", {}),
    "firmware": (lambda: issue(name("Signer", "Maker"), pki()[1]), "firmware", {}),
    "V2G root": (v2g, "15118-v2g-root", {}),
    "CPO sub-CA 1": (sub1, "15118-cpo-sub1", {}),
    "CPO sub-CA 2": (sub2, "15118-cpo-sub2", {}),
    "SECC": (secc, "15118-secc", {}),
    "contract": (contract, "15118-contract", {}),
    "contract with dashes": (lambda: contract("DE-8AA-C12345678-9"), "15118-contract", {}),
    "provisioning": (lambda: issue(name("CPS", "CPS Ltd", "CPS"), sub2(), days=(-1, 89)), "15118-provisioning", {}),
    "OEM": (lambda: issue(name("WVW0123456789PCID", "Maker", "OEM"), sub2()), "15118-oem", {}),
    "SECC of -20": (lambda: secc(kind="p521", hash_=hashes.SHA512(), signer=key("s20", "p521"), dc="CSO"),
                    "15118-20-secc", {}),
    "SECC of -20 with Ed448": (lambda: secc(kind="ed448", signer=key("s20e", "ed448")), "15118-20-secc", {}),
}  # fmt: skip


@pytest.mark.parametrize("which", GOOD)
def test_fit(which: str) -> None:
    make, purpose, more = GOOD[which]
    assert failing(make(), purpose, **more) == []
    assert fit(make(), purpose, **more).fits is not False


BAD: dict[str, tuple[Any, str, dict[str, Any], str]] = {
    "expired": (lambda: server(pki()[1], days=(-90, -1)), "csms", {}, "it is valid now"),
    "not begun": (lambda: server(pki()[1], days=(1, 9)), "csms", {}, "it is valid now"),
    "csms for clients": (lambda: server(pki()[1], uses=[CLIENT]), "csms", {}, "extended key usage allows TLS server"),
    "csms without CN": (lambda: issue(name("", "O"), pki()[1], hosts=["a.example"]), "csms", {}, "CN is the full host"),
    "csms without O": (lambda: issue(name("a.example"), pki()[1], hosts=["a.example"]), "csms", {}, "O names"),
    "csms of another name": (lambda: pki()[0], "csms", {"host": "b.example"}, "alternative names hold"),
    "csms that is an authority": (lambda: server(pki()[1], ca=True), "csms", {}, "no certificate of an authority"),
    "station with a URL": (lambda: issue(name("ws://x/CP", "O"), pki()[1]), "station", {}, "looks like no URL"),
    "station of another number": (lambda: issue(name("CP-1", "O"), pki()[1]), "station", {"serial": "CP-2"},
                                  "CN is the station's"),
    "station of another operator": (lambda: issue(name("CP-1", "O"), pki()[1]), "station", {"operator": "CPO"},
                                    "O names"),
    "station for servers": (lambda: issue(name("CP-1", "O"), pki()[1], uses=[]), "station", {}, "TLS client"),
    "weak station": (lambda: issue(name("CP-1", "O"), pki()[1], kind="rsa1024"), "station", {}, "2048 bits"),
    "root that is an intermediate (EVerest#2109)": (lambda: pki()[1], "csms-root", {}, "it is a root"),
    "root that is a leaf": (lambda: pki()[0], "csms-root", {}, "it is a root"),
    "firmware that may not sign": (lambda: issue(name("S", "M"), pki()[1], usages=usage("key_agreement")), "firmware",
                                   {}, "key may sign"),
    "SECC without DC (EVerest#2119)": (lambda: secc(dc=""), "15118-secc", {}, "DC in the subject"),
    "SECC of -2 with CSO": (lambda: secc(dc="CSO"), "15118-secc", {}, "DC in the subject"),
    "SECC on P-384": (lambda: secc(kind="p384"), "15118-secc", {}, "curve of the standard"),
    "SECC of -2 for -20": (secc, "15118-20-secc", {}, "curve of the standard"),
    "SECC signed with SHA-384": (lambda: secc(hash_=hashes.SHA384()), "15118-secc", {}, "algorithm of the standard"),
    "SECC of 900 bytes": (lambda: secc(hosts=["a" * 60 + f"{one}.example" for one in range(6)]), "15118-secc", {},
                          "800 bytes"),
    "SECC, keyUsage not critical (EVerest#2096)": (lambda: secc(usages_critical=False), "15118-secc", {},
                                                   "keyUsage is critical"),
    "SECC without keyUsage": (lambda: secc(usages=None), "15118-secc", {}, "keyUsage fits"),
    "SECC without basicConstraints": (lambda: secc(ca=None), "15118-secc", {}, "basicConstraints"),
    "SECC, basicConstraints not critical": (lambda: secc(basic_critical=False), "15118-secc", {}, "basicConstraints"),
    "SECC that is self-signed": (lambda: root(name("X", "O", "CPO"), ca=False), "15118-secc", {}, "root is signed"),
    "SECC that may sign certificates": (lambda: secc(usages=usage("digital_signature", "key_cert_sign")), "15118-secc",
                                        {}, "keyUsage fits"),
    "sub-CA 1 with length 0": (lambda: sub1(length=0), "15118-cpo-sub1", {}, "path length"),
    "sub-CA 2 without length": (lambda: sub2(length=None), "15118-cpo-sub2", {}, "path length"),
    "sub-CA 2 as sub-CA 1": (sub2, "15118-cpo-sub1", {}, "path length"),
    "root without DC": (lambda: v2g(dc=""), "15118-v2g-root", {}, "DC in the subject"),
    "contract that is no EMAID": (lambda: contract("Max Mustermann"), "15118-contract", {}, "CN in the subject"),
    "contract without nonRepudiation": (lambda: contract(usages=usage("digital_signature")), "15118-contract", {},
                                        "keyUsage fits"),
}  # fmt: skip


@pytest.mark.parametrize("which", BAD)
def test_unfit(which: str) -> None:
    make, purpose, more, expected = BAD[which]
    found = failing(make(), purpose, **more)
    assert any(expected in title for title in found), found
    assert fit(make(), purpose, **more).fits is False


def test_the_chain_counts() -> None:
    leaf, middle, top = pki()
    bad = build([leaf.read, middle.read], Anchors("x", (root("Another").read,)), at=AT)
    assert "a chain leads to a trust anchor" in failing(leaf, "csms", chain=bad)
    good = build([leaf.read, middle.read], Anchors("x", (top.read,)), at=AT)
    assert failing(leaf, "csms", chain=good) == []


def test_the_depth_of_a_v2g_chain() -> None:
    anchors = Anchors("x", (v2g().read,))
    chain = build([secc().read, sub2().read, sub1().read], anchors, at=AT)
    assert chain.trusted
    verdicts = {one.id: one for one in fit(secc(), "15118-secc", chain=chain).verdicts}
    assert verdicts["V2G2-009"].result == "pass"


def test_advice_is_no_failure() -> None:
    long_one = secc(days=(-1, 3000), ocsp="")
    found = fit(long_one, "15118-secc")
    assert found.fits
    assert {"the validity is as long as usual", "an OCSP responder is named"} == {one.title for one in found.advised}


def test_every_purpose_can_be_judged_of_every_certificate() -> None:
    for purpose in PURPOSES:
        for made in (pki()[0], pki()[2], issue(name(), pki()[1], ca=None, usages=None, ids=False, ocsp="", crl="")):
            found = fit(made, purpose)
            assert found.verdicts
            assert all(one.id and one.title and one.why and one.edition for one in found.verdicts)
    assert set(ROLES) < set(PURPOSES)


def test_for_which_edition_a_key_is() -> None:
    assert list(editions(pki()[0].read)) == ["ISO 15118-2"]
    assert list(editions(secc(kind="p521").read)) == ["ISO 15118-20"]
    assert list(editions(secc(kind="p384").read)) == []
