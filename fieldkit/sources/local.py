"""Which way this machine's interfaces are captured: with our own rights, somebody else's, or a program's."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fieldkit.sources.afpacket import RING, FrameNumbers
from fieldkit.sources.bpf import CaptureFilter
from fieldkit.sources.file import SourceError
from fieldkit.sources.interface import Interface
from fieldkit.sources.live import LiveSource
from fieldkit.sources.packetsocket import Opens
from fieldkit.sources.rights import CAP_NET_RAW, holds

SCAPY = "scapy"


def local_opener(
    program: str, wanted: CaptureFilter, numbers: FrameNumbers, *, size: int = RING, opener: Opens | None = None
) -> Callable[[str], LiveSource]:
    """What opens an interface by name. ``program``: the user's choice of "dumpcap", "tcpdump", "scapy", or empty.

    Without a choice it is our own ring where we may (or ``opener`` may for us), else a capture helper, else dumpcap,
    which on many laptops a user may run. Where Linux's packet sockets are missing it is scapy.
    """
    if program == SCAPY or (not program and sys.platform != "linux"):
        from fieldkit.sources.scapysocket import ScapySource

        return lambda name: ScapySource(name, wanted, numbers)
    if program:
        from fieldkit.sources.program import ProgramSource

        return lambda name: ProgramSource(program, name, wanted, numbers, size=size)
    if opener is None and not holds(CAP_NET_RAW):
        return lambda name: _by_others(name, wanted, numbers, size)
    return lambda name: Interface(name, wanted, numbers, size=size, opener=opener)


def _by_others(name: str, wanted: CaptureFilter, numbers: FrameNumbers, size: int) -> LiveSource:
    """Through whoever may; the reason why nobody can."""
    from fieldkit.sources.helper import helper_source
    from fieldkit.sources.helperways import ways
    from fieldkit.sources.program import ProgramSource

    way = next(ways(), None)
    if way is not None:
        return helper_source(way, name, wanted, numbers, size)
    try:
        return ProgramSource("dumpcap", name, wanted, numbers, size=size)
    except SourceError:
        return Interface(name, wanted, numbers, size=size)  # says what is missing
