"""SML and IEC 62056-21: telegrams and data sets made here, read back; smllib as an independent hand."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldkit.devices import iec62056, sml
from fieldkit.devices.checksums import crc_x25, xor8
from fieldkit.devices.iec62056 import D0Listener, Readout, ReadoutCause
from fieldkit.devices.sml import SmlFramer

NOW = 10**18

# ------------------------------------------------------------------------------------------------------------------ SML


def _string(data: bytes) -> bytes:
    assert len(data) < 15
    return bytes((len(data) + 1,)) + data


def _list(*parts: bytes) -> bytes:
    return bytes((0x70 | len(parts),)) + b"".join(parts)


def _unsigned(value: int, size: int) -> bytes:
    return bytes((0x61 + size,)) + value.to_bytes(size, "big")


def _integer(value: int, size: int) -> bytes:
    return bytes((0x51 + size,)) + value.to_bytes(size, "big", signed=True)


EMPTY = b"\x01"


def _message(number: int, choice: int, body: bytes) -> bytes:
    content = (
        bytes((0x76,))
        + _string(bytes((0, number)))
        + _unsigned(0, 1)
        + _unsigned(0, 1)
        + _list(_unsigned(choice, 2), body)
    )
    return content + b"\x63" + crc_x25(content).to_bytes(2, "little") + b"\0"


def _entry(obis: str, value: int, scaler: int, unit: int) -> bytes:
    return _list(
        _string(bytes.fromhex(obis)), EMPTY, EMPTY, _unsigned(unit, 1), _integer(scaler, 1), _integer(value, 8), EMPTY
    )


def telegram(*entries: bytes) -> bytes:
    server = _string(b"\x0a\x01TST\0\0\1\2")
    content = _message(1, 0x101, _list(EMPTY, EMPTY, _string(b"\1"), server, EMPTY, EMPTY))
    content += _message(2, 0x701, _list(EMPTY, server, EMPTY, EMPTY, _list(*entries), EMPTY, EMPTY))
    content += _message(3, 0x201, _list(EMPTY))
    filling = -len(content) % 4
    content = content.replace(b"\x1b" * 4, b"\x1b" * 8)
    whole = sml.BEGIN + content + bytes(filling) + b"\x1b\x1b\x1b\x1b\x1a" + bytes((filling,))
    return whole + crc_x25(whole).to_bytes(2, "little")


TELEGRAM = telegram(
    _entry("0100010800ff", 85_712_862, -1, 30),
    _entry("0100020800ff", 1543, -1, 30),
    _entry("0100100700ff", -5364, -1, 27),
    _entry("0100200700ff", 2301, -1, 35),
    _entry("0100605a0201", 5, 0, 255),
)


@pytest.mark.parametrize("size", [1, 3, 16, 10**6])
def test_sml_in_pieces(size: int) -> None:
    framer = SmlFramer()
    data = b"\x1b\x1b half a telegram \x1a" + TELEGRAM + TELEGRAM
    found = [one for at in range(0, len(data), size) for one in framer.feed(data[at : at + size], NOW)]
    assert [one.intact for one in found] == [True, True]
    assert {one.data for one in found} == {TELEGRAM}
    assert framer.garbage == data.index(TELEGRAM)


def test_sml_values() -> None:
    pytest.importorskip("smllib", reason="smllib is not installed")
    (found,) = SmlFramer().feed(TELEGRAM, NOW)
    values = [(r.name, r.value, r.unit, r.measurand) for r in sml.readings(found, "p")]
    assert values == [
        ("energy_import", 8_571_286.2, "Wh", "Energy.Active.Import.Register"),
        ("energy_export", 154.3, "Wh", "Energy.Active.Export.Register"),
        ("power_total", -536.4, "W", "Power.Active.Import"),
        ("voltage_l1", 230.1, "V", "Voltage"),
    ]


def test_smllib_takes_the_same_telegram() -> None:
    reader = pytest.importorskip("smllib", reason="smllib is not installed").SmlStreamReader()
    reader.add(TELEGRAM)
    frame = reader.get_frame()
    (found,) = SmlFramer().feed(TELEGRAM, NOW)
    assert bytes(frame.bytes) == found.content


def test_without_smllib_telegrams_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sml, "library", lambda: None)
    (found,) = SmlFramer().feed(TELEGRAM, NOW)
    assert found.intact
    assert list(sml.readings(found)) == []


def test_damaged_telegrams_show_nothing() -> None:
    random = Random(1)
    for _ in range(300):
        damaged = bytearray(TELEGRAM)
        damaged[random.randrange(8, len(damaged))] ^= random.randrange(1, 256)
        for found in SmlFramer().feed(bytes(damaged), NOW):
            assert not found.intact or found.data == TELEGRAM
            assert found.intact or list(sml.readings(found)) == []
    framer = SmlFramer()
    assert [found.intact for found in framer.feed(TELEGRAM[:100] + TELEGRAM, NOW)] == [True]


def test_escapes_in_the_content() -> None:
    whole = telegram(_entry("0100010800ff", 0x1B1B1B1B1B, 0, 30))
    (found,) = SmlFramer().feed(whole, NOW)
    assert found.intact
    assert b"\x1b" * 5 in found.content


@given(
    st.lists(st.sampled_from([sml.BEGIN, b"\x1b\x1b\x1b\x1b", b"\x1a\0", b"\x1b", b"abcd", bytes(3000)]), max_size=30)
)
def test_sml_is_bounded(parts: list[bytes]) -> None:
    framer = SmlFramer()
    for part in parts:
        framer.feed(part, NOW)
    assert len(framer._buffer) <= 2 * sml.LONGEST


# ------------------------------------------------------------------------------------------------------------ 62056-21

BODY = b"1-0:0.0.0(12345678)\r\n1-0:1.8.0*255(0001234.567*kWh)\r\n1-0:2.8.0(000012.3*kWh)\r\n32.7(229.8*V)\r\n32.7.0(229.8*V)\r\nF.F(00)\r\n"


def data_set(body: bytes = BODY) -> bytes:
    inside = body + b"!\r\n\x03"
    return b"\x02" + inside + bytes((xor8(inside),))


D0 = b"/ESY5Q3DA1004 V3.03\r\n\r\n" + BODY + b"!\r\n"


def test_a_readout() -> None:
    readout = Readout()
    assert readout.poll(NOW) == b"/?!\r\n"
    readout.feed(b"/?!\r\n", NOW)  # optical heads hear themselves
    readout.feed(b"/LGZ5ZMD310", NOW)
    readout.feed(b"AT.4801\r\n", NOW)
    assert (readout.speed, readout.poll(NOW)) == (300, b"\x06050\r\n")
    assert readout.speed == 9600
    data = data_set()
    for at in range(0, len(data), 7):
        readout.feed(data[at : at + 7], NOW)
    assert readout.cause is ReadoutCause.ANSWERED
    assert readout.data is not None
    assert [(r.name, r.value, r.unit, r.device) for r in iec62056.readings(readout.data)] == [
        ("energy_import", 1234.567, "kWh", "LGZ"),
        ("energy_export", 12.3, "kWh", "LGZ"),
        ("voltage_l1", 229.8, "V", "LGZ"),
    ]


def test_with_even_parity_seen_as_eight_bits() -> None:
    """A port at 8N1 sees 7E1 with the parity in the eighth bit."""
    readout = Readout()
    readout.poll(NOW)
    parity = lambda data: bytes(byte | (byte.bit_count() % 2) << 7 for byte in data)  # noqa: E731
    readout.feed(parity(b"/LGZ5ZMD310\r\n"), NOW)
    readout.poll(NOW)
    readout.feed(parity(data_set()), NOW)
    assert readout.cause is ReadoutCause.ANSWERED


@pytest.mark.parametrize(
    "identification, heard, cause",
    [
        (b"", b"", ReadoutCause.SILENCE),
        (b"hello\r\n", b"", ReadoutCause.NOT_A_METER),
        (b"/LGZ5X\r\n", b"", ReadoutCause.SILENCE),
        (b"/LGZ5X\r\n", data_set()[:-20], ReadoutCause.TRUNCATED),
        (b"/LGZ5X\r\n", data_set().replace(b"1234.567", b"1234.568"), ReadoutCause.CHECKSUM),
    ],
)
def test_what_went_wrong_is_named(identification: bytes, heard: bytes, cause: ReadoutCause) -> None:
    readout = Readout()
    readout.poll(NOW)
    readout.feed(identification, NOW)
    readout.poll(NOW)
    readout.feed(heard, NOW)
    for _ in range(3):
        readout.poll(readout.deadline)
    assert readout.cause is cause
    assert readout.data is None or list(iec62056.readings(readout.data)) == []


def test_mode_b_and_a_are_not_acknowledged() -> None:
    readout = Readout()
    readout.poll(NOW)
    readout.feed(b"/LGZE\\2X\r\n", NOW)
    assert (readout.poll(NOW), readout.speed) == (b"", 9600)
    readout.feed(data_set(), NOW)
    assert readout.cause is ReadoutCause.ANSWERED


@pytest.mark.parametrize("speed", "0123456")
def test_programming_mode_cannot_be_asked_for(speed: str) -> None:
    found = iec62056.identification(b"/LGZ%sX\r\n" % speed.encode())
    assert found is not None
    assert iec62056.acknowledge(found) == b"\x060%s0\r\n" % speed.encode()
    with pytest.raises(ValueError):
        iec62056.sign_on("1!\r\n\x06051\r\n")


@pytest.mark.parametrize("size", [1, 5, 64, 10**6])
def test_listening_to_a_meter_that_sends_on_its_own(size: int) -> None:
    listener = D0Listener()
    data = b"8.0(5*kWh)\r\n!\r\n" + D0 + b"/?!\r\n" + D0
    found = [one for at in range(0, len(data), size) for one in listener.feed(data[at : at + size], NOW)]
    assert [len(one.lines) for one in found] == [6, 6]
    assert [r.value for r in iec62056.readings(found[0])] == [1234.567, 12.3, 229.8]


def test_a_block_check_in_passing() -> None:
    whole = b"/LGZ5X\r\n" + data_set()
    (found,) = D0Listener().feed(whole, NOW)
    assert (found.checked, found.damaged) == (True, False)
    (found,) = D0Listener().feed(whole.replace(b"1234.567", b"1234.577"), NOW)
    assert (found.checked, found.damaged, list(iec62056.readings(found))) == (False, True, [])


@given(st.binary(max_size=300), st.integers(1, 40))
def test_d0_noise(data: bytes, size: int) -> None:
    listener = D0Listener()
    for at in range(0, len(data), size):
        for found in listener.feed(data[at : at + size], NOW):
            list(iec62056.readings(found))
