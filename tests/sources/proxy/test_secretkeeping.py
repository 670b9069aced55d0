"""Secrets are overwritten, nothing changes its place, and what the decoder makes of a head stays the same."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldkit.sources.proxy.secretkeeping import without_credentials, without_secrets
from fieldkit.wire.httphead import parse_fields
from tests.traffic.proxylab import frame

KEY = b"0123456789abcdef0123"
SECRET = b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"' + KEY + b'"}]'
STARRED = SECRET.replace(KEY, b"*" * 20)


@pytest.mark.parametrize("password", [b"", b"geheim", b"0123456789abcdefABCDEF", b"\xff\x00\x01", "pässwort".encode()])
def test_credentials_keep_user_length_and_look(password: bytes) -> None:
    value = base64.b64encode(b"CP_7:" + password)
    head = (
        b"GET /CP_7 HTTP/1.1\r\nauthorization:  Basic "
        + value
        + b"  \r\nCookie: a=b\r\nX-Api-Key: k\r\n\r\nAuthorization: x"
    )
    safe = without_credentials(head)
    assert len(safe) == len(head)
    assert safe.endswith(b"Cookie: ***\r\nX-Api-Key: *\r\n\r\nAuthorization: x")
    if password:
        assert value not in safe
    block = slice(head.index(b"\n") + 1, head.index(b"\r\n\r\n"))
    assert parse_fields(safe[block]).credentials == parse_fields(head[block]).credentials


def test_other_credentials_become_asterisks() -> None:
    head = b"GET ws://CP_7:geheim@proxy/ HTTP/1.1\r\nAuthorization: Bearer abc\r\nProxy-Authorization: xyz\r\n\r\n"
    assert without_credentials(head) == (
        b"GET ws://CP_7:******@proxy/ HTTP/1.1\r\nAuthorization: Bearer ***\r\nProxy-Authorization: ***\r\n\r\n"
    )


@pytest.mark.parametrize("masked", [True, False])
def test_a_secret_in_a_message_becomes_asterisks(masked: bool) -> None:
    harmless = frame(b'[2,"2","Heartbeat",{}]', masked=masked) + frame(b"hi", 9, masked=masked)
    block = harmless + frame(SECRET, masked=masked) + harmless
    assert without_secrets(block) == (harmless + frame(STARRED, masked=masked) + harmless, False)


def test_a_secret_in_several_frames() -> None:
    cuts = (SECRET[:70], SECRET[70:75], SECRET[75:])
    stars = (STARRED[:70], STARRED[70:75], STARRED[75:])

    def framed(parts: tuple[bytes, ...]) -> bytes:
        first, *rest = (frame(part, 0 if at else 1, masked=True, fin=at == 2) for at, part in enumerate(parts))
        return first + frame(b"", 9, masked=True) + b"".join(rest)

    assert without_secrets(framed(cuts)) == (framed(stars), False)


def test_several_secrets_escapes_and_umlauts() -> None:
    text = '[2,"ü","SetVariables",{"setVariableData":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"attributeValue":"pä\\"ss"},{"component":{"name":"x"},"variable":{"name":"WifiPassword"},"attributeValue":"zwei"}]}]'
    safe, _ = without_secrets(frame(text.encode()))
    assert len(safe) == len(frame(text.encode()))
    assert b"zwei" not in safe
    assert "pä".encode() not in safe
    assert b'"BasicAuthPassword"},"attributeValue":"*******"}' in safe


def test_what_is_compressed_is_said_to_be() -> None:
    block = bytes([0xC1, 3]) + b"abc"
    assert without_secrets(block) == (block, True)


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_nonsense_keeps_its_length(noise: bytes) -> None:
    assert len(without_secrets(noise)[0]) == len(noise)
    assert len(without_credentials(noise)) == len(noise)
    assert len(without_secrets(frame(noise))[0]) == len(frame(noise))
