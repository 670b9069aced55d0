"""Certificates and requests inside of messages: what is wrong with them, through real packets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.site.certificateread import certificates_in, cut_off, from_exi, read_chain, read_csr
from tests.traffic.conversation import MONDAY
from tests.traffic.task_talk import Tasks
from tests.trust.pki import AT, DAY, Made, issue, key, name, usage

LATER = (MONDAY - AT) / DAY
"""Days from the certificates' NOW to the conversation."""


def made(*args: Any, days: tuple[float, float] = (-30, 300), **more: Any) -> Made:
    return issue(*args, days=(LATER + days[0], LATER + days[1]), **more)


def csr(subject: x509.Name, kind: str = "p256", key_name: str = "", *, damaged: bool = False) -> str:
    own = key(key_name or subject.rfc4514_string(), kind)
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(own, hashes.SHA256())
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= damaged  # the signature stands at the end
    lines = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n"


def text(*chain: Made) -> str:
    return "".join(one.pem.decode() for one in chain)


def boot(talk: Tasks, serial: str = "SN-1234") -> None:
    answer = {"currentTime": talk.now(), "interval": 300, "status": "Accepted"}
    station = {"model": "Wall 22", "vendorName": "Testwerk", "serialNumber": serial}
    talk.tell("BootNotification", {"reason": "PowerUp", "chargingStation": station}, answer)


def asked_and_got(request: str, chain: str, use: str = "ChargingStationCertificate", version: str = "2.0.1") -> Tasks:
    talk = Tasks(version)
    talk.tell("SignCertificate", {"csr": request, "certificateType": use}, {"status": "Accepted"})
    talk.order("CertificateSigned", {"certificateChain": chain, "certificateType": use}, {"status": "Accepted"})
    return talk


ROOT = made("Test Root", ca=True, days=(-900, 9000))
SUB = made("Test Sub", ROOT, ca=True, days=(-900, 4000))
WHO = name("SN-1234", o="Example Energy")


# ------------------------------------------------------------------------------------------------------ what was asked


def test_a_good_request_and_its_certificate() -> None:
    assert asked_and_got(csr(WHO), text(made(WHO, SUB), SUB)).found("certificate", "cert") == []


def test_a_name_that_is_not_the_stations() -> None:
    talk = Tasks("2.0.1")
    boot(talk)
    talk.tell("SignCertificate", {"csr": csr(name("somebody else"))}, {"status": "Accepted"})
    found = talk.the("certificate.request-name")
    assert (found.severity, '"SN-1234"' in found.explanation()) == ("info", True)


@pytest.mark.parametrize("common", ["SN-1234", "sn-1234", "DE*ABC*SN-1234", "CP_7"])
def test_names_that_are(common: str) -> None:
    talk = Tasks("2.0.1")
    boot(talk)
    talk.tell("SignCertificate", {"csr": csr(name(common))}, {"status": "Accepted"})
    assert talk.found("certificate") == []


@pytest.mark.parametrize(("owner", "expected"), [("Example Energy", []), ("Other", ["certificate.request-owner"])])
def test_the_operator_in_a_request(owner: str, expected: list[str]) -> None:
    talk = Tasks("1.6")
    talk.order(
        "GetConfiguration",
        {"key": ["CpoName"]},
        {"configurationKey": [{"key": "CpoName", "readonly": False, "value": "example energy"}]},
    )
    talk.tell("SignCertificate", {"csr": csr(name("SN-1234", o=owner))}, {"status": "Accepted"})
    assert talk.found("certificate") == expected


def test_a_request_that_is_signed_with_another_key_or_for_a_short_one() -> None:
    talk = Tasks("2.0.1")
    talk.tell("SignCertificate", {"csr": csr(WHO, damaged=True)}, {"status": "Accepted"})
    assert talk.found("cert") == ["cert.request-signature-wrong"]
    talk = Tasks("2.0.1")
    talk.tell("SignCertificate", {"csr": csr(WHO, "rsa1024")}, {"status": "Accepted"})
    assert talk.found("cert") == ["cert.request-key-too-short"]


# ------------------------------------------------------------------------------------------------------ what was given


def test_a_certificate_for_another_name() -> None:
    other = made(name("CP_8", o="Example Energy"), SUB, key_name=WHO.rfc4514_string())
    assert asked_and_got(csr(WHO), text(other, SUB)).found("certificate") == ["certificate.for-another-name"]
    same = made(name("sn-1234", o="Other"), SUB, key_name=WHO.rfc4514_string())
    assert asked_and_got(csr(WHO), text(same, SUB)).found("certificate") == []


def test_a_request_of_21_is_told_by_its_number() -> None:
    talk = Tasks("2.1")
    for number, key_name in ((1, "first"), (2, "second")):
        request = {"csr": csr(WHO, key_name=key_name), "requestId": number}
        talk.tell("SignCertificate", request, {"status": "Accepted"})
    given = {"certificateChain": text(made(WHO, SUB, key_name="first"), SUB), "requestId": 1}
    talk.order("CertificateSigned", given)
    assert talk.found("certificate") == []
    talk.order("CertificateSigned", {**given, "requestId": 2})
    assert talk.found("certificate") == ["certificate.for-another-key"]


def test_an_issuer_whose_key_is_another_one() -> None:
    impostor = made("Test Sub", ROOT, ca=True, key_name="another key of the sub CA")
    leaf = made(WHO, SUB)
    talk = asked_and_got(csr(WHO), text(leaf, impostor))
    assert talk.found("certificate") == ["certificate.signature-wrong"]
    assert "CN=Test Sub" in talk.the("certificate.signature-wrong").explanation()


def test_a_root_that_is_installed_and_did_not_sign() -> None:
    talk = Tasks("2.0.1")
    stranger = made("Test Root", ca=True, key_name="another root key")
    order = {"certificateType": "CSMSRootCertificate", "certificate": text(stranger)}
    talk.order("InstallCertificate", order)
    talk.order("CertificateSigned", {"certificateChain": text(made(WHO, SUB), SUB)})
    assert talk.found("certificate") == ["certificate.signature-wrong"]
    talk = Tasks("2.0.1")
    talk.order("InstallCertificate", {**order, "certificate": text(ROOT)})
    talk.order("CertificateSigned", {"certificateChain": text(made(WHO, SUB), SUB)})
    assert talk.found("certificate") == []


@pytest.mark.parametrize(
    ("version", "names", "expected"),
    [("2.0.1", 60, []), ("2.0.1", 160, ["certificate.message-too-long"]), ("2.1", 160, [])],
)
def test_a_root_that_is_too_long(version: str, names: int, expected: list[str]) -> None:
    hosts = [f"host-{number:04}.example.org" for number in range(names)]
    root = made("Test Root", ca=True, hosts=hosts)
    talk = Tasks(version)
    talk.order("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": text(root)})
    assert talk.found("certificate") == expected


@pytest.mark.parametrize(("limit", "expected"), [("1400", ["certificate.message-too-long"]), ("10000", [])])
def test_a_chain_that_is_longer_than_the_station_takes(limit: str, expected: list[str]) -> None:
    talk = Tasks("1.6")
    setting = {"key": "CertificateSignedMaxChainSize", "readonly": True, "value": limit}
    talk.order("GetConfiguration", {"key": []}, {"configurationKey": [setting]})
    chain = text(made(WHO, SUB), SUB)
    assert 1400 < len(chain) < 10_000
    talk.order("CertificateSigned", {"certificateChain": chain})
    assert talk.found("certificate") == expected


def test_roots_that_are_none() -> None:
    def installed(*chain: Made, use: str = "CSMSRootCertificate") -> list[str]:
        talk = Tasks("2.0.1")
        talk.order("InstallCertificate", {"certificateType": use, "certificate": text(*chain)})
        return talk.found("certificate")

    assert installed(ROOT) == []
    assert installed(SUB) == ["certificate.wrong-usage"], "an intermediate certificate"
    assert installed(ROOT, SUB) == ["certificate.wrong-usage"], "two in one message"
    assert installed(made("Test Root", ca=True, signer=key("stranger"))) == ["certificate.signature-wrong"]
    v2g: dict[str, Any] = {"ca": True, "days": (-30, 9000)}
    assert installed(made(name("V2G Root", o="Test", dc="V2G"), **v2g), use="V2GRootCertificate") == []
    assert installed(made(name("V2G Root", o="Test"), **v2g), use="V2GRootCertificate") == ["certificate.v2g-unfit"]


@pytest.mark.parametrize(("dc", "expected"), [("CPO", []), ("", ["certificate.v2g-unfit"])])
def test_a_secc_leaf(dc: str, expected: list[str]) -> None:
    sub = made(name("CPO Sub 2", o="Test", dc="CPO"), ROOT, ca=True, length=0)
    who = name("DE-ABC-S-1", o="Test", dc=dc)
    leaf = made(who, sub, days=(-1, 60), usages=usage("digital_signature"))
    talk = asked_and_got(csr(who), text(leaf, sub), "V2GCertificate")
    assert talk.found("certificate") == expected


def test_a_certificate_that_is_cut_off() -> None:
    whole = text(made(WHO, SUB))
    lines = whole.splitlines()
    torn = "\n".join([*lines[:5], lines[-1]])
    talk = Tasks("2.0.1")
    talk.order("CertificateSigned", {"certificateChain": torn}, {"status": "Rejected"})
    assert "certificate.unreadable" in talk.found("certificate")
    talk = Tasks("2.0.1")
    talk.order("CertificateSigned", {"certificateChain": whole.replace("\n", "\\n")})
    assert talk.found("certificate") == [], "line ends that are escaped twice"


# ------------------------------------------------------------------------------------------------- 1.6, Plug & Charge


def test_messages_inside_of_data_transfer() -> None:
    def wrapped(name_: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": name_, "data": json.dumps(payload)}

    talk = Tasks("1.6")
    accepted = {"status": "Accepted", "data": json.dumps({"status": "Accepted"})}
    who = name("DE-ABC-S-1", o="Test", dc="CPO")
    talk.tell(
        "DataTransfer", wrapped("SignCertificate", {"csr": csr(who), "certificateType": "V2GCertificate"}), accepted
    )
    leaf = made(who, SUB, days=(-1, 60), key_name="not the one of the request")
    given = {"certificateChain": text(leaf), "certificateType": "V2GCertificate"}
    talk.order("DataTransfer", wrapped("CertificateSigned", given), accepted)
    assert talk.found("certificate") == ["certificate.for-another-key"]
    assert list(talk.station().certificates.own) == ["V2GCertificate"]


# ---------------------------------------------------------------------------------------------------- hostile, in bits


def test_certificates_inside_of_exi_are_found_at_any_bit() -> None:
    inner = made(WHO, SUB)
    for shift in range(8):
        bits = int.from_bytes(b"\x80\x9a\x02" + inner.der + b"\x55" * 40, "big") << (8 - shift)
        data = bits.to_bytes((bits.bit_length() + 7) // 8, "big")
        assert [one.der for one in certificates_in(data)] == [inner.der], shift


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    body = base64.b64encode(data).decode()
    read_chain(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----")
    read_csr(f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----")
    read_chain(body)
    from_exi(body)
    certificates_in(data)
    cut_off(data)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 700), st.integers(0, 255))
def test_a_damaged_certificate_raises_nowhere(at: int, value: int) -> None:
    der = bytearray(SUB.der)
    der[at % len(der)] = value
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(bytes(der)).decode()}\n-----END CERTIFICATE-----"
    talk = Tasks("2.0.1")
    talk.order("CertificateSigned", {"certificateChain": text(made(WHO, SUB)) + pem})
    talk.order("InstallCertificate", {"certificateType": "V2GRootCertificate", "certificate": pem})
    talk.diagnose()  # asserts that no check failed
