"""``fieldkit proxy`` on a router between a real station and a real CSMS, and processes that die."""

from __future__ import annotations

import signal
from pathlib import Path

from fieldkit.cli.exitcodes import ExitCode
from tests.live.lab import CSMS, Lab, needs_lab
from tests.live.readers import assert_whole, report_of
from tests.traffic.sshlab import children, kill

pytestmark = needs_lab

HERE = "10.213.0.1"


def test_a_csms_that_dies_and_comes_back_is_told_by_the_recording(site: Lab, tmp_path: Path) -> None:
    out, document = tmp_path / "out.pcapng", tmp_path / "x.json"
    site.ip("router", "addr", "add", f"{HERE}/24", "dev", "br-lan")
    csms = site.csms()
    proxy = site.fieldkit(
        "router", "proxy", "--listen", f"{HERE}:9000", "--upstream", f"ws://{CSMS}:9000", "-w", out, "-o", document
    )
    station = site.station(url=f"ws://{HERE}:9000/CP_7")
    station.says("beat 20")
    lost = len(station.out)
    csms.end(signal.SIGKILL)
    station.says("lost", after=lost)
    site.csms()
    station.says("beat 5", after=lost)
    run = proxy.end()
    assert run.code == ExitCode.OK
    found = report_of(document)
    assert [one["station"] for one in found["stations"]] == ["CP_7"]
    assert len([one for one in found["connections"] if one["messages"]]) == 2
    assert assert_whole(out) == found["capture"]["packets"]


def test_when_the_diagnosis_is_killed_the_traffic_flows_on(site: Lab, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    site.ip("router", "addr", "add", f"{HERE}/24", "dev", "br-lan")
    site.csms()
    proxy = site.fieldkit("router", "proxy", "--listen", f"{HERE}:9000", "--upstream", f"ws://{CSMS}:9000", "-w", out)
    station = site.station(url=f"ws://{HERE}:9000/CP_7")
    station.says("beat 20")
    (decoder,) = children(proxy.process.pid)
    kill(decoder)
    proxy.says("the traffic still flows")
    seen = len(station.out)
    station.says("beat", after=seen + 20)
    assert not [line for line in station.out[seen:] if line == "lost"]
    assert proxy.end().code == ExitCode.INCOMPLETE
    assert assert_whole(out) > 20
