"""systemd is told how we are: sd_notify(3), which is a datagram to a socket it names."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


class Notifier:
    """Does nothing where nobody listens: procd, a container, a terminal."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        own = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        period = os.environ.get("WATCHDOG_USEC", "")
        self._every = int(period) / 3e6 if own and period.isdigit() else 0.0
        """Seconds: three times as often as it has to be."""
        self._due = 0.0

    def tell(self, *lines: str) -> None:
        """Such as "READY=1"."""
        if self._address and hasattr(socket, "AF_UNIX"):
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
                way.sendto("\n".join(lines).encode(), self._address)

    def ready(self, status: str) -> None:
        """Packets are being taken."""
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """``ready`` follows. systemd wants the time of it (Type=notify-reload)."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """An orderly end has begun."""
        self.tell("STOPPING=1")

    def alive(self) -> None:
        """Called from the loop that does the work, as often as it goes round: a loop that hangs says nothing."""
        if self._every and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._every
            self.tell("WATCHDOG=1")
