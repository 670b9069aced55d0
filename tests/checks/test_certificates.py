"""What a capture can prove of a chain that was shown in TLS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.checks.certificatekinds import CERTIFICATE_KINDS
from fieldkit.checks.certificates import OF_CLIENTS, TOLD, client_faults, server_faults
from fieldkit.site.certificateread import parsed_chain
from fieldkit.trust.certificate import Certificate
from tests.traffic.tlstalk import certificate
from tests.trust.pki import AT, CLIENT, SERVER, Made, issue, name


def told(*chain: Made, host: str = "csms.example") -> set[str]:
    return {fault.id for fault in server_faults(tuple(one.read for one in chain), host, AT)}


def of_client(*chain: Made) -> set[str]:
    return {fault.id for fault in client_faults(tuple(one.read for one in chain), AT)}


def authority() -> tuple[Made, Made]:
    root = issue("Test Root", ca=True)
    return root, issue("Test Sub", root, ca=True)


def test_every_id_has_its_words() -> None:
    assert {kind.id for kind in CERTIFICATE_KINDS} >= TOLD | OF_CLIENTS


def test_a_good_chain_and_one_of_a_private_authority() -> None:
    root, sub = authority()
    leaf = issue(name("csms.example", o="Example"), sub, hosts=["csms.example"], uses=[SERVER])
    assert told(leaf, sub) == told(leaf, sub, root) == told(leaf) == set()
    assert told(issue("csms.example", hosts=["csms.example"])) == set(), "self-signed: it may be pinned"


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("*.csms.example", "a.csms.example", set()),
        ("*.csms.example", "a.b.csms.example", {"tls.hostname-mismatch"}),
        ("*.example", "csms.example", {"tls.hostname-mismatch"}),
        ("csms.example", "CSMS.example.", set()),
        ("csms.example", "", set()),
    ],
)
def test_names_are_compared_as_everywhere_else(pattern: str, host: str, expected: set[str]) -> None:
    _, sub = authority()
    assert told(issue("x", sub, hosts=[pattern]), sub, host=host) == expected


def test_a_certificate_that_its_issuer_did_not_sign() -> None:
    root, sub = authority()
    stranger = issue("Test Sub", root, ca=True, key_name="another key")
    assert told(issue("csms.example", sub, hosts=["csms.example"]), stranger) >= {"tls.signature-invalid"}


def test_an_issuer_that_is_none() -> None:
    root, _ = authority()
    none = issue("Middle", root, ca=False)
    assert "tls.intermediate-not-ca" in told(issue("csms.example", none, hosts=["csms.example"]), none)


def test_of_a_station() -> None:
    root, _ = authority()
    good = issue(name("SN-1234", o="Example"), root, uses=[CLIENT])
    assert of_client(good) == set()
    assert of_client(issue(name("SN-1234", o="Example"), root, uses=[SERVER])) == {"tls.eku-wrong"}
    assert of_client(issue(name("192.0.2.7", o="Example"), root)) == {"tls.station-name"}
    assert of_client(issue(name("SN-1234", o="Example"), root, days=(-30, -1))) == {"tls.cert-expired"}


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_nonsense_is_no_certificate(chain: list[bytes]) -> None:
    assert parsed_chain(tuple(chain)) == ()


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_damaged_one_is_judged_or_not_read(at: int, value: int) -> None:
    der = bytearray(certificate("ecdsa"))
    der[at % len(der)] = value
    chain: tuple[Certificate, ...] = parsed_chain((bytes(der),))
    if chain:
        list(server_faults(chain, "csms.example", AT))
        list(client_faults(chain, AT))
