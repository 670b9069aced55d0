"""Which dialect, which speed: from what is heard."""

from __future__ import annotations

from random import Random
from zlib import crc32

import pytest

from fieldkit.devices.detect import PROBES, SPEEDS, best, judge, probes
from fieldkit.devices.modbus.framing import ascii_frame
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.devices.rapi.frames import encode
from tests.devices.test_meters import D0, TELEGRAM
from tests.devices.test_modbus_sniff import conversation


def _cobs(body: bytes) -> bytes:
    return b"".join(bytes((len(part) + 1,)) + part for part in body.split(b"\0")) + b"\0"


def _mcu(body: bytes) -> bytes:
    return _cobs(body + crc32(body).to_bytes(4, "little"))


HEARD = {
    "modbus-rtu": b"".join(frame for _, frame in conversation(Random(1), 20)[0]),
    "modbus-ascii": ascii_frame(1, b"\x03\x00\x04\x00\x01") + ascii_frame(1, b"\x03\x02\x17\xc2"),
    "rapi": encode("GS", 1) + encode("OK 03 120 03 0140", 1) + encode("AT 02 02 16 0100"),
    "at": b"AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\nAT+CREG?\r\r\n+CREG: 0,1\r\n\r\nOK\r\n",
    "sml": TELEGRAM[200:] + TELEGRAM + TELEGRAM[:100],
    "iec62056": D0,
    "everest-mcu": _mcu(b"\x08\x01\x12\x00\x07") + _mcu(b"\x08\x02\x00\x00\x11\x22"),
    "console": b"[    0.000000] Linux version 5.10.168 (oe)\r\n[    0.100000] Booting\r\n" + "grün\r\n".encode() * 5,
}


@pytest.mark.parametrize("dialect", HEARD)
def test_a_dialect_is_recognised(dialect: str) -> None:
    judgement = judge(HEARD[dialect], 9600)
    assert judgement.dialect == dialect, judgement
    assert judgement.confidence > 0.7
    assert judgement.guesses[0].why


@pytest.mark.parametrize("dialect", HEARD)
def test_joined_in_the_middle(dialect: str) -> None:
    data = HEARD[dialect] * 3
    assert judge(data[11:], 9600).dialect == dialect


def at_speed(data: bytes, sent: int, heard: int) -> bytes:
    """What a UART makes of bytes that come at another speed (8N1), back to back."""
    bits: list[int] = []
    for byte in data:
        bits += [0, *(byte >> place & 1 for place in range(8)), 1]
    line = lambda at: bits[int(at)] if 0 <= int(at) < len(bits) else 1  # noqa: E731
    step, out, at = sent / heard, bytearray(), 0.0
    while at < len(bits):
        if line(at):
            at += step / 4
            continue
        byte = sum(line(at + step * (place + 1.5)) << place for place in range(8))
        out.append(byte)
        at += step * 9.5
    return bytes(out)


@pytest.mark.parametrize("dialect", ["modbus-rtu", "rapi", "console", "sml", "at"])
@pytest.mark.parametrize("speed", [9600, 19_200, 115_200])
def test_the_speed_is_found(dialect: str, speed: int) -> None:
    judgements = [judge(at_speed(HEARD[dialect], speed, heard), heard) for heard in SPEEDS]
    found = best(judgements)
    assert found is not None, judgements
    assert (found.speed, found.dialect) == (speed, dialect), judgements


def test_a_wrong_speed_looks_like_one() -> None:
    heard = at_speed(HEARD["console"], 9600, 115_200)
    judgement = judge(heard, 115_200)
    assert judgement.dialect is None
    assert judgement.wrong_speed > 0.3
    assert judge(HEARD["console"], 9600).wrong_speed == 0.0


def test_silence_and_noise_are_nothing() -> None:
    assert judge(b"", 9600).guesses == ()
    assert best([judge(b"", 9600), judge(bytes(500), 115_200)]) is None
    random = Random(9)
    for _ in range(100):
        assert judge(random.randbytes(random.randrange(1, 800)), 9600).dialect is None


def test_probes_are_reads() -> None:
    for probe in (*PROBES, *probes((1, 2, 50, 100, 101))):
        match probe.dialect:
            case "modbus-rtu":
                assert probe.data[1] in (1, 2, 3, 4)
            case "rapi":
                assert probe.data.startswith(b"$G")
            case "at":
                assert probe.data == b"AT\r"
            case "iec62056":
                assert probe.data == b"/?!\r\n"
            case _:
                raise AssertionError(probe)
        for speed in probe.speeds:
            for character in probe.formats:
                line_settings(speed, character)
        assert probe.what
