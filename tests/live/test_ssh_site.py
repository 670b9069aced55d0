"""``fieldkit capture -i ssh://…`` from a laptop: a real ssh server and the tcpdump of a router, and what may befall them."""

from __future__ import annotations

import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.live.lab import ROUTER, Lab, Talker, needs_lab, until
from tests.live.readers import assert_whole, read_again, report_of
from tests.traffic.sshlab import Router, kill, needs_sshd, running

pytestmark = [needs_lab, needs_sshd]

_QUICK = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=2"
"""A dead link is noticed after two seconds in place of fifteen: nobody wants to wait for a test."""


@pytest.fixture
def router(site: Lab, tmp_path: Path) -> Iterator[Router]:
    (folder := tmp_path / "router").mkdir()
    made = Router(folder, ListenAddress=ROUTER)
    made.within = site.within("router")
    made.start()
    yield made
    made.stop()


def tapped(site: Lab, router: Router, *arguments: str | Path, interface: str = "br-lan") -> Talker:
    command = f"{shlex.join(router.ssh)} {_QUICK}"
    return site.start(
        "laptop", "fieldkit", "capture", "-i", router.url(interface), *arguments, FIELDKIT_SSH_COMMAND=command
    )


def remote(interface: str = "br-lan") -> list[int]:
    return running("tcpdump", interface, "-U")


def test_what_breaks_on_the_way_is_mended_and_told(site: Lab, router: Router, tmp_path: Path) -> None:
    out, document = tmp_path / "out.pcapng", tmp_path / "x.json"
    capture = tapped(site, router, "-w", out, "-o", document)
    capture.says("listening on")
    until(remote)
    site.csms()
    station = site.station()
    until(lambda: out.stat().st_size > 5_000)

    (tcpdump,) = remote()
    kill(tcpdump)
    capture.says("was interrupted")
    capture.says("capturing again on")
    assert remote() != [tcpdump]
    size = out.stat().st_size
    until(lambda: out.stat().st_size > size + 2_000)

    told = len(capture.err)
    site.ip("router", "link", "set", "mgmt", "down")
    until(lambda: any("was interrupted" in line for line in capture.err[told:]))
    site.ip("router", "link", "set", "mgmt", "up")
    until(lambda: any("capturing again on" in line for line in capture.err[told:]))
    station.says("beat", after=len(station.out))
    time.sleep(0.3)

    run = capture.end()
    assert run.code == ExitCode.INCOMPLETE, "there are holes, and nothing was found that would count"
    found = report_of(document)
    assert len(found["capture"]["damage"]) == 2
    assert all(f"on ssh://root@{ROUTER}" in hole for hole in found["capture"]["damage"])
    assert [one["station"] for one in found["stations"]] == ["CP_7"]
    assert assert_whole(out) == found["capture"]["packets"]
    until(lambda: not remote(), 5)


def test_when_the_laptop_dies_nothing_stays_on_the_router(site: Lab, router: Router, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    site.csms()
    site.station()
    capture = tapped(site, router, "-w", out)
    until(lambda: out.exists() and out.stat().st_size > 5_000)
    capture.end(signal.SIGKILL)
    until(lambda: not remote(), 5)
    assert assert_whole(out) > 20
    assert read_again(out)["capture"]["messages"] > 5


def test_a_router_whose_key_has_changed_is_not_talked_to(site: Lab, router: Router, tmp_path: Path) -> None:
    router.stop()
    router.make_key("host_key")
    router.start()
    run = ended(tapped(site, router, "-o", tmp_path / "x.json", "-w", tmp_path / "x.pcapng", "--follow"))
    assert_refused(run, ExitCode.UNREACHABLE, f"the ssh key of {ROUTER} has changed", tmp_path / "x.json")
    assert "ssh-keygen -R" in run[2]


def test_a_router_without_tcpdump_is_named_the_command_that_puts_it_there(
    site: Lab, router: Router, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "cat", "date", "id", "uname", "head", "sleep"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    (tools / "apt-get").symlink_to(str(shutil.which("true")))
    router.stop()
    router.settings["SetEnv"] = f"PATH={tools}"
    router.start()
    run = ended(tapped(site, router, "-o", tmp_path / "x.json"))
    assert_refused(run, ExitCode.SOURCE, "install it there with 'apt-get install tcpdump'", tmp_path / "x.json")


def test_nobody_at_the_other_end(site: Lab, router: Router, tmp_path: Path) -> None:
    router.stop()
    run = ended(tapped(site, router, "-o", tmp_path / "x.json"))
    assert_refused(run, ExitCode.UNREACHABLE, "nothing answers on that port", tmp_path / "x.json")


def test_an_interface_that_the_router_does_not_have(site: Lab, router: Router, tmp_path: Path) -> None:
    run = ended(tapped(site, router, "-o", tmp_path / "x.json", interface="br-wan"))
    assert_refused(run, ExitCode.SOURCE, "there is no interface br-wan; there are", tmp_path / "x.json")


def ended(talker: Talker) -> tuple[int, str, str]:
    code = talker.process.wait(15)
    return code, talker.end().out, "\n".join(talker.err)


def assert_refused(run: tuple[int, str, str], code: ExitCode, why: str, document: Path) -> None:
    """One line that says why, its exit code, and no report of what was not captured."""
    assert run[0] == code, run
    assert why in run[2]
    assert "Traceback" not in run[2]
    assert run[1] == ""
    assert not document.exists()
