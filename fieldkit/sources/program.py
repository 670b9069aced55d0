"""dumpcap or tcpdump as the source of an interface's packets: where they have the right to capture and we have not.

On a laptop with Wireshark the members of its group may run dumpcap; on macOS tcpdump is there.
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from fieldkit.sources.afpacket import RING, FrameNumbers
from fieldkit.sources.bpf import WHOLE_PACKET, CaptureFilter
from fieldkit.sources.child import ChildSource
from fieldkit.sources.file import SourceError
from fieldkit.sources.packetsocket import index_of
from fieldkit.sources.pcapfilter import pcap_filter

PROGRAMS: Final = ("dumpcap", "tcpdump")
_SBIN: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "C:\\Program Files\\Wireshark")
"""Where they lie on systems that do not have these places in the PATH of a user."""

_READY: Final = {"dumpcap": re.compile(r"^File: "), "tcpdump": re.compile(r"listening on ")}
"""dumpcap says what it is "Capturing on" before it has tried to."""
_DROPPED: Final = {
    # Packets received/dropped on interface 'eth0': 45/3 (pcap:…)
    "dumpcap": re.compile(r"^Packets received/dropped on interface .*: \d+/(\d+)"),
    "tcpdump": re.compile(r"(\d+) packets? dropped by kernel"),
}
_TALK: Final = re.compile(
    r"^(Capturing on |File: |Packets captured: |Packets received/dropped|Packets: |(tcpdump: )?\d+ packets? |"
    r".*listening on |"
    r"tcpdump: data link type |\(no bug report|.*verbose output suppressed|.*snapshot length|Please check that |"
    r"to turn on |dumpcap: Using)"
)
"""What they say when all is well, or besides."""
_NO_RIGHT: Final = re.compile(r"permission|not permitted|CAP_NET_RAW|cannot open BPF|privilege", re.IGNORECASE)
_GONE: Final = re.compile(r"disappeared|no longer attached", re.IGNORECASE)
_NO_INTERFACE: Final = re.compile(
    r"no such device|doesn't exist|does not exist|no interface|No such file", re.IGNORECASE
)


class ProgramSource(ChildSource):
    """An interface as a program captures it."""

    def __init__(
        self, program: str, interface: str, wanted: CaptureFilter, numbers: FrameNumbers, *, size: int = RING
    ) -> None:
        """``program`` is one of ``PROGRAMS``, or the path of one. SourceError when it cannot capture."""
        path = found(program)
        if path is None:
            raise SourceError(f"{program}: it is not installed (fieldkit doctor says how), or not in the PATH")
        self._kind = Path(program).stem
        if self._kind not in PROGRAMS:
            raise SourceError(f"{program}: capturing goes with {' or '.join(PROGRAMS)}")
        super().__init__(
            command(path, self._kind, interface, wanted, size),
            interface,
            numbers,
            ready=_READY[self._kind],
            explain=lambda said, status: explained(self._kind, interface, said, status),
            dropped=_DROPPED[self._kind],
        )

    def _ask_for_counts(self) -> None:
        """Tcpdump tells its counts on SIGUSR1, or where there is one on SIGINFO; dumpcap only at the end."""
        if self._kind != "tcpdump" or self._process.poll() is not None:
            return
        number = getattr(signal, "SIGINFO", None) or (signal.SIGUSR1 if self._catches(signal.SIGUSR1) else None)
        if number is not None:
            with suppress(PermissionError, ProcessLookupError):
                self._process.send_signal(number)

    def _catches(self, number: int) -> bool:
        """An old one would be killed by it."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text("ascii", "replace")
        except OSError:
            return False
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
        return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def found(program: str) -> str | None:
    """Where a program lies."""
    return shutil.which(program) or shutil.which(program, path=_separator().join(_SBIN))


def _separator() -> str:
    return ";" if sys.platform == "win32" else ":"


def command(path: str, kind: str, interface: str, wanted: CaptureFilter, size: int) -> list[str]:
    """The command line: all of each packet, at once, to standard output."""
    expression = pcap_filter(wanted)
    if kind == "dumpcap":
        line = [path, "-q", "-i", interface, "-s", str(WHOLE_PACKET), "-B", str(max(size >> 20, 1)), "-w", "-"]
        return [*line, "-f", expression] if expression else line
    # Without --immediate-mode tcpdump waits a second for a block to fill.
    line = [path, "-n", "-U", "--immediate-mode", "-i", interface, "-s", str(WHOLE_PACKET), "-B", str(size >> 10)]
    line += ["-w", "-"]
    return [*line, expression] if expression else line


def explained(kind: str, interface: str, said: Sequence[str], status: int) -> str:
    """One line on why a program ended, in our words where they tell more."""
    lines = [line for line in said if not _TALK.match(line)]
    if any(_GONE.search(line) for line in lines):
        return f"{interface}: the interface is gone"
    if any(_NO_RIGHT.search(line) for line in lines):
        return f"{interface}: {kind} may not capture for you (fieldkit doctor says how to let it, or use sudo)"
    if any(_NO_INTERFACE.search(line) for line in lines):
        return f"{interface}: there is no such interface (fieldkit doctor lists them)"
    if lines:
        return f"{interface}: {kind} says: {lines[0].removeprefix(f'{kind}: ')}"
    if status < 0:
        return f"{interface}: {kind} was ended by signal {-status}"
    if sys.platform == "linux" and not index_of(interface) and interface != "any":
        return f"{interface}: the interface is gone"
    return f"{interface}: {kind} ended with status {status}" if status else ""
