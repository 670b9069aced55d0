"""Captures to measure decoders on, and the truth about them.

    make_capture.py site|pure OUT.pcap TRUTH.jsonl [SEED] [--messages N] [--without ooo,retr,deflate,split,frag,coal]

``site`` is what a technician brings home from a busy site: 1,000,000 packets (482 MB) of an hour, nine in ten of them
HTTPS, video, DNS and the like; in between 200 stations that speak OCPP 1.6J, 40,000 messages. ``pure`` is nothing but
OCPP: 461,623 packets, 200,000 messages. TRUTH has a line for each message, in the order in which they were sent:
``{"ts": seconds, "conn": number, "dir": "c2s" or "s2c", "msg": text}``.

Everything follows from the seed, to the last byte, so that the figures of different machines and years can be compared.
That also means that the order in which random numbers are drawn here is not to be changed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

CONNECTIONS: Final = 200
MESSAGES: Final = {"site": 40_000, "pure": 200_000}
PACKETS: Final = 1_000_000
"""Of ``site``, noise included."""
BEGIN: Final = 1_753_000_000.0
DURATION: Final = 3600.0
MSS: Final = 1448
MISHAPS: Final = ("ooo", "retr", "deflate", "split", "frag", "coal")
"""What can be left out: segments out of order, retransmissions, compression, messages split over segments without need,
messages in fragments, frames coalesced in a segment."""

FIN_ACK, SYN, SYN_ACK, ACK, PSH_ACK = 0x11, 0x02, 0x12, 0x10, 0x18
CLIENT, SERVER = 0, 1
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

SERVERS: Final = ((bytes((10, 50, 0, 10)), 9000), (bytes((10, 50, 0, 11)), 8080))
RESOLVER: Final = bytes((10, 0, 0, 1))
MACS: Final = (b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02")
WEBSOCKET_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Payload = dict[str, Any]


# ------------------------------------------------------------------------------------------------------------ packets


def checksum(header: bytes) -> int:
    """Internet checksum of an IPv4 header."""
    total: int = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Recording:
    """The packets of a capture, in any order, until they are written."""

    def __init__(self) -> None:
        self._packets: list[tuple[float, int, bytes]] = []
        self._ident = 0

    def __len__(self) -> int:
        return len(self._packets)

    def add(self, time: float, packet: bytes) -> None:
        self._packets.append((time, len(self._packets), packet))

    def tcp(
        self,
        time: float,
        source: tuple[bytes, int],
        destination: tuple[bytes, int],
        seq: int,
        ack: int,
        flags: int,
        payload: bytes = b"",
        *,
        stamp: float | None = None,
    ) -> None:
        """Add a segment; ``stamp`` is the sender's clock (timestamps option) where it is not ``time``."""
        value = int((time if stamp is None else stamp) * 1000) & 0xFFFFFFFF
        header = struct.pack(
            ">HHIIBBHHHBBBBII",
            source[1], destination[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x80, flags, 501, 0, 0,
            1, 1, 8, 10, value, (value - 20) & 0xFFFFFFFF,
        )  # fmt: skip
        self.add(time, self._ethernet(source[0], destination[0], 6, header + payload))

    def udp(self, time: float, source: tuple[bytes, int], destination: tuple[bytes, int], payload: bytes) -> None:
        header = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0)
        self.add(time, self._ethernet(source[0], destination[0], 17, header + payload))

    def _ethernet(self, source: bytes, destination: bytes, protocol: int, body: bytes) -> bytes:
        self._ident = (self._ident + 1) & 0xFFFF
        size = 20 + len(body)
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, self._ident, 0x4000, 64, protocol, 0, source, destination)
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        return MACS[0] + MACS[1] + b"\x08\x00" + header + body

    def write(self, path: Path) -> None:
        """Write a pcap file, in the order of time."""
        self._packets.sort()
        with path.open("wb", 1 << 20) as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
            for time, _, packet in self._packets:
                seconds = int(time)
                size = len(packet)
                file.write(struct.pack("<IIII", seconds, int((time - seconds) * 1e6), size, size))
                file.write(packet)


# ----------------------------------------------------------------------------------------------------------- messages


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Script:
    """What one station and its CSMS have to say to each other."""

    def __init__(self, random: Random, number: int) -> None:
        self._random = random
        self._number = number

    def message_id(self, count: int) -> str:
        """Stations differ: those that count collide with each other."""
        bits = self._random.getrandbits
        match self._number % 3:
            case 0:
                return str(count)
            case 1:
                return f"{bits(32):08x}-{bits(16):04x}-4{bits(12):03x}-8{bits(12):03x}-{bits(48):012x}"
            case _:
                return f"{int(BEGIN) * 1000 + count}{bits(19):06d}"

    def of_station(self, time: float, *, first: bool) -> tuple[str, Payload, Payload]:
        """Action, request and response."""
        random, number = self._random, self._number
        transaction = number * 100 + 1
        accepted = {"idTagInfo": {"status": "Accepted"}}
        if first:
            boot = {
                "chargePointVendor": "VendorX",
                "chargePointModel": f"M-{number}",
                "chargePointSerialNumber": f"SN{number:08d}",
                "firmwareVersion": f"1.2.{number % 9}",
            }
            return "BootNotification", boot, {"status": "Accepted", "currentTime": iso(time), "interval": 300}
        chance = random.random()
        if chance < 0.45:
            return "MeterValues", self._meter_values(time, transaction), {}
        if chance < 0.65:
            return "Heartbeat", {}, {"currentTime": iso(time)}
        if chance < 0.85:
            status = {
                "connectorId": 1,
                "errorCode": random.choice(["NoError"] * 8 + ["GroundFailure", "ConnectorLockFailure"]),
                "status": random.choice(["Available", "Preparing", "Charging", "SuspendedEV", "Finishing", "Faulted"]),
                "timestamp": iso(time),
                "vendorErrorCode": f"0x{random.getrandbits(16):04x}",
                "info": f"étage {random.randint(1, 9)}",
            }
            return "StatusNotification", status, {}
        if chance < 0.90:
            return "Authorize", {"idTag": f"{random.getrandbits(32):08X}"}, accepted
        if chance < 0.94:
            start = {
                "connectorId": 1,
                "idTag": f"{random.getrandbits(32):08X}",
                "meterStart": random.randint(0, 999_999),
                "timestamp": iso(time),
            }
            return "StartTransaction", start, {**accepted, "transactionId": transaction}
        if chance < 0.97:
            stop = {
                "transactionId": transaction,
                "meterStop": random.randint(0, 9_999_999),
                "timestamp": iso(time),
                "reason": "Local",
            }
            return "StopTransaction", stop, accepted
        data = base64.b64encode(random.randbytes(random.randint(20, 2500))).decode()
        return "DataTransfer", {"vendorId": "VendorX", "messageId": "log", "data": data}, {"status": "Accepted"}

    def _meter_values(self, time: float, transaction: int) -> Payload:
        random = self._random
        sampled: list[Payload] = [
            {
                "value": f"{random.random() * 1e6:.1f}",
                "context": "Sample.Periodic",
                "format": "Raw",
                "measurand": "Energy.Active.Import.Register",
                "location": "Outlet",
                "unit": "Wh",
            }
        ]
        for phase in ("L1", "L2", "L3"):
            volts = f"{220 + random.random() * 20:.2f}"
            sampled.append(
                {"value": volts, "context": "Sample.Periodic", "measurand": "Voltage", "phase": phase, "unit": "V"}
            )
            if random.random() < 0.7:
                amperes = f"{random.random() * 32:.2f}"
                sampled.append(
                    {
                        "value": amperes,
                        "context": "Sample.Periodic",
                        "measurand": "Current.Import",
                        "phase": phase,
                        "unit": "A",
                    }
                )
        return {
            "connectorId": 1,
            "transactionId": transaction,
            "meterValue": [{"timestamp": iso(time), "sampledValue": sampled}],
        }

    def of_csms(self) -> tuple[str, Payload, Payload]:
        """Action, request and response."""
        random = self._random
        accepted = {"status": "Accepted"}
        chance = random.random()
        if chance < 0.3:
            start = {"connectorId": 1, "idTag": f"{random.getrandbits(32):08X}"}
            return "RemoteStartTransaction", start, accepted
        if chance < 0.6:
            return "TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}, accepted
        if chance < 0.8:
            keys = [
                {
                    "key": f"Key{number:02d}NameOfSetting",
                    "readonly": bool(number & 1),
                    "value": f"{random.getrandbits(64):x}",
                }
                for number in range(random.randint(20, 60))
            ]
            return "GetConfiguration", {}, {"configurationKey": keys}
        if chance < 0.9:
            return "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}, accepted
        periods = [
            {"startPeriod": number * 900, "limit": float(random.randint(6, 32))}
            for number in range(random.randint(1, 24))
        ]
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": periods},
        }
        return "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}, accepted


# -------------------------------------------------------------------------------------------------------- connections


class Truth:
    """What was said, whoever finds it."""

    def __init__(self) -> None:
        self._said: list[tuple[float, int, int, str]] = []

    def __len__(self) -> int:
        return len(self._said)

    def add(self, time: float, connection: int, side: int, text: str) -> None:
        self._said.append((time, connection, side, text))

    def write(self, path: Path) -> None:
        self._said.sort(key=lambda said: said[0])
        with path.open("w", encoding="utf-8") as file:
            for time, connection, side, text in self._said:
                direction = "s2c" if side else "c2s"
                record = {"ts": round(time, 6), "conn": connection, "dir": direction, "msg": text}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


class Station:
    """One station's connection: TCP and WebSocket, with what happens to them on the way."""

    def __init__(
        self, number: int, random: Random, recording: Recording, truth: Truth, without: frozenset[str]
    ) -> None:
        self._number = number
        self._random = random
        self._recording = recording
        self._truth = truth
        self._without = without
        self._script = Script(random, number)
        self._ends = (
            (bytes((10, 60, number >> 8, number & 255 or 250)), 40_000 + number * 7),
            SERVERS[number & 1],
        )
        self._seq = [random.getrandbits(32), random.getrandbits(32)]
        if number % 10 == 0:
            self._seq[CLIENT] = 0xFFFFFFFF - 3000  # it will wrap
        self._deflate = number % 5 == 4 and "deflate" not in without
        self._compressors = [zlib.compressobj(6, zlib.DEFLATED, -15) for _ in self._ends] if self._deflate else []

    def run(self, messages: int) -> None:
        """Everything from the SYN to the end."""
        random = self._random
        time = self._upgrade(self._connect())
        begin = time
        pairs = messages // 2
        step = (BEGIN + DURATION - time - 5) / pairs
        for count in range(pairs):
            time = max(time + 0.05, begin + step * (count + random.random() * 0.5))
            time = self._exchange(time, count)
        time += 0.1
        if self._number % 4:
            time = self._send(CLIENT, time, self._frame(CLOSE, b"\x03\xe8", masked=True))
            time = self._send(SERVER, time + 0.01, self._frame(CLOSE, b"\x03\xe8", masked=False))
            self._segment(CLIENT, time + 0.02, self._seq[CLIENT], b"", FIN_ACK)

    def _connect(self) -> float:
        time = self._random.random() * 60 + BEGIN
        client, server = self._ends
        self._recording.tcp(time, client, server, self._seq[CLIENT], 0, SYN)
        self._seq[CLIENT] += 1
        self._recording.tcp(time + 0.01, server, client, self._seq[SERVER], self._seq[CLIENT], SYN_ACK, stamp=time)
        self._seq[SERVER] += 1
        self._segment(CLIENT, time + 0.011, self._seq[CLIENT], b"", ACK)
        return time

    def _upgrade(self, time: float) -> float:
        key = base64.b64encode(self._random.randbytes(16)).decode()
        offered = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if self._deflate else ""
        request = (
            f"GET /ocpp/CP{self._number:04d} HTTP/1.1\r\nHost: csms.local:{self._ends[SERVER][1]}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Version: 13\r\n{offered}"
            "Authorization: Basic Q1A6c2VjcmV0\r\n\r\n"
        )
        accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
        agreed = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if self._deflate else ""
        response = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n{agreed}\r\n"
        )
        for side, wait, text in ((CLIENT, 0.02, request), (SERVER, 0.03, response)):
            time += wait
            self._segment(side, time, self._seq[side], text.encode())
            self._seq[side] += len(text)
            self._segment(1 - side, time + 0.005, self._seq[1 - side], b"", ACK)
        return time

    def _exchange(self, time: float, count: int) -> float:
        """A call, its answer, and what else there is on the line."""
        random = self._random
        caller = CLIENT if count == 0 or random.random() < 0.85 else SERVER
        if caller == CLIENT:
            action, request, response = self._script.of_station(time, first=count == 0)
        else:
            action, request, response = self._script.of_csms()
        id_ = self._script.message_id(count)
        call = compact([2, id_, action, request])
        if random.random() < 0.02:
            answer = compact([4, id_, "InternalError", "fault", {}])
        else:
            answer = compact([3, id_, response])
        time = self._send(caller, time, self._message(caller, call))
        self._truth.add(time, self._number, caller, call)
        time += 0.02 + random.random() * 0.1
        answerer = 1 - caller
        data = self._message(answerer, answer)
        if random.random() < 0.03 and "coal" not in self._without:
            data = self._frame(PING, b"", masked=answerer == CLIENT) + data
        time = self._send(answerer, time, data)
        self._truth.add(time, self._number, answerer, answer)
        return self._sign_of_life(time)

    def _sign_of_life(self, time: float) -> float:
        """WebSocket pings, TCP keep-alives, or mostly nothing."""
        chance = self._random.random()
        if chance < 0.05:
            time = self._send(CLIENT, time + 0.01, self._frame(PING, b"hb", masked=True))
            time = self._send(SERVER, time + 0.01, self._frame(PONG, b"hb", masked=False))
        elif chance < 0.08:
            time += 0.01
            garbage = b"\0" if chance < 0.065 else b""
            self._segment(CLIENT, time, self._seq[CLIENT] - 1, garbage, ACK)
            self._segment(SERVER, time + 0.002, self._seq[SERVER], b"", ACK)
        return time

    # ------------------------------------------------------------------------------------------------------ WebSocket

    def _message(self, side: int, text: str) -> bytes:
        data = text.encode()
        compressed = False
        if self._deflate and len(data) > 20:
            compressor = self._compressors[side]
            data = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
            compressed = True
        masked = side == CLIENT
        if len(data) > 60 and self._random.random() < 0.01 and "frag" not in self._without:
            cut = self._random.randint(1, len(data) - 1)
            first = self._frame(TEXT, data[:cut], masked=masked, compressed=compressed, final=False)
            return first + self._frame(0, data[cut:], masked=masked)
        return self._frame(TEXT, data, masked=masked, compressed=compressed)

    def _frame(self, opcode: int, data: bytes, *, masked: bool, compressed: bool = False, final: bool = True) -> bytes:
        """RFC 6455 §5.2."""
        first = final << 7 | compressed << 6 | opcode
        size, bit = len(data), masked << 7
        if size < 126:
            head = bytes((first, bit | size))
        elif size < 65_536:
            head = bytes((first, bit | 126)) + struct.pack(">H", size)
        else:
            head = bytes((first, bit | 127)) + struct.pack(">Q", size)
        if not masked:
            return head + data
        key = self._random.randbytes(4)
        pad = (key * (size // 4 + 1))[:size]
        return head + key + (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")

    # ------------------------------------------------------------------------------------------------------------ TCP

    def _segment(self, side: int, time: float, seq: int, data: bytes, flags: int = PSH_ACK) -> None:
        self._recording.tcp(time, self._ends[side], self._ends[1 - side], seq, self._seq[1 - side], flags, data)

    def _send(self, side: int, time: float, data: bytes) -> float:
        """Send it in segments, perhaps shuffled, perhaps one of them twice. Returns when the last one was sent."""
        random, size = self._random, len(data)
        cuts: list[int] = []
        if size > 8 and random.random() < 0.08 and "split" not in self._without:
            cuts = sorted(random.sample(range(1, size), min(size - 1, random.randint(1, 2))))
        segments: list[tuple[int, bytes]] = []
        at = 0
        for cut in [*cuts, size]:
            while at < cut:
                stop = min(cut, at + MSS)
                segments.append((self._seq[side] + at, data[at:stop]))
                at = stop
        order = list(range(len(segments)))
        if len(segments) > 1 and random.random() < 0.25 and "ooo" not in self._without:
            random.shuffle(order)
        for number in order:
            self._segment(side, time, *segments[number])
            time += 0.0004
        chance = random.random() if "retr" not in self._without else 1
        if chance < 0.02:
            self._segment(side, time + 0.2, *random.choice(segments))
        elif chance < 0.025 and len(segments) > 1:
            both = (segments[0][1] + segments[1][1])[:MSS]
            self._segment(side, time + 0.2, segments[0][0], both)
        self._seq[side] += size
        self._segment(1 - side, time + 0.001, self._seq[1 - side], b"", ACK)
        return time


# -------------------------------------------------------------------------------------------------------------- noise


class Flow:
    """Somebody else's connection to the Internet."""

    def __init__(self, number: int, random: Random) -> None:
        self.client = bytes((10, 70 + (number >> 10 & 3), number >> 8 & 255, number & 255 or 1))
        self.server = random.randbytes(4)
        self.port = 32_768 + random.randint(0, 28_000)
        self.sent = random.getrandbits(32)
        self.received = random.getrandbits(32)
        self.downloaded = 0

    @property
    def near(self) -> tuple[bytes, int]:
        return self.client, self.port

    @property
    def far(self) -> tuple[bytes, int]:
        return self.server, 443


def add_noise(recording: Recording, random: Random, packets: int) -> None:
    """HTTPS 55 %, QUIC 17 %, DNS 20 %, ARP 4 %, SSDP 4 %."""
    pool = random.randbytes(1 << 20)
    records = b"".join(b"\x17\x03\x03\x40\x00" + pool[at * 16_384 : (at + 1) * 16_384] for at in range(32))
    flows = [Flow(number, random) for number in range(3000)]
    names = (b"\x03api\x07example\x03com\0", b"\x03ntp\x04pool\x03org\0", b"\x05video\x03cdn\x07example\x03net\0")
    notify = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n\r\n"
    for number in range(packets):
        time = BEGIN + DURATION * (number + random.random()) / packets
        chance = random.random()
        flow = flows[random.getrandbits(11) if random.random() < 0.8 else random.randint(0, 2999)]
        if chance < 0.55:
            _add_https(recording, random, time, flow, records, pool)
        elif chance < 0.72:
            size = 1250 if random.random() < 0.55 else random.randint(30, 90)
            at = random.getrandbits(19)
            ends = (flow.far, flow.near) if size > 100 else (flow.near, flow.far)
            recording.udp(time, *ends, b"\x40" + pool[at : at + size])
        elif chance < 0.92:
            name = random.choice(names)
            query = struct.pack(">HHHHHH", random.getrandbits(16), 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"
            if number & 1:
                recording.udp(time, flow.near, (RESOLVER, 53), query)
            else:
                answer = b"\xc0\x0c\0\1\0\1\0\0\0<\0\4" + random.randbytes(4)
                reply = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + answer
                recording.udp(time, (RESOLVER, 53), flow.near, reply)
        elif chance < 0.96:
            arp = b"\x08\x06\0\1\x08\0\6\4\0\1" + MACS[0] + flow.client + b"\0" * 6 + RESOLVER + b"\0" * 18
            recording.add(time, b"\xff" * 6 + MACS[0] + arp)
        else:
            recording.udp(time, (flow.client, 1900), (b"\xef\xff\xff\xfa", 1900), notify)


def _add_https(recording: Recording, random: Random, time: float, flow: Flow, records: bytes, pool: bytes) -> None:
    """A download goes on, is acknowledged, or the client says something."""
    chance = random.random()
    if chance < 0.36:
        at = flow.downloaded % len(records)
        data = records[at : at + MSS]
        recording.tcp(time, flow.far, flow.near, flow.received, flow.sent, ACK, data)
        flow.received += len(data)
        flow.downloaded += len(data)
    elif chance < 0.88:
        recording.tcp(time, flow.near, flow.far, flow.sent, flow.received, ACK)
    else:
        size = random.randint(40, 600)
        data = b"\x17\x03\x03" + struct.pack(">H", size) + pool[:size]
        recording.tcp(time, flow.near, flow.far, flow.sent, flow.received, PSH_ACK, data)
        flow.sent += len(data)


# --------------------------------------------------------------------------------------------------------------- main


def _mishaps(text: str) -> frozenset[str]:
    names = frozenset(name for name in text.split(",") if name)
    if names - set(MISHAPS):
        raise argparse.ArgumentTypeError(f"one or more of {','.join(MISHAPS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a capture to measure decoders on.")
    parser.add_argument("kind", choices=sorted(MESSAGES))
    parser.add_argument("capture", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--messages", type=int, help="of all stations together")
    parser.add_argument("--without", type=_mishaps, default=frozenset(), help=",".join(MISHAPS))
    options = parser.parse_args()

    random, recording, truth = Random(options.seed), Recording(), Truth()
    messages = options.messages or MESSAGES[options.kind]
    for number in range(CONNECTIONS):
        Station(number, random, recording, truth, options.without).run(messages // CONNECTIONS)
    ocpp = len(recording)
    if options.kind == "site":
        add_noise(recording, random, PACKETS - ocpp)
    recording.write(options.capture)
    truth.write(options.truth)
    print(f"{options.kind}: {len(recording):,} packets, {ocpp:,} of them OCPP; {len(truth):,} messages")


if __name__ == "__main__":
    main()
