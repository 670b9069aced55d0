"""The commands that read, and what their answers are made of. There is no other command in this module.

All of them begin with G. What they are is written in OpenEVSE/open_evse, firmware/open_evse/rapi_proc.h; what a version
does not know is refused with ``$NK``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from fieldkit.devices.rapi.frames import encode


class Field(NamedTuple):
    """One parameter of an answer."""

    name: str
    kind: str
    """"dec", "hex", "text", "tenth" (0.1 °C), "state", "pilot", "vflags", "flags", "bool"."""
    unit: str = ""
    measurand: str = ""
    scale: float = 1.0


def _fields(*fields: Field) -> tuple[Field, ...]:
    return fields


COMMANDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "GV": _fields(Field("firmware", "text"), Field("protocol", "text")),
    "GS": _fields(
        Field("evse_state", "state"),
        Field("session_seconds", "dec", "s"),
        Field("pilot_state", "pilot"),
        Field("vflags", "vflags"),
    ),
    "GE": _fields(Field("current_set", "dec", "A", "Current.Offered"), Field("flags", "flags")),
    "GG": _fields(
        Field("current", "dec", "A", "Current.Import", 0.001), Field("voltage", "dec", "V", "Voltage", 0.001)
    ),
    "GU": _fields(
        Field("energy_session", "dec", "Wh", "", 1 / 3600),
        Field("energy_total", "dec", "Wh", "Energy.Active.Import.Register"),
    ),
    "GP": _fields(
        Field("temperature_ds3231", "tenth", "Celsius", "Temperature"),
        Field("temperature_mcp9808", "tenth", "Celsius", "Temperature"),
        Field("temperature_tmp007", "tenth", "Celsius", "Temperature"),
    ),
    "GC": _fields(
        Field("current_minimum", "dec", "A"),
        Field("current_hardware_maximum", "dec", "A"),
        Field("current_pilot", "dec", "A", "Current.Offered"),
        Field("current_configured_maximum", "dec", "A"),
    ),
    "GF": _fields(Field("gfi_trips", "hex"), Field("no_ground_trips", "hex"), Field("stuck_relay_trips", "hex")),
    "G0": _fields(Field("connected", "connected")),
    "GA": _fields(Field("ammeter_scale", "dec"), Field("ammeter_offset", "dec")),
    "GM": _fields(Field("voltmeter_scale", "dec"), Field("voltmeter_offset", "dec")),
    "GD": _fields(
        Field("timer_start_hour", "dec"),
        Field("timer_start_minute", "dec"),
        Field("timer_end_hour", "dec"),
        Field("timer_end_minute", "dec"),
    ),
    "GT": _fields(
        Field("year", "dec"),
        Field("month", "dec"),
        Field("day", "dec"),
        Field("hour", "dec"),
        Field("minute", "dec"),
        Field("second", "dec"),
    ),
    "GI": _fields(Field("mcu_id", "text")),
    "GY": _fields(
        Field("heartbeat_interval", "dec", "s"), Field("heartbeat_current", "dec", "A"), Field("heartbeat", "heartbeat")
    ),
    "G3": _fields(Field("time_limit", "dec", "min", "", 15.0)),
    "GH": _fields(Field("charge_limit", "dec", "kWh")),
    "G4": _fields(Field("auth_locked", "dec")),
    "G5": _fields(Field("connector_lock", "dec"), Field("connector_lock_mode", "text")),
    "GO": _fields(Field("ambient_threshold", "tenth", "Celsius"), Field("ir_threshold", "tenth", "Celsius")),
}
"""The complete read set. Firmware older or newer than ours answers with fewer or more fields; both are taken."""

ESSENTIAL: Final = ("GV", "GS", "GE", "GG", "GU", "GP", "GC", "GF", "G0")
"""What says most about a charger, and is there in every version."""


def read_command(word: str, sequence: int = 0) -> bytes:
    """The bytes of a command that reads; ValueError for anything else."""
    if word not in COMMANDS:
        raise ValueError(f"{word!r} is not one of the commands that only read: {', '.join(COMMANDS)}")
    if not 0 <= sequence <= 0xFF:
        raise ValueError(f"a sequence number is 1 to 255, not {sequence}")
    return encode(word, sequence)
