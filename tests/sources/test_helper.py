"""A capture helper asked by somebody who may not capture: through the real sudo, a socket as systemd makes it, a wrapper."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldkit.events import PacketBatch
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter, host
from fieldkit.sources.file import SourceError
from fieldkit.sources.helper import HelperSocket, HelperSource, helper_source
from fieldkit.sources.helperways import VARIABLE, Way, ways, words
from fieldkit.sources.rights import rights_of
from tests.traffic.netlab import Cable, as_nobody, cable, needs_network, needs_nobody
from tests.traffic.packets import ethernet, packet

ROOT = Path(__file__).parents[2]
PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))
OTHER = ethernet(packet("10.1.0.9", "203.0.113.5", 40_000, 443, 1, 1, "PA", b"hello"))
CAP_NET_RAW = 1 << 13
NOBODY = pwd.getpwnam("nobody").pw_uid
HELPER = (*as_nobody.python, "-m", "fieldkit", "capture-helper")


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkh") as laid:
        yield laid


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in as_nobody.environment.items():
        monkeypatch.setenv(name, value)


def packets(source: HelperSource | HelperSocket, number: int, seconds: float = 3) -> list[bytes]:
    """So many packets, or those that come in time."""
    came: list[bytes] = []
    ends = time.monotonic() + seconds
    while len(came) < number and time.monotonic() < ends:
        for item in source.read():
            if isinstance(item, PacketBatch):
                came += [item.buffer[start:end] for start, end in zip(item.starts, item.ends, strict=True)]
        time.sleep(0.01)
    return came


@needs_network
@needs_nobody
def test_a_helper_captures_what_was_asked_for_with_one_right(wire: Cable) -> None:
    source = HelperSource(HELPER, wire.there, words(wire.there, CaptureFilter(ports=(9000,)), 1 << 20), FrameNumbers())
    rights = rights_of(source.process)
    assert (rights.effective, rights.permitted, rights.bounding) == (CAP_NET_RAW, CAP_NET_RAW, 0)
    assert (rights.user, rights.groups, rights.no_new_privileges) == (NOBODY, (), True)
    wire.send(PACKET, OTHER, PACKET)
    assert packets(source, 2) == [PACKET.ljust(60, b"\0")] * 2
    assert packets(source, 1, 0.2) == []
    wire.cut()
    wait_for_text(source, f"{wire.there} is gone")
    wire.lay()
    wait_for_text(source, f"{wire.there} is back")
    wire.send(PACKET)
    assert len(packets(source, 1)) == 1
    assert source.ended() is None
    source.close()
    assert source.ended() == ""
    assert not Path(f"/proc/{source.process}").exists()


def wait_for_text(source: HelperSource, text: str) -> None:
    ends = time.monotonic() + 5
    while not any(getattr(item, "text", "") == text for item in source.tick(1)):
        assert time.monotonic() < ends, text
        time.sleep(0.05)


@needs_network
@needs_nobody
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (apt-get install util-linux)")
def test_a_helper_started_as_somebody_with_an_ambient_capability(wire: Cable) -> None:
    """As systemd starts it with AmbientCapabilities=, without being root at any time."""
    somebody = ("setpriv", "--reuid", "nobody", "--regid", str(pwd.getpwnam("nobody").pw_gid), "--clear-groups")
    rights = ("--inh-caps", "-all,+net_raw", "--ambient-caps", "-all,+net_raw", "--no-new-privs")
    source = HelperSource([*somebody, *rights, *HELPER], wire.there, ["-i", wire.there], FrameNumbers())
    now = rights_of(source.process)
    assert (now.user, now.permitted, now.no_new_privileges) == (NOBODY, CAP_NET_RAW, True)
    wire.send(PACKET)
    assert len(packets(source, 1)) == 1
    source.close()


@needs_network
@needs_nobody
@pytest.mark.parametrize("how", ["reader", "SIGTERM"])
def test_a_helper_on_an_idle_line_ends_when_it_is_to(wire: Cable, how: str) -> None:
    with subprocess.Popen([*HELPER, "-i", wire.there], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as helper:
        assert helper.stderr is not None
        assert helper.stdout is not None
        assert helper.stderr.readline() == f"capturing on {wire.there}\n".encode()
        time.sleep(0.1)
        if how == "reader":
            helper.stdout.close()
        else:
            helper.send_signal(signal.SIGTERM)
        assert helper.wait(3) == 0


@needs_network
@needs_nobody
@pytest.mark.parametrize(
    "arguments, said",
    [
        (["-i", "nosuch0"], "there is no interface 'nosuch0'"),
        (["-i", "../../etc"], "there is no interface '../../etc'"),
        (["-i", "-"], "there is no interface '-'"),
        (["-i", "ssh://host/eth0"], "there is no interface 'ssh://host/eth0'"),
        (["-i", "tzsp://0.0.0.0:1"], "there is no interface"),
        (["-i", "lo\n-w"], "there is no interface"),
        ([], "name an interface"),
        (["-i", "lo", "--host", "evil.example"], "does not appear to be an IPv4 or IPv6 network"),
        (["-i", "lo", "--port", "70000"], "70000"),
        (["-i", "lo", *["--port", "1"] * 65], "at most"),
        (["-i", "lo", "-w", "/etc/passwd"], "No such option"),
        (["-i", "lo", "--buffer", "100000"], "100000"),
    ],
    ids=str,
)
def test_a_helper_takes_nothing_but_interfaces_and_filters(arguments: list[str], said: str) -> None:
    done = subprocess.run([*HELPER, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert said.lower() in done.stderr.lower()
    assert done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------------------- sudo

SUDOERS = "root ALL=(ALL) ALL\nnobody ALL=(root) NOPASSWD: {program} capture-helper *\n"

# Run as nobody: captures through whatever is set up, and tells of every process below itself.
ASK = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
from fieldkit.sources.local import local_opener
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import SourceError
from fieldkit.sources.rights import rights_of
try:
    source = local_opener("", CaptureFilter(ports=(9000,)), FrameNumbers(), size=1 << 20)(sys.argv[1])
except SourceError as error:
    print(json.dumps({"error": str(error)})); sys.exit()
def status(path):
    try:
        return (path / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # others' processes come and go while this one looks
def below(process):
    children = [int(path.name) for path in Path("/proc").glob("[0-9]*") if f"PPid:\\t{process}\\n" in status(path)]
    return children + [grandchild for child in children for grandchild in below(child)]
helpers = [(Path(f"/proc/{child}/comm").read_text().strip(), asdict(rights_of(child))) for child in below(os.getpid())]
print(json.dumps({"kind": type(source).__name__, "own": asdict(rights_of()), "helpers": helpers}), flush=True)
sys.stdin.readline()
got, ends = 0, time.monotonic() + 3
while got < 2 and time.monotonic() < ends:
    got += sum(len(item.starts) for item in source.read() if hasattr(item, "starts"))
    time.sleep(0.01)
begin = time.monotonic()
source.close()
print(json.dumps({"packets": got, "left": len(below(os.getpid())), "seconds": time.monotonic() - begin}))
"""


def by_sudo(tmp_path: Path, rule: str, interface: str, wire: Cable) -> list[dict[str, Any]]:
    """What a process of nobody's tells, with this rule for sudo, in a mount namespace that only it sees."""
    program = Path("/usr/local/bin/fieldkit")
    exports = " ".join(f"{name}={value}" for name, value in as_nobody.environment.items())
    (tmp_path / "fieldkit").write_text(f'#!/bin/sh\nexec env {exports} {as_nobody.python[0]} -m fieldkit "$@"\n')
    (tmp_path / "fieldkit").chmod(0o755)
    (tmp_path / "sudoers").write_text(rule.format(program=program))
    (tmp_path / "sudoers").chmod(0o440)
    (tmp_path / "ask.py").write_text(ASK)
    setup = (
        f"mount -t tmpfs none /usr/local/bin && cp {tmp_path}/fieldkit /usr/local/bin/ && cp {tmp_path}/ask.py /usr/local/bin/ && "
        f"mount --bind {tmp_path}/sudoers /etc/sudoers && "
        f"exec setpriv --reuid nobody --regid {pwd.getpwnam('nobody').pw_gid} --clear-groups "
        f"{as_nobody.python[0]} /usr/local/bin/ask.py {interface}"
    )
    asking = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", setup],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **as_nobody.environment},
    )
    assert asking.stdout is not None
    assert asking.stdin is not None
    told = [json.loads(asking.stdout.readline())]
    if "error" not in told[0]:
        wire.send(PACKET, OTHER, PACKET)
    rest, _ = asking.communicate("go\n", timeout=20)
    return told + [json.loads(line) for line in rest.splitlines()]


needs_sudo = pytest.mark.skipif(
    not all(map(shutil.which, ("sudo", "unshare", "setpriv"))),
    reason="needs sudo, unshare and setpriv (apt-get install sudo)",
)


@needs_network
@needs_nobody
@needs_sudo
def test_a_user_captures_through_sudo_without_a_right_of_his_own(wire: Cable, tmp_path: Path) -> None:
    first, last = by_sudo(tmp_path, SUDOERS, wire.there, wire)
    assert first["kind"] == "HelperSource"
    assert first["own"]["permitted"] == 0
    helpers = [rights for name, rights in first["helpers"] if name != "sudo"]
    assert [(one["user"], one["effective"], one["bounding"]) for one in helpers] == [(NOBODY, CAP_NET_RAW, 0)]
    assert (last["packets"], last["left"]) == (2, 0)
    assert last["seconds"] < 2.5


@needs_network
@needs_nobody
@needs_sudo
def test_without_a_rule_for_sudo_the_user_is_told_what_is_missing(wire: Cable, tmp_path: Path) -> None:
    (told,) = by_sudo(tmp_path, "root ALL=(ALL) ALL\n", wire.there, wire)
    assert told == {
        "error": "capturing needs the right CAP_NET_RAW: run it with sudo, or see what fieldkit doctor says"
    }


# ----------------------------------------------------------------------------------------------------------- socket


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Path]:
    """``fieldkit capture-helper --socket`` behind a socket, started for each connection as systemd does."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("needs systemd-socket-activate (apt-get install systemd)")
    path = tmp_path / "capture.sock"
    environment = [f"--setenv={name}" for name in as_nobody.environment]
    with subprocess.Popen(
        [program, "--accept", "--inetd", "-l", str(path), *environment, *HELPER, "--socket"], stderr=subprocess.DEVNULL
    ) as listening:
        ends = time.monotonic() + 3
        while not path.exists():
            assert time.monotonic() < ends
            time.sleep(0.02)
        yield path
        listening.terminate()


@needs_network
@needs_nobody
def test_a_helper_behind_a_socket(wire: Cable, service: Path) -> None:
    (way,) = (way for way in ways(service) if way.kind == "socket")
    source = helper_source(way, wire.there, CaptureFilter(ports=(9000,)), FrameNumbers(), 1 << 20)
    assert isinstance(source, HelperSocket)
    wire.send(PACKET, OTHER, PACKET)
    assert packets(source, 2) == [PACKET.ljust(60, b"\0")] * 2
    helper = running("capture-helper --socket", but="systemd-socket-activate")
    assert rights_of(helper).permitted == CAP_NET_RAW
    source.close()
    ends = time.monotonic() + 3
    while Path(f"/proc/{helper}/exe").exists():
        assert time.monotonic() < ends, "it goes on without its reader"
        time.sleep(0.05)


@needs_network
@needs_nobody
def test_a_helper_behind_a_socket_says_why_it_cannot(service: Path) -> None:
    with pytest.raises(SourceError, match="there is no interface 'nosuch0'"):
        HelperSocket(str(service), "nosuch0", words("nosuch0", CaptureFilter(), 1 << 20), FrameNumbers())
    for request in (["-w", "/etc/passwd"], ["--socket"], ["--help"], ["-i", "lo", "--port", "x"], ["x" * 9000], ["ü"]):
        with pytest.raises(SourceError):
            HelperSocket(str(service), "lo", request, FrameNumbers())


def test_a_socket_that_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the capture helper at .*does not answer"):
        HelperSocket(str(tmp_path / "nothing"), "lo", [], FrameNumbers())


def running(what: str, but: str) -> int:
    """The number of the process with these words in its command line."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if what in line and but not in line:
            return int(path.name)
    raise AssertionError(f"no process {what}")


# ---------------------------------------------------------------------------------------------------------- wrapper


@needs_network
@needs_nobody
def test_a_wrapper_with_a_file_capability(wire: Cable) -> None:
    """The one that packaging/capture-helper builds: it hands CAP_NET_RAW on to Python, and Python itself has none."""
    if not all(map(shutil.which, ("cc", "setcap"))):
        pytest.skip("needs a C compiler and setcap (apt-get install gcc libcap2-bin)")
    directory = Path(f"/tmp/fk-wrapper-{os.getpid()}")
    directory.mkdir(mode=0o755)
    wrapper = directory / "fieldkit-capture"
    try:
        source_text = ROOT / "packaging" / "capture-helper" / "fieldkit-capture.c"
        defined = [f'-DPYTHON="{as_nobody.python[0]}"', f'-DMODULES="{as_nobody.environment["PYTHONPATH"]}"']
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", *defined, "-o", wrapper, source_text], check=True)
        subprocess.run(["setcap", "cap_net_raw=ep", wrapper], check=True)
        code = ASK.replace("local_opener(", "__import__('fieldkit.sources.local').sources.local.local_opener(")
        asking = subprocess.Popen(
            [*as_nobody.python, "-c", code, wire.there],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            user="nobody",
            group=pwd.getpwnam("nobody").pw_gid,
            extra_groups=[],
            env={**os.environ, **as_nobody.environment, VARIABLE: str(wrapper)},
        )
        assert asking.stdout is not None
        first = json.loads(asking.stdout.readline())
        wire.send(PACKET, OTHER, PACKET)
        rest, _ = asking.communicate("go\n", timeout=20)
        ((_, helper),) = first["helpers"]
        assert (helper["permitted"], helper["user"], first["own"]["permitted"]) == (CAP_NET_RAW, NOBODY, 0)
        assert helper["no_new_privileges"]
        assert json.loads(rest)["packets"] == 2
    finally:
        shutil.rmtree(directory)


# ------------------------------------------------------------------------------------------------------------- words


def test_a_filter_in_words() -> None:
    wanted = CaptureFilter((host("10.0.0.0/8"), host("2001:db8::1")), (9000, 443), 7, True)
    assert " ".join(words("eth0", wanted, 16 << 20)) == (
        "-i eth0 --host 10.0.0.0/8 --host 2001:db8::1/128 --port 9000 --port 443 --vlan 7 --all --buffer 16"
    )
    assert words("eth0", CaptureFilter(), 1) == ["-i", "eth0", "--buffer", "1"]


def test_a_command_of_ones_own_is_the_first_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "doas /opt/fk 'capture helper'")
    assert next(ways()) == Way("variable", ("doas", "/opt/fk", "capture helper"))


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux way")
def test_a_helper_that_does_not_start_is_one_line() -> None:
    with pytest.raises(SourceError, match="no/such/helper: No such file or directory"):
        HelperSource(["/no/such/helper"], "eth0", [], FrameNumbers())
    with pytest.raises(SourceError, match="eth0: the capture helper ended with status 1"):
        HelperSource(["false"], "eth0", [], FrameNumbers())
