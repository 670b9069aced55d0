"""Who may capture here: this process, a helper, dumpcap or tcpdump."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.doctor import machine
from fieldkit.doctor.probe import Result, State
from fieldkit.sources.afpacket import FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError

_AREA: Final = "capture"
_LOOPBACK: Final = {"linux": "lo", "darwin": "lo0"}.get(sys.platform, "")
_RING: Final = 1 << 20
_NPCAP: Final = Path("C:/Windows/System32/Npcap")


def own_rights() -> Iterable[Result]:
    """By trying: namespaces and containers make any guess wrong."""
    return (_own_rights(),)


def _own_rights() -> Result:
    name = "own rights"
    if sys.platform == "win32":
        if _NPCAP.is_dir():
            return Result(_AREA, name, State.WORKS, "Npcap is installed")
        return Result(_AREA, name, State.NOTE, "Npcap is not installed", ("start https://npcap.com/#download",))
    if sys.platform == "darwin":
        if any(os.access(device, os.R_OK | os.W_OK) for device in Path("/dev").glob("bpf*")):
            return Result(_AREA, name, State.WORKS, "this user may open /dev/bpf*")
        return Result(_AREA, name, State.NOTE, "this user may not open /dev/bpf*", _mend_bpf())
    from fieldkit.sources.packetsocket import OpensHere

    try:
        OpensHere().socket(_LOOPBACK, CaptureFilter()).close()
    except SourceError as error:
        text = "this process has no right to capture (CAP_NET_RAW)"
        return Result(_AREA, name, State.NOTE, text if "CAP_NET_RAW" in str(error) else str(error))
    return Result(_AREA, name, State.WORKS, "this process may capture; it gives its other rights up before it parses")


def _mend_bpf() -> tuple[str, ...]:
    who = machine.user()
    if Path("/Library/Application Support/Wireshark/ChmodBPF").exists():
        return (f"sudo dseditgroup -o edit -a {who} -t user access_bpf",)
    return ("brew install --cask wireshark-chmodbpf", f"sudo dseditgroup -o edit -a {who} -t user access_bpf")


def helpers() -> Iterable[Result]:
    """Each way to a capture helper that is set up, by using it."""
    if sys.platform != "linux":
        return
    from fieldkit.sources.helper import helper_source
    from fieldkit.sources.helperways import ways

    found = list(ways())
    if not found:
        text = "no capture helper is set up for this user; it lets users capture without being root"
        yield Result(_AREA, "helper", State.NOTE, text, mend_helper())
    for way in found:
        name = f"helper ({way.kind})"
        try:
            source = helper_source(way, _LOOPBACK, CaptureFilter(), FrameNumbers(), _RING)
        except SourceError as error:
            yield Result(_AREA, name, State.WARNING, str(error))
            continue
        source.close()
        yield Result(_AREA, name, State.WORKS, f"it captures for this user ({' '.join(way.command)})")


def mend_helper() -> tuple[str, ...]:
    """A rule for sudo, which a user needs who is not root; empty where that would be no good idea.

    The program must be root's: who could change it would be root.
    """
    from fieldkit.sources.helperways import PROGRAMS

    program = next((path for path in map(Path, PROGRAMS) if path.is_file() and path.stat().st_uid == 0), None)
    if program is None or machine.is_root() or shutil.which("sudo") is None:
        return ()
    rule = f"%fieldkit ALL=(root) NOPASSWD: {program} capture-helper *"
    return (
        machine.as_root("groupadd -f fieldkit") + " && " + machine.as_root(f"usermod -aG fieldkit {machine.user()}"),
        f"echo '{rule}' | {machine.as_root('tee /etc/sudoers.d/fieldkit')}",
        machine.as_root("chmod 440 /etc/sudoers.d/fieldkit"),
        "newgrp fieldkit  # or log out and in again",
    )


def dumpcap() -> Iterable[Result]:
    """Wireshark's program, which on many laptops members of a group may run."""
    return (_program("dumpcap"),)


def tcpdump() -> Iterable[Result]:
    """Where root has it run, or where a capability was put on it."""
    return (_program("tcpdump"),)


def _program(program: str) -> Result:
    from fieldkit.sources.program import ProgramSource, found

    path = found(program)
    if path is None:
        return Result(_AREA, program, State.NOTE, "it is not installed", machine.install(program))
    try:
        source = ProgramSource(program, _LOOPBACK or "1", CaptureFilter(), FrameNumbers(), size=_RING)
    except SourceError as error:
        mend = mend_dumpcap(Path(path)) if program == "dumpcap" else ()
        text = str(error).removeprefix(f"{_LOOPBACK}: ").split(" (fieldkit doctor")[0]
        return Result(_AREA, program, State.NOTE, text, mend)
    source.close()
    return Result(_AREA, program, State.WORKS, f"it captures for this user: --with {program}")


def mend_dumpcap(path: Path) -> tuple[str, ...]:
    """What lets this user run dumpcap: the way of the distribution, which survives its updates."""
    if sys.platform != "linux":
        return ()
    import grp

    who = machine.user()
    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "root"
    if group != "root" and path.stat().st_mode & stat.S_IXGRP and not path.stat().st_mode & stat.S_IXOTH:
        # It was set up for a group: one must be in it, and must have logged in since.
        if who in grp.getgrnam(group).gr_mem:
            return (f"newgrp {group}  # or log out and in again",)
        return (machine.as_root(f"usermod -aG {group} {who}"), f"newgrp {group}  # or log out and in again")
    if shutil.which("dpkg-reconfigure", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        answer = "echo wireshark-common wireshark-common/install-setuid boolean true"
        return (
            f"{answer} | {machine.as_root('debconf-set-selections')}",
            machine.as_root("dpkg-reconfigure -f noninteractive wireshark-common"),
            machine.as_root(f"usermod -aG wireshark {who}"),
            "newgrp wireshark  # or log out and in again",
        )
    return (
        machine.as_root("groupadd -f wireshark"),
        machine.as_root(f"chgrp wireshark {path}") + " && " + machine.as_root(f"chmod 750 {path}"),
        machine.as_root(f"setcap cap_net_raw,cap_net_admin=ep {path}"),
        machine.as_root(f"usermod -aG wireshark {who}"),
        "newgrp wireshark  # or log out and in again",
    )


def together() -> Iterable[Result]:
    """What all that comes to: is there any way to capture?"""
    one_by_one = [result for probe in _WAYS for result in probe()]
    yield from one_by_one
    working = [result.name for result in one_by_one if result.state is State.WORKS]
    if working:
        yield Result(_AREA, "capturing", State.WORKS, f"by {working[0]}", needed=True)
        return
    mend: tuple[str, ...] = (machine.as_root(f"{machine.program_line()} capture"),) if not machine.is_root() else ()
    text = "nothing here may capture" + (": run it with sudo, or let a helper or dumpcap do it" if mend else "")
    if machine.is_root() and sys.platform == "linux":
        text += ": root has lost CAP_NET_RAW; a container needs it from outside (docker run --cap-add=NET_RAW)"
    yield Result(_AREA, "capturing", State.MISSING, text, mend, needed=True)


_WAYS: Final = (own_rights, helpers, dumpcap, tcpdump)
PROBES: Final = (together,)
