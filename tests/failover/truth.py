"""What really happened in a run of the lab: written by those who did it and those whom it befell, not by a decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = "truth.json"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that the lab did to the network."""

    time: int
    what: str


@dataclass(slots=True)
class Trouble:
    """One outage, or one step of the path that broke nothing."""

    path_lost: int
    switched: int | None = None
    """When the router took the other uplink, or this one again."""
    broken: bool = True
    detected: int | None = None
    first_syn: int | None = None
    handshake: int | None = None
    upgrade: int | None = None
    boot: int | None = None
    first_message: int | None = None


@dataclass(slots=True)
class Truth:
    """One run."""

    scenario: str
    seed: int
    cause: str
    """In fieldkit's words: ``fieldkit.site.outage.Cause``."""
    acts: list[Act] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    wan_before: str = ""
    wan_after: str = ""
    """The address that the CSMS's side of the router had, where it changed on one uplink."""

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(folder: Path) -> Truth:
    found = json.loads((folder / FILE).read_text())
    found["acts"] = [Act(**act) for act in found["acts"]]
    found["troubles"] = [Trouble(**trouble) for trouble in found["troubles"]]
    return Truth(**found)


def tell(trouble: Trouble, said: Sequence[dict[str, Any]], until: int | None = None) -> None:
    """What the station wrote down of it: when it knew, when it tried, when it was back."""
    after = [line for line in said if line["time"] >= trouble.path_lost and (until is None or line["time"] < until)]

    def first(what: str, since: int | None) -> int | None:
        return next((line["time"] for line in after if line["what"] == what and line["time"] >= (since or 0)), None)

    trouble.detected = first("noticed", None)
    if trouble.detected is None:
        trouble.broken = False
        return
    trouble.first_syn = first("syn", trouble.detected)
    trouble.upgrade = first("upgraded", trouble.detected)
    if trouble.upgrade is None:
        return
    trouble.handshake = max(
        line["time"] for line in after if line["what"] == "connected" and line["time"] <= trouble.upgrade
    )
    trouble.boot = first("booted", trouble.upgrade)
    trouble.first_message = first("sends", trouble.upgrade)
