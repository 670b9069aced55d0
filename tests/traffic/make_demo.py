"""``python -m tests.traffic.make_demo``: the site that ``fieldkit demo`` shows, fieldkit/demo/site.pcapng.gz.

Most of it is real: the recordings of third-party programs in ``captures/``, each given the addresses that a station and
its CSMS would have on one site (their times are those of the recording, within twenty minutes of one morning). Added
are stations by script, with faults of the field that no program shows on demand. ``--check`` only compares.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from struct import pack
from typing import NamedTuple

from fieldkit.events import TlsSecrets
from fieldkit.wire.container import CaptureReader
from tests.traffic.capture import Packet, Pcapng, Seen, read
from tests.traffic.conversation import Session, merged
from tests.traffic.expectations import CAPTURES
from tests.traffic.packets import checksum
from tests.traffic.scripts import boot_2, boot_16, heartbeat
from tests.traffic.segments import SECOND, Address
from tests.traffic.taps import Tap

TARGET = Path(__file__).parents[2] / "fieldkit" / "demo" / "site.pcapng.gz"

MORNING = int(datetime(2026, 11, 21, 6, 30, tzinfo=UTC).timestamp()) * SECOND
"""A minute before the first recording begins."""

CSMS = "203.0.113.10"
NOTE = (
    "A site of several charging stations, put together for `fieldkit demo`: recordings of third-party programs "
    "(solidstudio ocpp-virtual-charge-point, npm ocpp-rpc, PyPI ocpp, npm ocpp-js) under other addresses, and stations "
    "by script. Made by tests/traffic/make_demo.py."
)


class Recording(NamedTuple):
    """A capture, and where its station stands on the site."""

    file: str
    station: str
    """Address of the station."""
    ports: dict[int, int]
    """The CSMS's ports in the recording, and what they become."""


RECORDINGS = (
    Recording("ocpp16j_vcp_ocpprpc_plain.pcap", "192.168.20.11", {21601: 8080}),
    Recording("ocpp16j_vcp_ocpprpc_deflate.pcap", "192.168.20.12", {21602: 8080}),
    Recording("ocpp16j_vcp_ocpprpc_wss_tls13_dsb.pcapng", "192.168.20.13", {21610: 443}),
    Recording("ocpp201_vcp_pyocpp_plain.pcap", "192.168.20.14", {22001: 8080}),
    Recording("ocpp21_vcp_ocpprpc_plain.pcap", "192.168.20.15", {22101: 8080}),
    Recording("ocpp15s_ocppjs_soap.pcap", "192.168.20.16", {9220: 8081}),
    Recording("fault_boot_pending.pcap", "192.168.20.17", {21622: 8080}),
    Recording("fault_basic_auth_401.pcap", "192.168.20.18", {21621: 8080}),
    Recording("fault_wrong_subprotocol.pcap", "192.168.20.19", {21620: 8080}),
    Recording("fault_connection_refused.pcap", "192.168.20.20", {21623: 8443}),
)

SOAP_STATION_PORT = 9221
"""On which the SOAP station listens: the CSMS is the client there."""


def moved(recording: Recording) -> tuple[list[Packet], list[str]]:
    """The packets of a recording under the addresses of the site, and the TLS secrets in it."""
    items = read(CaptureReader(), (CAPTURES / recording.file).read_bytes())
    secrets = [item.text for item in items if isinstance(item, TlsSecrets)]
    return [(item.time, _moved(item.data, recording)) for item in items if isinstance(item, Seen)], secrets


def _moved(frame: bytes, recording: Recording) -> bytes:
    """Ethernet, IPv4 without options, TCP: what loopback recordings consist of."""
    assert frame[12:15] == b"\x08\x00\x45"
    head, body = bytearray(frame[14:34]), bytearray(frame[34:])
    ports = [int.from_bytes(body[at : at + 2], "big") for at in (0, 2)]
    addresses = []
    for place, port in enumerate(ports):
        other = ports[not place]
        is_csms = port in recording.ports or (other == SOAP_STATION_PORT and port != SOAP_STATION_PORT)
        addresses.append(CSMS if is_csms else recording.station)
        body[2 * place : 2 * place + 2] = pack("!H", recording.ports.get(port, port))
    packed = b"".join(IPv4Address(address).packed for address in addresses)
    head[10:12] = b"\0\0"
    head[12:20] = packed
    head[10:12] = pack("!H", checksum(bytes(head)))
    body[16:18] = b"\0\0"
    body[16:18] = pack("!H", checksum(packed + pack("!HH", 6, len(body)) + bytes(body)))
    macs = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
    return macs + frame[12:14] + bytes(head) + bytes(body)


# ----------------------------------------------------------------------------------------------------------- by script


def _begin(station: str, version: str, last: int, minutes: float, port: int = 49_300) -> Session:
    client: Address = (f"192.168.20.{last}", port)
    start = MORNING + round(minutes * 60) * SECOND
    session = Session(station, version, client=client, server=(CSMS, 8080), start=start)
    session.connect()
    session.upgrade()
    return session


def ground_fault() -> list[Session]:
    """A fast charger with a ground fault in the middle of a transaction, whose register runs backwards afterwards."""
    session = _begin("HYC-0031", "1.6", 31, 2)
    boot_16(session)
    session.call("station", "Authorize", {"idTag": "04A2B7C1D2"}, {"idTagInfo": {"status": "Accepted"}}, after=20)
    start = {"connectorId": 1, "idTag": "04A2B7C1D2", "meterStart": 184_200, "timestamp": session.timestamp()}
    session.call("station", "StartTransaction", start, {"transactionId": 90_211, "idTagInfo": {"status": "Accepted"}})
    _status_16(session, "Charging")
    for reading in (184_200, 185_900, 187_640, 189_380):
        session.clock.wait(60)
        _meter_16(session, 90_211, reading)
    _status_16(
        session, "Faulted", errorCode="GroundFailure", info="RCD tripped", vendorId="hyc", vendorErrorCode="E-1040"
    )
    session.clock.wait(45)
    _meter_16(session, 90_211, 12)
    stop = {"transactionId": 90_211, "meterStop": 12, "timestamp": session.timestamp(), "reason": "Other"}
    session.call("station", "StopTransaction", stop, {"idTagInfo": {"status": "Accepted"}})
    session.clock.wait(30)
    session.call("csms", "Reset", {"type": "Hard"}, {"status": "Rejected"})
    heartbeat(session)
    session.close()
    return [session]


def cut_by_the_router() -> list[Session]:
    """A wallbox behind a router that forgets connections after a minute without traffic."""
    sessions = []
    at = 1.0
    for number in range(5):
        session = _begin("WB-0032", "1.6", 32, at, 50_000 + number)
        if number:
            _status_16(session, "Available")  # it has not lost power, only its connection
        else:
            boot_16(session)
        session.clock.wait(60)
        session.close("rst", by_client=False, code=None)
        sessions.append(session)
        at = (session.clock.now - MORNING) / SECOND / 60 + 0.3
    return sessions


def refused_remote_start() -> list[Session]:
    """A driver with an app: the station accepts the remote start, and nothing happens."""
    session = _begin("AC-0033", "1.6", 33, 3)
    boot_16(session)
    for _ in range(2):
        session.call(
            "csms", "RemoteStartTransaction", {"connectorId": 1, "idTag": "APP-5512"}, {"status": "Accepted"}, after=20
        )
        _status_16(session, "Preparing")
        session.clock.wait(90)
        _status_16(session, "Available")
    heartbeat(session)
    stop = {"transactionId": -1, "meterStop": 5120, "timestamp": session.timestamp(), "idTag": "04FFA1B2"}
    session.call("station", "StopTransaction", stop, {"idTagInfo": {"status": "Invalid"}})
    heartbeat(session)
    session.close()
    return [session]


def lost_events() -> list[Session]:
    """A 2.0.1 station whose transaction events have a hole, and whose clock is two hours ahead."""
    session = _begin("EVSE-0034", "2.0.1", 34, 4)
    boot_2(session)
    token = {"idToken": "04CC33AA11", "type": "ISO14443"}
    for number, (kind, trigger, state, seq) in enumerate(
        (
            ("Started", "CablePluggedIn", "EVConnected", 0),
            ("Updated", "Authorized", "Charging", 1),
            ("Updated", "MeterValuePeriodic", "Charging", 4),
            ("Updated", "MeterValuePeriodic", "Charging", 5),
            ("Ended", "EVCommunicationLost", "Idle", 6),
        )
    ):
        session.clock.wait(40)
        info = {"transactionId": "b3a0-0034", "chargingState": state}
        if kind == "Ended":
            info["stoppedReason"] = "EVDisconnected"
        event = {
            "eventType": kind,
            "timestamp": _ahead(session, 7200),
            "triggerReason": trigger,
            "seqNo": seq,
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
            **({"idToken": token} if trigger == "Authorized" else {}),
            "meterValue": [
                {
                    "timestamp": _ahead(session, 7200),
                    "sampledValue": [{"value": 55_000.0 + 700 * number, "unitOfMeasure": {"unit": "Wh"}}],
                }
            ],
        }
        session.call("station", "TransactionEvent", event, {})
    session.clock.wait(60)
    session.close()
    return [session]


def _ahead(session: Session, seconds: int) -> str:
    moment = datetime.fromtimestamp(session.clock.now // SECOND + seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status_16(session: Session, status: str, **more: str) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": status, "timestamp": session.timestamp(), **more}
    session.call("station", "StatusNotification", payload, {})


def _meter_16(session: Session, transaction: int, reading: int) -> None:
    sampled = [{"value": str(reading), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
    value = {"timestamp": session.timestamp(), "sampledValue": sampled}
    session.call("station", "MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": [value]}, {})


SCRIPTED: Sequence[Callable[[], list[Session]]] = (ground_fault, cut_by_the_router, refused_remote_start, lost_events)


def packets_and_secrets() -> tuple[list[Packet], list[str]]:
    packets: list[Packet] = []
    secrets: list[str] = []
    for recording in RECORDINGS:
        found, keys = moved(recording)
        packets += found
        secrets += keys
    talks = [session for script in SCRIPTED for session in script()]
    packets += Tap().packets(merged(*(session.segments for session in talks)))
    return sorted(packets, key=lambda packet: packet[0]), secrets


def capture() -> bytes:
    """The whole site, not compressed."""
    packets, secrets = packets_and_secrets()
    writer = Pcapng().section(comments=[NOTE])
    writer.interface(name="site", tsresol=9)
    for text in secrets:
        writer.secrets(text)
    for packet in packets:
        writer.packet(packet)
    return bytes(writer)


def main(arguments: Iterable[str]) -> int:
    wanted = capture()
    if "--check" in arguments:
        return gzip.decompress(TARGET.read_bytes()) != wanted
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(wanted, 9, mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
