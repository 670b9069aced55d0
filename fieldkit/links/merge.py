"""Several adapters speak of the same uplink: netifd of its address, the modem's manager of its signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Final

from fieldkit.links.uplink import MAX_UPLINKS, Signal, Sim, Uplink

_RANK: Final = {"active": 0, "standby": 1, "failed": 2, "unknown": 3, "disabled": 4}


def merged(told: Sequence[Iterable[Uplink]]) -> list[Uplink]:
    """One entry an uplink. Of the adapters the first ones are believed; the others add what those do not say."""
    found: list[Uplink] = []
    for uplinks in told:
        known = len(found)
        for uplink in uplinks:
            # Within what one adapter says, two entries are two uplinks.
            place = next((number for number in range(known) if _same(found[number], uplink)), None)
            if place is not None:
                found[place] = _both(found[place], uplink)
            elif len(found) < MAX_UPLINKS:
                found.append(uplink)
    return sorted(found, key=lambda uplink: (_RANK[uplink.role], uplink.id))


def _same(one: Uplink, other: Uplink) -> bool:
    if one.id == other.id or (one.device and one.device == other.device):
        return True
    return bool(one.modem and one.modem == other.modem)


def _both(one: Uplink, other: Uplink) -> Uplink:
    values: dict[str, object] = {}
    for field in fields(Uplink):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("notes", "adapters"):
            values[field.name] = tuple(dict.fromkeys((*mine, *theirs)))
        elif field.name == "understood":
            values[field.name] = mine and theirs
        elif isinstance(mine, Signal | Sim):
            values[field.name] = _filled(mine, theirs)
        elif mine in (None, "", "unknown"):
            values[field.name] = theirs
    # A modem that is connected says nothing of whether the router uses it: up and role stay with who said so first.
    return replace(one, **values)  # type: ignore[arg-type]


def _filled(mine: Signal | Sim, theirs: Signal | Sim) -> Signal | Sim:
    blanks = {
        field.name: getattr(theirs, field.name)
        for field in fields(mine)
        if getattr(mine, field.name) in (None, "") and getattr(theirs, field.name) not in (None, "")
    }
    return replace(mine, **blanks)
