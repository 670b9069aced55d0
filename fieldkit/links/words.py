"""Uplinks and what happens to them, in words for a technician; and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from fieldkit.links.uplink import LinkEvent, Uplink

SECOND: Final = 1_000_000_000
_RSRP: Final = ((-90.0, "good"), (-105.0, "fair"), (-115.0, "weak"))
"""dBm, of LTE and 5G: at or above it is …; below the last it is "very weak"."""
_SINR: Final = ((13.0, "clear"), (3.0, "usable"), (0.0, "noisy"))
"""dB; below the last it is "drowned in noise"."""


def quality(uplink: Uplink) -> str:
    """How good the signal is, in a word or two; empty where nobody knows."""
    words = []
    if uplink.signal.rsrp is not None:
        words.append(next((word for limit, word in _RSRP if uplink.signal.rsrp >= limit), "very weak"))
    if uplink.signal.sinr is not None:
        words.append(next((word for limit, word in _SINR if uplink.signal.sinr >= limit), "drowned in noise"))
    return ", ".join(words)


def described(uplink: Uplink, now: int) -> list[tuple[str, str]]:
    """What is known of it, under short names; what is not known is left out."""
    told: list[tuple[str, str]] = []
    if uplink.state:
        told.append(("state", uplink.state))
    if uplink.since is not None and now >= uplink.since and uplink.up is not None:
        told.append(("up for" if uplink.up else "down for", duration((now - uplink.since) / SECOND)))
    place = ", ".join(word for word in (uplink.device, uplink.address, "metered" if uplink.metered else "") if word)
    if place:
        told.append(("interface", place))
    if uplink.operator or uplink.technology:
        roaming = " (roaming)" if uplink.roaming else ""
        network = " ".join(word for word in (uplink.technology, uplink.operator) if word)
        if uplink.technology == uplink.operator:
            network = uplink.operator
        told.append(("network", network + roaming))
    sim = [f"slot {uplink.sim.slot}" if uplink.sim.slot is not None else "", uplink.sim.profile]
    sim.append(f"ICCID {uplink.sim.iccid}" if uplink.sim.iccid else "")
    if any(sim):
        told.append(("SIM", ", ".join(word for word in sim if word)))
    signal = _signal(uplink)
    if signal:
        told.append(("signal", signal))
    path = []
    if uplink.latency_ms is not None:
        path.append(f"{uplink.latency_ms:.0f} ms")
    if uplink.loss is not None:
        path.append(f"{uplink.loss * 100:.3g} % lost")
    if path:
        told.append(("path", ", ".join(path)))
    told += [("note", note) for note in uplink.notes]
    if not uplink.understood:
        told.append(("note", "there is something, and its answer was not understood (--json shows it)"))
    return told


def _signal(uplink: Uplink) -> str:
    signal = uplink.signal
    told = [
        f"{name} {value:g} {unit}"
        for name, value, unit in (
            ("RSRP", signal.rsrp, "dBm"), ("RSRQ", signal.rsrq, "dB"), ("SINR", signal.sinr, "dB"),
            ("RSSI", signal.rssi, "dBm"),
        )
        if value is not None
    ]  # fmt: skip
    word = quality(uplink)
    return ", ".join(told) + (f": {word}" if word else "")


def standing(uplink: Uplink) -> str:
    """Up or not, and what for, in a word or two."""
    word = "up" if uplink.up else "down" if uplink.up is False else "state unknown"
    return f"{word}, {uplink.role}" if uplink.role != "unknown" else word


def duration(seconds: float) -> str:
    """As in "3 d 4 h", "1 h 25 min", "37 s"."""
    whole = int(seconds)
    for size, unit, less, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


CLOCKS_APART: Final = 3.0
"""Seconds: less may be the way to the router and back."""


def clocks(ahead: float | None) -> str:
    """How a router's clock differs from ours; empty where it does not, or nobody knows."""
    if ahead is None or abs(ahead) < CLOCKS_APART:
        return ""
    return f"its clock is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine's"


def iso(time: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    try:
        at = datetime.fromtimestamp(time / SECOND, UTC)
    except (OverflowError, ValueError, OSError):
        return str(time)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def uplink_json(uplink: Uplink) -> dict[str, Any]:
    """With times as text; what is not known is null or empty."""
    document = asdict(uplink)
    document["since"] = iso(uplink.since) if uplink.since is not None else None
    document["signal"]["quality"] = quality(uplink)
    return document


def event_json(event: LinkEvent) -> dict[str, Any]:
    """The same of an event."""
    return {**asdict(event), "time": iso(event.time)}
