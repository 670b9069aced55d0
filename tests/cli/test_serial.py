"""``fieldkit serial …`` as a technician uses it, on real pseudo terminals."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldkit.devices.checksums import crc16
from fieldkit.devices.modbus.framing import rtu_frame
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.sources.serial.audit import intact
from tests.sources.serial.ptys import ModbusPty, Pty, meter
from tests.sources.serial.waiting import until
from tests.traffic.commandline import ROOT, Fieldkit, Run, ended, spawn

LINE = line_settings(9600)


@pytest.fixture
def fieldkit(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Fieldkit:
    return Fieldkit(capfdbinary, monkeypatch)


def _floats(device: ModbusPty, first: int, *values: float) -> None:
    for at, value in enumerate(values):
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        device.device.values[first + 2 * at], device.device.values[first + 2 * at + 1] = high, low


# ------------------------------------------------------------------------------------------------------- ports, usage


def test_ports_are_listed_without_being_opened(fieldkit: Fieldkit) -> None:
    run = fieldkit("serial", "ports", "--json", "-")
    document = json.loads(run.out)
    assert run.code == (0 if document["ports"] else 3)
    for port in document["ports"]:
        assert {"device", "vendor", "driver", "holders", "permission", "modem_manager"} <= set(port)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("read", "x", "--device", "modbus:none"), "there is no profile 'none'"),
        (("read", "x", "--device", "tv"), "is no device"),
        (("read", "x", "--device", "rapi", "--only", "FE"), "there are GV"),
        (("read", "x", "--device", "at", "--only", "AT+CFUN=0"), "--only"),
        (("read", "x", "--device", "rapi", "--count", "3"), "for --every"),
        (("listen", "x", "--line", "fast"), "--line"),
        (("listen", "x", "x"), "once"),
        (("console", "x"), "needs a terminal"),
        (("write", "x", "current_set=10", "--device", "modbus:heidelberg-ec"), "writing is off"),
        (("write", "x", "current_set", "--device", "modbus:heidelberg-ec"), "NAME=VALUE"),
        (("write", "x", "current_set=99", "--device", "modbus:heidelberg-ec"), "allowed is 0 to 16"),
        (("write", "x", "current_set=ten", "--device", "modbus:heidelberg-ec"), "a number"),
        (("write", "x", "nothing=1", "--device", "modbus:heidelberg-ec"), "there is standby"),
        (("write", "x", "configuration=1", "--device", "modbus:evse-din"), "never written"),
        (("write", "x", "SC=10", "--device", "rapi"), "only read"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(fieldkit: Fieldkit, arguments: tuple[str, ...], said: str) -> None:
    run = fieldkit("serial", *arguments)
    assert (run.code, run.out) == (2, "")
    assert said in run.err


def test_a_port_that_is_not_there(fieldkit: Fieldkit, tmp_path: Path) -> None:
    for arguments in (("listen", "ttyNONE"), ("read", "ttyNONE", "--device", "rapi")):
        run = fieldkit("serial", *arguments, "--log", tmp_path)
        assert run.code == 3
        assert "there is no such port; see: fieldkit serial ports" in run.err
        assert list(tmp_path.iterdir()) == []


QUICKLY = ("--listen-first", "0.5")


def test_what_is_on_a_port_is_found_out(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with ModbusPty(meter(line_settings(19_200))) as device:
        run = fieldkit("serial", "find", device.path, "--only", "modbus", "--yes", *QUICKLY, "--log", tmp_path)
        assert run.code == 0, run.err
        assert "Modbus unit 1 at 9600 8N1" in run.out  # a pseudo terminal has no speed
        assert f"fieldkit serial read {device.path} --device modbus:PROFILE@1 --line 9600,8N1" in run.out
        assert bytes(device.heard) == rtu_frame(1, bytes.fromhex("04 0000 0002"))


def test_without_a_word_of_the_user_nothing_is_asked(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with Pty() as device:
        device.listen()
        run = fieldkit("serial", "find", device.path, "--log", tmp_path)
        assert run.code == 2
        assert "24 47 56 5e 33 35 0d" in run.err
        assert "nobody is there to agree" in run.err
        assert not device.heard
        assert not list(tmp_path.iterdir())


def test_a_line_that_talks_is_not_asked(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with Pty() as device:
        device.listen()
        talk = threading.Event()

        def say() -> None:
            while not talk.wait(0.1):
                device.say(b"I (31) main: the charger's own words, line after line\r\n")

        device.run(say)
        try:
            run = fieldkit("serial", "find", device.path, "--yes", *QUICKLY, "--log", tmp_path)
        finally:
            talk.set()
        assert run.code == 0, run.err
        assert run.out.startswith("console at 9600 8N1")
        assert not device.heard


# ------------------------------------------------------------------------------------------------------ listen, replay

CONSOLE = (
    b"\r\n\r\nU-Boot 2021.01 (Apr 20 2022)\r\nReset cause: WDOG\r\nHit any key to stop autoboot:  3",
    b"\x08 2 \x05\x1b[6n\x1b[c",
    b"\x08 0 \r\n[    0.000000] Linux version 5.10.168\r\n\x1b[5n\x1b[>c\x1b]0;title\x07",
    "2026-01-07 [INFO] yeti :: CP state changed: B -> C, grün\r\n".encode(),
    b"\r\nimx6 login: ",
    b"\x1b[31m$(reboot)\x1b[0m\r\nimx6 login: ",
)


def test_listening_sends_nothing_and_a_replay_is_the_same(tmp_path: Path) -> None:
    with Pty() as device, Pty() as bus:
        device.listen()
        bus.listen()
        process = spawn(
            *("serial", "listen", device.path, bus.path, "--line", "9600", "--time", "wall"),
            *("--log", tmp_path, "--utc"),
        )
        _wait_for(process.stderr, b"logged to", 2)
        for piece in CONSOLE:
            device.say(piece)
            bus.say(rtu_frame(1, bytes.fromhex("040000000 2".replace(" ", ""))))
            time.sleep(0.1)
            bus.say(rtu_frame(1, bytes.fromhex("04044366199a")))
            time.sleep(0.4)
        logs = sorted(tmp_path.glob("*.log"))
        until(lambda: sum(log.read_text().count("login:") for log in logs) >= 2)
        until(lambda: sum(log.read_text().count("4366 199a") for log in logs) >= len(CONSOLE))
        process.send_signal(signal.SIGTERM)
        run = ended(process)
        assert run.code == 0
        assert bytes(device.heard) == bytes(bus.heard) == b""
        live = {name: _of_port(run.lines, name) for name in (device.path, bus.path)}
    shown = "\n".join(run.lines)
    assert "\x1b" not in run.out
    for text in (
        "pilot.change: from B, to C",
        "reset.watchdog: cause WDOG",
        "boot.countdown",
        "imx6 login:",
        "blocked:",
    ):
        assert text in shown
    assert "= unit 1: read input registers 0 (0x0000), 2: 4366 199a" in shown
    for name in live:
        stem = "-".join(name.split("/")[-2:])
        (recording,) = tmp_path.glob(f"{stem}-*.serial.jsonl")
        again = ended(spawn("serial", "replay", recording, "--time", "wall", "--utc"))
        assert again.code == 0
        assert again.lines == live[name]
        assert recording.with_name(recording.name.removesuffix(".serial.jsonl") + ".log").read_text().count(
            "\n"
        ) == len(live[name])


def _of_port(lines: list[str], name: str) -> list[str]:
    """The lines of one port, without its name."""
    short = f"{name.rpartition('/')[2]:<8}"
    return [line[:12] + " " + line[13 + len(short) + 1 :] for line in lines if line[13:].startswith(short)]


def _wait_for(stream: Any, text: bytes, times: int = 1) -> bytes:
    """What a process says until it has said this so often."""
    heard = b""
    end = time.monotonic() + 15
    while heard.count(text) < times and time.monotonic() < end:
        ready, _, _ = select.select([stream], [], [], 0.2)
        if ready:
            data = os.read(stream.fileno(), 4096)
            if not data:
                break
            heard += data
    assert heard.count(text) >= times, heard
    return heard


def test_events_are_for_programs_and_a_signal_ends_it_orderly(tmp_path: Path) -> None:
    with Pty() as device:
        process = spawn("serial", "listen", device.path, "--line", "115200", "--format", "events", "--log", tmp_path)
        _wait_for(process.stderr, b"logged to")
        device.say(b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.\r\nplain\r\n")
        _wait_for(process.stdout, b'"plain"')
        device.say(b"no end")
        until(lambda: any(b"no end".hex() in path.read_text() for path in tmp_path.glob("*.jsonl")))
        process.send_signal(signal.SIGTERM)
        run = ended(process)
    assert run.code == 0
    assert any(record["text"] == "no end" for record in run.records)
    (recording,) = tmp_path.glob("*.jsonl")
    records = ended(spawn("serial", "replay", recording, "--format", "events")).records
    (panic,) = [record for record in records if record["kind"] == "event"]
    assert panic["grave"]
    assert panic["event"]["kind"] == "reset.panic"
    assert panic["event"]["values"]["cause"] == "LoadProhibited"


def test_a_recording_that_is_none(fieldkit: Fieldkit, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    assert fieldkit("serial", "replay", tmp_path / "x").code == 3
    assert fieldkit("serial", "replay", tmp_path / "y").code == 3


# ---------------------------------------------------------------------------------------------------------------- read


def test_a_meter_as_table_json_and_csv(fieldkit: Fieldkit, tmp_path: Path) -> None:
    common = ("--log", tmp_path, "--listen-first", "0.2", "--only", "voltage_l1", "--only", "power_l1")
    with ModbusPty(meter(LINE)) as device:
        _floats(device, 0, 230.1, 231.2)
        _floats(device, 12, 3650.5)
        run = fieldkit("serial", "read", device.path, "--device", "modbus:sdm630", *common)
        assert (run.code, run.out) == (0, "voltage_l1  230.1 V\npower_l1    3650.5 W\n")
        run = fieldkit("serial", "read", device.path, "--device", "modbus:sdm630@1", "--json", "-", *common)
        document = json.loads(run.out)
        assert [reading["measurand"] for reading in document["readings"]] == ["Voltage", "Power.Active.Import"]
        assert document["failed"] == 0
        run = fieldkit(
            *("serial", "read", device.path, "--device", "modbus:sdm630", "--csv", "--every", "0.2s", "--count", "3"),
            *common,
        )
        assert run.lines[0].startswith("time,port,device,name,value")
        assert len(run.lines) == 7
        told = tmp_path / "told.jsonl"
        told.write_text("of another run\n")
        run = fieldkit(
            *("serial", "read", device.path, "--device", "modbus:sdm630", "--json", told, "--every", "0.2s"),
            *("--count", "2", *common),
        )
        passes = [json.loads(line) for line in told.read_text().splitlines()]
        assert [len(one["readings"]) for one in passes] == [2, 2]
    # Every byte that went out was a read.
    heard = bytes(device.heard)
    assert heard
    for at in range(0, len(heard), 8):
        assert heard[at + 1] == 4
        assert crc16(heard[at : at + 8]) == 0


def test_a_device_that_is_not_there_is_said_with_the_cause(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with Pty() as device:
        device.listen()
        run = fieldkit("serial", "read", device.path, "--device", "iec62056", "--log", tmp_path, "--listen-first", "0")
        assert run.code == 4
        assert "the meter did not answer" in run.err
        assert bytes(device.heard) == b"/?!\r\n"


def test_a_console_and_a_busy_bus_are_not_asked(fieldkit: Fieldkit, tmp_path: Path) -> None:
    for said, device_text, why in (
        (b"\r\nimx6 login: ", "rapi", "this is a console"),
        (rtu_frame(1, bytes.fromhex("0400000002")), "modbus:sdm630", "two masters"),
        (b"\r\nU-Boot 2021.01\r\nHit any key to stop autoboot:  3", "at", "boots"),
    ):
        with Pty() as device:

            def talk(device: Pty = device, said: bytes = said) -> None:
                while not device.stop.is_set():
                    device.hear(0.1)
                    device.say(said)

            device.run(talk)
            run = fieldkit("serial", "read", device.path, "--device", device_text, "--log", tmp_path)
            assert run.code == 3
            assert why in run.err
            assert bytes(device.heard) == b""


def test_a_meter_that_is_plugged_in_again_is_read_on(fieldkit: Fieldkit, tmp_path: Path) -> None:
    first, second, link = ModbusPty(meter(LINE)), ModbusPty(meter(LINE)), tmp_path / "port"
    link.symlink_to(first.path)

    def swap() -> None:
        until(lambda: first.requests > 2)
        link.unlink()
        link.symlink_to(second.path)
        first.unplug()

    _floats(first, 0, 230.5)
    _floats(second, 0, 231.5)
    thread = threading.Thread(target=swap)
    thread.start()
    run = fieldkit(
        *(
            "serial",
            "read",
            link,
            "--device",
            "modbus:sdm630",
            "--only",
            "voltage_l1",
            "--every",
            "0.5s",
            "--count",
            "6",
        ),
        *("--listen-first", "0", "--csv", "--log", tmp_path / "log"),
    )
    thread.join()
    second.unplug()
    assert run.code == 0
    assert "unplugged; waiting for it" in run.err
    values = [line.split(",")[4] for line in run.lines[1:]]
    assert len(values) == 6
    assert set(values) == {"230.5", "231.5"}


class _OtherSpeed(ModbusPty):
    """A meter that somebody has set to 19200."""

    def hear(self, seconds: float) -> bytes:
        import termios

        data = super().hear(seconds)
        return data if self.speed == termios.B19200 else b""


def test_a_meter_at_another_speed_is_found_when_asked_for(fieldkit: Fieldkit, tmp_path: Path) -> None:
    profile = tmp_path / "meter.toml"
    profile.write_text(
        'schema = 1\nid = "meter"\ntitle = "A meter"\nkind = "meter"\n[line]\nspeeds = [9600, 19200]\nformats = ["8N1"]\n'
        'unit = 1\nverified = true\nturnaround_ms = 5\n[sources]\nhere = "tests"\n[[register]]\nname = "seven"\n'
        'function = 3\naddress = 7\ntype = "u16"\nsources = ["here"]\nverified = false\n'
    )
    with _OtherSpeed(meter(line_settings(19_200))) as device:
        arguments = ("serial", "read", device.path, "--device", f"modbus:{profile}", "--log", tmp_path / "log")
        run = fieldkit(*arguments, "--listen-first", "0")
        assert run.code == 4
        assert "did not answer" in run.err
        run = fieldkit(*arguments, "--listen-first", "0", "--probe")
        assert (run.code, run.out) == (0, "seven  1007  (unverified)\n")
        assert "it answers at 19200 8N1" in run.err


_PYMODBUS = """
import asyncio, sys
from pymodbus.simulator import SimData, SimDevice, DataType
from pymodbus.server import StartAsyncSerialServer
from pymodbus.framer import FramerType
f32 = lambda a, *v: SimData(address=a, values=list(v), datatype=DataType.FLOAT32)
inp = [f32(0, 230.1, 231.2, 229.7, 15.9, 16.0, 15.8, 3650., 3699., 3630.), f32(0x34, 10979.), f32(0x46, 50.01), f32(0x48, 1234.567, .25), f32(0x156, 1234.8)]
coil = [SimData(0, count=1, values=False, datatype=DataType.BITS)]
device = SimDevice(id=1, simdata=(coil, coil, [f32(0x0C, 400.)], inp))
asyncio.run(StartAsyncSerialServer(context=device, port=sys.argv[1], framer=FramerType.RTU, baudrate=9600))
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two ports with a wire between them."""
    socat = shutil.which("socat")
    if socat is None:
        pytest.skip("socat is not installed")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    process = subprocess.Popen([socat, f"pty,raw,echo=0,link={ours}", f"pty,raw,echo=0,link={theirs}"])
    end = time.monotonic() + 5
    while not (ours.exists() and theirs.exists()) and time.monotonic() < end:
        time.sleep(0.02)
    yield ours, theirs
    process.terminate()
    process.wait()


def _answered(fieldkit: Fieldkit, *arguments: str | Path) -> Run:
    """A command, until what it asks is up."""
    runs: list[Run] = []

    def once() -> bool:
        runs.append(fieldkit("serial", *arguments))
        return runs[-1].code == 0

    until(once, 60)
    return runs[-1]


def test_a_server_of_another_make(pair: tuple[Path, Path], fieldkit: Fieldkit, tmp_path: Path) -> None:
    pytest.importorskip("pymodbus", reason="pymodbus is not installed")
    ours, theirs = pair
    server = subprocess.Popen([sys.executable, "-c", _PYMODBUS, str(theirs)], stderr=subprocess.DEVNULL)
    try:
        names = ("voltage_l1", "current_l3", "power_total", "frequency", "energy_import", "energy_total")
        only = [word for name in names for word in ("--only", name)]
        run = _answered(
            fieldkit, "read", ours, "--device", "modbus:sdm630", "--json", "-", "--log", tmp_path / "log", *only
        )
        values = {reading["name"]: reading["value"] for reading in json.loads(run.out)["readings"]}
        expected = (230.1, 15.8, 10979.0, 50.01, 1234.567, 1234.8)
        assert values == pytest.approx(dict(zip(names, expected, strict=True)))
    finally:
        server.kill()
        server.wait()


def test_through_ser2net(tmp_path: Path, fieldkit: Fieldkit) -> None:
    """A port of another machine, by RFC 2217."""
    ser2net = shutil.which("ser2net") or ("/usr/sbin/ser2net" if Path("/usr/sbin/ser2net").exists() else None)
    if ser2net is None:
        pytest.skip("ser2net is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    with ModbusPty(meter(LINE)) as device:
        _floats(device, 0, 230.1)
        configuration = tmp_path / "ser2net.yaml"
        configuration.write_text(
            f"connection: &one\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{number}\n"
            f"  connector: serialdev,{device.path},9600n81,local\n"
        )
        server = subprocess.Popen(
            [ser2net, "-n", "-d", "-c", str(configuration), "-P", str(tmp_path / "pid")], stderr=subprocess.DEVNULL
        )
        try:
            run = _answered(
                fieldkit,
                *(
                    "read",
                    f"rfc2217://127.0.0.1:{number}?ign_set_control",
                    "--device",
                    "modbus:sdm630",
                    "--only",
                    "voltage_l1",
                ),
                *("--log", tmp_path / "log"),
            )
            assert run.out == "voltage_l1  230.1 V\n"
        finally:
            server.kill()
            server.wait()


# --------------------------------------------------------------------------------------------------------------- write


class _Box(Pty):
    """A Heidelberg-like box that can be written to: input registers, holding registers, and moods."""

    def __init__(self, state: int = 2, mood: str = "") -> None:
        super().__init__()
        self.mood = mood
        self.input = {5: state}
        self.holding = {257: 15000, 258: 4, 259: 1, 261: 160, 262: 0}
        self.writes: list[bytes] = []
        self.run(self._serve)

    def _serve(self) -> None:
        heard = b""
        while not self.stop.is_set():
            heard += self.hear(0.02)
            size = 9 + heard[6] if len(heard) > 6 and heard[1] == 16 else 8
            if len(heard) < size:
                continue
            frame, heard = heard[:size], heard[size:]
            assert crc16(frame) == 0
            address, count = struct.unpack(">HH", frame[2:6])
            if frame[1] == 16:
                self.writes.append(frame)
                if self.mood == "vanishes":
                    os.close(self.master)
                    self.master = -1
                    return
                if self.mood == "refuses":
                    self.say(rtu_frame(1, b"\x90\x04"))
                    continue
                self.holding[address] = int.from_bytes(frame[7:9], "big") if self.mood != "ignores" else 160
                if self.mood != "silent":
                    self.say(rtu_frame(1, frame[1:6]))
                continue
            known = self.input if frame[1] == 4 else self.holding
            values = b"".join(known.get(address + n, 0).to_bytes(2, "big") for n in range(count))
            self.say(rtu_frame(1, bytes((frame[1], len(values))) + values))


PHRASE = "heidelberg-ec/1 current_set 16 A -> 10 A"


def _write(fieldkit: Fieldkit, box: _Box, tmp_path: Path, *more: str, confirm: str = PHRASE) -> Run:
    return fieldkit(
        *("serial", "write", box.path, "current_set=10", "--device", "modbus:heidelberg-ec@1", "--allow-write"),
        *(
            "--confirm",
            confirm,
            "--log",
            tmp_path / "log",
            "--audit",
            tmp_path / "audit.jsonl",
            "--listen-first",
            "0.5",
        ),
        *more,
    )


def test_a_dry_run_prints_the_bytes_and_opens_nothing(fieldkit: Fieldkit) -> None:
    run = fieldkit("serial", "write", "ttyNONE", "current_set=10", "--device", "modbus:heidelberg-ec@1", "--dry-run")
    assert run.code == 0
    frame = rtu_frame(1, bytes.fromhex("10 0105 0001 02 0064"))
    assert f"bytes:      {frame.hex(' ')}" in run.out
    assert "RAM" in run.out
    assert "limits the current" in run.out


def test_a_write_is_confirmed_done_once_read_back_and_recorded(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with _Box() as box:
        run = _write(fieldkit, box, tmp_path)
        assert run.code == 0, run.err
        assert box.writes == [rtu_frame(1, bytes.fromhex("10 0105 0001 02 0064"))]
        assert box.holding[261] == 100
    entries = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["write", "result"]
    assert (entries[0]["confirmation"], entries[0]["tx"]) == (PHRASE, box.writes[0].hex())
    assert (entries[1]["verdict"], entries[1]["before"], entries[1]["after"]) == ("took effect", 16.0, 10.0)
    assert intact(tmp_path / "audit.jsonl")


@pytest.mark.parametrize(
    "mood, code, verdict",
    [("silent", 0, "took effect"), ("ignores", 5, "unknown"), ("refuses", 1, "refused by the device")],
)
def test_a_write_is_never_repeated(fieldkit: Fieldkit, tmp_path: Path, mood: str, code: int, verdict: str) -> None:
    with _Box(mood=mood) as box:
        run = _write(fieldkit, box, tmp_path)
        assert run.code == code
        assert verdict in run.out
        assert len(box.writes) == 1


def test_what_keeps_a_write_from_happening(fieldkit: Fieldkit, tmp_path: Path) -> None:
    for box, confirm, said in (
        (_Box(), "yes", "not confirmed"),
        (_Box(), PHRASE.replace("16", "15"), "not confirmed"),  # the old value has changed meanwhile
        (_Box(state=7), PHRASE, "a vehicle is charging"),
    ):
        with box:
            run = _write(fieldkit, box, tmp_path, confirm=confirm)
            assert run.code == 2
            assert said in run.err
            assert box.writes == []
    with _Box(state=7) as box:
        assert _write(fieldkit, box, tmp_path, "--while-charging").code == 0
    with _Box() as box:
        run = _write(fieldkit, box, tmp_path, "--audit", "/dev/null")
        assert run.code == 2
        assert box.writes == []


def test_a_device_that_vanishes_was_written_to_and_that_is_recorded(fieldkit: Fieldkit, tmp_path: Path) -> None:
    with _Box(mood="vanishes") as box:
        run = _write(fieldkit, box, tmp_path)
        assert run.code == 5, run.err
        assert "current_set: unknown" in run.out
        assert "could not be read back" in run.err
        assert len(box.writes) == 1
    entries = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["write", "result"]
    assert (entries[1]["verdict"], entries[1]["after"]) == ("unknown", None)


def test_what_changed_while_the_operator_thought_counts(tmp_path: Path) -> None:
    places = ("--log", tmp_path / "log", "--audit", tmp_path / "audit.jsonl", "--listen-first", "0.5")
    with _Box() as box:
        operator = _Operator(
            *(box.path, "current_set=10", "--device", "modbus:heidelberg-ec@1", "--allow-write", *places),
            command="write",
        )
        operator.sees("To write it, type")
        box.input[5] = 7  # a vehicle has come, and charges
        operator.types(PHRASE.encode() + b"\r")
        operator.sees("a vehicle is charging")
        assert os.waitpid(operator.pid, 0)[1] == 2 << 8
        assert box.writes == []


# ------------------------------------------------------------------------------------------------------------- console


class _Operator:
    """Somebody at a terminal."""

    def __init__(self, *arguments: str | Path, command: str = "console") -> None:
        self.screen = b""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
            os.execv(sys.executable, [sys.executable, "-m", "fieldkit", "serial", command, *map(str, arguments)])

    def sees(self, text: str, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while text.encode() not in self.screen:
            assert time.monotonic() < end, self.screen
            ready, _, _ = select.select([self.fd], [], [], 0.1)
            if ready:
                try:
                    self.screen += os.read(self.fd, 65_536)
                except OSError:
                    break
        _, _, self.screen = self.screen.partition(text.encode())

    def types(self, data: bytes) -> None:
        os.write(self.fd, data)

    def leaves(self) -> int:
        self.types(b"\x14q")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            ready, _, _ = select.select([self.fd], [], [], 0.1)
            try:
                if ready:
                    os.read(self.fd, 65_536)
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_console_without_leave_to_write_sends_no_key(tmp_path: Path) -> None:
    with Pty() as device:
        device.listen()
        operator = _Operator(device.path, "--log", tmp_path)
        operator.sees("Ctrl-T ? helps")
        device.say(b"\x1b[6n\x1b[2Jhello\r\nimx6 login: ")
        operator.sees("hello")
        operator.sees("imx6 login: ")
        operator.types(b"root\r")
        operator.sees("typing is off")
        operator.types(b"\x14m")
        operator.sees("mark: ")
        operator.types(b"here\r")
        operator.sees("mark: here")
        operator.types(b"\x14/hello\r")
        operator.sees("1 lines with 'hello'")
        assert operator.leaves() == 0
        assert bytes(device.heard) == b""
        assert b"\x1b[2J" not in operator.screen


def test_a_console_is_typed_into_after_a_yes(tmp_path: Path) -> None:
    with Pty() as device:
        device.listen()
        operator = _Operator(device.path, "--log", tmp_path, "--allow-write", "--audit", tmp_path / "audit.jsonl")
        operator.sees("Type yes")
        operator.types(b"yes\r")
        operator.sees("typing is on")
        operator.types(b"root\r")
        _eventually(device, b"root\r")
        device.say(b"\r\nPassword: ")
        operator.sees("Password: ")
        operator.types(b"secret\r")
        _eventually(device, b"root\rsecret\r")
        device.say(b"\r\n# ")
        operator.sees("# ")
        # Several lines at once are held back.
        operator.types(b"\x1b[200~rm -rf /\nreboot\n\x1b[201~")
        operator.sees("2 lines, 16 characters were pasted")
        operator.types(b"n\r")
        operator.sees("nothing was sent")
        operator.types(b"\x1b[200~ls\nid\n\x1b[201~")
        operator.sees("were pasted")
        operator.types(b"y\r")
        _eventually(device, b"root\rsecret\rls\rid\r")
        # While it boots no key gets through.
        device.say(b"\r\nU-Boot 2021.01\r\nHit any key to stop autoboot:  3")
        operator.sees("blocked: the device boots")
        operator.sees("autoboot")
        operator.types(b"\r")
        operator.sees("not sent")
        assert operator.leaves() == 0
        assert bytes(device.heard) == b"root\rsecret\rls\rid\r"
    kept = "".join(path.read_text() for path in tmp_path.glob("*") if path.is_file())
    assert b"root".hex()[:2] in kept
    assert "secret" not in kept
    assert b"secret".hex() not in kept
    assert intact(tmp_path / "audit.jsonl")


def _eventually(device: Pty, heard: bytes) -> None:
    end = time.monotonic() + 10
    while bytes(device.heard) != heard:
        assert time.monotonic() < end, bytes(device.heard)
        time.sleep(0.02)
