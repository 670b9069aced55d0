from __future__ import annotations

import pytest

from fieldkit.sources.proxy.settings import Address, parse_duration, parse_listen, parse_upstream


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0.0.0.0:9000", Address("0.0.0.0", 9000)),
        (":9000", Address("", 9000)),
        ("9000", Address("", 9000)),
        ("*:9000", Address("", 9000)),
        ("[::1]:9000", Address("::1", 9000)),
        ("proxy.local:0", Address("proxy.local", 0)),
    ],
)
def test_addresses_to_listen_on(text: str, expected: Address) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "::1:9000", "host:port", "host:70000", "host:-1", "host:٣"])
def test_what_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        parse_listen(text)


@pytest.mark.parametrize(
    "text, shown, authority, prefix",
    [
        ("ws://csms.test", "ws://csms.test", "csms.test", ""),
        ("ws://csms.test:80/", "ws://csms.test", "csms.test", ""),
        ("wss://csms.test/ocpp/t7/", "wss://csms.test/ocpp/t7", "csms.test", "/ocpp/t7"),
        ("https://csms.test:8443", "wss://csms.test:8443", "csms.test:8443", ""),
        ("WS://[2001:db8::1]:8080/a%20b", "ws://[2001:db8::1]:8080/a%20b", "[2001:db8::1]:8080", "/a%20b"),
    ],
)
def test_upstreams(text: str, shown: str, authority: str, prefix: str) -> None:
    upstream = parse_upstream(text)
    assert (str(upstream), upstream.authority, upstream.prefix) == (shown, authority, prefix)


@pytest.mark.parametrize(
    "text, why",
    [
        ("csms.test:9000", "give the CSMS as"),
        ("ftp://csms.test", "give the CSMS as"),
        ("ws://", "give the CSMS as"),
        ("ws://csms.test:99999", "no address"),
        ("ws://user:secret@csms.test", "leave user and password out"),
        ("ws://csms.test/?a=1", "a query"),
        ("ws://csms.test/ä", "percent-encoded"),
        ("ws://csms.test/a b", "percent-encoded"),
    ],
)
def test_what_is_no_upstream_is_explained(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        parse_upstream(text)
    assert "secret" not in str(error.value)


def test_durations() -> None:
    assert [parse_duration(text) for text in ("500ms", "2s", "1.5m", "1h", "3")] == [0.5, 2, 90, 3600, 3]
    for text in ("", "s", "-1s", "2 weeks", "1e3"):
        with pytest.raises(ValueError, match="no duration"):
            parse_duration(text)
