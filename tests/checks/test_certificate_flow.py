"""Certificates inside OCPP messages."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pytest

from tests.traffic.made_certificates import (
    CLIENT,
    SERVER,
    certificate,
    key,
    pem,
    private_pem,
    request,
    root,
    short_key,
)
from tests.traffic.task_talk import Tasks


def asks(talk: Tasks, status: str = "Accepted", csr: str | None = None) -> None:
    talk.tell("SignCertificate", {"csr": csr or request()}, {"status": status})


def gets(talk: Tasks, chain: str, status: str = "Accepted") -> None:
    talk.order("CertificateSigned", {"certificateChain": chain}, {"status": status})


def installs(chain: str, status: str = "Accepted") -> Tasks:
    talk = Tasks("2.0.1")
    order = {"certificateType": "CSMSRootCertificate", "certificate": chain}
    talk.order("InstallCertificate", order, {"status": status})
    return talk


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_certificate_that_is_asked_for_and_comes(version: str) -> None:
    talk = Tasks(version)
    asks(talk)
    talk.silence(30)
    gets(talk, pem(certificate(uses=[CLIENT]), root()))
    talk.wait(7200)
    assert talk.found("certificate") == []
    own = talk.station().certificates.own["ChargingStationCertificate"]
    assert (str(own.subject), str(own.key), own.extensions.is_ca) == ("CN=CP_7", "EC secp256r1", None)


def test_a_request_may_be_refused() -> None:
    talk = Tasks("2.0.1")
    asks(talk, "Rejected")
    assert "CN=CP_7" in talk.the("certificate.request-refused").advice()


def test_a_certificate_that_was_promised_and_never_comes() -> None:
    talk = Tasks()
    asks(talk)
    talk.wait(3700)
    assert talk.found("certificate") == ["certificate.never-signed"]


def test_fifty_minutes_may_be_needed_to_sign_and_asking_again_starts_anew() -> None:
    talk = Tasks()
    asks(talk)
    talk.wait(3000)
    asks(talk)
    talk.wait(3000)
    assert talk.found("certificate") == []


def test_a_certificate_may_come_before_its_request_is_answered() -> None:
    talk = Tasks()
    id_ = talk.session.call("station", "SignCertificate", {"csr": request()})
    gets(talk, pem(certificate()))
    talk.session.answer("csms", id_, "SignCertificate", {"status": "Accepted"})
    talk.wait(7200)
    assert talk.found("certificate") == []


def test_the_station_may_reject_it() -> None:
    talk = Tasks()
    gets(talk, pem(certificate()), "Rejected")
    assert "CN=CP_7" in talk.the("certificate.rejected-by-station").explanation()


# ------------------------------------------------------------------------------------------------ what is wrong with it


@pytest.mark.parametrize(
    "dates, expected",
    [
        ({"days": -3}, ["certificate.delivered-expired"]),
        ({"days": 5}, ["certificate.delivered-short-lived"]),
        ({"days": 31}, []),
        ({"begins": 2}, ["certificate.delivered-too-early"]),
        ({"begins": 0.002}, []),  # three minutes: the clock of whoever issued it
    ],
)
def test_its_dates(dates: dict[str, Any], expected: list[str]) -> None:
    talk = Tasks()
    gets(talk, pem(certificate(**dates)))
    assert talk.found("certificate") == expected


def test_a_laptop_that_is_years_off_accuses_nobody() -> None:
    talk = Tasks()
    talk.tell("Heartbeat", {}, {"currentTime": "2024-08-31T08:00:00Z"})
    gets(talk, pem(certificate(days=-3, begins=-900)))
    assert talk.found("certificate") == []


@pytest.mark.parametrize(
    "made, expected",
    [
        ({"ca": True}, ["certificate.wrong-usage"]),
        ({"ca": False}, []),
        ({"uses": [SERVER]}, ["certificate.wrong-usage"]),
        ({"uses": [SERVER, CLIENT]}, []),
        ({"of": short_key()}, ["certificate.key-too-short"]),
    ],
)
def test_its_use_and_its_key(made: dict[str, Any], expected: list[str]) -> None:
    talk = Tasks()
    gets(talk, pem(certificate(**made)))
    assert talk.found("certificate") == expected


def test_a_root_must_be_one() -> None:
    assert installs(pem(root())).found("certificate") == []
    assert installs(pem(certificate(ca=False))).found("certificate") == ["certificate.wrong-usage"]
    assert installs(pem(root(days=-1))).found("certificate") == ["certificate.delivered-expired"]


def test_a_certificate_for_another_key_than_the_one_asked_for() -> None:
    talk = Tasks()
    asks(talk)
    gets(talk, pem(certificate(of=key("another"))))
    assert talk.found("certificate") == ["certificate.for-another-key"]


def test_a_chain_in_order_and_one_that_is_not() -> None:
    sub = certificate("Test Sub", "Test Root", ca=True)
    talk = Tasks()
    gets(talk, pem(certificate(issuer="Test Sub"), sub, root()))
    assert talk.found("certificate") == []
    gets(talk, pem(certificate(issuer="Test Sub"), root(), sub))
    assert "CN=Test Root" in talk.the("certificate.chain-broken").explanation()


@pytest.mark.parametrize("status, expected", [("Failed", True), ("Rejected", True), ("Accepted", False)])
def test_an_installation_may_fail(status: str, expected: bool) -> None:
    assert ("certificate.install-failed" in installs(pem(root()), status).found("certificate")) is expected


def test_a_private_key_is_no_longer_private_and_is_not_kept() -> None:
    talk = Tasks()
    gets(talk, pem(certificate()) + private_pem("CP_7"))
    diagnosis = talk.diagnose()
    (finding,) = (one for one in diagnosis.findings if one.kind.id == "certificate.private-key-sent")
    assert finding.severity == "critical"
    assert "MIG" not in finding.explanation()


def test_what_is_no_certificate_is_not_judged() -> None:
    talk = Tasks()
    gets(talk, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
    gets(talk, "x" * 50_000)
    asks(talk, csr="no request")
    assert talk.found("certificate") == ["certificate.message-too-long"]
    assert [bool(seen.unread) for seen in talk.station().certificates.seen] == [True, True, True]


def test_without_the_cryptography_package_certificates_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Tasks()
    asks(talk, "Rejected")
    gets(talk, pem(certificate(days=-3)), "Rejected")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert talk.found("certificate") == [
        "certificate.delivered-expired",
        "certificate.rejected-by-station",
        "certificate.request-refused",
    ]


# -------------------------------------------------------------------------------------------------- deleting and asking


def hashed(serial: str = "a1b2c3d4e5f", issuer: str = "Test Root") -> dict[str, str]:
    name = certificate(issuer=issuer).issuer.public_bytes()
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(name).hexdigest(),
        "issuerKeyHash": "00" * 32,
        "serialNumber": serial,
    }


def deletes(talk: Tasks, status: str, **which: str) -> None:
    talk.order("DeleteCertificate", {"certificateHashData": hashed(**which)}, {"status": status})


def test_a_station_must_not_delete_its_own_certificate() -> None:
    talk = Tasks()
    gets(talk, pem(certificate()))
    deletes(talk, "Accepted", serial="0A1B2C3D4E5F")
    assert talk.found("certificate") == ["certificate.hash-form", "certificate.own-deleted"]


def test_it_is_right_to_refuse_that_and_to_delete_others() -> None:
    talk = Tasks()
    gets(talk, pem(certificate()))
    deletes(talk, "Failed")
    deletes(talk, "Accepted", issuer="Other Root")
    deletes(talk, "NotFound", serial="77")
    assert talk.found("certificate") == []


def test_another_one_that_cannot_be_deleted() -> None:
    talk = Tasks()
    deletes(talk, "Failed")
    assert talk.found("certificate") == ["certificate.delete-failed"]


def test_the_station_lists_what_it_has() -> None:
    talk = Tasks()
    talk.order(
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [hashed(), "no hash"]},
    )
    certificates = talk.station().certificates
    assert [one.serial for one in certificates.installed] == ["a1b2c3d4e5f"]
    deletes(talk, "Accepted")
    assert talk.station().certificates.installed == {}


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("Failed", ["certificate.contract-failed"])])
def test_a_contract_certificate_for_the_vehicle(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    call = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": "AA=="}
    talk.tell("Get15118EVCertificate", call, {"status": status, "exiResponse": ""})
    assert talk.found("certificate") == expected


@pytest.mark.parametrize("status, expected", [("Accepted", []), ("Failed", ["certificate.status-failed"])])
def test_whether_a_certificate_is_revoked(status: str, expected: list[str]) -> None:
    talk = Tasks("2.0.1")
    data = {**hashed(), "responderURL": "http://ocsp.example"}
    talk.tell("GetCertificateStatus", {"ocspRequestData": data}, {"status": status})
    assert talk.found("certificate") == expected
