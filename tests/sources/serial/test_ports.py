"""What is plugged in: told from trees like /sys, /dev and /proc."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fieldkit.sources.serial.holders import holders, modem_manager
from fieldkit.sources.serial.opening import resolve
from fieldkit.sources.serial.ports import Identity, Roots, describe, find, list_ports
from fieldkit.sources.serial.trouble import PortError, Reason
from tests.sources.serial.ptys import plugged, pulled

FTDI = {"vendor": "0403", "product": "6001", "driver": "ftdi_sio"}
CH340 = {"vendor": "1a86", "product": "7523", "driver": "ch341-uart"}


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    for name in ("sys/class/tty", "dev", "proc", "lock"):
        (tmp_path / name).mkdir(parents=True)
    return Roots(tmp_path / "sys", tmp_path / "dev", tmp_path / "proc", (tmp_path / "lock",))


def test_a_port_is_told_by_what_it_is(roots: Roots, tmp_path: Path) -> None:
    plugged(
        tmp_path, "ttyUSB10", "/dev/null", **FTDI, serial="A50285BI", location="1-1.4", latency="16", title="FT232R"
    )
    plugged(tmp_path, "ttyUSB9", "/dev/null", vendor="2c7c", product="0125", location="1-2", interface="02")
    (tmp_path / "sys/class/tty/tty0").mkdir()
    nine, ten = list_ports(roots)
    assert (ten.device, ten.title, ten.driver, ten.latency_ms) == (
        str(tmp_path / "dev/ttyUSB10"),
        "FT232R",
        "ftdi_sio",
        16,
    )
    assert str(ten.identity) == "0403:6001 serial A50285BI at 1-1.4 interface 0"
    assert (nine.identity.interface, nine.latency_ms) == ("02", None)
    assert describe(str(tmp_path / "dev/ttyUSB10"), roots) == ten
    assert not describe("/dev/ptmx", roots).identity.known


def test_what_is_unplugged_while_it_is_looked_at_is_not_there(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB1", "/dev/null", **CH340, location="1-2")
    over = threading.Event()

    def plug_and_pull() -> None:
        while not over.is_set():
            plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI, serial="A1", location="1-1")
            pulled(tmp_path, "ttyUSB0")

    busy = threading.Thread(target=plug_and_pull)
    busy.start()
    try:
        for _ in range(300):
            assert str(tmp_path / "dev/ttyUSB1") in {port.device for port in list_ports(roots)}
    finally:
        over.set()
        busy.join()


def test_a_serial_number_is_found_under_any_name_in_any_socket(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI, serial="A1", location="1-1")
    (was,) = list_ports(roots)
    pulled(tmp_path, "ttyUSB0")
    assert find(was.identity, list_ports(roots)) is None
    plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI, serial="B2", location="1-1")
    plugged(tmp_path, "ttyUSB3", "/dev/null", **FTDI, serial="A1", location="1-9")
    found = find(was.identity, list_ports(roots))
    assert found is not None
    assert found.device.endswith("ttyUSB3")


def test_without_a_serial_number_the_socket_decides_or_being_the_only_new_one(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB0", "/dev/null", **CH340, location="1-1")
    plugged(tmp_path, "ttyUSB1", "/dev/null", **CH340, location="1-2")
    was = list_ports(roots)[0]
    pulled(tmp_path, "ttyUSB0")
    others = [port.device for port in list_ports(roots)]
    # The other one of its kind is not it.
    assert find(was.identity, list_ports(roots), others) is None
    plugged(tmp_path, "ttyUSB2", "/dev/null", **CH340, location="1-3")
    found = find(was.identity, list_ports(roots), others)
    assert found is not None
    assert found.device.endswith("ttyUSB2")
    plugged(tmp_path, "ttyUSB4", "/dev/null", **CH340, location="1-4")
    assert find(was.identity, list_ports(roots), others) is None  # two new ones: nobody knows which
    plugged(tmp_path, "ttyUSB0", "/dev/null", **CH340, location="1-1")
    found = find(was.identity, list_ports(roots), others)
    assert found is not None
    assert found.identity.location == "1-1"
    assert find(Identity(), list_ports(roots)) is None


def test_names_that_users_type(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI, serial="A1", location="1-1")
    plugged(tmp_path, "ttyUSB1", "/dev/null", **FTDI, serial="B2", location="1-2")
    assert resolve("ttyUSB7", roots) == str(tmp_path / "dev/ttyUSB7")
    assert resolve("/dev/ttyUSB7", roots) == "/dev/ttyUSB7"
    assert resolve("usb:0403:6001:B2", roots).endswith("ttyUSB1")
    assert resolve("usb:0403:6001:1-1", roots).endswith("ttyUSB0")
    assert resolve("rfc2217://host:1", roots) == "rfc2217://host:1"
    for name in ("usb:0403:6001", "usb:0403:6001:C3", "usb:ffff:0001"):
        with pytest.raises(PortError) as stop:
            resolve(name, roots)
        assert stop.value.reason is Reason.MISSING


def _process(roots: Roots, pid: int, name: str, *opened: str) -> None:
    (roots.proc / str(pid) / "fd").mkdir(parents=True)
    (roots.proc / str(pid) / "comm").write_text(name + "\n")
    for number, target in enumerate(opened, 3):
        (roots.proc / str(pid) / "fd" / str(number)).symlink_to(target)


def test_who_has_it(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI)
    device = str(tmp_path / "dev/ttyUSB0")
    _process(roots, 41, "minicom", device)
    _process(roots, 42, "picocom")
    _process(roots, 43, "cu")
    _process(roots, os.getpid(), "us", device)
    status = Path(device).stat()
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (roots.proc / "locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE 42 {place} 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 43 {place} 0 EOF\n"
    )
    (roots.locks[0] / "LCK..ttyUSB0").write_text("        43 root\n")
    found = holders(device, roots)
    assert [(one.pid, one.name, one.how) for one in found] == [
        (41, "minicom", "open"),
        (42, "picocom", "locked"),
        (43, "cu", "lock file"),
    ]
    (roots.locks[0] / "LCK..ttyUSB0").write_text("99999\n")  # its process has ended
    assert [one.pid for one in holders(device, roots)] == [41, 42]


def test_modem_manager(roots: Roots, tmp_path: Path) -> None:
    plugged(tmp_path, "ttyUSB0", "/dev/null", **FTDI)
    device = str(tmp_path / "dev/ttyUSB0")
    assert modem_manager(device, roots) == ""
    _process(roots, 50, "ModemManager")
    assert modem_manager(device, roots) == "may probe it"
    _process(roots, 51, "ModemManager", device)
    assert modem_manager(device, roots) == "holds it"
