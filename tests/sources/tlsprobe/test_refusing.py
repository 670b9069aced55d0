"""Servers that speak TLS, and not what is wanted: old ones alone, those that refuse everything, unknown names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldkit.wire.tlsrecords import ALERT
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.probing import HARMLESS, ids, look
from tests.sources.tlsprobe.servers import Canned, alert, good_pairs, python_server, s_server, serving

SSL3, TLS10, TLS11, TLS12, TLS13 = range(0x0300, 0x0305)


@pytest.mark.parametrize(
    "suites, expected",
    [
        ((0x002F, 0x000A), {"tls.3des-suite"}),
        ((0x0005, 0x0004), {"tls.rc4-suite"}),  # it takes nothing that a client of today offers
        ((0x0003,), {"tls.export-suite"}),
    ],
    ids=["AES", "RC4", "export"],
)
def test_ssl3_and_nothing_else(rsa: list[bytes], ca: str, suites: tuple[int, ...], expected: set[str]) -> None:
    with serving(Canned(rsa, versions=(SSL3,), suites=suites)) as port:
        result = look(port, ca=ca)
    posture = result.postures[0]
    assert posture.versions == {SSL3: True, TLS10: False, TLS11: False, TLS12: False, TLS13: False}
    assert set(posture.accepted(SSL3)) == set(suites)
    assert [shown.when.split()[0] for shown in posture.shown] == ["SSL"]
    # Neither that OpenSSL cannot talk to it is said, nor that it needs a name: SSL 3.0 has none.
    old = {"tls.sslv3-accepted", "tls.tls1.2-missing", "tls.no-forward-secrecy"}
    assert ids(result) - HARMLESS == old | expected


def test_a_real_server_with_tls10_and_nothing_else(tmp_path: Path, ca: str) -> None:
    certificate, key = pki.make(issuer=pki.root(), kind="rsa2048").files(tmp_path, "rsa")
    with s_server("-cert", certificate, "-key", key, "-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0") as port:
        result = look(port, ca=ca, upgrade=False)
    assert result.postures[0].versions == {SSL3: False, TLS10: True, TLS11: False, TLS12: False, TLS13: False}
    assert ids(result) - HARMLESS == {"tls.tls1.0-accepted", "tls.tls1.2-missing", "tls.no-forward-secrecy"}
    assert result.postures[0].spoken[0].version == "TLS 1.0"
    assert result.postures[0].order == "", "there is nothing to choose from"


def test_one_that_takes_rc4_alone(rsa: list[bytes], ca: str) -> None:
    with serving(Canned(rsa, suites=(0x0005,))) as port:
        result = look(port, ca=ca)
    assert result.postures[0].versions[TLS12] is True
    found = ids(result)
    assert {"tls.rc4-suite", "tls.ocpp-suites-missing"} <= found
    assert not found & {"tls.handshake-failed", "tls.tls1.2-missing", "tls.sni-dependent"}


@pytest.mark.parametrize("speak", [True, False])
@pytest.mark.parametrize("number, name", [(40, "handshake_failure"), (70, "protocol_version"), (80, "internal_error")])
def test_one_that_refuses_everything(ca: str, number: int, name: str, speak: bool) -> None:
    def refusing(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(alert(number))

    with serving(refusing) as port:
        result = look(port, ca=ca, speak=speak)
    assert ids(result) == {"tls.handshake-failed"}
    assert name in result.judged[0].faults[0].values["why"]
    assert result.postures[0].versions == {}, "the version is not what it refuses"


def test_a_name_that_a_real_server_does_not_know(tmp_path: Path, ca: str) -> None:
    def sni(connection: Any, name: str | None, context: Any) -> int | None:
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name is not None else None

    with python_server(tmp_path, *good_pairs(tmp_path), sni=sni) as port:
        result = look(port, ca=ca, path="/CP_7")
    assert ids(result) == {"tls.name-unknown"}
    assert result.judged[0].faults[0].values["name"] == '"localhost"'
    assert result.postures[0].accepts(TLS13), "the rest is looked at without a name"
    assert len(result.postures[0].shown) == 2


# -------------------------------------------------------------------------------------------------------- little room


def _few(most: int, handle: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """A peer with memory for so many sessions: others are let go at once."""
    talking: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        if len(talking) >= most:
            return
        talking.append(connection)
        try:
            handle(connection)
        finally:
            talking.remove(connection)

    return one


@pytest.mark.parametrize("most", [1, 2])
def test_a_peer_that_hangs_up_when_it_has_no_room(rsa: list[bytes], ca: str, most: int) -> None:
    """What a second connection gets is no refusal of what it offers."""
    canned = Canned(rsa, versions=(TLS10, TLS12), suites=(0x009C, 0x009D, 0x0005))
    with serving(canned) as port:
        whole = look(port, ca=ca, speak=False)
    with serving(_few(most, canned)) as port:
        result = look(port, ca=ca, speak=False)
    posture = result.postures[0]
    assert ids(result) == ids(whole)
    assert posture.versions == whole.postures[0].versions
    assert set(posture.accepted(TLS12)) == {0x009C, 0x009D, 0x0005}
    assert not posture.incomplete
    assert posture.connections <= 40


def test_a_peer_that_says_no_by_hanging_up(rsa: list[bytes], ca: str) -> None:
    """Asked again, and alone, it does the same: then it is believed."""
    canned = Canned(rsa, suites=(0x009C, 0x009D))

    def mute(connection: socket.socket) -> None:
        canned(_WithoutAlerts(connection))  # type: ignore[arg-type]

    with serving(mute) as port:
        result = look(port, ca=ca, speak=False)
    posture = result.postures[0]
    assert posture.versions == {SSL3: False, TLS10: False, TLS11: False, TLS12: True, TLS13: False}
    assert ids(result) - HARMLESS == {"tls.no-forward-secrecy"}
    assert not posture.incomplete
    assert posture.connections <= 40


class _WithoutAlerts:
    """A connection that ends where an alert would be sent."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def sendall(self, data: bytes) -> None:
        if data[0] == ALERT:
            raise OSError("it hangs up")
        self._connection.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
