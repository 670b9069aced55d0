"""What the parameters of RAPI messages mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from fieldkit.devices.rapi.commands import COMMANDS, Field
from fieldkit.devices.rapi.frames import Message

NOT_INSTALLED: Final = -2560
"""What a sensor that is not there reads (0.1 °C)."""

STATES: Final[Mapping[int, tuple[str, str]]] = {
    0x00: ("", "unknown"),
    0x01: ("A", "not connected"),
    0x02: ("B", "connected"),
    0x03: ("C", "charging"),
    0x04: ("D", "ventilation required"),
    0x05: ("F", "diode check failed"),
    0x06: ("F", "GFCI fault"),
    0x07: ("F", "no ground"),
    0x08: ("F", "stuck relay"),
    0x09: ("F", "GFI self-test failed"),
    0x0A: ("F", "over temperature"),
    0x0B: ("F", "over current"),
    0x0E: ("F", "relay closure fault"),
    0xFE: ("", "sleeping"),
    0xFF: ("", "disabled"),
}
"""IEC 61851-1 letter and what it is (open_evse.h, EVSE_STATE_*)."""

VFLAGS: Final[Mapping[int, str]] = {
    0x0002: "hard fault",
    0x0004: "limit sleep",
    0x0008: "auth locked",
    0x0010: "time limit",
    0x0020: "no ground tripped",
    0x0040: "relay closed",
    0x0080: "GFI tripped",
    0x0100: "EV connected",
    0x0200: "session ended",
    0x0800: "in menu",
    0x1000: "timer",
    0x2000: "charge limit",
    0x4000: "boot lock",
    0x8000: "mennekes manual",
}
"""J1772EvseController.h, ECVF_*."""

FLAGS: Final[Mapping[int, str]] = {
    0x0001: "level 2",
    0x0002: "DIODE CHECK OFF",
    0x0004: "VENTILATION CHECK OFF",
    0x0008: "GROUND CHECK OFF",
    0x0010: "STUCK RELAY CHECK OFF",
    0x0020: "auto service level off",
    0x0200: "GFI TEST OFF",
    0x0400: "TEMPERATURE CHECK OFF",
    0x1000: "CGMI",
    0x8000: "button off",
}
"""ECF_*; in capitals: a check that protects people is switched off."""

SAFETY_OFF: Final = 0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0200 | 0x0400

BOOT_FAULTS: Final = {"00": "", "07": "no ground", "08": "stuck relay", "09": "GFI self-test failed"}


class RapiValue(NamedTuple):
    """One value out of a message."""

    name: str
    value: float | str | None
    unit: str
    measurand: str
    raw: str
    grave: bool = False
    """A fault, or a protective check that is off."""


def answer_values(word: str, answer: Message) -> Iterator[RapiValue]:
    """What the answer to a command says; nothing where it was refused or damaged."""
    if answer.word != "OK" or not answer.intact:
        return
    fields = COMMANDS.get(word, ())
    if word == "GV" and len(answer.parameters) > 2:
        # The version is free text: "D8.1.1", but also with blanks.
        *version, protocol = answer.parameters
        yield RapiValue("firmware", " ".join(version), "", "", " ".join(version))
        yield RapiValue("protocol", protocol, "", "", protocol)
        return
    for field, raw in zip(fields, answer.parameters, strict=False):
        yield _value(field, raw)


def notification_values(message: Message) -> Iterator[RapiValue]:
    """What a message says that nobody asked for: ``$AT`` on each change of state, ``$AB`` at boot, ``$AN``, ``$WF``."""
    parameters = message.parameters
    if not message.intact:
        return
    match message.word:
        case "AT":
            fields = (
                Field("evse_state", "state"),
                Field("pilot_state", "pilot"),
                Field("current_set", "dec", "A", "Current.Offered"),
                Field("vflags", "vflags"),
            )
            for field, raw in zip(fields, parameters, strict=False):
                yield _value(field, raw)
        case "AB" if parameters:
            fault = BOOT_FAULTS.get(parameters[0], f"code {parameters[0]}")
            yield RapiValue("boot", fault or "ok", "", "", " ".join(parameters), bool(fault))
            if len(parameters) > 1:
                yield RapiValue("firmware", " ".join(parameters[1:]), "", "", " ".join(parameters[1:]))
        case "AN" if parameters:
            yield RapiValue("button", "long" if parameters[0] == "1" else "short", "", "", parameters[0])
        case "WF" if parameters:
            yield RapiValue("wifi_mode", parameters[0], "", "", parameters[0])


NOTIFICATIONS: Final = frozenset(("AT", "AB", "AN", "WF", "ST"))
"""Words of messages that are no answer ("ST": the state as versions before 8 told it)."""


def _value(field: Field, raw: str) -> RapiValue:
    def told(value: float | str | None, grave: bool = False) -> RapiValue:
        return RapiValue(field.name, value, field.unit, field.measurand, raw, grave)

    if field.kind == "text":
        return told(raw)
    number = _number(raw, 10 if field.kind in ("dec", "tenth", "connected", "heartbeat") else 16)
    if number is None:
        return told(None)
    match field.kind:
        case "state" | "pilot":
            letter, words = STATES.get(number, ("", f"unknown (0x{number:02X})"))
            return told(letter or words, 0x05 <= number <= 0x0E)
        case "vflags":
            return told(_named(number, VFLAGS), bool(number & (0x0002 | 0x0020 | 0x0080)))
        case "flags":
            return told(_named(number, FLAGS), bool(number & SAFETY_OFF))
        case "tenth":
            return told(None if number == NOT_INSTALLED else number / 10)
        case "connected":
            return told({0: "no", 1: "yes"}.get(number, "unknown"), number == 2)
        case "heartbeat":
            return told(
                {0: "never missed", 1: "missed, acknowledged", 2: "missed"}.get(number, str(number)), number == 2
            )
        case _:
            # -1: there is no ammeter.
            absent = number < 0 and field.name in ("current", "voltage")
            return told(None if absent else float(f"{number * field.scale:.12g}"))


def _named(number: int, names: Mapping[int, str]) -> str:
    return ", ".join(name for bit, name in names.items() if number & bit) or "none"


def _number(raw: str, base: int) -> int | None:
    digits = raw.removeprefix("-")
    if not digits or len(digits) > 12 or not digits.isascii() or not digits.isalnum():
        return None
    try:
        return int(raw, base)
    except ValueError:
        return None
