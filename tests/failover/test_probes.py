"""``fieldkit link --probe`` on a router with a backup that is blocked, behind a portal, or read along."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.links.local import LocalRunner
from fieldkit.links.probes.budget import Budget
from fieldkit.links.probes.probe import IDENTITY, Probe
from fieldkit.links.probes.prober import Prober
from fieldkit.links.probes.remote import RemoteProber
from fieldkit.links.runner import PATIENCE
from fieldkit.links.uplink import Uplink
from fieldkit.sources.tlsprobe import targets
from tests.failover.network import CSMS, A, B, Network, needs_failover_lab, network
from tests.sources.tlsprobe import pki
from tests.traffic import sshlab
from tests.traffic.commandline import ROOT
from tests.traffic.decoded import decode_files
from tests.traffic.sshlab import needs_sshd

pytestmark = needs_failover_lab
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (apt-get install curl)")
needs_busybox = pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (apt-get install busybox)")
needs_socat = pytest.mark.skipif(shutil.which("socat") is None, reason="needs socat (apt-get install socat)")

NAME: Final = "csms.lab.test"
DNS: Final = "203.0.113.53"
SECURE: Final = f"wss://{NAME}:9443/ocpp"
CLEAR: Final = f"ws://{NAME}:9000/ocpp"
HIJACKED: Final = "10.64.0.1"
"""What an inventive name server answers: an address of the carrier's."""


class Site:
    """The lab with a CSMS that has a name and a certificate."""

    def __init__(self, net: Network, folder: Path) -> None:
        self.net = net
        self.folder = folder
        authority = pki.make("Site CA", kind="ec", number=7, ca=True)
        other = pki.make("Inspection CA", kind="ec", number=8, ca=True, organization="Carrier")
        self.ca = str(folder / "ca.pem")
        Path(self.ca).write_bytes(authority.pem)
        served = pki.make(NAME, authority, number=9, names=(NAME,)).files(folder, "csms")
        self.forged = pki.make(NAME, other, number=10, names=(NAME,)).files(folder, "forged")
        net.ip("csms", "addr", "add", f"{DNS}/24", "dev", "eth0")
        net.set(A, delay_ms=15)
        net.set(B, delay_ms=10)
        for where, *more in ((f"{CSMS}:9000",), (f"{CSMS}:9443", *served)):
            net.start("csms", "tests.failover.parties", "csms", where, *more).says("serving")
        self.names(f"{NAME}={CSMS}", "six.lab.test=2001:db8::9")
        net.resolv_conf("router", f"nameserver {DNS}\n")

    def names(self, *views: str) -> Any:
        started = self.net.start("csms", "tests.failover.services", "dns", DNS, *views)
        started.says("serving")
        return started

    def fieldkit(self, *arguments: str, place: str = "router", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.net.within(place), sys.executable, "-m", "fieldkit", "link", *arguments],
            capture_output=True, text=True, cwd=ROOT, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    def probes(self, *arguments: str, code: ExitCode = ExitCode.OK) -> dict[str, dict[str, Any]]:
        run = self.fieldkit("--json", "-", *arguments)
        assert run.stderr == ""
        assert run.returncode == code
        return {probe["uplink"]: probe for probe in json.loads(run.stdout)["probes"]}

    def taken(self, port: int, to: str) -> None:
        """What goes out over the backup to this port is answered by somebody at the carrier."""
        rule = f'iifname "gb" tcp dport {port} redirect to :{to}'
        self.net.nft(
            "carriers",
            f"table ip lab {{\n chain taken {{\n type nat hook prerouting priority -100;\n {rule}\n }}\n}}\n",
        )

    def reset(self) -> None:
        self.net.nft("carriers", "flush chain ip carrier allowed\nadd table ip lab\ndelete table ip lab\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with network() as net:
        yield Site(net, tmp_path_factory.mktemp("probes"))


@pytest.fixture
def site(made: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    made.reset()
    (made.folder / ".local/state/fieldkit/probes.json").unlink(missing_ok=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(made.folder))
    return made


def _sent(site: Site, *arguments: str) -> dict[str, int]:
    """Bytes of IP that a run puts on each uplink, as tcpdump has them."""
    files = {uplink: site.folder / f"{uplink}.pcap" for uplink in (A, B)}
    taps = [site.net.record(uplink, file) for uplink, file in files.items()]
    site.fieldkit(*arguments)
    for tap in taps:
        tap.send_signal(signal.SIGTERM)
        tap.wait(10)
        assert tap.stderr is not None
        tap.stderr.close()
    sizes = {}
    for uplink, file in files.items():
        read = subprocess.run(["tcpdump", "-v", "-n", "-r", file, "ip"], capture_output=True, text=True, check=True)
        sizes[uplink] = sum(map(int, re.findall(r"\blength (\d+)\)$", read.stdout, re.MULTILINE)))
    return sizes


def test_nothing_is_sent_unless_it_is_asked_for(site: Site) -> None:
    assert _sent(site) == {A: 0, B: 0}


def test_both_uplinks_carry_the_csms_and_what_it_costs_is_true(site: Site) -> None:
    probes = site.probes("--probe", SECURE, "--probe-ca", site.ca)
    assert set(probes) == {A, B}
    for probe in probes.values():
        assert (probe["verdict"], probe["usable"], probe["status"]) == ("carries", True, 101)
        assert (probe["tls"], probe["trusted"], probe["chosen"]) == ("TLS 1.3", True, "ocpp1.6")
        assert probe["names"][0]["addresses"] == [CSMS]
        assert probe["address"] == CSMS
        assert probe["echo_lost"] == 0
    # Twice the delay of the wire, bound to each of them: the default route alone would measure one of them twice.
    assert 30 <= probes[A]["echo_ms"] < 300
    assert 20 <= probes[B]["connect_ms"] < 300
    sent = _sent(site, "--probe", SECURE, "--probe-ca", site.ca, "--json", str(site.folder / "cost.json"))
    for probe in json.loads((site.folder / "cost.json").read_text())["probes"]:
        assert 0.9 * sent[probe["uplink"]] <= probe["bytes"] <= 1.4 * sent[probe["uplink"]]
        # Both runs count; one of them may have asked a name server twice, where the machine was busy.
        assert probe["bytes_day"] >= 1.4 * probe["bytes"]


def test_a_csms_without_tls(site: Site) -> None:
    for probe in site.probes("--probe", CLEAR).values():
        assert (probe["verdict"], probe["tls"], probe["status"]) == ("carries", "", 101)


def test_an_apn_that_lets_nobody_through(site: Site) -> None:
    site.net.refuse(B, "drop")
    file = site.folder / "apn.json"
    run = site.fieldkit("--probe", SECURE, "--probe-ca", site.ca, "--json", str(file))
    assert run.returncode == ExitCode.FINDINGS
    probes = {probe["uplink"]: probe for probe in json.loads(file.read_text())["probes"]}
    assert probes[A]["verdict"] == "carries"
    assert (probes[B]["verdict"], probes[B]["usable"], probes[B]["connect_ms"]) == ("blocked", False, None)
    assert probes[B]["why"].endswith(
        f"answers over it. Over {A} there is one: here the APN's list of destinations or a firewall is in the way"
    )
    assert f"{A}  cellular  up, active\n" in run.stdout
    assert "  probe:     does NOT reach this CSMS: no TCP connection to 203.0.113.9 port 9443" in run.stdout


def test_a_portal_in_place_of_the_csms(site: Site) -> None:
    portal = site.net.start("carriers", "tests.failover.services", "portal", "0.0.0.0:8080", "http://login.lab.test/")
    portal.says("serving")
    site.taken(9000, "8080")
    site.net.nft("carriers", 'add rule ip lab taken iifname "gb" tcp dport 9443 redirect to :8080\n')
    clear = site.probes("--probe", CLEAR, code=ExitCode.FINDINGS)
    assert (clear[A]["verdict"], clear[B]["verdict"]) == ("carries", "captive-portal")
    assert (clear[B]["status"], clear[B]["location"]) == (302, "http://login.lab.test/")
    secure = site.probes("--probe", SECURE, "--probe-ca", site.ca, code=ExitCode.FINDINGS)
    assert (secure[A]["verdict"], secure[B]["verdict"]) == ("carries", "captive-portal")
    assert secure[B]["not_tls"]


@needs_socat
def test_somebody_reads_along(site: Site) -> None:
    """A proxy that opens TLS with a certificate of its own, and passes on what it reads."""
    certificate, key = site.forged
    proxy = subprocess.Popen(
        [*site.net.within("carriers"), "socat", f"OPENSSL-LISTEN:8443,cert={certificate},key={key},verify=0,fork,reuseaddr",
         f"OPENSSL:{CSMS}:9443,verify=0,snihost={NAME}"], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        site.taken(9443, "8443")
        probes = site.probes("--probe", SECURE, "--probe-ca", site.ca, code=ExitCode.FINDINGS)
        assert (probes[A]["verdict"], probes[A]["trusted"]) == ("carries", True)
        assert (probes[B]["verdict"], probes[B]["sure"], probes[B]["trusted"]) == ("intercepted", True, False)
        # It works for who does not verify: that is why it goes unnoticed.
        assert probes[B]["status"] == 101
        assert "Inspection CA" in probes[B]["why"]
        assert "Site CA" in probes[B]["why"]
        # Without knowing the site's CA neither verifies: the one in use is taken for what is usual.
        unknown = site.probes("--probe", SECURE, code=ExitCode.FINDINGS)
        assert (unknown[A]["verdict"], unknown[A]["trusted"]) == ("carries", False)
        assert (unknown[B]["verdict"], unknown[B]["sure"]) == ("intercepted", False)
        assert any("--probe-ca" in note for note in unknown[A]["notes"])
    finally:
        proxy.kill()
        proxy.wait()


def test_name_servers_that_do_not_agree(site: Site) -> None:
    for talker in site.net.services("dns"):
        talker.end(signal.SIGKILL)
    inventive = site.names(f"{NAME}={CSMS}", f"203.0.113.2={HIJACKED}")
    try:
        probes = site.probes("--probe", CLEAR, code=ExitCode.FINDINGS)
        assert probes[A]["names"][0]["addresses"] == [CSMS]
        assert probes[B]["names"][0]["addresses"] == [HIJACKED]
        assert probes[B]["verdict"] == "blocked"
        assert any("a name server that invents answers" in note for note in probes[B]["notes"])
        unknown = site.probes("--probe", "ws://nobody.lab.test/", code=ExitCode.FINDINGS)
        assert (unknown[A]["verdict"], unknown[A]["why"]) == (
            "no-dns",
            f"the name nobody.lab.test is not found ({DNS}: no such name)",
        )
    finally:
        inventive.end(signal.SIGKILL)
        site.names(f"{NAME}={CSMS}", "six.lab.test=2001:db8::9")


def test_a_csms_that_has_an_ipv6_address_only(site: Site) -> None:
    probes = site.probes("--probe", "ws://six.lab.test/", code=ExitCode.FINDINGS)
    assert probes[A]["names"][0]["addresses"] == ["2001:db8::9"]
    assert (probes[A]["verdict"], probes[A]["error"]) == ("blocked", "no route to this network")


def test_the_budget_holds_from_run_to_run(site: Site) -> None:
    address = f"ws://{CSMS}:9000/"
    first = site.probes("--probe", address, "--probe-budget", "13kB")
    assert first[A]["verdict"] == first[B]["verdict"] == "carries"
    second = site.probes("--probe", address, "--probe-budget", "13kB")
    # wwan0 is a modem, by its name; eth1 is not metered.
    assert (second[A]["verdict"], second[A]["bytes"], second[A]["usable"]) == ("skipped", 0, None)
    assert "--probe-budget" in second[A]["why"]
    assert second[A]["bytes_day_limit"] == 13_000
    assert (second[B]["verdict"], second[B]["bytes_day_limit"]) == ("carries", None)


def test_watching_probes_again_and_again(site: Site) -> None:
    file = site.folder / "watched.jsonl"
    run = site.fieldkit(
        "--watch", "--for", "3s", "--every", "1s", "--probe", f"ws://{CSMS}:9000/", "--json", str(file)
    )  # fmt: skip
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry["probe"]["uplink"] for entry in entries if "probe" in entry] == [A, B]
    assert f"{B} carries this CSMS: the WebSocket upgrade succeeds (" in run.stdout


class _Router(LocalRunner):
    """As ssh would have it, with BusyBox and nothing else."""

    name = "ssh://root@lab"

    def __init__(self, site: Site) -> None:
        super().__init__()
        bare = site.folder / "bin"
        bare.mkdir()
        for name in ("sh", "ping", "nslookup"):
            (bare / name).symlink_to(shutil.which("busybox") or "")
        self._within = [*site.net.within("router"), "env", f"PATH={bare}"]

    def run(self, *command: str, seconds: float = PATIENCE) -> str:
        return super().run(*self._within, *command, seconds=seconds)

    def read(self, path: str) -> str:
        return f"nameserver {DNS}\n" if path == "/etc/resolv.conf" else super().read(path)


def _from_the_router(site: Site, url: str) -> dict[str, Probe]:
    runner = _Router(site)
    target = targets.parse(url, IDENTITY)
    prober = Prober(runner, target, RemoteProber(runner, target), Budget("lab", path=site.folder / "remote.json"))
    uplinks = [
        Uplink(A, "ethernet", up=True, role="active", device=A),
        Uplink(B, "ethernet", up=True, role="standby", device=B),
    ]
    try:
        return {probe.uplink: probe for probe in prober.probe(uplinks)}
    finally:
        runner.close()


@needs_sshd
@needs_curl
def test_a_router_that_can_only_be_logged_in_to(site: Site) -> None:
    """From the station's side, through a real ssh server, with the router's own programs."""
    site.net.refuse(B, "drop")
    folder = site.folder / "ssh"
    folder.mkdir()
    server = sshlab.Router(folder, ListenAddress="192.168.1.1")
    server.within = site.net.within("router")
    server.start()
    try:
        run = site.fieldkit(
            "--probe", SECURE, "--json", "-", server.url("").rstrip("/"),
            place="station", FIELDKIT_SSH_COMMAND=shlex.join(server.ssh),
        )  # fmt: skip
    finally:
        server.stop()
    assert run.returncode == ExitCode.FINDINGS, run.stderr
    probes = {probe["uplink"]: probe for probe in json.loads(run.stdout)["probes"]}
    assert (probes[A]["verdict"], probes[A]["status"], probes[A]["tls"]) == ("carries", 101, "TLS")
    assert (probes[A]["trusted"], probes[A]["chosen"]) == (False, "ocpp1.6")
    assert (probes[B]["verdict"], probes[B]["connect_ms"]) == ("blocked", None)
    if shutil.which("nslookup"):
        assert probes[A]["names"][0]["addresses"] == [CSMS]


@needs_busybox
def test_a_router_without_curl(site: Site) -> None:
    probes = _from_the_router(site, f"ws://{NAME}:9000/")
    for probe in probes.values():
        assert (probe.verdict, probe.usable) == ("unknown", None)
        assert any("opkg install curl" in note for note in probe.notes)
        assert probe.names[0].addresses == (CSMS,)
        assert probe.echo_lost == 0
    assert 30 <= (probes[A].echo_ms or 0.0) < 300


def test_the_stations_own_identity_is_never_used(site: Site) -> None:
    """A CSMS that is called by a station twice drops the first connection."""
    file = site.folder / "seen.pcap"
    tap = site.net.record(A, file)
    site.probes("--probe", f"ws://{CSMS}:9000/ocpp")
    tap.send_signal(signal.SIGTERM)
    tap.wait(10)
    assert tap.stderr is not None
    tap.stderr.close()
    from fieldkit.events import HttpRequest

    assert [request.target for request in decode_files(file).of(HttpRequest)] == [f"/ocpp/{IDENTITY}"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--probe-every", "1h"), "--probe-every goes with --probe CSMS-URL"),
        (("--probe", "ws://a.example/", "--probe-every", "1h"), "--probe-every goes with --watch"),
        (("--probe", "ws://a.example/", "ncos+https://gw"), "over HTTP a router runs no programs"),
        (("--probe", "ws://a.example/", "replay:x.jsonl"), "x.jsonl"),
        (("--probe", "ftp://a.example/"), "--probe: ftp://a.example/: ftp:// is not known"),
        (("--probe", "ws://a.example/", "--probe-ca", "/dev/null"), "--probe-ca /dev/null: there is no certificate in it"),
        (("--probe", "ws://a.example/", "--probe-budget", "0"), "--probe-budget"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(site: Site, arguments: tuple[str, ...], said: str) -> None:
    run = site.fieldkit(*arguments)
    assert run.returncode == ExitCode.USAGE
    assert said in run.stderr
