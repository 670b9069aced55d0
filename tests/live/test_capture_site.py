"""``fieldkit capture`` on a router between a real station and a real CSMS: cables, disks and processes that fail."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from fieldkit.cli.exitcodes import ExitCode
from tests.live.lab import Lab, needs_lab, small_disk, until
from tests.live.readers import assert_whole, read_again, report_of
from tests.traffic.sshlab import children

pytestmark = needs_lab


def test_a_station_that_is_rejected_is_told_while_it_happens_and_at_the_end(site: Lab, tmp_path: Path) -> None:
    out, document = tmp_path / "out.pcapng", tmp_path / "x.json"
    capture = site.fieldkit("router", "capture", "-i", "br-lan", "-w", out, "--follow", "-o", document,
                            "--fail-on", "warning")  # fmt: skip
    site.csms("Rejected")
    site.station()
    followed = json.loads(capture.says('"boot.rejected"', 3))
    assert (followed["station"], followed["severity"]) == ("CP_7", "warning")
    run = capture.end()
    assert run.code == ExitCode.FINDINGS
    assert "ended after" in run.err
    assert "SIGTERM" in run.err
    found = report_of(document)
    assert found == read_again(out)
    assert "boot.rejected" in {one["id"] for one in found["findings"]}
    assert assert_whole(out) == found["capture"]["packets"]


def test_a_cable_that_is_pulled_and_an_interface_that_is_taken_away(site: Lab, tmp_path: Path) -> None:
    out, document = tmp_path / "out.pcapng", tmp_path / "x.json"
    site.csms()
    station = site.station()
    capture = site.fieldkit("router", "capture", "-i", "lan1", "-w", out, "-o", document)
    station.says("beat 10")
    site.ip("router", "link", "set", "lan1", "down")
    capture.says("lan1 went down")
    station.says("lost")
    lost = len(station.out)
    site.ip("router", "link", "set", "lan1", "up")
    capture.says("lan1 is up")
    station.says("booted", after=lost)
    lost = len(station.out)
    site.ip("router", "link", "del", "lan1")
    capture.says("lan1 is gone")
    station.says("lost", after=lost)
    lost = len(station.out)
    site.cable("lan1", "station")
    site.ip("station", "addr", "add", "10.213.0.2/24", "dev", "eth0")
    capture.says("lan1 is back")
    station.says("booted", after=lost)
    time.sleep(0.3)
    run = capture.end(signal.SIGINT)
    assert run.code == ExitCode.INCOMPLETE
    assert "Ctrl-C" in run.err
    found = report_of(document)
    assert len(found["connections"]) >= 3, "before, between and after"
    assert "CP_7" in {one["station"] for one in found["connections"]}
    (hole,) = found["capture"]["damage"]
    assert "on lan1: the interface was gone" in hole
    assert assert_whole(out) == found["capture"]["packets"]


def test_a_full_disk_ends_the_recording_and_not_the_diagnosis(site: Lab, tmp_path: Path) -> None:
    site.csms()
    station = site.station(0.001)
    with small_disk(tmp_path / "disk", "96k") as disk:
        out, document = disk / "out.pcapng", tmp_path / "x.json"
        capture = site.fieldkit("router", "capture", "-i", "br-lan", "-w", out, "-o", document)
        capture.says("the disk is full; it holds all packets up to here; the diagnosis goes on")
        seen = len(station.out)
        station.says("beat", after=seen + 20)
        run = capture.end()
        assert run.code == ExitCode.INCOMPLETE
        kept = assert_whole(out)
        assert 50 < kept < report_of(document)["capture"]["packets"]


def test_a_ring_on_a_disk_that_others_fill_goes_on_with_new_packets(site: Lab, tmp_path: Path) -> None:
    site.csms()
    station = site.station(0.0005)
    with small_disk(tmp_path / "disk", "3m") as disk:
        capture = site.fieldkit(
            "router", "capture", "-i", "br-lan", "-i", "lan1", "-i", "lan2", "-w", disk / "out.pcapng",
            "--ring", "8x1MiB", "--fail-on", "never",
        )  # fmt: skip
        capture.says("when the disk is full, its oldest files go earlier")
        until(lambda: len(list(disk.glob("out_*.pcapng"))) == 2)
        first = min(disk.glob("out_*.pcapng"))
        (disk / "others").write_bytes(bytes(1_300_000))
        until(lambda: not first.exists())
        time.sleep(0.2)
        run = capture.end()
        assert "it holds all packets up to here" not in run.err
        assert run.code in (ExitCode.OK, ExitCode.INCOMPLETE)
        assert sum(map(assert_whole, disk.glob("out_*.pcapng"))) > 100
        assert station.process.poll() is None


def test_killed_while_it_writes_it_leaves_a_file_that_everybody_reads_and_nothing_else(
    site: Lab, tmp_path: Path
) -> None:
    out = tmp_path / "out.pcapng"
    site.csms()
    station = site.station(0.001)
    capture = site.fieldkit("router", "capture", "-i", "br-lan", "-w", out, "-o", tmp_path / "x.html")
    station.says("beat 50", after=len(station.out))
    until(lambda: out.stat().st_size > 20_000)
    helpers = children(capture.process.pid)
    run = capture.end(signal.SIGKILL)
    assert run.code == -signal.SIGKILL
    until(lambda: not any(Path(f"/proc/{helper}").exists() for helper in helpers), 3)
    assert assert_whole(out) > 50
    assert read_again(out)["summary"]["stations"] == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["out.pcapng"]
