"""``fieldkit link`` as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fieldkit.cli.exitcodes import ExitCode
from tests.links.routers import DEVICES, DUMP, GSM, MWAN3, NOW, ROOT, document
from tests.links.test_runners import web
from tests.plugins.made import ADAPTER, plugin
from tests.traffic.commandline import Fieldkit

pytestmark = pytest.mark.usefixtures("home")


def recording(path: Path, *answers: tuple[list[str], Any]) -> str:
    lines = [{"recording": "fieldkit-link", "schema": 1, "router": "ssh://root@gw", "time": NOW}]
    lines += [{"time": NOW, "ask": ask, "answer": answer} for ask, answer in answers]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return f"replay:{path}"


RUTOS_DUMP = {"interface": [
    {"interface": "wan", "up": False, "proto": "dhcp", "l3_device": "eth1"},
    {"interface": "mob1s1a1", "up": True, "proto": "wwan", "l3_device": "qmimux0", "modem": "3-1",
     "ipv4-address": [{"address": "10.64.0.2"}]},
    {"interface": "mob1s2a1", "up": True, "proto": "wwan", "l3_device": "qmimux1", "modem": "3-1"},
]}  # fmt: skip


@pytest.fixture
def rutos(home: Path) -> str:
    return recording(
        home / "rutos.jsonl", (DUMP, RUTOS_DUMP), (MWAN3, document("mwan3_status_rutos_7_20.json")),
        GSM, (["ubus", "gsm.modem0", "info"], document("rutos_gsm_modem0_info.json")),
        (["ubus", "system", "info"], {"uptime": 90300}),
    )  # fmt: skip


def test_the_uplinks_of_a_rutos_router(fieldkit: Fieldkit, rutos: str) -> None:
    run = fieldkit("link", rutos)
    assert (run.code, run.err) == (ExitCode.OK, "")
    assert run.out == (
        "ssh://root@gw (openwrt, rutos, started 1 d 1 h ago)\n"
        "\n"
        "mob1s1a1  cellular  up, active\n"
        "  state:     mwan3: online\n"
        "  up for:    39 s\n"
        "  interface: qmimux0, 10.64.0.2, metered\n"
        "  network:   LTE B20 Example (roaming)\n"
        "  SIM:       slot 1, Example rSIM, ICCID 89…00\n"
        "  signal:    RSRP -108 dBm, RSRQ -13 dB, SINR 1 dB, RSSI -78 dBm: weak, noisy\n"
        "  path:      61 ms, 0 % lost\n"
        "\n"
        "mob1s2a1  cellular  up, standby\n"
        "  state:     mwan3: standby\n"
        "  up for:    39 s\n"
        "  interface: qmimux1, metered\n"
        "\n"
        "wan  ethernet  down, failed\n"
        "  state:     mwan3: offline\n"
        "  down for:  41 s\n"
        "  interface: eth1\n"
        "\n"
        "wifi0  wifi  down, disabled\n"
        "  state:     mwan3: notracking, switched off\n"
    )


def test_the_same_as_a_document(fieldkit: Fieldkit, rutos: str, home: Path) -> None:
    run = fieldkit("link", "--json", "-", rutos)
    told = json.loads(run.out)
    assert (told["schema"], told["router"], told["uptime_s"]) == (1, "ssh://root@gw", 90300)
    first = told["uplinks"][0]
    assert (first["id"], first["role"], first["signal"]["rsrp"], first["sim"]["iccid"]) == (
        "mob1s1a1",
        "active",
        -108,
        "89…00",
    )
    assert first["since"] == "2026-11-21T06:49:21.000Z"
    assert first["adapters"] == ["openwrt", "rutos"]
    states = {one["name"]: one["state"] for one in told["adapters"]}
    assert (states["openwrt"], states["ncos"], states["linux"]) == ("ok", "not-here", "not-here")
    fieldkit("link", "--json", home / "x.json", rutos)
    assert json.loads((home / "x.json").read_text()) == told


@pytest.mark.parametrize(
    "seconds, said",
    [(3720, ", its clock is 1 h 2 min ahead of this machine's)"), (-95, ", its clock is 1 min 34 s behind this machine's)"),
     (2, "ago)"), ("--", "ago)")],
)  # fmt: skip
def test_two_clocks(fieldkit: Fieldkit, home: Path, seconds: int | str, said: str) -> None:
    """What the router tells as it happens bears its time; whoever puts that beside a capture must know."""
    told = f"{NOW // 10**9 + seconds}\n" if isinstance(seconds, int) else seconds
    source = recording(
        home / "rutos.jsonl", (DUMP, RUTOS_DUMP), (MWAN3, document("mwan3_status_rutos_7_20.json")),
        (["ubus", "system", "info"], {"uptime": 90300}), (["run", "date", "+%s"], told),
    )  # fmt: skip
    run = fieldkit("link", source)
    assert run.lines[0].endswith(said)
    ahead = json.loads(fieldkit("link", "--json", "-", source).out)["clock_ahead_s"]
    assert ahead == (seconds + 0.5 - NOW % 10**9 / 1e9 if isinstance(seconds, int) else None)


def test_a_router_whose_uplinks_are_all_down(fieldkit: Fieldkit, home: Path) -> None:
    devices = {"mdm": {"info": {"type": "mdm"}, "status": {"connection_state": "disconnected"}}}
    run = fieldkit("link", recording(home / "r.jsonl", (DEVICES, devices)))
    assert (run.code, "mdm  cellular  down, failed" in run.out) == (ExitCode.FINDINGS, True)


def test_a_router_that_nobody_knows(fieldkit: Fieldkit, home: Path) -> None:
    run = fieldkit("link", recording(home / "r.jsonl", (["run", "true"], "")))
    assert (run.code, run.out) == (ExitCode.SOURCE, "")
    assert run.err.startswith("fieldkit: ssh://root@gw: nobody here knows this router's uplinks\n")


def test_a_router_whose_answer_nobody_understands(fieldkit: Fieldkit, home: Path) -> None:
    answer = {"jsonrpc": "2.0", "id": 1, "result": [0, {"interfaces": {}}]}
    run = fieldkit("link", recording(home / "odd.jsonl", (["get", "status/wan/devices"], answer)))
    assert run.code == ExitCode.INCOMPLETE
    assert run.out.count("was not understood") == 1, "one answer, and not an uplink for each of its members"


def test_a_router_that_cannot_be_reached(fieldkit: Fieldkit) -> None:
    run = fieldkit("link", "ubus+http://127.0.0.1:1")
    assert (run.code, run.out) == (ExitCode.UNREACHABLE, "")
    assert run.err.splitlines() == [
        "fieldkit: ubus+http://127.0.0.1:1: the password goes over the network as it is: use https where the router has it",
        "fieldkit: http://127.0.0.1:1: Connection refused",
    ]


def test_wrong_command_lines(fieldkit: Fieldkit, rutos: str) -> None:
    for arguments in (("link", "gopher://x"), ("link", "--every", "5s", rutos), ("link", "--plugin", "nope", rutos),
                      ("link", "--record", rutos.removeprefix("replay:"), rutos), ("link", "ssh://a:b@c"),
                      ("link", "--insecure", "ubus+http://a"), ("link", "--for", "5s", rutos)):  # fmt: skip
        run = fieldkit(*arguments)
        assert (run.code, run.out) == (ExitCode.USAGE, ""), arguments
        assert "Traceback" not in run.err


def test_an_adapter_that_hangs_in_its_own_code_is_named_and_the_rest_is_shown(
    fieldkit: Fieldkit, rutos: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = ADAPTER.replace("{name}", "hangs").replace("return 0.9", "import time; time.sleep(5); return 1")
    root = plugin(home, "hangs", sleeps)
    monkeypatch.setattr("fieldkit.links.survey.Asked.__init__", _hasty(), raising=True)
    run = fieldkit("link", "--plugin", str(root), rutos)
    assert run.code == ExitCode.INCOMPLETE
    assert "mob1s1a1  cellular  up, active" in run.out
    assert "fieldkit: plugin hangs: adapter hangs: it did not come back within 0.4 s" in run.err


def _hasty() -> Any:
    from fieldkit.links.survey import Asked

    before = Asked.__init__

    def made(self: Asked, *arguments: Any, **named: Any) -> None:
        before(self, *arguments, **{**named, "probe_seconds": 0.4})

    return made


def test_recording_and_replay_say_the_same(fieldkit: Fieldkit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDKIT_ROUTER_PASSWORD", "pass word")
    info = document("rutos_gsm_modem0_info.json")
    answers = {
        ("network.interface", "dump"): RUTOS_DUMP, ("mwan3", "status"): document("mwan3_status_rutos_7_20.json"),
        ("gsm.modem0", "info"): info, ("system", "info"): {"uptime": 500},
    }  # fmt: skip
    with web(answers) as base:
        run = fieldkit("link", "-q", "--record", home / "r.jsonl", "--json", "-", f"ubus+{base}")
    assert (run.code, run.err) == (ExitCode.OK, "")
    text = (home / "r.jsonl").read_text()
    assert "pass word" not in text
    assert info["cache"]["iccid"] not in text
    live, again = json.loads(run.out), json.loads(fieldkit("link", "--json", "-", f"replay:{home / 'r.jsonl'}").out)
    assert [(one["id"], one["role"], one["up"], one["signal"]) for one in live["uplinks"]] == [
        (one["id"], one["role"], one["up"], one["signal"]) for one in again["uplinks"]
    ]
    assert len(live["uplinks"]) == 4


def test_watching_a_failover_over_http(home: Path) -> None:
    """A router whose broadband dies while it is watched, and that goes away for a moment."""
    answers: dict[tuple[str, str], Any] = {
        ("network.interface", "dump"): RUTOS_DUMP, ("mwan3", "status"): document("mwan3_status_rutos_7_20.json"),
        ("system", "info"): {"uptime": 500},
    }  # fmt: skip
    before = document("mwan3_status_rutos_7_20.json")
    before["interfaces"]["wan"] |= {"status": "online", "online": 70}
    before["policies"]["ipv4"]["mwan_default"] = [{"interface": "wan", "percent": 100}]
    after, answers["mwan3", "status"] = answers["mwan3", "status"], before
    with web(answers) as base:
        process = subprocess.Popen(
            [sys.executable, "-m", "fieldkit", "link", "--watch", "--every", "1s", "--json", "-", f"ubus+{base}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FIELDKIT_ROUTER_PASSWORD": "pass word"},
        )  # fmt: skip
        assert process.stdout is not None
        look = json.loads(process.stdout.readline())["look"]
        assert look["uplinks"][0]["id"] == "wan"
        answers["mwan3", "status"] = after
        events = [json.loads(process.stdout.readline())["event"] for _ in range(3)]
        answers["system", "info"] = {"uptime": 2}
        events.append(json.loads(process.stdout.readline())["event"])
    time.sleep(1.3)  # the server is gone
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert sorted((event["what"], event["uplink"]) for event in events) == [
        ("down", "wan"), ("reboot", ""), ("role", "mob1s1a1"), ("role", "wan"),
    ]  # fmt: skip
    assert b"the router does not answer: " in err
    assert process.returncode in (ExitCode.INCOMPLETE, ExitCode.OK)
