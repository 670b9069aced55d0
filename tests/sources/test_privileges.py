"""Rights given up for real: what the kernel says of both processes while one opens sockets and the other reads packets."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldkit.sources.privileges import Person, caller
from tests.traffic.netlab import Cable, as_nobody, cable, needs_network, needs_nobody, needs_root
from tests.traffic.packets import ethernet, packet

ROOT = Path(__file__).parents[2]
CAP_NET_RAW = 1 << 13
PACKET = ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1, 1, "PA", b"hello"))


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fks") as laid:
        yield laid


# It runs as a process of its own: rights that are given up do not come back. A line on stdin is a step.
SCRIPT = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
from fieldkit.sources.privileges import separate
from fieldkit.sources.rights import rights_of
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.file import SourceError

def tell(**what): print(json.dumps(what), flush=True)
interface, output, *only = sys.argv[1:]
try:
    opener = separate(outputs=[Path(output)], interfaces=only or None)
except SourceError as error:
    tell(error=str(error)); sys.exit(3)
if opener is None:
    tell(opener=None); sys.exit()
tell(person=asdict(opener.person), note=opener.note, opener=opener.process, main=os.getpid(),
     rights=[asdict(rights_of(process)) for process in (opener.process, "self")], home=os.environ.get("HOME"))
source = None
for line in sys.stdin:
    match line.split():
        case ["open", name]:
            try:
                source = opener.open(name, CaptureFilter(ports=(9000,)), FrameNumbers(), 1 << 20)
                tell(opened=name)
            except SourceError as error:
                tell(error=str(error))
        case ["read"]:
            time.sleep(0.15)
            packets = said = 0
            items = source.read() + source.tick(1)
            tell(packets=sum(len(item.starts) for item in items if hasattr(item, "starts")),
                 said=[item.text for item in items if hasattr(item, "text")])
        case ["write"]:
            Path(output).write_text("x"); tell(owner=Path(output).stat().st_uid)
        case ["try", what]:
            try:
                exec({"socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)",
                      "root": "os.setuid(0)", "shadow": "open('/etc/shadow').read()"}[what])
                tell(done=what)
            except OSError as error:
                tell(refused=type(error).__name__)
opener.close()
tell(gone=not Path(f"/proc/{opener.process}").exists())
"""


class Separated:
    """A process that has given up its rights, and takes orders."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("SUDO_", "PKEXEC", "DOAS"))}
        self._process = subprocess.Popen(
            [*as_nobody.python, "-c", SCRIPT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**variables, **as_nobody.environment, **environment},
        )
        self.told = self._told()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        assert isinstance(told, dict)
        return told

    def __call__(self, *order: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(order) + "\n")
        self._process.stdin.flush()
        return self._told()

    def end(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            return self._told() if self._process.wait(10) == 0 else {}
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait(5)


NOBODY = pwd.getpwnam("nobody")


@needs_network
@needs_nobody
def test_while_packets_come_no_process_has_a_right_too_many(wire: Cable, tmp_path: Path) -> None:
    separated = Separated(wire.there, "/tmp/fieldkit-nothing.pcapng")
    told = separated.told
    assert told["person"]["name"] == "nobody"
    assert told["note"] == ""
    opener, main = told["rights"]
    assert (opener["effective"], opener["permitted"], opener["bounding"]) == (CAP_NET_RAW, CAP_NET_RAW, 0)
    assert (main["effective"], main["permitted"], main["bounding"]) == (0, 0, 0)
    for rights in (opener, main):
        assert (rights["user"], rights["group"], rights["groups"]) == (NOBODY.pw_uid, NOBODY.pw_gid, [])
        assert rights["no_new_privileges"]
    assert separated("open", wire.there) == {"opened": wire.there}
    wire.send(PACKET, PACKET)
    assert separated("read")["packets"] == 2
    assert separated("try", "socket") == {"refused": "PermissionError"}
    assert separated("try", "root") == {"refused": "PermissionError"}
    assert separated("try", "shadow") == {"refused": "PermissionError"}
    # The cable is torn out and put back: the process without rights goes on.
    wire.cut()
    assert separated("read")["said"] == [f"{wire.there} is gone"]
    wire.lay()
    assert separated("read")["said"] == [f"{wire.there} is back"]
    wire.send(PACKET)
    assert separated("read")["packets"] == 1
    assert separated.end() == {"gone": True}


@needs_network
@needs_nobody
def test_what_is_handed_over_cannot_be_widened(wire: Cable) -> None:
    """The filter is locked and names the interface: binding the socket to another one shows nothing."""
    from fieldkit.sources.bpf import CaptureFilter
    from fieldkit.sources.packetsocket import OpensHere, bind

    with OpensHere().socket(wire.there, CaptureFilter(ports=(9000,))) as opened:
        bind(opened, wire.here)
        opened.settimeout(0.2)
        wire.send(PACKET)  # seen on both ends
        with pytest.raises(TimeoutError):
            opened.recv(2000)
        for number in (26, 27):  # SO_ATTACH_FILTER, SO_DETACH_FILTER
            with pytest.raises(PermissionError):
                opened.setsockopt(1, number, b"\1" + bytes(15))


@needs_network
@needs_nobody
def test_who_called_sudo_gets_the_files(wire: Cable, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Path("/tmp") / f"fk-sudo-{os.getpid()}"
    home.mkdir()
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    output = home / "out.pcapng"
    try:
        separated = Separated(wire.there, str(output), SUDO_UID=str(NOBODY.pw_uid), SUDO_GID=str(NOBODY.pw_gid))
        assert separated.told["home"] == NOBODY.pw_dir
        assert separated("write") == {"owner": NOBODY.pw_uid}
        separated.end()
    finally:
        output.unlink(missing_ok=True)
        home.rmdir()


@needs_root
@needs_nobody
def test_a_file_that_the_caller_may_not_write_is_refused_at_once() -> None:
    separated = Separated("lo", "/etc/out.pcapng", SUDO_UID=str(NOBODY.pw_uid))
    assert separated.told["error"] == (
        "/etc/out.pcapng: nobody may not write to /etc (packets are parsed as nobody); name another place, or add --keep-root"
    )
    separated.end()


@needs_root
@needs_nobody
def test_where_only_root_may_write_root_stays_without_any_capability() -> None:
    separated = Separated("lo", "/etc/out.pcapng")
    assert separated.told["person"]["name"] == "root"
    assert "as root, though without any capability: /etc/out.pcapng: nobody may not write" in separated.told["note"]
    opener, main = separated.told["rights"]
    assert (opener["permitted"], main["permitted"], main["bounding"]) == (CAP_NET_RAW, 0, 0)
    assert separated("try", "socket") == {"refused": "PermissionError"}
    separated.end()


@needs_network
@needs_nobody
def test_the_opener_opens_only_what_was_agreed(wire: Cable) -> None:
    separated = Separated(wire.there, "/tmp/x.pcapng", wire.there)
    assert "was not among the interfaces" in separated("open", wire.here)["error"]
    assert separated("open", "../lo")["error"] == "../lo: there is no such interface (fieldkit doctor lists them)"
    assert separated("open", wire.there) == {"opened": wire.there}
    separated.end()


@needs_network
@needs_nobody
def test_when_the_parser_is_killed_the_opener_ends(wire: Cable) -> None:
    separated = Separated(wire.there, "/tmp/x.pcapng")
    opener = separated.told["opener"]
    separated._process.kill()
    separated._process.wait(5)
    wait_for(lambda: not Path(f"/proc/{opener}/exe").exists() or _is_zombie(opener))
    assert separated._process.stdin is not None
    assert separated._process.stdout is not None
    separated._process.stdin.close()
    separated._process.stdout.close()


def _is_zombie(process: int) -> bool:
    return "State:\tZ" in Path(f"/proc/{process}/status").read_text("ascii")


@needs_root
@needs_nobody
def test_without_rights_there_is_nothing_to_separate() -> None:
    code = "from fieldkit.sources.privileges import separate; print(separate())"
    said = as_nobody("-c", code)
    assert said.stdout.strip() == "None", said.stderr


@needs_root
@needs_nobody
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_a_service_that_is_its_user_already_gives_up_the_one_right_that_it_has() -> None:
    """As systemd starts it: User=, AmbientCapabilities=CAP_NET_RAW, and no right to become anybody."""
    code = (
        "from fieldkit.sources.privileges import separate; from fieldkit.sources.rights import rights_of\n"
        "opener = separate(); print([rights_of(one).permitted for one in (opener.process, 'self')], opener.note)"
    )
    user = pwd.getpwnam("nobody")
    rights = ["--inh-caps=-all,+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw", "--no-new-privs"]
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *rights]
    said = subprocess.run(
        [*become, *as_nobody.python, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **as_nobody.environment},
    )
    assert said.stdout.strip() == f"[{CAP_NET_RAW}, 0]", said.stderr


@needs_root
def test_threads_are_not_left_behind_with_rights() -> None:
    code = (
        "import threading; from fieldkit.sources.privileges import separate\n"
        "event = threading.Event(); threading.Thread(target=event.wait, daemon=True).start()\n"
        "try: separate()\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.strip() == "rights can only be given up before threads are started"


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, None),
        ({"SUDO_UID": "0", "SUDO_GID": "0"}, None),
        ({"SUDO_UID": "-1"}, None),
        ({"SUDO_UID": "4294967295"}, None),
        ({"SUDO_UID": "٣"}, None),
        ({"SUDO_UID": "root"}, None),
        ({"DOAS_USER": "root"}, None),
        ({"DOAS_USER": "no such user"}, None),
        ({"SUDO_UID": str(NOBODY.pw_uid), "SUDO_GID": "0"}, "nobody"),
        ({"PKEXEC_UID": str(NOBODY.pw_uid)}, "nobody"),
        ({"DOAS_USER": "nobody"}, "nobody"),
    ],
)
def test_who_called(environment: dict[str, str], expected: str | None) -> None:
    person = caller(environment)
    assert (person.name if person else None) == expected
    if person is not None:
        assert person.group == NOBODY.pw_gid, "the group is the user's own, not what the environment says"


def test_a_user_of_another_machine_has_the_group_that_sudo_says() -> None:
    assert caller({"SUDO_UID": "3999999999", "SUDO_GID": "77"}) == Person(3_999_999_999, 77, "3999999999")


def wait_for(condition: Callable[[], bool], seconds: float = 3) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)
