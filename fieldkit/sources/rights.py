"""Capabilities of Linux (capabilities(7)), given up one by one or all at once, through the C library.

Giving up is for good: the bounding set is emptied, no program started later brings anything back (no_new_privs), and
the user is changed with all his supplementary groups.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CAP_NET_RAW: Final = 13
CAP_NET_ADMIN: Final = 12

# linux/prctl.h
_SET_KEEP_CAPS, _READ_BOUNDING, _DROP_BOUNDING, _NO_NEW_PRIVILEGES = 8, 23, 24, 38
_AMBIENT, _CLEAR_AMBIENT = 47, 4
_VERSION_3: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities."""
_SETPCAP: Final = 8
MAX_CAPABILITIES: Final = 64


class RightsError(Exception):
    """Rights could not be given up; the text says which. Going on with them would be worse than not going on."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a process may do and as whom, as the kernel shows it in /proc/PID/status."""

    user: int
    group: int
    effective: int
    permitted: int
    bounding: int
    no_new_privileges: bool
    groups: tuple[int, ...]


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def rights_of(process: int | str = "self") -> Rights:
    """Of a process; OSError when it is gone."""
    lines = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
        if ":" in line
    )

    def word(key: str) -> int:
        return int(lines.get(key, "0"), 16)

    return Rights(
        user=int(lines["Uid"].split()[1]),
        group=int(lines["Gid"].split()[1]),
        effective=word("CapEff"),
        permitted=word("CapPrm"),
        bounding=word("CapBnd"),
        no_new_privileges=lines.get("NoNewPrivs", "0").strip() == "1",
        groups=tuple(map(int, lines.get("Groups", "").split())),
    )


def holds(capability: int) -> bool:
    """Whether this process may use a capability."""
    try:
        return bool(rights_of().permitted >> capability & 1)
    except (OSError, KeyError, ValueError):
        return False


def keep_only(*capabilities: int, user: int | None = None, group: int | None = None) -> None:
    """Give up all capabilities but these, and become another user if one is named. RightsError when it is not so.

    The order matters: what comes first needs what is given up last.
    """
    mask = sum(1 << capability for capability in capabilities)
    before = rights_of()
    _prctl(_AMBIENT, _CLEAR_AMBIENT, optional=True)  # kernels before 4.3 have none
    if before.permitted >> _SETPCAP & 1:
        for capability in range(MAX_CAPABILITIES):
            if _prctl(_READ_BOUNDING, capability, optional=True) == 1:
                _prctl(_DROP_BOUNDING, capability)
    # A service that systemd starts as its user, with the one capability, has no right to change users, nor a need to.
    if (user is not None or group is not None) and not _is_already(user, group):
        _prctl(_SET_KEEP_CAPS, 1)
        try:
            os.setgroups([])
            if group is not None:
                os.setresgid(group, group, group)
            if user is not None:
                os.setresuid(user, user, user)
        except OSError as error:
            raise RightsError(f"the user cannot be changed: {error.strerror}") from error
    _set_capabilities(mask & before.permitted)
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _check(mask & before.permitted, user, group)


def _is_already(user: int | None, group: int | None) -> bool:
    """Whether we are them in every respect. Root's supplementary groups are always given up."""
    same_user = user is None or os.getresuid() == (user, user, user)
    return os.geteuid() != 0 and same_user and (group is None or os.getresgid() == (group, group, group))


def _check(mask: int, user: int | None, group: int | None) -> None:
    """Believe the kernel, not the calls."""
    now = rights_of()
    if now.effective != mask or now.permitted != mask or not now.no_new_privileges:
        raise RightsError(f"rights beyond those needed were kept ({now.permitted:x})")
    if (user is not None and now.user != user) or (group is not None and now.group != group):
        raise RightsError(f"the user is still {now.user}, the group {now.group}")


def _set_capabilities(mask: int) -> None:
    header = _Header(_VERSION_3, 0)
    words = (_Word * 2)(*(_Word(mask >> shift & 0xFFFFFFFF, mask >> shift & 0xFFFFFFFF, 0) for shift in (0, 32)))
    if _library().capset(ctypes.byref(header), words):
        raise RightsError(f"capabilities cannot be set: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, argument: int, *, optional: bool = False) -> int:
    # Variadic in C: without the casts the upper halves of the registers would be left to chance.
    result = _library().prctl(
        ctypes.c_int(option), ctypes.c_ulong(argument), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)
    )
    if result < 0 and not optional:
        raise RightsError(f"rights cannot be given up (prctl {option}): {os.strerror(ctypes.get_errno())}")
    return int(result)


def _library() -> ctypes.CDLL:
    # glibc and musl have both calls; None is the program itself, so that nothing has to be searched for.
    return ctypes.CDLL(None, use_errno=True)
