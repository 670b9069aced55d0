"""``fieldkit report`` with a capture and recordings of serial ports: one time line, and nobody's device is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.sources.serial.recording import SUFFIX, About, Chunk, Item, Notice, Recording
from tests.traffic.capture import write_pcap
from tests.traffic.charging import online_16, status_16
from tests.traffic.commandline import Fieldkit
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import heartbeat
from tests.traffic.taps import Tap

SECOND = 1_000_000_000
VEHICLE = 1002


def recorded(directory: Path, items: list[Item], *, device: str = "", port: str = "/dev/ttyUSB0") -> Path:
    """As ``fieldkit serial`` writes it."""
    path = directory / f"{port.rpartition('/')[2]}-{len(items)}{SUFFIX}"
    dialect = device.partition(":")[0]
    recording = Recording(path, About(port, "", "9600 8N1", items[0].time, "read", dialect, device))
    for item in items:
        recording.item(item)
    recording.close()
    return path


def asked(begin: int, end: int, state: int, *, every: int = 10) -> list[Item]:
    """A controller that says the same all the time."""
    items: list[Item] = []
    for time in range(begin, end, every * SECOND):
        items.append(Chunk(time, rtu_frame(1, bytes((3, VEHICLE >> 8, VEHICLE & 255, 0, 1))), sent=True))
        items.append(Chunk(time + SECOND // 20, rtu_frame(1, bytes((3, 2, 0, state)))))
    return items


def available(station: str, port: int) -> tuple[Session, int]:
    """A station that says Available for two minutes; and when it began to."""
    session = Session(station, client=("192.168.7.20", port))
    session.connect()
    session.upgrade()
    session.call("station", "BootNotification", _BOOT | {"chargePointSerialNumber": f"SN-{station}-0042"}, _ACCEPTED)
    status_16(session, "Available")
    begin = session.clock.now
    for _ in range(4):
        heartbeat(session)
    return session, begin


_BOOT = {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
_ACCEPTED = {"currentTime": "2026-08-31T08:00:00Z", "interval": 300, "status": "Accepted"}


def pcap(directory: Path, *sessions: Session) -> Path:
    path = directory / "site.pcap"
    path.write_bytes(write_pcap(Tap().packets(merged(*(session.segments for session in sessions)))))
    return path


def reported(fieldkit: Fieldkit, *arguments: str | Path) -> dict[str, Any]:
    run = fieldkit("report", "--json", "-", *arguments)
    assert run.code in (ExitCode.OK, ExitCode.FINDINGS), run.err
    document: dict[str, Any] = json.loads(run.out)
    return document


def joined(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["id"], one["station"]) for one in document["findings"] if one["id"].startswith("device.")]


def notes(document: dict[str, Any]) -> str:
    return "\n".join(document["capture"]["notes"])


FOUND = "device.pilot-status"
DEVICE = "modbus:evse-din@1"


def test_the_only_station_is_its_station(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    recording = recorded(tmp_path, asked(begin, session.clock.now, 3), device=DEVICE)
    document = reported(fieldkit, pcap(tmp_path, session), recording)
    assert joined(document) == [(FOUND, "CP_7")]
    assert "evse-din/1 on /dev/ttyUSB0 is held against the messages of CP_7: it is the only station" in notes(document)


def test_a_healthy_controller_adds_no_finding_and_no_time(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    capture = pcap(tmp_path, session)
    alone = reported(fieldkit, capture)
    # It was recorded from an hour before the capture to an hour after it.
    hour = 3600 * SECOND
    recording = recorded(tmp_path, asked(begin - hour, session.clock.now + hour, 1), device=DEVICE)
    document = reported(fieldkit, capture, recording)
    assert document["findings"] == alone["findings"]
    for name in ("stations", "transactions", "connections"):
        assert document[name] == alone[name], name
    told = notes(document)
    del document["capture"]["notes"], alone["capture"]["notes"]
    assert document["capture"] == alone["capture"]
    assert "held against" in told


def test_of_two_stations_none_is_guessed(fieldkit: Fieldkit, tmp_path: Path) -> None:
    one, begin = available("CP_1", 40_001)
    other, _ = available("CP_2", 40_002)
    capture = pcap(tmp_path, one, other)
    recording = recorded(tmp_path, asked(begin, one.clock.now, 3), device=DEVICE)
    document = reported(fieldkit, capture, recording)
    assert joined(document) == []
    assert "there are 2 stations, and nothing tells which of them it is in (--serial-station ttyUSB0=STATION)" in notes(
        document
    )
    for option in ("CP_2", "ttyUSB0=CP_2", "/dev/ttyUSB0=CP_2#1", "ttyUSB0:evse-din/1=CP_2"):
        document = reported(fieldkit, capture, recording, "--serial-station", option)
        assert joined(document) == [(FOUND, "CP_2")], option
        assert "as you said" in notes(document)
    # Another connector of it is not the one whose status is told; another port is not this one.
    for option in ("CP_2#2", "ttyUSB1=CP_2", "CP_3"):
        document = reported(fieldkit, capture, recording, "--serial-station", option)
        assert joined(document) == [], option
    assert "CP_3 is to be its station, which is not seen here" in notes(document)


def test_a_console_that_prints_its_address_tells_whose_it_is(fieldkit: Fieldkit, tmp_path: Path) -> None:
    one, begin = available("CP_1", 40_001)
    other, _ = available("CP_2", 40_002)
    lines: list[Item] = [
        Chunk(begin + SECOND, b"I (100) ocpp: connecting to wss://csms.example/ocpp/CP_2?v=1\r\n"),
        Chunk(begin + 2 * SECOND, b"[INFO] yeti_driver :: CP state changed: B -> C\r\n"),
    ]
    lines += [Chunk(begin + at * SECOND, b"I (200) main: alive\r\n") for at in range(3, 110)]
    document = reported(fieldkit, pcap(tmp_path, one, other), recorded(tmp_path, lines))
    assert joined(document) == [(FOUND, "CP_2")]
    assert "its console prints an address that ends with CP_2" in notes(document)


def test_what_it_is_can_be_said_afterwards(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    capture = pcap(tmp_path, session)
    recording = recorded(tmp_path, asked(begin, session.clock.now, 3))
    assert "nothing in it was understood" in notes(reported(fieldkit, capture, recording))
    document = reported(fieldkit, capture, recording, "--serial-device", f"ttyUSB0={DEVICE}")
    assert joined(document) == [(FOUND, "CP_7")]


def test_what_it_is_may_be_said_while_it_is_recorded(fieldkit: Fieldkit, tmp_path: Path) -> None:
    """On the Serial screen a device is often named when its bytes stand there already."""
    session, begin = available("CP_7", 40_001)
    items = asked(begin, session.clock.now, 3)
    named: list[Item] = [*items[:4], Notice(items[4].time, "device", DEVICE), *items[4:]]
    assert joined(reported(fieldkit, pcap(tmp_path, session), recorded(tmp_path, named))) == [(FOUND, "CP_7")]
    named[4] = Notice(items[4].time, "device", "modbus:nobody-has-this")
    document = reported(fieldkit, pcap(tmp_path, session), recorded(tmp_path / "b", named))
    assert joined(document) == []
    assert "what it was named as is not known here: there is no profile 'nobody-has-this'" in notes(document)


def test_a_recording_of_another_day_is_said_to_be(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    day = 86_400 * SECOND
    recording = recorded(tmp_path, asked(begin + day, begin + day + 60 * SECOND, 3), device=DEVICE)
    document = reported(fieldkit, pcap(tmp_path, session), recording)
    assert joined(document) == []
    assert "recorded at another time than the capture" in notes(document)


def test_the_evidence_of_both_sides_is_in_every_document(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    recording = recorded(tmp_path, asked(begin, session.clock.now, 3), device=DEVICE)
    names = [tmp_path / f"out.{suffix}" for suffix in ("html", "txt", "md", "xml", "json", "pcapng", "jsonl")]
    options = [part for name in names for part in ("-o", name)]
    assert fieldkit("report", pcap(tmp_path, session), recording, *options).code == ExitCode.OK
    for name in names[:3]:
        assert "evse-din/1" in name.read_text(), name
        assert "vehicle_state" in name.read_text().replace("\\", ""), name
    assert all(name.stat().st_size for name in names)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--serial-station", "CP_7"), "for recordings of serial ports"),
        (("{recording}",), "give the capture or log as well"),
        (("{capture}", "{recording}", "--serial-station", "=CP_7"), "write PORT=NAME"),
        (("{capture}", "{recording}", "--serial-device", "modbus:nobody-makes-this"), "no profile"),
    ],
)
def test_what_cannot_be_meant(fieldkit: Fieldkit, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    session, begin = available("CP_7", 40_001)
    places = {
        "{capture}": str(pcap(tmp_path, session)),
        "{recording}": str(recorded(tmp_path, asked(begin, session.clock.now, 3), device=DEVICE)),
    }
    given = [places.get(argument, argument) for argument in arguments]
    if not any(argument in places for argument in arguments):
        given.append(places["{capture}"])
    run = fieldkit("report", *given)
    assert run.code == ExitCode.USAGE, run.err
    assert says in run.err


def test_a_damaged_recording_is_read_up_to_there(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    recording = recorded(tmp_path, asked(begin, session.clock.now, 3), device=DEVICE)
    recording.write_text(recording.read_text() + "{broken\n")
    document = reported(fieldkit, pcap(tmp_path, session), recording)
    assert joined(document) == [(FOUND, "CP_7")]
    assert "read up to its first damaged line" in notes(document)


def test_a_modem_is_known_by_its_address(fieldkit: Fieldkit, tmp_path: Path) -> None:
    one = online_16("CP_1")
    other = Session("CP_2", client=("10.64.3.9", 40_002))
    other.connect()
    other.upgrade()
    for _ in range(2):
        heartbeat(one)
        heartbeat(other)
    begin = one.clock.now - 60 * SECOND
    lines: list[Item] = [
        Chunk(begin, b"AT+CGPADDR\r", sent=True),
        Chunk(begin + SECOND, b'\r\n+CGPADDR: 1,"10.64.3.9"\r\n\r\nOK\r\n'),
    ]
    document = reported(fieldkit, pcap(tmp_path, one, other), recorded(tmp_path, lines, device="at"))
    assert "is held against the messages of CP_2: it has the address 10.64.3.9" in notes(document)


def test_the_report_lists_what_the_devices_told_last(fieldkit: Fieldkit, tmp_path: Path) -> None:
    session, begin = available("CP_7", 40_001)
    recording = recorded(tmp_path, asked(begin, session.clock.now, 3), device=DEVICE)
    page = tmp_path / "site.html"
    document = reported(fieldkit, pcap(tmp_path, session), recording, "-o", page)
    (device,) = document["devices"]
    assert (device["port"], device["dialect"], device["name"]) == ("/dev/ttyUSB0", "modbus", "evse-din/1")
    assert (device["station"], device["reason"], device["pilot"]) == ("CP_7", "it is the only station here", "C")
    told = {one["name"]: one["value"] for one in device["values"]}
    assert told == {"vehicle_state": "C"}
    text = page.read_text()
    assert 'id="devices"' in text
    assert "evse-din/1" in text


def test_a_filter_leaves_the_devices_of_its_stations(fieldkit: Fieldkit, tmp_path: Path) -> None:
    one, begin = available("CP_1", 40_001)
    other, _ = available("CP_2", 40_002)
    recording = recorded(tmp_path, asked(begin, one.clock.now, 1), device=DEVICE)
    arguments = (pcap(tmp_path, one, other), recording, "--serial-station", "CP_2", "--filter")
    assert len(reported(fieldkit, *arguments, "station = CP_2")["devices"]) == 1
    assert reported(fieldkit, *arguments, "station = CP_1")["devices"] == []
