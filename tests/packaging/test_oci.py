"""The container image: read by others' tools, and run as a router runs it: nobody in particular, nothing to write to."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from tests.agent.lab import Broker, Listening, needs_mosquitto
from tests.packaging import lab
from tests.packaging.lab import FINDING, PENDING, Root, files, mirror, needs, needs_root, until
from tests.packaging.sandbox import Unit
from tests.traffic.netlab import Cable, needs_network, needs_tcpreplay

LARGEST = 120_000_000
"""Bytes, compressed: containers come over cellular links, too."""

pytestmark = [pytest.mark.packages]


class Container:
    """An image, unpacked, and run without a daemon: its root read-only, its volumes outside of it."""

    def __init__(self, arch: str, folder: Path) -> None:
        why = lab.runs(arch)
        if why:
            pytest.skip(why)
        root = folder / "root"
        root.mkdir()
        self.config = lab.unpacked_image(lab.built("oci", arch), root)["config"]
        self.volumes = {}
        user = int(self.config["User"].split(":")[0])
        for path in (*self.config["Volumes"], "/etc/fieldkit", "/tmp"):
            self.volumes[path] = folder / path[1:].replace("/", "-")
            self.volumes[path].mkdir(mode=0o755)
            os.chown(self.volumes[path], user, user)
        self.root = Root(root, read_only=True, binds=self.volumes)
        self.before = files(root)

    def run_as(self, user: str = "") -> tuple[str, ...]:
        return (lab.CHROOT, f"--userspec={user or self.config['User']}", "--groups=")

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.config["Env"])

    def configure(self, source: str, port: int) -> None:
        text = (
            f'[agent]\nsite = "depot"\nname = "container"\n[capture]\nsources = ["{source}"]\n'
            f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{port}"\n'
        )
        (self.volumes["/etc/fieldkit"] / "agent.toml").write_text(text)

    def command(self) -> list[str]:
        return [*self.config["Entrypoint"], *self.config["Cmd"]]

    def is_healthy(self, run_as: tuple[str, ...]) -> bool:
        kind, *words = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        command = self.root.command(*words, run_as=run_as)
        return subprocess.run(command, capture_output=True, env=self.environment).returncode == 0


@needs_root
@needs("unshare", "chroot")
@needs_mosquitto
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_it_runs_as_nobody_and_read_only(arch: str, tmp_path: Path, mosquitto: Broker) -> None:
    """What a container sees of mirrored packets (TZSP) needs no right at all."""
    container = Container(arch, tmp_path)
    heard = Listening(mosquitto.port)
    log = tmp_path / "log"
    with mirror(PENDING) as (source, replay):
        container.configure(source, mosquitto.port)
        begun = time.monotonic()
        with container.root.service(
            log, *container.command(), run_as=container.run_as(), environment=container.environment
        ) as process:
            until(lambda: {"online": True} in heard.of("status"), log)
            print(f"{arch}: with the broker after {time.monotonic() - begun:.2f} s")
            until(lambda: container.is_healthy(container.run_as()), log)
            replay()
            until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log, 200)
            uids = next(
                line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("Uid")
            )
            assert set(uids.split()[1:]) == {"65532"}
            assert lab.stopped(process) == 0, log.read_text()
    heard.close()
    assert not container.is_healthy(container.run_as())
    assert files(container.root.path) == container.before
    assert "is not used" not in log.read_text(), "the detector has all that it needs"


@needs_root
@needs("unshare", "chroot", "setpriv")
@needs_mosquitto
@needs_network
@needs_tcpreplay
def test_with_one_capability_it_listens_to_an_interface(tmp_path: Path, wire: Cable, mosquitto: Broker) -> None:
    """``--user 0 --cap-drop ALL --cap-add NET_RAW --cap-add SETUID --cap-add SETGID``: it becomes nobody by itself."""
    container = Container("amd64", tmp_path)
    container.configure(wire.there, mosquitto.port)
    for path in container.volumes.values():
        os.chown(path, 0, 0)
    heard = Listening(mosquitto.port)
    log = tmp_path / "log"
    kept = "cap_net_raw,cap_setuid,cap_setgid,cap_chown,cap_setpcap,cap_sys_chroot"
    words = shlex.join(container.command())
    setpriv = lab.program("setpriv")
    run_as = (setpriv, "--inh-caps=-all", f"--bounding-set=-all,{kept.replace('cap_', '+')}", lab.CHROOT)
    with container.root.service(log, *shlex.split(words), run_as=run_as, environment=container.environment) as process:
        until(lambda: "listening on" in log.read_text(), log)
        until(lambda: {"online": True} in heard.of("status"), log)
        lab.replay(wire.here)
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log)
        assert lab.stopped(process) == 0, log.read_text()
    heard.close()


@needs_root
@needs("unshare", "chroot", "setpriv", "grep")
@needs_mosquitto
@needs_network
@needs_tcpreplay
def test_without_containers_a_unit_runs_it(
    tmp_path: Path, wire: Cable, mosquitto: Broker, request: pytest.FixtureRequest
) -> None:
    """What docs/packages.md has for Debian 11; the unit's user, capabilities and file systems."""
    document = (lab.ROOT / "docs/packages.md").read_text()
    (commands,) = re.findall(r"```\n(image=.*?)```", document, re.DOTALL)
    package = lab.built("oci", "amd64")
    # Not below pytest's own folder: who has become somebody else must be able to go there.
    place = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="fieldkit-image-"))
    request.addfinalizer(functools.partial(shutil.rmtree, place))
    place.chmod(0o755)
    root, etc = place / "root", tmp_path / "etc"
    for line, here in (
        ("fieldkit-0.1.0-oci-arm64.tar", str(package)), ("/opt/fieldkit-image", str(root)), ("/etc/", f"{etc}/"),
    ):  # fmt: skip
        commands = commands.replace(line, here)
    (etc / "systemd/system").mkdir(parents=True)
    subprocess.run(["sh", "-e", "-c", commands], check=True)
    before = files(root)
    unit = Unit(etc / "systemd/system/fieldkit-image.service")
    user = int(unit["User"])
    (etc / "fieldkit/agent.toml").write_text(
        f'[agent]\nsite = "depot"\nname = "gateway"\n[capture]\nsources = ["{wire.there}"]\n'
        f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n'
    )
    outside = tmp_path / "outside"
    for path in ("var/lib", "run"):
        (outside / path).mkdir(parents=True)
    sandboxed = unit.root(root, tmp_path, user, outside=outside, also={"/etc/fieldkit": etc / "fieldkit"})
    # Whoever changes the root needs a right for it, which systemd does not leave to the service.
    rights = [word.replace("+net_raw", "+net_raw,+sys_chroot") for word in unit.rights(user)]
    environment = dict(word.split("=", 1) for word in unit["Environment"].split())
    heard, log = Listening(mosquitto.port), tmp_path / "log"
    with sandboxed.service(
        log, *shlex.split(unit["ExecStart"]), run_as=(*rights, lab.CHROOT), environment=environment
    ) as process:
        until(lambda: {"online": True} in heard.of("status"), log)
        until(lambda: "listening on" in log.read_text(), log)
        lab.replay(wire.here)
        until(lambda: any(one["id"] == FINDING for one in heard.of("finding")), log)
        assert lab.stopped(process) == 0, log.read_text()
    heard.close()
    assert files(root) == before, "nothing was written into the image"


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_its_detector_runs_and_it_is_small_enough(arch: str, tmp_path: Path) -> None:
    package = lab.built("oci", arch)
    assert package.stat().st_size <= LARGEST
    with tarfile.open(package) as whole:
        assert {"oci-layout", "index.json", "manifest.json"} <= set(whole.getnames())
    if os.geteuid() or lab.runs(arch):
        pytest.skip(lab.runs(arch) or "needs root")
    container = Container(arch, tmp_path)
    python = "/opt/fieldkit/bin/python3"
    code = "import ai_edge_litert.interpreter, numpy, orjson, paho.mqtt.client, cryptography; print('all there')"
    assert container.root.good(python, "-I", "-c", code).strip() == "all there"
    for name in ("textual", "scapy", "smllib"):
        assert container.root.run(python, "-I", "-c", f"import {name}").returncode == 1
    told = json.loads(container.root.run("/usr/bin/fieldkit", "doctor", "--json", "-").stdout)
    assert told["tool"]["name"] == "fieldkit"
    copyrights = {path.parent.name for path in (container.root.path / "usr/share/doc").glob("*/copyright")}
    assert {"libc6", "libssl3", "python3.11-minimal", "fieldkit"} <= copyrights
    assert (container.root.path / "usr/share/common-licenses/GPL-2").is_file()
    # There is nothing to get a foothold with.
    for shell in ("sh", "bash", "dash", "apt-get", "dpkg", "perl"):
        assert not (container.root.path / "usr/bin" / shell).exists()


@needs("skopeo")
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_skopeo_reads_it_in_both_its_forms(arch: str) -> None:
    package = lab.built("oci", arch)
    for form in ("oci-archive", "docker-archive"):
        done = subprocess.run(
            [lab.program("skopeo"), "inspect", f"{form}:{package}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["Architecture"], told["Os"]) == (arch, "linux")
        assert told["Labels"]["org.opencontainers.image.title"] == "fieldkit"


@needs_root
@needs("skopeo", "umoci")
def test_umoci_unpacks_what_we_packed(tmp_path: Path) -> None:
    package = lab.built("oci", "amd64")
    layout = tmp_path / "layout"
    subprocess.run(
        [lab.program("skopeo"), "copy", "-q", f"oci-archive:{package}", f"oci:{layout}:x"], check=True, timeout=300
    )
    subprocess.run([lab.program("umoci"), "unpack", "--image", f"{layout}:x", str(tmp_path / "bundle")], check=True)
    ours = tmp_path / "ours"
    ours.mkdir()
    lab.unpacked_image(package, ours)
    assert files(tmp_path / "bundle" / "rootfs") == files(ours)
