"""``fieldkit capture`` on virtual cables: what is sent is found in time, and no fault costs more than was said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.events import PacketBatch
from fieldkit.sources.file import FileSource
from tests.cli.waiting import wait_for_line
from tests.traffic.commandline import Run, ended, spawn
from tests.traffic.decoded import decode_files
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import Cable, cable, needs_network, needs_tcpreplay
from tests.traffic.tshark import TSHARK

PENDING = CAPTURES / "fault_boot_pending.pcap"
FINDING = "boot.remote-start-while-pending"
BUSY = CAPTURES / "made" / "reconnects.pcap"

pytestmark = [needs_network, needs_tcpreplay]

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def wire() -> Iterator[Cable]:
    with cable("fkc") as laid:
        yield laid


@pytest.fixture
def capture(wire: Cable) -> Iterator[Start]:
    """Starts a capture and returns when it listens."""
    made: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path, on: str = wire.there) -> subprocess.Popen[bytes]:
        interface = ("-i", on) if on else ()
        process = spawn("capture", *interface, "--buffer", "2MB", "--fail-on", "warning", *arguments)
        made.append(process)
        wait_for_line(process, "listening on")
        return process

    yield start
    for process in made:
        process.kill()
        process.communicate()


def replay(wire: Cable, file: Path, *options: str) -> None:
    subprocess.run(
        ["tcpreplay", "-q", *(options or ("--topspeed",)), "-i", wire.here, str(file)], check=True, stdout=-3
    )


def stopped(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> Run:
    time.sleep(0.2)
    process.send_signal(number)
    return ended(process)


def report_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def packets_of(path: Path) -> int:
    source = FileSource(str(path))
    try:
        return sum(len(item.starts) for item in source.items() if isinstance(item, PacketBatch))
    finally:
        source.close()


def test_sigterm_gives_a_finished_report_of_what_was_recorded(capture: Start, wire: Cable, tmp_path: Path) -> None:
    process = capture("-w", tmp_path / "out.pcapng", "-o", tmp_path / "x.json", "-o", tmp_path / "x.pcapng")
    replay(wire, PENDING)
    run = stopped(process)
    assert run.code == ExitCode.FINDINGS
    assert decode_files(tmp_path / "out.pcapng").lines == decode_files(PENDING).lines
    again = ended(spawn("report", tmp_path / "out.pcapng", "--json", "-"))
    assert report_of(tmp_path / "x.json") == json.loads(again.out)
    assert packets_of(tmp_path / "x.pcapng") > 3


def test_a_finding_is_on_standard_output_within_a_second_of_its_last_packet(capture: Start, wire: Cable) -> None:
    process = capture("--follow")
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    source = FileSource(str(PENDING))
    packets = [
        item.buffer[start:end]
        for item in source.items()
        if isinstance(item, PacketBatch)
        for start, end in zip(item.starts, item.ends, strict=True)
    ]
    source.close()
    late: list[float] = []
    for packet in packets:
        sent = time.monotonic()
        wire.send(packet)
        while time.monotonic() < sent + 0.12:
            if process.stdout.read():
                late.append(time.monotonic() - sent)
            time.sleep(0.002)
        if len(late) == 3:
            break
    assert len(late) == 3, "each at a packet of its own"
    assert max(late) <= 1.0


def test_an_interface_that_is_taken_away_and_put_back_is_gone_on_with(
    capture: Start, wire: Cable, tmp_path: Path
) -> None:
    process = capture("-w", tmp_path / "out.pcapng", "-o", tmp_path / "x.json")
    replay(wire, BUSY)
    time.sleep(0.2)
    wire.cut()
    wait_for_line(process, f"{wire.there} is gone")
    wire.lay()
    wait_for_line(process, f"{wire.there} is back")
    time.sleep(0.2)
    replay(wire, PENDING)
    run = stopped(process)
    assert run.code == ExitCode.FINDINGS
    assert packets_of(tmp_path / "out.pcapng") == packets_of(BUSY) + packets_of(PENDING)
    assert {one["station"] for one in report_of(tmp_path / "x.json")["stations"]} >= {"CP-21622"}


def test_on_a_full_disk_the_recording_ends_and_the_diagnosis_goes_on(
    capture: Start, wire: Cable, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        process = capture("-w", disk / "out.pcapng", "-o", tmp_path / "x.json", "--fail-on", "never")
        replay(wire, BUSY, "--topspeed", "--loop=8")
        wait_for_line(process, "the disk is full; it holds all packets up to here; the diagnosis goes on")
        replay(wire, PENDING)
        run = stopped(process)
        assert run.code == ExitCode.INCOMPLETE
        kept = packets_of(disk / "out.pcapng")
        assert 20 < kept < 8 * packets_of(BUSY)
        assert decode_files(disk / "out.pcapng").messages
        assert FINDING in {one["id"] for one in report_of(tmp_path / "x.json")["findings"]}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
def test_killed_in_the_middle_of_a_burst_it_leaves_a_recording_that_everybody_reads(
    capture: Start, wire: Cable, tmp_path: Path
) -> None:
    out = tmp_path / "out.pcapng"
    process = capture("-w", out)
    with subprocess.Popen(
        ["tcpreplay", "-q", "--topspeed", "--loop=4000", "-i", wire.here, str(BUSY)], stdout=-3, stderr=-3
    ) as sender:
        while not out.exists() or out.stat().st_size < 3_000_000:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        sender.kill()
    report = ended(spawn("report", out, "--json", "-"))
    assert report.code in (ExitCode.OK, ExitCode.FINDINGS, ExitCode.INCOMPLETE)
    packets = json.loads(report.out)["capture"]["packets"]
    assert packets > 10_000
    # Where the kernel was in the middle of a write capinfos says so and ends with 1, having counted what there is.
    counted = subprocess.run(["capinfos", "-M", "-c", str(out)], capture_output=True, text=True)
    assert f"Number of packets:   {packets}" in counted.stdout or "cut short" in counted.stderr
    assert str(TSHARK)
    read = subprocess.run([str(TSHARK), "-r", str(out), "-c", "50", "-q", "-z", "io,stat,0"], capture_output=True)
    assert b"frames" in read.stdout.lower()


def test_a_ring_goes_on_with_what_an_earlier_run_has_left(capture: Start, wire: Cable, tmp_path: Path) -> None:
    for turn in range(2):
        process = capture(
            "-w", tmp_path / "out.pcapng", "--ring", "2x1MiB", "--fail-on", "never", "-o", tmp_path / "x.json"
        )
        replay(wire, BUSY, "--pps=20000", "--loop=80")
        if turn:
            assert stopped(process).code in (ExitCode.OK, ExitCode.INCOMPLETE)
        else:
            time.sleep(0.2)
            process.kill()
            process.communicate()
        files = sorted(tmp_path.glob("out_*.pcapng"))
        assert 1 <= len(files) <= 2
        assert sum(path.stat().st_size for path in files) <= 2 << 20
        assert all(packets_of(path) for path in files)
    evidence = {one["source"] for finding in report_of(tmp_path / "x.json")["findings"] for one in finding["evidence"]}
    assert all(Path(source).name.startswith("out_0") for source in evidence)


def test_without_an_interface_the_one_with_traffic_is_taken_and_told(
    capture: Start, wire: Cable, tmp_path: Path
) -> None:
    with subprocess.Popen(
        ["tcpreplay", "-q", "--pps=500", "--loop=1000", "-i", wire.here, str(BUSY)], stdout=-3, stderr=-3
    ) as sender:
        process = spawn("capture", "-o", tmp_path / "x.json")
        told = wait_for_line(process, "listening on")
        sender.kill()
    stopped(process)
    assert "capturing where there is traffic" in told
    assert f"{wire.there} (" in told


def test_what_parses_packets_has_no_right_left(capture: Start, wire: Cable) -> None:
    process = capture()
    status = Path(f"/proc/{process.pid}/status").read_text()
    rights = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Cap")}
    assert {rights[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    replay(wire, PENDING)
    run = stopped(process)
    assert run.code == ExitCode.FINDINGS
    assert FINDING in run.out
