"""Each probe on the real thing, well and unwell: as root and as nobody, with ports, stores and disks made for it."""

from __future__ import annotations

import grp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fieldkit.doctor import (
    AREAS,
    capture,
    clock,
    detector,
    disk,
    examine,
    interfaces,
    is_ready,
    machine,
    packages,
    router,
    serial,
    terminal,
)
from fieldkit.doctor.probe import Result, State
from tests.traffic.netlab import as_nobody, cable, needs_network, needs_nobody, needs_root, run

ROOT = Path(__file__).parents[2]


def by_name(results: Any) -> dict[str, Result]:
    return {result.name: result for result in results}


def doctor_of_nobody(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = as_nobody("-m", "fieldkit", "doctor", *arguments, "--json", "-", **environment)
    assert done.stdout, done.stderr
    return done.returncode, {result["name"]: result for result in json.loads(done.stdout)["results"]}


# ---------------------------------------------------------------------------------------------------------- capture


@needs_network
def test_root_may_capture() -> None:
    found = by_name(capture.together())
    assert found["own rights"].state is State.WORKS
    assert (found["capturing"].state, found["capturing"].text) == (State.WORKS, "by own rights")
    assert is_ready(found.values())


@needs_nobody
def test_nobody_may_not_and_is_told_how() -> None:
    code, found = doctor_of_nobody("capture")
    assert code == 1
    assert found["own rights"]["state"] == "note"
    assert (found["capturing"]["state"], found["capturing"]["needed"]) == ("missing", True)
    (command,) = found["capturing"]["mend"]
    assert command.endswith("fieldkit capture")
    assert command.split()[0] in ("sudo", "doas", "su")


@needs_nobody
def test_a_helper_that_is_set_up_is_a_way_to_capture(tmp_path: Path) -> None:
    """As nobody, with a helper that has rights: through a socket, as with systemd."""
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("needs systemd-socket-activate (apt-get install systemd)")
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o755)
    path = place / "capture.sock"
    set_ = [f"--setenv={name}={value}" for name, value in as_nobody.environment.items()]
    helper = [*as_nobody.python, "-m", "fieldkit", "capture-helper", "--socket"]
    command = ["systemd-socket-activate", "--accept", "--inetd", "-l", str(path), *set_, *helper]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as listening:
        try:
            while not path.exists():
                assert listening.poll() is None
            path.chmod(0o666)
            code = (
                "from pathlib import Path; from fieldkit.sources import helperways; from fieldkit.doctor import capture\n"
                f"ways = helperways.ways; helperways.ways = lambda: ways(Path('{path}'))\n"
                "print([(result.name, result.state.value, result.text) for result in capture.together()])"
            )
            said = as_nobody("-c", code).stdout
        finally:
            listening.terminate()
    shutil.rmtree(place)
    assert f"('helper (socket)', 'works', 'it captures for this user ({path})')" in said
    assert "('capturing', 'works', 'by helper (socket)')" in said


@needs_root
def test_a_rule_for_sudo_is_advised_only_for_a_program_of_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "fieldkit"
    program.touch()
    monkeypatch.setattr("fieldkit.sources.helperways.PROGRAMS", (str(program),))
    monkeypatch.setattr(machine, "is_root", lambda: False)
    monkeypatch.setattr(machine, "user", lambda: "lena")
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    join, rule, *_ = capture.mend_helper()
    assert join == "sudo groupadd -f fieldkit && sudo usermod -aG fieldkit lena"
    assert rule == (
        f"echo '%fieldkit ALL=(root) NOPASSWD: {program} capture-helper *' | sudo tee /etc/sudoers.d/fieldkit"
    )
    os.chown(program, 65534, 65534)
    assert capture.mend_helper() == ()


@needs_root
def test_how_dumpcap_is_made_usable_depends_on_how_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "user", lambda: "lena")
    monkeypatch.setattr(machine, "is_root", lambda: False)
    monkeypatch.setattr(machine, "_path", lambda: "/usr/sbin:/usr/bin")
    program = tmp_path / "dumpcap"
    program.touch()
    group = next(entry for entry in grp.getgrall() if entry.gr_name in ("wireshark", "dialout"))
    os.chown(program, 0, group.gr_gid)
    program.chmod(0o750)
    first, again = capture.mend_dumpcap(program)
    assert first.endswith(f"usermod -aG {group.gr_name} lena")
    assert again.startswith(f"newgrp {group.gr_name}")
    os.chown(program, 0, 0)
    program.chmod(0o755)
    if shutil.which("dpkg-reconfigure", path="/usr/sbin"):
        assert "dpkg-reconfigure -f noninteractive wireshark-common" in capture.mend_dumpcap(program)[1]
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    assert any("setcap cap_net_raw,cap_net_admin=ep" in line for line in capture.mend_dumpcap(program))


# ------------------------------------------------------------------------------------------------------- interfaces


@needs_network
def test_interfaces_are_told_as_they_are() -> None:
    with cable("fkd") as wire:
        found = by_name(interfaces.each())
        assert found[wire.here].state is State.WORKS
        assert "driver veth" in found[wire.here].text
        wire.set("down", end=wire.here)
        found = by_name(interfaces.each())
        assert (found[wire.here].state, found[wire.here].mend) == (State.NOTE, (f"ip link set {wire.here} up",))
        assert "nothing is connected" in found[wire.there].text
        assert by_name(interfaces.any_up())["to capture on"].state is State.WORKS


@needs_network
def test_a_machine_with_nothing_but_loopback() -> None:
    """In a network namespace of its own, with its own /sys."""
    code = (
        "from fieldkit.doctor import interfaces, is_ready\n"
        "results = list(interfaces.any_up()); print(results[0].state.value, results[0].text, results[0].mend, is_ready(results))"
    )

    def told(*before: str) -> str:
        script = "mount -t sysfs none /sys; " + "".join(f"{command}; " for command in before) + 'exec "$0" -c "$1"'
        return run("unshare", "--net", "--mount", "sh", "-c", script, sys.executable, code).strip()

    assert told() == "missing this machine has no interface but loopback () True"
    added = told("ip link add fkz0 type veth peer name fkz1")
    assert added.startswith("missing all interfaces are switched off ('ip link set fkz0 up', ")
    assert added.endswith("False")


@needs_nobody
def test_who_is_not_root_is_told_that_he_cannot_see_flow_tables() -> None:
    _, found = doctor_of_nobody("interfaces")
    assert "only root may look" in found["offload"]["text"]


# ----------------------------------------------------------------------------------------------------------- serial


@contextmanager
def port(group: str, mode: int) -> Iterator[Path]:
    """A terminal device that is there for others to open, or not."""
    ours, theirs = os.openpty()
    path = Path(os.ttyname(theirs))
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    path.chmod(mode)
    try:
        yield path
    finally:
        os.close(ours)
        os.close(theirs)


def access_of_nobody(path: Path) -> str:
    code = f"from pathlib import Path; from fieldkit.doctor.serial import *; print(port_access(Path('{path}')))"
    return as_nobody("-c", code).stdout


@needs_nobody
def test_the_group_of_a_port_is_the_one_to_join() -> None:
    with port("dialout", 0o660) as path:
        assert serial.port_access(path).state is State.WORKS
        said = access_of_nobody(path)
        assert "nobody is not in the group dialout, which may open it" in said
        assert "usermod -aG dialout nobody" in said
        path.chmod(0o666)
        assert "this user may open it" in access_of_nobody(path)
    with port("root", 0o600) as path:
        said = access_of_nobody(path)
        assert "only root may open it" in said
        assert f'KERNEL=="{path.name}", GROUP="dialout"' in said


def test_modem_manager_writes_to_adapters_only() -> None:
    def told(ports: list[Path], running: bool) -> Result:
        (result,) = serial._grabbed_by_modem_manager(ports, running)
        return result

    adapter, built_in = Path("/dev/ttyUSB7"), Path("/dev/ttyS0")
    assert told([adapter], False).state is State.WORKS
    assert told([built_in], True).state is State.NOTE
    result = told([built_in, adapter], True)
    assert result.state is State.WARNING
    assert 'KERNEL=="ttyUSB7", ENV{ID_MM_PORT_IGNORE}="1"' in result.mend[0]
    assert "ttyS0" not in "".join(result.mend)


def test_running_programs_are_found_by_name() -> None:
    name = Path("/proc/self/comm")
    if not name.exists():
        pytest.skip("needs /proc")
    assert serial.is_running(name.read_text().strip())
    assert not serial.is_running("no-such-program")


# ------------------------------------------------------------------------------------------------------------ trust


def store_with(**environment: str) -> str:
    code = "from fieldkit.doctor.trust import *; [print(result.state.value, result.text, result.mend) for result in store()]"
    variables = {key: value for key, value in os.environ.items() if not key.startswith("SSL_CERT")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**variables, **environment}
    )
    return done.stdout.strip()


def test_a_machine_with_certificates_and_one_without(tmp_path: Path) -> None:
    assert store_with().startswith("works ")
    empty = tmp_path / "empty.pem"
    empty.touch()
    said = store_with(SSL_CERT_FILE=str(empty), SSL_CERT_DIR=str(tmp_path))
    assert said.startswith("missing there are no certificates in")
    assert "ca-certificates" in said or not machine.installer()
    assert store_with(SSL_CERT_FILE="/no/such.pem") == (
        "missing SSL_CERT_FILE names /no/such.pem, which is not there ('unset SSL_CERT_FILE',)"
    )


# --------------------------------------------------------------------------------------------------------- detector


def runtime(installed: dict[str, str], broken: dict[str, str] | None = None) -> list[tuple[str, str]]:
    results = detector.judged(lambda name: installed.get(name, ""), lambda module: (broken or {}).get(module, ""))
    return [(result.state.value, result.text) for result in results]


def test_the_first_runtime_that_works_is_taken() -> None:
    both = {"ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0", "numpy": "1.26.4"}
    assert runtime(both) == [("works", "ai-edge-litert 2.3.0 (numpy 1.26.4)")]
    assert runtime(both, {"ai_edge_litert.interpreter": "no GLIBC"}) == [
        ("warning", "ai-edge-litert 2.3.0 cannot be imported: no GLIBC"),
        ("works", "tflite-runtime 2.14.0 (numpy 1.26.4)"),
    ]
    (first, second) = runtime({"tflite-runtime": "2.14.0", "numpy": "2.4.6"})
    assert first == ("warning", "tflite-runtime 2.14.0 does not work with numpy 2.4.6")
    assert second[0] == "works"
    assert [state for state, _ in runtime({})] == ["note"]


def test_what_is_installed_and_imports_is_found_out_for_real() -> None:
    assert detector.installed("click")
    assert detector.installed("no-such-package") == ""
    assert detector.imports("click") == ""
    assert "No module named 'no_such_module'" in detector.imports("no_such_module")
    assert "crashed" in detector.imports("os; import ctypes; ctypes.string_at(0)")


# --------------------------------------------------------------------------------------------------------- terminal


def test_the_size_that_screens_need() -> None:
    assert terminal.judged_size(80, 24).state is State.WORKS
    assert terminal.judged_size(79, 24).state is State.WARNING
    assert terminal.judged_size(0, 0).mend == ("stty cols 80 rows 24",)


@pytest.mark.parametrize(
    "environment, state, text",
    [
        ({"TERM": "xterm-256color"}, "works", "256 "),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "works", "16 million"),
        ({"TERM": "xterm"}, "note", "8 "),
        ({"TERM": "vt100"}, "note", "0 "),
        ({"TERM": "dumb"}, "warning", "TERM is dumb"),
        ({}, "warning", "TERM is not set"),
        ({"TERM": "no-such-terminal"}, "warning", "does not know the terminal"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "note", "NO_COLOR"),
    ],
)
def test_colours(environment: dict[str, str], state: str, text: str) -> None:
    # terminfo is read once in a process.
    code = f"from fieldkit.doctor.terminal import *; r = judged_colours({environment}); print(r.state.value, r.text)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout
    assert said.startswith(state)
    assert text in said


def test_characters() -> None:
    assert terminal.judged_encoding("utf-8").state is State.WORKS
    assert terminal.judged_encoding("ANSI_X3.4-1968").mend == ("export LC_ALL=C.UTF-8",)


# ------------------------------------------------------------------------------------------------------------ clock


def test_a_clock_that_cannot_be_right() -> None:
    assert clock.judged_date(0).state is State.WARNING
    assert "1970-01-01" in clock.judged_date(0).text
    assert by_name(clock.plausible())["date"].state is State.WORKS


def test_what_the_kernel_says_of_the_clock() -> None:
    if sys.platform != "linux":
        pytest.skip("a Linux way")
    state = clock.kernel_state()
    assert state is not None
    assert 0 <= state[1] <= 16_000_000, "NTP_PHASE_LIMIT"
    assert clock.judged_state(True, 20_000).text == "kept in time, within 20 ms"
    assert clock.judged_state(True, 3_000_000).state is State.WARNING
    wrong = clock.judged_state(False, 16_000_000)
    assert (wrong.state, wrong.mend) == (State.WARNING, clock.mend_commands())


# ------------------------------------------------------------------------------------------------------------- disk


@needs_root
def test_room_on_a_small_disk(tmp_path: Path) -> None:
    run("mount", "-t", "tmpfs", "-o", "size=200M", "none", str(tmp_path))
    try:
        result = disk.room(tmp_path)
        assert result.state is State.WARNING
        assert "210 MB free, in memory: lost when the power goes" in result.text
        assert result.mend[0].endswith("capture -w site.pcapng --ring 33x5MB")
        (tmp_path / "full").write_bytes(bytes(180 << 20))
        assert disk.room(tmp_path).state is State.MISSING
    finally:
        run("umount", str(tmp_path))


@needs_nobody
def test_a_place_where_one_may_not_write() -> None:
    _, found = doctor_of_nobody("disk")
    assert found["/"]["state"] == "note"
    assert found["/"]["mend"][0].startswith("cd ")


# ----------------------------------------------------------------------------------------------------------- router


def test_no_router_is_nothing_wrong() -> None:
    if machine.is_openwrt():
        pytest.skip("this is a router")
    assert {result.state for result in (*router.ubus(), *router.mwan3(), *router.ncos())} <= {State.NOTE}


def test_a_router_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "ubus": 'case "$1" in list) printf "mwan3\\nnetwork\\n";; *) cat "$(dirname "$0")/status";; esac',
        "mmcli": """echo '{"modem-list": ["/org/freedesktop/ModemManager1/Modem/0"]}'""",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "status").write_text('{"interfaces": {"wan": {"status": "online"}, "mob1s1a1": {"status": "offline"}}}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert [result.text for result in router.ubus()] == ["it answers with 2 objects"]
    assert [result.text for result in router.mwan3()] == ["wan online, mob1s1a1 offline"]
    assert [result.text for result in router.modems()] == ["it knows 1 modems"]
    (tmp_path / "ubus").write_text("#!/bin/sh\nexit 255\n")
    assert [result.state for result in router.ubus()] == [State.WARNING]


@pytest.mark.parametrize(
    "said", ["", "[]", "{}", '{"interfaces": []}', '{"interfaces": {"wan": 7}}', "not JSON", "null"]
)
def test_what_a_router_says_may_be_anything(said: str) -> None:
    assert router.uplinks(said)
    assert router.count_modems(said) == 0


# --------------------------------------------------------------------------------------------------------- packages


def test_packages_that_are_there_and_not() -> None:
    assert packages.package("click", "click", "").state is State.WORKS
    missing = packages.package("no-such", "no_such", "nothing is read")
    assert (missing.state, "nothing is read" in missing.text) == (State.NOTE, True)
    assert "no-such" in missing.mend[0]


# -------------------------------------------------------------------------------------------------------- together


def test_a_probe_that_fails_keeps_no_other_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Result]:
        raise RuntimeError("of all things")

    monkeypatch.setattr(clock, "PROBES", (broken, *clock.PROBES))
    first, *others = examine(["clock"])
    assert (first.name, first.state, first.text) == (
        "broken", State.WARNING, "could not be looked at: RuntimeError: of all things"
    )  # fmt: skip
    assert others


def test_every_area_has_probes_and_every_result_its_area() -> None:
    results = examine()
    assert {result.area for result in results} <= set(AREAS)
    assert all(result.text and result.name for result in results)
    assert all(result.mend for result in results if result.state is State.MISSING and result.needed)


@needs_nobody
def test_without_programs_nothing_fails_and_everything_is_told() -> None:
    code, found = doctor_of_nobody(PATH="/nonexistent")
    assert code == 1
    assert not [result for result in found.values() if "could not be looked at" in result["text"]]
