"""What devices on serial ports say, beside the packets of a station: as the serial decoders would bring it."""

from __future__ import annotations

from collections.abc import Iterable

from fieldkit.events import DeviceReading, Event
from fieldkit.session import Session as Diagnosis
from tests.traffic.capture import write_pcap
from tests.traffic.conversation import Session
from tests.traffic.decoded import decode
from tests.traffic.diagnosed import diagnose_events
from tests.traffic.taps import Tap

SECOND = 1_000_000_000
METER = "sdm630/1"


def reading(
    time: int,
    name: str,
    value: float | str | None,
    unit: str = "",
    measurand: str = "",
    phase: str = "",
    *,
    device: str = METER,
    dialect: str = "modbus",
    port: str = "/dev/ttyUSB0",
    raw: str = "4366 199a",
    verified: bool = True,
) -> DeviceReading:
    return DeviceReading(time, (), port, dialect, device, name, value, unit, measurand, phase, raw, verified)


def register(time: int, kwh: float, **more: object) -> DeviceReading:
    return reading(time, "energy_import", kwh, "kWh", "Energy.Active.Import.Register", **more)  # type: ignore[arg-type]


def power(time: int, watts: float, **more: object) -> DeviceReading:
    return reading(time, "power_total", watts, "W", "Power.Active.Import", **more)  # type: ignore[arg-type]


def currents(time: int, *amperes: float) -> list[DeviceReading]:
    names = enumerate(amperes, 1)
    return [reading(time, f"current_l{at}", one, "A", "Current.Import", f"L{at}") for at, one in names]


def modem(time: int, name: str, value: float | str, raw: str = "") -> DeviceReading:
    unit = "dBm" if isinstance(value, float) else ""
    return reading(time, name, value, unit, device="modem", dialect="at", port="/dev/ttyUSB2", raw=raw or str(value))


def joined(events: Iterable[Event], *sessions: Session) -> Diagnosis:
    """Both on one timeline."""
    packets = [segment for session in sessions for segment in session.segments]
    decoded = decode(write_pcap(Tap().packets(sorted(packets, key=lambda one: one.time)))).events
    return diagnose_events(sorted([*decoded, *events], key=lambda event: event.time))


def told(diagnosis: Diagnosis) -> list[str]:
    """The ids of what devices have to do with."""
    return [one.kind.id for one in diagnosis.findings if one.kind.id.startswith("device.")]
