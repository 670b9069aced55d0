"""Profiles: the shipped ones hold what they promise, and the loader takes nothing that is not in order."""

from __future__ import annotations

from math import isfinite
from random import Random
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.devices.modbus.pdu import READ_BITS, READS
from fieldkit.devices.modbus.profile import Limits, Profile, Register, Writable
from fieldkit.devices.modbus.profileload import ProfileError, parse_profile
from fieldkit.devices.modbus.readplan import plan
from fieldkit.devices.modbus.timing import MILLISECOND
from fieldkit.devices.modbus.values import number, text
from fieldkit.profilestore import FOLDER, find, shipped
from fieldkit.site import units

PROFILES = list(shipped().values())

MINIMAL = """
schema = 1
id = "test-meter"
title = "A meter"
kind = "meter"
[line]
speeds = [9600]
formats = ["8N1"]
unit = 1
verified = false
[sources]
a = "somebody"
b = "somebody else"
[[register]]
name = "voltage"
function = 4
address = 0
type = "f32"
sources = ["a", "b"]
"""


# ------------------------------------------------------------------------------------------------------ the shipped ones


def test_every_file_is_a_profile() -> None:
    assert len(PROFILES) == len(list(FOLDER.glob("*.toml"))) >= 20
    assert {"sdm630", "em340", "abb-b23", "evse-din", "heidelberg-ec", "abl-emh1"} <= {
        profile.id for profile in PROFILES
    }


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_a_profile_can_be_read_with_reads_alone(profile: Profile) -> None:
    blocks = plan(profile.registers, profile.limits)
    read = [register.name for block in blocks for register in block.registers]
    assert sorted(read) == sorted(register.name for register in profile.registers)
    for block in blocks:
        assert block.request(profile.unit).function in READS
        assert block.function in READ_BITS or block.count <= profile.limits.registers
        if profile.limits.even and block.function not in READ_BITS:
            assert block.address % 2 == block.count % 2 == 0
    assert profile.patience().timeout >= 300 * MILLISECOND


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_a_profile_says_where_it_comes_from(profile: Profile) -> None:
    rows: list[Register | Writable] = [*profile.registers, *profile.writables]
    for row in rows:
        assert row.sources, row
        assert not row.verified or len(set(row.sources)) >= 2, row


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_units_are_those_of_the_rest_of_fieldkit(profile: Profile) -> None:
    for register in profile.registers:
        if register.measurand:
            known = units.unit(register.unit)
            natural = units.natural_unit(register.measurand)
            assert natural == (known.base if known else register.unit), register


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_a_profile_of_a_charger_knows_the_pilot(profile: Profile) -> None:
    if profile.kind == "charger":
        assert any(register.pilot for register in profile.registers)


def test_what_switches_safety_off_is_marked() -> None:
    dangerous = {f"{profile.id}.{row.name}" for profile in PROFILES for row in profile.writables if row.danger}
    assert {
        "phoenix-ev-ser.permit_state_d",
        "phoenix-ev-ser.contactor_monitoring",
        "phoenix-ev-ser.rcm_test",
    } <= dangerous
    # What is set by a free number can be set to anything.
    assert {"abl-emh1.state", "amtron-compact.heartbeat"} <= dangerous
    for profile in PROFILES:
        for row in profile.writables:
            assert row.danger or row.high - row.low < 1000, (profile.id, row.name)


def test_sdm630_reads_eastrons_numbers() -> None:
    profile = find("sdm630")
    first = plan(profile.registers, profile.limits)[0]
    assert (first.address, first.count) == (0, 76)
    assert profile.register("energy_import").address == 0x48
    assert profile.register("voltage_l1").decode(bytes.fromhex("4366199a")).value == pytest.approx(230.1, abs=1e-4)


def test_what_looks_alike_is_kept_apart() -> None:
    assert find("em24").register("energy_import").address == 0x42
    assert find("em340").register("energy_import").address == 0x34


@pytest.mark.parametrize(
    "profile, register, raw, value",
    [
        ("em340", "power_total", "d8f1ffff", -999.9),  # the low word comes first
        ("em340", "energy_import", "e2400001", 12_345.6),
        ("abb-b23", "energy_import", "0000000000 12d687".replace(" ", ""), 12_345.67),
        ("abb-b23", "power_l2", "7fffffff", None),
        ("abb-b23", "voltage_l3", "ffffffff", None),
        ("phoenix-ev-ser", "status", "4300", "C"),
        ("heidelberg-ec", "charging_state", "0007", "C2"),
        ("heidelberg-ec", "charging_state", "0063", "unknown (99)"),
        ("abl-emh1", "status", "17c2", "C2"),
        ("abl-emh1", "status", "17f1", "contact welded"),
        ("abb-terra-ac", "charging_state", "00008400", "C2"),
        ("evse-din", "configuration", "4080", "current in steps of 0.01 A, disabled"),
        ("evse-din", "configuration", "2000", "bits 0x2000"),
        ("evse-din", "current_set", "0010", 16.0),
        ("evse-din", "current_set", "0640", 16.0),
        ("evse-din", "current_set", "0000", 0.0),
        ("evse-din", "vehicle_state", "0005", "fault"),
        ("pracht-alpha", "status", "0003", "C"),
        ("heidelberg-ec", "temperature", "ff6f", -14.5),
    ],
)
def test_decoding(profile: str, register: str, raw: str, value: float | str | None) -> None:
    raw = raw if len(raw) != 14 else "00" + raw
    assert find(profile).register(register).decode(bytes.fromhex(raw)).value == value


def test_what_cannot_be_is_doubted() -> None:
    value = find("em24").register("frequency").decode(bytes.fromhex("0000"))
    assert value.value == 0.0
    assert "wrong profile, scale or wiring" in value.doubt
    assert find("sdm630").register("voltage_l1").decode(bytes.fromhex("7fc00000")).value is None


# ----------------------------------------------------------------------------------------------------------- the loader


def test_the_smallest_profile() -> None:
    profile = parse_profile(MINIMAL, "test.toml")
    assert (profile.id, profile.settings.speed, profile.register("voltage").verified) == ("test-meter", 9600, True)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("schema = 1", "schema = 2", "schema"),
        ("unit = 1\n", "unit = 0\n", "line.unit"),
        ("unit = 1\n", "unit = true\n", "line.unit"),
        ('title = "A meter"', "", "title: is missing"),
        ('kind = "meter"', 'kind = "toaster"', "kind"),
        ('formats = ["8N1"]', 'formats = ["8X1"]', "8X1"),
        ("speeds = [9600]", "speeds = []", "speeds and formats"),
        ("speeds = [9600]", "speeds = [1e9]", "line"),
        ("address = 0", "adress = 0", "there is no such key"),
        ("address = 0", "address = 70000", "address"),
        ("address = 0", "address = 65535", "ends behind"),
        ("function = 4", "function = 6", "function"),
        ("function = 4", "function = 1", "type 'bit'"),
        ('type = "f32"', 'type = "f16"', "type"),
        ('type = "f32"', 'type = "ascii"', "count"),
        ('type = "f32"', 'type = "f32"\ncount = 2', "count"),
        ('type = "f32"', 'type = "f32"\nscale = 0', "scale of 0"),
        ('type = "f32"', 'type = "f32"\nfine_from = 100\nfine_scale = 0', "scale of 0"),
        ('type = "f32"', 'type = "f32"\nfine_from = 100', "need each other"),
        ('type = "f32"', 'type = "f32"\nunit = "volts"', "volts"),
        ('type = "f32"', 'type = "f32"\nphase = "R"', "phase"),
        ('type = "f32"', 'type = "f32"\nphases = 2', "phases is 3"),
        ('type = "f32"', 'type = "f32"\nlow = 5\nhigh = 1', "low is not below"),
        ('type = "f32"', 'type = "f32"\nstates = {1 = "A"}', "whole number"),
        ('type = "f32"', 'type = "u16"\npilot = true', "control pilot"),
        ('type = "f32"', 'type = "u16"\nstates = {x1 = "A"}', "no number"),
        ('type = "f32"', 'type = "u16"\nstates = {1 = 5}', "a text is expected"),
        ('name = "voltage"', 'name = "Voltage L1"', "a name is like"),
        ('sources = ["a", "b"]', 'sources = ["a"]', "one source only"),
        ('sources = ["a", "b"]', 'sources = ["a", "a"]', "one source only"),
        ('sources = ["a", "b"]', 'sources = ["a", "c"]', "'c'"),
        ("[sources]", "[limits]\nholes = [[0, 1]]\n[sources]", "hole"),
        ("[sources]", "[limits]\nregisters = 1\n[sources]", "one request reads 1"),
        ("[sources]", "[limits]\nholes = [5]\n[sources]", "holes"),
        ("schema = 1", "schema = ", "no TOML"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, said: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ProfileError, match=r"^test\.toml: ") as error:
        parse_profile(MINIMAL.replace(old, new, 1), "test.toml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_name_once() -> None:
    twice = MINIMAL + MINIMAL[MINIMAL.index("[[register]]") :]
    with pytest.raises(ProfileError, match="another one of this name"):
        parse_profile(twice, "test.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "x" * 300_000])
def test_a_hostile_file(text: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile(text, "test.toml")


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ProfileError, match="sdm630"):
        find("sdm360")


# -------------------------------------------------------------------------------------------------------------- the plan


def _register(address: int, count: int, function: int = 4) -> Register:
    return Register(f"r{function}_{address}", function, address, "hex", count)


def test_neighbours_are_read_together_and_holes_are_not() -> None:
    registers = [
        _register(0, 2),
        _register(2, 2),
        _register(6, 2),
        _register(20, 2),
        _register(24, 2),
        _register(0, 1, 3),
    ]
    limits = Limits(registers=10, gap=4, holes=((22, 23),))
    blocks = plan(registers, limits)
    assert [(block.function, block.address, block.count) for block in blocks] == [
        (3, 0, 1),
        (4, 0, 8),
        (4, 20, 2),
        (4, 24, 2),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4), st.sampled_from((3, 4))), min_size=1, max_size=40),
    st.integers(4, 125),
    st.integers(0, 20),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_a_plan_reads_everything_and_keeps_to_the_limits(
    rows: list[tuple[int, int, int]], most: int, gap: int, holes: list[int]
) -> None:
    registers = [_register(address, count, function) for address, count, function in rows]
    kept = [r for r in registers if not any(r.address <= hole < r.end for hole in holes)]
    blocks = plan(kept, Limits(registers=most, gap=gap, holes=tuple((hole, hole) for hole in holes)))
    assert sorted(r.address for block in blocks for r in block.registers) == sorted(r.address for r in kept)
    for block in blocks:
        assert block.count <= most
        assert not any(block.address <= hole < block.address + block.count for hole in holes)
        data = b"".join(pack(">H", address) for address in range(block.address, block.address + block.count))
        for register, part in block.values(data):
            assert part == b"".join(pack(">H", at) for at in range(register.address, register.end))
        for first, second in block.cuts():
            assert {r.address for r in first.registers} | {r.address for r in second.registers} == {
                r.address for r in block.registers
            }
            assert first.address + first.count <= second.address


# ---------------------------------------------------------------------------------------------------------------- values


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_in_both_word_orders(value: float) -> None:
    data = pack(">f", value)
    assert number(data, "f32") == value
    assert number(data[2:] + data[:2], "f32", "little") == value


def test_pymodbus_decodes_the_same() -> None:
    client = pytest.importorskip("pymodbus.client", reason="pymodbus is not installed").ModbusSerialClient
    types = {
        "u16": "UINT16",
        "i16": "INT16",
        "u32": "UINT32",
        "i32": "INT32",
        "u64": "UINT64",
        "i64": "INT64",
        "f32": "FLOAT32",
        "f64": "FLOAT64",
    }
    for kind, theirs in types.items():
        registers = [0x4366, 0x199A, 0xFFFE, 0x0001][: {"1": 1, "3": 2, "6": 4}[kind[1]]]
        data = b"".join(pack(">H", register) for register in registers)
        for words in ("big", "little"):
            expected = client.convert_from_registers(registers, client.DATATYPE[theirs], word_order=words)
            assert number(data, kind, words) == pytest.approx(expected)


def test_texts_without_their_filling() -> None:
    assert text(b"EV-CC-AC1\0\0\0\0") == "EV-CC-AC1"
    assert text(b"VEC-", "little") == "EV-C"
    assert text(b"A\x80B \xff\xff") == "A\ufffdB"
    assert number(b"\0", "u16") is None


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_numbers_are_those_that_pymodbus_reads(profile: Profile) -> None:
    """Type and word order of each register, by another hand; scale and unit are the profile's own."""
    client = pytest.importorskip("pymodbus.client", reason="pymodbus is not installed").ModbusSerialClient
    names = {"u16": "UINT16", "i16": "INT16", "u32": "UINT32", "i32": "INT32", "u64": "UINT64", "i64": "INT64"}
    names |= {"f32": "FLOAT32", "f64": "FLOAT64"}
    random = Random(7)
    for register in profile.registers:
        if register.type not in names:
            continue
        for _ in range(20):
            data = random.randbytes(2 * register.count)
            words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
            kind = client.DATATYPE[names[register.type]]
            theirs = client.convert_from_registers(words, kind, word_order=register.words)
            ours = number(data, register.type, register.words)
            assert ours == theirs or (ours is None and not isfinite(theirs)), register.name
