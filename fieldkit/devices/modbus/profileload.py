"""Profiles from TOML, strictly: what is misspelt, missing or contradictory is an error that names the row.

A wrong profile shows wrong values with a straight face, so nothing is guessed here and nothing unknown is passed over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from fieldkit.devices.modbus.pdu import FIRST_UNIT, LAST_UNIT, READ_BITS, READS, WRITES
from fieldkit.devices.modbus.profile import Kind, Limits, Memory, Mode, Profile, Register, Writable
from fieldkit.devices.modbus.timing import MILLISECOND, line_settings
from fieldkit.devices.modbus.values import SIZES, TYPES, WordOrder

SCHEMA: Final = 1
MAX_PROFILE: Final = 200_000
"""Characters of a file: an order of magnitude more than the longest."""
MAX_ROWS: Final = 2000

UNITS: Final = frozenset(
    "V A mA W kW VA kVA var kvar Wh kWh MWh varh kvarh VAh kVAh Hz Celsius Percent s min h deg Ohm ms".split()
)
PHASES: Final = ("L1", "L2", "L3", "N", "L1-L2", "L2-L3", "L3-L1")
PILOT: Final = frozenset("A A1 A2 B B1 B2 C C1 C2 D D1 D2 E F".split())
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

_TOP: Final = {
    "schema": int,
    "id": str,
    "title": str,
    "kind": str,
    "line": dict,
    "limits": dict,
    "sources": dict,
    "notes": list,
    "register": list,
    "writable": list,
}
_LINE: Final = {
    "mode": str,
    "speeds": list,
    "formats": list,
    "unit": int,
    "verified": bool,
    "turnaround_ms": int,
    "delay_ms": int,
    "wake": bool,
}
_LIMITS: Final = {"registers": int, "gap": int, "even": bool, "holes": list}
_REGISTER: Final = {
    "name": str,
    "function": int,
    "address": int,
    "type": str,
    "count": int,
    "words": str,
    "scale": float,
    "unit": str,
    "measurand": str,
    "phase": str,
    "phases": int,
    "mask": int,
    "shift": int,
    "states": dict,
    "flags": dict,
    "pilot": bool,
    "absent": list,
    "may_be_absent": bool,
    "fine_from": int,
    "fine_scale": float,
    "low": float,
    "high": float,
    "memory": str,
    "verified": bool,
    "sources": list,
    "note": str,
}
_WRITABLE: Final = {
    "name": str,
    "function": int,
    "address": int,
    "type": str,
    "scale": float,
    "unit": str,
    "low": float,
    "high": float,
    "memory": str,
    "reversible": bool,
    "effect": str,
    "danger": bool,
    "readback": str,
    "unless": list,
    "verified": bool,
    "sources": list,
}


class ProfileError(ValueError):
    """What is wrong with a profile, and where."""


def parse_profile(text: str, name: str) -> Profile:
    """The profile in a TOML text; ``name`` (of the file) is for the error's sake."""
    if len(text) > MAX_PROFILE:
        raise ProfileError(f"{name}: longer than {MAX_PROFILE} characters")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{name}: no TOML: {error}") from None
    except RecursionError:
        raise ProfileError(f"{name}: nested too deeply") from None
    try:
        return _profile(document)
    except ProfileError as error:
        raise ProfileError(f"{name}: {error}") from None


def _profile(document: Mapping[str, Any]) -> Profile:
    top = _Table(document, _TOP, "")
    if top.get("schema") != SCHEMA:
        raise ProfileError(f"schema: {SCHEMA} is expected, not {top.get('schema')}")
    identity = top.need("id")
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,39}", identity):
        raise ProfileError(f"id: {identity!r} is not like 'sdm630'")
    line = _Table(top.need("line"), _LINE, "line")
    sources = _strings(top.get("sources", {}), "sources")
    limits = _limits(_Table(top.get("limits", {}), _LIMITS, "limits"))
    registers = tuple(_registers(top.need("register"), sources, limits))
    writables = tuple(_writables(top.get("writable", []), sources, registers))
    return Profile(
        id=identity,
        title=top.need("title"),
        kind=cast(Kind, _one_of(top.need("kind"), ("charger", "meter"), "kind")),
        mode=cast(Mode, _one_of(line.get("mode", "rtu"), ("rtu", "ascii"), "line.mode")),
        speeds=_speeds(line),
        formats=tuple(line.need("formats")),
        unit=_within(line.need("unit"), FIRST_UNIT, LAST_UNIT, "line.unit"),
        line_verified=line.need("verified"),
        turnaround=_within(line.get("turnaround_ms", 0), 0, 10_000, "line.turnaround_ms") * MILLISECOND,
        delay=_within(line.get("delay_ms", 0), 0, 10_000, "line.delay_ms") * MILLISECOND,
        wake=line.get("wake", False),
        limits=limits,
        registers=registers,
        writables=writables,
        sources=sources,
        notes=tuple(map(str, top.get("notes", []))),
    )


def _speeds(line: _Table) -> tuple[int, ...]:
    speeds, formats = line.need("speeds"), line.need("formats")
    if not speeds or not formats:
        raise ProfileError("line: speeds and formats need at least one entry each, the usual one first")
    for speed in speeds:
        for character in formats:
            try:
                line_settings(speed, character)
            except (TypeError, ValueError) as error:
                raise ProfileError(f"line: {error}") from None
    return tuple(speeds)


def _limits(table: _Table) -> Limits:
    holes: list[tuple[int, int]] = []
    for hole in table.get("holes", []):
        if not (isinstance(hole, list) and len(hole) == 2 and all(type(end) is int for end in hole)):
            raise ProfileError("limits.holes: each is [first, last]")
        if not 0 <= hole[0] <= hole[1] <= 0xFFFF:
            raise ProfileError(f"limits.holes: {hole} is not within 0 to 65535")
        holes.append((hole[0], hole[1]))
    return Limits(
        registers=_within(table.get("registers", 125), 1, 125, "limits.registers"),
        gap=_within(table.get("gap", 0), 0, 124, "limits.gap"),
        even=table.get("even", False),
        holes=tuple(holes),
    )


def _registers(rows: list[Any], sources: Mapping[str, str], limits: Limits) -> Iterator[Register]:
    names: set[str] = set()
    if not 0 < len(rows) <= MAX_ROWS:
        raise ProfileError(f"register: 1 to {MAX_ROWS} rows are expected, not {len(rows)}")
    for number, row in enumerate(rows, 1):
        table = _Table(row, _REGISTER, f"register {number}")
        for register in _spread(_register(table, sources), table):
            where = f"{table.where} ({register.name})"
            if register.name in names:
                raise ProfileError(f"{where}: there is another one of this name")
            names.add(register.name)
            _check_place(register, limits, where)
            yield register


def _register(table: _Table, sources: Mapping[str, str]) -> Register:
    name = table.need("name")
    table.where += f" ({name})"
    if not _NAME.fullmatch(name):
        raise ProfileError(f"{table.where}: a name is like 'voltage_l1'")
    function, kind = table.need("function"), table.need("type")
    _one_of(function, READS, f"{table.where}: function")
    _one_of(kind, TYPES, f"{table.where}: type")
    if (function in READ_BITS) != (kind == "bit"):
        raise ProfileError(f"{table.where}: functions 1 and 2 read the type 'bit', and nothing else does")
    text = kind in ("ascii", "hex")
    if text != ("count" in table):
        raise ProfileError(f"{table.where}: 'count' is for the types ascii and hex, and they need it")
    states = _numbered(table.get("states"), 0xFFFF_FFFF, f"{table.where}: states")
    flags = _numbered(table.get("flags"), 63, f"{table.where}: flags")
    pilot = table.get("pilot", False)
    if pilot and not (states and PILOT & set(states.values())):
        raise ProfileError(f"{table.where}: the states of a control pilot are {', '.join(sorted(PILOT))}")
    if (states is not None or flags is not None) and (text or kind in ("f32", "f64") or (states and flags)):
        raise ProfileError(f"{table.where}: either states or flags, and of a whole number")
    if table.get("scale", 1.0) == 0 or table.get("fine_scale", 1.0) == 0:
        raise ProfileError(f"{table.where}: a scale of 0")
    if ("fine_from" in table) != ("fine_scale" in table):
        raise ProfileError(f"{table.where}: fine_from and fine_scale need each other")
    unit = table.get("unit", "")
    if unit and unit not in UNITS:
        raise ProfileError(f"{table.where}: unit {unit!r} is none of {', '.join(sorted(UNITS))}")
    phase = table.get("phase", "")
    if phase:
        _one_of(phase, PHASES, f"{table.where}: phase")
    low, high = table.get("low"), table.get("high")
    if low is not None and high is not None and low >= high:
        raise ProfileError(f"{table.where}: low is not below high")
    return Register(
        name=name,
        function=function,
        address=_within(table.need("address"), 0, 0xFFFF, f"{table.where}: address"),
        type=kind,
        count=_within(table.need("count"), 1, 125, f"{table.where}: count") if text else SIZES[kind],
        words=cast(WordOrder, _one_of(table.get("words", "big"), ("big", "little"), f"{table.where}: words")),
        scale=float(table.get("scale", 1.0)),
        unit=unit,
        measurand=table.get("measurand", ""),
        phase=phase,
        mask=_within(table.get("mask", 0), 0, 0xFFFF_FFFF, f"{table.where}: mask"),
        shift=_within(table.get("shift", 0), 0, 31, f"{table.where}: shift"),
        states=states,
        flags=flags,
        pilot=pilot,
        absent=tuple(_integers(table.get("absent", []), f"{table.where}: absent")),
        may_be_absent=table.get("may_be_absent", False),
        fine_from=_within(table.get("fine_from", 0), 0, 0xFFFF_FFFF, f"{table.where}: fine_from"),
        fine_scale=float(table.get("fine_scale", 1.0)),
        low=low,
        high=high,
        memory=_memory(table),
        verified=_verified(table, sources),
        sources=tuple(table.need("sources")),
        note=table.get("note", ""),
    )


def _spread(register: Register, table: _Table) -> Iterator[Register]:
    """``phases = 3``: three registers one behind the other, for L1, L2 and L3."""
    phases = table.get("phases", 0)
    if not phases:
        yield register
        return
    if phases != 3 or register.phase:
        raise ProfileError(f"{table.where}: phases is 3 or left out, and then there is no phase")
    for at in range(phases):
        values = {field: getattr(register, field) for field in Register.__slots__}
        values |= {
            "name": f"{register.name}_l{at + 1}",
            "phase": f"L{at + 1}",
            "address": register.address + at * register.count,
        }
        yield Register(**values)


def _check_place(register: Register, limits: Limits, where: str) -> None:
    if register.end > 0x10000:
        raise ProfileError(f"{where}: ends behind 65535")
    if register.function in READ_BITS:
        return
    if limits.even and (register.address % 2 or register.count % 2):
        raise ProfileError(f"{where}: addresses and counts are even here (limits.even)")
    if register.count > limits.registers:
        raise ProfileError(f"{where}: takes {register.count} registers, one request reads {limits.registers}")
    for first, last in limits.holes:
        if register.address <= last and first < register.end:
            raise ProfileError(f"{where}: lies in the hole {first} to {last}")


def _writables(rows: list[Any], sources: Mapping[str, str], registers: tuple[Register, ...]) -> Iterator[Writable]:
    readable = {register.name: register for register in registers}
    for number, row in enumerate(rows, 1):
        table = _Table(row, _WRITABLE, f"writable {number}")
        name = table.need("name")
        table.where += f" ({name})"
        readback = table.get("readback", "")
        if readback and readback not in readable:
            raise ProfileError(f"{table.where}: readback {readback!r} is no register")
        yield Writable(
            name=name,
            function=cast(int, _one_of(table.need("function"), WRITES, f"{table.where}: function")),
            address=_within(table.need("address"), 0, 0xFFFF, f"{table.where}: address"),
            type=cast(str, _one_of(table.need("type"), TYPES - {"ascii", "hex"}, f"{table.where}: type")),
            scale=float(table.get("scale", 1.0)),
            unit=table.get("unit", ""),
            low=float(table.need("low")),
            high=float(table.need("high")),
            memory=_memory(table),
            reversible=table.need("reversible"),
            effect=table.need("effect"),
            danger=table.get("danger", False),
            readback=readback,
            unless=_unless(table, readable),
            verified=_verified(table, sources),
            sources=tuple(table.need("sources")),
        )


def _unless(table: _Table, readable: Mapping[str, Register]) -> tuple[str, str]:
    name, flag = (*table.get("unless", ()), "", "")[:2]
    register = readable.get(name)
    if name and (register is None or flag not in (register.flags or {}).values()):
        raise ProfileError(f"{table.where}: unless names a register and one of its flags")
    return name, flag


# ------------------------------------------------------------------------------------------------------------- helpers


class _Table:
    """A table whose keys and their types are known."""

    def __init__(self, table: Any, known: Mapping[str, type], where: str) -> None:
        self.where = where
        if not isinstance(table, Mapping):
            raise ProfileError(f"{where}: a table is expected")
        for key, value in table.items():
            if key not in known:
                raise ProfileError(f"{self._at(key)}: there is no such key")
            wanted = known[key]
            fits = type(value) in (int, float) if wanted is float else type(value) is wanted
            if not fits:
                raise ProfileError(f"{self._at(key)}: {wanted.__name__} is expected, not {value!r:.60}")
        self._table = table

    def _at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def get(self, key: str, default: Any = None) -> Any:
        return self._table.get(key, default)

    def need(self, key: str) -> Any:
        if key not in self._table:
            raise ProfileError(f"{self._at(key)}: is missing")
        return self._table[key]


def _one_of(value: Any, known: Any, where: str) -> Any:
    if value not in known:
        raise ProfileError(f"{where}: {value!r} is none of {', '.join(map(str, sorted(known)))}")
    return value


def _within(value: Any, low: int, high: int, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ProfileError(f"{where}: {value!r} is not a whole number from {low} to {high}")
    return value


def _integers(values: list[Any], where: str) -> list[int]:
    if not all(type(value) is int for value in values):
        raise ProfileError(f"{where}: whole numbers are expected")
    return values


def _strings(table: Mapping[str, Any], where: str) -> dict[str, str]:
    if not all(isinstance(value, str) for value in table.values()):
        raise ProfileError(f"{where}: texts are expected")
    return dict(table)


def _numbered(table: Mapping[str, Any] | None, most: int, where: str) -> dict[int, str] | None:
    """TOML's keys are texts: "5", "0xA1", or a letter that stands for its code."""
    if table is None:
        return None
    numbered: dict[int, str] = {}
    for key, value in table.items():
        if not isinstance(value, str):
            raise ProfileError(f"{where}.{key}: a text is expected")
        if len(key) == 1 and key.isalpha():
            number = ord(key)
        elif re.fullmatch(r"0x[0-9A-Fa-f]{1,8}|[0-9]{1,10}", key):
            number = int(key, 0)
        else:
            raise ProfileError(f"{where}: {key!r} is no number")
        if number > most or number in numbered:
            raise ProfileError(f"{where}: {key} is too large, or there twice")
        numbered[number] = value
    return numbered


def _memory(table: _Table) -> Memory:
    return cast(Memory, _one_of(table.get("memory", "unknown"), ("ram", "eeprom", "unknown"), f"{table.where}: memory"))


def _verified(table: _Table, sources: Mapping[str, str]) -> bool:
    """Two independent sources, or it says that there are not."""
    named = table.need("sources")
    unknown = [name for name in named if name not in sources]
    if unknown or not named:
        raise ProfileError(f"{table.where}: sources {unknown or 'are missing'}: name entries of [sources]")
    verified = bool(table.get("verified", True))
    if verified and len(set(named)) < 2:
        raise ProfileError(f"{table.where}: one source only: name a second one, or say verified = false")
    return verified
