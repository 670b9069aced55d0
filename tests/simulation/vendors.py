"""Habits of makes of chargers: what their messages look like, and when they send them. Invented names."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

ENERGY: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
SOC: Final = "SoC"
TEMPERATURE: Final = "Temperature"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One make and model."""

    name: str
    model: str
    versions: tuple[str, ...]
    is_dc: bool
    powers: tuple[int, ...]
    """W that a connector of it can give."""
    connectors: tuple[int, int]
    measurands: tuple[tuple[str, ...], ...]
    """Sets that its owner may have configured."""
    meter_intervals: tuple[int, ...]
    """Seconds."""
    heartbeats: tuple[int, ...]
    """Seconds, as CSMSs of its customers set them."""
    time_style: str = "Z"
    id_style: str = "uuid"
    serial_in_boot: bool = True
    status_time: bool = True
    explicit: bool = False
    """Writes context, format and location out."""
    status_on_connect: bool = True
    """Tells the state of every connector after each connect."""
    boots_on_connect: bool = False
    """Takes every new connection for a new start, as the standard does not ask for."""
    heartbeat_when_idle: bool = False
    """Other messages put off the next heartbeat (2.0.1 G02.FR.06 allows it)."""
    pings: int = 0
    """Seconds between WebSocket pings of the station; 0: none."""
    finishing: bool = True
    """1.6: says Finishing between the end and the unplugging."""
    aligned: int = 0
    """Seconds of clock-aligned values outside transactions; 0: none."""
    phase_values: bool = True
    """Currents of every phase."""
    authorizes: bool = True
    """Asks before it starts; others leave it to StartTransaction."""
    backoff: tuple[float, float, float] = (3.0, 2.0, 120.0)
    """First wait before a new attempt, factor, longest."""
    user_agent: str = ""
    path: str = "/ocpp/{station}"
    data_transfer: str = ""
    """Vendor id of its own daily messages."""


_AC_FULL = (ENERGY, POWER, CURRENT, VOLTAGE)
_DC_FULL = (ENERGY, POWER, CURRENT, VOLTAGE, SOC, TEMPERATURE)

FIRST: Final = (
    Vendor(
        "Nordwall", "NW-22", ("1.6",), False, (11_000, 22_000), (1, 2),
        ((ENERGY, POWER), _AC_FULL, (ENERGY, CURRENT)), (30, 60, 120, 300), (60, 300, 600), "Z", "counter",
        user_agent="NW-22/4.1 libwebsockets",
    ),
    Vendor(
        "Helvolt", "HV Duo", ("1.6",), False, (22_000,), (2, 2),
        ((*_AC_FULL, TEMPERATURE), (ENERGY, POWER, CURRENT)), (60, 300), (120, 300, 900), "ms", "uuid",
        explicit=True, status_time=False, finishing=False, path="/steve/websocket/CentralSystemService/{station}",
    ),
    Vendor(
        "Kestrel Power", "KP150", ("1.6", "2.0.1"), True, (150_000, 120_000), (1, 2),
        ((ENERGY, POWER, SOC), _DC_FULL), (10, 15, 30, 60), (60, 300), "ms", "hex",
        boots_on_connect=False, pings=30, data_transfer="com.kestrel.telemetry", backoff=(5, 1.5, 60),
    ),
    Vendor(
        "Rivolta", "Wallbox R", ("2.0.1", "2.1"), False, (7_400, 11_000), (1, 1),
        ((ENERGY, POWER, CURRENT), (ENERGY, CURRENT, VOLTAGE)), (60, 120), (300, 3600), "Z", "uuid",
        heartbeat_when_idle=True, pings=60, path="/v201/{station}", backoff=(10, 2, 300),
    ),
    Vendor(
        "Ampera Nova", "AN 300", ("2.0.1", "2.1"), True, (300_000, 172_000), (2, 2),
        (_DC_FULL, (ENERGY, POWER, SOC, TEMPERATURE)), (15, 30, 60), (120, 600), "ms", "time",
        explicit=True, heartbeat_when_idle=True, user_agent="AmperaNova/2.8",
    ),
)  # fmt: skip
"""Of the first generator."""

SECOND: Final = (
    Vendor(
        "Tesserae", "Row-T", ("1.6", "2.0.1"), False, (11_000,), (1, 1),
        ((ENERGY,), (ENERGY, CURRENT)), (60, 180, 900), (30, 240, 1800), "plus", "time",
        serial_in_boot=False, status_time=False, status_on_connect=False, aligned=900, phase_values=True,
        authorizes=False, pings=45, path="/central/{station}", backoff=(1, 1.0, 30),
    ),
    Vendor(
        "Osprey Grid", "OG-50", ("1.6", "2.1"), True, (50_000, 60_000), (1, 1),
        ((ENERGY, POWER, VOLTAGE, CURRENT, SOC), (ENERGY, SOC, TEMPERATURE, POWER)), (20, 45), (45, 200), "ms", "hex",
        boots_on_connect=True, explicit=True, phase_values=False, data_transfer="og.diag", backoff=(15, 1.3, 90),
    ),
    Vendor(
        "Quay", "Q-Post 2", ("2.0.1", "2.1"), False, (22_000,), (2, 2),
        ((ENERGY, POWER, CURRENT, VOLTAGE, TEMPERATURE),), (60, 240), (86_400, 600), "Z", "counter",
        explicit=True, aligned=300, heartbeat_when_idle=True, pings=20, user_agent="quay-fw/11", path="/q/{station}",
    ),
    Vendor(
        "Marlow Depot", "MD-Sat", ("2.0.1",), True, (80_000, 100_000), (2, 2),
        ((ENERGY, POWER, SOC, TEMPERATURE), (ENERGY, POWER, CURRENT, VOLTAGE)), (10, 60), (90, 300), "Z", "uuid",
        status_on_connect=True, pings=0, data_transfer="marlow", backoff=(2, 3, 240),
    ),
)  # fmt: skip
"""Of the second."""


def identity(vendor: Vendor, random: Random, number: int, style: int) -> str:
    """What an operator calls its stations."""
    match style:
        case 0:
            return f"{vendor.name[:2].upper()}{random.randrange(10**6, 10**7)}"
        case 1:
            return f"CP-{number + 1:02}"
        case 2:
            return f"DE*FKT*E{random.randrange(10_000, 99_999)}*{number + 1}"
        case 3:
            return f"site{random.randrange(10, 99)}_bay{number + 1}"
        case _:
            return f"{random.getrandbits(48):012X}"
