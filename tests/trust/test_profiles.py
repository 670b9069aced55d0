"""OCPP's security profiles: what was observed decides, what was not looked at accuses nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from fieldkit.trust.anchors import Anchors
from fieldkit.trust.certrules import Context, judge_certificate
from fieldkit.trust.chain import Chain, build
from fieldkit.trust.observed import Observed
from fieldkit.trust.oids import CLIENT_AUTH, SERVER_AUTH
from fieldkit.trust.profiles import judge, shown_profile
from fieldkit.trust.requirements import CERTIFICATE_REQUIREMENTS, REQUIREMENTS
from fieldkit.trust.suites import CSMS_FOUR, ECDSA_PAIR, LEGACY, RSA_PAIR, forward_secret, unsuitable
from fieldkit.trust.verdict import EDITIONS, Edition, Result, Verdict
from tests.trust.pki import AT, CLIENT, Made, issue, name, pki, root, server

ONLY_NEW = {"SSL 3.0": False, "TLS 1.0": False, "TLS 1.1": False, "TLS 1.2": True, "TLS 1.3": True}


def chain(*sent: Made, purpose: str = SERVER_AUTH, roots: Any = None) -> Chain:
    anchors = Anchors("x", tuple(one.read for one in roots or [pki()[2]]))
    return build([one.read for one in sent], anchors, at=AT, purpose=purpose)


def station_chain(common: str = "CP-0042", o: str = "Example CPO") -> Chain:
    return chain(issue(name(common, o), pki()[1], uses=[CLIENT]), pki()[1], purpose=CLIENT_AUTH)


def good() -> Observed:
    """A CSMS that has everything."""
    return Observed(
        tls=True,
        versions=ONLY_NEW,
        suites=frozenset(CSMS_FOUR),
        suites_complete=True,
        compression=False,
        chains=(chain(*pki()[:2]), chain(server(pki()[1], kind="rsa2048"), pki()[1])),
        host="csms.example",
        basic_auth=True,
        wrong_password_refused=True,
        client_certificate_asked="required",
        client_chain=station_chain(),
        serial="CP-0042",
        operator="Example CPO",
    )


def by_id(verdicts: list[Verdict]) -> Mapping[str, Verdict]:
    found: dict[str, Verdict] = {}
    for one in verdicts:
        worse = one.id not in found or (one.result == "fail" and found[one.id].result != "fail")
        if worse:
            found[one.id] = one
    return found


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("profile", [1, 2, 3])
def test_nothing_known_fails_nothing(edition: Edition, profile: int) -> None:
    for side in ("csms", "station"):
        verdicts = judge(Observed(side=side), profile, edition)
        assert verdicts
        assert {one.result for one in verdicts} <= {"cannot tell", "not applicable"}
        assert all(one.why and one.title and one.id for one in verdicts)


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("profile", [2, 3])
def test_a_csms_that_has_everything_fails_nothing_that_binds(edition: Edition, profile: int) -> None:
    verdicts = judge(good(), profile, edition)
    assert [one for one in verdicts if one.result == "fail" and one.level == "shall"] == []
    assert {one.result for one in verdicts} <= set(get_args(Result))
    assert sum(one.result == "pass" for one in verdicts) > 15


def test_numbers_differ_between_the_editions() -> None:
    """facts: in block 3xx 2.0.1 is one higher; 4xx and 5xx are alike."""
    old, new = by_id(judge(good(), 2, "1.6")), by_id(judge(good(), 2, "2.0.1"))
    assert "four cipher suites" in old["A00.FR.317"].title
    assert "four cipher suites" in new["A00.FR.318"].title
    assert "TLS 1.2" in old["A00.FR.312"].title
    assert "TLS 1.2" in new["A00.FR.313"].title
    assert "compression" in old["A00.FR.320"].title
    assert "compression" in new["A00.FR.321"].title
    for edition in EDITIONS:
        assert "four cipher suites" in by_id(judge(good(), 3, edition))["A00.FR.421"].title
        assert "2048 bits" in by_id(judge(good(), 3, edition))["A00.FR.502"].title


CHANGES: list[tuple[dict[str, Any], str, int, Edition, Result]] = [
    ({"tls": False}, "A00.FR.312", 2, "2.0.1", "fail"),
    ({"suites": frozenset(ECDSA_PAIR)}, "A00.FR.318", 2, "2.0.1", "fail"),
    ({"suites": frozenset(ECDSA_PAIR), "suites_complete": False}, "A00.FR.318", 2, "2.0.1", "cannot tell"),
    ({"suites": frozenset({*ECDSA_PAIR, *RSA_PAIR, "TLS_RSA_WITH_RC4_128_SHA"})}, "A00.FR.320", 2, "2.0.1", "fail"),
    ({"suites": frozenset({*CSMS_FOUR, "TLS_RSA_WITH_RC4_128_SHA"})}, "A00.FR.319", 2, "1.6", "fail"),
    ({"suites": frozenset({*CSMS_FOUR, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"})}, "A00.FR.319", 2, "1.6", "pass"),
    ({"compression": True}, "A00.FR.321", 2, "2.0.1", "fail"),
    ({"versions": {**ONLY_NEW, "TLS 1.0": True}}, "A00.FR.313", 2, "2.0.1", "fail"),
    ({"versions": {**ONLY_NEW, "TLS 1.0": True}}, "A00.FR.312", 2, "1.6", "pass"),
    ({"versions": {**ONLY_NEW, "SSL 3.0": True}}, "A00.FR.312", 2, "1.6", "fail"),
    ({"versions": {"TLS 1.0": True, "TLS 1.2": False, "TLS 1.3": False}}, "A00.FR.312", 2, "1.6", "fail"),
    ({"versions": {"TLS 1.2": True}}, "A00.FR.313", 2, "2.0.1", "cannot tell"),
    ({"versions": {**ONLY_NEW, "TLS 1.2": False}}, "A00.FR.416", 3, "2.1", "pass"),
    ({"host": "other.example"}, "A00.FR.309", 2, "2.0.1", "fail"),
    ({"host": "other.example"}, "A00.FR.412", 3, "2.0.1", "fail"),
    ({"host": "other.example"}, "A00.FR.510", 3, "2.0.1", "fail"),
    ({"chains": ()}, "A00.FR.411", 3, "2.0.1", "cannot tell"),
    ({"chains": (chain(*pki()[:2], roots=[root("Another")]),)}, "A00.FR.411", 3, "2.0.1", "fail"),
    ({"client_certificate_asked": "no"}, "A00.FR.402", 3, "2.0.1", "fail"),
    ({"client_certificate_asked": "optional"}, "A00.FR.402", 3, "2.0.1", "cannot tell"),
    ({"client_chain": station_chain("CP-1")}, "A00.FR.405", 3, "2.0.1", "fail"),
    ({"client_chain": station_chain(o="Somebody")}, "A00.FR.404", 3, "2.0.1", "fail"),
    ({"client_chain": station_chain("10.0.0.1")}, "A00.FR.511", 3, "2.0.1", "fail"),
    ({"serial": ""}, "A00.FR.405", 3, "2.0.1", "cannot tell"),
    ({"wrong_password_refused": False}, "A00.FR.305", 2, "2.0.1", "fail"),
    ({"basic_auth": False}, "A00.FR.301", 2, "2.0.1", "fail"),
    ({"basic_user": "CP_1", "identity": "CP_2"}, "A00.FR.303", 2, "2.0.1", "fail"),
    ({"basic_user": "CP_1", "identity": "CP_1"}, "A00.FR.303", 2, "2.0.1", "pass"),
    ({"password_length": 15}, "A00.FR.304", 2, "2.0.1", "fail"),
    ({"password_length": 40}, "A00.FR.304", 2, "2.0.1", "pass"),
    ({"password_length": 41}, "A00.FR.304", 2, "2.0.1", "fail"),
    ({"password_length": 41}, "A00.FR.304", 2, "2.1", "pass"),
    ({"password_length": 20}, "A00.FR.304", 2, "1.6", "pass"),
    ({"password_length": 21}, "A00.FR.304", 2, "1.6", "fail"),
    ({"password_length": 40}, "A00.FR.304", 2, "1.6", "pass"),
]


@pytest.mark.parametrize("change, id_, profile, edition, expected", CHANGES)
def test_one_thing_is_different(
    change: dict[str, Any], id_: str, profile: int, edition: Edition, expected: Result
) -> None:
    verdict = by_id(judge(replace(good(), **change), profile, edition))[id_]
    assert verdict.result == expected, verdict


def test_only_ecdhe_rsa_is_explained() -> None:
    """Web-grade A, and none of OCPP's suites: the commonest misunderstanding."""
    web = frozenset({"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"})
    verdict = by_id(judge(replace(good(), suites=web), 2, "2.0.1"))["A00.FR.318"]
    assert verdict.result == "fail"
    assert "ECDHE-RSA" in verdict.why


def station(**more: Any) -> Observed:
    versions = {"TLS 1.2": True, "TLS 1.3": False}
    return Observed(side="station", tls=True, versions=versions, suites=frozenset(ECDSA_PAIR), **more)


@pytest.mark.parametrize("suites, edition, expected", [
    (ECDSA_PAIR, "2.0.1", "pass"), (RSA_PAIR, "2.0.1", "pass"), ((ECDSA_PAIR[0], RSA_PAIR[1]), "2.0.1", "fail"),
    ((LEGACY,), "1.6", "fail"),
])  # fmt: skip
def test_what_a_station_offers(suites: tuple[str, ...], edition: Edition, expected: Result) -> None:
    number = "A00.FR.318" if edition == "1.6" else "A00.FR.319"
    assert by_id(judge(replace(station(), suites=frozenset(suites)), 2, edition))[number].result == expected


def test_an_old_station_of_1_6_may_do_without() -> None:
    old = Observed(side="station", tls=True, versions={"TLS 1.0": True}, suites=frozenset({LEGACY}))
    assert by_id(judge(old, 2, "1.6"))["A00.FR.318"].result == "pass"
    assert by_id(judge(old, 2, "2.0.1"))["A00.FR.319"].result == "fail"


@pytest.mark.parametrize("seen, expected", [
    (Observed(), None), (Observed(tls=False), None), (Observed(tls=False, basic_auth=False), 0),
    (Observed(tls=False, basic_auth=True), 1), (Observed(tls=True), None), (Observed(tls=True, basic_auth=True), 2),
    (Observed(tls=True, basic_auth=True, client_certificate_asked="optional"), 2),
    (Observed(tls=True, client_certificate_asked="required"), 3),
    (Observed(tls=True, client_certificate_sent=True, basic_auth=True), 3),
])  # fmt: skip
def test_which_profile_was_seen(seen: Observed, expected: int | None) -> None:
    assert shown_profile(seen) == expected


def test_profile_0_is_none() -> None:
    (verdict,) = judge(Observed(tls=False, basic_auth=False), 0, "1.6")
    assert verdict.result == "fail"


def test_a_station_certificate_is_judged_by_its_own_rules() -> None:
    leaf = issue(name("CP-0042", "Example CPO"), pki()[1], hosts=["cp-0042"], uses=[CLIENT]).read
    found = by_id(judge_certificate(leaf, Context("2.0.1", "station", serial="CP-0042")))
    assert found["A00.FR.514"].result == "fail"
    assert found["A00.FR.502"].result == "pass"
    assert "A00.FR.510" not in found
    assert "A00.FR.514" not in by_id(judge_certificate(leaf, Context("1.6", "station")))


def test_every_requirement_has_a_rule_and_a_number() -> None:
    for requirement in (*REQUIREMENTS, *CERTIFICATE_REQUIREMENTS):
        for profile in requirement.numbers:
            assert any(requirement.id(edition, profile) for edition in EDITIONS), requirement.key
    assert len({one.key for one in (*REQUIREMENTS, *CERTIFICATE_REQUIREMENTS)}) == len(REQUIREMENTS) + len(
        CERTIFICATE_REQUIREMENTS
    )


def test_suites() -> None:
    assert unsuitable(["TLS_AES_128_GCM_SHA256", *CSMS_FOUR]) == []
    bad = ["TLS_RSA_WITH_NULL_SHA256", "TLS_DH_anon_WITH_AES_128_CBC_SHA", "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
           "TLS_RSA_WITH_3DES_EDE_CBC_SHA", "TLS_RSA_WITH_DES_CBC_SHA"]  # fmt: skip
    assert unsuitable(bad) == sorted(bad)
    assert forward_secret("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")
    assert forward_secret("TLS_AES_128_GCM_SHA256")
    assert not forward_secret(LEGACY)
