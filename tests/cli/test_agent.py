"""``fieldkit agent …`` and ``fieldkit collect …`` as a user calls them; the agent itself is in tests/agent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.lab import broker, message, needs_mosquitto, wait_for
from tests.cli.waiting import wait_for_line
from tests.traffic.commandline import ROOT, Fieldkit, ended, spawn
from tests.traffic.expectations import CAPTURES
from tests.traffic.netlab import cable, needs_network, needs_tcpreplay
from tests.traffic.sshlab import Router, needs_sshd, router

PENDING = CAPTURES / "fault_boot_pending.pcap"
FINDING = "boot.remote-start-while-pending"


def test_a_configuration_is_checked(fieldkit: Fieldkit, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('[agent]\nsite = "depot"\nname = "r"\n[capture]\nsources = ["eth0"]\n[sinks.a]\ntype = "stdout"\n')
    run = fieldkit("agent", "check-config", path)
    assert (run.code, run.out) == (0, f"{path}: right. depot/r listens on eth0, tells a (stdout)\n")
    path.write_text(path.read_text() + "sverity = 1\n")
    run = fieldkit("agent", "check-config", path)
    assert run.code == 2
    assert run.err == f"{path}:8: sinks.a.sverity: is not known here: did you mean severity?\n"


def test_nobody_to_ask_is_told(fieldkit: Fieldkit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDKIT_AGENT_RUN", str(tmp_path))
    for name in ("status", "findings", "captures", "pull"):
        run = fieldkit("agent", name)
        assert run.code == 4
        assert "no agent answers there" in run.err
    assert fieldkit("agent", "status", "nonsense").code == 2
    assert fieldkit("agent", "ask", "no json").code == 2


def test_a_configuration_that_is_wrong_starts_nothing(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("agent", "run", "--config", tmp_path / "none.toml")
    assert (run.code, run.err) == (2, f"fieldkit: {tmp_path}/none.toml: No such file or directory\n")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Router]:
    (tmp_path / "router").mkdir()
    with router(tmp_path / "router") as made:
        yield made


@needs_network
@needs_tcpreplay
@needs_sshd
def test_a_technician_asks_over_ssh(
    fieldkit: Fieldkit, tmp_path: Path, far: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run_at = tmp_path / "agent.toml", tmp_path / "run"
    with cable("fks") as wire:
        config.write_text(
            f'[agent]\nsite = "depot"\nname = "r"\nstate = "{tmp_path}/state"\nrun = "{run_at}"\nmemory = "low"\n'
            f'[capture]\nsources = ["{wire.there}"]\n[ring]\nfolder = "{tmp_path}/ring"\n'
            f'[sinks.disk]\ntype = "file"\npath = "{tmp_path}/out/findings.jsonl"\n'
        )
        process: subprocess.Popen[bytes] = spawn("agent", "run", "--config", config)
        try:
            wait_for_line(process, "listening on", 40)
            python = sys.executable
            monkeypatch.setenv("FIELDKIT_SSH_COMMAND", " ".join(far.ssh))
            monkeypatch.setenv(
                "FIELDKIT_REMOTE", f"env PYTHONPATH={ROOT} FIELDKIT_AGENT_RUN={run_at} {python} -m fieldkit"
            )
            url = far.url("x").rpartition("/")[0]
            subprocess.run(["tcpreplay", "-q", "--topspeed", "-i", wire.here, str(PENDING)], check=True, stdout=-3)
            wait_for(lambda: FINDING in fieldkit("agent", "findings", url).out)
            status = fieldkit("agent", "status", url)
            assert (status.code, status.lines[0].partition(":")[0]) == (0, "depot/r")
            assert json.loads(fieldkit("agent", "status", "--json", url).out)["stations"] == 1
            pulled = fieldkit("agent", "pull", "-d", tmp_path, url)
            assert pulled.code == 0
            report = fieldkit("report", "--json", "-", "--fail-on", "never", *pulled.lines)
            assert FINDING in {one["id"] for one in json.loads(report.out)["findings"]}
            missing = fieldkit("agent", "pull", "--name", "packets_99999_x.pcapng", url)
            assert missing.code == 4
            assert "there is no capture" in missing.err
            process.send_signal(signal.SIGTERM)
            assert ended(process).code == 0
            gone = fieldkit("agent", "status", url)
            assert gone.code == 4
            assert "no agent answers there" in gone.err
        finally:
            process.kill()
            process.communicate()


@needs_mosquitto
def test_what_agents_send_is_collected_and_asked_for(fieldkit: Fieldkit, tmp_path: Path) -> None:
    from fieldkit.agent.sinks import open_sink, read
    from fieldkit.config import Document

    db, jsonl = tmp_path / "findings.db", tmp_path / "findings.jsonl"
    with broker(tmp_path / "mosquitto", "persistence true", f"persistence_location {tmp_path}/") as there:
        url = f"mqtt://127.0.0.1:{there.port}"
        sink_settings = read("home", Document({"type": "mqtt", "url": url}, "x", "").root)
        assert sink_settings is not None

        def send(*numbers: int) -> None:
            sink = open_sink(sink_settings, ("depot", "router"), str)
            sink.send([message(number, "critical") for number in numbers])
            sink.close()

        def collect() -> subprocess.Popen[bytes]:
            made: subprocess.Popen[bytes] = spawn("collect", "run", url, "--db", db, "--jsonl", jsonl)
            wait_for_line(made, "collecting", 40)
            return made

        first = collect()
        send(1, 2)
        wait_for(lambda: jsonl.read_text().count("\n") == 2)
        first.kill()
        first.communicate()
        send(2, 3)  # the broker keeps them
        second = collect()
        wait_for(lambda: jsonl.read_text().count("\n") == 3)
        second.send_signal(signal.SIGTERM)
        run = ended(second)
        assert run.code == 0
        assert "1 new, 0 revised, 1 repeated" in run.err
    found = fieldkit("collect", "query", "--db", db, "--id", "boot.*", "--json")
    assert (found.code, sorted(one["title"] for one in found.records)) == (0, ["Number 1", "Number 2", "Number 3"])
    sites = fieldkit("collect", "query", "--db", db, "--sites", "--severity", "critical")
    assert sites.out.split()[:3] == ["depot", "3", "findings"]
    assert "(boot.rejected)" in fieldkit("collect", "query", "--db", db, "--limit", "1").out
    assert fieldkit("collect", "query", "--db", db, "--since", "1s").code == 1
    assert fieldkit("collect", "query", "--db", db, "--since", "soon").code == 2
    assert fieldkit("collect", "query", "--db", tmp_path / "none").code == 3
    assert fieldkit("collect", "agents", "--db", db).out.startswith("depot/router")


def test_a_collector_does_not_send_its_password_in_the_clear(fieldkit: Fieldkit, tmp_path: Path) -> None:
    run = fieldkit("collect", "run", "mqtt://broker.example", "--db", tmp_path / "x.db")
    assert run.code == 2
    assert "could be read and changed on the way" in run.err
    assert not (tmp_path / "x.db").exists()
