"""What a command that mends something depends on: who asks, as whom, and what installs packages on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PATIENCE: Final = 5

_INSTALLERS: Final = {
    "opkg": "opkg update && opkg install {}",
    "apt-get": "apt-get install {}",
    "apk": "apk add {}",
    "dnf": "dnf install {}",
    "yum": "yum install {}",
    "zypper": "zypper install {}",
    "pacman": "pacman -S {}",
    "brew": "brew install {}",
    "winget": "winget install {}",
}
"""In this order: a machine may have several."""

_NAMES: Final = {
    "dumpcap": {
        "apt-get": "wireshark-common",
        "dnf": "wireshark-cli",
        "yum": "wireshark-cli",
        "pacman": "wireshark-cli",
        "zypper": "wireshark",
        "brew": "wireshark",
        "apk": "wireshark-common",
        "winget": "WiresharkFoundation.Wireshark",
        "opkg": "",
    },
    "tcpdump": {"winget": ""},
    "ca-certificates": {"brew": "ca-certificates", "winget": ""},
    "modemmanager": {"dnf": "ModemManager", "zypper": "ModemManager", "brew": "", "winget": ""},
    "chrony": {"brew": "", "winget": ""},
    "systemd-timesyncd": {"brew": "", "winget": "", "dnf": "chrony", "zypper": "chrony", "pacman": "", "opkg": ""},
    "mwan3": dict.fromkeys(("apt-get", "dnf", "yum", "zypper", "pacman", "brew", "winget"), ""),
}
"""What a package is called where it is not called so everywhere; empty where there is none."""

_DISTRIBUTED: Final = {
    "cryptography": "python3-cryptography",
    "numpy": "python3-numpy",
    "orjson": "python3-orjson",
    "pyserial": "python3-serial",
    "scapy": "python3-scapy",
    "websockets": "python3-websockets",
}
"""Python packages as Debian and OpenWrt call them."""


def is_root() -> bool:
    """Whether commands need no sudo."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def user() -> str:
    """Who asks: behind sudo, the one who called it."""
    if sys.platform == "win32":
        return os.environ.get("USERNAME", "")
    import pwd

    from fieldkit.sources.privileges import caller

    person = caller(os.environ) if is_root() else None
    if person is not None:
        return person.name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def is_openwrt() -> bool:
    """OpenWrt and what is made of it: RutOS, for instance."""
    return Path("/etc/openwrt_release").exists()


def has_systemd() -> bool:
    """Whether systemd is what was started (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def installer() -> str:
    """The program that installs packages here; empty when none is known."""
    return next((name for name in _INSTALLERS if shutil.which(name, path=_path())), "")


def as_root(command: str) -> str:
    """The command, with sudo or what there is in its place."""
    if is_root() or sys.platform == "win32":
        return command
    for prefix in ("sudo", "doas"):
        if shutil.which(prefix, path=_path()):
            # In a chain each needs it.
            return " && ".join(f"{prefix} {part}" for part in command.split(" && "))
    return f"su -c {shlex.quote(command)}"


def install(package: str) -> tuple[str, ...]:
    """How to install a package of the system; empty when that is not known here."""
    program = installer()
    if not program:
        return ()
    name = _NAMES.get(package, {}).get(program, package)
    if not name:
        return ()
    command = _INSTALLERS[program].format(name)
    return (command if program in ("brew", "winget") else as_root(command),)


def install_python(package: str) -> tuple[str, ...]:
    """How to install a Python package for the Python that runs this."""
    quoted = shlex.quote(package)
    prefix = Path(sys.prefix)
    if "pipx" in prefix.parts:
        return (f"pipx inject fieldkit {quoted}",)
    if "uv" in prefix.parts and "tools" in prefix.parts:
        return (f"uv tool install --with {quoted} fieldkit",)
    if sys.prefix == sys.base_prefix:
        distributed = _DISTRIBUTED.get(package)
        managed = (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()
        if distributed and (is_openwrt() or (managed and installer() == "apt-get")):
            return install(distributed)
        if managed:
            return (f"pipx install fieldkit && pipx inject fieldkit {quoted}",)
        return (as_root(f"{sys.executable} -m pip install {quoted}"),)
    pip = f"{sys.executable} -m pip install {quoted}"
    return (pip if os.access(sysconfig.get_path("purelib"), os.W_OK) else as_root(pip),)


def program_line() -> str:
    """How to call fieldkit again, also through sudo, whose PATH is another."""
    found = shutil.which("fieldkit")
    return shlex.quote(found) if found else f"{shlex.quote(sys.executable)} -m fieldkit"


def output(command: Sequence[str]) -> str | None:
    """What a program prints; None when it is not there, fails, or takes too long."""
    path = shutil.which(command[0], path=_path())
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *command[1:]], capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _path() -> str:
    """A user's PATH lacks the administrator's programs on Debian."""
    return os.pathsep.join(filter(None, (os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin")))
