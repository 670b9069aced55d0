"""One table of kinds for captures, the active prober and ``fieldkit cert``: each fault has its words."""

from __future__ import annotations

import re
from pathlib import Path

import fieldkit
from fieldkit.checks.certificatekinds import CERTIFICATE_KINDS
from fieldkit.checks.endpointkinds import ENDPOINT_KINDS
from fieldkit.checks.posture import POSTURE_KINDS, entry, fields_of, findings
from fieldkit.checks.runner import known_checks
from fieldkit.checks.tls_passive import TlsCheck
from fieldkit.trust.fault import BREAKING, Fault

TRUST = Path(fieldkit.__file__).parent / "trust"

FIXED = (
    "sslv3-accepted tls1.0-accepted tls1.1-accepted tls1.2-missing tls1.3-missing null-suite anon-suite export-suite "
    "rc4-suite 3des-suite cbc-suite no-forward-secrecy ocpp-suites-missing dh-too-short tls-compression "
    "client-renegotiation hello-size-intolerant sni-dependent cert-expired cert-not-yet-valid cert-expires-soon "
    "validity-too-long self-signed untrusted chain-incomplete chain-order chain-extra-cert root-sent root-expired "
    "intermediate-expired intermediate-not-ca hostname-mismatch san-missing cn-missing o-missing sha1-signature "
    "rsa-key-too-short ec-key-too-short key-type-unusual eku-wrong key-usage-missing cert-over-5500 no-ocsp-no-crl "
    "cert-revoked staple-expired staple-revoked client-cert-required client-cert-optional handshake-timeout "
    "handshake-reset slow-handshake not-tls no-tls"
).split()
WS = "subprotocol-not-offered subprotocol-refused upgrade-404 basic-auth-required basic-auth-in-clear".split()
INFORMATIONAL = "tls1.3-missing cbc-suite root-sent key-type-unusual client-cert-required client-cert-optional".split()


def test_the_ids_that_never_change_are_all_there() -> None:
    assert {f"tls.{name}" for name in FIXED} | {f"ws.{name}" for name in WS} <= set(POSTURE_KINDS)
    for name in INFORMATIONAL:
        assert POSTURE_KINDS[f"tls.{name}"].severity == "info"


def test_each_id_has_one_kind() -> None:
    assert len(POSTURE_KINDS) == len(CERTIFICATE_KINDS) + len(ENDPOINT_KINDS)
    shared = {kind.id: kind for kind in TlsCheck.kinds if kind.id in POSTURE_KINDS}
    assert len(shared) > 15
    for check in known_checks():
        for kind in check.kinds:
            assert POSTURE_KINDS.get(kind.id, kind) is kind, kind.id


def test_every_fault_that_is_judged_has_its_words() -> None:
    named = set(BREAKING)
    for source in TRUST.glob("*.py"):
        named |= set(re.findall(r'"((?:tls|ws|cert)\.[a-z0-9.-]*[a-z0-9])"', source.read_text("utf-8")))
    assert len(named) > 40
    named |= {
        f"tls.{place}-{what}" for place in ("cert", "root", "intermediate") for what in ("expired", "not-yet-valid")
    }
    named |= {f"tls.{kind}-key-too-short" for kind in ("rsa", "ec")}
    assert named <= set(POSTURE_KINDS)


def test_the_texts_are_sound() -> None:
    for kind in POSTURE_KINDS.values():
        assert re.fullmatch(r"(tls|ws|cert)\.[a-z0-9]+([.-][a-z0-9]+)*", kind.id)
        assert kind.title
        assert not kind.title.endswith(".")
        assert kind.explanation.endswith((".", "}"))
        assert kind.advice.endswith(".")
        assert kind.reference
        filled = entry(
            findings([Fault(kind.id, dict.fromkeys(fields_of(kind), "x"))], time=0)[0],
            "2026-01-01T00:00:00.000Z",
            "t",
        )
        assert "{" not in filled["explanation"] + filled["advice"]


def test_the_worst_comes_first_and_says_where() -> None:
    info = Fault("tls.root-sent", {"subject": '"A"'})
    bad = Fault("tls.cert-expired", {"subject": '"B"', "end": "then", "seen": "now"})
    lesser = Fault("tls.cert-malformed", {"subject": '"C"', "why": "odd"}, severity="warning")
    found = findings([info, lesser, bad], time=5, at=" in x.pem", role="csms", group="x.pem")
    assert [one.kind.id for one in found] == ["tls.cert-expired", "tls.cert-malformed", "tls.root-sent"]
    told = entry(found[0], "", "x.pem")
    assert told["explanation"] == 'The certificate for "B" in x.pem was valid until then; it was looked at on now.'
    assert told["advice"].startswith("CSMS operator: ")
    assert told["target"] == "x.pem"
    assert entry(found[1], "", "x.pem")["severity"] == "warning"
