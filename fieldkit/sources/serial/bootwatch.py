"""Sees a boot loader in the bytes, as they come, and says that nothing may be sent.

A key pressed while a boot loader counts down leaves the charger standing in its boot loader, off the network, until
somebody comes by. So this looks at the raw bytes in the reader thread, before any line is complete; what it says holds
until the boot is over by the console's own words, or until nothing has come for long.
"""

from __future__ import annotations

import re
from typing import Final

SECOND: Final = 1_000_000_000
_TAIL: Final = 200
"""Bytes that are looked at again with the next chunk: longer than any of the words."""
QUIET: Final = 30 * SECOND
"""A boot that says nothing for so long is over, or stands still."""

_BEGINS: Final = re.compile(
    rb"U-Boot|Hit any key|stop autoboot|autoboot:|Press any key to (?:stop|abort|enter)|Barebox|barebox 20|"
    rb"RedBoot|CFE version|waiting for download|ets [A-Z][a-z]{2} +\d+ 20\d\d|ESP-ROM:|BootROM|RomBOOT|NOTICE: +BL[12]"
)
_ENDS: Final = re.compile(
    rb"Starting kernel|Linux version \d|Booting Linux|login:|cpu_start: (?:Pro|App|Starting)|"
    rb"systemd\[1\]|app_main|init: |Welcome to "
)
_STANDS: Final = re.compile(rb"(?:^|[\r\n])(?:=>|U-Boot>|[A-Za-z0-9_-]{1,20} ?=>|barebox[^\r\n]{0,30}:/) ?$")
"""A prompt: the countdown was stopped, by us or by noise, and typing ("boot") is now the way out."""


class BootWatch:
    """Fed with everything that a port says."""

    def __init__(self) -> None:
        self.booting = False
        self._tail = b""
        self._last = 0

    def feed(self, data: bytes, time: int) -> bool:
        """Whether that changed ``booting``."""
        before = self.booting
        window = self._tail + data
        self._tail = window[-_TAIL:]
        self._last = time
        begins = _last(_BEGINS, window, len(window) - len(data))
        ends = _last(_ENDS, window, len(window) - len(data))
        if begins > ends:
            self.booting = True
        elif ends >= 0 or (self.booting and _STANDS.search(window)):
            self.booting = False
        return self.booting != before

    def tick(self, now: int) -> bool:
        """It is ``now``; whether that changed ``booting``."""
        if self.booting and now - self._last > QUIET:
            self.booting = False
            return True
        return False

    def reset(self) -> None:
        """Another connection, which has said nothing yet."""
        self.booting, self._tail = False, b""


def _last(words: re.Pattern[bytes], window: bytes, new_from: int) -> int:
    """Where the last of the words ends, of those that reach into what is new; -1 without one."""
    return max((found.end() for found in words.finditer(window) if found.end() > new_from), default=-1)
