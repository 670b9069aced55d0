"""Which host a certificate is for: by OCPP's text, and by today's clients."""

from __future__ import annotations

import pytest

from fieldkit.trust.names import by_clients, by_ocpp, host_names, is_host_name, matches, packed_address
from tests.trust.pki import issue, name, pki


@pytest.mark.parametrize(
    "common, hosts, host, ocpp, clients",
    [
        ("csms.example", None, "csms.example", True, False),  # as OCPP wants it, and as no client takes it
        ("csms.example", ["csms.example"], "csms.example", True, True),
        ("CSMS.Example", ["CSMS.EXAMPLE"], "csms.example", True, True),
        ("csms.example", ["csms.example"], "other.example", False, False),
        ("csms.example", ["other.example"], "csms.example", False, False),  # RFC 2818: CN does not count then
        ("Example CPO", ["csms.example"], "csms.example", True, True),
        ("*.cpo.example", ["*.cpo.example"], "csms.cpo.example", True, True),
        ("*.cpo.example", ["*.cpo.example"], "a.csms.cpo.example", False, False),
        ("*.cpo.example", ["*.cpo.example"], "cpo.example", False, False),
        ("192.0.2.1", None, "192.0.2.1", True, False),
        ("csms", ["192.0.2.1"], "192.0.2.1", True, True),
        ("csms", ["2001:db8::1"], "[2001:db8:0::1]", True, True),
        ("csms", ["192.0.2.1"], "192.0.2.2", False, False),
        ("", ["csms.example"], "csms.example.", True, True),
        ("", None, "csms.example", False, False),
    ],
)
def test_two_verdicts(common: str, hosts: list[str] | None, host: str, ocpp: bool, clients: bool) -> None:
    certificate = issue(name(common, "O"), pki()[1], hosts=hosts).read
    assert by_ocpp(certificate, host).fits is ocpp
    assert by_clients(certificate, host).fits is clients
    assert by_ocpp(certificate, host).why
    assert by_clients(certificate, host).why


@pytest.mark.parametrize(
    "pattern, host, good",
    [
        ("a.example", "A.EXAMPLE.", True),
        ("*.example", "a.example", False),  # for a whole top-level domain: OpenSSL refuses that too
        ("*.b.example", "a.b.example", True),
        ("*.b.example", ".b.example", False),
        ("a*.b.example", "ab.b.example", False),
        ("*", "example", False),
        ("", "", False),
    ],
)
def test_patterns(pattern: str, host: str, good: bool) -> None:
    assert matches(pattern, host) is good


def test_what_is_a_host() -> None:
    assert is_host_name("csms.example")
    assert not is_host_name("CP-7")
    assert not is_host_name("Example CPO")
    assert not is_host_name("1.2.3.4")
    assert packed_address("fe80::1%eth0") == packed_address("fe80::1")
    assert packed_address("CP_7") == b""
    assert host_names(issue("only.cn", pki()[1]).read) == ["only.cn"]
