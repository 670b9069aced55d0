"""Capture files: pcap, pcapng and both in gzip, cut into blocks anywhere. An input is a file."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.fuzz.harness import fuzz, instrumented, saved_seeds

with instrumented(__name__):
    from fieldkit.events import CaptureComment, CaptureDropped, DecodeError, TlsSecrets
    from fieldkit.wire.container import CaptureReader
    from tests.fuzz.promises import check_error, cuts_of
    from tests.traffic.capture import Pcapng, Seen, read, write_pcap

from tests.fuzz.capturemutation import mutate_capture

GZIP_EXPANSION = 1032


def one_input(data: bytes) -> None:
    items = read(CaptureReader(), data)
    size = len(data) * (GZIP_EXPANSION if data.startswith(b"\x1f\x8b") else 1)
    number = 0
    total = 0
    for item in items:
        match item:
            case Seen():
                # Entries of the systemd journal have numbers too, and are no packets.
                assert item.frame > number, item
                number = item.frame
                total += len(item.data)
            case DecodeError():
                check_error(item)
                assert item.lost <= size, item
            case TlsSecrets() | CaptureComment():
                total += len(item.text.encode("utf-8", "surrogatepass")) // 3
            case CaptureDropped():
                assert item.count > 0, item
    assert total <= size, f"{total} bytes from {size}"
    assert read(CaptureReader(), data, cuts_of(data)) == items, "the blocks it came in make a difference"


def seeds() -> Iterator[bytes]:
    yield from saved_seeds("fuzz_capture")
    packets = [(1_700_000_000_123_456_789 + number, bytes((number,)) * (40 + number)) for number in range(5)]
    for nanoseconds in (False, True):
        for big_endian in (False, True):
            yield write_pcap(packets, nanoseconds=nanoseconds, big_endian=big_endian)
    modified = write_pcap(packets, modified=True)
    yield modified
    yield gzip.compress(modified, mtime=0) + gzip.compress(write_pcap(packets), mtime=0)
    yield write_pcap(packets, linktype=113) + write_pcap(packets, linktype=101)
    for big_endian in (False, True):
        writer = Pcapng(big_endian=big_endian).section(comments=["one", "two"])
        writer.interface(name="eth0", tsresol=9, tsoffset=3600, comments=["uplink"])
        writer.interface(linktype=113, tsresol=0x80 | 20)
        writer.packet(packets[0], comments=["here"], flags=1, dropped=7).packet(packets[1], interface=1)
        writer.secrets("CLIENT_RANDOM 00 11\n").simple(packets[2][1]).obsolete(packets[3], dropped=2)
        writer.statistics(0, dropped=3, dropped_by_os=4).block(0x0BAD, bytes(8)).block(9, b"__CURSOR=x\n")
        writer.section(big_endian=not big_endian).interface().packet(packets[4])
        yield bytes(writer)
        yield gzip.compress(bytes(writer), mtime=0)
    yield from (b"", b"PK\x03\x04rest", b"<!DOCTYPE html><html>", bytes(600), b"\x1f\x8b\x08")


mutate = mutate_capture

if __name__ == "__main__":
    fuzz(one_input, seeds, mutate)
