"""The agent as a process: on a virtual cable, with a real broker, told to end, reloaded, killed, asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldkit.agent.control import ControlError, ask
from fieldkit.events import PacketBatch
from fieldkit.sources.file import FileSource
from tests.agent.lab import Broker, Listening, needs_mosquitto, wait_for
from tests.agent.site import FINDING, PACKETS, Site, stopped
from tests.cli.waiting import wait_for_line
from tests.traffic.commandline import ROOT, ended, spawn
from tests.traffic.netlab import needs_network, needs_tcpreplay

pytestmark = [needs_network, needs_tcpreplay]


@needs_mosquitto
def test_a_finding_on_the_wire_is_at_the_broker_a_moment_later(site: Site, mosquitto: Broker) -> None:
    site.write(sinks=f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n')
    heard = Listening(mosquitto.port)
    process = site.start()
    wait_for(lambda: heard.of("status") == [{"online": True}])
    site.replay()
    begun = time.monotonic()
    wait_for(lambda: any(one["id"] == FINDING for one in heard.of("finding")))
    took = time.monotonic() - begun
    assert took < 15, "five seconds on a machine that has nothing else to do"
    (told,) = [one for one in heard.of("finding") if one["id"] == FINDING and one["revision"] == 1]
    assert (told["site"], told["agent"], told["severity"], told["station"]) == (
        "depot",
        "router",
        "warning",
        "CP-21622",
    )
    assert told["message"] == f"{told['uid']}.1"
    assert heard.of("health")
    run = stopped(process)
    assert run.code == 0
    assert "ended: told to end" in run.err
    wait_for(lambda: heard.of("status")[-1] == {"online": False})
    heard.close()


@needs_mosquitto
def test_what_was_found_while_nobody_listened_arrives_later_also_after_kill_9(site: Site, mosquitto: Broker) -> None:
    site.write(sinks=f'[sinks.home]\ntype = "mqtt"\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n')
    mosquitto.stop(signal.SIGKILL)
    process = site.start()
    site.replay()
    wait_for(lambda: FINDING in {one["id"] for one in site.ask(ask="findings")["findings"]})
    uids = {one["uid"] for one in site.ask(ask="findings")["findings"]}
    assert site.status()["sink_troubles"] == {"home": "127.0.0.1: Connection refused"}
    process.kill()
    process.communicate()
    mosquitto.start()
    heard = Listening(mosquitto.port)
    process = site.start()
    wait_for(lambda: uids <= {one["uid"] for one in heard.of("finding")})
    assert stopped(process).code == 0
    heard.close()


def test_it_says_how_it_is_and_what_it_knows(site: Site) -> None:
    site.write('[ring]\nfolder = "%s"\nsize = "2MB"\nkeep = "warning"\n' % (site.folder / "ring"))
    process = site.start()
    site.replay()
    wait_for(lambda: FINDING in site.found())
    wait_for(lambda: site.status()["packets_total"] == PACKETS)
    status = site.status()
    assert (status["listening"], status["not_listening"], status["packets_lost_total"]) == ([site.wire.there], {}, 0)
    assert status["stations"] == 1
    assert status["memory_bytes"] > 1_000_000
    told = site.ask(ask="findings", severity="warning")["findings"]
    assert {one["severity"] for one in told} == {"warning"}
    assert not site.ask(ask="findings", station="nobody")["findings"]
    # The recording, fetched whole.
    (capture,) = site.ask(ask="captures")["captures"]
    answer, rest = ask(site.run, {"ask": "pull", "name": capture["name"]}, follow=True)
    pulled = site.folder / "pulled.pcapng"
    pulled.write_bytes(b"".join(rest))
    assert answer["bytes"] <= pulled.stat().st_size
    source = FileSource(str(pulled))
    assert sum(len(item.starts) for item in source.items() if isinstance(item, PacketBatch)) == PACKETS
    source.close()
    for name in ("../state/outbox/outbox.db", "/etc/passwd", ""):
        with pytest.raises(ControlError, match="there is no capture"):
            ask(site.run, {"ask": "pull", "name": name})
    with pytest.raises(ControlError, match="it can be asked for"):
        ask(site.run, {"ask": "shutdown"})
    assert (site.run / "agent.sock").stat().st_mode & 0o777 == 0o600
    assert stopped(process).code == 0
    assert not (site.run / "agent.sock").exists()


def test_a_new_configuration_is_taken_without_missing_a_packet(site: Site) -> None:
    site.write()
    process = site.start()
    stop = time.monotonic() + 2
    sent, reloads = 0, 0
    frame = bytes.fromhex(
        "020000000001020000000002080045000028000140004006000001010101020202020050005000000000000000005002200000000000"
    )
    while time.monotonic() < stop:
        site.wire.send(frame)
        sent += 1
        if sent % 30 == 0:
            reloads += 1
            second = f'[sinks.more]\ntype = "file"\npath = "{site.folder}/more-{reloads % 2}.jsonl"\n'
            site.write(second, agent=f"cpu = {50 + reloads % 2}")
            process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    assert reloads >= 1
    wait_for(lambda: site.status()["packets_total"] == sent)
    status = site.status()
    assert status["packets_lost_total"] == 0
    assert set(status["sinks"]) == {"disk", "more"}
    run = stopped(process)
    assert "the configuration was read anew" in run.err


def test_a_wrong_configuration_changes_nothing_and_is_told(site: Site) -> None:
    site.write()
    process = site.start()
    site.config.write_text(site.config.read_text() + "\n[nonsense]\n")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: "agent.reload-failed" in site.found())
    (told,) = [one for one in site.written() if one.get("id") == "agent.reload-failed"]
    assert "nonsense: is not known here" in told["explanation"]
    site.replay()
    wait_for(lambda: FINDING in site.found())
    assert stopped(process).code == 0


def test_an_interface_that_is_not_there_is_told_and_taken_when_it_comes(site: Site) -> None:
    site.write(f'[capture]\nsources = ["fknone0", "{site.wire.there}"]')
    process = site.start()
    wait_for(lambda: "agent.source-lost" in site.found())
    assert list(site.status()["not_listening"]) == ["fknone0"]
    subprocess.run(["ip", "link", "add", "fknone0", "type", "veth", "peer", "name", "fknone1"], check=True)
    try:
        for name in ("fknone0", "fknone1"):
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
        wait_for(lambda: "fknone0" in site.status()["listening"])
        assert site.status()["not_listening"] == {}
    finally:
        subprocess.run(["ip", "link", "del", "fknone0"], check=True)
    assert stopped(process).code == 0


def test_systemd_hears_how_it_is(site: Site) -> None:
    site.write()
    address = str(site.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(40)
        process = site.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="300000")
        assert systemd.recv(4096).startswith(b"READY=1\nSTATUS=listening on ")
        assert systemd.recv(4096) == b"WATCHDOG=1"
        process.send_signal(signal.SIGHUP)

        def heard(what: bytes) -> bool:
            return systemd.recv(4096).startswith(what)

        wait_for(lambda: heard(b"RELOADING=1\nMONOTONIC_USEC="))
        wait_for(lambda: heard(b"READY=1"))
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: heard(b"STOPPING=1"))
    assert ended(process).code == 0


def test_a_second_agent_is_refused(site: Site) -> None:
    site.write()
    process = site.start()
    second: subprocess.Popen[bytes] = spawn("agent", "run", "--config", site.config)
    run = ended(second)
    assert run.code == 3
    assert "another agent" in run.err
    assert stopped(process).code == 0


def test_it_listens_only_when_its_schedule_says_so(site: Site) -> None:
    yesterday = time.strftime("%a", time.localtime(time.time() - 2 * 86_400))
    site.write(f'[schedule]\nwhen = "windows"\nwindows = ["{yesterday} 10:00-10:01"]')
    process = site.start(says="listening on nothing yet")
    assert site.status()["listening"] == []
    site.write()
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: site.status()["listening"] == [site.wire.there])
    site.replay()
    wait_for(lambda: FINDING in site.found())
    assert stopped(process).code == 0


def test_packets_can_be_watched_while_it_works(site: Site) -> None:
    site.write()
    process = site.start()
    watching: subprocess.Popen[bytes] = spawn(
        "capture", "-i", "agent://", "--for", "60s", "--packets", str(PACKETS), "--json", "-", "--fail-on", "never",
        FIELDKIT_AGENT_RUN=str(site.run),
    )  # fmt: skip
    wait_for_line(watching, "listening on", 40)
    site.replay()
    run = ended(watching)
    report = json.loads(run.out)
    assert FINDING in {one["id"] for one in report["findings"]}
    wait_for(lambda: FINDING in site.found())
    assert stopped(process).code == 0


def test_a_clock_that_is_set_corrects_what_was_told_before(tmp_path: Path) -> None:
    """The whole way in one process, with a clock of the test's own: nobody sets that of the machine."""
    from fieldkit.agent.clock import Clock
    from fieldkit.agent.outbox import Outbox
    from fieldkit.agent.told import Writer, corrected

    wall, boot, steered = [1_000_000_000], [0], [False]
    clock = Clock(wall=lambda: wall[0], steady=lambda: boot[0], steered=lambda: steered[0], boot="b")
    outbox = Outbox(tmp_path, None, ["home"])
    writer = Writer("depot", "router", outbox.put, now=lambda: wall[0], mark=lambda: clock.mark)
    entry = {"severity": "warning", "first": "1970-01-01T00:00:01.000Z", "last": "1970-01-01T00:00:02.000Z"}
    writer.write(writer.uid("a"), 1, 1, entry)
    outbox.done("home", outbox.take("home", 1))  # sent already
    writer.write(writer.uid("b"), 1, 1, entry)  # still waits
    wall[0] += 1_800_000_000 * 10**9
    boot[0] += 5 * 10**9
    steered[0] = True
    step = clock.look()
    assert step is not None
    outbox.rewrite(step.mark, corrected(step.by))
    assert writer.correct(step.mark, step.by) == 2
    told = [json.loads(one.body) for one in outbox.take("home", 10)]
    assert [(one["revision"], one["first"][:10], one.get("clock")) for one in told] == [(2, "2027-01-15", None)] * 2
    outbox.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_gives_up_its_rights_and_stays_small(site: Site) -> None:
    """40 MB is what a small router has for it; this Python, with what CI has installed, is not that one."""
    site.write()
    hidden = ("numpy", "cryptography", "textual", "scapy", "ocpp", "jsonschema", "orjson", "rich", "websockets")
    program = (
        f"import sys\nfor name in {hidden!r}: sys.modules[name] = None\nfrom fieldkit.agent.__main__ import main\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}sys.exit(main(['--config', {str(site.config)!r}]))"],
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    site._made.append(process)
    wait_for_line(process, "listening on", 40)
    site.replay()
    wait_for(lambda: FINDING in site.found())
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert int(status["VmRSS"].split()[0]) < 48_000
