"""What users write → what is looked at."""

from __future__ import annotations

import pytest

from fieldkit.sources.tlsprobe.targets import TargetError, identity_of, parse, resolve


@pytest.mark.parametrize(
    "text, host, port, tls, path",
    [
        ("csms.example", "csms.example", 443, True, ""),
        ("csms.example:8443", "csms.example", 8443, True, ""),
        ("wss://csms.example/ocpp/CP_7", "csms.example", 443, True, "/ocpp/CP_7"),
        ("ws://csms.example/ocpp?x=1", "csms.example", 80, False, "/ocpp?x=1"),
        ("192.0.2.7", "192.0.2.7", 443, True, ""),
        ("2001:db8::7", "2001:db8::7", 443, True, ""),
        ("[2001:db8::7]:8443", "2001:db8::7", 8443, True, ""),
        ("wss://bücher.example/", "xn--bcher-kva.example", 443, True, "/"),
        ("WSS://CSMS.example", "csms.example", 443, True, ""),
    ],
)
def test_targets(text: str, host: str, port: int, tls: bool, path: str) -> None:
    target = parse(text)
    assert (target.host, target.port, target.tls, target.path) == (host, port, tls, path)


@pytest.mark.parametrize(
    "text", ["", "a b", "ftp://x", "host:99999", "host:0", "wss://", "wss://user:secret@host/", "wss://[::1", "ü" * 80]
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(TargetError) as told:
        parse(text)
    assert "secret" not in str(told.value)


def test_the_identity_becomes_the_last_part_of_the_path() -> None:
    target = parse("wss://csms.example/ocpp/", "CP 7/ä")
    assert target.path == "/ocpp/CP%207%2F%C3%A4"
    assert identity_of(target) == "CP 7/ä"
    assert parse("csms.example", "CP_7").path == "/CP_7"


def test_addresses_need_no_resolver() -> None:
    found = resolve(parse("127.0.0.1:9"))
    assert [address for _, address in found.addresses] == [("127.0.0.1", 9)]
