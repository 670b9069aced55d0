"""Revocation states, contracts and signed firmware inside of messages."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from fieldkit.checks.certificate_firmware import misshapen
from tests.checks.test_certificate_content import ROOT, SUB, made, text
from tests.checks.test_certificate_hashes import pointing
from tests.traffic.made_certificates import TODAY
from tests.traffic.task_talk import Tasks
from tests.trust.pki import CLIENT, SERVER, Made, name, usage

LEAF = made(name("DE-ABC-S-1", o="Test", dc="CPO"), SUB)


def response(
    of: Made = LEAF,
    by: Made = SUB,
    *,
    status: str = "GOOD",
    since: float = -1,
    until: float | None = 3,
    signer: Made | None = None,
) -> str:
    """An OCSP response in base64; times in days from the conversation."""
    revoked = status == "REVOKED"
    made_ = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=of.x509,
            issuer=by.x509,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus[status],
            this_update=TODAY + timedelta(days=since),
            next_update=None if until is None else TODAY + timedelta(days=until),
            revocation_time=TODAY - timedelta(days=20) if revoked else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, (signer or by).x509)
        .sign((signer or by).key, hashes.SHA256())
    )
    return base64.b64encode(made_.public_bytes(Encoding.DER)).decode()


def asked(result: str, *, known: bool = True, url: str = "http://ocsp.example", **wrong: str) -> Tasks:
    talk = Tasks("2.0.1")
    if known:
        given = {"certificateChain": text(LEAF, SUB), "certificateType": "V2GCertificate"}
        talk.order("CertificateSigned", given, {"status": "Accepted"})
    data = {**pointing(LEAF, SUB), "responderURL": url, **wrong}
    talk.tell("GetCertificateStatus", {"ocspRequestData": data}, {"status": "Accepted", "ocspResult": result})
    return talk


def ids(talk: Tasks) -> list[str]:
    return [id_ for id_ in talk.found("certificate") if "v2g" not in id_]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("made_", "expected"),
    [
        ({}, []),
        ({"until": None, "since": -6}, []),
        ({"until": None, "since": -8}, ["certificate.status-stale"]),
        ({"until": -0.5, "since": -3}, ["certificate.status-stale"]),
        ({"until": -0.002, "since": -3}, []),  # three minutes: clocks differ
        ({"since": 1}, ["certificate.status-stale"]),
        ({"status": "REVOKED"}, ["certificate.status-revoked"]),
        ({"status": "UNKNOWN"}, ["certificate.status-unusable"]),
        ({"of": SUB, "by": ROOT}, ["certificate.status-unusable"]),
    ],
)
def test_what_the_csms_passes_on(made_: dict[str, Any], expected: list[str], known: bool) -> None:
    assert ids(asked(response(**made_), known=known)) == expected


def test_who_signed_it_can_be_told_only_with_the_certificates() -> None:
    stranger = made("Test Sub", ROOT, ca=True, key_name="stranger")
    result = response(signer=stranger)
    assert ids(asked(result, known=True)) == ["certificate.status-unusable"]
    assert ids(asked(result, known=False)) == []


def test_what_is_no_response() -> None:
    assert ids(asked(base64.b64encode(b"\x30\x03\x0a\x01\x06").decode())) == ["certificate.status-unusable"]
    assert ids(asked(base64.b64encode(b"\x30\x82\x01").decode())) == ["certificate.status-unusable"]
    assert ids(asked("no base64!")) == ["certificate.status-unusable"]
    assert ids(asked("Zm9yIHRlc3Rz")) == [], "an anonymised log"


def test_a_responder_without_an_address() -> None:
    assert ids(asked(response(), url=" ")) == ["certificate.status-no-responder"]


def test_chains_of_21() -> None:
    talk = Tasks("2.1")
    hashed = pointing(LEAF, SUB)
    request = {"source": "OCSP", "urls": ["http://ocsp.example"], "certificateHashData": hashed}
    for status, days in (("Good", 1.0), ("Failed", 1.0), ("Good", -1.0), ("Revoked", 1.0)):
        entry = {
            "certificateHashData": hashed,
            "source": "OCSP",
            "status": status,
            "nextUpdate": talk.now(days * 86_400),
        }
        talk.tell("GetCertificateChainStatus", {"certificateStatusRequests": [request]}, {"certificateStatus": [entry]})
    assert talk.found("certificate") == ["certificate.status-revoked", "certificate.status-stale"]


# -------------------------------------------------------------------------------------------------------------- contracts

EMAID = "DEABCC12345678"


def contract(common: str = EMAID, **more: Any) -> Made:
    return made(name(common, o="MO", dc="MO"), SUB, **more)


def authorizes(shown: Made, token: str = EMAID, status: str = "Accepted", type_: str = "eMAID") -> Tasks:
    talk = Tasks("2.0.1")
    payload = {"idToken": {"idToken": token, "type": type_}, "certificate": text(shown, SUB)}
    talk.tell("Authorize", payload, {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": status})
    return talk


@pytest.mark.parametrize(
    ("common", "token", "expected"),
    [
        (EMAID, EMAID, []),
        ("DE-ABC-C12345678-9", EMAID, []),
        (EMAID, "de-abc-c12345678", []),
        (EMAID, "DEABCC12345679", ["certificate.contract-name"]),
        (EMAID, EMAID[:-1], ["certificate.contract-name"]),
    ],
)
def test_a_contract_and_its_token(common: str, token: str, expected: list[str]) -> None:
    assert authorizes(contract(common), token).found("certificate") == expected
    assert authorizes(contract(common), token, type_="Central").found("certificate") == []


def test_contracts_are_masked() -> None:
    finding = authorizes(contract(), "DEABCC99999999").the("certificate.contract-name")
    assert EMAID not in finding.explanation()
    assert EMAID in finding.explanation(show_ids=True)


@pytest.mark.parametrize(
    ("days", "status", "expected"),
    [
        ((-30, 60), "Accepted", []),
        ((-30, 60), "CertificateRevoked", []),
        ((-30, 60), "CertificateExpired", ["certificate.contract-status"]),
        ((-30, -1), "CertificateExpired", ["certificate.contract-expired"]),
        ((-30, -1), "Accepted", ["certificate.contract-expired", "certificate.contract-status"]),
        ((0.002, 60), "Accepted", []),
    ],
)
def test_a_contract_and_the_verdict_on_it(days: tuple[float, float], status: str, expected: list[str]) -> None:
    assert authorizes(contract(days=days), status=status).found("certificate") == expected


def wants(version: str = "2.0.1", request: str = "", answer: str = "") -> Tasks:
    talk = Tasks(version)
    call = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install", "exiRequest": request or EXI}
    talk.tell("Get15118EVCertificate", call, {"status": "Accepted", "exiResponse": answer or EXI})
    return talk


EXI = base64.b64encode(b"\x80\x9a\x02" + bytes(range(100))).decode()


def test_exi_that_is_none_or_too_long() -> None:
    assert wants().found("certificate") == []
    assert wants(answer="AA==").found("certificate") == [], "as test stations send it"
    assert wants(answer=base64.b64encode(b"<xml>" * 20).decode()).found("certificate") == ["certificate.exi-unreadable"]
    long = base64.b64encode(b"\x80" + bytes(6000)).decode()
    assert wants(answer=long).found("certificate") == ["certificate.exi-too-long"]
    assert wants("2.1", answer=long).found("certificate") == []


def test_contract_certificates_inside_of_exi_are_kept() -> None:
    inner = contract()
    answer = base64.b64encode(b"\x80\x9a\x02\x10" + inner.der + b"\x01").decode()
    (seen,) = wants(answer=answer).station().certificates.seen
    assert [one.common_name for one in seen.chain] == [EMAID]


# --------------------------------------------------------------------------------------------------------------- firmware

SIGNER = made("Firmware", ROOT, usages=usage("digital_signature"))
RSA_SIGNER = made("Firmware", ROOT, kind="rsa2048")


def signed(by: Made) -> bytes:
    if isinstance(by.key, ec.EllipticCurvePrivateKey):
        return by.key.sign(b"firmware", ec.ECDSA(hashes.SHA256()))
    return bytes(by.key.sign(b"firmware", padding.PKCS1v15(), hashes.SHA256()))


def updates(by: Made, signature: str | None = None, version: str = "2.0.1", install: float = 3600) -> list[str]:
    talk = Tasks(version)
    firmware = {
        "location": "https://files.example/fw.bin", "retrieveDateTime": talk.now(), "installDateTime": talk.now(install),
        "signingCertificate": text(by), "signature": signature or base64.b64encode(signed(by)).decode(),
    }  # fmt: skip
    action = "SignedUpdateFirmware" if version == "1.6" else "UpdateFirmware"
    talk.order(action, {"requestId": 1, "firmware": firmware})
    return talk.found("certificate")


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("by", [SIGNER, RSA_SIGNER], ids=["ec", "rsa"])
def test_firmware_that_is_signed_well(by: Made, version: str) -> None:
    assert updates(by, version=version) == []


UNFIT = ["certificate.firmware-signer-unfit"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ({"days": (-90, -1)}, UNFIT),
        ({"days": (1, 90)}, UNFIT),
        ({"days": (-90, 1)}, []),
        ({"usages": usage("key_agreement")}, UNFIT),
        ({"uses": [SERVER, CLIENT]}, UNFIT),
        ({"kind": "rsa1024"}, UNFIT),
    ],
)
def test_signers(by: dict[str, Any], expected: list[str]) -> None:
    assert updates(made("Firmware", ROOT, **by)) == expected


def test_a_signer_that_ends_before_the_firmware_is_to_be_installed() -> None:
    short = made("Firmware", ROOT, days=(-90, 1))
    assert updates(short, install=2 * 86_400) == UNFIT
    assert updates(short, install=3600) == []


def test_signatures_that_cannot_be_one() -> None:
    shape = ["certificate.firmware-signature-shape"]
    raw = signed(RSA_SIGNER)
    assert updates(RSA_SIGNER, raw.hex()) == shape
    assert updates(RSA_SIGNER, base64.b64encode(base64.b64encode(raw)).decode()) == shape
    assert updates(RSA_SIGNER, base64.b64encode(raw[:-1]).decode()) == shape
    assert "hexadecimal" in misshapen(raw.hex(), RSA_SIGNER.read)
    assert "twice" in misshapen(base64.b64encode(base64.b64encode(raw)).decode(), RSA_SIGNER.read)
    assert updates(SIGNER, base64.b64encode(raw).decode()) == shape
    assert misshapen(base64.b64encode(bytes([1] * 64)).decode(), SIGNER.read) == "", "two numbers without DER"
    other = ec.generate_private_key(ec.SECP384R1()).sign(b"firmware", ec.ECDSA(hashes.SHA256()))
    assert "curve" in misshapen(base64.b64encode(other).decode(), SIGNER.read)
