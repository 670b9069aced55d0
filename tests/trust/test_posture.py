"""What is wrong with a leaf by itself, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from fieldkit.trust.fault import Fault
from fieldkit.trust.posture import leaf_faults
from tests.trust.pki import AT, CLIENT, Made, issue, name, pki, root, server
from tests.trust.telling import told


def faults(made: Made, **more: Any) -> list[Fault]:
    found = list(leaf_faults(made.read, at=AT, **more))
    assert len(told(found)) == len(found)
    return found


def ids(made: Made, **more: Any) -> list[str]:
    return [f"{one.severity} {one.id}" if one.severity else one.id for one in faults(made, **more)]


def station(**more: Any) -> Made:
    return issue(name(more.pop("common", "CP-0042"), more.pop("o", "Example CPO")), pki()[1], uses=[CLIENT], **more)


GOOD: dict[str, tuple[Any, dict[str, Any]]] = {
    "a CSMS": (lambda: pki()[0], {"host": "csms.example"}),
    "a CSMS whose name is not known": (lambda: pki()[0], {}),
    "a station": (station, {"role": "station"}),
    "of a day": (lambda: server(pki()[1], days=(-0.1, 0.9), crl="", ocsp=""), {"host": "csms.example"}),
    "of a month, 11 days left": (lambda: server(pki()[1], days=(-19, 11)), {}),
    "31 days left": (lambda: server(pki()[1], days=(-300, 31)), {}),
    "of 39 months": (lambda: server(pki()[1], days=(-1, 1193)), {}),
    "of several hosts": (lambda: server(pki()[1], hosts=["csms.example", "b.example"]), {"host": "b.example"}),
    "a certificate of nobody in particular": (lambda: issue("x", pki()[1]), {"role": ""}),
}


@pytest.mark.parametrize("which", GOOD)
def test_no_alarm(which: str) -> None:
    make, more = GOOD[which]
    assert ids(make(), **more) == []


BAD: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "29 days left": (lambda: server(pki()[1], days=(-300, 29)), {}, ["tls.cert-expires-soon"]),
    "6 days left": (lambda: server(pki()[1], days=(-300, 6)), {}, ["warning tls.cert-expires-soon"]),
    "14.8 years": (lambda: server(pki()[1], days=(-1, 5400)), {}, ["tls.validity-too-long"]),
    "another host": (lambda: pki()[0], {"host": "b.example"}, ["critical tls.hostname-mismatch"]),
    "host in CN only": (lambda: server(pki()[1], hosts=None), {"host": "csms.example"}, ["tls.san-missing"]),
    "another host in CN only": (lambda: server(pki()[1], hosts=None), {"host": "b.example"},
                                ["critical tls.hostname-mismatch"]),
    "host in SAN only": (lambda: issue(name("Example", "Example CPO"), pki()[1], hosts=["csms.example"]),
                         {"host": "csms.example"}, ["info tls.hostname-mismatch"]),
    "no CN": (lambda: issue(name("", "Example CPO"), pki()[1], hosts=["csms.example"]), {"host": "csms.example"},
              ["tls.cn-missing"]),
    "no O": (lambda: issue(name("csms.example"), pki()[1], hosts=["csms.example"]), {"host": "csms.example"},
             ["tls.o-missing"]),
    "a station without O": (lambda: station(o=""), {"role": "station"}, ["warning tls.o-missing"]),
    "a station that is a URL": (lambda: station(common="wss://csms/CP"), {"role": "station"}, ["tls.station-name"]),
    "a station that is an address": (lambda: station(common="10.0.0.5"), {"role": "station"}, ["tls.station-name"]),
    "P-521": (lambda: server(pki()[1], kind="p521"), {}, ["tls.key-type-unusual"]),
    "Ed25519": (lambda: server(pki()[1], kind="ed25519"), {}, ["tls.key-type-unusual"]),
    "no keyUsage": (lambda: server(pki()[1], usages=None), {}, ["tls.key-usage-missing"]),
    "too large": (lambda: server(pki()[1], hosts=[f"host-{number}.csms.example" for number in range(200)]), {},
                  ["tls.cert-over-5500"]),
    "not revocable": (lambda: server(pki()[1], ocsp="", crl=""), {}, ["tls.no-ocsp-no-crl"]),
}  # fmt: skip


@pytest.mark.parametrize("which", BAD)
def test_what_is_wrong(which: str) -> None:
    make, more, expected = BAD[which]
    assert ids(make(), **more) == expected


def test_the_limit_of_2_1_is_larger() -> None:
    large = server(pki()[1], hosts=[f"host-{number}.csms.example" for number in range(200)])
    assert 5500 < len(large.read.pem) < 10_000
    assert ids(large, pem_limit=10_000) == []


def test_roots_are_not_asked_for_revocation() -> None:
    assert "tls.no-ocsp-no-crl" not in ids(root(), role="")
