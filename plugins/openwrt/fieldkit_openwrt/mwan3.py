"""mwan3's status: that of OpenWrt 24.10 (a shell script), of 25.12 (ucode), and of the fork in RutOS.

The shell writes whole numbers, 0 for what it does not know. ucode writes "NaN" there, and its percentages come out of a
division of whole numbers: 0 for every share below one. RutOS knows more states and has no "tracking".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fieldkit.links.reading import items, mapping, number, objects, text, truth
from fieldkit.links.uplink import Role, Uplink

SECOND: Final = 1_000_000_000
_ROLES: Final[dict[str, Role]] = {
    "online": "standby", "standby": "standby", "offline": "failed", "error": "failed", "connecting": "failed",
    "disconnecting": "failed", "starting": "failed", "notracking": "unknown", "disabled": "disabled",
}  # fmt: skip
"""Of an interface that no policy uses at the moment."""
_USABLE: Final = ("online", "standby")


def interfaces(status: Any) -> dict[str, Mapping[str, Any]]:
    """By name."""
    return {
        text(name): told
        for name, told in list(mapping(status, "interfaces").items())[:64]
        if isinstance(told, Mapping) and text(name)
    }


def understood(status: Any) -> bool:
    """It has the members that a status has, and perhaps no interfaces."""
    return isinstance(mapping(status).get("interfaces"), Mapping)


def members(status: Any) -> set[str]:
    """Interfaces that a policy sends new connections to now."""
    found: set[str] = set()
    for family in ("ipv4", "ipv6"):
        for policy in mapping(status, "policies", family).values():
            # Only those that are online are listed; their share is not to be relied on (see above).
            found |= {text(member.get("interface")) for member in objects(policy)}
    return found - {""}


def applied(one: Uplink, told: Mapping[str, Any] | None, used: set[str], now: int) -> Uplink:
    """An interface with what mwan3 says of it; None where it has no part in failover."""
    if told is None:
        return replace(one, notes=(*one.notes, "mwan3 does not track it: it has no part in failover"))
    status = text(told.get("status")).lower() or "unknown"
    enabled = truth(told.get("enabled"))
    usable = status in _USABLE
    up = True if usable else False if status in ("offline", "disconnecting", "error") else one.up
    role = _ROLES.get(status, "unknown")
    if enabled is False:
        role, up = "disabled", truth(told.get("up"))
    elif one.id in used and usable:
        role = "active"
    elif role == "unknown" and up is False:
        role = "failed"
    latency, loss = _measured(told, usable)
    since = one.since
    seconds = number(told.get("online" if usable else "offline"), 0)
    if seconds and (usable or up is False):
        since = int(now - seconds * SECOND)
    elif up is False:
        since = None  # how long the interface has been up says nothing of that
    state = f"mwan3: {status}" if enabled is not False else f"mwan3: {status}, switched off"
    notes = one.notes
    if up is False and truth(told.get("up")):
        notes = (*notes, "the interface is up, and nothing comes through it: mwan3's test addresses do not answer")
    return replace(one, up=up, role=role, state=state, since=since, latency_ms=latency, loss=loss, notes=notes)


def _measured(told: Mapping[str, Any], usable: bool) -> tuple[float | None, float | None]:
    """Latency and loss over the tracked addresses; mwan3 measures them only where it is told to (check_quality)."""
    latencies, losses = [], []
    for target in items(told.get("track_ip")):
        entry = mapping(target)
        if text(entry.get("status")) not in ("up", "down"):
            continue  # skipped: enough others had answered
        latency, loss = number(entry.get("latency"), 0, 600_000), number(entry.get("packetloss"), 0, 100)
        if latency:
            latencies.append(latency)
        # 0 without a latency is what it writes when it has not measured.
        if loss is not None and (latency or loss):
            losses.append(loss)
    latencies.sort()
    return (
        latencies[len(latencies) // 2] if latencies and usable else None,
        sum(losses) / len(losses) / 100 if losses else None,
    )
