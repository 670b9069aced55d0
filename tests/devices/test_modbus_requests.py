"""Encoders: golden frames, pymodbus as an independent hand, and that a read cannot become a write."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fieldkit
from fieldkit.devices.modbus.framing import ascii_frame, rtu_frame
from fieldkit.devices.modbus.pdu import READS, WRITES, answer_size, request_size
from fieldkit.devices.modbus.reads import IdentifyRequest, ReadRequest, identification
from fieldkit.devices.modbus.timing import MILLISECOND, line_settings
from fieldkit.devices.modbus.writes import AllowedWrite, WriteIntent, preview, write_request


def test_golden_frames() -> None:
    # Eastron's own example: the voltage of phase 1; and the one of Modbus over Serial Line, §2.5.2, in ASCII.
    assert rtu_frame(1, ReadRequest(1, 4, 0, 2).pdu).hex(" ") == "01 04 00 00 00 02 71 cb"
    assert rtu_frame(17, ReadRequest(17, 3, 0x6B, 3).pdu).hex(" ") == "11 03 00 6b 00 03 76 87"
    assert ascii_frame(17, ReadRequest(17, 3, 0x6B, 3).pdu) == b":1103006B00037E\r\n"
    assert IdentifyRequest(1).pdu.hex(" ") == "2b 0e 01 00"


def test_pymodbus_makes_the_same_requests() -> None:
    pdu = pytest.importorskip("pymodbus.pdu.register_message", reason="pymodbus is not installed")
    bits = pytest.importorskip("pymodbus.pdu.bit_message")
    for address, count in ((0, 1), (0x5B00, 50), (65535, 1), (24000, 125)):
        theirs = (
            (1, bits.ReadCoilsRequest(address=address, count=count)),
            (2, bits.ReadDiscreteInputsRequest(address=address, count=count)),
            (3, pdu.ReadHoldingRegistersRequest(address=address, count=count)),
            (4, pdu.ReadInputRegistersRequest(address=address, count=count)),
        )
        for function, request in theirs:
            if address + count <= 0x10000:
                assert ReadRequest(1, function, address, count).pdu == bytes((function,)) + request.encode()


@given(
    unit=st.integers(1, 247), function=st.sampled_from(READS), address=st.integers(0, 60_000), count=st.integers(1, 125)
)
def test_a_read_is_a_read(unit: int, function: int, address: int, count: int) -> None:
    pdu = ReadRequest(unit, function, address, count).pdu
    assert pdu[0] in (1, 2, 3, 4)
    assert len(pdu) == 5 == request_size(pdu)


@pytest.mark.parametrize("function", [0, 5, 6, 7, 8, 15, 16, 22, 23, 43, 128, 131])
def test_no_other_function_can_be_asked_for(function: int) -> None:
    with pytest.raises(ValueError, match="does not read"):
        ReadRequest(1, function, 0, 1)


@pytest.mark.parametrize("function", WRITES)
def test_a_request_that_was_tampered_with_gives_no_bytes(function: int) -> None:
    request = ReadRequest(1, 3, 1000, 1)
    object.__setattr__(request, "function", function)
    with pytest.raises(KeyError):
        _ = request.pdu


@pytest.mark.parametrize(
    "arguments",
    [(0, 3, 0, 1), (248, 3, 0, 1), (1, 3, 0, 0), (1, 3, 0, 126), (1, 1, 0, 2001), (1, 3, 65535, 2), (1, 3, -1, 1)],
)
def test_what_no_device_may_be_asked(arguments: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError):
        ReadRequest(*arguments)


def test_identification_is_read() -> None:
    answer = bytes.fromhex("2b0e01010000 03 00 04 41636d65 01 02 4232 02 03 312e30")
    assert answer_size(answer) == len(answer)
    assert IdentifyRequest(1).fits(answer)
    assert identification(answer) == {"maker": "Acme", "product_code": "B2", "version": "1.0"}
    assert identification(answer[:-1]) == {}


# -------------------------------------------------------------------------------------------------------------- writes


def test_a_permission_makes_one_request() -> None:
    allowed = AllowedWrite(WriteIntent(1, 6, 22000, (13,)), "operator typed the device's name")
    request = write_request(allowed)
    assert rtu_frame(request.unit, request.pdu).hex(" ").startswith("01 06 55 f0 00 0d")
    assert request.fits(request.pdu)
    assert allowed.spent
    with pytest.raises(ValueError, match="never repeated"):
        write_request(allowed)


def test_a_permission_needs_somebodys_word() -> None:
    with pytest.raises(ValueError, match="somebody's word"):
        AllowedWrite(WriteIntent(1, 6, 1, (1,)), "  ")


@pytest.mark.parametrize(
    "intent, expected",
    [
        ((1, 5, 20000, (1,)), "05 4e 20 ff 00"),
        ((1, 5, 20000, (0,)), "05 4e 20 00 00"),
        ((1, 15, 19, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)), "0f 00 13 00 0a 02 cd 01"),  # Application Protocol §6.11
        ((1, 16, 1, (10, 0x0102)), "10 00 01 00 02 04 00 0a 01 02"),  # §6.12
    ],
)
def test_writes_as_the_standard_has_them(intent: tuple[int, int, int, tuple[int, ...]], expected: str) -> None:
    pdu = preview(WriteIntent(*intent))
    assert pdu.hex(" ") == expected
    assert request_size(pdu) == len(pdu)


@pytest.mark.parametrize("unit", [0, 248, -1])
def test_nothing_is_written_to_everybody(unit: int) -> None:
    with pytest.raises(ValueError, match="never to all"):
        WriteIntent(unit, 6, 0, (1,))


@pytest.mark.parametrize(
    "arguments",
    [(1, 3, 0, (1,)), (1, 6, 0, (1, 2)), (1, 6, 0, ()), (1, 5, 0, (2,)), (1, 6, 0, (70000,)), (1, 16, 65535, (1, 2))],
)
def test_what_cannot_be_written(arguments: tuple[int, int, int, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError):
        WriteIntent(*arguments)


PERMITTING = {"cli/serialwrite.py", "sources/serial/guard.py"}
"""Where permissions may be given: behind the operator's word, and nowhere else."""


def test_permissions_are_given_where_the_operator_is_asked() -> None:
    """And only ``write_request`` makes requests that write."""
    root = Path(fieldkit.__file__).parent
    for path in root.rglob("*.py"):
        place, source = path.relative_to(root).as_posix(), path.read_text("utf-8")
        if place == "devices/modbus/writes.py" or not ("AllowedWrite" in source or "WriteRequest" in source):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                assert name != "WriteRequest", f"{place} makes a write past its permission"
                assert name != "AllowedWrite" or place in PERMITTING, f"{place} gives itself a permission"


def test_the_reading_modules_do_not_know_the_writing_one() -> None:
    root = Path(fieldkit.__file__).parent / "devices"
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module != "fieldkit.devices.modbus.writes", path


# -------------------------------------------------------------------------------------------------------------- timing


@pytest.mark.parametrize(
    "speed, character, gap, wire8",
    [
        (9600, "8N1", 3.646, 8.333),
        (19200, "8E1", 2.005, 4.583),
        (38400, "8E1", 1.75, 2.292),
        (2400, "8N1", 14.583, 33.333),
        (300, "7E1", 116.667, 266.667),
    ],
)
def test_times_at_any_speed(speed: int, character: str, gap: float, wire8: float) -> None:
    settings = line_settings(speed, character)
    assert settings.frame_gap / MILLISECOND == pytest.approx(gap, abs=0.001)
    assert settings.wire_time(8) / MILLISECOND == pytest.approx(wire8, abs=0.001)
    assert settings.character_gap < settings.frame_gap


@pytest.mark.parametrize("speed, character", [(0, "8N1"), (9600, "9N1"), (9600, "8X1"), (9600, "8N3"), (9600, "")])
def test_settings_that_are_none(speed: int, character: str) -> None:
    with pytest.raises(ValueError):
        line_settings(speed, character)
