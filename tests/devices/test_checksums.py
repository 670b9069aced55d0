"""Check bytes, held against published examples and, where it is there, pymodbus."""

from __future__ import annotations

from random import Random

import pytest

from fieldkit.devices.checksums import crc16, crc_x25, lrc, sum8, xor8


def test_published_check_values() -> None:
    # The "check" column of CRC catalogues: over the ASCII digits 1 to 9.
    assert crc16(b"123456789") == 0x4B37
    assert crc_x25(b"123456789") == 0x906E


@pytest.mark.parametrize(
    "body, check",
    [
        ("$GV", 0x35),
        ("$GS", 0x30),
        ("$GE", 0x26),
        ("$GC", 0x20),
        ("$GG", 0x24),
        ("$GU", 0x36),
        ("$GP", 0x33),
        ("$NK", 0x21),
        ("$OK", 0x20),
    ],
)
def test_rapi_xor_as_the_firmware_has_it(body: str, check: int) -> None:
    assert xor8(body.encode()) == check


def test_rapi_sum_as_the_firmware_has_it() -> None:
    assert (sum8(b"$FD"), sum8(b"$FE")) == (0xAE, 0xAF)


def test_pymodbus_agrees() -> None:
    rtu = pytest.importorskip("pymodbus.framer.rtu", reason="pymodbus is not installed")
    ascii_framer = pytest.importorskip("pymodbus.framer.ascii")
    random = Random(7)
    for _ in range(200):
        data = random.randbytes(random.randrange(1, 60))
        computed = rtu.FramerRTU.compute_CRC(data)
        assert crc16(data).to_bytes(2, "little") == computed.to_bytes(2, "big")
        assert lrc(data) == ascii_framer.FramerAscii.compute_LRC(data)
