"""A Starlink terminal: asked with grpcurl, or with the Python package starlink-grpc-core where that is installed.

Two shapes: the terminal's own (camelCase, 64-bit numbers as texts, "NaN" as a text), and that of starlink-grpc-core: a
list of three objects, status, obstruction and alerts, in snake_case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fieldkit.links.reading import mapping, number, objects, parsed, raw, text, truth
from fieldkit.links.runner import NotHere, Runner, RunnerError
from fieldkit.links.uplink import LinkEvent, Uplink

if TYPE_CHECKING:
    from fieldkit.plugins.registrar import Registrar

SECOND: Final = 1_000_000_000
ADDRESS: Final = "192.168.100.1:9200"
"""Of every terminal; it answers whoever asks from behind it, without a login."""
_GRPCURL: Final = (
    "grpcurl", "-plaintext", "-max-time", "5", "-d", '{"get_status":{}}', ADDRESS, "SpaceX.API.Device.Device/Handle",
)  # fmt: skip
_PYTHON: Final = (
    "python3", "-c",
    "import json, starlink_grpc\nprint(json.dumps(starlink_grpc.status_data(), default=str, allow_nan=True))",
)  # fmt: skip
_OUTAGES: Final = {
    "BOOTING": "it is starting", "STOWED": "it is stowed", "THERMAL_SHUTDOWN": "it is too hot and has switched off",
    "NO_SCHEDULE": "no satellite is assigned to it", "NO_SATS": "it sees no satellite",
    "OBSTRUCTED": "something is in its view of the sky", "NO_DOWNLINK": "it hears nothing from the satellite",
    "NO_PINGS": "it hears the satellite, and nothing behind it answers", "SKY_SEARCH": "it is searching the sky",
    "INHIBIT_RF": "it may not transmit",
}  # fmt: skip
"""DishOutage.Cause."""
_ALERTS: Final = {
    "thermalShutdown": "it is too hot and has switched off", "thermalThrottle": "it is too hot and slows down",
    "motorsStuck": "its motors are stuck", "mastNotNearVertical": "its mast is not upright",
    "slowEthernetSpeeds": "its Ethernet link is slow: look at the cable", "roaming": "it is away from its address",
    "powerSupplyThermalThrottle": "its power supply is too hot", "isPowerSaveIdle": "it is in its sleep schedule",
    "unexpectedLocation": "it is not where its contract says",
}  # fmt: skip
OBSTRUCTED: Final = 0.005
"""Share of the sky from which on obstructions break connections now and then."""


class StarlinkAdapter:
    """The terminal, if there is one behind this router."""

    def probe(self, runner: Runner) -> float:
        """It must answer."""
        return 0.4 if self._ask(runner) is not None else 0.0

    def snapshot(self, runner: Runner) -> Iterable[Uplink]:
        """The one terminal."""
        yield terminal(self._ask(runner), runner.now())

    def events(self, runner: Runner) -> Iterator[LinkEvent]:
        """It tells nothing by itself: changes are found by comparing."""
        return iter(())

    def _ask(self, runner: Runner) -> Any:
        try:
            return parsed(runner.run(*_GRPCURL))
        except NotHere:
            try:
                return parsed(runner.run(*_PYTHON))
            except RunnerError as error:
                raise NotHere(f"neither grpcurl nor the Python package starlink-grpc-core can ask ({error})") from error


def terminal(told: Any, now: int) -> Uplink:
    """Of either shape."""
    status = mapping(told, "dishGetStatus")
    if status:
        return _own_shape(status, now)
    parts = objects(told) or objects(list(told.values()) if isinstance(told, Mapping) else [])
    flat = next((part for part in parts if "pop_ping_drop_rate" in part or "hardware_version" in part), None)
    if flat is not None:
        alerts = next((part for part in parts if any(key.startswith("alert_") for key in part)), {})
        return _flat_shape(flat, alerts)
    return Uplink(id="starlink", kind="satellite", understood=False, raw=raw(told))


def _own_shape(status: Mapping[str, Any], now: int) -> Uplink:
    outage = mapping(status, "outage")
    cause = text(outage.get("cause"))
    # The member is there while the outage lasts, and only then: without it the terminal is connected.
    duration = number(outage.get("durationNs"), 0)
    state = text(status.get("state")) or cause or ("OUTAGE" if outage else "CONNECTED")
    notes = [_obstruction(mapping(status, "obstructionStats").get("fractionObstructed"))]
    if cause:
        said = _OUTAGES.get(cause, cause)
        lasting = f" for {duration / SECOND:.1f} s" if duration else ""
        switched = ", and it has taken another satellite" if truth(outage.get("didSwitch")) else ""
        notes.append(f"outage{lasting}: {said}{switched}")
    notes += [words for key, words in _ALERTS.items() if truth(mapping(status, "alerts").get(key))]
    return _terminal(
        state == "CONNECTED",
        state,
        notes,
        number(mapping(status, "deviceState").get("uptimeS"), 0),
        number(status.get("popPingLatencyMs"), 0, 600_000),
        number(status.get("popPingDropRate"), 0, 1),
        int(now - duration) if cause and duration else None,
    )


def _flat_shape(status: Mapping[str, Any], alerts: Mapping[str, Any]) -> Uplink:
    state = text(status.get("state")) or "unknown"
    notes = [_obstruction(status.get("fraction_obstructed"))]
    if state in _OUTAGES:
        notes.append(_OUTAGES[state])
    for key, words in _ALERTS.items():
        name = "alert_" + "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
        if truth(alerts.get(name)):
            notes.append(words)
    return _terminal(
        state == "CONNECTED" if state != "unknown" else None,
        state,
        notes,
        number(status.get("uptime"), 0),
        number(status.get("pop_ping_latency_ms"), 0, 600_000),
        number(status.get("pop_ping_drop_rate"), 0, 1),
        None,
    )


def _terminal(
    up: bool | None,
    state: str,
    notes: list[str],
    uptime: float | None,
    latency: float | None,
    loss: float | None,
    since: int | None,
) -> Uplink:
    told = [note for note in notes if note]
    if uptime is not None and uptime < 600:
        told.append(f"the terminal started {uptime:.0f} s ago")
    return Uplink(
        id="starlink",
        kind="satellite",
        up=up,
        state=state,
        role="failed" if up is False else "unknown",
        since=since,
        technology="Starlink",
        operator="Starlink",
        # While nothing answers the latency is that of the last answer, or 0.
        latency_ms=latency if latency and (loss is None or loss < 1) else None,
        loss=loss,
        notes=tuple(told),
    )


def _obstruction(fraction: object) -> str:
    share = number(fraction, 0, 1)
    return f"{share * 100:.1f} % of its view of the sky is obstructed" if share and share >= OBSTRUCTED else ""


def register(registrar: Registrar) -> None:
    """Called once, when the plugin is first used."""
    registrar.router_adapter("starlink", StarlinkAdapter)
