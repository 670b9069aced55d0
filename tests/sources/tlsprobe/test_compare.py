"""Is it the same at all addresses and through all ways out?"""

from __future__ import annotations

from pathlib import Path

from fieldkit.sources.tlsprobe import targets
from fieldkit.sources.tlsprobe.compare import differences
from fieldkit.sources.tlsprobe.posture import Posture, Shown
from fieldkit.sources.tlsprobe.run import Order, probe
from fieldkit.sources.tlsprobe.session import Wishes
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.servers import good_pairs, python_server

TARGET = targets.parse("csms.example")


def _posture(address: str = "192.0.2.1", leaf: bytes = b"", interface: str = "", **settings: object) -> Posture:
    way = targets.way(2, (address, 443), interface)
    posture = Posture(TARGET, way, **settings)  # type: ignore[arg-type]
    if leaf:
        posture.shown.append(Shown((leaf,), "TLS 1.2"))
        posture.versions = {0x0303: True}
    return posture


def test_the_same_everywhere() -> None:
    leaf = pki.make().der
    assert not list(differences([_posture(leaf=leaf), _posture("192.0.2.2", leaf)]))
    assert not list(differences([_posture(leaf=leaf)]))


def test_another_certificate_at_another_address() -> None:
    found = list(
        differences([_posture(leaf=pki.make("a.example").der), _posture("192.0.2.2", pki.make("b.example").der)])
    )
    assert [fault.id for fault in found] == ["tls.addresses-differ"]
    assert "a.example" in found[0].values["differences"]
    assert "b.example" in found[0].values["differences"]


def test_another_version_at_another_address() -> None:
    leaf = pki.make().der
    one, other = _posture(leaf=leaf), _posture("192.0.2.2", leaf)
    one.versions[0x0301], other.versions[0x0301] = False, True
    found = list(differences([one, other]))
    assert [fault.id for fault in found] == ["tls.addresses-differ"]
    assert "refuses TLS 1.0" in found[0].values["differences"]


def test_one_address_is_down() -> None:
    lost = _posture("192.0.2.2", manner="unreachable", reason="connection refused")
    assert [fault.id for fault in differences([_posture(leaf=pki.make().der), lost])] == ["tls.address-unreachable"]
    no_ipv6 = _posture("2001:db8::1", manner="unreachable", reason="no route to this network")
    assert not list(differences([_posture(leaf=pki.make().der), no_ipv6]))


def test_somebody_in_between_on_one_uplink() -> None:
    right, portal = pki.make("csms.example").der, pki.make("portal").der
    found = list(differences([_posture(leaf=right, interface="eth0"), _posture(leaf=portal, interface="wwan0")]))
    assert [fault.id for fault in found] == ["tls.ways-differ"]
    assert "through wwan0" in found[0].values["differences"]


def test_a_login_page_on_one_uplink() -> None:
    found = list(
        differences([_posture(leaf=pki.make().der, interface="eth0"), _posture(interface="wlan0", manner="no-tls")])
    )
    assert [fault.id for fault in found] == ["tls.ways-differ"]


def test_an_uplink_that_leads_nowhere() -> None:
    lost = _posture(interface="wwan0", manner="unreachable", reason="no route to this host")
    found = list(differences([_posture(leaf=pki.make().der, interface="eth0"), lost]))
    assert [fault.id for fault in found] == ["tls.way-broken"]


def test_two_source_addresses_of_this_machine(tmp_path: Path) -> None:
    told: list[str] = []
    with python_server(tmp_path, *good_pairs(tmp_path)) as port:
        order = Order([targets.parse(f"localhost:{port}")], wishes=Wishes(upgrade=False), family=2,
                      outs=(("", "127.0.0.1"), ("", "127.0.0.2")))  # fmt: skip
        result = probe(order, told.append)[0]
    assert [posture.way.source for posture in result.postures] == ["127.0.0.1", "127.0.0.2"]
    assert all(posture.speaks_tls for posture in result.postures)
    assert not result.faults
    assert "127.0.0.2" in told[0]


def test_an_address_that_this_machine_does_not_have(tmp_path: Path) -> None:
    with python_server(tmp_path, *good_pairs(tmp_path)) as port:
        order = Order([targets.parse(f"127.0.0.1:{port}")], outs=(("", "203.0.113.77"),))
        result = probe(order, lambda text: None)[0]
    assert not result.reachable
    assert "does not have" in result.postures[0].reason
