"""Hashes that point at certificates, lists of what is installed, and the chain that a CSMS shows in TLS."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.events import (
    Connection,
    ConnectionOpened,
    Endpoint,
    Event,
    MessageType,
    OcppChannel,
    OcppMessage,
    TlsCertificates,
    TlsHello,
)
from fieldkit.session import Session as Diagnosis
from fieldkit.trust.hashdata import hash_data
from tests.checks.test_certificate_content import ROOT, SUB, made, text
from tests.traffic.conversation import MONDAY
from tests.traffic.diagnosed import diagnose_events, found
from tests.traffic.segments import SECOND
from tests.traffic.task_talk import Tasks
from tests.trust.pki import Made

ROOT_2 = made("Other Root", ca=True, days=(-900, 9000))


def pointing(one: Made, issuer: Made | None = None, algorithm: str = "SHA256") -> dict[str, str]:
    hashed = hash_data(one.read, (issuer or one).read, algorithm.lower())
    assert hashed is not None
    data = {"hashAlgorithm": algorithm, "issuerNameHash": hashed.issuer_name, "issuerKeyHash": hashed.issuer_key}
    return {**data, "serialNumber": hashed.serial}


def installs(talk: Tasks, root: Made, use: str = "CSMSRootCertificate", status: str = "Accepted") -> None:
    talk.order("InstallCertificate", {"certificateType": use, "certificate": text(root)}, {"status": status})


def lists(talk: Tasks, *entries: dict[str, str], asked: Any = None, use: str = "CSMSRootCertificate") -> None:
    chains = [{"certificateType": use, "certificateHashData": entry} for entry in entries]
    answer: dict[str, Any] = {"status": "Accepted" if chains else "NotFound"}
    if chains:
        answer["certificateHashDataChain"] = chains
    talk.order("GetInstalledCertificateIds", {} if asked is None else {"certificateType": asked}, answer)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_right_hashes_by_every_algorithm(algorithm: str) -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT)
    lists(talk, pointing(ROOT, algorithm=algorithm))
    talk.order("DeleteCertificate", {"certificateHashData": pointing(ROOT, algorithm=algorithm)}, {"status": "Failed"})
    assert talk.found("certificate") == ["certificate.delete-failed"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"issuerKeyHash": sha256(ROOT.read.key.spki)}, "together with its algorithm"),
        ({"issuerKeyHash": "ab" * 32}, "issuerKeyHash"),
        ({"issuerNameHash": sha256(b"CN=Test Root")}, "the name as text"),
        ({"issuerNameHash": "ab" * 32}, "issuerNameHash"),
    ],
)
def test_a_station_that_computes_them_wrongly(wrong: dict[str, str], words: str) -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT)
    lists(talk, {**pointing(ROOT), **wrong})
    finding = talk.the("certificate.hash-wrong")
    assert words in finding.explanation()
    assert finding.owner == "station"


def test_a_csms_that_does() -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT)
    order = {"certificateHashData": {**pointing(ROOT), "issuerKeyHash": sha256(ROOT.read.key.spki)}}
    talk.order("DeleteCertificate", order, {"status": "NotFound"})
    assert talk.found("certificate") == ["certificate.hash-wrong"]
    assert talk.the("certificate.hash-wrong").owner == "csms"


def test_short_serial_numbers_are_used_by_every_authority() -> None:
    one = made("First Root", ca=True, serial=1)
    other = made("Second Root", ca=True, serial=1)
    talk = Tasks("2.0.1")
    installs(talk, one)
    lists(talk, pointing(one), pointing(other))
    assert talk.found("certificate") == []


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({}, []),
        ({"serialNumber": f"0{ROOT.read.serial_hex}"}, ["certificate.hash-form"]),
        ({"serialNumber": f"0x{ROOT.read.serial_hex}"}, ["certificate.hash-form"]),
        ({"serialNumber": ROOT.read.serial_hex.upper()}, []),
        ({"issuerKeyHash": pointing(ROOT)["issuerKeyHash"][:40]}, ["certificate.hash-form", "certificate.hash-wrong"]),
    ],
)
def test_how_they_are_spelled(wrong: dict[str, str], expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT)
    lists(talk, {**pointing(ROOT), **wrong})
    assert talk.found("certificate") == expected


def test_a_root_that_was_accepted_and_is_not_listed() -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT)
    lists(talk, pointing(ROOT_2))
    assert talk.found("certificate") == ["certificate.not-listed"]


def test_roots_that_need_not_be_listed() -> None:
    talk = Tasks("2.0.1")
    installs(talk, ROOT, status="Rejected")
    installs(talk, ROOT_2)
    lists(talk, asked=["V2GRootCertificate"])  # it was asked for others
    talk.order("DeleteCertificate", {"certificateHashData": pointing(ROOT_2)})
    lists(talk)
    installs(talk, ROOT)
    installs(talk, ROOT_2)  # a station may keep the latest only
    lists(talk, pointing(ROOT_2))
    assert talk.found("certificate") == ["certificate.install-failed"]


def test_what_was_listed_must_be_found() -> None:
    talk = Tasks("2.0.1")
    lists(talk, pointing(ROOT))
    talk.order("DeleteCertificate", {"certificateHashData": pointing(ROOT_2)}, {"status": "NotFound"})
    assert talk.found("certificate") == []
    talk.order("DeleteCertificate", {"certificateHashData": pointing(ROOT)}, {"status": "NotFound"})
    assert talk.found("certificate") == ["certificate.delete-not-found"]


def test_an_expired_root_in_the_list() -> None:
    old = made("Old Root", ca=True, days=(-900, -1))
    talk = Tasks("2.0.1")
    installs(talk, old)
    lists(talk, pointing(old))
    assert "certificate.installed-root-expired" in talk.found("certificate")


# ---------------------------------------------------------------------------------------------------- the chain in TLS

LINE = Connection(1, Endpoint("192.168.7.20", 50_000), Endpoint("203.0.113.5", 443), MONDAY, False, "memory")
CHANNEL = OcppChannel("CP_7", "2.0.1", "json", LINE, False, False, False)
LEAF = made("csms.example", SUB, hosts=["csms.example"])


def hello(*, from_client: bool) -> TlsHello:
    return TlsHello(
        MONDAY, (2,), LINE, from_client, 0x0303, (0x0303,), (0xC02B,), (), (), (), (),
        "csms.example" if from_client else "", (), False, False,
    )  # fmt: skip


def spoken(*exchanges: tuple[str, dict[str, Any], dict[str, Any]], chain: tuple[Made, ...] = (LEAF, SUB)) -> list[str]:
    """Orders of a CSMS over TLS 1.2, decrypted."""
    events: list[Event] = [
        ConnectionOpened(MONDAY, (1,), LINE),
        hello(from_client=True),
        hello(from_client=False),
        TlsCertificates(MONDAY, (3,), LINE, False, tuple(one.der for one in chain)),
    ]
    for number, (action, payload, answer) in enumerate(exchanges, 1):
        at = MONDAY + number * SECOND
        call = OcppMessage(
            at, (number * 2 + 3,), "memory", CHANNEL, "csms", MessageType.CALL, str(number), action, payload, None, "{}",
            (), False, None,
        )  # fmt: skip
        result = replace(
            call, frames=(number * 2 + 4,), sender="station", type=MessageType.CALLRESULT, payload=answer, call=call
        )
        events += [call, result]
    diagnosis: Diagnosis = diagnose_events(events)
    return sorted(id_ for id_ in found(diagnosis) if id_.startswith("certificate."))


def list_of(*roots: Made) -> tuple[str, dict[str, Any], dict[str, Any]]:
    chains = [{"certificateType": "CSMSRootCertificate", "certificateHashData": pointing(one)} for one in roots]
    return "GetInstalledCertificateIds", {}, {"status": "Accepted", "certificateHashDataChain": chains}


def install_of(root: Made) -> tuple[str, dict[str, Any], dict[str, Any]]:
    order = {"certificateType": "CSMSRootCertificate", "certificate": text(root)}
    return "InstallCertificate", order, {"status": "Accepted"}


def delete_of(root: Made) -> tuple[str, dict[str, Any], dict[str, Any]]:
    return "DeleteCertificate", {"certificateHashData": pointing(root)}, {"status": "Accepted"}


def test_the_root_of_the_csms_is_installed() -> None:
    assert spoken(list_of(ROOT_2, ROOT)) == []
    assert spoken(list_of(ROOT), chain=(LEAF, SUB, ROOT)) == []
    assert spoken(list_of(ROOT), chain=(LEAF,)) == ["certificate.csms-root-missing"], "nor is what lies between"


def test_the_root_of_the_csms_is_not_installed() -> None:
    assert spoken(list_of(ROOT_2)) == ["certificate.csms-root-missing"]
    assert spoken(list_of()) == [], "a station that lists nothing says nothing"


def test_the_root_of_the_csms_is_deleted() -> None:
    assert spoken(list_of(ROOT, ROOT_2), delete_of(ROOT_2)) == []
    assert spoken(list_of(ROOT, ROOT_2), delete_of(ROOT)) == ["certificate.root-in-use-deleted"]
    assert spoken(delete_of(ROOT)) == [], "nobody knows what is left"
    newer = made("Test Root", ca=True, days=(-1, 9000))
    assert spoken(list_of(ROOT, newer), delete_of(ROOT)) == []


def test_a_root_of_the_same_name_and_another_key() -> None:
    assert spoken(install_of(ROOT)) == []
    other = made("Test Root", ca=True, key_name="new key of the root")
    assert spoken(install_of(other)) == ["certificate.csms-root-mismatch"]
    assert spoken(install_of(ROOT_2)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["certificateHashData", "certificateHashDataChain", "serialNumber", "hashAlgorithm", "issuerNameHash", "status",
         "certificateType", "ocspRequestData", "iso15118CertificateHashData", "ocspResult", "certificate", "firmware"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ACTIONS = (
    "GetInstalledCertificateIds", "DeleteCertificate", "InstallCertificate", "GetCertificateStatus", "Authorize",
    "GetCertificateChainStatus", "SignedUpdateFirmware", "Get15118EVCertificate", "CertificateSigned", "DataTransfer",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ACTIONS), JSON, JSON)
def test_no_payload_raises(action: str, payload: Any, answer: Any) -> None:
    spoken((action, payload, answer), list_of(ROOT), (action, {"certificateHashData": payload}, answer))
