"""The command that mends something, as it must be on each kind of system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fieldkit.doctor import machine
from tests.traffic.netlab import as_nobody, needs_nobody


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has only the programs that a test puts there."""
    monkeypatch.setattr(machine, "_path", lambda: str(tmp_path))
    return tmp_path


def put(place: Path, *programs: str) -> None:
    for program in programs:
        (place / program).write_text("#!/bin/sh\n")
        (place / program).chmod(0o755)


@pytest.mark.parametrize(
    "program, package, command",
    [
        ("apt-get", "dumpcap", "apt-get install wireshark-common"),
        ("dnf", "dumpcap", "dnf install wireshark-cli"),
        ("apk", "tcpdump", "apk add tcpdump"),
        ("opkg", "tcpdump", "opkg update && opkg install tcpdump"),
        ("pacman", "ca-certificates", "pacman -S ca-certificates"),
        ("dnf", "modemmanager", "dnf install ModemManager"),
    ],
)
def test_packages_have_other_names_elsewhere(
    only: Path, monkeypatch: pytest.MonkeyPatch, program: str, package: str, command: str
) -> None:
    put(only, program)
    monkeypatch.setattr(machine, "is_root", lambda: True)
    assert machine.install(package) == (command,)


def test_what_a_system_does_not_have_is_not_advised(only: Path) -> None:
    put(only, "opkg")
    assert machine.install("dumpcap") == ()


def test_a_system_that_nobody_knows(only: Path) -> None:
    assert machine.install("tcpdump") == ()


def test_who_is_not_root_is_told_what_makes_him(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_root", lambda: False)
    assert machine.as_root("opkg update && opkg install x") == "su -c 'opkg update && opkg install x'"
    put(only, "doas")
    assert machine.as_root("apk add x") == "doas apk add x"
    put(only, "sudo")
    assert machine.as_root("opkg update && opkg install x") == "sudo opkg update && sudo opkg install x"


def test_brew_must_not_be_run_as_root(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(only, "brew", "sudo")
    monkeypatch.setattr(machine, "is_root", lambda: False)
    assert machine.install("dumpcap") == ("brew install wireshark",)


def test_python_packages_go_where_this_python_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/srv/tools/pipx/venvs/fieldkit")
    assert machine.install_python("scapy") == ("pipx inject fieldkit scapy",)
    monkeypatch.setattr(sys, "prefix", "/srv/tools/uv/tools/fieldkit")
    assert machine.install_python("numpy<2") == ("uv tool install --with 'numpy<2' fieldkit",)


@needs_nobody
def test_the_systems_python_takes_the_systems_packages() -> None:
    managed = Path("/usr/lib/python3.11/EXTERNALLY-MANAGED")
    if not managed.exists() or as_nobody.python != ["/usr/bin/python3"]:
        pytest.skip("needs Debian's own Python, besides the one that runs this")
    said = as_nobody("-c", "from fieldkit.doctor.machine import install_python as i; print(i('scapy'), i('nosuch'))")
    assert "apt-get install python3-scapy" in said.stdout
    assert "pipx inject fieldkit nosuch" in said.stdout


@needs_nobody
def test_who_asks() -> None:
    assert as_nobody("-c", "from fieldkit.doctor.machine import user; print(user())").stdout == "nobody\n"
    assert machine.user() == "root"


def test_who_called_sudo_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    monkeypatch.setenv("DOAS_USER", "nobody")
    assert machine.user() == "nobody"


def test_the_output_of_a_program() -> None:
    assert machine.output(("sh", "-c", "echo x")) == "x\n"
    assert machine.output(("sh", "-c", "exit 1")) is None
    assert machine.output(("no-such-program",)) is None
