"""The control pilot, as the charge controller has it, against the status that the station reports.

IEC 61851-1 knows six states of the pilot, OCPP its own of the connector, and most pairs of them are possible: a vehicle
may ask for power (C) while the station pauses, a cable may be locked in without a vehicle (A). Told are only pairs that
exclude each other, and only when both have stood long enough while both sides were heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fieldkit.checks.check import Check
from fieldkit.checks.devicejoin import connector_of, owner
from fieldkit.checks.finding import Finding, Kind
from fieldkit.checks.policy import Policy
from fieldkit.checks.words import SECOND, duration
from fieldkit.events import ConsoleLine, ConsoleSighting, DeviceReading, Event
from fieldkit.site.device import Device, Held
from fieldkit.site.picture import Picture

STANDS: Final = 30 * SECOND
"""So long both must have stood, and the station must have said something else since: it may tell a status late (1.6
MinimumStatusDuration is usually below 10 s), and cannot tell it at all while it is offline."""
EXCLUDED: Final = {
    "Available": frozenset("BCDF"),
    "Charging": frozenset("ABEF"),
    "SuspendedEV": frozenset("A"),
    "SuspendedEVSE": frozenset("A"),
}
"""By status (1.6 §4.9; 2.x has "Available" alone of these), the states that cannot be. Preparing and Finishing may be
with or without a vehicle; E is also what a controller without power shows, which says nothing to "Available"."""
MEANING: Final = {
    "A": "no vehicle",
    "B": "a vehicle is connected and does not ask for power",
    "C": "the vehicle asks for power",
    "D": "the vehicle asks for power, with ventilation",
    "E": "the pilot is short-circuited or off",
    "F": "the controller is not available",
}
TELLS_CHANGES: Final = frozenset({"rapi", "console"})
"""Those that speak of the pilot only when it changes: it stands as long as they are heard."""

PILOT = Kind(
    "device.pilot-status",
    "warning",
    "station",
    "The reported status is not what the control pilot says",
    "{device} tells the pilot state {state} ({meaning}) while the station reports the connector as {status}. Both "
    "stood for {stood} and more while both were heard.",
    "Look at the connector: if the controller is right, the station does not learn of changes (the line between "
    "controller and station, its firmware); restart it and report it to the manufacturer. If the station is right, "
    "check pilot wire, cable and controller.",
    "OCPP 1.6 §4.9; IEC 61851-1 Annex A",
)


class DevicePilotCheck(Check):
    """Two that look at one connector."""

    kinds = (PILOT,)
    wants = frozenset({DeviceReading, ConsoleSighting, ConsoleLine})

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._told: dict[tuple[str, str, str], int] = {}
        """By device (bounded as they are): since when what was told of it last had stood."""

    def see(self, event: Event, picture: Picture) -> Iterator[Finding]:
        device = picture.devices.of(event)
        if device is None or not device.pilot:
            return
        pilot = device.pilot[-1]
        station = owner(picture, device)
        connector = connector_of(picture, device, station) if station is not None else None
        if station is None or connector is None or not connector.history:
            return
        if pilot.state[:1] not in EXCLUDED.get(connector.status, ()):
            return
        since = max(pilot.since, connector.since)
        stood = min(_seen_until(device, pilot), station.heard.get("station", 0)) - since
        if stood < STANDS or self._told.get(device.key) == since:
            return
        self._told[device.key] = since
        values = {
            "device": device.title,
            "state": pilot.state,
            "meaning": MEANING[pilot.state[0]],
            "status": connector.status,
            "stood": duration(STANDS),
        }
        evidence = (connector.history[-1].message, pilot.told)
        group = f"{device.title} {pilot.state} {connector.status}"
        yield Finding(PILOT, event.time, station.identity, evidence, values, connector=connector.name, group=group)


def _seen_until(device: Device, pilot: Held) -> int:
    return device.heard if device.dialect in TELLS_CHANGES else pilot.until
