"""What has happened between two looks at the uplinks: for routers that tell nothing by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldkit.links.uplink import Happening, LinkEvent, Uplink

SIGNAL_STEP: Final = 8.0
"""dB that RSRP must have moved since it was last told: it wanders by half of that while nothing happens."""
ADAPTER: Final = "compared"

_TOLD: Final[tuple[tuple[str, Happening, str], ...]] = (
    ("role", "role", "is now {after} (was {before})"),
    ("state", "state", "says: {after} (before: {before})"),
    ("address", "address", "has the address {after} (before: {before})"),
    ("operator", "operator", "is in the network of {after} (before: {before})"),
    ("technology", "technology", "uses {after} (before: {before})"),
)


def changes(before: Sequence[Uplink], after: Sequence[Uplink], time: int) -> list[LinkEvent]:
    """In the order of the uplinks."""
    old = {uplink.id: uplink for uplink in before}
    found: list[LinkEvent] = []
    for uplink in after:
        was = old.pop(uplink.id, None)
        if was is None:
            found.append(LinkEvent(time, ADAPTER, "appeared", uplink.id, f"{uplink.id} has appeared"))
        else:
            found += _changed(was, uplink, time)
    found += [LinkEvent(time, ADAPTER, "vanished", name, f"{name} is no longer there") for name in old]
    return found


def _changed(was: Uplink, now: Uplink, time: int) -> list[LinkEvent]:
    def event(what: Happening, text: str, before: str, after: str) -> LinkEvent:
        return LinkEvent(time, ADAPTER, what, now.id, f"{now.id} {text}", before, after)

    found = []
    if now.up is not None and was.up is not None and now.up != was.up:
        word = "up" if now.up else "down"
        why = f": {now.state}" if now.state and not now.up else ""
        found.append(event("up" if now.up else "down", f"is {word}{why}", "down" if now.up else "up", word))
    for name, what, text in _TOLD:
        before, after = getattr(was, name), getattr(now, name)
        if before == after or (name == "state" and (found or not before or not after)):
            continue
        said = text.format(before=before or "none", after=after or "none")
        found.append(event(what, said, before, after))
    if (now.sim.slot, now.sim.iccid) != (was.sim.slot, was.sim.iccid) and (now.sim.slot or now.sim.iccid):
        before, after = _sim(was), _sim(now)
        found.append(event("sim", f"uses {after or 'no SIM'} (before: {before or 'none'})", before, after))
    if now.signal.rsrp is not None and was.signal.rsrp is not None:
        step = now.signal.rsrp - was.signal.rsrp
        if abs(step) >= SIGNAL_STEP:
            word = "better" if step > 0 else "worse"
            before, after = f"{was.signal.rsrp:g} dBm", f"{now.signal.rsrp:g} dBm"
            found.append(event("signal", f"hears its cell {word}: RSRP {after} (before: {before})", before, after))
    return found


def _sim(uplink: Uplink) -> str:
    slot = f"SIM {uplink.sim.slot}" if uplink.sim.slot is not None else "the SIM" if uplink.sim.iccid else ""
    return f"{slot} {uplink.sim.iccid}".strip()
