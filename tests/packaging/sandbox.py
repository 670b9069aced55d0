"""A systemd unit's sandbox without systemd: what its lines ask of the kernel, asked of the kernel.

User, capabilities, read-only file systems and /proc are made with setpriv and mounts; system calls are filtered by the
library that systemd filters with, in the process that becomes the service. One thing is stricter than the unit: a system
call that is not on its list ends the process instead of failing, so that none can go unnoticed. What needs cgroups (devices,
memory) is not here.
"""

from __future__ import annotations

import configparser
import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.packaging.lab import Root

_FAMILIES: Final = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17}
_EVERY_FAMILY: Final = range(64)
_PROTECTING: Final = {"ProtectClock": "@clock", "ProtectKernelModules": "@module"}
"""Settings that refuse a group of system calls, whatever SystemCallFilter= allows."""

_LOADER: Final = r"""
import ctypes, errno, json, os, sys

library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
library.seccomp_init.restype = ctypes.c_void_p
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NE, EQ, MASKED = 1, 4, 7

class Compared(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]

def loaded(default, rules):
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    for action, name, *compared in rules:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Compared * len(compared))(*(Compared(*one) for one in compared))
            failed = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(compared), array)
            assert not failed, (name, failed)
    assert not library.seccomp_load(context)
    library.seccomp_release(context)

asked, command = json.loads(sys.argv[1]), sys.argv[2:]
DENY = ERRNO | errno.EPERM
rules = [(ERRNO | errno.EAFNOSUPPORT, "socket", (0, EQ, family, 0)) for family in asked["no_families"]]
if asked["no_writable_code"]:  # PROT_WRITE 2, PROT_EXEC 4, SHM_EXEC 0o100000
    rules += [(DENY, "mmap", (2, MASKED, 6, 6))]
    rules += [(DENY, name, (2, MASKED, 4, 4)) for name in ("mprotect", "pkey_mprotect")]
    rules += [(DENY, "shmat", (2, MASKED, 0o100000, 0o100000))]
if asked["no_namespaces"]:
    for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        rules += [(DENY, name, (0, MASKED, flag, flag)) for name in ("clone", "unshare")]
    rules += [(DENY, "setns"), (ERRNO | errno.ENOSYS, "clone3")]
if asked["no_suid"]:
    modes = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2, "open": 2,
             "openat": 3, "creat": 1}
    for name, place in modes.items():
        rules += [(DENY, name, (place, MASKED, bit, bit)) for bit in (0o4000, 0o2000)]
if asked["no_realtime"]:
    rules += [(DENY, "sched_setscheduler", (1, EQ, policy, 0)) for policy in (1, 2, 6)] + [(DENY, "sched_setattr")]
if asked["no_personality"]:
    rules += [(DENY, "personality", (0, NE, 0, 0))]
rules += [(DENY, name) for name in asked["denied"]]
loaded(ALLOW, rules)
loaded(KILL, [(ALLOW, name) for name in asked["calls"]])
os.execvp(command[0], command)
"""


@functools.cache
def calls(group: str) -> frozenset[str]:
    """The system calls of one of systemd's groups, of the systemd that is here."""
    told = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    found: set[str] = set()
    for line in told.stdout.splitlines()[1:]:
        word = line.split("#")[0].strip()
        if word:
            found |= calls(word) if word.startswith("@") else {word}
    return frozenset(found)


class Unit:
    """A service's [Service]."""

    def __init__(self, path: Path) -> None:
        read = configparser.RawConfigParser(strict=False)
        read.optionxform = str  # type: ignore[assignment,method-assign]
        read.read(path)
        self._told = dict(read["Service"])

    def __getitem__(self, key: str) -> str:
        return self._told[key]

    def yes(self, key: str) -> bool:
        return self._told.get(key) == "yes"

    def rights(self, user: int) -> tuple[str, ...]:
        """Its user, its capabilities, no new ones."""
        assert self["AmbientCapabilities"] == self["CapabilityBoundingSet"] == "CAP_NET_RAW"
        assert self.yes("NoNewPrivileges")
        capabilities = ["--inh-caps=-all,+net_raw", "--ambient-caps=+net_raw", "--bounding-set=-all,+net_raw"]
        return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs", *capabilities)

    def filtered(self, *command: str) -> list[str]:
        """The command behind its filters of system calls."""
        families = {_FAMILIES[name] for name in self._told["RestrictAddressFamilies"].split()}
        allowed: set[str] = set()
        for name in self._told.get("SystemCallFilter", "").split():
            allowed |= calls(name) if name.startswith("@") else {name}
        denied = [group for key, group in _PROTECTING.items() if self.yes(key)]
        asked = {
            "no_families": sorted(set(_EVERY_FAMILY) - families),
            "no_writable_code": self.yes("MemoryDenyWriteExecute"),
            "no_namespaces": self.yes("RestrictNamespaces"),
            "no_suid": self.yes("RestrictSUIDSGID"),
            "no_realtime": self.yes("RestrictRealtime"),
            "no_personality": self.yes("LockPersonality"),
            # What starting a service takes is implied (systemd.exec(5), SystemCallFilter=).
            "calls": sorted(allowed | calls("@default") | {"execve"}),
            "denied": sorted(set().union(*map(calls, denied))),
        }
        return ["/usr/bin/python3", "-I", "-c", _LOADER, json.dumps(asked), *command]

    def root(
        self,
        path: Path,
        folder: Path,
        user: int,
        *,
        outside: Path | None = None,
        also: Mapping[str, Path] | None = None,
    ) -> Root:
        """The root as the service sees it. ``folder`` is for what is private to it; ``outside``: the machine's own root,
        where the service has another one; ``also``: what is bound into that besides."""
        assert self["ProtectSystem"] == "strict"
        binds: dict[str, Path] = dict(also or {})
        for key, place in (("StateDirectory", "var/lib"), ("RuntimeDirectory", "run")):
            if key not in self._told:
                continue
            own = (outside or path) / place / self[key]
            own.mkdir(exist_ok=True)
            os.chown(own, user, user)
            own.chmod(int(self[f"{key}Mode"], 8))
            binds[f"/{place}/{self[key]}"] = own
        more: list[str] = []
        if self.yes("PrivateTmp"):
            binds["/tmp"] = Path(tempfile.mkdtemp(dir=folder))
            binds["/tmp"].chmod(0o1777)
        if self.yes("ProtectHome"):
            homes = [home for home in ("home", "root") if (path / home).is_dir()]
            more += [f'mount -t tmpfs -o ro,mode=000 none "$root/{home}"' for home in homes]
        if self._told.get("ProtectProc") == "invisible":
            more.append('mount -t proc -o hidepid=invisible proc "$root/proc"')
        if self.yes("ProtectKernelTunables"):
            more += ['mount --bind "$root/proc/sys" "$root/proc/sys"', 'mount -o remount,bind,ro "$root/proc/sys"']
            more.append('mount -o remount,bind,ro "$root/sys"')
        return Root(path, read_only=True, binds=binds, more=more)


def bites(root: Root, unit: Unit, rights: tuple[str, ...]) -> None:
    """Nothing that is said of the sandbox is said of one that is not there."""
    code = r"""
import ctypes, errno, os, socket
def refused(what, *numbers):
    try:
        what()
    except OSError as error:
        assert error.errno in numbers, error
    else:
        raise AssertionError(what)
refused(lambda: open("/etc/fieldkit/mine", "w"), errno.EROFS)
refused(lambda: open("/usr/mine", "w"), errno.EROFS)
refused(lambda: open("/proc/sys/net/ipv4/ip_forward", "w"), errno.EROFS, errno.EACCES)
refused(lambda: os.listdir("/root"), errno.EACCES)
refused(lambda: socket.socket(socket.AF_VSOCK), errno.EAFNOSUPPORT)
refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("127.0.0.1", 99)), errno.EACCES)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, 4096, 6, 0x22, -1, 0) == ctypes.c_void_p(-1).value
assert libc.unshare(0x10000000) == -1
assert os.listdir("/tmp") == []
assert "1" not in os.listdir("/proc")
socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
print("held", flush=True)
libc.mount(b"x", b"/", b"x", 0, None)
print("mounted")
"""
    done = root.run(*rights, *unit.filtered("/usr/bin/python3", "-I", "-c", code))
    assert done.stdout == "held\n", done.stderr
    assert done.returncode != 0, "a system call that is not on the list ends it"
