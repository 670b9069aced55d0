"""Which security profile a connection shows, and when it shows none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldkit.events import BasicCredentials, Connection, Endpoint
from fieldkit.site.link import Link, TlsSide
from fieldkit.site.security import is_public, profile_of, security_profile
from tests.traffic.conversation import MONDAY
from tests.traffic.diagnosed import diagnose_file

CAPTURES = Path(__file__).parents[2] / "captures"
LINE = Connection(1, Endpoint("192.168.7.20", 40_000), Endpoint("203.0.113.5", 80), MONDAY, False, "memory")
PASSWORD = BasicCredentials("CP_7", 20, "text")
TLS = TlsSide(version=0x0303, server_chain=(b"x",))


def link(**more: Any) -> Link:
    return replace(Link(LINE, station="CP_7", ocpp=True, asked=MONDAY, status=101), **more)


@pytest.mark.parametrize(
    ("seen", "profile"),
    [
        (link(), 0),
        (link(credentials=PASSWORD), 1),
        (link(credentials=PASSWORD, tls=TLS), 2),
        (link(tls=replace(TLS, client_chain=(b"x",))), 3),
        (link(tls=TLS), 0),
        (link(heads_complete=False), None),
        (link(asked=None), None),
        (link(asked=None, soap=True), 0),
        (link(forwarded=True), None),
        (link(credentials=PASSWORD, status=401), None),
        (link(credentials=PASSWORD, tls=replace(TLS, resumed=True)), None),
        (link(tls=replace(TLS, server_chain=())), None),
        (link(ocpp=False), None),
    ],
)
def test_profiles(seen: Link, profile: int | None) -> None:
    assert profile_of(seen) == profile


def test_the_latest_connection_that_tells_decides() -> None:
    assert security_profile([link(), link(credentials=PASSWORD), link(asked=None)]) == 1
    assert security_profile([link(asked=None)]) is None


def test_recorded_stations() -> None:
    def of(name: str) -> int | None:
        return security_profile(diagnose_file(CAPTURES / name).picture.links.all.values())

    assert of("ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng") == 2
    assert of("ocpp16j_vcp_ocpprpc_plain.pcap") == 0
    assert of("made/midstream_plain.pcap") is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("9.9.9.9", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("2620:fe::fe", True),
        ("x", False),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
