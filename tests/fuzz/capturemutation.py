"""Mutations of capture files that stay captures: libFuzzer alone would hardly ever get past a wrong length.

Only the plain pcap format is understood (microseconds, little-endian, Ethernet, IPv4); gzip is unpacked and packed
again; everything else is scrambled as it is.
"""

from __future__ import annotations

import gzip
import zlib
from random import Random
from struct import Struct
from typing import Final

from tests.fuzz.harness import Scramble

_MAGIC: Final = b"\xd4\xc3\xb2\xa1"
_FILE_HEADER: Final = 24
_RECORD: Final = Struct("<IIII")
_IPV4: Final = b"\x08\x00\x45"
_UNPACKED: Final = 1 << 20


def records_of(data: bytes) -> list[bytes]:
    """The records of a pcap file, headers included; what is behind the first damage is one more."""
    records: list[bytes] = []
    at = _FILE_HEADER
    while at < len(data):
        stop = len(data)
        if at + 16 <= len(data):
            stop = min(stop, at + 16 + _RECORD.unpack_from(data, at)[2])
        records.append(data[at:stop])
        at = stop
    return records


def is_plain(data: bytes) -> bool:
    return data.startswith(_MAGIC) and len(data) > _FILE_HEADER + 16


def mutate_capture(data: bytes, most: int, random: Random, scramble: Scramble) -> bytes:
    """Leave out, repeat, move, damage packets; or damage the file."""
    if data.startswith(b"\x1f\x8b") and random.random() < 0.8:
        try:
            plain = zlib.decompressobj(31).decompress(data, _UNPACKED)
        except zlib.error:
            return scramble(data, most)
        return gzip.compress(mutate_capture(plain, 4 * most, random, scramble), 1, mtime=0)
    if not is_plain(data) or random.random() < 0.1:
        return scramble(data, most)
    records = records_of(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(records))
        record = records[at]
        match random.randrange(10):
            case 0 if len(records) > 1:
                del records[at : at + random.choice((1, 1, 1, 2, 5))]
            case 1:
                records.insert(min(at + random.randrange(8), len(records)), record)
            case 2:
                records.insert(min(at + random.randrange(8), len(records) - 1), records.pop(at))
            case 3:
                records[at] = _with_payload(record, scramble(record[16:], 2000))
            case 4 if len(record) > 16:
                # cut by the snap length
                kept = random.randrange(len(record) - 15)
                seconds, fraction, _, original = _RECORD.unpack_from(record)
                records[at] = _RECORD.pack(seconds, fraction, kept, original) + record[16 : 16 + kept]
            case 5 if len(record) >= 16:
                seconds, fraction, length, original = _RECORD.unpack_from(record)
                seconds = max(seconds + random.choice((-100, -1, 1, 2, 60, 200, 100_000)), 0) % (1 << 32)
                records[at] = _RECORD.pack(seconds, fraction, length, original) + record[16:]
            case _:
                records[at] = _in_the_packet(record, random, scramble)
        if not records:
            break
    return data[:_FILE_HEADER] + b"".join(records)


def _with_payload(record: bytes, packet: bytes) -> bytes:
    """The record with another packet in it, and the lengths that go with it."""
    if len(record) < 16:
        return record
    seconds, fraction, _, _ = _RECORD.unpack_from(record)
    return _RECORD.pack(seconds, fraction, len(packet), len(packet)) + packet


def _in_the_packet(record: bytes, random: Random, scramble: Scramble) -> bytes:
    """Change what a TCP segment says, or how it says it, so that it is still one."""
    packet = bytearray(record[16:])
    if len(packet) < 54 or packet[12:15] != _IPV4 or packet[23] != 6:
        return _with_payload(record, scramble(bytes(packet) or b"\0", 2000))
    payload = 34 + (packet[46] >> 4) * 4
    match random.randrange(4):
        case 0:  # sequence number or acknowledgement, a little or at all
            field = random.choice((38, 42))
            step = random.choice((1, -1, 7, -100, 1000, 70_000, random.getrandbits(32)))
            number = (int.from_bytes(packet[field : field + 4], "big") + step) % (1 << 32)
            packet[field : field + 4] = number.to_bytes(4, "big")
        case 1:
            packet[47] ^= 1 << random.randrange(6)
        case _:
            said = scramble(bytes(packet[payload:]) or b"\0", 2000)
            packet[payload:] = said
            packet[16:18] = min(len(packet) - 14, 0xFFFF).to_bytes(2, "big")
    return _with_payload(record, bytes(packet))
