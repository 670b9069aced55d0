"""Every finding of the posture, on a server that has just this defect; and none on servers that have none."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from fieldkit.trust.profiles import shown_profile
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.probing import HARMLESS, ids, look
from tests.sources.tlsprobe.servers import (
    Canned,
    Web,
    good_pairs,
    python_server,
    s_server,
    serving,
)

DAY = dt.timedelta(days=1)
OCPP4 = (0xC02B, 0xC02C, 0x009C, 0x009D)


# ------------------------------------------------------------------------------------------------------------- good ones


def test_a_good_server_gives_no_finding(tmp_path: Path, ca: str) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path)) as port:
        result = look(port, ca=ca, path="/ocpp/CP_7")
        posture = result.postures[0]
    assert ids(result) == set()
    assert {version for version, yes in posture.versions.items() if yes} == {0x0303, 0x0304}
    assert set(posture.accepted(0x0303)) == {*OCPP4, 0xC02F}
    assert set(posture.accepted(0x0304)) == {0x1301, 0x1302, 0x1303}
    assert {29, 23} <= set(posture.groups)
    assert [spoken.chosen for spoken in posture.spoken] == ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
    assert posture.connections <= 40
    assert posture.sent + posture.received <= 40_000
    assert not posture.cut
    assert posture.client_renegotiation is False
    assert posture.fallback_scsv is True
    assert posture.tickets is True
    assert posture.resumption is True
    assert len(posture.shown) == 2


def test_a_good_server_with_tls12_alone(tmp_path: Path, ca: str) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path), newest=ssl.TLSVersion.TLSv1_2) as port:
        result = look(port, ca=ca)
    assert ids(result) == {"tls.tls1.3-missing"}
    assert result.postures[0].groups[:2] in ([29, 23], [23, 29])


# -------------------------------------------------------------------------------------------------- versions and suites


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"versions": (0x0300, 0x0303)}, {"tls.sslv3-accepted"}),
        ({"versions": (0x0301, 0x0303)}, {"tls.tls1.0-accepted"}),
        ({"versions": (0x0302, 0x0303)}, {"tls.tls1.1-accepted"}),
        ({"suites": (*OCPP4, 0x003B)}, {"tls.null-suite"}),
        ({"suites": (*OCPP4, 0x0034)}, {"tls.anon-suite"}),
        ({"suites": (*OCPP4, 0x0008)}, {"tls.export-suite"}),
        ({"suites": (*OCPP4, 0x0005)}, {"tls.rc4-suite"}),
        ({"suites": (*OCPP4, 0x000A)}, {"tls.3des-suite"}),
        ({"suites": (*OCPP4, 0x0014), "dh_bits": 512}, {"tls.export-suite", "tls.dh-too-short"}),
        ({"suites": (*OCPP4, 0x002F)}, set()),
        ({"suites": (*OCPP4, 0x0033), "dh_bits": 1024}, {"tls.dh-too-short"}),
        ({"suites": (*OCPP4, 0x0033)}, set()),
        ({"compression": True, "suites": OCPP4}, {"tls.tls-compression"}),
        ({"suites": (0x009C, 0x009D)}, {"tls.no-forward-secrecy"}),
        ({"suites": (0xC02F, 0xC030)}, {"tls.ocpp-suites-missing"}),
        ({"suites": (0xC02B, 0xC02F, 0x009D)}, {"tls.ocpp-suites-missing"}),
        ({"suites": OCPP4, "longest": 200}, {"tls.hello-size-intolerant"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_what_no_library_speaks_any_more(rsa: list[bytes], ca: str, settings: Any, expected: set[str]) -> None:
    settings = {"suites": OCPP4, **settings}
    if any(version < 0x0303 for version in settings.get("versions", ())):
        settings["suites"] = (*OCPP4, 0x0005)  # something that these versions have
        expected = expected | {"tls.rc4-suite"}
    with serving(Canned(rsa, **settings)) as port:
        found = ids(look(port, ca=ca, speak=False))
    assert found - HARMLESS == expected
    assert ("tls.cbc-suite" in found) == any(one in (0x002F, 0x0033, 0x000A) for one in settings["suites"])


def test_a_server_with_tls13_alone(tmp_path: Path, ca: str) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path), oldest=ssl.TLSVersion.TLSv1_3) as port:
        result = look(port, ca=ca)
    assert ids(result) == {"tls.tls1.2-missing"}
    assert len(result.postures[0].shown) == 2  # the RSA certificate is asked for by signature algorithms


def test_openssl_with_everything_it_still_has(tmp_path: Path, ca: str) -> None:
    certificate, key = pki.make(issuer=pki.root(), kind="rsa2048").files(tmp_path, "rsa")
    arguments = [
        "-cert",
        certificate,
        "-key",
        key,
        "-cipher",
        "ALL:COMPLEMENTOFALL:@SECLEVEL=0",
        "-client_renegotiation",
    ]
    with s_server(*arguments) as port:
        result = look(port, ca=ca, speak=False)
    found = ids(result)
    assert {"tls.tls1.0-accepted", "tls.tls1.1-accepted", "tls.null-suite", "tls.anon-suite"} <= found
    assert "tls.client-renegotiation" in found
    assert not found & {"tls.sslv3-accepted", "tls.rc4-suite", "tls.3des-suite", "tls.ocpp-suites-missing"}
    assert result.postures[0].connections <= 40


@pytest.mark.parametrize("curve", ["X25519", "P-521", "X448:P-384"])
@pytest.mark.parametrize("allowed", [True, False])
def test_renegotiation_where_there_is_one_curve(tmp_path: Path, ca: str, curve: str, allowed: bool) -> None:
    certificate, key = pki.make(issuer=pki.root()).files(tmp_path, "ec")
    more = ("-client_renegotiation",) if allowed else ("-no_renegotiation",)
    with s_server("-cert", certificate, "-key", key, "-curves", curve, *more) as port:
        result = look(port, ca=ca, speak=False)
    assert result.postures[0].client_renegotiation is allowed
    assert ("tls.client-renegotiation" in ids(result)) == allowed


def test_a_dh_group_of_openssl(tmp_path: Path, ca: str) -> None:
    certificate, key = pki.make(issuer=pki.root(), kind="rsa2048").files(tmp_path, "rsa")
    params = tmp_path / "dh.pem"
    params.write_text(_DH_1024)
    arguments = ["-cert", certificate, "-key", key, "-dhparam", str(params), "-cipher", "ALL:@SECLEVEL=0", "-tls1_2"]
    with s_server(*arguments) as port:
        result = look(port, ca=ca, speak=False)
    assert result.postures[0].dh_bits == 1024
    assert "tls.dh-too-short" in ids(result)


# --------------------------------------------------------------------------------------------------------- certificates


def _chain(**made: Any) -> list[pki.Made]:
    return [pki.make(issuer=pki.intermediate(), **made), pki.intermediate()]


def _expired_root() -> list[pki.Made]:
    old = pki.make("Test Root", kind="ec", number=100, ca=True, organization="Test", begin=-400 * DAY, end=-DAY)
    return [pki.make(issuer=old), old]


_CHAINS: dict[str, tuple[Any, set[str]]] = {
    "expired": (lambda: _chain(begin=-90 * DAY, end=-DAY), {"tls.cert-expired"}),
    "not yet": (lambda: _chain(begin=DAY), {"tls.cert-not-yet-valid"}),
    "soon": (lambda: _chain(end=6 * DAY, begin=-90 * DAY), {"tls.cert-expires-soon"}),
    "years": (lambda: _chain(end=5400 * DAY), {"tls.validity-too-long"}),
    "self-signed": (lambda: [pki.make()], {"tls.self-signed"}),
    "unknown root": (
        lambda: [pki.make(issuer=pki.make("Other", number=103, ca=True)), pki.make("Other", number=103, ca=True)],
        {"tls.untrusted"},
    ),
    "no intermediate": (lambda: _chain(issuer_url="http://127.0.0.1:9/")[:1], {"tls.chain-incomplete"}),
    "order": (
        lambda: [pki.make(issuer=_sub2()), pki.intermediate(), _sub2()],
        {"tls.chain-order"},
    ),
    "extra": (lambda: [*_chain(), pki.make("Foreign", number=104, ca=True)], {"tls.chain-extra-cert"}),
    "root": (lambda: [*_chain(), pki.root()], set()),
    "expired intermediate": (
        lambda: [pki.make(issuer=_old_sub()), _old_sub()],
        {"tls.intermediate-expired"},
    ),
    "no CA": (lambda: [pki.make(issuer=_no_ca()), _no_ca()], {"tls.intermediate-not-ca"}),
    "other name": (lambda: _chain(cn="other.example", names=("other.example",)), {"tls.hostname-mismatch"}),
    "CN only": (lambda: _chain(names=None), {"tls.san-missing"}),
    "no CN": (lambda: _chain(cn=None), {"tls.cn-missing"}),
    "no O": (lambda: _chain(organization=None), {"tls.o-missing"}),
    "RSA 1024": (lambda: _chain(kind="rsa1024"), {"tls.rsa-key-too-short"}),
    "P-192": (lambda: _chain(kind="SECP192R1"), {"tls.ec-key-too-short"}),
    "P-521": (lambda: _chain(kind="SECP521R1"), set()),
    "client purpose": (lambda: _chain(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)), {"tls.eku-wrong"}),
    "no key usage": (lambda: _chain(usage=False), {"tls.key-usage-missing"}),
    "huge": (lambda: _chain(padding=5000), {"tls.cert-over-5500"}),
    "no status": (lambda: _chain(status=False), set()),
}


def _sub2() -> pki.Made:
    return pki.make("Test Sub 2", pki.intermediate(), number=105, ca=True, organization="Test")


def _old_sub() -> pki.Made:
    return pki.make("Old Sub", pki.root(), number=106, ca=True, begin=-400 * DAY, end=-DAY)


def _no_ca() -> pki.Made:
    return pki.make("No CA", pki.root(), number=107, status=False)


@pytest.mark.parametrize("name", _CHAINS)
def test_certificates(name: str, ca: str) -> None:
    make, expected = _CHAINS[name]
    with serving(Canned([one.der for one in make()], suites=OCPP4)) as port:
        found = ids(look(port, ca=ca, speak=False))
    assert found - HARMLESS == expected
    assert ("tls.root-sent" in found) == (name in ("root", "unknown root"))
    assert ("tls.no-ocsp-no-crl" in found) == (name == "no status")
    assert ("tls.key-type-unusual" in found) == (name == "P-521")


def test_an_expired_root(tmp_path: Path) -> None:
    chain = _expired_root()
    path = tmp_path / "old.pem"
    path.write_bytes(chain[1].pem)
    with serving(Canned([one.der for one in chain], suites=OCPP4)) as port:
        assert ids(look(port, ca=str(path), speak=False)) - HARMLESS == {"tls.root-expired"}


@pytest.mark.parametrize(
    "kind, shown",
    [
        ("SECP521R1", "EC secp521r1"),
        ("BrainpoolP256R1", "EC brainpoolP256r1"),
        ("ed25519", "Ed25519"),
        ("ed448", "Ed448"),
    ],
)
def test_unusual_keys_on_a_real_server(tmp_path: Path, ca: str, kind: str, shown: str) -> None:
    certificate, key = pki.make(issuer=pki.root(), kind=kind).files(tmp_path, "odd")
    with s_server("-cert", certificate, "-key", key) as port:
        result = look(port, ca=ca, upgrade=False)
    found = {fault.id: fault for fault in result.judged[0].faults}
    assert found["tls.key-type-unusual"].values["key"] == shown
    # That our own OpenSSL does not offer a curve is nothing that the server does wrong.
    assert not {"tls.untrusted", "tls.ec-key-too-short", "tls.handshake-failed"} & set(found)


def test_sha1(tmp_path: Path, ca: str) -> None:
    der = pki.sha1_signed(tmp_path)
    with serving(Canned([der, pki.intermediate().der], suites=OCPP4)) as port:
        assert "tls.sha1-signature" in ids(look(port, ca=ca, speak=False))


@pytest.mark.parametrize(
    "revoked, age, expected",
    [
        (False, dt.timedelta(hours=1), set()),
        (True, dt.timedelta(hours=1), {"tls.staple-revoked"}),
        (False, dt.timedelta(days=9), {"tls.staple-expired"}),
    ],
    ids=["good", "revoked", "expired"],
)
def test_staples(ca: str, revoked: bool, age: dt.timedelta, expected: set[str]) -> None:
    leaf, issuer = _chain()
    answer = pki.staple(leaf, issuer, revoked=revoked, age=age)
    with serving(Canned([leaf.der, issuer.der], suites=OCPP4, staple=answer)) as port:
        result = look(port, ca=ca, speak=False)
    assert ids(result) - HARMLESS == expected
    assert result.judged[0].observed.stapled


@pytest.mark.parametrize(
    "answer", [b"no response", b"\x30\x03\x0a\x01\x06", b"\x30"], ids=["text", "unauthorized", "cut"]
)
def test_a_staple_that_is_none(ca: str, answer: bytes) -> None:
    leaf, issuer = _chain()
    with serving(Canned([leaf.der, issuer.der], suites=OCPP4, staple=answer)) as port:
        found = ids(look(port, ca=ca, speak=False))
    assert found - HARMLESS == {"tls.staple-invalid"}


def test_a_staple_in_tls13(tmp_path: Path, ca: str) -> None:
    leaf = pki.make(issuer=pki.root(), kind="rsa2048")
    certificate, key = leaf.files(tmp_path, "rsa")
    status = tmp_path / "status.der"
    status.write_bytes(pki.staple(leaf, pki.root(), revoked=True))
    with s_server("-cert", certificate, "-key", key, "-status_file", str(status), "-tls1_3") as port:
        found = ids(look(port, ca=ca, speak=False))
    assert "tls.staple-revoked" in found


def test_asking_the_responder_and_fetching_the_issuer(tmp_path: Path, ca: str) -> None:
    asked: list[bytes] = []
    responses: dict[bytes, bytes] = {}

    def responder(connection: Any) -> None:
        head = connection.recv(4096)
        asked.append(head)
        body = responses[head.split()[0]]
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with serving(responder) as http:
        url = f"http://127.0.0.1:{http}/"
        leaf = pki.make(issuer=pki.intermediate(), ocsp_url=url, issuer_url=url)
        responses[b"POST"] = pki.staple(leaf, pki.intermediate(), revoked=True)
        responses[b"GET"] = pki.intermediate().der
        with serving(Canned([leaf.der], suites=OCPP4)) as port:
            quiet = ids(look(port, ca=ca, speak=False))
            assert not asked, "nobody is asked without consent"
            assert "tls.chain-incomplete" in quiet
            found = ids(look(port, ca=ca, speak=False, fetch=True, revocation=True))
        responses[b"POST"] = b"an error page"
        with serving(Canned([leaf.der], suites=OCPP4)) as port:
            confused = look(port, ca=ca, speak=False, revocation=True, fetch=True)
    assert {"tls.chain-incomplete", "tls.cert-revoked"} <= found
    assert "tls.cert-revoked" not in ids(confused)
    assert confused.judged[0].chains[0].revocation is not None
    assert confused.judged[0].chains[0].revocation.status == "unusable"
    assert len(asked) == 4


# ------------------------------------------------------------------------------------------------- server name, clients


def test_the_right_certificate_only_with_a_server_name(tmp_path: Path, ca: str) -> None:
    sub = pki.intermediate()
    right = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    right.load_cert_chain(*pki.make(issuer=sub).files(tmp_path, "right", sub))
    wrong = pki.make("default.example", issuer=sub, names=("default.example",)).files(tmp_path, "wrong", sub)

    def sni(connection: Any, name: str | None, context: Any) -> None:
        if name == "localhost":
            connection.context = right

    with python_server(tmp_path, wrong, sni=sni) as port:
        result = look(port, ca=ca)
    assert ids(result) - HARMLESS == {"tls.sni-dependent"}
    fault = next(fault for fault in result.judged[0].faults if fault.id == "tls.sni-dependent")
    assert "default.example" in fault.values["without"]


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def newest(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    version: ssl.TLSVersion = request.param
    return version


@pytest.mark.parametrize("mode, expected", [(ssl.CERT_REQUIRED, "required"), (ssl.CERT_OPTIONAL, "optional")])
def test_client_certificates(
    tmp_path: Path, ca: str, newest: ssl.TLSVersion, mode: ssl.VerifyMode, expected: str
) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path), newest=newest, client=mode, client_ca=ca) as port:
        result = look(port, ca=ca)
        assert ids(result) - {"tls.tls1.3-missing"} == {f"tls.client-cert-{expected}"}
        assert result.postures[0].request is not None
        station = pki.make("CP_7", pki.root(), purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
        certificate, key = station.files(tmp_path, "station")
        given = look(port, ca=ca, path="/CP_7", client_certificate=certificate, client_key=key)
    assert given.postures[0].spoken[0].status == 101
    assert given.postures[0].client_certificate_taken is True
    assert shown_profile(given.judged[0].observed) == 3


# -------------------------------------------------------------------------------------------------------------- upgrade


@pytest.mark.parametrize(
    "web, expected",
    [
        (Web(), set()),
        (Web(choose=None), {"ws.subprotocol-refused"}),
        (Web(choose="mqtt"), {"ws.subprotocol-not-offered"}),
        (Web(status=404), {"ws.upgrade-404"}),
        (Web(status=503), {"ws.upgrade-failed"}),
        (Web(status=302, headers=("Location: https://elsewhere.example/",)), {"ws.redirected"}),
        (Web(status=511), {"tls.captive-portal", "ws.upgrade-failed"}),
        (Web(password="CP_7:secret"), {"ws.basic-auth-required"}),
    ],
    ids=["good", "refused", "foreign", "404", "503", "302", "511", "401"],
)
def test_upgrades(tmp_path: Path, ca: str, web: Web, expected: set[str]) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path), web=web) as port:
        assert ids(look(port, ca=ca, path="/ocpp/CP_7")) == expected


_DH_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
