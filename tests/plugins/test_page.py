"""docs/plugins.md as a stranger reads it: what stands there is typed in, and must work."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from fieldkit.cli.exitcodes import ExitCode
from fieldkit.plugins import MANIFEST
from tests.links.routers import ROOT
from tests.traffic.capture import write_pcap
from tests.traffic.commandline import Fieldkit
from tests.traffic.conversation import Session, merged
from tests.traffic.scripts import boot_16
from tests.traffic.taps import Tap

PAGE = (ROOT / "docs" / "plugins.md").read_text()
_LINES = r"((?:(?!```).*\n)*)"
_BLOCK = re.compile(rf"^```toml\n{_LINES}```\n\n```python\n{_LINES}```$", re.MULTILINE)


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def typed(home: Path) -> dict[str, Path]:
    """The whole plugins of the page, by kind."""
    found = {}
    for manifest, code in _BLOCK.findall(PAGE):
        name = re.search(r'^name = "(.+)"$', manifest, re.MULTILINE)
        module = re.search(r'^module = "(.+)"$', manifest, re.MULTILINE)
        assert name
        assert module
        root = home / name[1]
        root.mkdir()
        (root / MANIFEST).write_text(manifest)
        (root / f"{module[1]}.py").write_text(code)
        found[name[1].removeprefix("my-")] = root
    return found


def _site(place: Path) -> Path:
    session = Session("CP_7", "1.6")
    session.connect()
    session.upgrade()
    boot_16(session)
    fault = {"connectorId": 2, "errorCode": "OtherError", "status": "Faulted", "vendorErrorCode": "E17"}
    session.call("station", "StatusNotification", fault, {}, after=60)
    session.call("station", "DataTransfer", {"vendorId": "x", "data": "41.5"}, {"status": "Accepted"}, after=60)
    path = place / "site.pcap"
    path.write_bytes(write_pcap(Tap().packets(merged(session.segments))))
    return path


def test_every_kind_of_the_table_is_on_the_page(typed: dict[str, Path]) -> None:
    assert set(typed) == {"check", "report", "sink", "decoder"}


def test_what_stands_there_works(fieldkit: Fieldkit, typed: dict[str, Path], home: Path) -> None:
    site = _site(home)
    assert fieldkit("plugins", "allow", str(typed["sink"])).code == ExitCode.OK
    run = fieldkit("plugins", "check", *map(str, typed.values()))
    assert run.code == ExitCode.OK, run.out
    names = [word for kind in ("check", "report") for word in ("--plugin", str(typed[kind]))]
    run = fieldkit("report", *names, "-o", str(home / "x.titles"), "--json", str(home / "x.json"), site)
    assert "failed" not in run.err
    found = {one["id"]: one for one in json.loads((home / "x.json").read_text())["findings"]}
    assert found["my-check.fan"]["advice"] == "Station: replace the fan of connector 2."
    assert "The cooling fan stands still\n" in (home / "x.titles").read_text()
    run = fieldkit("decode", "--plugin", str(typed["decoder"]), "--format", "events", site)
    assert [one["value"] for one in run.records if one["event"] == "DeviceReading"] == [41.5]


def test_a_router_adapter_as_the_page_says(fieldkit: Fieldkit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy, rename, check; then the router's program is there."""
    commands = re.search(r"^```\n(cp -r plugins/template.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert commands
    steps = [line for line in commands[1].splitlines() if "plugins check" not in line]
    steps.insert(0, "cp -r plugins/template my-router")
    script = "\n".join(steps).replace("plugins/template", str(ROOT / "plugins" / "template"))
    subprocess.run(["sh", "-ec", script], cwd=home, check=True)
    run = fieldkit("plugins", "check", str(home / "my-router"))
    assert (run.code, run.lines) == (ExitCode.OK, ["my-router 0.1.0: works: router adapter template"])
    program = home / "bin" / "myrouter-status"
    program.parent.mkdir()
    answer = [{"name": "wan", "connected": "yes", "default": 1, "interface": "acme7"}]
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    run = fieldkit("link", "--plugin", str(home / "my-router"), "--json", "-")
    uplink = next(one for one in json.loads(run.out)["uplinks"] if one["id"] == "wan")
    assert (uplink["device"], uplink["up"], uplink["role"]) == ("acme7", True, "active")
