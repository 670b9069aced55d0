"""What may be sent, and above all what may not: the list of things never to be done by accident, one by one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.devices import iec62056
from fieldkit.devices.at.commands import COMMANDS as AT
from fieldkit.devices.checksums import xor8
from fieldkit.devices.detect import probes
from fieldkit.devices.modbus.framing import ascii_frame, rtu_frame
from fieldkit.devices.modbus.reads import IdentifyRequest, ReadRequest
from fieldkit.devices.rapi.commands import COMMANDS as RAPI
from fieldkit.devices.rapi.commands import read_command
from fieldkit.sources.serial.audit import Audit
from fieldkit.sources.serial.guard import Permit, WriteGuard
from fieldkit.sources.serial.readsets import READ_SETS, at, modbus_ascii, modbus_rtu, rapi
from fieldkit.sources.serial.trouble import RefusedError

SOURCE = Path(__file__).parents[3] / "fieldkit"


def _rapi(words: str) -> bytes:
    data = f"${words}".encode()
    return data + b"^%02X\r" % xor8(data)


NEVER = {
    # (1) any function that writes, in any disguise
    "write coil": rtu_frame(1, bytes.fromhex("05 0190 ff00")),
    "write register": rtu_frame(1, bytes.fromhex("06 03e8 0010")),
    "write coils": rtu_frame(1, bytes.fromhex("0f 0190 0001 01 01")),
    "write registers": rtu_frame(1, bytes.fromhex("10 03e8 0001 02 0010")),
    "mask write": rtu_frame(1, bytes.fromhex("16 07d5 00f2 0025")),
    "read and write": rtu_frame(1, bytes.fromhex("17 0000 0001 03e8 0001 02 0010")),
    "diagnostics, restart": rtu_frame(1, bytes.fromhex("08 0001 ff00")),
    "bootloader, EVSE-WB": rtu_frame(1, bytes.fromhex("06 07d9 0001")),
    "CANopen through Modbus": rtu_frame(1, bytes.fromhex("2b 0d 00 00")),
    "write register, ASCII": ascii_frame(1, bytes.fromhex("06 0005 e0e0")),
    "RAPI, set current": _rapi("SC 32"),
    "RAPI, current for ever": _rapi("SC 32 M"),
    # (2) contactor and session
    "RAPI, enable": _rapi("FE"),
    "RAPI, disable": _rapi("FD"),
    "RAPI, sleep": _rapi("FS"),
    "RAPI, reboot": _rapi("FR"),
    "RAPI, button": _rapi("F1"),
    "RAPI, enable without a check": b"$FE\r",
    "Phoenix, coil 400": rtu_frame(180, bytes.fromhex("05 0190 0000")),
    "current 0 while charging": rtu_frame(1, bytes.fromhex("06 03e8 0000")),
    # (3) safety off
    "RAPI, ground check off": _rapi("FF G 0"),
    "RAPI, GFI test off": _rapi("FF F 0"),
    "RAPI, diode check off": _rapi("FF D 0"),
    "Phoenix, permit state D": rtu_frame(1, bytes.fromhex("06 0faa 0001")),
    "Phoenix, RCM test": rtu_frame(1, bytes.fromhex("06 0fab 0001")),
    # (6) address and speed
    "SDM, node address": rtu_frame(1, bytes.fromhex("10 0014 0002 04 40000000")),
    # (7) broadcast, even to read
    "broadcast write": rtu_frame(0, bytes.fromhex("06 03e8 0010")),
    "broadcast read": rtu_frame(0, bytes.fromhex("03 0000 0002")),
    # (8) modems
    "PIN": b"AT+CPIN=0000\r",
    "factory settings": b"AT&F\r",
    "power off": b"AT+QPOWD\r",
    "SIM slot": b"AT+QUIMSLOT=2\r",
    "radio off": b"AT+CFUN=0\r",
    "radio off behind a read": b"AT+CSQ;+CFUN=0\r",
    "dial": b"ATD*99#\r",
    "look for operators": b"AT+COPS=?\r",
    "two commands": b"AT+CSQ\rAT+CFUN=0\r",
    "escape": b"+++",
    # (9) boot loaders and flashing
    "Enter": b"\r",
    "space": b" ",
    "U-Boot": b"boot\r",
    "esptool sync": bytes.fromhex("c0000824000000000007071220") + b"\x55" * 32 + b"\xc0",
    "YModem": b"C",
    "cursor report": b"\x1b[25;88R",
    "IEC programming mode": b"\x06051\r\n",
    "IEC password": b"\x01P1\x02(00000000)\x03a",
    "SML": b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01",
    "shell": b"root\r",
    "nothing": b"",
}


@pytest.mark.parametrize("what", NEVER)
def test_never_by_accident(what: str) -> None:
    sent: list[bytes] = []
    for name, asking in READ_SETS.items():
        guard = WriteGuard(sent.append, lambda data, hidden: None, port="x", asking=asking)
        with pytest.raises(RefusedError):
            guard.ask(NEVER[what])
        assert not sent, name


def test_listening_sends_nothing_at_all(tmp_path: Path) -> None:
    sent: list[bytes] = []
    guard = WriteGuard(sent.append, lambda data, hidden: None, port="x")
    assert not guard.may_send
    for way in (guard.ask, guard.type):
        with pytest.raises(RefusedError):
            way(rtu_frame(1, bytes.fromhex("04 0000 0002")))
    with pytest.raises(RefusedError):
        guard.write(Permit(b"x", device="d", intent="i", confirmation="yes"))
    assert sent == []
    assert guard.sent == 0
    with pytest.raises(ValueError, match="recorded"):
        WriteGuard(sent.append, lambda data, hidden: None, port="x", typing=True)
    with pytest.raises(ValueError, match="recorded"):
        WriteGuard(sent.append, lambda data, hidden: None, port="x", writing=True)


def test_everything_that_the_dialects_ask_is_let_through() -> None:
    read_bits = [rtu_frame(7, ReadRequest(7, function, 100, 5).pdu) for function in (1, 2, 3, 4)]
    for frame in (*read_bits, rtu_frame(7, IdentifyRequest(7).pdu)):
        assert modbus_rtu(frame)
    assert modbus_ascii(ascii_frame(7, ReadRequest(7, 3, 1, 2).pdu))
    for word in RAPI:
        assert rapi(read_command(word))
        assert rapi(read_command(word, 0x5A))
    for line in AT:
        assert at(line.encode() + b"\r")
    who = iec62056.identification(b"/ISK5MT174\r\n")
    assert who is not None
    assert READ_SETS["iec62056"](iec62056.sign_on("123"))
    assert READ_SETS["iec62056"](iec62056.acknowledge(who))
    sets = {"modbus-rtu": "modbus"}
    for probe in probes((1, 2)):
        assert READ_SETS[sets.get(probe.dialect, probe.dialect)](probe.data), probe.what


def test_a_damaged_command_does_not_become_another_one() -> None:
    """What was asked for and one byte of it changed: refused, or another command that only reads."""
    random = Random(7)
    for command in (read_command("GS", 3), rtu_frame(1, ReadRequest(1, 4, 0, 2).pdu), b"AT+CSQ\r"):
        for _ in range(3000):
            data = bytearray(command)
            data[random.randrange(len(data))] = random.randrange(256)
            changed = bytes(data)
            assert changed == command or not (rapi(changed) or modbus_rtu(changed) or at(changed))
        for size in range(len(command)):
            assert not any(asking(command[:size]) for asking in READ_SETS.values())


@given(st.binary(max_size=40))
def test_no_bytes_at_all_get_through_that_are_no_reads(data: bytes) -> None:
    assert not modbus_rtu(data) or data[1] in (1, 2, 3, 4, 43)
    assert not rapi(data) or data.startswith(b"$G")
    assert not modbus_rtu(rtu_frame(1, bytes((16,)) + data))
    assert not modbus_rtu(rtu_frame(1, bytes((6,)) + data))
    assert not modbus_rtu(rtu_frame(0, b"\x03" + data))


def test_a_permit_is_good_once_and_recorded_first(tmp_path: Path) -> None:
    order: list[str] = []
    audit = Audit(tmp_path / "audit.jsonl", operator="eve")

    def transmit(data: bytes) -> None:
        order.append(f"sent {data!r}, {len(audit.entries())} entries")

    guard = WriteGuard(transmit, lambda data, hidden: order.append("kept"), port="p", writing=True, audit=audit)
    permit = Permit(b"abc", device="box/1", intent="current: 16 -> 10", confirmation="box/1 current 16 -> 10")
    guard.write(permit)
    assert order == ["sent b'abc', 1 entries", "kept"]
    with pytest.raises(RefusedError, match="never repeated"):
        guard.write(permit)
    (entry,) = audit.entries()
    assert (entry["what"], entry["operator"], entry["tx"], entry["device"]) == ("write", "eve", "616263", "box/1")
    assert guard.sent == 3
    for wrong in ({"data": b""}, {"confirmation": " "}):
        with pytest.raises(ValueError):
            Permit(**{"data": b"x", "device": "d", "intent": "i", "confirmation": "y", **wrong})  # type: ignore[arg-type]


def test_without_a_record_nothing_is_written(tmp_path: Path) -> None:
    sent: list[bytes] = []
    audit = Audit(tmp_path / "audit.jsonl")
    guard = WriteGuard(sent.append, lambda data, hidden: None, port="p", typing=True, writing=True, audit=audit)
    audit.close()
    with pytest.raises(RefusedError, match="nothing is sent"):
        guard.type(b"x")
    with pytest.raises(RefusedError, match="nothing is sent"):
        guard.write(Permit(b"x", device="d", intent="i", confirmation="yes"))
    assert sent == []


def test_a_block_holds_for_everything(tmp_path: Path) -> None:
    sent: list[bytes] = []
    guard = WriteGuard(
        sent.append,
        lambda data, hidden: None,
        port="p",
        asking=rapi,
        typing=True,
        writing=True,
        audit=Audit(tmp_path / "a"),
    )
    guard.block("it boots")
    permit = Permit(b"x", device="d", intent="i", confirmation="yes")
    for act in (lambda: guard.ask(read_command("GS")), lambda: guard.type(b"x"), lambda: guard.write(permit)):
        with pytest.raises(RefusedError, match="it boots"):
            act()
    assert not permit.spent  # asked for at a bad moment, it may still be used
    guard.unblock()
    guard.write(permit)
    assert sent == [b"x"]


def _calls(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            names.add(called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", ""))
    return names


def test_only_the_guard_sends_and_only_who_asks_permits() -> None:
    """By construction: nobody else calls what sends, or makes the objects that allow it."""
    callers: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for name in _calls(path) & {"transmit", "_transmit", "Permit", "AllowedWrite", "write_request"}:
            callers.setdefault(name, set()).add(path.relative_to(SOURCE).as_posix())
    assert callers["transmit"] == {"sources/serial/port.py"}  # the function that the guard is given
    assert callers["_transmit"] == {"sources/serial/guard.py"}
    assert callers["Permit"] == callers["AllowedWrite"] == {"cli/serialwrite.py"}
    assert callers["write_request"] == {"cli/serialwrite.py"}
    for path in (SOURCE / "sources" / "serial").glob("*.py"):
        text = path.read_text()
        assert path.name in ("channel.py",) or not re.search(r"_held\.write|os\.write\(self\._fd", text)
        # Some devices are reset by a break, some enter their boot loader.
        assert "send_break" not in text
        assert "break_condition" not in text
