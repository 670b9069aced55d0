"""One capture over and over, each time a while later, on stdout: a capture of any length without the disk for it.

    repeat_capture.py site.pcap 10 | fieldkit decode -

The connections come again with the same addresses, ports and sequence numbers. Only plain pcap files are understood
(microseconds, little-endian, as ``make_capture.py`` writes them).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final

PERIOD: Final = 3700
"""Seconds from one beginning to the next: ``site`` lasts an hour and the minute in which stations connect."""
BLOCK: Final = 1 << 20

_FILE_HEADER: Final = 24
_MAGIC: Final = b"\xd4\xc3\xb2\xa1"
_SECONDS: Final = Struct("<I")
_RECORD: Final = Struct("<I4xI4x")


def write_later(source: BinaryIO, sink: BinaryIO, later: int) -> None:
    """Copy the records of a capture, their times moved by so many seconds."""
    rest = b""
    while block := source.read(BLOCK):
        data = bytearray(rest + block)
        at, last = 0, len(data) - _RECORD.size
        while at <= last:
            seconds, length = _RECORD.unpack_from(data, at)
            if at + _RECORD.size + length > len(data):
                break
            _SECONDS.pack_into(data, at, seconds + later)
            at += _RECORD.size + length
        sink.write(memoryview(data)[:at])
        rest = bytes(data[at:])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a capture several times, one behind the other, to stdout.")
    parser.add_argument("capture", type=Path)
    parser.add_argument("times", type=int)
    parser.add_argument("--period", type=int, default=PERIOD, help="seconds from one to the next (%(default)s)")
    options = parser.parse_args()
    sink = sys.stdout.buffer
    for number in range(options.times):
        with options.capture.open("rb") as source:
            header = source.read(_FILE_HEADER)
            if not header.startswith(_MAGIC):
                sys.exit(f"{options.capture} is no pcap file with microseconds, little-endian")
            if not number:
                sink.write(header)
            write_later(source, sink, number * options.period)


if __name__ == "__main__":
    main()
