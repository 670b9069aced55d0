"""Eight hours of a site in two minutes: does a capture that runs for days keep its memory?

    live_soak.py [--stations 200] [--hours 8] [--rate 8000] [--busy] -- fieldkit

Packets of stations that mostly do nothing (a Heartbeat a minute, a ping each way every half minute) are made with the
times of eight hours and piped into ``fieldkit capture -``, which records them into a ring, follows findings and renews
a report: the path that live packets take, for weeks if need be. With ``--busy`` each station also charges a car every
hour and loses its connection every other. Memory is read whenever another hour is through.

Ends with 1 when the last hour needs more than 5 % above the second, or more than 120 MB, or if messages are missing.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

BEGIN: Final = 1_788_163_200
BEAT: Final = 60
PING: Final = 30
METER: Final = 60
CHARGE: Final = 3600
CHARGING: Final = 1800
LIFE: Final = 7200
"""Seconds of a connection, and between other events, each at another moment for every station."""
GROWTH: Final = 1.05
LIMIT: Final = 120.0
"""MB."""
LOAD: Final = 3.0
"""Seconds that are waited for the capture to have everything decoded."""

MACS: Final = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00"
SERVER: Final = (bytes((203, 0, 113, 5)), 8080)
TEXT, CLOSE, PING_FRAME, PONG_FRAME = 1, 8, 9, 10
GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Station:
    """One station, its connection and what it has said so far."""

    def __init__(self, number: int, *, begin: int = BEGIN, beat: int = BEAT) -> None:
        """``begin`` is the time of second 0, ``beat`` the seconds between two Heartbeats."""
        self.number = number
        self.name = f"CP_{number:04}"
        self._begin, self._beat = begin, beat
        self.phase = Random(number).randrange(LIFE)
        self.messages = 0
        self._random = Random(number)
        self._address = bytes((10, 60, number >> 8, number & 255))
        self._port = 40_000
        self._seq = [self._random.getrandbits(32), self._random.getrandbits(32)]
        self._ids = 0
        self._transaction = 0
        self._meter = 1000 * number

    def second(self, moment: int, *, busy: bool) -> list[bytes]:
        """The packets of this second."""
        packets: list[bytes] = []
        here = moment + self.phase
        if moment == 0 and self.number % 2:
            packets += self.connect(moment)  # the others are joined midway
        elif busy and here % LIFE == 0:
            packets += self._break() + self.connect(moment)
        if here % self._beat == 0:
            packets += self._exchange("Heartbeat", {}, {"currentTime": self._iso(moment)})
        if here % PING == 7:
            packets += self._ping()
        if busy:
            packets += self._charge(moment, here % CHARGE)
        return packets

    def _charge(self, moment: int, here: int) -> list[bytes]:
        accepted = {"idTagInfo": {"status": "Accepted"}}
        if here == 11:
            self._transaction = self.number * 10_000 + moment // CHARGE + 1
            start = {"connectorId": 1, "idTag": f"{self._random.getrandbits(32):08X}", "meterStart": self._meter,
                     "timestamp": self._iso(moment)}  # fmt: skip
            return self._exchange("StartTransaction", start, {**accepted, "transactionId": self._transaction})
        if not self._transaction:
            return []
        if here == 11 + CHARGING:
            stop = {"transactionId": self._transaction, "meterStop": self._meter, "timestamp": self._iso(moment)}
            self._transaction = 0
            return self._exchange("StopTransaction", stop, accepted)
        if here % METER == 13:
            self._meter += 120
            values = [{"timestamp": self._iso(moment), "sampledValue": [{"value": str(self._meter), "unit": "Wh"}]}]
            said = {"connectorId": 1, "transactionId": self._transaction, "meterValue": values}
            return self._exchange("MeterValues", said, {})
        return []

    def _exchange(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> list[bytes]:
        self._ids += 1
        self.messages += 2
        number = f"{self.number}-{self._ids}"
        call = json.dumps([2, number, action, payload], separators=(",", ":")).encode()
        result = json.dumps([3, number, answer], separators=(",", ":")).encode()
        return [self._send(0, _frame(TEXT, call, True)), self._send(1, _frame(TEXT, result, False)), self._packet(0)]

    def _ping(self) -> list[bytes]:
        return [
            self._send(0, _frame(PING_FRAME, b"fk", True)),
            self._send(1, _frame(PONG_FRAME, b"fk", False)),
            self._packet(0),
        ]

    def connect(self, moment: int) -> list[bytes]:
        """A new connection, up to the answer to its BootNotification."""
        self._port += 1
        self._seq = [self._random.getrandbits(32), self._random.getrandbits(32)]
        shaken = [self._packet(0, flags=0x02), self._packet(1, flags=0x12)]
        self._seq = [(seq + 1) & 0xFFFFFFFF for seq in self._seq]
        key = base64.b64encode(self._random.randbytes(16)).decode()
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        ask = (f"GET /ocpp/{self.name} HTTP/1.1\r\nHost: csms.example:8080\r\nUpgrade: websocket\r\n"
               f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n")  # fmt: skip
        agree = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n")  # fmt: skip
        shaken += [self._packet(0), self._send(0, ask.encode()), self._send(1, agree.encode())]
        boot = {"chargePointVendor": "VendorX", "chargePointModel": "M-1"}
        booted = {"status": "Accepted", "currentTime": self._iso(moment), "interval": self._beat}
        return shaken + self._exchange("BootNotification", boot, booted)

    def _break(self) -> list[bytes]:
        return [
            self._send(0, _frame(CLOSE, b"\x03\xe8", True)),
            self._send(1, _frame(CLOSE, b"\x03\xe8", False)),
            self._packet(1, flags=0x11),
            self._packet(0, flags=0x11),
        ]

    def _send(self, side: int, payload: bytes) -> bytes:
        packet = self._packet(side, payload, 0x18)
        self._seq[side] = (self._seq[side] + len(payload)) & 0xFFFFFFFF
        return packet

    def _packet(self, side: int, payload: bytes = b"", flags: int = 0x10) -> bytes:
        (source, out), (target, to) = ends = (self._address, self._port), SERVER
        if side:
            (target, to), (source, out) = ends
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0, source, target)
        ack = 0 if flags == 0x02 else self._seq[1 - side]
        tcp = struct.pack("!HHIIBBHHH", out, to, self._seq[side], ack, 0x50, flags, 64_000, 0, 0)
        return b"".join((MACS, ip, tcp, payload))

    def _iso(self, moment: int) -> str:
        return datetime.fromtimestamp(self._begin + moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _frame(opcode: int, payload: bytes, masked: bool) -> bytes:
    size = len(payload)
    mask = 0x80 if masked else 0
    head = bytes((0x80 | opcode, mask | size)) if size < 126 else struct.pack("!BBH", 0x80 | opcode, mask | 126, size)
    if not masked:
        return head + payload
    key = b"\x5a\xc3\x17\x88"
    whole = int.from_bytes(payload, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + whole.to_bytes(size, "big")


def seconds_of(stations: list[Station], hours: int, *, busy: bool) -> Iterator[tuple[int, int, bytes]]:
    """For each second its number, how many packets there are, and these as records of a pcap file."""
    record = struct.Struct("<IIII").pack
    for moment in range(hours * 3600):
        parts: list[bytes] = []
        at = 0
        for station in stations:
            for packet in station.second(moment, busy=busy):
                parts += (record(BEGIN + moment, at * 1000, len(packet), len(packet)), packet)
                at += 1
        yield moment, at, b"".join(parts)


def memory(process: int) -> float:
    """MB that a process keeps in memory."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def soak(options: argparse.Namespace, folder: Path) -> tuple[list[float], dict[str, Any], int, int]:
    """Memory after each hour, the report, and how many packets and messages went in."""
    command = [
        *options.command, "capture", "-", "-w", str(folder / "soak.pcapng"), "--ring", "4x16MB", "--follow",
        "--every", "2s", "--fail-on", "never", "-q", "--json", str(folder / "x.json"),
    ]  # fmt: skip
    stations = [Station(number) for number in range(1, options.stations + 1)]
    hours: list[float] = []
    total = 0
    with (folder / "findings").open("wb") as findings:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=findings)
        assert process.stdin is not None
        process.stdin.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        time.sleep(LOAD)
        begun = time.monotonic()
        for moment, packets, records in seconds_of(stations, options.hours, busy=options.busy):
            process.stdin.write(records)
            total += packets
            ahead = total / options.rate - (time.monotonic() - begun)
            if ahead > 0.05:
                process.stdin.flush()
                time.sleep(ahead)
            if moment % 3600 == 3599:
                hours.append(memory(process.pid))
                print(f"hour {len(hours)}: {hours[-1]:6.1f} MB", flush=True)
        process.stdin.flush()
        time.sleep(LOAD)
        hours[-1] = max(hours[-1], memory(process.pid))
        process.stdin.close()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    print(f"{total:,} packets in {time.monotonic() - begun:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of CPU, "
          f"at most {usage.ru_maxrss / 1024:.1f} MB")  # fmt: skip
    report: dict[str, Any] = json.loads((folder / "x.json").read_text())
    return hours, report, total, sum(station.messages for station in stations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--rate", type=int, default=8000, help="packets a second (%(default)s)")
    parser.add_argument("--busy", action="store_true", help="stations charge and reconnect")
    parser.add_argument("command", nargs="+", help="how fieldkit is called")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hours, report, packets, messages = soak(options, Path(folder))
    seen = report["capture"]
    growth = hours[-1] / hours[1]
    print(f"last hour / second hour: {growth:.3f} (bar {GROWTH}); messages {seen['messages']:,} of {messages:,}")
    whole = seen["messages"] == messages and seen["packets"] == packets and not seen["dropped_packets"]
    if not whole or growth > GROWTH or hours[-1] > LIMIT:
        sys.exit("soak: this is not what was promised")


if __name__ == "__main__":
    main()
