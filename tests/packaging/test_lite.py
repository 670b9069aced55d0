"""The lite package, installed where there is a bare Python and nothing else, and run as its init script runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab
from tests.packaging.lab import FINDING, PENDING, Root, needs, needs_root, until
from tests.traffic.netlab import Cable, needs_network, needs_tcpreplay

HIDDEN = ("numpy", "cryptography", "textual", "rich", "scapy", "orjson", "smllib", "ai_edge_litert", "tflite_runtime")
MEMORY = 48_000_000
"""Bytes that the agent may be resident with, after traffic and with two sinks: Debian's Python alone takes fourteen, which
is linked statically against all that a router's shares."""

pytestmark = [pytest.mark.packages, needs_root, needs("unshare", "chroot")]


def python313() -> Path | None:
    """OpenWrt 25.12 has a 3.13."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.13.*"))
    return kept[-1] if kept else None


def router(kind: str, to: Path) -> Root:
    """A root with Python and its standard library alone; the package's tree laid into it as an installer does."""
    subprocess.run(["cp", "-a", str(lab.debian("amd64")), str(to)], check=True)
    binds: dict[str, Path] = {}
    if kind == "apk":
        python = python313()
        if python is None:
            pytest.skip("needs Python 3.13 (pyenv)")
        (to / str(python)[1:]).mkdir(parents=True)
        binds[str(python)] = python
        (to / "usr/bin/python3").unlink()
        (to / "usr/bin/python3").symlink_to(python / "bin" / "python3.13")
        hidden = python / "lib/python3.13/site-packages"
        binds[str(hidden)] = to.parent / "nothing"  # what pyenv has been given besides
        (to.parent / "nothing").mkdir()
    unpack = lab.unpacked_ipk if kind == "ipk" else lab.unpacked_apk
    unpack(lab.built(kind), to)
    return Root(to, binds=binds)


def configured(root: Root, wire: Cable, port: int) -> None:
    path = root.path / "etc/config/fieldkit"
    text = path.read_text().replace("option enabled '0'", "option enabled '1'")
    text = text.replace("# option site", "option site").replace("'br-lan'", f"'{wire.there}'")
    text = re.sub(r"config links.*?\n\n", "", text, flags=re.DOTALL)  # there is no ubus to ask
    text += f"\nconfig sink 'home'\n\toption type 'mqtt'\n\toption url 'mqtt://127.0.0.1:{port}'\n"
    path.write_text(text)


def procd_command(root: Root) -> tuple[list[str], dict[str, str]]:
    """What the init script has procd run."""
    text = (root.path / "etc/init.d/fieldkit").read_text()
    words = re.search(r"procd_set_param command (.*)", text)
    variables = re.search(r"procd_set_param env (.*)", text)
    assert words is not None
    assert variables is not None
    values = dict(re.findall(r"^(HOME_OF|CONFIG)=(\S+)$", text, re.MULTILINE))
    command = re.sub(r'"?\$(\w+)([^" ]*)"?', lambda found: values[found[1]] + found[2], words[1]).split()
    return command, dict(one.split("=", 1) for one in variables[1].split())


def warming(root: Root) -> str:
    """What it has compiled before."""
    found = re.search(r"-P -c \\\n\s*'([^']+)'", (root.path / "etc/init.d/fieldkit").read_text())
    assert found is not None
    return found[1]


@needs_mosquitto
@needs_network
@needs_tcpreplay
@pytest.mark.parametrize("kind", ["ipk", "apk"])
def test_a_router_with_a_bare_python(kind: str, tmp_path: Path, wire: Cable, mosquitto: Broker) -> None:
    root = router(kind, tmp_path / "root")
    command, variables = procd_command(root)
    python = command[0]
    for name in HIDDEN:
        assert root.run(python, "-P", "-c", f"import {name}").returncode == 1, f"{name} is there"
    assert root.run("fieldkit", "agent", "check-config", "/etc/config/fieldkit").returncode == 2, "no site yet"
    configured(root, wire, mosquitto.port)
    assert "listens on" in root.good("fieldkit", "agent", "check-config", "/etc/config/fieldkit")
    heard = Listening(mosquitto.port)
    log = tmp_path / "log"
    begun = time.monotonic()
    warmed = root.run(python, "-P", "-c", warming(root), environment=variables)
    assert warmed.returncode == 0, warmed.stderr
    warm = time.monotonic() - begun
    begun = time.monotonic()
    with root.service(log, *command, environment=variables) as process:
        until(lambda: "listening on" in log.read_text(), log)
        first = time.monotonic() - begun
        until(lambda: {"online": True} in heard.of("status"), log)
        lab.replay(wire.here)
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log)
        mine = next(
            int(line.split()[1]) * 1024
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        )
        # Asked without being told where it is: /etc/config/fieldkit says it.
        told = json.loads(root.good("fieldkit", "agent", "status", "--json"))
        assert told["site"] == "depot-north"
        # What procd sends when `uci commit` has changed the file: another source, taken without an end.
        path = root.path / "etc/config/fieldkit"
        path.write_text(path.read_text().replace(f"'{wire.there}'", "'lo'"))
        process.send_signal(signal.SIGHUP)
        until(
            lambda: json.loads(root.good("fieldkit", "agent", "status", "--json"))["listening"] == ["lo"],
            log,
        )
        assert lab.stopped(process) == 0, log.read_text()
    heard.close()
    print(f"{kind}: compiled in {warm:.2f} s, listening after {first:.2f} s; {mine / 1e6:.1f} MB resident")
    assert mine <= MEMORY
    assert (root.path / "run/fieldkit-py").is_dir(), "bytecode is kept in memory"
    assert not list((root.path / "usr/lib/fieldkit").rglob("__pycache__")), "and not on flash"


def test_what_needs_more_says_so_in_one_line(tmp_path: Path) -> None:
    root = router("ipk", tmp_path / "root")
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
