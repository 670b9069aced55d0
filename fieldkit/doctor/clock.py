"""The clock: certificates, gaps and heartbeats are judged by it."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fieldkit.doctor.probe import Result, State

_AREA: Final = "clock"
_NAME: Final = "synchronised"
RELEASED: Final = 1_767_225_600
"""2026-01-01: a clock before fieldkit was made is wrong."""
_UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC (linux/timex.h)."""
_ERROR_TOLD: Final = 1_000_000
"""Microseconds of possible error from which on it is a warning."""
_NO_PERMISSION_NEEDED: Final = 0
"""Modes of adjtimex(2): nothing is to be changed."""


class _Timex(ctypes.Structure):
    """struct timex, as far as it is looked at, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("largest_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def plausible() -> Iterable[Result]:
    """Routers without a battery begin in 1970 or at the date of their firmware."""
    return (judged_date(time.time()),)


def judged_date(now: float) -> Result:
    """Whether it can be that late."""
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < RELEASED:
        from fieldkit.doctor import machine  # an agent asks for the kernel's state alone, again and again

        text = f"it says {said}, which is over: certificates will look as if they were not yet valid"
        return Result(
            _AREA, "date", State.WARNING, text, (*mend_commands(), machine.as_root("date -u -s 'YYYY-MM-DD HH:MM'"))
        )
    return Result(_AREA, "date", State.WORKS, said)


def synchronised() -> Iterable[Result]:
    """By the kernel, which whoever steers the clock tells."""
    state = kernel_state()
    return () if state is None else (judged_state(*state),)


def judged_state(is_synchronised: bool, error: int) -> Result:
    """``error`` in microseconds is what the kernel thinks possible."""
    if not is_synchronised:
        text = "nothing keeps the clock in time: times will not agree with those of the CSMS"
        return Result(_AREA, _NAME, State.WARNING, text, mend_commands())
    if error > _ERROR_TOLD:
        return Result(_AREA, _NAME, State.WARNING, f"it may be off by {error / 1e6:.0f} s", mend_commands())
    return Result(_AREA, _NAME, State.WORKS, f"kept in time, within {error / 1000:.0f} ms")


def kernel_state() -> tuple[bool, int] | None:
    """Whether the clock is steered, and its possible error in microseconds; None where no kernel tells."""
    if sys.platform != "linux":
        return None
    answer = _Timex(modes=_NO_PERMISSION_NEEDED)
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(answer)) < 0:
        return None
    return not answer.status & _UNSYNCHRONISED, int(answer.largest_error)


def mend_commands() -> tuple[str, ...]:
    """What starts a time service here."""
    if sys.platform == "darwin":
        return ("sudo sntp -sS time.apple.com",)
    if sys.platform == "win32":
        return ("w32tm /resync",)
    from fieldkit.doctor import machine

    if machine.is_openwrt():
        return ("/etc/init.d/sysntpd enable && /etc/init.d/sysntpd restart",)
    if machine.has_systemd():
        known = ("systemd-timesyncd.service", "chrony.service", "chronyd.service", "ntpsec.service", "ntp.service")
        units = (Path(place) / unit for unit in known for place in ("/lib/systemd/system", "/usr/lib/systemd/system"))
        if any(unit.exists() for unit in units):
            return (machine.as_root("timedatectl set-ntp true"),)
        return (*machine.install("systemd-timesyncd"), machine.as_root("timedatectl set-ntp true"))
    if machine.output(("chronyd", "--version")) is not None:
        return (machine.as_root("chronyd"),)
    return (*machine.install("chrony"), machine.as_root("chronyd"))


PROBES: Final = (plausible, synchronised)
