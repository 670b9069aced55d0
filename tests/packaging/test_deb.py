"""The Debian package: installed by apt, run as its unit runs it, removed without a trace."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab
from tests.packaging.lab import FINDING, PENDING, Notified, Root, files, mirror, needs, needs_root, until
from tests.packaging.sandbox import Unit, bites
from tests.traffic.netlab import Cable, needs_network, needs_tcpreplay

README = (lab.ROOT / "README.md").read_text()
UNITS = lab.ROOT / "packaging" / "systemd"
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


def install(root: Root, package: Path) -> None:
    shutil.copy(package, root.path / "x.deb")
    root.good("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/x.deb")
    (root.path / "x.deb").unlink()


def purge(root: Root) -> None:
    root.good("apt-get", "purge", "-y", "-qq", "fieldkit")


def configured(root: Root, source: str, port: int) -> None:
    """As the README has it, up to where systemd is asked; ``editor`` is this test."""
    (commands,) = re.findall(r"```\n(apt install .*?)```", README, re.DOTALL)
    before, systemd, after = re.split(r"^(systemctl enable --now fieldkit-agent)$", commands, flags=re.MULTILINE)
    assert systemd
    assert after.startswith("\nfieldkit agent status ")
    lines = [line.partition("#")[0].strip() for line in before.strip().splitlines()]
    assert [line.split()[0] for line in lines] == ["apt", "cp", "editor", "fieldkit"]
    root.good(*lines[1].split())
    config = root.path / "etc/fieldkit/agent.toml"
    text = config.read_text().replace('"br-lan"', f'"{source}"').replace('"depot-north" ', '"depot" ')
    # The lines for a broker are in it, to be taken as they are but for its address.
    text = re.sub(r"^# (\[sinks\.home\]|type = \"mqtt\"|url = )", r"\1", text, flags=re.MULTILINE)
    text = text.replace("mqtts://mqtt.example.org", f"mqtt://127.0.0.1:{port}")
    text += '[ring]\nfolder = "/run/fieldkit/ring"\n[[posture]]\ntarget = "wss://127.0.0.1:1/ocpp"\n'
    config.write_text(text.replace("[agent]\n", '[agent]\nname = "gateway"\n'))
    assert "right" in root.good(*lines[3].split())


@contextmanager
def collected(root: Root, folder: Path, port: int) -> Iterator[Callable[[], bool]]:
    """The other end, as the README has it; whether the finding is there."""
    (commands,) = re.findall(r"```\n(fieldkit collect run .*?)```", README, re.DOTALL)
    run, query, _ = commands.replace("mqtts://broker.example", f"mqtt://127.0.0.1:{port}").splitlines()
    inside = ("sh", "-e", "-c", 'cd /tmp; exec "$@"', "sh")
    log = folder / "collector.log"
    with root.service(log, *inside, *shlex.split(run)) as process:
        yield lambda: "depot" in root.run(*inside, *shlex.split(query)).stdout
        assert lab.stopped(process) == 0, log.read_text()
    for path in (root.path / "tmp").glob("findings.db*"):
        path.unlink()


def status(root: Root) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(root.good("fieldkit", "agent", "status", "--json"))
    return told


def watched(root: Root, folder: Path, heard: Listening, replay: Callable[[], object], source: str, port: int) -> None:
    """The service from its start to its end. Under qemu-user there is no filter of system calls: it cannot have one."""
    log, mirrored = folder / "log", source.startswith("tzsp")
    configured(root, source, port)
    unit = Unit(UNITS / "fieldkit-agent.service")
    user = int(root.good("id", "-u", "fieldkit"))
    rights, sandboxed = unit.rights(user), unit.root(root.path, folder, user)
    words = shlex.split(unit["ExecStart"])
    if not mirrored:
        bites(sandboxed, unit, rights)
        words = unit.filtered(*words)
    told = Notified(root.path)
    begun = time.monotonic()
    environment = {"NOTIFY_SOCKET": told.inner, "WATCHDOG_USEC": "9000000", "HOME": "/var/lib/fieldkit"}
    with (
        collected(root, folder, port) as arrived,
        sandboxed.service(log, *rights, *words, environment=environment) as process,
    ):
        told.wait_for("READY=1")
        took = time.monotonic() - begun
        until(lambda: {"online": True} in heard.of("status"), log)
        replay()
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log, 200)
        until(arrived, log, 200)
        # Root's question, through the socket that only root and the agent may use.
        until(lambda: status(root)["packets_total"] > 0, log)
        assert (status(root)["site"], status(root)["agent"]) == ("depot", "gateway")
        if not mirrored:
            assert capabilities(process.pid) == "0000000000000000", "the one right is its opener's"
            process.send_signal(signal.SIGHUP)
            told.wait_for("READY=1")
        told.wait_for("WATCHDOG=1")
        assert lab.stopped(process) == 0, log.read_text()
    written = (root.path / "var/lib/fieldkit/findings.jsonl").read_text()
    assert FINDING in written
    # Nothing that it starts was ended by the filter (SIGSYS) either: the looks at uplinks and at an endpoint's TLS.
    assert "status -31" not in log.read_text()
    told.close()
    (root.path / told.inner[1:]).unlink()
    print(f"listening after {took:.2f} s")


def helped(root: Root, folder: Path, wire: Cable) -> None:
    """fieldkit-capture.socket and its service: who has no right at all captures by them."""
    assert Unit(UNITS / "fieldkit-agent.service")["RuntimeDirectoryPreserve"] == "yes", "the socket is in there"
    unit, log = Unit(UNITS / "fieldkit-capture@.service"), folder / "helper.log"
    sandboxed = unit.root(root.path, folder, 0)
    nobody_else = 61_184  # of those that systemd gives to a DynamicUser=
    bites(sandboxed, unit, unit.rights(nobody_else))
    user = root.good("id", "-u", "fieldkit").strip()
    path = root.path / "run/fieldkit/capture.sock"
    with socket.socket(socket.AF_UNIX) as listening, log.open("ab") as out:
        listening.bind(str(path))
        path.chmod(0o660)
        os.chown(path, 0, int(user))
        listening.listen()
        listening.settimeout(lab.PATIENCE)
        capture = root.command(
            "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
            "fieldkit", "capture", "-i", wire.there, "--for", "8s", "--fail-on", "never", "-o", "/tmp/captured.json",
        )  # fmt: skip
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/var/lib/fieldkit"}
        captures = subprocess.Popen(capture, stdout=out, stderr=out, env=environment)
        way, _ = listening.accept()
        command = sandboxed.command(*unit.rights(nobody_else), *unit.filtered(*shlex.split(unit["ExecStart"])))
        helper = subprocess.Popen(command, stdin=way.fileno(), stdout=way.fileno(), stderr=out, env=environment)
        way.close()
        until(lambda: "listening on" in log.read_text(), log)
        lab.replay(wire.here)
        assert captures.wait(lab.PATIENCE) == 0, log.read_text()
        assert helper.wait(lab.PATIENCE) == 0, log.read_text()
    assert FINDING in (root.path / "tmp/captured.json").read_text(), log.read_text()
    (root.path / "tmp/captured.json").unlink()
    path.unlink()


def capabilities(process: int) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("CapEff"))


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
        watched(root, tmp_path, heard, lambda: lab.replay(wire.here), wire.there, mosquitto.port)
    finally:
        heard.close()
    helped(root, tmp_path, wire)
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
            watched(root, tmp_path, heard, replay, source, mosquitto.port)
        finally:
            heard.close()
    purge(root)
    assert {path for path in files(root.path) - before if not PURGED_BUT_LOGGED.match(path)} == set()


@needs("systemd-analyze")
@pytest.mark.parametrize(
    "name, most", [("fieldkit-agent.service", 26), ("fieldkit-capture@.service", 20), ("fieldkit-image.service", 30)]
)
def test_systemd_finds_nothing_wrong_with_the_unit(name: str, most: int, tmp_path: Path) -> None:
    """And what it says of its exposure, in tenths: 100 is a service that may do everything."""
    program = tmp_path / "fieldkit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / name
    text = (UNITS / name).read_text().replace("/usr/bin/fieldkit", str(program))
    unit.write_text(text.replace("RootDirectory=/opt/fieldkit-image", "RootDirectory=/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "fieldkit" not in done.stderr, done.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={most}", str(unit)]
    scored = subprocess.run(command, capture_output=True, text=True)
    assert scored.returncode == 0, scored.stdout[-2000:]
    print(scored.stdout.strip().splitlines()[-1])
