"""The agent as a service with what few agents have: the detector, a schedule of events, a meter on a serial port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fieldkit.cli.agentstatus import _lines
from fieldkit.detect.calibration import Calibration
from fieldkit.devices.modbus.timing import line_settings
from fieldkit.models import calibrationfile
from tests.agent.lab import wait_for
from tests.agent.site import FINDING, Site, stopped
from tests.detect.test_calibration import learnt
from tests.sources.serial.ptys import ModbusPty, meter
from tests.traffic.commandline import ROOT
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import needs_network, needs_tcpreplay, run

ROLLBACK = CAPTURES / "ocpp201_vcp_pyocpp_plain.pcap"
STATION = "CP-22001"

pytestmark = [needs_network, needs_tcpreplay]


def capturing(site: Site) -> str:
    for end in (site.wire.here, site.wire.there):
        site.wire.set("mtu", "65000", end=end)  # it was recorded on a loopback interface, whose segments are long
    return f'[capture]\nsources = ["{site.wire.there}"]\nports = [22001]'


def incidents(site: Site) -> list[dict[str, Any]]:
    return [one for one in site.written() if str(one.get("id", "")).startswith("incident.")]


# ------------------------------------------------------------------------------------------------------------ detector


def test_incidents_come_home_as_findings(site: Site) -> None:
    site.write("[detector]\nuse = true", capturing(site))
    process = site.start()
    assert site.status()["detector"] == "at work: rules, statistics, model"
    site.replay(ROLLBACK)
    wait_for(lambda: incidents(site), 60)
    told = incidents(site)[0]
    assert (told["id"], told["what"], told["station"]) == ("incident.register-rollback", "fraud", STATION)
    assert (told["category"], told["severity"], told["message"]) == ("finding", "warning", f"{told['uid']}.1")
    assert told["evidence"]
    assert 0.6 <= told["score"] <= 1
    ended = stopped(process)
    assert ended.code == 0, ended.err
    assert "not used" not in ended.err


def test_what_was_learnt_survives_the_agents_end(site: Site) -> None:
    """An hour of a station's past that one agent leaves behind is what the next one, and the one after it, begin with."""
    site.write("[detector]\nuse = true", capturing(site))
    file = site.folder / "state" / "calibration.json"
    file.parent.mkdir()
    calibrationfile.save(str(file), Calibration(learnt()[0]))
    before = json.loads(file.read_text())
    assert list(before["stations"]) == ["CP_1"]
    written = file.stat().st_ino
    for _ in range(2):
        process = site.start()
        assert site.status()["detector"] == "at work: rules, statistics, model"
        site.replay(ROLLBACK)
        wait_for(lambda: site.status()["stations"] == 1)
        assert stopped(process).code == 0
        after = json.loads(file.read_text())
        assert after["stations"]["CP_1"] == before["stations"]["CP_1"]
        assert file.stat().st_ino != written, "written beside its place, and moved there whole"
        written = file.stat().st_ino
        assert [path.name for path in file.parent.glob(".calibration*")] == []


def test_a_damaged_calibration_is_told_and_replaced(site: Site) -> None:
    site.write("[detector]\nuse = true", capturing(site))
    (site.folder / "state").mkdir()
    file = site.folder / "state" / "calibration.json"
    file.write_text('{"cut off')
    process = site.start()
    assert "is damaged or cut off" in site.status()["detector"]
    wait_for(lambda: "agent.missing" in site.found())
    assert stopped(process).code == 0
    assert json.loads(file.read_text())["stations"] == {}


def test_with_little_memory_there_is_no_detector_and_the_status_says_so(site: Site) -> None:
    site.write(capturing(site))
    process = site.start()
    status = site.status()
    assert status["detector"] == 'left out, as memory = "low"'
    assert 'detector       left out, as memory = "low"' in list(_lines(status))
    site.replay(ROLLBACK)
    wait_for(lambda: site.status()["stations"] == 1)
    assert stopped(process).code == 0
    assert not incidents(site)
    assert not (site.folder / "state" / "calibration.json").exists()


# -------------------------------------------------------------------------------------------------------------- events


@contextmanager
def apart(site: Site) -> Iterator[list[str]]:
    """What runs a program where there are no interfaces but the site's own: those of other tests come and go, and each
    is something that happens."""
    name = f"fkevents{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "set", site.wire.there, "netns", name)
        run("ip", "-n", name, "link", "set", site.wire.there, "up")
        run("ip", "link", "set", site.wire.here, "up")
        yield ["ip", "netns", "exec", name]
    finally:
        run("ip", "netns", "del", name)


def test_it_listens_for_a_while_when_something_happens_to_an_uplink(site: Site) -> None:
    """The router is a program that answers as one; it is asked by the adapter of plugins/template."""
    with apart(site) as inside:
        listens_for_a_while(site, inside)


def listens_for_a_while(site: Site, inside: list[str]) -> None:
    answers = site.folder / "uplinks.json"
    wan: dict[str, Any] = {"name": "wan", "connected": True, "default": True, "interface": "eth0", "state": "up"}
    lte: dict[str, Any] = {"name": "lte", "connected": True, "default": False, "interface": "wwan0", "modem": True}

    def answer(*links: dict[str, Any]) -> None:
        draft = site.folder / "draft.json"
        draft.write_text(json.dumps(links))
        draft.chmod(0o644)
        draft.replace(answers)

    answer(wan, lte)
    programs = site.folder / "bin"
    programs.mkdir()
    (programs / "myrouter-status").write_text(f"#!/bin/sh\nexec cat {answers}\n")
    (programs / "myrouter-status").chmod(0o755)
    site.write(
        '[schedule]\nwhen = "events"\nlasting = "6s"',
        f'[links]\nevery = "5s"\nplugins = ["{ROOT}/plugins/template"]',
    )
    process = site.start(says="listening on nothing yet", inside=inside, PATH=f"{programs}:{os.environ['PATH']}")
    wait_for(lambda: any(one.get("id") == "lte" for one in site.status()["uplinks"]), 60)
    assert site.status()["schedule"] == "events"
    assert site.status()["listening"] == []
    site.replay()  # nobody listens
    answer({**wan, "connected": False, "default": False, "state": "down"}, {**lte, "default": True})
    wait_for(lambda: site.status()["listening"] == [site.wire.there], 60)
    assert FINDING not in site.found()
    site.replay()
    wait_for(lambda: FINDING in site.found())
    assert {"wan", "lte"} & {one["uplink"] for one in site.written() if one["category"] == "link"}
    wait_for(lambda: site.status()["listening"] == [], 60)
    said = stopped(process)
    assert said.code == 0
    assert said.err.index("the schedule begins") < said.err.index("the schedule pauses")


# -------------------------------------------------------------------------------------------------------------- serial


def test_a_meter_on_a_serial_port_is_read_into_the_same_session(site: Site) -> None:
    with ModbusPty(meter(line_settings(9600))) as device:
        serial = f'[[serial]]\nport = "{device.path}"\ndevice = "modbus:sdm630@1"\nevery = "1s"\nline = "9600"'
        site.write(serial)
        process = site.start()
        wait_for(lambda: site.status()["devices"], 60)
        (told,) = site.status()["devices"]
        assert told["name"].startswith("sdm630")
        assert device.path.rsplit("/", 1)[-1] in told["name"]
        wait_for(lambda: site.status()["devices"][0]["values_total"] > told["values_total"], 60)
        assert f"device         {told['name']}" in "\n".join(_lines(site.status()))
        # The line is cut: that is told, and the agent goes on.
        asked = device.requests
        assert asked
        children = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "serial read"], capture_output=True, text=True
        )
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        wait_for(lambda: "agent.helper-failed" in site.found())
        site.replay()
        wait_for(lambda: FINDING in site.found())
        assert stopped(process).code == 0
