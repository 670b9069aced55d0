"""The lite package on a router: installed, configured as docs/packages.md says, run by procd, upgraded, taken off again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab, router
from tests.packaging.lab import FINDING, PENDING, needs, needs_root, until
from tests.packaging.router import Router
from tests.traffic.netlab import Cable, cable, needs_network, needs_tcpreplay

DOCUMENT = (lab.ROOT / "docs/packages.md").read_text()
HIDDEN = ("numpy", "cryptography", "textual", "rich", "scapy", "orjson", "smllib", "ai_edge_litert", "tflite_runtime")
MEMORY = 48_000_000
"""Bytes that the agent may be resident with, after traffic and with two sinks: Debian's Python alone takes fourteen, which
is linked statically against all that a router's shares."""

pytestmark = [pytest.mark.packages, needs_root, needs("unshare", "chroot")]


def documented(beginning: str) -> str:
    """The commands of docs/packages.md that begin so."""
    (found,) = re.findall(rf"```\n({re.escape(beginning)}.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


def status(root: Router) -> dict[str, Any]:
    """Asked without being told where it is: /etc/config/fieldkit says it."""
    told: dict[str, Any] = json.loads(root.run("fieldkit", "agent", "status", "--json").stdout or "{}")
    return told


@needs_mosquitto
@needs_network
@needs_tcpreplay
@needs("busybox", "prlimit")
@pytest.mark.parametrize("kind", ["ipk", "apk"])
def test_the_whole_way(kind: str, tmp_path: Path, wire: Cable, mosquitto: Broker) -> None:
    heard = Listening(mosquitto.port)
    log = tmp_path / "log"
    with router.running(kind, tmp_path) as (root, procd), cable("fkq") as other:
        before = router.files(root)
        root.install(lab.built(kind))
        for name in HIDDEN:
            assert root.run("/usr/lib/fieldkit/bin/python3", "-P", "-c", f"import {name}").returncode, (
                f"{name} is there"
            )
        assert (root.path / "etc/rc.d/S95fieldkit").is_symlink(), "it starts with the router"
        assert procd.triggers == {"fieldkit"}, "procd knows whom a change concerns"
        assert not procd.instances, "nothing listens before it is told where"

        # Enabled, and no site yet: it is not started, and the system log says why.
        root.sh("uci set fieldkit.agent.enabled=1; uci commit fieldkit; service fieldkit start")
        assert not procd.instances
        said = (root.path / "tmp/syslog").read_text()
        assert "agent: site is missing" in said

        # As the documentation has it, on this test's wires and broker.
        config = root.path / "etc/config/fieldkit"
        config.write_text(config.read_text().replace("'br-lan'", f"'{wire.there}'"))
        commands = documented("uci set fieldkit.agent.site").replace("eth1", other.there)
        begun = time.monotonic()
        root.sh(commands.replace("mqtts://mqtt.example.org", f"mqtt://127.0.0.1:{mosquitto.port}"))
        until(lambda: {"online": True} in heard.of("status"), log)
        first = time.monotonic() - begun
        assert (root.path / "run/fieldkit-py").is_dir(), "bytecode is kept in memory"
        assert not list((root.path / "usr/lib/fieldkit").rglob("__pycache__")), "and not on flash"
        lab.replay(other.here)
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log)
        told = json.loads(root.sh("fieldkit agent status --json"))
        assert (told["site"], told["listening"]) == ("depot-north", [wire.there, other.there])
        assert FINDING in root.sh("fieldkit agent findings")
        assert len(root.sh("fieldkit agent findings --json --last 1").splitlines()) == 1
        agent = procd.only.process
        assert agent is not None
        mine = int(of_process(agent.pid, "VmRSS")) * 1024
        assert int(of_process(agent.pid, "CapEff"), 16) == 0, "its rights are gone"
        if kind == "ipk":  # nobody may not read the other one's Python, which is in somebody's home
            assert of_process(agent.pid, "Uid") == root.good("id", "-u", "nobody").strip()
        print(f"{kind}: with the broker {first:.2f} s after the first command; {mine / 1e6:.1f} MB resident")
        assert mine <= MEMORY

        # Save & Apply: another source, taken without an end.
        root.sh(f"uci add_list fieldkit.capture.sources={wire.here}; uci commit fieldkit; reload_config")
        until(lambda: wire.here in status(root)["listening"], log)
        # A mistake: what runs goes on, and tells.
        root.sh("uci set fieldkit.agent.health=often; uci commit fieldkit; reload_config")
        until(lambda: any(one["id"] == "agent.reload-failed" for one in heard.of("finding")), log)
        root.sh("uci set fieldkit.agent.health=5m; uci commit fieldkit; reload_config")
        until(lambda: log.read_text().count("read anew") == 2, log)
        # An interface comes; one that is none of ours comes, too.
        late = f"fkzb{os.getpid() % 10_000}"
        root.sh(f"uci add_list fieldkit.capture.sources={late}; uci commit fieldkit; reload_config")
        until(lambda: late in status(root)["not_listening"], log)
        with cable("fkz"):
            until(lambda: log.read_text().count("read anew") == 3, log)
            plugged(root, other.here)
            plugged(root, late)
            until(lambda: late in status(root)["listening"], log)
            until(lambda: log.read_text().count("read anew") == 4, log)  # of two that came one is a source
        assert procd.only.process is agent, "all of this was one process"
        assert agent.poll() is None

        # Another sink, whose token is root's: the agent is nobody by now, and a restart takes it.
        root.sh(
            "umask 077; echo t0ken >/etc/fieldkit/token; uci set fieldkit.calls=sink; uci set fieldkit.calls.type=webhook"
        )
        root.sh(
            "uci set fieldkit.calls.url=https://127.0.0.1:1/; uci set fieldkit.calls.token_file=/etc/fieldkit/token"
        )
        root.sh("uci commit fieldkit; service fieldkit restart")
        until(lambda: "calls" in status(root).get("sinks", {}), log)
        assert agent.poll() == 0
        agent = procd.only.process
        assert agent is not None

        # It is killed, and comes back by itself.
        agent.kill()
        until(lambda: procd.only.starts == 2 and status(root).get("site") == "depot-north", log)

        # Upgraded: the new one runs, with the configuration that there was.
        second = procd.only.process
        written = config.read_bytes()
        root.install(lab.built(kind))
        until(lambda: procd.only.process is not second and status(root).get("site") == "depot-north", log)
        assert config.read_bytes() == written

        third = procd.only.process
        assert third is not None
        root.remove()
        assert third.poll() == 0, "it has ended by itself before its files went"
        assert not procd.instances
        root.sh(documented("rm -r /etc/fieldkit"))
        assert router.files(root) == before
    heard.close()


def plugged(root: Router, interface: str) -> None:
    """What the kernel says of an interface that appears."""
    root.sh(f"ACTION=add INTERFACE={interface} DEVPATH=/devices/virtual/net/{interface} /sbin/hotplug-call net")


def of_process(process: int, name: str) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_what_needs_more_says_so_in_one_line(tmp_path: Path) -> None:
    root = Router("ipk", tmp_path / "root")
    lab.unpacked_ipk(lab.built("ipk"), root.path)
    shutil.copy(PENDING, root.path / "tmp/site.pcap")
    done = root.run("fieldkit", "report", "/tmp/site.pcap", "-o", "/tmp/report.json")
    assert FINDING in (root.path / "tmp/report.json").read_text(), done.stderr
    done = root.run("fieldkit", "watch", "/tmp/site.pcap")
    assert done.returncode not in (0, 1)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert json.loads(root.run("fieldkit", "doctor", "--json", "-").stdout)["tool"]["name"] == "fieldkit"


@pytest.mark.parametrize("kind, installer", [("ipk", "opkg"), ("apk", "apk")])
def test_the_routers_own_installer_takes_it(kind: str, installer: str, tmp_path: Path) -> None:
    program = lab.program(installer) or lab.program(f"{installer}-cl")
    if not program:
        pytest.skip(f"needs {installer}, which no package of Debian brings")
    package = lab.built(kind)
    root = tmp_path / "root"
    root.mkdir()
    if kind == "ipk":
        (tmp_path / "opkg.conf").write_text("arch all 1\ndest root /\n")
        command = [
            program,
            "-f",
            str(tmp_path / "opkg.conf"),
            "-o",
            str(root),
            "--force-depends",
            "install",
            str(package),
        ]
        environment = {**os.environ, "IPKG_INSTROOT": str(root)}
    else:
        command = [program, "--root", str(root), "--initdb", "--allow-untrusted", "--no-network", "--no-scripts",
                   "--force-broken-world", "add", str(package)]  # fmt: skip
        environment = dict(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "usr/bin/fieldkit").is_file()
    assert (root / "etc/config/fieldkit").is_file()
