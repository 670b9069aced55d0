"""Ways to have somebody capture for us who may: a systemd socket, a program with a file capability, sudo.

``fieldkit capture-helper`` stands at the other end of each. Nothing here captures; it finds out what is set up.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldkit.sources.bpf import CaptureFilter

SOCKET: Final = Path("/run/fieldkit/capture.sock")
"""Where the systemd unit that we ship listens."""
WRAPPERS: Final = ("/usr/libexec/fieldkit/fieldkit-capture", "/usr/lib/fieldkit/fieldkit-capture")
"""Where a package puts the wrapper that has a file capability."""
PROGRAMS: Final = ("/usr/bin/fieldkit", "/usr/local/bin/fieldkit", "/opt/fieldkit/bin/fieldkit")
"""Where an administrator installs fieldkit, and what a rule for sudo names. Never a user's own copy: who can change it
would be root."""
VARIABLE: Final = "FIELDKIT_CAPTURE_HELPER"
"""Another command line that ends in a capture helper."""

ERROR: Final = "error: "
"""How a helper begins what it says in place of packets."""
MIN_BUFFER: Final = 1
MAX_BUFFER: Final = 64
"""MiB of a ring: memory of the kernel, taken in the name of root."""
_PATIENCE: Final = 5


@dataclass(frozen=True, slots=True)
class Way:
    """One that is set up here."""

    kind: str
    """"variable", "socket", "wrapper" or "sudo"."""
    command: tuple[str, ...] = ()
    """What to run; for a socket, its path."""


def ways(socket: Path = SOCKET) -> Iterator[Way]:
    """Those that would work for this user, the best first."""
    said = os.environ.get(VARIABLE, "")
    if said:
        yield Way("variable", tuple(shlex.split(said)))
    if socket.is_socket() and os.access(socket, os.W_OK):
        yield Way("socket", (str(socket),))
    for wrapper in WRAPPERS:
        if os.access(wrapper, os.X_OK) and Path(wrapper).is_file():
            yield Way("wrapper", (wrapper,))
    sudo = shutil.which("sudo")
    if sudo is not None and os.geteuid():
        for program in PROGRAMS:
            if Path(program).is_file() and _may(sudo, program):
                yield Way("sudo", (sudo, "-n", program, "capture-helper"))


def _may(sudo: str, program: str) -> bool:
    """Whether sudo would run it without asking for a password."""
    try:
        asked = subprocess.run(
            [sudo, "-n", "-l", program, "capture-helper", "-i", "any"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def words(interface: str, wanted: CaptureFilter, size: int) -> list[str]:
    """The options that ask a helper for an interface."""
    asked = ["-i", interface]
    for network in wanted.hosts:
        asked += ["--host", str(network)]
    for port in wanted.ports:
        asked += ["--port", str(port)]
    if wanted.vlan is not None:
        asked += ["--vlan", str(wanted.vlan)]
    if wanted.everything:
        asked.append("--all")
    return [*asked, "--buffer", str(min(max(size >> 20, MIN_BUFFER), MAX_BUFFER))]
