"""What works on this machine, and for what does not the exact command that mends it here.

A probe is a small function that looks at one thing and returns what it found; it changes nothing, sends nothing over
the network and asks for no password. ``examine`` runs those of the areas that are wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Final, TypeAlias

from fieldkit.doctor.probe import Result, State

Probe: TypeAlias = Callable[[], Iterable[Result]]

AREAS: Final = (
    "capture",
    "interfaces",
    "serial",
    "trust",
    "detector",
    "terminal",
    "clock",
    "disk",
    "router",
    "packages",
)
"""In the order in which they are told; each is a module of this folder with a tuple ``PROBES``."""


def examine(areas: Sequence[str] = AREAS) -> list[Result]:
    """What the probes of these areas find. One that fails is a result too, and keeps no other from running."""
    results: list[Result] = []
    for area in areas:
        probes: tuple[Probe, ...] = import_module(f"fieldkit.doctor.{area}").PROBES
        for probe in probes:
            try:
                results += probe()
            except Exception as error:  # a driver, a tool, a file system of a kind nobody here has seen
                name = probe.__name__.replace("_", " ")
                results.append(
                    Result(area, name, State.WARNING, f"could not be looked at: {type(error).__name__}: {error}")
                )
    return results


def is_ready(results: Iterable[Result]) -> bool:
    """Whether all that a capture needs is there."""
    return not any(result.needed and result.state is State.MISSING for result in results)
