"""Bytes of a serial port, in pieces: every dialect that listens, and an exchange that waits for its answer.

An input is pieces; the kind of a piece says how much time passed before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.fuzz.harness import (
    Scramble,
    fuzz,
    instrumented,
    join_pieces,
    mutate_pieces,
    saved_seeds,
    split_pieces,
)

with instrumented(__name__):
    from fieldkit.devices import iec62056, sml
    from fieldkit.devices.at.session import AtListener
    from fieldkit.devices.checksums import crc_x25
    from fieldkit.devices.console.lines import LONGEST, ConsoleReader
    from fieldkit.devices.console.recognise import Recogniser
    from fieldkit.devices.detect import judge
    from fieldkit.devices.modbus.exchange import Cause
    from fieldkit.devices.modbus.framing import MAX_HEARD, ascii_frame, rtu_frame
    from fieldkit.devices.modbus.line import Line
    from fieldkit.devices.modbus.reads import ReadRequest
    from fieldkit.devices.modbus.sniff import Sniffer
    from fieldkit.devices.modbus.timing import line_settings
    from fieldkit.devices.rapi.frames import encode
    from fieldkit.devices.rapi.session import RapiListener
    from fieldkit.events import DeviceReading

_MS: Final = 1_000_000
_NOW: Final = 10**18
_READINGS_PER_BYTE: Final = 2


def one_input(data: bytes) -> None:
    pieces = list(split_pieces(data))
    times: list[int] = []
    now = _NOW
    for wait, _ in pieces:
        now += wait * _MS
        times.append(now)
    heard = b"".join(part for _, part in pieces)
    _sniffed(pieces, times, heard)
    _exchanged(pieces, times, heard, ascii=False)
    _exchanged(pieces, times, heard, ascii=True)
    _read(pieces, times, heard)
    _printed(pieces, times, heard)
    judgement = judge(heard, 9600)
    assert all(0 <= guess.confidence <= 1 for guess in judgement.guesses), judgement
    assert 0 <= judgement.wrong_speed <= 1, judgement


def _sniffed(pieces: list[tuple[int, bytes]], times: list[int], heard: bytes) -> None:
    sniffer = Sniffer()
    for (_, part), time in zip(pieces, times, strict=True):
        sniffer.feed(part, time)
    sniffer.finish()
    assert sniffer.garbage <= len(heard), "more was passed over than there is"
    assert sniffer.garbage + 4 * sniffer.frames <= len(heard), "more frames than bytes"
    assert len(sniffer.overheard) <= sniffer.frames, "more exchanges than frames"
    for overheard in sniffer.overheard:
        if overheard.answer is not None:
            assert rtu_frame(overheard.unit, overheard.answer.pdu) in heard, "an answer that nobody gave"


def _exchanged(pieces: list[tuple[int, bytes]], times: list[int], heard: bytes, *, ascii: bool) -> None:
    request = ReadRequest(1, 4, 0, 2)
    line = Line(line_settings(9600), ascii=ascii)
    exchange = line.begin(request, _NOW)
    for (_, part), time in zip(pieces, times, strict=True):
        line.feed(part, time)
    for _ in range(10):
        line.tick(exchange.deadline)
    outcome = exchange.outcome
    assert outcome is not None, "an exchange that does not end"
    assert len(outcome.heard) <= MAX_HEARD, outcome
    assert outcome.text.isprintable(), outcome
    assert bool(outcome.pdu) == (outcome.cause is Cause.ANSWERED), outcome
    if outcome.pdu:
        whole = (ascii_frame if ascii else rtu_frame)(1, outcome.pdu)
        assert whole.rstrip().upper() in heard.upper(), "an answer that nobody gave"


def _read(pieces: list[tuple[int, bytes]], times: list[int], heard: bytes) -> None:
    rapi, at, telegrams, sets = RapiListener(), AtListener(), sml.SmlFramer(), iec62056.D0Listener()
    found: list[DeviceReading] = []
    for (_, part), time in zip(pieces, times, strict=True):
        found += rapi.feed(part, time)
        found += at.feed(part, time)
        for telegram in telegrams.feed(part, time):
            found += sml.readings(telegram)
        for data_set in sets.feed(part, time):
            found += iec62056.readings(data_set)
    assert len(found) <= _READINGS_PER_BYTE * len(heard), f"{len(found)} readings from {len(heard)} bytes"
    assert rapi.garbage <= len(heard)
    assert telegrams.garbage <= len(heard)
    assert sets.garbage <= len(heard)
    readout = iec62056.Readout()
    readout.poll(_NOW)
    for (_, part), time in zip(pieces, times, strict=True):
        readout.feed(part, time)
        sent = readout.poll(time)
        assert sent in (b"",) or (sent[:2] == b"\x060" and sent[3:] == b"0\r\n"), f"{sent!r} was to be sent"


def _printed(pieces: list[tuple[int, bytes]], times: list[int], heard: bytes) -> None:
    reader, recogniser = ConsoleReader(), Recogniser()
    lines = [line for (_, part), time in zip(pieces, times, strict=True) for line in reader.feed(part, time)]
    lines += reader.finish()
    assert sum(len(line.text) for line in lines) <= 3 * len(heard)
    for line in lines:
        assert 0 < len(line.text) <= LONGEST, line
        assert not any(character < " " and character != "\t" for character in line.text), line
        recogniser.feed(line)
    whole = ConsoleReader()
    texts = [line.text for line in whole.feed(heard, _NOW)] + [line.text for line in whole.finish()]
    assert texts == [line.text for line in lines], "pieces make a difference"


def mutate(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    return mutate_pieces(data, most, random, scramble)


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_devices")
    answer = rtu_frame(1, b"\x04\x04\x43\x66\x19\x9a")
    request = rtu_frame(1, ReadRequest(1, 4, 0, 2).pdu)
    yield join_pieces([(40, answer)])
    yield join_pieces([(9, request), (30, answer[:3]), (5, answer[3:])])
    yield join_pieces([(255, b""), (255, b""), (255, b""), (255, b""), (255, answer)])
    yield join_pieces([(40, rtu_frame(2, b"\x84\x02")), (40, b"\0\xff" + answer)])
    yield join_pieces([(40, rtu_frame(1, b"\x2b\x0e\x01\x01\0\0\x01\0\x04Acme"))])
    yield join_pieces([(40, ascii_frame(1, b"\x04\x04\x43\x66\x19\x9a"))])
    yield join_pieces([(1, encode("GG", 7)), (1, encode("OK 100 230000", 7)), (0, encode("AT 03 03 16 0140"))])
    yield join_pieces(
        [(1, b'AT+QENG="servingcell"\r\r\n+QENG: "servingcell","SEARCH"\r\n\r\nOK\r\n+CEREG: 5,"A","B",7\r\n')]
    )
    yield join_pieces([(1, b"/LGZ5X\r\n\x02"), (2, b"1.8.0(12.5*kWh)\r\n!\r\n\x03\x17")])
    body = b"1.8.0(12.5*kWh)\r\n"
    yield join_pieces([(1, b"/ESY5Q3DA1004 V3.03\r\n\r\n" + body + b"!\r\n")])
    start = sml.BEGIN + b"\x76\x02\x01\0" + b"\x1b\x1b\x1b\x1b\x1a\0"
    yield join_pieces([(1, start + crc_x25(start).to_bytes(2, "little"))])
    yield join_pieces(
        [(1, b"\x1b[1;32mHit any key to stop autoboot:  3 \x08\x08\x08 2"), (9, "\r\n🌀 x\x1b[6n\r".encode())]
    )
    yield join_pieces(
        [(1, b"E (9) esp-tls: mbedtls_ssl_handshake returned -0x2700\r\nrst:0xf (RTCWDT_BROWN_OUT_RESET)\r\n")]
    )


if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
