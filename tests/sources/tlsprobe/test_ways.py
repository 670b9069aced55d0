"""By which way: IPv6, a given interface, two uplinks with two different worlds behind them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fieldkit.sources.tlsprobe import roots, targets
from fieldkit.sources.tlsprobe.run import Order, Result, probe
from fieldkit.sources.tlsprobe.session import Wishes
from tests.live.lab import needs_lab
from tests.sources.tlsprobe import pki
from tests.sources.tlsprobe.probing import HARMLESS, ids
from tests.sources.tlsprobe.servers import good_pairs, python_server, trusted
from tests.traffic.commandline import ROOT
from tests.traffic.netlab import needs_root, run

CSMS, PORT = "192.0.2.10", 8443


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


def _look(text: str, ca: str, **order: Any) -> Result:
    wanted = Order([targets.parse(text)], wishes=Wishes(authorities=ca), roots=roots.from_file(ca), **order)
    return probe(wanted, lambda text: None)[0]


@needs_ipv6
@pytest.mark.parametrize("text", ["[::1]:{port}", "wss://[::1]:{port}/ocpp/CP_7"])
def test_an_ipv6_address(tmp_path: Path, text: str) -> None:
    ca = trusted(tmp_path)
    pair = pki.make(names=("localhost", "::1"), issuer=pki.root()).files(tmp_path, "six")
    with python_server(tmp_path, pair, at=("::1", 0)) as port:
        result = _look(text.format(port=port), ca)
    (posture,) = result.postures
    assert posture.speaks_tls
    assert posture.way.shown == f"[::1]:{port}"
    assert [spoken.status for spoken in posture.spoken] == [101] * len(posture.spoken) != []
    assert posture.nameless is None, "an address is no name to be asked for"
    mismatch = [fault for fault in result.judged[0].faults if fault.id == "tls.hostname-mismatch"]
    assert [fault.severity for fault in mismatch] == ["info"]  # the common name is another
    assert ids(result) - HARMLESS == {"tls.hostname-mismatch"}


@needs_ipv6
def test_a_name_with_addresses_of_both_kinds_one_of_which_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trusted(tmp_path)
    with python_server(tmp_path, *good_pairs(tmp_path)) as port:
        both = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given: both)
        result = _look(f"localhost:{port}", ca)
    assert [posture.way.address for posture in result.postures] == ["::1", "127.0.0.1"]
    assert [posture.reachable for posture in result.postures] == [False, True]
    assert [fault.id for fault in result.faults] == ["tls.address-unreachable"]
    assert "refused" in result.faults[0].values["reason"]


@pytest.mark.parametrize("text", ["wss://[fe80::1%25eth0]:8443/CP_7", "[fe80::1%eth0]:8443"])
def test_a_link_local_address_has_a_zone_that_nobody_else_sees(text: str) -> None:
    target = targets.parse(text)
    assert target.is_address
    assert (target.host, target.name, target.port) == ("fe80::1%eth0", "fe80::1", 8443)


@needs_root
def test_interfaces_that_exist_and_that_do_not(tmp_path: Path) -> None:
    ca = trusted(tmp_path)
    with python_server(tmp_path, *good_pairs(tmp_path)) as port:
        result = _look(f"localhost:{port}", ca, family=2, outs=(("lo", ""), ("fk-not-there", "")))
    good, bad = result.postures
    assert good.speaks_tls
    assert good.way.shown == f"127.0.0.1:{port} through lo"
    assert not bad.reachable
    assert bad.reason == "there is no such network interface"
    assert [fault.id for fault in result.faults] == ["tls.way-broken"]
    assert result.faults[0].values["bad"] == "through fk-not-there"


# ---------------------------------------------------------------------------------------------------- two real uplinks


class Uplinks:
    """A router in a namespace with the interfaces ``wan`` and ``backup``; behind each its own world, with its own idea of
    who 192.0.2.10 is."""

    def __init__(self) -> None:
        self.names = {name: f"fk{os.getpid() % 10_000}{name}" for name in ("router", "wan", "backup")}

    def lay(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
        for number, uplink in enumerate(("wan", "backup")):
            router, world = self.names["router"], self.names[uplink]
            run("ip", "-n", router, "link", "add", uplink, "type", "veth", "peer", "name", "eth0", "netns", world)
            run("ip", "-n", router, "addr", "add", f"198.51.100.{8 * number + 2}/29", "dev", uplink)
            run("ip", "-n", world, "addr", "add", f"198.51.100.{8 * number + 1}/29", "dev", "eth0")
            run("ip", "-n", world, "link", "set", "lo", "up")
            run("ip", "-n", world, "addr", "add", f"{CSMS}/32", "dev", "lo")
            run("ip", "-n", world, "link", "set", "eth0", "up")
            run("ip", "-n", router, "link", "set", uplink, "up")
            gateway = f"198.51.100.{8 * number + 1}"
            run("ip", "-n", router, "route", "add", "default", "via", gateway, "dev", uplink, "metric", str(number + 1))

    def take_away(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    @contextmanager
    def serving(self, uplink: str, certificate: str, key: str, *, address: str = CSMS) -> Iterator[None]:
        command = ["ip", "netns", "exec", self.names[uplink], sys.executable, "-m",
                   "tests.sources.tlsprobe.standalone", address, str(PORT), certificate, key]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()

    def fieldkit(self, *arguments: str) -> dict[str, Any]:
        """What it says by ``--json -``."""
        command = ["ip", "netns", "exec", self.names["router"], sys.executable, "-m", "fieldkit", "tls", *arguments,
                   "--json", "-", "-q"]  # fmt: skip
        ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert ran.stdout, ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found


@pytest.fixture
def uplinks() -> Iterator[Uplinks]:
    laid = Uplinks()
    try:
        laid.lay()
        yield laid
    finally:
        laid.take_away()


@needs_lab
def test_another_server_behind_the_backup_uplink(tmp_path: Path, uplinks: Uplinks) -> None:
    ca = trusted(tmp_path)
    right = pki.make(CSMS, pki.root(), names=(CSMS,)).files(tmp_path, "right")
    proxy = pki.make(CSMS, pki.make("Inspecting Proxy", number=111, ca=True), names=(CSMS,)).files(tmp_path, "proxy")
    asked = (f"{CSMS}:{PORT}", "--ca", ca, "--interface", "wan", "--interface", "backup", "--no-upgrade")
    with ExitStack() as stack:
        stack.enter_context(uplinks.serving("wan", *right))
        lost = uplinks.fieldkit(*asked)
        assert [target["reachable"] for target in lost["targets"]] == [True, False]
        assert "tls.way-broken" in [finding["id"] for finding in lost["findings"]]
        with uplinks.serving("backup", *right):
            alike = uplinks.fieldkit(*asked)
        assert [target["interface"] for target in alike["targets"]] == ["wan", "backup"]
        assert all(target["reachable"] for target in alike["targets"])
        assert not {"tls.ways-differ", "tls.way-broken"} & {finding["id"] for finding in alike["findings"]}
        stack.enter_context(uplinks.serving("backup", *proxy))
        found = uplinks.fieldkit(*asked)
    (differ,) = (finding for finding in found["findings"] if finding["id"] == "tls.ways-differ")
    assert differ["severity"] == "critical"
    assert 'through backup shows the certificate of "192.0.2.10" issued by "Inspecting Proxy"' in differ["explanation"]
    assert [target["certificates"][0]["trusted"] for target in found["targets"]] == [True, False]


@needs_lab
def test_a_link_local_address(tmp_path: Path, uplinks: Uplinks) -> None:
    address = "fe80::1"
    for space, device, own in (("wan", "eth0", address), ("router", "wan", "fe80::2")):
        run("ip", "-n", uplinks.names[space], "addr", "add", f"{own}/64", "dev", device, "nodad")
    pair = pki.make(address, pki.root(), names=(address,)).files(tmp_path, "link")
    with uplinks.serving("wan", *pair, address=f"{address}%eth0"):
        found = uplinks.fieldkit(f"[{address}%wan]:{PORT}", "--ca", trusted(tmp_path))
    (target,) = found["targets"]
    assert target["speaks"] == "tls", target["error"]
    assert target["upgrade"][0]["status"] == 101
    assert "tls.hostname-mismatch" not in [finding["id"] for finding in found["findings"]]
