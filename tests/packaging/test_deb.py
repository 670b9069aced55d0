"""The Debian package: installed by apt, run as its unit runs it, removed without a trace."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab
from tests.packaging.lab import FINDING, PENDING, Notified, Root, files, mirror, needs, needs_root, until
from tests.traffic.netlab import Cable, needs_network, needs_tcpreplay

UNIT = lab.ROOT / "packaging" / "systemd" / "fieldkit-agent.service"
PURGED_BUT_LOGGED = re.compile(
    # What apt and dpkg write down for themselves, whatever is installed, and the copies that useradd makes.
    r"var/(?:log/(?:apt|dpkg\.log)|cache/apt|lib/(?:apt|dpkg))|etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-"
    r"|usr/share/man$"
)

pytestmark = [pytest.mark.packages, needs_root, needs("unshare", "chroot")]


def fresh(arch: str, to: Path) -> Root:
    why = lab.runs(arch)
    if why:
        pytest.skip(why)
    subprocess.run(["cp", "-a", str(lab.debian(arch)), str(to)], check=True)
    return Root(to)


def unit(key: str) -> str:
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNIT)
    return read.get("Service", key)


def as_the_unit_runs_it(uid: int) -> tuple[str, ...]:
    """What of the unit decides over rights: its user, its capabilities, no new ones."""
    assert unit("AmbientCapabilities") == unit("CapabilityBoundingSet") == "CAP_NET_RAW"
    assert unit("NoNewPrivileges") == "yes"
    capabilities = ["--inh-caps=-all,+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw"]
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", *capabilities)


def install(root: Root, package: Path) -> None:
    shutil.copy(package, root.path / "x.deb")
    root.good("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/x.deb")
    (root.path / "x.deb").unlink()


def purge(root: Root) -> None:
    root.good("apt-get", "purge", "-y", "-qq", "fieldkit")


def configured(root: Root, source: str, port: int) -> None:
    (root.path / "etc/fieldkit/agent.toml").write_text(
        f'[agent]\nsite = "depot"\nname = "gateway"\n[capture]\nsources = ["{source}"]\n'
        f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\n'
        '[sinks.disk]\ntype = "file"\npath = "/var/lib/fieldkit/findings.jsonl"\n'
    )
    assert "right" in root.good("fieldkit", "agent", "check-config")


def enabled(root: Root) -> int:
    """What systemd does before ExecStart; the service's user."""
    uid = int(root.good("id", "-u", "fieldkit"))
    for name in (unit("StateDirectory"), unit("RuntimeDirectory")):
        assert name == "fieldkit"
    for path, mode in (("var/lib/fieldkit", 0o750), ("run/fieldkit", 0o750)):
        (root.path / path).mkdir(exist_ok=True)
        os.chown(root.path / path, uid, uid)
        (root.path / path).chmod(mode)
    return uid


def status(root: Root) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(root.good("fieldkit", "agent", "status", "--json"))
    return told


def watched(root: Root, log: Path, heard: Listening, replay: object, source: str, port: int) -> float:
    """The service from its start to its end; seconds until it said that it listens."""
    assert callable(replay)
    configured(root, source, port)
    uid = enabled(root)
    told = Notified(root.path)
    begun = time.monotonic()
    words = shlex.split(unit("ExecStart"))
    rights = [*as_the_unit_runs_it(uid), *words]
    with root.service(log, *rights, environment={"NOTIFY_SOCKET": told.inner, "WATCHDOG_USEC": "9000000"}) as process:
        told.wait_for("READY=1")
        took = time.monotonic() - begun
        until(lambda: {"online": True} in heard.of("status"), log)
        replay()
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log, 200)
        # Root's question, through the socket that only root and the agent may use.
        until(lambda: status(root)["packets_total"] > 0, log)
        assert (status(root)["site"], status(root)["agent"]) == ("depot", "gateway")
        if not source.startswith("tzsp"):
            process.send_signal(signal.SIGHUP)
            told.wait_for("READY=1")
        told.wait_for("WATCHDOG=1")
        assert lab.stopped(process) == 0, log.read_text()
    written = (root.path / "var/lib/fieldkit/findings.jsonl").read_text()
    assert FINDING in written
    told.close()
    (root.path / told.inner[1:]).unlink()
    print(f"listening after {took:.2f} s")
    return took


@needs_network
@needs_tcpreplay
@needs_mosquitto
def test_on_a_pc(tmp_path: Path, wire: Cable, mosquitto: Broker) -> None:
    root = fresh("amd64", tmp_path / "root")
    before, users = files(root.path), (root.path / "etc/passwd").read_text()
    install(root, lab.built("deb", "amd64"))
    assert root.good("dpkg", "--verify", "fieldkit") == ""
    assert "status: install ok installed" in root.good("dpkg", "-s", "fieldkit").lower()
    # The command line: help, a capture with its report, what can be done on this machine, and the screen's own parts.
    assert "fieldkit agent" in root.good("fieldkit", "agent", "--help")
    root.good("fieldkit", "demo", "--no-open", "-q", "-o", "/tmp/demo.html", "-o", "/tmp/demo.json")
    assert json.loads((root.path / "tmp/demo.json").read_text())["findings"]
    said = root.run("fieldkit", "doctor", "--json", "-")
    assert json.loads(said.stdout)["tool"]["name"] == "fieldkit", said.stderr
    python = "/opt/fieldkit/bin/python3"
    root.good(python, "-I", "-c", "import textual, orjson, cryptography.hazmat.primitives.ciphers, fieldkit.tui.app")
    heard = Listening(mosquitto.port)
    try:
        log = tmp_path / "log"
        watched(root, log, heard, lambda: lab.replay(wire.here), wire.there, mosquitto.port)
    finally:
        heard.close()
    for path in ("tmp/demo.html", "tmp/demo.json"):
        (root.path / path).unlink()
    install(root, lab.built("deb", "amd64"))  # again: what an upgrade does, too
    assert (root.path / "etc/fieldkit/agent.toml").exists()
    purge(root)
    left = {path for path in files(root.path) - before if not PURGED_BUT_LOGGED.match(path)}
    assert left == set()
    # dpkg takes an empty folder along that no other package owns.
    assert before - files(root.path) <= {"opt"}
    assert (root.path / "etc/passwd").read_text() == users


@needs_mosquitto
def test_on_an_arm_gateway(tmp_path: Path, mosquitto: Broker) -> None:
    """Under qemu-user, which has no packet sockets: the packets come as a router mirrors them, by TZSP."""
    root = fresh("arm64", tmp_path / "root")
    before = files(root.path)
    install(root, lab.built("deb", "arm64"))
    assert root.good("dpkg", "--verify", "fieldkit") == ""
    assert "fieldkit" in root.good("fieldkit", "--version")
    root.good("/opt/fieldkit/bin/python3", "-I", "-c", "import orjson, cryptography.hazmat.primitives.ciphers, textual")
    heard = Listening(mosquitto.port)
    with mirror(PENDING) as (source, replay):
        try:
            watched(root, tmp_path / "log", heard, replay, source, mosquitto.port)
        finally:
            heard.close()
    purge(root)
    assert {path for path in files(root.path) - before if not PURGED_BUT_LOGGED.match(path)} == set()


@needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """And what it says of its exposure: 10 is a service that may do everything."""
    there = tmp_path / "usr/lib/systemd/system"
    there.mkdir(parents=True)
    shutil.copy(UNIT, there)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/fieldkit").write_text("#!/bin/sh\n")
    (tmp_path / "usr/bin/fieldkit").chmod(0o755)
    text = UNIT.read_text().replace("/usr/bin/fieldkit", str(tmp_path / "usr/bin/fieldkit"))
    (tmp_path / UNIT.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert UNIT.name not in done.stderr, done.stderr
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
    )
    assert scored.returncode == 0, scored.stdout[-2000:]
    print(scored.stdout.strip().splitlines()[-1])
