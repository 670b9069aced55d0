"""Routers that are small, odd, or do not let us in: what is said of each is one line that tells what to do."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fieldkit.events import CaptureComment
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.sshtap import SshTap
from tests.traffic.capture import write_pcap
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import Cable, cable, needs_network
from tests.traffic.packets import ethernet, packet
from tests.traffic.sshlab import Router, Tapped, needs_sshd, router, running, tap, wait_for

pytestmark = [needs_sshd, needs_network]

SOMETHING = CAPTURES / "made" / "reconnects.pcap"


def segment(number: int, data: bytes = b"hello") -> bytes:
    return ethernet(packet("10.1.0.7", "203.0.113.5", 40_000, 9000, 1 + number * len(data), 1, "PA", data))


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fks") as laid:
        yield laid


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    with router(tmp_path_factory.mktemp("router")) as made:
        yield made


# ----------------------------------------------------------------------------------------------------- what cannot be


def test_a_key_that_is_not_the_one_known(tmp_path: Path, wire: Cable) -> None:
    with router(tmp_path) as made:
        made.stop()
        made.make_key("host_key")
        made.start()
        tapped = tap(made, wire.there)
        why = tapped.end()
        assert why.startswith("the ssh key of 127.0.0.1 has changed (it is SHA256:")
        assert why.endswith(f"ssh-keygen -R '[127.0.0.1]:{made.port}'")
        assert "\n" not in why
        assert tapped.tap.unreachable


def test_a_key_that_is_not_known(tmp_path: Path, wire: Cable) -> None:
    with router(tmp_path) as made:
        (tmp_path / "known_hosts").write_text("")
        why = tap(made, wire.there).end()
        assert why == (
            "the ssh key of 127.0.0.1 is not known here yet: "
            f"run 'ssh -p {made.port} root@127.0.0.1' once and compare it"
        )


def test_a_login_that_is_refused(tmp_path: Path, wire: Cable) -> None:
    with router(tmp_path) as made:
        (tmp_path / "authorized_keys").write_text("")
        tapped = tap(made, wire.there)
        assert tapped.end().startswith("root@127.0.0.1 refused the login; this needs a key")
        assert tapped.tap.unreachable


def test_nobody_there(tmp_path: Path) -> None:
    made = Router(tmp_path)
    tapped = tap(made, "eth0")
    assert tapped.end() == "127.0.0.1: nothing answers on that port: is ssh switched on there?"
    assert tapped.tap.unreachable


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    made = Router(tmp_path)
    tapped = Tapped(SshTap("ssh://nosuchhost.invalid/eth0", CaptureFilter(), FrameNumbers(), ssh=made.ssh))
    assert "its name cannot be resolved" in tapped.end()
    assert tapped.tap.unreachable


def test_no_such_interface(routers: Router) -> None:
    tapped = tap(routers, "nosuch0")
    why = tapped.end()
    assert why.startswith("127.0.0.1: there is no interface nosuch0; there are ")
    assert "lo" in why.split(" are ")[1]
    assert not tapped.tap.unreachable


def test_no_tcpdump_there(tmp_path: Path) -> None:
    """On a system with a package manager, whose command is named."""
    tools = small_system(tmp_path, "opkg")
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, "lo")
        why = tapped.end()
        assert why.startswith("127.0.0.1: there is no tcpdump on ")
        assert why.endswith("install it there with 'opkg update && opkg install tcpdump-mini'")
        assert not tapped.tap.unreachable
        assert not running(*made.ssh)


def small_system(directory: Path, *more: str) -> Path:
    """A directory of programs as a small router has them: BusyBox, and links to it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    tools = directory / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "date", "head", "id", "sleep", "uname"):
        (tools / name).symlink_to(busybox)
    for name in more:
        (tools / name).symlink_to(shutil.which(name) or busybox)
    return tools


def test_a_small_system(tmp_path: Path, wire: Cable) -> None:
    """BusyBox everywhere, as on OpenWrt: its shell ends tcpdump when nobody says for long that he is there."""
    tools = small_system(tmp_path, "tcpdump")
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        assert tapped.tap._session is not None
        facts = tapped.tap._session.facts
        assert facts is not None
        assert (facts.limits_reads, facts.root) == (True, True)
        wire.send(segment(0))
        tapped.items += tapped.tap.stop()
        assert len(tapped.packets) == 1
        assert not running("tcpdump", wire.there)


def test_a_heartbeat_that_stops_ends_tcpdump(tmp_path: Path, wire: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router whose way to us is gone, and which does not notice."""
    monkeypatch.setattr("fieldkit.sources.remote._MISSED", 1)
    tools = small_system(tmp_path, "tcpdump")
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        for process in running(*made.ssh):
            os.kill(process, signal.SIGSTOP)
        wait_for(lambda: not running("tcpdump", wire.there), 4)
        for process in running(*made.ssh):
            os.kill(process, signal.SIGCONT)
        tapped.tap.close()


def test_a_login_without_a_shell(tmp_path: Path) -> None:
    with router(tmp_path, ForceCommand="echo 'bad command name exec (line 1 column 1)'") as made:
        why = tap(made, "ether1").end()
        assert why.startswith("127.0.0.1: there is no shell behind this login")
        assert "(it said: bad command name exec" in why
        assert "tzsp://" in why


def test_a_login_script_that_talks(tmp_path: Path, wire: Cable) -> None:
    with router(tmp_path, ForceCommand="echo Welcome; echo ready; eval $SSH_ORIGINAL_COMMAND") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        tapped.tap.close()


def test_a_key_that_is_bound_to_a_capture(tmp_path: Path, wire: Cable) -> None:
    """The safest way to let somebody in: command="tcpdump …" in authorized_keys."""
    file = tmp_path / "some.pcap"
    file.write_bytes(write_pcap([(10**18, segment(0))] * 5))
    with router(tmp_path, ForceCommand=f"cat {file}; sleep 60") as made:
        tapped = tap(made, "eth0")
        tapped.until(lambda: len(tapped.packets) == 5)
        began = time.monotonic()
        tapped.tap.close()
        assert time.monotonic() - began < 3


def test_a_clock_that_is_wrong_is_told(tmp_path: Path, wire: Cable) -> None:
    tools = small_system(tmp_path, "tcpdump")
    (tools / "date").unlink()
    (tools / "date").write_text(f"#!{tools}/sh\necho {int(time.time()) - 3 * 86_400}.%N\n")
    (tools / "date").chmod(0o755)
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        assert tapped.told == ["the clock of 127.0.0.1 is 3 days behind the clock here: times of packets are its times"]
        (comment,) = (item for item in tapped.items if isinstance(item, CaptureComment))
        assert abs(time.time_ns() - 3 * 86_400 * 10**9 - comment.time) < 5 * 10**9, "it is told in the router's time"
        tapped.tap.close()


def test_hardware_that_forwards_unseen_is_told(tmp_path: Path, wire: Cable) -> None:
    tools = small_system(tmp_path, "tcpdump")
    (tools / "uci").write_text(f"#!{tools}/sh\necho 1\n")
    (tools / "uci").chmod(0o755)
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        assert len(tapped.told) == 1
        assert "hardware flow offloading is on at 127.0.0.1" in tapped.told[0]
        tapped.tap.close()


def test_it_is_called_through_a_jump_host(routers: Router, wire: Cable) -> None:
    config = routers.directory / "ssh_config"
    jump = routers.directory / "jump_config"
    jump.write_text(
        f"Host site\n  HostName 127.0.0.1\n  Port {routers.port}\n  User root\n"
        f"  ProxyCommand ssh -F {config} -p {routers.port} -W %h:%p root@127.0.0.1\n{config.read_text()}"
    )
    tapped = Tapped(SshTap(f"ssh://site/{wire.there}", CaptureFilter(), FrameNumbers(), ssh=["ssh", "-F", str(jump)]))
    tapped.begin()
    wire.send(segment(0))
    tapped.items += tapped.tap.stop()
    assert len(tapped.packets) == 1
    with closing(tapped.tap):
        assert tapped.tap.name == f"ssh://site/{wire.there}"


def test_dumpcap_in_the_place_of_tcpdump(tmp_path: Path, wire: Cable) -> None:
    if shutil.which("dumpcap") is None:
        pytest.skip("needs dumpcap")
    tools = small_system(tmp_path, "dumpcap")
    with router(tmp_path, SetEnv=f"PATH={tools}") as made:
        tapped = tap(made, wire.there)
        tapped.begin()
        wire.send(segment(0), segment(1))
        tapped.items += tapped.tap.stop()
        assert len(tapped.packets) == 2
        assert tapped.tap.counters() == (2, 0)
        assert not running("dumpcap", wire.there)
